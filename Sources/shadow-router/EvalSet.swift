import RouterCore
import Wire

/// One labelled case (contract, section 6).
struct EvalCase {
  let id: String
  let text: String
  let label: String?
  let answer: JSONValue?
  let route: String?

  /// Whether the candidate's answer is the true one; nil where the case does not say.
  func isRight(_ said: CandidateAnswer?) -> Bool? {
    if let label { return (said?.label ?? said?.answer.stringValue) == label }
    guard let answer else { return nil }
    return said?.answer == answer
  }
}

/// Labelled files: NDJSON, one case a line.
enum EvalSet {
  /// - Throws: Exit 3 for a file that cannot be read, exit 1 naming the first line that is no case.
  static func read(_ path: String, task: String) throws(Failure) -> [EvalCase] {
    let bytes = try Input.read(path, limit: 1 << 30)
    var cases: [EvalCase] = []
    for (number, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated()
    where !line.allSatisfy({ $0 == 0x20 || $0 == 0x0D }) {
      guard let value = try? JSONValue(parsing: Array(line)), let id = value["id"]?.stringValue else {
        throw Failure(exit: .no, message: "\(path):\(number + 1): not a case: a JSON object with an `id`")
      }
      guard value["task_type"]?.stringValue == task else { continue }
      guard let text = text(value) else {
        throw Failure(
          exit: .no, message: "\(path):\(number + 1): the case has neither `input` nor `messages`")
      }
      let truth = value["truth"]
      cases.append(
        EvalCase(
          id: id, text: text, label: truth?["label"]?.stringValue, answer: truth?["answer"],
          route: truth?["route"]?.stringValue))
    }
    guard !cases.isEmpty else {
      throw Failure(exit: .no, message: "\(path) has no case with task_type \(task)")
    }
    return cases
  }

  /// The text as the router would read it from a frame.
  private static func text(_ value: JSONValue) -> String? {
    if let input = value["input"]?.stringValue { return input }
    guard let messages = value["messages"] else { return nil }
    let frame: JSONValue = ["kind": "call", "call_id": "case", "messages": messages]
    var decoder = FrameDecoder()
    guard case .call(let call)? = try? decoder.decode(frame.jsonBytes.span) else { return nil }
    return String(decoding: call.text.bytes, as: UTF8.self)
  }
}
