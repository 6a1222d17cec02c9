import Posix
import Testing

@testable import LogRequests

/// What a report keeps beside the log never changes what it says.
@Suite("Summaries beside the log")
struct ReportSummaryTests {
  private static let now: Int64 = 1_774_000_000_000

  private func line(_ seq: Int, _ kind: String, _ body: String) -> String {
    let second = String(seq % 60)
    let minute = String(seq / 60 % 60)
    let hour = String(10 + seq / 3600)
    let time =
      "2026-03-02T\(hour):\(minute.count < 2 ? "0" : "")\(minute):\(second.count < 2 ? "0" : "")\(second).000Z"
    let digits = String(seq)
    let hash = String(repeating: "a", count: 64 - digits.count) + digits
    return
      #"{"v":1,"log":"l","seq":\#(seq),"ts":"\#(time)","kind":"\#(kind)",\#(body),"prev":"","h":"\#(hash)"}"#
      + "\n"
  }

  private func call(_ number: Int) -> String {
    let id = #""call_id":"c\#(number)""#
    let isLocal = number % 3 != 0
    let route =
      isLocal
      ? #""route_candidate":"local","reason":null"#
      : #""route_candidate":"frontier","reason":"confidence_low""#
    let agreement = number % 5 == 0 ? "disagree" : "agree"
    return line(
      2 * number + 1, "decision",
      #"\#(id),"run_id":"r\#(number / 4)","task_type":"t\#(number % 2)","agent":"a",\#(route),"label":"x","confidence":0.\#(50 + number % 50),"input_preview":"call \#(number)","local_latency_ms":\#(number % 70),"local_cost_usd":0.001"#
    )
      + line(
        2 * number + 2, "comparison",
        #"\#(id),"agreement":"\#(agreement)","agreement_detail":"label","frontier_label":"y","frontier_latency_ms":\#(number),"frontier_cost_usd":0.01"#
      )
  }

  /// Three segments, the last of which is open.
  private func withLog(_ body: (String) throws -> Void) throws {
    let state = "/tmp/shadow-router-summaries-\(UInt64.random(in: 0 ... .max))"
    let folder = Files.join(state, "log")
    try Files.makeFolder(folder)
    defer {
      for inner in [summaries(folder), folder, state] {
        for name in (try? Files.list(inner)) ?? [] { try? Files.remove(Files.join(inner, name)) }
        try? Files.removeFolder(inner)
      }
    }
    for segment in 1...3 {
      let text = (segment - 1) * 100..<segment * 100
      try write(text.map(call).joined(), to: path(folder, segment))
    }
    try body(folder)
  }

  private func path(_ folder: String, _ segment: Int) -> String {
    Files.join(folder, "000000000\(segment).ndjson")
  }

  private func summaries(_ folder: String) -> String { Files.join(Files.folder(of: folder), "summaries") }

  private func summary(_ folder: String) -> String { Files.join(summaries(folder), "report") }

  private func write(_ text: String, to path: String) throws {
    try Files.open(path, for: .appending).writeAll(Array(text.utf8))
  }

  private func report(_ folder: String, since: String? = nil, summaries: Bool = true) throws -> (
    text: String, read: Int
  ) {
    var request = ReportRequest(logFolder: folder)
    request.format = "json"
    request.since = since
    request.usesSummaries = summaries
    request.summaryLeast = 0
    let made = try request.make(now: Self.now)
    return (made.text, Int(made.bytesRead))
  }

  /// Also says that a summary is in use again afterwards; a few new lines are not worth another one.
  private func expectSame(_ folder: String, _ location: SourceLocation = #_sourceLocation) throws {
    let plain = try report(folder, summaries: false).text
    #expect(try report(folder).text == plain, sourceLocation: location)
    let again = try report(folder)
    #expect(again.text == plain, sourceLocation: location)
    #expect(again.read < 5_000, sourceLocation: location)
  }

