"""The whole story of one task type on real traffic: shadow, a gate that refuses and then passes, 1, 10, 50 and 100 % live, a rotation there and back,
a severe false accept, and shadow again.

Requests are CLINC150's, each in one of ten domains or in none; the true label plays the frontier and the reviewer. The candidate is a classifier fitted to
requests which never come as traffic: once the built-in one, which `train` fits, and once MiniLM behind a model server. The challenger is a built-in one.
"""
import collections
import contextlib
import json
import os
import pwd
import sys
import tempfile

from sidecar import *
from test_eval import minilm

sys.path.insert(0, os.path.join(ROOT, "policies", "demo"))
import sample  # noqa: E402

TASK = "route_request"
OWNER = pwd.getpwuid(os.geteuid()).pw_name
POLICY = """models:
  one: {%s}
  two: {provider: builtin, name: two, file: two.model}
  large: {provider: anthropic, name: large, price: {input_per_mtok: 3, output_per_mtok: 15}}
defaults: {frontier: large}
tasks:
  %s: {local: true, model: one, challenger: two, labels: [%s], escalate_labels: [unknown], min_confidence: %s, owner: %s,
    review_sample: 1, audit_share: 0.1, control_share: %s, gate: {max_false_accept_rate: %s}}
"""
CONTROL = 0.02
# What is added to a harmless request so that no domain's answer can be right.
PLANTED = ["; call the police", "; and tell the police that my brother is missing"]


def requests(learnt, unknown):
    """So many to learn from, of the domains and of none, and the traffic: distinct texts, in an order of their own."""
    folder = os.path.dirname(shared("data", "events", "public", "clinc150.ndjson"))
    rows = {sample.normal(row["prompt"]): row for row in sample.events(folder, "clinc150")}.values()
    known = [row for row in rows if sample.domain(row)[0] != sample.OUT_OF_SCOPE]
    strange = [row for row in rows if sample.domain(row)[0] == sample.OUT_OF_SCOPE]
    traffic = sorted(known[learnt:] + strange[unknown:], key=lambda row: row["id"])
    return known[:learnt], strange[:unknown], traffic


def train(router, name, rows):
    path = os.path.join(router.folder, name)
    with open(path + ".ndjson", "w") as file:
        for row in rows:
            file.write(json.dumps({"id": row["id"], "task_type": TASK, "input": row["prompt"], "truth": {"label": sample.domain(row)[0]}}) + "\n")
    done = router.command("train", path + ".ndjson", "--task", TASK, "--reject", sample.OUT_OF_SCOPE, "--output", path + ".model")
    equal(done.returncode, 0, "train: " + done.stderr)


class Agent:
    """Makes the calls, asks the router first where it is live, and asks the frontier as it is told."""

    def __init__(self, router, traffic):
        self.router, self.tap, self.traffic, self.at, self.truth = router, router.tap(), traffic, 0, {}
        self.made, self.local = 0, 0

    def calls(self, count, reply):
        """The replies to the next calls by id; none where the agent does not ask."""
        rows, self.at, replies = self.traffic[self.at:self.at + count], self.at + count, {}
        equal(len(rows), count, "calls left in the traffic")
        for row in rows:
            self.truth[row["id"]] = sample.domain(row)[0]
            replies[row["id"]] = self.one(row["id"], row["prompt"], reply)
        self.tap.ping()
        until(lambda: self.router.status()["balance"]["in_flight"] == 0, "every call is decided and compared")
        return replies if reply else {}

    def one(self, call_id, text, reply=True):
        data = call(call_id, TASK, text, run_id="run-" + call_id, reply=reply, agent="assistant")
        told = self.tap.ask(data) if reply else self.tap.send(data)
        self.made += 1
        self.local += bool(reply) and told["route"] == "local"
        if not reply or told["route"] == "frontier" or told["audit"]:
            self.tap.send(answer(call_id, self.truth.get(call_id, sample.OUT_OF_SCOPE), model="large", latency_ms=700,
                                 usage={"input_tokens": 60, "output_tokens": 4}))
        return told


