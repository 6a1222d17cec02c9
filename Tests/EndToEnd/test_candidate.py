"""The candidate behaves in every way that a model server can: the right reason, and nobody waits (contract, section 3)."""
import json
import threading
import time

from sidecar import *


def policy(endpoint, task="labels: [a, b, c], escalate_labels: [c], min_confidence: 0.7", **model):
    more = "".join(", %s: %s" % pair for pair in model.items())
    return 'models:\n  small: {provider: ollama, name: fake, endpoint: "%s"%s}\ntasks:\n  t: {local: true, %s}\n' % (endpoint, more, task)


GOOD = {"label": "a", "confidence": 0.9}
LABELLED = [
    # What the model writes; reason, a word of the detail (None: no detail)
    (GOOD, None, None),
    ({"label": "a", "answer": "alpha", "confidence": 1}, None, None),
    ({"label": "b", "confidence": 0.7}, None, None),
    ({"label": "a", "confidence": 0.9, "more": [1]}, None, None),
    ("```json\n%s\n```" % json.dumps(GOOD), None, "fence"),
    ("```\n%s\n```" % json.dumps(GOOD), None, "fence"),
    ("<think>\nis it b? {\"label\": \"b\"}\n</think>\n\n%s" % json.dumps(GOOD), None, "thinking"),
    ("<think>hm</think>```json\n%s\n```" % json.dumps(GOOD), None, "thinking"),
    ("  \n%s \n" % json.dumps(GOOD), None, None),
    ({"label": "b", "confidence": 0.69}, "confidence_low", "below"),
    ({"label": "b", "confidence": 0}, "confidence_low", "below"),
    ({"label": "b"}, "confidence_low", "absent"),
    ({"label": "b", "confidence": None}, "confidence_low", "absent"),
    ({"label": "c", "confidence": 0.99}, "label_escalated", "c"),
    ({"label": "c", "confidence": 0.1}, "label_escalated", "c"),
    ({"label": "d", "confidence": 0.9}, "schema_invalid", "label"),
    ({"label": "A", "confidence": 0.9}, "schema_invalid", "label"),
    ({"label": 1, "confidence": 0.9}, "schema_invalid", "label"),
    ({"label": None, "confidence": 0.9}, "schema_invalid", "label"),
    ({"confidence": 0.9}, "schema_invalid", "label"),
    ({"label": "a", "confidence": "0.9"}, "schema_invalid", "confidence"),
    ({"label": "a", "confidence": True}, "schema_invalid", "confidence"),
    ({"label": "a", "confidence": 1.01}, "schema_invalid", "confidence"),
    ({"label": "a", "confidence": -0.1}, "schema_invalid", "confidence"),
    ({"label": "a", "confidence": 90}, "schema_invalid", "confidence"),
    ('{"label":"a","confidence":1e999}', "schema_invalid", None),
    ('{"label":"a","confidence":NaN}', "schema_invalid", "not_json"),
    ({"label": "a", "confidence": 0.9, "answer": 7}, "schema_invalid", "answer"),
    ('{"label":"a","confidence":0.9} {"label":"b","confidence":0.9}', "schema_invalid", "more_than_one"),
    ('{"label":"a","label":"b","confidence":0.9}', "schema_invalid", "duplicate"),
    ('{"label":"a","confidence":0.9', "schema_invalid", "truncated"),
    ("The label is a.", "schema_invalid", "not_json"),
    ("Sure! " + json.dumps(GOOD), "schema_invalid", None),
    (json.dumps(GOOD) + "\nI hope this helps.", "schema_invalid", None),
    ("[%s]" % json.dumps(GOOD), "schema_invalid", "not_an_object"),
    ('"a"', "schema_invalid", "not_an_object"),
    ("null", "schema_invalid", "not_an_object"),
    ("", "schema_invalid", "empty"),
    (" \n ", "schema_invalid", "empty"),
    ("{'label': 'a', 'confidence': 0.9}", "schema_invalid", "not_json"),
    ({"label": "a", "answer": "rotate the API token first", "confidence": 0.9}, "hard_stop_access", None),
    ({"label": "a", "answer": "the password is weak", "confidence": 0.9}, "hard_stop_security", None),
    ({"label": "a", "answer": {"do": ["deploy it"]}, "confidence": 0.9}, "hard_stop_production", None),
]
TEXTUAL = [
    ({"answer": "short", "confidence": 0.9}, None, None),
    ({"answer": {"a": 1}, "confidence": 0.9}, None, None),
    ({"confidence": 0.9}, "schema_invalid", "answer"),
    ({"answer": None, "confidence": 0.9}, "schema_invalid", "answer"),
    ({"answer": ["x"], "confidence": 0.9}, "schema_invalid", "answer"),
    ({"answer": " ", "confidence": 0.9}, "schema_invalid", "answer"),
    ({"answer": "x" * 31, "confidence": 0.9}, "schema_invalid", "too_long"),
    ({"answer": "I'm sorry, but I can't.", "confidence": 0.9}, "schema_invalid", "refusal"),
]


