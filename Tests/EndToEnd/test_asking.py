"""Asking does no harm: not to another task's model, not to a server that says no, not with a key, and once more only where the policy says so."""
import email.utils
import json
import os
import threading
import time

from candidates import *


def policy(server, model="", task="", provider="ollama", path="/api/generate"):
    return ('models:\n  small: {provider: %s, name: fake, endpoint: "http://127.0.0.1:%d%s"%s}\n'
            "tasks:\n  t: {local: true, labels: [a, b, c], min_confidence: 0.5%s}\n" % (
                provider, server.listener.getsockname()[1], path, model and ", " + model, task and ", " + task))


def too_many(more=""):
    return http_response(429, b'{"error":"slow down"}', more=more)


# One model and another


def test_a_hung_model_delays_no_other_model():
    def ask(with_hung):
        with Classifier() as server:
            text = "models:\n"
            for name, fault in (("hung", "+hang"), ("well", "")):
                text += '  %s: {provider: ollama, name: "%s%s", endpoint: "%s", timeout_ms: 3000, max_concurrency: 2, max_queue: 1000, breaker: {failures: 1000}}\n' % (
                    name, CLASSIFIER, fault, server.url("/api/generate"))
            text += "tasks:\n" + "".join("  %s: {local: true, model: %s, labels: [%s], min_confidence: 0}\n" % (t, t, ", ".join(LABELS)) for t in ("hung", "well"))
            with Sidecar(text) as router:
                tap, took = router.tap(), []
                if with_hung:
                    tap.send(b"".join(call("h%d" % i, "hung", "The timer counts backwards") for i in range(400)))
                for i in range(60):
                    start = time.monotonic()
                    record = router.decide(tap, call("w%d" % i, "well", "Drag and drop loses the file"))
                    took.append(time.monotonic() - start)
                    equal(record["reason"], None, "the model that works, call %d" % i)
                if with_hung:
                    start = time.monotonic()
                    records = router.wait_for("decision", 460, 20)
                    equal({(r["reason"], r["detail"]) for r in records if r["task_type"] == "hung"}, {("local_unavailable", "timeout")}, "the model that hangs")
                router.stop()
                return sorted(took)
    alone, beside = ask(False), ask(True)
    figure("a call of a model that works: alone, beside one that hangs with 400 calls (median)", "%.0f ms, %.0f ms" % (alone[30] * 1000, beside[30] * 1000))
    check(beside[30] < alone[30] + 0.1, "beside a hung model a call takes %.0f ms, alone %.0f ms" % (beside[30] * 1000, alone[30] * 1000))


# A server that says 429

CALLS = 10000


def against_429(model, more, pause, window):
    """Sends CALLS calls. Gives the server's requests, the decisions and the seconds."""
    with Scripted(lambda request, number: too_many(more)) as server, Sidecar(policy(server, model)) as router:
        took = send_paced(router, router.tap(), [marked("n%d." % (1000000 + i)) for i in range(CALLS)], window, after=lambda sent: time.sleep(pause))
        router.stop()
        records = router.records("decision")
        equal(len(records), CALLS, "decisions")
        equal({r["reason"] for r in records}, {"local_unavailable"}, "reasons")
        metrics = {r["detail"] for r in records}
        check(metrics <= {"status_429", "breaker_open", "timeout"}, lambda: "details %s" % metrics)
        return list(server.requests), records, took


def judged_429(what, model, attempts, failures, cooldown_s, concurrency, more="", pause=0, window=1500):
    requests, records, took = against_429(model, more, pause, window)
    asked = [r for r in records if r["attempts"]]
    equal(len(requests), sum(r["attempts"] for r in asked), "requests at the server against `attempts` in the records")
    check(all(r["attempts"] <= attempts for r in asked), lambda: "%d attempts for one call, the policy allows %d" % (max(r["attempts"] for r in asked), attempts))
    # What the breaker admits: its failures, the others under way when it opened, then one probe a cooldown.
    allowed = CALLS if failures is None else failures + concurrency - 1 + int(took / cooldown_s) + 1
    check(len(asked) <= allowed, "%d calls were asked, the breaker allows %d in %.1f s" % (len(asked), allowed, took))
    check(len(requests) <= attempts * allowed, "%d requests, the policy allows %d" % (len(requests), attempts * allowed))
    figure("%d calls against a 429-ing server, %s: requests, allowed" % (CALLS, what), "%d, %d" % (len(requests), attempts * allowed))
    return requests, records


