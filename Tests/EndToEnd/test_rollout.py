"""Rollouts: promote, demote, rotate, receipts and what ends them, automatic demotion, the flags file (contract, sections 1, 5 and 7)."""
import contextlib
import datetime
import json
import os
import shutil
import sys

from sidecar import *

sys.path.insert(0, os.path.join(ROOT, "Tests", "Support"))
from log_writer import LogWriter  # noqa: E402

NOW = datetime.datetime.now(datetime.timezone.utc)
POLICY = """models:
  one: {provider: builtin, file: one.model}
  two: {provider: builtin, file: two.model}
tasks:
  t: {local: true, model: one, challenger: two, labels: [a, b], min_confidence: %s, owner: ana, control_share: 0, audit_share: 0, review_sample: 0.000001%s}
  other: {local: true, model: one, labels: [a, b], min_confidence: 0.5}
  risky: {local: true, impact: high, model: one, labels: [a, b], min_confidence: 0.5}
  never: {local: false}
"""
TEXT = {"a": "red apple pie with cream and sugar", "b": "blue bicycle chain and a flat tyre"}


def policy(confidence=0.6, more=""):
    return POLICY % (confidence, more)


def train(folder, name, seed):
    """A classifier that tells the two texts apart; another seed gives another digest."""
    cases = os.path.join(folder, name + ".ndjson")
    with open(cases, "w") as file:
        for index in range(60):
            label = "ab"[index % 2]
            words = TEXT[label].split()
            text = " ".join(words[(index * seed + k) % len(words)] for k in range(5)) + " %d" % (index * seed)
            file.write(json.dumps({"id": "x%d" % index, "task_type": "t", "input": text, "truth": {"label": label}}) + "\n")
    done = run("train", cases, "--task", "t", "--output", os.path.join(folder, name + ".model"))
    equal(done.returncode, 0, "train: " + done.stderr)


@contextlib.contextmanager
def prepared(confidence=0.6, more="", text=None):
    """A router that is not started, with two trained models beside its policy."""
    with Sidecar(text or policy(confidence, more), start=False) as router:
        train(router.folder, "one", 1)
        train(router.folder, "two", 3)
        yield router


def identities(router):
    """What the records of the candidate's and the challenger's calls say of their models, from a router that ran elsewhere."""
    with Sidecar(router.policy, start=False) as probe:
        probe.policy = router.policy
        probe.start()
        decision = probe.decide(probe.tap(), call("probe", text=TEXT["a"]))
        equal((decision["route_candidate"], decision["label"]), ("local", "a"), "the trained model's answer: %s" % decision)
        challenge = probe.wait_for("challenge", 1)[0]
        probe.stop()
    names = ("policy_revision", "prompt_revision", "task_revision", "local_model", "local_model_id", "local_model_digest", "confidence_source")
    return {n: decision[n] for n in names}, {n: challenge[n] for n in names}


def written(router, reviewed=401, challenger=0):
    """A log of two weeks in which so many drawn would-accepts were reviewed and found good."""
    own, other = identities(router)
    log = LogWriter(router.state, NOW - datetime.timedelta(days=13))
    for index in range(reviewed):
        log.call("c%d" % index, **own)
        if index < challenger:
            checks = {"local_unavailable": "pass", "schema_invalid": "pass"}
            log.add("challenge", call_id="c%d" % index, task_type="t", generation=1, route_candidate="local", reason=None, reason_code=0, checks=checks,
                    label="a", confidence=0.9, calibration=None, sampled=True, rotated=False, **other)
        log.add("comparison", call_id="c%d" % index, agreement="agree", challenger_agreement="agree" if index < challenger else None)
        log.now += datetime.timedelta(days=12) / reviewed
    for index in range(reviewed):
        log.review("c%d" % index, "accept")
        if index < challenger:
            log.review("c%d" % index, "accept", subject="challenger")
    log.flush()
    return log


@contextlib.contextmanager
def ready(**more):
    """A running router whose task `t` passes its gate."""
    with prepared() as router:
        written(router, **more)
        router.start()
        ask(router, "drill")
        yield router


