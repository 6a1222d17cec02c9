"""Every command: help, exit codes, machine-readable output, schemas (contract, sections 1 and 5)."""
import csv
import io
import json
import os
import re

from sidecar import *

# The commands of this version; the overview must list them.
COMMANDS = ["run", "check", "explain", "schema", "reload", "status", "kill", "send", "tail", "report", "gate", "train", "eval", "calibrate", "verify-log", "promote", "demote", "rotate", "keys", "erase", "replay"]
ESCAPE = "\x1b["
COLUMNS = ["task_id", "task_type", "local_model", "route_candidate", "validator_result", "hard_stop_match", "frontier_answer_hash", "review_label"]


def test_every_help_starts_with_examples():
    overview = run("--help")
    equal((overview.returncode, overview.stdout.splitlines()[0]), (0, "Examples:"), "`--help`")
    listed = re.findall(r"^  ([a-z-]+)  +\S", overview.stdout.split("Commands:")[1], re.M)
    check(set(COMMANDS) <= set(listed), "not listed: %s" % (set(COMMANDS) - set(listed)))
    for name in listed:
        for word in ("--help", "-h"):
            done = run(name, word)
            equal((done.returncode, done.stderr), (0, ""), "`%s %s`" % (name, word))
            equal(done.stdout.splitlines()[0], "Examples:", "the first line of `%s %s`" % (name, word))
            check("shadow-router " + name in done.stdout, "`%s --help` shows no example of itself" % name)
    figure("commands with their help looked at", len(listed))


def test_a_wrong_command_line_is_2():
    for words in (["nonsense"], ["status", "--nonsense"], ["status", "extra"], ["check"], ["schema"], ["schema", "nothing"], ["kill"],
                  ["kill", "perhaps"], ["explain"], ["report", "--week", "yesterday"], ["report", "--format", "pdf"], ["train", "x"],
                  ["tail", "--last", "some"], ["report", "--since"], ["run", "--max-frame-bytes", "3"], ["status", "--ready=1"], ["send"],
                  ["promote"], ["promote", "t", "--percent", "x"], ["demote", "t"], ["rotate", "t", "--forward"]):
        with Sidecar(start=False) as router:
            done = router.command(*words)
            equal(done.returncode, 2, "exit code of %s: %s" % (words, done.stderr))
            check(done.stderr and not done.stdout, "%s: the message belongs on stderr alone" % words)
    equal(run().returncode, 2, "no command at all")


def test_no_running_router_is_3_and_status_ready_only_says_no():
    with Sidecar(start=False) as router:
        for words in (["status"], ["status", "--json"], ["reload"], ["check", "--against", "running", STARTER], ["send", "-"],
                      ["promote", "t"], ["demote", "t", "--reason", "r"], ["rotate", "t"]):
            done = router.command(*words, input='{"kind":"ping"}\n')
            equal(done.returncode, 3, "exit code of %s: %s" % (words, done.stderr))
            check(done.stderr and not done.stdout, "%s: the message belongs on stderr" % words)
        ready = router.command("status", "--ready")
        equal((ready.returncode, ready.stdout), (1, ""), "`status --ready`")
        for words in (["check", "/nowhere.yaml"], ["explain", "/nowhere.yaml", "-"], ["explain", STARTER, "/nowhere.txt"],
                      ["eval", "/nowhere.ndjson", "--task", "open"], ["train", "/nowhere.ndjson", "--task", "t", "--output", "/nowhere/x"]):
            equal(router.command(*words, input="").returncode, 3, "exit code of %s" % words)


def test_explain_says_what_would_be_decided():
    def explain(*words, text=""):
        done = run("explain", STARTER, "--json", *words, input=text)
        equal(done.returncode, 0, "explain %s: %s" % (words, done.stderr))
        return json.loads(done.stdout)
    hard = explain("--task", "classify_request", "-", text="npm ERR! code E401 while fetching")
    for name in ("next", "task_type", "task_type_source", "reason", "reason_code", "checks", "hard_stop_match", "input_chars", "input_hash"):
        check(name in hard, "explain --json lacks " + name)
    equal((hard["next"], hard["reason"], hard["reason_code"], hard["input_chars"]), ("frontier", "hard_stop_access", 7, 33), "a registry error")
    check({"class": "access", "term": "401", "where": "input"}.items() <= hard["hard_stop_match"][0].items(), "the match: %s" % hard["hard_stop_match"])
    plain = explain("--task", "classify_request", "-", text="where do I find my invoices?")
    equal((plain["next"], plain["reason"], plain["reason_code"]), ("candidate", None, 0), "a plain question")
    equal(explain("--task", "no-such-task", "-", text="x")["reason"], "unknown_task", "an unknown task")
    equal(explain("-", text="x")["reason"], "unknown_task", "no task")
    framed = explain("--frame", "-", text=call("f", "classify_request", "the token").decode())
    equal((framed["reason"], framed["task_type"], framed["task_type_source"]), ("hard_stop_access", "classify_request", "given"), "a frame")
    text = run("explain", STARTER, "--task", "classify_request", "-", input="E401").stdout
    check("hard_stop_access" in text and ESCAPE not in text, "the text form: " + text)


