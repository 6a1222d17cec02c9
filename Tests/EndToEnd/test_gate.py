"""Gates: from a log alone and through a running router, attempts, what a reload does to evidence (EVIDENCE)."""
import datetime
import json
import os
import sys

from sidecar import *

sys.path.insert(0, os.path.join(ROOT, "Tests", "Support"))
from log_writer import LogWriter  # noqa: E402

NOW = datetime.datetime.now(datetime.timezone.utc)
TASK = "  t: {local: true, labels: [a, b, other], min_confidence: %s, owner: ana%s}\n"


def policy(endpoint="http://127.0.0.1:9/api/generate", confidence=0.5, more=""):
    return ('models:\n  small: {provider: ollama, name: s, endpoint: "%s", timeout_ms: 3000}\n' % endpoint
            + "tasks:\n" + TASK % (confidence, more) + "  never: {local: false}\n")


def written(router, reviewed, false=0, drawn=None, **members):
    """A log of two weeks with so many drawn would-accepts, the first of them false ones."""
    log = LogWriter(router.state, NOW - datetime.timedelta(days=13))
    drawn = drawn or reviewed
    members.setdefault("policy", revision(open(router.policy).read()))
    for index in range(drawn):
        log.call("c%d" % index, **members)
        log.call("u%d" % index, sampled=False, **members)
        log.now += datetime.timedelta(days=12) / drawn
    for index in range(reviewed):
        log.review("c%d" % index, "escalate" if index < false else "accept")
    log.drill()
    log.flush()
    return log


def gate(router, *words):
    result = router.command("gate", "t", "--json", *words)
    check(result.stdout, lambda: "no answer: " + result.stderr)
    return result.returncode, json.loads(result.stdout)


def states(value):
    return {c["name"]: c["state"] for c in value["conditions"]}


def test_from_the_log_alone():
    with Sidecar(policy(), start=False) as router:
        written(router, 401)
        equal(router.command("verify-log").returncode, 0, "verify-log of the written log")
        before = router.lines()
        code, value = gate(router)
        equal((code, value["outcome"], value["attempt"], value["reviews_needed"]), (0, "pass", 1, 401), "the gate")
        equal(value["epoch"]["would_accepts"], 802, "would-accepts")
        check(set(states(value).values()) == {"met", "not_applicable"}, lambda: str(states(value)))
        equal(router.lines(), before, "the log after asking")
        text = router.command("gate", "t")
        check("t: pass" in text.stdout and "e_process" in text.stdout and "next: " in text.stdout, text.stdout)
        equal(router.command("gate", "nothing").returncode, 2, "an unknown task")
        equal(router.command("gate", "t", "--challenger").returncode, 2, "a task without a challenger")
        never = router.command("gate", "never", "--json")
        equal((never.returncode, json.loads(never.stdout)["outcome"]), (1, "fail"), "a task of the frontier")


def test_one_review_less_or_one_false_accept_does_not_pass():
    for reviewed, false, drawn, outcome in [(400, 0, 400, "insufficient_data"), (401, 0, 402, "insufficient_data"),
                                            (401, 1, 401, "inconclusive"), (401, 40, 401, "fail")]:
        with Sidecar(policy(), start=False) as router:
            written(router, reviewed, false, drawn)
            code, value = gate(router)
            equal((code, value["outcome"]), (1, outcome), "%d reviews, %d false, %d drawn" % (reviewed, false, drawn))
            check(value["next"] and value["reviews_missing"] > 0, lambda: str(value["next"]))


def test_a_damaged_log_is_no_evidence():
    with Sidecar(policy(), start=False) as router:
        log = written(router, 401)
        with open(log.path, "r+b") as file:
            data = file.read()
            file.seek(data.rindex(b'"kind":"review"'))
            file.write(b'"kind":"revie\x00"')
        code, value = gate(router)
        equal((code, value["outcome"]), (1, "error"), "a line that is no record")


def test_asking_a_running_router_takes_one_attempt_an_epoch():
    with Sidecar(policy(), start=False) as router:
        written(router, 401)
        router.start()
        equal(router.count("gate"), 0, "gate records before anyone asked")
        for _ in range(3):
            code, value = gate(router)
            equal((code, value["outcome"], value["attempt"]), (0, "pass", 1), "the gate")
        records = router.wait_for("gate", 1)
        equal(len(records), 1, "gate records")
        record = records[0]
        equal((record["task"], record["epoch"], record["attempt"], record["outcome"]), ("t", value["epoch"]["id"], 1, "pass"), "the record")
        check(all(c["state"] in ("met", "not_applicable") for c in record["conditions"]), lambda: str(record))
        code, body = router.http("GET", "/v1/gate/t")
        equal((code, json.loads(body)["outcome"]), (200, "pass"), "GET /v1/gate/t")
        equal(router.http("GET", "/v1/gate/nothing")[0], 404, "GET of an unknown task")
        equal(router.http("GET", "/v1/gate/t?x=1")[0], 400, "GET with an unknown parameter")
        router.stop()


