#!/usr/bin/env python3
"""Sends every public event through the built router, its candidates being recorded answers of real small models, and
compares the log with `reference.py`, call by call.

    run_events.py [--sources a,b] [--limit N] [--keep]      # exit 1 on any difference, 3 where the surroundings fail

Binary: $SHADOW_ROUTER_BIN or .build/release/shadow-router. Data: $SHADOW_ROUTER_SHARED, default ../shared.

Every source is a task of its own with a recorded_server of its own: prompts repeat between sources, and one book of all
would answer with another source's recording. Sources without recordings share a server that knows nothing (404).
"""
import argparse
import collections
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reference  # noqa: E402

ROOT = os.path.join(reference.HERE, "..", "..")
SHOWN = 5  # differences printed a source


class Surroundings(Exception):
    pass


def binary():
    path = os.environ.get("SHADOW_ROUTER_BIN") or os.path.join(ROOT, ".build", "release", "shadow-router")
    if not os.access(path, os.X_OK):
        raise Surroundings("no release build at %s" % path)
    return os.path.abspath(path)


class Candidates:
    """The recorded servers, one a source that has recordings, one for all others."""

    def __init__(self, sources):
        self._processes, self.ports = [], {}
        silent = None
        for source, (path, events) in sources.items():
            if any(event["weak"].get("answer") is not None for event in events):
                self.ports[source] = self._start(path)
            else:
                silent = silent or self._start(path)
                self.ports[source] = silent

    def _start(self, path):
        server = os.path.join(reference.SHARED, "tools", "candidate", "recorded_server.py")
        process = subprocess.Popen([sys.executable, server, "--port", "0", path], stdout=subprocess.PIPE, text=True)
        self._processes.append(process)
        line = process.stdout.readline().split()
        if line[:1] != ["LISTENING"]:
            raise Surroundings("the recorded server did not start for %s" % path)
        return int(line[1])

    def close(self):
        for process in self._processes:
            process.kill()
            process.wait()


def yaml_of(policy, ports):
    """The policy as the router reads it. Values are JSON, which is YAML as well."""
    lines = ["models:", "  expensive: {provider: openai, name: frontier-model}"]
    for port in sorted(set(ports.values())):
        model = {"provider": "ollama", "name": "recorded", "endpoint": "http://127.0.0.1:%d/api/generate" % port, "timeout_ms": 60000, "max_concurrency": 8, "max_queue": 4096}
        lines.append("  at_%d: %s" % (port, json.dumps(model)))
    lines += ["defaults:", "  frontier: expensive", "tasks:"]
    for source, task in policy["tasks"].items():
        task = {**{name: value for name, value in task.items() if name != "name"}, "model": "at_%d" % ports[source]}
        lines.append("  %s: %s" % (json.dumps(source), json.dumps(task, ensure_ascii=False)))
    return "\n".join(lines) + "\n"