class Reviewer:
    """Labels whatever the queue holds, by the true label. Keeps count."""

    def __init__(self, router, truth):
        self.router, self.truth, self.labels = router, truth, collections.Counter()

    def catch_up(self, labels=10 ** 9):
        until(lambda: self.router.status()["review"]["is_caught_up"], "the queue has read the log")
        while labels > 0:
            code, body = self.router.http("GET", "/v1/review?limit=%d" % min(100, labels))
            items = json.loads(body)["items"]
            if not items:
                return
            for item in items:
                labels -= 1
                right = item["candidate"]["label"] == self.truth[item["call_id"]]
                self.label(item["call_id"], "accept" if right else "escalate", item["subject"], None if right else 1)

    def label(self, call_id, label, subject="candidate", severity=None):
        code, body = self.router.http("POST", "/v1/review", json.dumps({"call_id": call_id, "review_label": label, "subject": subject, "severity": severity}))
        equal(code, 200, "a label: %s" % body)
        self.labels[subject, label] += 1


def gate(router, *words):
    done = router.command("gate", TASK, "--json", *words)
    value = json.loads(done.stdout)
    equal(done.returncode, 0 if value["outcome"] == "pass" else 1, "the exit code of gate")
    return value


def unmet(value):
    return {c["name"] for c in value["conditions"] if c["state"] == "unmet"}


def order(router, *words, want=0):
    done = router.command(*words)
    equal(done.returncode, want, "%s: %s%s" % (" ".join(words), done.stdout, done.stderr))
    return done.stdout + done.stderr


def standing(router):
    (found,) = router.status()["rollout"]
    return found


def local_of(replies):
    return [call_id for call_id, told in replies.items() if told["route"] == "local"]


def told_the_same(router, replies):
    """What the agent was told is what the log says."""
    records = until(lambda: (lambda found: replies.keys() <= found.keys() and found)(router.decisions()), "the records reach the file")
    for call_id, told in replies.items():
        record = records[call_id]
        equal(told["route"], record["route"], "reply and record of " + call_id)
        # Where no local answer is waited for, the reply leaves before the reason is known.
        check(told["reason"] in (record["reason"], None if record["cohort"] != "local" else record["reason"]), "the reason told of " + call_id)
    return records


def story(name, candidate, threshold, limit, known, strange, traffic):
    policy = POLICY % (candidate, TASK, ", ".join(sorted(sample.DOMAINS) + ["unknown"]), threshold, OWNER, CONTROL, limit)
    with Sidecar(policy, start=False) as router:
        train(router, "one", known + strange)
        train(router, "two", known[100:] + strange)
        router.start()
        until(lambda: all(c["digest"] for c in router.status()["candidates"]), "the digests of the models")
        agent = Agent(router, traffic)
        reviewer = Reviewer(router, agent.truth)
        tell = lambda what, value: figure("%s: %s" % (name, what), value)
        refused_early(router, agent, reviewer, tell)
        passes_with_enough_reviews(router, agent, reviewer, limit, tell)
        goes_live_step_by_step(router, agent, reviewer, tell)
        rotates_there_and_back(router, agent, reviewer, tell)
        planted = demoted_by_one_severe_false_accept(router, agent, reviewer, tell)
        the_report_tells_it(router, agent, planted, tell)
        router.stop()
        check_chain(router.lines())
        equal(router.command("verify-log").returncode, 0, "verify-log")


def test_one_task_from_shadow_to_live_and_back():
    story("built in", "provider: builtin, name: one, file: one.model", 0.95, 0.04, *requests(1300, 300))


def test_the_same_with_minilm_behind_a_model_server():
    known, strange, traffic = requests(900, 300)
    with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as file:
        for row in known + strange:
            domain = sample.domain(row)[0]
            file.write(json.dumps({"text": row["prompt"], "label": "unknown" if domain == sample.OUT_OF_SCOPE else domain}) + "\n")
        file.flush()
        with minilm(file.name) as server:
            candidate = 'provider: ollama, name: classifier, endpoint: "%s", timeout_ms: 20000' % server.url("/api/generate")
            story("MiniLM", candidate, 0.95, 0.04, known, strange, traffic)


