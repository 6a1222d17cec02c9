import Reviews

/// Which reviewer has which items before him. A value; time is given.
struct Reservations: Sendable {
  struct Held: Sendable {
    var reviewer: String
    var stream: ReviewStream
    /// Monotonic nanoseconds.
    var until: UInt64
  }

  /// Nanoseconds that an item stays with a reviewer who says nothing.
  let patience: UInt64
  private var held: [ReviewKey: Held] = [:]

  init(patience: UInt64) { self.patience = patience }

  /// What a reviewer holds of an item.
  func held(_ key: ReviewKey, by reviewer: String, now: UInt64) -> Held? {
    held[key].flatMap { $0.reviewer == reviewer && $0.until > now ? $0 : nil }
  }

  func isTaken(_ key: ReviewKey, from reviewer: String, now: UInt64) -> Bool {
    guard let entry = held[key] else { return false }
    return entry.reviewer != reviewer && entry.until > now
  }

  /// What a reviewer holds, the oldest first; held anew from now on.
  mutating func renew(_ reviewer: String, now: UInt64) -> [(key: ReviewKey, stream: ReviewStream)] {
    held = held.filter { $0.value.until > now }
    let own = held.filter { $0.value.reviewer == reviewer }
    for key in own.keys { held[key]?.until = now + patience }
    return own.sorted { ($0.value.until, $0.key.callID) < ($1.value.until, $1.key.callID) }.map {
      ($0.key, $0.value.stream)
    }
  }

  mutating func take(_ key: ReviewKey, _ stream: ReviewStream, for reviewer: String, now: UInt64) {
    held[key] = Held(reviewer: reviewer, stream: stream, until: now + patience)
  }

  mutating func release(_ key: ReviewKey, by reviewer: String) {
    if held[key]?.reviewer == reviewer { held[key] = nil }
  }
}
