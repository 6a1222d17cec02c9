import Journal
import Posix
import RouterCore

/// A log that is opened again, whatever became of its files: what was whole stays, byte for byte and at its place, nothing but
/// an end is cut off, and what is written then is there.
enum RecoveryTarget {
  static func check(_ input: [UInt8]) throws(Finding) {
    var script = LogScript(input)
    let segments = script.segments()
    let folder = LogScratch.folder
    do {
      try LogScratch.empty(folder)
      for (index, bytes) in segments.enumerated() {
        try Files.replace(SegmentList.path(folder, index + 1), with: bytes)
      }
      try open(folder, segments)
    } catch let error as Finding {
      throw error
    } catch {
      throw Finding("the scratch folder: \(error)")
    }
  }

  private static let now: Int64 = 1_795_233_181_000

  private static func open(_ folder: String, _ segments: [[UInt8]]) throws {
    let before = try JournalVerification.verify(folder, settling: [])
    let sound = soundLines(segments)
    let recovery = try write(folder)
    for (index, old) in segments.enumerated() {
      let new = try Files.read(SegmentList.path(folder, index + 1), limit: 1 << 24)
      // The last one may have been written on.
      let common = min(old.count, new.count)
      let isPrefix = new[..<common].elementsEqual(old[..<common])
      let isCut = recovery.cuts.contains { $0.segment == index + 1 }
      try require(isPrefix || isCut, "segment \(index + 1) was changed")
      if !isCut { try require(new.count >= old.count, "segment \(index + 1) was cut, and nothing says so") }
    }
    let after = try JournalVerification.verify(folder, settling: [])
    try require(
      after.records >= min(before.records, UInt64(sound)),
      "\(before.records) records held, now \(after.records)")
    if before.isWhole, !segments.isEmpty { try require(recovery.damage == nil, "damage in a whole log") }
    if recovery.damage == nil, before.isWhole {
      try require(after.isWhole, "a whole log is damaged: \(after.damage as Any)")
    }
    // What was mended stays so.
    let second = try write(folder)
    try require(second.cuts.isEmpty, "cut again: \(second.cuts)")
    try require(
      second.damage == nil || recovery.damage != nil, "damage that nobody did: \(second.damage as Any)")
    try checkReading(folder)
  }

