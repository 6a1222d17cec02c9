"""README's "At 3 a.m.": each symptom is brought about on a running sidecar, its command run, and what it prints held against the README.

A block marked `console` starts with `$ COMMAND`; what follows is what the program prints. There a line `…` stands for any lines, and times, hashes,
numbers of processes and counts are compared by form. With `--show` in NIGHT the outputs are printed as the README would have them.
"""
import json
import os
import pwd
import re
import shlex
import socket
import subprocess

from live import go_live
from sidecar import *
from test_disk import SMALL, TinyDisk

HEADING = "## At 3 a.m."
# What stands for a sidecar's own folders in the README.
PLACES = ["/var/lib/shadow-router", "/run/shadow-router", "/etc/shadow-router/router-policy.yaml"]
POLICY = """models:
  small:    {provider: ollama, name: qwen3-1.7b, endpoint: "http://127.0.0.1:9/api/generate", timeout_ms: 300}
  frontier: {provider: anthropic, name: claude-sonnet-4-6}
tasks:
  triage_log: {local: true, owner: ci-team, labels: [build, test], min_confidence: 0.85, control_share: 0}
tests:
  - {name: registry authorisation never stays local, task: triage_log, input: npm ERR! code E401, expect: {reason: hard_stop_access}}
"""


def section():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    check(HEADING in text, "README.md has no section " + HEADING)
    return re.split(r"^## ", text.split(HEADING, 1)[1], flags=re.MULTILINE)[0]


def slug(title):
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def symptoms():
    """Heading → (command, output), in the README's order."""
    found = {}
    for part in re.split(r"^### ", section(), flags=re.MULTILINE)[1:]:
        title, body = part.split("\n", 1)
        blocks = re.findall(r"^```console\n\$ (.*)\n((?:.*\n)*?)```$", body, flags=re.MULTILINE)
        if blocks:
            equal(len(blocks), 1, "commands under " + title)
            found[title] = blocks[0]
    return found


TOKEN = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z)|(?P<hex>(?<![\w-])(?:[0-9a-f]{16}…|[0-9a-f]{12,64})(?![\w-]))|(?P<number>\d[\d,.]*)")


def pattern(output):
    """A regular expression for what the README shows."""
    lines = []
    for line in output.splitlines():
        if line.strip() == "…":
            lines.append(r"(?:.*\n)*?")
            continue
        form, place = "", 0
        for token in TOKEN.finditer(line):
            form += re.escape(line[place:token.start()])
            form += {"time": r"[\d-]+T[\d:.]+Z", "hex": r"[0-9a-f]+…?", "number": r"\d[\d,.]*"}[token.lastgroup]
            place = token.end()
        lines.append(form + re.escape(line[place:]) + r"\n")
    return "".join(lines)


