"""The report over a long log: its counts, the same bytes with and without what is kept beside the log, and DuckDB's counts."""
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile

from sidecar import *

sys.path.append(os.path.join(ROOT, "Tests", "Benchmarks"))
import report_log  # noqa: E402

RECORDS = 20_000


class Log:
    def __enter__(self):
        if not os.path.exists(report_log.generator()):
            raise Skipped("no outside data: %s" % os.path.basename(report_log.generator()))
        self.state = tempfile.mkdtemp(prefix="summaries-")
        # Segments as small as these are many.
        report_log.SEGMENT = 2 << 20
        self.segments = report_log.write(self.state, RECORDS)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.state, ignore_errors=True)

    @property
    def folder(self):
        return os.path.join(self.state, "log")

    @property
    def kept(self):
        return os.path.join(self.state, "summaries", "report")

    def report(self, *words):
        result = run("report", "--state-dir", self.state, "--policy", os.path.join(self.state, "none"), *words)
        equal(result.returncode, 0, "report: " + result.stderr)
        return result.stdout

    def forget(self):
        shutil.rmtree(os.path.join(self.state, "summaries"), ignore_errors=True)

    def lines(self):
        for name in sorted(os.listdir(self.folder)):
            if name.endswith(".ndjson"):
                yield from open(os.path.join(self.folder, name), "rb")


def test_counts_equal_an_independent_fold():
    with Log() as log:
        calls, agreement, stops = {}, {}, collections.Counter()
        for line in log.lines():
            record = json.loads(line)
            if record["kind"] == "decision":
                calls[record["call_id"]] = record
                stops.update((record["task_type"], stop["class"], stop["term"]) for stop in record["hard_stop_match"])
            else:
                agreement[record["call_id"]] = record
        for _ in range(2):  # from the lines, then from the summary
            value = json.loads(log.report("--format", "json"))
            for task in value["tasks"]:
                own = [c for c in calls.values() if c["task_type"] == task["task_type"]]
                accepted = [c for c in own if c["route_candidate"] == "local"]
                equal((task["calls"], task["would_accepts"]), (len(own), len(accepted)), "calls of " + task["task_type"])
                equal(task["disagree"], sum(agreement[c["call_id"]]["agreement"] == "disagree" for c in accepted), "disagreements")
                equal({k: v for k, v in task["reasons"].items() if v}, dict(collections.Counter(c["reason"] or "accepted" for c in own)), "reasons")
                times = sorted(c["local_latency_ms"] for c in own if c["local_latency_ms"] is not None)
                equal([task["local_latency_ms"][p] for p in ("p50", "p95", "p99")], [times[-(-len(times) * p // 100) - 1] for p in (50, 95, 99)],
                      "ranks of " + task["task_type"])
            equal({(s["task_type"], s["class"], s["term"]): s["count"] for s in value["hard_stops"]}, dict(stops), "hard stops")
        check(os.path.exists(log.kept), "nothing was kept beside the log")


def test_same_bytes_with_and_without():
    with Log() as log:
        for words in (["--format", "json"], ["--format", "html"], [], ["--week", "2025-W41", "--format", "json"], ["--since", "2025-10-09T09:20:00.000Z"]):
            log.forget()
            first = log.report(*words)
            log.report()  # keeps all that there is
            check(os.path.exists(log.kept), "nothing was kept")
            equal(log.report(*words), first, "the report %s with a summary" % words)
        equal(oct(os.stat(log.kept).st_mode & 0o777), "0o600", "its rights")
        # More records, reviews of the oldest calls among them.
        report_log.write(log.state, 2_000, seed=7, segments=log.segments)
        first_call = json.loads(next(log.lines()))["call_id"]
        log.segments.add(1760100000000, "review", '"call_id":"%s","review_label":"escalate","severity":2,"reviewer":"ana"' % first_call)
        log.segments.close()
        grown = log.report("--format", "json")
        equal(json.loads(grown)["totals"]["reviews"]["escalate"], 1, "the late review of an early call")
        log.forget()
        equal(log.report("--format", "json"), grown, "the grown log without a summary")


def test_the_log_does_not_mind():
    with Log() as log:
        log.report()
        check(os.path.exists(log.kept), "nothing was kept")
        equal(run("verify-log", "--state-dir", log.state).returncode, 0, "verify-log beside a summary")
        equal(run("tail", "--state-dir", log.state, "--last", "2").stdout.count("\n"), 2, "tail beside a summary")
        with Sidecar("models:\n  f: {provider: anthropic, name: f}\ntasks:\n  t: {local: false}\n", start=False) as router:
            shutil.rmtree(os.path.join(router.state, "log"), ignore_errors=True)
            shutil.copytree(log.folder, os.path.join(router.state, "log"))
            router.start()
            router.stop()
            equal(router.command("verify-log").returncode, 0, "verify-log after a router went on with that log")
            equal(json.loads(router.command("report", "--format", "json").stdout)["totals"]["calls"], RECORDS // 2, "calls")


def test_duckdb_counts_the_same():
    if subprocess.run([sys.executable, "-c", "import duckdb"], capture_output=True).returncode:
        raise Skipped("python3 has no duckdb")
    import report_duck
    with Log() as log:
        report_duck.compare(json.loads(log.report("--format", "json")), report_duck.query(os.path.join(log.folder, "*.ndjson"), 1, "columns"))
