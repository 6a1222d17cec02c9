/// Where one member's value stands, as ``JSONOutline`` found it.
package struct JSONPlace: Sendable {
  /// The whole value; of a string with its quotes.
  package var start: Int32
  package var end: Int32
  /// Of which reading this is.
  package var reading: UInt32
  package var kind: JSONKind
  /// Whether the value is a string that holds escapes.
  package var hasEscapes: Bool

  package var range: Range<Int> { Int(start)..<Int(end) }
}

/// Reads objects that keep coming with the same members in the same order, as the lines of a log do.
///
/// It remembers, as a tree, in which orders names came. A member's name is compared with the one that came in this
/// place before; while all of them fit, nothing is looked up, and no name can be repeated, because the object from which
/// the order was learned had none. Where an object leaves the known orders ``JSONIndex/members(of:into:)`` reads it and its
/// order is learned. So exactly those texts are accepted that that function accepts.
package struct JSONOutline: Sendable {
  /// By number of a name that was asked for; valid where ``JSONPlace/reading`` is ``reading``.
  package private(set) var places: [JSONPlace]
  package private(set) var reading: UInt32 = 0

  private let numbers: [[UInt8]: Int16]
  private var nodes: [Node] = []
  /// Names as they stand in a text: quotes and colon with them, one after another.
  private var names: [UInt8] = []
  /// By node, the last object or array that stood there.
  private var containers: [[UInt8]] = []
  private var members: [JSONMemberRange] = []

  private struct Node: Sendable {
    var name: Int32
    var nameCount: Int32
    /// Of a name that was asked for, its number; else −1.
    var number: Int16
    /// What may come next, and what may come instead of this; −1: nothing.
    var next: Int32 = -1
    var other: Int32 = -1
  }

  /// Past this many, orders are no longer learned: senders do not choose the members of a record, but a damaged log may.
  private static let nodeLimit = 4_096
  /// Ways to go on from one place.
  private static let otherLimit = 32
  private static let containerLimit = 1_024

  /// - Parameter names: What ``places`` tells of, in its order; no two alike.
  package init(_ names: [String]) {
    var numbers: [[UInt8]: Int16] = [:]
    for (number, name) in names.enumerated() { numbers[Array(name.utf8)] = Int16(number) }
    self.numbers = numbers
    let none = JSONPlace(start: 0, end: 0, reading: 0, kind: .null, hasEscapes: false)
    places = Array(repeating: none, count: names.count)
  }

  /// Finds the members of a text that is exactly one object. Of a name that was asked for and is spelled with escapes
  /// nothing is said.
  ///
  /// - Returns: False where the text is no such object; ``places`` then hold nothing of use.
  package mutating func read(_ text: Span<UInt8>) -> Bool {
    begin()
    if follow(text) { return true }
    // The members found so far are found again.
    guard (try? JSONIndex.members(of: text, into: &members)) != nil else { return false }
    begin()
    for member in members {
      guard !member.keyHasEscapes, let number = number(of: text.extracting(member.key)) else { continue }
      set(number, member.value.lowerBound, member.value.upperBound, member.kind, member.hasEscapes)
    }
    learn(text)
    return true
  }

  private mutating func begin() {
    // Wrapping round would make places of 2³² readings ago valid again.
    if reading == .max {
      for index in places.indices { places[index].reading = 0 }
      reading = 0
    }
    reading += 1
  }

  private func number(of name: Span<UInt8>) -> Int? {
    numbers[unsafe name.withUnsafeBufferPointer { unsafe Array($0) }].map { Int($0) }
  }

  @inline(__always)
  private mutating func set(_ number: Int, _ start: Int, _ end: Int, _ kind: JSONKind, _ hasEscapes: Bool) {
    places[number] = JSONPlace(
      start: Int32(truncatingIfNeeded: start), end: Int32(truncatingIfNeeded: end), reading: reading,
      kind: kind,
      hasEscapes: hasEscapes)
  }

  // MARK: The known way

  /// - Returns: False where the text leaves the known orders, or has any fault.
  private mutating func follow(_ text: Span<UInt8>) -> Bool {
    guard text.count >= 2, text.count <= Int32.max, text[0] == UInt8(ascii: "{"), !nodes.isEmpty else {
      return false
    }
    var at = 1
    var node = 0
    while true {
      guard let here = match(text, at, from: node) else { return false }
      let number = Int(nodes[here].number)
      at &+= Int(nodes[here].nameCount)
      guard at < text.count else { return false }
      let start = at
      guard let value = value(text, &at, here) else { return false }
      if number >= 0 { set(number, start, at, value.kind, value.hasEscapes) }
      guard at < text.count else { return false }
      if text[at] == UInt8(ascii: ",") {
        at &+= 1
        node = Int(nodes[here].next)
        guard node >= 0 else { return false }
      } else {
        return text[at] == UInt8(ascii: "}") && at &+ 1 == text.count
      }
    }
  }

  /// The node among `first` and its others whose name stands at `at`.
  @inline(__always)
  private func match(_ text: Span<UInt8>, _ at: Int, from first: Int) -> Int? {
    var node = first
    while node >= 0 {
      let name = Int(nodes[node].name)
      if isSame(names.span, name, text, at, Int(nodes[node].nameCount)) { return node }
      node = Int(nodes[node].other)
    }
    return nil
  }

  /// Whether `count` bytes are the same in both, also where `text` ends before.
  @inline(__always)
  private func isSame(_ own: Span<UInt8>, _ start: Int, _ text: Span<UInt8>, _ at: Int, _ count: Int) -> Bool
  {
    guard at &+ count <= text.count, start &+ count <= own.count else { return false }
    var offset = 0
    while offset &+ 8 <= count {
      if ByteWords.load(own, start &+ offset) != ByteWords.load(text, at &+ offset) { return false }
      offset &+= 8
    }
    if offset == count { return true }
    if count >= 8 {
      // Once more a whole word, which overlaps the one before.
      let last = count &- 8
      return ByteWords.load(own, start &+ last) == ByteWords.load(text, at &+ last)
    }
    while offset < count {
      if own[start &+ offset] != text[at &+ offset] { return false }
      offset &+= 1
    }
    return true
  }

  @inline(__always)
  private mutating func value(
    _ text: Span<UInt8>, _ at: inout Int, _ node: Int
  ) -> (kind: JSONKind, hasEscapes: Bool)? {
    let first = text[at]
    do throws(JSONError) {
      switch first {
      case UInt8(ascii: "\""):
        return (.string, try JSONScanner.string(text, &at))
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
        try JSONScanner.number(text, &at)
        return (.number, false)
      case UInt8(ascii: "n"):
        try JSONScanner.literal(text, &at, "null")
        return (.null, false)
      case UInt8(ascii: "t"):
        try JSONScanner.literal(text, &at, "true")
        return (.bool, false)
      case UInt8(ascii: "f"):
        try JSONScanner.literal(text, &at, "false")
        return (.bool, false)
      case UInt8(ascii: "["):
        try container(text, &at, node)
        return (.array, false)
      case UInt8(ascii: "{"):
        try container(text, &at, node)
        return (.object, false)
      default: return nil
      }
    } catch {
      return nil
    }
  }

  /// An object or array: of one that stood in this place before, byte for byte, nothing needs to be checked again.
  private mutating func container(_ text: Span<UInt8>, _ at: inout Int, _ node: Int) throws(JSONError) {
    let known = containers[node]
    if known.count > 0, isSame(known.span, 0, text, at, known.count) {
      at &+= known.count
      return
    }
    let start = at
    try JSONIndex.skipContainer(text, &at)
    guard at &- start <= Self.containerLimit else { return }
    containers[node].removeAll(keepingCapacity: true)
    containers[node].append(copying: text, start..<at)
  }

  // MARK: Learning

  /// Remembers the order of ``members``.
  private mutating func learn(_ text: Span<UInt8>) {
    var last = -1
    for member in members {
      // Only what is written without spaces and escapes can come again in just these bytes.
      let (start, end) = (member.key.lowerBound - 1, member.key.upperBound + 2)
      guard !member.keyHasEscapes, end == member.value.lowerBound else { return }
      let first = last < 0 ? (nodes.isEmpty ? -1 : 0) : Int(nodes[last].next)
      if let known = match(text, start, from: first) {
        last = known
        continue
      }
      guard
        let added = add(
          text, start..<end, number(of: text.extracting(member.key)), after: last, beside: first)
      else { return }
      last = added
    }
  }

  private mutating func add(
    _ text: Span<UInt8>, _ name: Range<Int>, _ number: Int?, after last: Int, beside first: Int
  ) -> Int? {
    guard nodes.count < Self.nodeLimit, name.count < 1_024 else { return nil }
    let node = nodes.count
    if first >= 0 {
      var end = first
      var others = 1
      while nodes[end].other >= 0 {
        end = Int(nodes[end].other)
        others += 1
      }
      guard others < Self.otherLimit else { return nil }
      nodes[end].other = Int32(node)
    } else if last >= 0 {
      nodes[last].next = Int32(node)
    }
    nodes.append(Node(name: Int32(names.count), nameCount: Int32(name.count), number: Int16(number ?? -1)))
    names.append(copying: text, name)
    containers.append([])
    return node
  }
}
