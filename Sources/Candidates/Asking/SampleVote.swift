import RouterCore
import Wire

/// Confidence from agreement: the same question asked several times.
enum SampleVote {
  /// The answer that most gave, with the share of all that were asked for as its confidence.
  ///
  /// - Parameters:
  ///   - greedy: The first answer, of the right shape.
  ///   - samples: Those that came and were of the right shape. The others agree with nobody.
  /// - Returns: On a tie, the greedy answer with its own share.
  static func winner(_ greedy: CandidateReply, _ samples: [CandidateReply], of task: TaskPolicy)
    -> CandidateReply
  {
    let all = [greedy] + samples
    let keys = all.map { key(of: $0, task: task) }
    var votes: [String: Int] = [:]
    for key in keys { votes[key, default: 0] += 1 }
    let most = votes.values.max() ?? 0
    let leaders = votes.filter { $0.value == most }
    var index = 0
    if leaders.count == 1, let leader = leaders.first?.key { index = keys.firstIndex(of: leader) ?? 0 }
    var winner = all[index]
    let share = Double(votes[keys[index]] ?? 0) / Double(max(1, task.samples))
    winner.measured = MeasuredConfidence(source: .samples, value: share)
    return winner
  }

  /// What makes two answers the same: the label; name and arguments of the tools called; JSON in its canonical text;
  /// other text trimmed and in lower case. The confidence an answer states is no part of it.
  ///
  /// An answer that cannot be taken apart is compared as text: at worst it agrees with nobody.
  static func key(of reply: CandidateReply, task: TaskPolicy) -> String {
    if !reply.toolCalls.isEmpty {
      return reply.toolCalls.map { "tool:\($0.name)\u{0}\($0.arguments.canonicalText)" }.joined(
        separator: "\u{1}")
    }
    guard let object = object(in: reply.text) else { return "text:" + folded(reply.text) }
    if !task.labels.isEmpty, let label = object["label"]?.stringValue { return "label:" + label }
    guard let answer = object["answer"] else { return "text:" + folded(reply.text) }
    return answer.stringValue.map { "text:" + folded($0) } ?? "json:" + answer.canonicalText
  }

  /// The object that the text is, or that stands between its first and its last brace.
  private static func object(in text: String) -> JSONValue? {
    guard let first = text.utf8.firstIndex(of: UInt8(ascii: "{")),
      let last = text.utf8.lastIndex(of: UInt8(ascii: "}")), first < last
    else { return nil }
    return try? JSONValue(parsing: Array(text.utf8[first...last]))
  }

  private static func folded(_ text: String) -> String {
    var rest = text.drop(while: \.isWhitespace)
    while let last = rest.last, last.isWhitespace { rest.removeLast() }
    return rest.lowercased()
  }
}
