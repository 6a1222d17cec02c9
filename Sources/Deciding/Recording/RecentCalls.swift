/// The calls seen last: a second frame with the same id must not become a second decision.
///
/// Ids are kept as 128-bit hashes under keys of this process, so that 100,000 of them take few megabytes and nobody
/// outside can make two ids meet.
package struct RecentCalls: Sendable {
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

    /// Of no call.
    fileprivate static let none = Key()
    private init() { (first, second) = (0, 0) }

    /// One of the two is as good a hash as both.
    func hash(into hasher: inout Hasher) { hasher.combine(first) }
  }

  enum Mark: UInt8, Sendable { case called, answered, restored }

  package static let capacity = 100_000
  /// What is known of a call: how far it has come, and the policy's task it was decided as.
  private struct Memory {
    var mark: Mark
    /// Place in `tasks`; -1: none.
    var task: Int16 = -1
  }

  private var memories: [Key: Memory] = [:]
  /// Written at the start, so that the memory is had once and does not grow with the calls.
  private var ring = [Key](repeating: .none, count: capacity)
  private var next = 0
  /// Names of tasks, in the order in which they came.
  private var tasks: [String] = []
  private var numbers: [String: Int16] = [:]

  init() { memories.reserveCapacity(Self.capacity + 1) }

  subscript(_ key: Key) -> Mark? { memories[key]?.mark }

  /// - Returns: False where the id is known already.
  mutating func insert(_ key: Key, as mark: Mark = .called) -> Bool {
    guard memories[key] == nil else { return false }
    memories[key] = Memory(mark: mark)
    memories[ring[next]] = nil
    ring[next] = key
    next = (next + 1) % Self.capacity
    return true
  }

  mutating func answer(_ key: Key) { memories[key]?.mark = .answered }

  mutating func note(_ key: Key, as task: String?) {
    let place = task.map { number(of: $0) } ?? -1
    memories[key]?.task = place
  }

  func task(of key: Key) -> String? {
    guard let place = memories[key]?.task, place >= 0 else { return nil }
    return tasks[Int(place)]
  }

  private mutating func number(of task: String) -> Int16 {
    if let number = numbers[task] { return number }
    // Only reloads bring new names, and a policy is at most 1 MiB: after so many the task is not remembered.
    guard tasks.count < Int(Int16.max) else { return -1 }
    let number = Int16(tasks.count)
    tasks.append(task)
    numbers[task] = number
    return number
  }
}
