"""Live decisions on the tap: what an agent is told, when, and what the log says of it (contract, section 2)."""
import random
import signal

from live import *
from test_disk import TinyDisk

LOCAL = {"kind", "call_id", "route", "reason", "reason_code", "detail", "policy_revision", "stage", "cohort", "answer", "label", "confidence", "model", "audit"}
FRONTIER = LOCAL - {"answer", "label", "confidence", "audit"} | {"fallbacks", "retry_on", "max_attempts", "on_exhausted", "switch_mid_run", "escalation"}


def test_an_accepted_answer_is_given_and_recorded_as_given():
    with Model() as model, Sidecar(policy(model.endpoint)) as router:
        go_live(router)
        tap = router.tap()
        reply = told(tap.ask(ask("a")), "local")
        equal(set(reply), LOCAL, "the members of a local reply")
        equal((reply["answer"], reply["label"], reply["confidence"], reply["model"], reply["audit"], reply["reason_code"], reply["stage"], reply["cohort"]),
              (GOOD["answer"], "a", 0.93, "small-1", False, 0, "live", "local"), "the local reply")
        equal(reply["policy_revision"], revision(policy(model.endpoint)), "policy_revision")
        record = recorded(router, "a")
        equal([record[key] for key in ("stage", "cohort", "route", "route_detail", "route_candidate", "reason", "audit")], ["live", "local", "local", None, "local", None, False], "the record")
        check(record["flag_reason"] in ("SPLIT", "TARGETING_MATCH"), "flag_reason is %s" % record["flag_reason"])
        # Who does not ask is not told, and decided all the same.
        record = router.decide(tap, call("b"))
        equal([record[key] for key in ("stage", "cohort", "route", "route_detail", "route_candidate", "audit")], ["live", "local", "frontier", "no_reply", "local", False], "a call that did not ask")
        # A task in shadow is told at once, and one that the policy keeps with why.
        told(tap.ask(ask("c", task="shadowed")), "frontier")
        reply = told(tap.ask(ask("d", task="never")), "frontier", "policy_requires_frontier", "local_false")
        equal((set(reply), reply["stage"], reply["model"]), (FRONTIER, "shadow", "large-1"), "a frontier reply")
        told(tap.ask(ask("e", text="rotate the password")), "frontier", "hard_stop_security")
        record = recorded(router, "e")
        equal((record["stage"], record["cohort"], record["route"], record["local_model"]), ("live", "local", "frontier", None), "a hard stop in a live task")
        metrics = router.metrics()
        equal(metrics['shadow_router_replies_total{task="t",route="local"}'], 1, "replies_total of local answers")
        equal(metrics['shadow_router_replies_total{task="t",route="frontier"}'], 1, "replies_total of the frontier")
        router.stop()


def test_an_answer_that_is_not_accepted_escalates_with_what_was_tried():
    long = "x" * 3000
    answers = {"low": {"label": "a", "answer": long, "confidence": 0.1}, "label": {"label": "zzz", "confidence": 0.9}, "stop": {"label": "a", "answer": "delete production", "confidence": 0.9},
               "junk": "no json at all"}
    with Model(lambda request: next(v for k, v in answers.items() if "case " + k in request["prompt"])) as model, Sidecar(policy(
            model.endpoint, more=", fallbacks: [quick-1], retry_on: [rate_limit], max_attempts: 2, on_exhausted: error, switch_mid_run: true")) as router:
        go_live(router)
        tap = router.tap()
        wants = {"low": ("confidence_low", "below", long[:2000]), "label": ("schema_invalid", "label_not_in_set", None), "stop": ("hard_stop_production", None, None),
                 "junk": ("schema_invalid", "not_json", None)}
        for name, (reason, detail, output) in wants.items():
            reply = told(tap.ask(ask(name, text="case " + name)), "frontier", reason, detail)
            equal(set(reply), FRONTIER, "the members of a frontier reply")
            if name != "label":
                equal(reply["escalation"], {"task": "t", "local_output": output, "reason": reason}, "the escalation of " + name)
            equal([reply[key] for key in ("model", "fallbacks", "retry_on", "max_attempts", "on_exhausted", "switch_mid_run")], ["large-1", ["quick-1"], ["rate_limit"], 2, "error", True], "the advice")
            record = recorded(router, name)
            equal((record["reason"], record["detail"], record["reason_code"]), (reason, detail, reply["reason_code"]), "record and reply of " + name)
        router.stop()


