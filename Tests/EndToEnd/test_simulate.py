"""Another policy over a recorded log: what `simulate` says against what the router does under that policy (contract, section 1)."""
import collections
import copy
import html.parser
import json
import math
import os
import subprocess
import sys
import time

from sidecar import *

sys.path.insert(0, os.path.join(ROOT, "Tests", "Reference"))
SOURCES = ("banking77_oos", "stackoverflow", "rational_cascades", "nlbse24")
EACH = 250


class Public:
    """Events of the public sources with the recorded small models that answered them, each source a task of its own."""

    def __init__(self):
        shared("data", "events", "public", SOURCES[0] + ".ndjson")
        import reference
        tap = reference.load(shared("tools", "events_to_tap.py"), "events_to_tap")
        server = shared("tools", "candidate", "recorded_server.py")
        self.processes, self.endpoints, self.frames, events = [], {}, {}, {}
        for source in SOURCES:
            path = shared("data", "events", "public", source + ".ndjson")
            events[source] = reference.events_of(path)[:EACH]
            self.frames[source] = [list(tap.frames(event)) for event in events[source]]
            process = subprocess.Popen([sys.executable, server, "--port", "0", path], stdout=subprocess.PIPE, text=True)
            self.processes.append(process)
            self.endpoints[source] = int(process.stdout.readline().split()[1])
        self.policy = {"models": {}, "tasks": reference.policy_for(events)["tasks"]}
        for source, port in self.endpoints.items():
            self.policy["models"]["m_" + source] = {
                "provider": "ollama", "name": "recorded", "endpoint": "http://127.0.0.1:%d/api/generate" % port,
                "timeout_ms": 60000, "max_concurrency": 8, "max_queue": 4096}
            task = self.policy["tasks"][source]
            task.pop("name")
            task["model"] = "m_" + source

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()

    def run(self, policy, router):
        """Sends everything and waits until all of it is in the log."""
        tap = router.tap()
        rows = [frames for source in SOURCES for frames in self.frames[source]]
        for start in range(0, len(rows), 100):
            for frames in rows[start:start + 100]:
                tap.send(b"".join((json.dumps(frame) + "\n").encode() for frame in frames))
            router.wait_for("decision", min(start + 100, len(rows)), 120)
        router.wait_for("comparison", sum(len(frames) > 1 for frames in rows), 60)


def variants(policy):
    """Name → (policy, whether everything can be told)."""
    def changed(change):
        new = copy.deepcopy(policy)
        change(new, new["tasks"])
        return new

    def stricter(_, tasks):
        tasks["banking77_oos"]["min_confidence"] = 0.95
        tasks["banking77_oos"]["escalate_labels"] = tasks["banking77_oos"]["labels"][:20]
        tasks["stackoverflow"]["local"] = False
        tasks["rational_cascades"]["max_input_chars"] = 200
        tasks["nlbse24"]["impact"] = "high"

    def looser(_, tasks):
        tasks["banking77_oos"]["min_confidence"] = 0.2
        tasks["rational_cascades"]["min_confidence"] = 0.4
        tasks["stackoverflow"]["min_confidence"] = 0.1

    def words(new, _):
        new["hard_stops"] = {"builtin": False, "security": ["python", "card"]}

    return {"stricter": (changed(stricter), True), "looser": (changed(looser), True), "other words": (changed(words), False)}


def written(router, name, policy):
    path = os.path.join(router.folder, name)
    with open(path, "w") as file:
        json.dump(policy, file)
    return path


def simulated(router, path, *more, want=0):
    done = router.command("simulate", path, "--json", *more)
    equal(done.returncode, want, "the exit code of simulate: " + done.stderr[-400:])
    return {task["task_type"]: task for task in json.loads(done.stdout)["tasks"]}


