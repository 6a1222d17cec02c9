/// Inputs written by hand, by target: one of each case that has code of its own.
enum SeedTexts {
  static let all: [String: [String]] = [
    "frame": frames, "http-request": requests, "http-response": responses, "reply": replies,
    "stream": streams,
    "answer": answers, "agreement": agreements, "redaction": texts, "pattern": patterns,
    "documents": documents,
    "labelled-files": labelled, "texts": short, "json": json,
  ]

  private static let json = [
    #"{"v":1,"kind":"a","call_id":"b","n":2,"list":[1,2]}"#, #"{"a":{"b":1},"v":"","kind":null}"#,
    #"{"\u0061":"x\ny","a\ud83d\ude00":[1.50e3,-0,9223372036854775807]}"#,
    #"[0.1,1e-7,123456789012345678901234567890,1e999,-1E+2]"#,
  ]

  private static let frames = [
    #"{"kind":"ping","n":7}"#,
    #"{"kind":"call","call_id":"c1","task_type":"triage","input":"the importer crashes","reply":true,"deadline_ms":200,"n":1}"#,
    #"{"kind":"call","call_id":"c1","task_id":"t","run_id":"r","agent":"a","step":"s","tenant":"t","user_group":"g","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","signals":{"security_sensitive":true},"artifacts":["a.txt"],"frontier":{"provider":"p","model":"m"},"input":"x"}"#,
    #"{"kind":"call","call_id":"c","messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"hi"}]}]}"#,
    #"{"kind":"call","call_id":"c","request":{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"read","arguments":"{\"path\":\"a\"}"}}]},{"role":"tool","tool_call_id":"t","content":"done"}],"tools":[{"type":"function","function":{"name":"f"}}]}}"#,
    #"{"kind":"call","call_id":"c","request":{"system":[{"type":"text","text":"rules"}],"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"res"}]},{"type":"document","source":{"type":"text","data":"d"},"title":"t","context":"c"}]}]}}"#,
    #"{"kind":"call","call_id":"c","request":{"instructions":"be kind","input":[{"type":"function_call_output","call_id":"1","output":{"a":[1]}},{"type":"local_shell_call","action":{"command":["rm"]}}],"prompt":{"id":"p","variables":{"k":"v"}}}}"#,
    #"{"kind":"answer","call_id":"c","output":{"label":"bug"},"label":"bug","model":"m","latency_ms":12.5,"cost_usd":0.001,"usage":{"input_tokens":3,"output_tokens":4}}"#,
    #"{"kind":"answer","call_id":"c","response":{"choices":[{"message":{"content":"bug","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}}"#,
    #"{"kind":"answer","call_id":"c","response":{"content":[{"type":"text","text":"bug"},{"type":"tool_use","name":"f","input":{"a":1}}]}}"#,
    #"{"kind":"answer","call_id":"c","response":{"output":[{"type":"message","content":[{"type":"output_text","text":"a"}]},{"type":"function_call","name":"f","arguments":"{"}]}}"#,
    #"{"kind":"answer","call_id":"c","error":"timeout"}"#,
    #"{"kind":"outcome","call_id":"c","run_id":"r","result":"partial","source":"operator","approved_by":"ana"}"#,
    #"{"kind":"call","call_id":"c","input":7,"reply":true}"#,
  ]

  private static let requests = [
    "0GET /v1/status?x=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "0POST /v1/label HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n{}GET / HTTP/1.0\r\n\r\n",
    "0PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
  ]
  private static let responses = [
    "00HTTP/1.1 200 OK\r\nContent-Length: 3\r\nRetry-After: 2\r\n\r\nabc",
    "00HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Slow\nretry-after-ms: 1500\nx-should-retry: false\n\nrest",
    "00HTTP/1.1 503\r\nRetry-After: Sun, 06 Nov 2094 08:49:37 GMT\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: v\r\n\r\n",
    "01HTTP/1.0 200 OK\r\nContent-Length: 900\r\nConnection: keep-alive\r\n\r\n",
    "00HTTP/1.1 204 No Content\r\n\r\n",
  ]

