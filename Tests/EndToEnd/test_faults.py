"""Every fault of a model server on every wire format: the right reason and detail, in time, and nothing left behind.

The faults are those of the shared classifier's server (see anthropic_front.py), one model and one task a fault, so that
one sidecar asks them all at once. The expected words are the contract's, section 3.
"""
import calendar
import json
import time

from candidates import *

TIMEOUT_MS = 1000
SLACK_MS = 250
# Rounds of all faults, then of those that do not take a whole deadline.
ROUNDS, QUICK_ROUNDS = 2, 10

ACCEPTED = (None, None)
# Fault → reason and detail.
FAULTS = {
    "": ACCEPTED,
    "latency=150": ACCEPTED,
    "jitter=150": ACCEPTED,
    "fence": (None, "fence"),
    "hang": ("local_unavailable", "timeout"),
    "drip=100": ("local_unavailable", "timeout"),
    "latency=%d" % (2 * TIMEOUT_MS): ("local_unavailable", "timeout"),
    "500": ("local_unavailable", "status_500"),
    "503": ("local_unavailable", "status_503"),
    "429=1": ("local_unavailable", "status_429"),
    "529": ("local_unavailable", "status_529"),
    "404": ("local_unavailable", "status_404"),
    "401": ("local_unavailable", "status_401"),
    "truncate": ("local_unavailable", "bad_response"),
    "html": ("local_unavailable", "bad_response"),
    "nan": ("local_unavailable", "bad_response"),
    "wrong_type": ("local_unavailable", "bad_response"),
    "gzip_lie": ("local_unavailable", "content_encoding"),
    "huge=6000": ("local_unavailable", "response_too_large"),
    "short_body": ("local_unavailable", "short_body"),
    "reset": ("local_unavailable", "connection_lost"),
    "reset_mid": ("local_unavailable", "connection_lost"),
    "close": ("local_unavailable", "connection_lost"),
    "invalid_schema": ("schema_invalid", "confidence_not_a_number"),
    "wrong_label": ("schema_invalid", "label_not_in_set"),
    "low_high_conf": ("schema_invalid", "confidence_out_of_range"),
    "prose": ("schema_invalid", "not_json"),
    "empty": ("schema_invalid", "empty"),
}
# The same with `stream: true`, where the fault has a sense in a stream.
STREAMED = {
    "stream_error": ("local_unavailable", "stream_error"),
    "no_done": ("local_unavailable", "stream_incomplete"),
    "": ACCEPTED,
    "fence": (None, "fence"),
    "hang": ("local_unavailable", "timeout"),
    "drip=100": ("local_unavailable", "timeout"),
    "500": ("local_unavailable", "status_500"),
    "reset": ("local_unavailable", "connection_lost"),
    "reset_mid": ("local_unavailable", "connection_lost"),
    "close": ("local_unavailable", "connection_lost"),
    "wrong_label": ("schema_invalid", "label_not_in_set"),
    "low_high_conf": ("schema_invalid", "confidence_out_of_range"),
    "prose": ("schema_invalid", "not_json"),
    "empty": ("schema_invalid", "empty"),
}
NAMES = {"latency", "jitter", "hang", "500", "503", "429", "529", "404", "401", "truncate", "short_body", "invalid_schema", "wrong_label", "low_high_conf", "prose",
         "fence", "empty", "wrong_type", "drip", "reset", "reset_mid", "close", "stream_error", "no_done", "huge", "html", "nan", "gzip_lie"}


class Case:
    """One fault, one model, one task."""

    def __init__(self, number, fault, is_streamed, expected):
        self.id, self.fault, self.is_streamed = "f%02d" % number, fault, is_streamed
        self.reason, self.detail = expected
        self.asked = 0
        self.title = ("stream " if is_streamed else "") + (fault or "no fault")

    def model(self, server, provider, path):
        # /completion names no model, so its fault stands in the address as well.
        target = path + ("?fault=" + self.fault if provider == "llamacpp" and self.fault else "")
        name = CLASSIFIER + ("+" + self.fault if self.fault else "")
        return '  %s: {provider: %s, name: "%s", endpoint: "%s", timeout_ms: %d, max_concurrency: 1, breaker: {failures: 1000, cooldown_ms: 1000}%s}\n' % (
            self.id, provider, name, server.url(target), TIMEOUT_MS, ", stream: true" if self.is_streamed else "")

    def task(self):
        return "  %s: {local: true, model: %s, labels: [%s], min_confidence: 0}\n" % (self.id, self.id, ", ".join(LABELS))


