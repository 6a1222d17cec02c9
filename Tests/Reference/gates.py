#!/usr/bin/env python3
"""Holds `gate` of the built program against public events whose true rates are known.

    gates.py [--sources a,b]      # exit 1 where a gate answers otherwise than it must, 3 where the surroundings fail

Every source with recorded small models is a task. Its would-accepts go to a log as the router writes it; `weak.correct` plays the
reviewer. The counts must equal those of this script. The gate must refuse every task whose true rate is over its limit, and
must pass every resampled one whose true rate is at most a quarter of it, within 1.5 × the reviews that the formula needs at that rate.

Binary: $SHADOW_ROUTER_BIN or .build/release/shadow-router. Data: $SHADOW_ROUTER_SHARED, default ../shared.
"""
import argparse
import datetime
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "Support")]
import reference  # noqa: E402
from log_writer import LogWriter  # noqa: E402

MIN_CONFIDENCE = 0.5
LIMIT = 0.01  # the default of gate.max_false_accept_rate
SLACK = 1.5
ALPHA = 0.04 * 6 / math.pi**2  # of a task's first epoch
BETS = [(0, 1 / 2), (1 / 16, 1 / 8), (1 / 8, 1 / 8), (1 / 4, 1 / 8), (1 / 2, 1 / 8)]


def binary():
    path = os.environ.get("SHADOW_ROUTER_BIN") or os.path.join(HERE, "..", "..", ".build", "release", "shadow-router")
    if not os.access(path, os.X_OK):
        print("no release build at %s" % path, file=sys.stderr)
        sys.exit(3)
    return os.path.abspath(path)


def enough(k, n, limit):
    """Whether E(k, n; limit) ≥ 1/α: the formula, once more."""
    terms = [math.log(w) + (k * math.log(f) if k else 0) + (n - k) * (math.log1p(-f * limit) - math.log1p(-limit))
             for f, w in BETS if f > 0 or k == 0]
    top = max(terms)
    return top + math.log(sum(math.exp(t - top) for t in terms)) >= -math.log(ALPHA)


def reviews_needed(rate, limit):
    """The reviews at which the expected number of false ones is first outweighed."""
    return next(n for n in range(1, 1 << 20) if enough(round(rate * n), n, limit))


class Task:
    """A state folder whose log grows, and the gate over it."""

    def __init__(self, limit):
        self.folder = tempfile.mkdtemp(prefix="router-gates-")
        self.policy = os.path.join(self.folder, "router-policy.yaml")
        with open(self.policy, "w", encoding="utf-8") as file:
            file.write('models:\n  small: {provider: ollama, name: small, endpoint: "http://127.0.0.1:9/api/generate"}\n'
                       "tasks:\n  t: {local: true, min_confidence: %g, gate: {max_false_accept_rate: %g}}\n" % (MIN_CONFIDENCE, limit))
        now = datetime.datetime.now(datetime.timezone.utc)
        self.log = LogWriter(os.path.join(self.folder, "state"), now - datetime.timedelta(days=13))
        self.log.drill()
        self.count = 0

    def accept(self, confidence, correct):
        """One drawn would-accept and its label. A tenth of a minute each: all inputs differ."""
        call_id = "c%d" % self.count
        self.count += 1
        self.log.call(call_id, label=None, confidence=confidence)
        self.log.review(call_id, "accept" if correct else "escalate")
        self.log.now += datetime.timedelta(seconds=6)

    def gate(self):
        self.log.flush()
        result = subprocess.run([binary(), "gate", "t", "--json", "--policy", self.policy, "--state-dir", os.path.join(self.folder, "state"),
                                 "--runtime-dir", os.path.join(self.folder, "run")], capture_output=True, text=True, timeout=120)
        if not result.stdout:
            print(result.stderr, file=sys.stderr)
            sys.exit(3)
        value = json.loads(result.stdout)
        if (result.returncode == 0) != (value["outcome"] == "pass"):
            print("outcome %s with exit %d" % (value["outcome"], result.returncode), file=sys.stderr)
            sys.exit(3)
        return value

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def accepted(events):
    """(confidence, correct) of the would-accepts: answered, and confident enough where a confidence is given."""
    for event in events:
        weak = event["weak"]
        if weak.get("answer") is None or weak.get("correct") is None:
            continue
        confidence = 0.95 if weak.get("confidence") is None else weak["confidence"]
        if confidence >= MIN_CONFIDENCE:
            yield confidence, bool(weak["correct"])