def ask(router, command, *words, want=0):
    done = router.command(command, *words)
    equal(done.returncode, want, "%s %s: %s%s" % (command, " ".join(words), done.stdout, done.stderr))
    return done.stdout + done.stderr


def stage(router, task="t"):
    (found,) = [t for t in router.status()["rollout"] if t["task"] == task]
    return found["stage"], found["percent"]


def task_status(router, task="t"):
    (found,) = [t for t in router.status()["rollout"] if t["task"] == task]
    return found


def flags(router):
    return [(r["task"], r["old"], r["new"]) for r in router.records("flag") if r["flag"] == "rollout"]


def overridden(router, percent=100, task="t"):
    ask(router, "promote", task, "--percent", str(percent), "--override", "--reason", "drill", "--approver", "ana")


def test_the_gate_refuses_early():
    with prepared() as router:
        written(router, 120)
        router.start()
        text = ask(router, "promote", "t", "--percent", "1", want=4)
        check("insufficient_data" in text and "UNMET  e_process" in text and "more reviews" in text, text)
        code, body = router.http("POST", "/v1/promote", json.dumps({"task": "t"}))
        equal((code, json.loads(body)["gate"]["outcome"]), (409, "insufficient_data"), "POST /v1/promote")
        equal((stage(router), router.count("receipt"), flags(router)), (("shadow", 0), 0, []), "nothing has changed")
        check(not os.path.exists(os.path.join(router.state, "flags.json")), "a flags file was written")
        ask(router, "rotate", "t", want=4)
        for task in ("never", "risky"):
            check("nothing overrides that" in ask(router, "promote", task, "--override", "--reason", "r", "--approver", "a", want=4), "an override of " + task)
        ask(router, "promote", "nothing", want=2)
        ask(router, "promote", "t", "--override", want=2)
        router.stop()


def test_steps_up_and_down_under_one_receipt():
    with ready() as router:
        text = ask(router, "promote", "t", "--percent", "10", want=4)
        check("--percent 1" in text, "a jump is not refused with its remedy: " + text)
        ask(router, "promote", "t", "--percent", "1", "--user-group", "beta")
        receipt = router.records("receipt")[0]
        equal((receipt["task"], receipt["subject"], receipt["override"], receipt["attempt"], receipt["drawn"], receipt["compared"], receipt["disagreed"]),
              ("t", "candidate", False, 1, 401, 401, 0), "the receipt")
        check(receipt["expires_at"] > (NOW + datetime.timedelta(days=89)).isoformat(), receipt["expires_at"])
        found = task_status(router)
        equal((found["stage"], found["percent"], found["user_groups"], found["receipt"], found["next"]),
              ("canary", 1, ["beta"], receipt["id"], "shadow-router promote t --percent 10"), "status")
        equal(router.metrics()['shadow_router_stage{task="t",stage="canary"}'], 1, "the metric")
        check("OVERRIDE" not in router.command("status").stdout and "t: canary" in router.command("status").stdout, router.command("status").stdout)
        check("t is at" in ask(router, "promote", "other", "--override", "--reason", "r", "--approver", "a", want=4), "a second task in rollout")
        for percent in (10, 50, 100):
            ask(router, "promote", "t")
            equal(stage(router), ("live" if percent == 100 else "canary", percent), "the stage")
        ask(router, "promote", "t", "--percent", "10")
        equal(stage(router), ("canary", 10), "the way down")
        equal(router.count("receipt"), 1, "receipts of one epoch")
        router.stop()
        equal(router.command("verify-log").returncode, 0, "verify-log")
        document = json.load(open(os.path.join(router.state, "flags.json")))
        equal((document["flags"]["t"]["state"], document["flags"]["t"]["defaultVariant"], document["flags"]["t"]["variants"]),
              ("ENABLED", "frontier", {"local": True, "frontier": False}), "flagd's shape")
        equal(os.stat(os.path.join(router.state, "flags.json")).st_mode & 0o777, 0o600, "mode of the flags file")
        router.start()
        equal((stage(router), router.status()["kill"]["on"]), (("canary", 10), False), "after a restart")
        ask(router, "demote", "t", "--reason", "enough")
        equal((stage(router), flags(router)[-1]), (("shadow", 0), ("t", "10%, groups beta", "shadow")), "after demote")
        last = router.status()["last_demotion"]
        equal((last["task"], last["reason"]), ("t", "enough"), "the last demotion")
        ask(router, "promote", "t", "--percent", "10", want=4)
        ask(router, "demote", "t", want=2)
        router.crash()
        router.start()
        # Its time is that of the record now, which was written a moment after.
        again = router.status()["last_demotion"]
        equal((stage(router), {**again, "at": None}), (("shadow", 0), {**last, "at": None}), "a demotion outlasts a crash")
        router.stop()


