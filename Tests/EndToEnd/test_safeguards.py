"""What ends live serving by itself or keeps it from coming back: safeguards that are loosened, receipts that are not what they were, clocks,
alarms; and what is said then (contract, section 2, "rollouts", and section 7)."""
import contextlib
import glob

from live import *
from test_console import Console, TOKEN_HEADER

CONSOLE = ("--console", "127.0.0.1:0")


def shown(router, task="t"):
    (found,) = [t for t in router.status()["rollout"] if t["task"] == task]
    return found


def sent_back(router, word, actor="router"):
    """The task is in shadow, and status and log say why."""
    equal((shown(router)["stage"], shown(router)["percent"]), ("shadow", 0), "the stage")
    last = router.status()["last_demotion"]
    check(word in last["reason"] and (last["task"], last["actor"]) == ("t", actor), "the last demotion: %s" % last)
    record = until(lambda: [r for r in router.records("flag") if r["new"] == "shadow" and r["reason"] == last["reason"]], "the flag record")[-1]
    equal((record["task"], record["actor"], record["stage"]), ("t", actor, "shadow"), "the flag record")
    check(word in router.command("status").stdout, "`status` does not say why")


def frontier(router, name, flag_reason, tap=None):
    """The very next decision."""
    told((tap or router.tap()).ask(ask(name)), "frontier")
    record = recorded(router, name)
    equal((record["route"], record["stage"], record["flag_reason"]), ("frontier", "shadow", flag_reason), "the decision " + name)


@contextlib.contextmanager
def live(*options, env=None, **more):
    with Model() as model, Sidecar(policy(model.endpoint, **more), *options, env=env) as router:
        go_live(router)
        told(router.tap().ask(ask("first")), "local")
        yield router, model


def up_again(router):
    """The way back up."""
    go_live(router)
    told(router.tap().ask(ask("again%d" % router.count("decision"))), "local")


# Safeguards of the policy

def test_less_of_a_safeguard_ends_the_receipt_and_more_does_not():
    def text(audit=0.001, control=0.001, sample=0.01, budget="[{calls_per_day: 1000}, {tenant: x, usd_per_day: 2}]", owner="ana", more=""):
        budget = ", budget: " + budget if budget else ""
        return policy("http://127.0.0.1:9/api/generate", control, audit, ", review_sample: %s, owner: %s%s%s" % (sample, owner, budget, more))
    less = [("audit_share", {"audit": 0}), ("control_share", {"control": 0}), ("review_sample", {"sample": 0.009}), ("budget", {"budget": ""}),
            ("budget", {"budget": "[{calls_per_day: 1001}, {tenant: x, usd_per_day: 2}]"}), ("tenant x", {"budget": "[{calls_per_day: 1000}]"})]
    same = [{"audit": 1}, {"control": 0.5}, {"sample": 1}, {"budget": "[{calls_per_day: 999}, {tenant: x, usd_per_day: 1}]"}, {"owner": "bo"},
            {"more": ", upkeep_usd_per_month: 9, fallbacks: [large], max_attempts: 3"}]
    with Sidecar(text()) as router:
        following = os.path.join(router.folder, "next.yaml")

        def against(changed):
            with open(following, "w") as file:
                file.write(changed)
            done = router.command("check", "--against", "running", following, "--json")
            equal(done.returncode, 0, "check --against running: " + done.stderr)
            return [t["evidence"] for t in json.loads(done.stdout)["tasks"] if t["task"] == "t"][0]
        go_live(router)
        for change in same:
            equal(against(text(**change)), "keeps its evidence", "check --against running with %s" % change)
            router.write_policy(text(**change))
            done = router.command("reload")
            check(done.returncode == 0 and "sent back" not in done.stdout, "reload with %s: %s%s" % (change, done.stdout, done.stderr))
            equal((shown(router)["stage"], shown(router)["why"]), ("live", None), "with %s" % change)
        # Less than since, but not less than at the issue.
        router.write_policy(text())
        router.command("reload")
        equal(shown(router)["stage"], "live", "with what the receipt was issued under")
        tap = router.tap()
        for number, (word, change) in enumerate(less):
            equal(against(text(**change)), "leaves live", "check --against running with %s" % change)
            router.write_policy(text(**change))
            done = router.command("reload")
            check(done.returncode == 0 and "t: sent back to shadow" in done.stdout and word in done.stdout, "reload with %s: %s" % (change, done.stdout))
            frontier(router, "less%d" % number, "STALE", tap)
            sent_back(router, word)
            told_of = router.records("policy")[-1]["sent_back"]
            check([t["task"] for t in told_of] == ["t"] and word in told_of[0]["reason"], "the policy record: %s" % told_of)
            equal(router.status()["policy"]["last_reload"]["sent_back"], told_of, "last_reload")
            router.write_policy(text())
            router.command("reload")
            equal(shown(router)["stage"], "shadow", "nothing comes back by itself")
            go_live(router)
        # Across a restart.
        router.stop()
        router.drop_taps()
        router.write_policy(text(audit=0))
        router.start()
        frontier(router, "restarted", "STALE")
        until(lambda: shown(router)["percent"] == 0, "the way back")
        sent_back(router, "audit_share")
        router.stop()


