/// Why a state was not stored, or what was stored is of no use. Either way there is the log to read.
package enum StateFault: Error, Equatable {
  /// Cut off, changed, of another version, or the other side failed.
  case unusable
  /// This type has members that ``StoredMembers/passMembers(_:)`` does not tell of.
  case untold(String)
}

/// Something that can be written down and filled again from what was written.
package protocol Stored {
  /// What is filled when reading.
  static var blank: Self { get }

  /// Writes it, or reads it into itself.
  mutating func pass(_ state: inout StateCoder) throws(StateFault)
}

/// A value made of members: one function names them for both ways.
package protocol StoredMembers: Stored {
  /// Calls ``StateCoder/member(_:)`` for each stored property, in one order, or ``StateCoder/leaveOut()`` for what need not
  /// be kept. Whether none was forgotten is checked, so that a new property cannot be lost on the way.
  mutating func passMembers(_ state: inout StateCoder) throws(StateFault)
}

/// Writes or reads a state as blocks of bytes, each with a checksum that depends on all before it. Nothing of a block is looked
/// at before its checksum has been.
package struct StateCoder {
  /// Takes bytes; false where it failed.
  package typealias Sink = (Span<UInt8>) -> Bool
  /// Fills the whole array; false where it cannot.
  package typealias Source = (inout [UInt8]) -> Bool

  private let sink: Sink?
  private let source: Source?
  private var block: [UInt8] = []
  private var at = 0
  /// The last byte is the version of what is stored.
  private var sum: UInt64 = 0x5368_6164_6f77_3035
  private var told = 0
  private var checkedTypes: Set<ObjectIdentifier> = []

  private static let blockBytes = 256 << 10
  private static let pieceBytes = 64 << 10
  private static let headBytes = 12

  package init(writingTo sink: @escaping Sink) {
    self.sink = sink
    source = nil
  }

  package init(readingFrom source: @escaping Source) {
    sink = nil
    self.source = source
  }

  package var isReading: Bool { source != nil }

  // MARK: Members

  package mutating func member<Value: Stored>(_ value: inout Value) throws(StateFault) {
    told += 1
    try value.pass(&self)
  }

  /// Counts a property that is not stored: it says how, not what, or only saves work.
  package mutating func leaveOut() { told += 1 }

  /// Of numbers only: their bytes as they are.
  package mutating func member<Value: BitwiseCopyable>(bytesOf values: inout [Value]) throws(StateFault) {
    told += 1
    try bulk(&values)
  }

  package mutating func structure<Value: StoredMembers>(_ value: inout Value) throws(StateFault) {
    let outer = told
    told = 0
    let isFirst = checkedTypes.insert(ObjectIdentifier(Value.self)).inserted
    let labels = isFirst ? Mirror(reflecting: value).children.map { $0.label ?? "" } : []
    if isFirst {
      // Of another version's layout, nothing can be taken over.
      let layout = ContentHash(Array("\(Value.self) \(labels)".utf8).span).low
      var stored = layout
      try number(&stored)
      guard stored == layout else { throw .unusable }
    }
    try value.passMembers(&self)
    guard !isFirst || told == labels.count else { throw .untold("\(Value.self)") }
    told = outer
  }

  // MARK: Bytes

  package mutating func number<Value: BitwiseCopyable>(_ value: inout Value) throws(StateFault) {
    let size = MemoryLayout<Value>.size
    if isReading {
      while block.count - at < size { try refill() }
      unsafe block.withUnsafeBytes { value = unsafe $0.loadUnaligned(fromByteOffset: at, as: Value.self) }
      at += size
    } else {
      unsafe withUnsafeBytes(of: value) { unsafe block.append(contentsOf: $0) }
      if block.count >= Self.blockBytes { try flush() }
    }
  }

  package mutating func bulk<Value: BitwiseCopyable>(_ values: inout [Value]) throws(StateFault) {
    var count = values.count
    try number(&count)
    let stride = MemoryLayout<Value>.stride
    let pieceCount = max(1, Self.pieceBytes / stride)
    guard isReading else {
      for start in Swift.stride(from: 0, to: count, by: pieceCount) {
        let end = min(count, start + pieceCount)
        unsafe values.withUnsafeBytes { bytes in
          unsafe block.append(
            contentsOf: UnsafeRawBufferPointer(rebasing: bytes[start * stride..<end * stride]))
        }
        if block.count >= Self.blockBytes { try flush() }
      }
      return
    }
    guard (0...1 << 31).contains(count) else { throw .unusable }
    values = []
    // Not all at once: so many were only promised.
    values.reserveCapacity(min(count, 1 << 22))
    while values.count < count {
      let wanted = min(count - values.count, pieceCount)
      let bytes = try take(wanted * stride)
      values += unsafe [Value](unsafeUninitializedCapacity: wanted) { space, filled in
        unsafe bytes.withUnsafeBytes { unsafe UnsafeMutableRawBufferPointer(space).copyMemory(from: $0) }
        filled = wanted
      }
    }
  }

  private mutating func take(_ count: Int) throws(StateFault) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count < count {
      if at == block.count { try refill() }
      let taken = min(count - bytes.count, block.count - at)
      bytes.append(contentsOf: block[at..<at + taken])
      at += taken
    }
    return bytes
  }

  /// Ends a block, so that what follows can be left unread.
  package mutating func finish() throws(StateFault) {
    if !isReading { return try flush() }
    guard at == block.count else { throw .unusable }
  }

  private mutating func flush() throws(StateFault) {
    guard !block.isEmpty else { return }
    sum = Self.sum(block.span, after: sum)
    var head: [UInt8] = []
    for shift in [0, 8, 16, 24] { head.append(UInt8(truncatingIfNeeded: block.count >> shift)) }
    for shift in stride(from: 0, to: 64, by: 8) {
      head.append(UInt8(truncatingIfNeeded: sum >> UInt64(shift)))
    }
    guard let sink, sink(head.span), sink(block.span) else { throw .unusable }
    block.removeAll(keepingCapacity: true)
  }

  private mutating func refill() throws(StateFault) {
    guard let source else { throw .unusable }
    var head = [UInt8](repeating: 0, count: Self.headBytes)
    guard source(&head) else { throw .unusable }
    let count = head[0..<4].reversed().reduce(0) { $0 << 8 | Int($1) }
    let stated = head[4..<12].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard 1...(2 * Self.blockBytes) ~= count else { throw .unusable }
    // A value may lie across two blocks; mostly nothing is left, and the same memory serves again.
    let rest = Array(block[at...])
    at = 0
    if block.count > count { block.removeLast(block.count - count) }
    block.append(contentsOf: repeatElement(0, count: count - block.count))
    guard source(&block) else { throw .unusable }
    sum = Self.sum(block.span, after: sum)
    guard sum == stated else { throw .unusable }
    if !rest.isEmpty { block.insert(contentsOf: rest, at: 0) }
  }

  /// Four words at a time, each on its own: a step can be undone, so that no change of one word goes unseen.
  private static func sum(_ bytes: Span<UInt8>, after seed: UInt64) -> UInt64 {
    var (one, two, three, four) = (seed, seed &+ 1, seed &+ 2, seed &+ 3)
    var at = 0
    while at + 32 <= bytes.count {
      step(&one, word(bytes, at))
      step(&two, word(bytes, at + 8))
      step(&three, word(bytes, at + 16))
      step(&four, word(bytes, at + 24))
      at += 32
    }
    var total = UInt64(bytes.count)
    for lane in [one, two, three, four] { step(&total, lane) }
    while at < bytes.count {
      step(&total, UInt64(bytes[at]))
      at += 1
    }
    return total
  }

  @inline(__always)
  private static func word(_ bytes: Span<UInt8>, _ at: Int) -> UInt64 {
    // Inside by the loop's bound.
    unsafe bytes.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self)
  }

  @inline(__always)
  private static func step(_ sum: inout UInt64, _ word: UInt64) {
    sum = (sum ^ word) &* 0x9e37_79b9_7f4a_7c15
    sum ^= sum >> 32
  }
}

