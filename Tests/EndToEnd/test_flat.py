"""Many calls against the classifier: memory stays flat and no descriptor is added.

Calls: $SHADOW_ROUTER_FLAT_CALLS, 20,000 by default; the release check sends 100,000. Memory is looked at from call 20,000 on,
when every thread, buffer and table has been used; of fewer calls than 100,000 from their half. Calls are paced, so that every
one is asked.

Its steady growth is at most 5 %, what a gate keeps of each would-accept by design left out; with single steps (see
`steady_growth`) it is at most 25 %.
"""
import collections
import os
import time

from candidates import *

CALLS = int(os.environ.get("SHADOW_ROUTER_FLAT_CALLS") or 20000)
WINDOW = 128
GROWTH, STEP = 1.05, 1.25
# Bytes of a gate's evidence for each would-accept; see GatesTests and `LiveGates.undrawnLimit`.
EVIDENCE = 40
STEPS = 10


def texts():
    """Tickets without hard-stop terms, in turn."""
    with open(shared("tools", "candidate", "tickets.jsonl")) as file:
        rows = [json.loads(line) for line in file]
    return [row["text"] for row in rows if row["label"] != "account_access"]


def flat(name):
    provider, path = FORMATS[name]
    with Classifier("--slots", "16", "--queue", "1024") as server:
        policy = ('models:\n  m: {provider: %s, name: %s, endpoint: "%s", timeout_ms: 60000, max_concurrency: 4, max_queue: 2000}\n'
                  "tasks:\n  t: {local: true, labels: [%s], min_confidence: 0.5}\n" % (provider, CLASSIFIER, server.url(path), ", ".join(LABELS)))
        with Sidecar(policy) as router:
            pid, tap, rows, inputs = router.process.pid, router.tap(), [], texts()
            start = time.monotonic()

            def look(sent):
                if sent >= CALLS * len(rows) / STEPS:
                    until(lambda: in_flight(router) == 0, "all calls are decided", 120, 0.02)
                    rows.append((sent, resident_mib(pid), least(lambda: descriptors(pid), 5), least(lambda: threads(pid), 5), time.monotonic() - start))

            look(0)
            frames = [call("flat-%d" % i, "t", inputs[i % len(inputs)]) + answer("flat-%d" % i, "billing", label="billing") for i in range(CALLS)]
            send_paced(router, tap, frames, WINDOW, 32, look)
            table("%d calls against the classifier (%s)" % (CALLS, name), [("calls", "RSS MiB", "descriptors", "threads", "seconds")] +
                  [("%d" % sent, "%.1f" % rss, fds, count, "%.0f" % seconds) for sent, rss, fds, count, seconds in rows])
            warm, last = rows[STEPS // 5 if CALLS >= 100000 else STEPS // 2], rows[-1]
            balance = router.status()["balance"]
            equal((balance["received"] - balance["answered"], balance["shed"], balance["malformed"]), (2 * CALLS, 0, 0), "frames received, shed, malformed")
            router.stop()
            reasons = collections.Counter()
            for line in router.lines():
                if b'"kind":"decision"' in line:
                    record = json.loads(line)
                    reasons["%s %s" % (record["reason"], record["detail"])] += 1
            equal(sum(reasons.values()), CALLS, "decisions")
            unasked = {why: n for why, n in reasons.items() if why.startswith("local_unavailable")}
            equal(unasked, {}, "calls that no answer came for")
            figure("resident memory after %d and after %d calls" % (warm[0], last[0]), "%.1f and %.1f MiB (%+.1f %%)" % (warm[1], last[1], (last[1] / warm[1] - 1) * 100))
            steady = steady_growth([row[1] for row in rows[rows.index(warm):]])
            evidence = EVIDENCE * (last[0] - warm[0]) / (1 << 20)
            figure("steady growth between them", "%.2f MiB, of which evidence at most %.2f" % (steady, evidence))
            check(steady - evidence <= warm[1] * (GROWTH - 1), "memory grows by %.1f MiB from %.1f after %d calls to call %d" % (steady, warm[1], warm[0], last[0]))
            check(last[1] <= warm[1] * STEP, "memory grew from %.1f MiB after %d calls to %.1f MiB after %d" % (warm[1], warm[0], last[1], last[0]))
            check(last[2] <= warm[2], "descriptors: %d after %d calls, %d after %d" % (warm[2], warm[0], last[2], last[0]))
            check(last[3] <= warm[3], "threads: %d after %d calls, %d after %d" % (warm[3], warm[0], last[3], last[0]))


def test_memory_and_descriptors_stay_flat():
    flat("ollama generate")


if __name__ == "__main__":
    main(globals())
