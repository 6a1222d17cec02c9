"""The vault's debug windows, and replay: what is kept, who may see it, what is left when it is over."""
import glob
import os
import stat
import time

from sidecar import *

WORDS = "the pump said zebra-crossing"


def policy(endpoint, capture):
    return ('models:\n  small: {provider: ollama, name: s, endpoint: "%s"}\n'
            "tasks:\n  t: {local: true, labels: [a, b], min_confidence: 0.5%s}\n  other: {local: false}\n"
            "privacy: {preview_chars: 0}\nhard_stops: {builtin: false, security: [forbidden]}\n" % (endpoint, capture))


def after(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def texts(router):
    return [p for p in glob.glob(os.path.join(router.state, "vault", "**", "*"), recursive=True) if os.path.isfile(p)]


def says(label, confidence=0.9):
    return lambda request: generated({"label": label, "confidence": confidence, "answer": "alpha"})


def test_a_window_keeps_whatever_was_decided_and_is_opened_behind_a_synced_record():
    with ollama(says("a", 0.1)) as model, Sidecar(policy(model.endpoint, ", capture: {until: \"%s\"}" % after(3600))) as router:
        tap = router.tap()
        for number in range(5):
            tap.send(call("w%d" % number, text="%s %d" % (WORDS, number)))
            tap.send(answer("w%d" % number, "no " + WORDS, label="b"))
        tap.send(call("o1", task="other", text=WORDS))
        router.wait_for("comparison", 5)
        until(lambda: len(texts(router)) == 5 and all(b'"frontier":{"label"' in open(p, "rb").read() for p in texts(router)), "five kept texts")
        for path in texts(router):
            equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode of a kept text")
            equal(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), 0o700, "mode of its folder")
        equal([r["route_candidate"] for r in router.records("decision") if r["task_type"] == "t"], ["frontier"] * 5, "what was decided")
        until(lambda: router.status()["vault"]["texts"] == 5, "status counts them")
        window = router.status()["vault"]["windows"][0]
        equal((window["task"], window["max_bytes"]), ("t", 256 << 20), "the window in status")
        check("debug window of t until" in router.command("status").stdout, "status does not name the window")

        equal(router.command("replay", "w1").returncode, 2, "replay without a reason")
        equal(router.command("replay", "w1", "--reason", " ").returncode, 2, "replay with a blank reason")
        equal(router.records("access"), [], "access records before a reason")
        done = router.command("replay", "w1", "--reason", "ticket 7 of anna" + "@" + "example.com")
        equal(done.returncode, 0, "replay: " + done.stderr)
        for part in (WORDS + " 1", "alpha", "no " + WORDS):
            check(part in done.stdout, "replay does not show " + part)
        access = router.records("access")
        equal([(r["call_id"], r["reason"], r["what"]) for r in access], [("w1", "ticket 7 of [email]", "replay")], "the access record")
        equal(json.loads(router.command("replay", "w2", "--reason", "why", "--json").stdout)["input"], WORDS + " 2", "as JSON")
        equal(router.command("replay", "o1", "--reason", "why").returncode, 1, "a call that is not kept")
        equal(len(router.records("access")), 2, "access records after a refusal")

        strict = os.path.join(router.folder, "strict.yaml")
        with open(strict, "w") as f:
            f.write(policy(model.endpoint, "").replace("[forbidden]", "[zebra]"))
        done = json.loads(router.command("replay", "w3", "--reason", "the new stop", "--explain", strict, "--json").stdout)
        equal((done["next"], done["reason"], done["task_type"]), ("frontier", "hard_stop_security", "t"), "explained under another policy")
        check(WORDS not in json.dumps(done), "the explanation shows the text")
        done = router.command("replay", "--log", "--json")
        equal([json.loads(l)["call_id"] for l in done.stdout.splitlines()], ["w1", "w2", "w3"], "who opened what")
        listing = router.command("replay", "--log")
        check("3 texts opened: %s 3" % access[0]["who"] in listing.stderr, "the sum by person: " + listing.stderr)
        check(b"zebra" not in b"\n".join(router.lines()) + router.http("GET", "/metrics")[1] + router.messages.encode(), "raw text outside the vault")
        router.stop()
        equal(router.command("replay", "w1", "--reason", "later").returncode, 3, "replay without a router")


def test_a_window_ends_by_time_by_size_and_with_the_policy():
    with ollama(says("a")) as model, Sidecar(policy(model.endpoint, ", capture: {until: \"%s\", max_mb: 1}" % after(12))) as router:
        tap = router.tap()
        for number in range(30):
            tap.send(call("s%02d" % number, text=WORDS + " " + "x" * 100_000))
        router.wait_for("decision", 30)
        until(lambda: any("s29" in open(p).read(100) for p in texts(router)), "the newest text")
        check(sum(map(os.path.getsize, texts(router))) <= 1 << 20, "more text than max_mb")
        check(not any('"s00"' in open(p).read(100) for p in texts(router)), "the oldest text is still there")
        until(lambda: not texts(router), "texts go at the window's end", timeout=40)
        tap.send(call("late", text=WORDS))
        router.wait_for("decision", 31)
        time.sleep(0.3)
        equal(texts(router), [], "texts kept after the end")
        router.write_policy(policy(model.endpoint, ", capture: {until: \"%s\"}" % after(3600)))
        equal(router.command("reload").returncode, 0, "reload")
        tap.send(call("again", text=WORDS))
        until(lambda: len(texts(router)) == 1, "a text of the new window")
        router.write_policy(policy(model.endpoint, ""))
        equal(router.command("reload").returncode, 0, "reload")
        until(lambda: not texts(router), "texts go with the policy's window", timeout=20)
        router.stop()


def test_a_share_of_calls_is_kept():
    with ollama(says("a")) as model, Sidecar(policy(model.endpoint, ", capture: {until: \"2100-01-01\", sample: 0.5}")) as router:
        tap = router.tap()
        tap.send(b"".join(call("p%d" % n, text="%s %d" % (WORDS, n)) for n in range(200)))
        router.wait_for("decision", 200)
        router.stop()
        check(60 <= len(texts(router)) <= 140, lambda: "of 200 at one half: %d" % len(texts(router)))


def test_check_says_what_is_kept_and_how_long():
    with Sidecar(policy("http://127.0.0.1:9/api/generate", ""), start=False) as router:
        router.write_policy(policy("http://127.0.0.1:9/api/generate", ", capture: {until: \"2100-01-01\", sample: 0.1, max_mb: 5}"))
        done = run("check", "--brief", router.policy)
        equal(done.returncode, 0, done.stderr)
        for part in ("raw text of t: debug window", "2100-01-01", "at most 5 MB", "the oldest goes"):
            check(part in " ".join(done.stdout.split()), "the brief does not say %r" % part)
        check("not acted on" not in run("check", router.policy).stderr.replace("retention_days", ""), "the window is said to be without effect")
        router.write_policy(policy("http://127.0.0.1:9/api/generate", ", capture: {until: \"2020-01-01\"}"))
        done = run("check", router.policy)
        check("ended on 2020-01-01" in done.stdout + done.stderr, "an ended window is not remarked on")


if __name__ == "__main__":
    main(globals())
