"""Every planted secret, in every field that somebody outside can write: none verbatim in anything that is kept or shown.

SHADOW_ROUTER_PLANTED=all plants every sample; without it every sixth is, and all forms of our own."""
import base64
import collections
import json
import os
import resource
import signal
import subprocess
import tempfile
import urllib.parse

import planted
from sidecar import *

WHOLE = os.environ.get("SHADOW_ROUTER_PLANTED") == "all"
SHOW = "SHADOW_ROUTER_PLANTED_SHOW" in os.environ
# Shorter ones stand in ordinary text by chance.
SHORTEST = 6


def to_plant():
    """(kind, text, needle, sealed in identifiers), and which of them are promised."""
    forms = [("own: " + kind, text, needle, sealed) for kind, text, needle, sealed in planted.own()]
    step = 1 if WHOLE else 6
    try:
        samples = planted.secret_samples()[::step] + planted.personal_samples()[::step]
    except Skipped as why:
        print("SKIPPED: labelled samples: %s" % why)
        samples = []
    return forms + [(kind, text, needle, False) for kind, text, needle in samples]


def send_all(tap, forms):
    """Each form in every field of every kind of frame; the calls' ids say which form."""
    for number, (_, text, needle, sealed) in enumerate(forms):
        name = lambda where: "%s%d" % (where, number)
        tap.send(call(name("i"), text=text, artifacts=[text[:200]]))
        tap.send(answer(name("i"), text, label=text))
        tap.send(frame("call", call_id=name("m"), task_type="open", messages=[
            {"role": "system", "content": text}, {"role": "user", "content": [{"type": "text", "text": text}]}]))
        tap.send(frame("answer", call_id=name("m"), error="failed: " + text))
        tap.send(frame("call", call_id=name("r"), task_type="off", request={"model": "m", "tools": [
            {"type": "function", "function": {"name": "f", "description": text, "parameters": {"type": "object"}}}], "messages": [
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {
                "name": "login", "arguments": json.dumps({"value": text})}}]}, {"role": "tool", "tool_call_id": "c", "content": text}]}))
        tap.send(frame("answer", call_id=name("r"), response={"choices": [{"message": {"role": "assistant", "content": text, "tool_calls": [
            {"id": "d", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": text})}}]}}]}))
        tap.send(call(name("t"), task=text, text="a task type"))
        tap.send(b'{"kind":' + json.dumps(text).encode() + b"}\n" + json.dumps({"call_id": needle}).encode()[:-2] + b"\n")
        tap.send(frame("call", call_id="", input=text))
        # Some are secrets only by what stands beside them.
        if sealed and len(text) <= 128:
            who = text
            tap.send(call(who, text="an id", run_id=who, task_id=who, tenant=who, user_group=who, agent=who, step=who, traceparent=who,
                          frontier={"provider": who, "model": who}))
            tap.send(answer(who, "done", model=who))
            tap.send(frame("call", call_id=name("u"), input="no task type", agent=who, step=who, request={"model": who}))
            tap.send(frame("outcome", call_id=who, run_id=who, result="success", source="user", approved_by=who))
        if number % 40 == 39:
            tap.ping()
    tap.ping()


def kept_and_shown(router, forms):
    """Everything that the program keeps, but for keys, and everything that it says."""
    places = {"metrics": router.http("GET", "/metrics")[1], "status, JSON": router.http("GET", "/v1/status")[1],
              "status": router.command("status").stdout.encode(), "review": router.http("GET", "/v1/review?limit=100")[1]}
    for path in ("report?format=html", "find/i0", "gate/t"):
        places["/v1/" + path] = router.http("GET", "/v1/" + path)[1]
    for number, (_, _, needle, sealed) in enumerate(forms):
        if sealed and number < 12:
            found = router.http("GET", "/v1/find/" + urllib.parse.quote(forms[number][1], safe=""))
            equal(found[0], 200, "a sealed id is found by what was sent")
            places["find, %s" % needle[:4]] = found[1]
    router.stop()
    for words in (["tail"], ["tail", "--rows"], ["review", "list"], ["replay", "--log"], ["verify-log"],
                  *(["report", "--format", f] for f in ("md", "html", "json", "csv"))):
        done = router.command(*words)
        equal(done.returncode, 0, " ".join(words) + ": " + done.stderr[-300:])
        places[" ".join(words)] = (done.stdout + done.stderr).encode()
    places["stderr"] = router.messages.encode()
    places.update((name, data) for name, data in files_below(router.state).items() if not name.startswith("keys"))
    return places


def shapes(needle):
    """As it is, as JSON writes it, as HTML does, and as an address does."""
    yield needle.encode()
    yield json.dumps(needle)[1:-1].encode()
    yield json.dumps(needle, ensure_ascii=False)[1:-1].replace("/", "\\/").encode()
    yield needle.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").encode()
    yield urllib.parse.quote(needle, safe="").encode()
    yield base64.b64encode(needle.encode())[:-4]


def search(places, needles):
    """Needle → the places that hold it. `grep` takes thousands of them in one pass."""
    found = collections.defaultdict(set)
    with tempfile.TemporaryDirectory() as folder:
        patterns, place = os.path.join(folder, "needles"), os.path.join(folder, "place")
        with open(patterns, "wb") as f:
            f.write(b"\n".join(n for n in needles if len(n) >= SHORTEST and b"\n" not in n))
        for name, data in places.items():
            with open(place, "wb") as f:
                f.write(data)
            done = subprocess.run(["grep", "-aFof", patterns, place], stdout=subprocess.PIPE, env={"LC_ALL": "C", "PATH": os.environ["PATH"]})
            check(done.returncode < 2, "grep failed")
            for hit in set(done.stdout.split(b"\n")) - {b""}:
                # A longer needle hides those within it.
                for needle in needles:
                    if needle in hit and len(needle) >= SHORTEST:
                        found[needle].add(name)
    return found


def test_nothing_planted_is_kept_or_shown_in_any_field():
    forms = to_plant()
    said = "it is " + " ".join(text for _, text, _, _ in forms[:60])
    with ollama(lambda request: generated({"label": "a", "confidence": 0.9, "answer": said})) as model:
        policy = ('models:\n  small: {provider: ollama, name: s, endpoint: "%s"}\n'
                  "tasks:\n  t: {local: true, labels: [a, b], min_confidence: 0.5, review_sample: 1}\n"
                  "  open: {local: true, min_confidence: 0.5}\n  off: {local: false}\n"
                  "hard_stops: {builtin: false}\n" % model.endpoint)
        with Sidecar(policy, "--console", "127.0.0.1:0") as router:
            tap = router.tap()
            send_all(tap, forms)
            router.wait_for("comparison", 3 * len(forms), timeout=300)
            labelled = [r["call_id"] for r in router.records("decision") if r["route_candidate"] == "local" and r["call_id"].startswith("i")]
            check(labelled, "no call was accepted: notes cannot be planted")
            for number, (_, text, needle, _) in enumerate(forms):
                status, _ = router.http("POST", "/v1/review", json.dumps({
                    "call_id": labelled[number % len(labelled)], "review_label": "escalate", "severity": 2, "note": text[:1500]}))[:2]
                equal(status, 200, "a label with a note")
                if number % 8 == 0:
                    reason = text.replace("\n", " ")[:240]
                    for path, body in (("/v1/demote", {"task": "t", "reason": reason}),
                                       ("/v1/promote", {"task": "t", "percent": 1, "override": True, "reason": reason, "approver": "anna"})):
                        router.http("POST", path, json.dumps(body))
                    router.http("PUT", "/v1/kill", json.dumps({"on": True, "reason": reason}))
                    router.command("status")
                    router.http("PUT", "/v1/kill", json.dumps({"on": False}))
            places = kept_and_shown(router, forms)
            records = {r["call_id"]: r for r in router.records("decision")}
    # What somebody searched for stands in no file, but a report names the calls that it is about: an id is not a text.
    promised = lambda kind: kind not in planted.NOT_PROMISED
    leaks, missed, counts = [], collections.Counter(), collections.defaultdict(lambda: [0, 0])
    found = search(places, {line for _, _, needle, _ in forms for line in shapes(needle)})
    seen = set()
    for kind, _, needle, _ in forms:
        if needle in seen:
            continue
        seen.add(needle)
        hits = sorted({place for line in shapes(needle) for place in found.get(line, ())})
        name = kind if not kind.startswith("own") else "own forms"
        counts[name][0] += 1
        if not hits:
            counts[name][1] += 1
        elif promised(kind):
            missed[kind] += 1
            if missed[kind] > planted.MAY_BE_MISSED.get(kind, 0):
                leaks.append((kind, needle if SHOW else needle[:4] + "…", hits[:3]))
    table("planted: kind, samples, nowhere verbatim", [(k, a, b) for k, (a, b) in sorted(counts.items())])
    check(not leaks, lambda: "%d leaks: %s" % (len(leaks), leaks[:60]))
    previews = [records[i].get("input_preview") for i in records if i.startswith("i")]
    check(sum(bool(p) for p in previews) > 0.9 * len(previews), "previews are empty: this proves nothing")
    done = [k for k in counts if promised(k)]
    figure("planted, all promised kinds", "%d of %d nowhere verbatim; %d places of %.1f MB looked at; kinds without a promise: %d of %d" % (
        sum(counts[k][1] for k in done), sum(counts[k][0] for k in done), len(places), sum(map(len, places.values())) / 1e6,
        sum(counts[k][1] for k in counts if k not in done), sum(counts[k][0] for k in counts if k not in done)))


def test_a_crash_leaves_no_core_and_no_other_process_reads_the_memory():
    needle = "ghp_" + "aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW2xY4"
    own = os.geteuid() == 0 and 65534 or None
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        with Sidecar(SIMPLE, user=own) as router:
            tap = router.tap()
            for number in range(50):
                tap.send(call("c%d" % number, task="open", text="the word is " + needle))
            tap.ping()
            pid = router.process.pid
            as_owner = {"user": own, "group": own, "extra_groups": []} if own else {}
            reading = subprocess.run(["head", "-c1", "/proc/%d/mem" % pid], capture_output=True, env={"LC_ALL": "C"}, **as_owner)
            check(reading.returncode != 0 and b"Permission denied" in reading.stderr, "another process of the same user reads the memory")
            with open("/proc/%d/limits" % pid) as f:
                line = next(l for l in f if l.startswith("Max core file size"))
            equal(line.split()[4:6], ["0", "0"], "the limit of a core file")
            folders = {os.readlink("/proc/%d/cwd" % pid), router.state, router.runtime}
            before = {f: set(os.listdir(f)) for f in folders}
            router.signal(signal.SIGABRT)
            code = router.process.wait(20)
            equal(code, -signal.SIGABRT, "killed by ABRT")
            new = [n for f in folders for n in set(os.listdir(f)) - before[f] if "core" in n]
            check(not new, lambda: "a core file: %s" % new)
            check(needle not in router.messages, "the crash printed a prompt")
            for line in router.lines():
                check(needle.encode() not in line, "the log")
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


if __name__ == "__main__":
    main(globals())
