package import LogReading
internal import RouterCore

// What of a fold's parts is stored: all of it, one line a property.

extension DayMarks: StoredMembers {
  static var blank: Self { Self() }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(bytesOf: &calls)
    try state.member(bytesOf: &days)
    guard calls.count == days.count, calls.first ?? 0 == 0, zip(calls, calls.dropFirst()).allSatisfy(<) else {
      throw .unusable
    }
  }
}

extension TaskTally: StoredMembers {
  static var blank: Self { Self() }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&calls)
    try state.member(&wouldAccepts)
    try state.member(&reasons)
    try state.member(&reasonDetails)
    try state.member(&models)
    try state.member(&revisions)
    try state.member(&confidenceSources)
    try state.member(&tokens)
    try state.member(&agree)
    try state.member(&disagree)
    try state.member(&unknown)
    try state.member(&unknownCauses)
    try state.member(&disagreementKinds)
    try state.member(&confusions)
    try state.member(&asked)
    try state.member(&invalid)
    try state.member(&localLatency)
    try state.member(&frontierLatency)
    try state.member(&fallbackLatency)
    try state.member(&localCost)
    try state.member(&frontierCost)
    try state.member(&frontierCostOfAccepts)
    try state.member(&costedAnswers)
    try state.member(&costedAccepts)
    try state.member(&costOfAccepts)
    try state.member(&acceptedLabels)
    try state.member(&live)
    try state.member(&answers)
    try state.member(&accepted)
    try state.member(&belowThreshold)
  }
}

extension TaskTally.ReasonDetail: StoredMembers {
  static var blank: Self { Self(reason: 0, detail: 0) }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&reason)
    try state.member(&detail)
  }
}

extension TaskTally.Confusion: StoredMembers {
  static var blank: Self { Self(candidate: 0, frontier: 0) }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&candidate)
    try state.member(&frontier)
  }
}

extension TaskTally.ModelName: StoredMembers {
  static var blank: Self { Self(name: 0, digest: -1) }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&name)
    try state.member(&digest)
  }
}

extension TaskTally.SourceName: StoredMembers {
  static var blank: Self { Self(source: 0, calibration: -1) }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&source)
    try state.member(&calibration)
  }
}

extension ConfidenceBin: StoredMembers {
  static var blank: Self { Self() }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&agree)
    try state.member(&disagree)
    try state.member(&unknown)
  }
}

extension ChallengerTally: StoredMembers {
  static var blank: Self { Self(task: 0, model: .blank) }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&task)
    try state.member(&model)
    try state.member(&latency)
    try state.member(&cost)
  }
}

extension KindCounts: StoredMembers {
  static var blank: Self { Self() }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&known)
    // A version with other kinds wrote it.
    guard known.count == RecordKind.allCases.count else { throw .unusable }
    try state.member(&others)
  }
}

extension LastRecord: StoredMembers {
  package static var blank: Self { Self() }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&seq)
    try state.member(bytesOf: &log)
    try state.member(bytesOf: &hash)
    try state.member(bytesOf: &ts)
  }
}

extension EvidenceFold.CalibrationKey: StoredMembers {
  static var blank: Self { Self(task: 0, model: 0, source: 0) }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&task)
    try state.member(&model)
    try state.member(&source)
  }
}

extension EvidenceFold.HardStopKey: StoredMembers {
  static var blank: Self { Self(task: 0, stopClass: 0, term: 0, isAnswer: false) }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&task)
    try state.member(&stopClass)
    try state.member(&term)
    try state.member(&isAnswer)
  }
}

extension EvidenceFold.Example: StoredMembers {
  static var blank: Self { Self(call: 0, detail: .blank) }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&call)
    try state.member(&detail)
    try state.member(&cluster)
  }
}

extension EvidenceFold.ReviewNote: StoredMembers {
  static var blank: Self { Self(callID: "", ts: "", seq: 0) }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&callID)
    try state.member(&reviewer)
    try state.member(&note)
    try state.member(&ts)
    try state.member(&seq)
  }
}

extension Report.Tokens: StoredMembers {
  package static var blank: Self { Self() }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&calls)
    try state.member(&input)
    try state.member(&output)
    try state.member(&estimated)
  }
}

extension Report.Count: StoredMembers {
  package static var blank: Self { Self(name: "", count: 0) }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&name)
    try state.member(&count)
  }
}

extension Report.Change: StoredMembers {
  package static var blank: Self { Self(ts: "", kind: "", text: "") }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&ts)
    try state.member(&kind)
    try state.member(&task)
    try state.member(&text)
    try state.member(&weight)
    try state.member(&isDemotion)
  }
}