def test_a_tightening_keeps_the_receipt_and_a_loosening_ends_it():
    with ready() as router:
        ask(router, "promote", "t", "--percent", "1")
        receipt = task_status(router)["receipt"]
        tighter = os.path.join(router.folder, "next.yaml")

        def against(text):
            with open(tighter, "w") as file:
                file.write(text)
            done = router.command("check", "--against", "running", tighter, "--json")
            return {t["task"]: t["evidence"] for t in json.loads(done.stdout)["tasks"]}["t"]

        equal((against(policy(0.7)), against(policy(0.5))), ("keeps its evidence", "leaves live"), "what `check --against running` says")
        router.write_policy(policy(0.7))
        ask(router, "reload")
        until(lambda: any(r["reason"].startswith("the policy only tightened") for r in router.records("flag")), "the flag record of the tightening")
        equal((stage(router), task_status(router)["receipt"]), (("canary", 1), receipt), "after a tightening")
        router.stop()
        router.write_policy(policy(0.8))
        router.start()
        equal((stage(router), task_status(router)["receipt"]), (("canary", 1), receipt), "after a restart that tightens")
        router.write_policy(policy(0.75))
        ask(router, "reload")
        equal(stage(router), ("shadow", 0) if not task_status(router)["percent"] else ("shadow", task_status(router)["percent"]), "at once after a loosening")
        until(lambda: flags(router)[-1] == ("t", "1%", "shadow"), "the flag record of the loosening")
        check("the receipt ended" in router.status()["last_demotion"]["reason"], str(router.status()["last_demotion"]))
        router.stop()


def test_another_digest_ends_the_receipt_also_across_a_restart():
    for restart in (False, True):
        with ready() as router:
            ask(router, "promote", "t", "--percent", "1")
            if restart:
                router.stop()
            train(router.folder, "one", 5)
            if restart:
                router.start()
            else:
                ask(router, "reload")
            until(lambda: flags(router)[-1] == ("t", "1%", "shadow"), "the flag record")
            check("digest" in router.status()["last_demotion"]["reason"], str(router.status()["last_demotion"]))
            equal(stage(router), ("shadow", 0), "the stage")
            router.stop()


def severe(router, call_id, want=200):
    code, body = router.http("POST", "/v1/review", json.dumps({"call_id": call_id, "review_label": "escalate", "severity": 3}))
    equal(code, want, "the label: %s" % body)


def test_one_severe_false_accept_that_the_owner_confirms_demotes_before_the_label_is_answered():
    with prepared(text=policy().replace("owner: ana", "owner: %s" % account())) as router:
        written(router)
        router.start()
        check("UNMET  drill" in ask(router, "promote", "t", "--percent", "1", want=4), "promoted without a drill")
        ask(router, "drill")
        tap = router.tap()
        ask(router, "promote", "t", "--percent", "1")
        decision = router.decide(tap, call("bad", text=TEXT["a"]))
        equal(decision["route_candidate"], "local", "a would-accept")
        code, _ = router.http("POST", "/v1/review", json.dumps({"call_id": "bad", "review_label": "escalate", "severity": 1}))
        equal((code, stage(router)), (200, ("canary", 1)), "an annoying one")
        severe(router, "bad")
        equal(stage(router), ("shadow", 0), "the stage when the label is answered")
        equal(flags(router)[-1], ("t", "1%", "shadow"), "the flag record")
        check("severe false accept: call bad" in router.status()["last_demotion"]["reason"], str(router.status()["last_demotion"]))
        equal(router.records("flag")[-1]["actor"], "router", "the actor")
        check("severe" in ask(router, "promote", "t", want=4), "the gate after it")
        check("severe false accept" in router.command("report", "--format", "md").stdout, "the report does not tell it")
        router.stop()


