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
  /// Between two probes of a model that a reload left as it was: a storm of reloads is one probe in so long.
  static let reloadPause: UInt64 = 5_000_000_000
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

    mutating func want(_ trigger: Trigger, at time: UInt64) {
      // A probe that is due sooner keeps the reason that it is already waited for with.
      guard due > time else { return }
      (due, by) = (time, trigger)
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
        if isReload { entry.want(.reload, at: max(now, (entry.last ?? 0) &+ Self.reloadPause)) }
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
