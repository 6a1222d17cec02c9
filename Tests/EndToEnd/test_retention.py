"""Retention and erasure: what is old goes, what is asked for goes, and the log proves what it still is; clocks that are set."""
import contextlib
import datetime
import getpass
import hashlib
import hmac
import json
import os
import random
import shutil
import signal
import tempfile
import threading
import time

from sidecar import *
from test_checkpoint import leaf, newer, rechain, verify, write_segments
from test_review import act, fill, name_of, policy, queue, says_a, vault

DAY = 86_400
LIBRARY = "/usr/lib/%s-linux-gnu/faketime/libfaketimeMT.so.1" % os.uname().machine
SHORT = "privacy: {retention_days: 30}\n" + SIMPLE


def days_ago(record, days):
    at = datetime.datetime.strptime(record["ts"], "%Y-%m-%dT%H:%M:%S.%fZ") - datetime.timedelta(days=days)
    return {**record, "ts": at.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (at.microsecond // 1000)}


def age(router, days, groups=2):
    """Makes the records of a stopped router older, a group a segment, and the last one stays of yesterday."""
    lines = router.lines()
    aged = rechain(lines, lambda r: days_ago(r, days if r["seq"] < len(lines) else 1))
    old, last = aged[:-1], aged[-1:]
    size = -(-len(old) // groups)
    write_segments(router.state, [old[i:i + size] for i in range(0, len(old), size)] + [last])
    # It is another log now: what was kept of the one before says nothing of it.
    for name in ("checkpoints", "checkpoint"):
        if os.path.exists(os.path.join(router.state, name)):
            os.remove(os.path.join(router.state, name))


def whole(router, **want):
    done = router.command("verify-log", "--json")
    equal(done.returncode, 0, "verify-log: " + done.stdout + done.stderr)
    said = json.loads(done.stdout)
    for name, value in want.items():
        equal(said[name], value, "verify-log: " + name)
    return said


def segments(router):
    return sorted(n for n in os.listdir(os.path.join(router.state, "log")) if n.endswith(".ndjson"))


def old_file(path, days, text=b"x"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(text)
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


def test_what_is_old_goes_and_the_log_proves_where_it_begins():
    with Sidecar(SHORT) as router:
        tap = router.tap()
        for i in range(40):
            tap.send(call("c%d" % i) + answer("c%d" % i))
        router.wait_for("comparison", 40)
        router.stop()
        age(router, 100, groups=3)
        count = len(router.lines())
        week = "week-%d-W%02d" % (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=100)).isocalendar()[:2]
        gone = [old_file(os.path.join(router.state, *p), 100) for p in (("keys", week), ("vault", name_of("c1")), ("policies", "0" * 64 + ".yaml"))]
        stay = [old_file(os.path.join(router.state, *p), 1) for p in (("vault", name_of("c2")), ("policies", "1" * 64 + ".yaml"))]
        own = os.path.join(router.state, "policies", revision(SHORT)[7:] + ".yaml")
        os.utime(own, (time.time() - 100 * DAY,) * 2)
        router.start()
        notice, = router.wait_for("retention", 1)
        until(lambda: segments(router)[0] == "%010d.ndjson" % 4, "segments 1 to 3 go")
        equal((notice["cause"], notice["segments"], notice["records"], notice["first_seq"]), ("age", 3, count - 1, count), "the record")
        until(lambda: not any(map(os.path.exists, gone)), lambda: "gone: %s" % [p for p in gone if os.path.exists(p)])
        # A vault file that no drawn call needs goes by the review's own rule.
        check(os.path.exists(stay[1]) and os.path.exists(own), "the policy in force and young ones stay")
        said = whole(router, removed=count - 1, first_seq=count, removed_to=notice["last_removed"])
        check("removed by retention" in router.command("verify-log").stdout, "verify-log says so")
        status = router.status()["retention"]
        equal((status["days"], status["first_seq"], status["paused"]), (30, count, False), "status")
        for words in (["tail"], ["tail", "--rows"], ["report", "--format", "json"]):
            equal(router.command(*words).returncode, 0, " ".join(words))
        router.decide(router.tap(), call("new"))
        router.stop()
        router.start()
        router.decide(router.tap(), call("newer"))
        router.crash()
        router.start()
        check(whole(router)["records"] > said["records"], "the log goes on")
        equal(router.count("retention"), 1, "one removal")
        router.stop()


def test_a_cut_that_no_record_names_is_damage():
    with Sidecar(SHORT) as router:
        fill_simple(router, 30)
        router.stop()
        age(router, 10)
        os.remove(os.path.join(router.state, "log", segments(router)[0]))
        done = router.command("verify-log")
        equal(done.returncode, 1, "verify-log")
        check("missing" in done.stdout, done.stdout)


def fill_simple(router, count, first=0):
    tap = router.tap()
    tap.send(b"".join(call("c%d" % i) + answer("c%d" % i) for i in range(first, first + count)))
    router.wait_for("comparison", first + count)


def test_checkpoints_from_before_a_removal_still_hold_after_it():
    with Sidecar(SHORT, "--checkpoint-seconds", "1") as router:
        fill_simple(router, 30)
        router.stop()
        age(router, 100)
        first = segments(router)[0]
        router.write_policy("privacy: {retention_days: 365}\n" + SIMPLE)
        router.start()
        before = newer(router)
        size = int(open(before).read().splitlines()[1])
        # The leaves as they are now, while they are there.
        leaves = [leaf(line) for line in router.lines()]
        router.stop()
        router.write_policy(SHORT)
        router.start()
        router.wait_for("retention", 1)
        until(lambda: first not in segments(router), "the old segment goes")
        said = json.loads(verify(router, before, 0, "--json"))["checkpoint"]
        check(said["contained"] and 0 < said["removed"] < size, str(said))
        after = newer(router)
        verify(router, after, 0)
        check(len(leaves) >= size, "the log held what the checkpoint covers")
        text = open(before).read().splitlines()
        with open(before, "w") as f:
            f.write("\n".join([text[0], text[1], open(after).read().splitlines()[2]]) + "\n")
        verify(router, before, 1)


def test_what_an_epoch_and_an_unlabelled_item_need_stays():
    with ollama(says_a) as model, Sidecar(policy(model.endpoint, capture="off", preview="{retention_days: 30}")) as router:
        fill(router, ["e%d" % i for i in range(20)])
        router.stop()
        age(router, 40)
        router.start()
        held = until(lambda: router.status()["retention"]["held_by"], "what holds the log")
        check("epoch of t" in held, held)
        equal(router.count("retention"), 0, "removals")
        router.stop()
        # 60 days more: the epoch is over, and nobody is asked about its items any more.
        age(router, 60)
        router.start()
        until(lambda: router.count("retention") == 1, lambda: "a removal; %s; %s" % (router.status()["retention"], [(r["seq"], r["ts"], r["kind"]) for r in router.records()][-5:]), 10)
        whole(router)


def test_a_clock_that_jumps_ahead_removes_nothing():
    if not os.path.exists(LIBRARY):
        raise Skipped("faketime is not installed")
    with FakeClock() as clock, Sidecar(SHORT) as router:
        fill_simple(router, 30)
        router.stop()
        age(router, 20)
        router.start()
        until(lambda: router.status()["review"]["is_caught_up"], "the log has been read")
        clock.set(time.time() + 200 * DAY)
        until(lambda: router.status()["retention"]["paused"], "the jump is seen")
        router.decide(router.tap(), call("ahead"))
        clock.set(time.time())
        equal((router.count("retention"), segments(router)[0]), (0, "%010d.ndjson" % 1), "removals, the first segment")
        router.stop()
        # Wrong already at the start.
        clock.set(time.time() + 300 * DAY)
        router.start()
        until(lambda: router.status()["retention"]["paused"], "a long absence is not believed at once")
        equal(router.count("retention"), 0, "removals")
        whole(router)


def test_erasing_a_call_takes_its_text_and_leaves_the_chain():
    with ollama(says_a) as model, Sidecar(policy(model.endpoint), "--checkpoint-seconds", "1") as router:
        fill(router, ["c%d" % i for i in range(12)])
        until(lambda: len(vault(router)) == 12, "captured texts")
        copy = newer(router)
        done, sent = threading.Event(), []

        def load():
            tap = router.tap()
            while not done.is_set():
                sent.append("n%d" % len(sent))
                tap.send(call(sent[-1], text="meanwhile %s" % sent[-1]) + answer(sent[-1], "a", label="a"))
                tap.ping()
        thread = threading.Thread(target=load)
        thread.start()
        erased = router.command("erase", "c3", "--reason", "asked for by mail from ann@example.org", "--json")
        done.set()
        thread.join()
        equal(erased.returncode, 0, erased.stderr)
        said = json.loads(erased.stdout)
        equal((said["records"], said["previews"], said["captured"]), (2, 3, True), "what was erased")
        text = b"\n".join(router.lines()).decode()
        check("case c3 in" not in text and "case c4 in" in text, "the preview is gone, the others are not")
        check(name_of("c3") not in vault(router) and name_of("c4") in vault(router), "captured text")
        record, = router.records("erasure")
        equal(record["who"], getpass.getuser(), "who")
        check("ann@" not in record["reason"], "the reason is redacted: " + record["reason"])
        decision = router.decisions()["c3"]
        equal((decision["input_preview"], decision["answer_preview"], decision["label"]), (None, None, "a"), "the decision")
        check(decision["input_hash"] and decision["h"], "everything else stays")
        whole(router, erased=2)
        verify(router, copy, 0)
        item = next(i for i in queue(router)["items"] if i["call_id"] == "c3")
        equal(item["input"]["preview"], None, "the review queue")
        for words in (["erase", "c3", "--reason", "again"], ["tail", "--find", "c3"], ["report"]):
            equal(router.command(*words).returncode, 0, " ".join(words))
        equal(router.count("erasure"), 1, "nothing was left to erase the second time")
        equal(router.command("erase", "nosuch", "--reason", "r").returncode, 1, "an unknown call")
        equal(router.command("erase", "c4").returncode, 2, "without a reason")
        equal([name for name, data in files_below(router.state).items() if b"case c3 in" in data], [], "files of the state folder that have it")
        router.crash()
        router.start()
        router.decide(router.tap(), call("after"))
        whole(router, erased=2)
        equal([r["kind"] for r in router.records("recovered") if r.get("damage")], [], "no damage is seen")
        router.stop()
        equal(router.command("erase", "c4", "--reason", "r").returncode, 3, "without a router")
        lines = router.lines()
        forged = [l.replace(b'"label":"a"', b'"label":"b"') if b'"call_id":"c3"' in l and b'"kind":"decision"' in l else l for l in lines]
        write_segments(router.state, [forged])
        equal(router.command("verify-log").returncode, 1, "an erased record whose rest was changed")


def test_an_erasure_that_a_kill_interrupts_is_finished():
    rng = random.Random(7)
    with Sidecar(SIMPLE) as router:
        tap = router.tap()
        for i in range(12):
            tap.send(call("k%d" % i, "open", "k%d said something" % i) + answer("k%d" % i, "k%d was told" % i))
        router.wait_for("comparison", 12)
        interrupted = 0
        for i in range(12):
            asking = threading.Thread(target=lambda: router.command("erase", "k%d" % i, "--reason", "r"))
            asking.start()
            if i % 3:
                # Once it is under way, or over before that was seen.
                moment = time.monotonic() + 10
                while not os.path.exists(os.path.join(router.state, "erasing")) and asking.is_alive() and time.monotonic() < moment:
                    pass
                time.sleep(rng.choice([0, 0.0005, 0.002]))
            else:
                time.sleep(0.008 + rng.random() * 0.03)
            router.signal(signal.SIGKILL)
            router.process.wait()
            asking.join()
            interrupted += os.path.exists(os.path.join(router.state, "erasing"))
            router.drop_taps()
            router.start()
            until(lambda: not os.path.exists(os.path.join(router.state, "erasing")), "the erasure ends")
            whole(router)
            text = b"\n".join(router.lines()).decode()
            recorded = any(r["call_id"] == "k%d" % i for r in router.records("erasure"))
            has_text = "k%d said" % i in text or "k%d was told" % i in text
            equal(has_text, not recorded, "the previews of k%d are there or erased, whole" % i)
        check(interrupted > 0, "no erasure was interrupted: this proves nothing")
        figure("erasures killed while under way", "%d of 12" % interrupted)


class FakeClock:
    """The time that routers and commands started within see; their monotonic clock goes on as ever."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="shadow-router-clock-")
        self.file, self.real = os.path.join(self.folder, "offset"), os.environ.get("SHADOW_ROUTER_BIN")
        wrapper = os.path.join(self.folder, "shadow-router")
        # The library sets a variable in the first process that has it, after which Swift finds no arguments: `env` is first.
        with open(wrapper, "w") as f:
            f.write("#!/bin/sh\nexport LD_PRELOAD=%s FAKETIME_TIMESTAMP_FILE=%s FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 "
                    "FAKETIME_DONT_RESET=1 TZ=Europe/Berlin\nexec env %s \"$@\"\n" % (LIBRARY, self.file, binary()))
        os.chmod(wrapper, 0o755)
        os.environ["SHADOW_ROUTER_BIN"] = wrapper
        self.set(time.time())
        return self

    def set(self, to):
        """`to`: seconds since 1970, from now on."""
        with open(self.file + ".new", "w") as f:
            f.write("%+d" % round(to - time.time()))
        os.rename(self.file + ".new", self.file)

    def __exit__(self, *_):
        del os.environ["SHADOW_ROUTER_BIN"]
        if self.real:
            os.environ["SHADOW_ROUTER_BIN"] = self.real
        shutil.rmtree(self.folder)
        # It leaves its shared memory behind where the process ends by exec.
        for name in os.listdir("/dev/shm"):
            words = name.rsplit("_", 1)
            if words[0] in ("faketime_shm", "sem.faketime_sem") and not os.path.exists("/proc/" + words[1]):
                with contextlib.suppress(OSError):
                    os.remove("/dev/shm/" + name)


def utc(*parts):
    return datetime.datetime(*parts, tzinfo=datetime.timezone.utc).timestamp()


def test_clocks_that_are_set_a_dst_week_and_the_years_end_keep_the_weeks_right():
    if not os.path.exists(LIBRARY):
        raise Skipped("faketime is not installed")
    # Europe's clocks go back on 2026-10-25 at 01:00 UTC; 2026 has an ISO week 53.
    steps = [
        ("before the hour that comes twice", utc(2026, 10, 25, 0, 30)), ("within it", utc(2026, 10, 25, 1, 10)),
        ("set back", utc(2026, 10, 25, 0, 40)), ("the week's last minute", utc(2026, 10, 25, 23, 59, 30)),
        ("the next week", utc(2026, 10, 26, 0, 0, 5)), ("set back over its border", utc(2026, 10, 25, 23, 59, 40)),
        ("forward again", utc(2026, 10, 26, 0, 5)), ("weeks forward", utc(2026, 12, 27, 23, 59, 30)),
        ("the year's last week", utc(2026, 12, 28, 0, 1)), ("New Year", utc(2027, 1, 1, 0, 0, 5)),
        ("the last day of week 53", utc(2027, 1, 3, 23, 59, 30)), ("week 1", utc(2027, 1, 4, 0, 0, 5)),
        ("set back into week 53", utc(2027, 1, 3, 23, 59, 50)), ("a quarter of an hour into week 1", utc(2027, 1, 4, 0, 15)),
    ]
    weeks = []
    with ollama(says_a) as model, FakeClock() as clock:
        clock.set(steps[0][1])
        with Sidecar(policy(model.endpoint, sample="0.5", capture="off")) as router:
            tap, number = router.tap(), 0
            for _, moment in steps:
                clock.set(moment)
                tap.send(b"".join(call("w%d" % i, text="case %d" % i) for i in range(number, number + 40)))
                number += 40
                router.wait_for("decision", number)
                router.status()
            until(lambda: {"2026-W43", "2026-W53"} <= {r["week"] for r in router.records("week") if r["key"]}, "keys of weeks that are over")
            decisions = router.records("decision")
            equal(len(decisions), number, "decisions")
            equal(len({r["call_id"] for r in decisions}), number, "calls")
            draws = {"2026-W43": 0}
            folder = os.path.join(router.state, "keys")
            for r in decisions:
                week = "%d-W%02d" % datetime.date.fromisoformat(r["ts"][:10]).isocalendar()[:2]
                weeks.append(week)
                key = open(os.path.join(folder, "week-" + week), "rb").read()
                drawn = int.from_bytes(hmac.new(key, r["call_id"].encode(), hashlib.sha256).digest()[:8], "big") < 0.5 * 2**64
                # A call whose candidate was given up while the clock was being set is no would-accept, and never drawn.
                drawn = drawn and r["route_candidate"] == "local"
                equal(r["sampled"], drawn, "sampled of %s at %s, reason %s" % (r["call_id"], r["ts"], r["reason"]))
                draws[week] = draws.get(week, 0) + drawn
            equal(sorted(set(weeks)), ["2026-W43", "2026-W44", "2026-W52", "2026-W53", "2027-W01"], "weeks")
            check(sum(draws.values()) > 0.4 * number, "about half of the calls are drawn: %s" % draws)
            records = router.records("week")
            for week in set(weeks):
                of = [r for r in records if r["week"] == week]
                equal(len({r["key_sha256"] for r in of}), 1, "keys of " + week)
                equal({r["shares"]["t"] for r in of if r["shares"] and "t" in r["shares"]}, {0.5}, "shares of " + week)
            whole(router)
            # Each call is counted in one week, and in all weeks together once.
            counted = {}
            for week in sorted(set(weeks)):
                report = router.command("report", "--week", week, "--format", "csv")
                equal(report.returncode, 0, report.stderr)
                counted[week] = len(report.stdout.splitlines()) - 1
            equal(counted, {week: weeks.count(week) for week in counted}, "rows of the weekly reports")
            audits = {week: router.command("review", "audit-sample", week).returncode for week in ("2026-W43", "2026-W53")}
            equal(audits, {"2026-W43": 0, "2026-W53": 0}, "review audit-sample")
            figure("clock steps, weeks, calls counted once", "%d, %d, %d" % (len(steps), len(counted), sum(counted.values())))
            router.stop()


if __name__ == "__main__":
    main(globals())
