import Glibc
import RouterCore
import TestData
import Testing
import Wire

@testable import Candidates

@Suite("A label's probability")
struct LabelProbabilitiesTests {
  private static func token(_ text: String, _ probability: Double = 1, _ others: [(String, Double)] = [])
    -> GeneratedToken
  {
    GeneratedToken(
      chosen: TokenChoice(bytes: Array(text.utf8), probability: probability),
      alternatives: others.map { TokenChoice(bytes: Array($0.0.utf8), probability: $0.1) })
  }

  private func measure(_ tokens: [GeneratedToken], _ labels: [String], text: String? = nil)
    -> MeasuredConfidence?
  {
    let written = String(decoding: tokens.flatMap(\.chosen.bytes), as: UTF8.self)
    return LabelProbabilities.measure(text: text ?? written, tokens: tokens, labels: labels)
  }

  private func close(_ value: Double?, _ expected: Double) -> Bool {
    value.map { abs($0 - expected) < 1e-9 } ?? false
  }

  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var tokens: [GeneratedToken]
    var labels = ["billing", "bug", "other"]
    var value: Double
    var testDescription: String { name }
  }

  static let cases: [Case] = [
    Case(
      name: "one token a label, all listed",
      tokens: [
        token(#"{"label":""#),
        token("bug", 0.6, [("bug", 0.6), ("billing", 0.3), ("other", 0.1)]), token(#""}"#),
      ], value: 0.6),
    Case(
      name: "what no label begins with does not count",
      tokens: [
        token(#"{"label":""#),
        token("bug", 0.3, [("the", 0.5), ("bug", 0.3), ("billing", 0.15), ("other", 0.05)]), token(#""}"#),
      ], value: 0.6),
    Case(
      name: "the forced tokens around it do not count",
      tokens: [
        token("{", 0.0001, [("Sure", 0.9)]), token(#""label":""#, 0.01, [("x", 0.9)]),
        token("bug", 0.5, [("bug", 0.5), ("billing", 0.25), ("other", 0.25)]), token(#"","confidence":0.9}"#),
      ], value: 0.5),
    Case(
      name: "the first token holds the quote, with or without a space",
      tokens: [
        token(#"{"label":"#),
        token(
          #" "bug"#, 0.5,
          [(#" "bug"#, 0.5), (#""bug"#, 0.1), (#" "bill"#, 0.2), (#""other"#, 0.2), (" null", 0.3)]),
        token(#""}"#),
      ], value: 0.6),
    Case(
      name: "letter by letter, with a shared first letter",
      tokens: [
        token(#"{"label":""#), token("b", 0.8, [("b", 0.8), ("o", 0.2)]),
        token("u", 0.75, [("u", 0.75), ("i", 0.25)]),
        token("g"), token(#""}"#),
      ], value: 0.6),
    Case(
      name: "an alternative's prefix of the same label counts for it",
      tokens: [
        token(#"{"label":""#), token("bug", 0.4, [("bug", 0.4), ("bu", 0.2), ("bil", 0.2), ("o", 0.2)]),
        token(#""}"#),
      ], value: 0.6),
    Case(
      name: "what may be this label or another counts for the other",
      tokens: [
        token(#"{"label":""#), token("bug", 0.4, [("bug", 0.4), ("b", 0.2), ("bil", 0.2), ("o", 0.2)]),
        token(#""}"#),
      ], value: 0.4),
    Case(
      // Not listed are seven beginnings of `billing"` and six of `other"`.
      name: "each beginning of another label that is not listed has as much as the least listed",
      tokens: [
        token(#"{"label":""#), token("bug", 0.6, [("bug", 0.6), ("billing", 0.1), ("the", 0.01)]),
        token(#""}"#),
      ], value: 0.6 / 0.83),
    Case(
      name: "but not more than is left",
      tokens: [
        token(#"{"label":""#), token("bug", 0.7, [("bug", 0.7), ("billing", 0.2)]), token(#""}"#),
      ], value: 0.7),
    Case(
      name: "nothing is listed: all the rest is against it",
      tokens: [token(#"{"label":""#), token("bug", 0.7), token(#""}"#)], value: 0.7),
    Case(
      name: "a label that begins another is told apart by its closing quote",
      tokens: [
        token(#"{"label":""#), token("bug", 0.9, [("bug", 0.9), ("o", 0.1)]),
        token(#"","#, 0.7, [("fix", 0.3), (#"","#, 0.7)]),
        token(#""confidence":1}"#),
      ], labels: ["bug", "bugfix", "other"], value: 0.63),
    Case(
      name: "escapes and letters of several bytes",
      tokens: [
        token(#"{"label": "a\"#), token(#"""#, 0.5, [(#"""#, 0.5), ("n", 0.5)]), token("é"), token(#""}"#),
      ], labels: ["a\"é", "a\nb"], value: 0.5),
    Case(
      name: "a zero probability is written as the lowest float",
      tokens: [
        token(#"{"label":""#), token("bug", 0.25, [("bug", 0.25), ("billing", 0.25), ("other", 0)]),
        token(#""}"#),
      ], value: 0.5),
  ]

  @Test("is that of its own tokens among all labels", arguments: cases)
  func measures(example: Case) throws {
    let measured = try #require(measure(example.tokens, example.labels))
    #expect(close(measured.value, example.value), "\(measured.value)")
    #expect(measured.source == .logprob && measured.byLabel.count == example.labels.count)
    #expect(close(measured.byLabel.values.reduce(0, +), 1))
  }

  @Test("thinking before it and a template's token behind it are no part of the answer")
  func surroundings() {
    let inner = Self.cases[0].tokens
    let tokens = [Self.token("<think>hm</think>")] + inner + [Self.token("<eos>")]
    #expect(close(measure(tokens, ["billing", "bug", "other"], text: #"{"label":"bug"}"#)?.value, 0.6))
    #expect(close(measure(inner + [Self.token("")], ["billing", "bug", "other"])?.value, 0.6))
  }

  @Test("cannot be told from tokens of another text, a foreign label or a label of one")
  func unknown() {
    let tokens = Self.cases[0].tokens
    #expect(measure(tokens, ["billing", "bug"], text: #"{"label":"billing"}"#) == nil)
    #expect(measure(tokens, ["billing", "other"]) == nil)
    #expect(measure(tokens, ["bug"]) == nil)
    #expect(measure([], ["billing", "bug"], text: #"{"label":"bug"}"#) == nil)
    #expect(measure(tokens + tokens, ["billing", "bug"], text: #"{"label":"bug"}"#) == nil)
    #expect(measure([Self.token(#"{"label":"b\u0075g"}"#, 0.5)], ["billing", "bug"]) == nil)
    #expect(measure([Self.token(#"{"answer":"bug"}"#)], ["billing", "bug"]) == nil)
    #expect(
      measure([Self.token(#"{"label":""#), Self.token("bug", 0), Self.token(#""}"#)], ["billing", "bug"])
        == nil
        || measure(
          [Self.token(#"{"label":""#), Self.token("bug", 0), Self.token(#""}"#)], ["billing", "bug"])?.value
          == 0
    )
  }

  /// A model that writes labels in tokens of any length, as its grammar would let it: what is measured of a part of its
  /// alternatives may be lower than the truth, never higher.
  @Test(
    "is never above the truth, whatever the tokens are and whichever of them are listed", arguments: 0..<300)
  func neverOverstated(seed: Int) throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let labels = ["bill", "bills", "bug", "other", "out"].shuffled(using: &random)
    let endings = labels.map { Array(($0 + "\"").utf8) }
    var model: [[UInt8]: [TokenChoice]] = [:]
    /// What the model writes next, with tokens that lead nowhere among it.
    func next(_ written: [UInt8]) -> [TokenChoice] {
      if let known = model[written] { return known }
      var tokens: Set<[UInt8]> = []
      for ending in endings where ending.starts(with: written) {
        for end in stride(from: written.count + 1, through: ending.count, by: 1) {
          if end == ending.count || Bool.random(using: &random) {
            tokens.insert(Array(ending[written.count..<end]))
          }
        }
      }
      let sorted = tokens.sorted { $0.lexicographicallyPrecedes($1) } + [Array("zz".utf8), Array("the".utf8)]
      let masses = sorted.map { _ in pow(Double.random(in: 0...1, using: &random), 4) + 1e-6 }
      let total = masses.reduce(0, +)
      let choices = zip(sorted, masses).map { TokenChoice(bytes: $0, probability: $1 / total) }
      model[written] = choices.sorted { $0.probability > $1.probability }
      return model[written] ?? []
    }
    /// The probability of a label from here on, once tokens that lead nowhere are forbidden.
    func truth(_ ending: [UInt8], after written: [UInt8] = []) -> Double {
      if written == ending { return 1 }
      let allowed = next(written).filter { choice in
        endings.contains { $0.starts(with: written + choice.bytes) }
      }
      let total = allowed.reduce(0) { $0 + $1.probability }
      return allowed.filter { ending.starts(with: written + $0.bytes) }
        .reduce(0) { $0 + $1.probability / total * truth(ending, after: written + $1.bytes) }
    }
    let place = Int.random(in: labels.indices, using: &random)
    var tokens = [Self.token(#"{"label":""#)]
    var written: [UInt8] = []
    while written != endings[place] {
      let choices = next(written)
      let fitting = choices.filter { endings[place].starts(with: written + $0.bytes) }
      let chosen = try #require(fitting.randomElement(using: &random))
      let kept = choices.prefix(Int.random(in: 1...choices.count, using: &random))
      tokens.append(GeneratedToken(chosen: chosen, alternatives: Array(kept)))
      written += chosen.bytes
    }
    tokens.append(Self.token("}"))
    let measured = try #require(measure(tokens, labels))
    let right = truth(endings[place])
    #expect(measured.value <= right + 1e-9, "\(measured.value) \(right)")
    #expect(close(measured.byLabel.values.reduce(0, +), 1))
  }

  // MARK: - On the wire

  @Test("is read from what each provider writes")
  func wire() throws {
    func entries(_ name: String, _ top: String, _ zero: String) -> String {
      func list(_ pairs: [(String, String)]) -> String {
        pairs.map { "{\"token\":\"\($0.0)\",\"\(name)\":\($0.1)}" }.joined(separator: ",")
      }
      let first = #"{"token":"{\"label\":\"","bytes":null,"\#(name)":-9.5,"\#(top)":[]}"#
      let label =
        #"{"token":"�","bytes":[98,117,103],"\#(name)":-0.6931471805599453,"\#(top)":[\#(list([("bug", "-0.6931471805599453"), ("billing", "-0.6931471805599453"), ("other", zero)]))]}"#
      return "[\(first),\(label),{\"token\":\"\\\"}\",\"\(name)\":0,\"\(top)\":[]}]"
    }
    let list = entries("logprob", "top_logprobs", "-3.4028234663852886e+38")
    let text = #"{\"label\":\"bug\"}"#
    let bodies: [(ProviderFormat, String)] = [
      (.ollamaGenerate, #"{"response":"\#(text)","done":true,"logprobs":\#(list)}"#),
      (.ollamaChat, #"{"message":{"content":"\#(text)"},"done":true,"logprobs":\#(list)}"#),
      (
        .openAI,
        #"{"choices":[{"message":{"content":"\#(text)"},"logprobs":{"content":\#(list)},"finish_reason":"stop"}]}"#
      ),
      (.llamaCpp, #"{"content":"\#(text)","stop":true,"completion_probabilities":\#(list)}"#),
    ]
    for (format, body) in bodies {
      let reply = try ProviderSample.reply(format, body)
      #expect(close(reply.measured?.value, 0.5), "\(format)")
      #expect(close(reply.measured?.byLabel["other"], 0))
      // Broken ones say nothing about the reply itself.
      for broken in [
        "[7]", "7", #"[{"token":"x"}]"#, #"[{"token":7,"logprob":0}]"#, #"[{"token":"x","logprob":1e999}]"#,
      ] {
        let body = body.replacing(list, with: broken)
        #expect(try ProviderSample.reply(format, body).measured == nil)
      }
    }
    // A text's probability after greedy sampling is 1 and says nothing.
    let greedy = #"[{"token":"{\"label\":\"bug\"}","prob":1,"top_probs":[]}]"#
    let after = try ProviderSample.reply(
      .llamaCpp, #"{"content":"\#(text)","stop":true,"completion_probabilities":\#(greedy)}"#)
    #expect(after.measured == nil)
  }

  @Test("of a stream is that of the whole")
  func streamed() throws {
    let pieces = [
      #"{"choices":[{"delta":{"content":"{\"label\":\""},"logprobs":{"content":[{"token":"{\"label\":\"","logprob":-2,"top_logprobs":[]}]}}]}"#,
      #"{"choices":[{"delta":{"content":"bug"},"logprobs":{"content":[{"token":"bug","logprob":-0.6931471805599453,"top_logprobs":[{"token":"bug","logprob":-0.6931471805599453},{"token":"other","logprob":-0.6931471805599453}]}]}}]}"#,
      #"{"choices":[{"delta":{"content":"\"}"},"logprobs":{"content":[{"token":"\"}","logprob":0,"top_logprobs":[]}]},"finish_reason":"stop"}]}"#,
    ]
    let body = pieces.map { "data: \($0)\n\n" }.joined() + "data: [DONE]\n\n"
    let reply = try ProviderSample.streamed(
      .openAI, [Array(body.utf8)], to: ProviderSample.question(labels: ["bug", "other"]))
    #expect(close(reply.measured?.value, 0.5))
  }

  @Test("after the grammar is asked for with the reply's own beginning, and only where the server gives it")
  func probe() throws {
    let question = ProviderSample.question(labels: ["billing", "bug", "a\"b\\c"])
    let model = try ProviderSample.model(.llamaCpp)
    var reply = CandidateReply(
      text: #"{"label": "bug", "confidence": 0.9}"#, inputTokens: 10, outputTokens: 5)
    var capabilities = ModelCapabilities()
    func followUp(_ format: ProviderFormat = .llamaCpp) throws -> JSONValue? {
      try format.followUp(reply, to: question, model: model, style: AskStyle(), capabilities: capabilities)
        .map {
          try JSONValue(parsing: $0)
        }
    }
    #expect(try followUp() == nil)
    capabilities.returnsPostSamplingProbabilities = true
    #expect(try followUp(.openAI) == nil)
    let body = try #require(try followUp())
    #expect(body["prompt"] == .string(Prompt(question).text + #"{"label": ""#))
    #expect(body["grammar"] == #"root ::= "billing\"" | "bug\"" | "a\\\"b\\\\c\"""#)
    #expect(body["n_predict"] == 1 && body["temperature"] == 1 && body["samplers"] == ["temperature"])
    #expect(body["post_sampling_probs"] == true && body["cache_prompt"] == true)
    reply.text = "bug"
    #expect(try followUp() == nil)
  }

  @Test(
    "after the grammar is taken where first tokens tell the labels apart",
    arguments: [
      (
        #"[{"token":"bug","prob":0.6},{"token":"bi","prob":0.1},{"token":"bill","prob":0.1},{"token":"o","prob":0.2}]"#,
        0.6
      ),
      (
        #"[{"token":"bug","prob":0.6},{"token":"bu","prob":0.2},{"token":"bi","prob":0.1},{"token":"o","prob":0.1}]"#,
        0.8
      ),
      (#"[{"token":"bug","prob":0.6},{"token":"b","prob":0.2},{"token":"o","prob":0.2}]"#, nil),
      (
        #"[{"token":"bug","prob":0.6},{"token":"b","prob":0.01},{"token":"bi","prob":0.19},{"token":"o","prob":0.2}]"#,
        0.6
      ),
      (#"[{"token":"o","prob":1}]"#, nil), ("[]", nil), ("7", nil), (#"[{"token":"bug","prob":"x"}]"#, nil),
      (#"[{"token":"bug","prob":7}]"#, nil),
    ] as [(String, Double?)])
  func probeReply(list: String, value: Double?) throws {
    let question = ProviderSample.question()
    let reply = CandidateReply(text: #"{"label":"bug"}"#, inputTokens: 10, outputTokens: 5)
    let body =
      #"{"content":"bug","tokens_evaluated":12,"tokens_predicted":1,"completion_probabilities":[{"token":"bug","prob":0.6,"top_probs":\#(list)}]}"#
    let measured = try ProviderFormat.llamaCpp.measured(reply, followUp: Array(body.utf8), to: question)
    if let value {
      #expect(close(measured.measured?.value, value))
    } else {
      #expect(measured.measured == nil)
    }
    #expect(measured.inputTokens == 22 && measured.outputTokens == 6)
    let error = ProviderSample.fault { () throws(AskFault) in
      try ProviderFormat.llamaCpp.measured(reply, followUp: Array(#"{"error":{}}"#.utf8), to: question)
    }
    #expect(error == .badResponse)
  }
}
