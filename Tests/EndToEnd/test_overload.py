"""Overload: what is given up at which point, and what floods cannot do (contract, section 2, "Limits")."""
import shlex

from load import *
from test_disk import TinyDisk, SMALL

# The least that may be asked for: floods fill it soonest.
BUDGET = 96
TIGHT = ["--memory-mb", str(BUDGET)]
QUEUE = 16 << 20
CANDIDATE = ('models:\n  small: {provider: ollama, name: s, endpoint: "%s", timeout_ms: 20000, max_queue: 2000}\n'
             "tasks:\n  t: {local: false}\n  open: {local: true, min_confidence: 0.5, max_input_chars: 2000000}\n")


def within_budget(router, what, budget=BUDGET):
    """The highest that memory has been."""
    most = memory_mib(router)[1]
    check(most <= budget, "%s: memory went to %.0f MiB, %d are allowed" % (what, most, budget))
    return "%.0f of %d MiB" % (most, budget)


class Agent:
    """A well-behaved sender beside a flood: calls and pings, one after the other, and how long the slowest took."""

    def __init__(self, router):
        self.tap, self.slowest, self.sent, self.fault = router.tap(), 0.0, 0, None
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        try:
            while not self.done.is_set():
                start = time.monotonic()
                self.tap.send(call("agent-%d" % self.sent))
                self.sent += 1
                self.tap.ping()
                self.slowest = max(self.slowest, time.monotonic() - start)
                time.sleep(0.005)
        except BaseException as fault:
            self.fault = fault

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.done.set()
        self.thread.join(30)
        if kind is None:
            if self.fault:
                raise self.fault
            check(self.sent > 3, "the agent sent %d calls beside the flood" % self.sent)
            check(self.slowest < 2, "an agent waited %.2f s beside the flood" % self.slowest)

    def check_decided(self, router):
        until(lambda: {"agent-%d" % i for i in range(self.sent)} <= set(router.decisions()), "a decision of each of the agent's calls", 20, 0.2)


def test_at_80_percent_no_candidate_is_asked_at_95_calls_are_shed_and_below_70_all_is_as_before():
    with TinyDisk() as disk, ollama(lambda request: generated({"answer": "fine", "confidence": 0.9})) as model:
        with Sidecar(CANDIDATE % model.endpoint, *TIGHT, "--segment-mb", "1", state=os.path.join(disk, "state")) as router:
            tap, text, sent, seen = router.tap(), "lorem ipsum " * 20, 0, []
            equal(router.decide(tap, call("before", "open"))["reason"], None, "a call before")
            ballast = os.path.join(disk, "ballast")
            with open(ballast, "wb") as f:
                f.write(b"x" * (SMALL - (2 << 20)))

            def look():
                now = limits(router)
                if not seen or seen[-1][0] != now["level"]:
                    seen.append((now["level"], now["queue_bytes"] / QUEUE))
                return now

            equal(look()["queue_limit_bytes"], QUEUE, "the queue's limit")
            with BalanceWatch(router):
                def send(count):
                    nonlocal sent
                    tap.send(b"".join(call("d%d" % i, text=text) for i in range(sent, sent + count)))
                    tap.ping(30)
                    sent += count
                    return look()["level"]
                until(lambda: send(100) == "no_candidates", "80 % of the queue", 90, 0)
                # Decided all the same, and said why; nothing is shed yet.
                told = tap.ask(call("asked", "open", reply=True))
                equal((told["reason"], told["detail"]), ("local_unavailable", "shed"), "a call that a candidate would be asked about")
                equal(router.status()["balance"]["shed"], 0, "shed before 95 %")
                until(lambda: send(100) == "shedding", "95 % of the queue", 90, 0)
                told = tap.ask(call("late", "open", reply=True))
                equal((told["route"], told["reason"], told["detail"]), ("frontier", "local_unavailable", "shed"), "the reply to a call that is shed")
                equal(tap.ask(call("stop", text="the password leaked", reply=True))["reason"], "policy_requires_frontier", "its reason where no model is needed")
                for _ in range(20):
                    send(500)
                    tap.send(b"".join(answer("d%d" % i) for i in range(sent - 500, sent)))
                metrics = router.metrics()
                equal([metrics['shadow_router_pressure{level="%s"}' % level] for level in ("calm", "no_candidates", "shedding")], [0, 0, 1], "pressure in /metrics")
                check("calls are dropped" in router.command("status").stdout, "`status` does not show it")
                full = within_budget(router, "a full queue")
                os.unlink(ballast)
                subprocess.run(["mount", "-o", "remount,size=%d" % (300 << 20), disk], check=True)
                until(lambda: look()["level"] == "calm", "all is as before", 60, 0)
            equal(router.decide(tap, call("after", "open"))["reason"], None, "a call after")
            stop = router.stop()
            records = router.records()
            check_chain(router.lines())
            decided = {r["call_id"] for r in records if r["kind"] == "decision"}
            answers = sum(r["kind"] == "comparison" for r in records)
            check({"before", "asked", "after"} <= decided and not {"late", "stop"} & decided, "which were decided")
            equal(len(decided) + answers + stop["shed"], sent + 5 + 20 * 500, "calls and answers recorded or shed")
            gaps = sum(r["to"] - r["from"] + 1 for r in records if r["kind"] == "gap")
            equal(gaps, stop["shed"], "records that gaps name")
            levels = [level for level, _ in seen]
            equal(levels, ["calm", "no_candidates", "shedding", "calm"], "levels, one after the other")
            check(0.79 <= seen[1][1] <= 0.86 and 0.94 <= seen[2][1] <= 1 and seen[3][1] < 0.71, "where they changed: %s" % seen)
            figure("pressure: candidates given up at, calls at, all back at", "%.0f, %.0f, %.0f %% of the queue" % tuple(100 * at for _, at in seen[1:]))
            figure("pressure: memory with a full queue", full)


