internal import RouterCore
internal import Statistics
package import Wire

/// Follows what becomes of local answers and says when a task has to go back.
///
/// Reads no clock and holds no file: it is shown the log's lines from the time on at which the task began to serve, so that
/// a restart comes to the same. Only answers that were drawn uniformly count: for the certificate, or for the audit.
package struct LiveWatch: Sendable {
  /// What the alarms of one task go by.
  package struct Rules: Sendable, Equatable {
    /// Of the task's gate, 0…1.
    package var maxFalseAcceptRate: Double
    package var baseline: Disagreement
    /// Milliseconds since 1970; earlier answers were given under another receipt.
    package var since: Int64

    package init(maxFalseAcceptRate: Double, baseline: Disagreement, since: Int64) {
      self.maxFalseAcceptRate = maxFalseAcceptRate
      self.baseline = baseline
      self.since = since
    }
  }

  package struct Alarm: Sendable, Equatable {
    package let task: String
    /// A sentence with the figures.
    package let reason: String
  }

  /// A label that may tell of a severe false accept: whoever reads this looks the call up.
  package struct Suspicion: Sendable, Hashable {
    package let callID: String
    package let isChallenger: Bool
  }

  private struct Tally: Sendable {
    var rules: Rules
    var rate: RateAlarm
    /// Local answers with a verdict, and the false ones.
    var judged = Disagreement()
    var audited = Disagreement()
  }

  /// A local answer without a verdict, or with one that may still turn.
  private struct Answer: Sendable {
    var task: String
    var isAudited: Bool
    /// As counted last; nil: not yet.
    var isFalse: Bool?
  }

  private var tallies: [String: Tally] = [:]
  private var answers: [String: Answer] = [:]
  private var order: [String] = []
  private var members: [JSONMemberRange] = []
  private var suspicions: [Suspicion] = []

  /// Past it the oldest answer is forgotten: its label then counts in no alarm.
  private static let capacity = 50_000
  /// ln 1000: answers at the limit's own rate reach it once in thousands.
  static let alarmLevel = 6.907_755_278_982_137
  /// How far the rate has risen where the CUSUM is fastest, in multiples of the limit.
  private static let raised = 3.0
  /// Comparisons in shadow below which they say nothing.
  private static let leastCompared = 30
  private static let alpha = 0.01

  package init(_ rules: [String: Rules] = [:]) {
    for (task, rules) in rules {
      let usual = min(max(rules.maxFalseAcceptRate, 1e-6), 0.3)
      tallies[task] = Tally(
        rules: rules, rate: RateAlarm(usual: usual, raised: min(usual * Self.raised, 0.99)))
    }
  }

  package var rules: [String: Rules] { tallies.mapValues(\.rules) }

  package mutating func add(_ line: Span<UInt8>) {
    guard (try? JSONIndex.members(of: line, into: &members)) != nil,
      let kind = members.first(where: { $0.isNamed("kind", in: line) })
    else { return }
    if line.holds("decision", in: kind) {
      guard members.contains(where: { $0.isNamed("route", in: line) && line.holds("local", in: $0) }) else {
        return
      }
      decision(line)
    } else if line.holds("comparison", in: kind) {
      comparison(line)
    } else if line.holds("review", in: kind) {
      review(line)
    }
  }

  private mutating func decision(_ line: Span<UInt8>) {
    guard let record = try? JSONValue(parsing: line), let callID = record["call_id"]?.stringValue,
      let task = record["task_type"]?.stringValue, let tally = tallies[task],
      let at = record["ts"]?.stringValue.flatMap(Timestamp.parse), at >= tally.rules.since
    else { return }
    let isAudited = record["audit"]?.boolValue == true
    guard isAudited || record["sampled"]?.boolValue == true, answers[callID] == nil else { return }
    answers[callID] = Answer(task: task, isAudited: isAudited)
    order.append(callID)
    guard order.count > Self.capacity else { return }
    for old in order.prefix(Self.capacity / 10) { answers[old] = nil }
    order.removeFirst(Self.capacity / 10)
  }

  private mutating func comparison(_ line: Span<UInt8>) {
    guard let callID = text("call_id", line), let answer = answers[callID], answer.isAudited,
      let agreement = text("agreement", line), agreement != "unknown"
    else { return }
    tallies[answer.task]?.audited.saw(disagrees: agreement == "disagree")
    // An answer that differs is false only once somebody says so.
    if agreement == "agree" { judged(callID, isFalse: false) }
  }

  private mutating func review(_ line: Span<UInt8>) {
    guard let record = try? JSONValue(parsing: line), let callID = record["call_id"]?.stringValue,
      let label = record["review_label"]?.stringValue, record["stream"]?.stringValue != "planted"
    else { return }
    let isChallenger = record["subject"]?.stringValue == "challenger"
    if label == "escalate", record["severity"]?.intValue ?? 0 >= SevereFalseAccept.least {
      suspicions.append(Suspicion(callID: callID, isChallenger: isChallenger))
    }
    if !isChallenger { judged(callID, isFalse: label != "accept") }
  }

  /// Of several verdicts on one answer the worst counts, and each once.
  private mutating func judged(_ callID: String, isFalse: Bool) {
    guard let answer = answers[callID], answer.isFalse != true, answer.isFalse != isFalse else { return }
    answers[callID]?.isFalse = isFalse
    tallies[answer.task]?.rate.saw(fault: isFalse)
    tallies[answer.task]?.judged.saw(disagrees: isFalse)
  }

  /// Takes out what labels have come since the last time that somebody should look up.
  package mutating func takeSuspicions() -> [Suspicion] {
    defer { suspicions = [] }
    return suspicions
  }

  /// Tasks that have to go back, by name.
  package var alarms: [Alarm] {
    tallies.sorted { $0.key < $1.key }.compactMap { task, tally in
      Self.reason(tally).map { Alarm(task: task, reason: $0) }
    }
  }

  private static func reason(_ tally: Tally) -> String? {
    if tally.rate.level >= alarmLevel {
      return "CUSUM \(Figures.fixed(tally.rate.level, 2)) over \(Figures.fixed(alarmLevel, 2)): "
        + "\(tally.judged.disagreed) of \(tally.judged.compared) local answers that were looked at are false"
    }
    let audited = tally.audited
    let lower = RateBounds.lower(audited.disagreed, of: audited.compared, alpha: alpha)
    let limit = Self.limit(tally.rules)
    guard lower > limit else { return nil }
    return "audit: the frontier disagrees with \(audited.disagreed) of \(audited.compared) local answers, "
      + "at least \(Figures.bound(lower)); the limit is \(Figures.bound(limit))"
  }

  /// What the frontier may disagree with: what it disagreed with in shadow at most, and as much more as the CUSUM is made
  /// to find. Without a shadow to go by, three times the rate of false accepts.
  static func limit(_ rules: Rules) -> Double {
    let base = rules.baseline
    guard base.compared >= leastCompared else { return raised * rules.maxFalseAcceptRate }
    return min(
      1,
      RateBounds.upper(base.disagreed, of: base.compared, alpha: alpha)
        + (raised - 1) * rules.maxFalseAcceptRate)
  }

  private func text(_ name: StaticString, _ line: Span<UInt8>) -> String? {
    members.first { $0.kind == .string && $0.isNamed(name, in: line) }.map { line.string(in: $0) }
  }
}

