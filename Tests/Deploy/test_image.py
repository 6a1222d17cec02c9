"""The container image, in a container: its files laid out as the Dockerfile does, run by crun with a root that cannot be written, a
numeric user without capabilities, and the volumes, words and environment of the Kubernetes manifests.

Needs root, crun and what deploy/static.sh builds; for the last test shellcheck and hadolint.
"""
import signal
import stat
import sys

import test_kubernetes
from machine import *

USER = 65532
# Of the image itself, as the Dockerfile has it.
OWN = {"SHADOW_ROUTER_POLICY": "/etc/shadow-router/router-policy.yaml", "SHADOW_ROUTER_STATE_DIR": "/var/lib/shadow-router/state",
       "SHADOW_ROUTER_RUNTIME_DIR": "/run/shadow-router/control"}
TAP = ["run", "--tap=/run/shadow-router-tap/tap.sock"]
# Starts as root, as the interpreter may lie where only root can read.
AGENT = """
import os, socket, sys
path, frame, user, groups = sys.argv[1:]
os.setgroups([int(group) for group in groups.split()])
os.setgid(int(user))
os.setuid(int(user))
s = socket.socket(socket.AF_UNIX)
s.connect(path)
s.settimeout(5)
s.sendall(frame.encode() + b"\\n")
print(s.makefile().readline().strip())
"""


def files(https=False):
    """The image's root: of a built one (`docker export`) where SHADOW_ROUTER_IMAGE names its folder."""
    given = os.environ.get("SHADOW_ROUTER_IMAGE")
    if given:
        return given
    need("strip", "ldd")
    path = os.path.join(FOLDER, "image-https" if https else "image")
    if not os.path.isdir(path):
        tell(os.path.join(ROOT, "deploy", "docker", "root.sh"), *(["--https"] if https else []), static_programs(), path)
    return path


def crun(folder, *words):
    """A command line of crun with its state in that folder. Of a machine with both kinds of control groups it sees the old ones only."""
    hidden = "! mountpoint -q /sys/fs/cgroup/unified || umount -l /sys/fs/cgroup/unified; exec crun \"$@\""
    return ["unshare", "--mount", "sh", "-c", hidden, "crun", "--root", os.path.join(folder, "crun"), "--cgroup-manager=disabled", *words]


