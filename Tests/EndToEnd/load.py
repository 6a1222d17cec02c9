"""What the tests under load share: the sender in C, memory as the kernel counts it, connections that misbehave."""
import os

from sidecar import *

SENDER = os.path.join(ROOT, "Tests", "Support", "sender.c")


class Senders:
    """The sender, built for a test: agents' clients at a steady rate, which never wait."""

    def __enter__(self):
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise Skipped("no C compiler, which the sender needs")
        self.folder = tempfile.mkdtemp(prefix="shadow-router-sender-")
        self.path = os.path.join(self.folder, "sender")
        subprocess.run([compiler, "-O2", "-o", self.path, SENDER], check=True)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def send(self, router, rate, seconds, size, connections=4, prefix="c", answers=False):
        """Runs to its end; see sender.c for what it gives."""
        words = [self.path, os.path.join(router.runtime, "tap.sock"), str(rate), str(seconds), str(size), str(connections), prefix]
        done = subprocess.run(words + (["answers"] if answers else []), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds + 120)
        check(done.returncode == 0, lambda: "the sender: %s; the router: %s" % (done.stderr, router.messages[-400:]))
        return json.loads(done.stdout)


def memory_mib(router):
    """Resident memory now, and the highest so far."""
    with open("/proc/%d/status" % router.process.pid) as f:
        rows = dict(line.split(":", 1) for line in f)
    return int(rows["VmRSS"].split()[0]) / 1024, int(rows["VmHWM"].split()[0]) / 1024


class MemoryWatch:
    """Resident memory, once a second, while the body of the `with` runs."""

    def __init__(self, router):
        self.router, self.samples, self.done = router, [], threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        start = time.monotonic()
        while not self.done.wait(1):
            with contextlib.suppress(OSError):
                self.samples.append((time.monotonic() - start, memory_mib(self.router)[0]))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join(5)

    def mean(self, start, end):
        """Over a part of the time, given as shares of it."""
        values = [mib for at, mib in self.samples[int(len(self.samples) * start):max(1, int(len(self.samples) * end))]]
        return sum(values) / len(values)


def totals(sent):
    """The sums of what several senders printed; of the slowest write the slowest."""
    return {key: (max if key in ("slowest_us", "seconds") else sum)(each[key] for each in sent) for key in sent[0]}


def check_exact(stop, sent):
    """Every frame that a sender made is in the router's balance, or the sender dropped it and the router knows."""
    equal(stop["received"], sent["written"], "frames received and written")
    equal(stop["lost_by_sender"], sent["dropped"], "frames that the router misses and that senders dropped")
    equal(stop["answered"], sent["pings"], "pongs")
    equal((stop["malformed"], stop["in_flight"]), (0, 0), "malformed and in flight")


def stream(router, *kinds):
    """Lines of records of some kinds, one after the other: a long log does not fit into memory."""
    folder, needles = os.path.join(router.state, "log"), [b'"kind":"%s"' % kind.encode() for kind in kinds]
    for name in sorted(os.listdir(folder)):
        if name.endswith(".ndjson"):
            with open(os.path.join(folder, name), "rb") as f:
                for line in f:
                    if any(needle in line[:300] for needle in needles):
                        yield line


def count_kinds(router, *kinds):
    return {kind: sum(1 for _ in stream(router, kind)) for kind in kinds}


class Crowd:
    """Many connections of one process; closed at the end."""

    def __init__(self, router):
        self.path, self.peers = os.path.join(router.runtime, "tap.sock"), []

    def connect(self, wait=0.2):
        """One more; None where the router's queue of connections is full."""
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        peer.settimeout(wait)
        try:
            peer.connect(self.path)
        except (BlockingIOError, socket.timeout):
            peer.close()
            return None
        self.peers.append(peer)
        return peer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for peer in self.peers:
            peer.close()


def is_closed(peer, wait=1.0):
    """Whether the router ended a connection."""
    peer.settimeout(wait)
    try:
        return peer.recv(1) == b""
    except socket.timeout:
        return False
    except OSError:
        return True


def send_what_fits(peer, data):
    """Sends without waiting; how much the socket took."""
    sent = 0
    peer.setblocking(False)
    try:
        while sent < len(data):
            sent += peer.send(data[sent:])
    except BlockingIOError:
        pass
    return sent


def limits(router):
    return router.status()["limits"]
