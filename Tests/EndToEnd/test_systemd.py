"""Readiness as systemd hears it, how soon it comes (sd_notify(3); contract, section 1), and the units of deploy/systemd.

On a running systemd they are tried by Tests/Deploy/test_package.py.
"""
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
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
    check(min(times) < 1000, "never ready within 200 ms: best %.0f ms" % min(times))


UNITS = os.path.join(ROOT, "deploy", "systemd")


def analyze(*words):
    if not shutil.which("systemd-analyze"):
        raise Skipped("no systemd-analyze")
    return subprocess.run(["systemd-analyze", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def exposure(unit):
    done = analyze("security", "--offline=true", unit)
    found = re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout)
    check(found, "systemd-analyze security says nothing of the whole: " + done.stdout[-300:])
    return float(found.group(1))


def test_the_units_are_right():
    """Held against the system's own units in a root where the programs are installed."""
    with tempfile.TemporaryDirectory() as root:
        units = os.path.join(root, "etc", "systemd", "system")
        os.makedirs(units)
        os.makedirs(os.path.join(root, "usr", "local", "bin"))
        if not os.path.isdir("/lib/systemd/system"):
            raise Skipped("no units of the system")
        shutil.copytree("/lib/systemd/system", os.path.join(root, "usr", "lib", "systemd", "system"), symlinks=True)
        os.symlink("usr/lib", os.path.join(root, "lib"))
        os.mkdir(os.path.join(root, "bin"))
        for program in ("usr/local/bin/shadow-router", "bin/sh"):
            shutil.copy("/bin/true", os.path.join(root, program))
        # With the drop-ins that change how it is run, as they are installed.
        os.mkdir(os.path.join(units, "shadow-router.service.d"))
        drop_ins = [n for n in os.listdir(UNITS) if n.endswith(".conf")]
        equal(sorted(drop_ins), ["hash-key.conf", "no-network.conf"], "drop-ins")
        for name in drop_ins:
            shutil.copy(os.path.join(UNITS, name), os.path.join(units, "shadow-router.service.d"))
        names = [n for n in os.listdir(UNITS) if n.endswith((".service", ".timer", ".path"))]
        equal(len(names), 5, "units")
        for name in names:
            shutil.copy(os.path.join(UNITS, name), units)
            done = analyze("verify", "--root=" + root, "--man=no", os.path.join(units, name))
            equal((done.returncode, done.stdout.strip()), (0, ""), "systemd-analyze verify " + name)
        with open(os.path.join(units, "shadow-router.service"), "a") as f:
            f.write("ProtectEverything=yes\n")
        check(analyze("verify", "--root=" + root, "--man=no", os.path.join(units, "shadow-router.service")).stdout, "verify finds no fault where there is one")
        shutil.copy(os.path.join(UNITS, "shadow-router.service"), units)
        with open(os.path.join(units, "shadow-router.service.d", "hash-key.conf"), "a") as f:
            f.write("LoadCredential=../hash-key:relative\n")
        check(analyze("verify", "--root=" + root, "--man=no", os.path.join(units, "shadow-router.service")).stdout, "verify does not look at the drop-in")


def test_the_units_expose_little():
    with tempfile.TemporaryDirectory() as folder:
        unit = shutil.copy(os.path.join(UNITS, "shadow-router.service"), folder)
        with_loopback = exposure(unit)
        os.mkdir(unit + ".d")
        shutil.copy(os.path.join(UNITS, "no-network.conf"), unit + ".d")
        without = exposure(unit)
    report, checkpoint = (exposure(os.path.join(UNITS, "shadow-router-%s.service" % name)) for name in ("report", "checkpoint"))
    for name, value, most in (("loopback for models", with_loopback, 1.1), ("without loopback (no-network.conf)", without, 1.0), ("the report", report, 1.0),
                              ("the checkpoint", checkpoint, 1.0)):
        figure("systemd-analyze security, %s" % name, "%.1f of at most %.1f" % (value, most))
        check(value <= most, "%s: exposure %.1f, over %.1f" % (name, value, most))


if __name__ == "__main__":
    main(globals())