def test_control_and_audit_shares():
    with Model() as model, Sidecar(policy(model.endpoint, control=1)) as router:
        go_live(router)
        model.go.clear()
        tap = router.tap()
        reply = told(tap.ask(ask("c", deadline_ms=5000), 2), "frontier")
        equal((reply["cohort"], reply["stage"]), ("control", "live"), "a call of the control share")
        model.go.set()
        record = recorded(router, "c")
        equal([record[key] for key in ("cohort", "route", "route_candidate", "reason", "audit")], ["control", "frontier", "local", None, False], "it is shadowed")
        router.stop()
    with Model() as model, Sidecar(policy(model.endpoint, audit=1)) as router:
        go_live(router)
        tap = router.tap()
        equal(told(tap.ask(ask("c")), "local")["audit"], True, "audit")
        equal(recorded(router, "c")["audit"], True, "audit in the record")
        tap.send(answer("c", output='{"label": "b"}', label="b"))
        equal(router.wait_for("comparison", 1)[0]["agreement"], "disagree", "the audit's comparison")
        router.stop()


def test_the_deadline_is_kept_and_a_late_answer_recorded_not_sent():
    with Model() as model, Sidecar(policy(model.endpoint)) as router:
        go_live(router)
        model.go.clear()
        tap, waits = router.tap(), []
        for index, wait in enumerate((30, 80, 200, 400)):
            start = time.monotonic()
            told(tap.ask(ask("d%d" % index, deadline_ms=wait)), "frontier", "local_unavailable", "deadline")
            waits.append((time.monotonic() - start) * 1000 - wait)
        check(all(-30 < late < 1000 for late in waits), "replies came %s ms after their deadlines" % waits)
        figure("replies after their deadline, least and most", "%.1f ms, %.1f ms" % (min(waits), max(waits)))
        told(tap.ask(ask("zero", deadline_ms=0)), "frontier", "local_unavailable", "deadline")
        model.go.set()
        for index in range(2):
            record = recorded(router, "d%d" % index)
            equal([record[key] for key in ("route", "route_candidate", "reason", "detail", "label", "confidence")], ["frontier", "frontier", "local_unavailable", "deadline", "a", 0.93], "a late answer")
        # Two were being asked; the others waited, and nobody wanted their answers any more.
        equal(recorded(router, "d3")["detail"], "deadline", "a question that nobody waits for")
        equal(model.asked, 2, "questions that the model got")
        tap.ping()
        equal(tap.buffer, b"", "frames after the last reply")
        told(tap.ask(ask("after")), "local")
        router.stop()


def test_without_a_deadline_the_models_own_time_holds():
    with Model() as model, Sidecar(policy(model.endpoint, timeout=300)) as router:
        go_live(router)
        model.go.clear()
        tap, start = router.tap(), time.monotonic()
        reply = tap.ask(ask("a"))
        check(0.2 < time.monotonic() - start < 10, "the reply took %.3f s" % (time.monotonic() - start))
        equal((reply["route"], reply["reason"]), ("frontier", "local_unavailable"), "the reply")
        # A longer deadline does not give the model more than its own time.
        start = time.monotonic()
        reply = told(tap.ask(ask("b", deadline_ms=60_000)), "frontier", "local_unavailable", "timeout")
        check(time.monotonic() - start < 30, "the reply took %.3f s" % (time.monotonic() - start))
        model.go.set()
        router.stop()


