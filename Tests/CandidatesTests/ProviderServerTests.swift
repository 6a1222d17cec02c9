import Foundation
import Posix
import RouterCore
import Testing
import Wire

@testable import Candidates

/// A real classifier behind three providers' formats, from outside of the package; ends with this value.
private struct ClassifierServer: ~Copyable {
  let port: Int
  private let process: ChildProcess

  private init(_ process: consuming ChildProcess, port: Int) {
    self.process = process
    self.port = port
  }

  /// - Returns: nil after a loud line where it cannot be had.
  static func start(_ options: [String], for test: String) throws -> ClassifierServer? {
    let folder = ProviderSample.shared.appendingPathComponent("tools/candidate")
    let script = folder.appendingPathComponent("candidate_server.py").path
    let python = "/usr/bin/python3"
    guard FileManager.default.fileExists(atPath: script), FileManager.default.fileExists(atPath: python)
    else {
      print("SKIPPED: \(test): no \(script) or no \(python); set SHADOW_ROUTER_SHARED")
      return nil
    }
    let output = FileManager.default.temporaryDirectory.appendingPathComponent(
      "classifier-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: output) }
    let examples = folder.appendingPathComponent("tickets.jsonl").path
    let process = try ChildProcess(
      python, name: "python3", [script, "--backend", "nb", "--examples", examples, "--port", "0"] + options,
      output: output.path)
    let deadline = Clocks.deadline(afterMilliseconds: 60_000)
    while Clocks.monotonic() < deadline {
      Clocks.sleep(milliseconds: 20)
      let said = String(decoding: (try? Files.read(output.path, limit: 1 << 20)) ?? [], as: UTF8.self)
      guard said.hasSuffix("\n"),
        let port = said.split(whereSeparator: \.isWhitespace).last.flatMap({ Int($0) })
      else { continue }
      return ClassifierServer(process, port: port)
    }
    Issue.record("the classifier did not start")
    return nil
  }
}

@Suite("A real server", .serialized)
struct ProviderServerTests {
  private static let tickets = [
    "I was charged twice this month", "the app crashes when I open the file", "how do I reset my password",
  ]

  private func send(
    _ body: [UInt8], _ format: ProviderFormat, _ model: ModelPolicy
  ) throws -> HTTPResponse {
    let url = try #require(model.endpoint)
    var client = HTTPClient(url, over: .tcp(url))
    return try client.post(
      body, headers: format.headers, deadline: Clocks.deadline(afterMilliseconds: 60_000),
      isStopping: { false })
  }

  private func labels() throws -> [String]? {
    guard let lines = try ProviderSample.lines("tools/candidate/tickets.jsonl", for: "a real server") else {
      return nil
    }
    return Set(lines.compactMap { $0["label"]?.stringValue }).sorted()
  }

  @Test(
    "answers in every format with a label, its counts and the class's own probability, whole and streamed")
  func classifier() throws {
    guard let server = try ClassifierServer.start(["--any-model"], for: "a real server"),
      let labels = try labels()
    else {
      return
    }
    var measured = 0
    for format in ProviderSample.formats where format != .anthropic {
      for ticket in Self.tickets {
        let question = ProviderSample.question(ticket, labels: labels)
        var replies: [CandidateReply] = []
        for isStream in [false, true] {
          let model = try ProviderSample.model(format, host: "http://127.0.0.1:\(server.port)") {
            $0.stream = isStream
          }
          let response = try send(format.body(question, model: model, style: AskStyle()), format, model)
          #expect(response.status == 200)
          if isStream {
            replies.append(try ProviderSample.streamed(format, [response.body], to: question))
          } else {
            replies.append(try format.reply(response.body, to: question, style: AskStyle()))
          }
        }
        #expect(replies[0].text == replies[1].text)
        let answer = try JSONValue(parsing: replies[0].text)
        #expect(labels.contains(answer["label"]?.stringValue ?? ""))
        let confidence = try #require(answer["confidence"]?.doubleValue)
        for reply in replies {
          #expect(
            !reply.isCut && !reply.isRefusal && (reply.inputTokens ?? 0) > 0 && (reply.outputTokens ?? 0) > 0)
          // llama.cpp's stream of this server has the tokens at its end, the others each with its own.
          let value = try #require(reply.measured?.value, "\(format)")
          #expect(abs(value - confidence) < 0.0002, "\(format) \(value) \(confidence)")
          measured += 1
        }
      }
    }
    print("a real server: \(measured) label probabilities agree with the classifier's own")
    #expect(measured == 24)
  }