def test_ten_thousand_calls_against_429_by_the_defaults():
    judged_429("defaults", "", 1, 10, 5, 2, "Retry-After: 1\r\n", window=150)


def test_ten_thousand_calls_against_429_with_retries_and_a_breaker():
    model = "timeout_ms: 4000, max_queue: 2000, retry: {max_attempts: 3, retry_on: [rate_limit], backoff_ms: 10}, breaker: {failures: 5, cooldown_ms: 1000}"
    requests, records = judged_429("3 attempts, breaker at 5", model, 3, 5, 1, 2, "Retry-After: 1\r\n", pause=0.02)
    check(any(r["attempts"] > 1 for r in records), "nothing was tried again")
    times = {}
    for request in requests:
        times.setdefault(request.json["prompt"].split(MARK)[1].split()[0], []).append(request.at)
    gaps = [after - before for row in times.values() for before, after in zip(row, row[1:])]
    check(all(gap >= 0.99 for gap in gaps), lambda: "asked again after %.2f s, Retry-After says 1" % min(gaps))


def test_ten_thousand_calls_against_429_without_a_breaker():
    model = "timeout_ms: 60000, max_queue: 4000, max_concurrency: 8, retry: {max_attempts: 2, retry_on: [rate_limit], backoff_ms: 1}, breaker: {failures: 10000, cooldown_ms: 1}"
    judged_429("2 attempts, no breaker", model, 2, None, 1, 8)


def test_ten_thousand_calls_against_429_where_nothing_is_tried_again():
    model = "timeout_ms: 60000, max_queue: 4000, max_concurrency: 8, breaker: {failures: 10000, cooldown_ms: 1}"
    requests, _ = judged_429("1 attempt, no breaker", model, 1, None, 1, 8, "Retry-After: 0\r\n")
    equal(len(requests), CALLS, "requests where each call is asked once")


def retry(on="rate_limit", attempts=3, backoff=5):
    return "timeout_ms: 2500, retry: {max_attempts: %d, retry_on: [%s], backoff_ms: %d}" % (attempts, on, backoff)


def fails_first(times, data):
    return lambda request, number: data if number < times else said(GOOD)


def one(server, model="", task=""):
    """One call. Gives its record and the seconds until it was decided."""
    with Sidecar(policy(server, model, task)) as router:
        start = time.monotonic()
        record = router.decide(router.tap(), marked("one"))
        took = time.monotonic() - start
        router.stop()
        return record, took


def test_only_the_causes_named_are_tried_again():
    faults = {"rate_limit": too_many(), "server_error": http_response(503, b"{}"), "timeout": b""}
    for named in faults:
        for cause, data in faults.items():
            hang = threading.Event()

            def reply(request, number):
                if number:
                    return said(GOOD)
                if cause == "timeout":
                    hang.wait(10)
                    return None
                return data
            with Scripted(reply) as server:
                record, _ = one(server, retry(named))
                hang.set()
                want = (None, 2) if named == cause else ("local_unavailable", 1)
                equal((record["reason"], record["attempts"]), want, "%s, tried again on %s (detail %r)" % (cause, named, record["detail"]))
                equal(len(server.requests), want[1], "requests")
    for data, detail in ((http_response(400, b"{}"), "status_400"), (http_response(404, b"{}"), "status_404")):
        with Scripted(lambda request, number: data) as server:
            record, _ = one(server, retry("rate_limit, server_error, timeout"))
            equal(record["detail"], detail, "another 4xx")
            # A 400 may be asked once more, without log-probabilities.
            check(len(server.requests) <= (2 if detail == "status_400" else 1), lambda: "%d requests for %s" % (len(server.requests), detail))


def test_every_try_is_in_the_record():
    with Scripted(fails_first(2, http_response(500, b"{}"))) as server:
        record, _ = one(server, retry("server_error") + ", price: {input_per_mtok: 1000000, output_per_mtok: 2000000}")
        equal((record["reason"], record["attempts"], record["label"]), (None, 3, "a"), "two faults, then an answer")
        steps = record["local_steps"]
        equal([(s["purpose"], s["fault"]) for s in steps], [("first", "status_500"), ("retry", "status_500"), ("retry", None)], "local_steps")
        equal({s["model_id"] for s in steps}, {"small"}, "local_steps: model_id")
        equal((record["local_input_tokens"], record["local_output_tokens"], record["local_cost_usd"]), (17, 5, 27), "tokens and cost of the try that was answered")