extension StoredMembers {
  package mutating func pass(_ state: inout StateCoder) throws(StateFault) { try state.structure(&self) }
}

// MARK: - Simple values

extension Int: Stored {}
extension Int64: Stored {}
extension UInt64: Stored {}
extension Double: Stored {}
extension Stored where Self: FixedWidthInteger & BitwiseCopyable {
  package static var blank: Self { 0 }
  package mutating func pass(_ state: inout StateCoder) throws(StateFault) { try state.number(&self) }
}
extension Stored where Self: BinaryFloatingPoint & BitwiseCopyable {
  package static var blank: Self { 0 }
  package mutating func pass(_ state: inout StateCoder) throws(StateFault) { try state.number(&self) }
}

extension Bool: Stored {
  package static var blank: Bool { false }
  package mutating func pass(_ state: inout StateCoder) throws(StateFault) {
    var number: UInt8 = self ? 1 : 0
    try state.number(&number)
    self = number == 1
  }
}

extension String: Stored {
  package static var blank: String { "" }
  package mutating func pass(_ state: inout StateCoder) throws(StateFault) {
    var bytes = Array(utf8)
    try state.bulk(&bytes)
    if state.isReading { self = String(decoding: bytes, as: UTF8.self) }
  }
}

extension Stored where Self: RawRepresentable<String> {
  package mutating func pass(_ state: inout StateCoder) throws(StateFault) {
    var word = rawValue
    try word.pass(&state)
    guard let value = Self(rawValue: word) else { throw .unusable }
    self = value
  }
}