def cases():
    both = [(fault, False, expected) for fault, expected in FAULTS.items()] + [(fault, True, expected) for fault, expected in STREAMED.items()]
    return [Case(number, *case) for number, case in enumerate(both)]


def milliseconds(ts):
    return calendar.timegm(time.strptime(ts[:19], "%Y-%m-%dT%H:%M:%S")) * 1000 + int(ts[20:23])


class Wrong(list):
    """Faults found, all of them told at once."""

    def equal(self, got, want, what):
        if got != want:
            self.append("%s: got %s, want %s" % (what, shorten(got), shorten(want)))


def one_round(router, tap, number, all_cases):
    """Asks every case once. Gives the decisions and, a case, how long after its frame was sent it was decided."""
    before = router.count("decision")
    sent = time.time() * 1000
    tap.send(b"".join(call("%s-%d" % (case.id, number), case.id, "The timer counts backwards") for case in all_cases))
    router.wait_for("decision", before + len(all_cases), TIMEOUT_MS / 1000 + 20)
    found = router.decisions()
    for case in all_cases:
        case.asked += 1
    records = {case.id: found["%s-%d" % (case.id, number)] for case in all_cases}
    return records, {case_id: milliseconds(record["ts"]) - sent for case_id, record in records.items()}


def judge(case, record, wrong):
    wrong.equal((record["reason"], record["route_candidate"]), (case.reason, "frontier" if case.reason else "local"), "%s: reason (detail %r)" % (case.title, record["detail"]))
    if record["reason"] == case.reason:
        wrong.equal(record["detail"], case.detail, case.title + ": detail")
    wrong.equal(record["local_model_id"], case.id, case.title + ": local_model_id")
    wrong.equal(record["fallback_triggered"], case.reason is not None, case.title + ": fallback_triggered")
    if case.reason is None:
        if record["label"] not in LABELS:
            wrong.append("%s: label %r" % (case.title, record["label"]))
        if not (record["local_input_tokens"] or 0) > 0:
            wrong.append("%s: local_input_tokens %r" % (case.title, record["local_input_tokens"]))


def judge_counters(router, all_cases, wrong):
    metrics = router.metrics()
    errors = {name: value for name, value in metrics.items() if name.startswith("shadow_router_candidate_errors_total")}
    for case in all_cases:
        mine = {name: value for name, value in errors.items() if 'model="%s"' % case.id in name and value}
        want = {'shadow_router_candidate_errors_total{model="%s",cause="%s"}' % (case.id, case.detail): case.asked} if case.reason == "local_unavailable" else {}
        wrong.equal(mine, want, case.title + ": candidate_errors_total")
        decided = {name: value for name, value in metrics.items() if name.startswith('shadow_router_decisions_total{task="%s"' % case.id) and value}
        route, reason = ("frontier", case.reason) if case.reason else ("local", "")
        wrong.equal(decided, {'shadow_router_decisions_total{task="%s",route_candidate="%s",reason="%s"}' % (case.id, route, reason): case.asked},
                    case.title + ": decisions_total")


