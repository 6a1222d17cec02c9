package import Agreements
import LogReading
import Reviews
import RouterCore
import Wire

extension EvidenceFold {
  /// The task under which calls of types that no policy knows are counted; senders can invent any number of them.
  package static let unknownTask = "(unknown task types)"

  mutating func decision(_ text: Span<UInt8>, at ms: Int64) {
    guard let key = line.hash(.callID, in: text) else {
      balance.damaged += 1
      return
    }
    guard calls.find(key) == nil else {
      balance.duplicateDecisions += 1
      return
    }
    guard !line.isOfDrill(in: text) else {
      balance.drillCalls += 1
      return
    }
    firstDecision = min(firstDecision ?? ms, ms)
    lastDecision = max(lastDecision ?? ms, ms)
    let task = taskNumber(text)
    let row = callRow(text, key, task)
    let call = calls.insert(row)
    dayMarks.note(call, UInt16(clamping: ms / LogTime.dayMs))
    tally(text, task, row)
    live(text, task, row)
    model(text, task)
    confidenceSource(text, task)
    if line.isFilled(.hardStopMatch) { hardStop(text, task) }
    if row.isWouldAccept {
      equalInputs.add(&line, text, call: call)
      waiting.keep(text, for: call)
    }
    applyEarly(key, to: call)
  }

  private mutating func taskNumber(_ text: Span<UInt8>) -> Int {
    let isUnknown = line.isString(.reason, "unknown_task", in: text)
    let named = isUnknown ? nil : line.number(.taskType, in: text, &taskNames)
    let task = named ?? taskNames.number(Self.unknownTask)
    while tallies.count <= task { tallies.append(TaskTally()) }
    return task
  }

  private mutating func callRow(_ text: Span<UInt8>, _ key: ContentHash, _ task: Int) -> CallRow {
    var row = CallRow(key: key, task: task)
    if line.isString(.routeCandidate, "local", in: text) { row.flags.insert(.wouldAccept) }
    if line.isString(.route, "local", in: text) { row.flags.insert(.answeredLocally) }
    if line.isString(.cohort, "control", in: text) { row.flags.insert(.control) }
    if line.isString(.reason, "confidence_low", in: text) { row.flags.insert(.lowConfidence) }
    if line.isNumber(.localLatencyMs) { row.flags.insert(.asked) }
    if line.bool(.sampled, in: text) == true { row.flags.insert(.drawn) }
    if let confidence = line.double(.confidence, in: text), (0...1).contains(confidence) {
      // 0.29 × 100 is a little less than 29; the nudge keeps every hundredth in its own bin.
      row.confidence = Int(confidence * 100 + 1e-9)
    }
    run(text, &row)
    return row
  }

  /// Adds a call to its run, and to what its agent had of runs.
  private mutating func run(_ text: Span<UInt8>, _ row: inout CallRow) {
    guard let run = runNumber(text) else { return }
    row.run = run
    let agent = agent(text, inRun: run)
    let isFallback = line.bool(.fallbackTriggered, in: text) == true
    let (isAccept, cost) = (row.isWouldAccept, line.double(.localCostUSD, in: text) ?? 0)
    let localMs = line.double(.localLatencyMs, in: text) ?? 0
    runs[run].calls += 1
    if isAccept { runs[run].wouldAccepts += 1 }
    if isFallback { runs[run].fallbacks += 1 }
    runs[run].localCost += Float(cost)
    runs[run].routedMs += Float(localMs)
    guard let agent else { return }
    agentShares.add(to: agent) { share in
      share.calls += 1
      if isAccept { share.wouldAccepts += 1 }
      if isFallback { share.fallbacks += 1 }
      share.localCost += cost
      share.routedMs += localMs
    }
  }

