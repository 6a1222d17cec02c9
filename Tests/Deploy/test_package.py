"""The Debian packages on a real Debian with a real systemd: built, installed, served, upgraded under load, removed, purged.

Needs root, systemd-nspawn, debootstrap (or SHADOW_ROUTER_DEBIAN_ROOT), debhelper, lintian, and what deploy/static.sh builds.
"""
import glob
import sys
import threading
import time

from machine import *

STATE, RUNTIME, POLICY = "/var/lib/shadow-router", "/run/shadow-router", "/etc/shadow-router/router-policy.yaml"
OPEN = NOBODY + "tasks:\n  t: {local: false}\n  open: {local: true, min_confidence: 0.5}\n"


def packages():
    """Builds both packages and returns their paths, the router's first."""
    need("dh", "dpkg-deb")
    folder = os.path.join(FOLDER, "packages")
    if not os.path.isdir(folder):
        tell(os.path.join(ROOT, "deploy", "debian", "build.sh"), "--binaries", static_programs(), folder, timeout=900)
    return sorted(glob.glob(folder + "/*.deb"), key=lambda path: "https" in path)


def later_package():
    """The router's package as the next version."""
    path, tree = os.path.join(FOLDER, "shadow-router_later.deb"), os.path.join(FOLDER, "later")
    tell("dpkg-deb", "-R", packages()[0], tree)
    tell("sed", "-i", "s/^Version: .*/&+later/", tree + "/DEBIAN/control")
    tell("dpkg-deb", "-Zgzip", "--root-owner-group", "-b", tree, path)
    return path


def install(machine, path, **more):
    return machine.run("dpkg", "--install", "--force-confold", "/root/" + os.path.basename(path), **more)


def serving(machine):
    """Waits for the service to be up and its sockets to listen; the process of it."""
    until(lambda: machine.run("shadow-router", "status", "--ready", wanted=None)[0] == 0,
          lambda: "the service is not ready: " + machine.said("journalctl", "-u", "shadow-router", "-n", "20", "-o", "cat"), 20, 0.1)
    return int(machine.said("systemctl", "show", "-P", "MainPID", "shadow-router"))


def facts(machine, pid):
    return dict(line.split(":", 1) for line in machine.said("cat", "/proc/%d/status" % pid).splitlines() if ":" in line)


