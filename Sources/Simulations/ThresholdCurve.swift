import Agreements
import Evidence
package import LogReading
import RouterCore
import Statistics
import Wire

/// Accept rate against what reviews say, for each threshold of ``ThresholdProposal``'s grid: one task, its present candidate.
///
/// Data used to choose a threshold never feeds a gate.
package struct ThresholdCurve: Sendable, Equatable {
  package struct Point: Sendable, Equatable {
    package var threshold = 0.0
    /// Calls that would be accepted, and of these, compared with the frontier.
    package var accepted = 0
    package var agree = 0
    package var disagree = 0
    /// Drawn at random for review; of these labelled; and false, or taken for false (escalate, unsure, unlabelled).
    package var drawn = 0
    package var labelled = 0
    package var drawnFalse = 0
    /// False accepts known from anywhere, randomly drawn or not.
    package var knownFalse = 0
    /// Accepted here, but no would-accept when recorded: such calls are never drawn.
    package var notDrawable = 0
    /// P(Binomial(drawn, limit) ≤ drawnFalse); 1 without a sample.
    package var p = 1.0

    /// Whether the sample is one of all that would be accepted, rather than of those above the threshold of the time.
    package var isSampled: Bool { drawn > 0 && notDrawable == 0 }
    /// Exact one-sided bound of the rate of false accepts at 95 %, from the drawn alone; nil without a sample.
    package var upper: Double? { isSampled ? RateBounds.upper(drawnFalse, of: drawn) : nil }
    package var disagreementUpper: Double { RateBounds.upper(disagree, of: agree + disagree) }
  }

  package var task = ""
  /// The task's limit of false accepts.
  package var limit = 0.01
  package var current: Double?
  /// Calls of the task whose answer the confidence alone decides, or accepted, by the present candidate.
  package var calls = 0
  /// Calls of the task by the present candidate that other checks stop at any threshold.
  package var stopped = 0
  /// Calls that an earlier candidate, prompt or correction answered: left out.
  package var earlier = 0
  package var model: String?
  /// Strictest first.
  package var points: [Point] = []
  /// Learn-then-Test, strictest first; nil: not even 0.99 is shown to be safe.
  package var proposal: Double?
  /// The first threshold of the sequence that is not shown to be safe; nil where all are.
  package var firstFailure: Double?

  /// Share of the task's calls that a point accepts.
  package func acceptRate(_ point: Point) -> Double {
    let all = calls + stopped
    return all > 0 ? Double(point.accepted) / Double(all) : 0
  }

  /// Drawn items without a false one that the strictest threshold needs.
  package var needed: Int { RateBounds.needed(forUpper: limit, alpha: ThresholdProposal.risk) }

  /// Goes on while p is at most the risk and stops at the first failure, so that no correction for looking is needed.
  fileprivate mutating func propose() {
    for index in points.indices {
      // Among calls that could not be drawn nothing was reviewed, so no sample speaks for them.
      if points[index].isSampled {
        points[index].p = RateBounds.atMost(points[index].drawnFalse, of: points[index].drawn, rate: limit)
      }
      guard firstFailure == nil else { continue }
      if points[index].p <= ThresholdProposal.risk {
        proposal = points[index].threshold
      } else {
        firstFailure = points[index].threshold
      }
    }
  }
}

