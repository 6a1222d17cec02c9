import Candidates
import RouterCore
import Wire

/// The one thing that a probe asks the model itself. Pure.
///
/// It is the very request that calls are asked with, schema and all, only with words that ask for plain prose: an object
/// with one of two odd words in it can then come from enforcement alone.
struct SmallAsk: Sendable {
  static let labels = ["quartzite", "marzipan"]
  static let words =
    "Write one short English sentence about the weather, in plain prose. No JSON, no list, no quotation marks."
  /// Enough for the object, too little for an essay.
  static let outputTokens = 64

  let format: ProviderFormat
  let model: ModelPolicy
  let question: Question

  init(_ format: ProviderFormat, _ model: ModelPolicy) {
    var model = model
    model.maxOutputTokens = min(model.maxOutputTokens, Self.outputTokens)
    self.format = format
    self.model = model
    var task = TaskPolicy(name: "probe", mark: Mark(line: 1, column: 1))
    task.output = .label
    task.labels = Self.labels.map { TaskPolicy.Label($0) }
    question = Question(task: task, text: Array(Self.words.utf8), deadline: .max)
  }

  /// - Returns: nil where the provider cannot be asked.
  func body(wantsLogProbabilities: Bool) -> [UInt8]? {
    members(wantsLogProbabilities: wantsLogProbabilities).map { JSONValue.object($0).jsonBytes }
  }

  /// Whether the request as it is made does ask for them: nobody drops what was not asked for.
  var asksForLogProbabilities: Bool {
    let names = (members(wantsLogProbabilities: true) ?? []).map(\.name)
    return names.contains("logprobs") || names.contains("n_probs")
  }

  private func members(wantsLogProbabilities: Bool) -> [JSONMember]? {
    let style = AskStyle(wantsLogProbabilities: wantsLogProbabilities)
    let made = format.body(question, model: model, style: style)
    guard let members = (try? JSONValue(parsing: made))?.members else { return nil }
    return members.compactMap { member -> JSONMember? in
      switch member.name {
      case "prompt": JSONMember("prompt", .string(Self.words))
      case "messages":
        JSONMember("messages", [["role": "user", "content": .string(Self.words)]])
      case "stream": JSONMember("stream", false)
      case "system", "stream_options": nil
      default: member
      }
    }
  }

  /// Reads the body of a 200.
  func read(_ body: [UInt8], askedLogProbabilities: Bool, into finding: inout ProbeFinding) {
    let style = AskStyle(wantsLogProbabilities: askedLogProbabilities)
    let reply: CandidateReply
    do throws(AskFault) { reply = try format.reply(body, to: question, style: style) } catch {
      finding.capabilities.fault = error.cause
      return
    }
    finding.costUSD +=
      (Double(reply.inputTokens ?? 0) * model.price.inputPerMtok
        + Double(reply.outputTokens ?? 0) * model.price.outputPerMtok) / 1e6
    finding.capabilities.enforcesSchema = Self.isEnforced(reply)
    guard let value = try? JSONValue(parsing: body) else { return }
    if finding.capabilities.serverVersion == nil {
      finding.capabilities.serverVersion = ServerLook.word(value["system_fingerprint"])
    }
    // Hosts that list only some of what they serve answer all the same.
    if finding.capabilities.isPresent == nil || value["model"]?.stringValue == model.name {
      finding.capabilities.isPresent = true
    }
    if askedLogProbabilities {
      finding.logProbabilities = hasLogProbabilities(value) ? .returned : .dropped
      finding.capabilities.returnsLogProbabilities = finding.logProbabilities == .returned
    }
  }

  private static func isEnforced(_ reply: CandidateReply) -> Bool {
    let text = reply.text.drop { $0.isWhitespace }
    if let answer = try? JSONValue(parsing: Array(text.utf8)) {
      return answer["label"]?.stringValue.map(labels.contains) == true
    }
    // A number under a schema may go on until the output limit: cut, but still nothing that prose would give.
    return reply.isCut && text.first == "{" && labels.contains { text.contains("\"\($0)\"") }
  }

  private func hasLogProbabilities(_ body: JSONValue) -> Bool {
    let tokens: JSONValue? =
      switch format {
      case .ollamaGenerate, .ollamaChat: body["logprobs"]
      case .openAI: body["choices"]?[0]?["logprobs"]?["content"]
      case .llamaCpp: body["completion_probabilities"]
      case .anthropic: nil
      }
    guard let first = tokens?[0] else { return false }
    return first["logprob"]?.doubleValue != nil || first["prob"]?.doubleValue != nil
  }
}

/// llama.cpp alone: one token under a grammar of two words, with the probabilities after the grammar.
enum PostSamplingAsk {
  static let body: [UInt8] = {
    let grammar = "root ::= " + SmallAsk.labels.map { "\"\($0)\"" }.joined(separator: " | ")
    let request: JSONValue = [
      "prompt": .string(SmallAsk.words), "n_predict": 1, "temperature": 1, "top_k": 0, "top_p": 1, "min_p": 0,
      "samplers": ["temperature"], "seed": 7, "grammar": .string(grammar), "n_probs": 20,
      "post_sampling_probs": true, "cache_prompt": true, "stream": false,
    ]
    return request.jsonBytes
  }()

  /// Whether the first token's alternatives are beginnings of the two words, and together all there is.
  static func isGiven(_ body: [UInt8]) -> Bool {
    let value = try? JSONValue(parsing: body)
    guard let listed = value?["completion_probabilities"]?[0]?["top_probs"]?.arrayValue else { return false }
    var sum = 0.0
    for entry in listed {
      guard let token = entry["token"]?.stringValue, let share = entry["prob"]?.doubleValue else {
        return false
      }
      // What the grammar rules out may stay in the list with nothing.
      guard share > 1e-6 else { continue }
      guard !token.isEmpty, SmallAsk.labels.contains(where: { $0.hasPrefix(token) }) else { return false }
      sum += share
    }
    return abs(sum - 1) < 0.02
  }
}
