import Posix
import Testing
import Wire

@testable import Senders

/// Both ends of a connection: what is sent into `sender` comes in at the table's.
private final class Sender {
  let sender: Descriptor
  let connection: Connection
  var token: UInt64 = 0

  init(user: UInt32, now: UInt64 = 0) throws {
    let (sender, own) = try UnixSocket.pair(blocking: false).split { ($0.release(), $1.release()) }
    self.sender = Descriptor(owning: sender)
    connection = Connection(Descriptor(owning: own), user: user, frameLimit: 1 << 20, now: now)
  }

  /// Sends bytes and has them read, as the tap does.
  func send(_ bytes: [UInt8]) throws -> [LineSplitter.Line] {
    var sent = 0
    var lines: [LineSplitter.Line] = []
    while sent < bytes.count {
      sent += try sender.send(bytes.span.extracting(sent..<bytes.count)) ?? 0
      while case .bytes = connection.read() {
        while let line = connection.splitter.next() { lines.append(line) }
      }
    }
    return lines
  }
}

@Suite("Connections")
struct SenderTableTests {
  private static let second: UInt64 = 1_000_000_000

  private func table(connections: Int = 10, perUser: Int = 10, bufferBytes: Int = 1 << 20) -> SenderTable {
    SenderTable(
      SenderLimits(connections: connections, perUser: perUser, bufferBytes: bufferBytes), firstToken: 10)
  }

  private func add(_ user: UInt32, to table: inout SenderTable, now: UInt64 = 0) throws -> Sender {
    let sender = try Sender(user: user, now: now)
    sender.token = table.add(sender.connection)
    return sender
  }

  /// Once a second; those that have to go.
  private func swept(_ table: inout SenderTable, _ seconds: ClosedRange<UInt64>) -> [UInt64] {
    seconds.flatMap { table.sweep(at: $0 * Self.second) }
  }

  @Test("are bounded for each user and for all of them")
  func counts() throws {
    var table = table(connections: 3, perUser: 2)
    let first = try add(1000, to: &table)
    var admitted = [table.admits(1000)]
    _ = try add(1000, to: &table)
    admitted += [table.admits(1000), table.admits(1001)]
    #expect(!table.isFull)
    _ = try add(1001, to: &table)
    #expect(table.isFull && table.turnedAway == 1)
    table.remove(first.token)
    table.remove(first.token)
    admitted.append(table.admits(1000))
    #expect(admitted == [true, false, true, true])
    #expect(!table.isFull && table.count == 2)
  }

  @Test("cost nothing before they send and after they have been quiet")
  func idle() throws {
    var table = table()
    let sender = try add(1000, to: &table)
    table.note(sender.connection)
    #expect(table.heldBytes == 0)
    #expect(try sender.send(Array("a\n".utf8)).count == 1)
    table.note(sender.connection)
    #expect(table.heldBytes == Connection.leastBytes)
    #expect(swept(&table, 1...2).isEmpty)
    #expect(table.heldBytes == 0)
    // A frame that has begun is kept, however long its sender takes.
    #expect(try sender.send(Array("b".utf8)).isEmpty)
    #expect(swept(&table, 3...1000).isEmpty)
    #expect(try sender.send(Array("\n".utf8)) == [.whole(0..<1)])
  }

  @Test(
    "hold no more than their part: the longest lines are skipped, short ones never, and each is told once")
  func memory() throws {
    var table = table(bufferBytes: 2 << 20)
    let small = try add(1000, to: &table)
    let half = Array("half a line".utf8)
    #expect(try small.send(half).isEmpty)
    table.note(small.connection)
    let long = [UInt8](repeating: 0x61, count: 700 << 10)
    var senders: [Sender] = []
    for _ in 0..<5 {
      let sender = try add(1001, to: &table)
      senders.append(sender)
      #expect(try sender.send(long).isEmpty)
      table.note(sender.connection)
      let gone = table.relieve()
      #expect(gone.isEmpty)
      #expect(table.heldBytes <= 2 << 20)
    }
    var whole = 0
    var skipped = 0
    for sender in senders {
      for line in try sender.send([0x0A]) {
        switch line {
        case .whole(let range):
          whole += 1
          #expect(range.count == long.count)
        case .tooLong(let count):
          #expect(count == long.count + 1)
          #expect(sender.connection.skippedForMemory())
          skipped += 1
        }
      }
      // What comes after it is whole again, and a line over the limit is not taken for one given up.
      #expect(try sender.send(Array("x\n".utf8)).count == 1)
      #expect(!sender.connection.skippedForMemory())
    }
    #expect((whole, skipped) == (1, 4))
    #expect(try small.send([0x0A]) == [.whole(0..<half.count)])
  }

  @Test("whose replies nobody reads have to go before others lose a line")
  func unread() throws {
    var table = table(bufferBytes: 512 << 10)
    let lazy = try add(1000, to: &table)
    lazy.connection.queue([UInt8](repeating: 0x61, count: 600 << 10))
    table.note(lazy.connection)
    let other = try add(1000, to: &table)
    #expect(try other.send([UInt8](repeating: 0x61, count: 100 << 10)).isEmpty)
    table.note(other.connection)
    let gone = table.relieve()
    #expect(gone == [lazy.token])
    table.remove(lazy.token)
    #expect(table.heldBytes <= 512 << 10 && table.count == 1)
    #expect(try other.send([0x0A]).map { if case .whole = $0 { true } else { false } } == [true])
  }

  @Test("that are half open make room where none is left, those that are idle stay")
  func halfOpen() throws {
    var table = table(connections: 3)
    let idle = try add(1000, to: &table)
    #expect(try idle.send(Array("a\n".utf8)).count == 1)
    idle.connection.noteLine(at: 0)
    let half = try add(1000, to: &table)
    #expect(try half.send(Array("b\nhalf".utf8)).count == 1)
    half.connection.noteLine(at: 0)
    #expect(swept(&table, 60...60).isEmpty)
    let mute = try add(1000, to: &table, now: 55 * Self.second)
    #expect(table.isFull)
    #expect(swept(&table, 60...60) == [half.token])
    table.remove(half.token)
    let late = try add(1000, to: &table, now: 66 * Self.second)
    #expect(swept(&table, 66...66) == [mute.token])
    #expect(table.letGo == 2)
    #expect(table[idle.token] != nil && table[late.token] != nil)
  }
}
