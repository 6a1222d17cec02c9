extension ConsoleScriptParts {
  /// The six metrics per task, drawn from the report of the chosen window.
  static let metrics = #"""
    // Letters keep their size: on a phone there are fewer of them.
    const phone = matchMedia('(max-width: 46rem)');
    let chartWidth, labelEnd, barStart, barEnd, nameLength;
    function measure() {
      [chartWidth, labelEnd, barEnd, nameLength] = phone.matches ? [320, 116, 250, 17] : [460, 158, 360, 24];
      barStart = labelEnd + 8;
    }
    const short = name => name.length > nameLength ? name.slice(0, nameLength - 1) + '…' : name;

    /// One line a task: `mark(svg, row, y)` draws it, `value` says it, and the description holds all of it.
    function chart(title, caption, rows, mark, key) {
      const height = rows.length * 28 + 6;
      const parts = rows.map((row, i) => {
        const y = 4 + 28 * i;
        return [draw('text', {x: labelEnd, y: y + 15, class: 'e'}, short(row.name), draw('title', {}, row.name)), mark(row, y),
          draw('text', {x: barEnd + 8, y: y + 15, class: 's'}, row.value)];
      });
      const picture = rows.length
        ? el('div', {class: 'chart'}, draw('svg', {viewBox: '0 0 ' + chartWidth + ' ' + height, role: 'img',
          'aria-label': title + '. ' + rows.map(row => row.name + ': ' + (row.said || row.value)).join('; ')}, parts))
        : el('p', {class: 'soft'}, caption.empty);
      return el('figure', {}, el('h3', {}, title), picture,
        el('figcaption', {}, rows.length ? [caption.text, key && [' ', key]] : ''));
    }
    const place = (x, top) => barStart + (barEnd - barStart) * Math.max(0, Math.min(1, top ? x / top : 0));
    const bar = (x, top, y, tone, height = 14) => draw('rect', {x: barStart, y, width: Math.max(x ? 1.5 : 0, place(x, top) - barStart),
      height, rx: 2, class: tone});
    const track = y => draw('rect', {x: barStart, y, width: barEnd - barStart, height: 14, rx: 2, class: 'track'});
    const ring = (x, y) => x == null ? null : draw('circle', {cx: place(x, 1), cy: y + 11, r: 5, class: 'live'});
    const line = (x1, x2, y, tone) => draw('line', {x1, x2, y1: y, y2: y, class: tone});
    const dot = (x, top, y, r, tone) => draw('circle', {cx: place(x, top), cy: y, r, class: tone});
    const ceiling = x => [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5].find(limit => x <= limit) || 1;

    function liveShare(name) {
      const known = name === '(unknown task types)' ? 'unknown' : name;
      const task = live.tasks.find(task => task.task === known), calls = task ? decided(task) : 0;
      return calls ? task.would_accepts / calls : null;
    }

    function charts(report) {
      measure();
      const tasks = report.tasks.filter(task => task.calls > 0);
      const ringKey = 'The ring is this router since its start.';
      const share = tasks.map(task => ({task, name: task.task_type, live: liveShare(task.task_type)}));

      const acceptance = chart('Local acceptance rate', {text: 'Of all calls of a task, those that would have been answered locally.',
        empty: 'No call in this window.'},
        share.map(row => ({...row, value: percent(row.task.acceptance_rate),
          said: percent(row.task.acceptance_rate) + ' of ' + count(row.task.calls) + ' calls'})),
        (row, y) => [track(y + 4), bar(row.task.acceptance_rate, 1, y + 4, 'good'), ring(row.live, y)], ringKey);

      const escalation = chart('Escalation rate by task type', {text: 'Calls that stay with the frontier, whatever the reason.',
        empty: 'No call in this window.'},
        share.map(row => {
          const [first] = Object.entries(row.task.reasons).filter(([name]) => name !== 'accepted').sort((a, b) => b[1] - a[1]);
          return {...row, value: percent(row.task.escalation_rate),
            said: percent(row.task.escalation_rate) + (first ? ', mostly ' + words(first[0]) : '')};
        }),
        (row, y) => [track(y + 4), bar(row.task.escalation_rate, 1, y + 4, 'blue'), ring(row.live == null ? null : 1 - row.live, y)], ringKey);

      const faults = tasks.flatMap(task => Object.entries(task.reason_details || {})
        .filter(([name]) => name.startsWith('schema_invalid'))
        .map(([name, n]) => ({name: words(name.split(': ')[1] || 'invalid'), task, n})))
        .sort((a, b) => b.n - a.n).slice(0, 10);
      const faultTop = Math.max(1, ...faults.map(row => row.n));
      const validation = chart('Validation failure reasons', {text: 'Answers of the candidate that were not what was asked for.',
        empty: tasks.some(task => task.answered) ? 'Every answer had the right shape.' : 'The candidate was not asked in this window.'},
        faults.map(row => ({...row, value: '', said: count(row.n) + ' of ' + count(row.task.answered) + ' answers of ' + row.task.task_type})),
        (row, y) => [bar(row.n, 2.4 * faultTop, y + 4, 'bad'),
          draw('text', {x: place(row.n, 2.4 * faultTop) + 6, y: y + 15, class: 's'}, count(row.n) + ' in ' + short(row.task.task_type))]);

      const measured = tasks.filter(task => task.would_accepts > 0).map(task => {
        const reviews = task.reviews, compared = task.agree + task.disagree;
        if (reviews.labelled) {
          const rate = (reviews.escalate + reviews.unsure) / reviews.labelled;
          return {name: task.task_type, rate, high: rate, value: percent(rate),
            said: 'reviewers: ' + percent(rate) + ' of ' + count(reviews.labelled) + ' labelled'};
        }
        return {name: task.task_type, rate: compared ? task.disagreement_rate : null, high: compared ? task.disagreement_upper : 0,
          value: compared ? '≤ ' + percent(task.disagreement_upper) : 'no comparison', isSuspected: true,
          said: compared ? 'suspected: ' + percent(task.disagreement_rate) + ', at most ' + percent(task.disagreement_upper) : 'nothing to compare'};
      });
      const defectTop = ceiling(Math.max(0, ...measured.map(row => row.high)));
      const defects = chart('Defect rate of local answers', {
        text: 'What reviewers would not have accepted; where nobody has labelled yet, answers that differ from the frontier’s, up to their 95 % bound. '
          + 'The axis ends at ' + percent(defectTop) + '.',
        empty: 'No call would have been answered locally in this window.'}, measured,
        (row, y) => row.rate == null ? [line(barStart, barEnd, y + 11, 'axis')]
          : [line(barStart, barEnd, y + 11, 'axis'), line(place(row.rate, defectTop), place(row.high, defectTop), y + 11, 'whisker'),
            dot(row.rate, defectTop, y + 11, 4.5, 'bad')]);

      const waits = tasks.filter(task => task.fallback_latency_ms).map(task => ({name: task.task_type, wait: task.fallback_latency_ms,
        value: span(task.fallback_latency_ms.p95), said: ['p50', 'p95', 'p99'].map(p => p + ' ' + span(task.fallback_latency_ms[p])).join(', ')}));
      const waitTop = Math.max(0.001, ...waits.map(row => row.wait.p99));
      const latency = chart('Frontier fallback latency', {text: 'From the call to the frontier’s answer for calls that stay with it: dots at p50, p95 and p99; '
        + 'the figure is p95. The axis ends at ' + span(waitTop) + '.', empty: 'No frontier answer in this window: send answer frames as well.'}, waits,
        (row, y) => [line(barStart, barEnd, y + 11, 'axis'),
          draw('line', {x1: place(row.wait.p50, waitTop), x2: place(row.wait.p99, waitTop), y1: y + 11, y2: y + 11, class: 'range'}),
          dot(row.wait.p50, waitTop, y + 11, 5, 'blue'), dot(row.wait.p95, waitTop, y + 11, 4, 'blue'), dot(row.wait.p99, waitTop, y + 11, 3, 'blue')]);

      const costs = tasks.filter(task => task.cost.per_success_usd != null).map(task => ({name: task.task_type, cost: task.cost,
        value: usd(task.cost.per_success_usd), said: usd(task.cost.per_success_usd) + ', frontier only ' + usd(task.cost.frontier_only_per_success_usd)}));
      const costTop = Math.max(0, ...costs.flatMap(row => [row.cost.per_success_usd, row.cost.frontier_only_per_success_usd]));
      const cost = chart('Cost per successful task', {text: 'With the router (green, the figure) beside the frontier alone (grey).',
        empty: 'No call of this window is known to have ended well: send outcome frames, and a price or cost with the answers.'}, costs,
        (row, y) => [bar(row.cost.per_success_usd, costTop, y + 3, 'good', 8), bar(row.cost.frontier_only_per_success_usd, costTop, y + 13, 'grey', 8)]);
      return [acceptance, escalation, validation, defects, latency, cost];
    }

    let metricsTimer = 0, metricsAsked = 0;
    async function loadMetrics() {
      clearTimeout(metricsTimer);
      const asked = ++metricsAsked, window = $('window').value;
      if (!$('charts').children.length) $('metrics-state').textContent = 'reading the log';
      try {
        const report = await request('GET', '/v1/report?format=json' + (window && '&since=' + window));
        if (asked !== metricsAsked) return;
        $('sentence').textContent = clean(report.sentence.claim);
        show('charts', charts(report));
        $('metrics-state').textContent = count(report.totals.calls) + ' calls, as of ' + clock(Date.now());
      } catch (error) {
        if (asked !== metricsAsked) return;
        $('metrics-state').textContent = 'not read: ' + error.message;
      }
      // Reading a log costs time; a page that nobody looks at asks for nothing.
      if (view === 'metrics') metricsTimer = setTimeout(() => document.hidden ? null : loadMetrics(), 30000);
    }
    phone.addEventListener('change', () => view === 'metrics' && loadMetrics());
    $('window').addEventListener('change', () => { show('charts'); loadMetrics(); });
    document.addEventListener('visibilitychange', () => { if (!document.hidden && view === 'metrics') loadMetrics(); });

    """#
}
