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
  /// What is known of a call: how far it has come, and the policy's task it was decided as.
  private struct Memory {
    var mark: Mark
    var task: String?
  }

  private var memories: [Key: Memory] = [:]
  private var ring: [Key] = []
  private var next = 0

  init() {
    memories.reserveCapacity(Self.capacity + 1)
    ring.reserveCapacity(Self.capacity)
  }

  subscript(_ key: Key) -> Mark? { memories[key]?.mark }

  /// - Returns: False where the id is known already.
  mutating func insert(_ key: Key, as mark: Mark = .called) -> Bool {
    guard memories[key] == nil else { return false }
    memories[key] = Memory(mark: mark)
    if ring.count < Self.capacity {
      ring.append(key)
    } else {
      memories[ring[next]] = nil
      ring[next] = key
      next = (next + 1) % Self.capacity
    }
    return true
  }

  mutating func answer(_ key: Key) { memories[key]?.mark = .answered }

  mutating func decide(_ key: Key, as task: String?) { memories[key]?.task = task }

  func task(of key: Key) -> String? { memories[key]?.task }
}