  private static let said = #"{\"label\":\"bug\",\"confidence\":0.9}"#
  private static let replies = [
    #"00{"response":"\#(said)","done":true,"done_reason":"stop","prompt_eval_count":96,"eval_count":14,"logprobs":[{"token":"bug","logprob":-0.2,"bytes":[98,117,103],"top_logprobs":[{"token":"bug","logprob":-0.2},{"token":"bill","logprob":-1.8}]}]}"#,
    #"13{"message":{"content":"","tool_calls":[{"function":{"index":0,"name":"f","arguments":{"k":1}}}]},"done":true}"#,
    #"20{"choices":[{"message":{"content":"\#(said)","refusal":null},"logprobs":{"content":[{"token":"{\"","logprob":-0.1,"top_logprobs":[]},{"token":"bug","logprob":-0.1,"bytes":null,"top_logprobs":[{"token":"bug","logprob":-0.1}]}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":90,"completion_tokens":8}}"#,
    #"23{"choices":[{"message":{"content":null,"tool_calls":[{"function":{"name":"f","arguments":"{\"k\":1}"}}]},"finish_reason":"tool_calls"}]}"#,
    #"30{"content":"\#(said)","stop":true,"stop_type":"eos","tokens_predicted":12,"tokens_evaluated":80,"completion_probabilities":[{"token":" bug","bytes":[32,98],"logprob":-0.4,"top_logprobs":[{"token":" bug","logprob":-0.4}]}]}"#,
    #"30{"content":"bug","completion_probabilities":[{"token":"bug","prob":0.9,"top_probs":[{"token":"bug","prob":0.9},{"token":"crash","prob":0.1}]}]}"#,
    #"40{"content":[{"type":"thinking","thinking":"t"},{"type":"text","text":"\#(said)"}],"stop_reason":"end_turn","usage":{"input_tokens":80,"output_tokens":6,"cache_read_input_tokens":4}}"#,
    #"43{"content":[{"type":"tool_use","id":"t","name":"give_answer","input":{"label":"bug","confidence":0.8}}],"stop_reason":"max_tokens"}"#,
    #"20{"error":{"message":"m","type":"t"}}"#,
  ]
  private static let streams = [
    "000{\"response\":\"{\",\"done\":false}\n{\"response\":\"}\",\"done\":true,\"prompt_eval_count\":5,\"eval_count\":3}\n",
    "100{\"message\":{\"content\":\"a\"},\"done\":false}\r\n{\"message\":{\"content\":\"b\"},\"done\":true}",
    "200: c\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"é\"}}]}\r\n\r\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n",
    "230data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\ndata: [DONE]\n\n",
    "300data: {\"content\":\"a\",\"stop\":false}\n\ndata: {\"content\":\"\",\"stop\":true,\"stop_type\":\"eos\"}\n\n",
    "400event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":5}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
    "400event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n",
  ]

  private static let answers = [
    #"00{"label":"bug","confidence":0.95}"#, #"00{"label":"other","confidence":1}"#,
    "00```json\n{\"label\":\"bug\",\"confidence\":1}\n```",
    #"10<think>hm</think>{"answer":"the total of a.txt","confidence":0.9}"#,
    #"10{"answer":"I'm sorry, but no","confidence":1}"#,
    #"20{"answer":{"total":12,"items":[1,2]},"confidence":0.9}"#,
    #"20{"answer":{"total":-1},"confidence":1.0000000000000000000001}"#,
    #"30{"answer":{"name":"find","arguments":{"q":"x"}},"confidence":0.9}"#,
    "32[{\"name\":\"find\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"q\":{\"type\":\"str\"}},\"required\":[\"q\"]}}]\n{\"answer\":{\"name\":\"find\",\"arguments\":{\"q\":\"x\"}},\"confidence\":0.9}",
    "34find\n{\"q\":1}\n{\"confidence\":0.9}", #"00{"label":"bug","confidence":0.9,"label":"bug"}"#,
    "00{\"label\":\"bu",
    #"10{"answer":"the password of total","confidence":1}"#,
  ]
  private static let agreements = [
    "00bug\nIt is a bug.", "00{\"label\":\"bug\"}\n{\"label\":\"crash\"}",
    "21{\"total\":1,\"items\":[1,2]}\n```json\n{\"total\":1.0}\n```",
    "12the total is 5\nthe total is -5",
    "33{\"name\":\"f\",\"arguments\":{\"a\":1}}\n{\"name\":\"f\",\"arguments\":{\"a\":2}}",
  ]
  private static let texts = [
    "0mail anna\u{0}and more", "1card 4012 8888 8888 1881.", "2iban GB82 WEST 1234 5698 7654 32, ok",
    "3call +44 (20) 7123 4567 today",
    "4host 10.20.30.40:8080 [2001:db8::1]:80", "5at 00:1A:2B:3C:4D:5E", "6ssn 219-09-9999 DOB: 1970-02-03",
    "7postgres://bob:hunter2@db/x",
    "8password=hunter2 next \"password\": \"two words\" <password>abc</password>",
    "9Authorization: Bearer abc.def.ghi1 --password abc -v",
    "0-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nend",
    "0case-17 SW1A 1AA passport AAA123456 anna%40example.com",
    "0commit 6c3e3dba23e8fadc360aed75ce363ba185c49794 550e8400-e29b-41d4-a716-446655440000",
    "0删除13812345678吗 jürgen@exämple.de",
  ]
  private static let patterns = [
    "(a|b)*c+?\naabbcc", "(?i)stra(?:ss|ß)e\nSTRASSE Straße", "^\\w+\\b$\nword",
    "(?P<y>\\d{4})-(\\d{2})\non 2026-11", "[^\\x{0}-é]|.\né删",
    "(?m)^x$\nx\nx", "(a{1,3}){2,4}\naaaaaaa", "\\Q.*\\E\n.*", "[[:alpha:]]+@[a-z.]+\na@b.c",
  ]
  private static let documents = [
    "1shadow-router/0123456789abcdef0123456789abcdef\n12\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— sig AAAA\n",
    #"2{"task":"triage","model_id":"m","model_digest":null,"prompt_revision":"p","source":"logprob","temperature":1.7,"prior":{"bug":0.3,"crash":0.7},"shift":0.1}"#,
    #"3{"task":"t","local_model_id":"m","local_model":null,"policy_revision":"r","eval_set_sha256":"0000000000000000000000000000000000000000000000000000000000000000","met":true,"cases":10,"accepted":5,"accepted_wrong":0,"wrong_upper_bound":0.3}"#,
    #"4{"task":"t","task_revision":"a","policy_revision":"b","models":[{"id":"m","name":"n","digest":null}],"epoch":"e","attempt":1,"would_accepts":9,"drawn":3,"false_or_unlabelled":0,"false_accept_upper_bound":0.01,"approver":"ana","issued_at":"2026-11-21T12:00:00Z","expires_at":"2027-02-19T12:00:00Z"}"#,
  ]
  private static let labelled = [
    "{\"id\":\"1\",\"task_type\":\"triage\",\"input\":\"x\",\"truth\":{\"label\":\"bug\"}}\n{\"id\":\"1\",\"task_type\":\"triage\",\"input\":\"y\"}\n",
    "{\"id\":\"2\",\"task_type\":\"triage\",\"input\":\"x\",\"tools\":[{\"name\":\"f\"}],\"truth\":{\"route\":\"frontier\",\"answer\":{\"a\":1}}}",
    "{\"call_id\":\"c\",\"review_label\":\"accept\",\"severity\":1,\"missed_stop\":true,\"note\":\"n\",\"other\":1}\n\n",
  ]
  private static let short = [
    "http://127.0.0.1:11434/api/chat?x=1", "https://[2001:db8::1]:8443", "HTTP://Example.COM",
    "2026-11-21T12:00:00.042Z", "2026-W47", "2026-02-29",
    "two words \u{1B}[2J and 删除 e\u{301} that wrap\nhere", "app.log\u{0}see app.log. and webapp.log",
    "min_confidense",
  ]
}
