"""The real SDKs in live mode: a local answer comes in the SDK's own types, whole and streamed; everything else comes from the
frontier as ever. The tap is a stand-in for the shapes of its frames; test_sidecar.py has the real router. Needs the SDKs."""
import asyncio
import json
import sys
import unittest

from support import Frontier, decision, tap
from test_sdks import ASK, CHAT, CHAT_STREAM, FAST, MESSAGE, MESSAGE_STREAM, RESPONSE, RESPONSE_STREAM, anthropic, openai, plain

import shadow_router
from shadow_router import decision_of, route_of

TOOL = {"name": "look_up", "arguments": {"id": 7, "note": "ü \"q\""}}
SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}, "note": {"type": "string"}}}
CHAT_TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}}]
RESPONSE_TOOLS = [{"type": "function", "name": "look_up", "parameters": SCHEMA, "strict": False}]
MESSAGE_TOOLS = [{"name": "look_up", "input_schema": SCHEMA}]
KINDS = ("chat", "responses", "messages")
BODIES = {"chat": CHAT, "responses": RESPONSE, "messages": MESSAGE}
STREAMS = {"chat": CHAT_STREAM, "responses": RESPONSE_STREAM, "messages": MESSAGE_STREAM}
TOOLS = {"chat": CHAT_TOOLS, "responses": RESPONSE_TOOLS, "messages": MESSAGE_TOOLS}


class Scene:
    """A stand-in router that answers with `said`, a frontier, and an SDK's client between them."""

    def __init__(self, said, *script, **options):
        self.said, self.script, self.options = said, script, {"decide_ms": 2000, **options}

    def __enter__(self):
        self._tap = tap(answer=lambda frame: self.said(frame) if callable(self.said) else decision(frame, **self.said))
        self.router = self._tap.__enter__()
        self.frontier = Frontier(*self.script or [(500, {}, b"")])
        self.observer = shadow_router.Observer(self.router.path)
        return self

    def __exit__(self, *problem):
        self.observer.close()
        self.frontier.close()
        self._tap.__exit__(*problem)

    def client(self, kind, asynchronous=False, **options):
        classes = {"messages": (anthropic.Anthropic, anthropic.AsyncAnthropic)}.get(kind, (openai.OpenAI, openai.AsyncOpenAI))
        make = shadow_router.async_http_client if asynchronous else shadow_router.http_client
        base = sys.modules[classes[0].__module__.split(".")[0] + "._base_client"]
        library = getattr(base, "httpx2", None) or base.httpx  # the two SDKs may stand on different ones
        return plain(classes[asynchronous], self.frontier, http_client=make(observer=self.observer, library=library, **self.options), **options)


def ask(client, kind, **more):
    if kind == "chat":
        return client.chat.completions.create(model="gpt-x", messages=ASK, **more)
    if kind == "responses":
        return client.responses.create(model="gpt-x", input="hi", **more)
    return client.messages.create(model="claude-x", max_tokens=9, messages=ASK, **more)


def text_of(kind, said):
    return {"chat": lambda: said.choices[0].message.content, "responses": lambda: said.output_text, "messages": lambda: said.content[0].text}[kind]()


def call_of(kind, said):
    if kind == "chat":
        call = said.choices[0].message.tool_calls[0]
        return call.function.name, json.loads(call.function.arguments), said.choices[0].finish_reason
    if kind == "responses":
        return said.output[0].name, json.loads(said.output[0].arguments), said.output[0].type
    return said.content[0].name, said.content[0].input, said.stop_reason


