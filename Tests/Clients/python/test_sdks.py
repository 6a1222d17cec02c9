"""The real SDKs on the shadow client, against a frontier on loopback: the agent sees what it always saw, the tap sees each
call once and whole. Needs openai, anthropic and httpx (run.sh installs them); without them it says so and skips."""
import asyncio
import contextlib
import ctypes
import gc
import gzip
import json
import os
import subprocess
import sys
import threading
import time
import unittest

from support import Frontier, exchanges, sse, tap

import shadow_router

try:
    import anthropic
    import httpx
    import openai
except ImportError as missing:
    print("SKIPPED: tests with the real SDKs: %s" % missing, flush=True)
    raise unittest.SkipTest("no SDKs")

CHAT = {"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-x",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "message": {"role": "assistant", "content": "hello ü\u2028", "refusal": None}}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}}
MESSAGE = {"id": "m1", "type": "message", "role": "assistant", "model": "claude-x", "content": [{"type": "text", "text": "hello"}],
           "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 3}}
RESPONSE = {"id": "r1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-x", "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
            "output": [{"id": "i", "type": "message", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "hello", "annotations": []}]}],
            "usage": {"input_tokens": 4, "output_tokens": 1, "total_tokens": 5, "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}}
ASK = [{"role": "user", "content": "say hello\nü \u2028"}]
FAST = {"retry-after-ms": "20"}


def chunk(delta, finish=None):
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


CHAT_STREAM = sse(chunk({"role": "assistant", "content": ""}), chunk({"content": "hel"}), chunk({"content": "lo"}), chunk({}, "stop"),
                  {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}}, "[DONE]")
MESSAGE_STREAM = sse(
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": {"input_tokens": 5, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
)
RESPONSE_STREAM = sse({"type": "response.created", "sequence_number": 0, "response": {**RESPONSE, "status": "in_progress", "output": [], "usage": None}},
                      {"type": "response.completed", "sequence_number": 1, "response": RESPONSE})


@contextlib.contextmanager
def scene(*script, **options):
    with tap() as router, Frontier(*script) as frontier:
        observer = shadow_router.Observer(router.path, agent="tester")
        yield router, frontier, observer
        observer.close()


def plain(client_class, frontier, **options):
    """An SDK client; `http_client` and the rest as given."""
    path = "/v1" if client_class in (openai.OpenAI, openai.AsyncOpenAI) else ""
    return client_class(api_key="sk-secret", base_url=frontier.url + path, **options)


def shadowed(client_class, frontier, observer, library=None, client=None, **options):
    """The same on the shadow client."""
    make = shadow_router.async_http_client if "Async" in client_class.__name__ else shadow_router.http_client
    return plain(client_class, frontier, http_client=make(observer=observer, library=library, **(client or {})), **options)


def pair(test, router, count=2):
    """The one call and its one answer."""
    frames = router.wait(count)
    test.assertEqual([frame["kind"] for frame in frames], ["call", "answer"])
    test.assertEqual(frames[0]["call_id"], frames[1]["call_id"])
    test.assertEqual(router.bad, [])
    test.assertNotIn("sk-secret", json.dumps(frames))
    return frames


