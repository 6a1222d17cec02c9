import RouterCore
import Testing
import Wire

@testable import Evaluations
@testable import Evidence
@testable import Statistics

@Suite("Evaluations")
struct EvaluationTests {
  /// Answers judged by the engine itself, under a policy of one task.
  private struct Bench {
    let task: TaskPolicy
    private let policy: PreparedPolicy
    var evaluation: Evaluation

    init(_ output: TaskPolicy.Output = .label, limit: Double = 0.1) {
      var task = TaskPolicy(name: "t", mark: Mark(line: 1, column: 1))
      task.local = true
      task.output = output
      task.minConfidence = 0.7
      task.gate.maxFalseAcceptRate = limit
      if output == .label { task.labels = ["a", "b", "c"].map { TaskPolicy.Label($0) } }
      task.agreement.by = output == .toolCall ? .toolCall : output == .json ? .json : .label
      self.task = task
      var whole = Policy()
      whole.tasks = [task]
      policy = PreparedPolicy(whole, generation: 1)
      evaluation = Evaluation(task: task, model: "m")
    }

    mutating func add(
      _ reply: String, truth: CaseTruth, text: String = "rename a variable", tools: JSONValue? = nil
    ) {
      var call = Call(callID: "c")
      call.taskType = "t"
      call.text = CallText(text)
      call.toolDefinitions = tools
      let context = DecisionContext(today: "2026-01-01")
      var scratch = Engine.Scratch()
      let screening = Engine.screen(call, policy: policy, context: context, scratch: &scratch)
      let decision = Engine.judge(
        screening, call: call, outcome: .said(CandidateReply(text: reply)), policy: policy, context: context,
        scratch: &scratch)
      evaluation.add(
        EvaluatedCase(
          id: "c\(evaluation.cases.count)", truth: truth, screening: screening, decision: decision, task: task
        ))
    }

    mutating func label(_ label: String, _ confidence: Double, truth: String) {
      add(#"{"label": "\#(label)", "confidence": \#(confidence)}"#, truth: CaseTruth(label: truth))
    }
  }

  @Test("forty sure and right answers meet the bar")
  func met() {
    var bench = Bench()
    for _ in 0..<40 { bench.label("a", 0.98, truth: "a") }
    let bar = AcceptanceBar(bench.evaluation)
    #expect(bar.isMet && bar.verdict.hasPrefix("met: "))
    #expect(bench.evaluation.acceptedWrong == 0 && bench.evaluation.accepted == 40)
  }

  @Test("overconfident answers fail it, and the first line says by how much")
  func overconfident() {
    var bench = Bench()
    for index in 0..<50 { bench.label("a", 0.9, truth: index < 24 ? "a" : "b") }
    let bar = AcceptanceBar(bench.evaluation)
    #expect(!bar.isMet)
    #expect(bar.lines.map(\.isMet) == [true, false, true, false, true])
    #expect(
      bar.verdict
        == "NOT met: label accuracy 48.0 % of 50 valid (at least 95 %); wrong among accepted 26 of 50, below 64.28 % with 95 % "
        + "confidence (bound at most 10.0 %); confidence says 0.90 on average: overconfident by 42 points")
  }

  @Test("each line of the bar fails by itself")
  func eachLine() {
    var few = Bench()
    for _ in 0..<29 { few.label("a", 0.98, truth: "a") }
    #expect(AcceptanceBar(few.evaluation).lines.map(\.isMet) == [true, true, true, true, false])
    var invalid = Bench()
    for _ in 0..<98 { invalid.label("a", 0.98, truth: "a") }
    for _ in 0..<2 { invalid.add("no JSON", truth: CaseTruth(label: "a")) }
    #expect(AcceptanceBar(invalid.evaluation).lines.map(\.isMet) == [false, true, true, true, true])
    var foreign = Bench()
    for _ in 0..<98 { foreign.label("a", 0.98, truth: "a") }
    foreign.add(#"{"label": "a", "confidence": 0.9}"#, truth: CaseTruth(route: .frontier))
    #expect(AcceptanceBar(foreign.evaluation).lines.map(\.isMet) == [true, true, false, true, true])
    #expect(foreign.evaluation.acceptedWrong == 1)
    var none = Bench()
    none.label("a", 0.98, truth: "a")
    #expect(
      AcceptanceBar(Evaluation(task: none.task, model: "m")).lines.map(\.isMet) == [
        false, false, true, false, false,
      ])
  }