def recorded(sources):
    """Every source as it is: refused, because every one of these models is wrong far too often."""
    print("Recorded tasks, limit %.2f %%\n" % (100 * LIMIT))
    print("%-18s %8s %7s %9s %-18s %s" % ("source", "accepts", "false", "rate", "gate", "counts"))
    faults = 0
    for source, answers in sources.items():
        false = sum(not correct for _, correct in answers)
        rate = false / len(answers)
        task = Task(LIMIT)
        try:
            for confidence, correct in answers:
                task.accept(confidence, correct)
            value = task.gate()
        finally:
            task.close()
        epoch = value["epoch"]
        same = (epoch["would_accepts"], epoch["drawn"], epoch["false"]) == (len(answers), len(answers), false)
        wrong = rate > LIMIT and value["outcome"] == "pass"
        faults += wrong + (not same)
        print("%-18s %8d %7d %8.2f%% %-18s %s" % (source, len(answers), false, 100 * rate, value["outcome"] + (" WRONG" if wrong else ""),
                                                "equal" if same else "DIFFER: %r" % epoch), flush=True)
    return faults


def resampled(sources):
    """Every source mixed so that its rate is a part of its limit: passes before 1.5 × what the formula needs.

    The false ones come evenly, each at a random place of its stretch: the rate is the true one, not one of luck.
    """
    print("\nResampled tasks: the same answers, mixed\n")
    print("%-18s %8s %9s %9s %8s %8s" % ("source", "limit", "rate", "formula", "passed", "ratio"))
    faults = 0
    for source, answers in sources.items():
        right, wrong = [a for a in answers if a[1]], [a for a in answers if not a[1]]
        if not right or not wrong:
            continue
        for limit, part in [(LIMIT, 0), (LIMIT, 1 / 8), (LIMIT, 1 / 4), (0.05, 1 / 4)]:
            dice = random.Random("%s %g %g" % (source, limit, part))
            rate = limit * part
            need = reviews_needed(rate, limit)
            most = int(SLACK * need)
            stretch = round(1 / rate) if rate else most + 1
            places = {start + dice.randrange(stretch) for start in range(0, most + 1, stretch)} if rate else set()
            task, passed = Task(limit), None
            try:
                step = max(1, most // 24)
                for index in range(most):
                    task.accept(*dice.choice(wrong if index in places else right))
                    if (index + 1) % step == 0 and index + 1 >= need / 2 and task.gate()["outcome"] == "pass":
                        passed = index + 1
                        break
            finally:
                task.close()
            faults += passed is None
            print("%-18s %7.2f%% %8.3f%% %9d %8s %8s" % (source, 100 * limit, 100 * rate, need, passed or "NEVER",
                                                       "%.2f" % (passed / need) if passed else ">1.5"), flush=True)
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", help="only these, separated by commas")
    options = parser.parse_args()
    sources = {}
    for path in reference.event_files():
        events = reference.events_of(path)
        source = events[0]["source"]
        answers = list(accepted(events))
        if len(answers) >= 30 and (not options.sources or source in options.sources.split(",")):
            sources[source] = answers
    if not sources:
        print("SKIPPED: gates over public events: no data in %s" % reference.SHARED)
        return 0
    faults = recorded(sources) + resampled(sources)
    print("\n%d tasks, %d answers other than they must be" % (len(sources), faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
