import Foundation
import RouterCore
import Wire

@testable import Candidates

/// Questions and models that the providers' tests share.
enum ProviderSample {
  static let formats: [ProviderFormat] = [.ollamaGenerate, .ollamaChat, .openAI, .llamaCpp, .anthropic]

  static func question(
    _ text: String = "the importer crashes", labels: [String] = ["billing", "bug", "other"],
    _ change: (inout TaskPolicy) -> Void = { _ in }
  ) -> Question {
    var task = TaskPolicy(name: "triage", mark: Mark(line: 1, column: 1))
    task.labels = labels.map { TaskPolicy.Label($0) }
    task.output = labels.isEmpty ? .text : .label
    change(&task)
    return Question(task: task, text: Array(text.utf8), deadline: 0)
  }

  static func model(
    _ format: ProviderFormat, host: String = "http://127.0.0.1:1",
    _ change: (inout ModelPolicy) -> Void = { _ in }
  ) throws -> ModelPolicy {
    let (provider, path): (ModelPolicy.Provider, String) =
      switch format {
      case .ollamaGenerate: (.ollama, "/api/generate")
      case .ollamaChat: (.ollama, "/api/chat")
      case .openAI: (.openai, "/v1/chat/completions")
      case .llamaCpp: (.llamacpp, "/completion")
      case .anthropic: (.anthropic, "/v1/messages")
      }
    var model = ModelPolicy(id: "m", mark: Mark(line: 1, column: 1), provider: provider, name: "m:1b")
    model.endpoint = try HTTPURL(parsing: host + path)
    model.maxOutputTokens = 64
    change(&model)
    return model
  }

  static func body(
    _ format: ProviderFormat, _ question: Question, style: AskStyle = AskStyle(),
    host: String = "http://127.0.0.1:1",
    stream: Bool = false
  ) throws -> JSONValue {
    let model = try model(format, host: host) { $0.stream = stream }
    return try JSONValue(parsing: format.body(question, model: model, style: style))
  }

  static func reply(
    _ format: ProviderFormat, _ body: String, to question: Question = question(), style: AskStyle = AskStyle()
  ) throws(AskFault) -> CandidateReply {
    try format.reply(Array(body.utf8), to: question, style: style)
  }

  /// The reply of a stream that arrives in these pieces.
  static func streamed(
    _ format: ProviderFormat, _ pieces: [[UInt8]], to question: Question = question()
  ) throws(AskFault) -> CandidateReply {
    var stream = format.stream(to: question, style: AskStyle())
    for piece in pieces where try stream.feed(piece.span) { break }
    return try stream.finish()
  }

  static func fault(_ body: () throws(AskFault) -> CandidateReply) -> AskFault? {
    do throws(AskFault) {
      _ = try body()
      return nil
    } catch {
      return error
    }
  }

  // MARK: - Data outside of the package

  static let shared: URL = {
    if let path = ProcessInfo.processInfo.environment["SHADOW_ROUTER_SHARED"] {
      return URL(fileURLWithPath: path)
    }
    return URL(fileURLWithPath: #filePath).appendingPathComponent("../../../../shared").standardizedFileURL
  }()

  /// The JSON lines of a file, unpacked where it is packed; nil after a loud line where it is absent.
  static func lines(_ path: String, for test: String) throws -> [JSONValue]? {
    let url = shared.appendingPathComponent(path)
    guard FileManager.default.fileExists(atPath: url.path) else {
      print("SKIPPED: \(test): no \(url.path); set SHADOW_ROUTER_SHARED")
      return nil
    }
    var data = Data()
    if path.hasSuffix(".gz") {
      let process = Process()
      let pipe = Pipe()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/gzip")
      process.arguments = ["-dc", url.path]
      process.standardOutput = pipe
      try process.run()
      data = pipe.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
    } else {
      data = try Data(contentsOf: url)
    }
    return try data.split(separator: 10).map { line in
      try JSONValue(parsing: [UInt8](line), options: JSONOptions(allowsRepeatedNames: true))
    }
  }
}

extension CandidateReply {
  /// Everything in it, for comparing.
  var summary: String {
    "\(text)|\(toolCalls.map { "\($0.name)\($0.arguments.jsonText)" })|\(isRefusal)|\(isCut)|"
      + "\(inputTokens ?? -1)|\(outputTokens ?? -1)|\(tokensAreEstimates)|\(measured?.value ?? -1)"
  }
}
