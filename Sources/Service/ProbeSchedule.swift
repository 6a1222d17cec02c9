import RouterCore

/// Which model is to be probed next, and why. Time is given, never read: monotonic nanoseconds.
struct ProbeSchedule: Sendable {
  /// What brought a probe about; the words of the record's `by`.
  enum Trigger: String, CaseIterable, Sendable { case start, reload, recovery, timer }

  /// A model as it stands now.
  struct Model: Sendable {
    let id: String
    /// Another one where a reload built the model's pool anew.
    let pool: ObjectIdentifier
    let breakerIsClosed: Bool
  }

  static let interval: UInt64 = 600_000_000_000
  /// Within it a reload does not ask a model again that it left as it was.
  static let freshness: UInt64 = 60_000_000_000
  /// What a probe came to: all found out; no server to ask; asked, and no answer.
  enum Ending: Sendable { case whole, noServer, noAnswer }

  /// Before another try; doubled with each further one, up to ``interval``. A model that is loaded by the first ask may
  /// take longer than that ask.
  private static func firstPause(_ ending: Ending) -> UInt64 {
    switch ending {
    case .whole: interval
    case .noServer: 5_000_000_000
    case .noAnswer: 60_000_000_000
    }
  }

  private struct Entry {
    var pool: ObjectIdentifier
    var last: UInt64?
    var due: UInt64
    var by: Trigger
    var wasOpen = false
    /// Probes in a row that could not find out all.
    var misses: UInt64 = 0

    mutating func want(_ trigger: Trigger, at now: UInt64) {
      // A due probe keeps the reason that it is already waited for with.
      guard due > now else { return }
      (due, by) = (now, trigger)
    }
  }

  private var entries: [String: Entry] = [:]
  private var generation: Int?

  init() {}

  /// The model to probe now; never one whose breaker is not closed.
  mutating func next(_ models: [Model], generation: Int, now: UInt64) -> (id: String, by: Trigger)? {
    let isReload = self.generation != nil && self.generation != generation
    let first: Trigger = self.generation == nil ? .start : .reload
    self.generation = generation
    var kept: [String: Entry] = [:]
    for model in models {
      var entry = Entry(pool: model.pool, due: now, by: first)
      if let known = entries[model.id], known.pool == model.pool {
        entry = known
        if isReload, now &- (entry.last ?? 0) >= Self.freshness { entry.want(.reload, at: now) }
      }
      if !model.breakerIsClosed {
        entry.wasOpen = true
      } else if entry.wasOpen {
        entry.wasOpen = false
        entry.want(.recovery, at: now)
      }
      kept[model.id] = entry
    }
    entries = kept
    let due = entries.filter { !$0.value.wasOpen && $0.value.due <= now }
    return due.min { ($0.value.due, $0.key) < ($1.value.due, $1.key) }.map { ($0.key, $0.value.by) }
  }

  /// A probe of the model has ended.
  mutating func probed(_ id: String, _ ending: Ending, at now: UInt64) {
    guard var entry = entries[id] else { return }
    entry.last = now
    entry.misses = ending == .whole ? 0 : min(entry.misses + 1, 8)
    let pause = Self.firstPause(ending) << (entry.misses > 0 ? entry.misses - 1 : 0)
    (entry.due, entry.by) = (now &+ min(pause, Self.interval), .timer)
    entries[id] = entry
  }
}