class LocalAnswers(unittest.TestCase):
    def test_whole(self):
        for kind in KINDS:
            with Scene({"answer": "crash ü\u2028\"", "model": "small", "confidence": 0.9}) as scene:
                said = ask(scene.client(kind), kind)
                self.assertEqual(type(said).__name__, {"chat": "ChatCompletion", "responses": "Response", "messages": "Message"}[kind])
                self.assertEqual((text_of(kind, said), said.model), ("crash ü\u2028\"", "small"))
                self.assertEqual((route_of(said), decision_of(said).confidence), ("local", 0.9))
                self.assertEqual(said._request_id, decision_of(said).call_id)
                self.assertEqual(scene.frontier.seen, [])
                self.assertEqual([frame["kind"] for frame in scene.router.all(1)], ["call"], "nobody at the frontier, so no answer")

    def test_an_object_is_json_text(self):
        for kind in KINDS:
            with Scene({"answer": {"label": "crash", "why": "ü"}}) as scene:
                self.assertEqual(json.loads(text_of(kind, ask(scene.client(kind), kind))), {"label": "crash", "why": "ü"})

    def test_a_tool_is_really_called(self):
        ends = {"chat": "tool_calls", "responses": "function_call", "messages": "tool_use"}
        for kind in KINDS:
            with Scene({"answer": TOOL}) as scene:
                said = ask(scene.client(kind), kind, tools=TOOLS[kind])
                self.assertEqual(call_of(kind, said), ("look_up", TOOL["arguments"], ends[kind]))

    def test_streamed(self):
        for kind in KINDS:
            with Scene({"answer": "crash ü\u2028", "model": "small"}) as scene:
                stream = ask(scene.client(kind), kind, stream=True)
                self.assertEqual(route_of(stream), "local")
                events = list(stream)
                self.assertEqual(route_of(events[0]), "local")
                if kind == "chat":
                    self.assertEqual("".join(e.choices[0].delta.content or "" for e in events), "crash ü\u2028")
                    self.assertEqual(events[-1].choices[0].finish_reason, "stop")
                elif kind == "responses":
                    self.assertEqual("".join(e.delta for e in events if e.type == "response.output_text.delta"), "crash ü\u2028")
                    self.assertEqual((events[-1].type, events[-1].response.output_text), ("response.completed", "crash ü\u2028"))
                    self.assertEqual([e.sequence_number for e in events], list(range(len(events))))
                else:
                    self.assertEqual("".join(e.delta.text for e in events if e.type == "content_block_delta"), "crash ü\u2028")
                    self.assertEqual(events[-1].type, "message_stop")

    def test_streamed_by_the_sdks_own_helpers(self):
        with Scene({"answer": "crash"}) as scene:
            with scene.client("chat").chat.completions.stream(model="gpt-x", messages=ASK, stream_options={"include_usage": True}) as stream:
                said = stream.get_final_completion()
            self.assertEqual((said.choices[0].message.content, said.usage.total_tokens, route_of(said)), ("crash", 0, "local"))
            with scene.client("responses").responses.stream(model="gpt-x", input="hi") as stream:
                said = stream.get_final_response()
            self.assertEqual((said.output_text, route_of(said)), ("crash", "local"))
            with scene.client("messages").messages.stream(model="claude-x", max_tokens=9, messages=ASK) as stream:
                self.assertEqual((stream.get_final_text(), route_of(stream.get_final_message())), ("crash", "local"))

    def test_a_tool_called_in_a_stream(self):
        with Scene({"answer": TOOL}) as scene:
            with scene.client("chat").chat.completions.stream(model="gpt-x", messages=ASK, tools=CHAT_TOOLS) as stream:
                self.assertEqual(call_of("chat", stream.get_final_completion()), ("look_up", TOOL["arguments"], "tool_calls"))
            with scene.client("responses").responses.stream(model="gpt-x", input="hi", tools=RESPONSE_TOOLS) as stream:
                self.assertEqual(call_of("responses", stream.get_final_response()), ("look_up", TOOL["arguments"], "function_call"))
            with scene.client("messages").messages.stream(model="claude-x", max_tokens=9, messages=ASK, tools=MESSAGE_TOOLS) as stream:
                self.assertEqual(call_of("messages", stream.get_final_message()), ("look_up", TOOL["arguments"], "tool_use"))

    def test_asynchronous(self):
        async def go(scene, kind):
            client = scene.client(kind, asynchronous=True)
            said = await ask(client, kind)
            stream = await ask(client, kind, stream=True)
            events = [event async for event in stream]
            await client.close()
            return text_of(kind, said), route_of(said), route_of(events[0])

        for kind in KINDS:
            with Scene({"answer": "crash"}) as scene:
                self.assertEqual(asyncio.run(go(scene, kind)), ("crash", "local", "local"))

    def test_raw_and_parsed(self):
        with Scene({"answer": "crash"}) as scene:
            raw = scene.client("chat").chat.completions.with_raw_response.create(model="gpt-x", messages=ASK)
            self.assertEqual((raw.headers["x-shadow-router-route"], route_of(raw), raw.parse().choices[0].message.content), ("local", "local", "crash"))


