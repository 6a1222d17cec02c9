import Testing
import Text
import Wire

@testable import RouterCore

@Suite("What a model is told to mend")
struct ValidationFaultTests {
  private func fault(_ text: String, labels: [String] = ["a", "b"]) -> String? {
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
    return Engine.validationFault(
      CandidateReply(text: text), to: call, screening, policy: prepared, today: "2026-11-21")
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
    "an answer, a refusal and an answer that stops are not mended",
    arguments: [
      #"{"label":"a","confidence":0.9}"#, #"{"label":"a","confidence":0.1}"#, #"{"label":"a"}"#,
      #"{"label":"b","confidence":0.9}"#, #"{"label":"delete it","confidence":0.9}"#, "the password is weak",
    ])
  func others(text: String) {
    #expect(fault(text) == nil)
  }

  @Test("a refusal of a task without labels is not argued with")
  func refusal() {
    #expect(fault(#"{"answer":"I'm sorry, but I can't.","confidence":0.9}"#, labels: []) == nil)
    #expect(fault(#"{"answer":" ","confidence":0.9}"#, labels: [])?.hasPrefix("answer_blank: ") == true)
  }

  @Test("nothing of the reply stands in the sentence")
  func quotesNothing() {
    let fault = fault(#"{"label":"MARKER-OF-THE-MODEL","confidence":0.9}"#)
    #expect(fault?.contains("MARKER") == false)
  }
}