  private mutating func runNumber(_ text: Span<UInt8>) -> Int? {
    guard let key = line.hash(.runID, in: text) else { return nil }
    if let known = runs.find(key) { return known }
    var row = RunRow(key: key)
    row.nameStart = UInt32(runNames.count)
    runNames.append(0)
    line.append(.runID, in: text, to: &runNames)
    // Ids have at most 128 characters.
    let start = Int(row.nameStart)
    let count = min(runNames.count - start - 1, Int(UInt8.max))
    runNames.removeLast(runNames.count - start - 1 - count)
    runNames[start] = UInt8(count)
    return runs.insert(row)
  }

  /// Who made the call at hand, the next one: its run's first agent where it names none.
  private mutating func agent(_ text: Span<UInt8>, inRun run: Int) -> Int? {
    let first = runs[run].agent == .max ? nil : Int(runs[run].agent)
    guard let agent = line.number(.agent, in: text, &agentNames), agent != first else { return first }
    guard first != nil else {
      runs[run].agent = UInt16(clamping: agent)
      // What came before without a name is its own as well.
      let row = runs[run]
      agentShares.add(to: agent) { $0.add(row) }
      return agent
    }
    if !runs[run].mark(agent: agent) { agentShares.noteFar(agent, inRun: run) }
    agentShares.made(calls.rows.count, by: agent)
    return agent
  }

  private mutating func tally(_ text: Span<UInt8>, _ task: Int, _ row: CallRow) {
    let reason = reasonSlot(text, row)
    let localMs = line.double(.localLatencyMs, in: text)
    let localCost = line.double(.localCostUSD, in: text) ?? 0
    let detail = line.number(.detail, in: text, &words)
    let revision = line.number(.policyRevision, in: text, &words)
    let answered = Self.isAnswered(reason, line: line, text)
    tallies[task].calls += 1
    if row.isWouldAccept { tallies[task].wouldAccepts += 1 }
    tallies[task].reasons[reason] += 1
    if let detail, !row.isWouldAccept {
      tallies[task].reasonDetails.add(TaskTally.ReasonDetail(reason: reason, detail: detail))
    }
    if let revision { tallies[task].revisions.add(revision) }
    tallies[task].localLatency.add(localMs)
    tallies[task].localCost += localCost
    tokens(text, task)
    if answered {
      tallies[task].asked += 1
      if isInvalid(text, reason) { tallies[task].invalid += 1 }
    }
  }

  private mutating func tokens(_ text: Span<UInt8>, _ task: Int) {
    let (input, output) = (line.int(.localInputTokens, in: text), line.int(.localOutputTokens, in: text))
    guard input != nil || output != nil else { return }
    tallies[task].tokens.calls += 1
    tallies[task].tokens.input += input ?? 0
    tallies[task].tokens.output += output ?? 0
    if line.bool(.localTokensEstimated, in: text) == true { tallies[task].tokens.estimated += 1 }
  }

  /// Where a confidence came from and how it was corrected, and that this is otherwise now.
  private mutating func confidenceSource(_ text: Span<UInt8>, _ task: Int) {
    guard let source = line.number(.confidenceSource, in: text, &words) else { return }
    let calibration = line.number(.calibration, in: text, &words) ?? -1
    tallies[task].confidenceSources.add(TaskTally.SourceName(source: source, calibration: calibration))
    let model = line.number(.localModel, in: text, &words) ?? -1
    let key = CalibrationKey(task: task, model: model, source: source)
    if let last = lastCalibration[key], last != calibration {
      let name = { [words] (number: Int) in number < 0 ? "none" : words[number] }
      note(
        "calibration", task: taskNames[task], ts: line.string(.ts, in: text) ?? "",
        "of \(words[source]): from \(name(last)) to \(name(calibration))")
    }
    lastCalibration[key] = calibration
  }

  private mutating func reasonSlot(_ text: Span<UInt8>, _ row: CallRow) -> Int {
    if row.isWouldAccept { return 0 }
    let known = line.number(.reason, in: text, &reasons.names).flatMap { reasons.code($0) }
    let code = known ?? line.int(.reasonCode, in: text) ?? TaskTally.reasonSlots - 1
    return (1..<TaskTally.reasonSlots).contains(code) ? code : TaskTally.reasonSlots - 1
  }

