"""The observer alone, with nothing but the standard library."""
import json
import os
import signal
import threading
import time
import unittest

from support import Tap, tap

import shadow_router
from shadow_router import Observer


class Frames(unittest.TestCase):
    def test_say_what_was_said(self):
        with tap() as router:
            observer = Observer(router.path, agent="worker")
            with shadow_router.context(task_type="triage", run_id="r1", signals={"novel_input": True}):
                with shadow_router.context(step="s2"):
                    call = observer.observe_call(input='a "quoted"\nline \u2028 ü', tenant="t", run_id=None)
            observer.observe_call("c2", messages=[{"role": "user", "content": "hi"}], agent="other")
            observer.observe_call("c3", request_body=b'{\n "model": "m",\n "messages": []\n}', frontier={"model": "m"})
            observer.observe_answer(call, output={"label": "x"}, label="x", model="m", input_tokens=3, latency_ms=5, cost_usd=0.5)
            observer.observe_answer("c2", error="HTTP 500: api_error")
            observer.observe_answer("c3", response_body=b'{\n"id": "r"}')
            observer.outcome("c2", result="success", approved_by="ann")
            observer.outcome(run_id="r1", result="failure", source="user")
            frames = router.wait(8)
            self.assertEqual([], router.bad)
            self.assertEqual(list(range(1, 9)), [frame.pop("n") for frame in frames])
            for frame in frames:
                frame.pop("connection")
            self.assertEqual(32, len(call))
            self.assertEqual(
                frames[0],
                {"kind": "call", "call_id": call, "agent": "worker", "task_type": "triage", "run_id": "r1", "step": "s2",
                 "tenant": "t", "signals": {"novel_input": True}, "input": 'a "quoted"\nline \u2028 ü'},
            )
            self.assertEqual(frames[1]["agent"], "other")
            self.assertEqual(frames[2]["request"], {"model": "m", "messages": []})
            self.assertEqual(frames[2]["frontier"], {"model": "m"})
            self.assertEqual(
                frames[3],
                {"kind": "answer", "call_id": call, "label": "x", "model": "m", "usage": {"input_tokens": 3}, "latency_ms": 5,
                 "cost_usd": 0.5, "output": {"label": "x"}},
            )
            self.assertEqual(frames[4], {"kind": "answer", "call_id": "c2", "error": "HTTP 500: api_error"})
            self.assertEqual(frames[5]["response"], {"id": "r"})
            self.assertEqual(frames[6], {"kind": "outcome", "result": "success", "source": "agent", "call_id": "c2", "approved_by": "ann"})
            self.assertEqual(frames[7]["run_id"], "r1")
            self.assertEqual(observer.counters()["sent"], 8)

    def test_strings_are_encoded_as_the_standard_library_does(self):
        texts = ["", "é\u2028𝄞", "\ttab\r\n", "\x00\x1f\x7f", '\\"/', "x" * 300 + '\\"\n\r\t', "y" * 300 + "\x01", "ü" * 300]
        for text in texts:
            self.assertEqual(json.loads(shadow_router._string_bytes(text).decode("utf-8")), text)

    def test_a_lone_surrogate_does_no_harm(self):
        with tap() as router:
            observer = Observer(router.path)
            observer.observe_call("a\ud800", input="x\udc00", task_type="\ud801")
            observer.observe_call("b", messages=["\udc00"])
            self.assertEqual([frame["n"] for frame in router.wait(2)], [1, 2])
            self.assertEqual(router.bad, [])

    def test_long_names_are_kept_within_the_router_s_limits(self):
        with tap() as router:
            observer = Observer(router.path)
            long = observer.observe_call("i" * 500, input="x", run_id="r" * 500)
            observer.observe_answer("i" * 500, output="y")
            call, answer = router.wait(2)
            self.assertEqual(call["call_id"], answer["call_id"])
            self.assertEqual(call["call_id"], long)
            self.assertLessEqual(len(call["call_id"]), 128)
            self.assertEqual(len(call["run_id"]), 256)

    def test_nothing_raises_whatever_it_is_given(self):
        with tap() as router:
            observer = Observer(router.path)

            class Bad:
                def __str__(self):
                    raise RuntimeError("no")

            for arguments in ({"input": 3}, {"input": object()}, {"request": {1: {2}}}, {"messages": float("nan")}, {}, {"input": "x", "run_id": Bad()}):
                observer.observe_call(**arguments)
            observer.observe_call(Bad(), input="x")
            observer.observe_call("c", input="x", reply=True, kind="answer")
            observer.observe_answer("c", response={1, 2})
            observer.outcome(result={1})
            observer.observe_call("last", input="x")
            frames = router.wait(3)
            self.assertEqual(frames[-1]["call_id"], "last")
            self.assertNotIn("reply", frames[-2])
            self.assertEqual(router.bad, [])
            counters = observer.counters()
            self.assertEqual(frames[-1]["n"], counters["sent"] + counters["dropped"], "a dropped frame is numbered as well")

    def test_frames_over_the_limit_are_dropped_and_numbered(self):
        with tap() as router:
            observer = Observer(router.path)
            observer.observe_call("a", input="x" * (1 << 20))
            observer.observe_call("b", input="x" * ((1 << 20) - 200))
            self.assertEqual([(frame["call_id"], frame["n"]) for frame in router.wait(1)], [("b", 2)])
            self.assertEqual(observer.counters()["dropped_by_cause"], {"too_large": 1})

    def test_ids_are_uuid4_and_never_the_same(self):
        ids = [shadow_router._fresh_id() for _ in range(5000)]
        self.assertEqual(len(set(ids)), 5000)
        self.assertTrue(all(len(one) == 32 and one[12] == "4" and one[16] in "89ab" for one in ids))


