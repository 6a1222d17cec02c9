package import LogReading
import Wire

/// Joins the records of each call into one row while the log is read.
///
/// Reading twice gives whole rows in bounded memory: ``survey(_:)`` notes, in a few bytes a call, which records there
/// are and how reviews and outcomes ended; ``join(_:_:)`` then hands out a row as soon as all of its records have
/// passed. Without the first reading (a log that is being followed) a row comes with its comparison, or at
/// ``finish(_:)``, and says what was known by then.
package struct RowJoin: Sendable {
  private let window: ReportWindow
  private var line = LogLine()
  private var other = LogLine()
  private var calls = CompactTable<SurveyRow>()
  private var runOutcomes: [ContentHash: Ending] = [:]
  private var endings: [Int: Ending] = [:]
  private var reviews: [Int: CallLabels] = [:]
  private var equalInputs = EqualInputs()
  /// Calls that another one's label counts for; found once the first reading has ended.
  private var twins: [Int: Int]?
  private var isSurveyed = false

  /// Lines that wait for the other one of their call.
  private var decisions: [ContentHash: [UInt8]] = [:]
  private var comparisons: [ContentHash: [UInt8]] = [:]
  private var order: [ContentHash] = []

  /// Calls that may wait for a comparison where nothing says whether one will come.
  package static let followedLimit = 10_000

  package init(window: ReportWindow = ReportWindow()) { self.window = window }

  private struct SurveyRow: KeyedRow {
    let key: ContentHash
    var hasDecision = false
    var hasComparison = false
    /// The first decision of a call counts; its row is handed out once.
    var isDone = false
  }

  private struct Ending: Sendable {
    var result: String?
    var approvedBy: String?
  }

  // MARK: First reading

  package mutating func survey(_ text: Span<UInt8>) {
    isSurveyed = true
    guard line.read(text) else { return }
    note(text)
  }

  private mutating func note(_ text: Span<UInt8>) {
    let kind = line.string(.kind, in: text)
    if kind == "outcome", line.string(.callID, in: text) == nil {
      guard let run = line.hash(.runID, in: text) else { return }
      runOutcomes[run] = ending(text)
      return
    }
    guard kind == "decision" || kind == "comparison" || kind == "review" || kind == "outcome",
      let key = line.hash(.callID, in: text)
    else { return }
    let call = calls.find(key) ?? calls.insert(SurveyRow(key: key))
    switch kind {
    case "decision":
      let ms = line.time(in: text)
      guard let ms, window.contains(ms), !calls[call].hasDecision else { return }
      calls[call].hasDecision = true
      if isSurveyed { equalInputs.add(&line, text, call: call) }
    case "comparison": calls[call].hasComparison = true
    case "review":
      let ms = line.time(in: text)
      guard let record = ReviewRecord(line, in: text, at: ms ?? 0), !record.isChallenger, !record.isPlanted
      else { return }
      reviews[call, default: CallLabels()].add(record.entry, by: record.reviewer)
    default: endings[call] = ending(text)
    }
  }

  private func ending(_ text: Span<UInt8>) -> Ending {
    Ending(result: line.string(.result, in: text), approvedBy: line.string(.approvedBy, in: text))
  }

  // MARK: Second reading

  package mutating func join(_ text: Span<UInt8>, _ emit: (JoinedRow) -> Void) {
    guard line.read(text) else { return }
    if isSurveyed, twins == nil { twins = equalInputs.twins { reviews[$0]?.counting?.label } }
    if !isSurveyed { note(text) }
    if line.isString(.kind, "decision", in: text) { return decision(text, emit) }
    if line.isString(.kind, "comparison", in: text) { comparison(text, emit) }
  }

  /// Hands out what still waits, in the order of the decisions.
  package mutating func finish(_ emit: (JoinedRow) -> Void) {
    for key in order {
      guard let waiting = decisions.removeValue(forKey: key), let row = row(waiting.span, nil) else {
        continue
      }
      emit(row)
    }
    order = []
  }

  private mutating func decision(_ text: Span<UInt8>, _ emit: (JoinedRow) -> Void) {
    guard let ms = line.time(in: text), window.contains(ms),
      let key = line.hash(.callID, in: text), decisions[key] == nil
    else { return }
    if let call = calls.find(key), calls[call].isDone { return }
    if let early = comparisons.removeValue(forKey: key) {
      if let row = row(text, early) { emit(row) }
      return
    }
    let expected = calls.find(key).map { calls[$0].hasComparison } ?? false
    if isSurveyed, !expected {
      if let row = row(text, nil) { emit(row) }
      return
    }
    decisions[key] = text.copied
    order.append(key)
    if !isSurveyed { release(emit) }
  }

  private mutating func comparison(_ text: Span<UInt8>, _ emit: (JoinedRow) -> Void) {
    guard let key = line.hash(.callID, in: text) else { return }
    if let waiting = decisions.removeValue(forKey: key) {
      if let row = row(waiting.span, text.copied) { emit(row) }
      return
    }
    guard isSurveyed, let call = calls.find(key), calls[call].hasDecision, !calls[call].isDone,
      comparisons[key] == nil
    else { return }
    comparisons[key] = text.copied
  }

  /// Lets go of the oldest where a followed log has too many open calls.
  private mutating func release(_ emit: (JoinedRow) -> Void) {
    while decisions.count > Self.followedLimit, let key = order.first {
      order.removeFirst()
      if let waiting = decisions.removeValue(forKey: key), let row = row(waiting.span, nil) { emit(row) }
    }
    if order.count > 4 * Self.followedLimit { order.removeAll { decisions[$0] == nil } }
  }

  private mutating func row(_ decision: Span<UInt8>, _ comparison: [UInt8]?) -> JoinedRow? {
    guard line.read(decision), let key = line.hash(.callID, in: decision) else {
      return nil
    }
    let hasComparison = comparison.map { other.read($0.span) } ?? false
    let call = calls.find(key)
    if let call { calls[call].isDone = true }
    let review = call.flatMap { reviews[twins?[$0] ?? $0] }
    let counting = review?.counting
    let run = line.hash(.runID, in: decision)
    let ending = call.flatMap { endings[$0] } ?? run.flatMap { runOutcomes[$0] }
    let cells = JoinedRow.columns.map { column -> JSONValue in
      switch column {
      case "review_label": return counting.map { .string($0.label.rawValue) } ?? .null
      case "severity":
        // Of the call that was labelled alone.
        guard let severity = call.flatMap({ reviews[$0] })?.severity, severity > 0 else { return .null }
        return .number(JSONNumber(severity))
      case "reviewer": return counting.map { .string($0.reviewer) } ?? .null
      case "outcome": return ending?.result.map { .string($0) } ?? .null
      case "approved_by": return ending?.approvedBy.map { .string($0) } ?? .null
      default: break
      }
      guard let field = Self.fields[column] else { return .null }
      if let comparison, hasComparison, Self.ofComparison.contains(column) {
        return other.value(field, in: comparison.span) ?? .null
      }
      return Self.ofComparison.contains(column) ? .null : line.value(field, in: decision) ?? .null
    }
    return JoinedRow(cells: cells)
  }

  private static let fields = Dictionary(uniqueKeysWithValues: LogField.allCases.map { ($0.name, $0) })

  private static let ofComparison: Set<String> = [
    "frontier_answer_hash", "frontier_model", "frontier_label", "agreement", "agreement_score",
    "agreement_detail", "frontier_latency_ms", "fallback_latency_ms", "frontier_cost_usd",
  ]
}
