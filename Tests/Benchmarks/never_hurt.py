#!/usr/bin/env python3
"""Is the agent ever hurt? A test agent on the real openai and anthropic SDKs, one call after the other against a frontier on
loopback, with no sidecar and with one in every bad state, in one run.

    never_hurt.py [--calls N] [--frontier-us N] [--sdk NAME]...     # 20000 calls in each state; a table for RESULTS.md
    never_hurt.py --short                                           # 400 calls: errors and counts are judged, times only shown

The states take turns in blocks of 50 calls, in an order drawn anew each round, so that whatever else the machine does meets all
alike. Judged: no error anywhere; p50 and p99 beyond "no sidecar" in the same seconds within 2 % or 50 us, whichever is more, with
a 95 % interval (bootstrap over rounds); and every frame accounted for, exactly: attempted = sent + dropped in the client's counters, and
sent = received in the sidecar's balance. A sidecar is killed once it has read what was sent: what a killed one had not read is
lost without a count. The contrast is nginx's `mirror` with a stalled target, by the same agent in the same run.

Needs the release build, gcc, root (a full disk is a small tmpfs), nginx; where an SDK is missing, both are installed into an
environment that is thrown away. Exit 1 where something does not hold.
"""
import argparse
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
sys.path[:0] = [os.path.join(ROOT, "deploy", "clients", "python"), HERE]

