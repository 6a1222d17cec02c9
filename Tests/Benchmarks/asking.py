"""What asking a model costs beyond the server's own time, against the official `openai` client on the same server."""
import json
import os
import subprocess
import sys

from peers import Missing
from sidecar import HERE, Sidecar
from table import Figure, median, spread

LABELS = ["account_access", "billing", "bug", "feature_request", "shipping"]
# Long enough that 16 questions are under way at once on two cores, short enough that the asker's own time still shows.
SERVER_US = 5000
WARM = 100
TEXT = "The mobile app hangs at the splash logo since the last update, on every start."
SCHEMA = {"type": "object", "properties": {"label": {"type": "string", "enum": LABELS}, "confidence": {"type": "number", "minimum": 0, "maximum": 1}},
          "required": ["label", "confidence"], "additionalProperties": False}
REQUEST = {"model": "fixed", "temperature": 0, "seed": 7, "max_tokens": 512, "logprobs": True, "top_logprobs": 20,
           "messages": [{"role": "system", "content": "Choose exactly one label: %s. Reply with one JSON object and nothing else." % ", ".join(LABELS)},
                        {"role": "user", "content": TEXT}],
           "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}}


def completion(with_log_probabilities):
    """A chat completion as servers give it, with or without the log-probabilities that were asked for."""
    pieces = ['{"', "label", '": "', "bug", '", "', "confidence", '": ', "0", ".", "91", "}"]
    tokens = [{"token": piece, "logprob": -0.01, "bytes": list(piece.encode()),
               "top_logprobs": [{"token": piece, "logprob": -0.01, "bytes": list(piece.encode())}] +
               [{"token": other, "logprob": -5.0 - rank, "bytes": list(other.encode())} for rank, other in
                enumerate((LABELS if piece == "bug" else []) + ["tok%d" % n for n in range(19)]) if other != piece][:19]} for piece in pieces]
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1795227600, "model": "fixed", "system_fingerprint": "fp_1",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "".join(pieces), "refusal": None},
                         "logprobs": {"content": tokens, "refusal": None} if with_log_probabilities else None}],
            "usage": {"prompt_tokens": 90, "completion_tokens": len(pieces), "total_tokens": 90 + len(pieces)}}


def python_with_openai(folder):
    """A Python that has the client: this one, or an environment made for the run."""
    if subprocess.run([sys.executable, "-c", "import openai"], capture_output=True).returncode == 0:
        return sys.executable
    environment = os.path.join(folder, "openai")
    python = os.path.join(environment, "bin", "python")
    for command in ([sys.executable, "-m", "venv", environment], [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "openai"]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Missing("the openai client cannot be installed: %s" % (done.stderr.strip().splitlines() or ["no reason given"])[-1])
    return python


class FixedServer:
    def __init__(self, program, answer):
        self.process = subprocess.Popen([program, "serve", str(SERVER_US), answer], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def microseconds(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise Missing("%s failed: %s" % (os.path.basename(command[0]), done.stderr.strip()[-300:]))
    return [float(line) for line in done.stdout.split()][WARM:]


def routers(port, in_flight, count):
    """`local_latency_ms` of every call, the model's pool being kept at `in_flight`."""
    policy = ('models:\n  fixed: {provider: openai, name: fixed, endpoint: "http://127.0.0.1:%d/v1/chat/completions", timeout_ms: 60000, max_concurrency: %d, max_queue: 100000}\n'
              "tasks:\n  t: {local: true, labels: [%s], min_confidence: 0.5}\n" % (port, in_flight, ", ".join(LABELS)))
    sidecar = Sidecar(policy)
    try:
        tap = sidecar.connect()
        tap.sendall(b"".join(json.dumps({"kind": "call", "call_id": "a%d" % i, "task_type": "t", "input": TEXT}).encode() + b"\n" for i in range(count)))
        found = [json.loads(line) for line in sidecar.wait_for({"decision": count}) if b'"kind":"decision"' in line]
        unasked = [(r["reason"], r["detail"]) for r in found if r["label"] != "bug" or r["attempts"] != 1]
        if unasked:
            raise Missing("%d of %d calls were not answered, such as %s" % (len(unasked), count, unasked[0]))
        return [r["local_latency_ms"] * 1e3 for r in found][WARM:]
    finally:
        sidecar.close()


def asking(peers, pairs):
    """A call's time beyond the server's own, 1 and 16 in flight, against the official openai client, sync and async."""
    program, request = os.path.join(peers.dir, "fixed_answer"), os.path.join(peers.dir, "request.json")
    built = subprocess.run(["gcc", "-O2", os.path.join(HERE, "fixed_answer.c"), "-o", program], capture_output=True, text=True)
    if built.returncode:
        raise Missing("fixed_answer.c does not build here: %s" % built.stderr.strip().splitlines()[0])
    python = python_with_openai(peers.dir)
    with open(request, "w") as file:
        json.dump(REQUEST, file)
    for with_log_probabilities in (False, True):
        answer = os.path.join(peers.dir, "answer.json")
        with open(answer, "w") as file:
            json.dump(completion(with_log_probabilities), file)
        with FixedServer(program, answer) as server:
            url = "http://127.0.0.1:%d/v1" % server.port
            for in_flight in (1, 16):
                count = WARM + 300 * (4 if in_flight > 1 else 1)
                ours, theirs = [], {"sync": [], "async": []}
                for _ in range(pairs):
                    own = median(microseconds(program, "ask", str(server.port), str(count), str(in_flight), request))
                    ours.append(median(routers(server.port, in_flight, count)) - own)
                    for kind, values in theirs.items():
                        values.append(median(microseconds(python, os.path.join(HERE, "openai_client.py"), url, kind, str(in_flight), str(count), request)) - own)
                for kind, values in theirs.items():
                    yield Figure("asking, %d in flight, beyond the server's %.1f ms" % (in_flight, SERVER_US / 1e3), "%s us" % spread(ours), "openai client (%s) %s us" % (kind, spread(values)),
                                 median(ours) / median(values), 1 / 3, 1 / 5, at_most=True, note="log-probabilities" if with_log_probabilities else "plain answer")
