/// Rows found by a 16-byte key: an array of rows and four bytes a slot beside it, nothing else.
///
/// Public, as its rows and keys are, because what is only `package` is not compiled again for the rows of another module:
/// a tenth of the time of a report.
public struct CompactTable<Row: KeyedRow>: Sendable {
  public var rows: [Row] = []
  /// Row number plus one; 0 is free. Always a power of two, at most three quarters full.
  @usableFromInline var slots = [UInt32](repeating: 0, count: 64)

  @inlinable public init() {}

  @inlinable public func find(_ key: ContentHash) -> Int? {
    var slot = place(key)
    while slots[slot] != 0 {
      let row = Int(slots[slot]) - 1
      if rows[row].key == key { return row }
      slot = (slot + 1) & (slots.count - 1)
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

  @inlinable func place(_ key: ContentHash) -> Int { Int(truncatingIfNeeded: key.low) & (slots.count - 1) }

  @inlinable mutating func occupy(_ key: ContentHash, _ value: Int) {
    var slot = place(key)
    while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = UInt32(value)
  }

  @inlinable mutating func grow() {
    slots = [UInt32](repeating: 0, count: slots.count * 2)
    for (index, row) in rows.enumerated() { occupy(row.key, index + 1) }
  }
}

public protocol KeyedRow: Sendable {
  var key: ContentHash { get }
}
