"""What a live decision costs: from an agent's frame to its reply, beyond the built-in model's own time.

One connection, one call at a time, as an agent waits: the frame goes out, the reply is read, both with bare sockets. The
model's own time is `local_latency_ms` of the same call's record. Prints the table; nothing is written.
"""
import json
import os
import shutil
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "EndToEnd"))
from live import *  # noqa: E402

CALLS, WARM = 5000, 500
LIMIT_US = 200


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def policy(labels):
    # min_confidence 0: what is measured is the way of a local answer, not how often there is one.
    return ("models:\n  small: {provider: builtin, file: small.model}\n"
            "tasks:\n  t: {local: true, labels: [%s], min_confidence: 0, control_share: 0, audit_share: 0}\n" % ", ".join(labels))


def main():
    demo = os.path.join(ROOT, "policies", "demo")
    with open(os.path.join(demo, "tasks.json")) as file:
        labels = json.load(file)["route_request"]["labels"]
    with open(os.path.join(demo, "calls.ndjson")) as file:
        texts = [c["input"] for c in map(json.loads, file) if c["task_type"] == "route_request"]
    with Sidecar(policy(labels), start=False) as router:
        shutil.copy(os.path.join(demo, "models", "route_request.model"), os.path.join(router.folder, "small.model"))
        router.start()
        go_live(router)
        tap = router.tap()
        times, routes = [], {}
        for index in range(CALLS + WARM):
            frame = ask("b%d" % index, text=texts[index % len(texts)])
            start = time.perf_counter_ns()
            tap.socket.sendall(frame)
            line = b""
            while not line.endswith(b"\n"):
                line += tap.socket.recv(1 << 16)
            times.append((time.perf_counter_ns() - start) / 1000)
            route = json.loads(line)["route"]
            routes[route] = routes.get(route, 0) + 1
        pings = []
        for _ in range(2000):
            start = time.perf_counter_ns()
            tap.socket.sendall(b'{"kind":"ping"}\n')
            tap.socket.recv(100)
            pings.append((time.perf_counter_ns() - start) / 1000)
        router.wait_for("decision", CALLS + WARM)
        own = {r["call_id"]: r["local_latency_ms"] * 1000 for r in router.records("decision") if r["route"] == "local"}
        # Hard stops in some texts: those ask no model.
        local = [i for i in range(WARM, CALLS + WARM) if "b%d" % i in own]
        beyond = [times[i] - own["b%d" % i] for i in local]
        router.stop()
    p50 = statistics.median(beyond)
    print("calls %d, routes %s, load %s" % (CALLS, routes, " ".join(open("/proc/loadavg").read().split()[:3])))
    print("| figure | p50 | p99 |\n|---|---|---|")
    for name, values in (("frame to reply, live", [times[i] for i in local]), ("the built-in model's own time", list(own.values())), ("frame to reply, beyond the model", beyond), ("ping to pong", pings)):
        print("| %s | %.0f us | %.0f us |" % (name, statistics.median(values), quantile(values, 0.99)))
    print("p50 beyond the model: %.0f us, limit %d us: %s" % (p50, LIMIT_US, "met" if p50 < LIMIT_US else "NOT MET"))
    return 0 if p50 < LIMIT_US and len(local) > CALLS * 0.7 else 1


if __name__ == "__main__":
    sys.exit(main())