def test_retry_after_is_honoured():
    # What the server says → the least and the most seconds until the second request. A date has whole seconds.
    waits = {"Retry-After: 1\r\n": (0.99, 5), "retry-after-ms: 400\r\n": (0.39, 5), "Retry-After: DATE\r\n": (0.9, 8), "": (0, 3), "Retry-After: soon\r\n": (0, 3)}
    for more, (shortest, most) in waits.items():
        def reply(request, number):
            date = email.utils.formatdate(time.time() + 2, usegmt=True)
            return said(GOOD) if number else too_many(more.replace("DATE", date))
        with Scripted(reply) as server:
            record, _ = one(server, retry())
            equal((record["reason"], record["attempts"]), (None, 2), "after %r (detail %r)" % (more, record["detail"]))
            gap = server.requests[1].at - server.requests[0].at
            check(shortest <= gap <= most, "after %r the second request came %.2f s later" % (more, gap))
    for more in ("Retry-After: 60\r\n", "Retry-After: 99999999999999999999\r\n", "x-should-retry: false\r\n", "x-should-retry: false\r\nRetry-After: 0\r\n"):
        with Scripted(fails_first(1, too_many(more))) as server:
            record, took = one(server, retry())
            equal((record["detail"], len(server.requests)), ("status_429", 1), "after %r" % more)
            check(took < 10, "after %r it took %.2f s to give up" % (more, took))


def test_the_deadline_counts_every_try():
    with Scripted(lambda request, number: time.sleep(20)) as server:
        with Sidecar(policy(server, "timeout_ms: 1200, retry: {max_attempts: 3, retry_on: [timeout, server_error]}")) as router, Lateness() as machine:
            start = time.monotonic()
            record = router.decide(router.tap(), marked("slow"))
            took = time.monotonic() - start
            equal((record["reason"], record["detail"]), ("local_unavailable", "timeout"), "a server that never answers")
            check(took < 1.2 + 1 + machine.worst, "three tries took %.2f s, the deadline is 1.2 s" % took)
            router.stop()


# Keys

KEY = "matrix" + "-key-" + "7f3a9c51"


def files_with(word, *folders):
    return [os.path.join(folder, name) for folder in folders for name, data in files_below(folder).items() if word.encode() in data]


def test_a_key_goes_to_its_host_alone_and_is_kept_nowhere():
    headers = {"ollama": ("/api/generate", "authorization", "Bearer " + KEY), "openai": ("/v1/chat/completions", "authorization", "Bearer " + KEY),
               "llamacpp": ("/completion", "authorization", "Bearer " + KEY), "anthropic": ("/v1/messages", "x-api-key", KEY)}
    for provider, (path, header, value) in headers.items():
        for status in (301, 302, 307, 308):
            with Scripted(lambda request, number: said(GOOD)) as second:
                def reply(request, number):
                    return http_response(status, b"{}", more="Location: http://127.0.0.1:%d%s\r\n" % (second.listener.getsockname()[1], path))
                with Scripted(reply) as first, Sidecar(policy(first, "api_key_env: MATRIX_KEY", "", provider, path), env={"MATRIX_KEY": KEY}) as router:
                    what = "%s, %d" % (provider, status)
                    equal(router.decide(router.tap(), marked("k1"))["detail"], "status_%d" % status, what)
                    equal(second.accepted, 0, what + ": connections to where it points")
                    equal(len(first.requests), 1, what + ": requests")
                    for request in first.requests + first.others:
                        found = [pair for pair in request.headers if KEY in pair[1]]
                        if found or request in first.requests:
                            equal(found, [(header, value)], what + ": headers that hold the key")
                        check(KEY not in request.target and KEY.encode() not in request.body, what + ": the key stands outside its header")
                    if status == 302:
                        key_is_nowhere(router, what)
                        router.stop()


