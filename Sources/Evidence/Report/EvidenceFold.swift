package import Gates
package import LogReading
import Reviews
package import RouterCore
import Wire

/// What a report is about.
package struct ReportOptions: Sendable {
  package var window = ReportWindow()
  /// Gives limits, owners and tasks without calls; without one the contract's defaults hold.
  package var policy: Policy?
  /// The command that makes the report again, as it is to be shown.
  package var command = "shadow-router report"
  /// Whose gates are shown; nil: those of the policy's tasks, with nothing told apart from the log.
  package var gates: [GateTerms]?
  /// Suspected false accepts kept with their previews, for each task.
  package var examplesPerTask = 25
  /// Runs listed.
  package var runsShown = 20

  package init() {}
}

/// Reads a log once, in order, and keeps what a report needs: 16 bytes a call, sums, and a few examples.
///
/// A call's records are joined by `call_id` in whatever order they come; of a repeated decision or comparison the
/// first counts, of a repeated outcome the last, of reviews what ``CallLabels`` makes of them. Reads no clock: the same lines give the same report.
package struct EvidenceFold: Sendable {
  package let options: ReportOptions
  var line = LogLine()
  /// For the decision's line while the comparison's is being read.
  var earlierLine = LogLine()

  var taskNames = Interner(limit: 1_000)
  var tallies: [TaskTally] = []
  var calls = CompactTable<CallRow>()
  var dayMarks = DayMarks()
  var runs = CompactTable<RunRow>()
  /// Ids of runs, one after another, each behind its length.
  var runNames: [UInt8] = []
  var agentNames = Interner(limit: 1_000)
  var agentShares = AgentShares()
  /// Models, labels, terms, details, causes: the words of which there are few.
  var words = Interner(limit: 20_000)
  var hardStops = Counts<HardStopKey>(limit: 10_000)
  var knownStops = KnownStops()
  var reasons = KnownReasons()
  /// The same folds that `gate` uses.
  package internal(set) var gates: GatesFold
  /// Whether ``gates`` know the lines already that are being read.
  package var gatesAreAhead = false
  var planted = PlantedLabels()
  var frames = Report.Frames()

  /// Lines of would-accepts that wait for their comparison, for the previews in them.
  var waiting = WaitingLines()
  /// Drawn would-accepts: their decision's and comparison's lines wait for a label that calls them false.
  var drawnDecisions = DrawnLines(limit: 1_024)
  var drawnComparisons = DrawnLines(limit: 1_024)
  /// What is known of calls that people called false where the frontier said the same.
  var labelledDetails: [Int: Report.FalseAccept] = [:]
  /// Lines that came before the decision they belong to.
  var early: [ContentHash: [[UInt8]]] = [:]
  var earlyCount = 0
  /// By task: the worst disagreements so far, and of what people called false, all that is known.
  var examples: [Int: [Example]] = [:]
  var reviewNotes: [Int: ReviewNote] = [:]
  /// What people say of the candidate's answers, by call.
  var labels: [Int: CallLabels] = [:]
  var equalInputs = EqualInputs()
  var clusters = TemplateClusters()
  /// Disagreements of which others look alike may exist, by call.
  var clustered: [(call: Int, cluster: Int)] = []

  /// By task: what the newest `flag` record says that is served, whatever the window.
  var rollouts: [String: Report.Rollout] = [:]
  /// Tasks whose newest `flag` record says that candidate and challenger have changed places.
  var rotated: Set<String> = []
  var changes: [Report.Change] = []
  var changesSeen = 0
  var lastModel: [Int: TaskTally.ModelName] = [:]
  /// The correction last seen in force, −1 for none.
  var lastCalibration: [CalibrationKey: Int] = [:]
  var challengers: [ChallengerTally] = []
  /// By id of a model: what its newest probe says.
  var lastProbe: [String: (model: String, digest: String)] = [:]
  var kinds = KindCounts()
  var balance = Report.Balance()
  var head = LastRecord()
  var holesNamed = 0
  var firstDecision: Int64?
  var lastDecision: Int64?

  /// Of the segments read to their end, in order; and of the one being read.
  package internal(set) var stretches: [LogStretch] = []
  var stretch = LogStretch()
  package var openStretch: LogStretch { stretch }

  static let earlyLimit = 20_000
  /// Changes shown, the newest; demotions are shown beside them.
  static let changeLimit = 500
  static let noteLimit = 1_000
  static let gapLimit = 200

  package init(_ options: ReportOptions = ReportOptions()) {
    self.options = options
    gates = GatesFold(options.gates ?? options.policy.map(GatesFold.terms))
  }

  /// Reads the lines of a piece of log; the last may lack its newline.
  package mutating func add(ndjson text: Span<UInt8>) {
    var start = 0
    while start < text.count {
      let end = text.lineEnd(from: start)
      add(text.extracting(start..<end))
      start = end + 1
    }
  }

  /// Reads one line without its newline. What is no record is counted as damaged, an empty line is skipped.
  package mutating func add(_ text: Span<UInt8>) {
    guard text.count > 0 else { return }
    guard line.read(text), let ms = line.time(in: text) else {
      balance.damaged += 1
      stretch.unreadable += 1
      if !gatesAreAhead { gates.sawDamage() }
      return
    }
    balance.recordsRead += 1
    stretch.saw(at: ms)
    follow(text)
    rollout(text)
    // An epoch has its own window.
    if !gatesAreAhead { gates.add(text, read: &line, at: ms) }
    guard options.window.contains(ms) else {
      balance.outsideWindow += 1
      return belated(text)
    }
    kinds.add(line, text)
    inWindow(text, at: ms)
  }

  private mutating func inWindow(_ text: Span<UInt8>, at ms: Int64) {
    switch line.kind {
    case .decision: decision(text, at: ms)
    case .comparison, .review, .challenge: ofCall(text, mayWait: true)
    case .outcome: outcome(text, mayWait: true)
    case .gap: gap(text)
    case .recovered: balance.recovered += 1
    default: change(text, at: ms)
    }
  }

  /// Records outside the window that still belong to calls in it.
  private mutating func belated(_ text: Span<UInt8>) {
    switch line.kind {
    case .comparison, .review, .challenge: ofCall(text, mayWait: false)
    case .outcome: outcome(text, mayWait: false)
    default: break
    }
  }

  /// Keeps the head of the chain, and notices sequence numbers that are missing.
  private mutating func follow(_ text: Span<UInt8>) {
    guard let seq = line.int(.seq, in: text) else { return }
    let isSameLog =
      line.holds(.log, head.log, in: text) || (head.log.isEmpty && line.string(.log, in: text) == nil)
    let hole = isSameLog ? head.hole(before: seq) : 0
    balance.unexplainedHoles += hole
    head.set(seq, isSameLog: isSameLog, &line, text)
    stretch.saw(seq, hole: hole, head)
  }

  /// Notes that a segment of the log has been read to its end.
  package mutating func endSegment(_ number: Int) {
    stretch.segment = number
    stretches.append(stretch)
    stretch = LogStretch()
  }

  /// Whether nothing that was read is outside the window: then what is kept is what a window without ends would have kept.
  package var isWholeLog: Bool { balance.outsideWindow == 0 }

  /// Passes over a segment without reading it: possible while nothing outside the window could belong to a call in it, and the
  /// gates know it.
  ///
  /// - Returns: False where it has to be read.
  package mutating func pass(over known: LogStretch) -> Bool {
    guard gatesAreAhead, calls.rows.isEmpty, runs.rows.isEmpty, known.isOutside(options.window) else {
      return false
    }
    balance.recordsRead += known.records
    balance.outsideWindow += known.records
    balance.damaged += known.unreadable + known.callless
    balance.unexplainedHoles += known.holes
    if let first = known.first {
      if known.firstLog == head.log { balance.unexplainedHoles += head.hole(before: first) }
      head = known.last
    }
    stretches.append(known)
    return true
  }

  private mutating func gap(_ text: Span<UInt8>) {
    let from = line.int(.from, in: text) ?? 0
    let to = line.int(.to, in: text) ?? from
    if from <= to { holesNamed += to - from + 1 }
    if balance.gaps.count < Self.gapLimit {
      balance.gaps.append(
        Report.Balance.Gap(from: from, to: to, cause: line.string(.cause, in: text) ?? "unknown"))
    }
  }

  /// A record that belongs to one call: now if its decision is known, else when that comes.
  mutating func ofCall(_ text: Span<UInt8>, mayWait: Bool) {
    guard let key = line.hash(.callID, in: text) else {
      balance.damaged += 1
      stretch.callless += 1
      return
    }
    guard let call = calls.find(key) else {
      if mayWait { wait(text, for: key) }
      return
    }
    apply(text, to: call)
  }

  func isKnown(_ key: ContentHash) -> Bool { calls.find(key) != nil }

  mutating func wait(_ text: Span<UInt8>, for key: ContentHash) {
    guard earlyCount < Self.earlyLimit else {
      if line.kind == .comparison { balance.comparisonsWithoutDecision += 1 }
      return
    }
    early[key, default: []].append(text.copied)
    earlyCount += 1
  }

  /// Reads what came before its decision.
  mutating func applyEarly(_ key: ContentHash, to call: Int) {
    guard earlyCount > 0, let lines = early.removeValue(forKey: key) else { return }
    earlyCount -= lines.count
    for text in lines where line.read(text.span) { apply(text.span, to: call) }
  }

  private mutating func apply(_ text: Span<UInt8>, to call: Int) {
    switch line.kind {
    case .comparison: comparison(text, call)
    case .review: review(text, call)
    case .challenge: challenge(text, call)
    default: calls[call].outcome = OutcomeResult(line.string(.result, in: text))
    }
  }

  /// What a correction of confidences is fitted for; numbers of interned texts.
  struct CalibrationKey: Hashable, Comparable {
    var task: Int
    var model: Int
    var source: Int

    static func < (left: Self, right: Self) -> Bool {
      (left.task, left.model, left.source) < (right.task, right.model, right.source)
    }
  }

  struct HardStopKey: Hashable, Comparable {
    var task: Int
    var stopClass: Int
    var term: Int
    var isAnswer: Bool

    static func < (left: Self, right: Self) -> Bool {
      (left.task, left.stopClass, left.term, left.isAnswer ? 1 : 0)
        < (right.task, right.stopClass, right.term, right.isAnswer ? 1 : 0)
    }
  }

  struct Example: Sendable {
    var call: Int
    var detail: Report.FalseAccept
    /// Number in ``EvidenceFold/clusters``; nil: it stands alone.
    var cluster: Int?

    var rank: Rank {
      Rank(confidence: detail.confidence ?? 0, score: detail.agreementScore ?? 0, seq: detail.seq)
    }

    struct Rank {
      var confidence: Double
      var score: Double
      var seq: Int

      /// A confident mistake is the worst kind: no threshold would have caught it.
      func isWorse(than other: Rank) -> Bool {
        (other.confidence, score, seq) < (confidence, other.score, other.seq)
      }
    }
  }

  struct ReviewNote: Sendable {
    var callID: String
    var reviewer: String?
    var note: String?
    var ts: String
    var seq: Int
  }
}