def test_it_says_of_public_events_what_the_router_then_does():
    with Public() as public:
        base = json.dumps(public.policy)
        with Sidecar(base) as router:
            public.run(base, router)
            before, compared = router.decisions(), {r["call_id"]: r["agreement"] for r in router.records("comparison")}
            rows = []
            # The router still runs: its log is read beside it.
            for name, (policy, is_whole) in variants(public.policy).items():
                told = simulated(router, written(router, "new.yaml", policy))
                with Sidecar(json.dumps(policy)) as other:
                    public.run(policy, other)
                    after = other.decisions()
                    other.stop()
                equal(set(told), set(SOURCES), name + ": the tasks")
                for source in SOURCES:
                    compare(name, source, told[source], before, after, compared, is_whole, rows)
            table("Simulated and done", [("policy", "task", "calls", "accepts", "simulated", "done", "cannot be told", "suspected let in", "kept out")] + rows)
            same = dict(public.policy, tests=[])
            told = simulated(router, written(router, "same.yaml", same))
            check(all(not t["changes"] and not t["cannot_be_told"] and t["would_accepts"] == t["would_accepts_then"] for t in told.values()),
                  "a policy that says the same changes something: %s" % shorten(told))
            hook(router, public.policy)
            router.stop()


def test_policies_of_before_are_found_by_their_revision():
    def policy(threshold, more=""):
        return ('models:\n  small: {provider: ollama, name: fake, endpoint: "%s"}\n'
                "tasks:\n  t: {local: true, labels: [a, b], min_confidence: %s%s}\n" % (model.endpoint, threshold, more))
    with ollama(lambda request: generated({"label": "a", "confidence": 0.75})) as model:
        with Sidecar(policy(0.5)) as router:
            tap = router.tap()
            for round, threshold in enumerate((0.6, 0.7, 0.8)):
                for i in range(5):
                    router.decide(tap, call("c%d-%d" % (round, i), text="say a, please"))
                router.write_policy(policy(threshold))
                equal(router.command("reload").returncode, 0, "a reload")
            path = os.path.join(router.folder, "new.yaml")
            with open(path, "w") as file:
                file.write(policy(0.9))
            told = simulated(router, path)["t"]
            equal((told["would_accepts"], told["would_accepts_then"], told["cannot_be_told"], told["kept_out"]), (15, 0, 0, 15), "three policies ago")
            kept = os.path.join(router.state, "policies")
            equal(len(os.listdir(kept)), 4, "policies kept")
            equal({os.stat(os.path.join(kept, n)).st_mode & 0o777 for n in os.listdir(kept)} | {os.stat(kept).st_mode & 0o777}, {0o600, 0o700}, "their modes")
            for name in os.listdir(kept):
                with open(os.path.join(kept, name), "rb") as file:
                    equal(revision(file.read()), "sha256:" + name[:-len(".yaml")], "the name of a kept policy")
            router.stop()
            for name in os.listdir(kept):
                os.remove(os.path.join(kept, name))
            # Without them the policy in force and --was are left.
            told = simulated(router, path)["t"]
            equal([(c["cause"], c["calls"]) for c in told["causes"]], [("policy", 15)], "causes")
            was = []
            for threshold in (0.5, 0.6, 0.7):
                was += ["--was", os.path.join(router.folder, "was-%s.yaml" % threshold)]
                with open(was[-1], "w") as file:
                    file.write(policy(threshold))
            told = simulated(router, path, *was)["t"]
            equal((told["would_accepts_then"], told["cannot_be_told"]), (0, 0), "with --was")


