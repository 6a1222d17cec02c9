"""A second candidate on the same calls: asked beside the first, recorded as `challenge`, never in anybody's way (contract, sections 3 and 5)."""
import json
import random
import threading
import time

from sidecar import *

A, B, LOW = {"label": "a", "confidence": 0.9}, {"label": "b", "confidence": 0.8}, {"label": "b", "confidence": 0.1}
FIELDS = ("call_id task_type generation policy_revision prompt_revision task_revision route_candidate reason reason_code detail validator_result checks "
          "hard_stop_match local_model local_model_id local_model_digest label confidence confidence_raw confidence_source calibration "
          "answer_hash answer_preview local_latency_ms local_input_tokens local_output_tokens local_tokens_estimated local_cost_usd attempts "
          "local_steps sampled rotated").split()


def policy(candidate, challenger, more="", other=""):
    return ('models:\n  one: {provider: ollama, name: n-one, endpoint: "%s", timeout_ms: 5000, max_queue: 20000}\n'
            '  two: {provider: ollama, name: n-two, endpoint: "%s", timeout_ms: 5000, max_queue: 20000, price: {output_per_mtok: 1000}%s}\n'
            "tasks:\n  t: {local: true, model: one, challenger: two, labels: [a, b], min_confidence: 0.5, max_input_chars: 200%s}\n"
            "  n: {local: true, model: one, labels: [a, b], min_confidence: 0.5}\n" % (candidate, challenger, other, more))


def says(value, delay=0.0, seen=None):
    def reply(request):
        if seen is not None:
            seen.append(request)
        time.sleep(delay)
        return value if isinstance(value, bytes) else generated(value(request) if callable(value) else value)
    return ollama(reply)


def agreement(row):
    return (row["agreement"], row["challenger_agreement"], row["challenger_agreement_detail"])


def test_both_are_asked_the_same_and_both_are_compared():
    seen_one, seen_two = [], []
    with says(A, seen=seen_one) as one, says(LOW, seen=seen_two) as two, Sidecar(policy(one.endpoint, two.endpoint)) as router:
        tap = router.tap()
        decision = router.decide(tap, call("c1", text="which of the two?"))
        challenge = router.wait_for("challenge", 1)[0]
        tap.send(answer("c1", "b"))
        row = router.wait_for("comparison", 1)[0]
        equal([k for k in challenge if k not in ("v", "log", "seq", "ts", "kind", "prev", "h")], FIELDS, "the fields of a challenge")
        equal({k: challenge[k] for k in ("call_id", "task_type", "route_candidate", "reason", "reason_code", "detail", "label", "confidence",
                                         "local_model", "local_model_id", "attempts", "local_steps", "local_output_tokens")},
              {"call_id": "c1", "task_type": "t", "route_candidate": "frontier", "reason": "confidence_low", "reason_code": 5, "detail": "below", "label": "b",
               "confidence": 0.1, "local_model": "n-two", "local_model_id": "two", "attempts": 1, "local_steps": None, "local_output_tokens": 5}, "the challenge")
        equal((decision["route_candidate"], decision["local_model_id"], decision["label"]), ("local", "one", "a"), "the decision")
        equal({k: decision[k] for k in ("generation", "policy_revision", "prompt_revision")}, {k: challenge[k] for k in ("generation", "policy_revision", "prompt_revision")}, "policy and prompt")
        equal(agreement(row), ("disagree", "agree", "label_equal"), "the comparison")
        equal([r["prompt"] for r in seen_one], [r["prompt"] for r in seen_two], "what the two were asked")
        metrics = router.metrics()
        equal(metrics['shadow_router_log_records_total{kind="challenge"}'], 1, "challenges counted")
        equal(metrics['shadow_router_candidate_duration_seconds_count{model="two"}'], 1, "the challenger's time")
        check(abs(metrics['shadow_router_cost_usd_total{task="t",route="challenger"}'] - 0.005) < 1e-9, "the challenger's cost")
        check(not any(n.startswith("shadow_router_cost_usd_total") and 'route="local"' in n for n in metrics), "the challenger's cost stands as the candidate's")
        found = router.command("tail", "--find", "c1").stdout
        check("by two" in found and "challenger agree" in found, "tail says nothing of the challenger: " + found)
        rows = [json.loads(line) for line in router.command("tail", "--rows", "--json").stdout.splitlines()]
        equal([(r["call_id"], r["local_model"], r["agreement"]) for r in rows], [("c1", "n-one", "disagree")], "rows")
        equal(router.command("report", "--format", "json").returncode, 0, "report over a log with challenges")
        router.stop()


