"""kill -9 under load, thirty times or SHADOW_ROUTER_KILLS: what was on the disk stays, the tail is repaired and says so (contract, section 5)."""
import json
import os
import random
import signal
import threading
import time

from sidecar import *

ROUNDS = int(os.environ.get("SHADOW_ROUTER_KILLS", "30"))
ROUNDS_A_LOG = 100


class Load:
    """Sends calls and answers until the router dies; some hundred records a round are enough, megabytes only slow the check."""

    def __init__(self, router, first, seed):
        self.tap, self.number, self.rng = router.tap(), first, random.Random(seed)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while True:
                for _ in range(4):
                    name = "c%d" % self.number
                    self.number += 1
                    self.tap.send(call(name, text="x" * self.rng.randrange(3000)) + answer(name))
                self.tap.ping()
        except (OSError, Failed):
            pass


def segments(router, since=""):
    """Name → bytes of the segments from one on, as a reader sees them while they are being written."""
    found, folder = {}, os.path.join(router.state, "log")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".ndjson") and name >= since:
            with open(os.path.join(folder, name), "rb") as f:
                found[name] = f.read()
    return found


def whole(data):
    return data[:data.rfind(b"\n") + 1]


def kill(rng, rounds, first):
    """Kills one router again and again, the first time as the `first` of all; returns records, torn tails and repairs."""
    number, torn, said, last = 1, 0, 0, ""
    with Sidecar(SIMPLE, "--segment-mb", "1", "--sync-interval-ms", "20") as router:
        for round_number in range(first, first + rounds):
            before = sum(map(len, segments(router, last).values()))
            load = Load(router, number, round_number)
            moment = time.monotonic() + rng.random() * 0.2
            until(lambda: time.monotonic() > moment and sum(map(len, segments(router, last).values())) > before + 10000,
                  "load that reaches the log", pause=0.003)
            seen = {name: whole(data) for name, data in segments(router, last).items()}
            router.signal(signal.SIGKILL)
            router.process.wait()
            load.thread.join(30)
            router.drop_taps()
            number = load.number
            if round_number % 3 == 0:
                # Chance seldom tears a line, since one write brings whole ones: a lost power supply does.
                name = max(segments(router, last))
                with open(os.path.join(router.state, "log", name), "ab") as f:
                    f.write(b'{"v":1,"log":"' + b"x" * rng.randrange(3000))
                torn += 1
            router.start()

            def kinds_after():
                data = b"".join(map(whole, segments(router, last).values()))[sum(map(len, seen.values())):]
                return [json.loads(line)["kind"] for line in data.splitlines()]
            until(lambda: "start" in kinds_after(), "round %d: a start record" % round_number, 5)
            after, kinds = segments(router, last), kinds_after()
            for name, data in seen.items():
                check(after.get(name, b"").startswith(data), "round %d: records that stood in segment %s before the kill are gone" % (round_number, name))
            if round_number % 3 == 0:
                check("recovered" in kinds, "round %d: a torn tail and no `recovered` record" % round_number)
            check(kinds.count("recovered") <= 1, "round %d: %d tails were cut" % (round_number, kinds.count("recovered")))
            said += "recovered" in kinds
            last = max(after)
        router.stop()
        lines = router.lines()
        count = check_chain(lines)
        verified = router.command("verify-log", "--json")
        equal(verified.returncode, 0, "verify-log: " + verified.stdout + verified.stderr)
        equal(json.loads(verified.stdout)["records"], count, "records that verify-log counts")
        ids = [r["call_id"] for r in router.records("decision")]
        equal(len(ids), len(set(ids)), "calls decided once")
        equal(router.count("start"), rounds + 1, "start records")
        # One flipped bit in the middle.
        name = min(segments(router))
        with open(os.path.join(router.state, "log", name), "r+b") as f:
            data = bytearray(f.read())
            data[len(data) // 2] ^= 1
            f.seek(0)
            f.write(data)
        verified = router.command("verify-log")
        equal(verified.returncode, 1, "verify-log after one flipped bit")
        check("damaged" in verified.stdout + verified.stderr, "no word of the damage: " + verified.stdout + verified.stderr)
        return count, torn, said


def test_kills_under_load_lose_no_record_that_a_reader_saw():
    # A new log now and then: each start reads all of it, and each kill leaves most of a megabyte.
    rng, totals = random.Random(20260101), (0, 0, 0)
    for first in range(0, ROUNDS, ROUNDS_A_LOG):
        done = kill(rng, min(ROUNDS_A_LOG, ROUNDS - first), first)
        totals = tuple(map(sum, zip(totals, done)))
    figure("kill -9 under load: records whole after %d kills; tails torn, repairs recorded" % ROUNDS, "%d; %d, %d" % totals)


def test_a_torn_tail_is_cut_recorded_and_said():
    for cut in (1, 60, None):
        with Sidecar() as router:
            tap = router.tap()
            # The last record is to be a decision.
            router.wait_for("probe", 1)
            tap.send(b"".join(call("t%d" % i) for i in range(20)))
            router.wait_for("decision", 20)
            router.crash()
            folder = os.path.join(router.state, "log")
            path = os.path.join(folder, sorted(os.listdir(folder))[-1])
            whole = open(path, "rb").read()
            with open(path, "r+b") as f:
                if cut is None:
                    f.seek(0, os.SEEK_END)
                    f.write(b'{"v":1,"log":"half a rec')
                else:
                    f.truncate(len(whole) - cut)
            router.start()
            kept = 20 if cut is None else 19
            until(lambda: router.count("recovered"), "a `recovered` record after cutting %s bytes" % cut, 5)
            equal(router.count("decision"), kept, "decisions left after cutting %s bytes" % cut)
            check("log_tail_cut" in router.messages, "nothing on stderr about the torn tail: " + router.messages)
            check_chain(router.lines())
            equal(router.command("verify-log").returncode, 0, "verify-log")
            router.stop()


def test_a_clean_restart_recovers_nothing():
    with Sidecar() as router:
        router.tap().send(call("q1"))
        router.wait_for("decision", 1)
        router.stop()
        router.start()
        router.stop()
        # A stop may come before the probe has ended.
        kinds = [r["kind"] for r in router.records() if r["kind"] != "probe"]
        equal(kinds, ["start", "week", "week", "decision", "stop", "start", "stop"], "kinds")
        check_chain(router.lines())


def test_calls_of_before_the_restart_are_known_and_their_answers_unknown_with_a_reason():
    for end in ("crash", "stop"):
        with Sidecar() as router:
            tap = router.tap()
            tap.send(b"".join(call("d%d" % i) for i in range(300)) + answer("d7", "seven"))
            router.wait_for("comparison", 1)
            router.wait_for("decision", 300)
            getattr(router, end)()
            router.drop_taps()
            router.start()
            tap = router.tap()
            equal(tap.ask(call("d5", reply=True))["code"], "duplicate_call", "a call of before the restart (%s)" % end)
            tap.send(answer("d5", "five"))
            tap.ping()
            # Written while it runs, not only by the stop.
            rows = router.wait_for("comparison", 2)
            late = rows[-1]
            equal((late["call_id"], late["agreement"], late["agreement_detail"]), ("d5", "unknown", "restart"), "the late answer")
            equal(tap.ask(frame("answer", call_id="d5", output="five", reply=True))["code"], "duplicate_answer", "and its repetition")
            router.stop()
            equal(router.count("decision"), 300, "decisions")


def test_two_routers_never_share_a_log():
    with Sidecar() as router:
        second = subprocess.run([binary(), "run", *router.folders], stderr=subprocess.PIPE, timeout=20)
        equal(second.returncode, 3, "the exit code of a second router on the same state folder: %r" % second.stderr)
        tap = router.tap()
        equal(router.decide(tap, call("still"))["reason"], "policy_requires_frontier", "the first one's next decision")
        router.stop()


if __name__ == "__main__":
    main(globals())
