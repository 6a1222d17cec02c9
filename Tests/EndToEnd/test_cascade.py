"""Candidates from cheap to dear: who is asked, when it ends, and what the record says of it (contract, sections 3 and 5)."""
import json
import os
import threading
import time

from sidecar import *

UNSURE, SURE = {"label": "a", "confidence": 0.3}, {"label": "b", "confidence": 0.9}


def model(reply, seen=None):
    """A model that says `reply`, or what `reply(request)` gives; `seen` gets the time of every request."""
    def answer_to(request):
        if seen is not None:
            seen.append(time.monotonic())
        said = reply(request) if callable(reply) else reply
        return said if isinstance(said, bytes) else generated(said)
    return ollama(answer_to)


def policy(*endpoints, task="", models=""):
    lines = "".join('  m%d: {provider: ollama, name: n%d, endpoint: "%s", timeout_ms: 10000, price: {input_per_mtok: 1000}%s}\n' % (i, i, e, models)
                    for i, e in enumerate(endpoints, 1))
    ids = ", ".join("m%d" % i for i in range(1, len(endpoints) + 1))
    return "models:\n%stasks:\n  t: {local: true, labels: [a, b, c], escalate_labels: [c], min_confidence: 0.7, cascade: [%s]%s}\n" % (lines, ids, task)


def steps_of(record):
    return [(s["model_id"], s["step"], s["purpose"], s["fault"]) for s in record["local_steps"]]


def test_the_next_model_is_asked_where_it_could_mend_the_answer():
    cases = [
        # what the cheap model says; the reason where it is alone; is the dear one asked; the fault in the record
        (UNSURE, "confidence_low", True, None),
        ({"label": "a"}, "confidence_low", True, None),
        ("no JSON", "schema_invalid", True, "not_json"),
        ({"label": "z", "confidence": 0.9}, "schema_invalid", True, "label_not_in_set"),
        (http_response(503, b"{}"), "local_unavailable", True, "status_503"),
        (SURE, None, False, None),
        ({"label": "c", "confidence": 0.99}, "label_escalated", False, None),
        ({"label": "a", "answer": "rotate the API token", "confidence": 0.3}, "hard_stop_access", False, None),
        ("drop table users", "hard_stop_production", False, None),
    ]
    for said, reason, goes_on, fault in cases:
        asked = []
        with model(said) as cheap, model(SURE, asked) as dear, Sidecar(policy(cheap.endpoint, dear.endpoint)) as router:
            record = router.decide(router.tap(), call("c1"))
            what = "after %s" % shorten(said)
            equal(len(asked), int(goes_on), "requests to the dear model " + what)
            equal(record["reason"], None if goes_on else reason, "the reason " + what)
            equal((record["cascade_step"], record["cascade_length"]), (2 if goes_on else 1, 2), "the step " + what)
            equal(record["local_model_id"], "m2" if goes_on else "m1", "the model " + what)
            if goes_on:
                equal(steps_of(record), [("m1", 1, "first", fault), ("m2", 2, "first", None)], "local_steps " + what)
                equal(record["label"], "b", "the label " + what)
                equal(record["attempts"], 2, "attempts " + what)
            else:
                equal((record["local_steps"], record["attempts"]), (None, 1), "one request " + what)
            router.stop()


def test_figures_are_sums_and_each_request_has_its_own():
    with model(lambda r: (time.sleep(0.1), UNSURE)[1]) as cheap, model(SURE) as dear, Sidecar(policy(cheap.endpoint, dear.endpoint)) as router:
        record = router.decide(router.tap(), call("f1"))
        one, two = record["local_steps"]
        equal((one["input_tokens"], two["input_tokens"], record["local_input_tokens"]), (17, 17, 34), "input tokens")
        equal((one["output_tokens"], record["local_output_tokens"]), (5, 10), "output tokens")
        check(one["latency_ms"] >= 100 and abs(one["latency_ms"] + two["latency_ms"] - record["local_latency_ms"]) < 0.01, lambda: "latencies %s" % record)
        check(abs(record["local_cost_usd"] - 0.034) < 1e-9, "cost %s" % record["local_cost_usd"])
        equal(record["local_tokens_estimated"], False, "counts of the server's")
        line = router.command("tail").stdout
        check("step 2 of 2" in line, "tail says nothing of the step: " + line)
        metrics = router.metrics()
        for name in ("m1", "m2"):
            equal(metrics['shadow_router_candidate_duration_seconds_count{model="%s"}' % name], 1, "answers of " + name)
        router.stop()