/// A false accept that cost something, as people confirmed it.
package enum SevereFalseAccept {
  /// Costly; 3 is security or a customer.
  package static let least = 2

  /// Who confirmed it: two people, or the task's owner alone; nil: nobody did, or it is no such thing.
  ///
  /// - Parameters:
  ///   - records: All about the call, in the log's order.
  ///   - models: Those that serve the task; another's answer says nothing of them.
  package static func confirmed(
    _ callID: String, isChallenger: Bool, in records: [JSONValue], task: String, owner: String?,
    models: [ServedModel]
  ) -> [String]? {
    let own = records.filter { $0["call_id"]?.stringValue == callID }
    let kind = isChallenger ? "challenge" : "decision"
    guard
      let answer = own.last(where: { $0["kind"]?.stringValue == kind }),
      answer["task_type"]?.stringValue == task, answer["route_candidate"]?.stringValue == "local",
      models.contains(where: { model in
        model.id == answer["local_model_id"]?.stringValue
          && model.digest == answer["local_model_digest"]?.stringValue
      })
    else { return nil }
    var labels: [String: Bool] = [:]
    for record in own where record["kind"]?.stringValue == "review" {
      guard (record["subject"]?.stringValue == "challenger") == isChallenger,
        record["stream"]?.stringValue != "planted", let reviewer = record["reviewer"]?.stringValue
      else { continue }
      labels[reviewer] =
        record["review_label"]?.stringValue == "escalate" && record["severity"]?.intValue ?? 0 >= least
    }
    let people = labels.filter(\.value).keys.sorted()
    return people.count >= 2 || owner.map(people.contains) ?? false ? people : nil
  }
}