def test_texts_with_a_slow_candidate_count_towards_the_queue():
    with Server(lambda peer: peer.recv(1 << 20) and time.sleep(600)) as hang:
        with Sidecar(CANDIDATE % hang.endpoint, *TIGHT) as router:
            tap, body = router.tap(), "lorem ipsum " * 40000
            with BalanceWatch(router), Agent(router):
                for i in range(60):
                    tap.send(call("big%d" % i, "open", text=body))
                tap.ping(60)
                now = limits(router)
                reasons = [(r["call_id"], r["reason"], r["detail"], r["local_latency_ms"]) for r in router.records("decision") if r["task_type"] == "open"]
                equal(now["level"], "no_candidates", "the level (%s, %s)" % (now, reasons[:70]))
                # Answers to calls that still wait for their candidate wait too, within their own part.
                for i in range(60):
                    tap.send(answer("big%d" % i, body))
                tap.ping(60)
                now = limits(router)
                check(now["waiting_bytes"] <= now["waiting_limit_bytes"] == QUEUE, "what waits for each other: %s" % now)
            most = within_budget(router, "large texts before a hanging candidate")
            shed = sum(r["detail"] == "shed" for r in router.records("decision") if r["reason"] == "local_unavailable")
            check(40 <= shed < 52, "%d of 60 calls found no room before the candidate" % shed)
            stop = router.stop()
            equal(stop["shed"], 0, "shed")
            figure("60 texts of 480 KB before a hanging candidate: asked, not asked, memory", "%d, %d, %s" % (60 - shed, shed, most))


def test_calls_that_nobody_answers_stay_within_their_part():
    with Senders() as senders, Sidecar(SIMPLE, *TIGHT) as router:
        sent = senders.send(router, 0, 150, 512)
        now = limits(router)
        check(now["waiting_limit_bytes"] * 0.9 <= now["waiting_bytes"] <= now["waiting_limit_bytes"], "what waits: %s" % now)
        until(lambda: limits(router)["queue_bytes"] == 0, "the log has caught up", 60, 0.1)
        most = within_budget(router, "calls without answers")
        check_exact(router.stop(), sent)
        figure("150,000 calls without answers: memory", most)


