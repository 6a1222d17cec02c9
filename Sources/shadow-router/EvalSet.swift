import Commands
import Evaluations
import RouterCore
import Wire

/// One labelled case (contract, section 6).
struct EvalCase {
  let id: String
  /// Of its file, from 1.
  let line: Int
  /// As the router would read it from a frame.
  let call: Call
  let truth: CaseTruth

  var text: String { String(decoding: call.text.bytes, as: UTF8.self) }
  var label: String? { truth.label }
}

/// Labelled files: NDJSON, one case a line.
enum EvalSet {
  /// Of cases with one `id` the first counts; the others are named on stderr and left out.
  ///
  /// - Throws: Exit 3 for a file that cannot be read, exit 1 naming the first line that is no case.
  static func read(_ path: String, task: String) throws(Failure) -> [EvalCase] {
    try read(try Input.read(path, limit: 1 << 30), from: path, task: task)
  }

  static func read(_ bytes: [UInt8], from path: String, task: String) throws(Failure) -> [EvalCase] {
    var cases: [EvalCase] = []
    var lines: [String: Int] = [:]
    var repeated: [Remark] = []
    var decoder = FrameDecoder()
    decoder.keepsTools = true
    for (number, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated()
    where !line.allSatisfy({ $0 == 0x20 || $0 == 0x0D }) {
      let place = "\(path):\(number + 1)"
      guard let value = try? JSONValue(parsing: Array(line)), let id = value["id"]?.stringValue else {
        throw Failure(exit: .no, message: "\(place): not a case: a JSON object with an `id`")
      }
      guard value["task_type"]?.stringValue == task else { continue }
      if let first = lines.updateValue(lines[id] ?? number + 1, forKey: id) {
        repeated.append((number + 1, "the id stands in line \(first) already; this case is left out"))
        continue
      }
      cases.append(
        EvalCase(
          id: id, line: number + 1, call: try call(value, task, &decoder, place),
          truth: try truth(value["truth"], place)))
    }
    tell(repeated, about: path)
    guard !cases.isEmpty else {
      throw Failure(exit: .no, message: "\(path) has no case with task_type \(task)")
    }
    return cases
  }

  /// Names cases whose label no answer can have, but not the label: it may be anything.
  ///
  /// One that belongs to the frontier may well have such a label.
  static func tellForeignLabels(in cases: [EvalCase], of task: TaskPolicy, path: String) {
    let known = Set(task.labels.map(\.name))
    guard !known.isEmpty else { return }
    tell(
      cases.compactMap { item in
        guard let label = item.label, !known.contains(label), item.truth.route != .frontier else {
          return nil
        }
        return (item.line, "truth.label is not among the labels of \(task.name): no answer can be right")
      }, about: path)
  }

  private typealias Remark = (line: Int, text: String)
  private static let mostRemarks = 10

  private static func tell(_ remarks: [Remark], about path: String) {
    for remark in remarks.prefix(mostRemarks) {
      Terminal.message("\(path):\(remark.line): warning: \(remark.text)\n")
    }
    let rest = remarks.dropFirst(mostRemarks).map { "\($0.line)" }
    guard !rest.isEmpty else { return }
    let lines = rest.prefix(100).joined(separator: ", ") + (rest.count > 100 ? ", …" : "")
    Terminal.message("\(path): warning: the same of \(rest.count) more, lines \(lines)\n")
  }

  private static func truth(_ value: JSONValue?, _ place: String) throws(Failure) -> CaseTruth {
    let route = value?["route"]?.stringValue
    guard route == nil || route.flatMap(CaseTruth.Route.init) != nil else {
      throw Failure(exit: .no, message: "\(place): truth.route is `local` or `frontier`")
    }
    return CaseTruth(
      label: value?["label"]?.stringValue, answer: value?["answer"].flatMap { $0.isNull ? nil : $0 },
      route: route.flatMap(CaseTruth.Route.init))
  }

  /// Read by the decoder of the tap, so that the text is the one that the router would scan and send.
  private static func call(
    _ value: JSONValue, _ task: String, _ decoder: inout FrameDecoder, _ place: String
  ) throws(Failure) -> Call {
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
      throw Failure(
        exit: .no,
        message: error == .noInput
          ? "\(place): the case has neither `input` nor `messages`"
          : "\(place): the case cannot be read: \(error)")
    }
  }
}