  @Test("fails within its stream, and that is said", arguments: ["stream_error", "no_done"])
  func streamFaults(fault: String) throws {
    guard let server = try ClassifierServer.start(["--any-model", "--fault", fault], for: "stream faults"),
      let labels = try labels()
    else { return }
    for format in [ProviderFormat.ollamaGenerate, .ollamaChat, .openAI] {
      let question = ProviderSample.question(Self.tickets[0], labels: labels)
      let model = try ProviderSample.model(format, host: "http://127.0.0.1:\(server.port)") {
        $0.stream = true
      }
      let response = try send(format.body(question, model: model, style: AskStyle()), format, model)
      let seen = ProviderSample.fault { () throws(AskFault) in
        try ProviderSample.streamed(format, [response.body], to: question)
      }
      #expect(seen == (fault == "no_done" ? .streamIncomplete : .streamError), "\(format)")
    }
  }

  private static let llama = ProcessInfo.processInfo.environment["SHADOW_ROUTER_LLAMA"]

  /// Opt-in, for a language model takes seconds an answer: no part of what a full run has to do.
  @Test(
    "llama.cpp's own server gives labels, probabilities before and after the grammar, and short numbers",
    .enabled(if: llama != nil, "opt-in: SHADOW_ROUTER_LLAMA=http://127.0.0.1:PORT names a running server"))
  func llamaCpp() throws {
    let host = try #require(Self.llama)
    let labels = ["billing", "crash", "account", "other"]
    var capabilities = ModelCapabilities()
    capabilities.returnsPostSamplingProbabilities = true
    for format in [ProviderFormat.llamaCpp, .openAI, .anthropic] {
      for (ticket, isStream) in zip(Self.tickets + Self.tickets, [false, false, false, true, true, true]) {
        let question = ProviderSample.question(ticket, labels: labels)
        let model = try ProviderSample.model(format, host: host) { $0.stream = isStream }
        let response = try send(format.body(question, model: model, style: AskStyle()), format, model)
        #expect(response.status == 200, "\(format) \(String(decoding: response.body, as: UTF8.self))")
        guard response.status == 200 else { continue }
        var reply =
          isStream
          ? try ProviderSample.streamed(format, [response.body], to: question)
          : try format.reply(response.body, to: question, style: AskStyle())
        let before = reply.measured?.value
        if let body = format.followUp(
          reply, to: question, model: model, style: AskStyle(), capabilities: capabilities)
        {
          reply = try format.measured(reply, followUp: try send(body, format, model).body, to: question)
        }
        print(
          "llama.cpp \(format) stream \(isStream): \(reply.text) before \(before ?? -1) after \(reply.measured?.value ?? -1)"
            + " tokens \(reply.inputTokens ?? -1) \(reply.outputTokens ?? -1) estimates \(reply.tokensAreEstimates)"
        )
        if format != .anthropic {
          let answer = try JSONValue(parsing: reply.text)
          #expect(labels.contains(answer["label"]?.stringValue ?? ""))
          #expect(reply.measured != nil)
        }
        if format == .llamaCpp {
          let answer = try JSONValue(parsing: reply.text)
          #expect((answer["confidence"]?.numberValue?.literal.utf8.count ?? 9) <= 4)
        }
      }
    }
  }
}