BLOCK = 50
LIMIT_US, LIMIT_SHARE = 50.0, 0.02
POLICY = """
models:
  frontier_default: {{provider: openai, name: gpt-x}}
  slow: {{provider: openai, name: slow, endpoint: "http://127.0.0.1:{port}/v1/chat/completions", max_concurrency: 1, max_queue: 1, timeout_ms: 60000}}
tasks:
  watched: {{local: false}}
  asked: {{local: true, min_confidence: 0.5, model: slow}}
"""
TEXT = "The importer crashes on an empty file, see the log below.\n" * 68
CHAT = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-x", "usage": {"prompt_tokens": 900, "completion_tokens": 40, "total_tokens": 940},
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A crash on empty input. " * 8}}]}
MESSAGE = {"id": "m", "type": "message", "role": "assistant", "model": "claude-x", "content": [{"type": "text", "text": "A crash on empty input. " * 8}],
           "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 900, "output_tokens": 40}}


class Problem(Exception):
    """The run itself went wrong."""


def until(condition, what, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Problem("not within %g s: %s" % (seconds, what))
        time.sleep(0.005)


# ------------------------------------------------------------------------------------------------------- what stands around


class Frontier:
    """`fixed_answer serve`: the same answer to every request, after a fixed time."""

    def __init__(self, program, folder, body, microseconds):
        path = os.path.join(folder, "answer-%d.json" % random.getrandbits(32))
        with open(path, "w") as file:
            json.dump(body, file)
        self.process = subprocess.Popen([program, "serve", str(microseconds), path], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def close(self):
        self.process.kill()
        self.process.wait()


class Control(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Sidecar:
    """A supervised sidecar: a shell starts it again when it was killed, unless the file `stay-dead` is there."""

    def __init__(self, folder, name, port, state=None):
        self.folder = os.path.join(folder, name)
        self.state, self.run = state or os.path.join(self.folder, "state"), os.path.join(self.folder, "run")
        for path in (self.folder, self.state, self.run):
            os.makedirs(path, 0o700, exist_ok=True)
        policy = os.path.join(self.folder, "router-policy.yaml")
        with open(policy, "w") as file:
            file.write(POLICY.format(port=port))
        self.tap, self.dead = os.path.join(self.run, "tap.sock"), os.path.join(self.folder, "stay-dead")
        binary = os.environ.get("SHADOW_ROUTER_BIN") or os.path.join(ROOT, ".build", "release", "shadow-router")
        script = 'while [ ! -e "$1" ]; do "$0" run --policy "$2" --state-dir "$3" --runtime-dir "$4" 2>>"$5"; done'
        self.log = os.path.join(self.folder, "stderr")
        self.supervisor = subprocess.Popen(["sh", "-c", script, binary, self.dead, policy, self.state, self.run, self.log], start_new_session=True)
        self.pid = None
        self.ready()

    def ready(self):
        """Waits for an instance other than the last one."""
        def is_new():
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                pid = self.status()["pid"]
                if pid != self.pid:
                    self.pid = pid
                    return True
            return False

        until(is_new, "the sidecar is ready: " + self.log)

    def status(self):
        connection = Control(os.path.join(self.run, "control.sock"))
        try:
            connection.request("GET", "/v1/status")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def kill(self):
        """Returns when the process is gone, its sockets closed."""
        os.kill(self.pid, signal.SIGKILL)
        # Reaped by its supervisor only when its last thread is gone, and with it the sockets.
        until(lambda: not os.path.exists("/proc/%d" % self.pid), "the sidecar is dead")

    def close(self):
        open(self.dead, "w").close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.supervisor.pid, signal.SIGKILL)
        self.supervisor.wait()


# ---------------------------------------------------------------------------------------------------------------- states


class State:
    """One agent beside one sidecar. `received` counts what instances had read before they were killed."""

    name = "no sidecar"
    is_judged = True
    task = "watched"

    def __init__(self, bench, sdk):
        self.rounds, self.errors, self.received, self.cpu_ns = [], 0, 0, 0
        self.bench, self.sidecar, self.observer = bench, None, None
        self.prepare()
        client = bench.client(sdk, self.observer, self.options())
        self.ask = bench.asker(sdk, client)

    def prepare(self):
        pass

    def options(self):
        return {}

    def watch(self, path):
        self.observer = self.bench.shadow_router.Observer(path, agent="never-hurt")

    def at(self, number, call):
        """Before the call of this number in the block of this round; not timed."""

    def block(self, number, calls):
        times, clock, cpu, ask = [], time.perf_counter_ns, time.thread_time_ns, self.ask
        for call in range(calls):
            self.at(number, call)
            began = cpu()
            start = clock()
            try:
                ask(self.task)
            except Exception as problem:
                self.errors += 1
                self.bench.say("%s: %s" % (self.name, type(problem).__name__))
            times.append(clock() - start)
            self.cpu_ns += cpu() - began
        self.rounds.append(sorted(times))

    @property
    def calls(self):
        return sum(map(len, self.rounds))

    def drained(self):
        until(lambda: self.sidecar.status()["balance"]["received"] + self.received == self.observer.counters()["sent"],
              lambda: "%s: received what was sent: %s %s" % (self.name, self.sidecar.status()["balance"], self.observer.counters()))

    def settle(self):
        """Makes the last frames arrive and counts them."""
        if self.sidecar is None:
            return
        self.observer.close(5)
        with contextlib.suppress(Problem):
            self.drained()
        self.received += self.sidecar.status()["balance"]["received"]

    def account(self):
        """(attempted, sent, dropped, received), or None where there is no client of ours."""
        if self.observer is None:
            return None
        counters = self.observer.counters()
        return 2 * self.calls, counters["sent"], counters["dropped"], self.received

    def close(self):
        if self.sidecar is not None:
            self.sidecar.close()


class With(State):
    name = "with it"

    def prepare(self):
        self.sidecar = Sidecar(self.bench.folder, self.bench.fresh(), self.bench.slow.port)
        self.watch(self.sidecar.tap)


class Stopped(With):
    name = "stopped (SIGSTOP)"

    def at(self, number, call):
        if (number, call) == (0, 10):
            os.kill(self.sidecar.pid, signal.SIGSTOP)

    def settle(self):
        os.kill(self.sidecar.pid, signal.SIGCONT)
        super().settle()


class Killed(With):
    name = "killed"

    def at(self, number, call):
        if (number, call) == (0, 10):
            self.drained()
            self.received = self.sidecar.status()["balance"]["received"]
            open(self.sidecar.dead, "w").close()
            self.sidecar.kill()

    def settle(self):
        self.observer.close()


class Restarted(With):
    name = "killed and restarted, again and again"

    def at(self, number, call):
        if number % 10 == 5 and call == BLOCK // 2:
            self.sidecar.ready() if self.restarts else None
            self.drained()
            self.received += self.sidecar.status()["balance"]["received"]
            self.sidecar.kill()
            self.restarts += 1

    def prepare(self):
        super().prepare()
        self.restarts = 0

    def settle(self):
        if self.restarts:
            self.sidecar.ready()
        super().settle()


class Missing(State):
    name = "its socket missing"

    def prepare(self):
        self.watch(os.path.join(self.bench.folder, "nobody.sock"))


class DiskFull(With):
    name = "its disk full"

    def prepare(self):
        self.disk = os.path.join(self.bench.folder, self.bench.fresh())
        os.mkdir(self.disk, 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", self.disk], check=True)
        self.sidecar = Sidecar(self.bench.folder, self.bench.fresh(), self.bench.slow.port, os.path.join(self.disk, "state"))
        self.watch(self.sidecar.tap)
        with open(os.path.join(self.disk, "ballast"), "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096) == 4096:
                pass

    def settle(self):
        super().settle()
        if not self.sidecar.status()["log"]["failing"]:
            raise Problem("the disk was not full")

    def close(self):
        super().close()
        subprocess.run(["umount", "-l", self.disk], check=False)


class QueueFull(With):
    name = "its queue full"
    task = "asked"

    def settle(self):
        super().settle()
        if self.calls > 5 and not self.sidecar.status()["balance"]["received"] > 5:
            raise Problem("nothing was asked")


class Asking(With):
    name = "asked first (decide_ms=50; it says frontier)"
    is_judged = False

    def options(self):
        return {"decide_ms": 50}


STATES = [State, With, Stopped, Killed, Restarted, Missing, DiskFull, QueueFull, Asking]


# ----------------------------------------------------------------------------------------------------------------- agent


class Bench:
    def __init__(self, folder, options):
        import shadow_router

        self.shadow_router, self.folder, self.options = shadow_router, folder, options
        self.number, self.complaints = 0, set()
        self.program = os.path.join(folder, "fixed_answer")
        subprocess.run(["gcc", "-O2", os.path.join(HERE, "fixed_answer.c"), "-o", self.program], check=True)
        self.frontiers = {"openai": Frontier(self.program, folder, CHAT, options.frontier_us),
                          "anthropic": Frontier(self.program, folder, MESSAGE, options.frontier_us)}
        self.slow = Frontier(self.program, folder, CHAT, 30_000_000)

    def fresh(self):
        self.number += 1
        return "s%d" % self.number

    def say(self, complaint):
        if complaint not in self.complaints:
            self.complaints.add(complaint)
            print("ERROR: " + complaint, flush=True)

    def client(self, sdk, observer, options, port=None):
        module = __import__(sdk)
        url = "http://127.0.0.1:%d" % (port or self.frontiers[sdk].port)
        made = {"base_url": url + ("/v1" if sdk == "openai" else ""), "api_key": "none", "max_retries": 0, "timeout": 60}
        if observer is not None:
            base = sys.modules[sdk + "._base_client"]
            library = getattr(base, "httpx2", None) or base.httpx
            made["http_client"] = self.shadow_router.http_client(observer=observer, client_class=module.DefaultHttpxClient, library=library, **options)
        return (module.OpenAI if sdk == "openai" else module.Anthropic)(**made)

    def asker(self, sdk, client):
        messages, context = [{"role": "user", "content": TEXT}], self.shadow_router.context

        def openai(task):
            with context(task_type=task):
                assert client.chat.completions.create(model="gpt-x", messages=messages).choices[0].message.content

        def anthropic(task):
            with context(task_type=task):
                assert client.messages.create(model="claude-x", max_tokens=99, messages=messages).content[0].text

        return openai if sdk == "openai" else anthropic

    def close(self):
        for frontier in (*self.frontiers.values(), self.slow):
            frontier.close()


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))] / 1000


def beyond(base, other, share, resamples, seed=1):
    """By how many microseconds this share of a state's calls lies beyond that of the base: the median over groups of rounds, each
    state's calls compared with the base's of the same seconds, and 95 % of it over groups drawn with replacement. A group is
    as large as it takes for ten calls of it to lie past the share."""
    size = max(1, round(10 / (1 - share) / BLOCK))
    groups = [range(at, min(at + size, len(base))) for at in range(0, max(1, len(base) - size + 1), size)]

    def value(rounds, group):
        return percentile(sorted(time for at in group for time in rounds[at]), share)

    differences = [value(other, group) - value(base, group) for group in groups]
    drawn = random.Random(seed)
    medians = sorted(statistics.median(drawn.choices(differences, k=len(differences))) for _ in range(resamples))
    return statistics.median(differences), medians[int(resamples * 0.025)], medians[min(resamples - 1, int(resamples * 0.975))]


def measure(bench, sdk, options):
    """All states, in turns. Gives the rows of the table and whether all holds."""
    kinds = STATES
    if os.geteuid() != 0:
        print("SKIPPED: a full disk: only root can mount a small tmpfs", flush=True)
        kinds = [kind for kind in STATES if kind is not DiskFull]
    states = []
    try:
        for kind in kinds:
            states.append(kind(bench, sdk))
        for state in states:  # warm: connections, imports, the sidecars' first records
            for _ in range(20):
                state.ask(state.task)
            state.warm = 20
        rounds, order = max(2, options.calls // BLOCK), random.Random(7)
        for number in range(rounds):
            for state in order.sample(states, len(states)):
                state.block(number, BLOCK)
        for state in states:
            state.settle()
        return judge(sdk, states, options)
    finally:
        for state in states:
            state.close()


def judge(sdk, states, options):
    base, rows, holds = states[0], [], True

    def over_all(state, share):
        return percentile(sorted(time for times in state.rounds for time in times), share)

    reference = {share: over_all(base, share) for share in (0.5, 0.99)}
    for state in states:
        cells = [sdk, state.name, "{:,}".format(state.calls), str(state.errors)]
        verdict = [] if state.errors == 0 else ["ERRORS"]
        for share in (0.5, 0.99):
            value = over_all(state, share)
            if state is base:
                cells.append("%.0f us" % value)
                continue
            more, low, high = beyond(base.rounds, state.rounds, share, options.resamples)
            limit = max(LIMIT_US, LIMIT_SHARE * reference[share])
            cells.append("%.0f us: %+.0f (%+.0f to %+.0f), limit %.0f" % (value, more, low, high, limit))
            if state.is_judged and more > limit and not options.short:
                verdict.append("p%g NOT MET" % (share * 100))
        cpu, base_cpu = (one.cpu_ns / one.calls / 1000 for one in (state, base))
        cells.append("%.0f us" % cpu if state is base else "%+.0f us" % (cpu - base_cpu))
        account = state.account()
        if account is not None:
            attempted, sent, dropped, received = account
            attempted += 2 * state.warm
            cells.append("{:,} = {:,} + {:,}; {:,}".format(attempted, sent, dropped, received))
            if attempted != sent + dropped or received != sent:
                verdict.append("NOT ACCOUNTED FOR")
        else:
            cells.append("-")
        holds = holds and not verdict
        cells.append(", ".join(verdict) or ("met" if state is not base and state.is_judged and not options.short else "-"))
        rows.append(cells)
        print(" | ".join(cells), flush=True)
    return rows, holds


# -------------------------------------------------------------------------------------------------------------- contrast

NGINX = """
daemon off; user root; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err crit;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_buffer_size 64k; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 1000000;
  upstream frontier {{ server 127.0.0.1:{frontier}; keepalive 8; keepalive_requests 1000000; }}
  proxy_http_version 1.1; proxy_set_header Connection "";
  server {{ listen 127.0.0.1:{plain}; location / {{ proxy_pass http://frontier; }} }}
  server {{ listen 127.0.0.1:{mirror}; location / {{ mirror /m; mirror_request_body on; proxy_pass http://frontier; }}
    location = /m {{ internal; proxy_read_timeout 2s; proxy_pass http://127.0.0.1:{stalled}$request_uri; }} }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def contrast(bench, calls):
    """The same agent through nginx, without a mirror and with one whose target takes requests and never answers."""
    if shutil.which("nginx") is None:
        print("SKIPPED: the contrast with nginx's mirror: no nginx", flush=True)
        return None
    stalled = socket.create_server(("127.0.0.1", 0))
    held = []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                held.append(stalled.accept()[0])

    threading.Thread(target=accept, daemon=True).start()
    folder, ports = os.path.join(bench.folder, "nginx"), {"plain": free_port(), "mirror": free_port()}
    os.mkdir(folder)
    with open(os.path.join(folder, "nginx.conf"), "w") as file:
        file.write(NGINX.format(folder=folder, frontier=bench.frontiers["openai"].port, stalled=stalled.getsockname()[1], **ports))
    nginx = subprocess.Popen(["nginx", "-c", os.path.join(folder, "nginx.conf")], start_new_session=True)
    try:
        def listens():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ports["mirror"])):
                return True

        until(listens, "nginx listens")
        rates = {}
        for name, count in (("plain", calls), ("mirror", 5)):
            ask = bench.asker("openai", bench.client("openai", None, {}, ports[name]))
            ask("watched")
            start = time.monotonic()
            for _ in range(count):
                ask("watched")
            rates[name] = count / (time.monotonic() - start)
        print("nginx: %.0f calls/s without a mirror, %.2f with a stalled one: %.5f of it" % (rates["plain"], rates["mirror"], rates["mirror"] / rates["plain"]), flush=True)
        return rates
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(nginx.pid, signal.SIGTERM)
        nginx.wait()
        stalled.close()
        for connection in held:
            connection.close()


HEAD = ["SDK", "sidecar", "calls", "errors", "p50: beyond no sidecar (95 %)", "p99: beyond no sidecar (95 %)", "CPU of the agent's thread", "frames: attempted = sent + dropped; received", ""]


def with_sdks(folder):
    """The interpreter again, in an environment that has the SDKs."""
    python = os.path.join(folder, "venv", "bin", "python")
    for command in ([sys.executable, "-m", "venv", os.path.join(folder, "venv")],
                    [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "openai", "anthropic", "httpx"]):
        subprocess.run(command, check=True)
    return subprocess.run([python, os.path.abspath(__file__), *sys.argv[1:]]).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20000, help="calls in each state and SDK (default 20000)")
    parser.add_argument("--frontier-us", type=int, default=1000, help="how long the frontier takes (default 1000)")
    parser.add_argument("--sdk", action="append", choices=["openai", "anthropic"])
    parser.add_argument("--short", action="store_true", help="400 calls; times are shown, not judged")
    parser.add_argument("--no-contrast", action="store_true", help="without nginx")
    parser.add_argument("--resamples", type=int, default=300)
    options = parser.parse_args()
    if options.short:
        options.calls, options.resamples = min(options.calls, 400), 100
    with tempfile.TemporaryDirectory(prefix="never-hurt-") as folder:
        try:
            import anthropic  # noqa: F401
            import openai  # noqa: F401
        except ImportError:
            return with_sdks(folder)
        import table

        about = table.machine()
        for row in about:
            print("%-10s %s" % row)
        bench, rows, holds = Bench(folder, options), [], True
        try:
            for sdk in options.sdk or ["openai", "anthropic"]:
                more, fine = measure(bench, sdk, options)
                rows += more
                holds = holds and fine
            rates = None if options.no_contrast else contrast(bench, min(options.calls, 1000))
        finally:
            bench.close()
        print("\nThe agent beside a sidecar in every state (`Tests/Benchmarks/never_hurt.py --calls %d`, frontier %d us), %s; %s; load %s:\n"
              % (options.calls, options.frontier_us, about[0][1], about[1][1], about[2][1]))
        print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
        for cells in rows:
            print("| " + " | ".join(cells) + " |")
        if rates:
            print("\nThe contrast, same agent and run: nginx %.0f calls/s; with `mirror` to a stalled target %.2f calls/s, %.5f of it."
                  % (rates["plain"], rates["mirror"], rates["mirror"] / rates["plain"]))
        import importlib.metadata

        print("\nopenai %s, anthropic %s, python %s" % (*(importlib.metadata.version(name) for name in ("openai", "anthropic")), sys.version.split()[0]))
        print("never hurt: " + ("holds" if holds else "DOES NOT HOLD"))
        return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
