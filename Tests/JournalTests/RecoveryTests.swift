import Foundation
import Posix
import RouterCore
import Testing

@testable import Journal

@Suite("Recovery")
struct RecoveryTests {
  private func lineStarts(_ bytes: [UInt8]) -> [Int] {
    [0] + bytes.indices.filter { bytes[$0] == 10 }.map { $0 + 1 }
  }

  @Test("mends a cut at every byte of the last three records, and says what it took")
  func everyCut() throws {
    let log = try LogFolder()
    try log.write(6)
    let whole = try log.bytes()
    let starts = lineStarts(whole)
    defer {
      print("cuts through the last three records, at each byte: \(whole.count - starts[3] + 1), all mended")
    }
    for cut in starts[3]...whole.count {
      try log.put(Array(whole[..<cut]))
      let sound = try #require(starts.last { $0 <= cut })
      let kept = try #require(starts.firstIndex(of: sound))
      let (journal, recovery) = try log.open()
      #expect(recovery.cutBytes == Int64(cut - sound))
      #expect(recovery.head.seq == UInt64(kept))
      #expect(recovery.damage == nil)
      journal.append(kind: "start", at: LogFolder.now, body: [] as [UInt8])
      #expect(journal.close())
      let outcome = try log.verify()
      #expect(outcome.isWhole)
      #expect(outcome.records == UInt64(kept + (cut == sound ? 1 : 2)))
      if cut != sound {
        let record = try #require(try log.records().first { $0["kind"] as? String == "recovered" })
        #expect(record["cut_bytes"] as? Int == cut - sound)
        #expect(record["segment"] as? String == "0000000001.ndjson")
      }
    }
  }

  @Test("cuts a last line whose hash does not fit, but none before it")
  func lastLine() throws {
    let log = try LogFolder()
    try log.write(5)
    var bytes = try log.bytes()
    let starts = lineStarts(bytes)
    bytes[starts[4] + 20] ^= 1
    try log.put(bytes)
    let (journal, recovery) = try log.open()
    #expect(recovery.cutBytes == Int64(bytes.count - starts[4]))
    #expect(journal.close())
    #expect(try log.verify().isWhole)
    #expect(try log.records().count == 5)
  }