def key_is_nowhere(router, what):
    outputs = {"metrics": router.http("GET", "/metrics")[1], "status": router.http("GET", "/v1/status")[1], "stderr": router.messages.encode()}
    for words in (("status",), ("status", "--json"), ("tail",), ("report",)):
        outputs[" ".join(words)] = "".join(router.command(*words, env={"MATRIX_KEY": KEY}).__dict__[s] for s in ("stdout", "stderr")).encode()
    for words in (("check",), ("check", "--brief"), ("check", "--json")):
        done = run(*words, router.policy, env={"MATRIX_KEY": KEY})
        outputs[" ".join(words)] = (done.stdout + done.stderr).encode()
    for name, data in outputs.items():
        check(KEY.encode() not in data, "%s: the key stands in %s" % (what, name))
    with open("/proc/%d/cmdline" % router.process.pid, "rb") as file:
        check(KEY.encode() not in file.read(), what + ": the key stands in the command line")
    equal(files_with(KEY, router.state, router.runtime), [], what + ": files that hold the key")


def test_a_key_from_a_file():
    with Scripted(lambda request, number: said(GOOD)) as server:
        with Sidecar(policy(server, "api_key_file: KEYFILE"), start=False) as router:
            path = os.path.join(router.folder, "key")
            with open(path, "w") as file:
                file.write(KEY + "\n")
            os.chmod(path, 0o600)
            router.write_policy(policy(server, 'api_key_file: "%s"' % path))
            router.start()
            equal(router.decide(router.tap(), marked("k1"))["reason"], None, "with a key from a file")
            equal([value for name, value in server.requests[0].headers if name == "authorization"], ["Bearer " + KEY], "the header")
            equal(files_with(KEY, router.state, router.runtime), [], "files that hold the key")
            router.stop()
    for mode, content in ((0o644, KEY + "\n"), (0o666, KEY), (0o600, ""), (0o600, "\n"), (0o600, "two\nlines"), (0o600, None)):
        with Scripted(lambda request, number: said(GOOD)) as server, Sidecar(start=False) as router:
            path = os.path.join(router.folder, "key")
            if content is not None:
                with open(path, "w") as file:
                    file.write(content)
                os.chmod(path, mode)
            never_sent(router, server, policy(server, 'api_key_file: "%s"' % path), path, "a file %o holding %r" % (mode, content))


def test_a_key_that_is_not_there():
    for env in ({}, {"MATRIX_KEY": ""}, {"MATRIX_KEY": "two\r\nlines: x"}):
        with Scripted(lambda request, number: said(GOOD)) as server, Sidecar(start=False, env=env) as router:
            never_sent(router, server, policy(server, "api_key_env: MATRIX_KEY"), "MATRIX_KEY", "environment %s" % env)


def never_sent(router, server, text, place, what):
    """Either the router does not start with such a policy, or it asks nobody; both times it says whose key is at fault."""
    router.write_policy(text)
    try:
        router.start()
        record = router.decide(router.tap(), marked("k1"))
        equal((record["reason"], record["route_candidate"]), ("local_unavailable", "frontier"), what)
    except Failed as fault:
        if router.is_ready:
            raise fault
    equal(len(server.requests + server.others), 0, what + ": requests without a usable key")
    check(place in router.messages or "models.small: the API key" in router.messages, "%s: nothing says that %s is at fault: %s" % (what, place, router.messages[-300:]))
    check(KEY not in router.messages, what + ": the key is in the messages")


# Asking once more