def matrix(name, all_cases):
    provider, path = FORMATS[name]
    with Classifier("--slots", "128") as server:
        policy = "models:\n" + "".join(c.model(server, provider, path) for c in all_cases) + "tasks:\n" + "".join(c.task() for c in all_cases)
        with Sidecar(policy) as router:
            pid, tap, wrong = router.process.pid, router.tap(), Wrong()
            router.status()
            threads_before, late = threads(pid), 0.0
            quick = [case for case in all_cases if case.detail != "timeout"]
            for number, these in enumerate([all_cases] * ROUNDS + [quick] * QUICK_ROUNDS):
                with Lateness() as machine:
                    records, times = one_round(router, tap, number, these)
                # In the first round the tap starts a model's threads between one frame and the next.
                slack = (4 * SLACK_MS if number == 0 else SLACK_MS) + machine.worst * 1000
                for case in these:
                    over = times[case.id] - TIMEOUT_MS
                    if over > slack:
                        wrong.append("%s: decided %.0f ms after its deadline (the machine itself was %.0f ms late)" % (case.title, over, machine.worst * 1000))
                    if number > 0:
                        late = max(late, over)
                    judge(case, records[case.id], wrong)
                router.alive()
                if number == ROUNDS - 1:
                    first = least(lambda: descriptors(pid)), least(lambda: threads(pid), 3)
            last = least(lambda: descriptors(pid)), least(lambda: threads(pid), 3)
            # A stream is over before its connection is: whether that is kept depends on what came in the same read.
            loose = sum(case.is_streamed and case.reason != "local_unavailable" for case in all_cases)
            if last[0] > first[0] + loose or last[1] > first[1]:
                wrong.append("descriptors and threads: %d and %d after %d rounds, %d and %d after %d" % (*first, ROUNDS, *last, ROUNDS + QUICK_ROUNDS))
            # At most one thread a model as max_concurrency says, one more a model for its deadlines, and two that look at servers and answer us.
            if last[1] > threads_before + 2 * len(all_cases) + 2:
                wrong.append("threads: %d before, %d after, %d models" % (threads_before, last[1], len(all_cases)))
            judge_counters(router, all_cases, wrong)
            # A given-up request is really cancelled: the server sees its connection closed.
            until(lambda: server.busy() == 0, "the server is rid of every given-up request", 10)
            balance = router.status()["balance"]
            check_balance(balance, "/v1/status")
            wrong.equal((balance["received"], balance["in_flight"], balance["shed"]), (sum(case.asked for case in all_cases), 0, 0), "frames received, in flight, shed")
            well = [case for case in all_cases if case.fault == ""]
            for case in well:
                record = router.decide(tap, call("last-" + case.id, case.id, "Sorting by date puts 2019 first"))
                wrong.equal(record["reason"], None, case.title + ": a normal call at the end (detail %r)" % record["detail"])
            router.stop()
            check_chain(router.lines())
            check(not wrong, lambda: "%d faults in %s:\n    %s" % (len(wrong), name, "\n    ".join(wrong)))
    figure("%s: calls, latest decision against its deadline of %d ms" % (name, TIMEOUT_MS), "%d, %+.0f ms" % (sum(case.asked for case in all_cases), late))


def test_the_table_names_all_28_faults():
    named = {fault.partition("=")[0] for fault in list(FAULTS) + list(STREAMED)} - {""}
    equal(sorted(named), sorted(NAMES), "faults in the table")
    equal(len(NAMES), 28, "faults")


def test_ollama_generate():
    matrix("ollama generate", cases())


def test_ollama_chat():
    matrix("ollama chat", cases())


def test_openai():
    matrix("openai", cases())


def test_llama_cpp_completion():
    matrix("llama.cpp", cases())


def test_anthropic_messages():
    matrix("anthropic", cases())


def test_the_anthropic_front_is_what_the_official_client_expects():
    try:
        import anthropic
    except ImportError:
        raise Skipped("python3 has no anthropic: pip install anthropic")
    schema = {"type": "object", "properties": {"label": {"type": "string", "enum": LABELS}, "confidence": {"type": "number"}}, "required": ["label", "confidence"]}
    question = {"max_tokens": 100, "system": "Choose a label.", "messages": [{"role": "user", "content": "The timer counts backwards"}],
                "tools": [{"name": "give_answer", "description": "The answer.", "input_schema": schema}], "tool_choice": {"type": "tool", "name": "give_answer"}}
    with Classifier("--key", "k") as server, anthropic.Anthropic(api_key="k", base_url=server.url(""), max_retries=0, timeout=10) as client:
        message = client.messages.create(model=CLASSIFIER, **question)
        with client.messages.stream(model=CLASSIFIER, **question) as stream:
            streamed = stream.get_final_message()
        for answer in (message, streamed):
            equal((answer.stop_reason, [block.type for block in answer.content]), ("tool_use", ["tool_use"]), "the answer")
            check(answer.content[0].input["label"] in LABELS and answer.usage.output_tokens > 0, "label and usage of the answer")
        equal(client.models.retrieve(CLASSIFIER).id, CLASSIFIER, "the model")
        for fault, kind in (("529", anthropic.InternalServerError), ("429=3", anthropic.RateLimitError), ("401", anthropic.AuthenticationError), ("404", anthropic.NotFoundError)):
            try:
                client.messages.create(model=CLASSIFIER + "+" + fault, **question)
                raise Failed("fault %s: an answer" % fault)
            except anthropic.APIStatusError as error:
                equal((error.status_code, error.body["type"]), (int(fault[:3]), "error"), "fault " + fault)
                check(isinstance(error, kind), "fault %s is a %s" % (fault, type(error).__name__))
        for fault in ("stream_error", "reset_mid"):
            try:
                with client.messages.stream(model=CLASSIFIER + "+" + fault, **question) as stream:
                    stream.get_final_message()
                raise Failed("fault %s in a stream: an answer" % fault)
            except Failed:
                raise
            except Exception as error:
                check(fault != "stream_error" or error.body["error"]["type"] == "overloaded_error", "the error in the stream")


if __name__ == "__main__":
    main(globals())
