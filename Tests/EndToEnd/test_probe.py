"""What the router finds out about its candidates' servers, and that finding out harms nobody (contract, sections 1 and 5)."""
import contextlib
import json
import re
import subprocess
import sys
import threading
import time

from sidecar import *

WORDS = ("quartzite", "marzipan")
ENFORCED = {"label": "marzipan", "confidence": 0.5}
PROSE = "It rains all day."
GOOD = {"label": "a", "confidence": 0.9}


class Ollama:
    """A scripted server with a model; `asked` holds the bodies of all that was generated, `looked` the GETs.

    `models`: name → digest. `reply(body)`: a whole HTTP response to a POST, or None for what an Ollama with a
    working schema and log-probabilities says.
    """

    def __init__(self, models=None, reply=None, paths=None):
        self.models = {"fake:latest": "aa" * 32} if models is None else models
        self.reply, self.paths, self.asked, self.looked, self.agents = reply, paths or {}, [], [], []
        self.server = Server(self.serve)

    def serve(self, peer):
        stream = peer.makefile("rb")
        while True:
            words = stream.readline().split()
            if not words:
                return
            headers = {}
            for line in iter(stream.readline, b"\r\n"):
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = stream.read(int(headers.get("content-length", 0)))
            method, path = words[0].decode(), words[1].decode()
            self.agents.append(headers.get("user-agent"))
            peer.sendall(self.look(path) if method == "GET" else self.generate(json.loads(body)))

    def look(self, path):
        self.looked.append(path)
        if path in self.paths:
            return self.paths[path]
        if path == "/api/version":
            return http_response(200, b'{"version":"0.9.1"}')
        if path == "/api/tags":
            rows = [{"name": name, "model": name, "digest": digest} for name, digest in self.models.items()]
            return http_response(200, json.dumps({"models": rows}).encode())
        return http_response(404, b'{"error":"not found"}')

    def generate(self, body):
        self.asked.append(body)
        return (self.reply and self.reply(body)) or self.answer(body)

    def answer(self, body, logprobs=True):
        labels = body["format"]["properties"]["label"]["enum"]
        said = {"response": json.dumps({"label": labels[0], "confidence": 0.9}), "done": True, "done_reason": "stop",
                "prompt_eval_count": 100, "eval_count": 10}
        if logprobs and body.get("logprobs"):
            said["logprobs"] = [{"token": "{", "logprob": -7.8, "top_logprobs": []}]
        return http_response(200, json.dumps(said).encode())

    @property
    def endpoint(self):
        return self.server.endpoint

    @property
    def small_asks(self):
        return [body for body in self.asked if any(word in json.dumps(body) for word in WORDS)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.__exit__()


def policy(endpoint, name="fake", id="small", provider="ollama", **model):
    more = "".join(", %s: %s" % pair for pair in model.items())
    return ('models:\n  %s: {provider: %s, name: "%s", endpoint: "%s"%s}\ntasks:\n'
            "  t: {local: true, labels: [a, b], min_confidence: 0.5}\n" % (id, provider, name, endpoint, more))


def first_probe(router, timeout=15):
    return router.wait_for("probe", 1, timeout)[0]


def candidate(router, id="small"):
    return next(c for c in router.status()["candidates"] if c["id"] == id)


FIELDS = ["model_id", "model", "provider", "host", "present", "digest", "previous_digest", "digest_changed", "server_version",
          "schema_enforced", "logprobs", "post_sampling_probs", "fault", "latency_ms", "cost_usd", "by"]


def test_a_probe_is_one_small_ask_and_its_findings_stand_in_record_and_status():
    with Ollama() as model:
        text = policy(model.endpoint, price="{input_per_mtok: 2, output_per_mtok: 10}", max_output_tokens=4000)
        with Sidecar(text) as router:
            record = first_probe(router)
            equal(list(record)[list(record).index("kind") + 1:-2], FIELDS, "fields of the record")
            equal((record["model_id"], record["model"], record["provider"]), ("small", "fake", "ollama"), "the model")
            equal((record["present"], record["digest"], record["by"]), (True, "sha256:" + "aa" * 32, "start"), "what was found")
            equal((record["previous_digest"], record["digest_changed"]), (None, False), "no digest was known before")
            equal((record["server_version"], record["schema_enforced"], record["fault"]), ("0.9.1", True, None), "the server")
            check(record["host"].startswith("127.0.0.1:"), "host %r" % record["host"])
            check(record["latency_ms"] > 0, "latency_ms %r" % record["latency_ms"])
            equal(round(record["cost_usd"], 9), 0.0003, "the cost of 100 and 10 tokens")
            equal(model.looked, ["/api/version", "/api/tags"], "looks at the server")
            equal(len(model.asked), 1, "times the model was asked")
            equal(len(model.small_asks), 1, "small asks")
            ask = model.asked[0]
            check(ask["options"]["num_predict"] <= 64, "the output limit is %d" % ask["options"]["num_predict"])
            check(not any(word in ask["prompt"] for word in WORDS), "the prompt names the words that only the schema may give")
            equal(set(model.agents), {"shadow-router-probe"}, "how the probe names itself")
            shown = candidate(router)
            equal((shown["present"], shown["digest"], shown["schema_enforced"], shown["problem"]),
                  (True, "sha256:" + "aa" * 32, True, None), "status")
            screen = router.command("status").stdout
            check("present, sha256:aaaaaaaaaaaa, schema enforced" in screen, lambda: "status says: " + screen)
            decision = router.decide(router.tap(), call("c1"))
            equal(decision["local_model_digest"], "sha256:" + "aa" * 32, "the decision's digest")
            router.stop()


def test_the_schema_of_the_record_holds():
    schema = json.loads(run("schema", "record").stdout)
    rule = next(r for r in schema["allOf"] if r["if"]["properties"]["kind"] == {"const": "probe"})["then"]
    equal(rule["required"], FIELDS, "fields that the schema requires")
    with Ollama() as model, Sidecar(policy(model.endpoint)) as router:
        record = first_probe(router)
        router.stop()
    names = {"string": str, "boolean": bool, "null": type(None), "number": (int, float)}
    for field, wanted in rule["properties"].items():
        if "enum" in wanted:
            check(record[field] in wanted["enum"], "%s is %r" % (field, record[field]))
        else:
            kinds = wanted["type"] if isinstance(wanted["type"], list) else [wanted["type"]]
            check(any(isinstance(record[field], names[k]) for k in kinds), "%s is %r" % (field, record[field]))


def test_a_server_that_never_answers_delays_neither_ready_nor_calls_nor_the_stop():
    with Server(lambda peer: time.sleep(600)) as hang, Ollama() as model:
        text = ('models:\n  hung: {provider: ollama, name: h, endpoint: "%s", timeout_ms: 20000}\n'
                '  small: {provider: ollama, name: fake, endpoint: "%s"}\n'
                "tasks:\n  t: {local: true, model: small, labels: [a, b], min_confidence: 0.5}\n" % (hang.endpoint, model.endpoint))
        with Sidecar(text) as router:
            check(router.ready_after < 15, "ready only after %.1f s" % router.ready_after)
            start = time.monotonic()
            equal(router.decide(router.tap(), call("c1"))["reason"], None, "a call while the probe hangs")
            check(time.monotonic() - start < 15, "the call took %.1f s" % (time.monotonic() - start))
            start = time.monotonic()
            router.stop()
            took = time.monotonic() - start
            check(took < 15, "the stop took %.1f s while a probe hung" % took)
            figure("stop while a probe hangs", "%.2f s" % took)


def test_a_probe_gives_a_hanging_server_up_after_the_models_timeout():
    with Server(lambda peer: time.sleep(600)) as hang, Sidecar(policy(hang.endpoint, timeout_ms=700)) as router:
        record = first_probe(router, 6)
        equal((record["fault"], record["present"], record["schema_enforced"], record["logprobs"]),
              ("timeout", None, None, "unknown"), "the record")
        shown = candidate(router)
        check("700 ms" in shown["problem"] and "timeout_ms" in shown["remedy"], lambda: "status says %r" % shown)
        equal(shown["breaker"], "closed", "breaker")
        router.stop()


def test_an_absent_model_comes_first_in_status_with_what_to_do():
    with Ollama() as good, Ollama({"other:latest": "bb" * 32}) as empty:
        text = ('models:\n  a: {provider: ollama, name: fake, endpoint: "%s"}\n  z: {provider: ollama, name: "qwen3:1.7b", endpoint: "%s"}\n'
                "tasks:\n  t: {local: true, model: a, min_confidence: 0.5}\n" % (good.endpoint, empty.endpoint))
        with Sidecar(text) as router:
            router.wait_for("probe", 2)
            shown = router.status()["candidates"]
            equal([c["id"] for c in shown], ["z", "a"], "problems first")
            equal((shown[0]["present"], shown[0]["remedy"]), (False, "ollama pull qwen3:1.7b"), "status")
            equal(empty.asked, [], "a model that is not there is not asked")
            screen = router.command("status").stdout
            check("absent" in screen and "ollama pull qwen3:1.7b" in screen, lambda: "status says: " + screen)
            check("event=model_problem" in router.messages and "ollama pull" in router.messages, "the event log says nothing")
            router.stop()


def test_a_changed_digest_is_seen_after_a_reload_and_begins_new_evidence():
    with Ollama() as model, Sidecar(policy(model.endpoint)) as router:
        first_probe(router)
        tap = router.tap()
        equal(router.decide(tap, call("c1"))["local_model_digest"], "sha256:" + "aa" * 32, "before")
        model.models["fake:latest"] = "bb" * 32
        router.write_policy(policy(model.endpoint, timeout_ms=19000))
        equal(router.command("reload").returncode, 0, "reload")
        record = router.wait_for("probe", 2)[1]
        equal((record["by"], record["digest"], record["previous_digest"], record["digest_changed"]),
              ("reload", "sha256:" + "bb" * 32, "sha256:" + "aa" * 32, True), "the record after the reload")
        check("event=model_digest_changed" in router.messages, "the event log does not say so")
        equal(router.decide(tap, call("c2"))["local_model_digest"], "sha256:" + "bb" * 32, "after")
        report = json.loads(router.command("report", "--json").stdout)
        changes = [c["text"] for c in report["changes"]]
        check(any("from fake (sha256:aaaa" in c for c in changes), lambda: "what changed: %s" % changes)
        check(any("for the gate its evidence starts anew" in c for c in changes), lambda: "what changed: %s" % changes)
        # A kept model that was just asked is not asked again.
        router.write_policy(policy(model.endpoint, timeout_ms=19000) + "  u: {local: false}\n")
        equal(router.command("reload").returncode, 0, "reload")
        time.sleep(2.5)
        equal(router.count("probe"), 2, "probe records after a reload that left the model as it was")
        equal(len(model.small_asks), 2, "small asks")
        router.stop()


def test_a_digest_that_changed_while_no_router_ran_is_news():
    with Ollama() as model, Sidecar(policy(model.endpoint)) as router:
        first_probe(router)
        router.stop()
        model.models["fake:latest"] = "cc" * 32
        router.start()
        record = router.wait_for("probe", 2)[1]
        equal((record["by"], record["previous_digest"], record["digest_changed"]), ("start", "sha256:" + "aa" * 32, True), "the record")
        router.stop()


def test_log_probabilities_that_are_dropped_or_refused_are_noticed():
    def dropped(body):
        return model.answer(body, logprobs=False)

    def refused(body):
        return http_response(400, b'{"error":"unknown field logprobs"}') if body.get("logprobs") else None
    for reply, want, asks in ((None, "returned", 1), (dropped, "dropped", 1), (refused, "refused", 2)):
        with Ollama(reply=reply) as model, Sidecar(policy(model.endpoint)) as router:
            record = first_probe(router)
            if not model.asked[0].get("logprobs"):
                equal(record["logprobs"], "unknown", "log-probabilities that were not asked for")
                raise Skipped("this version does not ask Ollama for log-probabilities")
            equal((record["logprobs"], record["fault"]), (want, None), "logprobs")
            equal(len(model.asked), asks, "requests to the model where they are " + want)
            equal(candidate(router)["logprobs"], want, "status")
            router.stop()


def test_a_schema_that_is_not_enforced_is_noticed():
    with Ollama(reply=lambda body: generated(PROSE)) as model, Sidecar(policy(model.endpoint)) as router:
        record = first_probe(router)
        equal((record["schema_enforced"], record["present"], record["fault"]), (False, True, None), "the record")
        check("schema" in candidate(router)["problem"], "status names no problem")
        router.stop()


def test_a_probe_never_counts_for_the_breaker_and_is_not_sent_while_it_is_open():
    healthy = threading.Event()

    def reply(body):
        return None if healthy.is_set() else http_response(500, b'{"error":"boom"}')
    with Ollama(reply=reply) as model:
        with Sidecar(policy(model.endpoint, breaker="{failures: 1, cooldown_ms: 1500}")) as router:
            equal(first_probe(router)["fault"], "status_500", "the failed probe")
            equal(candidate(router)["breaker"], "closed", "the breaker after a failed probe")
            tap = router.tap()
            equal(router.decide(tap, call("c0"))["detail"], "status_500", "the call that opens it")
            equal(candidate(router)["breaker"], "open", "the breaker")
            looked = len(model.looked)
            router.write_policy(policy(model.endpoint, breaker="{failures: 1, cooldown_ms: 1500}") + "  u: {local: false}\n")
            router.command("reload")
            time.sleep(2.2)
            equal((len(model.looked), len(model.small_asks)), (looked, 1), "looks and small asks while the breaker is open")
            healthy.set()
            equal(router.decide(tap, call("c1"))["reason"], None, "the call that closes it")
            record = router.wait_for("probe", 2, 10)[1]
            equal((record["by"], record["fault"], record["schema_enforced"]), ("recovery", None, True), "the probe after it")
            equal(len(model.small_asks), 2, "small asks")
            check("event=model_well" in router.messages, "the event log does not say that the model is well")
            errors = [n for n in router.metrics() if n.startswith("shadow_router_candidate_errors_total")]
            equal(len(errors), 1, "candidate errors are those of calls alone: %s" % errors)
            router.stop()


def test_a_server_that_comes_later_is_found_soon():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Sidecar(policy("http://127.0.0.1:%d/api/generate" % port)) as router:
        record = first_probe(router)
        equal((record["fault"], record["present"]), ("refused", None), "nobody listens")
        check("start the server" in candidate(router)["remedy"], "status does not say what to do")
        with Ollama() as model:
            model.server.listener.close()
            model.server.listener = socket.create_server(("127.0.0.1", port))
            threading.Thread(target=model.server.accept, daemon=True).start()
            record = router.wait_for("probe", 2, 20)[1]
            equal((record["by"], record["present"], record["fault"]), ("timer", True, None), "found")
        router.stop()


def test_a_killed_router_probes_nobody_until_it_is_revived():
    with Ollama() as model:
        router = Sidecar(policy(model.endpoint), start=False)
        with router:
            equal(router.command("kill", "on").returncode, 0, "kill on")
            router.start()
            time.sleep(1.5)
            equal((model.looked, model.asked), ([], []), "requests of a killed router")
            equal(router.command("kill", "off").returncode, 0, "kill off")
            equal(first_probe(router)["by"], "start", "the probe that waited")
            router.stop()


def test_hostile_servers_do_no_harm():
    deep = b'{"models":' + b"[" * 100000 + b"]" * 100000 + b"}"
    pages = [http_response(200, b"<html>"), http_response(200, b"null"), http_response(200, deep), http_response(302, b"", more="Location: /x\r\n"),
             http_response(200, json.dumps({"models": [{"name": 7, "digest": []}, None], "version": "\x1b[31m" + "v" * 500}).encode())]
    for page in pages:
        with Ollama(paths={"/api/version": page, "/api/tags": page}) as model, Sidecar(policy(model.endpoint)) as router:
            record = first_probe(router)
            check(len(record["server_version"] or "") <= 64 and "\x1b" not in (record["server_version"] or ""), "version %r" % record["server_version"])
            router.alive()
            router.stop()
    with Ollama(reply=lambda body: http_response(200, b'{"response":"' + b"x" * (6 << 20) + b'"}')) as model:
        with Sidecar(policy(model.endpoint)) as router:
            equal(first_probe(router)["fault"], "response_too_large", "a huge answer")
            router.stop()


# check --live

def test_check_live_prints_what_each_candidate_can_do():
    with Ollama() as model, Ollama({}) as empty:
        good = Sidecar(policy(model.endpoint), start=False)
        with good:
            done = run("check", "--live", good.policy)
            equal(done.returncode, 0, "exit: " + done.stderr)
            check(re.search(r"small +ollama +http://\S+ +yes +sha256:a{12} +yes ", done.stdout), lambda: "it prints: " + done.stdout)
            equal(len(model.asked), 1, "times the model was asked")
            done = run("check", "--live", "--json", good.policy)
            found = json.loads(done.stdout)
            equal((found["ok"], found["candidates"][0]["present"]), (True, True), "as JSON")
            good.write_policy(policy(empty.endpoint))
            done = run("check", "--live", good.policy)
            equal(done.returncode, 1, "exit where the model is absent")
            check("ollama pull fake" in done.stdout, lambda: "it prints: " + done.stdout)
            good.write_policy(policy("http://127.0.0.1:9/api/generate"))
            done = run("check", "--live", "--json", good.policy)
            equal((done.returncode, json.loads(done.stdout)["candidates"][0]["probe_fault"]), (1, "refused"), "nobody listens")
            equal(run("check", "--live", "--brief", good.policy).returncode, 2, "--live with --brief")
            equal(run("check", good.policy).returncode, 0, "without --live nobody is asked")


# Other providers, scripted

def chat(said=json.dumps(ENFORCED), logprobs=None, **more):
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    if logprobs is not None:
        choice["logprobs"] = {"content": logprobs}
    usage = {"prompt_tokens": 30, "completion_tokens": 9}
    return http_response(200, json.dumps({"choices": [choice], "usage": usage, "model": "fake", "system_fingerprint": "fp_7", **more}).encode())


def completion(body, listed):
    said = {"content": json.dumps(ENFORCED), "stop": True, "stop_type": "eos", "tokens_predicted": 9, "tokens_evaluated": 30}
    if body.get("post_sampling_probs"):
        said.update(content="m", completion_probabilities=[{"token": "m", "prob": 0.6, "top_probs": listed}])
    elif body.get("n_probs"):
        said["completion_probabilities"] = [{"token": "{", "logprob": -7.8, "top_logprobs": []}]
    return http_response(200, json.dumps(said).encode())


def message():
    use = {"type": "tool_use", "id": "toolu_1", "name": "answer", "input": ENFORCED}
    return lambda body: http_response(200, json.dumps({
        "type": "message", "role": "assistant", "model": "fake", "stop_reason": "tool_use", "usage": {"input_tokens": 30, "output_tokens": 9},
        "content": [{**use, "name": (body.get("tools") or [{"name": "answer"}])[0]["name"]}]}).encode())


def listing(*entries):
    return {"/v1/models": http_response(200, json.dumps({"data": list(entries)}).encode())}


TOKEN = [{"token": "{", "logprob": -7.8, "top_logprobs": []}]
EXACT = [{"token": "qu", "prob": 0.4}, {"token": "mar", "prob": 0.6}]
BEFORE = [{"token": "The", "prob": 0.9}, {"token": "mar", "prob": 0.1}]
MISSING = http_response(404, b'{"error":{"message":"The model does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}')
PROPS = {"/props": http_response(200, b'{"model_path":"/m.gguf","default_generation_settings":{"n_ctx":2048},"build_info":"b1"}')}
# What it is; provider, path, GETs, reply → present, a digest, schema, logprobs, post-sampling probabilities, fault
OTHERS = [
    ("vLLM", "openai", "/v1/chat/completions", listing({"id": "fake", "created": 1, "root": "org/fake", "max_model_len": 4096}),
     lambda body: chat(logprobs=TOKEN), (True, True, True, "returned", None, None)),
    ("a host that drops logprobs and schema", "openai", "/v1/chat/completions", listing({"id": "fake"}),
     lambda body: chat(PROSE), (True, False, False, "dropped", None, None)),
    ("a host that refuses logprobs", "openai", "/v1/chat/completions", listing({"id": "fake"}),
     lambda body: http_response(400, b'{"error":{"message":"no logprobs"}}') if body.get("logprobs") else chat(), (True, False, True, "refused", None, None)),
    ("a host that lists nothing of it and answers", "openai", "/v1/chat/completions", listing({"id": "other"}),
     lambda body: chat(logprobs=TOKEN), (True, False, True, "returned", None, None)),
    ("a host without it", "openai", "/v1/chat/completions", listing({"id": "other"}), lambda body: MISSING, (False, False, None, "unknown", None, None)),
    ("a host without a list", "openai", "/v1/chat/completions", {}, lambda body: chat(logprobs=TOKEN), (True, False, True, "returned", None, None)),
    ("llama.cpp", "llamacpp", "/completion", PROPS, lambda body: completion(body, EXACT), (True, True, True, "returned", True, None)),
    ("llama.cpp before the grammar", "llamacpp", "/completion", PROPS, lambda body: completion(body, BEFORE), (True, True, True, "returned", False, None)),
    ("Anthropic", "anthropic", "/v1/messages", {"/v1/models/fake": http_response(200, b'{"type":"model","id":"fake"}')},
     message(), (True, False, True, "not_offered", None, None)),
    ("a proxy of Anthropic", "anthropic", "/v1/messages", {}, message(), (True, False, True, "not_offered", None, None)),
    ("a wrong key", "anthropic", "/v1/messages", {"/v1/models/fake": http_response(401, b"{}")}, message(),
     (None, False, None, "unknown", None, "status_401")),
]


def test_other_providers_servers_are_told_apart():
    for what, provider, path, paths, reply, want in OTHERS:
        with Ollama(paths=paths, reply=reply) as model:
            with Sidecar(policy(model.endpoint.replace("/api/generate", path), provider=provider)) as router:
                record = first_probe(router)
                if record["fault"] == "provider_not_supported_yet":
                    raise Skipped("this version does not ask " + provider)
                found = tuple(record[k] for k in ("present", "digest", "schema_enforced", "logprobs", "post_sampling_probs", "fault"))
                equal((found[0], found[1] is not None, *found[2:]), want, what)
                router.stop()
    figure("servers of other providers told apart", len(OTHERS))


# The shared classifier, behind three formats

@contextlib.contextmanager
def classifier(*options):
    script = shared("tools", "candidate", "candidate_server.py")
    process = subprocess.Popen(
        [sys.executable, script, "--port", "0", "--backend", "nb", "--examples", shared("tools", "candidate", "tickets.jsonl"), *options],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield "http://127.0.0.1:" + process.stdout.readline().split()[1]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def test_the_shared_classifier_is_found_behind_each_format():
    found = []
    with classifier() as base:
        for provider, path in (("ollama", "/api/generate"), ("ollama", "/api/chat"), ("openai", "/v1/chat/completions"), ("llamacpp", "/completion")):
            with Sidecar(policy(base + path, name="nb-char", provider=provider, id="nb")) as router:
                record = first_probe(router)
                if record["fault"] == "provider_not_supported_yet":
                    print("SKIPPED: %s %s cannot be asked yet; only its server was looked at" % (provider, path))
                else:
                    equal((record["present"], record["fault"]), (True, None), path)
                equal(record["digest"] is None, provider != "ollama", path + ": a digest only where the server states one")
                found.append((path, record["present"], record["digest"] and record["digest"][:14], record["schema_enforced"],
                              record["logprobs"], record["post_sampling_probs"], record["fault"]))
                router.stop()
        with Sidecar(policy(base + "/api/generate", name="no-such")) as router:
            equal((first_probe(router)["present"], candidate(router)["remedy"]), (False, "ollama pull no-such"), "an absent model")
            router.stop()
    table("The shared classifier, probed", [("endpoint", "present", "digest", "schema", "logprobs", "post", "fault"), *found])


def test_a_server_that_is_still_loading_is_said_to_be():
    loading = http_response(503, b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}')
    with Ollama(paths={"/props": loading}) as model:
        with Sidecar(policy(model.endpoint.replace("/api/generate", "/completion"), provider="llamacpp")) as router:
            record = first_probe(router)
            equal((record["fault"], record["present"], model.asked), ("loading", None, []), "the record")
            check("still loading" in candidate(router)["problem"], "status does not say so")
            router.stop()


def test_lazy_weights_are_no_reason_to_call_the_model_absent():
    with classifier("--lazy") as base, Sidecar(policy(base + "/api/generate", name="nb-char")) as router:
        record = first_probe(router)
        equal((record["present"], record["fault"], record["schema_enforced"]), (True, None, True), "weights loaded by the first ask")
        router.stop()


if __name__ == "__main__":
    main(globals())
