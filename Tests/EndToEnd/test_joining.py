"""Calls and the frontier's answers, in every order: each accepted answer is exactly one comparison (contract, section 2)."""
import random
import threading
import time

from sidecar import *


def labelled(endpoint):
    return ('models:\n  small: {provider: ollama, name: s, endpoint: "%s", max_concurrency: 4, max_queue: 20000}\n'
            "tasks:\n  t: {local: true, labels: [a, b], min_confidence: 0.5}\n  n: {local: false}\n" % endpoint)


def model(delay=0.0):
    def reply(request):
        time.sleep(delay)
        return generated({"label": "a", "confidence": 0.9})
    return ollama(reply)


def test_before_after_twice_and_while_the_candidate_thinks():
    with model(0.4) as candidate, Sidecar(labelled(candidate.endpoint)) as router:
        tap = router.tap()
        with BalanceWatch(router):
            tap.send(answer("before", "a") + call("before"))
            tap.send(call("thinking") + answer("thinking", "b"))
            tap.send(call("after"))
            tap.send(call("twice") + answer("twice", "a") + answer("twice", "b"))
            tap.send(answer("early-twice", "a") + answer("early-twice", "b") + call("early-twice"))
            tap.send(call("none", "n") + answer("none", "a"))
            tap.send(call("failed") + frame("answer", call_id="failed", error="overloaded"))
            router.wait_for("decision", 7)
            tap.send(answer("after", "a"))
            rows = router.wait_for("comparison", 7)
        found = {r["call_id"]: (r["agreement"], r["agreement_detail"], r["frontier_status"]) for r in rows}
        equal(found["before"][0], "agree", "an answer ahead of its call")
        equal(found["thinking"][0], "disagree", "an answer while the candidate thinks")
        equal(found["after"][0], "agree", "an answer after the decision")
        equal((found["twice"][0], found["early-twice"][0]), ("agree", "agree"), "the first of two answers")
        equal(found["none"][0], "unknown", "no candidate was asked")
        equal((found["failed"][0], found["failed"][2]), ("unknown", "error"), "the frontier failed")
        check(all(detail for agreement, detail, _ in found.values() if agreement == "unknown"), "an unknown without its cause")
        late = {r["call_id"]: r["fallback_latency_ms"] for r in rows}
        check(late["after"] >= 300, "fallback_latency_ms of an answer 0.4 s after its call: %s" % late["after"])
        tap.send(answer("before", "b"))
        tap.ping()
        stop = router.stop()
        equal(stop["malformed"], 3, "duplicate answers")
        equal(router.count("comparison"), 7, "comparisons")


def test_an_answer_to_an_unknown_call_is_unknown_within_some_ten_seconds():
    with Sidecar() as router:
        tap = router.tap()
        start = time.monotonic()
        tap.send(answer("stranger", "a"))
        tap.ping()
        equal(router.metrics()["shadow_router_frames_in_flight"], 1, "in flight while it waits for its call")
        row = router.wait_for("comparison", 1, 15)[0]
        took = time.monotonic() - start
        equal((row["call_id"], row["agreement"]), ("stranger", "unknown"), "the comparison")
        check(row["agreement_detail"], "an unknown without its cause")
        equal(router.metrics()["shadow_router_frames_in_flight"], 0, "in flight afterwards")
        figure("an answer without a call is compared after", "%.1f s" % took)
        # At a stop nothing goes on waiting.
        tap.send(answer("last", "a"))
        tap.ping()
        router.stop()
        equal([r["call_id"] for r in router.records("comparison")], ["stranger", "last"], "comparisons")


def test_two_sockets_racing_give_one_comparison_an_answer():
    count, rng = 4000, random.Random(11)
    with model() as candidate, Sidecar(labelled(candidate.endpoint)) as router:
        ids = ["r%d" % i for i in range(count)]
        labels = {name: rng.choice("ab") for name in ids}

        def send(make, order):
            tap = router.tap()
            for at in range(0, count, 50):
                tap.send(b"".join(make(name) for name in order[at:at + 50]))
            tap.ping(60)
            done.append(True)
        done, shuffled = [], [n for at in range(0, count, 200) for n in rng.sample(ids[at:at + 200], 200)]
        threads = [threading.Thread(target=send, args=(lambda n: call(n), ids)),
                   threading.Thread(target=send, args=(lambda n: answer(n, labels[n]), shuffled))]
        with BalanceWatch(router):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            equal(len(done), 2, "senders that came to their end")
            rows = router.wait_for("comparison", count, 60)
        router.stop()
        equal(len({r["call_id"] for r in rows}), count, "calls with a comparison")
        equal(router.count("comparison"), count, "comparisons")
        wrong = [r["call_id"] for r in rows if r["agreement"] != ("agree" if labels[r["call_id"]] == "a" else "disagree")]
        check(not wrong, lambda: "%d of %d compared wrongly, first %s" % (len(wrong), count, [r for r in rows if r["call_id"] == wrong[0]]))
        positions = {(r["kind"], r["call_id"]): r["seq"] for r in router.records("decision", "comparison")}
        check(all(positions["decision", n] < positions["comparison", n] for n in ids), "a comparison stands before its decision")
        figure("answers racing their calls over two sockets, all compared once", count)


if __name__ == "__main__":
    main(globals())