def judged(cases, task):
    """Sends one call a case to a model that writes that case's words; checks every decision."""
    def reply(request):
        number = int(request["prompt"].rpartition("CASE")[2].split()[0])
        return generated(cases[number][0])
    with ollama(reply) as model, Sidecar(policy(model.endpoint, task, max_concurrency=4)) as router:
        tap = router.tap()
        tap.send(b"".join(call("j%d" % i, text="CASE%d please" % i) for i in range(len(cases))))
        router.wait_for("decision", len(cases))
        found = router.decisions()
        for number, (words, reason, detail) in enumerate(cases):
            record = found["j%d" % number]
            what = "the model wrote %s" % shorten(words, 80)
            equal((record["reason"], record["route_candidate"]), (reason, "frontier" if reason else "local"), what)
            if detail:
                check(detail in (record["detail"] or ""), "%s: detail %r does not name %r" % (what, record["detail"], detail))
            check(record["validator_result"], what + ": no validator_result")
            equal((record["local_model"], record["local_model_id"], record["attempts"]), ("fake", "small", 1), what)
            equal((record["local_input_tokens"], record["local_output_tokens"]), (17, 5), what + ": tokens")
            if (reason or "").startswith("hard_stop"):
                equal({m["where"] for m in record["hard_stop_match"]}, {"answer"}, what + ": where the term stood")
        router.stop()
    return len(cases)


def test_what_the_model_writes_gives_the_contracts_reason_and_detail():
    count = judged(LABELLED, "labels: [a, b, c], escalate_labels: [c], min_confidence: 0.7")
    count += judged(TEXTUAL, "output: text, min_confidence: 0.7, max_output_chars: 30, reject_refusals: true")
    figure("ways of a model to answer, judged", count)


def raw(data):
    def serve(peer):
        read_request(peer.makefile("rb"))
        peer.sendall(data)
        peer.close()
    return Server(serve)


BODY = json.dumps({"response": json.dumps(GOOD), "done": True}).encode()
HTML = b"<html><body>502 Bad Gateway</body></html>"
# How the server behaves → the detail of local_unavailable.
SERVERS = {
    "429": (http_response(429, b'{"error":"slow down"}'), "status_429"),
    "500": (http_response(500, b'{"error":"boom"}'), "status_500"),
    "404": (http_response(404, b'{"error":"model not found"}'), "status_404"),
    "302": (http_response(302, b"", more="Location: /x\r\n"), "status_302"),
    "HTML with 502": (http_response(502, HTML, "text/html"), "status_502"),
    "HTML with 200": (http_response(200, HTML, "text/html"), "bad_response"),
    "closed without a word": (b"", "connection_lost"),
    "a body shorter than said": (http_response(200, BODY, length=len(BODY) + 50), "short_body"),
    "a huge body": (http_response(200, b'{"response":"' + b"x" * (6 << 20) + b'"}'), "response_too_large"),
    "a huge promise": (http_response(200, BODY, length=1 << 40), "response_too_large"),
    "no HTTP at all": (b"hello there\r\n\r\n" + BODY, "bad_http"),
    "endless headers": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200000, None),
    "an error member": (http_response(200, b'{"error":"out of memory"}'), "bad_response"),
    "no response member": (http_response(200, b'{"done":true}'), "bad_response"),
    "broken JSON": (http_response(200, b'{"response":'), "bad_response"),
    "an empty body": (http_response(200, b""), "bad_response"),
}


def test_every_failing_server_is_local_unavailable_with_its_cause():
    for name, (data, cause) in SERVERS.items():
        with raw(data) as server, Sidecar(policy(server.endpoint, timeout_ms=4000)) as router:
            tap = router.tap()
            record = router.decide(tap, call("s1"))
            equal((record["reason"], record["reason_code"], record["route_candidate"]), ("local_unavailable", 11, "frontier"), name)
            if cause:
                equal(record["detail"], cause, name)
            check(record["detail"], name + ": no detail")
            router.stop()
    with Sidecar(policy("http://127.0.0.1:9/api/generate")) as router:
        equal(router.decide(router.tap(), call("s1"))["detail"], "refused", "nobody listens")
        router.stop()
    figure("failing servers tried", len(SERVERS) + 1)


