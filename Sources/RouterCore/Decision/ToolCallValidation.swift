import JSONSchema
import Wire

/// Checks a tool call against the tools that the request defines.
///
/// The definitions are the agent's, not the policy's: what of them cannot be applied is not applied. But the tool must
/// be one of them, and its arguments' names too.
enum ToolCallValidation {
  /// What is wrong with the calls that an answer makes, where exactly one is asked for.
  static func countFault(_ calls: [ToolCall]) -> String? {
    switch calls.count {
    case 0: "no_tool_call"
    case 1: nil
    default: "more_than_one_tool_call"
    }
  }

  /// In bytes. Providers allow 64 or 128; looking for a longer one in a long text would take a model's word for how long.
  private static let longestName = 256

  /// - Parameter notes: Takes in `tools_undefined` where the call says nothing of its tools but in its text.
  static func fault(_ tool: ToolCall, of call: Call, noting notes: inout [String]) -> String? {
    guard tool.arguments.members != nil else { return "arguments_invalid:type" }
    guard call.toolText != nil else {
      notes.append("tools_undefined")
      let name = Array(tool.name.utf8)
      guard name.count <= longestName else { return "tool_not_defined" }
      return TextWords.contains(name, in: call.text.bytes) ? nil : "tool_not_defined"
    }
    // Definitions that cannot be read define nothing.
    let definitions = call.toolDefinitions?.arrayValue ?? []
    guard
      let definition = definitions.lazy.compactMap(ToolDefinition.init).first(where: { $0.name == tool.name })
    else { return "tool_not_defined" }
    return definition.fault(in: tool.arguments).map { "arguments_invalid:" + $0.detail }
  }
}

/// One of the request's `tools`, by whichever provider.
private struct ToolDefinition {
  let name: String
  /// Absent: the tool takes no arguments.
  let parameters: JSONValue?

  /// nil for a tool of the provider's own, which only it can call.
  init?(_ value: JSONValue) {
    let function = value["function"]?.members == nil ? value : value["function"] ?? value
    guard let name = function["name"]?.stringValue else { return nil }
    self.name = name
    parameters = ["parameters", "input_schema", "inputSchema"].lazy.compactMap { function[$0] }.first {
      $0.members != nil
    }
  }

  func fault(in arguments: JSONValue) -> SchemaFault? {
    guard let parameters else {
      return arguments.members?.isEmpty == true ? nil : .unknownArgument
    }
    var ignored: [SchemaProblem] = []
    let schema = Schema.read(parameters, .foreign, problems: &ignored) ?? .never
    return schema.fault(in: arguments) ?? (hasUnknownName(arguments) ? .unknownArgument : nil)
  }

  /// JSON Schema lets unknown names pass unless told otherwise. A tool has no use for them: they are a model's invention.
  private func hasUnknownName(_ arguments: JSONValue) -> Bool {
    // Names may come from elsewhere, or the definition says what of others.
    let elsewhere = ["additionalProperties", "patternProperties", "$ref", "allOf", "anyOf", "oneOf", "if"]
    guard let parameters, !elsewhere.contains(where: { parameters[$0] != nil }) else { return false }
    // A set, and of bytes: both lists come from outside, and names of other scalars are other names.
    let known = Set((parameters["properties"]?.members ?? []).map { Array($0.name.utf8) })
    return arguments.members?.contains { !known.contains(Array($0.name.utf8)) } == true
  }
}

extension SchemaFault {
  fileprivate static let unknownArgument = SchemaFault(
    pointer: "/*", keyword: "additionalProperties", missing: nil)

  /// The keyword and where it does not hold, bounded: `required:/items/0/number`.
  var detail: String {
    let place = pointer + (missing.map { "/" + $0 } ?? "")
    let shown = String(String.UnicodeScalarView(place.unicodeScalars.prefix(96)))
    return keyword + (place.isEmpty ? "" : ":") + shown + (place.unicodeScalars.count > 96 ? "…" : "")
  }
}

/// Words of a text, for names as programs write them.
enum TextWords {
  /// Whether `word` stands in the text, and not as a part of a longer name: `query` does not stand in `search.query`.
  static func contains(_ word: [UInt8], in text: [UInt8]) -> Bool {
    guard let first = word.first, word.count <= text.count else { return false }
    for start in 0...(text.count - word.count) where text[start] == first {
      let end = start + word.count
      guard text[start..<end].elementsEqual(word) else { continue }
      if !joins(text, start - 1, step: -1), !joins(text, end, step: 1) { return true }
    }
    return false
  }

  /// Whether the byte at `place` goes on with the name, looking away from it.
  private static func joins(_ text: [UInt8], _ place: Int, step: Int) -> Bool {
    guard text.indices.contains(place) else { return false }
    if isWord(text[place]) { return true }
    // A dot or a dash joins two words, and ends a sentence.
    guard [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "/")].contains(text[place])
    else { return false }
    return text.indices.contains(place + step) && isWord(text[place + step])
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"), 0x80...:
      true
    default: false
    }
  }
}
