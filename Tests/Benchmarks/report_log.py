#!/usr/bin/env python3
"""A log as the contract words it, out of the lines of gen_records.py: a decision and a comparison for each.

    report_log.py RECORDS STATE_DIR [SEED]     # writes STATE_DIR/log in segments of 64 MiB; RECORDS counts both kinds

The members are those that the report reads; the chain is whole, so `verify-log` takes it. The same arguments give the
same bytes.
"""
import hashlib
import json
import os
import subprocess
import sys
import time

SEGMENT = 64 << 20
CODES = {"hard_stop": ("hard_stop_access", 7, None), "input_too_large": ("input_too_large", 3, None),
         "task_not_eligible": ("policy_requires_frontier", 2, None), "low_confidence": ("confidence_low", 5, "below"),
         "validator_failed": ("schema_invalid", 4, "no_json"), "candidate_timeout": ("local_unavailable", 11, "timeout"),
         "candidate_error": ("local_unavailable", 11, "error"), "queue_full": ("local_unavailable", 11, "shed"),
         "accepted": (None, 0, None)}


def generator():
    shared = os.environ.get("SHADOW_ROUTER_SHARED") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shared")
    return os.path.join(shared, "perf", "gen_records.py")


class Segments:
    """Appends records, chained, and begins a new segment where one is full; `seq` and chain go on from call to call."""

    def __init__(self, state):
        self.folder = os.path.join(state, "log")
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self.number, self.size, self.file = 0, SEGMENT, None
        self.seq, self.previous, self.log = 0, "0" * 64, "0123456789abcdef" * 2

    def add(self, ms, kind, body):
        if self.size >= SEGMENT:
            self.close()
            self.number, self.size = self.number + 1, 0
        if not self.file:
            self.file = open(os.path.join(self.folder, "%010d.ndjson" % self.number), "ab", buffering=1 << 20)
            os.chmod(self.file.name, 0o600)
        self.seq += 1
        second, rest = divmod(ms, 1000)
        if second != getattr(self, "second", None):
            self.second, self.stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        covered = ('{"v":1,"log":"%s","seq":%d,"ts":"%s.%03dZ","kind":"%s",%s,"prev":"%s"'
                   % (self.log, self.seq, self.stamp, rest, kind, body, self.previous)).encode()
        self.previous = hashlib.sha256(covered).hexdigest()
        self.size += self.file.write(covered + b',"h":"' + self.previous.encode() + b'"}\n')

    def close(self):
        if self.file:
            self.file.close()
            self.file = None


def calls(count, seed):
    """The lines of gen_records.py as objects."""
    with subprocess.Popen([sys.executable, generator(), str(count), "/dev/stdout", str(seed)], stdout=subprocess.PIPE) as made:
        for line in made.stdout:
            yield json.loads(line)


def write(state, records, seed=20260101, segments=None):
    """Appends; pass what an earlier call returned to go on with its log. An odd record more is left out."""
    segments = segments or Segments(state)
    for number, one in enumerate(calls(records // 2, seed)):
        code, label = CODES[one["reason"]], json.dumps(one["label"])
        asked = one["cand_ms"] > 0
        stops = ",".join('{"class":"access","term":"%s","where":"input"}' % stop for stop in one["hard_stops"])
        segments.add(one["ts"], "decision", (
            '"call_id":"%s","run_id":"run-%d-%d","task_type":"%s","agent":"%s","stage":"shadow","route":"frontier","route_candidate":"%s",'
            '"reason":%s,"reason_code":%d,"detail":%s,"hard_stop_match":[%s],"local_model":"%s","label":%s,"confidence":%s,'
            '"input_hash":"hmac-sha256:k1:%s","input_preview":"%s","local_latency_ms":%s,"local_input_tokens":%s,"local_output_tokens":%s,'
            '"local_cost_usd":%s,"fallback_triggered":%s,"sampled":%s') % (
                one["event_id"], seed, number // 12, one["task_type"], one["tenant"], one["route_candidate"], json.dumps(code[0]), code[1],
                json.dumps(code[2]), stops, one["candidate"], label, one["confidence"] if asked else "null", one["prompt_h"], one["preview"],
                one["cand_ms"] if asked else "null", one["in_tok"] if asked else "null", one["out_tok"] if asked else "null",
                "%.6f" % one["cand_usd"], "true" if asked and code[0] else "false", "true" if number % 97 == 0 and not code[0] else "false"))
        same = one["label"] == one["frontier_label"]
        verdict = "unknown" if one["label"] is None else "agree" if same else "disagree"
        segments.add(one["ts"] + 1, "comparison", (
            '"call_id":"%s","frontier_model":"frontier-l","frontier_status":"ok","frontier_answer_hash":"hmac-sha256:k1:%s",'
            '"frontier_label":"%s","agreement":"%s","agreement_score":%s,"agreement_detail":"%s","frontier_latency_ms":%d,'
            '"fallback_latency_ms":%d,"frontier_cost_usd":%.6f') % (
                one["event_id"], one["response_h"], one["frontier_label"], verdict, "null" if one["label"] is None else 1 if same else 0,
                {"unknown": "candidate_not_asked", "agree": "label_equal", "disagree": "label_differs"}[verdict], one["front_ms"],
                one["front_ms"] + 3, one["front_usd"]))
    segments.close()
    return segments


if __name__ == "__main__":
    write(sys.argv[2], int(sys.argv[1]), *map(int, sys.argv[3:]))
