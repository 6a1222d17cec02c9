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

/// Reads a log once, in order, and keeps what a report needs: 32 bytes a call, sums, and a few examples.
///
/// A call's records are joined by `call_id` in whatever order they come; of a repeated decision or comparison the
/// first counts, of a repeated outcome the last, of reviews what ``CallLabels`` makes of them. Reads no clock: the same lines give the same report.
package struct EvidenceFold: Sendable {
  let options: ReportOptions
  var line = LogLine()
  /// For the decision's line while the comparison's is being read.
  var earlierLine = LogLine()

  var taskNames = Interner(limit: 1_000)
  var tallies: [TaskTally] = []
  var calls = CompactTable<CallRow>()
  var runs = CompactTable<RunRow>()
  /// Ids of runs, one after another.
  var runNames: [UInt8] = []
  var agentNames = Interner(limit: 1_000)
  /// Models, labels, terms, details, causes: the words of which there are few.
  var words = Interner(limit: 20_000)
  var hardStops = Counts<HardStopKey>(limit: 10_000)
  /// The same folds that `gate` uses.
  var gates: GatesFold
  var planted = PlantedLabels()
  var frames = Report.Frames()

  /// Lines of would-accepts that wait for their comparison, for the previews in them.
  var waiting = WaitingLines(limit: 16_384)
  /// Drawn would-accepts: their decision's and comparison's lines wait for a label that calls them false.
  var drawnDecisions = WaitingLines(limit: 4_096)
  var drawnComparisons = WaitingLines(limit: 4_096)
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
  var clusters = TemplateClusters()
  /// Disagreements of which others look alike may exist, by call.
  var clustered: [(call: Int, cluster: Int)] = []

  /// By task: what the newest `flag` record says that is served, whatever the window.
  var rollouts: [String: Report.Rollout] = [:]
  var changes: [Report.Change] = []
  var changesNotShown = 0
  var lastModel: [Int: TaskTally.ModelName] = [:]
  /// The correction last seen in force, −1 for none.
  var lastCalibration: [CalibrationKey: Int] = [:]
  var challengers: [ChallengerTally] = []
  /// By id of a model: what its newest probe says.
  var lastProbe: [String: (model: String, digest: String)] = [:]
  var kinds: [String: Int] = [:]
  var balance = Report.Balance()
  var head: Report.Head?
  var holesNamed = 0
  var firstDecision: Int64?
  var lastDecision: Int64?

  static let earlyLimit = 20_000
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
    guard line.read(text), let ms = line.withBytes(.ts, in: text, { LogTime.parse($0) }) ?? nil else {
      balance.damaged += 1
      gates.sawDamage()
      return
    }
    balance.recordsRead += 1
    follow(text)
    rollout(text)
    // An epoch has its own window.
    gates.add(text, read: &line, at: ms)
    guard options.window.contains(ms) else {
      balance.outsideWindow += 1
      return belated(text)
    }
    kinds[line.string(.kind, in: text) ?? "", default: 0] += 1
    inWindow(text, at: ms)
  }

  private mutating func inWindow(_ text: Span<UInt8>, at ms: Int64) {
    if line.isString(.kind, "decision", in: text) { return decision(text, at: ms) }
    if line.isString(.kind, "comparison", in: text) { return ofCall(text, mayWait: true) }
    if line.isString(.kind, "outcome", in: text) { return outcome(text, mayWait: true) }
    if line.isString(.kind, "review", in: text) { return ofCall(text, mayWait: true) }
    if line.isString(.kind, "challenge", in: text) { return ofCall(text, mayWait: true) }
    if line.isString(.kind, "gap", in: text) { return gap(text) }
    if line.isString(.kind, "recovered", in: text) {
      balance.recovered += 1
      return
    }
    change(text, at: ms)
  }

  /// Records outside the window that still belong to calls in it.
  private mutating func belated(_ text: Span<UInt8>) {
    if line.isString(.kind, "comparison", in: text) || line.isString(.kind, "review", in: text)
      || line.isString(.kind, "challenge", in: text)
    {
      ofCall(text, mayWait: false)
    } else if line.isString(.kind, "outcome", in: text) {
      outcome(text, mayWait: false)
    }
  }

  /// Keeps the head of the chain, and notices sequence numbers that are missing.
  private mutating func follow(_ text: Span<UInt8>) {
    guard let seq = line.int(.seq, in: text) else { return }
    let log = line.string(.log, in: text) ?? ""
    if let head, head.log == log, seq > head.seq + 1 { balance.unexplainedHoles += seq - head.seq - 1 }
    head = Report.Head(
      log: log, seq: seq, hash: line.string(.h, in: text) ?? "", ts: line.string(.ts, in: text) ?? "")
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
    guard let key = line.withBytes(.callID, in: text, { ContentHash($0) }) else {
      balance.damaged += 1
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
      if line.isString(.kind, "comparison", in: text) { balance.comparisonsWithoutDecision += 1 }
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
    if line.isString(.kind, "comparison", in: text) {
      comparison(text, call)
    } else if line.isString(.kind, "review", in: text) {
      review(text, call)
    } else if line.isString(.kind, "challenge", in: text) {
      challenge(text, call)
    } else {
      calls[call].outcome = OutcomeResult(line.string(.result, in: text))
    }
  }

  /// What a correction of confidences is fitted for; numbers of interned texts.
  struct CalibrationKey: Hashable {
    var task: Int
    var model: Int
    var source: Int
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

    /// A confident mistake is the worst kind: no threshold would have caught it.
    static func isWorse(_ left: Self, than right: Self) -> Bool {
      let leftKey = (right.detail.confidence ?? 0, left.detail.agreementScore ?? 0, left.detail.seq)
      let rightKey = (left.detail.confidence ?? 0, right.detail.agreementScore ?? 0, right.detail.seq)
      return leftKey < rightKey
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

/// Lines kept until they are asked for, by call; of too many, the oldest go.
struct WaitingLines: Sendable {
  private var lines: [Int: [UInt8]] = [:]
  private var order: [Int] = []
  private var oldest = 0
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  mutating func keep(_ text: Span<UInt8>, for call: Int) {
    lines[call] = text.copied
    order.append(call)
    while lines.count > limit, oldest < order.count {
      lines[order[oldest]] = nil
      oldest += 1
    }
    // Entries that were taken meanwhile are dropped with the rest, so that this list stays short too.
    if order.count > 4 * limit {
      order = order[oldest...].filter { lines[$0] != nil }
      oldest = 0
    }
  }

  func peek(_ call: Int) -> [UInt8]? { lines[call] }

  mutating func take(_ call: Int) -> [UInt8]? { lines.removeValue(forKey: call) }
}
