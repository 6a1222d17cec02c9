import Testing
import Wire

@testable import RouterCore

@Suite("Frames of the tap")
struct FrameDecoderTests {
  private func decode(_ text: String) throws(FrameFault) -> Frame {
    var decoder = FrameDecoder()
    return try decoder.decode(Array(text.utf8).span)
  }

  private func call(_ members: String) throws(FrameFault) -> Call {
    guard case .call(let call) = try decode(#"{"kind":"call","call_id":"c1",\#(members)}"#) else {
      throw .unknownKind
    }
    return call
  }

  private func text(_ members: String) throws -> String {
    String(decoding: try call(members).text.bytes, as: UTF8.self)
  }

  @Test(
    "a text that a term must find is never read as blank, whatever shape it comes in",
    arguments: [
      (
        #""messages":[{"role":"assistant","content":[{"type":"tool_use","id":"x","name":"f","input":{"a":"token","a":"b"}}]}]"#,
        "f\na\ntoken\na\nb"
      ),
      (
        #""messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"a":{"b":"token","b":1}}}}]}]"#,
        "f\na\nb\ntoken\nb\n1"
      ),
      (
        #""messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":\"tok\\u0065n\",\"a\":1}"}}]}]"#,
        "f\na\ntoken\na\n1"
      ),
      (
        #""messages":[{"role":"assistant","tool_calls":[{"name":"f","arguments":{"a":"token"}}]}]"#,
        "f\na\ntoken"
      ),
      (
        #""messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"a\": tok"}}]}]"#,
        "f\n{\"a\": tok"
      ),
      (#""messages":[{"role":"tool","content":{"error":"E401 token"}}]"#, "error\nE401 token"),
      (#""messages":[{"role":"tool","content":401}]"#, "401"),
      (
        #""messages":[{"role":"tool","content":[["token"],{"error":"x"},7,{"type":"image","data":"AAAA"}]}]"#,
        "token\nerror\nx\n7"
      ),
      (#""messages":[{"role":"user","content":{"a":"token"}}]"#, "a\ntoken"),
      (#""messages":[{"role":"user","content":[{"type":"text","text":["token"]}]}]"#, "token"),
      (
        #""messages":[{"role":"user","content":[{"type":"json","json":{"a":"token"}}]}]"#,
        "type\njson\njson\na\ntoken"
      ),
      (
        #""messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":[{"stdout":"token"}]}]}]"#,
        "stdout\ntoken"
      ),
      (
        #""messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":401}]}]"#,
        "401"
      ),
      (#""messages":[{"role":"assistant","content":null,"refusal":"token"}]"#, "token"),
      (
        #""messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":""},{"type":"image","data":"AAAA"},{"type":"text","text":"b"}]},{"role":"user","content":""},{"role":"user","content":"c"}]"#,
        "a\nb\nc"
      ),
      (
        #""request":{"input":[{"type":"shell_call_output","call_id":"c","output":[{"stdout":"E401 token","stderr":""}]}]}"#,
        "stdout\nE401 token\nstderr"
      ),
      (
        #""request":{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":{"a":"token","a":"b"}}]}"#,
        "f\na\ntoken\na\nb"
      ),
      (
        #""request":{"input":[{"type":"function_call_output","call_id":"c","output":[{"stdout":"token"}]}]}"#,
        "stdout\ntoken"
      ),
      (
        #""request":{"input":[{"type":"mcp_call","name":"f","arguments":"{}","error":"token"},{"type":"mcp_approval_response","reason":"no"}]}"#,
        "f\ntoken\nno"
      ),
    ])
  func shapes(members: String, expected: String) throws {
    #expect(try text(members) == expected)
  }

  @Test(
    "are refused where a text has a type that none has",
    arguments: [
      #""messages":[{"role":"user","content":401}]"#, #""messages":[{"role":"user","content":[["token"]]}]"#,
      #""messages":[{"role":"user","content":true}]"#,
      #""messages":[{"role":"assistant","tool_calls":{"a":1}}]"#,
      #""messages":[{"role":"assistant","tool_calls":[7]}]"#,
      #""messages":[{"role":"assistant","tool_calls":[{"function":"f"}]}]"#,
      #""messages":[{"role":"assistant","tool_calls":[{"function":{"name":["token"]}}]}]"#,
      #""messages":[{"role":"assistant","function_call":"f"}]"#, #""request":{"instructions":5,"input":"x"}"#,
    ])
  func wrongTexts(members: String) {
    #expect(throws: FrameFault.wrongType) { try call(members) }
  }

  @Test(
    "are refused by cause",
    arguments: [
      ("", FrameFault.notJSON), ("{not json}", .notJSON), ("[1]", .notJSON),
      (#"{"kind":"ping"} {}"#, .notJSON),
      (#"{"kind":"ping","kind":"ping"}"#, .duplicateMember), ("{}", .noKind), (#"{"kind":null}"#, .noKind),
      (#"{"kind":"reply"}"#, .unknownKind), (#"{"kind":7}"#, .unknownKind),
      (#"{"kind":"call","input":"x"}"#, .noCallID), (#"{"kind":"call","call_id":"","input":"x"}"#, .noCallID),
      (#"{"kind":"call","call_id":"c"}"#, .noInput),
      (#"{"kind":"call","call_id":"c","input":null}"#, .noInput),
      (#"{"kind":"call","call_id":"c","input":"x","messages":[]}"#, .twoInputs),
      (#"{"kind":"call","call_id":"c","input":7}"#, .wrongType),
      (#"{"kind":"call","call_id":"c","input":"x","reply":"yes"}"#, .wrongType),
      (#"{"kind":"call","call_id":"c","input":"x","deadline_ms":-1}"#, .wrongType),
      (#"{"kind":"call","call_id":"c","input":"x","deadline_ms":1.5}"#, .wrongType),
      (#"{"kind":"call","call_id":"c","input":"x","signals":{"hunch":true}}"#, .unknownSignal),
      (#"{"kind":"call","call_id":"c","input":"x","signals":{"novel_input":1}}"#, .wrongType),
      (#"{"kind":"call","call_id":"c","input":"x","artifacts":[1]}"#, .wrongType),
      (#"{"kind":"call","call_id":"c","request":{"model":"m"}}"#, .unknownShape),
      (#"{"kind":"call","call_id":"c","request":{"prompt":"once"}}"#, .unknownShapeCompletion),
      (#"{"kind":"call","call_id":"c","request":{"contents":[]}}"#, .unknownShapeGoogle),
      (
        #"{"kind":"call","call_id":"c","request":{"messages":[{"role":"user","content":[{"text":"hi"}]}]}}"#,
        .unknownShapeBedrock
      ),
      (#"{"kind":"answer","call_id":"c"}"#, .noOutput),
      (#"{"kind":"answer","call_id":"c","output":null}"#, .noOutput),
      (#"{"kind":"answer","output":"x"}"#, .noCallID),
      (#"{"kind":"answer","call_id":"c","output":"x","latency_ms":"fast"}"#, .wrongType),
      (#"{"kind":"outcome","result":"success","source":"user"}"#, .badResult),
      (#"{"kind":"outcome","call_id":"c","result":"great","source":"user"}"#, .badResult),
    ])
  func refused(text: String, fault: FrameFault) {
    #expect(throws: fault) { try decode(text) }
  }

  @Test(
    "of which a name stands twice tell who waits and which frame it was, where that stands once",
    arguments: [
      (#"{"reply":true,"call_id":"c","n":7,"x":1,"x":2}"#, "c", true, 7),
      (#"{"x":1,"x":2,"reply":true,"reply":null,"call_id":"c","n":7,"n":7}"#, "c", true, nil),
      (#"{"reply":true,"call_id":"c","call_id":"d"}"#, nil, true, nil),
      (#"{"reply":"true","call_id":"c","x":1,"x":2}"#, nil, false, nil),
      (#"{"reply":true,"call_id":"c","n":7,"x":1,"x":2} 3"#, nil, false, nil),
    ])
  func twice(text: String, id: String?, waits: Bool, number: Int?) {
    var decoder = FrameDecoder()
    let bytes = Array(text.utf8)
    let address = decoder.replyAddress(bytes.span)
    #expect(address.callID == id)
    #expect(address.wantsReply == waits)
    #expect(decoder.number(unread: bytes.span) == number)
  }

  @Test("have ids of limited length, counted in characters")
  func lengths() throws {
    #expect(throws: FrameFault.tooLong) {
      try call(#""input":"x","run_id":"\#(String(repeating: "é", count: 257))""#)
    }
    #expect(try call(#""input":"x","run_id":"\#(String(repeating: "é", count: 256))""#).runID?.count == 256)
    let long = String(repeating: "x", count: 129)
    #expect(throws: FrameFault.tooLong) { try decode(#"{"kind":"call","call_id":"\#(long)","input":"x"}"#) }
  }

  @Test("may hold members that mean nothing, null for absent, and escapes anywhere")
  func lenient() throws {
    let call = try call(
      #""x":{"a":[1,{}]},"task_type":null,"agent":"","i\u006eput":"a\"b\u00e9\n"# + #"","reply":true"#)
    #expect(call.taskType == nil)
    #expect(call.agent == "")
    #expect(call.wantsReply)
    #expect(String(decoding: call.text.bytes, as: UTF8.self) == "a\"bé\n")
  }

  @Test(
    "give the text of each form",
    arguments: [
      (#""input":"one two""#, "one two"),
      (
        #""messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hi"}]"#, "be brief\nhi"
      ),
      (
        #""request":{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:x"}}]}]}"#,
        "see"
      ),
      (
        #""request":{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"read","arguments":"{\"path\":\"a.txt\",\"n\":3,\"deep\":{\"ok\":true}}"}}]},{"role":"tool","tool_call_id":"t","content":"done"}]}"#,
        "read\npath\na.txt\nn\n3\ndeep\nok\ntrue\ndone"
      ),
      (
        #""request":{"model":"c","max_tokens":9,"system":[{"type":"text","text":"rules"}],"messages":[{"role":"user","content":"go"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"ok"},{"type":"tool_use","id":"1","name":"f","input":{"k":"v"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"res"}]}]}]}"#,
        "rules\ngo\nok\nf\nk\nv\nres"
      ),
      (
        #""request":{"model":"r","instructions":"be kind","input":[{"role":"user","content":[{"type":"input_text","text":"q"}]},{"type":"function_call","call_id":"1","name":"f","arguments":"not json"},{"type":"function_call_output","call_id":"1","output":"out"}]}"#,
        "be kind\nq\nf\nnot json\nout"
      ),
      (#""request":{"model":"r","input":"just this"}"#, "just this"),
      (
        #""request":{"model":"r","input":[{"type":"local_shell_call","action":{"command":["rm","x"]}},{"type":"odd","content":"abc"}]}"#,
        "command\nrm\nx\nabc"
      ),
      (#""request":{"model":"r","prompt":{"id":"p","variables":{"k":"v"}},"input":"go"}"#, "k\nv\ngo"),
    ])
  func forms(members: String, expected: String) throws {
    #expect(try text(members) == expected)
  }

  @Test("tell the shape of a request, its model and its tools")
  func shape() throws {
    let call = try call(
      #""request":{"model":"gpt","messages":[{"role":"system","content":"s"}],"tools":[{"type":"function","function":{"name":"f"}}]}"#
    )
    #expect(call.form == .openAIChat)
    #expect(call.frontierModel == "gpt")
    #expect(call.tools == ["f"])
    #expect(call.system == 0..<1)
  }

  @Test("read the frontier's answer from each provider's body")
  func answers() throws {
    func answer(_ members: String) throws -> FrontierAnswer {
      guard case .answer(let frame) = try decode(#"{"kind":"answer","call_id":"c",\#(members)}"#) else {
        throw FrameFault.unknownKind
      }
      return frame.answer
    }
    let chat = try answer(
      #""response":{"model":"m","choices":[{"message":{"content":"yes","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":1}"}}]}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#
    )
    #expect(chat.text == "yes" && chat.inputTokens == 5 && chat.outputTokens == 2 && chat.model == "m")
    #expect(chat.toolCalls == [ToolCall(name: "f", arguments: ["a": 1])])
    let claude = try answer(
      #""response":{"content":[{"type":"text","text":"a"},{"type":"tool_use","name":"g","input":{}}]}"#)
    #expect(claude.text == "a" && claude.toolCalls.map(\.name) == ["g"])
    let responses = try answer(
      #""response":{"output":[{"type":"reasoning"},{"type":"message","content":[{"type":"output_text","text":"r"}]}]}"#
    )
    #expect(responses.text == "r")
    #expect(try answer(#""response":{"error":{"type":"overloaded_error"}}"#).error == "overloaded_error")
    #expect(try answer(#""response":{"what":1}"#).error == "unknown_response_shape")
    #expect(try answer(#""output":{"a":[1]}"#).text == #"{"a":[1]}"#)
    #expect(try answer(#""error":"timeout""#).error == "timeout")
  }
}