class Router:
    """The built binary in folders of its own."""

    def __init__(self, policy):
        self.folder = tempfile.mkdtemp(prefix="router-events-")
        self.state, runtime = os.path.join(self.folder, "state"), os.path.join(self.folder, "run")
        os.mkdir(self.state, 0o700)
        os.mkdir(runtime, 0o700)
        path = os.path.join(self.folder, "router-policy.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(policy)
        self._said, self._ready = [], threading.Event()
        arguments = [binary(), "run", "--policy", path, "--state-dir", self.state, "--runtime-dir", runtime]
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen, daemon=True).start()
        if not self._ready.wait(20) or self.process.poll() is not None:
            self.close(keep=False)
            raise Surroundings("the router did not get ready: " + "".join(self._said)[-2000:])
        self.tap = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.tap.connect(os.path.join(runtime, "tap.sock"))
        self._places = {}  # segment → bytes read

    def _listen(self):
        for line in self.process.stderr:
            self._said.append(line)
            if line.startswith("ready"):
                self._ready.set()
        self._ready.set()

    def new_records(self):
        """What was appended to the log since the last look, whole lines only."""
        folder = os.path.join(self.state, "log")
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if not name.endswith(".ndjson"):
                continue
            with open(os.path.join(folder, name), "rb") as file:
                file.seek(self._places.get(name, 0))
                block = file.read()
            whole = block.rfind(b"\n") + 1
            self._places[name] = self._places.get(name, 0) + whole
            for line in block[:whole].split(b"\n"):
                if line:
                    yield json.loads(line)

    def stop(self):
        self.tap.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            if self.process.wait(30) != 0:
                raise Surroundings("the router ended with %d" % self.process.returncode)
        except subprocess.TimeoutExpired:
            raise Surroundings("SIGTERM did not stop the router within 30 s") from None

    def close(self, keep):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if keep:
            print("kept: " + self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


class Log:
    """The decisions and comparisons of the log, by call."""

    def __init__(self, router):
        self._router = router
        self.decisions, self.comparisons = collections.defaultdict(list), collections.defaultdict(list)

    def read(self):
        for record in self._router.new_records():
            kept = {"decision": self.decisions, "comparison": self.comparisons}.get(record["kind"])
            if kept is not None:
                kept[record["call_id"]].append(record)

    def wait(self, decisions, comparisons, seconds):
        """Whether the log has that many calls decided and compared, after at most `seconds` without any progress."""
        seen, end = None, time.monotonic() + seconds
        while time.monotonic() < end:
            self.read()
            now = (len(self.decisions), len(self.comparisons))
            if now[0] >= decisions and now[1] >= comparisons:
                return True
            if now != seen:
                seen, end = now, time.monotonic() + seconds
            if self._router.process.poll() is not None:
                raise Surroundings("the router died")
            time.sleep(0.02)
        return False


def send(router, log, rows, window):
    """Sends frames with at most `window` calls undecided, so that nothing needs to be shed."""
    sent = answered = 0
    for frames, _, agreements in rows:
        router.tap.sendall(b"".join(json.dumps(frame, ensure_ascii=False).encode("utf-8") + b"\n" for frame in frames))
        sent += 1
        answered += agreements is not None
        if sent % 16 == 0 and not log.wait(sent - window, 0, 60):
            raise Surroundings("no decision for 60 s with %d of %d decided" % (len(log.decisions), sent))
    return log.wait(sent, answered, 30)


def differences(call_id, decision, agreements, log):
    """What the log says otherwise, as (what, expected, found)."""
    decisions, comparisons = log.decisions.get(call_id, []), log.comparisons.get(call_id, [])
    if len(decisions) != 1:
        yield "decisions", 1, len(decisions)
    if len(comparisons) != (agreements is not None):
        yield "comparisons", int(agreements is not None), len(comparisons)
    if not decisions:
        return
    found = decisions[0]
    for name in ("reason", "reason_code", "route_candidate", "input_chars"):
        if found.get(name) != decision[name]:
            yield name, decision[name], "%r (detail %r)" % (found.get(name), found.get("detail"))
    matches = {(match["class"], match["term"], match["where"]) for match in found.get("hard_stop_match") or ()}
    if matches != decision["hard_stop_match"]:
        yield "hard_stop_match", sorted(decision["hard_stop_match"]), sorted(matches)
    # Whether a rejected answer is compared as well is left open; for a would-accept the verdict is not.
    if comparisons and (decision["reason"] is None or not decision["asked"]) and comparisons[0].get("agreement") not in agreements:
        yield "agreement", "/".join(sorted(agreements)), "%r (%r)" % (comparisons[0].get("agreement"), comparisons[0].get("agreement_detail"))


def judge(source, rows, log):
    """Prints a source's line and its first differences; gives their number."""
    found = collections.Counter()
    shown = 0
    expected_accepts = accepts = expected_disagree = disagree = 0
    for frames, decision, agreements in rows:
        call_id = frames[0]["call_id"]
        for what, expected, got in differences(call_id, decision, agreements, log):
            found[what] += 1
            shown += 1
            if shown <= SHOWN:
                print("  %s %s: %s expected %s, found %s" % (source, call_id, what, expected, got))
        logged = (log.decisions.get(call_id) or [{}])[0]
        compared = (log.comparisons.get(call_id) or [{}])[0].get("agreement")
        expected_accepts += decision["reason"] is None
        accepts += logged.get("route_candidate") == "local"
        expected_disagree += decision["reason"] is None and agreements == {"disagree"}
        disagree += logged.get("route_candidate") == "local" and compared == "disagree" and agreements != {"agree", "disagree"}
    extra = ", ".join("%s %d" % item for item in sorted(found.items())) or "-"
    print("%-18s %6d %7d %7d %9d %9d  %s" % (source, len(rows), expected_accepts, accepts, expected_disagree, disagree, extra), flush=True)
    return sum(found.values())


def run(options):
    reference.self_test()
    sources = {}
    for path in reference.event_files():
        events = reference.events_of(path)
        if not options.sources or events[0]["source"] in options.sources.split(","):
            sources[events[0]["source"]] = (path, events)
    if not sources:
        return 0
    binary()
    policy = reference.policy_for({source: events for source, (_, events) in sources.items()})
    rows = {source: list(reference.expectations(policy, source, path, events[: options.limit])) for source, (path, events) in sources.items()}
    candidates, router, started = Candidates(sources), None, time.monotonic()
    try:
        router = Router(yaml_of(policy, candidates.ports))
        log = Log(router)
        complete = send(router, log, [row for list_ in rows.values() for row in list_], options.window)
        router.stop()
        log.read()
        print("%-18s %6s %7s %7s %9s %9s  %s" % ("source", "calls", "accept", "found", "disagree", "found", "differences"))
        total = sum(judge(source, list_, log) for source, list_ in rows.items())
    finally:
        candidates.close()
        if router is not None:
            router.close(options.keep)
    known = {frames[0]["call_id"] for list_ in rows.values() for frames, _, _ in list_}
    strangers = (set(log.decisions) | set(log.comparisons)) - known
    if strangers:
        print("records of calls never sent: %d, such as %s" % (len(strangers), sorted(strangers)[0]))
    calls = sum(len(list_) for list_ in rows.values())
    print("%d calls in %.0f s, %d differences%s" % (calls, time.monotonic() - started, total, "" if complete else "; the log never became complete"))
    return 1 if total or strangers or not complete else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", help="only these, separated by commas")
    parser.add_argument("--limit", type=int, help="events a source, from its beginning")
    parser.add_argument("--window", type=int, default=192, help="calls that may be undecided at once")
    parser.add_argument("--keep", action="store_true", help="keep the router's folders")
    try:
        return run(parser.parse_args())
    except Surroundings as problem:
        print(problem, file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