def test_the_switch_answers_those_who_wait():
    def by_command(router): equal(router.command("kill", "on").returncode, 0, "kill on")
    def by_signal(router): router.signal(signal.SIGUSR1)
    def by_file(router): open(os.path.join(router.runtime, "kill"), "w").close()
    for name, switch, details in (("command", by_command, ("kill_switch",)), ("signal", by_signal, ("kill_switch",)), ("file", by_file, ("kill_file",))):
        with Model() as model, Sidecar(policy(model.endpoint)) as router:
            go_live(router)
            model.go.clear()
            tap = router.tap()
            tap.send(b"".join(ask("w%d" % i, deadline_ms=20_000) for i in range(10)))
            until(lambda: model.asked == 2, "the model is asked")
            until(lambda: router.status()["waiting_agents"] == 10, "the status tells how many wait")
            start = time.monotonic()
            switch(router)
            replies = [tap.receive() for _ in range(10)]
            took = time.monotonic() - start
            check(took < 10, "those who waited were told after %.2f s" % took)
            figure("10 who waited are told after the switch by " + name, "%.1f ms" % (took * 1000))
            equal({r["call_id"] for r in replies}, {"w%d" % i for i in range(10)}, "one reply each")
            for reply in replies:
                check(reply["detail"] in details, "detail %s" % reply["detail"])
                told(reply, "frontier", "manual_override", reply["detail"])
            # Off again before the model answers: what they were told stays true.
            equal(router.command("kill", "off").returncode, 0, "kill off")
            model.go.set()
            for index in range(10):
                record = recorded(router, "w%d" % index)
                equal((record["reason"], record["route"], record["route_candidate"], record["label"]), ("manual_override", "frontier", "frontier", None), "the record of one who waited")
            told(tap.ask(ask("after")), "local")
            router.stop()


def test_a_demotion_while_the_model_thinks_holds_for_the_reply():
    with Model() as model, Sidecar(policy(model.endpoint)) as router:
        go_live(router)
        model.go.clear()
        tap = router.tap()
        tap.send(ask("a", deadline_ms=20_000))
        until(lambda: model.asked == 1, "the model is asked")
        equal(router.command("demote", "t", "--reason", "test").returncode, 0, "demote")
        model.go.set()
        told(tap.receive(), "frontier", None, "demoted")
        record = recorded(router, "a")
        equal([record[key] for key in ("cohort", "route", "route_detail", "route_candidate")], ["local", "frontier", "demoted", "local"], "the record")
        router.stop()


def test_agents_that_go_and_agents_that_only_listen():
    with Model() as model, Sidecar(policy(model.endpoint)) as router:
        go_live(router)
        model.go.clear()
        gone, half = router.tap(), router.tap()
        gone.send(ask("gone", deadline_ms=20_000))
        half.send(ask("half", deadline_ms=20_000))
        half.socket.shutdown(socket.SHUT_WR)
        until(lambda: model.asked == 2, "the model is asked")
        gone.close()
        router.tap().ping()
        model.go.set()
        told(half.receive(), "local")
        equal(half.receive(), None, "the end of a connection that has all its replies")
        record = recorded(router, "gone")
        equal([record[key] for key in ("route", "route_detail", "route_candidate")], ["frontier", "gone", "local"], "the record of an agent that went")
        equal(recorded(router, "half")["route"], "local", "the record of an agent that only listened")
        router.stop()


def test_a_stop_tells_those_who_wait():
    with Model() as model, Sidecar(policy(model.endpoint)) as router:
        go_live(router)
        model.go.clear()
        tap = router.tap()
        tap.send(b"".join(ask("s%d" % i, deadline_ms=20_000) for i in range(5)))
        until(lambda: model.asked == 2, "the model is asked")
        router.signal(signal.SIGTERM)
        for _ in range(5):
            told(tap.receive(), "frontier", "local_unavailable", "stopping")
        equal(router.process.wait(20), 0, "the exit code")
        records = router.decisions()
        equal(sorted(records), ["s%d" % i for i in range(5)], "decisions of those who waited")
        check(all((r["route"], r["detail"]) == ("frontier", "stopping") for r in records.values()), lambda: str([(r["route"], r["reason"], r["detail"]) for r in records.values()]))


