"""Streamed answers put back together, standard library only: hand-made streams and every recorded one."""
import json
import unittest

from support import exchanges, sse

from shadow_router import _ChatBuilder, _Events, _MessagesBuilder, _ResponsesBuilder

BUILDERS = {"openai.chat": _ChatBuilder, "openai.responses": _ResponsesBuilder, "anthropic.messages": _MessagesBuilder}


def rebuild(builder, data: bytes, cut=None):
    """The builder after the whole stream, read in pieces of `cut` bytes."""
    events, made = _Events(), builder()

    def take(texts):
        for text in texts:
            if text.strip() == "[DONE]":
                made.done = True
            else:
                try:
                    event = json.loads(text)
                except ValueError:
                    continue
                if isinstance(event, dict):
                    made.feed(event)

    for at in range(0, len(data), cut or len(data) or 1):
        take(events.feed(data[at : at + (cut or len(data))]))
    take(events.end())
    return made


class ByHand(unittest.TestCase):
    def test_events_come_out_the_same_however_they_were_cut(self):
        stream = b': hello\r\nevent: a\r\ndata: {"x":\r\ndata: 1}\r\n\r\ndata:two\n\nid: 1\ndata: \xc3\xbc\r\rdata: last'
        whole = None
        for cut in range(1, len(stream) + 1):
            events, got = _Events(), []
            for at in range(0, len(stream), cut):
                got += events.feed(stream[at : at + cut])
            got += events.end()
            whole = whole or got
            self.assertEqual(got, ['{"x":\n1}', "two", "ü", "last"], cut)

    def test_chat(self):
        def chunk(delta, finish=None, index=0, **more):
            return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                    "choices": [{"index": index, "delta": delta, "finish_reason": finish, **more}], "usage": None}

        def call(index, **function):
            return {"tool_calls": [{"index": index, "function": function}]}

        stream = sse(
            chunk({"role": "assistant", "content": "", "refusal": None}),
            chunk({"content": "Hel"}, logprobs={"content": [{"token": "Hel"}], "refusal": None}),
            chunk({"content": "lo"}, logprobs={"content": [{"token": "lo"}], "refusal": None}),
            chunk({"content": "other"}, index=1),
            chunk({"tool_calls": [{"index": 0, "id": "t0", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
            chunk(call(0, arguments='{"k"')),
            chunk({"tool_calls": [{"index": 1, "id": "t1", "type": "function", "function": {"name": "g", "arguments": "{}"}}]}),
            chunk(call(0, arguments=":1}")),
            chunk({}, "tool_calls"),
            chunk({}, "stop", index=1),
            {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 3}},
            "[DONE]",
        )
        made = rebuild(_ChatBuilder, b"".join(stream), 7)
        self.assertTrue(made.done)
        body = made.body()
        self.assertEqual(body["object"], "chat.completion")
        self.assertEqual(body["usage"], {"prompt_tokens": 2, "completion_tokens": 3})
        first, second = body["choices"]
        self.assertEqual(first["finish_reason"], "tool_calls")
        self.assertEqual(first["message"]["content"], "Hello")
        self.assertEqual(first["logprobs"]["content"], [{"token": "Hel"}, {"token": "lo"}])
        self.assertEqual(
            first["message"]["tool_calls"],
            [{"id": "t0", "type": "function", "function": {"name": "f", "arguments": '{"k":1}'}},
             {"id": "t1", "type": "function", "function": {"name": "g", "arguments": "{}"}}],
        )
        self.assertEqual(second["message"]["content"], "other")

    def test_messages(self):
        stream = sse(
            {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "stop_reason": None, "usage": {"input_tokens": 5, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "sig"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "ping"},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ""}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"k": "'}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": 'ü"}'}},
            {"type": "content_block_stop", "index": 1},
            {"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "u", "name": "g", "input": {}}},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
            {"type": "message_stop"},
        )
        made = rebuild(_MessagesBuilder, b"".join(stream), 11)
        self.assertTrue(made.done)
        self.assertEqual(
            made.body(),
            {"id": "m", "type": "message", "role": "assistant", "model": "c", "stop_reason": "tool_use", "usage": {"input_tokens": 5, "output_tokens": 9},
             "content": [{"type": "thinking", "thinking": "hm", "signature": "sig"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"k": "ü"}}, {"type": "tool_use", "id": "u", "name": "g", "input": {}}]},
        )

    def test_an_error_in_the_middle_keeps_what_is_known(self):
        stream = sse(
            {"type": "message_start", "message": {"id": "m", "content": []}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "half"}},
            {"type": "error", "error": {"type": "overloaded_error", "message": "secret"}},
        )
        made = rebuild(_MessagesBuilder, b"".join(stream))
        self.assertEqual((made.problem, made.body()["content"][0]["text"]), ("overloaded_error", "half"))

    def test_strange_streams_do_not_raise(self):
        for builder in BUILDERS.values():
            for data in (b"", b"data: 1\n\n", b"data: {}\n\n", b"data: [DONE]\n\n", b"\xff\xfe\n\n", b'data: {"type":"content_block_delta","index":9,"delta":{}}\n\n'):
                rebuild(builder, data).body()


