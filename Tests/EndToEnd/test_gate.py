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
        records = router.records("gate")
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


if __name__ == "__main__":
    main(globals())
