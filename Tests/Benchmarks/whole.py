"""The whole sidecar, from the socket to the log, and what it holds of the machine."""
import hashlib
import hmac
import json
import os
import random
import sys
import threading
import time

from sidecar import ROOT, Sidecar, check_chain
from table import Figure, median, spread

sys.path.insert(0, os.path.join(ROOT, "Tests", "Reference"))
import reference  # noqa: E402

TASKS = ("ci_triage", "log_summary", "json_extract", "doc_rewrite", "commit_message", "ticket_label", "sql_draft", "test_rename")
# No candidate: what is measured is the sidecar, not a model. The other 17 of the 60 terms are what a policy would add.
POLICY = """models:
  frontier_default: {provider: anthropic, name: frontier-large-1}
defaults: {frontier: frontier_default}
hard_stops:
  security: [jwt, bearer, "api key", xss, "sql injection", ssrf, malware, ransomware]
  access: [sudo, chmod, chown, iam, "security group", "407"]
  production: [rollback*, "terraform apply", "force push"]
tasks:
""" + "".join("  %s: {local: false}\n" % task for task in TASKS)

ADDED = {"security": ["jwt", "bearer", "api key", "xss", "sql injection", "ssrf", "malware", "ransomware"],
         "access": ["sudo", "chmod", "chown", "iam", "security group", "407"],
         "production": ["rollback*", "terraform apply", "force push"]}


def frames_of(events):
    """The events of gen_events.py as tap frames: the request inside a call, the response inside an answer."""
    frames = []
    with open(events) as file:
        for line in file:
            event = json.loads(line)
            if event["kind"] == "request":
                frame = {"kind": "call", "call_id": event["id"], "task_type": event["task"]["type"], "task_id": event["task"]["id"],
                         "tenant": event["tenant"],
                         "request": {name: event[name] for name in ("model", "stream", "temperature", "max_tokens", "messages")}}
            else:
                usage = event["usage"]
                frame = {"kind": "answer", "call_id": event["id"], "latency_ms": event["latency_ms"],
                         "response": {"id": "chatcmpl-1", "object": "chat.completion", "created": 1760000000, "model": "frontier-large-1",
                                      "choices": [{"index": 0, "finish_reason": event["finish_reason"],
                                                   "message": {"role": "assistant", "content": event["content"]}}],
                                      "usage": dict(usage, total_tokens=sum(usage.values()))}}
            frames.append(json.dumps(frame).encode() + b"\n")
    return frames


def check(sidecar, frames, lines):
    """Chain and hashes of the whole log; then of every call its HMAC, and of a sample its hard stops by the slow reference."""
    check_chain(lines)
    records = [json.loads(line) for line in lines]
    decisions = {r["call_id"]: r for r in records if r["kind"] == "decision"}
    comparisons = {r["call_id"]: r for r in records if r["kind"] == "comparison"}
    keys = os.path.join(sidecar.state, "keys")
    kid = open(os.path.join(keys, "current")).read().strip()
    key = open(os.path.join(keys, kid + ".key"), "rb").read()

    def sealed(text):
        return "hmac-sha256:%s:%s" % (kid, hmac.new(key, text.encode(), hashlib.sha256).hexdigest())

    sample = set(random.Random(1).sample(range(0, len(frames), 2), 200))
    terms = {kind: list_ + ADDED[kind] for kind, list_ in reference.BUILTIN_TERMS.items()}
    for place in range(0, len(frames), 2):
        call, answer = json.loads(frames[place]), json.loads(frames[place + 1])
        decision, comparison = decisions[call["call_id"]], comparisons[call["call_id"]]
        text = "\n".join(message["content"] for message in call["request"]["messages"])
        assert decision["input_hash"] == sealed(text) and decision["task_type"] == call["task_type"]
        assert decision["route_candidate"] == "frontier" and decision["input_chars"] == len(text)
        assert comparison["frontier_answer_hash"] == sealed(answer["response"]["choices"][0]["message"]["content"])
        assert comparison["frontier_input_tokens"] == answer["response"]["usage"]["prompt_tokens"]
        if place in sample:
            found = {(hit["class"], hit["term"], hit["where"]) for hit in decision["hard_stop_match"] or ()}
            assert found == reference.hard_stops(text, "input", terms), "hard stops of %s" % call["call_id"]
    assert len(decisions) == len(comparisons) == len(frames) // 2


def flood(frames):
    """Sends every frame by itself to a fresh sidecar. Gives (CPU seconds it spent, seconds until all was logged, lines, it)."""
    sidecar = Sidecar(POLICY)
    try:
        tap = sidecar.connect()
        calls = len(frames) // 2
        cpu, began = sidecar.cpu_s(), time.monotonic()

        def send():
            for frame in frames:
                tap.sendall(frame)

        sender = threading.Thread(target=send)
        sender.start()
        lines = sidecar.wait_for({"decision": calls, "comparison": calls})
        sender.join()
        return sidecar.cpu_s() - cpu, time.monotonic() - began, lines, sidecar
    except BaseException:
        sidecar.close()
        raise