def test_a_flood_of_connections_costs_the_flood_its_connections():
    with Sidecar(SIMPLE, "--max-connections", "60", "--peer-connections", "40") as router:
        with Agent(router) as agent, Crowd(router) as crowd:
            for _ in range(300):
                crowd.connect()
            open_ones = sum(not is_closed(peer, 0.01) for peer in crowd.peers)
            until(lambda: limits(router)["turned_away"] == len(crowd.peers) - 39, "those past 40 of one user are turned away", 20)
            equal(open_ones, 39, "connections that a user gets beside its agent")
            check("as many as each may" in router.command("status").stdout, "`status` does not show it")
            # Over and over, without ever a frame.
            start, count = time.monotonic(), 0
            while time.monotonic() < start + 3:
                with Crowd(router) as more:
                    for _ in range(50):
                        more.connect()
                        count += 1
        agent.check_decided(router)
        router.tap().ping()
        equal(router.stop()["malformed"], 0, "malformed")
        figure("a flood of connections: made, the agent's slowest turn", "%d, %.0f ms" % (300 + count, agent.slowest * 1000))


def test_where_all_places_are_taken_others_wait_and_half_open_ones_make_room():
    with Sidecar(SIMPLE, "--max-connections", "20", "--peer-connections", "20") as router:
        with Agent(router) as agent, Crowd(router) as crowd:
            idle = crowd.connect()
            idle.sendall(frame("ping"))
            idle.recv(100)
            for _ in range(18):
                crowd.connect().sendall(b'{"kind":"call","call_id":"half')
            until(lambda: limits(router)["connections"] == 20, "all places are taken", 10)
            late = Tap(os.path.join(router.runtime, "tap.sock"))
            late.send(call("late") + frame("ping"))
            until(lambda: not limits(router)["accepting"], "status says that nobody is accepted", 10)
            check("nobody else is let in" in router.command("status").stdout, "`status` does not show it")
            # After ten seconds without a whole line.
            equal(late.receive(30), {"kind": "pong"}, "whoever waited is served")
            now = until(lambda: limits(router)["let_go"] and limits(router), "half-open ones made room", 20)
            equal((now["let_go"], now["accepting"]), (18, True), "let go, accepting")
            check(not is_closed(idle, 0.1), "one that was merely idle had to go")
            late.close()
        agent.check_decided(router)
        stop = router.stop()
        check("late" in router.decisions(), "the call of the one that waited")
        equal(router.metrics and stop["malformed"], 0, "malformed")
        figure("all places taken by half-open peers: let go, the agent's slowest turn", "%d, %.0f ms" % (now["let_go"], agent.slowest * 1000))


def test_one_byte_at_a_time_from_many_hurts_nobody():
    with Sidecar(SIMPLE, *TIGHT) as router:
        line = call("b%04d", text="x" * 300)
        with BalanceWatch(router), Agent(router) as agent, Crowd(router) as crowd:
            peers = [(crowd.connect(), b"") for _ in range(90)]
            sent, number, end = 0, 0, time.monotonic() + 5
            while time.monotonic() < end:
                for place, (peer, rest) in enumerate(peers):
                    if not rest:
                        rest, number = line.replace(b"%04d", b"%d" % number), number + 1
                    taken = send_what_fits(peer, rest[:1])
                    sent += taken
                    peers[place] = (peer, rest[taken:])
            for peer, rest in peers:
                peer.settimeout(20)
                peer.sendall(rest + frame("ping"))
                equal(peer.recv(100), b'{"kind":"pong"}\n', "the end of a stream sent one byte at a time")
        agent.check_decided(router)
        stop = router.stop()
        equal((stop["shed"], stop["malformed"]), (0, 0), "shed, malformed")
        equal(sum(name.startswith("b") for name in router.decisions()), number, "calls decided")
        figure("one byte a write from 90 peers: bytes, calls, the agent's slowest turn", "%d, %d, %.0f ms" % (sent, number, agent.slowest * 1000))