/// What is known of the record read last, as bytes: made a ``Report/Head`` of once, not for every record.
package struct LastRecord: Sendable {
  /// nil before the first.
  var seq: Int?
  var log: [UInt8] = []
  var hash: [UInt8] = []
  var ts: [UInt8] = []

  mutating func set(_ seq: Int, isSameLog: Bool, _ line: inout LogLine, _ text: Span<UInt8>) {
    self.seq = seq
    if !isSameLog { line.copy(.log, in: text, to: &log) }
    line.copy(.h, in: text, to: &hash)
    line.copy(.ts, in: text, to: &ts)
  }

  /// Numbers that are missing between this record and the next of the same log.
  func hole(before next: Int) -> Int { seq.map { max(0, next - $0 - 1) } ?? 0 }

  var report: Report.Head? {
    seq.map { seq in
      Report.Head(log: log.span.text, seq: seq, hash: hash.span.text, ts: ts.span.text)
    }
  }
}

/// How many records of each kind there are.
struct KindCounts: Sendable {
  /// In the order of ``RecordKind``.
  var known = [Int](repeating: 0, count: RecordKind.allCases.count)
  /// Of kinds that no version had, by name.
  var others: [String: Int] = [:]

  mutating func add(_ line: LogLine, _ text: Span<UInt8>) {
    if let kind = line.kind {
      known[kind.index] += 1
    } else {
      others[line.string(.kind, in: text) ?? "", default: 0] += 1
    }
  }

