package import Commands
import Journal
import Posix
import RouterCore
import Wire

package enum DemoCommand {
  package static let command = Command(
    name: "demo", summary: "the whole loop on this machine with sample traffic, ending in a report",
    help: """
      Examples:
        shadow-router demo
        shadow-router demo --keep demo-run        keeps policy and log, to be looked into
        shadow-router demo --output /tmp/r.html

      Starts the real sidecar in a temporary folder and sends it a few thousand real calls with the frontier's
      answers through its socket. Half-way it edits the policy and reloads, tries a broken edit, turns the kill
      switch on and off again; at the end it verifies the log and writes the report. Nothing leaves this machine,
      no model server is needed, and apart from the report nothing stays.

      The calls and answers are recorded, from public data sets. Runs and agents are made up around them, tokens
      are estimated (four characters each), prices are examples; no latency of a frontier is told.

        --keep DIR       keep policy, log and the sidecar's messages in this new folder
        --output FILE    the report (default: shadow-router-report.html)
        --demo-dir DIR   the folder with demo.yaml and demo/, where it is not found by itself

      """,
    options: ["keep": true, "output": true, "demo-dir": true],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    _ = try arguments.operands(0...0, "demo [--keep DIR] [--output FILE]")
    // Before any thread exists: all of them inherit the mask.
    let interruption: DemoInterruption
    do throws(PosixError) { interruption = try DemoInterruption() } catch {
      throw .surroundings(error.description)
    }
    let output = arguments.value("output") ?? "shadow-router-report.html"
    guard (try? Files.status(Files.folder(of: output)))??.kind == .folder else {
      throw .surroundings("\(Files.folder(of: output)) is no folder; name another place with --output FILE")
    }
    let sample = try DemoSample(named: arguments.value("demo-dir"))
    let folder = try DemoFolder(keep: arguments.value("keep"), sample: sample.folder)
    defer { folder.remove() }
    var story = DemoStory(sample: sample, folder: folder, interruption: interruption)
    try story.tell()
    let ending = try DemoEnding(folder: folder, balance: story.balance)
    try interruption.check()
    try ending.writeReport(to: output)
    Terminal.out(
      arguments.wantsJSON
        ? ending.document(report: output).jsonText + "\n"
        : ending.text(report: output, sample: sample.folder))
    return ending.isWhole ? .yes : .no
  }
}

/// What happens between the start of the sidecar and its end, told on stderr while it happens.
struct DemoStory {
  let sample: DemoSample
  let folder: DemoFolder
  let interruption: DemoInterruption
  /// The sidecar's account of all lines, taken before it was asked to end.
  private(set) var balance: JSONValue = .null

  /// Calls under the kill switch, and after it.
  private static let killed = 30
  private static let afterwards = 100

  init(sample: DemoSample, folder: DemoFolder, interruption: DemoInterruption) {
    self.sample = sample
    self.folder = folder
    self.interruption = interruption
  }

  mutating func tell() throws(Failure) {
    let calls = sample.calls
    let half = calls.count / 2
    let kill = calls.count - Self.killed - Self.afterwards
    Terminal.message(
      "\(DemoWords.count(calls.count)) recorded calls with frontier answers, the real sidecar, no network.\n\n"
    )
    var sidecar = try DemoSidecar.ready(folder, interruption)
    do throws(Failure) {
      step("sidecar", "ready after \(sidecar.startMilliseconds) ms, process \(sidecar.id), in", folder.root)
      try traffic("first half", calls[..<half], &sidecar)
      try edit(&sidecar)
      try brokenEdit(&sidecar)
      try traffic("second half", calls[half..<kill], &sidecar)
      try killSwitch(calls[kill..<kill + Self.killed], &sidecar)
      try traffic("the rest", calls[(kill + Self.killed)...], &sidecar)
      balance = try sidecar.status()["balance"] ?? .null
    } catch {
      // Whatever went wrong, the log is flushed: it may be kept.
      sidecar.stop()
      throw error
    }
    guard sidecar.stop() else {
      throw .surroundings("the sidecar did not end well; run again with --keep DIR and read DIR/sidecar.log")
    }
  }

  private func traffic(
    _ name: String, _ calls: ArraySlice<DemoCall>, _ sidecar: inout DemoSidecar
  ) throws(Failure) {
    var progress = Progress(name.padded(to: DemoWords.margin - 2))
    let start = Clocks.monotonic()
    let total = DemoWords.count(calls.count)
    do throws(Failure) {
      try sidecar.send(calls, interruption) { done in
        progress.show(Double(done) / Double(calls.count), "\(DemoWords.count(done)) of \(total)")
      }
    } catch {
      progress.end()
      throw error
    }
    progress.end()
    let milliseconds = (Clocks.monotonic() - start) / 1_000_000
    step(name, "\(total) calls and answers through the socket in \(milliseconds) ms")
  }

  // MARK: - Reload

  private static let task = "banking_intent"
  private static let raised = "0.95"

  private func edit(_ sidecar: inout DemoSidecar) throws(Failure) {
    let old = try sidecar.status()["policy"]?["revision"]?.stringValue ?? "?"
    let before = try rewrite { line in
      let parts = line.split(separator: ":", maxSplits: 1)
      return "\(parts[0]): \(Self.raised)"
    }
    let answer = try sidecar.reload()
    guard answer["result"]?.stringValue == "taken", let new = answer["revision"]?.stringValue else {
      throw .surroundings(
        "the edited policy was not taken: \(DemoWords.errors(answer).joined(separator: "\n"))")
    }
    step(
      "policy edit", "\(Self.task).\(before.trimmed), now \(Self.raised); reload: taken",
      "\(DemoWords.short(old)) → \(DemoWords.short(new)), generation \(answer["generation"]?.intValue ?? 0)")
  }