/// Reads a log once for ``ThresholdCurve``.
package struct ThresholdFold: Sendable {
  private let task: String
  private let window: ReportWindow
  private var line = LogLine()
  private var words = Interner(limit: 10_000)
  private var calls = CompactTable<ThresholdRow>()
  private var labels = ReviewLabels()
  /// Of the last answer seen: a model with its digest, prompt and correction.
  private var identities: [Identity] = []

  private struct Identity: Equatable {
    var model: Int
    /// −1: its server has not named one yet.
    var digest: Int
    var prompt: Int
  }

  package init(task: String, window: ReportWindow = ReportWindow()) {
    self.task = task
    self.window = window
  }

  package mutating func add(_ text: Span<UInt8>) {
    guard text.count > 0, line.read(text), let key = line.withBytes(.callID, in: text, { ContentHash($0) })
    else { return }
    switch line.string(.kind, in: text) {
    case "decision": decision(text, key)
    case "comparison":
      let call = row(key)
      guard calls[call].verdict == 0 else { return }
      let verdict = AgreementResult.Verdict(rawValue: line.string(.agreement, in: text) ?? "") ?? .unknown
      calls[call].verdict = EvidenceFold.code(verdict)
    case "review": labels.add(&line, text, call: row(key))
    default: break
    }
  }

  private mutating func row(_ key: ContentHash) -> Int {
    calls.find(key) ?? calls.insert(ThresholdRow(key: key))
  }

  private mutating func decision(_ text: Span<UInt8>, _ key: ContentHash) {
    guard line.string(.taskType, in: text) == task, !line.isString(.reason, "unknown_task", in: text),
      let ms = line.withBytes(.ts, in: text, { LogTime.parse($0) }) ?? nil, window.contains(ms)
    else { return }
    let call = row(key)
    guard !calls[call].isDecided else { return }
    calls[call].isDecided = true
    calls[call].identity = identity(text)
    calls[call].wasAccepted = line.isString(.routeCandidate, "local", in: text)
    calls[call].isDrawn = line.bool(.sampled, in: text) == true
    labels.decided(&line, text, call: call)
    let isLow = line.isString(.reason, "confidence_low", in: text)
    let isNovel = line.isString(.validatorResult, "passed schema, novel input", in: text)
    guard calls[call].wasAccepted || (isLow && !isNovel), let confidence = line.double(.confidence, in: text)
    else { return }
    calls[call].steps = UInt8(ThresholdProposal.grid.count { confidence >= $0 })
    calls[call].isGraded = true
  }

  /// Calls from before the first probe answered have no digest and belong with those that follow.
  private mutating func identity(_ text: Span<UInt8>) -> UInt16? {
    guard let model = line.withBytes(.localModel, in: text, { words.number($0) }) else { return nil }
    let digest = line.withBytes(.localModelDigest, in: text) { words.number($0) } ?? -1
    let prompt = line.withBytes(.promptRevision, in: text) { words.number($0) } ?? -1
    if let last = identities.last, last.model == model, last.prompt == prompt,
      last.digest == digest || last.digest < 0 || digest < 0
    {
      if last.digest < 0 { identities[identities.count - 1].digest = digest }
    } else {
      identities.append(Identity(model: model, digest: digest, prompt: prompt))
    }
    return UInt16(clamping: identities.count - 1)
  }

  /// - Parameters:
  ///   - limit: The task's rate of false accepts that must not be exceeded.
  ///   - current: Its `min_confidence` now.
  package func curve(limit: Double, current: Double?) -> ThresholdCurve {
    var curve = ThresholdCurve()
    curve.task = task
    curve.limit = limit
    curve.current = current
    curve.model = identities.last.map { words[$0.model] }
    curve.points = ThresholdProposal.grid.map { threshold in
      var point = ThresholdCurve.Point()
      point.threshold = threshold
      return point
    }
    let labels = labels.shared
    let present = UInt16(clamping: max(0, identities.count - 1))
    for (number, row) in calls.rows.enumerated() where row.isDecided {
      if let identity = row.identity, identity != present {
        curve.earlier += 1
      } else if row.isGraded {
        curve.calls += 1
        count(row, labels[number], into: &curve.points)
      } else {
        curve.stopped += 1
      }
    }
    curve.propose()
    return curve
  }

  private func count(
    _ row: ThresholdRow, _ labels: [ReviewLabels.Label], into points: inout [ThresholdCurve.Point]
  ) {
    let isFalse = labels.contains(.escalate)
    let isTakenForFalse = labels.isEmpty || labels.contains { $0 != .accept }
    // A confidence that reaches n points of the grid reaches its last n, which ask for least.
    for index in points.indices.suffix(Int(row.steps)) {
      points[index].accepted += 1
      if row.verdict == EvidenceFold.code(.agree) { points[index].agree += 1 }
      if row.verdict == EvidenceFold.code(.disagree) { points[index].disagree += 1 }
      if isFalse { points[index].knownFalse += 1 }
      if !row.wasAccepted { points[index].notDrawable += 1 }
      guard row.isDrawn, row.wasAccepted else { continue }
      points[index].drawn += 1
      if !labels.isEmpty { points[index].labelled += 1 }
      if isTakenForFalse { points[index].drawnFalse += 1 }
    }
  }
}

private struct ThresholdRow: KeyedRow {
  let key: ContentHash
  var identity: UInt16?
  /// How many points of the grid the confidence reaches.
  var steps: UInt8 = 0
  var verdict: UInt8 = 0
  var isDecided = false
  var isGraded = false
  var wasAccepted = false
  var isDrawn = false

  init(key: ContentHash) { self.key = key }
}