def test_a_reload_that_only_tightens_keeps_the_epoch_and_says_so():
    with ollama(lambda request: generated({"label": "a", "confidence": 0.9})) as small:
        with Sidecar(policy(small.endpoint)) as router:
            tap = router.tap()
            first = router.decide(tap, call("one"))
            check(first["task_revision"], "a decision without task_revision")
            start = router.wait_for("start", 1)[0]["tasks"]
            equal([(t["task"], t["revision"], t["change"]) for t in start], [("t", first["task_revision"], "restarted")], "tasks at the first start")
            epoch = gate(router)[1]["epoch"]
            for text, change, keeps in [(policy(small.endpoint, 0.6), "tightened", True), (policy(small.endpoint, 0.7, ", upkeep_usd_per_month: 5"), "tightened", True),
                                        (policy(small.endpoint, 0.7), "same", True), (policy(small.endpoint, 0.5), "restarted", False)]:
                router.write_policy(text)
                before = router.count("policy")
                equal(router.command("reload").returncode, 0, "the reload")
                told = router.wait_for("policy", before + 1)[-1]["tasks"][0]
                equal(told["change"], change, "what the reload does")
                decision = router.decide(tap, call("after-%d" % len(router.lines())))
                equal(decision["task_revision"], told["revision"], "the revision of the next decision")
                now = gate(router)[1]["epoch"]
                equal(now["id"] == epoch["id"], keeps, "whether the epoch is kept after " + change)
                epoch = now
            router.stop()
            # A restart with a tighter policy is told from the one that was in force.
            router.write_policy(policy(small.endpoint, 0.8))
            router.start()
            equal(router.wait_for("start", 2)[-1]["tasks"][0]["change"], "tightened", "what the restart does")
            router.decide(router.tap(), call("restarted"))
            equal(gate(router)[1]["epoch"]["id"], epoch["id"], "the epoch after the restart")
            router.stop()


def test_under_traffic_the_log_says_that_a_policy_tightened_before_it_decides():
    with ollama(lambda request: generated({"label": "a", "confidence": 0.9})) as small:
        with Sidecar(policy(small.endpoint)) as router:
            tap = router.tap()
            router.decide(tap, call("first", "t"))
            epoch, sent = gate(router)[1]["epoch"]["id"], 0
            for step in range(1, 6):
                router.write_policy(policy(small.endpoint, 0.5 + step / 50))
                router.signal(signal.SIGHUP)
                for _ in range(200):
                    tap.send(call("c%d" % sent, "t"))
                    sent += 1
                router.wait_for("policy", step)
            router.wait_for("decision", sent + 1)
            told, seen = set(), set()
            for record in router.records():
                for task in record.get("tasks") or ():
                    told.add(task["revision"])
                if record["kind"] == "decision":
                    check(record["task_revision"] in told, lambda: "a decision before the word about its policy: %s" % record["seq"])
                    seen.add(record["task_revision"])
            check(len(seen) >= 3, lambda: "the reloads did not meet the traffic: %s" % seen)
            value = gate(router)[1]["epoch"]
            equal(value["id"], epoch, "the epoch after five tightenings under traffic")
            accepted = sum(r["route_candidate"] == "local" for r in router.records("decision"))
            equal(value["would_accepts"], accepted, "would-accepts")
            router.stop()


def test_the_challenger_has_its_own_gate():
    text = policy(more=", challenger: second").replace("models:\n", "models:\n  second: {provider: ollama, name: s2, endpoint: \"http://127.0.0.1:9/api/generate\"}\n")
    text = text.replace("t: {local: true,", "t: {local: true, model: small,")
    with Sidecar(text, start=False) as router:
        log = written(router, 401)
        for index in range(50):
            checks = {"local_unavailable": "pass", "schema_invalid": "pass"}
            log.add("challenge", call_id="c%d" % index, task_type="t", generation=1, policy_revision=revision(text), prompt_revision="p1",
                    task_revision=None, route_candidate="local", reason=None, reason_code=0, checks=checks, local_model="s2",
                    local_model_id="second", local_model_digest="e1", label="a", confidence=0.9, confidence_source="self_reported", sampled=index < 20)
        for index in range(20):
            log.review("c%d" % index, "escalate" if index < 15 else "accept", subject="challenger")
        log.flush()
        equal(gate(router)[1]["outcome"], "pass", "the candidate's gate")
        code, value = gate(router, "--challenger")
        equal((code, value["outcome"], value["epoch"]["drawn"], value["epoch"]["false"]), (1, "fail", 20, 15), "the challenger's gate")


