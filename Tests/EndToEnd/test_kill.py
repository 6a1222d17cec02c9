"""The kill switch: every way on, every way off, and across restarts (contract, sections 1, 3 and 7)."""
import json
import os
import signal
import subprocess

from sidecar import *

# A policy whose calls would otherwise be asked of a candidate.
OPEN = NOBODY + "tasks:\n  t: {local: true, min_confidence: 0.5}\n"


def killed(router, tap, name, detail=("kill_switch",)):
    record = router.decide(tap, call(name))
    equal((record["reason"], record["reason_code"], record["route"], record["route_candidate"]), ("manual_override", 9, "frontier", "frontier"), "decision " + name)
    check(record["detail"] in detail, "detail of %s: %s, not one of %s" % (name, record["detail"], detail))
    check(record["local_model"] is None or record["attempts"] in (None, 0), "a candidate was asked in spite of the switch")
    return record


def free(router, tap, name):
    record = router.decide(tap, call(name))
    check(record["reason"] != "manual_override", "decision %s is manual_override though the switch is off" % name)


def test_on_and_off_with_a_running_router():
    with Sidecar(OPEN) as router:
        tap = router.tap()
        free(router, tap, "a")
        done = router.command("kill", "on", "--reason", "wrong labels")
        equal(done.returncode, 0, "`kill on`: " + done.stderr)
        killed(router, tap, "b")
        equal(tap.ask(call("b2", reply=True))["reason"], "manual_override", "the reply")
        state = router.status()["kill"]
        equal((state["on"], state["reason"], state["latched"]), (True, "wrong labels", True), "status")
        check(state["since"] and state["by"], "status does not say by whom and since when: %s" % state)
        equal(router.metrics()["shadow_router_kill_switch"], 1, "the metric")
        check("wrong labels" in router.command("status").stdout, "`status` does not show the reason")
        router.crash()
        router.start()
        check("KILLED" in [l for l in router.stderr if l.startswith("ready")][-1], "the ready line does not say that all goes to the frontier")
        killed(router, router.tap(), "c", ("kill_switch", "kill_file"))
        equal(router.command("kill", "off").returncode, 0, "`kill off`")
        free(router, router.tap(), "d")
        equal((router.status()["kill"]["on"], router.metrics()["shadow_router_kill_switch"]), (False, 0), "after `kill off`")
        router.stop()
        flags = [(r["old"], r["new"], r["reason"]) for r in router.records("flag")]
        equal(flags, [("off", "on", "wrong labels"), ("on", "off", None)], "flag records")
        check(all(r["actor"] for r in router.records("flag")), "a flag record without its actor")


def test_on_and_off_without_a_router_and_with_a_broken_policy():
    with Sidecar("this: is: no policy", start=False) as router:
        done = router.command("kill", "on")
        equal(done.returncode, 0, "`kill on` with no router and a broken policy: " + done.stderr)
        router.write_policy(OPEN)
        router.start()
        killed(router, router.tap(), "a", ("kill_switch", "kill_file"))
        router.stop()
        router.drop_taps()
        equal(router.command("kill", "off").returncode, 0, "`kill off` with no router")
        router.start()
        free(router, router.tap(), "b")
        router.write_policy("broken: [")
        equal(router.command("kill", "on").returncode, 0, "`kill on` with a running router and a broken policy file")
        killed(router, router.tap(), "c")
        router.stop()
        equal(router.command("kill", "sideways").returncode, 2, "`kill sideways`")


