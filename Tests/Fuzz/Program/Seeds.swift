import BuiltIn
import Evidence
import Foundation
import FuzzTargets
import Rollout
import RouterCore
import TestData
import TestLogs
import Wire

/// What a run begins with beside the kept corpus: public suites and recordings where they are there, and samples made here.
enum Seeds {
  static func write(to folder: String) {
    var seeds = SeedFolder(folder)
    for target in FuzzTarget.all.map(\.name) {
      for input in KeptCorpus.inputs(of: target) { seeds.add(target, input) }
    }
    suites(&seeds)
    recordings(&seeds)
    files(&seeds)
    samples(&seeds)
    logs(&seeds)
    documents(&seeds)
    print("seeds: \(seeds.count)")
  }

  // MARK: - Outside data

  private static func suites(_ seeds: inout SeedFolder) {
    for value in lines("suites/json-test-suite.ndjson", "the JSON seeds") {
      guard let bytes = value["base64"]?.stringValue.flatMap({ Data(base64Encoded: $0) }) else { continue }
      seeds.add("json", Array(bytes))
    }
    for value in lines("suites/yaml-test-suite.ndjson", "the YAML seeds") {
      guard let bytes = value["base64"]?.stringValue.flatMap({ Data(base64Encoded: $0) }) else { continue }
      seeds.add("policy", Array(bytes))
    }
    for (number, rule) in patterns().enumerated() {
      seeds.add("pattern", Array((rule + "\ncase-17 key = abc\(number)").utf8))
    }
    let schemas = SharedData.folder.appendingPathComponent("suites/json-schema-2020-12")
    for name in (try? FileManager.default.contentsOfDirectory(atPath: schemas.path))?.sorted() ?? [] {
      guard let data = SharedData.read("suites/json-schema-2020-12/\(name)", for: "the schema seeds"),
        let groups = try? JSONValue(parsing: Array(data))
      else { continue }
      for group in groups.arrayValue ?? [] {
        for test in (group["tests"]?.arrayValue ?? []).prefix(2) {
          guard let schema = group["schema"], let instance = test["data"] else { continue }
          seeds.add("schema", schema.jsonBytes + [0x0A] + instance.jsonBytes)
        }
      }
    }
  }

  private static func lines(_ path: String, _ what: String) -> [JSONValue] {
    guard let data = SharedData.read(path, for: what) else { return [] }
    let options = JSONOptions(allowsRepeatedNames: true)
    return data.split(separator: 10).compactMap { try? JSONValue(parsing: Array($0), options: options) }
  }

  private static func patterns() -> [String] {
    guard let data = SharedData.read("data/secrets/gitleaks.toml", for: "the patterns' seeds") else {
      return []
    }
    return String(decoding: data, as: UTF8.self).split(separator: "\n").compactMap { line in
      guard line.hasPrefix("regex = '''"), line.hasSuffix("'''") else { return nil }
      return String(line.dropFirst(11).dropLast(3))
    }
  }

  private static func recordings(_ seeds: inout SeedFolder) {
    let exchanges =
      lines("data/wire/exchanges.jsonl.gz", "the recorded seeds")
      + lines("data/wire/ollama_client_test_shapes.jsonl", "the recorded seeds")
    for exchange in exchanges {
      let request = exchange["request"] ?? .null
      let response = exchange["response"] ?? .null
      let call: JSONValue = ["kind": "call", "call_id": "c", "task_type": "triage", "request": request]
      let answer: JSONValue = ["kind": "answer", "call_id": "c", "response": response]
      for value in [call, answer] { seeds.add("frame", value.jsonBytes) }
      seeds.add("json", request.jsonBytes)
      let shape = exchange["shape"]?.stringValue ?? ""
      let format = shape.hasPrefix("anthropic") ? "4" : shape.hasPrefix("ollama") ? "1" : "2"
      seeds.add("reply", Array("\(format)0".utf8) + response.jsonBytes)
      if let text = exchange["response_text"]?.stringValue {
        seeds.add("stream", Array("\(format)00\(text)".utf8))
      }
      let head = "POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: \(request.jsonBytes.count)\r\n\r\n"
      seeds.add("http-request", Array("0\(head)".utf8) + request.jsonBytes)
      let status = exchange["status"]?.intValue ?? 200
      let reply = "HTTP/1.1 \(status) OK\r\nContent-Length: \(response.jsonBytes.count)\r\n\r\n"
      seeds.add("http-response", Array("00\(reply)".utf8) + response.jsonBytes)
    }
  }

  // MARK: - The project's own

  private static func files(_ seeds: inout SeedFolder) {
    for folder in ["policies", "Tests/Policies"] {
      for name in (try? FileManager.default.contentsOfDirectory(atPath: folder))?.sorted() ?? []
      where name.hasSuffix(".yaml") {
        guard let data = FileManager.default.contents(atPath: folder + "/" + name) else { continue }
        seeds.add("policy", Array(data))
      }
    }
  }