def test_the_challengers_gate_passes_on_its_own_sample_alone():
    text = policy(more=", challenger: second").replace("models:\n", "models:\n  second: {provider: ollama, name: s2, endpoint: \"http://127.0.0.1:9/api/generate\"}\n")
    text = text.replace("t: {local: true,", "t: {local: true, model: small,")
    with Sidecar(text, start=False) as router:
        log = written(router, 300, 30, policy=revision(text))
        checks = {"local_unavailable": "pass", "schema_invalid": "pass"}
        for index in range(300):
            # A sample of its own: 410 drawn, of which 300 are labelled at first.
            for call_id in ["c%d" % index] + ["u%d" % index] * (index < 110):
                log.add("challenge", call_id=call_id, task_type="t", generation=1, policy_revision=revision(text), prompt_revision="p1",
                        task_revision=None, route_candidate="local", reason=None, reason_code=0, checks=checks, local_model="s2",
                        local_model_id="second", local_model_digest="e1", label="a", confidence=0.9, confidence_source="self_reported", sampled=True)
        for index in range(300):
            log.review("c%d" % index, "accept", subject="challenger")
        log.flush()
        equal(gate(router)[1]["outcome"], "fail", "the candidate's gate")
        code, value = gate(router, "--challenger")
        equal((code, value["outcome"], value["epoch"]["drawn"], value["epoch"]["accepted"]), (1, "insufficient_data", 410, 300), "with 110 unlabelled")
        for index in range(110):
            log.review("u%d" % index, "accept", subject="challenger")
        log.flush()
        router.start()
        code, value = gate(router, "--challenger")
        equal((code, value["outcome"], value["epoch"]["accepted"]), (0, "pass", 410), "the challenger's gate")
        equal([(r["subject"], r["outcome"]) for r in router.wait_for("gate", 1)], [("challenger", "pass")], "the gate records")
        equal(gate(router)[1]["attempt"], 2, "the candidate's attempt after it")
        router.stop()


WORDS = {"a": "the invoice was charged twice on the card", "b": "the window crashes when the file is opened"}


def cases(count, start=0, prefix="case"):
    return [{"id": "%s%d" % (prefix, n), "task_type": "t", "input": "%s, ticket %d of the %s floor" % (WORDS["ab"[n % 2]], n, ["first", "second", "third"][n % 3]),
             "truth": {"label": "ab"[n % 2]}} for n in range(start, start + count)]


def write(path, items):
    with open(path, "w") as file:
        file.write("".join(json.dumps(item) + "\n" for item in items))


def train(router, items):
    folder = os.path.dirname(router.policy)
    write(os.path.join(folder, "train.ndjson"), items)
    result = router.command("train", os.path.join(folder, "train.ndjson"), "--task", "t", "--output", os.path.join(folder, "t.model"), "--json")
    equal(result.returncode, 0, "train: " + result.stderr)
    return json.loads(result.stdout)["digest"]


