"""Checking, reloading and refusing policies, also during traffic (contract, sections 1 and 4)."""
import json
import os
import re
import signal
import tempfile
import threading
import time

from sidecar import *

# Ten mistakes, each marked by the words that the message must stand at.
MISTAKES = """\
version: 1
models:
  small: {provider: ollama, name: m, endpoint: "http://127.0.0.1:9/api/generate", timeout_ms: «soon»}
  front: {provider: anthropic, «nmae»: x}
tasks:
  first:
    local: «perhaps»
    min_confidence: «1.5»
  «second»:
    local: true
    labels: [x, y]
    escalate_labels: [«z»]
  third: {local: false, impact: «huge»}
  fourth: {local: false, model: «ghost»}
hard_stops:
  «securty»: [leak]
defaults:
  stop_signals: [«novel_inpt»]
"""
FAULT = re.compile(r"^(.*):(\d+):(\d+): (error|warning): (.+)$")


def faults(text):
    return [(int(m[2]), int(m[3]), m[5]) for m in map(FAULT.match, text.splitlines()) if m and m[4] == "error"]


def write(text):
    handle, path = tempfile.mkstemp(suffix=".yaml")
    with os.fdopen(handle, "w") as f:
        f.write(text)
    return path


def test_ten_mistakes_are_ten_messages_at_the_right_places():
    wanted = [(y, line.index("«") + 1) for y, line in enumerate(MISTAKES.splitlines(), 1) if "«" in line]
    equal(len(wanted), 10, "mistakes planted")
    path = write(MISTAKES.replace("«", "").replace("»", ""))
    try:
        done = run("check", path)
        equal(done.returncode, 1, "the exit code")
        found = faults(done.stderr)
        equal(sorted((y, x) for y, x, _ in found), wanted, "places of the messages\n" + done.stderr)
        equal(sum(": error: " in line for line in done.stderr.splitlines()), 10, "errors on stderr")
        check(all(map(FAULT.match, done.stderr.splitlines())), "a line of another form: " + done.stderr)
        text = {y: message for y, _, message in found}
        for y, word in ((4, "name"), (16, "security"), (18, "novel_input")):
            check(word in text[y], "line %d does not say what was meant: %s" % (y, text[y]))
        check("min_confidence" in text[9], "the missing key is not named: " + text[9])
        as_json = run("check", "--json", path)
        problems = json.loads(as_json.stdout)
        equal(sorted((p["line"], p["column"]) for p in problems["problems"] if p["severity"] == "error"), wanted, "places in JSON")
    finally:
        os.unlink(path)


A = NOBODY + "tasks:\n  t: {local: false}\n"
B = NOBODY + "tasks:\n  t: {local: true, min_confidence: 0.9, max_input_chars: 5}\n"
C = NOBODY + "tasks:\n  t: {local: true, min_confidence: 0.9, hard_stops: {security: [variable]}}\n"
BAD = NOBODY + "tasks:\n  t: {local: perhaps}\n"
FAILING = C + 'tests:\n  - {name: no, task: t, input: a variable, expect: {reason: risk_signal}}\n'
REASON = {revision(A): "policy_requires_frontier", revision(B): "input_too_large", revision(C): "hard_stop_security"}


