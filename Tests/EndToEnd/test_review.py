"""Review: drawn by committed keys, labelled by people, nothing lost, captured text only behind a name and a reason."""
import hashlib
import hmac
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time

from sidecar import *

WEEK = re.compile(r"\d{4}-W\d\d$")


def policy(endpoint, more="", capture="sampled", sample="1.0", preview="{}"):
    return ('models:\n  small: {provider: ollama, name: fake, endpoint: "%s", max_concurrency: 4}\n' % endpoint
            + "privacy: %s\n" % preview
            + "tasks:\n  t: {local: true, labels: [a, b], min_confidence: 0.5, review_sample: %s, capture: %s, rubric: wrong label is wrong%s}\n" % (sample, capture, more))


def says_a(request):
    return generated({"label": "a", "answer": "alpha", "confidence": 0.9})


def fill(router, ids, frontier="a"):
    """Calls that are all would-accepts, each with the frontier's answer."""
    tap = router.tap()
    tap.send(b"".join(call(i, text="please look at case %s in /srv/data/%s.txt" % (i, i)) for i in ids))
    tap.send(b"".join(answer(i, frontier, label=frontier) for i in ids))
    router.wait_for("comparison", router.count("comparison") + 0 if not ids else len(ids))


def queue(router, limit=100, task=None):
    code, body = router.http("GET", "/v1/review?limit=%d%s" % (limit, "&task=" + task if task else ""))
    equal(code, 200, "GET /v1/review")
    return json.loads(body)


def act(router, want=200, **body):
    code, reply = router.http("POST", "/v1/review", json.dumps(body))
    equal(code, want, "POST /v1/review %s: %s" % (body, reply[:300]))
    return json.loads(reply)


def accepted(router):
    return [r for r in router.records("decision") if r["route_candidate"] == "local"]


def vault(router):
    folder = os.path.join(router.state, "vault")
    return {name: os.path.join(folder, name) for name in os.listdir(folder) if not name.endswith(".tmp")}


def captured(router, call_id):
    """The file of a call as it is now; empty where there is none yet."""
    try:
        with open(vault(router)[name_of(call_id)], "rb") as file:
            return file.read()
    except (KeyError, FileNotFoundError):
        return b""


def name_of(call_id):
    return hashlib.sha256(call_id.encode()).hexdigest()


def test_the_draw_is_that_of_the_committed_key():
    with ollama(says_a) as model, Sidecar(policy(model.endpoint, sample="0.3", capture="off")) as router:
        ids = ["d%d" % i for i in range(400)]
        fill(router, ids)
        weeks = router.records("week")
        equal([r["key"] for r in weeks], [None] * len(weeks), "keys of weeks that are not over")
        keys = {n: open(os.path.join(router.state, "keys", n), "rb").read() for n in os.listdir(os.path.join(router.state, "keys")) if n.startswith("week-")}
        equal(len(keys), 2, "week keys: this week's and the next's")
        for name, key in keys.items():
            check(WEEK.search(name), name)
            equal(stat.S_IMODE(os.stat(os.path.join(router.state, "keys", name)).st_mode), 0o600, "mode of " + name)
            equal({r["key_sha256"] for r in weeks if "week-" + r["week"] == name}, {hashlib.sha256(key).hexdigest()}, "the committed digest")
        this = weeks[0]["week"]
        equal({r["shares"]["t"] for r in weeks if r["shares"] and "t" in r["shares"]}, {0.3}, "the settled share")
        check(min(r["seq"] for r in weeks if r["shares"] and "t" in r["shares"]) < min(r["seq"] for r in accepted(router)), "the share stands before the first draw")
        key = keys["week-" + this]
        for r in accepted(router):
            number = int.from_bytes(hmac.new(key, r["call_id"].encode(), hashlib.sha256).digest()[:8], "big")
            equal(r["sampled"], number < 0.3 * 2**64, "sampled of " + r["call_id"])
        drawn = [r for r in accepted(router) if r["sampled"]]
        figure("drawn of 400 at 0.3", len(drawn))
        equal(queue(router)["backlog"] >= len(drawn), True, "the backlog holds every drawn item")
        # A policy that asks for more does not change the week's share.
        router.write_policy(policy(model.endpoint, sample="1.0", capture="off"))
        equal(router.http("POST", "/v1/reload")[0], 200, "reload")
        fill_more(router, ["e%d" % i for i in range(50)], 450)
        for r in accepted(router)[400:]:
            number = int.from_bytes(hmac.new(key, r["call_id"].encode(), hashlib.sha256).digest()[:8], "big")
            equal(r["sampled"], number < 0.3 * 2**64, "sampled after the reload")
        equal(router.command("review", "audit-sample", this).returncode, 4, "an audit of a week that is not over")
        router.stop()