class Trouble(unittest.TestCase):
    def test_no_router_costs_nothing_but_counts(self):
        observer = Observer("/nonexistent/tap.sock")
        for _ in range(20000):
            observer.observe_call(input="x")
        self.assertEqual(observer.counters()["dropped_by_cause"], {"no_socket": 20000})

    def test_a_path_too_long_for_a_socket(self):
        observer = Observer("/tmp/" + "x" * 200)
        observer.observe_call(input="x")
        self.assertEqual(observer.counters()["dropped"], 1)

    def test_what_was_lost_before_the_first_connection_shows_in_its_number(self):
        with tap() as router:
            path = router.path + ".later"
            observer = Observer(path)
            for _ in range(4):
                observer.observe_call(input="x")
            later = Tap(path)
            observer._next_connect = observer._quiet_until = 0
            observer.observe_call("five", input="x")
            self.assertEqual(later.wait(1)[0]["n"], 5)
            later.kill()

    def test_at_most_one_attempt_to_connect_a_second(self):
        observer, attempts = Observer("/nonexistent/tap.sock"), []
        connect = observer._connect
        observer._connect = lambda: (attempts.append(observer._next_connect <= time.monotonic()), connect())[1]
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            observer.observe_call(input="x")
        self.assertLessEqual(sum(attempts), 2)

    def test_a_router_that_does_not_read_never_stalls_the_agent(self):
        with tap(reading=False) as router:
            observer, slowest = Observer(router.path), 0.0
            count = 6000
            for i in range(count):
                start = time.perf_counter()
                observer.observe_call("c%d" % i, input="x" * 4000)
                slowest = max(slowest, time.perf_counter() - start)
            counters = observer.counters()
            self.assertGreater(counters["dropped_by_cause"].get("full", 0), 0)
            self.assertEqual(counters["sent"] + counters["dropped"], count)
            self.assertLess(slowest, 3)
            router.go()
            time.sleep(0.1)
            observer.observe_call("end", input="x")
            frames = router.wait(counters["sent"] + 1)
            self.assertEqual(router.bad, [], "a frame was cut")
            self.assertEqual(len(frames), observer.counters()["sent"])
            numbers = [frame["n"] for frame in frames]
            self.assertEqual(numbers, sorted(set(numbers)))
            self.assertEqual(numbers[-1] - len(numbers), observer.counters()["dropped"], "the gaps are what was lost")

    def test_a_half_sent_frame_is_finished_without_another_call(self):
        with tap(reading=False) as router:
            observer = Observer(router.path)
            while not observer._tail:
                observer.observe_call(input="x" * 900_000)
                if observer.counters()["dropped"] > 50:
                    self.skipTest("this kernel takes whole frames only")
            sent = observer.counters()["sent"]
            router.go()
            self.assertEqual(len(router.wait(sent)), sent)
            self.assertEqual(router.bad, [])

    def test_a_killed_router_and_its_successor(self):
        with tap() as router:
            observer = Observer(router.path)
            observer.observe_call("a", input="x")
            router.wait(1)
            router.kill()
            for i in range(10):
                observer.observe_call("lost%d" % i, input="x")
            self.assertEqual(observer.counters()["dropped"], 10)
            successor = Tap(router.path)
            end = time.monotonic() + 6
            while not successor.frames and time.monotonic() < end:
                observer.observe_call("again", input="x")
                time.sleep(0.05)
            counters = observer.counters()
            first = successor.wait(1)[0]
            self.assertGreaterEqual(first["n"], 11, "what was lost in between shows")
            self.assertEqual(counters["connects"], 2)
            successor.kill()

    def test_a_signal_handler_on_top_of_a_send_does_not_deadlock(self):
        with tap() as router:
            observer = Observer(router.path)
            observer._lock.acquire()  # as if the signal came in the middle of a send
            observer.observe_call("inner", input="x")
            observer._lock.release()
            observer.observe_call("outer", input="x")
            self.assertEqual([(frame["n"], frame["call_id"]) for frame in router.wait(2)], [(1, "inner"), (2, "outer")])
            self.assertEqual(observer.counters()["dropped"], 0)

    def test_what_was_left_to_a_sender_is_bounded_and_sent_by_it(self):
        with tap() as router:
            observer, room = Observer(router.path), shadow_router.LEFT_ROOM
            observer._lock.acquire()
            for i in range(room + 3):
                observer.observe_call("c%d" % i, input="x")
            observer._release()
            frames = router.wait(room)
            self.assertEqual([frame["call_id"] for frame in frames], ["c%d" % i for i in range(room)])
            observer.observe_call("last", input="x")
            self.assertEqual(router.wait(room + 1)[-1]["n"], room + 4, "the three dropped ones are numbered too")
            self.assertEqual(observer.counters()["dropped_by_cause"], {"busy": 3})