  @Test("the second report reads nothing, the third only what is new")
  func onlyNew() throws {
    try withLog { folder in
      let whole = try report(folder).read
      #expect(whole > 100_000)
      #expect(try report(folder).read == 0)
      try expectSame(folder)
      #expect(try Files.status(summary(folder))?.mode == 0o600)
      #expect(try Files.status(summaries(folder))?.mode == 0o700)
      let new = call(300)
      try write(new, to: path(folder, 3))
      let plain = try report(folder, summaries: false).text
      let third = try report(folder)
      #expect(third.text == plain)
      #expect(third.read == new.utf8.count)
      // A fourth segment: the third is done.
      try write(
        call(301)
          + line(900, "review", #""call_id":"c1","review_label":"escalate","severity":2,"reviewer":"r""#),
        to: path(folder, 4))
      try expectSame(folder)
    }
  }

  @Test("a summary that is cut, flipped, empty or a folder is made again")
  func damaged() throws {
    try withLog { folder in
      try expectSame(folder)
      let good = try Files.read(summary(folder), limit: 1 << 24)
      for place in stride(from: 0, to: good.count, by: good.count / 40) {
        var bytes = good
        bytes[place] ^= 0x10
        try Files.replace(summary(folder), with: bytes)
        try expectSame(folder)
      }
      for count in [0, 1, 13, good.count / 2, good.count - 1] {
        try Files.replace(summary(folder), with: Array(good[..<count]))
        try expectSame(folder)
      }
      try Files.replace(summary(folder), with: good + [0])
      let plain = try report(folder, summaries: false).text
      #expect(try report(folder).text == plain)
    }
  }

  @Test("a log that is no longer the one that was read is read")
  func otherLog() throws {
    try withLog { folder in
      try expectSame(folder)
      // Damage in a segment that was whole.
      var bytes = try Files.read(path(folder, 1), limit: 1 << 24)
      bytes[0] = UInt8(ascii: "x")
      let file = try Files.open(path(folder, 1), for: .replacing)
      try file.writeAll(bytes)
      try expectSame(folder)
      #expect(try report(folder).text.contains(#""damaged":1,"#))
      // The same bytes in another file.
      try Files.replace(path(folder, 2), with: try Files.read(path(folder, 2), limit: 1 << 24))
      try expectSame(folder)
      // Records lost from the end, others in their place.
      let open = try Files.read(path(folder, 3), limit: 1 << 24)
      let cut = try Files.open(path(folder, 3), for: .replacing)
      try cut.writeAll(Array(open[..<(open.count / 2)]))
      try expectSame(folder)
      try write("\n" + (400..<500).map(call).joined(), to: path(folder, 3))
      try expectSame(folder)
      // A segment gone.
      try Files.remove(path(folder, 1))
      try expectSame(folder)
    }
  }

  @Test("half a line at the end is read once it is whole")
  func halfLine() throws {
    try withLog { folder in
      let new = call(300)
      try write(String(new.prefix(100)), to: path(folder, 3))
      try expectSame(folder)
      try write(String(new.dropFirst(100)), to: path(folder, 3))
      try expectSame(folder)
    }
  }

  @Test(
    "windows say what they say without summaries",
    arguments: [
      "2026-03-02T10:00:00.000Z", "2026-03-02T10:02:30.000Z", "2026-03-02T10:06:00.000Z",
      "2026-03-02T11:00:00.000Z", "365d",
    ])
  func windows(since: String) throws {
    try withLog { folder in
      let all = try report(folder).read
      let plain = try report(folder, since: since, summaries: false).text
      let kept = try report(folder, since: since)
      #expect(kept.text == plain)
      // Segments before the window are not read: records come a second each, 200 to a segment.
      let passed = ["2026-03-02T10:06:00.000Z": 1, "2026-03-02T11:00:00.000Z": 2][since] ?? 0
      if passed > 0 { #expect(kept.read <= all * (3 - passed) / 3 + 20_000) }
      if since == "365d" { #expect(kept.read == 0) }
    }
  }

  @Test(
    "a window that begins within the newest segment is not taken for the whole log", arguments: [1, 2, 3])
  func newestSegment(segments: Int) throws {
    try withLog { folder in
      for segment in segments + 1..<4 { try Files.remove(path(folder, segment)) }
      _ = try report(folder)
      let since = "2026-03-02T10:0\(segments * 3):00.000Z"
      let plain = try report(folder, since: since, summaries: false).text
      #expect(try report(folder, since: since).text == plain)
      #expect(try report(folder).text == report(folder, summaries: false).text)
    }
  }

  @Test("where nothing can be kept, the report comes all the same")
  func nothingKept() throws {
    try withLog { folder in
      let plain = try report(folder, summaries: false).text
      // A file in the place of the folder stops root as well.
      try write("", to: summaries(folder))
      #expect(try report(folder).text == plain)
      try Files.remove(summaries(folder))
      try Files.makeFolder(summary(folder))
      defer { try? Files.removeFolder(summary(folder)) }
      #expect(try report(folder).text == plain)
      #expect(try Files.list(summaries(folder)) == ["report"])
    }
  }
}