def test_schema_retry_asks_once_more_with_the_error():
    wrong = {"label": "nonsense-label", "confidence": 0.9}
    price = "price: {input_per_mtok: 1000000, output_per_mtok: 2000000}"
    with Scripted(lambda request, number: said(wrong, 10, 4) if number == 0 else said(GOOD, 30, 6)) as server:
        record, _ = one(server, price, "schema_retry: 1")
        equal((record["reason"], record["route_candidate"], record["label"], record["attempts"]), (None, "local", "a", 2), "wrong, then right (detail %r)" % record["detail"])
        equal([(s["purpose"], s["fault"], s["input_tokens"], s["output_tokens"], s["cost_usd"]) for s in record["local_steps"]],
              [("first", "label_not_in_set", 10, 4, 18), ("correction", None, 30, 6, 42)], "local_steps")
        equal((record["local_input_tokens"], record["local_output_tokens"], record["local_cost_usd"]), (40, 10, 60), "tokens and cost of both")
        first, second = (request.json["prompt"] for request in server.requests)
        check("nonsense-label" in second and "nonsense-label" not in first, "the second request does not hold the first answer")
        check(len(second) > len(first), "the second request says nothing more")
    with Scripted(lambda request, number: said(wrong)) as server:
        record, _ = one(server, "", "schema_retry: 1")
        equal((record["reason"], record["detail"], record["attempts"], len(server.requests)), ("schema_invalid", "label_not_in_set", 2, 2), "wrong twice")
    for answer, why in ((wrong, "without schema_retry"), (GOOD, "a right answer")):
        with Scripted(lambda request, number: said(answer)) as server:
            record, _ = one(server, "", "schema_retry: 0" if answer is wrong else "schema_retry: 1")
            equal((record["attempts"], len(server.requests), record.get("local_steps")), (1, 1, None), why)
    for answer, reason in (({"label": "a", "confidence": 0.1}, "confidence_low"), ({"label": "a", "answer": "rotate the password", "confidence": 0.9}, "hard_stop_security")):
        with Scripted(lambda request, number: said(answer)) as server:
            record, _ = one(server, "", "schema_retry: 1")
            equal((record["reason"], len(server.requests)), (reason, 1), "an answer of the right shape is not asked for again")


def test_samples_give_the_confidence():
    # The greedy answer, then the samples; the label, the share that agrees.
    for answers, label, share in [("aaaaa", "a", 1.0), ("aabaa", "a", 0.8), ("baaaa", "a", 0.8), ("ababb", "b", 0.6), ("abab", "a", 0.5), ("baab", "b", 0.5)]:
        with Scripted(lambda request, number: said({"label": answers[number % len(answers)], "confidence": 0.33})) as server:
            record, _ = one(server, "max_concurrency: 1", "samples: %d" % len(answers))
            equal((record["reason"], record["label"], record["confidence_source"], record["attempts"]), (None, label, "samples", len(answers)), "answers %s (detail %r)" % (answers, record["detail"]))
            check(abs(record["confidence"] - share) < 1e-9, "answers %s: confidence %r, want %r" % (answers, record["confidence"], share))
            options = [request.json["options"] for request in server.requests]
            equal(options[0]["temperature"], 0, "temperature of the first")
            check(all(o["temperature"] > 0 for o in options[1:]), lambda: "temperatures of the samples: %s" % [o["temperature"] for o in options[1:]])
            equal(len({o["seed"] for o in options}), len(answers), "seeds")
            equal([s["purpose"] for s in record["local_steps"]], ["first"] + ["sample"] * (len(answers) - 1), "local_steps")


def test_where_log_probabilities_come_no_samples_are_asked():
    with Classifier() as server:
        for name, (provider, path) in FORMATS.items():
            text = ('models:\n  m: {provider: %s, name: %s, endpoint: "%s", timeout_ms: 5000}\ntasks:\n  t: {local: true, labels: [%s], min_confidence: 0, samples: 3}\n' % (
                provider, CLASSIFIER, server.url(path), ", ".join(LABELS)))
            with Sidecar(text) as router:
                record = router.decide(router.tap(), call("l1", "t", "Please let me pin notes to the top"))
                # Anthropic's format has none.
                want = (None, "samples", 3) if name == "anthropic" else (None, "logprob", 1)
                equal((record["reason"], record["confidence_source"], record["attempts"]), want, "%s (detail %r)" % (name, record["detail"]))
                check(0 < record["confidence"] <= 1, "%s: confidence %r" % (name, record["confidence"]))
                router.stop()


def test_a_server_that_refuses_log_probabilities_is_asked_without():
    def reply(request, number):
        return http_response(400, b'{"error":"unknown field logprobs"}') if "logprobs" in request.json else said(GOOD)
    with Scripted(reply) as server, Sidecar(policy(server)) as router:
        tap = router.tap()
        first, second = (router.decide(tap, marked("r%d" % i)) for i in range(2))
        equal((first["reason"], second["reason"]), (None, None), "with and after the refusal (details %r, %r)" % (first["detail"], second["detail"]))
        equal(second["attempts"], 1, "requests of the second call: the refusal is remembered")
        equal(first["confidence_source"], "self_reported", "confidence_source")
        router.stop()


if __name__ == "__main__":
    main(globals())
