package import Wire

extension ToolCall {
  /// Reads tool calls out of an answer's JSON, in the forms in which models were trained to write them.
  ///
  /// `{"tool_calls": […]}`, `{"name": N, "arguments": A}`, a list of those, a list of `{N: A}`, or any of them as a text
  /// that holds JSON. Arguments given as a text that holds an object are that object.
  ///
  /// - Returns: nil for anything else; empty where the answer says that no tool is called.
  package static func read(_ value: JSONValue) -> [ToolCall]? {
    if let text = value.stringValue {
      guard let inner = try? JSONValue(parsing: text), inner.stringValue == nil else { return nil }
      return read(inner)
    }
    if let list = value["tool_calls"]?.arrayValue { return all(list) { named($0, needsArguments: false) } }
    if let list = value.arrayValue { return all(list) { named($0, needsArguments: true) ?? keyed($0) } }
    return named(value, needsArguments: true).map { [$0] }
  }

  private static func all(_ list: [JSONValue], _ one: (JSONValue) -> ToolCall?) -> [ToolCall]? {
    let calls = list.compactMap(one)
    return calls.count == list.count ? calls : nil
  }

  /// - Parameter needsArguments: Without them, an object with a `name` may be about anything.
  private static func named(_ value: JSONValue, needsArguments: Bool) -> ToolCall? {
    let value = value["function"]?.members == nil ? value : value["function"] ?? value
    guard let name = value["name"]?.stringValue, !name.isEmpty else { return nil }
    let given = ["arguments", "parameters", "input"].lazy.compactMap { value[$0] }.first
    guard given != nil || !needsArguments else { return nil }
    return ToolCall(name: name, arguments: decoded(given ?? .null))
  }

  private static func keyed(_ value: JSONValue) -> ToolCall? {
    guard let members = value.members, members.count == 1, let member = members.first, !member.name.isEmpty
    else { return nil }
    let arguments = decoded(member.value)
    return arguments.members == nil ? nil : ToolCall(name: member.name, arguments: arguments)
  }

  /// The object that a text holds, or none where it is blank; anything else as it is.
  package static func decoded(_ arguments: JSONValue) -> JSONValue {
    if arguments.isNull { return .object([]) }
    guard let text = arguments.stringValue else { return arguments }
    if text.unicodeScalars.allSatisfy(\.properties.isWhitespace) { return .object([]) }
    guard let inner = try? JSONValue(parsing: text), inner.members != nil else { return arguments }
    return inner
  }

  /// As one JSON value: what is recorded, measured and shown of it.
  package var json: JSONValue { ["name": .string(name), "arguments": arguments] }
}