extension Optional: Stored where Wrapped: Stored {
  package static var blank: Wrapped? { nil }
  package mutating func pass(_ state: inout StateCoder) throws(StateFault) {
    var isThere = self != nil
    try isThere.pass(&state)
    guard isThere else {
      self = nil
      return
    }
    // Spelled out: `.blank` alone would be the optional's own.
    var value: Wrapped = self ?? Wrapped.blank
    try value.pass(&state)
    self = .some(value)
  }
}

extension Array: Stored where Element: Stored {
  package static var blank: [Element] { [] }
  package mutating func pass(_ state: inout StateCoder) throws(StateFault) {
    var count = count
    try count.pass(&state)
    guard state.isReading else {
      for element in self {
        var element = element
        try element.pass(&state)
      }
      return
    }
    guard (0...1 << 31).contains(count) else { throw .unusable }
    self = []
    for _ in 0..<count {
      var element = Element.blank
      try element.pass(&state)
      append(element)
    }
  }
}

extension Dictionary: Stored where Key: Stored & Comparable, Value: Stored {
  package static var blank: [Key: Value] { [:] }
  package mutating func pass(_ state: inout StateCoder) throws(StateFault) {
    var keys = keys.sorted()
    try keys.pass(&state)
    guard state.isReading else {
      for key in keys {
        var value: Value = self[key] ?? Value.blank
        try value.pass(&state)
      }
      return
    }
    self = [:]
    for key in keys {
      var value: Value = .blank
      try value.pass(&state)
      self[key] = value
    }
  }
}

extension Set: Stored where Element: Stored & Comparable {
  package static var blank: Set<Element> { [] }
  package mutating func pass(_ state: inout StateCoder) throws(StateFault) {
    var elements = sorted()
    try elements.pass(&state)
    self = Set(elements)
  }
}

// MARK: - What folds are made of

extension ContentHash: Stored, Comparable {
  package static var blank: ContentHash {
    let nothing: [UInt8] = []
    return ContentHash(nothing.span)
  }
  public static func < (left: Self, right: Self) -> Bool { (left.high, left.low) < (right.high, right.low) }
  package mutating func pass(_ state: inout StateCoder) throws(StateFault) { try state.number(&self) }
}

extension StateCoder {
  /// Of rows that are numbers only.
  package mutating func member<Row: KeyedRow & BitwiseCopyable>(table: inout CompactTable<Row>)
    throws(StateFault)
  {
    told += 1
    try table.pass(&self)
  }
}

extension CompactTable where Row: BitwiseCopyable {
  fileprivate mutating func pass(_ state: inout StateCoder) throws(StateFault) {
    var (rows, slots) = (rows, slots)
    try rows.pass(&state)
    try state.bulk(&slots)
    guard state.isReading else { return }
    guard let table = Self(rows: rows, slots: slots) else { throw .unusable }
    self = table
  }
}

extension RowList where Row: BitwiseCopyable {
  fileprivate mutating func pass(_ state: inout StateCoder) throws(StateFault) {
    var count = pieces.count
    try count.pass(&state)
    guard state.isReading else {
      for piece in pieces {
        var piece = piece
        try state.bulk(&piece)
      }
      return
    }
    self = Self()
    for number in 0..<Swift.max(0, count) {
      var piece: [Row] = []
      try state.bulk(&piece)
      // All are full but the last.
      guard !piece.isEmpty, piece.count <= Self.pieceCount, self.count == number * Self.pieceCount else {
        throw .unusable
      }
      add(piece)
    }
  }

  private mutating func add(_ piece: [Row]) {
    pieces.append(piece)
    count += piece.count
  }
}

extension Interner: Stored {
  /// Takes the limit of whatever it is read into.
  package static var blank: Interner { Interner(limit: 0) }
  package mutating func pass(_ state: inout StateCoder) throws(StateFault) {
    var texts = texts
    try texts.pass(&state)
    if state.isReading { self = restored(texts) }
  }
}