def test_lintian_has_nothing_to_say():
    need("lintian")
    equal(tell("lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "none", *packages()).strip(), "", "what lintian says")
    for path in packages():
        figure(os.path.basename(path), "%.1f MB" % (os.path.getsize(path) / 1e6))


def test_installed_it_serves_and_may_do_nothing_else():
    with Machine(packages()) as machine:
        machine.run("useradd", "--user-group", "agent")
        install(machine, packages()[0])
        pid = serving(machine)
        # The units as installed, their manual page too.
        equal(machine.said("systemd-analyze", "verify", "shadow-router.service", "shadow-router-report.service", "shadow-router-report.timer"), "", "systemd-analyze verify")
        equal(machine.said("systemctl", "is-enabled", "shadow-router.service", "shadow-router-report.timer").split(), ["enabled"] * 2, "enabled")
        for command in ("status", "verify-log"):
            check("\n.SS %s\n" % command in machine.said("zcat", "/usr/share/man/man1/shadow-router.1.gz").replace("\\-", "-"), "no %s in the manual page" % command)
        completed = machine.said("bash", "-c", ". /usr/share/bash-completion/completions/shadow-router; COMP_WORDS=(shadow-router re); COMP_CWORD=1; _shadow_router; "
                                 "echo ${COMPREPLY[@]}; COMP_WORDS=(shadow-router report --o); COMP_CWORD=2; _shadow_router; echo ${COMPREPLY[@]}")
        equal(completed.split(), ["reload", "report", "review", "replay", "--output"], "what is completed")

        # Who it is, and what the kernel lets it do.
        said = facts(machine, pid)
        number = machine.said("id", "-u", "shadow-router")
        equal(said["Uid"].split(), [number] * 4, "its user")
        equal({said[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")}, {"0" * 16}, "its capabilities")
        equal((said["NoNewPrivs"].strip(), said["Seccomp"].strip()), ("1", "2"), "no new privileges, system calls filtered")
        limits = machine.said("cat", "/proc/%d/limits" % pid)
        check(any(line.split()[:5] == ["Max", "core", "file", "size", "0"] for line in limits.splitlines()), "a core dump is allowed")
        modes = {path: machine.said("stat", "-c", "%U %a", path) for path in (STATE, STATE + "/log", RUNTIME, RUNTIME + "/tap.sock", RUNTIME + "/control.sock")}
        equal(modes, {STATE: "shadow-router 700", STATE + "/log": "shadow-router 700", RUNTIME: "shadow-router 755",
                      RUNTIME + "/tap.sock": "shadow-router 660", RUNTIME + "/control.sock": "shadow-router 600"}, "owners and modes")
        written = machine.said("nsenter", "--target", str(pid), "--mount", "findmnt", "-n", "-o", "OPTIONS", "--target", "/usr")
        check("ro" in written.split(","), "/usr can be written to: " + written)

        # Who may use the tap: the group, and nobody else.
        send = ["shadow-router", "send", "--tap", RUNTIME + "/tap.sock", "/root/frames"]
        machine.run("sh", "-c", "chmod 755 /root && echo '%s' > /root/frames" % frame("ping").decode().strip())
        check(machine.run(*send, user="agent", wanted=None)[0] != 0, "a user outside the group is served")
        machine.run("usermod", "-aG", "shadow-router", "agent")
        equal(machine.said(*send, user="agent").splitlines()[0], '{"kind":"pong"}', "the reply to a user of the group")

        # Calls, and the report of them.
        tap = machine.tap()
        for number in range(50):
            tap.send(call("c-%d" % number))
        tap.ping()
        until(lambda: sum(r["kind"] == "decision" for r in machine.records()) == 50, "50 decisions")
        machine.run("systemctl", "start", "shadow-router-report.service", wanted=None)
        check(machine.said("ls", STATE + "/reports").endswith(".html"), "no report was written")
        equal(machine.said("stat", "-c", "%U %a", STATE), "shadow-router 700", "the state folder after a report")

        # A reload through systemd waits, and fails with the reason where the policy is refused.
        machine.put(POLICY, OPEN)
        machine.run("systemctl", "reload", "shadow-router")
        machine.put(POLICY, "broken: [")
        check(machine.run("systemctl", "reload", "shadow-router", wanted=None)[0] != 0, "a refused reload looks well to systemd")
        check("error:" in machine.said("journalctl", "-u", "shadow-router", "-o", "cat"), "the journal does not say why")
        equal(machine.said("shadow-router", "status", "--json").count('"%s"' % revision(OPEN)) > 0, True, "the old policy goes on")
        machine.put(POLICY, OPEN)

        # A kill file in the runtime folder outlives a restart of the service; a killed process comes back.
        machine.run("touch", RUNTIME + "/kill")
        machine.run("systemctl", "restart", "shadow-router")
        serving(machine)
        equal(machine.tap().ask(call("k-1", reply=True))["reason"], "manual_override", "the reason after a restart")
        machine.run("rm", RUNTIME + "/kill")
        before = serving(machine)
        machine.run("sh", "-c", "kill -9 %d" % before)
        until(lambda: serving(machine) != before, "a new process", 20)
        machine.run("shadow-router", "verify-log")


# A model server on every address of the machine's network; a line for each question.
SERVER = """
import http.server
class Model(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"response": "{\\\\"answer\\\\": \\\\"fine\\\\", \\\\"confidence\\\\": 0.9}", "done": true, "done_reason": "stop"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", 8090), Model).serve_forever()
"""


def test_only_this_machine_can_be_asked_unless_a_drop_in_names_another():
    with Machine(packages()) as machine:
        network = ["nsenter", "--target", str(machine.leader), "--net"]
        tell(*network, "ip", "link", "set", "lo", "up")
        tell(*network, "ip", "address", "add", "192.0.2.17/32", "dev", "lo")
        server = subprocess.Popen([*network, sys.executable, "-c", SERVER], stdin=subprocess.DEVNULL)
        try:
            install(machine, packages()[0])
            serving(machine)

            def decided(call_id, host):
                machine.put(POLICY, OPEN.replace("127.0.0.1:9", host + ":8090").replace("timeout_ms: 300", "timeout_ms: 15000"))
                machine.run("systemctl", "reload", "shadow-router")
                machine.tap().ask(call(call_id, task="open", reply=True))
                record = until(lambda: next((r for r in machine.records() if r.get("call_id") == call_id), None), "the decision of " + call_id)
                return record["route_candidate"], record["reason"], record["detail"]

            equal(decided("a-1", "127.0.0.1"), ("local", None, None), "asking a model on this machine")
            equal(decided("a-2", "192.0.2.17")[:2], ("frontier", "local_unavailable"), "asking another address")
            machine.put("/etc/systemd/system/shadow-router.service.d/model.conf", "[Service]\nIPAddressAllow=192.0.2.17\n")
            machine.run("sh", "-c", "systemctl daemon-reload && systemctl restart shadow-router")
            serving(machine)
            equal(decided("a-3", "192.0.2.17"), ("local", None, None), "asking the address that a drop-in names")
        finally:
            server.kill()
            server.wait()


def test_with_the_drop_in_there_is_no_network():
    with Machine(packages()) as machine:
        install(machine, packages()[0])
        serving(machine)
        exposures = []
        for loopback in ("with", "without"):
            if loopback == "without":
                machine.run("sh", "-c", "mkdir -p /etc/systemd/system/shadow-router.service.d && cp /usr/share/doc/shadow-router/examples/no-network.conf "
                            "/etc/systemd/system/shadow-router.service.d && systemctl daemon-reload && systemctl restart shadow-router")
            namespace = machine.said("readlink", "/proc/%d/ns/net" % serving(machine))
            equal(namespace == machine.said("readlink", "/proc/1/ns/net"), loopback == "with", "the machine's network, %s loopback" % loopback)
            line = machine.said("systemd-analyze", "security", "shadow-router.service", wanted=None).splitlines()[-1]
            exposures.append(float(line.split(": ")[1].split()[0]))
            figure("systemd-analyze security, %s loopback" % loopback, exposures[-1])
        check(exposures[0] <= 1.1 and exposures[1] <= 1.0, "exposures %s" % exposures)
        equal(machine.tap().ask(call("n-1", reply=True))["route"], "frontier", "the route without a network")


def test_checkpoints_leave_the_machine():
    examples = "/usr/share/doc/shadow-router/examples/shadow-router-checkpoint."
    with Machine(packages()) as machine:
        install(machine, packages()[0])
        started = next(line for line in machine.said("systemctl", "cat", "shadow-router").splitlines() if line.startswith("ExecStart="))
        machine.put("/etc/systemd/system/shadow-router.service.d/often.conf", "[Service]\nExecStart=\n%s --checkpoint-seconds 2\n" % started)
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", "shadow-router")
        serving(machine)
        machine.run("mkdir", "-m", "700", "/mnt/checkpoints")
        machine.run("sh", "-c", "cp %spath %sservice /etc/systemd/system && systemctl daemon-reload && systemctl enable --now shadow-router-checkpoint.path" % (examples, examples))
        machine.tap().ask(call("c-1", reply=True))
        until(lambda: os.path.exists(machine.inside(STATE + "/checkpoint")), "a checkpoint", 60)
        until(lambda: machine.said("ls", "/mnt/checkpoints"), "a copy of it: " + machine.said("journalctl", "-u", "shadow-router-checkpoint", "-o", "cat"), 20)
        copy = "/mnt/checkpoints/" + machine.said("ls", "/mnt/checkpoints").split()[0]
        equal(machine.said("stat", "-c", "%U %a", copy), "root 400", "whose the copy is")
        machine.run("shadow-router", "verify-log", "--checkpoint", copy)


def test_without_a_package_the_readmes_commands_install_it():
    with open(os.path.join(ROOT, "README.md")) as f:
        block = next(b for b in f.read().split("```")[1::2] if b.lstrip().startswith("deploy/static.sh && "))
    with Machine() as machine:
        source = machine.root + "/source"
        shutil.copytree(static_programs(), source + "/.build/static/installed")
        shutil.copytree(os.path.join(ROOT, "deploy", "systemd"), source + "/deploy/systemd")
        shutil.copy(STARTER, source + "/my-policy.yaml")
        machine.run("sh", "-ec", "cd /source\n" + block.strip().replace("deploy/static.sh && ", "", 1))
        serving(machine)
        equal(machine.tap().ask(frame("ping")), {"kind": "pong"}, "the reply to a ping")
        equal(machine.said("stat", "-c", "%U %a", STATE, RUNTIME).splitlines(), ["shadow-router 700", "shadow-router 755"], "the folders")
        check(machine.said("systemctl", "is-active", "shadow-router-report.timer") == "active", "the timer does not run")


def test_an_upgrade_under_load_loses_no_record():
    later = later_package()
    with Machine(packages() + [later]) as machine:
        install(machine, packages()[0])
        serving(machine)
        machine.put(POLICY, OPEN + "# the operator's own\n")
        machine.run("systemctl", "reload", "shadow-router")
        taken, done, problems = [], threading.Event(), []

        def agent():
            # An agent's client: connects anew where the router went away. What was answered before is what must be there.
            number, tap = 0, None
            while not done.is_set():
                try:
                    tap = tap or machine.tap()
                    batch = ["u-%d" % (number + i) for i in range(20)]
                    number += 20
                    tap.send(b"".join(call(name) for name in batch))
                    tap.ping(5)
                    taken.extend(batch)
                except (OSError, Failed):
                    tap = None
                    problems.append(time.monotonic())
                    time.sleep(0.01)

        sender = threading.Thread(target=agent, daemon=True)
        sender.start()
        until(lambda: len(taken) > 400, "calls before the upgrade")
        machine.run("shadow-router", "kill", "on", "--reason", "an upgrade keeps it")
        install(machine, later)
        serving(machine)
        at = len(taken)
        until(lambda: len(taken) > at + 400, "calls after the upgrade")
        done.set()
        sender.join(10)
        check(machine.said("dpkg-query", "-W", "-f", "${Version}", "shadow-router").endswith("+later"), "the later version is not installed")
        check("operator's own" in machine.said("cat", POLICY), "the operator's policy was overwritten")
        check(machine.said("shadow-router", "status", "--json").find("an upgrade keeps it") > 0, "the kill switch did not survive")
        machine.run("systemctl", "stop", "shadow-router")
        records = machine.records()
        decided = [r["call_id"] for r in records if r["kind"] == "decision"]
        missing = set(taken) - set(decided)
        check(not missing, "%d of %d calls that were taken in have no record: %s" % (len(missing), len(taken), sorted(missing)[:5]))
        equal(len(decided), len(set(decided)), "calls decided twice")
        check(problems, "the sender saw no restart: the upgrade was not tested")
        equal([r["kind"] for r in records if r["kind"] in ("start", "stop", "recovered", "gap")], ["start", "stop"] * 2, "starts and stops")
        machine.run("shadow-router", "verify-log")
        stop, start = ([r["ts"] for r in records if r["kind"] == kind][at] for kind, at in (("stop", 0), ("start", 1)))
        figure("upgrade under load", "%d calls taken in, 0 lost; stopped %s, started %s; %.0f ms without a tap" % (
            len(taken), stop[11:], start[11:], (max(problems) - min(problems)) * 1000))


def test_removing_keeps_the_evidence_and_purging_leaves_nothing():
    with Machine(packages()) as machine:
        before = set(machine.said("find", "/", "-xdev", "-not", "-path", "/proc/*", "-name", "*shadow*router*").split())
        install(machine, packages()[0])
        serving(machine)
        machine.tap().ask(call("p-1", reply=True))
        log = machine.records()[0]["log"]
        machine.run("dpkg", "--remove", "shadow-router")
        check(machine.run("systemctl", "is-active", "shadow-router", wanted=None)[1].strip() in ("inactive", "unknown"), "it still runs")
        kept = machine.said("find", STATE, POLICY)
        check(".ndjson" in kept and POLICY in kept, "removal did not keep log and policy: " + kept)
        install(machine, packages()[0])
        serving(machine)
        machine.run("shadow-router", "verify-log")
        equal({r["log"] for r in machine.records()}, {log}, "one log goes on")
        machine.run("dpkg", "--purge", "shadow-router")
        left = set(machine.said("find", "/", "-xdev", "-not", "-path", "/proc/*", "-name", "*shadow*router*").split()) - before
        check(not {path for path in left if not path.startswith(("/root/", "/var/log/journal"))}, "left behind: %s" % sorted(left))
        check(machine.run("test", "-e", RUNTIME, wanted=None)[0] == 1, "the runtime folder is left")


def test_the_helper_for_https_starts_with_its_own_libraries():
    with Machine(packages()) as machine:
        install(machine, packages()[0])
        install(machine, packages()[1])
        serving(machine)
        missing = [line.strip() for line in machine.said("ldd", "/usr/lib/shadow-router/shadow-router-https").splitlines() if "not found" in line]
        equal(missing, [], "libraries not found")
        check("/usr/lib/shadow-router/libFoundation.so" in machine.said("ldd", "/usr/lib/shadow-router/shadow-router-https"), "its own libraries are not used")
        # A model behind https where nobody listens: the helper itself says so, not that it cannot be started.
        machine.put(POLICY, OPEN.replace("http://127.0.0.1:9/", "https://127.0.0.1:9/"))
        machine.run("systemctl", "reload", "shadow-router")
        machine.tap().ask(call("h-1", task="open", reply=True))
        decision = until(lambda: next((r for r in machine.records() if r.get("call_id") == "h-1"), None), "the decision")
        equal((decision["reason"], decision["detail"]), ("local_unavailable", "refused"), "reason and detail")


if __name__ == "__main__":
    main(globals())