def test_on_where_no_router_ever_was_says_so():
    with Sidecar(OPEN, start=False) as router:
        done = router.command("kill", "on")
        equal(done.returncode, 0, "`kill on` in a folder that was named")
        check("no router has ever written to " + router.state in done.stderr, "it does not say that no router looks there: " + done.stderr)
        env = {**os.environ, "HOME": router.folder, "XDG_STATE_HOME": os.path.join(router.folder, "own"), "XDG_RUNTIME_DIR": router.folder}
        user = {} if os.geteuid() else {"user": 65534, "group": 65534, "extra_groups": []}
        os.chmod(router.folder, 0o777)
        # As the user of a service is not who calls at 3 a.m.
        done = subprocess.run([binary(), "kill", "on"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20, env=env, **user)
        equal(done.returncode, 3, "`kill on` in a default folder that no router uses")
        check("sudo" in done.stderr and "--state-dir" in done.stderr, "the remedy: " + done.stderr)
        check(os.path.exists(os.path.join(router.folder, "own/shadow-router/kill")), "it latches all the same")


def test_usr1_kills_the_very_next_decision_and_latches():
    with Sidecar(OPEN) as router:
        tap = router.tap()
        free(router, tap, "a")
        router.signal(signal.SIGUSR1)
        killed(router, tap, "b")
        router.stop()
        router.drop_taps()
        router.start()
        killed(router, router.tap(), "c", ("kill_switch", "kill_file"))
        router.stop()
        check("USR1" in json.dumps(router.records("flag")), "the flag record does not name the signal")


def test_a_kill_file_in_either_folder_counts_for_the_very_next_decision():
    with Sidecar(OPEN) as router:
        tap = router.tap()
        for number, folder in enumerate((router.runtime, router.state)):
            path = os.path.join(folder, "kill")
            for content in (b"", b"whatever", b"\xff\x00", b'{"by":"ops"}'):
                with open(path, "wb") as f:
                    f.write(content)
                killed(router, tap, "k%d%d" % (number, len(content)), ("kill_file",))
                equal(router.status()["kill"]["on"], True, "status")
                os.unlink(path)
                free(router, tap, "f%d%d" % (number, len(content)))
            with open(path, "wb"):
                pass
            router.stop()
            router.drop_taps()
            router.start()
            tap = router.tap()
            killed(router, tap, "restart%d" % number, ("kill_file", "kill_switch"))
            equal(router.command("kill", "off").returncode, 0, "`kill off`")
            check(not os.path.exists(path), "`kill off` left %s" % path)
            free(router, tap, "after%d" % number)
        router.stop()


def test_a_pipe_as_kill_file_or_flags_kills_and_hangs_nothing():
    with Sidecar(OPEN) as router:
        tap = router.tap()
        os.mkfifo(os.path.join(router.runtime, "kill"))
        killed(router, tap, "a", ("kill_file",))
        check(router.status()["kill"]["on"], "status does not say that the switch is on")
        router.stop()
        os.mkfifo(os.path.join(router.state, "kill"))
        os.mkfifo(os.path.join(router.state, "flags.json"))
        router.start()
        killed(router, router.tap(), "b", ("kill_switch", "kill_file"))


def test_off_removes_every_latch_at_once():
    with Sidecar(OPEN) as router:
        tap = router.tap()
        router.command("kill", "on")
        router.signal(signal.SIGUSR1)
        for folder in (router.runtime, router.state):
            with open(os.path.join(folder, "kill"), "w"):
                pass
        killed(router, tap, "a")
        equal(router.command("kill", "off").returncode, 0, "`kill off`")
        free(router, tap, "b")
        router.stop()


def test_off_that_does_not_reach_the_router_changes_nothing_and_says_so():
    with Sidecar(OPEN) as router:
        tap = router.tap()
        equal(router.command("kill", "on").returncode, 0, "kill on")
        done = run("kill", "off", "--state-dir", router.state, "--runtime-dir", os.path.join(router.folder, "none"))
        equal(done.returncode, 4, "`kill off` past the router")
        check("stays on" in done.stderr and router.state in done.stderr, "what it says: " + done.stderr)
        killed(router, tap, "still")
        router.crash()
        router.start()
        killed(router, router.tap(), "after")


def test_a_latch_that_went_is_said_to_be_gone():
    with Sidecar(OPEN) as router:
        router.command("kill", "on")
        os.unlink(os.path.join(router.state, "kill"))
        equal(router.status()["kill"]["latched"], False, "latched")


def test_every_turn_is_recorded_as_it_was():
    with Sidecar(OPEN) as router:
        path = os.path.join(router.runtime, "kill")
        for words in ("on", "on", "off", "off"):
            equal(router.command("kill", words).returncode, 0, "kill " + words)
        open(path, "w").close()
        router.wait_for("flag", 5)
        os.unlink(path)
        router.wait_for("flag", 6)
        open(path, "w").close()
        router.wait_for("flag", 7)
        router.command("kill", "off")
        turns = [(r["old"], r["new"], "file" in r["actor"]) for r in router.wait_for("flag", 8)]
        equal(turns, [("off", "on", False), ("on", "on", False), ("on", "off", False), ("off", "off", False),
                      ("off", "on", True), ("on", "off", True), ("off", "on", True), ("on", "off", False)], "the records")
        router.stop()


def test_off_names_the_latch_that_it_may_not_remove():
    with Sidecar(OPEN) as router:
        tap = router.tap()
        # A folder of that name is a latch that nobody can unlink, whoever they are.
        os.makedirs(os.path.join(router.runtime, "kill", "inside"))
        killed(router, tap, "a", ("kill_file",))
        done = router.command("kill", "off")
        equal(done.returncode, 4, "`kill off`: " + done.stdout + done.stderr)
        check(os.path.join(router.runtime, "kill") in done.stdout + done.stderr, "the latch is not named: " + done.stderr)
        killed(router, tap, "b", ("kill_file", "kill_switch"))
        router.stop()
        equal(router.command("kill", "off").returncode, 4, "`kill off` without a router")


def test_unreadable_flags_send_everything_to_the_frontier():
    with Sidecar(OPEN, start=False) as router:
        os.makedirs(router.state, mode=0o700)
        with open(os.path.join(router.state, "flags.json"), "w") as f:
            f.write("{not json")
        router.start()
        killed(router, router.tap(), "a", ("flags_unreadable",))
        router.stop()
        router.drop_taps()
        os.unlink(os.path.join(router.state, "flags.json"))
        router.start()
        free(router, router.tap(), "b")
        router.stop()


def test_where_it_cannot_be_latched_it_holds_in_memory_and_says_so():
    user = None
    if os.geteuid() == 0:
        user = 65534
        try:
            subprocess.run([binary(), "version"], user=user, group=user, extra_groups=[], check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError) as fault:
            raise Skipped("root may write anywhere, and another user cannot run the binary here: %s" % fault)
    with Sidecar(OPEN, user=user) as router:
        os.chmod(router.state, 0o500)
        try:
            router.signal(signal.SIGUSR1)
            tap = router.tap()
            killed(router, tap, "a")
            state = router.status()["kill"]
            equal((state["on"], state["latched"]), (True, False), "status")
            check("latched: false" in router.command("status").stdout, "`status` does not say `latched: false`")
            equal(router.command("kill", "on").returncode, 0, "`kill on` where nothing can be written")
            killed(router, tap, "b")
        finally:
            os.chmod(router.state, 0o700)
        router.stop()


if __name__ == "__main__":
    main(globals())