def fill_more(router, ids, total):
    tap = router.tap()
    tap.send(b"".join(call(i, text="again case %s" % i) for i in ids) + b"".join(answer(i, "a", label="a") for i in ids))
    router.wait_for("comparison", total)


def test_an_item_shows_what_is_needed_and_never_confidence_or_stream():
    with ollama(says_a) as model, Sidecar(policy(model.endpoint)) as router:
        fill(router, ["i1", "i2"], "b")
        reply = queue(router)
        equal(sorted(i["call_id"] for i in reply["items"]), ["i1", "i2"], "the items")
        equal((reply["backlog"], reply["by_task"]), (2, {"t": 2}), "the backlog")
        item = reply["items"][0]
        for key in ("call_id", "task_type", "rubric", "checks", "hard_stop_match", "input", "candidate", "frontier", "captured", "cluster", "reserved_until"):
            check(key in item, "an item lacks " + key)
        equal((item["rubric"], item["candidate"], item["frontier"], item["captured"]),
              ("wrong label is wrong", {"label": "a", "answer": "alpha"}, {"label": "b", "answer": "b"}, True), "the item")
        equal(item["input"]["text"], None, "captured text before anybody gave a reason")
        check("confidence" not in json.dumps(reply) and "stream" not in json.dumps(reply) and "sampled" not in json.dumps(reply), "an item tells too much")
        for call_id in ("i1", "i2"):
            act(router, call_id=call_id, review_label="escalate", severity=2, note="label is wrong", missed_stop=True)
        records = router.records("review")
        equal([(r["call_id"], r["review_label"], r["stream"], r["severity"], r["missed_stop"], r["note"]) for r in records],
              [(i, "escalate", "certificate", 2, True, "label is wrong") for i in ("i1", "i2")], "the review records")
        equal(records[0]["rubric_revision"], "sha256:" + hashlib.sha256(b"wrong label is wrong").hexdigest(), "rubric_revision")
        metrics = router.metrics()
        equal(metrics['shadow_router_reviews_total{task="t",label="escalate"}'], 2, "reviews_total")
        equal(queue(router)["items"] == [] or all(hashlib.sha256(("second:" + i["call_id"]).encode()).digest()[0] < 26 for i in queue(router)["items"]), True, "items after labelling")
        router.stop()


BAD = [({}, 400), ({"call_id": "x1"}, 400), ({"call_id": "x1", "review_label": "maybe"}, 400), ({"call_id": "x1", "review_label": None}, 400),
       ({"call_id": "nobody", "review_label": "accept"}, 404), ({"call_id": "x1", "review_label": "accept", "severity": 4}, 400),
       ({"call_id": "x1", "review_label": "accept", "severity": "2"}, 400), ({"call_id": "x1", "review_label": "accept", "note": 3}, 400),
       ({"call_id": "x1", "review_label": "accept", "missed_stop": "yes"}, 400), ({"undo": True}, 409), ({"open": "x1"}, 400),
       ({"open": "x1", "reason": " \n"}, 400), ({"open": "nobody", "reason": "why"}, 404)]