  /// Whether the candidate answered: its reasons say so, or, for a stop that its answer tripped, the time it took.
  private static func isAnswered(_ reason: Int, line: LogLine, _ text: Span<UInt8>) -> Bool {
    if reason == 0 || reason == Reason.schemaInvalid.code || reason == Reason.labelEscalated.code
      || reason == Reason.confidenceLow.code
    {
      return true
    }
    return reason != Reason.localUnavailable.code && line.isNumber(.localLatencyMs)
  }

  private func isInvalid(_ text: Span<UInt8>, _ reason: Int) -> Bool {
    if reason == Reason.schemaInvalid.code { return true }
    // An earlier reason may hide that the answer was also no good; the list of checks still shows it.
    guard reason != 0, reason != Reason.confidenceLow.code else { return false }
    return line.value(.checks, in: text)?[Reason.schemaInvalid.rawValue]?.stringValue == "fail"
  }

  /// Notes which model was asked, and that it is another one now.
  ///
  /// Calls from before the first probe answered have no digest: they belong with those that follow under the same name.
  private mutating func model(_ text: Span<UInt8>, _ task: Int) {
    guard let name = line.number(.localModel, in: text, &words) else { return }
    let digest = line.number(.localModelDigest, in: text, &words) ?? -1
    let model = TaskTally.ModelName(name: name, digest: digest)
    let nameless = TaskTally.ModelName(name: name, digest: -1)
    tallies[task].models.add(model)
    if digest >= 0 { tallies[task].models.move(nameless, to: model) }
    if let last = lastModel[task] {
      if last.name == name, digest < 0 { return }
      if last != model, last != nameless {
        note(
          "candidate", task: taskNames[task], ts: line.string(.ts, in: text) ?? "",
          "from \(title(last)) to \(title(model))")
      }
    }
    lastModel[task] = model
  }

  func title(_ model: TaskTally.ModelName) -> String {
    model.digest < 0 ? words[model.name] : "\(words[model.name]) (\(words[model.digest].prefix(19)))"
  }

  private mutating func hardStop(_ text: Span<UInt8>, _ task: Int) {
    for match in hardStopMatches(text) {
      hardStops.add(
        HardStopKey(task: task, stopClass: match.stopClass, term: match.term, isAnswer: match.isAnswer))
    }
  }

  private mutating func hardStopMatches(_ text: Span<UInt8>) -> [KnownStops.Match] {
    guard let bytes = line.fingerprint(.hardStopMatch, in: text) else { return [] }
    if let known = knownStops.matches[bytes] { return known }
    let matches = (line.value(.hardStopMatch, in: text)?.arrayValue ?? []).map { match in
      KnownStops.Match(
        stopClass: words.number(match["class"]?.stringValue ?? "?"),
        term: words.number(match["term"]?.stringValue ?? "?"),
        isAnswer: match["where"]?.stringValue == "answer")
    }
    knownStops.keep(matches, for: bytes)
    return matches
  }

  // MARK: What comes after the decision

  mutating func comparison(_ text: Span<UInt8>, _ call: Int) {
    let row = calls[call]
    guard row.verdict == 0 else {
      balance.duplicateComparisons += 1
      return
    }
    let verdict = line.verdict(.agreement, in: text) ?? .unknown
    calls[call].verdict = Self.code(verdict)
    measure(text, row, call)
    pair(text, call, candidate: verdict)
    bin(row, verdict)
    guard row.isWouldAccept else { return }
    let task = row.task
    if row.flags.contains(.drawn) { keepDrawn(text, call) }
    let kind = line.codeNumber(.agreementDetail, in: text, &words)
    switch verdict {
    case .agree: tallies[task].agree += 1
    case .unknown:
      tallies[task].unknown += 1
      tallies[task].unknownCauses.add(kind ?? words.number("no_detail"))
    case .disagree:
      tallies[task].disagree += 1
      tallies[task].disagreementKinds.add(kind ?? words.number("no_detail"))
      disagreement(text, call)
    }
  }

