#!/usr/bin/env python3
"""Runs the commands of README.md, in order and as written: a reader who pastes them must get what it says.

    Tests/EndToEnd/readme.py [--show]        # --show prints what the commands print

Every fenced block marked `sh` is run, but for the two set-up commands (deploy/demo and deploy/test), in a copy of the folders that the commands
name, with a state of its own. All blocks share one shell, so that what one exports holds in the next. A block that is `shadow-router run` alone is
what a reader leaves running in a terminal of its own. Blocks marked `python` are compiled, and run where they need no SDK (with the
SDKs: Tests/Clients).

The binary is SHADOW_ROUTER_BIN, else .build/release/shadow-router.
"""
import base64
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
SETUP = {"deploy/demo", "deploy/test"}
SERVER = "shadow-router run"
SECONDS = 60


def blocks():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    return re.findall(r"^```(sh|python)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class Shell:
    """One bash for all blocks: the end of each is told by a line that no command prints."""

    END = "@@end-of-block@@"

    def __init__(self, folder, environment):
        self.block = os.path.join(folder, "block.sh")
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"], cwd=folder, env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)

    def run(self, commands):
        """Exit code and output. A block stops at its first failing command, yet what it exported holds in the next."""
        with open(self.block, "w", encoding="utf-8") as file:
            # Not a subshell with `set -e`: that would lose what the block exports.
            file.write("trap 'code=$?; trap - ERR; return $code' ERR\n%s\ntrap - ERR\n" % commands)
        output = []
        watchdog = threading.Timer(SECONDS, self.close)
        watchdog.start()
        try:
            self.process.stdin.write("set -o pipefail; source %s </dev/null; code=$?; echo; echo %s $code\n" % (self.block, self.END))
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line.startswith(self.END):
                    return int(line.split()[1]), "".join(output).rstrip("\n")
                output.append(line)
        except BrokenPipeError:
            pass
        finally:
            watchdog.cancel()
        return 124, "".join(output)

    def close(self):
        """Ends the shell and whatever it still runs."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)


def serve(folder, environment, log):
    """Starts the sidecar as the README does and waits for its `ready`."""
    with open(log, "wb") as file:
        process = subprocess.Popen(["bash", "-c", "exec " + SERVER], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=file, stderr=file)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with open(log, encoding="utf-8", errors="replace") as file:
            if any(line.startswith("ready") for line in file):
                return process
        time.sleep(0.02)
    process.kill()
    process.wait()
    return None


def prepare(folder):
    binary = os.environ.get("SHADOW_ROUTER_BIN") or os.path.join(ROOT, ".build", "release", "shadow-router")
    if not os.access(binary, os.X_OK):
        sys.exit("no release build at %s" % binary)
    for name in ["policies", "deploy"]:
        shutil.copytree(os.path.join(ROOT, name), os.path.join(folder, name))
    os.makedirs(os.path.join(folder, ".build", "release"))
    os.symlink(os.path.abspath(binary), os.path.join(folder, ".build", "release", "shadow-router"))


def main():
    show = "--show" in sys.argv[1:]
    folder = tempfile.mkdtemp(prefix="readme-")
    environment = dict(os.environ, SHADOW_ROUTER_STATE_DIR=os.path.join(folder, "state"),
                       SHADOW_ROUTER_RUNTIME_DIR=os.path.join(folder, "run"), NO_COLOR="1",
                       SHADOW_ROUTER_TAP=os.path.join(folder, "run", "tap.sock"),
                       PYTHONPATH=os.path.join(folder, "deploy", "clients", "python"))
    environment.pop("SHADOW_ROUTER_POLICY", None)
    counts = {"passed": 0, "failed": 0}
    servers = []
    prepare(folder)
    shell = Shell(folder, environment)

    def judge(title, code, output):
        counts["passed" if code == 0 else "failed"] += 1
        if code != 0 or show:
            print("%s: %s\n%s\n" % ("ok" if code == 0 else "FAILED (exit %d)" % code, title, output))

    try:
        for kind, text in blocks():
            commands = text.strip()
            if commands in SETUP:
                SETUP.remove(commands)
            elif kind == "python":
                compile(text, "README.md", "exec")
                if not re.search(r"import .*\b(openai|anthropic|litellm)\b", text):
                    done = subprocess.run([sys.executable, "-W", "error", "-c", text], env=environment, cwd=folder, timeout=SECONDS,
                                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                    judge(commands, done.returncode, done.stdout)
            elif commands == SERVER:
                # It runs in a terminal of its own, which has what the earlier blocks exported.
                _, exported = shell.run("env -0 | base64 -w0")
                pairs = base64.b64decode(exported.strip()).decode().split("\0")
                log = os.path.join(folder, "run.log")
                server = serve(folder, dict(pair.split("=", 1) for pair in pairs if "=" in pair), log)
                with open(log, encoding="utf-8", errors="replace") as file:
                    judge(commands, 0 if server else 1, file.read())
                if server:
                    servers.append(server)
            else:
                code, output = shell.run(commands)
                judge(commands, code, output)
        # What the README tells about has to be there: else the commands ran beside the point.
        with open(os.path.join(folder, "report.html"), encoding="utf-8") as file:
            judge("the report is a page", 0 if "</html>" in file.read() else 1, "report.html has no end")
        # The client never complains, so only the log can say that its call came.
        deadline = time.monotonic() + 10
        while "triage-bot" not in (output := shell.run("shadow-router tail --json")[1]) and time.monotonic() < deadline:
            time.sleep(0.05)
        judge("the Python client's call is in the log", 0 if "triage-bot" in output else 1, output)
        for server in servers:
            judge("the sidecar still runs", 0 if server.poll() is None else 1, "it stopped by itself")
            server.send_signal(signal.SIGTERM)
            judge("the sidecar stops cleanly", server.wait(timeout=SECONDS), "")
        if SETUP:
            judge("the set-up commands stand in README.md", 1, "missing: " + ", ".join(sorted(SETUP)))
        if not servers:
            judge("the sidecar was started", 1, "no block is `%s`" % SERVER)
    finally:
        shell.close()
        for server in servers:
            if server.poll() is None:
                server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print("README: %d blocks and claims hold, %d do not" % (counts["passed"], counts["failed"]))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
