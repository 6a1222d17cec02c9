import Commands
import RouterCore
import Wire

/// Candidates as `status` and `check --live` show them, from the list of `GET /v1/status`.
enum CandidateTable {
  /// For one candidate: what it can do, then what is wrong and the remedy.
  static func lines(_ candidate: JSONValue) -> [String] {
    let breaker = word(candidate["breaker"])
    var parts = [presence(candidate)]
    if let digest = candidate["digest"]?.stringValue { parts.append(short(digest)) }
    if candidate["logprobs"]?.stringValue != nil { parts += abilities(candidate) }
    parts.append("breaker " + (breaker == "closed" ? breaker : Terminal.styled(breaker, .yellow)))
    parts.append("\(word(candidate["waiting"])) waiting, \(word(candidate["asking"])) being asked")
    let title = "\(word(candidate["id"])): \(word(candidate["provider"])) \(word(candidate["name"])), "
    // Nobody need know the word to see what it costs.
    let notice =
      breaker == "closed" ? [] : ["not asked after repeated failures: its calls go to the frontier"]
    return [title + parts.joined(separator: ", ")] + notice + problem(candidate)
  }

  /// A table with a line a candidate; problems beneath theirs.
  static func table(_ candidates: [JSONValue]) -> String {
    let head = ["candidate", "provider", "endpoint", "present", "digest", "schema", "logprobs", "ms"]
    let rows = candidates.map { candidate -> [String] in
      let isAsked = candidate["logprobs"]?.stringValue != nil
      return [
        word(candidate["id"]), word(candidate["provider"]), word(candidate["endpoint"]),
        isYes(candidate["present"]), candidate["digest"]?.stringValue.map(short) ?? "-",
        isAsked ? isYes(candidate["schema_enforced"]) : "-", word(candidate["logprobs"]),
        candidate["probe_latency_ms"]?.doubleValue.map { "\(Int($0.rounded()))" } ?? "-",
      ]
    }
    let widths = head.indices.map { column in ([head] + rows).map { $0[column].count }.max() ?? 0 }
    func line(_ row: [String]) -> String {
      var text = zip(row, widths).map { $0.padded(to: $1) }.joined(separator: "  ")
      while text.last == " " { text.removeLast() }
      return text
    }
    var lines = [line(head)]
    for (candidate, row) in zip(candidates, rows) {
      lines.append(line(row))
      lines += problem(candidate).map { "  " + $0 }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func presence(_ candidate: JSONValue) -> String {
    switch (candidate["present"]?.boolValue, candidate["probed_at"]?.stringValue) {
    case (true, _): "present"
    case (false, _): Terminal.styled("absent", .red)
    case (nil, nil): "not probed yet"
    case (nil, _): "presence unknown"
    }
  }

  private static func abilities(_ candidate: JSONValue) -> [String] {
    let schema: String? =
      switch candidate["schema_enforced"]?.boolValue {
      case true: "schema enforced"
      case false: "schema not enforced"
      case nil: nil
      }
    let hasExact = candidate["post_sampling_probs"]?.boolValue == true
    return [
      schema, "logprobs \(word(candidate["logprobs"]))" + (hasExact ? " (also after the grammar)" : ""),
    ].compactMap(\.self)
  }

  private static func problem(_ candidate: JSONValue) -> [String] {
    guard let text = candidate["problem"]?.stringValue else { return [] }
    return [Terminal.styled(text, .red) + (candidate["remedy"]?.stringValue.map { "; \($0)" } ?? "")]
  }

  private static func isYes(_ value: JSONValue?) -> String {
    value?.boolValue.map { $0 ? "yes" : "no" } ?? "unknown"
  }

  /// `sha256:` and twelve digits are enough to see that two differ.
  private static func short(_ digest: String) -> String { String(digest.prefix("sha256:".count + 12)) }

  private static func word(_ value: JSONValue?) -> String {
    switch value {
    case .string(let text)?: text
    case .number(let number)?: number.literal
    default: "-"
    }
  }
}
