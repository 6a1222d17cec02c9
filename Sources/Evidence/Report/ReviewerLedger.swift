import LogReading
import Statistics
import Wire

/// Who labelled what: agreement between reviewers, confirmations, and what became of planted items.
///
/// Of one reviewer's labels of a call the last counts, and an undone one no longer does.
struct ReviewerLedger: Sendable {
  private var names = Interner(limit: 1_000)
  private var labels: [Int: [Entry]] = [:]
  private var planted: [Planted: Bool] = [:]

  private struct Entry: Sendable {
    let reviewer: Int
    let label: CallRow.Review
    let severity: Int
  }

  private struct Planted: Hashable, Sendable {
    let call: Int
    let reviewer: Int
  }

  /// A `review` record of a call that is known.
  mutating func saw(_ line: inout LogLine, _ text: Span<UInt8>, call: Int) {
    let reviewer = line.withBytes(.reviewer, in: text) { names.number($0) } ?? names.number("(unnamed)")
    let label = Self.label(line.string(.reviewLabel, in: text))
    if line.isString(.stream, "planted", in: text) {
      planted[Planted(call: call, reviewer: reviewer)] = label.map { $0 != .accept }
      return
    }
    guard !line.isString(.subject, "challenger", in: text) else { return }
    labels[call, default: []].removeAll { $0.reviewer == reviewer }
    guard let label else { return }
    labels[call, default: []].append(
      Entry(reviewer: reviewer, label: label, severity: line.int(.severity, in: text) ?? 0))
  }

  private static func label(_ word: String?) -> CallRow.Review? {
    switch word {
    case "accept": .accept
    case "escalate": .escalate
    case "unsure": .unsure
    default: nil
    }
  }

  /// Who called it false, in the order in which they did.
  func confirmations(_ call: Int) -> [String] {
    (labels[call] ?? []).filter { $0.label == .escalate }.map { names[$0.reviewer] }
  }

  /// By name.
  func reviewers() -> [Report.Reviewer] {
    var reviewers = names.texts.map { Report.Reviewer(name: $0) }
    for entry in labels.values.joined() {
      switch entry.label {
      case .none: break
      case .accept: reviewers[entry.reviewer].accept += 1
      case .escalate: reviewers[entry.reviewer].escalate += 1
      case .unsure: reviewers[entry.reviewer].unsure += 1
      }
    }
    for (item, isCaught) in planted {
      reviewers[item.reviewer].planted += 1
      if isCaught { reviewers[item.reviewer].caught += 1 }
    }
    return reviewers.filter { $0.labelled + $0.planted > 0 }.sorted { $0.name < $1.name }
  }

  /// Over every pair of people who labelled the same call, the earlier label first.
  func agreement() -> Report.ReviewerAgreement? {
    let classes: [CallRow.Review] = [.accept, .escalate, .unsure]
    var table = [[Int]](repeating: [0, 0, 0], count: 3)
    for entries in labels.values {
      for (index, first) in entries.enumerated() {
        for second in entries[(index + 1)...] {
          guard let row = classes.firstIndex(of: first.label),
            let column = classes.firstIndex(of: second.label)
          else { continue }
          table[row][column] += 1
        }
      }
    }
    let pairs = table.reduce(0) { $0 + $1.reduce(0, +) }
    guard pairs > 0 else { return nil }
    let rated = RaterAgreement(table)
    return Report.ReviewerAgreement(
      pairs: pairs, agree: classes.indices.reduce(0) { $0 + table[$1][$1] }, ac1: rated.ac1,
      kappa: rated.kappa.isNaN ? nil : rated.kappa)
  }
}