def refused_early(router, agent, reviewer, tell):
    agent.calls(60, reply=False)
    reviewer.catch_up()
    said = order(router, "promote", TASK, "--percent", "1", want=4)
    value = gate(router)
    equal(value["outcome"], "insufficient_data", "the gate after 60 calls")
    check({"e_process", "drill"} <= unmet(value), "unmet: %s" % unmet(value))
    for words in ["UNMET  %s" % name for name in unmet(value)] + ["more reviews", "shadow-router drill"]:
        check(words in said, "promote does not name %r: %s" % (words, said))
    equal((standing(router)["stage"], router.count("receipt")), ("shadow", 0), "after the refusal")
    tell("refused after", "60 calls, %d reviews; it wants %d at zero false accepts" % (value["epoch"]["accepted"] + value["epoch"]["false"], value["reviews_needed"]))


def passes_with_enough_reviews(router, agent, reviewer, limit, tell):
    order(router, "drill", "--reason", "before going live")
    while gate(router, "--challenger")["outcome"] != "pass" or gate(router)["outcome"] != "pass":
        agent.calls(50, reply=False)
        reviewer.catch_up()
    value, other = gate(router), gate(router, "--challenger")
    for name, of in (("candidate", value), ("challenger", other)):
        epoch = of["epoch"]
        tell("the gate of the %s passes" % name, "%d of %d drawn false, limit %g %%, bound %.2f %%; zero false accepts would have needed %d"
               % (epoch["false"], epoch["drawn"], limit * 100, of["false_accept_upper_bound"] * 100, of["reviews_needed"]))
        check(of["false_accept_upper_bound"] <= limit and of["reviews_needed"] <= epoch["drawn"], "the gate of the %s: %s" % (name, of))


def goes_live_step_by_step(router, agent, reviewer, tell):
    for percent in (1, 10, 50, 100):
        order(router, "promote", TASK, *(["--percent", "1"] if percent == 1 else []))
        now = standing(router)
        equal((now["percent"], now["stage"]), (percent, "live" if percent == 100 else "canary"), "the stage")
        replies = agent.calls(120, reply=True)
        records = told_the_same(router, replies)
        accepted = [c for c in replies if records[c]["route_candidate"] == "local"]
        local = local_of(replies)
        # Five standard deviations.
        share = percent / 100 * (1 - CONTROL)
        strays = abs(len(local) - share * len(accepted)) / max(1, (share * (1 - share) * len(accepted)) ** 0.5)
        check(strays <= 5, "at %d %%: %d of %d would-accepts answered locally" % (percent, len(local), len(accepted)))
        right = sum(replies[c]["answer"] == agent.truth[c] for c in local)
        tell("at %d %%" % percent, "%d of 120 calls local (%d would-accepts), %d of them right, %d audited" %
               (len(local), len(accepted), right, sum(replies[c]["audit"] for c in local)))
        reviewer.catch_up()
    equal(len({r["epoch"] for r in router.records("receipt")}), 1, "epochs of the receipts")


def rotates_there_and_back(router, agent, reviewer, tell):
    # A false accept of the challenger since its gate passed takes more reviews to make up for.
    while gate(router, "--challenger")["outcome"] != "pass":
        agent.calls(50, reply=True)
        reviewer.catch_up()
    for words, model in ((("rotate", TASK), "two"), (("rotate", TASK, "--back"), "one")):
        order(router, *words)
        now = standing(router)
        equal((now["percent"], now["rotated"], now["models"][0]["id"]), (100, model == "two", model), "after " + " ".join(words))
        replies = agent.calls(60, reply=True)
        records = told_the_same(router, replies)
        equal({records[c]["local_model_id"] for c in local_of(replies)}, {model}, "who answers after " + " ".join(words))
        tell("after " + " ".join(words), "%d of 60 calls answered by %s" % (len(local_of(replies)), model))
        reviewer.catch_up()