class Container:
    """The image as a container, with folders like a pod's."""

    def __init__(self, policy, arguments, environment=OWN, https=False):
        need("crun")
        os.chmod(FOLDER, 0o711)
        self.folder = tempfile.mkdtemp(dir=FOLDER)
        os.chmod(self.folder, 0o711)
        self.name = "shadow-router-test-%d-%s" % (os.getpid(), os.path.basename(self.folder))
        self.process, self.stderr = None, os.path.join(self.folder, "stderr")
        mounts = {"policy": "/etc/shadow-router", "state": "/var/lib/shadow-router", "control": "/run/shadow-router", "tap": "/run/shadow-router-tap"}
        for name in mounts:
            # As a pod's volumes are: anybody may write to their root, and their group is the fsGroup.
            os.mkdir(self.path(name))
            os.chown(self.path(name), 0, USER)
            os.chmod(self.path(name), 0o2777)
        with open(self.path("policy", "router-policy.yaml"), "w") as f:
            f.write(policy)
        tell("crun", "spec", cwd=self.folder)
        with open(self.path("config.json")) as f:
            config = json.load(f)
        process = config["process"]
        process.update(terminal=False, args=["/usr/bin/shadow-router", *arguments], user={"uid": USER, "gid": USER}, noNewPrivileges=True,
                       env=["%s=%s" % pair for pair in dict(environment).items()], capabilities={})
        config["root"] = {"path": files(https), "readonly": True}
        config["linux"]["resources"] = {}
        # The tap's folder is no part of the image: a runtime makes it, where the root may be written.
        os.makedirs(files(https) + "/run/shadow-router-tap", exist_ok=True)
        for name, place in mounts.items():
            config["mounts"].append({"destination": place, "type": "bind", "source": self.path(name),
                                     "options": ["bind", "ro" if name == "policy" else "rw", "nosuid", "nodev", "noexec"]})
        with open(self.path("config.json"), "w") as f:
            json.dump(config, f)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def crun(self, *words, **more):
        return subprocess.run(crun(self.folder, *words), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, **more)

    def start(self):
        with open(self.stderr, "w") as log:
            self.process = subprocess.Popen(crun(self.folder, "run", self.name), cwd=self.folder, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        until(lambda: self.process.poll() is not None or "\nready" in "\n" + self.messages, "ready", 20)
        check(self.process.poll() is None, lambda: "the container ended: " + self.messages)
        return self

    def stop(self):
        self.crun("kill", self.name, "TERM")
        equal(self.process.wait(20), 0, "the exit code of a stop")

    @property
    def messages(self):
        with open(self.stderr) as f:
            return f.read()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.crun("kill", self.name, "KILL")
            self.process.wait(20)
        self.crun("delete", "--force", self.name)

    def run(self, *words):
        """A command of the program inside: its exit code and what it printed."""
        done = self.crun("exec", "--user", "%d:%d" % (USER, USER), self.name, "/usr/bin/shadow-router", *words)
        return done.returncode, done.stdout

    def ask(self, user, words, groups=(USER,)):
        """What an agent of that user is answered; None where it is refused. Its group is its own, as in a pod; the fsGroup a further one."""
        done = subprocess.run([sys.executable, "-c", AGENT, self.path("tap", "tap.sock"), words, str(user), " ".join(map(str, groups))],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=30)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else None


def test_there_is_nothing_in_it_but_the_program():
    found = sorted(os.path.join(where, name)[len(files()):] for where, _, names in os.walk(files()) for name in names)
    programs = [path for path in found if not path.startswith(("/usr/share/doc/", "/etc/")) and ".so" not in os.path.basename(path)]
    equal(programs, ["/usr/bin/shadow-router", "/usr/lib/shadow-router/shadow-router"], "programs in the image")
    check(not any(os.lstat(files() + path).st_mode & (stat.S_ISUID | stat.S_ISGID) for path in found), "a set-user-id file")
    for https in (False, True):
        size = sum(os.lstat(os.path.join(where, name)).st_size for where, _, names in os.walk(files(https)) for name in names)
        figure("image%s" % (" with https" if https else ""), "%.0f MB" % (size / 1e6))


def test_as_the_manifests_say_it_runs_without_a_writable_root_or_a_capability():
    pod = test_kubernetes.by_kind("StatefulSet")["spec"]["template"]["spec"]
    router = pod["initContainers"][-1]
    agent = pod["containers"][0]["securityContext"]["runAsUser"]
    environment = [(e["name"], e["value"]) for e in router["env"]]
    with Container(SIMPLE, router["args"], environment) as container:
        ping = frame("ping").decode().strip()
        equal(container.ask(agent, ping), {"kind": "pong"}, "the reply to the agent")
        equal(container.ask(agent + 1, ping), None, "the reply to another user of the group")
        equal(container.ask(agent, ping, groups=()), None, "the reply to that user outside the group")
        equal(container.ask(agent, call("c-1", reply=True).decode().strip())["route"], "frontier", "the route")
        probe = router["livenessProbe"]["exec"]["command"]
        code, output = container.run(*probe[1:])
        equal(code, 0, "the liveness probe: " + output)
        equal(container.run("status", "--ready")[0], 0, "the image's health check")
        pid = json.loads(container.crun("state", container.name).stdout)["pid"]
        with open("/proc/%d/status" % pid) as f:
            said = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        equal((said["Uid"].split(), said["CapEff"], said["CapBnd"], said["NoNewPrivs"]), ([str(USER)] * 4, "0" * 16, "0" * 16, "1"), "user and capabilities")
        with open("/proc/%d/mountinfo" % pid) as f:
            root = next(line.split() for line in f if line.split()[4] == "/")
        check("ro" in root[5].split(","), "the root can be written to")
        for name, mode in (("state/state", 0o700), ("control/control", 0o755)):
            status = os.stat(container.path(name))
            equal((status.st_uid, stat.S_IMODE(status.st_mode) & 0o777), (USER, mode), "owner and mode of " + name)
        # The agent has no way to the control socket but through a volume that it does not mount; the socket is its owner's alone.
        equal(stat.S_IMODE(os.stat(container.path("control/control/control.sock")).st_mode), 0o600, "mode of the control socket")
        container.stop()
        container.crun("delete", "--force", container.name)
        # The same state under a new container: one log goes on.
        container.start()
        equal(container.run("verify-log")[0], 0, "verify-log")
        equal(container.ask(agent, call("c-1", reply=True).decode().strip()).get("code"), "duplicate_call", "the call of before")
        container.stop()


def test_the_agent_may_have_the_tap_read_only():
    """A socket is connected to where the file system around it cannot be written: the manifests rely on it."""
    with Container(SIMPLE, TAP + ["--allow-uid=1000"]) as container:
        script = 'mount --bind "$1" /mnt && mount -o remount,ro,bind /mnt && ! touch /mnt/x 2>/dev/null && shift && exec "$@"'
        reply = tell("unshare", "--mount", "sh", "-c", script, "sh", container.path("tap"), sys.executable, "-c", AGENT, "/mnt/tap.sock",
                     frame("ping").decode().strip(), "1000", str(USER))
        equal(reply.strip(), '{"kind":"pong"}', "the reply")


def test_with_https_the_helper_starts_from_the_image_alone():
    if not os.path.exists(files(https=True) + "/usr/lib/shadow-router/shadow-router-https"):
        raise Skipped("the image is the one without https")
    policy = SIMPLE.replace("http://127.0.0.1:9/", "https://127.0.0.1:9/")
    with Container(policy, TAP, https=True) as container:
        container.ask(0, call("h-1", task="open", reply=True).decode().strip())
        decision = until(lambda: next((r for r in map(json.loads, log_lines(container.path("state", "state"))) if r.get("call_id") == "h-1"), None), "the decision")
        check(decision["detail"] in ("refused", "connection_lost"), "the helper was not asked: %s" % decision["detail"])
        container.stop()


def test_scripts_and_dockerfile_have_no_known_fault():
    need("shellcheck")
    deploy = os.path.join(ROOT, "deploy")
    scripts = ["static.sh", "debian/build.sh", "debian/man.sh", "debian/bash-completion", "debian/shadow-router.postrm", "docker/root.sh"]
    equal(tell("shellcheck", *[os.path.join(deploy, name) for name in scripts], check_code=False), "", "what shellcheck says")
    beside = os.path.join(os.path.dirname(sys.executable), "hadolint")
    need(beside if os.path.exists(beside) else "hadolint")
    equal(tell(beside if os.path.exists(beside) else "hadolint", os.path.join(deploy, "docker", "Dockerfile"), check_code=False), "", "what hadolint says")


if __name__ == "__main__":
    main(globals())