class ToTheFrontier(unittest.TestCase):
    def test_by_the_router_s_word(self):
        for kind in KINDS:
            packet = {"task": "t", "local_output": "cr", "reason": "confidence_low"}
            for reply, route in (({"reason": "hard_stop_access"}, "frontier"), ({"reason": "confidence_low", "escalation": packet}, "escalated"), ({}, "frontier")):
                with Scene(reply, (200, {}, BODIES[kind])) as scene:
                    said = ask(scene.client(kind), kind)
                    self.assertEqual((text_of(kind, said)[:5], route_of(said)), ("hello", route))
                    self.assertEqual(decision_of(said).reason, reply.get("reason"))
                    call, answer = scene.router.wait(2)
                    self.assertEqual((call["call_id"], answer["kind"], answer["response"]), (answer["call_id"], "answer", BODIES[kind]))
                with Scene(reply, (200, {}, STREAMS[kind])) as scene:
                    stream = ask(scene.client(kind), kind, stream=True)
                    self.assertEqual(route_of(stream), route)
                    self.assertEqual(route_of(list(stream)[0]), route)
                    self.assertEqual(len(scene.router.wait(2)), 2)

    def test_by_any_trouble(self):
        for said in (lambda frame: b"", lambda frame: b"?\n", lambda frame: None):
            with Scene(said, (200, {}, CHAT), decide_ms=50) as scene:
                answer = ask(scene.client("chat"), "chat")
                self.assertEqual((text_of("chat", answer)[:5], route_of(answer)), ("hello", "frontier"))
                self.assertIn(decision_of(answer).problem, ("closed", "garbage", "late"))
                self.assertEqual(len(scene.router.wait(2)), 2, "call and answer are shown all the same")
        with Frontier((200, {}, CHAT)) as frontier:
            client = plain(openai.OpenAI, frontier, http_client=shadow_router.http_client(observer=shadow_router.Observer("/nonexistent/tap.sock"), decide_ms=50))
            self.assertEqual(route_of(ask(client, "chat")), "frontier")

    def test_answers_that_do_not_fit_the_request(self):
        other = {"name": "delete_all", "arguments": {}}
        shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
        table = [
            ("chat", "a text", {"tools": CHAT_TOOLS, "tool_choice": "required"}),
            ("chat", "a text", {"tools": CHAT_TOOLS, "tool_choice": {"type": "function", "function": {"name": "look_up"}}}),
            ("chat", other, {"tools": CHAT_TOOLS, "tool_choice": "required"}),
            ("chat", "a text", {"response_format": shape}),
            ("responses", "a text", {"text": {"format": {"type": "json_object"}}}),
            ("responses", "a text", {"tools": RESPONSE_TOOLS, "tool_choice": "required"}),
            ("messages", "a text", {"tools": MESSAGE_TOOLS, "tool_choice": {"type": "any"}}),
            ("messages", "a text", {"tools": MESSAGE_TOOLS, "tool_choice": {"type": "tool", "name": "look_up"}}),
        ]
        for kind, answer, more in table:
            with Scene({"answer": answer}, (200, {}, BODIES[kind])) as scene:
                said = ask(scene.client(kind), kind, **more)
                self.assertEqual((text_of(kind, said)[:5], route_of(said), decision_of(said).problem), ("hello", "frontier", "unfit"))
                self.assertEqual(scene.observer.counters()["local"], 0)
                self.assertEqual(len(scene.router.wait(2)), 2)

    def test_requests_that_no_local_answer_can_serve(self):
        for kind, more in (("chat", {"n": 2}), ("chat", {"logprobs": True}), ("responses", {"background": True})):
            with Scene({"answer": "x"}, (200, {}, BODIES[kind])) as scene:
                said = ask(scene.client(kind), kind, **more)
                self.assertEqual((route_of(said), decision_of(said).problem), ("frontier", "not_askable"))
                self.assertFalse(any(frame.get("reply") for frame in scene.router.wait(2)))

    def test_the_attempts_of_one_call_ask_once(self):
        with Scene({}, (429, FAST, {}), (500, FAST, b""), (200, {}, CHAT)) as scene:
            said = ask(scene.client("chat"), "chat")
            self.assertEqual((len(scene.frontier.seen), route_of(said)), (3, "frontier"))
            self.assertEqual([frame["kind"] for frame in scene.router.all(2)], ["call", "answer"])

    def test_with_our_own_parts_failing(self):
        with Scene({"answer": "x"}, (200, {}, CHAT)) as scene:
            for name in ("_local", "_route", "_begin_call", "_may_audit"):
                client = scene.client("chat")
                setattr(client._client._transport, name, lambda *_: 1 / 0)
                scene.said = {"answer": "x", "audit": True}
                self.assertTrue(text_of("chat", ask(client, "chat")))
            self.assertGreaterEqual(scene.observer.counters()["internal_errors"], 3)


