"""Six weeks of five tasks, as a log and its policy: for tests of the report, and for looking at it.

One task has enough reviews to pass but for a drill, one has false accepts (one severe, one that a stop should have caught), one
cannot be measured, one is drawn too seldom, one stays with the frontier. It has runs, two reviewers, planted items, a reload, a
refused policy, an override, a promotion, a demotion and a router that ended.

    story_log.py FOLDER     writes FOLDER/state/log and FOLDER/policy.yaml
"""
import datetime
import hashlib
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from log_writer import LogWriter  # noqa: E402

START = datetime.datetime(2026, 3, 2, 8, tzinfo=datetime.timezone.utc)
DAYS = 42
LABELS = ["billing", "crash", "account", "other"]
POLICY = """\
models:
  small: {provider: ollama, name: qwen3-1.7b, endpoint: "http://127.0.0.1:9/api/generate", price: {usd_per_hour: 0.2}}
tasks:
  triage_ticket: {local: true, labels: [billing, crash, account, other], min_confidence: 0.72, owner: ana, review_sample: 0.2, upkeep_usd_per_month: 3, gate: {max_false_accept_rate: 0.02}}
  label_issue: {local: true, labels: [billing, crash, account, other], min_confidence: 0.72, owner: ben, review_sample: 0.1}
  summarize_log: {local: true, min_confidence: 0.68}
  draft_reply: {local: true, labels: [billing, crash, account, other], min_confidence: 0.6, review_sample: 0.02}
  write_patch: {local: false}
"""


