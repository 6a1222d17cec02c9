"""Writes a log as the contract words it (section 5): segments, numbers, times, and the chain of hashes.

For tests that need weeks of records at once. `verify-log` accepts what it writes.
"""
import datetime
import hashlib
import json
import os


class LogWriter:
    """Appends records to segment 1 of `folder`/log; `now` is the time of the next one and moves as the test likes."""

    def __init__(self, state, now):
        self.folder = os.path.join(state, "log")
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self.path = os.path.join(self.folder, "0000000001.ndjson")
        self.id, self.seq, self.previous, self.now = "0123456789abcdef" * 2, 0, "0" * 64, now
        self._waiting = []

    def add(self, kind, **members):
        self.seq += 1
        stamp = self.now.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:23] + "Z"
        head = {"v": 1, "log": self.id, "seq": self.seq, "ts": stamp, "kind": kind, **members, "prev": self.previous}
        covered = json.dumps(head, separators=(",", ":"), ensure_ascii=False)[:-1].encode()
        self.previous = hashlib.sha256(covered).hexdigest()
        self._waiting.append(covered + b',"h":"' + self.previous.encode() + b'"}\n')

    def flush(self):
        with open(self.path, "ab") as file:
            file.write(b"".join(self._waiting))
        os.chmod(self.path, 0o600)
        self._waiting = []

    # What gates read

    def call(self, call_id, task="t", label="a", confidence=0.9, sampled=True, revision=None, policy="sha256:0", model="small",
             digest="d1", **members):
        """A would-accept of a candidate."""
        checks = {"local_unavailable": "pass", "schema_invalid": "pass", "label_escalated": "pass", "confidence_low": "pass"}
        self.add("decision", **{
            "call_id": call_id, "task_type": task, "task_type_source": "given", "generation": 1, "policy_revision": policy,
            "prompt_revision": "p1", "task_revision": revision, "stage": "shadow", "cohort": "shadow", "route": "frontier",
            "route_candidate": "local", "reason": None, "reason_code": 0, "checks": checks, "hard_stop_match": [], "signals": {},
            "local_model": model, "local_model_id": model, "local_model_digest": digest, "label": label, "confidence": confidence,
            "confidence_source": "self_reported", "calibration": None, "input_chars": 40,
            "input_hash": "hmac-sha256:k1:" + hashlib.sha256(call_id.encode()).hexdigest(), "sampled": sampled, **members})

    def review(self, call_id, label, reviewer="ana", stream="certificate", **members):
        self.add("review", **{"call_id": call_id, "subject": "candidate", "review_label": label, "stream": stream, "severity": None,
                              "missed_stop": False, "reviewer": reviewer, "note": None, "rubric_revision": None, **members})

    def drill(self):
        self.add("drill", passed=True)
