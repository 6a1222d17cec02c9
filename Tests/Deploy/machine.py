"""A Debian machine of its own for tests of packages and units: systemd as process 1, in a container without a network.

Its root is made once by debootstrap, or is the folder SHADOW_ROUTER_DEBIAN_ROOT; each machine writes to a layer of its own.
"""
import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "Tests", "EndToEnd"))

from sidecar import *  # noqa: E402, F403

FOLDER = tempfile.mkdtemp(prefix="shadow-router-machines-")
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
STATIC = os.path.join(ROOT, ".build", "static", "installed")
SUITE = "bookworm"


def need(*programs):
    """The programs that a test drives, as root, or a loud skip."""
    if os.geteuid() != 0:
        raise Skipped("must be root")
    for program in programs:
        if not shutil.which(program):
            raise Skipped("no " + program)


def tell(*words, check_code=True, timeout=300, **more):
    """A command of this machine, to its end; what it printed."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, text=True, **more)
    if check_code and done.returncode:
        raise Failed("%s: exit %d: %s" % (" ".join(words), done.returncode, done.stdout[-1500:]))
    return done.stdout


def debian():
    """The folder of a small Debian."""
    given = os.environ.get("SHADOW_ROUTER_DEBIAN_ROOT")
    if given:
        return given
    root = os.path.join(FOLDER, "debian")
    if not os.path.exists(root):
        need("debootstrap")
        making = root + ".new"
        tell("debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus,libyaml-0-2,ca-certificates,libcurl4,man-db", SUITE, making, timeout=1200)
        os.rename(making, root)
    return root


def static_programs():
    """Both programs as they run without a toolchain."""
    if not os.path.exists(os.path.join(STATIC, "shadow-router")):
        raise Skipped("no static build: run deploy/static.sh")
    return STATIC


class Layer:
    """A Debian root of its own, laid over the one that all share."""

    def __init__(self, lower=None):
        self.folder = tempfile.mkdtemp(dir=FOLDER)
        self.root = os.path.join(self.folder, "root")
        for name in ("root", "upper", "work"):
            os.mkdir(os.path.join(self.folder, name))
        tell("mount", "-t", "overlay", "overlay", "-o",
             "lowerdir=%s,upperdir=%s/upper,workdir=%s/work" % (lower or debian(), self.folder, self.folder), self.root)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        tell("umount", "-l", self.root, check_code=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def put(self, path, text, mode=0o644):
        """A file of the machine."""
        path = self.root + path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)


class Machine(Layer):
    """A booted one."""

    def __init__(self, packages=()):
        need("systemd-nspawn", "nsenter")
        super().__init__()
        for package in packages:
            shutil.copy(package, os.path.join(self.root, "root"))
        self.process = None

    def __enter__(self):
        self.log = open(os.path.join(self.folder, "console"), "w+")
        try:
            self.process = subprocess.Popen(
                # Control groups of version 2 and BPF, by which systemd keeps addresses away.
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--machine=shadow-router-test",
                 "--system-call-filter=bpf", "--capability=CAP_BPF,CAP_NET_ADMIN,CAP_PERFMON", "-D", self.root, "--boot"],
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
            self.leader = until(self.find_leader, "the machine's process 1", 30)
            until(lambda: self.run("systemctl", "is-system-running", wanted=None)[1].strip() in ("running", "degraded"),
                  lambda: "the machine does not come up: " + self.console(), 90, 0.3)
        except BaseException:
            self.__exit__()
            raise
        return self

    def find_leader(self):
        check(self.process.poll() is None, lambda: "systemd-nspawn ended: " + self.console())
        # The first child only prepares; process 1 is its child, handed on.
        for child in tell("ps", "-o", "pid=,comm=", "--ppid", str(self.process.pid), check_code=False).splitlines():
            number, name = child.split(None, 1)
            if name == "systemd":
                return int(number)
        return None

    def console(self):
        self.log.flush()
        with open(self.log.name, errors="replace") as f:
            return f.read()[-1500:]

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        super().__exit__()

    def run(self, *words, wanted=0, user=None, timeout=120):
        """A command inside: its exit code, and all that it printed."""
        who = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"] if user else []
        done = subprocess.run(
            ["nsenter", "--target", str(self.leader), "--all", "env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8",
             *who, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout)
        if wanted is not None and done.returncode != wanted:
            raise Failed("%s: exit %d, wanted %d: %s" % (" ".join(words), done.returncode, wanted, done.stdout[-1500:]))
        return done.returncode, done.stdout

    def said(self, *words, **more):
        return self.run(*words, **more)[1].strip()

    def inside(self, path):
        """How a path of the machine is reached from here, what its systemd has mounted there included."""
        return "/proc/%d/root%s" % (self.leader, path)

    def tap(self):
        return Tap(self.inside("/run/shadow-router/tap.sock"))

    def records(self):
        return [json.loads(line) for line in log_lines(self.inside("/var/lib/shadow-router"))]
