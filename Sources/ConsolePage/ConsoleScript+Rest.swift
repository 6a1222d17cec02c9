extension ConsoleScriptParts {
  /// Gates, finding, and which part is shown.
  static let rest = #"""
    const outcomes = {pass: ['pass', 'good'], fail: ['fail', 'bad'], inconclusive: ['inconclusive', 'warn'],
      insufficient_data: ['not enough data', 'mute'], error: ['error', 'bad']};

    const conditionStates = {met: ['met', 'good'], unmet: ['not met', 'warn']};

    async function loadGates() {
      const tasks = live.tasks.filter(task => task.local);
      if (!live.at) return setTimeout(() => view === 'gates' && loadGates(), 300);
      if (!tasks.length) {
        return show('gates', empty('No task of the policy may be answered locally, so that there is nothing to promote. A task that may has ', code('local: true'), '.'));
      }
      show('gates', tasks.map(task => el('article', {class: 'card', id: 'gate-' + task.task}, el('h3', {}, task.task), el('p', {class: 'soft'}, 'reading the log'))));
      for (const task of tasks) {
        let content;
        try {
          content = gate(await request('GET', '/v1/gate/' + encodeURIComponent(task.task)));
        } catch (error) {
          if (error.message === 'no such path') {
            return show('gates', empty('Gates come with a later version of this router: its control API has none yet. What is known by now stands in the report: ',
              code('shadow-router report --since 7d'), '.'));
          }
          content = [el('p', {class: 'alert'}, error.message)];
        }
        const card = $('gate-' + task.task);
        if (!card) return;
        const [head, ...rest] = content;
        card.replaceChildren(el('div', {class: 'head'}, el('h3', {}, task.task), head), ...rest.filter(Boolean));
      }
    }

    function gate(gate) {
      const [text, tone] = outcomes[gate.outcome] || [words(gate.outcome), 'mute'];
      const order = ['unmet', 'met', 'not_applicable'];
      const sorted = (gate.conditions || []).slice().sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
      const rows = sorted.map(condition => {
        const [stateText, stateTone] = conditionStates[condition.state] || [words(condition.state), 'mute'];
        // On a phone cells stand below each other, and would lose their roles with it.
        return el('tr', {role: 'row'}, el('th', {scope: 'row', role: 'rowheader'}, words(condition.name)), el('td', {role: 'cell'}, pill(stateText, stateTone)),
          el('td', {role: 'cell'}, condition.shown ?? condition.figure ?? '–'), el('td', {role: 'cell'}, condition.wants ?? condition.limit ?? '–'),
          el('td', {class: 'soft', role: 'cell'}, prose([condition.missing, condition.source].filter(Boolean).join('; '))));
      });
      const epoch = gate.epoch;
      const facts = [epoch && count(epoch.drawn) + ' drawn of ' + count(epoch.would_accepts) + ' would-accepts, ' + count(epoch.unlabelled) + ' not labelled yet',
        epoch && epoch.start && 'evidence since ' + when(epoch.start),
        gate.reviews_missing && 'about ' + count(gate.reviews_missing) + ' more reviews at zero false accepts',
        gate.false_accept_upper_bound != null && 'rate at most ' + percent(gate.false_accept_upper_bound) + ', limit ' + percent(gate.max_false_accept_rate)]
        .filter(Boolean).join(' · ');
      return [pill(text, tone), facts && el('p', {class: 'soft small'}, facts), (gate.problem || gate.next) && el('div', {class: 'next'}, el('p', {}, prose(gate.problem || gate.next))),
        rows.length && el('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Conditions of ' + gate.task},
          el('table', {role: 'table'}, el('thead', {}, el('tr', {}, ['Condition', 'State', 'Figure', 'Wanted', 'What is missing, and where the figure is from'].map(name => el('th', {scope: 'col'}, name)))),
            el('tbody', {}, rows)))];
    }
    // Find

    const kinds = {
      decision: r => [r.route_candidate === 'local' ? 'would be answered locally' : 'stays with the frontier: ' + words(r.reason), r.task_type, r.label && 'label ' + r.label],
      comparison: r => ['the frontier answered', r.agreement === 'unknown' ? 'not comparable: ' + words(r.agreement_detail) : r.agreement + 's', r.frontier_label && 'label ' + r.frontier_label],
      challenge: r => ['the challenger answered', r.route_candidate === 'local' ? 'would be accepted' : words(r.reason)],
      outcome: r => ['it ended: ' + r.result, 'said by the ' + r.source, r.approved_by && 'approved by ' + r.approved_by],
      review: r => [(r.review_label || 'label taken back'), 'by ' + r.reviewer, r.severity && 'severity ' + r.severity, r.note],
      access: r => ['text opened by ' + r.who, r.reason],
    };
    // Whoever has yet to label a call should not know how sure the candidate was, nor why it was drawn.
    const hidden = ['confidence', 'confidence_raw', 'confidence_source', 'sampled', 'stream', 'validator_result', 'calibration', 'prev', 'h'];

    async function find(id) {
      $('find-id').value = id;
      if (!id) {
        $('find-state').textContent = '';
        return show('found', empty('An id finds every record of a call, of all calls of a run, or of a task: what was decided and why, ',
          'what the frontier said, how it ended, who labelled it.'));
      }
      $('find-state').textContent = 'reading the log';
      show('found');
      let records = [];
      try {
        records = (await request('GET', '/v1/find/' + encodeURIComponent(id))).records;
      } catch (error) {
        $('find-state').textContent = error.status === 404 ? '' : error.message;
        return error.status === 404 && show('found', empty('The log has no record about ', code(id),
          '. Ids are compared as they were sent, capitals and all; old segments may have been archived.'));
      }
      $('find-state').textContent = count(records.length) + (records.length === 1 ? ' record' : ' records') + (records.length >= 1000 ? ', the first ones only' : '');
      show('found', el('ol', {class: 'rows'}, records.slice(0, 300).map(record => {
        const facts = (kinds[record.kind] || (() => []))(record).filter(Boolean).join(', ');
        const open = Object.entries(record).filter(([name, value]) => value != null && !hidden.includes(name));
        const closed = Object.entries(record).filter(([name, value]) => value != null && hidden.includes(name));
        const json = entries => JSON.stringify(Object.fromEntries(entries), null, 1);
        return el('li', {class: 'row'}, el('time', {datetime: record.ts}, clock(record.ts)),
          el('a', {href: '#find/' + encodeURIComponent(record.call_id || record.run_id || id)}, record.call_id || record.run_id || ''), pill(record.kind, record.kind === 'decision' && record.route_candidate === 'local' ? 'good' : 'mute'),
          el('span', {class: 'why'}, facts),
          el('div', {class: 'more'}, (record.input_preview || record.frontier_answer_preview) && el('span', {class: 'preview'}, record.input_preview || record.frontier_answer_preview),
            el('details', {}, el('summary', {}, 'All fields'), el('pre', {}, json(open)),
              closed.length && el('details', {}, el('summary', {}, 'Confidence, draw and chain: not before you have labelled the call'), el('pre', {}, json(closed))))));
      })));
    }
    $('find-form').addEventListener('submit', event => {
      event.preventDefault();
      const hash = '#find/' + encodeURIComponent($('find-id').value.trim());
      if (location.hash === hash) route(); else location.hash = hash;
    });

    // Which part is shown

    let view = 'live', isFirst = true;
    function route() {
      const [name, ...rest] = location.hash.slice(1).split('/');
      view = ['live', 'metrics', 'review', 'gates', 'find'].includes(name) ? name : 'live';
      for (const section of document.querySelectorAll('main > section')) section.hidden = section.id !== 'view-' + view;
      for (const link of document.querySelectorAll('nav a')) {
        if (link.hash === '#' + view) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
      }
      document.title = view[0].toUpperCase() + view.slice(1) + ' · shadow-router console';
      if (!isFirst) { $('h-' + view).focus({preventScroll: true}); scrollTo(0, 0); }
      isFirst = false;
      clearTimeout(metricsTimer);
      if (view === 'live' && live.at) update(new Set());
      if (view === 'metrics') loadMetrics();
      if (view === 'review') openReview();
      if (view === 'gates') loadGates();
      if (view === 'find') {
        let id = rest.join('/');
        try { id = decodeURIComponent(id); } catch { /* as typed */ }
        find(id);
      }
    }
    $('skip').addEventListener('click', event => { event.preventDefault(); $('content').focus(); });
    addEventListener('hashchange', route);
    keepToken(token);
    route();
    connect();

    """#
}
