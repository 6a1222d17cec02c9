"""Model servers that tests share: the classifier behind its fronts, and what /proc says of a process."""
import http.client
import json
import os
import subprocess
import sys
import threading
import time

from sidecar import *

FRONT = os.path.join(ROOT, "Tests", "Support", "anthropic_front.py")
# Format → the policy's provider and the path of the endpoint.
FORMATS = {"ollama generate": ("ollama", "/api/generate"), "ollama chat": ("ollama", "/api/chat"), "openai": ("openai", "/v1/chat/completions"),
           "llama.cpp": ("llamacpp", "/completion"), "anthropic": ("anthropic", "/v1/messages")}
LABELS = ["account_access", "billing", "bug", "feature_request", "shipping"]
CLASSIFIER = "classifier"


class Process:
    """A server in a process of its own that prints `LISTENING PORT`."""

    def __init__(self, *command, env=None, python=sys.executable):
        self.process = subprocess.Popen([python, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
        line = self.process.stdout.readline().split()
        if line[:1] != ["LISTENING"]:
            self.close()
            raise Failed("%s did not start" % os.path.basename(command[0]))
        self.port = int(line[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def url(self, path):
        return "http://127.0.0.1:%d%s" % (self.port, path)


class Classifier(Process):
    """The shared classifier (naive Bayes over the tickets) behind all five formats."""

    def __init__(self, *options):
        examples = shared("tools", "candidate", "tickets.jsonl")
        super().__init__(FRONT, "--port", "0", "--examples", examples, "--name", CLASSIFIER, *options, env={"SHADOW_ROUTER_SHARED": SHARED})

    def busy(self):
        """Requests that are being served."""
        return sum(slot["is_processing"] for slot in self.get("/slots"))

    def seen(self, word):
        """Requests whose body held the word."""
        return self.get("/__seen?word=" + word)["seen"]


class Lateness:
    """How late this machine wakes a sleeper while the body of the `with` runs: what a busy machine adds to every deadline."""

    def __enter__(self):
        self.worst, self.done = 0.0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def watch(self):
        while not self.done.is_set():
            start = time.monotonic()
            time.sleep(0.005)
            self.worst = max(self.worst, time.monotonic() - start - 0.005)

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def threads(pid):
    return len(os.listdir("/proc/%d/task" % pid))


def resident_mib(pid):
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


def least(read, looks=10, pause=0.1):
    """The least of a few looks at a count: a look of our own, or of the router at a server, is a descriptor and a thread too."""
    return min(read() for _ in range(looks) if not time.sleep(pause))


# Scripted servers

MARK = "matrix-call"
GOOD = {"label": "a", "confidence": 0.9}


def said(text, input_tokens=17, output_tokens=5, **more):
    """Ollama's answer to /api/generate with `text` as the model's words."""
    text = text if isinstance(text, str) else json.dumps(text)
    return http_response(200, json.dumps({"model": "m", "created_at": "2026-01-01T00:00:00Z", "response": text, "done": True, "done_reason": "stop",
                                          "prompt_eval_count": input_tokens, "eval_count": output_tokens, **more}).encode())


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body, self.at = method, target, headers, body, time.monotonic()

    @property
    def json(self):
        return json.loads(self.body)


class Scripted(Server):
    """A fake Ollama that keeps what it was asked. `reply(request, number)` answers those whose text holds MARK, counted from 0.

    Everything else, which is the router looking what the server can do, gets a plain answer and is not counted.
    """

    def __init__(self, reply):
        self.reply, self.requests, self.others, self.lock = reply, [], [], threading.Lock()
        super().__init__(self.answer)

    def answer(self, peer):
        stream = peer.makefile("rb")
        while True:
            first = stream.readline()
            if not first:
                return
            headers = []
            while (line := stream.readline()) not in (b"\r\n", b"\n", b""):
                name, _, value = line.partition(b":")
                headers.append((name.strip().lower().decode("latin-1"), value.strip().decode("latin-1")))
            method, target = first.decode("latin-1").split()[:2]
            body = stream.read(int(dict(headers).get("content-length") or 0))
            request = Request(method, target, headers, body)
            with self.lock:
                is_call = MARK.encode() in body
                number = len(self.requests)
                (self.requests if is_call else self.others).append(request)
            data = self.reply(request, number) if is_call else said({"label": "a", "confidence": 0.5}) if method == "POST" else http_response(404, b"{}")
            if data is None:
                return peer.close()
            peer.sendall(data)

    def of(self, call_id):
        return [request for request in self.requests if call_id.encode() in request.body]


def marked(call_id, task="t", **members):
    return call(call_id, task, "%s %s please" % (MARK, call_id), **members)


def in_flight(router):
    return router.status()["balance"]["in_flight"]


def send_paced(router, tap, frames, window, batch=64, after=None):
    """Sends frames with at most about `window` undecided. Gives the seconds that it took until all were decided."""
    start = time.monotonic()
    for at in range(0, len(frames), batch):
        until(lambda: in_flight(router) <= window, "fewer than %d calls in flight" % window, 120, 0.005)
        tap.send(b"".join(frames[at:at + batch]))
        if after:
            after(min(at + batch, len(frames)))
    tap.ping()
    until(lambda: in_flight(router) == 0, "all calls are decided", 120, 0.02)
    return time.monotonic() - start
