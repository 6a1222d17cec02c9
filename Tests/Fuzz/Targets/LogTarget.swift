import Advice
package import Evidence
import Gates
import LogReading
import Reports
import Reviews
import RouterCore
import Simulations
import Wire

/// Whatever lines a log holds, everything that reads it comes to an end and says the same twice; no text of a line becomes
/// markup of a report.
enum LogTarget {
  /// The end of the sample's week.
  private static let now: Int64 = 1_773_100_000_000

  static func check(_ log: [UInt8]) throws(Finding) {
    let lines = log.split(separator: 0x0A, omittingEmptySubsequences: false).map { Array($0) }
    var fold = EvidenceFold(options)
    fold.add(ndjson: log.span)
    let report = fold.report()
    try check(report)
    try checkStored(lines, report)
    try checkQueue(lines)
    try checkCurves(lines)
  }

  private static let options: ReportOptions = {
    var options = ReportOptions()
    options.policy = SamplePolicy.prepared.policy
    return options
  }()

  private static func check(_ report: Report) throws(Finding) {
    let html = report.html
    try require(!html.contains("<script"), "a text of the log became a script")
    try require(isBalanced(html), "an element of the page is not closed")
    try require((try? JSONValue(parsing: report.json)) != nil, "the report is no JSON")
    _ = report.markdown
    for gate in report.gates {
      try require((try? JSONValue(parsing: gate.json.jsonBytes)) != nil, "a gate is no JSON")
      try require((0...1).contains(gate.upperBound), "an upper bound of \(gate.upperBound)")
    }
  }

  private static func isBalanced(_ html: String) -> Bool {
    var open: [Substring.UTF8View.SubSequence] = []
    for piece in html.utf8.split(separator: UInt8(ascii: "<")).dropFirst() {
      let tag = piece.prefix { $0 != UInt8(ascii: ">") && $0 != UInt8(ascii: " ") }
      if tag.first == UInt8(ascii: "!") || tag.elementsEqual("meta".utf8) { continue }
      guard tag.first == UInt8(ascii: "/") else {
        open.append(tag)
        continue
      }
      guard let last = open.popLast(), last.elementsEqual(tag.dropFirst()) else { return false }
    }
    return open.isEmpty
  }

  /// A fold that was stored half-way goes on as if it had never been put down.
  private static func checkStored(_ lines: [[UInt8]], _ report: Report) throws(Finding) {
    var first = EvidenceFold(options)
    for line in lines.prefix(lines.count / 2) { first.add(line.span) }
    guard let kept = StoredFold.bytes(of: first) else { throw Finding("a fold cannot be stored") }
    guard var second = StoredFold.read(kept, options) else { throw Finding("a stored fold cannot be read") }
    try require(StoredFold.bytes(of: second) == kept, "storing again gives other bytes")
    for line in lines.dropFirst(lines.count / 2) { second.add(line.span) }
    let again = second.report()
    try require(again.json == report.json, "after storing, another report")
    try require(again.markdown == report.markdown, "after storing, another text")
  }

  private static func checkQueue(_ lines: [[UInt8]]) throws(Finding) {
    var queue = ReviewQueue()
    queue.rules = Dictionary(
      SamplePolicy.tasks.map { ($0.name, ReviewQueue.Rules($0)) }, uniquingKeysWith: { $1 })
    for line in lines { queue.add(line.span) }
    for time in [now, 0, Int64.max / 4] {
      let offers = queue.offers(10, task: nil, reviewer: "ana", now: time) { _ in false }
      try require(offers.count <= 10, "\(offers.count) items for ten")
      for offer in offers {
        try require(offer.item.labels["ana"] == nil, "an item that the reviewer has labelled")
        try require(queue.item(offer.item.key) != nil, "an item that is not there")
      }
      try require(queue.backlog(now: time).values.allSatisfy { $0 >= 0 }, "a negative backlog")
      try require(queue.overdue(now: time).values.allSatisfy { $0 >= 0 }, "fewer than none overdue")
      _ = queue.callsInNeed(now: time, graceMs: 3_600_000)
    }
    queue.prune(now: now)
    _ = queue.oldestWaiting
  }

  private static func checkCurves(_ lines: [[UInt8]]) throws(Finding) {
    var curves = ThresholdFold(task: "triage")
    var simulation = PolicySimulation(SamplePolicy.prepared.policy, earlier: [])
    for line in lines {
      curves.add(line.span)
      simulation.add(line.span)
    }
    let curve = curves.curve(limit: 0.01, current: 0.8)
    for point in curve.points {
      try require(
        point.accepted >= point.agree + point.disagree, "more compared than accepted at \(point.threshold)")
    }
    let outcome = simulation.simulation()
    try require((try? JSONValue(parsing: outcome.json.jsonBytes)) != nil, "the simulation is no JSON")
    _ = outcome.text
  }
}

/// A fold on its way to the disk and back.
package enum StoredFold {
  package static func bytes(of fold: EvidenceFold) -> [UInt8]? {
    let box = Box([])
    var state = StateCoder(writingTo: { bytes in
      for index in bytes.indices { box.bytes.append(bytes[index]) }
      return true
    })
    var fold = fold
    do throws(StateFault) {
      try fold.passGates(&state)
      try fold.pass(&state)
      try state.finish()
    } catch {
      return nil
    }
    return box.bytes
  }

  static func read(_ bytes: [UInt8], _ options: ReportOptions = ReportOptions()) -> EvidenceFold? {
    let box = Box(bytes)
    var state = StateCoder(readingFrom: { box.fill(&$0) })
    var fold = EvidenceFold(options)
    do throws(StateFault) {
      try fold.passGates(&state)
      try fold.pass(&state)
      try state.finish()
    } catch {
      return nil
    }
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
}

/// A summary that is not, byte for byte, what was stored is of no use, and says so.
enum SummaryTarget {
  static func check(_ bytes: [UInt8]) throws(Finding) {
    guard let fold = StoredFold.read(bytes) else { return }
    guard let again = StoredFold.bytes(of: fold) else { throw Finding("what was read cannot be stored") }
    try require(again == Array(bytes.prefix(again.count)), "what was read is stored otherwise")
    _ = fold.report().json
  }
}
