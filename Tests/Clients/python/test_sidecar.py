"""An agent on the real openai and anthropic SDKs, one line changed, beside the real sidecar: every call is decided, every
answer compared, and `tail` shows them. Needs the SDKs and the built binary (SHADOW_ROUTER_BIN or .build/release)."""
import json
import os
import shutil
import signal
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "EndToEnd"))

import sidecar
from support import Frontier
from test_sdks import ASK, CHAT, CHAT_STREAM, MESSAGE, MESSAGE_STREAM, RESPONSE

import shadow_router

try:
    import anthropic
    import openai
except ImportError as missing:
    print("SKIPPED: the SDKs beside the real sidecar: %s" % missing, flush=True)
    raise unittest.SkipTest("no SDKs")
try:
    sidecar.binary()
except (sidecar.Failed, sidecar.Skipped) as missing:
    print("SKIPPED: the SDKs beside the real sidecar: %s" % missing, flush=True)
    raise unittest.SkipTest("no binary")

POLICY = """
models:
  frontier_default: {provider: openai, name: gpt-x}
tasks:
  chat: {local: false}
  untyped: {local: false}
classifier:
  rules:
    - {task: untyped, when: {model: claude-x}}
"""


class BesideTheSidecar(unittest.TestCase):
    def test_calls_of_both_sdks_are_observed_whole(self):
        with sidecar.Sidecar(POLICY) as router, Frontier(*((200, {}, body) for body in (CHAT, CHAT_STREAM, RESPONSE, MESSAGE, MESSAGE_STREAM))) as frontier:
            observer = shadow_router.Observer(os.path.join(router.runtime, "tap.sock"), agent="tester")
            # The line that changes: http_client.
            client = openai.OpenAI(base_url=frontier.url + "/v1", api_key="k", http_client=shadow_router.http_client(observer=observer))
            with shadow_router.context(task_type="chat", run_id="run-1"):
                self.assertEqual(client.chat.completions.create(model="gpt-x", messages=ASK).choices[0].message.content, "hello ü\u2028")
                streamed = client.chat.completions.create(model="gpt-x", messages=ASK, stream=True)
                self.assertEqual("".join(c.choices[0].delta.content or "" for c in streamed if c.choices), "hello")
                self.assertEqual(client.responses.create(model="gpt-x", input="say hello").output_text, "hello")
            claude = anthropic.Anthropic(base_url=frontier.url, api_key="k",
                                         http_client=shadow_router.http_client(observer=observer, client_class=anthropic.DefaultHttpxClient))
            self.assertEqual(claude.messages.create(model="claude-x", max_tokens=9, messages=[{"role": "user", "content": "hi"}]).content[0].text, "hello")
            with claude.messages.stream(model="claude-x", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream:
                self.assertEqual("".join(stream.text_stream), "hello")
            observer.close()
            sidecar.until(lambda: len(router.records("comparison")) == 5, "five comparisons")
            decisions = router.records("decision")
            self.assertEqual(len(decisions), 5)
            self.assertEqual([d["task_type"] for d in decisions], ["chat"] * 3 + ["untyped"] * 2)
            self.assertEqual([d["task_type_source"] for d in decisions], ["given"] * 3 + ["rule"] * 2)
            self.assertEqual([d["run_id"] for d in decisions][:3], ["run-1"] * 3)
            answers = router.records("comparison")
            self.assertEqual([a["frontier_answer_preview"] for a in answers], ["hello ü\u2028", "hello", "hello", "hello", "hello"])
            self.assertTrue(all(a["frontier_status"] == "ok" for a in answers))
            self.assertEqual([a["frontier_output_tokens"] for a in answers], [2, 2, 1, 3, 3])
            shown = sidecar.run("tail", *router.folders).stdout
            for decision in decisions:
                self.assertIn(decision["call_id"], shown)
            balance = json.loads(sidecar.run("status", "--json", *router.folders).stdout)["balance"]
            self.assertEqual((balance["received"], balance["recorded"], balance["lost_by_sender"]), (10, 10, 0))

    def test_questions_are_answered_and_the_frontier_is_called(self):
        with sidecar.Sidecar(POLICY) as router, Frontier((200, {}, CHAT)) as frontier:
            observer = shadow_router.Observer(os.path.join(router.runtime, "tap.sock"))
            client = openai.OpenAI(base_url=frontier.url + "/v1", api_key="k", http_client=shadow_router.http_client(observer=observer, decide_ms=5000))
            with shadow_router.context(task_type="chat"):
                said = client.chat.completions.create(model="gpt-x", messages=ASK)
                self.assertEqual(shadow_router.route_of(said), "frontier")
                known = shadow_router.decision_of(said)
                self.assertEqual((known.problem, known.reason, known.reason_code), (None, "policy_requires_frontier", 2))
                self.assertEqual(known.policy_revision, sidecar.revision(POLICY))
            again = observer.decide(known.call_id, input="the same call once more", deadline_ms=5000)
            self.assertEqual((again.route, again.problem), ("frontier", "refused"))
            sidecar.until(lambda: len(router.records("comparison")) == 1, "the answer of the frontier is compared")
            observer.close()
            balance = json.loads(sidecar.run("status", "--json", *router.folders).stdout)["balance"]
            self.assertEqual((balance["received"], balance["malformed"], balance["lost_by_sender"]), (3, 1, 0))
            self.assertEqual(observer.counters()["sent"], 3)

    def test_stopped_and_killed_it_only_costs_the_deadline(self):
        with sidecar.Sidecar(POLICY) as router:
            observer = shadow_router.Observer(os.path.join(router.runtime, "tap.sock"))
            self.assertIsNone(observer.decide(input="x", task_type="chat", deadline_ms=5000).problem)
            router.signal(signal.SIGSTOP)
            self.assertEqual([observer.decide(input="x", task_type="chat", deadline_ms=30).problem for _ in range(5)], ["late"] * 3 + ["resting"] * 2)
            router.signal(signal.SIGCONT)
            observer._rest_until = 0.0
            self.assertIsNone(observer.decide(input="x", task_type="chat", deadline_ms=5000).problem)
            router.crash()
            self.assertEqual(observer.decide(input="x", task_type="chat", deadline_ms=5000).problem, "no_socket")
            router.start()
            observer._rest_until = 0.0
            self.assertIsNone(observer.decide(input="x", task_type="chat", deadline_ms=5000).problem)
            observer.close()


LIVE = """
models:
  frontier_default: {provider: openai, name: gpt-x}
  small: {provider: builtin, file: model.bin}
tasks:
  t: {local: true, labels: [crash, billing], min_confidence: 0.5, model: small, audit_share: %d, control_share: 0}
"""
CASES = {"crash": ("the importer crashes on an empty file", "it crashes at start", "segmentation fault in the parser", "the process died with a stack trace"),
         "billing": ("the invoice shows the wrong amount", "please refund my last payment", "the card was charged twice", "where is my receipt for May")}


def promote(router, task):
    """Serves the task locally, for all calls; False where this build cannot."""
    for percent in (1, 10, 50, 100):
        done = sidecar.run("promote", task, "--percent", str(percent), "--override", "--reason", "test", "--approver", "ana", *router.folders)
        if "later version" in done.stderr:
            print("NOT RUN: local answers of the real router: " + done.stderr.strip(), flush=True)
            return False
        sidecar.equal(done.returncode, 0, "promote --percent %d: %s" % (percent, done.stderr))
    return True


class Live(unittest.TestCase):
    """The built-in model behind the real router, promoted by an override: its answers are the SDKs' own."""

    def scene(self, audit, *script):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        cases = [{"id": "%s-%d-%d" % (label, at, turn), "task_type": "t", "input": text + " " + "again " * turn, "truth": {"label": label}}
                 for label, texts in CASES.items() for at, text in enumerate(texts) for turn in range(12)]
        with open(os.path.join(folder, "cases.ndjson"), "w") as file:
            file.writelines(json.dumps(case) + "\n" for case in cases)
        trained = sidecar.run("train", os.path.join(folder, "cases.ndjson"), "--task", "t", "--output", os.path.join(folder, "model.bin"))
        self.assertEqual(trained.returncode, 0, trained.stderr)
        with open(os.path.join(folder, "router-policy.yaml"), "w") as file:
            file.write(LIVE % audit)
        router = sidecar.Sidecar(os.path.join(folder, "router-policy.yaml"))
        self.addCleanup(router.close)
        frontier = Frontier(*script)
        self.addCleanup(frontier.close)
        observer = shadow_router.Observer(os.path.join(router.runtime, "tap.sock"))
        self.addCleanup(observer.close)
        return (router, frontier, observer) if promote(router, "t") else None

    @staticmethod
    def clients(frontier, observer):
        """Each SDK's client: (ask, text of the answer, text of a stream's events)."""
        gpt = openai.OpenAI(base_url=frontier.url + "/v1", api_key="k", http_client=shadow_router.http_client(observer=observer, decide_ms=5000))
        claude = anthropic.Anthropic(base_url=frontier.url, api_key="k",
                                     http_client=shadow_router.http_client(observer=observer, decide_ms=5000, client_class=anthropic.DefaultHttpxClient))
        return [
            (lambda text, **more: gpt.chat.completions.create(model="gpt-x", messages=[{"role": "user", "content": text}], **more),
             lambda said: said.choices[0].message.content, lambda event: event.choices[0].delta.content or ""),
            (lambda text, **more: gpt.responses.create(model="gpt-x", input=text, **more),
             lambda said: said.output_text, lambda event: event.delta if event.type == "response.output_text.delta" else ""),
            (lambda text, **more: claude.messages.create(model="claude-x", max_tokens=9, messages=[{"role": "user", "content": text}], **more),
             lambda said: said.content[0].text, lambda event: event.delta.text if event.type == "content_block_delta" else ""),
        ]

    def test_local_answers_in_every_sdk_s_types(self):
        made = self.scene(0, (500, {}, b""))
        if made is None:
            self.skipTest("this build cannot promote")
        router, frontier, observer = made
        with shadow_router.context(task_type="t"):
            for ask, text, piece in self.clients(frontier, observer):
                said = ask("the importer crashes on an empty file")
                self.assertEqual((text(said), shadow_router.route_of(said)), ("crash", "local"))
                stream = ask("the card was charged twice", stream=True)
                self.assertEqual((shadow_router.route_of(stream), "".join(map(piece, stream))), ("local", "billing"))
        self.assertEqual(frontier.seen, [])
        # The agent is told once the log has accepted the record; the file has it a moment later.
        sidecar.until(lambda: len(router.records("decision")) == 6, "six decisions in the log")
        decisions = router.records("decision")
        self.assertEqual([(d["route"], d["stage"], d["cohort"]) for d in decisions], [("local", "live", "local")] * 6)
        self.assertEqual((observer.counters()["local"], observer.counters()["undecided_by_cause"]), (6, {}))

    def test_a_hard_stop_goes_to_the_frontier_and_an_audit_too(self):
        made = self.scene(1, (200, {}, CHAT))
        if made is None:
            self.skipTest("this build cannot promote")
        router, frontier, observer = made
        with shadow_router.context(task_type="t"):
            ask, text, _ = self.clients(frontier, observer)[0]
            self.assertEqual(shadow_router.route_of(ask("it crashes, rotate the password")), "frontier")
            said = ask("the importer crashes on an empty file")
            self.assertEqual((text(said), shadow_router.route_of(said), shadow_router.decision_of(said).audit), ("crash", "local", True))
        sidecar.until(lambda: len(router.records("comparison")) == 2, "the audit's answer is compared")
        self.assertEqual([d["audit"] for d in router.records("decision")], [False, True])
        self.assertEqual(len(frontier.seen), 2)

    def test_the_kill_switch_is_seen_by_the_next_call(self):
        made = self.scene(0, (200, {}, CHAT))
        if made is None:
            self.skipTest("this build cannot promote")
        router, frontier, observer = made
        ask, _, _ = self.clients(frontier, observer)[0]
        with shadow_router.context(task_type="t"):
            self.assertEqual(shadow_router.route_of(ask("it crashes at start")), "local")
            self.assertEqual(sidecar.run("kill", "on", "--reason", "test", *router.folders).returncode, 0)
            said = ask("it crashes at start")
            self.assertEqual((shadow_router.route_of(said), shadow_router.decision_of(said).reason), ("frontier", "manual_override"))


if __name__ == "__main__":
    unittest.main()
