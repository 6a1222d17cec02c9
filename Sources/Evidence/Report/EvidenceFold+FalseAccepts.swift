import LogReading
import Reviews
import RouterCore
import Statistics

extension EvidenceFold {
  /// Keeps what the records say of a drawn call until people have labelled it: they also find mistakes where both models
  /// agree.
  mutating func keepDrawn(_ text: Span<UInt8>, _ call: Int) {
    guard let decision = waiting.line(call) else { return }
    drawnDecisions.keep(decision.span, for: call)
    drawnComparisons.keep(text, for: call)
  }

  /// A person called it false: its lines become a detail. Reads other lines than the one at hand.
  mutating func takeDrawn(_ call: Int) {
    guard let decision = drawnDecisions.take(call), let comparison = drawnComparisons.take(call) else {
      return takeUncompared(call)
    }
    guard earlierLine.read(decision.span), line.read(comparison.span) else { return }
    labelledDetails[call] = falseAccept(comparison.span, decision.span, Int(calls[call].task))
  }

  /// Of a local answer that the frontier was not asked about, the decision is all there is.
  private mutating func takeUncompared(_ call: Int) {
    guard calls[call].verdict == 0, labelledDetails[call] == nil, let decision = waiting.line(call),
      earlierLine.read(decision.span)
    else { return }
    // Not the line at hand, which is a review's: one that says nothing, and so is no record.
    let nothing: [UInt8] = Array("{}".utf8)
    _ = line.read(nothing.span)
    labelledDetails[call] = falseAccept(nothing.span, decision.span, Int(calls[call].task))
  }

  /// Known ones by severity, then suspected ones, each worst first and a limited number for each task.
  ///
  /// - Parameter twins: Calls that another one's label counts for, which is listed for them.
  func falseAccepts(_ twins: [Int: Int]) -> [Report.FalseAccept] {
    var known: [Report.FalseAccept] = []
    var suspected: [Example] = []
    var listed: Set<Int> = []
    let alike = suspectedAlike(twins)
    // Of one that is not sure nothing is listed that could stand for others.
    let told = twins.filter { calls[$0.value].review != .unsure }
    let standsFor = Dictionary(told.values.map { ($0, 1) }, uniquingKeysWith: +)
    func keepKnown(_ detail: Report.FalseAccept, _ row: CallRow, _ call: Int) {
      var item = labelled(detail, row, call)
      item.alike += standsFor[call] ?? 0
      known.append(item)
    }
    for task in tallies.indices {
      var shown = 0
      var standing: Set<Int> = []
      for example in examples[task] ?? [] where told[example.call] == nil {
        let row = labelled(calls[example.call], example.call, twins)
        if Self.isKnownFalse(row) {
          listed.insert(example.call)
          keepKnown(example.detail, row, example.call)
        } else if row.review != .accept, shown < options.examplesPerTask {
          // The worst of those that look alike stands for them.
          if let cluster = example.cluster, !standing.insert(cluster).inserted { continue }
          var item = labelled(example.detail, row, example.call)
          item.alike = example.cluster.flatMap { alike[$0] } ?? 1
          item.template = example.cluster.map { clusters.template($0) }
          suspected.append(Example(call: example.call, detail: item))
          shown += 1
        }
      }
    }
    for call in reviewNotes.keys.sorted() where !listed.contains(call) && Self.isKnownFalse(calls[call]) {
      keepKnown(labelledDetails[call] ?? bareDetail(call), calls[call], call)
    }
    known.sort { Self.order($0) < Self.order($1) }
    suspected.sort { $0.rank.isWorse(than: $1.rank) }
    let remedies = Remedies(self)
    return (known + suspected.map(\.detail)).map { item in
      var item = item
      item.remedy = remedies.remedy(item)
      return item
    }
  }

  /// The severest first, then what most people confirmed, then the most confident.
  private static func order(_ item: Report.FalseAccept) -> (Int, Int, Double, Int) {
    (
      -(item.severity ?? 0) - (item.isSevere ? 10 : 0), -item.confirmedBy.count, -(item.confidence ?? 0),
      item.seq
    )
  }

  /// Of a call whose lines are no longer at hand: what its label said.
  private func bareDetail(_ call: Int) -> Report.FalseAccept {
    var item = Report.FalseAccept()
    item.task = taskNames[calls[call].task]
    item.confidence = calls[call].confidence <= 100 ? Double(calls[call].confidence) / 100 : nil
    guard let note = reviewNotes[call] else { return item }
    item.callID = note.callID
    item.ts = note.ts
    item.seq = note.seq
    return item
  }

  /// By number of a cluster: suspected false accepts that it stands for.
  private func suspectedAlike(_ twins: [Int: Int]) -> [Int: Int] {
    var counts: [Int: Int] = [:]
    for (call, cluster) in clustered {
      let row = labelled(calls[call], call, twins)
      guard row.review != .accept, !Self.isKnownFalse(row) else { continue }
      counts[cluster, default: 0] += 1
    }
    return counts
  }