def test_it_is_asked_only_where_the_candidate_is():
    seen = []
    with says(A) as one, says(B, seen=seen) as two, Sidecar(policy(one.endpoint, two.endpoint)) as router:
        tap = router.tap()
        for name, text, task, reason in (("w1", "the password", "t", "hard_stop_security"), ("w2", "x" * 201, "t", "input_too_large"), ("w3", "fine", "n", None), ("w4", "fine", "t", None)):
            equal(router.decide(tap, call(name, task, text=text))["reason"], reason, name)
            tap.send(answer(name, "b"))
        rows = {r["call_id"]: agreement(r) for r in router.wait_for("comparison", 4)}
        equal([c["call_id"] for c in router.records("challenge")], ["w4"], "challenges")
        equal(len(seen), 1, "requests to the challenger")
        equal(rows, {"w1": ("unknown", "unknown", "not_asked"), "w2": ("unknown", "unknown", "not_asked"), "w3": ("disagree", None, None), "w4": ("disagree", "agree", "label_equal")}, "comparisons")
        router.stop()


def test_a_slow_challenger_delays_no_decision_and_no_other_comparison():
    with says(A) as one, says(B, 4) as two, Sidecar(policy(one.endpoint, two.endpoint)) as router:
        tap = router.tap()
        start = time.monotonic()
        reply = tap.ask(call("d1", reply=True))
        check(time.monotonic() - start < 3, "the reply took %.2f s" % (time.monotonic() - start))
        equal(reply["route"], "frontier", "the reply")
        tap.send(answer("d1", "a"))
        router.decide(tap, call("d2", "n"))
        check(time.monotonic() - start < 3.5, "the decisions took %.2f s" % (time.monotonic() - start))
        equal(router.count("decision"), 2, "decisions before the challenger")
        tap.send(answer("d2", "a"))
        router.wait_for("comparison", 1)
        equal([(r["call_id"], r["agreement"]) for r in router.records("comparison")], [("d2", "agree")], "comparisons before the challenger")
        equal(router.status()["balance"]["in_flight"], 1, "in flight while an answer waits for the challenger")
        row = router.wait_for("comparison", 2)[1]
        equal(agreement(row), ("agree", "disagree", "label_differs"), "the comparison that waited")
        check(row["fallback_latency_ms"] < 3500, "the wait for the challenger counts as the frontier's: %s" % row["fallback_latency_ms"])
        equal(router.status()["balance"]["in_flight"], 0, "in flight afterwards")
        router.stop()


def test_a_hung_challenger_costs_its_own_part_only():
    with says(A) as one, Server(lambda peer: time.sleep(60)) as hung:
        with Sidecar(policy(one.endpoint, hung.endpoint).replace("timeout_ms: 5000", "timeout_ms: 500")) as router:
            tap = router.tap()
            start = time.monotonic()
            with BalanceWatch(router):
                for i in range(30):
                    tap.send(call("h%d" % i) + answer("h%d" % i, "a"))
                router.wait_for("decision", 30)
                decided = time.monotonic() - start
                rows = router.wait_for("comparison", 30)
            took = time.monotonic() - start
            equal({agreement(r) for r in rows}, {("agree", "unknown", "no_candidate_answer")}, "comparisons")
            challenges = router.records("challenge")
            equal((len(challenges), {c["reason"] for c in challenges}), (30, {"local_unavailable"}), "challenges")
            check({c["detail"] for c in challenges} <= {"timeout", "breaker_open"}, lambda: "details %s" % {c["detail"] for c in challenges})
            check(decided < 10, "30 decisions beside a hung challenger took %.2f s" % decided)
            check(took < 12, "comparisons waited %.2f s for a challenger with a timeout of 0.5 s" % took)
            figure("30 calls beside a hung challenger: decided, compared after", "%.2f s, %.2f s" % (decided, took))
            router.stop()