def test_what_cannot_be_used_is_refused_with_a_code_and_writes_nothing():
    with ollama(says_a) as model, Sidecar(policy(model.endpoint)) as router:
        fill(router, ["x1"])
        for body, status in BAD:
            reply = act(router, want=status, **body)
            check(reply["error"]["code"] and reply["error"]["message"], "no code for %s" % body)
        for body in (b"", b"[]", b"not json"):
            equal(router.http("POST", "/v1/review", body)[0], 400, "POST %r" % body)
        for query in ("limit=0", "limit=101", "limit=x", "what=1"):
            equal(router.http("GET", "/v1/review?" + query)[0], 400, query)
        equal(router.http("GET", "/v1/review?task=none")[0], 404, "an unknown task")
        equal(router.records("review", "access"), [], "records of refused requests")
        router.stop()


def test_undo_takes_the_last_label_back_by_a_record():
    with ollama(says_a) as model, Sidecar(policy(model.endpoint)) as router:
        fill(router, ["u1", "u2"])
        act(router, call_id="u1", review_label="accept")
        act(router, call_id="u1", review_label="escalate")
        equal(act(router, undo=True)["review_label"], "accept", "the label before")
        equal(act(router, undo=True)["review_label"], None, "no label before that")
        act(router, want=409, undo=True)
        equal([r["review_label"] for r in router.records("review")], ["accept", "escalate", "accept", None], "the records")
        equal(sorted(i["call_id"] for i in queue(router)["items"]), ["u1", "u2"], "the item is back")
        router.stop()


def test_no_label_is_lost_by_kill_9():
    with ollama(says_a) as model, Sidecar(policy(model.endpoint)) as router:
        ids = ["k%d" % i for i in range(60)]
        fill(router, ids)
        told, crashes = [], 0
        while True:
            items = queue(router, 5)["items"]
            if not items or len(told) >= 60:
                break
            for item in items:
                act(router, call_id=item["call_id"], review_label="accept")
                told.append(item["call_id"])
            router.crash()
            crashes += 1
            router.start()
        labelled = [r["call_id"] for r in router.records("review")]
        equal(labelled, told, "labels in the log against labels that were acknowledged")
        equal(sorted(set(ids) - set(labelled)), [], "items that were never offered")
        check(crashes >= 12, "only %d crashes" % crashes)
        check_chain(router.lines())
        figure("labels kept through kill -9", len(told))
        router.stop()