  package static func code(_ verdict: AgreementResult.Verdict) -> UInt8 {
    switch verdict {
    case .agree: 1
    case .disagree: 2
    case .unknown: 3
    }
  }

  /// Times and money.
  private mutating func measure(_ text: Span<UInt8>, _ row: CallRow, _ call: Int) {
    let task = row.task
    let latency = line.double(.frontierLatencyMs, in: text)
    let cost = line.double(.frontierCostUSD, in: text)
    tallies[task].answers += 1
    tallies[task].frontierLatency.add(latency)
    if !row.isWouldAccept { tallies[task].fallbackLatency.add(line.double(.fallbackLatencyMs, in: text)) }
    if let cost {
      tallies[task].costedAnswers += 1
      tallies[task].frontierCost += cost
      if row.isWouldAccept {
        tallies[task].costedAccepts += 1
        tallies[task].costOfAccepts += cost
      }
      if row.isSpared { tallies[task].frontierCostOfAccepts += cost }
      if row.flags.contains(.answeredLocally) { tallies[task].live.auditCost += cost }
    }
    guard let run = row.run else { return }
    let (paid, taken) = (cost ?? 0, latency ?? 0)
    let isRouted = !row.isSpared && !row.flags.contains(.answeredLocally)
    runs[run].frontierCost += Float(paid)
    runs[run].latencyMs += Float(taken)
    if row.isSpared { runs[run].frontierCostOfAccepts += Float(paid) }
    if isRouted { runs[run].routedMs += Float(taken) }
    guard let agent = agent(of: call, inRun: run) else { return }
    agentShares.add(to: agent) { share in
      share.frontierCost += paid
      share.latencyMs += taken
      if row.isSpared { share.frontierCostOfAccepts += paid }
      if isRouted { share.routedMs += taken }
    }
  }

  func agent(of call: Int, inRun run: Int) -> Int? {
    agentShares.agent(of: call) ?? (runs[run].agent == .max ? nil : Int(runs[run].agent))
  }

  private mutating func bin(_ row: CallRow, _ verdict: AgreementResult.Verdict) {
    guard row.confidence <= 100 else { return }
    var one = ConfidenceBin()
    switch verdict {
    case .agree: one.agree = 1
    case .disagree: one.disagree = 1
    case .unknown: one.unknown = 1
    }
    let bin = Int(row.confidence)
    if row.isWouldAccept {
      tallies[row.task].accepted[bin] += one
    } else if row.flags.contains(.lowConfidence) {
      tallies[row.task].belowThreshold[bin] += one
    }
  }

  private mutating func disagreement(_ text: Span<UInt8>, _ call: Int) {
    let task = calls[call].task
    guard let waited = waiting.line(call), earlierLine.read(waited.span) else {
      balance.detailsNotKept += 1
      return
    }
    let decision = waited.span
    let label = earlierLine.string(.label, in: decision)
    let frontierLabel = line.string(.frontierLabel, in: text)
    if let label, let frontierLabel {
      tallies[task].confusions.add(
        TaskTally.Confusion(candidate: words.number(label), frontier: words.number(frontierLabel)))
    }
    let cluster = clusters.number(
      TemplateClusters.Member(
        task: taskNames[task], preview: earlierLine.string(.inputPreview, in: decision), label: label,
        frontierLabel: frontierLabel))
    if let cluster { clustered.append((call, cluster)) }
    // Most are too mild to be kept: only of the others everything is read.
    let rank = Example.Rank(
      confidence: earlierLine.double(.confidence, in: decision) ?? 0,
      score: line.double(.agreementScore, in: text) ?? 0,
      seq: earlierLine.int(.seq, in: decision) ?? 0)
    guard let place = place(for: rank, task) else { return }
    keep(Example(call: call, detail: falseAccept(text, decision, task), cluster: cluster), at: place, task)
  }

