/// The calls seen last: a second frame with the same id must not become a second decision.
///
/// Ids are kept as 128-bit hashes under keys of this process, so that 100,000 of them take few megabytes and nobody
/// outside can make two ids meet.
struct RecentCalls: Sendable {
  struct Key: Hashable, Sendable {
    private let first: Int
    private let second: Int

    init(_ id: String) {
      var hasher = Hasher()
      hasher.combine(id)
      first = hasher.finalize()
      hasher = Hasher()
      hasher.combine(0x5EED)
      hasher.combine(id)
      second = hasher.finalize()
    }

    /// One of the two is as good a hash as both.
    func hash(into hasher: inout Hasher) { hasher.combine(first) }
  }

  enum Mark: UInt8, Sendable { case called, answered, restored }

  static let capacity = 100_000
  private var marks: [Key: Mark] = [:]
  private var ring: [Key] = []
  private var next = 0

  init() {
    marks.reserveCapacity(Self.capacity + 1)
    ring.reserveCapacity(Self.capacity)
  }

  subscript(_ key: Key) -> Mark? { marks[key] }

  /// - Returns: False where the id is known already.
  mutating func insert(_ key: Key, as mark: Mark = .called) -> Bool {
    guard marks[key] == nil else { return false }
    marks[key] = mark
    if ring.count < Self.capacity {
      ring.append(key)
    } else {
      marks[ring[next]] = nil
      ring[next] = key
      next = (next + 1) % Self.capacity
    }
    return true
  }

  mutating func answer(_ key: Key) { if marks[key] != nil { marks[key] = .answered } }
}
