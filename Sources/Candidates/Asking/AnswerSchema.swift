import RouterCore
import Wire

/// The JSON Schema of the answer, for servers that can enforce one.
enum AnswerSchema {
  enum ConfidenceForm {
    /// A number from 0 to 1.
    case range
    /// The same in steps of a hundredth, for servers that make a grammar of the schema: theirs for a number lets a
    /// model write digits until the output limit.
    case hundredths

    /// Anthropic has no grammar, and OpenAI's own takes the schema's length for input.
    init(_ model: ModelPolicy) {
      self = model.provider == .anthropic || OpenAI.isHosted(model) ? .range : .hundredths
    }
  }

  /// Whether `answer` is asked for beside, or instead of, a label.
  static func asksForAnswer(_ task: TaskPolicy) -> Bool { task.labels.isEmpty || task.output != .label }

  static func schema(_ question: Question, confidence: ConfidenceForm) -> JSONValue {
    let task = question.task
    var properties: [JSONMember] = []
    var shared: [JSONMember] = []
    if !task.labels.isEmpty {
      let names = task.labels.map { JSONValue.string($0.name) }
      properties.append(JSONMember("label", ["type": "string", "enum": .array(names)]))
    }
    if asksForAnswer(task) {
      properties.append(JSONMember("answer", answer(question, sharing: &shared)))
    }
    properties.append(JSONMember("confidence", Self.confidence(confidence)))
    var members = [
      JSONMember("type", "object"), JSONMember("properties", .object(properties)),
      JSONMember("required", .array(properties.map { .string($0.name) })),
      JSONMember("additionalProperties", false),
    ]
    members += shared
    return .object(members)
  }

  private static func confidence(_ form: ConfidenceForm) -> JSONValue {
    switch form {
    case .range: return ["type": "number", "minimum": 0, "maximum": 1]
    case .hundredths:
      let steps = (0...100).compactMap { JSONNumber(Double($0) / 100).map(JSONValue.number) }
      return ["type": "number", "enum": .array(steps)]
    }
  }

  private static func answer(_ question: Question, sharing shared: inout [JSONMember]) -> JSONValue {
    switch question.task.output {
    case .text, .label: return ["type": "string"]
    case .json:
      guard let schema = question.task.outputSchema else { return ["type": "object"] }
      return nested(schema, sharing: &shared)
    case .toolCall:
      // The parameters stay free: definitions come from outside, with types that servers refuse the schema for.
      let names = ToolListing(question).names.map(JSONValue.string)
      let name: JSONValue = names.isEmpty ? ["type": "string"] : ["type": "string", "enum": .array(names)]
      return [
        "type": "object", "properties": ["name": name, "arguments": ["type": "object"]],
        "required": ["name", "arguments"], "additionalProperties": false,
      ]
    }
  }

  // MARK: - A schema inside another

  private static let definitions: Set<String> = ["$defs", "definitions"]

  /// The policy's schema as it stands at `/properties/answer`: references into it follow it there, its definitions
  /// go to the root, where servers look for them.
  private static func nested(_ schema: JSONValue, sharing shared: inout [JSONMember]) -> JSONValue {
    guard case .object(let members) = moved(schema) else { return schema }
    shared = members.filter { definitions.contains($0.name) }
    return .object(
      members.filter { !definitions.contains($0.name) && $0.name != "$schema" && $0.name != "$id" })
  }

  /// The schema with its references moved; values that are data stay as they are.
  private static func moved(_ schema: JSONValue) -> JSONValue {
    switch schema {
    case .array(let elements): return .array(elements.map(moved))
    case .object(let members):
      return .object(
        members.map { member in
          switch member.name {
          case "$ref": JSONMember(member.name, movedReference(member.value))
          case "properties", "patternProperties", "dependentSchemas", "$defs", "definitions":
            JSONMember(member.name, movedEach(member.value))
          case "enum", "const", "default", "examples": member
          default: JSONMember(member.name, moved(member.value))
          }
        })
    case .null, .bool, .number, .string: return schema
    }
  }

  private static func movedEach(_ schemas: JSONValue) -> JSONValue {
    guard case .object(let members) = schemas else { return schemas }
    return .object(members.map { JSONMember($0.name, moved($0.value)) })
  }

  private static func movedReference(_ value: JSONValue) -> JSONValue {
    guard let reference = value.stringValue, reference == "#" || reference.hasPrefix("#/") else {
      return value
    }
    if definitions.contains(where: { reference.hasPrefix("#/\($0)/") }) { return value }
    return .string("#/properties/answer" + reference.dropFirst())
  }
}
