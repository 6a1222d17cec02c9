/// Takes numbers from the front of a model file, never past its end.
struct BuiltInReader {
  private let source: [UInt8]
  private var place: Int
  /// Where reading must stop, at most the number of bytes.
  var end: Int

  init(_ bytes: [UInt8], from start: Int) {
    source = bytes
    place = start
    end = bytes.count
  }

  var left: Int { end - place }
  var atEnd: Bool { place == end }

  mutating func u8() throws(BuiltInModelError) -> UInt8 {
    guard place < end else { throw .damaged }
    defer { place += 1 }
    return source[place]
  }

  mutating func u16() throws(BuiltInModelError) -> UInt16 {
    let low = UInt16(try u8())
    return UInt16(try u8()) << 8 | low
  }

  mutating func u32() throws(BuiltInModelError) -> UInt32 {
    let low = UInt32(try u16())
    return UInt32(try u16()) << 16 | low
  }

  /// A number inside `range`; NaN and infinities never are.
  mutating func float(in range: ClosedRange<Float>, _ what: String) throws(BuiltInModelError) -> Float {
    let value = Float(bitPattern: try u32())
    guard range.contains(value) else { throw .malformed(what) }
    return value
  }

  mutating func varint() throws(BuiltInModelError) -> UInt32 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 35, by: 7) {
      let byte = try u8()
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 {
        guard let exact = UInt32(exactly: value) else { throw .malformed("number range") }
        return exact
      }
    }
    throw .malformed("number length")
  }

  mutating func bytes(_ count: Int) throws(BuiltInModelError) -> [UInt8] {
    guard count <= left else { throw .damaged }
    defer { place += count }
    return Array(source[place..<place + count])
  }
}