  /// Of a comparison's line and that of its decision, which ``earlierLine`` has read.
  func falseAccept(
    _ text: Span<UInt8>, _ decision: Span<UInt8>, _ task: Int
  ) -> Report.FalseAccept {
    var item = Report.FalseAccept()
    item.task = taskNames[task]
    item.callID = earlierLine.string(.callID, in: decision) ?? ""
    item.taskID = earlierLine.string(.taskID, in: decision)
    item.runID = earlierLine.string(.runID, in: decision)
    item.ts = earlierLine.string(.ts, in: decision) ?? ""
    item.seq = earlierLine.int(.seq, in: decision) ?? 0
    item.model = earlierLine.string(.localModel, in: decision)
    item.confidence = earlierLine.double(.confidence, in: decision)
    item.label = earlierLine.string(.label, in: decision)
    item.answerPreview = earlierLine.string(.answerPreview, in: decision)
    item.validatorResult = earlierLine.string(.validatorResult, in: decision)
    item.inputPreview = earlierLine.string(.inputPreview, in: decision)
    item.inputHash = earlierLine.string(.inputHash, in: decision)
    item.checks = (earlierLine.value(.checks, in: decision)?.members ?? []).map {
      Report.FalseAccept.Check(name: $0.name, outcome: $0.value.stringValue ?? "?")
    }
    item.frontierLabel = line.string(.frontierLabel, in: text)
    item.frontierPreview = line.string(.frontierAnswerPreview, in: text)
    item.agreementScore = line.double(.agreementScore, in: text)
    item.agreementDetail = line.string(.agreementDetail, in: text)
    return item
  }

  /// More than one, because people may clear the worst.
  private static let alikeKept = 8

  /// Where an example belongs among the worst few of its task, twice as many as are shown: people may clear some of them.
  private func place(for rank: Example.Rank, _ task: Int) -> Int? {
    let list = examples[task] ?? []
    let place = list.firstIndex { rank.isWorse(than: $0.rank) } ?? list.count
    return place < 2 * options.examplesPerTask ? place : nil
  }

  private mutating func keep(_ example: Example, at place: Int, _ task: Int) {
    // In place: a copy in a variable would copy all of them each time.
    examples[task, default: []].insert(example, at: place)
    if let cluster = example.cluster {
      // Few of those that look alike, so that there is room for others.
      let alike = (examples[task] ?? []).indices.filter { examples[task]?[$0].cluster == cluster }
      if alike.count > Self.alikeKept, let mildest = alike.last { examples[task]?.remove(at: mildest) }
    }
    if examples[task]?.count ?? 0 > 2 * options.examplesPerTask { examples[task]?.removeLast() }
  }

  mutating func review(_ text: Span<UInt8>, _ call: Int) {
    let ms = line.time(in: text)
    guard let record = ReviewRecord(line, in: text, at: ms ?? 0), !record.isChallenger else {
      return
    }
    if record.isPlanted { return planted.saw(record, call: call) }
    labels[call, default: CallLabels()].add(record.entry, by: record.reviewer)
    let counting = labels[call]?.counting
    calls[call].review = counting.map { CallRow.Review($0.label) } ?? .none
    guard let entry = record.entry else { return }
    // What is told of a call is what the label that counts was given with.
    guard counting?.reviewer == record.reviewer,
      reviewNotes.count < Self.noteLimit || reviewNotes[call] != nil
    else { return }
    reviewNotes[call] = ReviewNote(
      callID: line.string(.callID, in: text) ?? "", reviewer: line.string(.reviewer, in: text),
      note: line.string(.note, in: text), ts: line.string(.ts, in: text) ?? "",
      seq: line.int(.seq, in: text) ?? 0)
    if entry.label == .escalate { takeDrawn(call) }
  }

  mutating func outcome(_ text: Span<UInt8>, mayWait: Bool) {
    if line.isFilledText(.callID) { return ofCall(text, mayWait: mayWait) }
    guard let key = line.hash(.runID, in: text) else { return }
    let result = OutcomeResult(line.string(.result, in: text))
    if let run = runs.find(key) {
      runs[run].outcome = result
    } else if mayWait, let run = runNumber(text) {
      runs[run].outcome = result
    }
  }
}
