import Evidence
import Statistics

/// Charts as inline SVG: coloured by the style sheet, described in words for those who do not see them.
package struct ReportCharts {
  private var nextID = 0

  package init() {}

  /// Why calls of a task stay with the frontier.
  mutating func reasons(_ task: Report.Task) -> HTMLText {
    let described = task.reasons.map { "\($0.name) \(Figures.count($0.count))" }.joined(separator: ", ")
    var chart = begin(400, 10 + 26 * task.reasons.count, "Where calls of \(task.name) go", described + ".")
    let top = Double(task.reasons.map(\.count).max() ?? 1)
    for (index, reason) in task.reasons.enumerated() {
      let y = Double(6 + 26 * index)
      chart.label(148, y + 13, reason.name, "e")
      chart.bar(
        156, y + 2, max(1, 165 * Double(reason.count) / max(1, top)), 14, index == 0 ? "good" : "blue")
      chart.label(326, y + 13, Figures.percent(Double(reason.count) / Double(max(1, task.calls))), "s")
    }
    return chart.end()
  }

  /// Would-accepts by confidence, split by what the frontier said.
  mutating func confidence(_ task: Report.Task) -> HTMLText {
    let bins = task.confidence.bins
    let top = Double(bins.map { $0.agree + $0.disagree + $0.unknown }.max() ?? 1)
    let described = bins.filter { $0.agree + $0.disagree + $0.unknown > 0 }.map { bin in
      "\(Figures.confidence(bin.from)) to \(Figures.confidence(bin.to)): \(Figures.count(bin.agree)) agree, "
        + "\(Figures.count(bin.disagree)) disagree, \(Figures.count(bin.unknown)) not compared"
    }
    var chart = begin(
      400, 186, "Would-accepts of \(task.name) by confidence", described.joined(separator: "; ") + ".")
    for (index, bin) in bins.enumerated() {
      var y = 150.0
      for (count, style) in [(bin.agree, "good"), (bin.disagree, "bad"), (bin.unknown, "grey")]
      where count > 0 {
        let height = max(1.5, 126 * Double(count) / top)
        y -= height
        chart.bar(36 + 18 * Double(index) + 1.5, y, 15, height, style)
      }
    }
    chart.line(36, 150, 396, 150, "axis")
    for quarter in 0...4 {
      let style = quarter == 0 ? "s" : quarter == 4 ? "s e" : "s m"
      chart.label(36 + 90 * Double(quarter), 167, Figures.fixed(Double(quarter) / 4, 2), style)
    }
    chart.label(30, 30, Figures.count(Int(top)), "s e")
    chart.label(30, 154, "0", "s e")
    if let threshold = task.minConfidence {
      let x = 36 + 360 * threshold
      chart.line(x, 14, x, 150, "limit")
      chart.label(x - 4, 18, "threshold \(Figures.confidence(threshold))", threshold > 0.3 ? "s e" : "s")
    }
    return chart.end()
  }

  /// Half, 95 % and 99 % of the calls, for the candidate and the frontier.
  mutating func latency(_ task: Report.Task) -> HTMLText {
    let rows = [
      ("Candidate", task.localLatency), ("Frontier", task.frontierLatency),
      ("Fallback", task.fallbackLatency),
    ].compactMap { row in row.1.map { (name: row.0, latency: $0) } }
    let top = rows.map(\.latency.p99).max() ?? 1
    let described = rows.map { row in
      "\(row.name): p50 \(Figures.milliseconds(row.latency.p50)), p95 \(Figures.milliseconds(row.latency.p95)), "
        + "p99 \(Figures.milliseconds(row.latency.p99))"
    }
    var chart = begin(
      400, 34 + 44 * rows.count, "Latency of \(task.name)", described.joined(separator: "; ") + ".")
    let x = { (ms: Double) in 86 + 300 * ms / max(top, 0.001) }
    for (index, row) in rows.enumerated() {
      let y = Double(18 + 44 * index)
      chart.label(76, y + 4, row.name, "e")
      chart.line(86, y, 386, y, "axis")
      chart.line(x(row.latency.p50), y, x(row.latency.p99), y, "range")
      for (value, radius) in [(row.latency.p50, 5.0), (row.latency.p95, 4.0), (row.latency.p99, 3.0)] {
        chart.dot(x(value), y, radius, "blue")
      }
      chart.label(
        86, y + 21,
        [row.latency.p50, row.latency.p95, row.latency.p99].map(Figures.milliseconds).joined(
          separator: " · "), "s")
    }
    chart.label(
      86, Double(24 + 44 * rows.count), "p50 · p95 · p99, from 0 to \(Figures.milliseconds(top))", "s")
    return chart.end()
  }

  package mutating func begin(_ width: Int, _ height: Int, _ title: String, _ description: String) -> SVG {
    nextID += 1
    return SVG(width, height, id: "chart\(nextID)", title: title, description: description)
  }

  static func short(_ name: String, _ limit: Int) -> String {
    name.count > limit ? name.prefix(limit - 1) + "…" : name
  }
}

/// One drawing. Coordinates are pixels of its view box, one decimal.
package struct SVG {
  private var html = HTMLText()
  private let head: [(StaticString, String)]
  private let id: String
  private let title: String
  private let description: String

  init(_ width: Int, _ height: Int, id: String, title: String, description: String) {
    head = [
      ("viewBox", "0 0 \(width) \(height)"), ("role", "img"), ("aria-labelledby", "\(id)t \(id)d"),
    ]
    self.id = id
    self.title = title
    self.description = description
  }

  package mutating func bar(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String) {
    guard width > 0, height > 0 else { return }
    html.element(
      "rect",
      [
        ("x", Self.place(x)), ("y", Self.place(y)), ("width", Self.place(width)),
        ("height", Self.place(height)),
        ("rx", "2"), ("class", style),
      ])
  }

  package mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
    html.element(
      "line",
      [
        ("x1", Self.place(x1)), ("y1", Self.place(y1)), ("x2", Self.place(x2)), ("y2", Self.place(y2)),
        ("class", style),
      ])
  }

  package mutating func dot(_ x: Double, _ y: Double, _ radius: Double, _ style: String) {
    html.element(
      "circle", [("cx", Self.place(x)), ("cy", Self.place(y)), ("r", Self.place(radius)), ("class", style)])
  }

  /// A line through all points.
  package mutating func trace(_ points: [(x: Double, y: Double)], _ style: String) {
    guard points.count > 1 else { return }
    let places = points.map { "\(Self.place($0.x)),\(Self.place($0.y))" }.joined(separator: " ")
    html.element("polyline", [("points", places), ("class", style)])
  }

  package mutating func label(_ x: Double, _ y: Double, _ text: String, _ style: String) {
    html.element("text", [("x", Self.place(x)), ("y", Self.place(y)), ("class", style)]) { $0.text(text) }
  }

  package func end() -> HTMLText {
    var whole = HTMLText()
    whole.element("svg", head) { svg in
      svg.element("title", [("id", id + "t")]) { $0.text(title) }
      svg.element("desc", [("id", id + "d")]) { $0.text(description) }
      svg.append(html)
    }
    return whole
  }

  private static func place(_ value: Double) -> String { Figures.fixed(value, 1) }
}

extension HTMLText {
  /// A chart with its caption; `isWide` ones scroll in their own box on a phone.
  package mutating func figure(_ title: String, _ caption: String, isWide: Bool = false, _ chart: HTMLText) {
    element("figure") { figure in
      figure.element("h4", title)
      figure.element("div", class: isWide ? "chart wide" : "chart") { $0.append(chart) }
      figure.element("figcaption") { $0.prose(caption) }
    }
  }
}
