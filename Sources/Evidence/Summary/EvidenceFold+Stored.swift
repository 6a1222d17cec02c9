internal import Gates
package import LogReading
internal import Reviews
internal import RouterCore

extension EvidenceFold: StoredMembers {
  package static var blank: EvidenceFold { EvidenceFold() }

  /// Its options stay its own. What is stored depends on none of them but ``ReportOptions/examplesPerTask``, and on the window, which
  /// has to leave nothing out: nothing that is kept of a line may be decided by a policy.
  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    var kept = options.examplesPerTask
    try kept.pass(&state)
    guard kept == options.examplesPerTask else { throw .unusable }
    // options, line, earlierLine, knownStops, reasons, gatesAreAhead; gates, which are stored before: see ``passGates(_:)``.
    for _ in 0..<7 { state.leaveOut() }
    try state.member(&taskNames)
    try state.member(&tallies)
    try state.member(table: &calls)
    try state.member(&dayMarks)
    try state.member(table: &runs)
    try state.member(bytesOf: &runNames)
    try state.member(&agentNames)
    try state.member(&agentShares)
    try state.member(&words)
    try state.member(&hardStops)
    try state.member(&planted)
    try state.member(&frames)
    try state.member(&rollouts)
    try state.member(&rotated)
    try waitingLines(&state)
    try state.member(&drawnDecisions)
    try state.member(&drawnComparisons)
    try state.member(&labelledDetails)
    try earlyLines(&state)
    try state.member(&earlyCount)
    try state.member(&examples)
    try state.member(&reviewNotes)
    try state.member(&labels)
    try state.member(&equalInputs)
    try state.member(&clusters)
    try clusteredCalls(&state)
    try state.member(&changes)
    try state.member(&changesSeen)
    try state.member(&lastModel)
    try state.member(&lastCalibration)
    try state.member(&challengers)
    try probes(&state)
    try state.member(&kinds)
    try state.member(&balance)
    try state.member(&head)
    try state.member(&holesNamed)
    try state.member(&firstDecision)
    try state.member(&lastDecision)
    try state.member(&stretches)
    try state.member(&stretch)
    if state.isReading, !isConsistent { throw .unusable }
  }

  /// What the gates know: it has no window, and so is of use to reports of all.
  package mutating func passGates(_ state: inout StateCoder) throws(StateFault) { try gates.pass(&state) }

  /// Only those whose comparison may still come: of the others nothing is asked again.
  private mutating func waitingLines(_ state: inout StateCoder) throws(StateFault) {
    let open = state.isReading ? [] : waiting.lines { calls[$0].verdict == 0 }
    var position = waiting.position
    var numbers = open.map { $0.call }
    var positions = open.map { $0.position }
    var texts = open.map { $0.bytes }
    try position.pass(&state)
    try numbers.pass(&state)
    try positions.pass(&state)
    try state.texts(&texts)
    state.leaveOut()
    guard state.isReading else { return }
    guard numbers.count == positions.count, numbers.count == texts.count else { throw .unusable }
    waiting = WaitingLines(position: position)
    for (index, text) in texts.enumerated() {
      waiting.keep(text.span, for: numbers[index], endingAt: positions[index])
    }
  }

  private mutating func earlyLines(_ state: inout StateCoder) throws(StateFault) {
    var keys = early.keys.sorted()
    try keys.pass(&state)
    var lines = keys.map { early[$0] ?? [] }
    if state.isReading { lines = Array(repeating: [], count: keys.count) }
    for index in keys.indices {
      try state.texts(&lines[index])
      if state.isReading { early[keys[index]] = lines[index] }
    }
    state.leaveOut()
  }

  private mutating func clusteredCalls(_ state: inout StateCoder) throws(StateFault) {
    var pairs = clustered.map { UInt64($0.call) << 32 | UInt64($0.cluster) }
    try state.member(bytesOf: &pairs)
    if state.isReading { clustered = pairs.map { (Int($0 >> 32), Int($0 & 0xFFFF_FFFF)) } }
  }

  private mutating func probes(_ state: inout StateCoder) throws(StateFault) {
    var names = lastProbe.mapValues { [$0.model, $0.digest] }
    try state.member(&names)
    guard state.isReading else { return }
    for (id, probe) in names {
      guard probe.count == 2 else { throw .unusable }
      lastProbe[id] = (probe[0], probe[1])
    }
  }

  /// Whether every number points at something.
  private var isConsistent: Bool {
    let (taskCount, runCount, challengerCount) = (tallies.count, runs.rows.count, challengers.count)
    let callCount = calls.rows.count
    return taskNames.texts.count >= taskCount
      && calls.rows.allSatisfy {
        $0.task < taskCount && $0.run.map { $0 < runCount } ?? true && $0.challenger <= challengerCount
      }
      && runs.rows.allSatisfy {
        Int($0.nameStart) < runNames.count
          && Int($0.nameStart) + Int(runNames[Int($0.nameStart)]) < runNames.count
          && (Int($0.agent) < agentNames.texts.count || $0.agent == .max)
          && $0.marksOnly(below: agentNames.texts.count)
      }
      && agentShares.isConsistent(calls: callCount, runs: runCount, agents: agentNames.texts.count)
      && equalInputs.isConsistent(calls: callCount)
      && dayMarks.calls.last.map { $0 < callCount } ?? (callCount == 0)
      && clustered.allSatisfy { $0.call < callCount } && reviewNotes.keys.allSatisfy { 0..<callCount ~= $0 }
      && examples.allSatisfy { task, list in
        0..<taskCount ~= task && list.allSatisfy { 0..<callCount ~= $0.call }
      }
      && challengers.allSatisfy { 0..<taskCount ~= $0.task }
  }
}

extension StateCoder {
  fileprivate mutating func texts(_ texts: inout [[UInt8]]) throws(StateFault) {
    var count = texts.count
    try count.pass(&self)
    if isReading {
      guard 0...1_000_000 ~= count else { throw .unusable }
      texts = Array(repeating: [], count: count)
    }
    for index in texts.indices { try bulk(&texts[index]) }
  }
}