class Whole(unittest.TestCase):
    def test_chat(self):
        pretty = json.dumps(CHAT, indent=2, ensure_ascii=False).encode()
        for library in (None, httpx):
            with scene((200, {}, pretty)) as (router, frontier, observer):
                client = shadowed(openai.OpenAI, frontier, observer, library)
                said = client.chat.completions.create(model="gpt-x", messages=ASK, extra_headers={"X-Shadow-Task-Type": "triage", "x-shadow-call-id": "own"})
                self.assertEqual(said.choices[0].message.content, "hello ü\u2028")
                call, answer = pair(self, router)
                self.assertEqual((call["call_id"], call["task_type"], call["agent"]), ("own", "triage", "tester"))
                path, headers, body = frontier.seen[0]
                self.assertEqual(call["request"], json.loads(body))
                self.assertFalse([name for name in headers if name.startswith("x-shadow")])
                self.assertEqual(answer["response"], CHAT)
                self.assertEqual((answer["model"], answer["usage"]), ("gpt-x", {"input_tokens": 7, "output_tokens": 2}))
                self.assertIsInstance(answer["latency_ms"], int)

    def test_responses(self):
        with scene((200, {}, RESPONSE)) as (router, frontier, observer):
            said = shadowed(openai.OpenAI, frontier, observer).responses.create(model="gpt-x", input="hi")
            self.assertEqual(said.output_text, "hello")
            call, answer = pair(self, router)
            self.assertEqual((call["request"]["input"], answer["response"]), ("hi", RESPONSE))

    def test_messages(self):
        with scene((200, {}, MESSAGE)) as (router, frontier, observer):
            said = shadowed(anthropic.Anthropic, frontier, observer).messages.create(model="claude-x", max_tokens=9, messages=ASK)
            self.assertEqual(said.content[0].text, "hello")
            call, answer = pair(self, router)
            self.assertEqual((call["request"]["messages"], answer["response"]), (ASK, MESSAGE))
            self.assertEqual(answer["usage"], {"input_tokens": 5, "output_tokens": 3})

    def test_asynchronous(self):
        async def go(frontier, observer):
            async with shadowed(openai.AsyncOpenAI, frontier, observer) as client:
                with shadow_router.context(task_type="triage", run_id="r"):
                    await client.chat.completions.create(model="gpt-x", messages=ASK)

        with scene((200, {}, CHAT)) as (router, frontier, observer):
            asyncio.run(go(frontier, observer))
            call, answer = pair(self, router)
            self.assertEqual((call["run_id"], answer["response"]), ("r", CHAT))

    def test_the_sdk_s_own_client_class(self):
        with scene((200, {}, MESSAGE)) as (router, frontier, observer):
            client = shadowed(anthropic.Anthropic, frontier, observer, client={"client_class": anthropic.DefaultHttpxClient})
            client.messages.create(model="claude-x", max_tokens=9, messages=ASK)
            pair(self, router)

    def test_compressed(self):
        for body, headers in ((gzip.compress(json.dumps(CHAT).encode()), {"content-encoding": "gzip"}),):
            with scene((200, headers, body)) as (router, frontier, observer):
                said = shadowed(openai.OpenAI, frontier, observer).chat.completions.create(model="gpt-x", messages=ASK)
                self.assertEqual(said.model, "gpt-x")
                self.assertEqual(pair(self, router)[1]["response"], CHAT)

    def test_other_requests_pass_untouched(self):
        with scene((200, {}, {"input_tokens": 3, "object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1}})) as (router, frontier, observer):
            shadowed(anthropic.Anthropic, frontier, observer).messages.count_tokens(model="claude-x", messages=ASK)
            client = shadowed(openai.OpenAI, frontier, observer)
            client.embeddings.create(model="e", input="x", encoding_format="float")
            client.completions.create(model="m", prompt="x")
            self.assertEqual(observer.counters()["sent"], 0)
            self.assertEqual(len(frontier.seen), 3)

    def test_where_fields_come_from(self):
        with scene((200, {}, CHAT)) as (router, frontier, observer):
            said = []
            client = shadowed(openai.OpenAI, frontier, observer, client={"classify": lambda request: said.append(request) or {"task_type": "f", "run_id": "f", "step": "f", "bogus": 1}})
            with shadow_router.context(run_id="c", task_type="c"):
                client.chat.completions.create(model="gpt-x", messages=ASK, extra_headers={"x-shadow-task-type": "h", "x-shadow-bogus": "z", "traceparent": "00-1"})
            call, _ = pair(self, router)
            self.assertEqual([call[name] for name in ("task_type", "run_id", "step", "traceparent")], ["h", "c", "f", "00-1"])
            self.assertNotIn("bogus", call)
            self.assertEqual(said[0]["messages"], ASK)

    def test_a_failing_classifier_hurts_nobody(self):
        with scene((200, {}, CHAT)) as (router, frontier, observer):
            shadowed(openai.OpenAI, frontier, observer, client={"classify": lambda request: 1 / 0}).chat.completions.create(model="gpt-x", messages=ASK)
            pair(self, router)
            self.assertEqual(observer.counters()["internal_errors"], 1)

    def test_a_transport_that_answers_from_memory(self):
        with scene((200, {}, CHAT)) as (router, _, observer):
            transport = shadow_router._classes(httpx)[0](httpx.MockTransport(lambda request: httpx.Response(200, json=CHAT)), observer)
            with httpx.Client(transport=transport) as client:
                said = client.post("http://x/v1/chat/completions", json={"model": "m", "messages": ASK})
                self.assertEqual(said.json(), CHAT)
                client.post("http://x/v1/chat/completions", content=b"not json")
            self.assertEqual(pair(self, router)[1]["response"], CHAT)


class Streamed(unittest.TestCase):
    def collect(self, client, kind):
        if kind == "chat":
            return [part.to_dict() for part in client.chat.completions.create(model="gpt-x", messages=ASK, stream=True)]
        if kind == "responses":
            return [part.to_dict() for part in client.responses.create(model="gpt-x", input="hi", stream=True)]
        return [part.to_dict() for part in client.messages.create(model="claude-x", max_tokens=9, messages=ASK, stream=True)]

    def test_the_agent_reads_the_same_and_the_tap_the_whole(self):
        table = [("chat", openai.OpenAI, CHAT_STREAM, None), ("responses", openai.OpenAI, RESPONSE_STREAM, RESPONSE), ("messages", anthropic.Anthropic, MESSAGE_STREAM, MESSAGE)]
        for kind, client_class, stream, whole in table:
            zipped = gzip.compress(b"".join(stream))
            for headers, chunks in (({}, stream), ({}, [b"".join(stream)]), ({}, [b"".join(stream)[i : i + 5] for i in range(0, len(b"".join(stream)), 5)]),
                                    ({"content-encoding": "gzip"}, [zipped[:20], zipped[20:50], zipped[50:]])):
                with scene((200, headers, chunks)) as (router, frontier, observer):
                    bare = self.collect(plain(client_class, frontier), kind)
                    seen = self.collect(shadowed(client_class, frontier, observer), kind)
                    self.assertEqual(bare, seen)
                    _, answer = pair(self, router)
                    self.assertNotIn("error", answer)
                    if whole:
                        self.assertEqual(answer["response"], whole)
                    else:
                        self.assertEqual(answer["response"]["choices"][0]["message"]["content"], "hello")
                        self.assertEqual(answer["usage"], {"input_tokens": 7, "output_tokens": 2})

    def test_asynchronous_streams(self):
        async def go(frontier, observer):
            client = shadowed(anthropic.AsyncAnthropic, frontier, observer)
            async with client.messages.stream(model="claude-x", max_tokens=9, messages=ASK) as stream:
                return "".join([text async for text in stream.text_stream])

        with scene((200, {}, MESSAGE_STREAM)) as (router, frontier, observer):
            self.assertEqual(asyncio.run(go(frontier, observer)), "hello")
            self.assertEqual(pair(self, router)[1]["response"], MESSAGE)

    def test_a_stream_closed_early_tells_what_is_known(self):
        slow = [*CHAT_STREAM[:2], 0.3, *CHAT_STREAM[2:]]
        with scene((200, {}, slow)) as (router, frontier, observer):
            with shadowed(openai.OpenAI, frontier, observer).chat.completions.create(model="gpt-x", messages=ASK, stream=True) as stream:
                for part in stream:
                    if part.choices[0].delta.content:
                        break
            _, answer = pair(self, router)
            self.assertEqual(answer["error"], "HTTP 200: stream closed early")
            self.assertEqual(answer["response"]["choices"][0]["message"]["content"], "hel")

        async def go(frontier, observer):
            client = shadowed(openai.AsyncOpenAI, frontier, observer)
            stream = await client.chat.completions.create(model="gpt-x", messages=ASK, stream=True)
            async for part in stream:
                if part.choices[0].delta.content:
                    break
            await stream.close()

        with scene((200, {}, slow)) as (router, frontier, observer):
            asyncio.run(go(frontier, observer))
            self.assertEqual(pair(self, router)[1]["error"], "HTTP 200: stream closed early")

    def test_failures_in_the_middle(self):
        broken = [*MESSAGE_STREAM[:3], *sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})]
        with scene((200, {}, broken)) as (router, frontier, observer):
            with self.assertRaises(anthropic.APIStatusError):
                self.collect(shadowed(anthropic.Anthropic, frontier, observer), "messages")
            _, answer = pair(self, router)
            self.assertEqual(answer["error"], "HTTP 200: overloaded_error")
            self.assertEqual(answer["response"]["content"][0]["text"], "hel")
        with scene((200, {}, [*CHAT_STREAM[:2], None])) as (router, frontier, observer):
            with self.assertRaises(Exception) as raised:
                self.collect(shadowed(openai.OpenAI, frontier, observer), "chat")
            self.assertIn(type(raised.exception).__name__, ("APIConnectionError", "RemoteProtocolError"))  # older SDKs let it through
            _, answer = pair(self, router)
            self.assertEqual(answer["error"], "HTTP 200: RemoteProtocolError")


class Retries(unittest.TestCase):
    ERROR = {"error": {"message": "secret text", "type": "rate_limit_error", "code": "rate_limit_exceeded", "param": None}}

    def test_the_attempts_of_one_call_are_one_call(self):
        script = ((429, FAST, self.ERROR), (500, FAST, b"oops"), (200, {}, CHAT))
        for library in (None, httpx):
            with scene(*script) as (router, frontier, observer):
                said = shadowed(openai.OpenAI, frontier, observer, library).chat.completions.create(model="gpt-x", messages=ASK)
                self.assertEqual(said.id, "c1")
                self.assertEqual([headers["x-stainless-retry-count"] for _, headers, _ in frontier.seen], ["0", "1", "2"])
                _, answer = pair(self, router)
                self.assertEqual(answer["response"], CHAT)
                self.assertGreaterEqual(answer["latency_ms"], 40, "from the first attempt on")
                self.assertEqual(len(router.all(2)), 2)

    def test_anthropic_streamed_and_a_broken_connection(self):
        overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}
        with scene((529, FAST, overloaded), (0, {}, b""), (200, {}, MESSAGE_STREAM)) as (router, frontier, observer):
            client = shadowed(anthropic.Anthropic, frontier, observer)
            with client.messages.stream(model="claude-x", max_tokens=9, messages=ASK) as stream:
                self.assertEqual(stream.get_final_text(), "hello")
            self.assertEqual(pair(self, router)[1]["response"], MESSAGE)
            self.assertEqual(len(frontier.seen), 3)

    def test_asynchronous(self):
        async def go(frontier, observer):
            client = shadowed(anthropic.AsyncAnthropic, frontier, observer)
            calls = [client.messages.create(model="claude-x", max_tokens=9, messages=ASK) for _ in range(5)]
            return await asyncio.gather(*calls)

        # Five alike at once, some of whose attempts fail: five calls, five answers.
        with scene((429, FAST, {}), (503, FAST, {}), (429, FAST, {}), (200, {}, MESSAGE)) as (router, frontier, observer):
            self.assertEqual(len(asyncio.run(go(frontier, observer))), 5)
            frames = router.all(10)
            calls = [frame["call_id"] for frame in frames if frame["kind"] == "call"]
            answers = [frame["call_id"] for frame in frames if frame["kind"] == "answer" and "response" in frame]
            self.assertEqual((len(set(calls)), sorted(calls)), (5, sorted(answers)))
            self.assertEqual(len(frames), 10)

    def test_giving_up_shows_the_last_failure_once(self):
        saved, shadow_router.RETRY_SLACK = shadow_router.RETRY_SLACK, 1.0
        try:
            with scene((429, FAST, self.ERROR)) as (router, frontier, observer):
                with self.assertRaises(openai.RateLimitError):
                    shadowed(openai.OpenAI, frontier, observer, max_retries=1).chat.completions.create(model="gpt-x", messages=ASK)
                self.assertEqual(len(frontier.seen), 2)
                _, answer = pair(self, router)
                self.assertEqual(answer["error"], "HTTP 429: rate_limit_error")
                self.assertNotIn("secret text", json.dumps(answer))
                end = time.monotonic() + 30
                while observer._keeper._thread is not None and time.monotonic() < end:
                    time.sleep(0.02)
                self.assertIsNone(observer._keeper._thread, "no thread is left behind")
        finally:
            shadow_router.RETRY_SLACK = saved

    def test_what_no_sdk_repeats_is_shown_at_once(self):
        for status, headers in ((400, {}), (401, {}), (500, {"x-should-retry": "false"})):
            with scene((status, headers, self.ERROR)) as (router, frontier, observer):
                with self.assertRaises(openai.APIStatusError):
                    shadowed(openai.OpenAI, frontier, observer).chat.completions.create(model="gpt-x", messages=ASK)
                self.assertEqual(pair(self, router)[1]["error"], "HTTP %d: rate_limit_error" % status)

    def test_closing_shows_what_still_waits(self):
        with scene((500, {}, b"")) as (router, frontier, observer):
            with self.assertRaises(openai.InternalServerError):
                shadowed(openai.OpenAI, frontier, observer, max_retries=0).chat.completions.create(model="gpt-x", messages=ASK)
            self.assertEqual(len(router.all(1)), 1)
            observer.close()
            self.assertEqual(pair(self, router)[1]["error"], "HTTP 500: error")

    def test_no_connection(self):
        with scene((200, {}, CHAT)) as (router, frontier, observer):
            frontier.close()
            with self.assertRaises(openai.APIConnectionError):
                shadowed(openai.OpenAI, frontier, observer, max_retries=0).chat.completions.create(model="gpt-x", messages=ASK)
            observer.close()
            self.assertEqual(pair(self, router)[1]["error"], "ConnectError")

    def test_a_redirect_is_the_same_call(self):
        with scene((307, {"location": "/v2/chat/completions"}, b""), (200, {}, CHAT)) as (router, frontier, observer):
            shadowed(openai.OpenAI, frontier, observer).chat.completions.create(model="gpt-x", messages=ASK)
            self.assertEqual(pair(self, router)[1]["response"], CHAT)

    def test_a_cancelled_call_is_told(self):
        async def go(frontier, observer):
            client = shadowed(openai.AsyncOpenAI, frontier, observer)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(client.chat.completions.create(model="gpt-x", messages=ASK), 0.1)

        with scene((200, {}, [0.5])) as (router, frontier, observer):
            asyncio.run(go(frontier, observer))
            self.assertEqual(pair(self, router)[1]["error"][:9] or "", "Cancelled"[:9])