def test_no_model_helps_and_the_last_decision_stands():
    with model("no JSON") as one, model(UNSURE) as two, model({"label": "z", "confidence": 1}) as three:
        with Sidecar(policy(one.endpoint, two.endpoint, three.endpoint)) as router:
            record = router.decide(router.tap(), call("n1"))
            equal((record["route_candidate"], record["reason"], record["detail"]), ("frontier", "schema_invalid", "label_not_in_set"), "the decision")
            equal((record["cascade_step"], record["attempts"], record["fallback_triggered"]), (3, 3, True), "step and attempts")
            equal([s[3] for s in steps_of(record)], ["not_json", None, "label_not_in_set"], "faults")
            router.stop()


def test_a_model_may_mend_its_answer_before_the_next_is_asked():
    for said, mended, want in ((["no JSON", SURE], True, [("m1", 1, "first", "not_json"), ("m1", 1, "correction", None)]),
                               (["no JSON", "none either"], False, [("m1", 1, "first", "not_json"), ("m1", 1, "correction", "not_json"), ("m2", 2, "first", None)])):
        answers = iter(said)
        with model(lambda r: next(answers)) as cheap, model(SURE) as dear, Sidecar(policy(cheap.endpoint, dear.endpoint, task=", schema_retry: 1")) as router:
            record = router.decide(router.tap(), call("r1"))
            equal((record["reason"], record["cascade_step"], record["attempts"]), (None, 1 if mended else 2, len(want)), "the decision after %s" % said)
            equal(steps_of(record), want, "local_steps after %s" % said)
            router.stop()


def test_no_correction_is_asked_of_what_stops_or_refuses_or_where_the_router_is_killed():
    for said, reason in (("drop table users", "hard_stop_production"), ({"label": "c", "confidence": 1}, "label_escalated")):
        asked = []
        with model(said, asked) as cheap, model(SURE, asked) as dear, Sidecar(policy(cheap.endpoint, dear.endpoint, task=", schema_retry: 2")) as router:
            equal(router.decide(router.tap(), call("x1"))["reason"], reason, "the reason of %s" % said)
            equal(len(asked), 1, "requests after %s" % said)
            router.stop()
    asked, router = [], None

    def kills(request):
        open(os.path.join(router.runtime, "kill"), "w").close()
        return "no JSON"
    with model(kills, asked) as cheap, model(SURE, asked) as dear, Sidecar(policy(cheap.endpoint, dear.endpoint, task=", schema_retry: 2")) as router:
        equal(router.decide(router.tap(), call("x2"))["reason"], "manual_override", "the reason after the kill switch")
        equal(len(asked), 1, "requests after the kill switch")
        router.stop()


def test_a_hung_model_is_left_after_its_own_time():
    with Server(lambda peer: time.sleep(60)) as hung, model(SURE) as dear:
        text = policy(hung.endpoint, dear.endpoint).replace("timeout_ms: 10000", "timeout_ms: 400", 1)
        with Sidecar(text) as router:
            start = time.monotonic()
            record = router.decide(router.tap(), call("h1"))
            took = time.monotonic() - start
            equal((record["reason"], record["cascade_step"]), (None, 2), "the decision")
            equal(steps_of(record)[0], ("m1", 1, "first", "timeout"), "the step that hung")
            check(0.4 <= took < 8, "decided after %.2f s with a timeout of 0.4 s" % took)
            figure("decided beside a hung first step (timeout 0.4 s)", "%.2f s" % took)
            # The dear model has its whole time, though the first one's is over.
            router.stop()


def test_each_step_has_its_own_time():
    with model(lambda r: (time.sleep(0.4), UNSURE)[1]) as slow, model(lambda r: (time.sleep(0.5), SURE)[1]) as dear:
        with Sidecar(policy(slow.endpoint, dear.endpoint).replace("timeout_ms: 10000", "timeout_ms: 800")) as router:
            record = router.decide(router.tap(), call("o1"))
            equal(record["reason"], None, "0.4 s and 0.5 s where each step has 0.8 s")
            router.stop()


