package struct JSONOptions: Sendable {
  /// Levels of nesting accepted, the outermost value being the first. Comparing, writing and freeing a tree
  /// use some stack for each level, so a text from outside should not be allowed many more.
  package var maximumDepth = 512
  /// Whether an object may have members of the same name. Refused by default, because programs differ in
  /// which of them they take.
  package var allowsRepeatedNames = false

  package init(maximumDepth: Int = 512, allowsRepeatedNames: Bool = false) {
    self.maximumDepth = maximumDepth
    self.allowsRepeatedNames = allowsRepeatedNames
  }
}

extension JSONValue {
  /// Reads a text that is exactly one JSON value.
  package init(parsing text: Span<UInt8>, options: JSONOptions = JSONOptions()) throws(JSONError) {
    let first = try Self.parsePrefix(text, options: options)
    try JSONScanner.end(text, first.end)
    self = first.value
  }

  package init(parsing text: [UInt8], options: JSONOptions = JSONOptions()) throws(JSONError) {
    try self.init(parsing: text.span, options: options)
  }

  package init(parsing text: String, options: JSONOptions = JSONOptions()) throws(JSONError) {
    try self.init(parsing: Array(text.utf8), options: options)
  }

  /// Reads the first value of a text, whatever may follow it.
  ///
  /// - Returns: The value, and the place behind it. Where a second value follows, reading on from there
  ///   succeeds; where junk does, it throws. A number ends where it cannot go on: `1x` begins with 1.
  package static func parsePrefix(
    _ text: Span<UInt8>, options: JSONOptions = JSONOptions()
  ) throws(JSONError) -> (value: JSONValue, end: Int) {
    var parser = JSONParser(options: options)
    var at = try JSONScanner.begin(text)
    let value = try parser.value(text, &at)
    return (value, at)
  }

  /// - Parameter start: Where to begin; places in the result and in errors count from the beginning of `text`.
  package static func parsePrefix(
    _ text: [UInt8], from start: Int = 0, options: JSONOptions = JSONOptions()
  ) throws(JSONError) -> (value: JSONValue, end: Int) {
    do throws(JSONError) {
      let first = try parsePrefix(text.span.extracting(start..<text.count), options: options)
      return (first.value, first.end + start)
    } catch {
      throw JSONError(error.kind, at: error.offset + start)
    }
  }
}

/// Builds a tree without recursion, so that the stack of the calling thread does not matter.
private struct JSONParser {
  private let options: JSONOptions
  private var open: [OpenContainer] = []
  private var scratch: [UInt8] = []

  init(options: JSONOptions) { self.options = options }

  mutating func value(_ text: Span<UInt8>, _ at: inout Int) throws(JSONError) -> JSONValue {
    while true {
      var finished: JSONValue
      let first = try JSONScanner.token(text, &at)
      switch first {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        guard let empty = try begin(text, &at, isObject: first == UInt8(ascii: "{")) else { continue }
        finished = empty
      case UInt8(ascii: "\""):
        finished = .string(try string(text, &at))
      default:
        finished = try scalar(text, &at, first)
      }
      // Hand the value to its container, and every container that it completes to the next one.
      while let container = open.indices.last {
        guard let closed = try add(finished, to: container, text, &at) else { break }
        finished = closed
      }
      if open.isEmpty { return finished }
    }
  }

  /// Opens a container. Returns it where it is empty; otherwise `at` is before its first value.
  private mutating func begin(
    _ text: Span<UInt8>, _ at: inout Int, isObject: Bool
  ) throws(JSONError) -> JSONValue? {
    guard open.count < options.maximumDepth else { throw JSONError(.tooDeep, at: at) }
    at += 1
    if try JSONScanner.token(text, &at) == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
      at += 1
      return isObject ? .object([]) : .array([])
    }
    open.append(OpenContainer(isObject: isObject))
    if isObject { try name(text, &at) }
    return nil
  }

  /// Adds a value and looks at what follows. Returns the container where it is complete.
  private mutating func add(
    _ value: JSONValue, to container: Int, _ text: Span<UInt8>, _ at: inout Int
  ) throws(JSONError) -> JSONValue? {
    open[container].add(value)
    let byte = try JSONScanner.token(text, &at)
    if byte == UInt8(ascii: ",") {
      at += 1
      if open[container].isObject { try name(text, &at) }
      return nil
    }
    guard byte == (open[container].isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
      throw JSONError(.unexpectedByte, at: at)
    }
    at += 1
    return open.removeLast().value
  }

  private mutating func name(_ text: Span<UInt8>, _ at: inout Int) throws(JSONError) {
    guard try JSONScanner.token(text, &at) == UInt8(ascii: "\"") else {
      throw JSONError(.unexpectedByte, at: at)
    }
    let start = at + 1
    let name = try string(text, &at)
    guard open[open.count - 1].take(name) || options.allowsRepeatedNames else {
      throw JSONError(.duplicateName, at: start)
    }
    guard try JSONScanner.token(text, &at) == UInt8(ascii: ":") else {
      throw JSONError(.unexpectedByte, at: at)
    }
    at += 1
  }

  private mutating func string(_ text: Span<UInt8>, _ at: inout Int) throws(JSONError) -> String {
    let start = at + 1
    guard try JSONScanner.string(text, &at) else { return String(copying: text, start..<at - 1) }
    scratch.removeAll(keepingCapacity: true)
    JSONIndex.unescape(contents: start..<at - 1, of: text, into: &scratch)
    return String(decoding: scratch, as: UTF8.self)
  }

  private func scalar(
    _ text: Span<UInt8>, _ at: inout Int, _ first: UInt8
  ) throws(JSONError) -> JSONValue {
    switch first {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
      let start = at
      try JSONScanner.number(text, &at)
      return .number(JSONNumber(checkedLiteral: String(copying: text, start..<at)))
    case UInt8(ascii: "t"):
      try JSONScanner.literal(text, &at, "true")
      return .bool(true)
    case UInt8(ascii: "f"):
      try JSONScanner.literal(text, &at, "false")
      return .bool(false)
    case UInt8(ascii: "n"):
      try JSONScanner.literal(text, &at, "null")
      return .null
    default:
      throw JSONError(.unexpectedByte, at: at)
    }
  }
}

/// An object or array whose end has not been read.
private struct OpenContainer {
  let isObject: Bool
  private var elements: [JSONValue] = []
  private var members: [JSONMember] = []
  private var name = ""
  /// Only kept for objects of many members; few are compared one by one.
  private var names: Set<[UInt8]> = []

  private static let comparedDirectly = 16

  init(isObject: Bool) { self.isObject = isObject }

  var value: JSONValue { isObject ? .object(members) : .array(elements) }

  mutating func add(_ value: JSONValue) {
    if isObject { members.append(JSONMember(name, value)) } else { elements.append(value) }
  }

  /// Notes the name of the next member. Returns false where there is one of that name.
  mutating func take(_ next: String) -> Bool {
    name = next
    guard members.count >= Self.comparedDirectly else {
      return !members.contains { $0.name.hasSameScalars(as: next) }
    }
    if names.isEmpty { names = Set(members.map { Array($0.name.utf8) }) }
    return names.insert(Array(next.utf8)).inserted
  }
}

extension String {
  /// A part of a text that is known to be valid UTF-8.
  fileprivate init(copying text: Span<UInt8>, _ range: Range<Int>) {
    let part = text.extracting(range)
    self = unsafe part.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
  }
}