def test_a_task_that_left_the_policy_is_sent_back_for_that():
    with live() as (router, model):
        router.write_policy(policy(model.endpoint).replace("  t: {", "  u: {"))
        done = router.command("reload", "--json")
        (task,) = json.loads(done.stdout)["sent_back"]
        check(task["task"] == "t" and "no such task any more" in task["reason"], done.stdout)
        until(lambda: [r for r in router.records("flag") if r["task"] == "t" and "no such task any more" in r["reason"]], "the flag record")
        router.write_policy(policy(model.endpoint).replace("  t: {local: true", "  t: {local: false"))
        equal(json.loads(router.command("reload", "--json").stdout)["sent_back"], [], "a task that was not served")
        router.stop()


def test_check_against_running_knows_the_policy_in_force_though_its_file_was_edited():
    with live() as (router, model):
        with open(router.policy, "a") as file:
            file.write("  more: {local: false}\n")
        done = router.command("check", "--against", "running", router.policy)
        equal(done.returncode, 0, "check --against running: " + done.stderr)
        check("more: " in done.stdout and "new; always the frontier" in done.stdout, done.stdout)
        for path in glob.glob(os.path.join(router.state, "policies", "*.yaml")):
            with open(path, "a") as file:
                file.write("#\n")
        done = router.command("check", "--against", "running", router.policy)
        check(done.returncode == 4 and "--state-dir" in done.stderr, "a copy that is not it: %s %s" % (done.returncode, done.stderr))


# The receipt in the log

def segments(router):
    return sorted(glob.glob(os.path.join(router.state, "log", "*.ndjson")))