def test_half_open_frames_stay_within_their_part_and_are_counted_when_they_end():
    with Sidecar(SIMPLE, *TIGHT) as router:
        size, count = 900 << 10, 90
        whole = call("h%03d", text="x" * size)
        with BalanceWatch(router), Agent(router) as agent, Crowd(router) as crowd:
            peers = [crowd.connect() for _ in range(count)]
            frames = [whole.replace(b"h%03d", b"h%03d" % i) for i in range(count)]
            for peer, data in zip(peers, frames):
                peer.settimeout(30)
                peer.sendall(data[:-2])
            now = until(lambda: limits(router)["connections"] >= count and limits(router), "all of them", 20)
            check(now["buffer_bytes"] <= now["buffer_limit_bytes"] == QUEUE, "buffers: %s" % now)
            equal(router.status()["balance"]["shed"], 0, "counted before they are whole")
            most = within_budget(router, "%d half-open frames" % count)
            for peer, data in zip(peers, frames):
                peer.sendall(data[-2:] + frame("ping"))
            for peer in peers:
                peer.settimeout(30)
                equal(peer.recv(100), b'{"kind":"pong"}\n', "each of them is still connected")
        agent.check_decided(router)
        stop = router.stop()
        decided = sum(name.startswith("h") for name in router.decisions())
        equal((decided + stop["shed"], stop["malformed"]), (count, 0), "decided or shed, malformed")
        check(10 <= decided <= 17, "%d frames of 900 KiB were taken with room for %d" % (decided, QUEUE // size))
        figure("90 half-open frames of 900 KiB: decided, shed, memory", "%d, %d, %s" % (decided, stop["shed"], most))


def test_large_frames_at_full_speed_stay_within_the_budget():
    with Sidecar(SIMPLE, *TIGHT) as router:
        text, sent, slowest = "x" * ((1 << 20) - 200), [], []

        def flood(name):
            tap = Tap(os.path.join(router.runtime, "tap.sock"))
            end, number = time.monotonic() + 5, 0
            template = call("NAME", text=text)
            while time.monotonic() < end:
                tap.send(template.replace(b"NAME", b"%s-%d" % (name, number)))
                number += 1
                if number % 2:
                    tap.send(answer("%s-%d" % (name.decode(), number - 1), text[:-200]))
            tap.ping(60)
            sent.append(number + (number + 1) // 2)
            slowest.append(tap.slowest)
            tap.close()
        with BalanceWatch(router), Agent(router) as agent:
            threads = [threading.Thread(target=flood, args=(b"x%d" % i,)) for i in range(40)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        most = within_budget(router, "1 MiB frames at full speed")
        agent.check_decided(router)
        stop = router.stop()
        equal(len(sent), 40, "floods that came to their end")
        equal((stop["received"], stop["malformed"]), (sum(sent) + 40 + 2 * agent.sent, 0), "received, malformed")
        figure("1 MiB frames from 40 peers for 5 s: frames, shed, the agent's slowest turn, memory",
               "%d, %d, %.0f ms, %s" % (sum(sent), stop["shed"], agent.slowest * 1000, most))


def test_few_descriptors_mean_fewer_connections_and_nothing_worse():
    router = Sidecar(start=False)
    # The limit that a process has once taken it may not be able to give back: the router alone gets it.
    few = os.path.join(router.folder, "few")
    with open(few, "w") as f:
        f.write('#!/bin/sh\nulimit -n 300\nexec %s "$@"\n' % shlex.quote(binary()))
    os.chmod(few, 0o755)
    before = os.environ.get("SHADOW_ROUTER_BIN")
    try:
        os.environ["SHADOW_ROUTER_BIN"] = few
        try:
            router.start()
        finally:
            os.environ.pop("SHADOW_ROUTER_BIN") if before is None else os.environ.update(SHADOW_ROUTER_BIN=before)
        check("connections_limited" in router.messages, "it does not say that there are few: " + router.messages)
        now = limits(router)
        equal((now["descriptors_limit"], now["connections_limit"]), (300, 44), "limits of descriptors and connections")
        with Agent(router) as agent, Crowd(router) as crowd:
            for _ in range(200):
                crowd.connect()
            check(limits(router)["descriptors"] < 120, "descriptors: %s" % limits(router))
            # On a slow machine the flood is over before the agent has had its turns: it stays until then.
            until(lambda: agent.sent > 3, "four calls of the agent beside the flood")
            equal(router.command("kill", "on").returncode, 0, "`kill on` beside the flood")
            equal(router.command("kill", "off").returncode, 0, "`kill off` beside the flood")
        agent.check_decided(router)
        router.stop()
    finally:
        router.close()


if __name__ == "__main__":
    main(globals())
