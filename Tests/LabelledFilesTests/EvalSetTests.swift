import Evaluations
import RouterCore
import Testing
import Wire

@testable import LabelledFiles

@Suite("Labelled files")
struct EvalSetTests {
  private func set(_ text: String, task: String = "triage") throws(LabelledFileFault) -> EvalSet {
    try EvalSet(Array(text.utf8), task: task)
  }

  @Test("give the cases of one task, each id once, by their lines")
  func cases() throws {
    let set = try set(
      """
      {"id":"1","task_type":"triage","input":"x","truth":{"label":"bug"}}

      {"id":"2","task_type":"other","input":"y"}
      {"id":"1","task_type":"triage","input":"z"}
      {"id":"3","task_type":"triage","messages":[{"role":"user","content":"m"}],"truth":{"route":"frontier","answer":null}}
      """)
    #expect(set.cases.map(\.id) == ["1", "3"])
    #expect(set.cases.map(\.line) == [1, 5])
    #expect(set.cases.map(\.text) == ["x", "m"])
    #expect(set.cases.map(\.label) == ["bug", nil])
    #expect(set.cases[1].truth.route == .frontier && set.cases[1].truth.answer == nil)
    #expect(set.repeated.map(\.line) == [4] && set.repeated.map(\.first) == [1])
  }

  @Test("keep the tools that a case offers")
  func tools() throws {
    let set = try set(#"{"id":"1","task_type":"triage","input":"x","tools":[{"name":"f"}]}"#)
    #expect(set.cases[0].call.toolDefinitions == [["name": "f"]])
    #expect(set.cases[0].text == "x")
  }

  @Test(
    "are refused at the first line at fault, without a word of it",
    arguments: [
      ("\n{\"secret\":1}", "p:2: not a case: a JSON object with an `id`"),
      ("secret", "p:1: not a case: a JSON object with an `id`"),
      (
        #"{"id":"1","task_type":"triage","input":"x","truth":{"route":"secret"}}"#,
        "p:1: truth.route is `local` or `frontier`"
      ),
      (#"{"id":"1","task_type":"triage"}"#, "p:1: the case has neither `input` nor `messages`"),
      (
        #"{"id":"1","task_type":"triage","input":7}"#,
        "p:1: the case cannot be read: wrongType"
      ), (#"{"id":"1","task_type":"secret","input":"x"}"#, "p has no case with task_type triage"),
    ])
  func refused(text: String, sentence: String) throws {
    let fault = #expect(throws: LabelledFileFault.self) { try set(text) }
    #expect(fault?.sentence(about: "p") == sentence)
  }

  @Test("of labels keep what a label has")
  func labels() throws {
    let text = #"{"call_id":"c","review_label":"accept","severity":1,"reviewer":"somebody else","note":"n"}"#
    let file = try LabelFile(Array("\n\(text)\n".utf8))
    #expect(file.labels.map(\.line) == [2])
    #expect(
      file.labels.map(\.body) == [["call_id": "c", "review_label": "accept", "severity": 1, "note": "n"]])
    let fault = #expect(throws: LabelledFileFault.self) {
      try LabelFile(Array(#"{"call_id":"c","review_label":"fine"}"#.utf8))
    }
    #expect(fault?.line == 1)
  }
}
