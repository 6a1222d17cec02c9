"""A router that answers live: what the suites of live routing share."""
import json

from sidecar import *

# The whole of an answer that is accepted.
GOOD = {"label": "a", "answer": "all of a", "confidence": 0.93}
TASK = "  t: {local: true, labels: [a, b], min_confidence: 0.5, control_share: %s, audit_share: %s%s}\n"


def policy(endpoint="http://127.0.0.1:9/api/generate", control=0, audit=0, more="", model="", rest="", timeout=5000):
    return ('models:\n  small: {provider: ollama, name: small-1, endpoint: "%s", timeout_ms: %d%s}\n' % (endpoint, timeout, model)
            + "  large: {provider: anthropic, name: large-1, price: {input_per_mtok: 3, output_per_mtok: 15}}\n"
            + "  quick: {provider: openai, name: quick-1, price: {input_per_mtok: 0.2, output_per_mtok: 0.8}}\n"
            + "defaults: {frontier: large}\ntasks:\n" + TASK % (control, audit, more)
            + "  shadowed: {local: true, min_confidence: 0.5}\n  never: {local: false}\n" + rest)


def go_live(router, task="t", percent=100):
    """A share of a task answered locally, as an operator does it in a drill."""
    for step in (1, 10, 50, 100):
        if step > percent:
            return
        done = router.command("promote", task, "--percent", str(step), "--override", "--reason", "test", "--approver", "test")
        if "later version" in done.stderr:
            raise Skipped("`promote` is not there yet: no task can go live")
        equal(done.returncode, 0, "promote --percent %d: %s" % (step, done.stderr))


def ask(call_id, **members):
    return call(call_id, **{"reply": True, **members})


class Model:
    """A fake model whose next answers a test can change, and hold back."""

    def __init__(self, answer=GOOD, delay=0.0):
        self.answer, self.delay, self.asked, self.go = answer, delay, 0, threading.Event()
        self.go.set()
        self.server = ollama(self.reply)

    def reply(self, request):
        self.asked += 1
        self.go.wait(30)
        if self.delay:
            time.sleep(self.delay)
        answer = self.answer(request) if callable(self.answer) else self.answer
        return answer if answer is None or isinstance(answer, bytes) else generated(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.go.set()
        self.server.__exit__()

    @property
    def endpoint(self):
        return self.server.endpoint


def told(reply, route, reason=None, detail=None):
    equal((reply["kind"], reply["route"], reply["reason"], reply["detail"]), ("decision", route, reason, detail), "the reply")
    return reply


def recorded(router, call_id):
    return until(lambda: router.decisions().get(call_id), "the decision of " + call_id, 20)
