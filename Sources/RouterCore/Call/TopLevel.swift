import Wire

/// The members of a frame, found by name; null equals absent.
struct TopLevel {
  private let members: [JSONMemberRange]

  init(_ members: [JSONMemberRange]) { self.members = members }

  func find(_ frame: Span<UInt8>, _ name: StaticString) -> JSONMemberRange? {
    // Told by its length most often: no look at the frame.
    let count = name.utf8CodeUnitCount
    for member in members where member.key.count == count || member.keyHasEscapes {
      if member.isNamed(name, in: frame) { return member.kind == .null ? nil : member }
    }
    return nil
  }

  /// - Parameter limit: The most characters (Unicode scalars) allowed; nil: any number.
  func string(_ frame: Span<UInt8>, _ name: StaticString, limit: Int? = 256) throws(FrameFault) -> String? {
    guard let member = find(frame, name) else { return nil }
    guard member.kind == .string else { throw .wrongType }
    let text = frame.string(in: member)
    // A string of at most `limit` bytes has at most so many characters: no count in the usual case.
    if let limit, text.utf8.count > limit, text.unicodeScalars.count > limit { throw .tooLong }
    return text
  }

  func bool(_ frame: Span<UInt8>, _ name: StaticString) throws(FrameFault) -> Bool? {
    guard let member = find(frame, name) else { return nil }
    guard member.kind == .bool else { throw .wrongType }
    return frame.bool(in: member.value)
  }

  /// A finite number that is not negative: milliseconds or USD.
  func number(_ frame: Span<UInt8>, _ name: StaticString) throws(FrameFault) -> Double? {
    guard let member = find(frame, name) else { return nil }
    guard member.kind == .number else { throw .wrongType }
    // Up to here every integer is a double.
    if let plain = JSONIndex.int(frame, member.value), 0...(1 << 53) ~= plain { return Double(plain) }
    guard let value = frame.tree(member.value)?.doubleValue, (0...1e15).contains(value) else {
      throw .wrongType
    }
    return value
  }

  /// A whole number that is not negative.
  func count(_ frame: Span<UInt8>, _ name: StaticString) throws(FrameFault) -> Int? {
    guard let member = find(frame, name) else { return nil }
    guard member.kind == .number, let value = frame.integer(in: member.value), value >= 0 else {
      throw .wrongType
    }
    return value
  }
}

extension Span<UInt8> {
  /// The members of an object inside a frame that was checked whole.
  func members(in range: Range<Int>, knowing strings: LongStrings) throws(FrameFault) -> [JSONMemberRange] {
    var members: [JSONMemberRange] = []
    members.reserveCapacity(8)
    do throws(JSONError) {
      try JSONIndex.members(of: self, in: range, into: &members, knowing: strings)
    } catch {
      throw error.kind == .duplicateName ? .duplicateMember : .wrongType
    }
    return members
  }

  /// The elements of an array inside a frame that was checked whole.
  func elements(in range: Range<Int>, knowing strings: LongStrings) throws(FrameFault) -> [JSONElementRange] {
    var elements: [JSONElementRange] = []
    do throws(JSONError) {
      try JSONIndex.elements(of: self, in: range, into: &elements, knowing: strings)
    } catch {
      throw .wrongType
    }
    return elements
  }
}

extension String {
  /// At most 256 characters, counted as Unicode scalars: a grapheme may be of any length.
  package func clipped() -> String {
    utf8.count <= 256 ? self : String(String.UnicodeScalarView(unicodeScalars.prefix(256)))
  }
}