  private static func samples(_ seeds: inout SeedFolder) {
    for (target, texts) in SeedTexts.all {
      for text in texts { seeds.add(target, Array(text.utf8)) }
    }
    // Orders of the log's script: lines, gaps, segments, and each kind of damage.
    for script in [
      [0, 3, 0, 4, 0, 5], [0, 1, 6, 9], [0, 1, 0, 2, 7, 0, 50, 1], [0, 1, 8, 200], [0, 1, 0, 2, 9, 0, 6, 40],
      [4, 2, 0, 1, 5, 0, 1, 4, 3], [0, 9, 12], [0, 1, 0, 2, 0, 3, 13, 1], [10, 5, 65, 66, 10, 67, 68],
      [0, 1, 5, 5, 0, 2, 5, 0, 3, 6, 100],
    ] as [[UInt8]] {
      seeds.add("recovery", script)
      seeds.add("terms", script)
      seeds.add("lines", script + Array("ab\ncdefghijkl\n\nmn".utf8))
    }
    let terms = Array(0..<UInt8(61))
    seeds.add("terms", [0] + terms)
    seeds.add("terms", [0] + terms.reversed())
  }

  private static func logs(_ seeds: inout SeedFolder) {
    let week = SampleLog.week().lines
    for start in stride(from: 0, to: week.count - 12, by: 331) {
      seeds.add("log", joined(week[start..<start + 12]))
    }
    seeds.add("log", joined(week.suffix(12)))
    var log = SampleLog()
    log.decision("a", task: "triage", sampled: true)
    log.comparison("a", "disagree")
    log.review("a", "escalate", severity: 2, missedStop: true)
    log.review("a", "accept", reviewer: "bob")
    log.outcome(call: "a", "failure")
    log.challenge("a", accepts: true)
    log.record("probe", [("model_id", "m"), ("model", "qwen"), ("digest", "sha256:a")])
    log.record(
      "flag", [("task", "triage"), ("old", "shadow"), ("new", "10%"), ("actor", "uid 0"), ("reason", "x")])
    log.record("gap", [("from", 9), ("to", 12), ("cause", "disk_full")])
    log.record("stop", [("received", 12), ("recorded", 9), ("lost", 3)])
    log.record("week", [("task", "triage"), ("week", "2026-W10"), ("would_accepts", 3), ("drawn", 1)])
    log.record("drill", [("call_id", "d"), ("task", "triage"), ("route", "frontier")])
    seeds.add("log", log.bytes)
    for count in [0, 3, 40] {
      var fold = EvidenceFold()
      for line in week.prefix(count) + log.lines { fold.add(line.span) }
      if let bytes = StoredFold.bytes(of: fold) { seeds.add("summary", bytes) }
    }
  }

  private static func joined(_ lines: ArraySlice<[UInt8]>) -> [UInt8] { lines.flatMap { $0 + [0x0A] } }

  private static func documents(_ seeds: inout SeedFolder) {
    var task = TaskPolicy(name: "t", mark: Mark(line: 1, column: 1))
    task.auditShare = 0.1
    var flag = Flag("t")
    (flag.percent, flag.userGroups, flag.since) = (10, ["beta"], 5)
    flag.grant = Grant(
      receipt: "0123456789abcdef", isOverride: false, epoch: "2026-03-02.1", approver: "ana",
      taskRevision: "r1",
      models: [ServedModel(id: "m", name: "n", digest: "d", prompt: "p", calibrations: ["c"])],
      baseline: Disagreement(compared: 100, disagreed: 2), safeguards: Safeguards(task), issuedAt: 0,
      expiresAt: 1_000)
    var flags = FlagsDocument(salt: "00ff", place: "7-8")
    flags["t"] = flag
    seeds.add("documents", Array("0".utf8) + flags.bytes)
    let rows = ["play a song", "skip this track", "send cash", "pay the bill", "book a flight", "rent a car"]
    let labels = ["music", "music", "money", "money", "travel", "travel"]
    var options = BuiltInTrainingOptions()
    options.folds = 2
    let training = zip(rows, labels).map { TrainingRow(text: Array($0.utf8), label: $1) }
    guard let model = try? BuiltInTrainer.train(training + training, options: options).model else {
      return print("no model could be trained")
    }
    seeds.add("model-file", model.encoded().dropLast(32))
  }
}

/// Seeds on their way to a folder for each target; inputs that are too long are left out, and no input is written twice.
struct SeedFolder {
  private let folder: String
  private(set) var count = 0

  init(_ folder: String) { self.folder = folder }

  mutating func add(_ target: String, _ bytes: some Sequence<UInt8>) {
    let bytes = Array(bytes)
    guard let limit = FuzzTarget.named(target)?.maxBytes, bytes.count <= limit else { return }
    let path = "\(folder)/\(target)"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let name = SHA256.hash(bytes).hex.prefix(16)
    guard FileManager.default.createFile(atPath: "\(path)/\(name)", contents: Data(bytes)) else { return }
    count += 1
  }
}
