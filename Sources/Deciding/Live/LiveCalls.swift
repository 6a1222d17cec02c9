import Live
import PolicyFiles
import Posix
import Rollout
import RouterCore

/// A call whose agent waits.
package struct LiveCall: Sendable {
  package let ticket: LiveTicket
  let call: Call
  let task: PreparedTask
  let generation: Generation
  let standing: Standing
}

/// The calls whose agents wait now. Belongs to the tap's thread.
package struct LiveCalls {
  private var waiting: [UInt64: LiveCall] = [:]
  private var deadlines = Deadlines()
  private var lastNumber: UInt64 = 0

  package var isEmpty: Bool { waiting.isEmpty }
  package var count: Int { waiting.count }
  /// Monotonic nanoseconds; nil where nobody waits.
  package var earliest: UInt64? { waiting.isEmpty ? nil : deadlines.earliest }

  package func contains(connection: UInt64) -> Bool {
    waiting.values.contains { $0.ticket.connection == connection }
  }

  mutating func ticket(for connection: UInt64, due: UInt64) -> LiveTicket {
    lastNumber += 1
    return LiveTicket(number: lastNumber, connection: connection, due: due)
  }

  mutating func add(_ call: LiveCall) {
    // Most calls are answered long before their moment.
    if deadlines.count > 2 * waiting.count + 1024 {
      let waiting = waiting
      deadlines.keep { waiting[$0] != nil }
    }
    waiting[call.ticket.number] = call
    deadlines.add(call.ticket.number, due: call.ticket.due)
  }

  /// - Returns: nil where the agent has been told before.
  package mutating func remove(_ ticket: LiveTicket) -> LiveCall? {
    waiting.removeValue(forKey: ticket.number)
  }

  /// Takes out the calls whose moment has come.
  package mutating func takeDue(by now: UInt64) -> [LiveCall] {
    var due: [LiveCall] = []
    while let entry = deadlines.takeFirst(dueBy: now) {
      if let call = waiting.removeValue(forKey: entry.number) { due.append(call) }
    }
    return due
  }

  package mutating func takeAll() -> [LiveCall] {
    defer {
      waiting = [:]
      deadlines = Deadlines()
    }
    return waiting.values.sorted { $0.ticket.number < $1.ticket.number }
  }
}