class Sharing(unittest.TestCase):
    def test_threads_do_not_mix_their_frames(self):
        with tap() as router:
            observer, each = Observer(router.path), 300

            def work(name):
                for i in range(each):
                    observer.observe_call("%s-%d" % (name, i), input=str(name) * (i * 7 % 3000))

            threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            counters = observer.counters()
            frames = router.wait(counters["sent"])
            self.assertEqual(router.bad, [])
            self.assertEqual(counters["sent"] + counters["dropped"], 8 * each)
            self.assertEqual(len(frames), counters["sent"])
            self.assertEqual([frame["n"] for frame in frames], sorted(frame["n"] for frame in frames))
            for frame in frames:
                name, i = frame["call_id"].split("-")
                self.assertEqual(frame["input"], name * (int(i) * 7 % 3000))

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_a_forked_child_has_a_connection_and_ids_of_its_own(self):
        with tap() as router:
            observer = Observer(router.path)
            observer.observe_call("parent-1", input="x")
            observer._lock.acquire()  # held by a thread that the child will not have
            child = os.fork()
            if child == 0:
                try:
                    for i in range(50):
                        observer.observe_call(input="child")
                finally:
                    os._exit(0 if observer.counters()["sent"] == 50 else 1)
            observer._lock.release()
            mine = [observer.observe_call(input="parent") for _ in range(50)]
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            frames = router.wait(101)
            self.assertEqual((len(frames), router.bad), (101, []))
            theirs = [frame for frame in frames if frame["input"] == "child"]
            self.assertEqual({frame["connection"] for frame in theirs} & {frame["connection"] for frame in frames if frame["input"] != "child"}, set())
            self.assertEqual([frame["n"] for frame in theirs], list(range(1, 51)))
            self.assertFalse({frame["call_id"] for frame in theirs} & set(mine))

    def test_a_forgotten_observer_leaves_no_thread(self):
        before = threading.active_count()
        with tap() as router:
            observer = Observer(router.path)
            observer.observe_call(input="x")
            observer.close()
        self.assertLessEqual(threading.active_count(), before + 2)  # the tap's own


class Places(unittest.TestCase):
    def test_the_socket_is_where_the_contract_says(self):
        saved, geteuid = dict(os.environ), os.geteuid
        names = ("SHADOW_ROUTER_TAP", "SHADOW_ROUTER_RUNTIME_DIR", "SHADOW_ROUTER_STATE_DIR", "XDG_RUNTIME_DIR", "XDG_STATE_HOME")
        table = [
            (0, {}, "/run/shadow-router/tap.sock"),
            (0, {"SHADOW_ROUTER_RUNTIME_DIR": "/r"}, "/r/tap.sock"),
            (7, {"SHADOW_ROUTER_TAP": "/t.sock", "SHADOW_ROUTER_RUNTIME_DIR": "/r"}, "/t.sock"),
            (7, {"XDG_RUNTIME_DIR": "/run/user/7"}, "/run/user/7/shadow-router/tap.sock"),
            (7, {"XDG_STATE_HOME": "/s"}, "/s/shadow-router/run/tap.sock"),
            (7, {"SHADOW_ROUTER_STATE_DIR": "/own"}, "/own/run/tap.sock"),
            (7, {"HOME": "/home/u"}, "/home/u/.local/state/shadow-router/run/tap.sock"),
        ]
        try:
            for uid, environment, path in table:
                [os.environ.pop(name, None) for name in names]
                os.environ.update(environment)
                os.geteuid = lambda uid=uid: uid
                self.assertEqual(shadow_router.default_socket_path(), path)
        finally:
            os.geteuid = geteuid
            os.environ.clear()
            os.environ.update(saved)


if __name__ == "__main__":
    signal.alarm(120)
    unittest.main()