def test_a_challenger_that_takes_no_question_is_recorded_too():
    release = threading.Event()

    def slow(request):
        release.wait(10)
        return B
    with says(A) as one, says(slow) as two, Sidecar(policy(one.endpoint, two.endpoint).replace("max_queue: 20000, price", "max_concurrency: 1, max_queue: 2, price")) as router:
        tap = router.tap()
        tap.send(call("q0"))
        until(lambda: any(c["asking"] for c in router.status()["candidates"] if c["id"] == "two"), "the challenger is busy")
        tap.send(b"".join(call("q%d" % i) for i in range(1, 10)))
        full = router.wait_for("challenge", 7)
        equal({(c["reason"], c["detail"], c["attempts"]) for c in full}, {("local_unavailable", "queue_full", 0)}, "what does not fit")
        equal({r["reason"] for r in router.wait_for("decision", 10)}, {None}, "the candidate's decisions meanwhile")
        release.set()
        router.wait_for("challenge", 10)
        router.stop()
        equal(len({c["call_id"] for c in router.records("challenge")}), 10, "calls with a challenge")


def test_the_kill_switch_counts_for_the_challenger_too():
    entered, release = threading.Event(), threading.Event()

    def slow(request):
        entered.set()
        release.wait(10)
        return B
    with says(A) as one, says(slow) as two, Sidecar(policy(one.endpoint, two.endpoint)) as router:
        tap = router.tap()
        router.decide(tap, call("k1"))
        check(entered.wait(10), "the challenger was not asked")
        tap.send(answer("k1", "b"))
        equal(router.command("kill", "on").returncode, 0, "kill on")
        release.set()
        challenge = router.wait_for("challenge", 1)[0]
        equal((challenge["reason"], challenge["route_candidate"], challenge["label"]), ("manual_override", "frontier", None), "the challenge")
        row = router.wait_for("comparison", 1)[0]
        equal(agreement(row)[:2], ("disagree", "unknown"), "the comparison")
        router.decide(tap, call("k2"))
        tap.ping()
        router.stop()
        equal(router.count("challenge"), 1, "challenges while killed")


def test_every_order_of_answer_decision_and_challenge_under_traffic():
    count, rng = 3000, random.Random(5)

    def jitter(value):
        def reply(request):
            time.sleep(rng.choice((0, 0, 0.002, 0.01)))
            return value
        return reply
    with says(jitter(A)) as one, says(jitter(B)) as two:
        text = policy(one.endpoint, two.endpoint).replace("max_queue", "max_concurrency: 6, max_queue").replace("timeout_ms: 5000", "timeout_ms: 120000")
        with Sidecar(text) as router:
            ids = ["r%d" % i for i in range(count)]
            shuffled = [n for at in range(0, count, 100) for n in rng.sample(ids[at:at + 100], 100)]
            done = []

            def send(make, order):
                tap = router.tap()
                for at in range(0, count, 50):
                    tap.send(b"".join(make(name) for name in order[at:at + 50]))
                tap.ping(60)
                done.append(True)
            threads = [threading.Thread(target=send, args=(lambda n: call(n), ids)), threading.Thread(target=send, args=(lambda n: answer(n, "a"), shuffled))]
            with BalanceWatch(router) as watch:
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                rows = router.wait_for("comparison", count, 120)
            equal(len(done), 2, "senders that came to their end")
            equal(len({r["call_id"] for r in rows}), count, "calls with a comparison")
            equal({agreement(r)[:2] for r in rows}, {("agree", "disagree")}, "what the comparisons say")
            stop = router.stop()
            for kind in ("decision", "challenge", "comparison"):
                equal(router.count(kind), count, kind + " records")
            equal(stop["recorded"], 2 * count, "recorded frames: challenges are none")
            figure("snapshots of the balance under %d calls with a challenger" % count, watch.snapshots)
            check_chain(router.lines())


