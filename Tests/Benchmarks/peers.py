"""The other sides: built at run time from the sources beside the repository, never copied into it."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

from sidecar import ROOT

SHARED = os.path.abspath(os.environ.get("SHADOW_ROUTER_SHARED") or os.path.join(ROOT, "..", "shared"))
PERF = os.path.join(SHARED, "perf")


class Missing(Exception):
    """A peer that cannot be had here, and why."""


class Peers:
    """Builds peers when they are first asked for, in a folder that goes with this value."""

    def __init__(self, pairs):
        if not os.path.isdir(PERF):
            raise Missing("no folder %s: set SHADOW_ROUTER_SHARED" % os.path.relpath(PERF, ROOT))
        self.dir = tempfile.mkdtemp(prefix="bench-peers-")
        self.pairs = pairs
        self.built = {}
        self._events = None

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, *names):
        return os.path.join(PERF, *names)

    @property
    def keywords(self):
        return self.path("b_blocks", "keywords.txt")

    @property
    def events(self):
        """Seeded request and response events; beside them `.txt`, the prompts, one a line."""
        if not self._events:
            self._events = os.path.join(self.dir, "events.ndjson")
            subprocess.run([sys.executable, self.path("b_blocks", "gen_events.py"), str(self.pairs), self._events], check=True)
        return self._events

    def build(self, name, *libraries, extra=()):
        """Compiles b_blocks/NAME as its page says."""
        if name not in self.built:
            compiler = ["g++", "-O3", "-march=native", "-std=c++17"] if name.endswith(".cpp") else ["gcc", "-O3", "-march=native"]
            output = os.path.join(self.dir, name.replace(".", "_"))
            done = subprocess.run([*compiler, self.path("b_blocks", name), *extra, *libraries, "-o", output], capture_output=True, text=True)
            if done.returncode:
                raise Missing("%s does not build here: %s" % (name, done.stderr.strip().splitlines()[0]))
            self.built[name] = output
        return self.built[name]

    def say(self, *command):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Missing("%s failed: %s" % (os.path.basename(command[0]), done.stderr.strip()[-200:]))
        return done.stdout

    def number(self, pattern, text):
        found = re.search(pattern, text)
        if not found:
            raise Missing("a peer said nothing of the form %s" % pattern)
        return float(found[1])

    def pipeline(self, events):
        """Events per CPU second of the C++ reference, after checking that it read them all."""
        text = self.say(self.build("pipeline.cpp", "-lsimdjson", "-lhs", "-lcrypto"), self.events, self.keywords,
                        os.path.join(self.dir, "pipeline.out"), "3")
        assert self.number(r"n=(\d+)", text) == events
        return self.number(r"([\d.]+) events/s\(cpu\)", text)
