/// Rows found by the hash of an id: the rows, and four bytes a slot beside them, nothing else.
public struct CompactTable<Row: KeyedRow>: Sendable {
  public var rows = RowList<Row>()
  /// Row number plus one, above it bits of the key; 0 is free. Always a power of two, at most three quarters full, so
  /// that the numbers leave room for the bits: a slot of another key is told without looking at its row.
  public var slots = [UInt32](repeating: 0, count: 64)

  @inlinable public func find(_ key: ContentHash) -> Int? {
    let mask = slots.count - 1
    let tag = Self.tag(key.low, mask)
    var slot = Int(truncatingIfNeeded: key.low) & mask
    while slots[slot] != 0 {
      let value = slots[slot]
      if value & ~UInt32(truncatingIfNeeded: mask) == tag {
        let row = Int(value & UInt32(truncatingIfNeeded: mask)) - 1
        if row >= 0, rows[row].key.stands(for: key) { return row }
      }
      slot = (slot + 1) & mask
    }
    return nil
  }

  /// Adds a row whose key is not there yet.
  ///
  /// - Returns: Its number, which stays.
  @inlinable public mutating func insert(_ row: Row) -> Int {
    if (rows.count + 1) * 4 > slots.count * 3 { grow() }
    rows.append(row)
    occupy(row.key, rows.count)
    return rows.count - 1
  }

  @inlinable public subscript(number: Int) -> Row {
    get { rows[number] }
    _modify { yield &rows[number] }
  }

  /// The key's upper bits where a slot has room for them.
  @inlinable public static func tag(_ key: UInt64, _ mask: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: key >> 32) & ~UInt32(truncatingIfNeeded: mask)
  }

  @inlinable public mutating func occupy(_ key: Row.Key, _ value: Int) {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: key.low) & mask
    while slots[slot] != 0 { slot = (slot + 1) & mask }
    slots[slot] = Self.tag(key.low, mask) | UInt32(value)
  }

  @inlinable public mutating func grow() {
    // The old ones go first, so that both are never there together.
    let count = slots.count * 2
    slots = []
    slots = [UInt32](repeating: 0, count: count)
    for (index, row) in rows.enumerated() { occupy(row.key, index + 1) }
  }

  @inlinable public init() {}

  /// What was stored; nil where the parts do not belong together.
  @inlinable public init?(rows: RowList<Row>, slots: [UInt32]) {
    let mask = UInt32(truncatingIfNeeded: slots.count - 1)
    guard slots.count >= 64, slots.count & (slots.count - 1) == 0, rows.count * 4 <= slots.count * 3,
      slots.allSatisfy({ $0 & mask <= UInt32(rows.count) })
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

  @inlinable public func stands(for hash: ContentHash) -> Bool { low == hash.low }
}

public protocol KeyedRow: Sendable {
  associatedtype Key: RowKey
  var key: Key { get }
}
