internal import Wire

/// People's labels of calls: of each reviewer the last counts, and an undone one no longer does.
package struct ReviewLabels: Sendable {
  package enum Label: UInt8, Sendable { case none, accept, escalate, unsure }

  private var names = Interner(limit: 10_000)
  private var labels: [Int: [Int: Label]] = [:]

  package init() {}

  /// Planted items test the reviewer and say nothing of the call.
  package mutating func add(_ line: inout LogLine, _ text: Span<UInt8>, call: Int) {
    guard !line.isString(.stream, "planted", in: text) else { return }
    let reviewer = line.withBytes(.reviewer, in: text) { names.number($0) } ?? -1
    switch line.string(.reviewLabel, in: text) {
    case "accept": labels[call, default: [:]][reviewer] = .accept
    case "escalate": labels[call, default: [:]][reviewer] = .escalate
    case "unsure": labels[call, default: [:]][reviewer] = .unsure
    default: labels[call]?[reviewer] = nil
    }
  }

  package subscript(call: Int) -> [Label] { labels[call].map { Array($0.values) } ?? [] }
}