def test_two_reviewers_never_hold_one_item_and_reservations_end():
    if os.geteuid() != 0:
        raise Skipped("two reviewers need root")
    with ollama(says_a) as model, Sidecar(policy(model.endpoint), "--reservation-seconds", "3", user=65534) as router:
        # The router's own user is one, root the other.
        fill(router, ["r%d" % i for i in range(12)])

        def other(method, body=None, query="limit=4"):
            code = ("import http.client,json,os,socket,sys\nos.setgid(65534);os.setuid(65534)\nc=http.client.HTTPConnection('x')\n"
                    "c.sock=socket.socket(socket.AF_UNIX);c.sock.connect(sys.argv[1])\nc.request(sys.argv[2],'/v1/review?'+sys.argv[4],body=sys.argv[3] or None)\n"
                    "r=c.getresponse();print(json.dumps([r.status,json.loads(r.read())]))")
            done = subprocess.run([sys.executable, "-c", code, os.path.join(router.runtime, "control.sock"), method, body or "", query],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            check(done.returncode == 0, done.stderr)
            return json.loads(done.stdout)
        mine = {i["call_id"] for i in queue(router, 4)["items"]}
        equal({i["call_id"] for i in queue(router, 4)["items"]}, mine, "the same reviewer asks again")
        status, reply = other("GET")
        theirs = {i["call_id"] for i in reply["items"]}
        equal((status, len(mine), len(theirs), mine & theirs), (200, 4, 4, set()), "two reviewers' items")
        one = sorted(mine)[0]
        status, reply = other("POST", json.dumps({"call_id": one, "review_label": "accept", "reviewer": "root"}))
        equal((status, reply["error"]["code"]), (409, "reserved"), "a label for another's item")
        yours = sorted(theirs)[0]
        status, reply = other("POST", json.dumps({"call_id": yours, "review_label": "accept", "reviewer": "root"}))
        equal(status, 200, "a label for the own item")
        equal([(r["call_id"], r["reviewer"]) for r in router.records("review")], [(yours, "nobody")], "who labelled is what the kernel says")
        act(router, release=[one])
        time.sleep(3.2)
        status, reply = other("GET", query="limit=100")
        check(mine <= {i["call_id"] for i in reply["items"]}, "items of a reviewer who went away are not offered again")
        router.stop()


SECRET = "the customer wrote zebra-crossing-7741"


def test_captured_text_is_shown_only_behind_a_synced_access_record():
    with ollama(says_a) as model, Sidecar(policy(model.endpoint, preview="{preview_chars: 0}", sample="0.4"), "--capture-grace-seconds", "1") as router:
        tap = router.tap()
        ids = ["v%d" % i for i in range(40)]
        tap.send(b"".join(call(i, text="%s %s" % (SECRET, i)) for i in ids) + b"".join(answer(i, "no " + SECRET, label="b") for i in ids))
        router.wait_for("comparison", 40)
        drawn = {r["call_id"] for r in accepted(router) if r["sampled"]}
        files = until(lambda: (lambda v: len(v) >= len(drawn) and v)(vault(router)), "the drawn calls' files")
        equal(set(files), {name_of(i) for i in drawn}, "the vault holds exactly the drawn calls")
        equal(stat.S_IMODE(os.stat(os.path.join(router.state, "vault")).st_mode), 0o700, "mode of the vault")
        equal({stat.S_IMODE(os.stat(p).st_mode) for p in files.values()}, {0o600}, "modes of its files")
        one = sorted(drawn)[0]
        until(lambda: b"frontier" in open(files[name_of(one)], "rb").read(), "the frontier's answer in the vault")
        act(router, want=400, open=one)
        equal(router.records("access"), [], "access records before a reason")
        reply = act(router, open=one, reason="does the label fit")
        equal((reply["input"], reply["candidate"], reply["frontier"]),
              ("%s %s" % (SECRET, one), {"label": "a", "answer": "alpha"}, {"label": "b", "answer": "no " + SECRET}), "the opened text")
        access = router.records("access")
        equal([(r["call_id"], r["reason"], r["what"]) for r in access], [(one, "does the label fit", "review")], "the access record")
        check(access[0]["who"], "who opened it")
        everything = b"\n".join(router.lines()) + router.http("GET", "/metrics")[1] + router.messages.encode()
        check(b"zebra" not in everything, "raw text outside the vault")
        undrawn = sorted(set(ids) - drawn)[0]
        act(router, want=404, open=undrawn, reason="curious")
        for i in drawn:
            act(router, call_id=i, review_label="accept")
        kept = lambda: set(vault(router)) - {name_of(i) for i in drawn if second(i)}
        until(lambda: not kept(), lambda: "labelled calls leave the vault: %d stay" % len(kept()), timeout=40)
        router.stop()


def read_log_week(previous):
    """A log of a week that is over, made here: the draw is HMAC by Python's own hand."""
    now = int(time.time())
    monday = now - (now + 3 * 86400) % (7 * 86400) - (7 * 86400 if previous else 0)
    return time.strftime("%G-W%V", time.gmtime(monday + 86400)), monday


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def audited(change=None, drop=None, share=0.25):
    week, monday = read_log_week(True)
    key = bytes(range(32))
    digest = hashlib.sha256(key).hexdigest()
    rows = [{"ts": stamp(monday - 3600), "kind": "week", "week": week, "key_sha256": digest, "key": None, "shares": None},
            {"ts": stamp(monday), "kind": "week", "week": week, "key_sha256": digest, "key": None, "shares": {"t": share}}]
    for i in range(200):
        for kind, prefix in (("decision", ""), ("challenge", "challenger:")):
            number = int.from_bytes(hmac.new(key, (prefix + "w%d" % i).encode(), hashlib.sha256).digest()[:8], "big")
            rows.append({"ts": stamp(monday + 60 * i), "kind": kind, "call_id": "w%d" % i, "task_type": "t", "route_candidate": "local", "sampled": number < share * 2**64})
    rows.append({"ts": stamp(monday), "kind": "decision", "call_id": "f", "task_type": "t", "route_candidate": "frontier", "sampled": False})
    rows.append({"ts": stamp(monday + 8 * 86400), "kind": "week", "week": week, "key_sha256": digest, "key": key.hex(), "shares": None})
    rows = [r for n, r in enumerate(rows) if n != drop]
    if change:
        change(rows)
    folder = tempfile.mkdtemp(prefix="shadow-router-e2e-")
    try:
        os.makedirs(os.path.join(folder, "log"))
        with open(os.path.join(folder, "log", "0000000001.ndjson"), "w") as f:
            for seq, row in enumerate(rows, 1):
                f.write(json.dumps({"v": 1, "log": "0" * 32, "seq": seq, **row, "prev": "0" * 64, "h": "0" * 64}, separators=(",", ":")) + "\n")
        done = run("review", "--state-dir", folder, "audit-sample", week, "--json")
        return done.returncode, json.loads(done.stdout) if done.stdout else None
    finally:
        shutil.rmtree(folder)


def test_an_outsider_finds_any_change_of_a_past_weeks_sample():
    code, found = audited()
    equal((code, found["clean"], found["would_accepts"], found["committed_before_week"]), (0, True, 400, True), "an honest week")
    figure("drawn of 400 at 0.25, recomputed", found["drawn"])
    flip = lambda rows: rows[77].update(sampled=not rows[77]["sampled"])
    code, found = audited(flip)
    equal((code, found["difference_count"], found["differences"][0]["call_id"]), (1, 1, "w37"), "one flipped draw")
    equal(audited(lambda rows: rows[-2].update(sampled=True))[0], 1, "a frontier call drawn")
    equal(audited(lambda rows: rows[-1].update(key="00" * 32))[1]["faults"], ["key_differs_from_commitment"], "another key")
    equal(audited(lambda rows: rows.insert(50, dict(rows[1], shares={"t": 0.5})))[1]["faults"], ["share_changed"], "a share changed in the week")
    equal(audited(lambda rows: rows.insert(120, rows.pop(1)))[0], 1, "a share settled after draws")
    equal(audited(drop=403)[0], 4, "a key never revealed")


def test_the_key_of_a_week_that_is_over_is_revealed_at_the_next_start():
    week, monday = read_log_week(True)
    with Sidecar(start=False) as router:
        os.makedirs(os.path.join(router.state, "keys"), mode=0o700)
        with open(os.path.join(router.state, "keys", "week-" + week), "wb") as f:
            f.write(b"k" * 32)
        router.start()
        if time.time() - monday < 7 * 86400 + 700:
            raise Skipped("a week has just begun: keys are revealed ten minutes later")
        record = until(lambda: [r for r in router.records("week") if r["week"] == week], "the revealed key")[0]
        equal((record["key"], record["key_sha256"]), ((b"k" * 32).hex(), hashlib.sha256(b"k" * 32).hexdigest()), "the revealed key")
        router.stop()


def test_verbs_label_list_export_import_and_evalset():
    with ollama(says_a) as model, Sidecar(policy(model.endpoint)) as router:
        fill(router, ["c1", "c2", "c3", "c4"], "b")
        listed = [json.loads(line)["call_id"] for line in router.command("review", "list", "--json").stdout.splitlines()]
        equal(sorted(listed), ["c1", "c2", "c3", "c4"], "review list")
        done = router.command("review", "label", "c1", "accept", "--note", "fine")
        equal((done.returncode, "c1: accept" in done.stdout), (0, True), done.stderr)
        equal(router.command("review", "label", "c1", "perhaps").returncode, 2, "a label that is none")
        equal(router.command("review", "label", "nobody", "accept").returncode, 1, "a call that is none")
        check("would have been local, labelled accept by" in router.command("tail", "--find", "c1").stdout, "tail --find tells of the label")
        labels = os.path.join(router.folder, "labels.ndjson")
        with open(labels, "w") as f:
            f.write('{"call_id":"c2","review_label":"escalate","severity":3,"reviewer":"somebody else"}\n{"call_id":"c3","review_label":"unsure"}\n')
        equal(router.command("review", "import", labels).returncode, 0, "review import")
        exported = [json.loads(line) for line in router.command("review", "export").stdout.splitlines()]
        equal([(r["call_id"], r["review_label"], r["severity"]) for r in exported], [("c1", "accept", None), ("c2", "escalate", 3), ("c3", "unsure", None)], "review export")
        task = next(r["task_type"] for r in router.records("decision") if r["call_id"] == "c1")
        equal(router.command("review", "export", "--task", task).stdout, router.command("review", "export").stdout, "review export of their task")
        equal(router.command("review", "export", "--task", "nosuch").stdout, "", "review export of another task")
        check("somebody else" not in json.dumps(exported), "a name that the client gave became the reviewer")
        until(lambda: len(vault(router)) == 4, "four captured texts")
        equal(router.command("review", "export", "--evalset").returncode, 2, "--evalset without a reason")
        done = router.command("review", "export", "--evalset", "--reason", "the bar")
        cases = [json.loads(line) for line in done.stdout.splitlines()]
        equal([(c["id"], c["task_type"], c["truth"]) for c in cases], [("c1", "t", {"label": "a", "route": "local"}), ("c2", "t", {"route": "frontier"})], "the cases")
        check(cases[0]["input"].startswith("please look at case c1"), "a case's input")
        equal([(r["call_id"], r["what"]) for r in router.records("access")], [("c1", "evalset"), ("c2", "evalset")], "access records of the export")
        equal(router.command("review").returncode, 2, "the screen without a terminal")
        router.stop()
        done = router.command("review", "label", "c4", "accept")
        equal((done.returncode, "no router answers" in done.stderr), (3, True), "without a router")
        done = router.command("review")
        check(done.returncode == 3 and "shadow-router run" in done.stderr, "how to start one: " + done.stderr)


def test_a_challengers_answers_have_a_sample_and_labels_of_their_own():
    def says(word):
        return lambda request: generated({"label": word, "answer": "of " + word, "confidence": 0.9})
    with ollama(says("a")) as one, ollama(says("b")) as two:
        text = policy(one.endpoint, ", model: small, challenger: other").replace("privacy:", '  other: {provider: ollama, name: two, endpoint: "%s"}\nprivacy:' % two.endpoint)
        with Sidecar(text) as router:
            fill(router, ["h1", "h2"], "a")
            router.wait_for("challenge", 2)
            equal([r["sampled"] for r in router.records("challenge")], [True, True], "challenges drawn")
            items = queue(router)["items"]
            equal(sorted((i["call_id"], i["subject"], i["candidate"]["label"]) for i in items),
                  [("h1", "candidate", "a"), ("h1", "challenger", "b"), ("h2", "candidate", "a"), ("h2", "challenger", "b")], "the items")
            check(all(i["input"]["preview"] for i in items), "an item without a preview of its input")
            act(router, call_id="h1", review_label="escalate", subject="challenger")
            equal([(r["call_id"], r["subject"], r["review_label"]) for r in router.records("review")], [("h1", "challenger", "escalate")], "the record")
            equal(sorted((i["call_id"], i["subject"]) for i in queue(router)["items"]), [("h1", "candidate"), ("h2", "candidate"), ("h2", "challenger")], "what is left")
            # Each written when it comes, by a thread of its own that a busy disk keeps waiting.
            until(lambda: all(json.loads(captured(router, "h1") or b"{}").get(name) for name in ("candidate", "challenger", "frontier")), "the answers in the vault")
            kept = act(router, open="h1", reason="both answers")
            equal((kept["candidate"], kept["challenger"], kept["frontier"]),
                  ({"label": "a", "answer": "of a"}, {"label": "b", "answer": "of b"}, {"label": "a", "answer": "a"}), "the captured answers")
            router.stop()


def test_a_disk_that_fills_loses_captures_and_no_decision():
    from test_disk import TinyDisk
    with TinyDisk() as disk, ollama(says_a) as model, Sidecar(policy(model.endpoint), "--segment-mb", "1", state=os.path.join(disk, "state")) as router:
        fill(router, ["f%d" % i for i in range(30)])
        until(lambda: router.metrics()['shadow_router_captures_total{result="disk_short"}'] == 30, "captures lost for want of space")
        equal(vault(router), {}, "captured texts on a disk that is nearly full")
        equal((len(accepted(router)), all(r["sampled"] for r in accepted(router))), (30, True), "decisions")
        check("text could not be kept" in router.command("status").stdout, "`status` does not tell of lost captures")
        item = queue(router, 1)["items"][0]
        equal((item["captured"], bool(item["input"]["preview"])), (False, True), "the item")
        act(router, call_id=item["call_id"], review_label="accept")
        router.stop()


def test_drawn_calls_of_equal_input_are_asked_about_once():
    with ollama(says_a) as model, Sidecar(policy(model.endpoint)) as router:
        tap = router.tap()
        for i in range(5):
            router.decide(tap, call("s%d" % i, text="the very same question"))
        equal([r["sampled"] for r in accepted(router)], [True] * 5, "all are drawn")
        equal([i["call_id"] for i in queue(router)["items"]], ["s0"], "one stands for all")
        equal(queue(router)["items"][0]["cluster"]["count"], 5, "and says for how many")
        act(router, call_id="s3", review_label="accept")
        equal(queue(router)["items"], [], "after a label of another of them")
        router.stop()


def test_every_record_fits_the_schema_of_records():
    schema = json.loads(run("schema", "record").stdout)
    rules = {part["if"]["properties"]["kind"]["const"]: part["then"] for part in schema["allOf"]}
    with ollama(says_a) as model, Sidecar(policy(model.endpoint)) as router:
        fill(router, ["g1"])
        until(lambda: vault(router), "the captured text")
        act(router, open="g1", reason="schema")
        act(router, call_id="g1", review_label="accept")
        for record in router.records("week", "review", "access", "decision"):
            rule = rules[record["kind"]]
            equal([name for name in rule["required"] if name not in record], [], "members missing in " + record["kind"])
            for name, value in record.items():
                kinds = rule["properties"].get(name, {}).get("enum")
                check(not kinds or value in kinds, "%s.%s is %r" % (record["kind"], name, value))
        router.stop()


class Screen:
    """A terminal of 80 × 24 that a person would sit at."""

    def __init__(self, *words):
        if not shutil.which("tmux"):
            raise Skipped("tmux is not installed")
        self.socket = "shadow-router-%d" % os.getpid()
        line = " ".join("'%s'" % w for w in words)
        self.tmux("new-session", "-d", "-x", "80", "-y", "24", "-s", "r", "NO_COLOR=1 %s; echo exit=$?; stty -a | grep -c ' icanon' | sed s/^/canonical=/; sleep 60" % line)

    def tmux(self, *words):
        return subprocess.run(["tmux", "-L", self.socket, "-f", "/dev/null", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout

    def text(self):
        return self.tmux("capture-pane", "-p", "-t", "r")

    def keys(self, *keys):
        self.tmux("send-keys", "-t", "r", *keys)

    def shows(self, word, timeout=15):
        return until(lambda: (lambda t: word in t and t)(self.text()), lambda: "%r on the screen:\n%s" % (word, self.text()), timeout)

    def ended(self):
        """The shell's screen once the program has gone, its exit 0 and the terminal as it was."""
        self.shows("exit=0")
        return self.shows("canonical=1")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tmux("kill-server")


def test_a_hundred_items_are_labelled_from_the_keyboard():
    with ollama(says_a) as model, Sidecar(policy(model.endpoint)) as router:
        fill(router, ["t%03d" % i for i in range(100)], "b")
        with Screen(binary(), "review", *router.folders) as screen:
            page = screen.shows("100 waiting")
            for word in ("rubric: wrong label is wrong", "checks: all passed", "local", "frontier", "«a:»", "«b»", "a accept"):
                check(word in page, "%r is not on the screen:\n%s" % (word, page))
            check("confidence" not in page and "certificate" not in page, page)
            check(all(len(line) <= 80 for line in page.splitlines()), "a line over 80 columns")
            screen.keys("?")
            screen.shows("any key goes back")
            screen.keys("x", "f")
            screen.shows("severity 1 annoying")
            screen.keys("3m", "Enter", "n")
            screen.shows("note:")
            screen.keys("-l", "quite wrong")
            screen.keys("Enter")
            screen.shows("note: quite wrong")
            screen.keys("o")
            screen.shows("reason")
            screen.keys("-l", "to see all of it")
            screen.keys("Enter")
            screen.shows("captured text")
            equal(router.records("access")[0]["reason"], "to see all of it", "the access record")
            screen.keys("e")
            screen.shows("99 waiting")
            first = router.records("review")[0]
            equal((first["review_label"], first["severity"], first["missed_stop"], first["note"]), ("escalate", 3, True, "quite wrong"), "the first label")
            screen.keys("u")
            screen.shows("label taken back")
            screen.keys("e")
            screen.shows("99 waiting")
            screen.tmux("resize-window", "-t", "r", "-x", "60", "-y", "20")
            until(lambda: all(len(line) <= 60 for line in screen.text().splitlines()) and "a accept" in screen.text(), "a narrower screen")
            for number in range(98, 49, -1):
                screen.keys("a")
                screen.shows("%d waiting" % number)
            router.crash()
            screen.keys("a")
            screen.shows("no router answers")
            router.start()
            for number in range(49, 0, -1):
                screen.keys(" " if number % 5 else "e")
                screen.shows("%d waiting" % number)
            screen.keys("a")
            check("100 labelled" in screen.ended(), screen.text())
        last = {}
        for r in router.records("review"):
            last[r["call_id"]] = r["review_label"]
        equal(len([v for v in last.values() if v]), 100, "calls with a label")
        figure("items labelled in a terminal", len(last))
        router.stop()


def test_control_c_restores_the_terminal():
    with ollama(says_a) as model, Sidecar(policy(model.endpoint)) as router:
        fill(router, ["z1"])
        with Screen(binary(), "review", *router.folders) as screen:
            screen.shows("1 waiting")
            screen.keys("C-c")
            check("0 labelled" in screen.ended(), screen.text())
        equal(len(queue(router)["items"]), 1, "the item went back")
        router.stop()


def second(call_id):
    return int.from_bytes(hashlib.sha256(("second:" + call_id).encode()).digest()[:8], "big") >> 11 < 0.1 * 2**53


if __name__ == "__main__":
    main(globals())