def holds(title, router, same=()):
    """Runs the README's command for a symptom and compares what it prints, errors included; `same`: what stands for what here."""
    command, wanted = symptoms()[title]
    words = shlex.split(command)
    equal(words[0], "shadow-router", "the program of " + command)
    done = subprocess.run([binary(), *words[1:2], *router.folders, *words[2:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, env={**os.environ, "NO_COLOR": "1"})
    got = done.stdout
    for mine, name in [*zip([router.state, router.runtime, router.policy], PLACES), *same]:
        got = got.replace(mine, name)
    if os.environ.get("NIGHT") == "--show":
        print("\n### %s\n$ %s\n%s" % (title, command, got))
    check(re.fullmatch(pattern(wanted), got), "README's output of `%s` under %r is not what it prints:\n%s" % (command, title, got))
    return got


def asked(router, count=1, prefix="c-", text="the build stops at link time"):
    """Calls that would be asked of the candidate, decided."""
    tap = router.tap()
    tap.send(b"".join(call("%s%d" % (prefix, i), task="triage_log", text=text) for i in range(1, count + 1)))
    router.wait_for("decision", count)
    return tap


def test_there_are_eight_symptoms_each_with_one_command_and_its_output():
    equal(len(symptoms()), 8, "symptoms of " + HEADING)
    for title, (command, output) in symptoms().items():
        check(output.strip(), "no output under " + title)


def test_every_alert_names_a_heading_of_the_section():
    with open(os.path.join(ROOT, "deploy", "prometheus", "alerts.yml"), encoding="utf-8") as file:
        text = file.read()
    names, anchors = re.findall(r"- alert: (\w+)", text), re.findall(r"runbook: README\.md#(\S+)", text)
    check(len(names) >= 7, "only %d alerts" % len(names))
    equal(len(anchors), len(names), "runbooks of the alerts")
    there = {slug(title) for title in re.findall(r"^### (.*)$", section(), flags=re.MULTILINE)}
    for anchor in anchors:
        check(anchor in there, "no heading %s under %s; there are %s" % (anchor, HEADING, sorted(there)))
    for command in set(re.findall(r"command: (.*)", text)):
        check(run(*shlex.split(command)[1:], "--help").returncode == 0, "no such command: " + command)


def test_the_agents_answers_look_wrong():
    with Sidecar(POLICY) as router:
        holds("The agent's answers look wrong", router)
        equal(router.tap().ask(call("next", task="triage_log", reply=True))["reason"], "manual_override", "the next decision")
        check("kill off" in router.command("status").stdout, "`status` does not say how to turn it off")


def test_a_task_went_back_to_shadow():
    account = pwd.getpwuid(os.geteuid()).pw_name
    with ollama(lambda request: generated({"label": "build", "confidence": 0.95})) as model:
        text = POLICY.replace("http://127.0.0.1:9/api/generate", model.endpoint).replace("timeout_ms: 300", "timeout_ms: 5000")
        with Sidecar(text.replace("ci-team", account)) as router:
            go_live(router, "triage_log")
            reply = router.tap().ask(call("c-8112", task="triage_log", text="the build stops at link time", reply=True))
            equal(reply["route"], "local", "the answer that was wrong: %s" % reply)
            label = {"call_id": "c-8112", "review_label": "escalate", "severity": 3}
            until(lambda: router.http("POST", "/v1/review", json.dumps(label))[0] == 200, "the label")
            until(lambda: any(r["new"] == "shadow" for r in router.records("flag")), "the demotion is in the log")
            holds("A task went back to shadow", router, [("confirmed by " + account, "confirmed by ana")])
            equal(router.tap().ask(call("c-8113", task="triage_log", reply=True))["route"], "frontier", "the next call")


def test_a_reload_is_refused():
    with Sidecar(POLICY) as router:
        before = router.status()["policy"]["revision"]
        router.write_policy(POLICY.replace("min_confidence", "min_confidense"))
        got = holds("A reload is refused", router)
        check(before[:20] in got, "it does not say which policy goes on deciding: " + got)
        check("correct the file" in router.command("status").stdout, "`status` does not say what to do")
        router.write_policy(POLICY)
        equal(router.command("reload").returncode, 0, "the reload of a corrected file")
        check("correct the file" not in router.command("status").stdout, "`status` still complains")


def test_a_candidate_is_not_asked_any_more():
    with Sidecar(POLICY) as router:
        tap = router.tap()

        def is_open():
            # On a busy machine calls may time out in the queue: that says nothing about the model, and counts for nothing.
            tap.send(b"".join(call("b%d" % (is_open.sent + i), task="triage_log") for i in range(10)))
            is_open.sent += 10
            candidate = router.status()["candidates"][0]
            return candidate["breaker"] == "open" and candidate["problem"]
        is_open.sent = 0
        until(is_open, "the breaker opens", 30, 0.2)
        holds("A candidate is not asked any more", router)
        equal(router.metrics()['shadow_router_candidate_breaker_open{model="small"}'], 1, "the metric")


def test_the_log_cannot_be_written():
    with TinyDisk() as disk:
        with Sidecar(POLICY, "--segment-mb", "1", state=os.path.join(disk, "state")) as router:
            equal(router.metrics()["shadow_router_log_failing"], 0, "log_failing on a good disk")
            with open(os.path.join(disk, "ballast"), "wb") as file:
                file.write(b"x" * (SMALL - (2 << 20)))
            tap = router.tap()

            def is_full():
                is_full.sent += 500
                tap.send(b"".join(call("f%d" % i, task="triage_log", text="E401 " * 60) for i in range(is_full.sent - 500, is_full.sent)))
                tap.ping(30)
                return router.status()["log"]["failing"]
            is_full.sent = 0
            until(is_full, "the disk is full", 60, 0)
            holds("The log cannot be written", router)
            equal(router.metrics()["shadow_router_log_failing"], 1, "log_failing on a full disk")
            os.unlink(os.path.join(disk, "ballast"))
            until(lambda: router.metrics()["shadow_router_log_failing"] == 0, "the metric falls when there is space", 30, 0.1)
            check("FAILING" not in router.command("status").stdout, "`status` still complains")


def test_the_log_is_damaged():
    with Sidecar(POLICY) as router:
        equal(router.metrics()["shadow_router_log_damaged"], 0, "log_damaged on a whole log")
        until(lambda: router.metrics()["shadow_router_log_verified_timestamp_seconds"] > 1e9, "the log was checked")
        asked(router, 30)
        router.stop()
        path = os.path.join(router.state, "log", "0000000001.ndjson")
        with open(path, "r+b") as file:
            lines = file.read().split(b"\n")
            file.seek(len(b"\n".join(lines[:len(lines) // 2])) + 200)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        router.start()
        holds("The log is damaged", router)
        equal(router.metrics()["shadow_router_log_damaged"], 1, "log_damaged")
        until(lambda: router.status()["log"]["verified_at"], "the check of the whole log")
        equal(router.metrics()["shadow_router_log_damaged"], 1, "log_damaged after the check")
        check("DAMAGED: 0000000001.ndjson:" in router.command("status").stdout, "`status` says nothing of it")
        router.decide(router.tap(), call("next", task="triage_log"))


def test_nothing_is_received():
    if os.geteuid() != 0:
        raise Skipped("only root may try the tap as another user")
    with Sidecar(POLICY, "--allow-uid", "1000") as router:
        path = os.path.join(router.runtime, "tap.sock")
        for place in (router.folder, router.runtime):
            os.chmod(place, 0o755)
        knock = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)"
        for _ in range(3):
            subprocess.run(["python3", "-c", knock, path], user=65534, group=65534, extra_groups=[], check=False, stderr=subprocess.DEVNULL)
        until(lambda: router.status()["refused_peers"], "the refusal is counted")
        holds("Nothing is received", router)
        admit = router.status()["refused_peers"][0]["admit_with"]
        check("--allow-uid 65534" in admit, "the line that would admit it: " + admit)
        asked(router)
        until(lambda: router.status()["tap"]["last_frame_at"] and router.status()["tap"]["connections"] == 1, "the tap's row")
        check("last frame 20" in router.command("status").stdout, "`status` does not say when something came last")


def test_one_call_must_be_explained():
    with Sidecar(POLICY) as router:
        tap = asked(router, 1, prefix="c-811", text="npm ERR! code E401 while fetching the registry")
        tap.send(answer("c-8111", "infrastructure", label="test", latency_ms=812))
        router.wait_for("comparison", 1)
        holds("One call must be explained", router)


if __name__ == "__main__":
    main(globals())