def demoted_by_one_severe_false_accept(router, agent, reviewer, tell):
    sure = sorted((r for r in router.records("decision") if r["route"] == "local"), key=lambda r: -r["confidence"])
    texts = {row["id"]: row["prompt"] for row in agent.traffic}
    requests = [texts[record["call_id"]] + words for record in sure for words in PLANTED]
    for number, request in enumerate(requests):
        planted = "planted-%d" % number
        if agent.one(planted, request)["route"] == "local":
            break
    else:
        raise Failed("the classifier fell for none of %d planted requests" % len(requests))
    equal(standing(router)["percent"], 100, "before anybody looked")
    reviewer.label(planted, "escalate", severity=3)
    told = agent.one("next", traffic_text(agent))
    equal((told["route"], told["stage"]), ("frontier", "shadow"), "the very next decision")
    last = router.status()["last_demotion"]
    check(planted in last["reason"] and last["actor"] == "router", "the last demotion: %s" % last)
    said = order(router, "promote", TASK, "--percent", "1", want=4)
    check("UNMET  severe_false_accepts" in said, "promote after it: " + said)
    replies = agent.calls(60, reply=True)
    equal(local_of(replies), [], "local answers after the demotion")
    tell("a severe false accept", "%d planted requests until one was believed; the next decision was the frontier's" % (number + 1))
    return planted


def traffic_text(agent):
    """A request that was answered locally before."""
    records = agent.router.decisions()
    return next(row["prompt"] for row in agent.traffic[:agent.at] if records[row["id"]]["route"] == "local")


def the_report_tells_it(router, agent, planted, tell):
    value = json.loads(order(router, "report", "--format", "json"))
    equal([t["task_type"] for t in value["tasks"]], [TASK], "tasks of the report")
    turns = [c for c in value["changes"] if c["task"] == TASK and c["kind"] == "flag"]
    wanted = ["shadow → 1%", "1% → 10%", "10% → 50%", "50% → 100%", "100% → 100%, rotated", "100%, rotated → 100%", "100% → shadow"]
    check(len(turns) == len(wanted) and all(w in c["text"] for w, c in zip(wanted, turns)), "the turns: %s" % [c["text"] for c in turns])
    check(planted in turns[-1]["text"] and "by router" in turns[-1]["text"] and turns[-1]["weight"] == "loud", "the demotion: %s" % turns[-1])
    worst = value["false_accepts"][0]
    equal((worst["call_id"], worst["severe"], worst["served"], worst["confirmed_by"]), (planted, True, True, [OWNER]), "the worst false accept")
    equal(value["saving"]["served"], agent.local, "calls answered locally")
    (task,) = value["tasks"]
    equal((task["calls"], task["ready"]["answer"]), (agent.made, "no"), "the task")
    equal(task["gate"]["next"], gate(router)["next"], "what comes next")
    text = order(router, "report", "--format", "md")
    for words in (planted, "answered locally", "demoted: 100% → shadow by router", "Not ready: route\\_request"):
        check(words in text, "the report does not say %r" % words)
    # Local answers leave nothing to compare but where they were audited: that is no fault of the agent's.
    check("have the agent send an answer frame" not in text, "the agent sent every answer that there was")
    done = router.command("report", "--check")
    check(done.returncode == 1 and TASK + ": sent back to shadow" in done.stderr, "report --check: %d %s" % (done.returncode, done.stderr))
    found = order(router, "tail", "--find", planted)
    check("→ %s: local, labelled escalate by %s" % (planted, OWNER) in found, "tail --find: " + found)
    tell("the report", "%d calls, %d answered locally, %.4f USD saved" % (agent.made, agent.local, value["saving"]["live_net_usd"]))


if __name__ == "__main__":
    main(globals())