extension Report.FalseAccept: StoredMembers {
  package static var blank: Self { Self() }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&standing)
    try state.member(&callID)
    try state.member(&taskID)
    try state.member(&runID)
    try state.member(&task)
    try state.member(&ts)
    try state.member(&seq)
    try state.member(&model)
    try state.member(&confidence)
    try state.member(&label)
    try state.member(&answerPreview)
    try state.member(&frontierLabel)
    try state.member(&frontierPreview)
    try state.member(&agreementScore)
    try state.member(&agreementDetail)
    try state.member(&validatorResult)
    try state.member(&checks)
    try state.member(&inputPreview)
    try state.member(&inputHash)
    try state.member(&severity)
    try state.member(&isSevere)
    try state.member(&isInEpoch)
    try state.member(&isMissedStop)
    try state.member(&confirmedBy)
    try state.member(&wasServed)
    try state.member(&remedy)
    try state.member(&reviewLabel)
    try state.member(&reviewer)
    try state.member(&note)
    try state.member(&alike)
    try state.member(&template)
  }
}

extension Report.FalseAccept.Check: StoredMembers {
  package static var blank: Self { Self(name: "", outcome: "") }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&name)
    try state.member(&outcome)
  }
}

extension Report.Balance: StoredMembers {
  package static var blank: Self { Self() }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&kinds)
    try state.member(&recordsRead)
    try state.member(&outsideWindow)
    try state.member(&damaged)
    try state.member(&unknownKinds)
    try state.member(&unexplainedHoles)
    try state.member(&gaps)
    try state.member(&recovered)
    try state.member(&drillCalls)
    try state.member(&duplicateDecisions)
    try state.member(&duplicateComparisons)
    try state.member(&comparisonsWithoutDecision)
    try state.member(&detailsNotKept)
  }
}

extension Report.Balance.Gap: StoredMembers {
  package static var blank: Self { Self(from: 0, to: 0, cause: "") }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&from)
    try state.member(&to)
    try state.member(&cause)
  }
}

extension Report.FalseAccept.Standing: Stored {
  package static var blank: Self { .suspected }
}

extension Counts: Stored where Key: Stored {
  /// Takes the limit of whatever it is read into.
  static var blank: Self { Self(limit: 0) }

  mutating func pass(_ state: inout StateCoder) throws(StateFault) {
    var keys = entries.map(\.key)
    var counts = entries.map(\.count)
    var others = others
    try keys.pass(&state)
    try counts.pass(&state)
    try others.pass(&state)
    guard state.isReading else { return }
    guard keys.count == counts.count else { throw .unusable }
    self = restored(Array(zip(keys, counts)), others: others)
  }
}

extension LatencySample: Stored {
  package static var blank: Self { Self() }

  package mutating func pass(_ state: inout StateCoder) throws(StateFault) {
    settle()
    var (values, counts) = (values, counts)
    try state.bulk(&values)
    try state.bulk(&counts)
    guard state.isReading else { return }
    guard let sample = Self(values: values, counts: counts) else { throw .unusable }
    self = sample
  }
}

extension LiveTally: StoredMembers {
  static var blank: Self { Self() }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&calls)
    try state.member(&local)
    try state.member(&audited)
    try state.member(&control)
    try state.member(&localCost)
    try state.member(&auditCost)
    try state.member(&first)
    try state.member(&last)
  }
}

extension Report.Frames: StoredMembers {
  package static var blank: Self { Self() }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&stops)
    try state.member(&received)
    try state.member(&recorded)
    try state.member(&answered)
    try state.member(&malformed)
    try state.member(&shed)
    try state.member(&inFlight)
    try state.member(&lostBySender)
  }
}

extension Report.FalseAccept.Remedy: StoredMembers {
  package static var blank: Self { Self(check: .none) }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&check)
    try state.member(&value)
    try state.member(&acceptsLost)
    try state.member(&suspectedKeptOut)
    try state.member(&suspected)
  }
}

extension Report.FalseAccept.Remedy.Check: Stored {
  package static var blank: Self { .none }
}

extension Report.Change.Weight: Stored {
  package static var blank: Self { .normal }
}

extension Report.Rollout: StoredMembers {
  package static var blank: Self { Self(stage: .canary, since: "") }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&stage)
    try state.member(&extent)
    try state.member(&since)
  }
}

extension Report.Rollout.Stage: Stored {
  package static var blank: Self { .canary }
}