def test_one_who_does_not_read_holds_up_nobody():
    with Model({**GOOD, "answer": "y" * 3500}) as model, Sidecar(policy(model.endpoint, model=", max_queue: 5000, max_concurrency: 8", timeout=20000)) as router:
        go_live(router)
        deaf, tap = router.tap(), router.tap()
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.send(b"".join(ask("deaf%d" % i) for i in range(1000)))
        worst = 0.0
        for index in range(100):
            start = time.monotonic()
            told(tap.ask(ask("b%d" % index)), "local")
            worst = max(worst, time.monotonic() - start)
        check(worst < 10, "a reply took %.2f s beside one who does not read" % worst)
        router.wait_for("decision", 1100, 60)
        routes = [r["route_detail"] for r in router.decisions().values() if r["call_id"].startswith("deaf")]
        check("gone" in routes or len(routes) == 1000, "the one who does not read")
        figure("slowest of 100 local replies beside one who reads none of 1,000", "%.1f ms" % (worst * 1000))
        router.stop()


def closed_loop(tap, name, stop, counts):
    while not stop.is_set():
        reply = tap.ask(ask("%s-%d" % (name, counts["all"])), 30)
        counts["all"] += 1
        counts[reply["route"]] = counts.get(reply["route"], 0) + 1


def fairness(router, greedy, seconds=6):
    stop, taps = threading.Event(), [router.tap() for _ in range(64)]
    counts = [{"all": 0} for _ in taps]
    threads = [threading.Thread(target=closed_loop, args=(tap, "f%d" % i, stop, counts[i]), daemon=True) for i, tap in enumerate(taps)]
    if greedy:
        pest = router.tap()
        pest.send(b"".join(ask("pest%d" % i) for i in range(4000)))
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join(30)
        check(not thread.is_alive(), "a connection waits for ever")
    return [c.get("local", 0) for c in counts], [c["all"] - c.get("local", 0) for c in counts]


def test_64_connections_have_equal_shares():
    for greedy in (False, True):
        # The model is what is short: eight answers in 20 ms.
        with Model(delay=0.02) as model, Sidecar(policy(model.endpoint, model=", max_concurrency: 8")) as router:
            go_live(router)
            served, refused = fairness(router, greedy)
            mean = sum(served) / len(served)
            what = "beside one that asks 4,000 at once" if greedy else "alike"
            check(min(served) >= 0.8 * mean and max(served) <= 1.2 * mean, "local answers of 64 connections (%s): %d to %d, mean %.1f" % (what, min(served), max(served), mean))
            equal(sum(refused), 0, "frontier replies to 64 connections " + what)
            figure("local answers to each of 64 connections %s in 6 s" % what, "%d to %d" % (min(served), max(served)))
            router.close()


def test_many_connections_with_everything_going_wrong_at_once():
    rng = random.Random(11)
    def said(request):
        if rng.random() < 0.1:
            return None
        time.sleep(rng.random() * 0.03)
        return GOOD if rng.random() < 0.8 else {"label": "b", "confidence": 0.1}
    with Model(said) as model, Sidecar(policy(model.endpoint, model=", max_concurrency: 6, max_queue: 40", timeout=400)) as router:
        go_live(router)
        replies, broken, lock = {}, [0], threading.Lock()

        def agent(number):
            own, tap = random.Random(number), router.tap()
            for index in range(60):
                ids = ["m%d-%d-%d" % (number, index, k) for k in range(own.randint(1, 4))]
                tap.send(b"".join(ask(i, **({"deadline_ms": own.choice([0, 1, 5, 20, 100, 1000])} if own.random() < 0.7 else {})) for i in ids))
                if own.random() < 0.05:
                    tap.close()
                    with lock:
                        broken[0] += len(ids)
                    tap = router.tap()
                    continue
                for _ in ids:
                    reply = tap.receive(30)
                    with lock:
                        check(reply["call_id"] not in replies, "two replies to " + reply["call_id"])
                        replies[reply["call_id"]] = reply
        faults = []
        def guarded(number):
            try:
                agent(number)
            except BaseException as fault:
                faults.append(fault)
        threads = [threading.Thread(target=guarded, args=(i,), daemon=True) for i in range(64)]
        with BalanceWatch(router) as watch:
            for thread in threads:
                thread.start()
            while any(t.is_alive() for t in threads):
                time.sleep(0.3)
                router.http("PUT", "/v1/kill", '{"on": true}')
                router.http("PUT", "/v1/kill", '{"on": false}')
            until(lambda: router.status()["balance"]["in_flight"] == 0, "nothing is in flight", 30)
        check(not faults, lambda: "an agent: %r" % faults[0])
        router.stop()
        records = router.decisions()
        for call_id, reply in replies.items():
            record = records[call_id]
            equal(record["route"], reply["route"], "route in record and reply of " + call_id)
            if reply["route"] == "local":
                equal((record["reason"], record["label"]), (None, reply["label"]), "a local answer")
            elif reply["reason"] is not None:
                equal((reply["reason"], reply["detail"]), (record["reason"], record["detail"]), "reason in record and reply of " + call_id)
        equal(len(records), len(replies) + sum(1 for r in records if r not in replies), "decisions")
        routes = [r["route"] for r in replies.values()]
        check(routes.count("local") > 50, "only %d local answers" % routes.count("local"))
        figure("64 agents, kill on and off, faults: replies, local, snapshots", "%d, %d, %d" % (len(replies), routes.count("local"), watch.snapshots))


