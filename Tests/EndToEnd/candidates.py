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

    def __init__(self, *command, env=None):
        self.process = subprocess.Popen([sys.executable, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
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


def settled(read, pause=0.3, timeout=15):
    """The value of `read()` once it stays the same for a while."""
    end, value = time.monotonic() + timeout, read()
    while True:
        time.sleep(pause)
        new = read()
        if new == value or time.monotonic() > end:
            return new
        value = new