  private func brokenEdit(_ sidecar: inout DemoSidecar) throws(Failure) {
    let good = try Input.read(folder.policy, limit: 1 << 20)
    let inForce = try sidecar.status()["policy"]?["revision"]?.stringValue
    _ = try rewrite { line in line.replacing("min_confidence", with: "min_confidense") }
    let answer = try sidecar.reload()
    let errors = DemoWords.errors(answer)
    let stands = try sidecar.status()["policy"]
    guard answer["result"]?.stringValue == "refused", stands?["revision"]?.stringValue == inForce else {
      throw .surroundings("a broken policy was not refused: \(answer.jsonText)")
    }
    // The file's own folder is long, and named above.
    let shown = errors.prefix(2).map { $0.replacing(Files.folder(of: folder.policy) + "/", with: "") }
    let said = shown.flatMap { DemoWords.wrapped($0) }
    step(
      "broken edit",
      lines: ["a misspelt key; reload: refused, and said why:"] + said + [
        "\(DemoWords.short(inForce ?? "?")) goes on deciding"
      ])
    try put(good)
  }

  /// Changes the line of the task's threshold in the copy of the policy.
  ///
  /// - Returns: The line as it was.
  private func rewrite(_ change: (String) -> String) throws(Failure) -> String {
    let text = String(decoding: try Input.read(folder.policy, limit: 1 << 20), as: UTF8.self)
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    guard let task = lines.firstIndex(of: "  \(Self.task):"),
      let place = lines[task...].firstIndex(where: { $0.hasPrefix("    min_confidence:") })
    else {
      throw .surroundings(
        "\(sample.folder)/demo.yaml has no tasks.\(Self.task).min_confidence; restore the file")
    }
    let old = lines[place]
    lines[place] = change(old)
    try put(Array(lines.joined(separator: "\n").utf8))
    return old
  }

  private func put(_ bytes: [UInt8]) throws(Failure) {
    do throws(PosixError) { try Files.replace(folder.policy, with: bytes, mode: 0o600) } catch {
      throw .surroundings("the copy of the policy cannot be written: \(error.description)")
    }
  }

  // MARK: - Kill switch

  private func killSwitch(_ calls: ArraySlice<DemoCall>, _ sidecar: inout DemoSidecar) throws(Failure) {
    let on = try sidecar.kill(true)
    guard on["on"]?.boolValue != false else {
      throw .surroundings("the kill switch did not go on: \(on.jsonText)")
    }
    try sidecar.send(calls, wantsReplies: true, interruption)
    let told = try sidecar.replies(calls.count, interruption)
    let obeyed = told.count {
      $0["route"]?.stringValue == "frontier" && $0["reason"]?.stringValue == "manual_override"
    }
    _ = try sidecar.kill(false)
    guard obeyed == calls.count, try sidecar.status()["kill"]?["on"]?.boolValue == false else {
      throw .surroundings("under the kill switch only \(obeyed) of \(calls.count) calls went to the frontier")
    }
    step(
      "kill switch", "on: all \(obeyed) calls were told `frontier` (manual_override)", "off again")
  }

  private func step(_ name: String, _ lines: String...) { step(name, lines: lines) }

  private func step(_ name: String, lines: [String]) {
    for (place, line) in lines.enumerated() {
      Terminal.message((place == 0 ? name : "").padded(to: DemoWords.margin) + line + "\n")
    }
  }
}

extension String {
  fileprivate var trimmed: Substring { self[...].drop { $0 == " " } }
}

/// How the demonstration words things, within 80 columns.
enum DemoWords {
  static let margin = 14
  static let width = 80

  /// With commas: 3,130.
  static func count(_ number: Int) -> String {
    var text = ""
    for (place, digit) in String(number).reversed().enumerated() {
      if place > 0, place % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return String(text.reversed())
  }

  static func fixed(_ value: Double, _ places: Int) -> String {
    let scale = places == 0 ? 1 : (0..<places).reduce(1.0) { scale, _ in scale * 10 }
    let whole = Int((value * scale).rounded())
    guard places > 0 else { return "\(whole)" }
    let rest = String(whole % Int(scale))
    return "\(whole / Int(scale))." + String(repeating: "0", count: places - rest.count) + rest
  }

  static func short(_ revision: String) -> String { String(revision.prefix("sha256:".count + 12)) }

  static func errors(_ answer: JSONValue) -> [String] {
    (answer["errors"]?.arrayValue ?? []).compactMap(\.stringValue)
  }

  /// Cut at words, so that each line fits behind the margin.
  static func wrapped(_ text: String) -> [String] {
    var lines: [String] = []
    for word in text.split(separator: " ") {
      if let last = lines.last, margin + last.count + 1 + word.count <= width {
        lines[lines.count - 1] = "\(last) \(word)"
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }

  /// One line of it, at most so long.
  static func cut(_ text: String, to length: Int) -> String {
    let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
    return line.count <= length ? line : line.prefix(length - 1) + "…"
  }
}
