#!/usr/bin/env python3
"""The built binary's `demo`: what a new user runs first, and what it leaves behind."""
import collections
import csv
import io
import json
import os
import re
import signal
import subprocess
import tempfile

import sidecar
from sidecar import check, equal, main, run, until

CALLS = os.path.join(sidecar.ROOT, "policies", "demo", "calls.ndjson")
POLICIES = os.path.join(sidecar.ROOT, "policies")


def records(state):
    folder = os.path.join(state, "log")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines)


def demo(folder, *options, env=None):
    result = run("demo", "--demo-dir", POLICIES, "--output", os.path.join(folder, "report.html"), *options,
                 timeout=120, env={"TMPDIR": folder, **(env or {})})
    return result


def test_the_whole_loop_is_in_the_log_that_it_keeps():
    with tempfile.TemporaryDirectory() as folder:
        kept = os.path.join(folder, "kept")
        result = demo(folder, "--keep", kept, "--json")
        equal(result.returncode, 0, "exit code; " + result.stderr)
        summary = json.loads(result.stdout)
        state = os.path.join(kept, "state")
        equal(run("verify-log", "--state-dir", state).returncode, 0, "verify-log")
        equal(sorted(os.listdir(folder)), ["kept", "report.html"], "what stays")
        equal(os.stat(kept).st_mode & 0o777, 0o700, "mode of the folder that holds prompts' hashes and keys")

        calls = [json.loads(line) for line in open(CALLS, encoding="utf-8")]
        kinds = collections.defaultdict(list)
        for record in records(state):
            kinds[record["kind"]].append(record)
        equal(collections.Counter(r["call_id"] for r in kinds["decision"]),
              collections.Counter(c["call_id"] for c in calls), "one decision a call")
        equal(collections.Counter(r["call_id"] for r in kinds["comparison"]),
              collections.Counter(c["call_id"] for c in calls), "one comparison a call")
        reasons = collections.Counter(r["reason"] for r in kinds["decision"])
        equal(reasons["manual_override"], 30, "decisions under the kill switch")
        equal(reasons["local_unavailable"], 0, "calls that no candidate was asked about for want of room")
        check(kinds["decision"][-1]["reason"] != "manual_override", "the kill switch is off at the end")
        equal(len(kinds["gap"]), 0, "gaps")

        equal([p["taken"] for p in kinds["policy"]], [True, False], "reloads: the edit taken, the broken one refused")
        (error,) = kinds["policy"][1]["errors"][:1]
        check(re.search(r"demo\.yaml:\d+:\d+: error: ", error) and "min_confidense" in error,
              "the refusal names file, line and column: " + error)
        revisions = [r["policy_revision"] for r in kinds["decision"]]
        turn = revisions.index(kinds["policy"][0]["revision"])
        equal((turn, len(set(revisions[:turn])), len(set(revisions[turn:]))), (len(calls) // 2, 1, 1),
              "the first half by the one policy, the second by the other")

        stop = kinds["stop"][-1]
        equal((stop["received"], stop["recorded"]), (2 * len(calls), 2 * len(calls)), "frames received, recorded")
        for name in ("malformed", "shed", "in_flight", "lost_by_sender"):
            equal(stop[name], 0, name)
            equal(summary["balance"][name], 0, name + " as summed up")
        the_figures_are_those_of_the_log(kinds, summary)
        the_report_shows_them(folder, state, kept)


def the_figures_are_those_of_the_log(kinds, summary):
    """Counted here from the records, by nothing of the program's."""
    agreement = {r["call_id"]: r["agreement"] for r in kinds["comparison"]}
    counts = collections.defaultdict(collections.Counter)
    for record in kinds["decision"]:
        task = counts[record["task_type"]]
        task["calls"] += 1
        if record["route_candidate"] == "local":
            task["would_accepts"] += 1
            task["disagree"] += agreement[record["call_id"]] == "disagree"
    told = {task.pop("task_type"): task for task in summary["tasks"]}
    equal(set(told), set(counts), "tasks")
    for name, task in told.items():
        for key in ("calls", "would_accepts", "disagree"):
            equal(task[key], counts[name][key], "%s of %s" % (key, name))
    equal(told["route_request"]["looks"], "looks_ready_for_review", "the task that looks ready")
    equal(told["banking_intent"]["looks"], "looks_bad", "the task that looks bad")
    equal(told["predict_output"]["would_accepts"], 0, "would-accepts of the task that the policy keeps away")


def the_report_shows_them(folder, state, kept):
    policy = os.path.join(kept, "policies", "demo.yaml")
    text = run("report", "--format", "json", "--state-dir", state, "--policy", policy).stdout
    suspected = [f for f in json.loads(text)["false_accepts"] if f["standing"] == "suspected"]
    check(len(suspected) >= 5, "%d suspected false accepts" % len(suspected))
    check(all(f["label"] != f["frontier_label"] for f in suspected), "each differs from the frontier's answer")
    rows = list(csv.DictReader(io.StringIO(run("report", "--format", "csv", "--state-dir", state).stdout)))
    equal(len(rows), 3130, "rows of the CSV")
    html = open(os.path.join(folder, "report.html"), encoding="utf-8").read()
    for word in ("route_request", "banking_intent", suspected[0]["call_id"]):
        check(word in html, "the HTML report says %s" % word)


def test_it_fits_eighty_columns_and_leaves_only_the_report():
    with tempfile.TemporaryDirectory() as folder:
        result = demo(folder, env={"NO_COLOR": "1"})
        equal(result.returncode, 0, "exit code; " + result.stderr)
        equal(os.listdir(folder), ["report.html"], "what stays")
        own = [line for line in (result.stderr + result.stdout).splitlines() if folder not in line]
        wide = [line for line in own if len(line) > 80 and sidecar.ROOT not in line]
        equal(wide, [], "lines over 80 columns")
        check("\x1b" not in result.stdout + result.stderr and "\r" not in result.stderr, "plain text off the terminal")


def test_interrupted_it_ends_its_sidecar_and_leaves_nothing():
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sidecar.binary(), "demo", "--demo-dir", POLICIES, "--output", os.path.join(folder, "report.html")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env={**os.environ, "TMPDIR": folder})
        first = ""
        while "process " not in first:
            first = process.stderr.readline()
            check(first, "the demo ended before its sidecar was ready")
        child = int(re.search(r"process (\d+)", first).group(1))
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        equal(process.returncode, 1, "exit code; " + said)
        check("interrupted" in said, "it says why it ended: " + said)
        until(lambda: not os.path.exists("/proc/%d" % child), "the sidecar is gone")
        equal(os.listdir(folder), [], "what stays")


def test_what_is_wrong_is_said_with_what_to_do():
    with tempfile.TemporaryDirectory() as folder:
        empty = os.path.join(folder, "empty")
        os.mkdir(empty)
        full = os.path.join(folder, "full")
        os.mkdir(full)
        open(os.path.join(full, "x"), "w").close()
        for words, code, remedy in [
            (["--demo-dir", empty], 3, "policies"),
            (["--demo-dir", POLICIES, "--keep", full], 4, "new folder"),
            (["--demo-dir", POLICIES, "--output", os.path.join(folder, "none", "r.html")], 3, "--output"),
            (["now"], 2, "usage"),
        ]:
            result = run("demo", *words, env={"TMPDIR": empty})
            equal(result.returncode, code, " ".join(words))
            check(remedy in result.stderr, "%s says what to do: %s" % (words, result.stderr))
        equal((os.listdir(empty), os.listdir(full)), ([], ["x"]), "nothing was made or removed")


if __name__ == "__main__":
    main(globals())
