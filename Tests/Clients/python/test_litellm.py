"""The LiteLLM callback: calls of real LiteLLM, by OpenAI's and Anthropic's API, are shown whole; in live mode a local answer comes
as LiteLLM's own response. Needs litellm."""
import asyncio
import json
import os
import unittest

from support import Frontier, decision, tap

import shadow_router

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else importing it asks the network
try:
    import litellm
except ImportError as missing:
    print("SKIPPED: tests with LiteLLM: %s" % missing, flush=True)
    raise unittest.SkipTest("no litellm")

from test_decide import LOCAL
from test_live import CHAT_TOOLS, TOOL
from test_sdks import ASK, CHAT, CHAT_STREAM, MESSAGE

litellm.telemetry = False


class Callback(unittest.TestCase):
    def tearDown(self):
        litellm.callbacks = []
        for kind in ("input_callback", "success_callback", "failure_callback", "_async_success_callback", "_async_failure_callback", "_async_input_callback"):
            if hasattr(litellm, kind):
                setattr(litellm, kind, [])

    def scene(self, *script, said=None, **options):
        router = tap(answer=lambda frame: decision(frame, **(said or {})))
        made = router.__enter__()
        self.addCleanup(router.__exit__, None, None, None)
        frontier = Frontier(*script)
        self.addCleanup(frontier.close)
        observer = shadow_router.Observer(made.path)
        self.addCleanup(observer.close)
        callback = shadow_router.litellm_callback(observer=observer, **options)
        litellm.callbacks = [callback]
        self.observer = observer
        return made, frontier, callback

    def test_calls_and_answers_are_shown(self):
        table = [("openai/gpt-x", "/v1", CHAT), ("anthropic/claude-x", "", MESSAGE)]
        for model, path, body in table:
            for asynchronous in (False, True):
                router, frontier, _ = self.scene((200, {}, body), classify=lambda request: "triage")
                given = dict(model=model, messages=ASK, api_key="sk-secret", api_base=frontier.url + path)
                with shadow_router.context(run_id="r"):
                    said = asyncio.run(self.settled(litellm.acompletion(**given))) if asynchronous else litellm.completion(**given)
                self.assertTrue(said.choices[0].message.content.startswith("hello"))
                call, answer = router.wait(2)
                self.assertEqual((call["task_type"], call["run_id"], call["request"]["messages"]), ("triage", "r", ASK))
                self.assertEqual((answer["kind"], answer["call_id"]), ("answer", call["call_id"]))
                self.assertTrue(answer["response"]["choices"][0]["message"]["content"].startswith("hello"))
                self.assertNotIn("sk-secret", json.dumps([call, answer]))
                self.assertEqual(len(router.all(2)), 2)
                self.tearDown()

    @staticmethod
    async def settled(call):
        said = await call
        await asyncio.sleep(0.3)  # LiteLLM reports in tasks of its own
        return said

    def test_streams_are_shown_whole(self):
        router, frontier, _ = self.scene((200, {}, CHAT_STREAM))
        parts = list(litellm.completion(model="openai/gpt-x", messages=ASK, api_key="k", api_base=frontier.url + "/v1", stream=True))
        self.assertEqual("".join(part.choices[0].delta.content or "" for part in parts if part.choices), "hello")
        self.assertEqual(router.wait(2)[1]["response"]["choices"][0]["message"]["content"], "hello")

    def test_failures_are_shown(self):
        router, frontier, _ = self.scene((400, {}, {"error": {"message": "secret", "type": "bad"}}))
        with self.assertRaises(Exception):
            litellm.completion(model="openai/gpt-x", messages=ASK, api_key="k", api_base=frontier.url + "/v1")
        answer = router.wait(2)[1]
        self.assertIn("Error", answer["error"])
        self.assertNotIn("secret", json.dumps(answer))

    def test_local_answers(self):
        for asynchronous in (False, True):
            for audit in (False, True):
                router, frontier, callback = self.scene((200, {}, CHAT), said={**LOCAL, "audit": audit}, decide_ms=5000)
                given = dict(model="openai/gpt-x", messages=ASK, api_key="k", api_base=frontier.url + "/v1")
                said = asyncio.run(self.settled(litellm.acompletion(**given))) if asynchronous else callback.completion(**given)
                self.assertEqual((type(said).__name__, said.choices[0].message.content, said.model), ("ModelResponse", "crash", "small"))
                self.assertEqual(shadow_router.route_of(said), "local")
                frames = router.all(2 if audit else 1)
                self.assertEqual([frame["kind"] for frame in frames], ["call", "answer"] if audit else ["call"])
                self.assertEqual(len(frontier.seen), int(audit))
                self.assertEqual(len({frame["call_id"] for frame in frames}), 1)
                self.assertEqual(self.observer.counters()["internal_errors"], 0)
                self.tearDown()

    def test_local_answers_streamed_and_as_tool_calls(self):
        async def streamed(**given):
            return [part async for part in await litellm.acompletion(stream=True, **given)]

        router, frontier, callback = self.scene((500, {}, b""), said={"answer": "crash"}, decide_ms=5000)
        given = dict(model="openai/gpt-x", messages=ASK, api_key="k", api_base=frontier.url + "/v1")
        for parts in (asyncio.run(streamed(**given)), list(callback.completion(stream=True, **given))):
            self.assertEqual("".join(part.choices[0].delta.content or "" for part in parts), "crash")
        self.tearDown()
        router, frontier, callback = self.scene((500, {}, b""), said={"answer": TOOL}, decide_ms=5000)
        for said in (asyncio.run(litellm.acompletion(tools=CHAT_TOOLS, **given)), callback.completion(tools=CHAT_TOOLS, **given)):
            call = said.choices[0].message.tool_calls[0]
            self.assertEqual((call.function.name, json.loads(call.function.arguments)), ("look_up", TOOL["arguments"]))

    def test_the_frontier_after_all(self):
        router, frontier, callback = self.scene((200, {}, CHAT), said={"reason": "hard_stop_access"}, decide_ms=5000)
        given = dict(model="openai/gpt-x", messages=ASK, api_key="k", api_base=frontier.url + "/v1")
        for said in (asyncio.run(self.settled(litellm.acompletion(**given))), callback.completion(**given)):
            self.assertTrue(said.choices[0].message.content.startswith("hello"))
        frames = router.wait(4)
        self.assertEqual(sorted(frame["kind"] for frame in frames), ["answer", "answer", "call", "call"])
        self.assertEqual(len({frame["call_id"] for frame in frames}), 2)


if __name__ == "__main__":
    unittest.main()
