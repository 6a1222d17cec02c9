"""What every end-to-end test needs: the built binary, a running sidecar, its tap, its control socket and its log.

Standard library only, Python 3.9 or later. A theme is a file `test_THEME.py` whose functions named `test_…` are the
tests; `main(globals())` at its end makes it runnable alone.
"""
import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import stat
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback

# Senders, watchers and fake models are threads of one interpreter: let them take turns quickly.
sys.setswitchinterval(0.0005)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.environ.get("SHADOW_ROUTER_SHARED") or os.path.join(os.path.dirname(ROOT), "shared")
STARTER = os.path.join(ROOT, "policies", "router-policy.yaml")

# A candidate that nobody listens for: calls that need a model are decided `local_unavailable` at once.
NOBODY = 'models:\n  small: {provider: ollama, name: none, endpoint: "http://127.0.0.1:9/api/generate", timeout_ms: 300}\n'
SIMPLE = NOBODY + "tasks:\n  t: {local: false}\n  open: {local: true, min_confidence: 0.5}\n"


class Failed(AssertionError):
    """A claim about the program that did not hold."""


class Skipped(Exception):
    """The test cannot be made here; its text says why."""


def check(condition, message):
    if not condition:
        raise Failed(message() if callable(message) else message)


def equal(got, want, what):
    check(got == want, lambda: "%s: got %s, want %s" % (what, shorten(got), shorten(want)))


def shorten(value, limit=600):
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "…"


def until(condition, what, timeout=20.0, pause=0.02):
    """Waits until `condition()` gives something true, and returns it."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed("%s: not within %g s" % (what() if callable(what) else what, timeout))
        time.sleep(pause)


def shared(*names):
    """A file of the shared folder, or a loud skip."""
    path = os.path.join(SHARED, *names)
    if not os.path.exists(path):
        raise Skipped("%s is not there; set SHADOW_ROUTER_SHARED to the shared folder" % os.path.join("shared", *names))
    return path


def binary():
    choices = [os.environ.get("SHADOW_ROUTER_BIN")]
    choices += [os.path.join(ROOT, ".build", kind, "shadow-router") for kind in ("release", "debug")]
    for path in choices:
        if path and os.access(path, os.X_OK):
            return os.path.abspath(path)
    sys.exit("no built shadow-router: run `swift build -c release`, or set SHADOW_ROUTER_BIN")


def run(*words, input=None, timeout=60, env=None, text=True):
    """One command of the program, to its end."""
    return subprocess.run(
        [binary(), *words], input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
        env={**os.environ, **(env or {})}, **({"encoding": "utf-8", "errors": "surrogateescape"} if text else {}))


def revision(policy):
    return "sha256:" + hashlib.sha256(policy.encode() if isinstance(policy, str) else policy).hexdigest()


def frame(kind, **members):
    return (json.dumps({"kind": kind, **members}) + "\n").encode()


def call(call_id, task="t", text="rename a variable, please", **members):
    return frame("call", call_id=call_id, task_type=task, input=text, **members)


def answer(call_id, output="done", **members):
    return frame("answer", call_id=call_id, output=output, **members)


class Tap:
    """One connection of a sender."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.socket.settimeout(30)
        self.buffer = b""
        self.slowest = 0.0

    def send(self, data):
        start = time.monotonic()
        self.socket.sendall(data)
        self.slowest = max(self.slowest, time.monotonic() - start)

    def receive(self, timeout=10):
        """The next frame of the router; None where it closed the connection."""
        self.socket.settimeout(timeout)
        try:
            while b"\n" not in self.buffer:
                try:
                    data = self.socket.recv(1 << 16)
                except socket.timeout:
                    raise Failed("no reply within %g s" % timeout)
                except ConnectionResetError:
                    return None
                if not data:
                    return None
                self.buffer += data
        finally:
            self.socket.settimeout(30)
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def ask(self, data, timeout=10):
        self.send(data)
        return self.receive(timeout)

    def ping(self, timeout=20):
        """Returns when every frame sent so far has been taken in: frames are handled in order."""
        equal(self.ask(frame("ping"), timeout), {"kind": "pong"}, "the reply to a ping")

    def close(self):
        self.socket.close()


class ControlConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=20):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Sidecar:
    """A running router in folders of its own."""

    def __init__(self, policy=SIMPLE, *options, env=None, state=None, start=True, user=None):
        self.folder = tempfile.mkdtemp(prefix="shadow-router-e2e-")
        self.state = state or os.path.join(self.folder, "state")
        self.runtime = os.path.join(self.folder, "run")
        self.policy = os.path.join(self.folder, "router-policy.yaml")
        self.options, self.env, self.user = list(options), env or {}, user
        self.program = None
        if user is not None:
            os.chown(self.folder, user, user)
            # A copy: another user may not be let into the project's folder.
            self.program = shutil.copy(binary(), os.path.join(self.folder, "shadow-router"))
        self.process, self.stderr, self.taps = None, [], []
        if os.path.isabs(policy) and os.path.exists(policy):
            self.policy = policy
        else:
            self.write_policy(policy)
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close()

    # The process

    @property
    def folders(self):
        return ["--state-dir", self.state, "--runtime-dir", self.runtime, "--policy", self.policy]

    def start(self, wait=20):
        self.process = subprocess.Popen(
            # libfaketime sets a variable as it is loaded, which moves what Swift finds its arguments by: a program before it takes that.
            [*(["env"] if "LD_PRELOAD" in self.env else []), self.program or binary(), "run", *self.folders, *self.options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, env={**os.environ, **self.env},
            **({} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}))
        is_ready, stream = threading.Event(), self.process.stderr

        def read():
            for line in stream:
                self.stderr.append(line.decode("utf-8", "replace"))
                if line.startswith(b"ready"):
                    self.ready_after = time.monotonic() - start
                    is_ready.set()
            is_ready.set()

        start = time.monotonic()
        threading.Thread(target=read, daemon=True).start()
        if not is_ready.wait(wait) or self.process.poll() is not None or not self.is_ready:
            raise Failed("the router did not get ready: " + self.messages[-600:])
        return self

    @property
    def is_ready(self):
        return any(line.startswith("ready") for line in self.stderr)

    @property
    def messages(self):
        return "".join(self.stderr)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, want=0):
        """A clean stop, checked: exit code, in_flight 0 and an exact balance in the `stop` record."""
        self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            raise Failed("SIGTERM did not stop the router within 20 s")
        equal(code, want, "the exit code of a clean stop")
        last = json.loads(last_line(self.state))
        equal(last["kind"], "stop", "the last record after a clean stop")
        equal(last["in_flight"], 0, "in_flight in the stop record")
        equal(last["received"], last["recorded"] + last["answered"] + last["malformed"] + last["shed"],
              "received in the stop record")
        return last

    def crash(self):
        self.signal(signal.SIGKILL)
        self.process.wait()
        self.drop_taps()

    def drop_taps(self):
        for tap in self.taps:
            tap.close()
        self.taps = []

    def close(self):
        self.drop_taps()
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def alive(self):
        check(self.process.poll() is None, lambda: "the router died (%s): %s" % (self.process.poll(), self.messages[-600:]))
        return True

    # Its surroundings

    def tap(self):
        tap = Tap(os.path.join(self.runtime, "tap.sock"))
        self.taps.append(tap)
        return tap

    def write_policy(self, text):
        with open(self.policy + ".new", "wb") as f:
            f.write(text.encode() if isinstance(text, str) else text)
        os.rename(self.policy + ".new", self.policy)

    def command(self, *words, **more):
        return run(words[0], *self.folders, *words[1:], **more)

    def http(self, method, path, body=None, timeout=20):
        connection = ControlConnection(os.path.join(self.runtime, "control.sock"), timeout)
        try:
            connection.request(method, path, body=body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def status(self):
        code, body = self.http("GET", "/v1/status")
        equal(code, 200, "GET /v1/status")
        return json.loads(body)

    def metrics(self):
        """Name with labels → value."""
        code, body = self.http("GET", "/metrics")
        equal(code, 200, "GET /metrics")
        return parse_metrics(body.decode())

    # Its log

    def lines(self):
        return log_lines(self.state)

    def records(self, *kinds):
        """All whole records, or those of some kinds."""
        found = [json.loads(line) for line in self.lines()]
        return [r for r in found if r["kind"] in kinds] if kinds else found

    def decisions(self):
        return {r["call_id"]: r for r in self.records("decision")}

    def count(self, kind):
        needle = b'"kind":"%s"' % kind.encode()
        return sum(needle in line for line in self.lines())

    def wait_for(self, kind, count, timeout=30):
        def there():
            self.alive()
            return self.count(kind) >= count
        until(there, lambda: "%d of %d %s records" % (self.count(kind), count, kind), timeout, 0.05)
        return self.records(kind)

    def decide(self, tap, data, timeout=20):
        """Sends one call and returns its `decision` record."""
        call_id = json.loads(data)["call_id"]
        tap.send(data)
        needle = (b'"call_id":%s,' % json.dumps(call_id).encode(), b'"kind":"decision"')

        def find():
            self.alive()
            for line in self.lines():
                if all(part in line for part in needle):
                    return json.loads(line)
        return until(find, "the decision of " + call_id, timeout)


def files_below(folder):
    """The bytes of every regular file below a folder, by its path from there. A file that a running router replaces meanwhile is read under its new name."""
    while True:
        found = {}
        try:
            for below, _, names in os.walk(folder):
                for path in (os.path.join(below, name) for name in names):
                    if stat.S_ISREG(os.stat(path).st_mode):
                        with open(path, "rb") as file:
                            found[os.path.relpath(path, folder)] = file.read()
            return found
        except FileNotFoundError:
            continue


def log_lines(state):
    """Whole lines of the log; what stands behind the last line feed is not yet a record."""
    folder, lines = os.path.join(state, "log"), []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if name.endswith(".ndjson"):
            with open(os.path.join(folder, name), "rb") as f:
                lines += f.read().split(b"\n")[:-1]
    return lines


def last_line(state):
    """The newest record of a log, however long that is."""
    folder = os.path.join(state, "log")
    for name in sorted(os.listdir(folder), reverse=True):
        if name.endswith(".ndjson"):
            with open(os.path.join(folder, name), "rb") as f:
                f.seek(max(0, os.path.getsize(f.name) - (1 << 17)))
                whole = f.read().split(b"\n")[:-1]
            if whole:
                return whole[-1]
    raise Failed("the log is empty")


def check_chain(lines):
    """Contract, section 5: hash, chain and sequence recomputed here. Returns the number of records."""
    previous, number, log = "0" * 64, 0, None
    for line in lines:
        record = json.loads(line)
        at = line.rindex(b',"h":')
        equal(record["h"], hashlib.sha256(line[:at]).hexdigest(), "h of record %s" % record["seq"])
        equal(record["prev"], previous, "prev of record %s" % record["seq"])
        missing = record["to"] - record["from"] + 1 if record["kind"] == "gap" else 0
        check(record["seq"] in (number + 1, number + 1 + missing), "seq goes from %d to %d" % (number, record["seq"]))
        check(len(line) < 64 << 10, "record %d is longer than 64 KiB" % record["seq"])
        equal(record["v"], 1, "v of record %d" % record["seq"])
        equal(log or record["log"], record["log"], "log of record %d" % record["seq"])
        previous, number, log = record["h"], record["seq"], record["log"]
    return len(lines)


def parse_metrics(text):
    values = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            values[name] = float(value)
    return values


FRAMES = "shadow_router_frames_"
BALANCED = ("decision", "comparison", "outcome")


def balance_of_metrics(values):
    def total(prefix):
        return int(sum(v for name, v in values.items() if name.split("{")[0] == prefix))
    recorded = sum(values.get('shadow_router_log_records_total{kind="%s"}' % kind, 0) for kind in BALANCED)
    return {"received": total(FRAMES + "received_total"), "recorded": int(recorded),
            "answered": total(FRAMES + "answered_total"), "malformed": total(FRAMES + "malformed_total"),
            "shed": total(FRAMES + "shed_total"), "in_flight": total(FRAMES + "in_flight")}


def check_balance(balance, where):
    right = sum(balance[key] for key in ("recorded", "answered", "malformed", "shed", "in_flight"))
    equal(balance["received"], right, "the balance in %s (%s)" % (where, {k: balance[k] for k in balance if "by" not in k}))


class BalanceWatch:
    """Takes snapshots without pause, from /metrics and /v1/status in turn, while the body of the `with` runs."""

    def __init__(self, router):
        self.router, self.snapshots, self.fault = router, 0, None
        self.most_in_flight = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        try:
            while not self.done.is_set():
                if self.snapshots % 2:
                    balance, where = balance_of_metrics(self.router.metrics()), "/metrics"
                else:
                    balance, where = self.router.status()["balance"], "/v1/status"
                check_balance(balance, where)
                self.most_in_flight = max(self.most_in_flight, balance["in_flight"])
                self.snapshots += 1
        except BaseException as fault:
            self.fault = fault

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.done.set()
        self.thread.join(30)
        if kind is None:
            if self.fault:
                raise self.fault
            check(self.snapshots >= 2, "only %d snapshots of the balance were taken" % self.snapshots)


class Server:
    """A plain TCP server, a thread a connection: `serve(socket)` does whatever a fake model does."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.serve, self.open, self.accepted = serve, [], 0
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def endpoint(self):
        return "http://127.0.0.1:%d/api/generate" % self.listener.getsockname()[1]

    def accept(self):
        while True:
            try:
                peer = self.listener.accept()[0]
            except OSError:
                return
            self.accepted += 1
            self.open.append(peer)
            threading.Thread(target=self.run, args=(peer,), daemon=True).start()

    def run(self, peer):
        try:
            self.serve(peer)
        except (OSError, ValueError):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for peer in self.open:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
            peer.close()


def read_request(stream):
    """One HTTP request from a socket's file: its JSON body, or None at the end."""
    length = 0
    first = stream.readline()
    if not first:
        return None
    while True:
        header = stream.readline()
        if header in (b"\r\n", b"\n", b""):
            break
        name, _, value = header.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    return json.loads(stream.read(length) or b"null")


def http_response(status, body, content_type="application/json", length=None, more=""):
    head = "HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n" % (
        status, content_type, len(body) if length is None else length, more)
    return head.encode() + body


def generated(text):
    """Ollama's answer with `text` as the model's words."""
    if not isinstance(text, str):
        text = json.dumps(text)
    body = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "response": text, "done": True,
            "done_reason": "stop", "prompt_eval_count": 17, "eval_count": 5}
    return http_response(200, json.dumps(body).encode())


