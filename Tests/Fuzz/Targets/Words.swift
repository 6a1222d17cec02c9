import Text

/// What formats are made of, for a fuzzer's dictionary.
enum Words {
  static let json = [
    "{\"", "\":", "\",\"", "[]", "{}", "null", "true", "false", "\\u0000", "\\ud83d\\ude00", "\\n", "\\\"",
    "1e999", "-0", "1.5e-7", "9223372036854775808", "0.1",
  ]
  static let frame = [
    "\"kind\":\"call\"", "\"kind\":\"answer\"", "\"kind\":\"outcome\"", "\"kind\":\"ping\"",
    "\"call_id\":\"c\"",
    "\"task_type\":\"triage\"", "task_id", "run_id", "\"agent\":", "\"step\":", "tenant", "user_group",
    "traceparent",
    "\"input\":\"", "\"messages\":[", "\"request\":{", "\"role\":\"user\"", "\"content\":",
    "\"tool_calls\":[",
    "\"function\":{", "\"arguments\":", "\"name\":", "\"type\":\"tool_use\"", "tool_result", "\"system\":",
    "instructions", "\"tools\":[", "\"signals\":{", "security_sensitive", "\"artifacts\":[", "\"reply\":true",
    "\"deadline_ms\":", "\"frontier\":{", "\"provider\":", "\"model\":", "\"output\":", "\"response\":{",
    "\"label\":",
    "\"usage\":{", "input_tokens", "output_tokens", "latency_ms", "cost_usd", "\"error\":", "\"choices\":[",
    "\"message\":{", "\"result\":\"success\"", "\"source\":\"user\"", "approved_by", "\"n\":1", "contents",
    "inferenceConfig", "\"prompt\":", "variables", "\"text\":", "\"source\":{", "\"data\":",
  ]
  static let http = [
    "HTTP/1.1 200 OK\r\n", "HTTP/1.0 ", "GET / HTTP/1.1\r\n", "POST /v1/x HTTP/1.1\r\n", "\r\n\r\n",
    "Host: a\r\n",
    "Content-Length: ", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Expect: 100-continue\r\n", "0\r\n\r\n", "1\r\na\r\n", "100 Continue", "204 No Content", "304", "101",
    ";ext=1", "fffffffffffffff",
  ]
  static let policy = [
    "version: 1\n", "tasks:\n", "  a:\n", "    local: true\n", "    model: m\n", "    labels: [a, b]\n",
    "    escalate_labels: [a]\n", "    min_confidence: 0.9\n", "    output: json\n",
    "    output_schema: {type: object}\n",
    "    output: tool_call\n", "models:\n", "{provider: ollama, endpoint: \"http://127.0.0.1:1/api/chat\"}",
    "{provider: builtin, file: a.model}", "defaults:\n", "hard_stops:\n", "  security: [", "waivers:",
    "until: 2027-01-01",
    "classifier:\n", "privacy:\n", "redact: [\"", "preview_chars: ", "retention_days: ", "capture:",
    "tests:\n",
    "  - name: x\n", "    input: \"", "    answer: {", "    expect: {", "reason: ", "route_candidate: local",
    "gate:",
    "advice:", "agreement:", "budgets:", "cascade: [", "challenger: ", "examples:", "price: {", "retry: {",
    "&a ", "*a",
    "!!int ", "<<: ", "? ", "|\n", ">-\n", "---\n", "...\n", "%YAML 1.2\n", "# ", "'", "\"", "\\x1b",
    "\\u202e", "\t",
  ]
  static let schema = [
    "\"type\":", "\"object\"", "\"array\"", "\"string\"", "\"integer\"", "\"number\"", "\"properties\":{",
    "\"required\":[",
    "\"additionalProperties\":", "\"patternProperties\":{", "\"items\":", "\"prefixItems\":[",
    "\"contains\":",
    "\"minContains\":", "\"maxContains\":", "\"uniqueItems\":true", "\"allOf\":[", "\"anyOf\":[",
    "\"oneOf\":[", "\"not\":",
    "\"if\":", "\"then\":", "\"else\":", "\"$ref\":\"#\"", "\"$defs\":{", "\"$anchor\":", "\"$dynamicRef\":",
    "\"enum\":[", "\"const\":", "\"multipleOf\":", "\"minimum\":", "\"maximum\":", "\"exclusiveMinimum\":",
    "\"minLength\":", "\"maxLength\":", "\"pattern\":\"", "\"propertyNames\":", "\"dependentRequired\":{",
    "\"dependentSchemas\":{", "\"unevaluatedProperties\":false", "\"unevaluatedItems\":false", "\"format\":",
  ]
  static let reply = [
    "\"response\":\"", "\"done\":true", "\"done_reason\":\"length\"", "\"message\":{\"content\":\"",
    "\"thinking\":",
    "\"prompt_eval_count\":", "\"eval_count\":", "\"logprobs\":[", "\"top_logprobs\":[", "\"token\":\"",
    "\"logprob\":-0.5",
    "\"bytes\":[98]", "\"choices\":[{", "\"finish_reason\":\"stop\"", "\"content_filter\"", "\"refusal\":",
    "\"usage\":{",
    "\"prompt_tokens\":", "\"completion_tokens\":", "\"content\":", "\"stop\":true", "\"stop_type\":\"eos\"",
    "\"tokens_predicted\":", "\"tokens_evaluated\":", "\"completion_probabilities\":[", "\"top_probs\":[",
    "\"prob\":",
    "\"type\":\"text\"", "\"text\":", "\"type\":\"tool_use\"", "\"input\":{", "\"stop_reason\":\"end_turn\"",
    "\"tool_calls\":[", "\"function\":{\"name\":\"", "\"arguments\":\"{}\"", "\"index\":0", "\"error\":",
    "\\\"label\\\":\\\"bug\\\"",
    "\\\"confidence\\\":0.9", "{\\\"answer\\\":",
  ]
  static let stream = [
    "data: ", "data: [DONE]\n\n", "event: error\n", "event: message_stop\n", "\n\n", "\r\n", "\"delta\":{",
    "\"type\":\"message_start\"",
    "\"type\":\"content_block_start\"", "\"type\":\"content_block_delta\"", "\"partial_json\":",
    "\"type\":\"text_delta\"",
    "\"type\":\"message_delta\"", "\"type\":\"message_stop\"", "content_block", ": ping\n", "error: ",
  ]
  static let answer = [
    "{\"label\":\"bug\",\"confidence\":0.95}", "\"answer\":", "\"label\":\"", "\"confidence\":", "billing",
    "crash", "other",
    "```json\n", "```", "<think>", "</think>", "I'm sorry", "Unfortunately, ", "\"name\":\"find\"",
    "\"arguments\":{",
    "\"tool_calls\":[", "\"parameters\":", "\"input\":", "password", "deploy", "\"total\":1",
    "\\u0070assword",
  ]
  static let secrets = [
    "password=", "\"password\": \"", "Authorization: Bearer ", "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "@example.com", "http://", "postgres://u:p@h/", "+49 30 ", "(415) 555-0132",
    "GB82 WEST 1234 5698 7654 32",
    "4012 8888 8888 1881", "4012888888881881", "219-09-9999", "10.20.30.40", "2001:db8::1",
    "00:1A:2B:3C:4D:5E",
    "DOB: 1970-02-03", "eyJhbGciOi", "ghp_", "AKIA", "xoxb-", "sk-", "api_key=", "passport ", "SW1A 1AA",
    "%40", "é", "删",
    "[secret]", "[email]",
  ]
  static let pattern = [
    "(?i)", "(?:", "(?P<n>", "[a-z]", "[^a]", "[[:alpha:]]", "\\d", "\\w+", "\\b", "\\B", "^", "$", "*?",
    "+?", "??",
    "{2,5}", "{3}", "|", "\\x{10FFFF}", "\\p{L}", "(a*)*", ".*", "\\Q", "\\E", "é",
  ]
  static let log = [
    "\"v\":1", "\"kind\":\"decision\"", "\"kind\":\"comparison\"", "\"kind\":\"review\"",
    "\"kind\":\"outcome\"",
    "\"kind\":\"gap\"", "\"kind\":\"flag\"", "\"kind\":\"gate\"", "\"kind\":\"receipt\"",
    "\"kind\":\"challenge\"",
    "\"kind\":\"policy\"", "\"kind\":\"week\"", "\"kind\":\"eval\"", "\"kind\":\"drill\"",
    "\"kind\":\"probe\"",
    "\"kind\":\"stop\"", "\"kind\":\"recovered\"", "\"kind\":\"retention\"",
    "\"ts\":\"2026-03-02T10:00:00.000Z\"",
    "\"ts\":\"9999-12-31T23:59:59.999Z\"", "\"ts\":\"0000-01-01T00:00:00.000Z\"",
    "\"seq\":9223372036854775807",
    "\"call_id\":\"c\"", "\"task_type\":\"triage\"", "\"route_candidate\":\"local\"", "\"reason\":null",
    "\"confidence\":0.9",
    "\"agreement\":\"disagree\"", "\"review_label\":\"escalate\"", "\"severity\":2", "\"reviewer\":\"ana\"",
    "\"sampled\":true",
    "\"local_latency_ms\":1e308", "\"local_cost_usd\":1e300", "\"frontier_cost_usd\":", "\"from\":",
    "\"to\":",
    "\"received\":9223372036854775807", "9007199254740993", "-1", "\\u003cscript\\u003e",
  ]
  static let documents = [
    "\"flags\":{", "\"metadata\":{", "\"salt\":\"", "\"percent\":10", "\"user_groups\":[", "\"grant\":{",
    "\"receipt\":",
    "\"models\":[", "\"safeguards\":{", "\"issued_at\":\"2026-11-21T12:00:00.000Z\"", "\"task_revision\":\"",
    "\"temperature\":",
    "\"prior\":{", "\"shift\":", "\"source\":\"logprob\"", "\"eval_set_sha256\":", "\"cases\":",
    "\"attempt\":",
    "shadow-router/", "\n",
  ]
  static let labelled = [
    "\"id\":\"1\"", "\"truth\":{", "\"route\":\"frontier\"", "\"label\":\"bug\"", "\"answer\":", "\n",
    "\"review_label\":\"accept\"",
    "\"severity\":1", "\"missed_stop\":true",
  ]
  static let texts = [
    "http://", "https://", "[::1]", ":8080", "/path?q=1", "127.0.0.1", "2026-11-21T12:00:00.000Z", "2026-W47",
    "2026-02-29",
    "shadow-router/", "\n", "Sun, 06 Nov 1994 08:49:37 GMT", "e\u{301}", "\u{200D}", "\u{202E}", "\u{1B}[2J",
    "删除",
  ]
}