def test_a_refused_reload_keeps_the_old_policy_and_says_why_and_where():
    with Sidecar(A) as router:
        tap = router.tap()
        for number, (bad, place, word) in enumerate((
                (BAD, (4, 14), "perhaps"), (FAILING, (6, None), "risk_signal"), ("tasks: [", (1, None), ""), ("", (1, None), ""),
                (b"\xff\xfe", (1, None), ""), (NOBODY + "tasks: &a\n  t: {local: false}\n", (3, None), "anchor"))):
            router.write_policy(bad)
            done = router.command("reload")
            equal(done.returncode, 1, "`reload` of %r" % bad[-60:])
            found = faults(done.stderr)
            check(found and found[0][0] >= place[0] and (place[1] is None or found[0][:2] == place), "place: %r" % done.stderr)
            check(done.stderr.startswith(router.policy + ":"), "the file is not named: " + done.stderr)
            check(word in done.stderr, "%r is not named: %s" % (word, done.stderr))
            check(revision(A) in done.stdout, "the revision in force is not printed: " + done.stdout)
            record = router.decide(tap, call("r%d" % number))
            equal((record["policy_revision"], record["generation"], record["reason"]), (revision(A), 1, REASON[revision(A)]), "the next decision")
            metrics = router.metrics()
            equal((metrics["shadow_router_policy_last_reload_successful"], metrics["shadow_router_policy_generation"]), (0, 1), "metrics")
            last = router.status()["policy"]["last_reload"]
            equal(last["result"], "refused", "status")
            check(last["errors"], "status names no error")
        os.unlink(router.policy)
        equal(router.command("reload").returncode, 1, "`reload` without the file")
        router.write_policy(B)
        done = router.command("reload")
        equal((done.returncode, revision(B) in done.stdout), (0, True), "a good policy at last: " + done.stdout + done.stderr)
        record = router.decide(tap, call("good"))
        equal((record["policy_revision"], record["generation"], record["reason"]), (revision(B), 2, "input_too_large"), "the next decision")
        router.stop()
        policies = router.records("policy")
        equal([p["taken"] for p in policies], [False] * 7 + [True], "policy records")
        check(all(p["errors"] for p in policies[:-1]) and not policies[-1]["errors"], "errors in the policy records")


def test_a_pipe_in_place_of_the_policy_holds_up_neither_the_next_reload_nor_the_stop():
    with Sidecar() as router:
        with open(router.policy) as file:
            good = file.read()
        os.unlink(router.policy)
        os.mkfifo(router.policy)
        done = router.command("reload")
        equal(done.returncode, 1, "a reload of a pipe")
        check("not a regular file" in done.stdout + done.stderr, "why: " + done.stdout + done.stderr)
        os.unlink(router.policy)
        with open(router.policy, "w") as file:
            file.write(good)
        equal(router.command("reload").returncode, 0, "the next reload")
        router.stop()


def test_a_refusal_names_errors_and_no_warnings():
    with Sidecar() as router:
        with open(router.policy, "w") as file:
            file.write("tasks:\n  t: {local: yes, min_confidence: 0.5}\n  u: {local: true, min_confidence: 0.5, model: none}\n")
        done = router.command("reload", "--json")
        lines = json.loads(done.stdout)["errors"]
        check(lines and all(": error: " in line for line in lines), "errors of the reload: %s" % lines)
        record = [r for r in router.wait_for("policy", 1) if not r["taken"]][0]
        equal(record["errors"], lines, "errors of the record")
        done = run("check", "--against", router.policy, os.path.join(ROOT, "policies", "router-policy.yaml"))
        check(lines[0].split(": error: ")[1] in done.stderr, "check --against: " + done.stderr)
        router.stop()


def test_an_unchanged_revision_is_a_logged_no_op():
    with Sidecar(A) as router:
        done = router.command("reload", "--json")
        equal((done.returncode, json.loads(done.stdout)["revision"]), (0, revision(A)), "`reload`")
        router.signal(signal.SIGHUP)
        record = router.wait_for("policy", 2)[-1]
        equal((record["revision"], record["generation"], record["taken"], record["errors"]), (revision(A), 1, True, []), "the record")
        equal(router.decide(router.tap(), call("u"))["generation"], 1, "the generation")
        router.stop()