def test_chunked_slow_and_kept_connections_are_read():
    pieces = [BODY[:5], BODY[5:9], BODY[9:]]
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"

    def serve(peer):
        stream = peer.makefile("rb")
        while read_request(stream) is not None:
            for byte in range(0, len(chunked), 7):
                peer.sendall(chunked[byte:byte + 7])
    with Server(serve) as server, Sidecar(policy(server.endpoint, max_concurrency=1)) as router:
        tap = router.tap()
        router.wait_for("probe", 1)
        probed = server.accepted
        for i in range(5):
            record = router.decide(tap, call("k%d" % i))
            equal((record["reason"], record["label"], record["confidence"]), (None, "a", 0.9), "a chunked answer")
        equal(server.accepted - probed, 1, "connections used for five calls")
        router.stop()
    # HTTP/1.0 style: the body ends with the connection.
    with raw(b"HTTP/1.0 200 OK\r\n\r\n" + BODY) as server, Sidecar(policy(server.endpoint)) as router:
        equal(router.decide(router.tap(), call("k0"))["reason"], None, "a body that ends with the connection")
        router.stop()


def test_a_hanging_model_is_given_up_in_time_and_senders_do_not_wait():
    with Server(lambda peer: time.sleep(600)) as hang:
        with Sidecar(policy(hang.endpoint, timeout_ms=400, max_concurrency=2)) as router:
            tap = router.tap()
            with BalanceWatch(router):
                start = time.monotonic()
                for i in range(200):
                    tap.send(call("h%d" % i))
                records = router.wait_for("decision", 200)
                took = time.monotonic() - start
            equal({r["reason"] for r in records}, {"local_unavailable"}, "reasons")
            check({r["detail"] for r in records} <= {"timeout", "breaker_open"}, lambda: "details %s" % {r["detail"] for r in records})
            check(took < 30, "200 calls took %.1f s with a timeout of 0.4 s" % took)
            check(tap.slowest < 5, "one send waited %.2f s" % tap.slowest)
            figure("200 calls on a hanging model (timeout 0.4 s), all decided after", "%.2f s" % took)
            figure("slowest send to a router whose model hangs", "%.1f ms" % (tap.slowest * 1000))
            router.stop()


def test_a_trickling_model_is_given_up_in_time():
    def serve(peer):
        peer.recv(1 << 16)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            peer.sendall(b" ")
            time.sleep(0.05)
    with Server(serve) as server, Sidecar(policy(server.endpoint, timeout_ms=500)) as router:
        start = time.monotonic()
        equal(router.decide(router.tap(), call("d1"))["detail"], "timeout", "a body that comes a byte at a time")
        check(time.monotonic() - start < 15, "it took %.1f s with a timeout of 0.5 s" % (time.monotonic() - start))
        router.stop()


def test_a_hung_model_does_not_delay_another_tasks():
    with Server(lambda peer: time.sleep(600)) as hang, ollama(lambda request: generated({"answer": "x", "confidence": 0.9})) as quick:
        text = ('models:\n  slow: {provider: ollama, name: s, endpoint: "%s", timeout_ms: 20000}\n  quick: {provider: ollama, name: q, endpoint: "%s"}\n'
                "tasks:\n  t: {local: true, model: slow, min_confidence: 0.5}\n  u: {local: true, model: quick, min_confidence: 0.5}\n"
                "  v: {local: false}\n" % (hang.endpoint, quick.endpoint))
        with Sidecar(text) as router:
            tap = router.tap()
            start = time.monotonic()
            for i in range(50):
                tap.send(call("a%d" % i, "t") + call("b%d" % i, "u") + call("c%d" % i, "v"))
            until(lambda: router.count("decision") >= 100, "decisions of the tasks whose model works", 10)
            took = time.monotonic() - start
            records = router.records("decision")
            equal({r["task_type"] for r in records}, {"u", "v"}, "tasks decided while the other model hangs")
            equal({r["reason"] for r in records if r["task_type"] == "u"}, {None}, "reasons of the quick task")
            figure("100 calls of two tasks beside a hung model", "%.2f s" % took)
            start = time.monotonic()
            router.stop()
            check(time.monotonic() - start < 18, "the stop waited for the hung model")
            stopped = [r for r in router.records("decision") if r["task_type"] == "t"]
            equal((len(stopped), {r["reason"] for r in stopped}), (50, {"local_unavailable"}), "calls left over at the stop")