def account():
    import pwd
    return pwd.getpwuid(os.geteuid()).pw_name


def test_an_override_is_loud_and_ends():
    with prepared() as router:
        router.start()
        overridden(router, 50)
        record = router.records("flag")[-1]
        equal((record["override"], record["approver"], record["reason"]), (True, "ana", "OVERRIDE by ana: drill"), "the flag record")
        receipt = router.records("receipt")[-1]
        equal((receipt["override"], receipt["epoch"], receipt["reason"]), (True, None, "drill"), "the receipt")
        expires = datetime.datetime.fromisoformat(receipt["expires_at"].replace("Z", "+00:00")) - NOW
        check(datetime.timedelta(hours=23) < expires < datetime.timedelta(hours=25), str(expires))
        check("OVERRIDE by ana" in router.command("status").stdout, router.command("status").stdout)
        check("OVERRIDE" in router.command("report", "--format", "md").stdout, "the report")
        decision = router.decide(router.tap(), call("x", text="please rotate the token"))
        equal(decision["reason"], "hard_stop_access", "a hard stop under an override")
        router.stop()


def test_a_rotation_there_and_back():
    # The second epoch that is asked about has less to spend: 545 reviews.
    with ready(reviewed=550, challenger=550) as router:
        tap = router.tap()
        ask(router, "promote", "t", "--percent", "1")
        one, two = task_status(router)["models"][0]["digest"], None
        ask(router, "rotate", "t", "--back", want=4)
        ask(router, "rotate", "t")
        found = task_status(router)
        two = found["models"][0]["digest"]
        equal((found["stage"], found["percent"], found["rotated"], found["models"][0]["id"], two != one), ("canary", 1, True, "two", True), "after the rotation")
        decision = router.decide(tap, call("after", text=TEXT["a"]))
        challenge = router.wait_for("challenge", router.count("challenge"))[-1]
        until(lambda: any(r["call_id"] == "after" for r in router.records("challenge")), "the challenge")
        challenge = [r for r in router.records("challenge") if r["call_id"] == "after"][0]
        equal((decision["local_model_id"], decision["rotated"], challenge["local_model_id"], challenge["rotated"]), ("two", True, "one", True), "who was asked")
        receipts = router.records("receipt")
        equal([r["subject"] for r in receipts], ["candidate", "challenger"], "the receipts")
        equal((decision["task_revision"], challenge["task_revision"]), (receipts[1]["task_revision"], receipts[0]["task_revision"]), "revisions")
        # The challenger's epoch goes on with the decisions that it makes now; so does the candidate's.
        for words, receipt in ((("t",), receipts[1]), (("t", "--challenger"), receipts[0])):
            done = router.command("gate", *words, "--json")
            value = json.loads(done.stdout)
            check(value["outcome"] == "pass", lambda: "gate %s: %s" % (words, done.stdout))
            equal((done.returncode, value["epoch"]["id"], value["epoch"]["would_accepts"]), (0, receipt["epoch"], 551), "gate " + " ".join(words))
        ask(router, "promote", "t", "--percent", "10")
        both = gates(router)
        equal(([g[0] for g in both]), ["challenger", "candidate"], "whose gates these are, by the policy's names")
        router.stop()
        equal(gates(router), both, "the gates with no router running")
        (told,) = [t for t in json.loads(ask(router, "report", "--format", "json"))["tasks"] if t["task_type"] == "t"]
        equal([brief(told[name]) for name in ("gate", "challenger_gate")], both, "the gates in the report")
        router.start()
        tap = router.tap()
        equal(task_status(router)["rotated"], True, "after a restart")
        ask(router, "rotate", "t", "--back")
        found = task_status(router)
        equal((found["stage"], found["percent"], found["rotated"], found["models"][0]["digest"]), ("canary", 10, False, one), "after the way back")
        equal(router.decide(tap, call("back", text=TEXT["a"]))["local_model_id"], "one", "who is asked")
        both = gates(router)
        equal([g[0] for g in both], ["candidate", "challenger"], "whose gates these are after the way back")
        router.stop()
        equal(gates(router), both, "the gates with no router running after the way back")


