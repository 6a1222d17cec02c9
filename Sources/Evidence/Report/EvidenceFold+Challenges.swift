internal import Agreements
internal import LogReading
internal import RouterCore
internal import Wire

extension EvidenceFold {
  /// Takes down what the second candidate of a task said to a call; of a repeated record the first counts.
  mutating func challenge(_ text: Span<UInt8>, _ call: Int) {
    guard calls[call].challenger == 0, let number = challengerNumber(text, task: calls[call].task) else {
      return
    }
    calls[call].challenger = number + 1
    if line.isString(.routeCandidate, "local", in: text) { calls[call].pair.insert(.challengerAccepts) }
    guard let ms = line.double(.localLatencyMs, in: text) else { return }
    calls[call].pair.insert(.challengerAsked)
    challengers[number].latency.add(ms)
    challengers[number].cost += line.double(.localCostUSD, in: text) ?? 0
  }

  /// Challengers told apart by model; further ones are left out.
  private static let challengerLimit = CallRow.challengerLimit - 2

  private mutating func challengerNumber(_ text: Span<UInt8>, task: Int) -> Int? {
    guard let name = line.number(.localModel, in: text, &words) else { return nil }
    let digest = line.number(.localModelDigest, in: text, &words) ?? -1
    let same = challengers.lastIndex { challenger in
      guard challenger.task == task, challenger.model.name == name else { return false }
      // Without a digest, from before the first probe answered, it belongs with those that follow.
      return digest < 0 || challenger.model.digest < 0 || challenger.model.digest == digest
    }
    if let same {
      if challengers[same].model.digest < 0 { challengers[same].model.digest = digest }
      return same
    }
    guard challengers.count < Self.challengerLimit else { return nil }
    challengers.append(
      ChallengerTally(task: task, model: TaskTally.ModelName(name: name, digest: digest)))
    return challengers.count - 1
  }

  /// How either model stands to the frontier, as a comparison says it.
  mutating func pair(_ text: Span<UInt8>, _ call: Int, candidate: AgreementResult.Verdict) {
    let own = standing(candidate, .agreementDetail, text)
    calls[call].pair.insert(own.asCandidate)
    guard
      let verdict = line.verdict(.challengerAgreement, in: text)
    else { return }
    calls[call].pair.insert(standing(verdict, .challengerAgreementDetail, text).asChallenger)
  }

  private func standing(
    _ verdict: AgreementResult.Verdict, _ detail: LogField, _ text: Span<UInt8>
  ) -> Standing {
    switch verdict {
    case .agree: return .agrees
    case .disagree: return .differs
    case .unknown: return line.isString(detail, "no_valid_answer", in: text) ? .invalid : .open
    }
  }

  /// By task, in the order in which the challengers were first seen.
  func challengeReports() -> [Int: [Report.Challenge]] {
    var reports = challengers.map { tally in
      Report.Challenge(
        name: words[tally.model.name], digest: tally.model.digest < 0 ? nil : words[tally.model.digest])
    }
    for row in calls.rows where row.challenger > 0 { reports[row.challenger - 1].count(row) }
    var byTask: [Int: [Report.Challenge]] = [:]
    for (number, challenger) in challengers.enumerated() {
      var report = reports[number]
      let tally = tallies[challenger.task]
      report.challenger.latency = challenger.latency.summary
      report.challenger.cost = challenger.cost
      report.candidate.latency = tally.localLatency.summary
      report.candidate.cost = tally.localCost
      byTask[challenger.task, default: []].append(report)
    }
    return byTask
  }
}

/// Sums over the calls of one task that one challenger was asked about.
struct ChallengerTally: Sendable {
  var task: Int
  var model: TaskTally.ModelName
  var latency = LatencySample()
  /// USD.
  var cost = 0.0
}

/// What became of an answer when it was held against the frontier's.
enum Standing: UInt8 {
  /// Not known.
  case open
  case agrees, differs
  /// Not of the form asked for: it agrees with nothing, where the frontier's answer is known.
  case invalid

  var asCandidate: CallRow.Pair { CallRow.Pair(rawValue: rawValue) }
  var asChallenger: CallRow.Pair { CallRow.Pair(rawValue: rawValue << 2) }
}

extension CallRow {
  /// Two bits each of how candidate and challenger stand to the frontier, and what the challenger came to.
  struct Pair: OptionSet {
    let rawValue: UInt8
    static let challengerAccepts = Pair(rawValue: 16)
    static let challengerAsked = Pair(rawValue: 32)

    var candidate: Standing { Standing(rawValue: rawValue & 3) ?? .open }
    var challenger: Standing { Standing(rawValue: rawValue >> 2 & 3) ?? .open }
  }
}

extension Report.Challenge {
  /// Counts one call that has a `challenge` record.
  fileprivate mutating func count(_ row: CallRow) {
    records += 1
    guard row.flags.contains(.asked), row.pair.contains(.challengerAsked) else { return }
    calls += 1
    candidate.count(accepts: row.isWouldAccept, row.pair.candidate)
    challenger.count(accepts: row.pair.contains(.challengerAccepts), row.pair.challenger)
    let (one, other) = (row.pair.candidate, row.pair.challenger)
    let isSettled = [one, other].contains { $0 == .agrees || $0 == .differs }
    guard isSettled, one != .open, other != .open else { return }
    switch (one == .agrees, other == .agrees) {
    case (true, true): bothAgree += 1
    case (true, false): onlyCandidate += 1
    case (false, true): onlyChallenger += 1
    case (false, false): neither += 1
    }
  }
}

extension Report.Challenge.Side {
  fileprivate mutating func count(accepts: Bool, _ standing: Standing) {
    guard accepts else { return }
    wouldAccepts += 1
    if standing == .agrees { agree += 1 }
    if standing == .differs { disagree += 1 }
  }
}

extension LogLine {
  func verdict(_ field: LogField, in text: Span<UInt8>) -> AgreementResult.Verdict? {
    if isString(field, "agree", in: text) { return .agree }
    if isString(field, "disagree", in: text) { return .disagree }
    return isString(field, "unknown", in: text) ? .unknown : nil
  }
}