def test_the_breaker_opens_probes_and_closes():
    healthy, asked = threading.Event(), []

    def reply(request):
        asked.append(time.monotonic())
        return generated(GOOD) if healthy.is_set() else http_response(500, b"{}")
    with ollama(reply) as model:
        with Sidecar(policy(model.endpoint, breaker="{failures: 3, cooldown_ms: 1000}")) as router:
            tap = router.tap()
            details = [router.decide(tap, call("x%d" % i))["detail"] for i in range(5)]
            equal(details, ["status_500"] * 3 + ["breaker_open"] * 2, "details of five calls, the breaker at 3")
            equal(len(asked), 3, "times that the model was asked")
            equal(router.status()["candidates"][0]["breaker"], "open", "status")

            def one(name):
                return lambda: router.decide(tap, call("%s%f" % (name, time.monotonic())))["detail"] != "breaker_open"
            until(one("probe"), "a probe after the cooldown", 5, 0.1)
            equal(len(asked), 4, "exactly one probe")
            check(asked[3] - asked[2] >= 0.99, "the probe came %.2f s after the breaker opened" % (asked[3] - asked[2]))
            equal(router.decide(tap, call("again"))["detail"], "breaker_open", "after a failed probe")
            healthy.set()
            until(one("well"), "the breaker lets calls through again", 5, 0.1)
            equal([router.decide(tap, call("y%d" % i))["reason"] for i in range(3)], [None] * 3, "once the model is well")
            equal(router.status()["candidates"][0]["breaker"], "closed", "status")
            errors = {n: v for n, v in router.metrics().items() if n.startswith("shadow_router_candidate_errors_total")}
            equal(errors['shadow_router_candidate_errors_total{model="small",cause="status_500"}'], 4, "candidate_errors_total")
            router.stop()


def test_a_404_never_opens_the_breaker_and_a_429_does():
    for status, want in ((404, {"status_404"}), (400, {"status_400"}), (429, {"status_429", "breaker_open"})):
        with ollama(lambda request: http_response(status, b"{}")) as model:
            with Sidecar(policy(model.endpoint, breaker="{failures: 2, cooldown_ms: 60000}", max_concurrency=1)) as router:
                tap = router.tap()
                equal({router.decide(tap, call("n%d" % i))["detail"] for i in range(6)}, want, "details with status %d" % status)
                router.stop()


def test_a_full_queue_is_said():
    release = threading.Event()

    def reply(request):
        release.wait(20)
        return generated(GOOD)
    with ollama(reply) as model, Sidecar(policy(model.endpoint, max_concurrency=1, max_queue=4)) as router:
        tap = router.tap()
        tap.send(call("q0"))
        until(lambda: router.status()["candidates"][0]["asking"] == 1, "the first call is being asked")
        tap.send(b"".join(call("q%d" % i) for i in range(1, 20)))
        full = router.wait_for("decision", 15)
        equal({(r["reason"], r["detail"]) for r in full}, {("local_unavailable", "queue_full")}, "what does not fit")
        load = router.status()["candidates"][0]
        equal((load["waiting"], load["asking"]), (4, 1), "waiting and asking")
        release.set()
        router.wait_for("decision", 20)
        router.stop()
        equal(sum(r["reason"] is None for r in router.records("decision")), 5, "calls answered: one being asked, four waiting")


def test_an_unreachable_model_never_delays_ready():
    # 192.0.2.0/24 is reserved for documentation: nothing answers there.
    with Sidecar(policy("http://192.0.2.1:80/api/generate", timeout_ms=20000)) as router:
        check(router.ready_after < 10, "ready only after %.1f s" % router.ready_after)
        router.tap().send(call("n1"))
        router.stop()


def test_the_candidate_gets_the_text_of_the_call_once_and_no_more():
    seen = []

    def reply(request):
        seen.append(request)
        return generated(GOOD)
    with ollama(reply) as model, Sidecar(policy(model.endpoint, max_output_tokens=77)) as router:
        router.decide(router.tap(), frame("call", call_id="p1", task_type="t", messages=[
            {"role": "system", "content": "SYSTEM-WORDS"}, {"role": "user", "content": [{"type": "text", "text": "USER-WORDS"},
             {"type": "image_url", "image_url": {"url": "data:image/png;base64,SU1BR0U="}}]}]))
        router.stop()
    equal(len(seen), 1, "requests for one call")
    request = seen[0]
    equal((request["model"], request["stream"]), ("fake", False), "model and stream")
    check("SYSTEM-WORDS\nUSER-WORDS" in request["prompt"], "the text of the call is not in the prompt")
    check("SU1BR0U" not in request["prompt"], "an image is in the prompt")
    equal(request["options"]["num_predict"], 77, "max_output_tokens")


if __name__ == "__main__":
    main(globals())
