import Testing
import Wire

@testable import RouterCore

@Suite("The confidence of a decision")
struct ConfidenceTests {
  private static func correction(
    _ source: Decision.ConfidenceSource, temperature: Double = 2, prior: [String: Double] = [:],
    shift: Double = 0
  ) -> ConfidenceCorrection {
    ConfidenceCorrection(
      task: "t", modelID: "m", modelDigest: nil, promptRevision: nil, source: source,
      temperature: temperature,
      prior: prior, shift: shift)
  }

  private func judge(_ outcome: CandidateOutcome, _ corrections: [ConfidenceCorrection] = []) -> Decision {
    var task = TaskPolicy(name: "t", mark: Mark(line: 1, column: 1))
    task.local = true
    task.labels = [.init("a"), .init("b")]
    task.minConfidence = 0.7
    var policy = Policy()
    policy.tasks = [task]
    let prepared = PreparedPolicy(policy, generation: 1)
    var call = Call(callID: "c")
    call.taskType = "t"
    var scratch = Engine.Scratch()
    let context = DecisionContext(today: "2026-11-21")
    let screening = Engine.screen(call, policy: prepared, context: context, scratch: &scratch)
    return Engine.judge(
      screening, call: call, outcome: outcome, policy: prepared, context: context, corrections: corrections,
      scratch: &scratch)
  }

  private func said(_ text: String, _ measured: MeasuredConfidence? = nil) -> CandidateOutcome {
    var reply = CandidateReply(text: text)
    reply.measured = measured
    return .said(reply)
  }