def brief(gate):
    """What of a gate does not depend on the moment at which it is asked."""
    states = {c["name"]: c["state"] for c in gate["conditions"]}
    return gate["subject"], gate["outcome"], gate["epoch"]["id"], gate["epoch"]["would_accepts"], gate["epoch"]["drawn"], gate["attempt"], states


def gates(router):
    return [brief(json.loads(router.command("gate", "t", "--json", *words).stdout)) for words in ((), ("--challenger",))]


def test_what_cannot_be_done_is_refused_by_place_value_and_remedy():
    with prepared() as router:
        router.start()
        long = "g" * 257
        for words, said in [
                (("promote", "t", "--percent", "-1"), "--percent must be a stage: 1, 10, 50 or 100 (0 for groups alone), not -1"),
                (("promote", "t", "--percent", "20"), "1, 10, 50 or 100 (0 for groups alone), not 20"),
                (("promote", "t", "--percent", "ten"), "not ten"),
                (("promote", "t", "--percent", "1", "--reason", ""), "--reason must be one line of 1 to 500 bytes; it is blank"),
                (("promote", "t", "--percent", "1", "--approver", "a" * 501), "--approver must be one line of 1 to 500 bytes; it has 501"),
                (("promote", "t", "--user-group", ""), "--user-group must have 1 to 256 characters; it has 0"),
                (("promote", "t", "--user-group", "beta", "--user-group", long), "--user-group must have 1 to 256 characters; it has 257"),
                (("demote", "t", "--reason", " "), "--reason must be one line of 1 to 500 bytes; it is blank"),
                (("demote", "t", "--reason", "a\nb"), "it has a line feed in it"),
                (("drill", "--reason", ""), "it is blank")]:
            check(said in ask(router, *words, want=2), "%s does not say %r" % (words, said))
        for path, body, said in [
                ("promote", {"task": "t", "percent": 7}, '"percent" must be a stage: 1, 10, 50 or 100 (0 for groups alone), not 7'),
                ("promote", {"task": "t", "percent": "1"}, '"percent" must be a stage'),
                ("promote", {"task": "t", "procent": 1}, 'unknown member "procent"; there are "task", "percent"'),
                ("promote", {"task": "t", "percent": 1, "user_groups": ["a", ""]}, '"user_groups", name 2, must have 1 to 256 characters; it has 0'),
                ("promote", {"task": "t", "percent": 1, "reason": "x" * 501}, "it has 501"),
                ("promote", {"task": "t", "percent": 1, "override": 1}, '"override" must be true or false'),
                ("demote", {"task": "t", "reason": "r", "now": True}, 'unknown member "now"'),
                ("rotate", {"task": "t", "back": "x"}, '"back" must be true or false'),
                ("rotate", {"task": "t", "bakc": True}, 'unknown member "bakc"'),
                ("drill", {"reason": 5}, "the body must be empty"),
                ("drill", {"raeson": "x"}, 'unknown member "raeson"'),
                ("review", {"call_id": "c", "review_label": "accept", "severty": 3}, 'unknown member "severty"')]:
            code, answer = router.http("POST", "/v1/" + path, json.dumps(body))
            equal(code, 400, "%s %s: %s" % (path, body, answer))
            message = json.loads(answer)["error"]
            message = message if isinstance(message, str) else message["message"]
            check(said in message, "%s %s does not say %r: %s" % (path, body, said, message))
        code, answer = router.http("PUT", "/v1/kill", json.dumps({"on": True, "raeson": "x"}))
        equal((code, router.status()["kill"]["on"]), (200, True), "the way to safety with a slip of the pen")
        equal(router.http("PUT", "/v1/kill", json.dumps({"on": False, "raeson": "x"}))[0], 400, "the way back with one")
        equal((router.http("PUT", "/v1/kill", json.dumps({"on": False}))[0], stage(router), flags(router)), (200, ("shadow", 0), []), "nothing else has changed")
        told = []
        for number, (members, said) in enumerate([({"deadline_ms": -1}, "`deadline_ms` must be a whole number from 0 on"),
                                                  ({"tenant": "x" * 300}, "`tenant` has 300 characters; at most 256 are read"),
                                                  ({"signals": {"novel_input": 1}}, "`signals` must be an object of signals, each true or false"),
                                                  ({"artifacts": [1]}, "`artifacts` must be an array of strings")]):
            error = router.tap().ask(call("bad%d" % number, reply=True, **members))
            told.append((error["kind"], error["message"], said))
        equal([t[:2] for t in told], [("error", t[2]) for t in told], "error frames")
        router.stop()


