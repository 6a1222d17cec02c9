extension ConsoleScriptParts {
  /// The review queue. A label counts when the router has said so: only then the next item comes.
  static let review = #"""
    const queue = {items: [], backlog: 0, byTask: {}, task: '', isBusy: false, isAsking: false, state: 'closed', labelled: 0, undone: [], done: new Set()};
    const severities = {1: 'annoying', 2: 'costly', 3: 'security or customer'};
    const extras = () => ({severity: null, missed: false, note: '', opened: null});
    let mark = extras(), notice = '';
    const nameOf = item => item.call_id + (item.subject === 'challenger' ? '/challenger' : '');

    async function fetchItems() {
      if (queue.isAsking) return;
      queue.isAsking = true;
      try {
        const answer = await withToken('Reviewing needs a token: a label carries your name.', () =>
          request('GET', '/v1/review?limit=3' + (queue.task ? '&task=' + encodeURIComponent(queue.task) : '')));
        if (!answer) { queue.state = 'no token'; return; }
        const known = new Set(queue.items.map(nameOf));
        // Asked for before a label was written, answered after it: an item may come that is done.
        queue.items.push(...answer.items.filter(item => !known.has(nameOf(item)) && !queue.done.has(nameOf(item))));
        for (const item of answer.items) {
          const mine = queue.items.find(other => nameOf(other) === nameOf(item));
          if (mine) mine.reserved_until = item.reserved_until;
        }
        queue.backlog = answer.backlog;
        queue.byTask = answer.by_task || {};
        queue.state = queue.items.length ? 'item' : 'empty';
      } catch (error) {
        queue.state = error.message === 'no such path' ? 'absent' : 'failed';
        if (queue.task && error.code === 'unknown_task') { queue.task = ''; queue.state = 'closed'; }
        notice = error.message;
      } finally { queue.isAsking = false; }
    }

    async function openReview() {
      if (queue.state === 'item' && queue.items.length) return renderReview();
      queue.state = 'loading';
      notice = '';
      renderReview();
      await fetchItems();
      renderReview(true);
    }

    async function label(word) {
      const item = queue.items[0];
      if (!item || queue.isBusy) return;
      queue.isBusy = true;
      renderBusy();
      const body = {call_id: item.call_id, review_label: word};
      if (item.subject) body.subject = item.subject;
      if (word === 'escalate' && mark.severity) body.severity = mark.severity;
      if (word === 'escalate' && mark.missed) body.missed_stop = true;
      if (mark.note) body.note = mark.note;
      try {
        const answer = await withToken('A label needs your token.', () => request('POST', '/v1/review', body));
        if (answer) {
          queue.items.shift();
          queue.labelled += 1;
          queue.done.add(nameOf(item));
          queue.undone.push(item);
          queue.undone = queue.undone.slice(-200);
          queue.backlog = answer.backlog ?? Math.max(0, queue.backlog - 1);
          mark = extras();
          notice = '';
          await next(words(word) + ' saved');
        }
      } catch (error) {
        if (error.status === 409 || error.status === 404) {
          queue.items.shift();
          mark = extras();
          await next('Not saved: ' + error.message + '. This is the next item.');
        } else {
          notice = 'Not saved: ' + error.message + ' The item is still here: press the key again.';
        }
      } finally {
        queue.isBusy = false;
        renderReview(true);
      }
    }

    async function next(text) {
      if (!queue.items.length) await fetchItems();
      // The next one is there already: more are fetched behind its back.
      else if (queue.items.length < 2) fetchItems().then(navCount);
      if (!queue.items.length && queue.state === 'item') queue.state = 'empty';
      announce(text + '. ' + (queue.items.length ? count(queue.backlog) + ' left' : 'Nothing left to review'));
      if (text.startsWith('Not')) notice = text;
    }

    async function undo() {
      if (queue.isBusy) return;
      queue.isBusy = true;
      try {
        const answer = await withToken('Undo needs your token.', () => request('POST', '/v1/review', {undo: true}));
        if (answer) {
          const last = queue.undone.pop();
          if (last) queue.done.delete(nameOf(last));
          if (last && (!answer.call_id || last.call_id === answer.call_id)) {
            queue.items.unshift(last);
          } else {
            queue.items = [];
            await fetchItems();
          }
          queue.state = queue.items.length ? 'item' : queue.state;
          queue.labelled = Math.max(0, queue.labelled - 1);
          queue.backlog += 1;
          mark = extras();
          notice = '';
          announce('The last label is taken back. Its item is here again.');
        }
      } catch (error) {
        notice = error.message;
        announce(error.message);
      } finally {
        queue.isBusy = false;
        renderReview(true);
      }
    }

    async function openText() {
      const item = queue.items[0];
      if (!item) return;
      if (!item.captured) { notice = 'No text of this call is kept, only the previews. A policy with capture: sampled keeps it.'; return renderReview(); }
      const given = await ask({title: 'Open the captured text', confirm: 'Open',
        text: 'Who opens a text and why is written to the log before it is shown.',
        fields: [{name: 'reason', label: 'Reason', required: true}]});
      if (!given || !given.reason) return;
      try {
        mark.opened = await withToken('Captured text needs your token.', () =>
          request('POST', '/v1/review', {open: item.call_id, reason: given.reason}));
        notice = '';
        announce('The captured text is shown');
      } catch (error) { notice = 'Not opened: ' + error.message; }
      renderReview(true);
    }

    async function leave() {
      const ids = queue.items.map(item => item.call_id);
      queue.items = [];
      queue.state = 'closed';
      mark = extras();
      if (ids.length) await request('POST', '/v1/review', {release: ids}).catch(() => null);
      location.hash = '#live';
    }
    addEventListener('pagehide', () => {
      if (!queue.items.length || !token) return;
      fetch('/v1/review', {method: 'POST', keepalive: true, body: JSON.stringify({release: queue.items.map(item => item.call_id)}),
        headers: {'X-Shadow-Router-Token': token, 'Content-Type': 'application/json'}}).catch(() => null);
    });

    function setSeverity(value) {
      mark.severity = value;
      for (const radio of document.getElementsByName('severity')) radio.checked = radio.value === String(value || 0);
      announce(value ? 'severity ' + value + ', ' + severities[value] : 'no severity');
    }

    const keys = {
      a: ['accept: the local answer would have done', () => label('accept')],
      e: ['escalate: it would not have done', () => label('escalate')],
      ' ': ['unsure', () => label('unsure')],
      u: ['undo your last label', undo],
      f: ['severity: none, annoying, costly, security or customer', () => setSeverity({0: 1, 1: 2, 2: 3, 3: null}[mark.severity || 0])],
      m: ['a hard stop should have caught it', () => { mark.missed = !mark.missed; $('missed').checked = mark.missed; announce(mark.missed ? 'missed stop' : 'no missed stop'); }],
      n: ['note', () => $('note') && $('note').focus()],
      o: ['open the captured text, with a reason', openText],
      q: ['leave, and give your items back', leave],
      '?': ['these keys', () => ask({title: 'Keys', text: el('dl', {}, Object.entries(keys).map(([key, [text]]) =>
        [el('dt', {}, el('kbd', {}, key === ' ' ? 'space' : key)), el('dd', {}, text)]),
      el('dt', {}, el('kbd', {}, '1'), ' ', el('kbd', {}, '2'), ' ', el('kbd', {}, '3')), el('dd', {}, 'severity at once'))})],
    };

    addEventListener('keydown', event => {
      if (view !== 'review' || $('dialog').open || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      const target = event.target;
      if (target.id === 'note' && event.key === 'Escape') { event.preventDefault(); return focusItem(); }
      if (target.matches('input:not([type=radio]):not([type=checkbox]), textarea, select')) return;
      // The space bar presses what has the focus.
      if (event.key === ' ' && target.matches('button, input, a, summary')) return;
      if (queue.state !== 'item' && !'u?q'.includes(event.key)) return;
      if ('123'.includes(event.key)) { event.preventDefault(); return setSeverity(Number(event.key)); }
      const key = Object.hasOwn(keys, event.key) && keys[event.key];
      if (!key) return;
      event.preventDefault();
      key[1]();
    });

    const focusItem = () => { const item = document.querySelector('.item'); if (item) item.focus(); };
    function renderBusy() { for (const button of document.querySelectorAll('#review .choices button')) button.disabled = true; }

    function renderReview(movesFocus) {
      navCount();
      const left = notice && el('p', {class: 'alert', role: 'alert'}, notice);
      const button = (text, action, tone) => el('button', {type: 'button', class: tone, click: action}, text);
      switch (queue.state) {
        case 'loading': return show('review', el('p', {class: 'soft'}, 'Fetching the next items.'));
        case 'absent': return show('review', empty('Review comes with a later version of this router: its control API has no queue yet. ',
          'Until then the report names suspected false accepts: ', code('shadow-router report --since 7d'), '.'));
        case 'no token': return show('review', empty('Reviewing needs a token, because a label carries your name. '),
          el('div', {class: 'choices'}, button('Enter token', openReview, 'main')));
        case 'failed': return show('review', left, el('div', {class: 'choices'}, button('Try again', openReview, 'main')));
        case 'empty': case 'closed': {
          const done = queue.labelled ? 'You have labelled ' + count(queue.labelled) + (queue.labelled === 1 ? ' item. ' : ' items. ') : '';
          return show('review', left, empty(done, 'Nothing waits for you now. Items come when would-accepts are drawn for review; ',
            'the share is ', code('review_sample'), ' in the policy.'),
            el('div', {class: 'choices'}, button('Look again', openReview, 'main'), queue.undone.length ? button('Undo the last label', undo) : null));
        }
      }
      const item = queue.items[0], opened = mark.opened;
      const stops = (item.hard_stop_match || []).map(stop => '“' + stop.term + '” (' + stop.class + ') in the ' + stop.where).join(', ');
      const failed = Object.entries(item.checks || {}).filter(([, outcome]) => outcome === 'fail').map(([name]) => words(name));
      const passed = Object.values(item.checks || {}).filter(outcome => outcome === 'pass').length;
      const said = value => value == null ? null : typeof value === 'string' ? value : JSON.stringify(value, null, 1);
      const side = (title, who, text) => el('div', {}, el('h4', {}, title), who.label && el('p', {}, 'label ', el('strong', {}, who.label)),
        el('p', {class: 'text' + (text ? '' : ' preview')}, text || said(who.answer) || 'no preview kept'));
      const texts = opened || {};
      const answerOf = value => value && typeof value === 'object' && 'answer' in value ? said(value.answer) : said(value);
      const tasks = Object.entries(queue.byTask);
      show('review', left,
        el('div', {class: 'head spread'}, el('p', {class: 'soft small'}, count(queue.backlog) + ' waiting, ' + count(queue.labelled) + ' labelled by you on this page'),
          tasks.length > 1 && el('label', {}, 'Task ', el('select', {id: 'review-task', change: event => {
            queue.task = event.target.value; queue.items = []; queue.state = 'closed'; mark = extras(); openReview(); }},
          el('option', {value: ''}, 'all'), tasks.map(([name, n]) => el('option', {value: name, selected: name === queue.task}, name + ' (' + count(n) + ')'))))),
        el('article', {class: 'card item', tabindex: '-1', 'aria-label': 'Item: ' + item.task_type + ', ' + nameOf(item)},
          el('div', {class: 'head'}, el('h3', {}, item.task_type), item.subject === 'challenger' && pill('challenger', 'mute'),
            item.cluster && item.cluster.count > 1 && pill('stands for ' + count(item.cluster.count) + ' alike', 'warn'),
            el('span', {class: 'soft small'}, item.call_id)),
          item.rubric ? el('p', {}, el('strong', {}, 'Rubric: '), item.rubric)
            : el('p', {class: 'soft'}, 'This task has no rubric: would the local answer have done, had nobody asked the frontier?'),
          el('div', {class: 'box'}, el('h4', {}, opened ? 'Input, captured text' : 'Input, redacted preview'),
            el('p', {class: opened ? 'text' : 'text preview'}, said(texts.input) || item.input.text || item.input.preview || 'no preview kept')),
          el('div', {class: 'two'}, side('Local answer', item.candidate, answerOf(item.subject === 'challenger' ? texts.challenger : texts.candidate)),
            side('Frontier’s answer', item.frontier, answerOf(texts.frontier))),
          el('dl', {class: 'said'}, el('dt', {}, 'Checks'), el('dd', {}, failed.length ? 'failed: ' + failed.join(', ') : count(passed) + ' passed, none failed'),
            el('dt', {}, 'Hard stops'), el('dd', {}, stops || 'no term found'),
            item.cluster && item.cluster.template && [el('dt', {}, 'Template'), el('dd', {class: 'preview'}, item.cluster.template)]),
          el('div', {class: 'choices', role: 'group', 'aria-label': 'Label'},
            el('button', {type: 'button', click: () => label('accept')}, 'Accept ', el('kbd', {}, 'a')),
            el('button', {type: 'button', click: () => label('escalate')}, 'Escalate ', el('kbd', {}, 'e')),
            el('button', {type: 'button', click: () => label('unsure')}, 'Unsure ', el('kbd', {}, 'space')),
            el('button', {type: 'button', click: openText, disabled: !item.captured}, 'Open text ', el('kbd', {}, 'o')),
            el('button', {type: 'button', click: undo, disabled: !queue.undone.length}, 'Undo ', el('kbd', {}, 'u')),
            el('button', {type: 'button', click: keys['?'][1]}, 'Keys ', el('kbd', {}, '?'))),
          el('div', {class: 'extras'},
            el('fieldset', {}, el('legend', {}, 'If it escalates, severity ', el('kbd', {}, 'f')), [null, 1, 2, 3].map(value => {
              const radio = el('input', {type: 'radio', name: 'severity', value: value || 0, change: () => setSeverity(value)});
              radio.checked = mark.severity === value;
              return el('label', {}, radio, ' ', value ? severities[value] : 'none');
            })),
            (() => {
              const box = el('input', {type: 'checkbox', id: 'missed', change: event => { mark.missed = event.target.checked; }});
              box.checked = mark.missed;
              return el('label', {}, box, ' a hard stop should have caught it ', el('kbd', {}, 'm'));
            })(),
            el('div', {class: 'wide-field'}, el('label', {for: 'note'}, 'Note ', el('kbd', {}, 'n'), el('span', {class: 'soft small'}, ' (Esc goes back to the keys)')),
              (() => {
                const field = el('textarea', {id: 'note', maxlength: 1000, input: event => { mark.note = event.target.value.trim(); }});
                field.value = mark.note;
                return field;
              })()))));
      if (movesFocus && view === 'review' && !$('dialog').open) focusItem();
    }

    function navCount() {
      const link = document.querySelector('nav a[href="#review"]');
      link.replaceChildren('Review', queue.state === 'item' && queue.backlog ? el('span', {class: 'count'}, ' ' + count(queue.backlog)) : '');
    }

    """#
}