class Journey:
    """One log with all that a router writes in this version, made once."""
    made = None

    @classmethod
    def make(cls):
        if cls.made:
            return cls.made
        with ollama(lambda r: generated({"label": "a" if "good" in r["prompt"] else "zzz", "confidence": 0.9})) as model:
            policy = ('models:\n  small: {provider: ollama, name: s, endpoint: "%s"}\n  frontier: {provider: anthropic, name: big}\n'
                      "tasks:\n  t: {local: true, labels: [a, b], min_confidence: 0.5, owner: me}\n  off: {local: false, owner: me}\n" % model.endpoint)
            router = Sidecar(policy)
            tap = router.tap()
            for i in range(40):
                kind, text = (("t", "good one"), ("t", "bad one"), ("off", "plan"), ("t", "the token expired"), ("new", "?"))[i % 5]
                tap.send(call("c%d" % i, kind, text, task_id="T%d" % (i // 5), run_id="R%d" % (i // 10)))
                tap.send(answer("c%d" % i, "b" if i % 10 == 0 else "a", model="big", latency_ms=900))
            tap.send(call("untyped", None, "hm", agent="planner") + answer("untyped", "a"))
            tap.send(frame("outcome", run_id="R1", result="success", source="user", approved_by="kim") + b"{bad\n")
            router.wait_for("comparison", 41)
            router.write_policy("broken: [")
            equal(router.command("reload").returncode, 1, "a refused reload")
            router.write_policy(policy + "# 2\n")
            equal(router.command("reload").returncode, 0, "a reload that is taken")
            router.command("kill", "on", "--reason", "journey"), router.command("kill", "off")
            cls.running = {"status": router.command("status"), "json": router.command("status", "--json"),
                           "ready": router.command("status", "--ready"), "reload": router.command("reload", "--json"),
                           "send": router.command("send", "-", input='{"kind":"ping"}\n' + call("sent", "off", reply=True).decode()),
                           "against": router.command("check", "--against", "running", router.policy),
                           "verify": router.command("verify-log", "--json")}
            router.crash()
            with open(max(os.path.join(router.state, "log", n) for n in os.listdir(os.path.join(router.state, "log")) if n.endswith(".ndjson")), "ab") as f:
                f.write(b'{"v":1,"lo')
            router.start()
            router.stop()
        cls.made = router
        return router


def test_commands_beside_a_running_router():
    Journey.make()
    done = Journey.running
    for name, result in done.items():
        equal(result.returncode, 0, "%s: %s" % (name, result.stderr))
        check(ESCAPE not in result.stdout, name + " writes colours into a pipe")
    status = json.loads(done["json"].stdout)
    check_balance(status["balance"], "status --json")
    equal(status["kill"]["on"], False, "status --json: kill")
    check("token" not in done["status"].stdout, "text of a call in `status`")
    check("unmatched" in done["status"].stdout and "TASK" in done["status"].stdout, "no classifier rule to paste in `status`")
    equal(done["ready"].stdout, "", "output of `status --ready`")
    check(json.loads(done["reload"].stdout)["revision"].startswith("sha256:"), "reload --json")
    replies = [json.loads(line) for line in done["send"].stdout.splitlines()]
    equal([r["kind"] for r in replies], ["pong", "decision"], "replies that `send` prints")
    check(json.loads(done["verify"].stdout)["whole"], "verify-log --json beside a running router")


def test_the_log_is_read_in_every_form():
    router = Journey.make()
    records = router.records()
    check_chain(router.lines())
    text = router.command("tail", env={"NO_COLOR": "1"})
    equal((text.returncode, len(text.stdout.splitlines())), (0, len(records)), "lines of `tail`")
    check(ESCAPE not in text.stdout, "`tail` writes colours into a pipe")
    equal([json.loads(l)["h"] for l in router.command("tail", "--json").stdout.splitlines()], [r["h"] for r in records], "`tail --json`")
    equal(len(router.command("tail", "--last", "3").stdout.splitlines()), 3, "`tail --last 3`")
    for words in (["tail", "--rows"], ["report", "--format", "csv"]):
        rows = list(csv.reader(io.StringIO(router.command(*words).stdout)))
        equal(rows[0][:len(COLUMNS)], COLUMNS, "first columns of `%s`" % " ".join(words))
        equal(len(rows) - 1, router.count("decision"), "rows of `%s`" % " ".join(words))
        check(all(len(r) == len(rows[0]) for r in rows), "rows of another width")
    rows = [json.loads(l) for l in router.command("tail", "--rows", "--json").stdout.splitlines()]
    equal(len(rows), router.count("decision"), "rows as JSON")
    check(all(c in rows[0] for c in COLUMNS), "columns of the JSON rows")
    for last in (0, 1, 3, len(rows), len(rows) + 5):
        kept = [json.loads(l) for l in router.command("tail", "--rows", "--json", "--last", str(last)).stdout.splitlines()]
        equal(kept, rows[len(rows) - min(last, len(rows)):], "`tail --rows --last %d`" % last)
    for identity, count in (("c3", 2), ("T1", 10), ("R1", 21)):
        done = router.command("tail", "--find", identity, "--json")
        equal((done.returncode, len(done.stdout.splitlines())), (0, count), "`tail --find %s`" % identity)
    for identity, words in (("c0", "would have been local"), ("c1", "escalated after validation (schema_invalid)"), ("c3", "hard_stop_access"), ("R1", "approved by kim")):
        check(words in router.command("tail", "--find", identity).stdout, "`tail --find %s` does not say %r" % (identity, words))
    equal(router.command("tail", "--find", "nobody").returncode, 1, "`tail --find` of what is not there")
    with Sidecar(start=False) as empty:
        for words in (["tail"], ["tail", "--rows"], ["verify-log"], ["report"]):
            equal(empty.command(*words).returncode, 3, "exit code of %s without a log" % words)


def test_the_report_comes_in_four_formats_and_counts_right():
    router = Journey.make()
    made = {f: router.command("report", "--format", f) for f in ("md", "html", "json", "csv")}
    for name, done in made.items():
        equal(done.returncode, 0, "report --format %s: %s" % (name, done.stderr))
    text = json.dumps(json.loads(made["json"].stdout))
    check('"t"' in text, "the report does not know the task")
    html = made["html"].stdout
    check("<html" in html and "<script" not in html.lower(), "the page is none, or has scripts")
    check(not re.search(r"""(src|href)=["']https?:""", html), "the page loads something from elsewhere")
    check("t" in made["md"].stdout and made["md"].stdout.startswith("#"), "the markdown report")
    equal(router.command("report", "--format", "json").stdout, made["json"].stdout, "the same log, the same bytes")
    path = os.path.join(router.folder, "report.html")
    done = router.command("report", "--format", "html", "--output", path)
    equal((done.returncode, done.stdout), (0, ""), "--output")
    with open(path, encoding="utf-8") as f:
        equal(f.read().count("<svg"), html.count("<svg"), "drawn charts in the written page")


def test_schemas_are_valid_and_every_record_of_a_real_log_fits():
    documents = {}
    for name in ("policy", "tap", "record", "report"):
        done = run("schema", name)
        equal(done.returncode, 0, "schema " + name)
        documents[name] = json.loads(done.stdout)
        check("2020-12" in documents[name]["$schema"], "schema %s is of another draft" % name)
    try:
        import jsonschema
    except ImportError:
        raise Skipped("the Python package jsonschema is not installed: records were not checked against `schema record`")
    for name, document in documents.items():
        jsonschema.Draft202012Validator.check_schema(document)
    router = Journey.make()
    validator = {name: jsonschema.Draft202012Validator(document) for name, document in documents.items()}
    kinds = {}
    for record in router.records():
        kinds[record["kind"]] = kinds.get(record["kind"], 0) + 1
        fault = next(validator["record"].iter_errors(record), None)
        check(fault is None, lambda: "a %s record does not fit: %s at %s" % (record["kind"], shorten(fault.message, 200), list(fault.path)))
    check({"start", "stop", "recovered", "policy", "flag", "decision", "comparison", "outcome"} <= set(kinds), "kinds in the log: %s" % kinds)
    check(next(validator["record"].iter_errors({**router.records("decision")[0], "reason": "because"}), None), "the schema lets any reason pass")
    report = json.loads(router.command("report", "--format", "json").stdout)
    fault = next(validator["report"].iter_errors(report), None)
    check(fault is None, lambda: "the report does not fit: %s at %s" % (shorten(fault.message, 200), list(fault.path)))
    frames = [json.loads(f) for f in (call("x"), answer("x"), frame("ping"), frame("outcome", run_id="r", result="success", source="user"))]
    check(all(validator["tap"].is_valid(f) for f in frames), "a good frame does not fit `schema tap`")
    bad = [{"kind": "call", "call_id": "x"}, {"kind": "cal"}, {"kind": "call", "call_id": "x", "input": "a", "messages": []}, {"kind": "outcome", "run_id": "r"}]
    check(not any(validator["tap"].is_valid(f) for f in bad), "a bad frame fits `schema tap`")
    figure("records that fit `schema record`, kinds", "%d, %d" % (sum(kinds.values()), len(kinds)))


if __name__ == "__main__":
    main(globals())
