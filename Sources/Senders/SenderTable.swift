/// How many connections there may be, and what they may hold.
package struct SenderLimits: Equatable, Sendable {
  /// Of all peers together. Past it nobody is accepted until one goes.
  package var connections: Int
  /// Of one user. Past it a connection is closed as soon as it is accepted.
  package var perUser: Int
  /// Bytes of frames that are coming in and of replies that are not read.
  package var bufferBytes: Int

  package init(connections: Int, perUser: Int, bufferBytes: Int) {
    self.connections = connections
    self.perUser = perUser
    self.bufferBytes = bufferBytes
  }
}

/// The connections of all senders: how many, of whom, and what they hold. Belongs to the thread that reads the tap.
package struct SenderTable {
  package let limits: SenderLimits
  private var connections: [UInt64: Connection] = [:]
  private var counts: [UInt32: Int] = [:]
  private var nextToken: UInt64
  /// Memory of all of them.
  package private(set) var heldBytes = 0
  /// Connections closed at once because their user had as many as it may.
  package private(set) var turnedAway: UInt64 = 0
  /// Connections ended because they held a place and sent no whole line, while others could not connect.
  package private(set) var letGo: UInt64 = 0

  /// Nanoseconds without a whole line after which a place may be taken away where there is none left.
  private static let halfOpenPatience: UInt64 = 10_000_000_000

  /// - Parameter firstToken: Of the first connection; later ones count up.
  package init(_ limits: SenderLimits, firstToken: UInt64) {
    self.limits = limits
    nextToken = firstToken
  }

  package var count: Int { connections.count }
  package var isFull: Bool { connections.count >= limits.connections }
  package var all: [(token: UInt64, connection: Connection)] { connections.map { ($0.key, $0.value) } }

  package subscript(_ token: UInt64) -> Connection? { connections[token] }

  /// Whether a user may have one more; counted where not.
  package mutating func admits(_ user: UInt32) -> Bool {
    guard counts[user, default: 0] >= limits.perUser else { return true }
    turnedAway += 1
    return false
  }

  /// - Returns: Its token.
  package mutating func add(_ connection: Connection) -> UInt64 {
    defer { nextToken += 1 }
    connections[nextToken] = connection
    counts[connection.user, default: 0] += 1
    return nextToken
  }

  package mutating func remove(_ token: UInt64) {
    guard let connection = connections.removeValue(forKey: token) else { return }
    heldBytes -= connection.countedBytes
    connection.countedBytes = 0
    let left = counts[connection.user, default: 1] - 1
    counts[connection.user] = left > 0 ? left : nil
  }

  /// Counts what a connection holds now. After each of its turns.
  package mutating func note(_ connection: Connection) {
    let held = connection.heldBytes
    heldBytes += held - connection.countedBytes
    connection.countedBytes = held
  }

  /// Brings what all of them hold back under the limit: those that hold most give up the long line that they are sending,
  /// or, where it is replies that they do not read, have to go. Frames that fit into the least of a connection are never
  /// touched.
  ///
  /// - Returns: Those that have to go; still in the table.
  package mutating func relieve() -> [UInt64] {
    var gone: [UInt64] = []
    while heldBytes > limits.bufferBytes {
      let largest = connections.max { Self.reclaimable($0.value) < Self.reclaimable($1.value) }
      guard let (token, connection) = largest, Self.reclaimable(connection) > 0 else { break }
      if connection.output.count >= connection.extraBytes {
        gone.append(token)
        connection.dropOutput()
      } else {
        connection.giveBack()
      }
      note(connection)
    }
    return gone
  }

  private static func reclaimable(_ connection: Connection) -> Int {
    max(connection.output.count, connection.extraBytes)
  }

  /// Once a second: those without traffic give their memory back.
  ///
  /// - Parameter now: Monotonic nanoseconds.
  /// - Returns: Those that have to make room for others; still in the table.
  package mutating func sweep(at now: UInt64) -> [UInt64] {
    for connection in connections.values {
      connection.noteQuiet()
      note(connection)
    }
    let isFull = isFull
    let halfOpen = connections.filter { _, connection in
      (isFull || counts[connection.user, default: 0] >= limits.perUser)
        && connection.isHalfOpen(at: now, for: Self.halfOpenPatience)
    }
    letGo += UInt64(halfOpen.count)
    return Array(halfOpen.keys)
  }
}
