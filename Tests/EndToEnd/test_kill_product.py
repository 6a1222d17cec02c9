"""The kill switch against everything at once: every way on × every kind of decision × every candidate fault × a full disk × unreadable flags.

Whatever else is true, the decision after the switch went on is `frontier`, `manual_override`, with the right detail, and no candidate is asked.
"""
import itertools
import signal

from live import *
from test_disk import TinyDisk
from test_live import fill

LONG = "word " * 1000


def hang(request):
    time.sleep(3)
    return GOOD


# Fault → what the model does. `refused` has none.
FAULTS = {"healthy": GOOD, "refused": None, "hangs": hang, "status 500": http_response(500, b"{}"), "closes": lambda request: None, "garbage": "no json",
          "half a body": http_response(200, b'{"response": "', length=5000), "low confidence": {"label": "a", "confidence": 0.1}, "breaker open": http_response(503, b"")}

# Kind → the frame's members. Each would be decided otherwise if the switch were off.
KINDS = {
    "live": {}, "live, deadline": {"deadline_ms": 50}, "live, no time": {"deadline_ms": 0}, "no reply": {"reply": False}, "shadow": {"task": "shadowed"},
    "absent task": {"task": None}, "unknown task": {"task": "nobody knows"}, "kept by policy": {"task": "never"}, "security": {"text": "rotate the password"},
    "access": {"text": "a 403 for the registry"}, "production": {"text": "drop table users"}, "signal": {"signals": {"novel_input": True}}, "too large": {"text": LONG},
    "blank": {"text": "  "}, "tenant over budget": {"tenant": "spent"},
}
REASONS = {"absent task": "unknown_task", "unknown task": "unknown_task", "kept by policy": "policy_requires_frontier", "security": "hard_stop_security",
           "access": "hard_stop_access", "production": "hard_stop_production", "signal": "risk_signal", "too large": "input_too_large"}
MORE = ", stop_signals: [novel_input], max_input_chars: 2000, budget: {tenant: spent, calls_per_day: 0}"


def by_command(router): equal(router.command("kill", "on").returncode, 0, "kill on")
def by_control(router): equal(router.http("PUT", "/v1/kill", '{"on": true}')[0], 200, "PUT /v1/kill")
def by_signal(router): router.signal(signal.SIGUSR1)
def by_runtime_file(router): open(os.path.join(router.runtime, "kill"), "w").close()
def by_state_file(router): open(os.path.join(router.state, "kill"), "w").close()


SWITCHES = {"command": (by_command, "kill_switch"), "control socket": (by_control, "kill_switch"), "signal": (by_signal, "kill_switch"),
            "file in the runtime folder": (by_runtime_file, "kill_file"), "file in the state folder": (by_state_file, "kill_file")}


class Frames:
    """Calls with ids of their own."""

    def __init__(self):
        self.count = 0

    def make(self, members):
        self.count += 1
        members = {"reply": True, **members}
        return "k%d" % self.count, call("k%d" % self.count, **members)


def overridden(router, tap, frames, detail, where, restored=None):
    """Every kind of decision, the first of them straight after the switch."""
    seen = 0
    for kind, members in KINDS.items():
        call_id, data = frames.make(members)
        tap.send(data)
        if members.get("reply") is False:
            tap.ping()
            continue
        reply = tap.receive()
        equal((reply["call_id"], reply["route"], reply["reason"], reply["reason_code"], reply["detail"]), (call_id, "frontier", "manual_override", 9, detail), "%s, %s" % (kind, where))
        equal(reply["escalation"]["local_output"], None, "local output under the switch")
        seen += 1
    return seen


