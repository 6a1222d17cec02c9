import Advice
import Evidence
import LogReading
import Reports
import RouterCore
import TestLogs
import Testing
import Wire

/// A fold that was stored and filled again says what one says that read everything itself.
@Suite("Stored folds")
struct SummaryTests {
  /// The week, and after it what only comes late: reviews of early calls, taken back ones, challengers, second models.
  private static let lines: [[UInt8]] = {
    var log = SampleLog.week()
    log.record("probe", [("model_id", "m"), ("model", "qwen3-1.7b"), ("digest", "sha256:a")])
    log.comparison("late-1", "disagree")
    for call in 0..<30 {
      log.review(
        "call-\(call)", call % 3 == 0 ? "escalate" : "accept", severity: call % 3 == 0 ? 2 : nil,
        reviewer: "r\(call % 2)")
    }
    log.decision("late-1", label: "crash", sampled: true)
    log.decision(
      "late-2", label: "crash", digest: "sha256:other",
      more: [("confidence_source", "samples"), ("calibration", "c1")])
    log.challenge("late-2", accepts: true)
    log.record("probe", [("model_id", "m"), ("model", "qwen3-1.7b"), ("digest", "sha256:b")])
    log.comparison("late-2", "agree", challenger: "disagree", challengerDetail: "label_differs")
    log.record("something_new", [])
    log.raw("not a record")
    log.skip(3)
    log.review("call-3", "accept", reviewer: "r1")
    log.outcome(call: "call-9", "failure")
    log.comparison("never-decided", "agree")
    return log.lines
  }()

  private func options(_ window: ReportWindow = ReportWindow()) -> ReportOptions {
    var options = ReportOptions()
    options.window = window
    return options
  }

  private func text(_ fold: EvidenceFold) -> [UInt8] {
    let report = fold.report()
    return report.json + Array(report.markdown.utf8) + Array(report.html.utf8)
  }

  private func stored(_ fold: EvidenceFold) throws(StateFault) -> [UInt8] {
    let box = Box([])
    var state = StateCoder(writingTo: { bytes in
      for index in bytes.indices { box.bytes.append(bytes[index]) }
      return true
    })
    var fold = fold
    try fold.passGates(&state)
    try fold.pass(&state)
    try state.finish()
    return box.bytes
  }

  private func restored(_ bytes: [UInt8], _ options: ReportOptions = ReportOptions()) throws(StateFault)
    -> EvidenceFold
  {
    let box = Box(bytes)
    var state = StateCoder(readingFrom: { box.fill(&$0) })
    var fold = EvidenceFold(options)
    try fold.passGates(&state)
    try fold.pass(&state)
    try state.finish()
    return fold
  }

  private final class Box {
    var bytes: [UInt8]
    private var at = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func fill(_ space: inout [UInt8]) -> Bool {
      guard at + space.count <= bytes.count else { return false }
      space = Array(bytes[at..<at + space.count])
      at += space.count
      return true
    }
  }

  private func fold(_ lines: ArraySlice<[UInt8]>, into fold: EvidenceFold = EvidenceFold()) -> EvidenceFold {
    var fold = fold
    for line in lines { fold.add(line.span) }
    return fold
  }

  @Test("at any place of the log, the report is the same byte for byte", arguments: 0..<12)
  func anyPlace(part: Int) throws {
    let lines = Self.lines
    // The ends of the log are where most kinds of records are.
    let late = [
      lines.count - 40, lines.count - 20, lines.count - 9, lines.count - 4, lines.count - 1, lines.count,
    ]
    let cut = part < 6 ? late[part] : lines.count * (part - 6) / 6 + (part - 6)
    let whole = text(fold(lines[...]))
    let kept = try stored(fold(lines[..<cut]))
    let continued = fold(lines[cut...], into: try restored(kept))
    #expect(text(continued) == whole)
  }

  private func options(owner: String?, minConfidence: Double = 0.5, windowDays: Int = 56) -> ReportOptions {
    var task = TaskPolicy(name: "triage_ticket", mark: Mark(line: 1, column: 1))
    task.local = true
    task.owner = owner
    task.minConfidence = minConfidence
    task.gate.windowDays = windowDays
    var policy = Policy()
    policy.tasks = [task]
    var options = options()
    options.policy = policy
    return options
  }

  @Test("what is kept is of use under another policy, unless its gates would count otherwise")
  func otherPolicy() throws {
    let kept = try stored(fold(Self.lines[...], into: EvidenceFold(options(owner: "r0"))))
    let other = options(owner: "r0", minConfidence: 0.8)
    let plain = fold(Self.lines[...], into: EvidenceFold(other))
    #expect(plain.report().totals.reviews.severe > fold(Self.lines[...]).report().totals.reviews.severe)
    #expect(text(try restored(kept, other)) == text(plain))
    for options in [options(owner: "r1"), options(owner: "r0", windowDays: 7), options()] {
      #expect(throws: StateFault.unusable) { try restored(kept, options) }
    }
  }

  @Test("storing again what was filled gives the same bytes")
  func stable() throws {
    let kept = try stored(fold(Self.lines[...]))
    #expect(try stored(try restored(kept)) == kept)
  }

  @Test("every property of every part is told of")
  func complete() {
    // A part that left one out would be refused here, by name.
    #expect(throws: Never.self) { try stored(fold(Self.lines[...])) }
  }

  @Test("no flipped bit and no cut goes unseen")
  func damage() throws {
    let kept = try stored(fold(Self.lines[..<300]))
    for place in stride(from: 0, to: kept.count, by: max(1, kept.count / 400)) {
      var flipped = kept
      flipped[place] ^= 1 << UInt8(place % 8)
      #expect(throws: StateFault.self) { try restored(flipped) }
    }
    for end in stride(from: 0, to: kept.count, by: max(1, kept.count / 100)) {
      #expect(throws: StateFault.self) { try restored(Array(kept[..<end])) }
    }
  }

  @Test("a segment before the window is passed over as if it had been read")
  func passedOver() throws {
    let lines = Self.lines
    let cut = lines.count / 2
    var first = fold(lines[..<cut])
    first.endSegment(1)
    let stretch = try #require(first.stretches.first)
    let window = ReportWindow(from: stretch.latest + 1, name: "late")
    let read = fold(lines[...], into: EvidenceFold(options(window)))
    // The gates look at all times, and so must know the segment that is passed over.
    var unknowing = EvidenceFold(options(window))
    let isUnknownPassed = unknowing.pass(over: stretch)
    #expect(!isUnknownPassed)
    let box = Box(try stored(fold(lines[...])))
    var state = StateCoder(readingFrom: { box.fill(&$0) })
    var passing = EvidenceFold(options(window))
    try passing.passGates(&state)
    passing.gatesAreAhead = true
    var cutting = EvidenceFold(options(ReportWindow(from: stretch.latest)))
    cutting.gatesAreAhead = true
    let isPassed = passing.pass(over: stretch)
    #expect(isPassed)
    #expect(text(fold(lines[cut...], into: passing)) == text(read))
    // Not once there are calls that its records may belong to, and not where the window cuts it.
    var late = read
    late.gatesAreAhead = true
    let isLatePassed = late.pass(over: stretch)
    #expect(!isLatePassed)
    let isCutPassed = cutting.pass(over: stretch)
    #expect(!isCutPassed)
  }
}