def ollama(reply):
    """A fake Ollama: `reply(request)` gives the bytes to send, or None to close the connection."""
    def serve(peer):
        stream = peer.makefile("rb")
        while True:
            request = read_request(stream)
            if request is None:
                return peer.close()
            data = reply(request)
            if data is None:
                peer.close()
                return
            peer.sendall(data)
    return Server(serve)


# Running tests

FIGURES = []


def steady_growth(looks):
    """What memory grew by over all looks, were each step between two the median one.

    A leak grows between each two. One flush of the disk that takes seconds lets records wait in memory, and the allocator keeps
    the room: a step that comes once, and no leak.
    """
    return statistics.median(after - before for before, after in zip(looks, looks[1:])) * (len(looks) - 1)


def figure(name, value):
    """A line of the table at the end."""
    FIGURES.append((name, str(value)))


def table(title, rows):
    print("\n  " + title)
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("    " + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
    print(flush=True)


def run_tests(theme, names, counts):
    for name, test in [(n, t) for n, t in names.items() if n.startswith("test_") and callable(t)]:
        title = "%-10s %s" % (theme, name[5:].replace("_", " "))
        start = time.monotonic()
        try:
            test()
        except Skipped as why:
            print("SKIPPED: %s: %s" % (title, why), flush=True)
            counts["skipped"] += 1
        except Exception as fault:
            counts["failed"] += 1
            print("FAIL  %s: %s" % (title, fault or type(fault).__name__), flush=True)
            if not isinstance(fault, Failed):
                traceback.print_exc()
        else:
            counts["passed"] += 1
            print("ok    %-72s %6.1f s" % (title, time.monotonic() - start), flush=True)


def finish(counts):
    if FIGURES:
        table("Figures", FIGURES)
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts, flush=True)
    return 1 if counts["failed"] else 0


def main(names):
    """Runs the tests of one file; words on the command line choose those whose names contain one of them."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    words = sys.argv[1:]
    chosen = {n: t for n, t in names.items() if not words or any(w in n for w in words)}
    theme = os.path.basename(names["__file__"])[len("test_"):-len(".py")]
    run_tests(theme, chosen, counts)
    sys.exit(finish(counts))