class Audits(unittest.TestCase):
    def test_the_frontier_is_asked_behind_the_agent_s_back(self):
        for kind in KINDS:
            for streamed in (False, True):
                with Scene({"answer": "crash", "audit": True}, (200, {}, [0.3, *STREAMS[kind]] if streamed else BODIES[kind])) as scene:
                    client = scene.client(kind)
                    said = ask(client, kind, stream=streamed)
                    route = route_of(said)
                    said = list(said) if streamed else said
                    self.assertEqual(route, "local")
                    if streamed:
                        self.assertEqual(len(scene.router.frames), 1, "nobody waits for the audit")
                    call, answer = scene.router.wait(2)
                    self.assertEqual((answer["kind"], answer["call_id"]), ("answer", call["call_id"]))
                    self.assertIn("hello", json.dumps(answer["response"]))
                    self.assertEqual(len(scene.frontier.seen), 1)

    def test_asynchronous(self):
        async def go(scene):
            async with scene.client("messages", asynchronous=True) as client:
                said = await ask(client, "messages")
                return route_of(said), len(scene.router.frames)

        with Scene({"answer": "crash", "audit": True}, (200, {}, [0.3, *MESSAGE_STREAM])) as scene:
            # Closing the client lets the audit come to its end.
            self.assertEqual(asyncio.run(go(scene)), ("local", 1))
            self.assertEqual(scene.router.wait(2)[1]["kind"], "answer")

    def test_a_failing_audit_is_told(self):
        with Scene({"answer": "crash", "audit": True}, (429, {}, {"error": {"type": "rate_limit_error", "message": "secret"}})) as scene:
            self.assertEqual(text_of("chat", ask(scene.client("chat"), "chat")), "crash")
            answer = scene.router.wait(2)[1]
            self.assertEqual(answer["error"], "HTTP 429: rate_limit_error")
            self.assertEqual(len(scene.frontier.seen), 1, "an audit is tried once")

    def test_closing_waits_for_audits(self):
        with Scene({"answer": "crash", "audit": True}, (200, {}, [0.3, *CHAT_STREAM])) as scene:
            client = scene.client("chat")
            list(ask(client, "chat", stream=True))
            client.close()
            self.assertEqual(len(scene.router.wait(2)), 2)


class Advice(unittest.TestCase):
    ADVICE = {"model": "gpt-a", "fallbacks": ["gpt-b", "gpt-c"], "retry_on": ["rate_limit"], "max_attempts": 3, "on_exhausted": "error"}

    def models(self, scene):
        return [json.loads(body)["model"] for _, _, body in scene.frontier.seen]

    def test_is_not_followed_unless_wanted(self):
        with Scene(self.ADVICE, (200, {}, CHAT)) as scene:
            ask(scene.client("chat"), "chat")
            self.assertEqual(self.models(scene), ["gpt-x"])

    def test_the_attempts_use_the_advised_models(self):
        with Scene(self.ADVICE, (429, FAST, {}), (429, FAST, {}), (200, {}, CHAT), follow_advice=True) as scene:
            ask(scene.client("chat", max_retries=5), "chat")
            self.assertEqual(self.models(scene), ["gpt-a", "gpt-b", "gpt-c"])

    def test_attempts_end_where_advised(self):
        with Scene(self.ADVICE, (429, FAST, {}), follow_advice=True) as scene:
            with self.assertRaises(openai.RateLimitError):
                ask(scene.client("chat", max_retries=5), "chat")
            self.assertEqual(self.models(scene), ["gpt-a", "gpt-b", "gpt-c"])
        with Scene(self.ADVICE, (500, FAST, b""), follow_advice=True) as scene:
            with self.assertRaises(openai.InternalServerError):
                ask(scene.client("chat", max_retries=5), "chat")
            self.assertEqual(self.models(scene), ["gpt-a"], "a server's error is not among the failures to repeat")

    def test_at_the_end_the_agent_s_own_model(self):
        advice = {**self.ADVICE, "on_exhausted": "frontier_default", "max_attempts": 2}
        with Scene(advice, (429, FAST, {}), (200, {}, CHAT), follow_advice=True) as scene:
            ask(scene.client("chat", max_retries=5), "chat")
            self.assertEqual(self.models(scene), ["gpt-a", "gpt-x"])


if __name__ == "__main__":
    unittest.main()