def rewritten(router, change):
    """The log with its lines changed; `change` gives the new line, or None to leave it out."""
    for path in segments(router):
        with open(path, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        with open(path, "wb") as file:
            file.write(b"".join(new for new in map(change, lines) if new is not None))


def rechained(lines):
    """The same records with hashes that fit: what only a checkpoint would show, but for the file's tail."""
    previous = None
    for line in lines:
        record = json.loads(line)
        previous = previous or record["prev"]
        covered = line[:line.rindex(b',"prev":')] + b',"prev":"%s"' % previous.encode()
        previous = hashlib.sha256(covered).hexdigest()
        yield covered + b',"h":"%s"}\n' % previous.encode()


def is_receipt(line):
    return b'"kind":"receipt"' in line


def damaged(line, at):
    return line[:at] + bytes([line[at] ^ 1]) + line[at + 1:]


def test_a_receipt_that_the_log_no_longer_proves_serves_nothing_after_a_restart():
    def change_of(kind):
        def change(line):
            if kind == "cut out" and is_receipt(line):
                return None
            if kind == "flipped" and is_receipt(line):
                return damaged(line, line.index(b'"approver"') + 13)
            if kind == "flipped beside it" and b'"kind":"probe"' in line:
                return damaged(line, line.index(b'"kind":"probe"') + 30)
            return line
        return change
    for kind, word in (("cut out", "its record is not in the log"), ("flipped", "damaged where its record stands"),
                       ("flipped beside it", "damaged where its record stands"), ("rewritten", "says something else")):
        with live() as (router, model):
            until(lambda: router.count("probe"), "a probe record")
            router.command("demote", "t", "--reason", "one receipt alone")
            done = router.command("promote", "t", "--percent", "1", "--user-group", "all", "--override", "--reason", "test", "--approver", "test")
            equal(done.returncode, 0, "promote: " + done.stderr)
            receipt = shown(router)["receipt"]
            router.stop()
            router.drop_taps()
            if kind == "rewritten":
                (path,) = segments(router)
                with open(path, "rb") as file:
                    lines = file.read().splitlines(keepends=True)
                with open(path, "wb") as file:
                    file.write(b"".join(rechained(line.replace(b'"approver":"test"', b'"approver":"ceo"') if is_receipt(line) else line for line in lines)))
            else:
                rewritten(router, change_of(kind))
            router.start()
            told(router.tap().ask(ask("next", user_group="all")), "frontier")
            record = recorded(router, "next")
            equal((record["stage"], record["flag_reason"]), ("shadow", "STALE"), "the decision with a receipt " + kind)
            sent_back(router, word)
            if kind != "rewritten":
                until(lambda: router.status()["log"]["damage"], "the damage in status")
                check("DAMAGED" in router.command("status").stdout, "`status` does not name the damage")
            up_again(router)
            check(shown(router)["receipt"] != receipt, "the old receipt")
            router.stop()
            router.drop_taps()


def test_damage_elsewhere_is_said_and_ends_no_receipt():
    with live("--segment-mb", "1") as (router, model):
        router.command("demote", "t", "--reason", "later segments")
        tap = router.tap()
        index = 0
        while len(segments(router)) < 3:
            for _ in range(200):
                tap.send(call("f%d" % index, task="never", text="x" * 300))
                index += 1
            tap.ping()
            time.sleep(0.05)
        go_live(router)
        router.stop()
        router.drop_taps()
        first = segments(router)[0]
        with open(first, "r+b") as file:
            file.seek(2000)
            byte = file.read(1)
            file.seek(2000)
            file.write(bytes([byte[0] ^ 1]))
        router.start()
        told(router.tap().ask(ask("still")), "local")
        damage = until(lambda: router.status()["log"]["damage"], "the damage in status")
        check("0000000001.ndjson" in damage, damage)
        check(damage in router.command("status").stdout, "`status` does not say it")
        router.stop()


def test_an_intact_log_is_said_to_be():
    with Sidecar(policy()) as router:
        until(lambda: router.status()["log"]["verified_at"], "the first reading")
        equal(router.status()["log"]["damage"], None, "damage")
        check("DAMAGED" not in router.command("status").stdout, "`status` names a damage")


# Clocks

class Clock:
    """A wall clock for one router, that a test sets; the monotonic one goes on."""

    def __init__(self):
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not found:
            raise Skipped("libfaketime is not there; on Debian: apt-get install faketime")
        self.folder = tempfile.mkdtemp(prefix="shadow-router-clock-")
        self.file = os.path.join(self.folder, "offset")
        self.set("+0")
        self.env = {"LD_PRELOAD": found[0], "FAKETIME_TIMESTAMP_FILE": self.file, "FAKETIME_NO_CACHE": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_FORCE_MONOTONIC_FIX": "0"}

    def set(self, offset):
        with open(self.file + ".new", "w") as file:
            file.write(offset + "\n")
        os.rename(self.file + ".new", self.file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)


def test_a_receipt_ends_with_its_time_while_running_and_across_a_restart():
    with Clock() as clock:
        for restart in (False, True):
            clock.set("+0")
            with live(env=clock.env) as (router, model):
                tap = router.tap()
                clock.set("+23h")
                told(tap.ask(ask("in time")), "local")
                if restart:
                    router.stop()
                    router.drop_taps()
                clock.set("+25h")
                if restart:
                    router.start()
                    tap = router.tap()
                frontier(router, "late", "STALE", tap)
                until(lambda: shown(router)["percent"] == 0, "the way back")
                sent_back(router, "the receipt has expired")
                up_again(router)
                router.stop()


def test_a_receipt_of_a_passed_gate_ends_after_ninety_days():
    from test_rollout import ready
    with Clock() as clock, ready() as router:
        equal(router.command("promote", "t", "--percent", "1", "--user-group", "all").returncode, 0, "promote")
        router.stop()
        router.env = clock.env
        for days, serves in ((89, True), (91, False)):
            clock.set("+%dd" % days)
            router.start()
            told(router.tap().ask(call("day%d" % days, text="red apple pie with cream", reply=True, user_group="all")), "local" if serves else "frontier")
            if not serves:
                until(lambda: shown(router)["percent"] == 0, "the way back")
                sent_back(router, "the receipt has expired")
            router.stop()
            router.drop_taps()


def test_a_receipt_from_the_future_is_not_served_and_not_ended():
    with Clock() as clock, live(env=clock.env) as (router, model):
        tap = router.tap()
        clock.set("-4m")
        told(tap.ask(ask("skew")), "local")
        clock.set("-1d")
        frontier(router, "back", "STALE", tap)
        time.sleep(1.2)
        check("clock was set back" in shown(router)["why"], "status: %s" % shown(router))
        check("clock was set back" in router.command("status").stdout, "`status` does not say it")
        frontier(router, "still back", "STALE", tap)
        clock.set("+1m")
        told(tap.ask(ask("right again")), "local")
        router.stop()


# Alarms

def label(router, call_id, by=None, severity=1, verdict="escalate"):
    body = {"call_id": call_id, "review_label": verdict, "severity": severity}
    if by is None:
        code, answer_ = router.http("POST", "/v1/review", json.dumps(body))
    else:
        code, _, answer_ = Console(router).ask("POST", "/v1/review", body, [(TOKEN_HEADER, by)])
    equal(code, 200, "the label of %s: %s" % (call_id, answer_))


def test_a_severe_false_accept_needs_two_people_and_then_one_decision():
    with live(*CONSOLE, more=", owner: nobody-here") as (router, model):
        path = os.path.join(router.state, "keys", "console-token")
        with open(path, "w") as file:
            file.write("ana %s\nbo %s\n" % ("a" * 43, "b" * 43))
        tap = router.tap()
        label(router, "first", "a" * 43, severity=3)
        label(router, "first", "a" * 43, severity=2)
        told(tap.ask(ask("one person")), "local")
        # Two people about two calls are no confirmation either.
        label(router, "one person", "b" * 43, severity=3)
        told(tap.ask(ask("two calls")), "local")
        label(router, "first", "b" * 43, severity=1)
        told(tap.ask(ask("not severe to him")), "local")
        label(router, "first", "b" * 43, severity=2)
        frontier(router, "after", "DISABLED", tap)
        sent_back(router, "severe false accept: call first, confirmed by ana and bo")
        router.stop()


def test_the_cusum_sends_back_within_one_decision():
    with live(audit=1) as (router, model):
        tap = router.tap()
        # ln 3 for each false one: 7 pass ln 1000, 6 do not.
        for number in range(8):
            told(tap.ask(ask("c%d" % number)), "local")
        time.sleep(1.2)
        for number in range(6):
            label(router, "c%d" % number)
        told(tap.ask(ask("six")), "local")
        label(router, "c6")
        frontier(router, "seven", "DISABLED", tap)
        sent_back(router, "CUSUM")
        check("7 of 7 local answers" in router.status()["last_demotion"]["reason"], str(router.status()["last_demotion"]))
        up_again(router)
        router.stop()


def test_audited_answers_that_the_frontier_disagrees_with_send_back():
    with live(audit=1) as (router, model):
        tap = router.tap()
        reply = told(tap.ask(ask("good")), "local")
        equal(reply["audit"], True, "audit")
        tap.send(answer("good", "a"))
        router.wait_for("comparison", 1)
        time.sleep(1.2)
        told(tap.ask(ask("agrees")), "local")
        for number in range(2):
            told(tap.ask(ask("d%d" % number)), "local")
            tap.send(answer("d%d" % number, "b"))
            start = time.monotonic()
            router.wait_for("comparison", number + 2)
        # Once a second would be 0.5 s on average; a comparison that disagrees is looked at as soon as it is on the disk.
        until(lambda: shown(router)["stage"] == "shadow", "the way back", 3, 0.002)
        figure("audit: from the frontier's answer to the task in shadow", "%.0f ms" % ((time.monotonic() - start) * 1000))
        frontier(router, "after", "DISABLED", tap)
        sent_back(router, "audit: the frontier disagrees with")
        up_again(router)
        router.stop()


def test_a_breaker_that_stays_open_sends_back():
    with live("--breaker-patience-seconds", "2", model=", breaker: {failures: 2, cooldown_ms: 600000}") as (router, model):
        tap = router.tap()
        model.answer = None
        for number in range(3):
            told(tap.ask(ask("broken%d" % number)), "frontier", "local_unavailable", recorded(router, "broken%d" % number)["detail"])
        equal(shown(router)["stage"], "live", "a breaker that has just opened")
        until(lambda: shown(router)["stage"] == "shadow", "the way back", 8)
        frontier(router, "after", "DISABLED", tap)
        sent_back(router, "the breaker of model small has been open for over 2 s")
        router.stop()


def test_the_patience_with_a_breaker_is_a_minute():
    text = " ".join(run("run", "--help").stdout.split())
    check("--breaker-patience-seconds N how long the breaker of a model that serves may stay open before its task is sent back to shadow (default 60)" in text, text)
    equal(run("run", "--breaker-patience-seconds", "0").returncode, 2, "a patience of nothing")


# Between question and answer

def test_an_answer_leaves_only_under_the_receipt_that_its_question_was_asked_under():
    with live() as (router, model):
        for number, is_promoted_again in enumerate((False, True)):
            tap = router.tap()
            model.go.clear()
            asked = model.asked
            tap.send(ask("out%d" % number))
            until(lambda: model.asked > asked, "the question")
            equal(router.command("demote", "t", "--reason", "wrong labels").returncode, 0, "demote")
            if is_promoted_again:
                go_live(router)
            model.go.set()
            told(tap.receive(), "frontier", None, "demoted")
            equal(recorded(router, "out%d" % number)["route_detail"], "demoted", "the record")
            if not is_promoted_again:
                go_live(router)
        told(router.tap().ask(ask("new")), "local")
        router.stop()


# The flags file

def test_a_file_without_flags_is_shadow_with_a_recorded_way_back():
    for content in ("{}", '{"flags":{}}', '{"flags": {}, "more": [1]}\n'):
        with live() as (router, model):
            path = os.path.join(router.state, "flags.json")
            with open(path, "w") as file:
                file.write(content)
            until(lambda: shown(router)["percent"] == 0, "the way back")
            check(not router.status()["kill"]["on"], "%s is taken for unreadable" % content)
            frontier(router, "after", "DISABLED")
            sent_back(router, "has no flags")
            up_again(router)
            router.stop()
            router.drop_taps()
            with open(path, "w") as file:
                file.write(content)
            router.start()
            told(router.tap().ask(ask("restarted")), "frontier")
            equal((router.status()["kill"]["on"], router.status()["live_tasks"]), (False, []), "after a restart")
            router.stop()


def test_a_file_that_went_while_no_router_ran_leaves_a_recorded_way_back():
    for content in (None, "{}"):
        with live() as (router, model):
            path = os.path.join(router.state, "flags.json")
            router.stop()
            router.drop_taps()
            if content is None:
                os.unlink(path)
            else:
                with open(path, "w") as file:
                    file.write(content)
            for _ in range(2):
                router.start()
                told(router.tap().ask(ask("after%d" % router.count("start"))), "frontier")
                equal((router.status()["kill"]["on"], router.status()["live_tasks"]), (False, []), "with %s" % content)
                sent_back(router, "is gone or has no flags")
                equal(len([r for r in router.records("flag") if r["new"] == "shadow"]), 1, "flag records of the way back")
                equal([r for r in router.records("flag") if r["new"] == "shadow"][0]["old"], "100%, OVERRIDE", "what it was")
                router.stop()
                router.drop_taps()
            router.start()
            up_again(router)
            router.stop()


def test_demote_says_that_it_wrote_the_file_anew_and_a_promotion_holds_at_once():
    with live() as (router, model):
        path = os.path.join(router.state, "flags.json")
        for number in range(5):
            with open(path, "w") as file:
                file.write('{"flags":{"t":{"state":"ENABLED"}}}')
            until(lambda: router.status()["kill"]["on"], "the switch")
            done = router.command("demote", "t", "--reason", "put right")
            check("written anew" in done.stdout, "demote: " + done.stdout)
            done = router.command("promote", "t", "--percent", "100", "--override", "--reason", "test", "--approver", "test")
            equal(done.returncode, 0, "promote: " + done.stderr)
            told(router.tap().ask(ask("at once %d" % number)), "local")
        check("written anew" not in router.command("demote", "t", "--reason", "readable").stdout, "a file that could be read")
        router.stop()


# The kill switch says what it does

def test_under_the_kill_switch_nothing_is_said_to_be_live():
    with live() as (router, model):
        equal(router.metrics()['shadow_router_stage{task="t",stage="live"}'], 1, "the metric")
        equal(shown(router)["served"], True, "served")
        router.command("kill", "on", "--reason", "test")
        text = router.command("status").stdout
        check("frontier only: the kill switch is on" in text and "would be t: live, 100 %" in text, text)
        check("local now   t:" not in text, text)
        equal((shown(router)["served"], shown(router)["stage"]), (False, "live"), "served, stage")
        equal(router.metrics()['shadow_router_stage{task="t",stage="live"}'], 0, "the metric under the switch")
        done = router.command("promote", "t", "--percent", "50")
        check(done.returncode == 0 and "nothing is answered locally until: shadow-router kill off" in done.stdout, done.stdout)
        done = router.command("drill")
        check(done.returncode == 4 and "shadow-router kill off" in done.stderr, "drill: %s %s" % (done.returncode, done.stderr))
        router.command("kill", "off")
        check("nothing is answered" not in router.command("promote", "t", "--percent", "10").stdout, "promote without the switch")
        equal(router.metrics()['shadow_router_stage{task="t",stage="canary"}'], 1, "the metric after it")
        router.stop()


def test_kill_off_names_a_folder_that_it_may_not_remove():
    with Sidecar(policy()) as router:
        folder = os.path.join(router.runtime, "kill")
        os.mkdir(folder)
        for _ in range(2):
            done = router.command("kill", "off")
            check(done.returncode == 4 and "rmdir " + folder in done.stderr, "kill off: %s %s" % (done.returncode, done.stderr))
            if router.process.poll() is None:
                equal(router.status()["kill"]["on"], True, "the switch")
                router.stop()
        os.rmdir(folder)
        equal(router.command("kill", "off").returncode, 0, "kill off after it")


def test_what_people_write_makes_no_line_of_its_own():
    forged = "x\nkill switch off"
    with live() as (router, model):
        for text in (forged, "x\rlocal", "x\x1b[2J", "x\u2028y", "x\u202ey", "x" * 501):
            equal(router.command("kill", "on", "--reason", text).returncode, 2, "kill on --reason %r" % text)
            equal(router.command("drill", "--reason", text).returncode, 2, "drill --reason %r" % text)
            for command in (("demote", "t", "--reason", text), ("promote", "t", "--override", "--approver", text, "--reason", "r"),
                            ("promote", "t", "--override", "--approver", "a", "--reason", text)):
                equal(router.command(*command).returncode, 2, "%s with %r" % (command[0], text))
            if len(text) < 400:
                equal(router.command("promote", "t", "--percent", "1", "--user-group", text).returncode, 2, "a group %r" % text)
            equal(router.http("PUT", "/v1/kill", json.dumps({"on": True, "reason": text}))[0], 400, "PUT /v1/kill with %r" % text)
        equal(router.status()["kill"]["on"], False, "the switch")
        equal(router.command("kill", "on", "--reason", "größer als ö, 中文").returncode, 0, "letters")
        router.command("kill", "off")
        # A file is anybody's.
        with open(os.path.join(router.state, "kill"), "w") as file:
            json.dump({"by": "me\nlocal now   all", "reason": forged + "\x1b[31m"}, file)
        lines = router.command("status").stdout.splitlines()
        check(not any(line.startswith(("kill switch off", "local now   all")) for line in lines) and not any("\x1b" in line for line in lines), "\n".join(lines))
        os.unlink(os.path.join(router.state, "kill"))
        router.stop()
        with open(os.path.join(router.state, "kill"), "w"):
            pass
        equal(router.command("kill", "on", "--reason", forged).returncode, 2, "with no router")


def test_a_router_that_stopped_says_what_to_do():
    with live() as (router, model):
        path = os.path.join(router.runtime, "control.sock")
        router.stop()
        done = router.command("promote", "t")
        check(done.returncode == 3 and "Is it running" in done.stderr, "promote: " + done.stderr)
        # One that goes away in the middle: it listens, and closes without a word.
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()

        def close():
            for _ in range(20):
                with contextlib.suppress(OSError):
                    listener.accept()[0].close()
        threading.Thread(target=close, daemon=True).start()
        for _ in range(20):
            done = router.command("promote", "t")
            check(done.returncode == 3 and "running" in done.stderr or "shadow-router run" in done.stderr, "promote: " + done.stderr)
        listener.close()


if __name__ == "__main__":
    main(globals())
