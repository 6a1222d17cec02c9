package import Evaluations
package import RouterCore
import Wire

/// One labelled case (contract, section 6).
package struct EvalCase: Sendable {
  package let id: String
  /// Of its file, from 1.
  package let line: Int
  /// As the router would read it from a frame.
  package let call: Call
  package let truth: CaseTruth

  package var text: String { String(decoding: call.text.bytes, as: UTF8.self) }
  package var label: String? { truth.label }
}

/// A labelled file: NDJSON, one case a line.
package struct EvalSet: Sendable {
  /// In the order of the file; never empty, no two of one id.
  package private(set) var cases: [EvalCase] = []
  /// Of cases with one id the first counts: the lines of the others, and where theirs stood first.
  package private(set) var repeated: [(line: Int, first: Int)] = []

  /// Reads the cases of one task.
  ///
  /// - Throws: What is wrong with the first line that is no case, or that the task has none.
  package init(_ bytes: [UInt8], task: String) throws(LabelledFileFault) {
    var lines: [String: Int] = [:]
    var decoder = FrameDecoder()
    decoder.keepsTools = true
    for line in bytes.filledLines {
      guard let value = try? JSONValue(parsing: line.text), let id = value["id"]?.stringValue else {
        throw LabelledFileFault(line: line.number, message: "not a case: a JSON object with an `id`")
      }
      guard value["task_type"]?.stringValue == task else { continue }
      if let first = lines[id] {
        repeated.append((line.number, first))
        continue
      }
      lines[id] = line.number
      cases.append(
        EvalCase(
          id: id, line: line.number, call: try Self.call(value, task, &decoder, line.number),
          truth: try Self.truth(value["truth"], line.number)))
    }
    guard !cases.isEmpty else {
      throw LabelledFileFault(line: nil, message: "has no case with task_type \(task)")
    }
  }

  private static func truth(_ value: JSONValue?, _ line: Int) throws(LabelledFileFault) -> CaseTruth {
    let route = value?["route"]?.stringValue
    guard route == nil || route.flatMap(CaseTruth.Route.init) != nil else {
      throw LabelledFileFault(line: line, message: "truth.route is `local` or `frontier`")
    }
    return CaseTruth(
      label: value?["label"]?.stringValue, answer: value?["answer"].flatMap { $0.isNull ? nil : $0 },
      route: route.flatMap(CaseTruth.Route.init))
  }

  /// Read by the decoder of the tap, so that the text is the one that the router would scan and send.
  private static func call(
    _ value: JSONValue, _ task: String, _ decoder: inout FrameDecoder, _ line: Int
  ) throws(LabelledFileFault) -> Call {
    var frame: [JSONMember] = [
      JSONMember("kind", "call"), JSONMember("call_id", "case"), JSONMember("task_type", .string(task)),
    ]
    for name in ["input", "messages", "request", "artifacts", "signals"] {
      if let member = value[name], !member.isNull { frame.append(JSONMember(name, member)) }
    }
    if let tools = value["tools"], !tools.isNull {
      // Tools stand in a provider's request, and nowhere else.
      let messages = value["messages"] ?? [["role": "user", "content": value["input"] ?? ""]]
      frame.removeAll { $0.name == "input" || $0.name == "messages" }
      frame.append(JSONMember("request", ["messages": messages, "tools": tools]))
    }
    do throws(FrameFault) {
      guard case .call(let call) = try decoder.decode(JSONValue.object(frame).jsonBytes.span) else {
        throw .unknownKind
      }
      return call
    } catch {
      throw LabelledFileFault(
        line: line,
        message: error == .noInput
          ? "the case has neither `input` nor `messages`" : "the case cannot be read: \(error)")
    }
  }
}
