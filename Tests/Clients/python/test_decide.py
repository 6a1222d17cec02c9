"""`decide`: the deadline, every kind of trouble, and what the router sees. The tap here is a stand-in for the frames alone."""
import asyncio
import json
import os
import socket
import tempfile
import threading
import time
import unittest

from support import Tap, decision, tap

import shadow_router

LOCAL = {"answer": "crash", "label": "crash", "confidence": 0.97, "model": "small", "audit": False}
SLACK = 3  # seconds, of a busy machine's scheduler; alone it is a millisecond (Tests/Benchmarks/live.py)


def local(frame):
    return decision(frame, **LOCAL)


def both(observer, **what):
    """The same question by both ways of asking."""
    yield observer.decide(**what)
    yield asyncio.run(observer.decide_async(**what))


class Decided(unittest.TestCase):
    def test_a_local_answer(self):
        with tap(answer=local) as router:
            observer = shadow_router.Observer(router.path, agent="a")
            for said in both(observer, input="it crashes", task_type="t"):
                self.assertTrue(said.local)
                self.assertEqual((said.answer, said.label, said.confidence, said.model, said.problem, said.outcome), ("crash", "crash", 0.97, "small", None, "local"))
            frames = router.wait(2)
            for frame in frames:
                self.assertTrue(0 < frame["deadline_ms"] < shadow_router.DECIDE_MS, "the router is to answer before the client stops waiting")
                self.assertEqual((frame["kind"], frame["reply"], frame["input"], frame["task_type"], frame["agent"]), ("call", True, "it crashes", "t", "a"))
            self.assertEqual([frame["n"] for frame in frames], [1, 2], "one connection is used again")
            counters = observer.counters()
            self.assertEqual((counters["sent"], counters["asked"], counters["local"], counters["dropped"]), (2, 2, 2, 0))

    def test_the_frontier_with_advice(self):
        advice = {"model": "gpt-x", "fallbacks": ["gpt-y"], "retry_on": ["timeout"], "max_attempts": 3, "on_exhausted": "error", "switch_mid_run": False}
        packet = {"task": "t", "local_output": "cr", "reason": "confidence_low"}
        with tap(answer=lambda frame: decision(frame, reason="confidence_low", reason_code=5, escalation=packet, **advice)) as router:
            observer = shadow_router.Observer(router.path)
            for said in both(observer, messages=[{"role": "user", "content": "x"}]):
                self.assertEqual((said.route, said.reason, said.escalated, said.outcome, said.escalation), ("frontier", "confidence_low", True, "escalated", packet))
                self.assertEqual({name: getattr(said, name) for name in advice}, advice)

    def test_no_model_was_asked(self):
        reply = {"reason": "hard_stop_access", "reason_code": 7, "escalation": {"task": "t", "local_output": None, "reason": "hard_stop_access"}}
        with tap(answer=lambda frame: decision(frame, **reply)) as router:
            self.assertEqual([said.outcome for said in both(shadow_router.Observer(router.path), input="x")], ["frontier"] * 2)

    def test_threads_share_the_lines(self):
        with tap(answer=lambda frame: decision(frame, answer=frame["input"])) as router:
            observer, wrong = shadow_router.Observer(router.path), []

            def work(name):
                for i in range(50):
                    text = "%s-%d" % (name, i)
                    said = observer.decide(input=text, deadline_ms=5000)
                    if said.answer != text:
                        wrong.append((text, said))

            threads = [threading.Thread(target=work, args=(name,)) for name in "abcdefgh"]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            self.assertEqual(wrong, [])
            self.assertEqual((observer.asked, observer.local), (400, 400))
            self.assertLessEqual(observer.connects, 8)

    def test_tasks_share_the_lines(self):
        async def go(observer):
            return await asyncio.gather(*(observer.decide_async(input=str(i), deadline_ms=5000) for i in range(100)))

        with tap(answer=lambda frame: decision(frame, answer=frame["input"])) as router:
            said = asyncio.run(go(shadow_router.Observer(router.path)))
            self.assertEqual([one.answer for one in said], [str(i) for i in range(100)])

    def test_a_long_question_and_a_long_answer(self):
        text = "x" * 900_000
        with tap(answer=lambda frame: decision(frame, answer=frame["input"])) as router:
            for said in both(shadow_router.Observer(router.path), input=text, deadline_ms=5000):
                self.assertEqual(said.answer, text)