def test_flags_that_the_router_did_not_write_send_everything_to_the_frontier():
    with prepared() as router:
        router.start()
        tap = router.tap()
        overridden(router)
        path = os.path.join(router.state, "flags.json")
        good = open(path, "rb").read()

        def override(name):
            return router.decide(tap, call(name, text=TEXT["a"]))["detail"]

        for number, bad in enumerate((good.replace(b'"percent":100', b'"percent":50'), b"{", good + b" ")):
            with open(path, "wb") as file:
                file.write(bad)
            until(lambda: router.status()["kill"]["on"], "the switch")
            equal(override("bad%d" % number), "flags_unreadable", "the decision")
            check("flags.json" in router.status()["flags"]["problem"] or bad == b"{", str(router.status()["flags"]))
            ask(router, "promote", "t", want=4)
            with open(path, "wb") as file:
                file.write(good)
            until(lambda: not router.status()["kill"]["on"], "the way back")
        ask(router, "demote", "t", "--reason", "test")
        router.stop()
        # The file as it was before the last change: that one was recorded and not written, so its task is not served.
        with open(path, "wb") as file:
            file.write(good)
        router.start()
        equal((override_of(router), router.status()["live_tasks"]), (None, []), "the file before the last change")
        overridden(router)
        ask(router, "demote", "t", "--reason", "test")
        router.stop()
        # An older file of its own brings nothing back.
        with open(path, "wb") as file:
            file.write(good)
        router.start()
        equal((override_of(router), router.status()["live_tasks"]), ("flags_unreadable", []), "an older file")
        ask(router, "demote", "t", "--reason", "put it right")
        until(lambda: not router.status()["kill"]["on"], "after demote")
        overridden(router)
        os.unlink(path)
        until(lambda: stage(router) == ("shadow", 0), "a file that is gone means shadow")
        until(lambda: flags(router)[-1][2] == "shadow", "the flag record")
        check(not router.status()["kill"]["on"], "an absent file is no fault")
        router.stop()


def test_a_copy_of_a_state_folder_serves_nothing():
    with prepared() as router:
        router.start()
        overridden(router)
        router.stop()
        # Moved, it is the same folder: what was served is served.
        os.rename(router.state, router.state + "-moved")
        router.state += "-moved"
        router.start()
        equal((router.status()["live_tasks"][0]["task"], router.status()["kill"]["on"]), ("t", False), "a folder that was renamed")
        router.stop()
        original, router.state = router.state, router.state + "-copy"
        shutil.copytree(original, router.state)
        router.start()
        equal((override_of(router), router.status()["live_tasks"]), ("flags_unreadable", []), "a copy")
        check("is a copy or was restored" in router.command("status").stdout, "status does not say why: " + router.command("status").stdout)
        ask(router, "promote", "t", want=4)
        ask(router, "demote", "t", "--reason", "a copy for a trial")
        until(lambda: not router.status()["kill"]["on"], "after demote")
        overridden(router, 1)
        router.stop()
        router.start()
        equal(stage(router), ("canary", 1), "what was promoted in the copy")
        router.stop()
        router.state = original
        router.start()
        equal(stage(router), ("live", 100), "the original")
        router.stop()


def override_of(router):
    return router.decide(router.tap(), call("r%d" % len(router.lines()), text=TEXT["a"]))["detail"]


if __name__ == "__main__":
    main(globals())