class Recorded(unittest.TestCase):
    """Every recorded stream of the three shapes gives the members that its non-streamed body has, and says the same."""

    def streams(self, shape):
        found = exchanges(shape)
        if found is None:
            self.skipTest("no recorded exchanges")
        count = 0
        for exchange in found:
            text = exchange["response_text"]
            if not exchange["stream"] or not text or "data:" not in text:
                continue
            count += 1
            made = rebuild(BUILDERS[shape], text.encode("utf-8"), 97)
            events = [json.loads(line[5:]) for line in text.split("\n") if line.startswith("data:") and line[5:].strip().startswith("{")]
            self.recording = exchange["file"]  # for whoever reads a failure in a debugger
            yield made, made.body(), events
        print("%s: %d recorded streams rebuilt" % (shape, count), flush=True)
        self.assertGreater(count, 20)

    def test_chat(self):
        for made, body, events in self.streams("openai.chat"):
            if any(event.get("error") for event in events):
                self.assertTrue(made.problem)
                continue
            self.assertTrue(made.complete)
            self.assertEqual(body["object"], "chat.completion")
            self.assertTrue(body["id"] is not None and body["model"] is not None and isinstance(body["choices"], list))
            parts = [part for event in events for part in event["choices"] or ()]
            for choice in body["choices"]:
                deltas = [part.get("delta") or {} for part in parts if part["index"] == choice["index"]]
                text = "".join(delta.get("content") or "" for delta in deltas)
                self.assertEqual(choice["message"]["content"] or "", text)
                self.assertEqual(choice["message"]["role"], "assistant")
                said = "".join((c.get("function") or {}).get("arguments") or "" for delta in deltas for c in delta.get("tool_calls") or ())
                calls = choice["message"].get("tool_calls") or []
                self.assertEqual("".join(call["function"].get("arguments", "") for call in calls), said)
                for call in calls:
                    self.assertTrue(call["id"] and call["type"] == "function" and call["function"]["name"])
                    json.loads(call["function"]["arguments"] or "{}")
                ends = [part["finish_reason"] for part in parts if part["index"] == choice["index"] and part.get("finish_reason")]
                self.assertEqual(choice["finish_reason"], ends[-1] if ends else None)
            usages = [event["usage"] for event in events if event.get("usage")]
            self.assertEqual(body.get("usage"), usages[-1] if usages else None)

    def test_responses(self):
        for made, body, events in self.streams("openai.responses"):
            self.assertTrue(made.complete)
            self.assertIn(body["status"], ("completed", "incomplete"))
            self.assertEqual(body["object"], "response")
            closing = [event for event in events if event["type"] in _ResponsesBuilder._ENDS][-1]["response"]
            if closing["output"]:
                self.assertEqual(body, closing)
            done = {event["output_index"]: event["item"] for event in events if event["type"] == "response.output_item.done"}
            self.assertEqual(len(body["output"]), len(done))

    def test_responses_cut_off_before_the_end(self):
        """What is known then: the texts so far."""
        for _, whole, events in self.streams("openai.responses"):
            cut = [event for event in events if event["type"] not in _ResponsesBuilder._ENDS and not event["type"].endswith("output_item.done")]
            made = rebuild(_ResponsesBuilder, b"".join(sse(*cut)))
            self.assertFalse(made.complete)
            told = "".join(event["delta"] for event in cut if event["type"] == "response.output_text.delta")
            parts = [part for item in made.body()["output"] for part in item.get("content") or () if part.get("type") == "output_text"]
            self.assertEqual("".join(part["text"] for part in parts), told)

    def test_messages(self):
        for made, body, events in self.streams("anthropic.messages"):
            self.assertTrue(made.complete)
            for name in ("id", "type", "role", "model", "content", "stop_reason", "usage"):
                self.assertIn(name, body)
            self.assertTrue(body["stop_reason"])
            self.assertGreater(body["usage"]["output_tokens"], 0)
            deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
            text = "".join(delta["text"] for delta in deltas if delta["type"] == "text_delta")
            self.assertEqual("".join(block["text"] for block in body["content"] if block["type"] == "text"), text)
            starts = [event for event in events if event["type"] == "content_block_start"]
            self.assertEqual([block["type"] for block in body["content"]], [event["content_block"]["type"] for event in starts])
            for block in body["content"]:
                self.assertIsInstance(block.get("input", {}), dict)


if __name__ == "__main__":
    unittest.main()
