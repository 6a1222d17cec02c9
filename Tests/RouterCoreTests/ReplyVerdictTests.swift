import Testing
import Text
import Wire

@testable import RouterCore

@Suite("What a reply means for asking on")
struct ReplyVerdictTests {
  private func fault(_ text: String, labels: [String] = ["a", "b"]) -> String? {
    if case .mendable(let fault) = verdict(text, labels: labels) { fault } else { nil }
  }

  private func verdict(_ text: String, labels: [String] = ["a", "b"]) -> ReplyVerdict {
    var policy = Policy()
    var task = TaskPolicy(name: "t", mark: Mark(line: 1, column: 1))
    task.local = true
    task.labels = labels.map { .init($0) }
    task.escalateLabels = ["b"]
    task.minConfidence = 0.7
    policy.tasks = [task]
    let prepared = PreparedPolicy(policy, generation: 1)
    var call = Call(callID: "c")
    call.taskType = "t"
    call.text = CallText("a plain text")
    var scratch = Engine.Scratch()
    let context = DecisionContext(today: "2026-11-21")
    let screening = Engine.screen(call, policy: prepared, context: context, scratch: &scratch)
    return Engine.verdict(
      on: CandidateReply(text: text), to: call, screening, policy: prepared, today: "2026-11-21")
  }

  @Test(
    "a wrong shape is told, by its word and in a sentence",
    arguments: [
      ("", "empty"), ("sure!", "not_json"), (#"{"label":"a""#, "truncated_json"), ("[1]", "not_an_object"),
      (#"{"label":"c","confidence":0.9}"#, "label_not_in_set"), (#"{"confidence":0.9}"#, "label_missing"),
      (#"{"label":"a","confidence":"high"}"#, "confidence_not_a_number"),
      ("```json\n{\"label\":\"c\",\"confidence\":1}\n```", "label_not_in_set"),
    ])
  func shape(text: String, word: String) {
    let fault = fault(text)
    #expect(fault?.hasPrefix(word + ": ") == true)
    #expect((fault?.count ?? 0) > word.count + 10)
  }

  @Test(
    "an answer stands, whatever its confidence and label",
    arguments: [
      #"{"label":"a","confidence":0.9}"#, #"{"label":"a","confidence":0.1}"#, #"{"label":"a"}"#,
      #"{"label":"b","confidence":0.9}"#,
    ])
  func sound(text: String) {
    #expect(verdict(text) == .sound)
  }

  @Test("a hard stop in a reply of any shape and a refusal are final: neither mended nor outvoted")
  func final() {
    #expect(verdict(#"{"label":"delete it","confidence":0.9}"#) == .final("hard_stop_production"))
    #expect(
      verdict(#"{"label":"a","answer":"the password","confidence":0.9}"#) == .final("hard_stop_security"))
    #expect(verdict("the password is weak") == .final("hard_stop_security"))
    #expect(
      verdict(#"{"answer":"I'm sorry, but I can't.","confidence":0.9}"#, labels: []) == .final("refusal"))
    #expect(fault(#"{"answer":" ","confidence":0.9}"#, labels: [])?.hasPrefix("answer_blank: ") == true)
  }

  @Test("nothing of the reply stands in the sentence")
  func quotesNothing() {
    let fault = fault(#"{"label":"MARKER-OF-THE-MODEL","confidence":0.9}"#)
    #expect(fault?.contains("MARKER") == false)
  }
}
