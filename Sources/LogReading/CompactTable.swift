/// Rows found by the hash of an id: the rows, and four bytes a slot beside them, nothing else.
public struct CompactTable<Row: KeyedRow>: Sendable {
  public var rows = RowList<Row>()
  /// Row number plus one, above it bits of the key; 0 is free. At most four fifths are full, and the numbers leave room for bits of
  /// the key: a slot of another key is mostly told without looking at its row.
  public var slots = [UInt32](repeating: 0, count: 64)

  @inlinable public func find(_ key: ContentHash) -> Int? { find(key.low) { $0.stands(for: key) } }

  /// - Parameters:
  ///   - low: As ``RowKey/low``: the upper 55 bits are looked at.
  ///   - isSame: Asked of keys that may be it.
  @inlinable public func find(_ low: UInt64, where isSame: (Row.Key) -> Bool) -> Int? {
    let mask = Self.numberMask(slots.count)
    let tag = Self.tag(low) & ~mask
    var slot = Self.home(low, slots.count)
    while slots[slot] != 0 {
      let value = slots[slot]
      if value & ~mask == tag {
        let row = Int(value & mask) - 1
        if row >= 0, row < rows.count, isSame(rows[row].key) { return row }
      }
      slot += 1
      if slot == slots.count { slot = 0 }
    }
    return nil
  }

  /// Adds a row whose key is not there yet.
  ///
  /// - Returns: Its number, which stays.
  @inlinable public mutating func insert(_ row: Row) -> Int {
    if (rows.count + 1) * 5 > slots.count * 4 { grow() }
    rows.append(row)
    occupy(row.key, rows.count)
    return rows.count - 1
  }

  @inlinable public subscript(number: Int) -> Row {
    get { rows[number] }
    _modify { yield &rows[number] }
  }

  /// Those bits of a slot that hold the number of a row.
  @inlinable public static func numberMask(_ count: Int) -> UInt32 {
    UInt32.max >> UInt32(UInt32(truncatingIfNeeded: count).leadingZeroBitCount)
  }

  /// Bits of a key that its place says little of.
  @inlinable public static func tag(_ low: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: low >> 9) }

  /// Where a key is looked for first.
  @inlinable public static func home(_ low: UInt64, _ count: Int) -> Int {
    Int(truncatingIfNeeded: ((low >> 32) &* UInt64(truncatingIfNeeded: count)) >> 32)
  }

  @inlinable public mutating func occupy(_ key: Row.Key, _ value: Int) {
    var slot = Self.home(key.low, slots.count)
    while slots[slot] != 0 {
      slot += 1
      if slot == slots.count { slot = 0 }
    }
    slots[slot] = Self.tag(key.low) & ~Self.numberMask(slots.count) | UInt32(value)
  }

  /// By a quarter: with millions of rows, what stands empty counts more than the time to place them again.
  @inlinable public mutating func grow() {
    // The old ones go first, so that both are never there together.
    let count = slots.count + slots.count / 4
    slots = []
    slots = [UInt32](repeating: 0, count: count)
    for (index, row) in rows.enumerated() { occupy(row.key, index + 1) }
  }

  @inlinable public init() {}

  /// What was stored; nil where the parts do not belong together.
  @inlinable public init?(rows: RowList<Row>, slots: [UInt32]) {
    let mask = Self.numberMask(slots.count)
    guard slots.count >= 64, slots.count <= UInt32.max >> 1, rows.count * 5 <= slots.count * 4,
      slots.allSatisfy({ $0 & mask <= UInt32(rows.count) }), slots.contains(0)
    else { return nil }
    (self.rows, self.slots) = (rows, slots)
  }
}

/// An array that grows without being copied: in pieces.
///
/// What is generic here is public, to be inlinable: the compiler specialises nothing of another module that is only `package`, and
/// every step would go through tables of types, four times as slow.
public struct RowList<Row: Sendable>: RandomAccessCollection, Sendable {
  @inlinable public init() {}

  public var pieces: [[Row]] = []
  public var count = 0

  @inlinable public static var bits: Int { 12 }
  @inlinable public static var pieceCount: Int { 1 << bits }

  @inlinable public var startIndex: Int { 0 }
  @inlinable public var endIndex: Int { count }

  @inlinable public subscript(number: Int) -> Row {
    get { pieces[number >> Self.bits][number & (Self.pieceCount - 1)] }
    _modify { yield &pieces[number >> Self.bits][number & (Self.pieceCount - 1)] }
  }

  @inlinable public mutating func append(_ row: Row) {
    let piece = count >> Self.bits
    if piece == pieces.count {
      pieces.append([])
      // The first grows as it needs to: most tables are small.
      if piece > 0 { pieces[piece].reserveCapacity(Self.pieceCount) }
    }
    pieces[piece].append(row)
    count += 1
  }
}

/// What a row is found by.
public protocol RowKey: Sendable {
  /// Of a hash: the upper 55 bits as they are.
  var low: UInt64 { get }
  func stands(for hash: ContentHash) -> Bool
}

extension ContentHash: RowKey {
  @inlinable public func stands(for hash: ContentHash) -> Bool { self == hash }
}

/// Half a ``ContentHash``, where there may be millions of rows: that two of two million ids share one has a chance of 1e-7.
public struct ShortKey: RowKey, BitwiseCopyable {
  public let low: UInt64

  @inlinable public init(_ hash: ContentHash) { low = hash.low }

  /// - Parameter low: As ``ContentHash/short`` of an id.
  @inlinable public init(low: UInt64) { self.low = low }

  @inlinable public func stands(for hash: ContentHash) -> Bool { low == hash.low }
}

public protocol KeyedRow: Sendable {
  associatedtype Key: RowKey
  var key: Key { get }
}