def test_a_thousand_reloads_during_traffic_lose_no_frame_and_mix_no_generations():
    with Sidecar(A) as router:
        done, sent, slowest, progress = threading.Event(), [], [], [0]

        def made():
            return router.metrics().get('shadow_router_log_records_total{kind="policy"}', 0)

        def traffic(name):
            tap, count = router.tap(), 0
            while not done.is_set():
                # Ten calls a sender and reload: traffic throughout, and a log that can still be read in a second.
                if count > 10 * progress[0]:
                    time.sleep(0.0005)
                    continue
                ids = ["%s%d" % (name, count + i) for i in range(10)]
                tap.send(b"".join(call(i) for i in ids) + b"".join(answer(i) for i in ids))
                tap.ping()
                count += 10
            sent.append(count)
            slowest.append(tap.slowest)
        threads = [threading.Thread(target=traffic, args=(name,)) for name in "xy"]
        began = time.monotonic()
        with BalanceWatch(router):
            for thread in threads:
                thread.start()
            for number in range(1000):
                before, progress[0] = made(), number
                router.write_policy((A, B, BAD, C)[number % 4])
                router.signal(signal.SIGHUP)
                # Signals that come during a reload are one more together: to have a thousand, each is waited for.
                until(lambda: made() > before, "reload %d" % number, pause=0.001)
            for number in range(200):
                router.write_policy((BAD, A)[number % 2])
                router.signal(signal.SIGHUP)
            router.write_policy(B)
            equal(router.command("reload").returncode, 0, "the reload after the storm")
            storm = time.monotonic() - began
            done.set()
            for thread in threads:
                thread.join()
        equal(len(sent), 2, "senders that came to their end")
        router.wait_for("comparison", sum(sent), 60)
        stop = router.stop()
        total = sum(sent)
        equal((stop["malformed"], stop["shed"], stop["lost_by_sender"]), (0, 0, 0), "malformed, shed, lost")
        records = router.records()
        decisions = [r for r in records if r["kind"] == "decision"]
        equal((len(decisions), len({d["call_id"] for d in decisions})), (total, total), "decisions and their calls")
        generations = {}
        for d in decisions:
            equal(d["reason"], REASON.get(d["policy_revision"]), "the reason under revision " + d["policy_revision"][:15])
            equal(generations.setdefault(d["generation"], d["policy_revision"]), d["policy_revision"], "revision of generation %d" % d["generation"])
        taken = {r["generation"]: r["revision"] for r in records if r["kind"] == "policy" and r["taken"]}
        for number, rev in generations.items():
            equal(taken.get(number, revision(A) if number == 1 else None), rev, "the policy record of generation %d" % number)
        equal(len({d["policy_revision"] for d in decisions}), 3, "revisions that decided")
        reloads = [r for r in records if r["kind"] == "policy"]
        check(len(reloads) >= 1000, "only %d reloads" % len(reloads))
        check_chain(router.lines())
        figure("calls during 1,200 SIGHUPs, seconds", "%d, %.1f" % (total, storm))
        figure("reloads that these came to, refused, generations", "%d, %d, %d" % (len(reloads), sum(not r["taken"] for r in reloads), len(generations)))
        figure("slowest send during the storm", "%.1f ms" % (max(slowest) * 1000))


def test_a_policy_that_is_refused_at_the_start_says_why_and_exits_1():
    with Sidecar(BAD, start=False) as router:
        done = router.command("run")
        equal(done.returncode, 1, "exit code of `run` with a wrong policy")
        equal([f[:2] for f in faults(done.stderr)], [(4, 14)], "places: " + done.stderr)
        os.unlink(router.policy)
        equal(router.command("run").returncode, 3, "exit code of `run` without its policy")


def test_shipped_policies_pass_their_own_check():
    names = [n for n in sorted(os.listdir(os.path.dirname(STARTER))) if n.endswith(".yaml")]
    check("router-policy.yaml" in names, "the starter policy is not there")
    for name in names:
        done = run("check", os.path.join(os.path.dirname(STARTER), name))
        # The page of every key names a model's file that only `train` makes; nothing else may be wrong with it.
        wrong = [f for f in faults(done.stderr) if not (name == "every-key.yaml" and "`train` writes" in f[2])]
        check(not wrong and done.returncode in (0, 1), "check of %s: %s" % (name, done.stderr))
        check(done.returncode == 0 or name == "every-key.yaml", "check of %s exits %d" % (name, done.returncode))
    for words in (["--brief"], ["--brief", "--json"], ["--against", STARTER], ["--strict"]):
        done = run("check", *words, STARTER)
        equal(done.returncode, 0, "check %s: %s" % (words, done.stderr))
        check(done.stdout, "check %s prints nothing" % words)


if __name__ == "__main__":
    main(globals())
