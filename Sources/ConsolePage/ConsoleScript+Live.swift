extension ConsoleScriptParts {
  /// Server-sent events, the counters, the newest decisions, the kill switch.
  static let live = #"""
    const live = {tasks: [], latest: []};
    let isPaused = false, samples = [], unannounced = 0, lastAnnounced = Date.now();

    const decided = task => task.would_accepts + Object.values(task.reasons).reduce((a, b) => a + b, 0);
    const total = of => live.tasks.reduce((sum, task) => sum + of(task), 0);

    function connect() {
      const source = new EventSource('/v1/events');
      source.addEventListener('snapshot', event => {
        const news = JSON.parse(event.data);
        if (news.started_at !== live.started_at) samples = [];
        Object.assign(live, news, {latest: news.latest.slice().reverse()});
        $('link').className = 'pill good';
        $('link').textContent = 'live';
        samplesAdd();
        update(new Set());
      });
      source.addEventListener('change', event => {
        const {latest = [], compared = [], ...news} = JSON.parse(event.data);
        Object.assign(live, news);
        for (const change of compared) {
          const row = live.latest.find(row => row.call_id === change.call_id) || latest.find(row => row.call_id === change.call_id);
          if (row) Object.assign(row, change);
        }
        live.latest = latest.slice().reverse().concat(live.latest).slice(0, 40);
        unannounced += latest.length;
        samplesAdd();
        update(new Set(latest.map(row => row.call_id)));
      });
      source.onerror = () => {
        $('link').className = 'pill bad';
        $('link').textContent = 'no connection, trying again';
        $('kill').disabled = !live.kill;
        if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
      };
    }

    function samplesAdd() {
      samples.push({at: Date.parse(live.at), calls: total(decided)});
      samples = samples.filter(sample => sample.at > Date.parse(live.at) - 121000);
    }

    function update(fresh) {
      state();
      if (view !== 'live') return;
      tiles();
      rate();
      if (!isPaused) rows(fresh);
      if (unannounced && Date.now() - lastAnnounced > 15000) {
        announce(count(unannounced) + ' new decisions');
        unannounced = 0;
        lastAnnounced = Date.now();
      }
    }

    function state() {
      const kill = live.kill || {on: false}, line = $('state'), parts = [];
      if (kill.on) {
        parts.push('Kill switch on: everything goes to the frontier');
        if (kill.by) parts.push('by ' + kill.by);
        if (kill.since) parts.push('since ' + when(kill.since));
        if (kill.reason) parts.push('“' + kill.reason + '”');
        if (kill.latched === false) parts.push('not latched: it ends with this process');
      } else {
        parts.push('Kill switch off', 'policy ' + live.policy.revision.slice(7, 19) + ', generation ' + live.policy.generation);
        if (live.policy.last_reload.result === 'refused') parts.push('last reload refused: the policy in force stays');
      }
      if (live.log.failing) parts.push('THE LOG CANNOT BE WRITTEN: see shadow-router status');
      const text = parts.join(' · ');
      // Only what changed is said.
      if (line.textContent !== text) line.textContent = text;
      line.className = kill.on || live.log.failing ? 'killed' : '';
      $('kill').disabled = false;
      $('kill').textContent = kill.on ? 'Release kill switch' : 'Kill switch';
      $('about').textContent = 'shadow-router ' + live.version + ', running since ' + when(live.started_at)
        + '. Everything here is read from its log and counters; texts are redacted previews, but for those that you open in Review.';
    }

    const tile = (value, label, tone) => el('div', {class: 'tile' + (tone ? ' ' + tone : '')}, el('b', {}, value), el('span', {}, label));

    function tiles() {
      const calls = total(decided), local = total(task => task.would_accepts), balance = live.balance;
      show('tiles',
        tile(count(calls), 'calls decided since the start'),
        tile(calls ? percent(local / calls) : '–', 'would be answered locally'),
        tile(count(total(task => task.agreement.disagree || 0)), 'candidate’s answers, accepted or not, that differ from the frontier’s'),
        tile(count(balance.in_flight), 'frames in flight'),
        tile(count(balance.malformed), 'malformed frames', balance.malformed ? 'bad' : ''),
        tile(count(balance.shed), 'calls shed', balance.shed ? 'bad' : ''));
    }

    function rate() {
      const points = samples.slice(1).map((sample, i) => {
        const seconds = Math.max(0.2, (sample.at - samples[i].at) / 1000);
        return {at: sample.at, rate: Math.max(0, sample.calls - samples[i].calls) / seconds};
      });
      if (points.length < 2) return show('rate', el('p', {class: 'soft small'}, 'The line begins after a few seconds.'));
      const top = Math.max(1, ...points.map(p => p.rate)), end = points[points.length - 1].at;
      const x = p => (700 - (end - p.at) / 120000 * 700).toFixed(1), y = p => (60 - 50 * p.rate / top).toFixed(1);
      const line = points.map(p => x(p) + ',' + y(p)).join(' ');
      show('rate', draw('svg', {viewBox: '0 0 700 70', preserveAspectRatio: 'none', role: 'img',
        'aria-label': 'Now ' + points[points.length - 1].rate.toFixed(0) + ' calls each second, at most ' + top.toFixed(0)},
        draw('line', {x1: 0, y1: 60, x2: 700, y2: 60, class: 'axis'}),
        draw('polygon', {class: 'area', points: x(points[0]) + ',60 ' + line + ' 700,60'}),
        draw('polyline', {class: 'stroke', points: line})),
        el('p', {class: 'soft small'}, 'now ' + points[points.length - 1].rate.toFixed(0) + ' a second, at most ' + top.toFixed(0)));
    }

    function rows(fresh) {
      if (!live.latest.length) {
        return show('rows', el('li', {}, empty('No call has come yet. Send one frame to see it here: ', code('shadow-router send FILE'),
          ' or let an agent write to the tap. ', code('shadow-router demo'), ' shows the whole loop.')));
      }
      show('rows', live.latest.map(row => {
        const isLocal = row.route_candidate === 'local';
        const stop = (row.hard_stop_match || [])[0];
        const isSuspect = isLocal && row.agreement === 'disagree';
        return el('li', {class: 'row' + (fresh.has(row.call_id) ? ' new' : '')},
          el('time', {datetime: row.ts}, clock(row.ts)),
          el('a', {href: '#find/' + encodeURIComponent(row.call_id)}, row.task_type || 'no task type'),
          isLocal ? pill((row.route === 'local' ? 'local' : 'would stay local') + (isSuspect ? ', suspected' : ''), isSuspect ? 'bad' : 'good') : pill('frontier', 'mute'),
          el('span', {class: 'why'}, isLocal
            ? [row.label && 'label ' + row.label, row.agreement && (row.agreement === 'unknown' ? 'not comparable' : row.agreement + 's with the frontier'
              + (isSuspect && row.frontier_label ? ', which said ' + row.frontier_label : ''))].filter(Boolean).join(', ')
            : words(row.reason) + (stop ? ': “' + stop.term + '” in the ' + stop.where : '')),
          el('span', {class: 'more'}, row.input_preview ? el('span', {class: 'preview'}, row.input_preview) : el('span', {}, 'no preview kept')));
      }));
    }

    $('pause').addEventListener('click', () => {
      isPaused = !isPaused;
      $('pause').setAttribute('aria-pressed', isPaused);
      $('pause').textContent = isPaused ? 'Go on' : 'Pause';
      if (!isPaused) rows(new Set());
    });

    $('token').addEventListener('click', () => askForToken());
    $('kill').addEventListener('click', async () => {
      const isOn = live.kill && live.kill.on;
      const given = await ask(isOn
        ? {title: 'Release the kill switch?', danger: true, confirm: 'Release it',
          text: 'Tasks go back to what the policy and their stage say, with the next call.'}
        : {title: 'Send everything to the frontier?', danger: true, confirm: 'Turn it on',
          text: 'No call is answered locally until somebody releases the switch. It holds across restarts.',
          fields: [{name: 'reason', label: 'Reason, for whoever comes next (not required)'}]});
      if (!given) return;
      try {
        const answer = await withToken('The kill switch needs a token.', () =>
          request('PUT', '/v1/kill', isOn ? {on: false} : {on: true, reason: given.reason || undefined}));
        if (answer) announce('Kill switch ' + (answer.on ? 'on' : 'off'));
      } catch (error) {
        await ask({title: 'The kill switch was not changed', text: [error.message,
          'It can always be turned on with the command shadow-router kill on, or by a file named kill in the runtime folder.']});
      }
    });

    """#
}
