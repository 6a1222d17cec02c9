"""`drill`: the kill switch is proved over the tap, recorded, and given back as it was (contract, section 1)."""
import json
import signal

from live import *
import test_gate


def test_a_drill_proves_the_switch_and_gives_it_back():
    with Model() as model, Sidecar(policy(model.endpoint)) as router:
        go_live(router)
        tap = router.tap()
        told(tap.ask(ask("before")), "local")
        done = router.command("drill", "--reason", "monthly", "--json")
        equal(done.returncode, 0, "drill: " + done.stdout + done.stderr)
        value = json.loads(done.stdout)
        check(value["decisions"] >= 100 and 0 < value["effective_us"] < 1_000_000, "the result: %s" % value)
        equal((value["result"], value["local_answers"], value["restored"], value["latched"], value["problem"]), ("passed", 0, True, True, None), "the result")
        figure("drill: time until the first overridden decision", "%d us" % value["effective_us"])
        told(tap.ask(ask("after")), "local")
        record = router.wait_for("drill", 1)[0]
        equal([record[key] for key in ("result", "passed", "reason", "effective_us", "decisions", "local_answers", "restored")],
              ["passed", True, "monthly", value["effective_us"], value["decisions"], 0, True], "the record")
        check(record["actor"].startswith("uid:"), "actor %s" % record["actor"])
        flags = [(r["old"], r["new"], r["reason"]) for r in router.records("flag") if r.get("flag") == "kill_switch"]
        equal(flags, [("off", "on", "monthly"), ("on", "off", "monthly")], "flag records")
        # Its calls are of no task, asked of no candidate, and nothing that anybody could learn from.
        own = [r for r in router.records("decision") if r["call_id"].startswith("drill-")]
        equal({r["task_type"] for r in own}, {"shadow_router_drill"}, "the task type of the drill's calls")
        check({r["reason"] for r in own} == {"unknown_task", "manual_override"} and not any(r["local_model"] or r["sampled"] for r in own), "the drill's calls")
        equal(model.asked, 2, "questions to the model")
        text = router.command("drill")
        equal(text.returncode, 0, "a second drill")
        check("drill passed" in text.stdout and "off again" in text.stdout, text.stdout)
        router.stop()
        check_chain(router.lines())


def test_no_figure_counts_its_calls():
    with Sidecar() as router:
        tap = router.tap()
        for index in range(3):
            router.decide(tap, call("own-%d" % index))
        equal(router.command("drill", "--reason", "figures").returncode, 0, "drill")
        value = json.loads(router.command("simulate", router.policy, "--since", "1d", "--json").stdout)
        check("shadow_router_drill" not in json.dumps(value), "simulate counts the drill: %s" % value)
        report = json.loads(router.command("report", "--format", "json").stdout)
        equal(sum(task["calls"] for task in report["tasks"]), 3, "calls in the report")


def test_a_switch_that_is_on_is_left_alone():
    with Sidecar() as router:
        for switch in (lambda: router.command("kill", "on", "--reason", "real"), lambda: open(os.path.join(router.runtime, "kill"), "w").close()):
            switch()
            done = router.command("drill")
            equal(done.returncode, 4, "a drill with the switch on: " + done.stdout + done.stderr)
            equal(router.status()["kill"]["on"], True, "the switch after a refused drill")
            router.command("kill", "off")
        equal(router.count("drill"), 0, "drill records")
        router.stop()
        equal(router.command("drill").returncode, 3, "a drill with no router")


def test_a_switch_that_somebody_turns_on_during_a_drill_stays_on():
    with Sidecar() as router:
        stays, ended = 0, 0
        for index in range(12):
            drill = subprocess.Popen([binary(), "drill", *router.folders, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            until(lambda: router.status()["kill"]["on"] or drill.poll() is not None, "the drill turns it on", 10, 0)
            router.signal(signal.SIGUSR1)
            drill.communicate(timeout=30)
            # Whenever it came: nobody but its owner takes it back.
            equal(router.status()["kill"]["on"], True, "the switch after a drill and a USR1 in its midst")
            last = router.records("drill")[-1:] if router.count("drill") else []
            stays += sum(r["restored"] is False for r in last)
            ended += 1
            equal(router.command("kill", "off").returncode, 0, "kill off")
        figure("drills overtaken by a real kill: left on, of", "%d, %d" % (stays, ended))
        router.stop()


def test_the_gates_condition_is_met_by_a_drill():
    with Sidecar(test_gate.policy(), start=False) as router:
        log = test_gate.LogWriter(router.state, test_gate.NOW - test_gate.datetime.timedelta(days=13))
        log.call("c0", policy=revision(open(router.policy).read()))
        log.flush()
        router.start()
        _, value = test_gate.gate(router)
        equal(test_gate.states(value)["drill"], "unmet", "the condition without a drill")
        equal(router.command("drill").returncode, 0, "drill")
        _, value = test_gate.gate(router)
        equal(test_gate.states(value)["drill"], "met", "the condition after a drill")
        router.stop()


def test_a_drill_that_cannot_be_recorded_counts_for_nothing():
    from test_disk import TinyDisk
    from test_live import fill
    with TinyDisk() as disk, Sidecar(SIMPLE, "--segment-mb", "1", state=os.path.join(disk, "state")) as router:
        tap = router.tap()
        fill(os.path.join(disk, "ballast"))
        for batch in range(100):
            tap.send(b"".join(call("x%d-%d" % (batch, i), text="x" * 300) for i in range(50)))
            tap.ping()
            if router.status()["log"]["failing"]:
                break
            time.sleep(0.05)
        done = router.command("drill")
        equal(done.returncode, 3, "a drill on a full disk: " + done.stdout + done.stderr)
        check("passed" in done.stderr, "it does not say what it found: " + done.stderr)
        equal(router.status()["kill"]["on"], False, "the switch after it")


if __name__ == "__main__":
    main(globals())