class Trouble(unittest.TestCase):
    """Whatever happens: the frontier, in time, without an exception."""

    def check(self, observer, cause, deadline_ms=60, **what):
        for ask in (lambda: observer.decide(deadline_ms=deadline_ms, **what), lambda: asyncio.run(observer.decide_async(deadline_ms=deadline_ms, **what))):
            start = time.monotonic()
            said = ask()
            spent = time.monotonic() - start
            self.assertEqual((said.route, said.problem, said.outcome), ("frontier", cause, "frontier"))
            self.assertLess(spent, deadline_ms / 1000 + SLACK)
            self.assertTrue(said.call_id)

    def test_no_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            observer = shadow_router.Observer(os.path.join(folder, "none.sock"))
            self.check(observer, "no_socket", input="x")
            self.assertEqual(observer.counters()["dropped"], 2)

    @unittest.skipUnless(hasattr(os, "geteuid") and os.geteuid() == 0, "only root can become somebody else")
    def test_a_socket_that_this_user_may_not_use(self):
        with tap(answer=local) as router:
            os.chmod(os.path.dirname(router.path), 0o755)
            os.chmod(router.path, 0o600)
            child = os.fork()
            if child == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                observer = shadow_router.Observer(router.path)
                said = observer.decide(input="x", deadline_ms=1000).problem
                observer.observe_call(input="x")
                causes = list(observer.counters()["dropped_by_cause"])
                os._exit(0 if (said, causes) == ("not_allowed", ["not_allowed"]) else 1)
            self.assertEqual(os.waitpid(child, 0)[1], 0)

    def test_every_reply_that_is_none(self):
        def other(frame, **members):
            return (json.dumps({"kind": "decision", "call_id": frame["call_id"], "route": "local", "answer": "a", "reason": None, **members}) + "\n").encode()

        table = [
            ("closed", lambda frame: b""),
            ("garbage", lambda frame: b"hello\n"),
            ("garbage", lambda frame: b"\xff\xfe\n"),
            ("garbage", lambda frame: b"[" * 100_000 + b"\n"),
            ("garbage", lambda frame: b"null\n"),
            ("garbage", lambda frame: b"x" * (shadow_router.REPLY_LIMIT + 1)),
            ("garbage", lambda frame: local(frame) * 2),
            ("garbage", lambda frame: other(frame, call_id="another")),
            ("garbage", lambda frame: other(frame, call_id=None)),
            ("garbage", lambda frame: other(frame, kind="pong")),
            ("garbage", lambda frame: other(frame, route="LOCAL")),
            ("garbage", lambda frame: other(frame, route=None)),
            ("garbage", lambda frame: other(frame, answer=None)),
            ("garbage", lambda frame: other(frame, reason="confidence_low")),
            ("refused", lambda frame: b'{"kind":"error","call_id":"c","code":"duplicate_call","message":"m"}\n'),
            ("late", lambda frame: local(frame)[:-1]),
            ("late", lambda frame: None),
        ]
        for cause, answer in table:
            with tap(answer=answer) as router:
                self.check(shadow_router.Observer(router.path), cause, deadline_ms=2000 if cause == "garbage" else 60, input="x")

    def test_a_late_reply_is_never_taken_for_another_s(self):
        seen = []

        def answer(frame):
            seen.append(frame["call_id"])
            if len(seen) == 1:
                time.sleep(0.15)
                return decision(frame, answer="the first one's")
            return decision(frame, answer="its own")

        with tap(answer=answer) as router:
            observer = shadow_router.Observer(router.path)
            self.assertEqual(observer.decide(input="x", deadline_ms=50).problem, "late")
            time.sleep(0.2)
            self.assertEqual(observer.decide(input="y", deadline_ms=5000).answer, "its own")

    def test_a_stalled_router_is_left_alone_after_three_questions(self):
        with tap(answer=lambda frame: None) as router:
            observer = shadow_router.Observer(router.path)
            said = [observer.decide(input="x", deadline_ms=20).problem for _ in range(6)]
            self.assertEqual(said, ["late"] * 3 + ["resting"] * 3)
            start = time.monotonic()
            observer.decide(input="x", deadline_ms=60_000)
            self.assertLess(time.monotonic() - start, 30, "no waiting while it is left alone")
            self.assertEqual(len([frame for frame in router.wait(7) if not frame.get("reply")]), 4, "those calls are shown all the same")
            observer._rest_until = 0.0
            router.answer = local
            self.assertTrue(observer.decide(input="x", deadline_ms=2000).local)
            self.assertEqual(observer._misses, 0)

    def test_a_router_that_does_not_read(self):
        with tap(reading=False) as router:
            observer = shadow_router.Observer(router.path)
            self.check(observer, "late", input="x")
            self.check(shadow_router.Observer(router.path), "full", input="x" * 1_000_000)

    def test_a_full_backlog(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tap.sock")
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(path)
            listener.listen(0)
            others = []
            for _ in range(4):
                other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                other.setblocking(False)
                try:
                    other.connect(path)
                except BlockingIOError:
                    break
                others.append(other)
            else:
                self.fail("the backlog never filled")
            self.check(shadow_router.Observer(path), "full", input="x")
            for opened in (*others, other, listener):
                opened.close()

    def test_a_restarted_router_is_found_at_once(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tap.sock")
            first = Tap(path, answer=local)
            observer = shadow_router.Observer(path)
            self.assertTrue(observer.decide(input="x", deadline_ms=2000).local)
            first.kill()
            second = Tap(path, answer=local)
            self.assertTrue(observer.decide(input="x", deadline_ms=2000).local, "the idle connection is dead, a new one is made")
            second.kill()

    def test_values_that_make_no_sense(self):
        with tap(answer=local) as router:
            for what in ({"deadline_ms": "soon"}, {"deadline_ms": float("nan")}, {"deadline_ms": -1}, {"deadline_ms": 0}):
                self.assertEqual(shadow_router.Observer(router.path).decide(input="x", **what).route, "frontier")
            for what in ({"request": {1j}}, {"input": 5}, {"unknown": 1, "input": object()}):
                said = shadow_router.Observer(router.path).decide(**what)
                self.assertEqual((said.route, said.problem), ("frontier", "internal"))
            self.assertEqual(shadow_router.Observer(router.path).decide(input="x" * (1 << 20)).problem, "too_large")

    def test_a_cancelled_question_gives_its_connection_up(self):
        async def go(observer):
            task = asyncio.ensure_future(observer.decide_async(input="x", deadline_ms=5000))
            await asyncio.sleep(0.05)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        with tap(answer=lambda frame: None) as router:
            observer = shadow_router.Observer(router.path)
            asyncio.run(go(observer))
            self.assertEqual(len(observer._lines), 0)

    def test_a_fork_has_lines_of_its_own(self):
        with tap(answer=local) as router:
            observer = shadow_router.Observer(router.path)
            observer.decide(input="x", deadline_ms=2000)
            child = os.fork()
            if child == 0:
                os._exit(0 if len(observer._lines) == 0 and observer.decide(input="y", deadline_ms=2000).local else 1)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            self.assertEqual({frame["connection"] for frame in router.wait(2)}, {1, 2})


if __name__ == "__main__":
    unittest.main()