  /// Those that came, by name.
  var report: [Report.Count] {
    let named = RecordKind.allCases.map { Report.Count(name: $0.rawValue, count: known[$0.index]) }
    return (named + others.map { Report.Count(name: $0.key, count: $0.value) }).filter { $0.count > 0 }
      .sorted { $0.name < $1.name }
  }
}

/// The codes of reasons, by the number of the name. Only saves work.
struct KnownReasons: Sendable {
  var names = Interner(limit: 1_000)
  private let codes = Reason.allCases.map(\.code)

  init() {
    // So that the number of a name is its place among all.
    for reason in Reason.allCases { _ = names.number(reason.rawValue) }
  }

  func code(_ number: Int) -> Int? { number < codes.count ? codes[number] : nil }
}

/// What hard stops of which bytes say: the same few come again and again. Only saves work.
struct KnownStops: Sendable {
  /// Numbers of words.
  struct Match: Sendable {
    var stopClass: Int
    var term: Int
    var isAnswer: Bool
  }

  private(set) var matches: [ContentHash: [Match]] = [:]
  private static let limit = 4_096

  mutating func keep(_ found: [Match], for bytes: ContentHash) {
    if matches.count >= Self.limit { matches.removeAll(keepingCapacity: true) }
    matches[bytes] = found
  }
}