def compare(name, source, told, before, after, compared, is_whole, rows):
    ids = [i for i, r in before.items() if r["task_type"] == source]
    done = collections.Counter((before[i]["reason"], after[i]["reason"]) for i in ids if before[i]["reason"] != after[i]["reason"])
    said = {(c["from"], c["to"]): c["calls"] for c in told["changes"] if c["certain"]}
    accepts = [sum(r[i]["reason"] is None for i in ids) for r in (before, after)]
    where = "%s, %s" % (name, source)
    equal((told["calls"], told["would_accepts"]), (len(ids), accepts[0]), where + ": calls and would-accepts")
    if is_whole:
        equal(told["cannot_be_told"], 0, where + ": cannot be told")
        equal(said, dict(done), where + ": what changes")
        equal(told["would_accepts_then"], accepts[1], where + ": would-accepts then")
        for direction, old, new in (("let_in", False, True), ("kept_out", True, False)):
            want = sum(compared.get(i) == "disagree" and (before[i]["reason"] is None) == old and (after[i]["reason"] is None) == new for i in ids)
            equal(told["suspected"][direction], want, "%s: suspected false accepts %s" % (where, direction))
    else:
        check(told["would_accepts_then"] <= accepts[1] <= told["would_accepts_then"] + told["cannot_be_told"],
              "%s: %d accepted then, said were %d and %d cannot be told" % (where, accepts[1], told["would_accepts_then"], told["cannot_be_told"]))
        for change, count in said.items():
            check(count <= done[change], "%s: %s %d times, done %d times" % (where, change, count, done[change]))
        check(told["cannot_be_told"] > 0, where + ": terms changed, and everything could be told")
        check({c["cause"] for c in told["causes"]} <= {"term", "not_asked"}, where + ": causes %s" % told["causes"])
    rows.append((name, source, len(ids), accepts[0], told["would_accepts_then"], accepts[1], told["cannot_be_told"],
                 told["suspected"]["let_in"], told["suspected"]["kept_out"]))


def hook(router, policy):
    """`--fail-if-more-false`, as a check on a changed policy would use it."""
    for threshold, want in ((0.2, 1), (0.9, 0), (0.7, 0)):
        new = copy.deepcopy(policy)
        new["tasks"]["banking77_oos"]["min_confidence"] = threshold
        path = written(router, "hook.yaml", new)
        simulated(router, path, "--fail-if-more-false", want=want)
        simulated(router, path)
    text = router.command("simulate", path, "--since", "1h").stdout
    check("cannot be told" in text and "banking77_oos" in text, "the text of simulate: " + text[:300])


# A log by hand: times, drawn items and labels as they are wanted.

class Log:
    def __init__(self, folder, now=None):
        self.folder, self.lines, self.now = os.path.join(folder, "log"), [], now or time.time()

    def record(self, kind, ago_days=0.0, **members):
        at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(self.now - ago_days * 86400))
        self.lines.append(json.dumps({"v": 1, "log": "0" * 32, "seq": len(self.lines) + 1, "ts": at, "kind": kind, **members,
                                      "prev": "0" * 64, "h": "0" * 64}, separators=(",", ":")))

    def decision(self, call_id, confidence, ago_days=0.0, low=False, drawn=False, route="frontier", task="t"):
        self.record("decision", ago_days, call_id=call_id, task_type=task, task_type_source="given", policy_revision="sha256:x", route=route,
                    route_candidate="frontier" if low else "local", reason="confidence_low" if low else None, reason_code=5 if low else 0,
                    validator_result="passed schema", checks={"confidence_low": "fail" if low else "pass"}, local_model="m", local_model_digest="d",
                    prompt_revision="p", label="a", confidence=confidence, sampled=drawn, input_preview="job %s failed" % call_id)

    def review(self, call_id, label, ago_days=0.0, **more):
        self.record("review", ago_days, call_id=call_id, review_label=label, reviewer="ana", **more)

    def write(self):
        os.makedirs(self.folder, exist_ok=True)
        with open(os.path.join(self.folder, "0000000001.ndjson"), "w") as file:
            file.write("".join(line + "\n" for line in self.lines))


def binomial(k, n, p):
    return sum(math.comb(n, i) * p ** i * (1 - p) ** (n - i) for i in range(k + 1))