  /// Who owns a task is the policy's to say, and what is kept of the log must not depend on that: so it is asked here.
  func isSevere(_ call: Int) -> Bool {
    labels[call]?.isSevere(owner: options.policy?.task(taskNames[calls[call].task])?.owner) ?? false
  }

  static func isKnownFalse(_ row: CallRow) -> Bool {
    guard row.isWouldAccept, row.review != .accept else { return false }
    return row.review == .escalate || (row.flags.contains(.answeredLocally) && row.outcome == .failure)
  }

  private func labelled(_ detail: Report.FalseAccept, _ row: CallRow, _ call: Int) -> Report.FalseAccept {
    var item = detail
    item.standing = Self.isKnownFalse(row) ? .known : .suspected
    item.wasServed = row.flags.contains(.answeredLocally)
    guard row.review != .none else { return item }
    item.reviewLabel = row.review == .escalate ? "escalate" : row.review == .accept ? "accept" : "unsure"
    item.severity = labels[call].map(\.severity).flatMap { $0 > 0 ? $0 : nil }
    item.isSevere = row.review == .escalate && isSevere(call)
    item.isMissedStop = labels[call]?.isMissedStop ?? false
    item.confirmedBy = confirmations(call)
    item.reviewer = reviewNotes[call]?.reviewer
    item.note = reviewNotes[call]?.note
    return item
  }
}

/// Which check should have caught a false accept, and what that would have cost: a proposal from the figures of its task.
private struct Remedies {
  private let tallies: [String: TaskTally]
  private let words: Interner

  init(_ fold: EvidenceFold) {
    words = fold.words
    tallies = Dictionary(
      fold.tallies.indices.map { (fold.taskNames[$0], fold.tallies[$0]) },
      uniquingKeysWith: { first, _ in first })
  }

  /// A check that keeps out more than this share of would-accepts is no remedy.
  private static let dearest = 0.5

  func remedy(_ item: Report.FalseAccept) -> Report.FalseAccept.Remedy {
    if item.isMissedStop { return Report.FalseAccept.Remedy(check: .hardStop) }
    let found = [threshold(item), label(item)].compactMap(\.self).filter {
      ($0.acceptsLost ?? 1) <= Self.dearest
    }
    return found.min { ($0.acceptsLost ?? 1) < ($1.acceptsLost ?? 1) }
      ?? Report.FalseAccept.Remedy(check: .none)
  }

  /// The lowest threshold that would have kept it out.
  private func threshold(_ item: Report.FalseAccept) -> Report.FalseAccept.Remedy? {
    guard let confidence = item.confidence, (0...1).contains(confidence),
      let bins = tallies[item.task]?.accepted
    else { return nil }
    let step = Int(confidence * 100 + 1e-9) + 1
    guard step <= 99 else { return nil }
    return remedy(
      .minConfidence, Figures.confidence(Double(step) / 100),
      lost: bins[..<step].reduce(0) { $0 + $1.agree + $1.disagree + $1.unknown },
      of: bins.reduce(0) { $0 + $1.agree + $1.disagree + $1.unknown },
      false: bins[..<step].reduce(0) { $0 + $1.disagree }, of: bins.reduce(0) { $0 + $1.disagree })
  }

  /// Its label among those that always escalate, where that label is wrong more often than the others.
  private func label(_ item: Report.FalseAccept) -> Report.FalseAccept.Remedy? {
    guard let label = item.label, let tally = tallies[item.task] else { return nil }
    let accepts = tally.acceptedLabels.sorted
    let mine = accepts.first { words[$0.key] == label }?.count ?? 0
    let differing = tally.confusions.sorted
    let mineDiffering = differing.reduce(0) { words[$1.key.candidate] == label ? $0 + $1.count : $0 }
    let (all, allDiffering) = (accepts.reduce(0) { $0 + $1.count }, differing.reduce(0) { $0 + $1.count })
    guard accepts.count > 1, Double(mineDiffering) * Double(all) > Double(mine) * Double(allDiffering) else {
      return nil
    }
    return remedy(.escalateLabels, label, lost: mine, of: all, false: mineDiffering, of: allDiffering)
  }

  private func remedy(
    _ check: Report.FalseAccept.Remedy.Check, _ value: String, lost: Int, of accepts: Int, false kept: Int,
    of differing: Int
  ) -> Report.FalseAccept.Remedy? {
    guard accepts > 0 else { return nil }
    return Report.FalseAccept.Remedy(
      check: check, value: value, acceptsLost: Double(lost) / Double(accepts),
      suspectedKeptOut: kept, suspected: differing)
  }
}