  /// Opens, writes one record and closes.
  private static func write(_ folder: String) throws -> Recovery {
    var options = JournalOptions()
    options.writeIntervalMilliseconds = 0
    options.syncRecords = 1
    var recent: [Int] = []
    let (journal, recovery) = try Journal.open(folder: folder, options: options, now: now) { line in
      recent.append(line.count)
      return recent.count < 64
    }
    let isTaken = journal.append(kind: "start", at: now, body: Array(#""by":"fuzz""#.utf8))
    try require(isTaken && journal.close(), "a record cannot be written")
    return recovery
  }

  /// Lines before the first that is no record, over all segments: what verifying can hold at most.
  private static func soundLines(_ segments: [[UInt8]]) -> Int {
    segments.reduce(0) { $0 + $1.split(separator: 0x0A).count { RecordLine($0.span) != nil } }
  }

  private static func checkReading(_ folder: String) throws {
    var reader = try JournalReader(folder: folder)
    var last: String?
    try reader.visit { line, _ in
      if let record = RecordLine(line), record.isKind("start", in: line) { last = "start" }
      return true
    }
    try require(last == "start", "what was written is not there")
    for start in [JournalReader.Start.seq(3), .time(now), .end] {
      var reader = try JournalReader(folder: folder, from: start)
      try reader.visit { _, _ in true }
    }
    _ = try JournalLookup.find(in: folder, from: 0) { line in
      RecordLine(line).map { $0.isKind("decision", in: line) } ?? false
    }
  }
}

/// A folder in memory, for logs that are opened thousands of times.
package enum LogScratch {
  static let folder: String = {
    let root = Files.exists("/dev/shm") ? "/dev/shm" : ProcessState.environment("TMPDIR") ?? "/tmp"
    return Files.join(root, "shadow-router-fuzz-\(ProcessState.id)")
  }()

  fileprivate static func empty(_ folder: String) throws(PosixError) {
    guard Files.exists(folder) else { return try Files.makeFolder(folder) }
    for name in try Files.list(folder) { try Files.remove(Files.join(folder, name)) }
  }

  package static func remove() {
    try? empty(folder)
    try? Files.removeFolder(folder)
  }
}

/// A log as its input tells: whole lines with the right hashes, and what can happen to them. Bytes alone would be refused
/// at the first hash.
private struct LogScript {
  private var input: Input
  private var done: [[UInt8]] = []
  private var current: [UInt8] = []
  /// Ends of lines in `current`.
  private var ends: [Int] = []
  private var seq: UInt64 = 0
  private var previous = String(repeating: "0", count: 64)

  init(_ bytes: [UInt8]) { input = Input(bytes) }

  mutating func segments() -> [[UInt8]] {
    var steps = 0
    while !input.isEmpty, steps < 64 {
      step(input.byte())
      steps += 1
    }
    return done + (current.isEmpty && !done.isEmpty ? [] : [current])
  }

  private mutating func step(_ order: Int) {
    switch order % 14 {
    case 0, 1, 2, 3: record("decision", #""call_id":"c\#(seq)","input_preview":"\#(filler())""#)
    case 4: gap(1 + UInt64(input.choice(5)))
    case 5: next()
    case 6:
      current.removeLast(min(current.count, input.byte()))
      ends.removeAll { $0 > current.count }
    case 7: flip(input.byte() << 8 | input.byte(), by: UInt8(truncatingIfNeeded: input.byte()))
    case 8: current += [UInt8](repeating: 0, count: input.byte())
    case 9: repeatLine(input.choice(8))
    case 10: current += input.take(input.byte())
    case 11: record(word(input.line()), input.line().text)
    case 12: erase()
    default: dropLine(input.choice(8))
    }
  }

  private mutating func record(_ kind: String, _ body: String) {
    seq += 1
    let middle = body.isEmpty ? "" : "," + body
    let head =
      #"{"v":1,"log":"0123456789abcdef0123456789abcdef","seq":\#(seq),"ts":"2026-11-21T12:00:00.000Z","kind":"\#(kind)""#
      + middle + #","prev":"\#(previous)""#
    let hash = SHA256.hash(Array(head.utf8)).hex
    current += Array((head + #","h":"\#(hash)"}"#).utf8) + [0x0A]
    ends.append(current.count)
    previous = hash
  }

  private mutating func gap(_ lost: UInt64) {
    let first = seq + 1
    seq += lost
    record("gap", #""from":\#(first),"to":\#(seq),"cause":"full""#)
  }

  private mutating func next() {
    guard done.count < 4 else { return }
    done.append(current)
    (current, ends) = ([], [])
  }

  private mutating func flip(_ place: Int, by bits: UInt8) {
    guard !current.isEmpty else { return }
    current[place % current.count] ^= bits
  }

  private mutating func repeatLine(_ back: Int) {
    guard let range = line(back) else { return }
    current += current[range]
  }

  private mutating func dropLine(_ back: Int) {
    guard let range = line(back) else { return }
    current.removeSubrange(range)
    ends.removeAll { $0 > range.lowerBound }
  }

  /// Previews go, as an erasure takes them.
  private mutating func erase() {
    guard let range = line(0) else { return }
    let name = Array(#"_preview":""#.utf8)
    let bytes = Array(current[range])
    guard let start = bytes.indices.first(where: { bytes[$0...].starts(with: name) }) else { return }
    let value = start + name.count - 1
    guard let end = bytes[(value + 1)...].firstIndex(of: UInt8(ascii: "\"")), end - value >= 3 else { return }
    let word = Array("null".utf8) + [UInt8](repeating: 0x20, count: end + 1 - value - 4)
    current.replaceSubrange(range.lowerBound + value..<range.lowerBound + end + 1, with: word)
  }

  private func line(_ back: Int) -> Range<Int>? {
    let known = ends.filter { $0 <= current.count }
    guard back < known.count else { return nil }
    let index = known.count - 1 - back
    return (index == 0 ? 0 : known[index - 1])..<known[index]
  }

  private mutating func filler() -> String { String(repeating: "p", count: 3 + input.choice(16)) }

  private func word(_ bytes: [UInt8]) -> String {
    let letters = bytes.filter { $0 != UInt8(ascii: "\"") && $0 >= 0x20 && $0 < 0x7F }
    return letters.isEmpty ? "start" : letters.text
  }
}