def test_a_model_that_takes_no_question_is_passed_over():
    with model(SURE) as dear:
        text = policy("http://127.0.0.1:9/api/generate", dear.endpoint, models=", breaker: {failures: 1, cooldown_ms: 60000}")
        with Sidecar(text) as router:
            tap = router.tap()
            first, second = router.decide(tap, call("p1")), router.decide(tap, call("p2"))
            equal([s[3] for s in steps_of(first)], ["refused", None], "faults of the first call")
            equal([s[3] for s in steps_of(second)], ["breaker_open", None], "faults once the breaker is open")
            equal((first["attempts"], second["attempts"]), (2, 1), "requests that were sent")
            equal((second["reason"], second["cascade_step"]), (None, 2), "the decision")
            router.stop()


def test_a_killed_router_asks_nobody_further():
    entered, release, asked = threading.Event(), threading.Event(), []

    def slow(request):
        entered.set()
        release.wait(10)
        return UNSURE
    for way in ("command", "file"):
        entered.clear(), release.clear(), asked.clear()
        with model(slow) as cheap, model(SURE, asked) as dear, Sidecar(policy(cheap.endpoint, dear.endpoint)) as router:
            router.tap().send(call("k1"))
            check(entered.wait(10), "the cheap model was not asked")
            if way == "command":
                equal(router.command("kill", "on").returncode, 0, "kill on")
            else:
                open(os.path.join(router.runtime, "kill"), "w").close()
            release.set()
            record = router.wait_for("decision", 1)[0]
            equal((record["reason"], record["route_candidate"]), ("manual_override", "frontier"), "the decision (%s)" % way)
            equal(set(record["checks"].values()) - {"skipped"}, {"fail"}, "checks beside the kill switch")
            equal((record["cascade_step"], record["attempts"], record["local_steps"]), (1, 1, None), "what was asked")
            time.sleep(0.2)
            equal(asked, [], "requests after the kill switch")
            router.stop()


def test_a_reload_changes_no_call_under_way():
    entered, release = threading.Event(), threading.Event()

    def slow(request):
        entered.set()
        release.wait(10)
        return UNSURE
    with model(slow) as cheap, model(SURE) as dear, Sidecar(policy(cheap.endpoint, dear.endpoint)) as router:
        router.tap().send(call("r1"))
        check(entered.wait(10), "the cheap model was not asked")
        # Both models are gone, and gone again: the call still has them.
        for text in (SIMPLE, SIMPLE + "# again\n"):
            router.write_policy(text)
            equal(router.command("reload").returncode, 0, "reload")
        release.set()
        record = router.wait_for("decision", 1)[0]
        equal((record["reason"], record["generation"], record["cascade_step"], record["local_model_id"]), (None, 1, 2, "m2"), "the call's decision")
        router.stop()


def test_a_stop_between_steps_leaves_nothing_in_flight():
    with model(lambda r: (time.sleep(0.3), UNSURE)[1]) as cheap, Server(lambda peer: time.sleep(60)) as hung:
        with Sidecar(policy(cheap.endpoint, hung.endpoint)) as router:
            router.tap().send(b"".join(call("s%d" % i) for i in range(20)))
            until(lambda: router.status()["candidates"][1]["asking"], "a call at its second step")
            start = time.monotonic()
            router.stop()
            check(time.monotonic() - start < 30, "the stop took %.1f s" % (time.monotonic() - start))
            records = router.records("decision")
            equal((len(records), {r["reason"] for r in records}), (20, {"local_unavailable"}), "decisions at the stop")
            equal({r["detail"] for r in records}, {"stopping"}, "details at the stop")