class Tags(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.names = collections.Counter()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.names[tag] += 1


def test_thresholds_count_what_reaches_them_and_propose_by_the_fixed_sequence():
    with Sidecar("models:\n  m: {provider: ollama, endpoint: \"http://127.0.0.1:9/api/generate\"}\n"
                 "tasks:\n  t: {local: true, labels: [a, b], min_confidence: 0.6, gate: {max_false_accept_rate: 0.02}}\n", start=False) as router:
        log, calls = Log(router.state), []
        for i in range(900):
            confidence = [0.995, 0.97, 0.9, 0.8, 0.7][i % 5]
            drawn = i % 5 == 0 or i % 3 == 0
            log.decision("c%d" % i, confidence, drawn=drawn)
            log.record("comparison", call_id="c%d" % i, agreement="disagree" if i % 9 == 0 else "agree")
            # Wrong below 0.9, now and then; some labels are still missing.
            label = None if i % 50 == 49 else "escalate" if confidence < 0.9 and i % 4 == 0 else "accept"
            if drawn and label:
                log.review("c%d" % i, label)
            calls.append((confidence, drawn, label if drawn else None, i % 9 == 0))
        log.decision("low", 0.55, low=True)
        log.write()
        page = os.path.join(router.folder, "page.html")
        done = router.command("simulate", "--thresholds", "t", "--json", "--html", page)
        equal(done.returncode, 0, "the exit code: " + done.stderr)
        curve = json.loads(done.stdout)
        equal([p["min_confidence"] for p in curve["thresholds"]], [i / 100 for i in range(99, 49, -1)], "the grid")
        proposal, is_open = None, True
        for point in curve["thresholds"]:
            reached = [c for c in calls if c[0] >= point["min_confidence"]]
            drawn = [c for c in reached if c[1]]
            wrong = sum(c[2] != "accept" for c in drawn)
            low = 1 if point["min_confidence"] <= 0.55 else 0
            where = "at %s" % point["min_confidence"]
            equal((point["accepted"], point["drawn"], point["drawn_false"], point["disagree"]),
                  (len(reached) + low, len(drawn), wrong, sum(c[3] for c in reached)), where)
            p = binomial(wrong, len(drawn), 0.02) if drawn and not low else 1
            check(abs(p - point["p"]) < 1e-9, "%s: p %s, want %s" % (where, point["p"], p))
            is_open = is_open and p <= 0.05
            proposal = point["min_confidence"] if is_open else proposal
        equal(curve["proposal"], proposal, "the proposal")
        check(proposal is not None, "the test's log proposes nothing")
        text = router.command("simulate", "--thresholds", "t").stdout
        for words in ("never feeds a gate", "Learn-then-Test", "min_confidence %.2f" % proposal):
            check(words in text, "the text does not say %r" % words)
        check(text.count("█") > 50, "no bars")
        with open(page) as file:
            written = file.read()
        tags = Tags(written)
        check(tags.names["svg"] == 1 and tags.names["rect"] == 50 and tags.names["script"] == 0, "the page has %s" % tags.names)
        check("never feeds a gate" in written and "http" not in written.replace("http-equiv", ""), "the page loads something, or lacks its warning")


def test_wrong_use_is_told_by_its_exit_code():
    with Sidecar(start=False) as router:
        equal(router.command("simulate", router.policy).returncode, 3, "no log")
        log = Log(router.state)
        log.decision("a", 0.9)
        log.write()
        bad = written(router, "bad.yaml", {"tasks": {"t": {"locol": True}}})
        for words, want in ((["simulate"], 2), (["simulate", "a", "b"], 2), (["simulate", router.policy, "--since", "soon"], 2),
                            (["simulate", router.policy, "--html", "x"], 2), (["simulate", "--thresholds", "t", "--fail-if-more-false"], 2),
                            (["simulate", "/nowhere.yaml"], 3), (["simulate", bad], 1), (["simulate", "--thresholds", "nobody"], 1),
                            (["simulate", "--thresholds", "t", "--html", "/nowhere/x.html"], 3), (["simulate", router.policy], 0),
                            (["report", "--week", "next"], 2), (["report", "--week", "last", "--since", "7d"], 2)):
            done = router.command(*words)
            equal(done.returncode, want, " ".join(words[:3]) + ": " + done.stderr[-200:])
        told = simulated(router, router.policy)
        equal([c["cause"] for c in told["t"]["causes"]], [], "causes where the new policy alone decides")
        check("--was" in router.command("simulate", router.policy).stdout, "it does not say which policy is missing")


def test_a_hook_hears_of_overdue_reviews_and_demotions():
    with Sidecar(start=False) as router:
        def report(*words, want):
            done = router.command("report", "--check", *words)
            equal(done.returncode, want, "report --check %s: %s" % (words, done.stderr))
            return done.stderr
        log = Log(router.state)
        log.decision("fresh", 0.9, ago_days=3)
        log.record("comparison", 3, call_id="fresh", agreement="disagree")
        log.decision("labelled", 0.9, ago_days=20)
        log.record("comparison", 20, call_id="labelled", agreement="disagree")
        log.review("labelled", "escalate", ago_days=19)
        log.decision("agreed", 0.9, ago_days=20)
        log.record("comparison", 20, call_id="agreed", agreement="agree")
        log.decision("past", 0.9, ago_days=70)
        log.record("comparison", 70, call_id="past", agreement="disagree")
        log.record("flag", 3, flag="kill_switch", task=None, old="off", new="on")
        log.write()
        equal(report(want=0), "", "what a quiet log says")
        log.decision("late", 0.9, ago_days=15)
        log.record("comparison", 15, call_id="late", agreement="disagree")
        log.write()
        check("t: 1 suspected" in report(want=1), "the overdue one is not named")
        # Overdue items are older than the week that is reported.
        report("--since", "2d", want=1)
        log.review("late", "accept")
        log.record("flag", 1, task="t", old="canary", new="shadow", reason="severe")
        log.write()
        check("t: sent back to shadow" in report(want=1), "the demotion is not named")
        check("demot" not in report("--since", "1h", want=0), "a demotion before the window")


def test_the_weekly_file_is_named_for_its_week():
    with Sidecar(start=False) as router:
        log = Log(router.state)
        log.decision("a", 0.9, ago_days=7)
        log.write()
        week = time.strftime("%G-W%V", time.gmtime(time.time() - 7 * 86400))
        done = router.command("report", "--week", "last", "--format", "html", "--output", os.path.join(router.folder, "r-%W.html"))
        equal(done.returncode, 0, "the exit code: " + done.stderr)
        equal([n for n in os.listdir(router.folder) if n.startswith("r-")], ["r-%s.html" % week], "the file")
        with open(os.path.join(router.folder, "r-%s.html" % week)) as file:
            text = file.read()
        check("Week %s" % week in text and "--week %s" % week in text and "--week last" not in text, "the page does not name its week")
        equal(router.command("report", "--output", os.path.join(router.folder, "no", "%W.md")).returncode, 3, "a folder that is not there")


def test_alike_ones_are_listed_once():
    with Sidecar(start=False) as router:
        log = Log(router.state)
        for i in range(14):
            log.decision("c%d" % i, 0.9)
            log.record("comparison", call_id="c%d" % i, agreement="disagree", frontier_label="b")
        log.write()
        listed = json.loads(router.command("report", "--json").stdout)["false_accepts"]
        equal([(f["stands_for"], f["template"]) for f in listed], [(14, "job c# failed")], "what is listed")
        check("stands for 14 alike" in router.command("report").stdout, "the text does not say for how many it stands")
        check("stands for 14 alike" in router.command("report", "--format", "html").stdout, "nor does the page")
        equal(router.command("report", "--json").stdout, router.command("report", "--json").stdout, "two reports of one log")


if __name__ == "__main__":
    main(globals())