def socket_to_log(peers, pairs):
    """Events per CPU second, both frames of a call, against pipeline.cpp on the same events."""
    frames = frames_of(peers.events)
    ours, theirs, calls_us = [], [], []
    for turn in range(pairs):
        cpu, _, lines, sidecar = flood(frames)
        if turn == 0:
            check(sidecar, frames, lines)
        assert sidecar.stop()
        sidecar.close()
        ours.append(len(frames) / cpu)
        calls_us.append(cpu / (len(frames) / 2) * 1e6)
        theirs.append(peers.pipeline(len(frames)))
    ratio = median(ours) / median(theirs)
    yield Figure("socket to log, events per CPU second", "%s events/s" % spread(ours), "pipeline.cpp %s" % spread(theirs), ratio, 0.5, 1.0)
    cpu = median(calls_us)
    for name, peer_us, bar, aim in (("nginx mirror", 119, 0.30, 1 / 6), ("Envoy mirror", 207, 0.18, 1 / 10), ("LiteLLM", 14493, 1 / 400, 1 / 800)):
        yield Figure("CPU per call", "%s us" % spread(calls_us, 1), "%s %d us (stated, not run here)" % (name, peer_us), cpu / peer_us, bar, aim,
                     at_most=True)


def tap(peers, pairs):
    """Reading the tap against sock.c: pings of 4,096 bytes, which are read, checked and counted, and nothing else."""
    ping = b'{"kind":"ping","pad":"' + b"x" * 4071 + b'"}\n'
    assert len(ping) == 4096
    count, mine, theirs = 40000, [], []
    for _ in range(pairs):
        sidecar = Sidecar(POLICY)
        try:
            connection = sidecar.connect()
            cpu = sidecar.cpu_s()
            answered = [0]

            def read():
                while answered[0] < count and (data := connection.recv(1 << 16)):
                    answered[0] += data.count(b"\n")

            reader = threading.Thread(target=read)
            reader.start()
            for _ in range(count):
                connection.sendall(ping)
            reader.join(60)
            mine.append((sidecar.cpu_s() - cpu) * 1e6 / count)
            assert answered[0] == count, "%d of %d pings answered" % (answered[0], count)
        finally:
            sidecar.close()
        theirs.append(peers.number(r"receiver cpu ([\d.]+) us/msg", peers.say(peers.build("sock.c"), "1")))
    yield Figure("reading the tap, CPU a frame of 4 KiB (pings: read, checked, answered)", "%s us" % spread(mine, 2), "sock.c receiver %s us" % spread(theirs, 2),
                 median(theirs) / median(mine), 0.5, 0.9)


def memory(peers, _pairs):
    """Resident memory with the shipped policy, idle and at 2,000 calls a second for ten seconds; time until ready."""
    shipped = os.path.join(ROOT, "policies", "router-policy.yaml")
    ready = []
    for _ in range(7):
        sidecar = Sidecar(shipped)
        ready.append(sidecar.ready_s)
        idle = sidecar.resident_mib()[0]
        assert sidecar.stop()
        sidecar.close()
    frames = frames_of(peers.events)
    sidecar = Sidecar(POLICY)
    try:
        tap, seconds, rate = sidecar.connect(), 10, 2000
        pairs = min(len(frames) // 2, seconds * rate)
        began, cpu = time.monotonic(), sidecar.cpu_s()
        for call in range(pairs):
            due = began + call / rate
            while time.monotonic() < due:
                time.sleep(max(0, min(0.002, due - time.monotonic())))
            tap.sendall(frames[2 * call])
            tap.sendall(frames[2 * call + 1])
        took = time.monotonic() - began
        now, most = sidecar.resident_mib()
        share = (sidecar.cpu_s() - cpu) / took
        sidecar.wait_for({"decision": pairs, "comparison": pairs})
    finally:
        sidecar.close()
    yield Figure("resident, idle, shipped policy", "%.1f MiB" % idle, "limit 32 MiB", idle, 32, 16, at_most=True, unit="MiB")
    yield Figure("resident at %.0f calls/s (highest; %.0f %% of a core)" % (pairs / took, share * 100), "%.1f MiB (now %.1f)" % (most, now),
                 "limit 32 MiB", most, 32, 32, at_most=True, unit="MiB")
    yield Figure("ready, shipped policy", "%s ms" % spread([r * 1e3 for r in ready], 0), "limit 500 ms", median(ready), 0.5, 0.1, at_most=True,
                 unit="s")