  @Test(
    "leaves damage further in for all to see, and goes on from the last whole record", arguments: [0, 1, 3])
  func inner(line: Int) throws {
    let log = try LogFolder()
    try log.write(5)
    var bytes = try log.bytes()
    let starts = lineStarts(bytes)
    bytes[starts[line] + 120] ^= 1
    try log.put(bytes)
    let (journal, recovery) = try log.open()
    #expect(recovery.cutBytes == 0)
    #expect(recovery.damage?.line == line + 1)
    #expect(recovery.damage?.fault == .hash)
    #expect(recovery.head.seq == 5)
    journal.append(kind: "start", at: 0, body: [] as [UInt8])
    #expect(journal.close())
    #expect(try log.bytes() == bytes, "not a byte of it was touched")
    #expect(try log.segments() == [1, 2])
    let found = try #require(try log.verify().damage)
    #expect(
      (found.segment, found.line, found.offset, found.fault) == (1, line + 1, Int64(starts[line]), .hash))
    // The next start finds the new segment whole, and adds nothing.
    let (again, second) = try log.open()
    #expect(second.damage == nil && second.cutBytes == 0 && second.head.seq == 7)
    again.close()
    let new = try log.bytes(2).split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
    #expect(new.count == 2)
    #expect(new[0].contains(#""seq":6"#) && new[0].contains(#""kind":"recovered""#))
    #expect(new[0].contains(#""damage":"hash","damaged_line":\#(line + 1)"#))
  }

  @Test("names the numbers of broken lines at the end as a gap")
  func brokenEnd() throws {
    let log = try LogFolder()
    try log.write(5)
    var bytes = try log.bytes()
    let starts = lineStarts(bytes)
    bytes[starts[3] + 120] ^= 1
    bytes[starts[4] + 120] ^= 1
    try log.put(bytes)
    let (journal, recovery) = try log.open()
    #expect(recovery.head.seq == 3)
    #expect(recovery.damage?.line == 4)
    journal.close()
    let first = String(decoding: try log.bytes(2).split(separator: 10)[0], as: UTF8.self)
    #expect(
      first.contains(#""seq":6,"#) && first.contains(#""kind":"gap","from":4,"to":5,"cause":"damaged""#))
    #expect(try log.verify().damage?.line == 4)
  }

  @Test("sees that the last segment does not follow the one before")
  func wrongSegment() throws {
    let log = try LogFolder()
    try log.write(40) {
      $0.segmentBytes = 5000
      $0.syncRecords = 1
    }
    let last = try #require(try log.segments().last)
    #expect(last > 2)
    var bytes = try log.bytes(last - 1)
    bytes.removeLast(lineStarts(bytes).suffix(2).reduce(0) { $1 - $0 })
    try log.put(bytes, last - 1)
    let (journal, recovery) = try log.open()
    #expect(recovery.damage?.fault == .chain)
    #expect(recovery.segment == last)
    journal.close()
    #expect(try log.verify().damage?.fault == .chain)
    #expect(try log.segments().last == last + 1)
  }

  @Test("makes a cut again that the disk forgot: lines that the next segment repeats", arguments: [0, 1, 3])
  func cutAgain(torn: Int) throws {
    let log = try LogFolder()
    try log.write(40) {
      $0.segmentBytes = 8000
      $0.syncRecords = 1
    }
    let (first, second) = (try log.bytes(1), try log.bytes(2))
    let starts = lineStarts(second)
    // Two whole lines, then what a power failure makes of a third: nothing, half of it, or zeros and a line end.
    var back = Array(second[..<starts[2]])
    if torn == 1 { back += second[starts[2]..<starts[3] - 30] }
    if torn == 3 { back += [UInt8](repeating: 0, count: 90) + [10] }
    try log.put(first + back, 1)
    #expect(try !log.verify().isWhole)
    let (journal, recovery) = try log.open()
    #expect(recovery.damage == nil)
    #expect(recovery.cuts == [Recovery.Cut(segment: 1, bytes: Int64(back.count), lines: torn == 3 ? 3 : 2)])
    #expect(journal.close())
    #expect(try log.bytes(1) == first)
    #expect(try log.verify().isWhole)
    #expect(try log.records().last?["kind"] as? String == "recovered")
    #expect(try log.calls() == (0..<40).map { "c\($0)" })
  }

  /// A first segment, and one that goes on from it and is the last.
  private func twoSegments(_ log: borrowing LogFolder) throws -> (first: [UInt8], second: [UInt8]) {
    try log.write(40) {
      $0.segmentBytes = 8000
      $0.syncRecords = 1
    }
    for segment in try log.segments().dropFirst(2) { try Files.remove(SegmentList.path(log.path, segment)) }
    return (try log.bytes(1), try log.bytes(2))
  }

  /// What a power failure leaves of a line: nothing, half of it, or a hole where it was.
  private func rest(of line: ArraySlice<UInt8>, _ torn: Int) -> [UInt8] {
    switch torn {
    case 0: []
    case 1: Array(line.prefix(30))
    default: [UInt8](repeating: 0, count: line.count - 1) + [10]
    }
  }

  @Test(
    "keeps of two copies of the same lines the one that goes further: the power took the end of the second",
    arguments: 0...2)
  func longerCopy(torn: Int) throws {
    let log = try LogFolder()
    let (first, second) = try twoSegments(log)
    let starts = lineStarts(second)
    let kept = Array(second[..<starts[3]])
    try log.put(first + kept + second[starts[3]..<starts[3] + 100], 1)
    let next = second[..<starts[1]] + rest(of: second[starts[1]..<starts[2]], torn)
    try log.put(Array(next), 2)
    #expect(try !log.verify().isWhole)
    let (journal, recovery) = try log.open()
    #expect(recovery.damage == nil)
    #expect(
      recovery.cuts == [
        Recovery.Cut(segment: 2, bytes: Int64(next.count), lines: torn == 2 ? 2 : 1),
        Recovery.Cut(segment: 1, bytes: 100, lines: 0),
      ])
    #expect(journal.close())
    #expect(try log.bytes(1) == first + kept)
    #expect(try log.verify().isWhole)
    #expect(try log.calls() == (0..<lineStarts(first + kept).count - 1).map { "c\($0)" })
  }

  @Test(
    "cuts lines behind a hole, though the next segment that has the hole's does not reach so far",
    arguments: 0...2)
  func behindHole(torn: Int) throws {
    let log = try LogFolder()
    let (first, second) = try twoSegments(log)
    let starts = lineStarts(second)
    let (one, hole) = (second[..<starts[1]], rest(of: second[starts[1]..<starts[2]], 2))
    for back in [Array(one), []] {
      let back = back + hole + second[starts[2]..<starts[3] + 100]
      try log.put(first + back, 1)
      try log.put(one + rest(of: second[starts[1]..<starts[2]], torn), 2)
      let (journal, recovery) = try log.open()
      #expect(recovery.damage == nil)
      #expect(recovery.cuts.first?.segment == 1 && recovery.cuts.first?.bytes == Int64(back.count))
      #expect(recovery.cuts.count == (torn == 0 ? 1 : 2))
      #expect(journal.close())
      #expect(try log.bytes(1) == first)
      #expect(try log.bytes(2).starts(with: one))
      #expect(try log.verify().isWhole)
    }
  }

  @Test("keeps the longer copy also where the shorter one fills several segments")
  func severalSegments() throws {
    let log = try LogFolder()
    let (first, second) = try twoSegments(log)
    let starts = lineStarts(second)
    try log.put(first + second[..<starts[4]], 1)
    try log.put(Array(second[..<starts[1]]), 2)
    try log.put(Array(second[starts[1]..<starts[2]]), 3)
    let (journal, recovery) = try log.open()
    #expect(recovery.damage == nil)
    #expect(recovery.cuts.map(\.segment) == [3, 2])
    #expect(journal.close())
    #expect(try log.segments() == [1, 2])
    #expect(try log.bytes(1) == first + second[..<starts[4]])
    #expect(try log.verify().isWhole)
  }

  @Test("touches neither copy where they differ, or where one has other faults than a power failure leaves")
  func onlyCopy() throws {
    let log = try LogFolder()
    let (first, second) = try twoSegments(log)
    let starts = lineStarts(second)
    var (flipped, zeros) = (second, second)
    flipped[starts[1] + 140] ^= 1
    for index in starts[1] + 100..<starts[1] + 200 { zeros[index] = 0 }
    var other = Array(second[..<starts[1]])
    var check = ChainCheck(after: SegmentScan.Link(head: .empty, logID: nil))
    _ = check.add(
      other.span.extracting(0..<other.count - 1),
      at: JournalPlace(segment: 2, line: 1, offset: 0, isCut: false))
    var formatter = RecordFormatter(logID: try #require(check.link.logID), head: check.link.head)
    for index in 0..<2 {
      formatter.append(
        kind: Array("decision".utf8).span, at: LogFolder.now, body: LogFolder.body(900 + index).span,
        to: &other)
    }
    let third = Array(second[starts[5]..<starts[6]])
    let cases: [(next: [UInt8], behind: [UInt8]?)] = [
      (flipped, nil), (Array(flipped[..<starts[2]]), nil), (other, nil),
      // A segment behind the hole's says that a sync had confirmed what is missing.
      (Array(zeros[..<starts[5]]), third),
    ]
    for (next, behind) in cases {
      for segment in try log.segments().dropFirst(2) { try Files.remove(SegmentList.path(log.path, segment)) }
      let back = first + second[..<starts[3]]
      try log.put(back, 1)
      try log.put(next, 2)
      if let behind { try log.put(behind, 3) }
      let (journal, recovery) = try log.open()
      #expect(recovery.cuts.isEmpty)
      journal.close()
      #expect(try log.bytes(1) == back)
      #expect(try log.bytes(2) == next)
      #expect(try log.verify().damage != nil)
    }
  }

  @Test("cuts nothing that stands nowhere else, though the next segment does not follow it")
  func foreignLines() throws {
    let log = try LogFolder()
    try log.write(40) {
      $0.segmentBytes = 8000
      $0.syncRecords = 1
    }
    let (first, second) = (try log.bytes(1), try log.bytes(2))
    var other = Array(second[..<lineStarts(second)[1]])
    other[140] ^= 1
    for added in [other, Array(second[lineStarts(second)[1]...]) + Array("{}\n".utf8)] {
      try log.put(first + added, 1)
      let (journal, recovery) = try log.open()
      #expect(recovery.cuts.isEmpty)
      journal.close()
      #expect(try log.bytes(1) == first + added)
      #expect(try log.verify().damage?.segment == 1)
    }
  }

  @Test("mends the end of the log where it stands in the segment before one that holds nothing yet")
  func begun() throws {
    let log = try LogFolder()
    try log.write(5)
    let whole = try log.bytes()
    for begun in [[], Array(#"{"v":1,"log""#.utf8), [UInt8](repeating: 0, count: 300)] {
      try log.put(Array(whole.dropLast(20)), 1)
      try log.put(begun, 2)
      let (journal, recovery) = try log.open()
      #expect(recovery.damage == nil && recovery.head.seq == 4)
      #expect(recovery.cuts.map(\.segment) == (begun.isEmpty ? [1] : [2, 1]))
      journal.append(kind: "start", at: LogFolder.now, body: [] as [UInt8])
      #expect(journal.close())
      #expect(try log.verify().isWhole)
      #expect(try log.calls() == (0..<4).map { "c\($0)" })
      #expect(try log.records().last?["kind"] as? String == "start")
    }
  }

  @Test("cuts at a hole that a power failure left, but only where no sync can have confirmed it")
  func holes() throws {
    let log = try LogFolder()
    try log.write(40)
    let whole = try log.bytes()
    let starts = lineStarts(whole)
    var bytes = whole
    for index in starts[30] + 100..<starts[32] + 50 { bytes[index] = 0 }
    try log.put(bytes)
    let (journal, recovery) = try log.open()
    #expect(recovery.cuts == [Recovery.Cut(segment: 1, bytes: Int64(whole.count - starts[30]), lines: 8)])
    #expect(recovery.head.seq == 30)
    journal.close()
    #expect(try log.verify().isWhole)
    #expect(try log.records().last?["cut_lines"] as? Int == 8)
    // 64 KiB and one batch at the end may be without a sync: what lies before that is damage.
    let large = try LogFolder()
    try large.write(600)
    var late = try large.bytes()
    for index in lineStarts(late)[3] + 100..<lineStarts(late)[4] + 100 { late[index] = 0 }
    try large.put(late)
    let (frozen, found) = try large.open { $0.batchBytes = 1000 }
    #expect(found.cuts.isEmpty && found.damage?.line == 4)
    frozen.close()
    #expect(try large.bytes() == late)
  }

  @Test(
    "leaves a damaged segment as it is at every further start, whatever stands behind its last record",
    arguments: [[UInt8](repeating: 0, count: 300), Array(#"{"v":1,"log""#.utf8), []])
  func frozen(rest: [UInt8]) throws {
    let log = try LogFolder()
    try log.write(10)
    var bytes = try log.bytes() + rest
    bytes[lineStarts(bytes)[4] + 150] ^= 1
    try log.put(bytes)
    for start in 1...3 {
      let (journal, recovery) = try log.open()
      #expect(recovery.cuts.isEmpty && (recovery.damage != nil) == (start == 1), "start \(start)")
      #expect(journal.append(kind: "start", at: LogFolder.now, body: [] as [UInt8]))
      #expect(journal.close())
      #expect(try log.bytes() == bytes, "start \(start)")
    }
    #expect(try log.segments() == [1, 2])
  }

  @Test("mends all that it mends at the first start, where one cut lets another be judged")
  func mendsAtOnce() throws {
    let log = try LogFolder()
    try log.write(8)
    let whole = try log.bytes()
    let starts = lineStarts(whole)
    var last = Array(whole[starts[4]...])
    last[last.count - 10] ^= 1
    try log.put(Array(whole[..<starts[4]]) + Array(whole[starts[1]..<starts[1] + 90]), 1)
    try log.put(last, 2)
    let (first, recovery) = try log.open()
    #expect(recovery.cuts.map(\.segment).sorted() == [1, 2] && recovery.damage == nil)
    first.close()
    let (second, again) = try log.open()
    #expect(again.cuts.isEmpty && again.damage == nil)
    second.close()
    #expect(try log.verify().isWhole)
  }

  @Test("begins behind segments in which nothing was ever written")
  func emptySegments() throws {
    let log = try LogFolder()
    try Files.makeFolder(log.path)
    for segment in 1...2 { try log.put([], segment) }
    try log.write(3)
    #expect(try log.calls() == ["c0", "c1", "c2"])
    #expect(try log.verify().isWhole)
    try log.write(1, from: 3)
    #expect(try log.verify().isWhole && log.verify().records == 4)
  }

  @Test("copes with a file of rubbish, of nothing, and of one endless line")
  func rubbish() throws {
    for content in [
      [], Array("rubbish".utf8), [UInt8](repeating: 0, count: 1_000_000), Array("a\nb\nc\n".utf8),
    ] {
      let log = try LogFolder()
      try Files.makeFolder(log.path)
      try log.put(content)
      try log.write(2)
      let outcome = try log.verify()
      let isLines = content.contains(10)
      #expect(outcome.isWhole == !isLines)
      #expect(try log.segments() == (isLines ? [1, 2] : [1]))
    }
  }

  @Test("opens after a cut anywhere and any flipped byte, and never a second time worse", arguments: 1...30)
  func anything(seed: Int) throws {
    let log = try LogFolder()
    try log.write(30) {
      $0.segmentBytes = 4000
      $0.syncRecords = 1
    }
    let last = try #require(try log.segments().last)
    var bytes = try log.bytes(last)
    var state = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1
      return Int(state >> 33) % bound
    }
    if seed % 2 == 0 { bytes.removeLast(random(bytes.count)) }
    if seed % 3 > 0, !bytes.isEmpty { bytes[random(bytes.count)] ^= UInt8(1 << random(8)) }
    try log.put(bytes, last)
    let before = try log.verify()
    try log.write(5, from: 100)
    let after = try log.verify()
    let innerDamage = after.damage
    if innerDamage == nil { #expect(after.records >= before.records) }
    if let damage = before.damage, damage.fault != .tornTail, innerDamage != nil {
      #expect(innerDamage == damage)
    }
    let (journal, recovery) = try log.open()
    #expect(recovery.cutBytes == 0 && recovery.damage == nil)
    journal.close()
  }

  @Test("shows recent records, newest segment first, until told that it is enough")
  func recent() throws {
    let log = try LogFolder()
    try log.write(60) {
      $0.segmentBytes = 4000
      $0.syncRecords = 1
    }
    let segments = try log.segments()
    #expect(segments.count > 3)
    var seen: [UInt64] = []
    var options = JournalOptions()
    options.segmentBytes = 4000
    let (journal, _) = try Journal.open(folder: log.path, options: options, now: 0) { line in
      if let record = RecordLine(line) { seen.append(record.seq) }
      return seen.count < 20
    }
    journal.close()
    #expect(seen.count >= 20 && seen.count < 60)
    let runs = seen.indices.filter { $0 == 0 || seen[$0] != seen[$0 - 1] + 1 }
    #expect(seen.max() == 60)
    #expect(runs.map { seen[$0] } == runs.map { seen[$0] }.sorted(by: >))
    #expect(Set(seen).count == seen.count)
    #expect(Set(seen) == Set((seen.min() ?? 0)...60))
  }
}