def test_the_eval_sets_bar_counts_for_this_file_and_this_digest_alone():
    text = ("models:\n  small: {provider: builtin, file: t.model}\ntasks:\n  t: {local: true, labels: [a, b], min_confidence: 0.4, owner: ana, "
            "eval_set: cases.ndjson, gate: {max_false_accept_rate: 0.01}}\n")
    with Sidecar(text, start=False) as router:
        path = os.path.join(os.path.dirname(router.policy), "cases.ndjson")
        digest = train(router, cases(120, prefix="train"))
        write(path, cases(400, start=200))
        written(router, 401, digest=digest, prompt_revision=None, confidence_source="builtin")
        router.start()

        def condition():
            code, value = gate(router)
            found = next(c for c in value["conditions"] if c["name"] == "eval_set")
            return found["state"], value["outcome"], code

        def evaluate(file=path):
            result = router.command("eval", file, "--task", "t")
            return result.returncode, result.stderr

        equal(condition(), ("unmet", "insufficient_data", 1), "before any eval")
        other = path + ".other"
        write(other, cases(400, start=700))
        code, told = evaluate(other)
        equal((code, router.count("eval")), (0, 0), "eval records after another file")
        check("not recorded" in told and "eval_set" in told, told)
        code, told = evaluate()
        check(code == 0 and "recorded for the gate: the bar is met" in told, told)
        record = router.records("eval")[0]
        equal((record["task"], record["local_model_id"], record["local_model_digest"], record["met"], record["cases"]),
              ("t", "small", digest, True, 400), "the record")
        equal(condition(), ("met", "pass", 0), "after the eval")
        # Another file under the same name is not what was measured; the same bytes again are.
        kept = open(path).read()
        write(path, cases(401, start=200))
        equal(condition()[:2], ("unmet", "insufficient_data"), "after the file changed")
        with open(path, "w") as file:
            file.write(kept)
        equal(condition()[0], "met", "with the file as it was")
        os.rename(path, path + ".gone")
        equal(condition()[0], "unmet", "without the file")
        os.rename(path + ".gone", path)
        # Cases that the model has seen say nothing of it.
        changed = train(router, cases(60, start=200))
        check(changed != digest, "training on other cases gave the same model")
        equal(router.command("reload").returncode, 0, "the reload")
        router.decide(router.tap(), call("after", "t", WORDS["a"]))
        equal(condition()[0], "unmet", "with another digest")
        code, told = evaluate()
        check(code == 0 and "NOT met" not in told and "340 cases that were not used to fit" in told, told)
        equal(condition()[0], "met", "after eval of the new model")
        equal(router.http("POST", "/v1/eval", json.dumps({"task": "t"}))[0], 400, "what is no result of eval")
        equal(router.http("POST", "/v1/eval", json.dumps({**{k: record[k] for k in record if k not in ("v", "log", "seq", "ts", "kind", "prev", "h")}, "task": "x"}))[0], 404, "an unknown task")
        equal(router.count("eval"), 2, "eval records")
        router.stop()
        equal(router.command("verify-log").returncode, 0, "verify-log")


def test_an_eval_set_that_the_model_was_trained_on_is_not_met():
    text = ("models:\n  small: {provider: builtin, file: t.model}\ntasks:\n  t: {local: true, labels: [a, b], min_confidence: 0.4, eval_set: train.ndjson}\n")
    with Sidecar(text, start=False) as router:
        train(router, cases(400))
        router.start()
        result = router.command("eval", os.path.join(os.path.dirname(router.policy), "train.ndjson"), "--task", "t")
        check(result.returncode == 0 and "NOT met on 0 cases" in result.stderr, result.stderr)
        equal([(r["met"], r["cases"]) for r in router.records("eval")], [(False, 0)], "the record")
        router.stop()


def test_the_metric_of_the_upper_bound_follows_the_gate():
    name = 'shadow_router_false_accept_upper_bound{task="t"}'
    with ollama(lambda request: generated({"label": "a", "confidence": 0.9})) as small:
        text = policy(small.endpoint, more=", review_sample: 1")
        with Sidecar(text) as router:
            check(name not in router.metrics(), "a bound before any evidence")
            tap = router.tap()
            for index in range(60):
                tap.send(call("c%d" % index, "t", "text %d" % index))
            router.wait_for("decision", 60)
            until(lambda: router.metrics().get(name) == 1, "a bound of 1 without labels")
            until(lambda: router.metrics().get("shadow_router_review_backlog") == 60, "a backlog of all")
            for index in range(60):
                equal(router.http("POST", "/v1/review", json.dumps({"call_id": "c%d" % index, "review_label": "accept"}))[0], 200, "a label")
            asked = gate(router)[1]["false_accept_upper_bound"]
            check(asked < 0.2, lambda: "the gate's bound is %s" % asked)
            until(lambda: abs(router.metrics().get(name, 1) - asked) < 1e-9, "the gate's bound as a metric")
            # One item in ten waits for a second person.
            until(lambda: router.metrics().get("shadow_router_review_backlog") == router.status()["review"]["backlog"] < 20, "the backlog")
            router.http("POST", "/v1/review", json.dumps({"call_id": "c1", "review_label": "escalate"}))
            until(lambda: router.metrics().get(name, 0) > asked, "a larger bound after a false accept")
            # Another policy of the task is another epoch: none has begun.
            router.write_policy(policy(small.endpoint, 0.4, ", review_sample: 1"))
            equal(router.command("reload").returncode, 0, "the reload")
            until(lambda: name not in router.metrics(), "no bound under another policy")
            router.decide(tap, call("next", "t"))
            until(lambda: router.metrics().get(name) == 1, "the bound of the new epoch")
            router.stop()
            router.start()
            until(lambda: router.metrics().get(name) == 1, "the bound after a restart")
            router.stop()


if __name__ == "__main__":
    main(globals())