def product(fault, disk, cohort, router, model):
    """Both states of the flags × every switch × every kind, in one router. Returns the decisions looked at."""
    tap, frames, seen = router.tap(), Frames(), 0
    flags = os.path.join(router.state, "flags.json")
    before = open(flags, "rb").read() if os.path.exists(flags) else None
    for readable in (True, False):
        if not readable:
            # Not one byte may find room on a full disk: an empty file is as unreadable.
            file = os.open(flags, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with contextlib.suppress(OSError):
                os.write(file, b"{")
            os.close(file)
            until(lambda: router.status()["kill"].get("detail") == "flags_unreadable", "unreadable flags are seen", 10)
            seen += overridden(router, tap, frames, "flags_unreadable", "%s, disk %s, flags unreadable, %s" % (fault, disk, cohort))
        for name, (switch, detail) in SWITCHES.items():
            # Calls that wait, and calls on their way, when the switch goes on.
            waiting = [frames.make({"deadline_ms": 3000}) for _ in range(3)]
            if readable:
                tap.send(b"".join(data for _, data in waiting))
            asked_by = time.monotonic()
            switch(router)
            where = "%s, disk %s, flags %s, %s, switch by %s" % (fault, disk, "readable" if readable else "unreadable", cohort, name)
            marker, data = frames.make({})
            tap.send(data)
            late = set(call_id for call_id, _ in waiting) if readable else set()
            while True:
                reply = tap.receive()
                if reply["call_id"] in late:
                    late.discard(reply["call_id"])
                    continue
                equal((reply["call_id"], reply["route"], reply["reason"], reply["detail"]), (marker, "frontier", "manual_override", detail), "the very next decision: " + where)
                break
            while late:
                late.discard(tap.receive()["call_id"])
            check(time.monotonic() - asked_by < 60, "those who waited were not told: " + where)
            asked = quiet(model)
            seen += 1 + overridden(router, tap, frames, detail, where)
            equal(model.asked if model else 0, asked, "questions to the model under the switch: " + where)
            equal(router.command("kill", "off").returncode, 0, "kill off: " + where)
    if before is None:
        os.unlink(flags)
    elif disk == "ok":
        with open(flags + ".new", "wb") as file:
            file.write(before)
        os.rename(flags + ".new", flags)
    return seen, tap, frames


def quiet(model):
    """How much the model was asked, once that no longer grows."""
    if model is None:
        return 0
    while True:
        count = model.asked
        time.sleep(0.03)
        if count == model.asked:
            return count


def case(fault, disk, cohort):
    with contextlib.ExitStack() as stack:
        model = None if fault == "refused" else stack.enter_context(Model(FAULTS[fault]))
        endpoint = {} if model is None else {"endpoint": model.endpoint}
        text = policy(control=1 if cohort == "control" else 0, more=MORE, model=", breaker: {failures: 2, cooldown_ms: 60000}" if fault == "breaker open" else ", breaker: {failures: 1000}",
                      timeout=400, **endpoint)
        options, state = [], None
        if disk == "full":
            folder = stack.enter_context(TinyDisk())
            options, state = ["--segment-mb", "1"], os.path.join(folder, "state")
        router = stack.enter_context(Sidecar(text, *options, state=state))
        go_live(router, **({"percent": 50} if cohort == "canary" else {}))
        if disk == "full":
            tap = router.tap()
            fill(os.path.join(folder, "ballast"))
            def failing():
                tap.send(b"".join(call("fill%d-%d" % (failing.count, i), task="never", text="x" * 300) for i in range(50)))
                failing.count += 1
                return router.status()["log"]["failing"]
            failing.count = 0
            until(failing, "the log fails", 30, 0.1)
        if fault == "breaker open":
            tap = router.tap()
            for index in range(4):
                tap.ask(ask("open%d" % index, deadline_ms=2000))
        seen, tap, frames = product(fault, disk, cohort, router, model)
        if disk == "ok":
            until(lambda: not router.status()["kill"]["on"], "the flags are readable again", 10)
            for kind, reason in REASONS.items():
                _, data = frames.make(KINDS[kind])
                equal(tap.ask(data)["reason"], reason, "%s with the switch off" % kind)
            router.command("kill", "on")
            router.stop()
            router.drop_taps()
            router.start()
            seen += overridden(router, router.tap(), frames, "kill_switch", "%s, after a restart" % fault)
            router.stop()
            wrong = [r for r in router.records("decision") if r["reason"] == "manual_override" and (r["route"] != "frontier" or r["local_model"] and r["label"])]
            equal(wrong, [], "records of overridden decisions")
        else:
            router.alive()
        return seen


def test_the_whole_product():
    seen, cases = 0, 0
    for fault, disk in itertools.product(FAULTS, ("ok", "full")):
        for cohort in ("live", "control", "canary") if fault == "healthy" else ("live",):
            seen += case(fault, disk, cohort)
            cases += 1
    figure("kill switch: routers, overridden decisions looked at", "%d, %d" % (cases, seen))


if __name__ == "__main__":
    main(globals())
