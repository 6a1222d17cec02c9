"""The built sidecar as a benchmark sees it: started in a folder of its own, fed through its socket, read in its log and in /proc."""
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
TICK = os.sysconf("SC_CLK_TCK")


def binary():
    path = os.environ.get("SHADOW_ROUTER_BIN") or os.path.join(ROOT, ".build", "release", "shadow-router")
    if not os.access(path, os.X_OK):
        raise SystemExit("no release build: swift build -c release, or name one in SHADOW_ROUTER_BIN")
    return os.path.abspath(path)


class Sidecar:
    """A running sidecar; `ready_s` is the time from its start to its line `ready`."""

    def __init__(self, policy, *args):
        self.dir = tempfile.mkdtemp(prefix="bench-")
        self.state, self.run = os.path.join(self.dir, "state"), os.path.join(self.dir, "run")
        for folder in (self.state, self.run):
            os.mkdir(folder, 0o700)
        path = policy
        if "\n" in policy:
            path = os.path.join(self.dir, "router-policy.yaml")
            with open(path, "w") as file:
                file.write(policy)
        self.stderr, self.read_to, self.rest = [], {}, {}
        began, ready = time.monotonic(), threading.Event()
        self.process = subprocess.Popen(
            [binary(), "run", "--policy", path, "--state-dir", self.state, "--runtime-dir", self.run, *args],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

        def read():
            for line in self.process.stderr:
                self.stderr.append(line)
                if line.startswith("ready"):
                    self.ready_s = time.monotonic() - began
                    ready.set()
            ready.set()

        threading.Thread(target=read, daemon=True).start()
        if not ready.wait(20) or self.process.poll() is not None:
            raise SystemExit("the sidecar did not start: " + "".join(self.stderr)[-400:])

    def connect(self):
        tap = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        tap.connect(os.path.join(self.run, "tap.sock"))
        return tap

    def cpu_s(self):
        """CPU seconds of all threads, user and system, as /proc counts them (in ticks of 10 ms)."""
        with open("/proc/%d/stat" % self.process.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def resident_mib(self):
        """Resident memory, and its highest value so far."""
        with open("/proc/%d/status" % self.process.pid) as file:
            rows = dict(line.split(":", 1) for line in file)
        return int(rows["VmRSS"].split()[0]) / 1024, int(rows["VmHWM"].split()[0]) / 1024

    def new_lines(self):
        """What the log has gained since the last call."""
        folder = os.path.join(self.state, "log")
        for name in sorted(n for n in os.listdir(folder) if n.endswith(".ndjson")):
            with open(os.path.join(folder, name), "rb") as file:
                file.seek(self.read_to.get(name, 0))
                data = file.read()
            whole = data.rfind(b"\n") + 1
            self.read_to[name] = self.read_to.get(name, 0) + whole
            yield from data[:whole].splitlines()

    def wait_for(self, kinds, deadline_s=120):
        """Waits until the log has gained so many records of each kind; gives all lines gained."""
        lines, left, end = [], dict(kinds), time.monotonic() + deadline_s
        needles = {kind: b'"kind":"%s"' % kind.encode() for kind in left}
        while any(count > 0 for count in left.values()):
            if time.monotonic() > end or self.process.poll() is not None:
                raise SystemExit("records missing: %s %s" % (left, "".join(self.stderr)[-300:]))
            for line in self.new_lines():
                lines.append(line)
                for kind, needle in needles.items():
                    left[kind] -= needle in line[:200]
            time.sleep(0.02)
        return lines

    def stop(self):
        """Ends the process; true where it ended by itself, with everything flushed."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = -1
        return code == 0

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def check_chain(lines, seq=0, previous="0" * 64):
    """Recomputes sequence, chain and hashes of whole lines, as the contract's section 5 has them."""
    for line in lines:
        place = line.rindex(b',"h":')
        record = json.loads(line)
        assert record["seq"] == seq + 1, "sequence after %d" % seq
        assert record["prev"] == previous, "chain at %d" % record["seq"]
        assert record["h"] == hashlib.sha256(line[:place]).hexdigest(), "hash at %d" % record["seq"]
        seq, previous = record["seq"], record["h"]
    return seq