class Unhurt(unittest.TestCase):
    def test_without_a_router(self):
        with Frontier((200, {}, CHAT)) as frontier:
            observer = shadow_router.Observer("/nonexistent/tap.sock")
            client = shadowed(openai.OpenAI, frontier, observer)
            for _ in range(3):
                self.assertEqual(client.chat.completions.create(model="gpt-x", messages=ASK).id, "c1")
            self.assertEqual(observer.counters()["dropped"], 6)

    def test_with_every_part_of_ours_failing(self):
        with scene((200, {}, CHAT)) as (router, frontier, observer):
            for name in ("_begin_call", "_show", "_watched"):
                client = shadowed(openai.OpenAI, frontier, observer)
                transport = client._client._transport
                setattr(transport, name, lambda *_: 1 / 0) if name != "_watched" else setattr(observer, "observe_answer", lambda *_, **__: 1 / 0)
                self.assertEqual(client.chat.completions.create(model="gpt-x", messages=ASK).id, "c1")
            self.assertGreaterEqual(observer.counters()["internal_errors"], 3)

    def test_with_a_router_killed_between_calls(self):
        with scene((200, {}, CHAT)) as (router, frontier, observer):
            client = shadowed(openai.OpenAI, frontier, observer)
            client.chat.completions.create(model="gpt-x", messages=ASK)
            pair(self, router)
            router.kill()
            for _ in range(3):
                self.assertEqual(client.chat.completions.create(model="gpt-x", messages=ASK).id, "c1")

    def test_many_threads(self):
        with scene((200, {}, CHAT)) as (router, frontier, observer):
            client = shadowed(openai.OpenAI, frontier, observer)
            threads = [threading.Thread(target=lambda: [client.chat.completions.create(model="gpt-x", messages=ASK) for _ in range(5)]) for _ in range(6)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            frames = router.wait(60)
            self.assertEqual((len(frames), router.bad), (60, []))
            self.assertEqual(len({frame["call_id"] for frame in frames}), 30)

    def test_proxies_of_the_environment_still_hold(self):
        saved = dict(os.environ)
        os.environ.update(HTTPS_PROXY="http://127.0.0.1:9", NO_PROXY="localhost")
        try:
            ours, theirs = shadow_router.http_client(library=httpx), httpx.Client()
            self.assertEqual(list(ours._mounts), list(theirs._mounts))
            kinds = {type(mount).__name__ for mount in ours._mounts.values() if mount is not None}
            self.assertEqual(kinds, {"ShadowTransport"})
        finally:
            os.environ.clear()
            os.environ.update(saved)


@contextlib.contextmanager
def no_timer(name):
    """As on a system whose library lacks this function."""
    if name is None:
        yield
        return
    real = ctypes.PyDLL

    class Library(real):
        def __getattr__(self, asked):
            if asked == name:
                raise AttributeError(asked)
            return super().__getattr__(asked)

    ctypes.PyDLL = Library
    try:
        yield
    finally:
        ctypes.PyDLL = real


class Later(unittest.TestCase):
    """What a transport leaves to the observer's thread, which the agent does not pay for."""

    @contextlib.contextmanager
    def slow_thread(self):
        """Wakes so late that nothing happens by itself."""
        with self.changed(BATCH_AGE=30.0):
            yield

    @contextlib.contextmanager
    def changed(self, **values):
        saved = {name: getattr(shadow_router, name) for name in values}
        for name, value in values.items():
            setattr(shadow_router, name, value)
        try:
            yield
        finally:
            for name, value in saved.items():
                setattr(shadow_router, name, value)

    def kinds(self, router, count):
        return [frame["kind"] for frame in router.wait(count)]

    def test_the_agents_thread_encodes_and_sends_nothing(self):
        with scene((200, {}, CHAT)) as (router, frontier, observer):
            threads, put = [], observer._put
            observer._put = lambda *frame: threads.append(threading.current_thread()) or put(*frame)
            client = shadowed(openai.OpenAI, frontier, observer)
            for _ in range(3):
                client.chat.completions.create(model="gpt-x", messages=ASK)
            self.assertEqual(self.kinds(router, 6), ["call", "answer"] * 3)
            self.assertNotIn(threading.current_thread(), threads)

    def test_whoever_asks_for_more_does_what_is_left_first(self):
        with scene((200, {}, CHAT)) as (router, frontier, observer), self.slow_thread():
            client = shadowed(openai.OpenAI, frontier, observer)
            client.chat.completions.create(model="gpt-x", messages=ASK)
            self.assertEqual((observer.sent, len(observer._work)), (0, 2))
            self.assertTrue(observer.outcome(run_id="r", result="success"))
            self.assertEqual(self.kinds(router, 3), ["call", "answer", "outcome"])
            client.chat.completions.create(model="gpt-x", messages=ASK)
            self.assertEqual(observer.counters()["sent"], 5)
            client.chat.completions.create(model="gpt-x", messages=ASK)
            observer.close()
            self.assertEqual(self.kinds(router, 7), ["call", "answer", "outcome", "call", "answer", "call", "answer"])

    def test_the_latency_is_that_of_the_call(self):
        with scene((200, {}, CHAT)) as (router, frontier, observer), self.slow_thread():
            shadowed(openai.OpenAI, frontier, observer).chat.completions.create(model="gpt-x", messages=ASK)
            time.sleep(3)
            observer.close()
            self.assertLess(pair(self, router)[1]["latency_ms"], 3000)

    def test_without_a_thread_the_caller_does_it(self):
        with scene((200, {}, CHAT)) as (router, frontier, observer):
            client = shadowed(openai.OpenAI, frontier, observer)
            saved = threading.Thread.start
            threading.Thread.start = lambda thread: (_ for _ in ()).throw(RuntimeError("can't start new thread")) if thread.name == "shadow-router" else saved(thread)
            try:
                client.chat.completions.create(model="gpt-x", messages=ASK)
            finally:
                threading.Thread.start = saved
            self.assertEqual((observer.sent, len(observer._work)), (2, 0))
            pair(self, router)

    def test_too_much_left_is_done_by_the_caller(self):
        with scene((200, {}, CHAT)) as (router, frontier, observer), self.slow_thread():
            client = shadowed(openai.OpenAI, frontier, observer)
            for _ in range(shadow_router.WORK_ROOM):
                client.chat.completions.create(model="gpt-x", messages=ASK)
            self.assertLessEqual(len(observer._work), shadow_router.WORK_ROOM)
            self.assertGreater(observer.sent, 0)

    def test_calls_of_a_short_while_go_together_when_one_of_them_waits(self):
        with scene((200, {}, CHAT)) as (router, frontier, observer), self.changed(BATCH_AGE=4.0, CALL_GRACE=60.0):
            client = shadowed(openai.OpenAI, frontier, observer)
            for _ in range(3):
                client.chat.completions.create(model="gpt-x", messages=ASK)
            self.assertEqual((observer.sent, len(observer._work)), (0, 6))
            time.sleep(4)
            frontier.answering.clear()
            waiting = threading.Thread(target=client.chat.completions.create, kwargs=dict(model="gpt-x", messages=ASK))
            waiting.start()
            self.assertEqual(self.kinds(router, 7), ["call", "answer"] * 3 + ["call"])
            frontier.answering.set()
            waiting.join()
            observer.close()
            self.assertEqual(self.kinds(router, 8)[-1], "answer")

    def test_large_calls_do_not_wait_for_others(self):
        with scene((200, {}, CHAT)) as (router, frontier, observer), self.slow_thread():
            client = shadowed(openai.OpenAI, frontier, observer)
            for _ in range(3):
                client.chat.completions.create(model="gpt-x", messages=[{"role": "user", "content": "x" * shadow_router.BATCH_BYTES}])
            self.assertGreaterEqual(len(self.kinds(router, 3)), 3)

    def test_a_call_that_nothing_follows_is_shown_by_itself(self):
        for missing in (None, "timerfd_create"):
            with self.subTest(missing=missing), scene((200, {}, CHAT)) as (router, frontier, observer), no_timer(missing):
                client = shadowed(openai.OpenAI, frontier, observer)
                for calls in range(1, 4):
                    client.chat.completions.create(model="gpt-x", messages=ASK)
                    self.assertEqual(len(router.wait(2 * calls)), 2 * calls)
                self.assertEqual(observer._worker._alarm._settime is None, missing is not None)

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_after_a_fork_each_shows_its_own(self):
        with scene((200, {}, CHAT)) as (router, frontier, observer), self.slow_thread():
            client = shadowed(openai.OpenAI, frontier, observer)
            client.chat.completions.create(model="gpt-x", messages=ASK)
            child = os.fork()
            if child == 0:
                with contextlib.suppress(BaseException):
                    shadowed(openai.OpenAI, frontier, observer).chat.completions.create(model="gpt-x", messages=ASK)
                    observer.close()
                os._exit(0)
            os.waitpid(child, 0)
            observer.close()
            frames = router.wait(4)
            self.assertEqual(sorted(frame["kind"] for frame in frames), ["answer", "answer", "call", "call"])
            self.assertEqual((len({frame["call_id"] for frame in frames}), len({frame["connection"] for frame in frames})), (2, 2))

    def test_a_program_that_ends_at_once_has_shown_its_calls(self):
        with scene((200, {}, CHAT)) as (router, frontier, _):
            program = ("import openai, shadow_router\n"
                       "client = openai.OpenAI(api_key='k', base_url=%r, http_client=shadow_router.http_client(observer=shadow_router.Observer(%r)))\n"
                       "client.chat.completions.create(model='gpt-x', messages=[])\n" % (frontier.url + "/v1", router.path))
            subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
            pair(self, router)

    def test_the_thread_ends_with_its_observer(self):
        with scene((200, {}, CHAT)) as (router, frontier, _):
            observer = shadow_router.Observer(router.path)
            client = shadowed(openai.OpenAI, frontier, observer)
            client.chat.completions.create(model="gpt-x", messages=ASK)
            router.wait(2)
            thread = observer._worker._thread
            client.close()
            del observer, client
            gc.collect()
            thread.join(30)
            self.assertFalse(thread.is_alive())


class RecordedExchanges(unittest.TestCase):
    """Every recorded exchange of the three shapes through the transport: the agent's bytes unchanged, the frames whole."""

    PATHS = {"openai.chat": "/v1/chat/completions", "openai.responses": "/v1/responses", "anthropic.messages": "/v1/messages"}

    def test_all(self):
        found = exchanges(*self.PATHS)
        if found is None:
            self.skipTest("no recorded exchanges")
        told = 0
        with tap() as router:
            observer = shadow_router.Observer(router.path)
            for exchange in found:
                if not isinstance(exchange["request"], dict) or exchange["method"] != "POST":
                    continue
                text = exchange["response_text"]
                body = text.encode() if text is not None else json.dumps(exchange["response"]).encode()
                kind = "text/event-stream" if exchange["stream"] and text and "data:" in text else "application/json"
                answer = httpx.Response(exchange["status"], headers={"content-type": kind}, stream=Chunks(body))
                transport = shadow_router._classes(httpx)[0](httpx.MockTransport(lambda request: answer), observer)
                with httpx.Client(transport=transport) as client:
                    got = client.post("http://x" + self.PATHS[exchange["shape"]], json=exchange["request"])
                self.assertEqual(got.content, body)
                told += 1
                call, answered = router.wait(2 * told)[-2:]
                self.assertEqual(call["request"], exchange["request"])
                if exchange["status"] >= 400:
                    self.assertTrue(answered["error"].startswith("HTTP %d" % exchange["status"]))
                elif kind == "application/json" and text is None:
                    self.assertEqual(answered["response"], exchange["response"])
                elif "data:" in (text or "") and '"error"' not in text.split("\n")[0]:
                    self.assertTrue(answered["response"])
            self.assertEqual(router.bad, [])
            self.assertEqual(observer.counters()["internal_errors"], 0)
        print("%d recorded exchanges observed through the transport" % told, flush=True)


class Chunks(httpx.SyncByteStream):
    def __init__(self, body):
        self._body = body

    def __iter__(self):
        for at in range(0, len(self._body), 1000):
            yield self._body[at : at + 1000]


if __name__ == "__main__":
    unittest.main()
