import Wire

/// The three readers of JSON accept the same texts and see the same in them; what is written is read back.
enum JSONTarget {
  static func check(_ text: [UInt8]) throws(Finding) {
    let strict = parsed(text, JSONOptions())
    let lenient = parsed(text, JSONOptions(allowsRepeatedNames: true))
    var members: [JSONMemberRange] = []
    var strings = LongStrings()
    let indexFault = indexFault(text, &members, &strings)
    try compareFaults(index: indexFault, tree: lenient.fault, strict: strict.fault)
    if let tree = strict.value {
      try checkWriting(tree)
      try checkNumbers(tree)
      if tree.members != nil {
        let seen = seenByIndex(text, 0..<text.count, .object, strings)
        try require(seen == tree, "the index sees another tree")
      }
      try checkPrefix(text, tree)
    }
    try checkOutline(text, isObject: indexFault == nil)
    // Places that hold no checked string give some bytes or none.
    var unescaped: [UInt8] = []
    JSONIndex.unescape(text.span, 0..<text.count, into: &unescaped)
    try require(unescaped.count <= text.count, "unescaping made a text longer")
  }

  /// A tree, or why there is none.
  private struct Parsed {
    var value: JSONValue?
    var fault: JSONError?
  }

  private static func parsed(_ text: [UInt8], _ options: JSONOptions) -> Parsed {
    do throws(JSONError) {
      return Parsed(value: try JSONValue(parsing: text, options: options))
    } catch {
      return Parsed(fault: error)
    }
  }

  private static func indexFault(
    _ text: [UInt8], _ members: inout [JSONMemberRange], _ strings: inout LongStrings
  ) -> JSONError? {
    do throws(JSONError) {
      try JSONIndex.members(of: text.span, into: &members, noting: &strings)
      return nil
    } catch {
      return error
    }
  }

  private static func compareFaults(index: JSONError?, tree: JSONError?, strict: JSONError?) throws(Finding) {
    // The index alone wants an object, and looks for repeated names among the outermost members.
    let isOwnRule = index?.kind == .notAnObject || index?.kind == .duplicateName
    try require(index == tree || isOwnRule, "the index says \(index as Any), the tree \(tree as Any)")
    if tree != nil { try require(strict != nil, "strict reading accepts what lenient reading refuses") }
    if index?.kind == .duplicateName { try require(strict != nil, "a repeated name is accepted") }
  }

  /// The tree, read through the index at every level.
  private static func seenByIndex(
    _ text: [UInt8], _ value: Range<Int>, _ kind: JSONKind, _ strings: LongStrings
  ) -> JSONValue? {
    switch kind {
    case .string: return .string(JSONIndex.string(text.span, value))
    case .null, .bool, .number: return try? JSONValue(parsing: Array(text[value]))
    case .array:
      var elements: [JSONElementRange] = []
      guard (try? JSONIndex.elements(of: text.span, in: value, into: &elements, knowing: strings)) != nil
      else {
        return nil
      }
      let values = elements.compactMap { seenByIndex(text, $0.value, $0.kind, strings) }
      return values.count == elements.count ? .array(values) : nil
    case .object:
      var members: [JSONMemberRange] = []
      guard (try? JSONIndex.members(of: text.span, in: value, into: &members, knowing: strings)) != nil else {
        return nil
      }
      let values = members.compactMap { member in
        seenByIndex(text, member.value, member.kind, strings).map {
          JSONMember(text.span.key(of: member), $0)
        }
      }
      return values.count == members.count ? .object(values) : nil
    }
  }

  private static func checkWriting(_ tree: JSONValue) throws(Finding) {
    let written = tree.jsonBytes
    guard let again = parsed(written, JSONOptions()).value else {
      throw Finding("what was written is refused")
    }
    try require(again == tree, "what was written is read as another tree")
    try require(again.jsonBytes == written, "writing again gives other bytes")
    let canonical = tree.canonicalBytes
    guard let same = parsed(canonical, JSONOptions()).value else {
      throw Finding("the canonical form is refused")
    }
    try require(same == tree, "the canonical form is another tree")
    try require(same.canonicalBytes == canonical, "the canonical form of the canonical form is another")
  }

  private static func checkPrefix(_ text: [UInt8], _ tree: JSONValue) throws(Finding) {
    guard let first = try? JSONValue.parsePrefix(text) else {
      throw Finding("a whole text has no first value")
    }
    try require(first.value == tree && first.end <= text.count, "the first value of a text of one is another")
  }

  private static func checkNumbers(_ tree: JSONValue) throws(Finding) {
    var numbers: [JSONNumber] = []
    collect(tree, into: &numbers)
    for number in numbers {
      let literal = Array(number.literal.utf8)
      if let plain = JSONIndex.int(literal.span, 0..<literal.count) {
        try require(number.int == plain, "\(number) is read as \(plain)")
      }
      if let whole = number.int {
        try require(JSONNumber(whole) == number && number.isIntegral, "\(number) is not the integer \(whole)")
      }
      if number.double.isFinite, let back = JSONNumber(number.double) {
        try require(back.double == number.double, "\(number) does not survive as a double")
      }
    }
    for (one, other) in zip(numbers, numbers.dropFirst()) {
      let isLess = one < other
      try require(!(isLess && other < one), "\(one) and \(other) are each less than the other")
      try require(!(isLess && one == other), "\(one) is less than its equal \(other)")
      if isLess { try require(one.double <= other.double, "\(one) < \(other), but not as doubles") }
      _ = one.isMultiple(of: other)
    }
  }

  private static func collect(_ tree: JSONValue, into numbers: inout [JSONNumber]) {
    switch tree {
    case .number(let number): numbers.append(number)
    case .array(let elements): for element in elements { collect(element, into: &numbers) }
    case .object(let members): for member in members { collect(member.value, into: &numbers) }
    case .null, .bool, .string: break
    }
  }

  // MARK: - Outlines

  private static let asked = ["a", "kind", "call_id", "v", "n", "list"]
  private static let known = [
    #"{"v":1,"kind":"a","call_id":"b","n":2,"list":[1,2]}"#, #"{"a":{"b":1},"v":"","kind":null}"#,
  ]

  /// The reader of lines that keep coming alike accepts what the index does, also once it has learned a shape.
  private static func checkOutline(_ text: [UInt8], isObject: Bool) throws(Finding) {
    var outline = JSONOutline(asked)
    for line in known { _ = outline.read(Array(line.utf8).span) }
    for time in 0..<3 {
      try require(outline.read(text.span) == isObject, "the outline judges otherwise, time \(time)")
      guard isObject else { continue }
      var members: [JSONMemberRange] = []
      try? JSONIndex.members(of: text.span, into: &members)
      for (number, name) in asked.enumerated() {
        let place = outline.places[number]
        let seen = place.reading == outline.reading ? place.range : nil
        let there = members.first { !$0.keyHasEscapes && text.span.key(of: $0) == name }?.value
        try require(seen == there, "the outline finds \(name) elsewhere, time \(time)")
      }
    }
  }
}