def test_a_stop_and_a_crash_with_a_challenger_under_way():
    with says(A) as one, says(B, 60) as two, Sidecar(policy(one.endpoint, two.endpoint).replace("timeout_ms: 5000", "timeout_ms: 60000")) as router:
        tap = router.tap()
        for i in range(5):
            router.decide(tap, call("s%d" % i))
            tap.send(answer("s%d" % i, "a"))
        tap.ping()
        equal(router.status()["balance"]["in_flight"], 5, "answers that wait for the challenger")
        router.stop()
        rows = router.records("comparison")
        equal([agreement(r)[:2] for r in rows], [("agree", "unknown")] * 5, "comparisons at the stop")
        equal({(c["reason"], c["detail"]) for c in router.records("challenge")}, {("local_unavailable", "stopping")}, "challenges at the stop")
        # The answer that waited when the process died is lost with it, as any frame is that no record stands for.
        router.drop_taps()
        router.start()
        tap = router.tap()
        router.decide(tap, call("x1"))
        tap.send(answer("x1", "a"))
        tap.ping()
        router.crash()
        router.start()
        tap = router.tap()
        tap.send(answer("x1", "a"))
        row = [r for r in router.wait_for("comparison", 6) if r["call_id"] == "x1"]
        equal([(agreement(r), r["agreement_detail"]) for r in row], [(("unknown", None, None), "restart")], "the answer after the crash")
        equal(tap.ask(call("x1", reply=True))["code"], "duplicate_call", "the call again")
        router.stop()
        check_chain(router.lines())


def test_a_challenger_beside_a_cascade():
    with says(LOW) as one, says(A) as two, says(B) as three:
        text = ('models:\n  one: {provider: ollama, endpoint: "%s"}\n  two: {provider: ollama, endpoint: "%s"}\n  three: {provider: ollama, endpoint: "%s"}\n'
                "tasks:\n  t: {local: true, cascade: [one, two], challenger: three, labels: [a, b], min_confidence: 0.5}\n" % (one.endpoint, two.endpoint, three.endpoint))
        with Sidecar(text) as router:
            tap = router.tap()
            record = router.decide(tap, call("c1"))
            equal((record["local_model_id"], record["cascade_step"], record["reason"]), ("two", 2, None), "the decision")
            equal(router.wait_for("challenge", 1)[0]["local_model_id"], "three", "the challenger")
            tap.send(answer("c1", "a"))
            equal(agreement(router.wait_for("comparison", 1)[0]), ("agree", "disagree", "label_differs"), "the comparison")
            brief = router.command("check", "--brief", router.policy).stdout
            for server in (one, two, three):
                host = "http://127.0.0.1:%d: t" % server.listener.getsockname()[1]
                check(host in brief, "the brief does not name " + host)
            router.stop()


def test_records_with_cascade_and_challenger_fit_the_schema():
    try:
        import jsonschema
    except ImportError:
        raise Skipped("the Python package jsonschema is not installed: records were not checked against `schema record`")
    with says(LOW) as one, says(A) as two, says(B) as three:
        text = ('models:\n  one: {provider: ollama, endpoint: "%s"}\n  two: {provider: ollama, endpoint: "%s"}\n  three: {provider: ollama, endpoint: "%s"}\n'
                "tasks:\n  t: {local: true, cascade: [one, two], challenger: three, labels: [a, b], min_confidence: 0.5}\n  n: {local: false}\n" % (one.endpoint, two.endpoint, three.endpoint))
        with Sidecar(text) as router:
            tap = router.tap()
            for name, task in (("v1", "t"), ("v2", "n")):
                router.decide(tap, call(name, task))
                tap.send(answer(name, "a"))
            router.wait_for("comparison", 2)
            router.wait_for("challenge", 1)
            router.stop()
            validator = jsonschema.Draft202012Validator(json.loads(router.command("schema", "record").stdout))
            kinds = set()
            for record in router.records():
                fault = next(validator.iter_errors(record), None)
                check(fault is None, lambda: "%s %s: %s" % (record["kind"], record.get("call_id"), fault.message))
                kinds.add(record["kind"])
            check({"decision", "challenge", "comparison"} <= kinds, "kinds %s" % kinds)
            broken = {**router.records("challenge")[0], "calibration": "no hex"}
            check(next(validator.iter_errors(broken), None), "the schema lets any calibration pass")


if __name__ == "__main__":
    main(globals())