  @Test("is the measured one where there is one, of the label that was given")
  func choice() {
    let own = judge(said(#"{"label": "a", "confidence": 0.9}"#))
    #expect(
      own.isLocal && own.confidence == 0.9 && own.confidenceRaw == 0.9
        && own.confidenceSource == .selfReported)
    let tokens = MeasuredConfidence(source: .logprob, value: 0.95, byLabel: ["a": 0.6, "b": 0.4])
    let measured = judge(said(#"{"label": "a", "confidence": 0.9}"#, tokens))
    #expect(
      measured.reason == .confidenceLow && measured.confidence == 0.6 && measured.confidenceSource == .logprob
    )
    let samples = judge(said(#"{"label": "a"}"#, MeasuredConfidence(source: .samples, value: 0.8)))
    #expect(samples.isLocal && samples.confidence == 0.8 && samples.confidenceSource == .samples)
    let none = judge(said(#"{"label": "a"}"#))
    #expect(
      none.detail == "absent" && none.confidence == nil && none.confidenceRaw == nil
        && none.confidenceSource == nil)
  }

  @Test("that was not measured of this label, or is no number, is absent")
  func unusable() {
    let other = MeasuredConfidence(source: .logprob, value: 1, byLabel: ["b": 1])
    #expect(judge(said(#"{"label": "a", "confidence": 1}"#, other)).detail == "absent")
    #expect(
      judge(said(#"{"label": "a"}"#, MeasuredConfidence(source: .samples, value: .nan))).detail == "absent")
    #expect(
      judge(said(#"{"label": "a"}"#, MeasuredConfidence(source: .samples, value: 1 + 1e-12))).confidence == 1)
  }

  @Test("of the wrong form stays a fault of the answer", arguments: [#""0.9""#, "1.1", "-1", "[1]", "1e999"])
  func faults(written: String) {
    let measured = MeasuredConfidence(source: .samples, value: 0.99)
    let decision = judge(said(#"{"label": "a", "confidence": \#(written)}"#, measured))
    #expect(decision.reason == .schemaInvalid)
  }

  @Test("is corrected by what was fitted for its source alone, and both are kept")
  func corrected() throws {
    let text = #"{"label": "a", "confidence": 0.9}"#
    let decision = judge(said(text), [Self.correction(.logprob), Self.correction(.selfReported, shift: 1)])
    #expect(decision.confidenceRaw == 0.9)
    // log-odds of 0.9 are log 9 = 2.1972; (2.1972 − 1) / 2 = 0.5986; its sigmoid is 0.6453.
    #expect(abs(try #require(decision.confidence) - 0.645_34) < 1e-4)
    #expect(decision.reason == .confidenceLow && decision.validatorResult?.contains("0.64") == true)
    #expect(judge(said(text), [Self.correction(.logprob)]).confidence == 0.9)
    let builtin = CandidateOutcome.classified(label: "a", confidence: 0.9, isNovel: false)
    #expect(judge(builtin, [Self.correction(.selfReported)]).confidence == 0.9)
    #expect(judge(builtin).confidenceRaw == 0.9 && judge(builtin).confidenceSource == .builtin)
    #expect(abs(try #require(judge(builtin, [Self.correction(.builtin)]).confidence) - 0.75) < 1e-9)
  }

  @Test("over labels is divided by their priors and drawn together by the temperature")
  func distribution() {
    let prior = ["a": 0.8, "b": 0.2]
    let flat = Self.correction(.logprob, temperature: 1, prior: prior)
    // What the model finds with no content at all says nothing about this one.
    #expect(abs(flat.corrected(0.8, label: "a", byLabel: prior) - 0.5) < 1e-12)
    #expect(abs(flat.corrected(0.5, label: "b", byLabel: ["a": 0.5, "b": 0.5]) - 0.8) < 1e-12)
    let warm = Self.correction(.logprob, temperature: 2, prior: ["a": 0.5, "b": 0.5])
    #expect(abs(warm.corrected(0.9, label: "a", byLabel: ["a": 0.9, "b": 0.1]) - 0.75) < 1e-12)
  }

  @Test("stays between 0 and 1 and never falls where the raw one rises")
  func monotone() {
    let temperatures = [1e-300, 0.01, 0.5, 1, 3, 1e6, 1e300]
    for temperature in temperatures {
      for shift in [-1e300, -5, 0, 0.7, 1e300] {
        let correction = Self.correction(
          .logprob, temperature: temperature, prior: ["a": 0.9, "b": 1e-300], shift: shift)
        var (last, lastOfLabel) = (0.0, 0.0)
        for step in 0...1_000 {
          let raw = Double(step) / 1_000
          let single = correction.corrected(raw)
          let label = correction.corrected(raw, label: "a", byLabel: ["a": raw, "b": 1 - raw, "c": 0])
          #expect((0...1).contains(single) && (0...1).contains(label))
          #expect(single >= last && label >= lastOfLabel - 1e-15, "\(temperature) \(shift) \(raw)")
          (last, lastOfLabel) = (single, label)
        }
      }
    }
  }

  @Test("survives figures that no fit and no server should give")
  func hostile() {
    for odd in [-3.4e38, .nan, .infinity, -1, 2, 0, -0.0, .leastNonzeroMagnitude] {
      for temperature in [-1, 0, .nan, .infinity, 1] {
        let correction = Self.correction(
          .logprob, temperature: temperature, prior: ["a": odd, "b": 0.5], shift: odd)
        for value in [
          correction.corrected(odd), correction.corrected(odd, label: "a", byLabel: ["a": odd, "b": odd]),
        ] {
          #expect((0...1).contains(value))
        }
      }
    }
  }

  @Test("corrections read back as they were written, and others are refused")
  func coding() throws {
    var one = Self.correction(.logprob, temperature: 1.7, prior: ["a": 0.25, "b": 0.75], shift: -0.5)
    #expect(ConfidenceCorrection(one.json) == one)
    one.modelDigest = "sha256:1"
    one.promptRevision = "sha256:2"
    #expect(ConfidenceCorrection(try JSONValue(parsing: one.json.jsonText)) == one)
    let good = try #require(one.json.members)
    for (name, bad) in [
      ("temperature", 0), ("temperature", -1), ("temperature", "1"), ("source", "guess"), ("task", .null),
      ("prior", ["a": 0]), ("prior", ["a": "x"]), ("shift", "0"), ("model_id", 3), ("model_digest", 3),
    ] as [(String, JSONValue)] {
      let changed = good.map { $0.name == name ? JSONMember(name, bad) : $0 }
      #expect(ConfidenceCorrection(.object(changed)) == nil, "\(name): \(bad.jsonText)")
    }
  }
}