def test_many_calls_through_three_steps_balance():
    count = 2000

    def cheap(request):
        return UNSURE if "hard" in request["prompt"] else SURE
    with model(cheap) as one, model(http_response(500, b"{}")) as two, model(SURE) as three:
        text = policy(one.endpoint, two.endpoint, three.endpoint, models=", max_queue: 5000, max_concurrency: 4, breaker: {failures: 5, cooldown_ms: 100}")
        with Sidecar(text) as router:
            tap = router.tap()
            with BalanceWatch(router) as watch:
                for i in range(count):
                    tap.send(call("b%d" % i, text="hard" if i % 2 else "easy") + answer("b%d" % i, "b"))
                tap.ping(60)
                router.wait_for("comparison", count, 90)
            records = router.decisions()
            equal(len(records), count, "decisions")
            equal({(r["cascade_step"], r["reason"]) for r in records.values()}, {(1, None), (3, None)}, "steps")
            equal(sum(r["cascade_step"] == 3 for r in records.values()), count // 2, "calls at the third step")
            check(all(r["agreement"] == "agree" for r in router.records("comparison")), "a comparison that does not agree")
            figure("snapshots of the balance under a cascade of three", watch.snapshots)
            router.stop()


def test_a_policy_must_name_models_that_can_be_asked():
    ask = 'models:\n  m: {provider: ollama, name: m, endpoint: "http://127.0.0.1:9/api/generate"}\n  k: {provider: ollama, name: k, endpoint: "http://k.example:9/api/generate"}\n  f: {provider: anthropic, name: f}\n'
    cases = [("cascade: [m, nobody]", "nobody"), ("cascade: [m, f]", "f"), ("challenger: f, model: m", "f"), ("challenger: nobody, model: m", "nobody"),
             ("cascade: [m, k], challenger: m", "candidate itself"), ("challenger: m, model: m", "candidate itself")]
    for words, word in cases:
        with Sidecar(ask + "tasks:\n  t: {local: true, min_confidence: 0.5, %s}\n" % words, start=False) as router:
            result = router.command("check", router.policy)
            faults = [l for l in result.stderr.splitlines() if ": error: " in l]
            equal((result.returncode, len(faults)), (1, 1), "faults of %s: %s" % (words, result.stderr))
            check(word in faults[0] and faults[0].split(":")[1] == "6", "the fault of %s: %s" % (words, faults[0]))
    with Sidecar(ask + "tasks:\n  t: {local: true, min_confidence: 0.5, cascade: [m, k]}\n", start=False) as router:
        result = router.command("check", "--brief", router.policy)
        equal(result.returncode, 0, "check --brief: " + result.stderr)
        check("not acted on" not in result.stderr and "later" not in result.stderr, "a cascade is said to do nothing: " + result.stderr)
        hosts = result.stdout[result.stdout.index("Which host"):]
        check("http://127.0.0.1:9: t" in hosts and "http://k.example:9: t" in hosts, "hosts of the cascade: " + hosts[:300])


def correction(**members):
    return {"task": "t", "model_id": "m1", "model_digest": None, "prompt_revision": None, "source": "self_reported", "temperature": 2.0,
            "prior": {}, "shift": 0.5, "fitted_on": {"cases": 50}, "at": "2026-11-21T00:00:00Z", **members}


def write_correction(router, name, value, mode=0o600):
    folder = os.path.join(router.state, "calibration")
    os.makedirs(folder, 0o700, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(value if isinstance(value, str) else json.dumps(value))
    os.chmod(path, mode)
    return path


def test_corrections_are_read_at_a_reload_and_bad_ones_are_named():
    with model(SURE) as one, Sidecar(policy(one.endpoint)) as router:
        before = router.status()["policy"]["generation"]
        good = write_correction(router, "good.json", correction())
        write_correction(router, "damaged.json", "{")
        write_correction(router, "open.json", correction(), 0o666)
        os.symlink(good, os.path.join(os.path.dirname(good), "link.json"))
        for generation, what in ((before + 1, "after a new correction"), (before + 1, "after the same ones")):
            equal(router.command("reload").returncode, 0, "reload " + what)
            equal(router.status()["policy"]["generation"], generation, "the generation " + what)
        for name in ("damaged.json", "open.json", "link.json"):
            check(any("calibration_ignored" in line and name in line for line in router.stderr), "no warning names " + name)
        check(not any("good.json" in line for line in router.stderr), "the good one is warned of")
        # It was fitted for another prompt: the confidence stays as the model gave it.
        record = router.decide(router.tap(), call("q1"))
        equal((record["reason"], record["calibration"], record["confidence"], record["confidence_raw"]), (None, None, 0.9, 0.9), "the decision")
        router.stop()


def test_a_correction_for_just_this_model_and_prompt_counts():
    with model(SURE) as one, Sidecar(policy(one.endpoint)) as router:
        tap = router.tap()
        plain = router.decide(tap, call("q1"))
        equal((plain["calibration"], plain["confidence"]), (None, 0.9), "without a correction")
        write_correction(router, "good.json", correction(prompt_revision=plain["prompt_revision"]))
        equal(router.command("reload").returncode, 0, "reload")
        record = router.decide(tap, call("q2"))
        equal(record["confidence_raw"], 0.9, "the raw confidence")
        check(len(record["calibration"] or "") == 12, "calibration %s" % record["calibration"])
        # log-odds of 0.9, less the shift, over the temperature
        check(abs(record["confidence"] - 0.7003) < 1e-3, "the corrected confidence %s" % record["confidence"])
        router.stop()


if __name__ == "__main__":
    main(globals())
