import Foundation
import Posix
import RouterCore
import Synchronization
import Testing

@testable import Journal

@Suite("Verification")
struct VerificationTests {
  @Test("finds every flipped bit of a segment of 16 KiB, and the line it is in")
  func everyBit() throws {
    let log = try LogFolder()
    // A last record that makes it 16 KiB to the byte.
    try log.write(40)
    let missing = 16_384 - (try log.bytes().count)
    let frame = #""p":"""#.utf8.count + 254
    let (journal, _) = try log.open()
    let filling = String(repeating: "x", count: missing - frame)
    journal.append(kind: "decision", at: LogFolder.now, body: Array(#""p":"\#(filling)""#.utf8))
    #expect(journal.close())
    var bytes = try log.bytes()
    #expect(bytes.count == 16_384)
    #expect(try log.verify().isWhole)
    let whole = bytes
    let lines = whole.split(separator: 10).map(\.count)
    // What the chain is before each line: the lines before the flipped one need no second look.
    var checks = [ChainCheck(after: SegmentScan.Link(head: .empty, logID: nil))]
    var starts = [0]
    for count in lines {
      var check = checks[checks.count - 1]
      let start = starts[starts.count - 1]
      let place = JournalPlace(segment: 1, line: starts.count, offset: Int64(start), isCut: false)
      #expect(check.add(whole.span.extracting(start..<start + count), at: place) == nil)
      checks.append(check)
      starts.append(start + count + 1)
    }
    var found = 0
    for index in whole.indices {
      let line = Self.line(of: index, lines)
      for bit in 0..<8 {
        bytes[index] ^= 1 << bit
        let damage = Self.firstDamage(bytes, from: starts[line - 1], line: line, checks[line - 1])
        if damage == line { found += 1 } else { Issue.record("bit \(bit) of byte \(index): \(damage ?? 0)") }
        bytes[index] ^= 1 << bit
      }
    }
    #expect(found == 131_072)
    print("bits of a 16 KiB segment flipped, one at a time: \(8 * whole.count), all found: \(found)")
    // Through files: now and then one.
    for index in stride(from: 0, to: whole.count, by: 61) + [whole.count - 1] {
      bytes[index] ^= 1
      try log.put(bytes)
      let damage = try #require(try log.verify().damage)
      #expect(damage.line == Self.line(of: index, lines))
      #expect(damage.segment == 1)
      bytes[index] ^= 1
    }
  }

  @Test("finds a cut at every byte, but for one between records, which a checkpoint shows")
  func everyCut() throws {
    let log = try LogFolder()
    try log.write(4)
    let whole = try log.bytes()
    let head = try log.verify().head
    for cut in 0..<whole.count {
      try log.put(Array(whole[..<cut]))
      let between = cut == 0 || whole[cut - 1] == 10
      if !between && cut % 9 > 0 { continue }
      let outcome = try log.verify()
      #expect(outcome.damage?.fault == (between ? nil : .tornTail))
      #expect(try log.verify(checkpoint: head).damage != nil)
    }
    try log.put(whole)
    #expect(try log.verify(checkpoint: head).isWhole)
    let other = JournalHead(seq: 2, hash: head.hash)
    #expect(try log.verify(checkpoint: other).damage?.fault == .checkpoint)
  }

  @Test("finds lines that are missing, doubled, swapped or of another log")
  func lines() throws {
    let log = try LogFolder()
    try log.write(5)
    let other = try LogFolder()
    try other.write(5)
    let lines = try log.bytes().split(separator: 10).map { Array($0) + [10] }
    let foreign = try other.bytes().split(separator: 10).map { Array($0) + [10] }
    let cases: [([[UInt8]], Int, JournalDamage.Fault)] = [
      ([lines[0], lines[2], lines[3]], 2, .chain),
      ([lines[0], lines[1], lines[1], lines[2]], 3, .chain),
      ([lines[0], lines[2], lines[1]], 2, .chain),
      ([lines[1], lines[2]], 1, .chain),
      ([lines[0], foreign[1]], 2, .chain),
      ([lines[0], [10], lines[1]], 2, .notARecord),
      ([lines[0], Array("{}\n".utf8)], 2, .notARecord),
    ]
    for (content, line, fault) in cases {
      try log.put(content.flatMap { $0 })
      let damage = try log.verify().damage
      #expect(damage?.line == line)
      #expect(damage?.fault == fault)
    }
  }

  @Test("finds numbers that jump, and another log's id, also in a chain whose hashes hold")
  func forged() throws {
    let id = String(repeating: "a", count: 32)
    let kind = Array("decision".utf8)
    let none: [UInt8] = []
    let log = try LogFolder()
    try Files.makeFolder(log.path)
    var bytes: [UInt8] = []
    var formatter = RecordFormatter(logID: id, head: .empty)
    formatter.append(kind: kind.span, at: 0, body: none.span, to: &bytes)
    let first = bytes
    var jumping = formatter
    jumping.append(kind: kind.span, at: 0, body: none.span, skipping: 1, to: &bytes)
    try log.put(bytes)
    #expect(try log.verify().damage?.fault == .sequence)

    bytes = first
    var stranger = RecordFormatter(logID: String(repeating: "b", count: 32), head: formatter.head)
    stranger.append(kind: kind.span, at: 0, body: none.span, to: &bytes)
    try log.put(bytes)
    #expect(try log.verify().damage?.fault == .otherLog)

    bytes = first
    let gap = Array("gap".utf8)
    let wrong = Array(#""from":2,"to":4,"cause":"x""#.utf8)
    var gapping = formatter
    gapping.append(kind: gap.span, at: 0, body: wrong.span, skipping: 2, to: &bytes)
    try log.put(bytes)
    #expect(try log.verify().damage?.fault == .sequence)
  }

  @Test("finds a segment that is missing or torn, wherever it was", arguments: 1...5)
  func segments(number: Int) throws {
    let log = try LogFolder()
    try log.write(120) {
      $0.segmentBytes = 4000
      $0.syncRecords = 1
    }
    #expect(try log.segments().count > 5)
    let whole = try log.bytes(number)
    try log.put(Array(whole.dropLast(10)), number)
    let torn = try #require(try log.verify().damage)
    #expect(torn.segment == number && torn.fault == .tornSegment)
    try Files.remove(SegmentList.path(log.path, number))
    let missing = try #require(try log.verify().damage)
    #expect(missing.segment == number && missing.fault == .missingSegment)
  }

  @Test("of a folder without a log, or none at all, finds nothing wrong")
  func empty() throws {
    let log = try LogFolder()
    #expect(try log.verify().isWhole)
    try Files.makeFolder(log.path)
    #expect(try log.verify() == JournalVerification.Outcome())
  }

  @Test("of a log being written finds nothing wrong")
  func living() throws {
    let log = try LogFolder()
    let (journal, _) = try log.open { $0.segmentBytes = 100_000 }
    let isDone = Monitor(false)
    let thread = try Thread.spawn(name: "producer") {
      for index in 0..<3000 {
        journal.append(kind: "decision", at: 0, body: LogFolder.body(index))
        if index % 50 == 0 { Clocks.sleep(milliseconds: 1) }
      }
      isDone.withLock { $0 = true }
    }
    while !isDone.withLock({ $0 }) { #expect(try log.verify(living: true).damage == nil) }
    thread.join()
    #expect(journal.close())
  }

  private static func firstDamage(_ bytes: [UInt8], from start: Int, line: Int, _ check: ChainCheck) -> Int? {
    var (start, line, check) = (start, line, check)
    let all = bytes.span
    while let end = all.firstIndex(of: 10, from: start) {
      let place = JournalPlace(segment: 1, line: line, offset: Int64(start), isCut: false)
      if check.add(all.extracting(start..<end), at: place) != nil { return line }
      start = end + 1
      line += 1
    }
    return start < bytes.count ? line : nil
  }

  private static func line(of index: Int, _ lines: [Int]) -> Int {
    var end = 0
    for (number, count) in lines.enumerated() {
      end += count + 1
      if index < end { return number + 1 }
    }
    return lines.count
  }
}

@Suite("Reading")
struct JournalReaderTests {
  private func read(_ log: borrowing LogFolder, from start: JournalReader.Start) throws -> [UInt64] {
    var seen: [UInt64] = []
    var reader = try JournalReader(folder: log.path, from: start)
    try reader.visit { line, _ in
      if let record = RecordLine(line) { seen.append(record.seq) }
      return true
    }
    return seen
  }

  @Test("begins where it is told")
  func starts() throws {
    let log = try LogFolder()
    try log.write(60) {
      $0.segmentBytes = 4000
      $0.syncRecords = 1
    }
    #expect(try read(log, from: .beginning) == Array(1...60))
    for seq in [0, 1, 2, 17, 30, 59, 60] as [UInt64] {
      #expect(try read(log, from: .seq(seq)) == Array(max(1, seq)...60))
      // Record n was written at now + n - 1.
      #expect(try read(log, from: .time(LogFolder.now + Int64(seq) - 1)) == Array(max(1, seq)...60))
    }
    #expect(try read(log, from: .seq(61)) == [])
    #expect(try read(log, from: .time(LogFolder.now + 60)) == [])
    #expect(try read(log, from: .end) == [])
  }

  @Test("begins where it is told beside a segment that is still empty, and one that begins with no record")
  func startsBesideEmpty() throws {
    let log = try LogFolder()
    try log.write(60) {
      $0.segmentBytes = 4000
      $0.syncRecords = 1
    }
    let last = try #require(log.segments().last)
    try log.put([], last + 1)
    #expect(
      try read(log, from: .seq(59)) == [59, 60] && read(log, from: .time(LogFolder.now + 58)) == [59, 60])
    try log.put(Array("no record\n".utf8) + log.bytes(last), last)
    #expect(
      try read(log, from: .seq(59)) == [59, 60] && read(log, from: .time(LogFolder.now + 58)) == [59, 60])
  }

  @Test("stops when told, and goes on from there")
  func stops() throws {
    let log = try LogFolder()
    try log.write(30) {
      $0.segmentBytes = 4000
      $0.syncRecords = 1
    }
    var reader = try JournalReader(folder: log.path)
    var seen: [UInt64] = []
    while try !reader.visit({ line, _ in
      if let record = RecordLine(line) { seen.append(record.seq) }
      return false
    }) {}
    #expect(seen == Array(1...30))
  }

  @Test("gives each line's place")
  func places() throws {
    let log = try LogFolder()
    try log.write(30) {
      $0.segmentBytes = 4000
      $0.syncRecords = 1
    }
    var reader = try JournalReader(folder: log.path)
    var places: [(JournalPlace, [UInt8])] = []
    try reader.visit { line, place in
      var bytes: [UInt8] = []
      bytes.append(copying: line)
      places.append((place, bytes))
      return true
    }
    for (place, line) in places {
      let bytes = try log.bytes(place.segment)
      let start = Int(place.offset)
      #expect(Array(bytes[start..<start + line.count]) == line)
      #expect(bytes[..<start].count { $0 == 10 } == place.line - 1)
    }
  }

  @Test("follows a log that is being written, over new segments", arguments: [false, true])
  func follow(fromEnd: Bool) throws {
    let log = try LogFolder()
    try log.write(10)
    let (journal, _) = try log.open { $0.segmentBytes = 10_000 }
    var reader = try JournalReader(folder: log.path, from: fromEnd ? .end : .beginning)
    let thread = try Thread.spawn(name: "producer") {
      for index in 0..<2000 {
        journal.append(kind: "decision", at: 0, body: LogFolder.body(index))
        if index % 100 == 0 { Clocks.sleep(milliseconds: 1) }
      }
    }
    var seen: [UInt64] = []
    let end = soon()
    let goesOn = { seen.last != 2010 && Clocks.monotonic() < end }
    try reader.follow(everyMilliseconds: 1, while: goesOn) { line, _ in
      if let record = RecordLine(line) { seen.append(record.seq) }
      return true
    }
    thread.join()
    journal.close()
    #expect(seen == Array((fromEnd ? 11 : 1)...2010))
  }

  @Test("does not join half a line with what a restart wrote in its place")
  func restarted() throws {
    let log = try LogFolder()
    try log.write(2)
    let whole = try log.bytes()
    try log.put(whole + Array(#"{"v":1,"log":"half"#.utf8))
    var reader = try JournalReader(folder: log.path)
    var kinds: [[UInt8]] = []
    let note = { (line: Span<UInt8>, _: JournalPlace) -> Bool in
      var kind: [UInt8] = []
      if let record = RecordLine(line) { kind.append(copying: line.extracting(record.kind)) }
      kinds.append(kind)
      return true
    }
    try reader.visit(note)
    #expect(reader.tails.map(\.bytes) == [18])
    try log.write(1)
    try reader.visit(note)
    #expect(
      kinds.map { String(decoding: $0, as: UTF8.self) } == ["decision", "decision", "recovered", "decision"])
    #expect(reader.tails == [])
  }

  @Test("shows only the start of a line that is too long for any record, and goes on after it")
  func longLine() throws {
    let log = try LogFolder()
    try Files.makeFolder(log.path)
    let long = [UInt8](repeating: 97, count: 700_000)
    try log.put(Array("a\n".utf8) + long + Array("\nb\n".utf8) + long)
    var lines: [(Int, Int, Bool)] = []
    var reader = try JournalReader(folder: log.path)
    try reader.visit { line, place in
      lines.append((line.count, place.line, place.isCut))
      return true
    }
    #expect(lines.map(\.0) == [1, JournalReader.longestLine, 1, JournalReader.longestLine])
    #expect(lines.map(\.1) == [1, 2, 3, 4])
    #expect(lines.map(\.2) == [false, true, false, true])
    #expect(
      reader.tails == [
        JournalReader.Tail(segment: 1, line: 4, offset: reader.tails.first?.offset ?? 0, bytes: 700_000)
      ])
  }

  @Test("finds the parts of a record")
  func parts() throws {
    let id = String(repeating: "7", count: 32)
    let kind = Array("decision".utf8)
    for body in [[], Array(#""a":1"#.utf8)] as [[UInt8]] {
      var line: [UInt8] = []
      var formatter = RecordFormatter(logID: id, head: JournalHead(seq: 122, hash: SHA256.hash(kind)))
      formatter.append(kind: kind.span, at: LogFolder.now, body: body.span, to: &line)
      line.removeLast()
      let parsed = RecordLine(line.span)
      let record = try #require(parsed)
      #expect(record.seq == 123 && record.at == LogFolder.now)
      #expect(Array(line[record.kind]) == kind && Array(line[record.body]) == body)
      let span = line.span
      let (previous, stated, real) = (
        RecordLine.statedPrevious(span), RecordLine.statedHash(span), RecordLine.hash(span)
      )
      #expect(previous == SHA256.hash(kind))
      #expect(stated == real)
      let ids = [
        RecordLine.logID(span), RecordLine.logID(span, unless: id), RecordLine.logID(span, unless: "other"),
      ]
      #expect(ids == [id, id, id])
      let cuts = (0..<line.count).filter { RecordLine(span.extracting(0..<$0)) != nil }
      #expect(cuts == [])
    }
  }
}
