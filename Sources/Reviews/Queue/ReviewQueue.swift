import LogReading
package import RouterCore
package import Wire

/// What people are asked to label, folded from the log.
///
/// Holds the drawn would-accepts that nobody has labelled, the suspicious ones, and what was labelled lately. Its memory
/// is bounded: past the bounds the newest drawn and the least suspicious stay out, and count as unlabelled where drawn.
package struct ReviewQueue: Sendable {
  /// What a task asks of its reviews.
  package struct Rules: Sendable {
    /// 0…1; nearness to it is suspicious.
    package var minConfidence: Double
    /// Days of an epoch: older items can no longer count.
    package var windowDays: Int
    /// Days after which captured text goes, labelled or not.
    package var deadlineDays: Int
    /// A challenger is asked as well.
    package var isContested: Bool
    /// The text of drawn calls is kept.
    package var isCaptured: Bool

    package init(_ task: TaskPolicy) {
      minConfidence = task.minConfidence
      windowDays = task.gate.windowDays
      deadlineDays = task.gate.reviewDeadlineDays
      isContested = task.challenger != nil
      isCaptured = task.capture == .sampled
    }
  }

  /// An item for a reviewer, and why.
  package struct Offer: Sendable {
    package let item: ReviewItem
    package let stream: ReviewStream
  }

  static let drawnLimit = 10_000
  static let huntLimit = 200
  static let recentLimit = 4_096
  static let labelledLimit = 5_000
  static let templateLimit = 1_000
  /// Would-accepts of a task among which a new template says nothing.
  static let fewCalls = 100
  /// Of one item, and of all.
  static let twinLimit = 1_000
  static let allTwinsLimit = 20_000
  static let plantableLeast = 20
  /// Of the weekly budget, for each task.
  static let huntPerWeek = Int(Double(ReviewDraw.weeklyBudget) * (1 - ReviewDraw.certificateShare) + 0.5)

  package var rules: [String: Rules] = [:] {
    didSet { hasChallenger = hasChallenger || rules.values.contains(where: \.isContested) }
  }
  /// Drawn items that found no room.
  package private(set) var forgotten = 0

  private var line = LogLine()
  private var items: [ReviewKey: ReviewItem] = [:]
  /// Drawn items in the log's order; those that are done are taken out now and then.
  private var drawn: [ReviewKey] = []
  private var drawnOpen = 0
  private var groups: [String: ReviewKey] = [:]
  /// Drawn calls that another one of their group stands for.
  private var firstOfGroup: [ReviewKey: ReviewKey] = [:]
  /// By task, the most suspicious first.
  private var hunt: [String: [ReviewKey]] = [:]
  /// Would-accepts that were not drawn and wait for what the frontier says.
  private var recent: [ReviewKey: ReviewItem] = [:]
  private var recentOrder: [ReviewKey] = []
  private var recentHead = 0
  /// Inputs of the latest calls, by id, once a challenger has been seen.
  private var inputs: [String: Input] = [:]
  private var inputOrder: [String] = []
  private var hasChallenger = false
  private var labelled: [ReviewKey] = []
  private var templates: [String: [String: Int]] = [:]
  /// Would-accepts by task.
  private var seen: [String: Int] = [:]
  private var drifts: [String: DriftWatch] = [:]
  private var plantable: [ReviewKey] = []
  /// Hunt labels by task in the newest week that had any.
  private var huntSpent: [String: (week: ISOWeek, count: Int)] = [:]
  private var reviews = 0

  /// What only the decision says of a challenger's call.
  private struct Input: Sendable {
    var preview: String?
    var hash: String?
  }

  package init() {}

  // MARK: - Folding

  /// Reads one line of the log.
  package mutating func add(_ text: Span<UInt8>) {
    guard line.read(text) else { return }
    if line.isString(.kind, "decision", in: text) { return decision(text, isChallenger: false) }
    if line.isString(.kind, "challenge", in: text) { return decision(text, isChallenger: true) }
    if line.isString(.kind, "comparison", in: text) { return comparison(text) }
    if line.isString(.kind, "review", in: text) { return review(text) }
    if line.isString(.kind, "erasure", in: text) { erasure(text) }
  }

  /// The previews of a call were taken out of the log: here too.
  private mutating func erasure(_ text: Span<UInt8>) {
    guard let callID = line.string(.callID, in: text) else { return }
    inputs[callID]?.preview = nil
    for isChallenger in [false, true] {
      let key = ReviewKey(callID: callID, isChallenger: isChallenger)
      items[key]?.erasePreviews()
      recent[key]?.erasePreviews()
    }
  }

  /// When the oldest drawn item was decided that nobody has labelled yet, in milliseconds since 1970.
  package var oldestWaiting: Int64? {
    drawn.compactMap { key in items[key].flatMap { $0.isLabelled ? nil : $0.at } }.min()
  }

  private mutating func decision(_ text: Span<UInt8>, isChallenger: Bool) {
    share(text, isChallenger: isChallenger)
    guard line.isString(.routeCandidate, "local", in: text),
      let item = read(text, isChallenger: isChallenger),
      items[item.key] == nil, recent[item.key] == nil
    else { return }
    if item.isDrawn { keepDrawn(item) } else { keepRecent(item) }
  }

  /// A challenge says nothing of the input: it takes its decision's, whichever of the two comes first.
  private mutating func share(_ text: Span<UInt8>, isChallenger: Bool) {
    hasChallenger = hasChallenger || isChallenger
    guard hasChallenger, !isChallenger, let callID = line.string(.callID, in: text) else { return }
    let input = Input(
      preview: line.string(.inputPreview, in: text), hash: line.string(.inputHash, in: text))
    let key = ReviewKey(callID: callID, isChallenger: true)
    if items[key] != nil { items[key]?.inputPreview = input.preview }
    if recent[key] != nil { recent[key]?.inputPreview = input.preview }
    regroup(key, input)
    inputs[callID] = input
    inputOrder.append(callID)
    guard inputOrder.count > 2 * Self.recentLimit else { return }
    for old in inputOrder.prefix(Self.recentLimit) { inputs[old] = nil }
    inputOrder.removeFirst(Self.recentLimit)
  }

  /// A challenger's drawn item whose input was not known stood for itself; now it joins those of equal input.
  private mutating func regroup(_ key: ReviewKey, _ input: Input) {
    guard let hash = input.hash, var item = items[key], item.isDrawn, groups[item.group] == key else {
      return
    }
    let group = item.group.prefix { $0 != Self.groupEnd } + String(Self.groupEnd) + hash
    guard group != item.group else { return }
    groups[item.group] = nil
    item.group = String(group)
    guard let first = groups[item.group], !item.isLabelled, hasRoomForTwin(first) else {
      items[key] = item
      if groups[item.group] == nil { groups[item.group] = key }
      return
    }
    items[key] = nil
    drawn.removeAll { $0 == key }
    drawnOpen -= 1
    items[first]?.twins.append(key.callID)
    firstOfGroup[key] = first
  }

  private func hasRoomForTwin(_ first: ReviewKey) -> Bool {
    items[first]?.twins.count ?? 0 < Self.twinLimit && firstOfGroup.count < Self.allTwinsLimit
  }

  private static func input(_ item: ReviewItem) -> Input {
    Input(preview: item.inputPreview, hash: item.group.split(separator: groupEnd).last.map(String.init))
  }

  /// Before the input's hash in the name of a group.
  private static let groupEnd: Character = "\u{1}"

  private mutating func read(_ text: Span<UInt8>, isChallenger: Bool) -> ReviewItem? {
    guard let callID = line.string(.callID, in: text), let task = line.string(.taskType, in: text),
      let at = line.withBytes(.ts, in: text, { Timestamp.parse($0) }) ?? nil
    else { return nil }
    let decided = ReviewKey(callID: callID)
    // The first challenge of a log may come before anybody knew that inputs are to be remembered.
    let input =
      isChallenger
      ? inputs[callID] ?? (items[decided] ?? recent[decided]).map(Self.input)
      : Input(preview: line.string(.inputPreview, in: text), hash: line.string(.inputHash, in: text))
    let preview = input?.preview
    let template = TextTemplate.of(preview ?? "")
    let digest = line.string(.localModelDigest, in: text) ?? ""
    // What an epoch rests on: a label from before another prompt or policy counts no more. Without a hash of the input
    // its own id, so that it stands for itself.
    let basis = [LogField.localModelID, .localModel, .promptRevision, .taskRevision].map {
      line.string($0, in: text) ?? ""
    }
    let group =
      ([task, isChallenger ? "challenger" : "candidate", digest] + basis).joined(separator: "\u{0}")
      + "\(Self.groupEnd)\(input?.hash ?? callID)"
    var item = ReviewItem(
      key: ReviewKey(callID: callID, isChallenger: isChallenger), task: task, at: at,
      isDrawn: line.bool(.sampled, in: text) == true, group: group, inputPreview: preview,
      label: line.string(.label, in: text), answerPreview: line.string(.answerPreview, in: text),
      checks: line.value(.checks, in: text) ?? .null,
      hardStops: line.value(.hardStopMatch, in: text) ?? .array([]),
      template: template)
    if let confidence = line.double(.confidence, in: text), let least = rules[task]?.minConfidence,
      confidence - least < 0.05
    {
      item.suspicion += 20
    }
    if !isChallenger,
      drifts[task, default: DriftWatch()].saw(
        label: item.label, confidence: line.double(.confidence, in: text), digest: digest,
        week: ISOWeek(containing: at))
    {
      item.suspicion += 5
    }
    let before = templates[task]?[template] ?? 0
    // At first every template is new, and past the limit nobody can tell.
    let known = templates[task]?.count ?? 0
    seen[task, default: 0] += 1
    if before == 0, known < Self.templateLimit, seen[task] ?? 0 > Self.fewCalls { item.suspicion += 10 }
    if before > 0 || known < Self.templateLimit {
      templates[task, default: [:]][template] = before + 1
    }
    return item
  }

  private mutating func keepDrawn(_ item: ReviewItem) {
    if let first = groups[item.group] {
      guard hasRoomForTwin(first) else { return }
      items[first]?.twins.append(item.key.callID)
      firstOfGroup[item.key] = first
      return
    }
    guard drawnOpen < Self.drawnLimit else {
      forgotten += 1
      return
    }
    items[item.key] = item
    groups[item.group] = item.key
    drawn.append(item.key)
    drawnOpen += 1
  }

  private mutating func keepRecent(_ item: ReviewItem) {
    recent[item.key] = item
    recentOrder.append(item.key)
    while recentOrder.count - recentHead > Self.recentLimit {
      recent[recentOrder[recentHead]] = nil
      recentHead += 1
    }
    if recentHead > Self.recentLimit {
      recentOrder.removeFirst(recentHead)
      recentHead = 0
    }
    if item.suspicion > 0 { suspect(item) }
  }

  /// Puts an item among the suspicious of its task, in its place.
  private mutating func suspect(_ item: ReviewItem) {
    var list = hunt[item.task] ?? []
    list.removeAll { $0 == item.key }
    let place = list.firstIndex { items[$0]?.suspicion ?? 0 < item.suspicion } ?? list.endIndex
    guard place < Self.huntLimit else { return }
    items[item.key] = item
    recent[item.key] = nil
    list.insert(item.key, at: place)
    if list.count > Self.huntLimit, let last = list.popLast(), items[last]?.isLabelled == false {
      items[last] = nil
    }
    hunt[item.task] = list
  }

  private mutating func comparison(_ text: Span<UInt8>) {
    guard let callID = line.string(.callID, in: text) else { return }
    let label = line.string(.frontierLabel, in: text)
    let preview = line.string(.frontierAnswerPreview, in: text)
    let disagrees = line.isString(.agreement, "disagree", in: text)
    for isChallenger in [false, true] {
      let key = ReviewKey(callID: callID, isChallenger: isChallenger)
      guard var item = items[key] ?? recent[key] else { continue }
      item.frontierLabel = label
      item.frontierPreview = preview
      let isNews = disagrees && !isChallenger && !item.isDrawn
      if isNews { item.suspicion += 100 }
      if items[key] != nil { items[key] = item } else { recent[key] = item }
      if isNews { suspect(item) }
    }
  }

  private mutating func review(_ text: Span<UInt8>) {
    guard let record = try? JSONValue(parsing: text), let callID = record["call_id"]?.stringValue,
      let reviewer = record["reviewer"]?.stringValue
    else { return }
    var key = ReviewKey(callID: callID, isChallenger: record["subject"]?.stringValue == "challenger")
    key = firstOfGroup[key] ?? key
    reviews += 1
    let stream = record["stream"]?.stringValue.flatMap(ReviewStream.init)
    let at = record["ts"]?.stringValue.flatMap { Timestamp.parse($0) } ?? 0
    guard var item = items[key] ?? recent[key] else { return }
    recent[key] = nil
    let label = record["review_label"]?.stringValue.flatMap(ReviewLabel.init)
    if stream == .planted {
      if label == nil { item.plantedTo.remove(reviewer) } else { item.plantedTo.insert(reviewer) }
      items[key] = item
      return
    }
    let wasOpen = !item.isLabelled
    item.labels[reviewer] = label
    item.labelledAt = item.isLabelled ? at : nil
    items[key] = item
    if stream == .hunt { spend(item.task, label == nil ? -1 : 1, ISOWeek(containing: at)) }
    if item.isDrawn { drawnOpen += (wasOpen ? -1 : 0) + (item.isLabelled ? 0 : 1) }
    settle(item, wasOpen: wasOpen)
  }

  private mutating func spend(_ task: String, _ change: Int, _ week: ISOWeek) {
    let spent = huntSpent[task]
    let count = spent?.week == week ? spent?.count ?? 0 : 0
    huntSpent[task] = (week, max(0, count + change))
  }

  private mutating func settle(_ item: ReviewItem, wasOpen: Bool) {
    if item.isPlantable, !plantable.contains(item.key) { plantable.append(item.key) }
    if item.isLabelled, wasOpen {
      labelled.append(item.key)
      hunt[item.task]?.removeAll { $0 == item.key }
    } else if !item.isLabelled, !wasOpen {
      labelled.removeAll { $0 == item.key }
      if !item.isDrawn { suspect(item) }
    }
    // Labelled items stay for the second label, for `undo` and for planting; the oldest go first.
    while labelled.count > Self.labelledLimit {
      let key = labelled.removeFirst()
      if plantable.contains(key) { continue }
      items[key] = nil
    }
  }

  /// Forgets what is too old to count. Now and then; not for every line.
  package mutating func prune(now: Int64) {
    for key in drawn {
      guard let item = items[key] else { continue }
      let days = rules[item.task]?.windowDays ?? 56
      guard item.at < now - Int64(days) * 86_400_000 else { continue }
      if !item.isLabelled { drawnOpen -= 1 }
      items[key] = nil
      groups[item.group] = nil
      for twin in item.twins { firstOfGroup[ReviewKey(callID: twin, isChallenger: key.isChallenger)] = nil }
    }
    drawn.removeAll { items[$0] == nil }
  }

  // MARK: - Asking

  /// What is known of a would-accept; of several drawn with one input the one that stands for them.
  package func item(_ key: ReviewKey) -> ReviewItem? { items[firstOfGroup[key] ?? key] ?? recent[key] }

  /// How many would-accepts of its task look like the item, itself among them.
  package func alike(_ item: ReviewItem) -> Int { max(1, templates[item.task]?[item.template] ?? 1) }

  /// Drawn and unlabelled, suspicious within the week's share, or waiting for a second person; by task.
  ///
  /// - Parameter reviewer: Counts only what this one can still label; nil: what anybody can.
  package func backlog(now: Int64, reviewer: String? = nil) -> [String: Int] {
    var counts: [String: Int] = [:]
    for key in drawn {
      guard let item = items[key], !item.isLabelled || item.needsSecond,
        reviewer.map({ item.labels[$0] == nil }) ?? true
      else { continue }
      counts[item.task, default: 0] += 1
    }
    for (task, keys) in hunt where !keys.isEmpty {
      let count = min(keys.count, huntLeft(task, now: now))
      if count > 0 { counts[task, default: 0] += count }
    }
    return counts
  }

  /// Drawn, and unlabelled past the task's `gate.review_deadline_days`; by task.
  package func overdue(now: Int64) -> [String: Int] {
    var counts: [String: Int] = [:]
    for key in drawn {
      guard let item = items[key], !item.isLabelled, let days = rules[item.task]?.deadlineDays,
        item.at < now - Int64(days) * 86_400_000
      else { continue }
      counts[item.task, default: 0] += 1
    }
    return counts
  }

  private func huntLeft(_ task: String, now: Int64) -> Int {
    guard let spent = huntSpent[task], spent.week == ISOWeek(containing: now) else { return Self.huntPerWeek }
    return max(0, Self.huntPerWeek - spent.count)
  }

  /// The next items for a reviewer.
  ///
  /// Certificate items come in the log's order; among them, at places that cannot be told beforehand, suspicious ones,
  /// second labels and planted items.
  ///
  /// - Parameters:
  ///   - task: Only of this task; nil: of all.
  ///   - isTaken: Whether another reviewer has reserved the item.
  package func offers(
    _ limit: Int, task: String?, reviewer: String, now: Int64, isTaken: (ReviewKey) -> Bool
  ) -> [Offer] {
    func isFree(_ item: ReviewItem) -> Bool {
      (task == nil || item.task == task) && item.labels[reviewer] == nil && !isTaken(item.key)
    }
    let free = drawn.compactMap { items[$0] }.filter(isFree)
    var certificate = free.filter { !$0.isLabelled }.map { Offer(item: $0, stream: .certificate) }[...]
    var second = free.filter(\.needsSecond).map { Offer(item: $0, stream: .second) }[...]
    var hunts: [Offer] = []
    for (name, keys) in hunt.sorted(by: { $0.key < $1.key }) {
      let open = keys.compactMap { items[$0] }.filter { isFree($0) && !$0.isLabelled }
      hunts += open.prefix(huntLeft(name, now: now)).map { Offer(item: $0, stream: .hunt) }
    }
    hunts.sort { $0.item.suspicion > $1.item.suspicion }
    var hunting = hunts[...]
    let known = plantable.compactMap { items[$0] }
    var planted =
      known.count < Self.plantableLeast
      ? []
      : known.filter {
        isFree($0) && !$0.plantedTo.contains(reviewer) && looksFresh($0, now: now)
      }.map { Offer(item: $0, stream: .planted) }[...]
    var offers: [Offer] = []
    while offers.count < limit {
      let chance = Chance.of("slot:\(reviewer):\(reviews + offers.count)")
      let next: Offer? =
        switch chance {
        case ..<0.05: planted.popFirst()
        case ..<0.15: second.popFirst()
        case ..<0.35: hunting.popFirst()
        default: nil
        }
      guard let offer = next ?? certificate.popFirst() ?? second.popFirst() ?? hunting.popFirst() else {
        break
      }
      offers.append(offer)
    }
    return offers
  }

  /// Whether a known item looks like one that nobody has labelled: where text is kept, its text is still there. One that had
  /// lost it could be told by that.
  private func looksFresh(_ item: ReviewItem, now: Int64) -> Bool {
    guard item.isDrawn, let rules = rules[item.task], rules.isCaptured else { return true }
    return item.at >= now - Int64(rules.deadlineDays) * 86_400_000
  }

  /// Why a label of this reviewer is given, where the item was not offered to him.
  package func stream(of item: ReviewItem, for reviewer: String) -> ReviewStream {
    if item.labels.keys.contains(where: { $0 != reviewer }) { return .second }
    return item.isDrawn ? .certificate : .hunt
  }

  /// Ids of the calls whose captured text somebody still needs.
  ///
  /// - Parameter graceMs: How long a label may be taken back, or its case exported, with the text at hand.
  package func callsInNeed(now: Int64, graceMs: Int64) -> Set<String> {
    var calls: Set<String> = []
    for key in drawn {
      guard let item = items[key] else { continue }
      let days = rules[item.task]?.deadlineDays ?? 14
      let isDue = item.at < now - Int64(days) * 86_400_000
      let isFresh = item.labelledAt.map { $0 > now - graceMs } ?? false
      guard !isDue, !item.isLabelled || item.needsSecond || item.isPlantable || isFresh else { continue }
      calls.insert(item.key.callID)
      calls.formUnion(item.twins)
    }
    return calls
  }

  /// Takes in what the log says of a call that the queue does not remember, so that it can be labelled.
  package mutating func recall(_ records: [JSONValue]) {
    for record in records { add(record.jsonBytes.span) }
  }

  package var labelledItems: [ReviewItem] { labelled.compactMap { items[$0] } }
}
