import Advice
import Evidence
import Gates
import Journal
package import LogReading
import Reports
package import RouterCore
import Rows

/// A report asked for on the command line or over the control socket: window, form, and the log it is made from.
package struct ReportRequest: Sendable {
  /// `md`, `html`, `json` or `csv`.
  package var format = "md"
  /// `2026-W47`; also `this` and `last`, which ``resolve(now:)`` turns into such a name.
  package var week: String?
  /// A number and `m`, `h`, `d` or `w`, such as `7d`; or RFC 3339, or a day.
  package var since: String?
  /// For limits, owners and prices; nil: the log alone.
  package var policy: Policy?
  package let logFolder: String
  /// Whether what earlier reports kept of the log may be used, and kept anew once so many bytes of it are new.
  package var usesSummaries = true
  package var summaryLeast = ReportSummary.leastBytes
  /// Where corrections and eval sets lie that gates ask for; nil: not known.
  private var paths: SidecarPaths?

  package init(logFolder: String) { self.logFolder = logFolder }

  package init(_ paths: SidecarPaths) {
    self.init(logFolder: paths.log)
    self.paths = paths
  }

  package struct Fault: Error, Sendable {
    /// The request is wrong, rather than the log.
    package let isRequest: Bool
    package let message: String

    package init(isRequest: Bool, message: String) {
      self.isRequest = isRequest
      self.message = message
    }
  }

  package struct Made: Sendable {
    package let text: String
    /// Media type.
    package let type: String
    /// Of the log's lines; what a summary knew was not read.
    package var bytesRead: Int64 = 0
  }

  package static let formats = ["md", "html", "json", "csv"]

  /// Names the week that is meant, so that the report says which one it is of whenever it is read.
  package mutating func resolve(now: Int64) {
    let present = ISOWeek(containing: now)
    if week == "this" { week = present.name }
    if week == "last" { week = present.previous.name }
  }

  /// Whether the request itself is right, before any log is looked for.
  package func validate(now: Int64) throws(Fault) {
    guard Self.formats.contains(format) else {
      throw Fault(isRequest: true, message: "unknown format \(format); known are md, html, json and csv")
    }
    _ = try window(now: now)
  }

  /// Reads the log and renders. The same log and window give the same bytes.
  ///
  /// - Parameters:
  ///   - observe: Shown every line of the log once, in order: then no summary is used.
  ///   - progress: Told the bytes read so far, now and then.
  package func make(
    now: Int64, observe: ((Span<UInt8>) -> Void)? = nil, progress: (Int64) -> Void = { _ in }
  ) throws(Fault) -> Made {
    try validate(now: now)
    let window = try self.window(now: now)
    var options = ReportOptions()
    options.window = window
    options.policy = policy
    options.gates = policy.map { policy in
      GatesFold.subjects(policy).map { GateRequest.terms($0, policy, paths) }
    }
    options.command = command
    if format == "csv" {
      return Made(text: try rows(window, observe, progress), type: "text/csv; charset=utf-8")
    }
    let (fold, bytes) = try folded(options, observe, progress)
    var made = render(fold.report())
    made.bytesRead = bytes
    return made
  }

  /// The log in a fold: what a summary knows, and the lines after it.
  private func folded(
    _ options: ReportOptions, _ observe: ((Span<UInt8>) -> Void)?, _ progress: (Int64) -> Void
  ) throws(Fault) -> (EvidenceFold, bytesRead: Int64) {
    var fold = EvidenceFold(options)
    var known: ReportSummary?
    if usesSummaries, observe == nil {
      known = ReportSummary.restore(&fold, window: options.window, logFolder: logFolder)
    }
    var segment = known?.openSegment ?? 0
    let ahead = known?.gatesPlace ?? (0, 0)
    let end = try read(from: known?.place ?? .beginning, progress) { line, place in
      if segment != 0, place.segment != segment { fold.endSegment(segment) }
      segment = place.segment
      if fold.gatesAreAhead { fold.gatesAreAhead = (place.segment, place.offset) < ahead }
      fold.add(line)
      observe?(line)
    }
    if usesSummaries, fold.isWholeLog, end.bytes >= max(summaryLeast, (known?.ownBytes ?? 0) / 2) {
      ReportSummary.store(fold, upTo: end.segment, end.offset, logFolder: logFolder)
    }
    return (fold, end.bytes)
  }

  /// Twice through the log, so that rows are whole and memory stays bounded.
  private func rows(
    _ window: ReportWindow, _ observe: ((Span<UInt8>) -> Void)?, _ progress: (Int64) -> Void
  ) throws(Fault) -> String {
    var join = RowJoin(window: window)
    try read(progress) { line, _ in
      join.survey(line)
      observe?(line)
    }
    var text = CSV.header
    try read(progress) { line, _ in join.join(line) { row in text += CSV.line(row) } }
    join.finish { row in text += CSV.line(row) }
    return String(decoding: text, as: UTF8.self)
  }

  private struct End {
    var segment: Int
    var offset: Int64
    /// Read on the way.
    var bytes: Int64
  }

  /// - Parameter add: Gets a line and its place.
  @discardableResult
  private func read(
    from start: JournalReader.Start = .beginning, _ progress: (Int64) -> Void,
    _ add: (Span<UInt8>, JournalPlace) -> Void
  ) throws(Fault) -> End {
    do throws(JournalError) {
      var bytes: Int64 = 0
      var told: Int64 = 0
      var reader = try JournalReader(folder: logFolder, from: start)
      try reader.visit { line, place in
        add(line, place)
        bytes += Int64(line.count) + 1
        if bytes - told >= 4 << 20 {
          told = bytes
          progress(bytes)
        }
        return true
      }
      return End(segment: reader.segment, offset: reader.offset, bytes: bytes)
    } catch {
      throw Fault(isRequest: false, message: error.description)
    }
  }

  private func render(_ report: Report) -> Made {
    switch format {
    case "html": Made(text: report.html, type: "text/html; charset=utf-8")
    case "json": Made(text: String(decoding: report.json, as: UTF8.self) + "\n", type: "application/json")
    default: Made(text: report.markdown, type: "text/markdown; charset=utf-8")
    }
  }

  private var command: String {
    var words = ["shadow-router report", "--format \(format)"]
    if let week { words.append("--week \(week)") }
    if let since { words.append("--since \(since)") }
    return words.joined(separator: " ")
  }

  /// The decisions asked for.
  package func window(now: Int64) throws(Fault) -> ReportWindow {
    if let week {
      guard since == nil else { throw Fault(isRequest: true, message: "give --week or --since, not both") }
      guard let week = ISOWeek(name: week) else {
        throw Fault(isRequest: true, message: "\(week) is not an ISO week such as 2026-W47")
      }
      return ReportWindow(from: week.start, to: week.end, name: "week \(week.name)")
    }
    guard let since else { return ReportWindow() }
    guard let start = TimeSpan.start(since, now: now) else {
      throw Fault(
        isRequest: true, message: "\(since) is neither a span such as 7d nor a time such as 2026-11-21")
    }
    let shown = start % LogTime.dayMs == 0 ? LogTime.date(start) : "\(LogTime.minute(start)) UTC"
    return ReportWindow(from: start, to: nil, name: "since \(shown)")
  }
}

/// `7d` and its kin, as people write them.
package enum TimeSpan {
  /// Milliseconds since 1970 of a span before `now`, of a day, or of an RFC 3339 time; nil for anything else.
  package static func start(_ text: String, now: Int64) -> Int64? {
    let units: [Character: Int64] = ["m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000]
    if let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()),
      (0...100_000).contains(count)
    {
      return now - count * unit
    }
    if let time = Timestamp.parse(text) { return time }
    return Timestamp.parse(text + "T00:00:00.000Z")
  }
}