  @Test("a text that a stop keeps from the model counts as not asked")
  func notAsked() {
    var bench = Bench()
    bench.add("never seen", truth: CaseTruth(label: "a"), text: "the registry token has expired")
    #expect(bench.evaluation.asked == 0 && bench.evaluation.valid == 0)
    #expect(bench.evaluation.reasons == [Report.Count(name: "hard_stop_access", count: 1)])
  }

  @Test("what cannot be compared counts in no rate")
  func open() {
    var bench = Bench()
    bench.add(#"{"label": "a", "confidence": 0.9}"#, truth: CaseTruth())
    bench.add(#"{"label": "a", "confidence": 0.9}"#, truth: CaseTruth(route: .local))
    #expect(
      bench.evaluation.accepted == 2 && bench.evaluation.acceptedJudged == 1 && bench.evaluation.judged == 0)
    #expect(bench.evaluation.graded.count == 1)
  }

  @Test(
    "tool calls are right where name and arguments are, field by field",
    arguments: [
      (#"{"name":"add","arguments":{"x":1,"y":2}}"#, true),
      (#"{"arguments":{"y":2,"x":1.0},"name":"add"}"#, true),
      (#"{"name":"add","arguments":{"x":1,"y":3}}"#, false),
      (#"{"name":"sub","arguments":{"x":1,"y":2}}"#, false),
    ])
  func toolCalls(truth: String, isRight: Bool) throws {
    var bench = Bench(.toolCall)
    let parameters: JSONValue = [
      "type": "object", "properties": ["x": ["type": "number"], "y": ["type": "number"]],
    ]
    let tools: JSONValue = [["type": "function", "function": ["name": "add", "parameters": parameters]]]
    bench.add(
      #"{"answer": {"name": "add", "arguments": {"x": 1, "y": 2}}, "confidence": 0.9}"#,
      truth: CaseTruth(answer: try JSONValue(parsing: truth)), tools: tools)
    #expect(bench.evaluation.valid == 1, "\(bench.evaluation.destinations)")
    #expect(bench.evaluation.right == (isRight ? 1 : 0) && bench.evaluation.judged == 1)
  }

  @Test("JSON is right where its fields are, whatever their order")
  func json() throws {
    var bench = Bench(.json)
    let truth = CaseTruth(answer: ["city": "Rome", "guests": 2])
    bench.add(#"{"answer": {"guests": 2, "city": "Rome"}, "confidence": 0.9}"#, truth: truth)
    bench.add(#"{"answer": {"guests": 3, "city": "Rome"}, "confidence": 0.9}"#, truth: truth)
    #expect(bench.evaluation.valid == 2 && bench.evaluation.right == 1 && bench.evaluation.acceptedWrong == 1)
  }

  @Test("labels and confusions count what was let through apart, the worst first")
  func labels() {
    var bench = Bench()
    for _ in 0..<5 { bench.label("a", 0.9, truth: "a") }
    for _ in 0..<3 { bench.label("b", 0.5, truth: "a") }
    for _ in 0..<2 { bench.label("c", 0.9, truth: "b") }
    let labels = bench.evaluation.labels
    #expect(labels.map(\.name) == ["c", "a", "b"])
    #expect(
      labels[0] == Evaluation.Label(name: "c", cases: 0, right: 0, said: 2, accepted: 2, acceptedWrong: 2))
    #expect(
      labels[1] == Evaluation.Label(name: "a", cases: 8, right: 5, said: 5, accepted: 5, acceptedWrong: 0))
    let confusions = bench.evaluation.confusions
    #expect(confusions.map(\.said) == ["c", "b"] && confusions.map(\.accepted) == [2, 0])
    #expect(bench.evaluation.curve.of == 10)
    #expect(bench.evaluation.curve.steps[60] == ThresholdStep(threshold: 0.6, accepted: 7, wrong: 2))
  }
}