def fill(path):
    """Writes until the disk takes no more."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(file, b"x" * 4096):
            pass
    os.close(file)


def test_a_full_disk_ends_local_answers_before_one_is_lost():
    with TinyDisk() as disk, Model() as model, Sidecar(policy(model.endpoint), "--segment-mb", "1", state=os.path.join(disk, "state")) as router:
        go_live(router)
        tap = router.tap()
        told(tap.ask(ask("before")), "local")
        ballast = os.path.join(disk, "ballast")
        fill(ballast)
        number = 0
        def failing():
            nonlocal number
            number += 1
            return tap.ask(ask("n%d" % number, text="word " * 200))["detail"] == "log_failing"
        until(failing, "live routing stops", 30, 0.05)
        told(tap.ask(ask("full")), "frontier", "local_unavailable", "log_failing")
        # A shadow call is still decided as it was.
        told(tap.ask(ask("shadow", task="shadowed")), "frontier")
        os.unlink(ballast)
        until(lambda: not router.status()["log"]["failing"], "the log recovers", 30, 0.1)
        told(tap.ask(ask("after")), "local")
        router.stop()
        check_chain(router.lines())
        records = router.decisions()
        equal([records[i]["route"] for i in ("before", "full", "after")], ["local", "frontier", "local"], "routes")
        equal(records["full"]["detail"], "log_failing", "the record of a call that found the disk full")
        # Every local answer that was given stands in the log.
        for index in range(1, number):
            check("n%d" % index in records, "n%d was answered locally and is not in the log" % index)


def test_a_run_keeps_its_model():
    with Model({"label": "a", "confidence": 0.1}) as model, Sidecar(policy(model.endpoint, more=", switch_mid_run: false, fallbacks: [quick-1]")) as router:
        go_live(router)
        tap = router.tap()
        def advised(call_id, **members):
            reply = tap.ask(ask(call_id, **members))
            equal(reply["switch_mid_run"], False, "switch_mid_run")
            return reply["model"]
        equal(advised("a", run_id="r1", frontier={"provider": "x", "model": "thinker"}), "thinker", "the run's first call")
        equal(advised("b", run_id="r1", frontier={"provider": "x", "model": "other"}), "thinker", "a later call")
        equal(advised("c", run_id="r1"), "thinker", "a later call that names none")
        equal(advised("d", run_id="r2"), "large-1", "another run")
        equal(advised("e", run_id="r2", frontier={"provider": "x", "model": "other"}), "large-1", "its later call")
        equal(advised("f"), "large-1", "a call of no run")
        equal(tap.ask(ask("g", task="shadowed", run_id="r1"))["model"], "large-1", "a task that may switch")
        router.stop()


def test_a_days_calls_are_bounded_for_each_tenant_and_across_a_restart():
    budget = ", fallbacks: [quick-1], budget: [{calls_per_day: 3}, {tenant: big, calls_per_day: 5}]"
    with Model() as model, Sidecar(policy(model.endpoint, more=budget)) as router:
        go_live(router)
        tap = router.tap()
        for index in range(3):
            told(tap.ask(ask("a%d" % index, tenant="acme")), "local")
        asked = model.asked
        reply = told(tap.ask(ask("a3", tenant="acme")), "frontier", "local_unavailable", "budget_exhausted")
        equal(reply["model"], "quick-1", "the cheapest of the frontier models")
        equal(model.asked, asked, "questions to the model")
        record = recorded(router, "a3")
        equal([record[key] for key in ("route", "reason", "detail")], ["frontier", "local_unavailable", "budget_exhausted"], "the record")
        told(tap.ask(ask("o0", tenant="other")), "local")
        told(tap.ask(ask("n0")), "local")
        for index in range(5):
            told(tap.ask(ask("b%d" % index, tenant="big")), "local")
        told(tap.ask(ask("b5", tenant="big")), "frontier", "local_unavailable", "budget_exhausted")
        spent = {b["tenant"]: b["calls"] for b in router.status()["budgets"]}
        equal(spent, {"acme": 3, "other": 1, None: 1, "big": 5}, "budgets in the status")
        used = {b["tenant"]: (b["calls_per_day"], b["used_up"]) for b in router.status()["budgets"]}
        equal(used, {"acme": (3, True), "other": (3, False), None: (3, False), "big": (5, True)}, "limits in the status")
        screen = router.command("status").stdout
        for words in ("budget      t, tenant big: 5 of 5 calls today: USED UP", "t, tenant acme: 3 of 3 calls today: USED UP", "starts again at ",
                      "t: 1 more tenant, 0 used up"):
            check(words in screen, "the screen does not say %r: %s" % (words, screen))
        # Those who did not ask were not answered.
        tap.send(call("quiet", tenant="third"))
        recorded(router, "quiet")
        router.stop()
        router.drop_taps()
        router.start()
        tap = router.tap()
        told(tap.ask(ask("c0", tenant="acme")), "frontier", "local_unavailable", "budget_exhausted")
        told(tap.ask(ask("c1", tenant="big")), "frontier", "local_unavailable", "budget_exhausted")
        for index in range(2):
            told(tap.ask(ask("c2%d" % index, tenant="other")), "local")
        told(tap.ask(ask("c3", tenant="other")), "frontier", "local_unavailable", "budget_exhausted")
        # What a kill takes with it is what has not been written yet.
        recorded(router, "c3")
        router.crash()
        router.start()
        told(router.tap().ask(ask("d0", tenant="other")), "frontier", "local_unavailable", "budget_exhausted")
        router.stop()


def test_money_spent_sends_a_task_to_its_cheaper_tier_or_refuses_by_name():
    # 17 tokens in and 5 out at 1 USD a token.
    price = ", price: {input_per_mtok: 1000000, output_per_mtok: 1000000}"
    with Model({"label": "a", "confidence": 0.1}) as free, Model() as dear:
        two = ('  free: {provider: ollama, name: free-1, endpoint: "%s"}\n' % free.endpoint)
        text = policy(dear.endpoint, more=", cascade: [free, small], budget: {usd_per_day: 30}", model=price).replace("  large:", two + "  large:", 1).replace(
            "shadowed: {local: true,", "shadowed: {local: true, model: small, budget: {usd_per_day: 10},")
        with Sidecar(text) as router:
            go_live(router)
            tap = router.tap()
            for index in range(2):
                told(tap.ask(ask("a%d" % index)), "local")
            asked = dear.asked
            # The dear model is not asked again; the free one is, and what it says counts.
            told(tap.ask(ask("a2")), "frontier", "confidence_low", "below")
            equal((dear.asked, free.asked), (asked, 3), "questions to the two models")
            free.answer = GOOD
            told(tap.ask(ask("a3")), "local")
            # A task with one model, which costs: in shadow too.
            equal(router.decide(tap, call("s0", task="shadowed"))["reason"], None, "the first of a task in shadow")
            record = router.decide(tap, call("s1", task="shadowed"))
            equal((record["reason"], record["detail"]), ("local_unavailable", "budget_exhausted"), "the second")
            router.stop()


if __name__ == "__main__":
    main(globals())