class Story(LogWriter):
    def __init__(self, state, policy):
        super().__init__(state, START)
        self.dice, self.policy, self.labelled = random.Random(20260302), "sha256:" + hashlib.sha256(policy.encode()).hexdigest(), []

    def tell(self):
        self.add("start", version="1", policy_revision=self.policy, generation=1, pid=1, kill_switch=False)
        self.add("policy", revision="sha256:" + "0b" * 32, generation=None, taken=False, errors=["policy.yaml:3:1: error: unknown key \"treshold\""], actor="uid:1000")
        number = 0
        for day in range(DAYS):
            for step in range(110):
                self.now = START + datetime.timedelta(days=day, seconds=step * 300)
                self.one(number, day)
                number += 1
            self.review_some(day)
            self.turn(day)
        self.flush()

    def turn(self, day):
        """What people do on certain days."""
        if day == 20:
            self.add("receipt", task="label_issue", task_revision="r", policy_revision=self.policy, models=[], epoch="2026-03-02.3", attempt=1, would_accepts=1, drawn=1,
                     false_or_unlabelled=1, false_accept_upper_bound=1, approver="ben", issued_at="2026-03-22T17:00:00.000Z", expires_at="2026-03-23T17:00:00.000Z", override=True)
            self.add("flag", flag="label_issue", task="label_issue", old="shadow", new="canary", reason="a drill of the way back", actor="uid:1000", override=True, approver="ben")
        if day == 21:
            self.add("flag", flag="label_issue", task="label_issue", old="canary", new="shadow", reason="severe false accept: call call-1586, confirmed by ana and ben", actor="router")
        if day == 30:
            self.add("receipt", task="triage_ticket", task_revision="r", policy_revision=self.policy, models=[{"id": "small", "name": "qwen3-1.7b", "digest": "sha256:feed"}],
                     epoch="2026-03-02.3", attempt=1, would_accepts=1600, drawn=330, false_or_unlabelled=0, false_accept_upper_bound=0.0171, approver="ana",
                     issued_at="2026-04-01T17:00:00.000Z", expires_at="2026-06-30T17:00:00.000Z")
            self.add("flag", flag="triage_ticket", task="triage_ticket", old="shadow", new="canary", reason="gate passed", actor="uid:1000")
        if day == 35:
            self.add("stop", received=12000, recorded=11950, answered=20, malformed=24, shed=6, in_flight=0, lost_by_sender=3)
            self.add("start", version="1", policy_revision=self.policy, generation=1, pid=2, kill_switch=False)

    def one(self, number, day):
        dice, id, run = self.dice, "call-%d" % number, "run-%d" % (number // 6)
        task = ["triage_ticket", "triage_ticket", "label_issue", "summarize_log", "draft_reply", "write_patch"][number % 6]
        common = {"task": task, "run_id": run, "task_id": "ticket-%d" % (number // 3), "agent": ["helpdesk", "fixer", "writer"][number // 6 % 3], "policy": self.policy,
                  "model": "qwen3-1.7b", "local_model_id": "small", "digest": "sha256:feed"}
        cost, ms = 0.002 + 0.004 * dice.random(), 500 + 2500 * dice.random() ** 2
        if task == "write_patch":
            self.call(id, sampled=False, **common, route_candidate="frontier", reason="policy_requires_frontier", local_model=None, local_model_digest=None, label=None, confidence=None,
                      checks={"policy_requires_frontier": "fail"})
            return self.compared(id, "unknown", "not_asked", None, ms, cost * 4)
        if dice.random() < 0.1:
            self.call(id, sampled=False, **common, route_candidate="frontier", reason="hard_stop_access", local_model=None, local_model_digest=None, label=None, confidence=None,
                      checks={"hard_stop_access": "fail"}, hard_stop_match=[{"class": "access", "term": dice.choice(["token", "403", "sso"]), "where": "input"}])
            return self.compared(id, "unknown", "not_asked", None, ms, cost)
        wrong = dice.random() < {"triage_ticket": 0.004, "label_issue": 0.09, "summarize_log": 0.03, "draft_reply": 0.03}[task]
        truth = dice.choice(LABELS[:3] if wrong and task == "label_issue" else LABELS)
        label = "other" if wrong and task == "label_issue" and dice.random() < 0.7 else dice.choice([l for l in LABELS if l != truth]) if wrong else truth
        confidence = round(dice.uniform(0.6, 0.93) if wrong else dice.uniform(0.68, 1), 2)
        threshold = 0.68 if task == "summarize_log" else 0.6 if task == "draft_reply" else 0.72
        low = confidence < threshold
        live = task == "triage_ticket" and day > 30
        drawn = not low and dice.random() < {"triage_ticket": 0.2, "label_issue": 0.1, "draft_reply": 0.02}.get(task, 0.05)
        local = live and not low and dice.random() < 0.5
        audit = local and dice.random() < 0.1
        subject = dice.choice(["The invoice of [email] is wrong", "The importer crashes on an empty file", "I cannot sign in since Monday", "Please cancel order %d" % number])
        self.call(id, sampled=drawn, confidence=confidence, label=label, **common, route_candidate="frontier" if low else "local", reason="confidence_low" if low else None,
                  stage="canary" if live else "shadow", cohort="local" if local else "control" if live and dice.random() < 0.1 else "shadow", route="local" if local else "frontier", audit=audit,
                  input_preview=subject + (" and the refund of last month is missing" if wrong else ""), answer_preview=label, validator_result="passed schema, confidence %.2f" % confidence,
                  local_latency_ms=80 + 120 * dice.random(), local_cost_usd=0.00001, fallback_triggered=low,
                  checks={"hard_stop_security": "pass", "hard_stop_access": "pass", "input_too_large": "pass", "local_unavailable": "pass", "schema_invalid": "pass",
                          "label_escalated": "pass", "confidence_low": "fail" if low else "pass"})
        if local and not audit:
            pass
        elif task == "summarize_log" and dice.random() < 0.4:
            self.compared(id, "unknown", "no_label_found", None, ms, cost)
        else:
            self.compared(id, "disagree" if wrong else "agree", "label_differs" if wrong else "label_equal", truth, ms, cost)
        if number % 6 == 4:
            self.add("outcome", call_id=None, run_id=run, result="success" if dice.random() < 0.85 else "failure", source="agent", approved_by=None)
        if number % 5 == 0:
            self.add("outcome", call_id=id, run_id=None, result="success", source="user", approved_by=None)
        if drawn or (wrong and not low and dice.random() < 0.3):
            self.labelled.append((id, task, wrong, drawn))

    def compared(self, id, agreement, detail, label, ms, cost):
        self.add("comparison", call_id=id, frontier_model="claude-sonnet-4-6", frontier_status="ok", frontier_answer_hash=None, frontier_answer_preview=label, frontier_label=label,
                 agreement=agreement, agreement_score=None, agreement_detail=detail, frontier_latency_ms=ms, fallback_latency_ms=ms + 30, frontier_input_tokens=400,
                 frontier_output_tokens=20, frontier_cost_usd=cost)

    def review_some(self, day):
        """Two people label what was drawn, of some tasks; a tenth of it both."""
        left = []
        for id, task, wrong, drawn in self.labelled:
            if task == "draft_reply" or (task == "label_issue" and self.dice.random() < 0.4):
                left.append((id, task, wrong, drawn))
                continue
            people = ["ana", "ben"] if wrong or self.dice.random() < 0.1 else [self.dice.choice(["ana", "ben"])]
            for person in people:
                stream = "second" if person != people[0] else "certificate" if drawn else "hunt"
                severity = (3 if self.dice.random() < 0.2 else 2 if task == "label_issue" and self.dice.random() < 0.3 else 1) if wrong else None
                self.review(id, "escalate" if wrong else "unsure" if self.dice.random() < 0.002 else "accept", person, stream, severity=severity,
                            missed_stop=wrong and severity == 3, note="refunds are never local" if wrong and person == people[-1] else None)
        self.labelled = [item for item in left if self.dice.random() < 0.7 or item[1] == "draft_reply"]
        if day in (25, 33):
            for index in range(12):
                self.review("call-%d" % (day * 50 + index), "accept" if index == 5 and day == 33 else "escalate", ["ana", "ben"][index % 2], "planted", severity=1)


def write(folder):
    """The policy's path and the state folder."""
    policy, state = os.path.join(folder, "policy.yaml"), os.path.join(folder, "state")
    with open(policy, "w") as file:
        file.write(POLICY)
    Story(state, POLICY).tell()
    return policy, state


if __name__ == "__main__":
    print(*write(sys.argv[1]))
