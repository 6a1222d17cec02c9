import LogReading
package import RouterCore
package import Wire

extension Gate {
  /// What to do next, in a sentence or two.
  package var next: String {
    if outcome == .fail, epoch == nil, let problem { return "nothing to do: \(problem)" }
    if outcome == .error { return "see what is wrong with the log: shadow-router verify-log" }
    if outcome == .pass { return "promote it: shadow-router promote \(subject.task)" }
    guard let first = firstUnmet else { return "nothing to do" }
    return first.missing ?? first.name.rawValue
  }

  /// What stands in the way: of the unmet conditions the weightiest, of equals the first that people read.
  package var firstUnmet: GateCondition? {
    let unmet = conditions.filter { $0.state == .unmet }
    return [GateCondition.Weight.against, .waits, .doubts].lazy
      .compactMap { weight in unmet.first { $0.weight == weight } }.first
  }

  package var json: JSONValue {
    [
      "task": .string(subject.task), "subject": .string(subject.role),
      "outcome": .string(outcome.rawValue), "problem": text(problem), "next": .string(next),
      "attempt": .number(JSONNumber(attempt)), "alpha": number(alpha),
      "reviews_needed": count(needed), "reviews_missing": missingReviews.map(count) ?? .null,
      "max_false_accept_rate": number(maxFalseAcceptRate), "false_accept_upper_bound": number(upperBound),
      "catch_rate": number(catchRate),
      "epoch": epoch.map(\.json) ?? .null,
      "conditions": .array(conditions.map(\.json)),
    ]
  }

  /// The members of a `gate` record.
  package var record: RecordBody {
    var body = RecordBody()
    body.field("task", subject.task)
    body.field("subject", subject.role)
    body.field("epoch", epoch?.id)
    body.field("attempt", attempt)
    body.field("outcome", outcome.rawValue)
    body.field("alpha", alpha)
    body.field("false_accept_upper_bound", upperBound)
    body.field("conditions") { writer in
      writer.beginArray()
      for condition in conditions { writer.value(condition.brief) }
      writer.endArray()
    }
    return body
  }

  private func number(_ value: Double) -> JSONValue { JSONNumber(value).map { .number($0) } ?? .null }
  private func count(_ value: Int) -> JSONValue { value == .max ? .null : .number(JSONNumber(value)) }
  private func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
}

extension GateCondition {
  /// For the log: what the figures were, without the words.
  fileprivate var brief: JSONValue {
    [
      "name": .string(name.rawValue), "state": .string(state.rawValue), "figure": number(figure),
      "limit": number(limit),
    ]
  }

  fileprivate var json: JSONValue {
    [
      "name": .string(name.rawValue), "state": .string(state.rawValue), "figure": number(figure),
      "limit": number(limit), "shown": .string(shown), "wants": .string(wants), "source": .string(source),
      "missing": missing.map { .string($0) } ?? .null,
    ]
  }

  private func number(_ value: Double?) -> JSONValue {
    value.flatMap(JSONNumber.init).map { .number($0) } ?? .null
  }
}

extension EpochEvidence {
  fileprivate var json: JSONValue {
    func number(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
    func time(_ ms: Int64?) -> JSONValue { ms.map { .string(LogTime.format($0)) } ?? .null }
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    return [
      "id": .string(id), "start": time(start), "first_drawn": time(firstDrawn), "end": time(end),
      "task_revision": .string(revision),
      "models": .array(
        models.map { ["id": .string($0.id), "name": text($0.name), "digest": text($0.digest)] }),
      "would_accepts": number(wouldAccepts), "drawn": number(drawn), "accepted": number(accepted),
      "false": number(falseLabelled), "unlabelled": number(unlabelled), "asked": number(asked),
      "invalid": number(invalid), "weeks": number(weeks),
    ]
  }
}
