"""The tap: every kind of frame, every way to be malformed, framing, replies, and the balance (contract, section 2)."""
import collections
import gzip
import json
import socket
import sys
import threading
import time

from sidecar import *

# Cause → frames that are malformed by it. `{id}` becomes an id of its own; all ask for a reply where they can.
LONG = "x" * 257
MALFORMED = {
    "not_json": [
        b"{not json}", b"", b"   ", b"[]", b'"call"', b"null", b"12", b'{"kind":"call"', b'{"kind":"ping"} {}', b'{"kind":"ping",}',
        b"{'kind':'ping'}", b'\xef\xbb\xbf{"kind":"ping"}', b'{"kind":"ping","x":"\xff"}', b'{"kind":"ping","x":"\xed\xa0\x80"}',
        b'{"kind":"ping","x":"\t"}', b'{"kind":"ping","x":01}', b'{"kind":"ping","x":NaN}', b'{"kind":"ping"}\x00',
        b'{"kind":"ping","x":1,"x":2} {}'],
    "duplicate_member": [
        b'{"kind":"call","call_id":"{id}","input":"a","input":"b"}',
        b'{"kind":"call","call_id":"{id}","input":"a","input":"b","reply":true}',
        b'{"kind":"call","call_id":"{id}","input":"a","reply":true,"reply":false}',
        b'{"kind":"ping","kind":"ping"}',
        b'{"kind":"call","call_id":"{id}","input":"a","x":1,"\\u0078":2}'],
    "no_kind": [b"{}", b'{"call_id":"{id}","input":"a","reply":true}', b'{"kind":null,"call_id":"{id}","input":"a"}'],
    "unknown_kind": [b'{"kind":"cal"}', b'{"kind":"Call","call_id":"{id}","input":"a"}', b'{"kind":7}', b'{"kind":["call"]}',
                     b'{"kind":"","reply":true}', b'{"kind":"decision","call_id":"{id}"}', b'{"kind":"pong"}'],
    "no_call_id": [
        b'{"kind":"call","input":"a","reply":true}', b'{"kind":"call","call_id":null,"input":"a"}',
        b'{"kind":"call","call_id":"","input":"a"}', b'{"kind":"answer","output":"a"}'],
    "too_long": [
        b'{"kind":"call","call_id":"%s","input":"a","reply":true}' % (b"i" * 129),
        b'{"kind":"answer","call_id":"%s","output":"a"}' % (b"i" * 129),
    ] + [b'{"kind":"call","call_id":"{id}","input":"a","%s":"%s"}' % (name, LONG.encode()) for name in (
        b"task_id", b"run_id", b"agent", b"step", b"tenant", b"user_group", b"traceparent")],
    "no_input": [b'{"kind":"call","call_id":"{id}","reply":true}', b'{"kind":"call","call_id":"{id}","input":null}',
                 b'{"kind":"call","call_id":"{id}","input":null,"messages":null,"request":null}'],
    "two_inputs": [
        b'{"kind":"call","call_id":"{id}","input":"a","messages":[],"reply":true}',
        b'{"kind":"call","call_id":"{id}","input":"","request":{"model":"m","input":"a"}}',
        b'{"kind":"call","call_id":"{id}","messages":[],"request":{"model":"m","input":"a"}}',
        b'{"kind":"call","call_id":"{id}","input":"a","messages":[],"request":{"model":"m","input":"a"}}'],
    "unknown_shape": [
        b'{"kind":"call","call_id":"{id}","request":{},"reply":true}', b'{"kind":"call","call_id":"{id}","request":[]}',
        b'{"kind":"call","call_id":"{id}","request":"prompt"}', b'{"kind":"call","call_id":"{id}","request":{"messages":"hi"}}',
        b'{"kind":"call","call_id":"{id}","request":{"query":"hi"}}'],
    "unknown_shape_google_generate_content": [
        b'{"kind":"call","call_id":"{id}","request":{"contents":[{"parts":[{"text":"hi"}]}]},"reply":true}'],
    "unknown_shape_bedrock_converse": [
        b'{"kind":"call","call_id":"{id}","request":{"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{}}}'],
    "wrong_type": [
        b'{"kind":"call","call_id":7,"input":"a","reply":true}', b'{"kind":"call","call_id":"{id}","input":7}',
        b'{"kind":"call","call_id":"{id}","input":["a"]}', b'{"kind":"call","call_id":"{id}","messages":"a"}',
        b'{"kind":"call","call_id":"{id}","messages":["a"]}', b'{"kind":"call","call_id":"{id}","input":"a","task_type":7}',
        b'{"kind":"call","call_id":"{id}","input":"a","reply":"yes"}', b'{"kind":"call","call_id":"{id}","input":"a","signals":[]}',
        b'{"kind":"call","call_id":"{id}","input":"a","signals":{"novel_input":1}}',
        b'{"kind":"call","call_id":"{id}","input":"a","artifacts":"a"}', b'{"kind":"call","call_id":"{id}","input":"a","artifacts":[1]}',
        b'{"kind":"call","call_id":"{id}","input":"a","deadline_ms":"5"}', b'{"kind":"call","call_id":"{id}","input":"a","frontier":"m"}',
        b'{"kind":"call","call_id":"{id}","input":"a","run_id":{}}',
        b'{"kind":"answer","call_id":"{id}","output":"a","latency_ms":"5"}', b'{"kind":"answer","call_id":"{id}","output":"a","usage":3}'],
    "unknown_signal": [b'{"kind":"call","call_id":"{id}","input":"a","signals":{"security":true},"reply":true}'],
    "no_output": [b'{"kind":"answer","call_id":"{id}","reply":true}', b'{"kind":"answer","call_id":"{id}","output":null}'],
    "bad_result": [
        b'{"kind":"outcome","result":"success","source":"user","reply":true}', b'{"kind":"outcome","call_id":"{id}","result":"fine","source":"user"}',
        b'{"kind":"outcome","call_id":"{id}","result":"success","source":"me"}', b'{"kind":"outcome","run_id":"r","source":"user"}'],
}


def test_every_malformed_cause_is_counted_by_name_and_the_connection_stays_open():
    with Sidecar() as router:
        tap, number, wanted = router.tap(), 0, collections.Counter()
        for cause, frames in MALFORMED.items():
            for data in frames:
                number += 1
                data = data.replace(b"{id}", b"m%d" % number)
                before = router.status()["balance"]["malformed_by_cause"].get(cause, 0)
                tap.send(data + b"\n")
                if b'"reply":true' in data:
                    reply = tap.receive()
                    equal((reply["kind"], reply["code"]), ("error", cause), "the reply to %r" % data[:90])
                    check(reply["message"], "an error frame without a message")
                tap.ping()
                wanted[cause] += 1
                after = router.status()["balance"]["malformed_by_cause"]
                equal(after.get(cause, 0), before + 1, "count of %s after %r (%s)" % (cause, data[:90], after))
        metrics = router.metrics()
        for cause, count in wanted.items():
            equal(metrics['shadow_router_frames_malformed_total{cause="%s"}' % cause], count, "the metric of " + cause)
        equal(router.count("decision"), 0, "decisions out of malformed frames")
        # A malformed frame does not use up its id.
        equal(router.decide(tap, call("m%d" % number))["reason"], "policy_requires_frontier", "a call after all that")
        stop = router.stop()
        equal(stop["malformed"], number, "malformed in the stop record")
        figure("malformed frames tried, causes", "%d, %d" % (number, len(wanted)))


def test_duplicate_calls_and_answers_are_malformed_and_never_decided_twice():
    with Sidecar() as router:
        tap = router.tap()
        for _ in range(2):
            tap.send(call("a", reply=True))
        equal([tap.receive()["kind"] for _ in range(2)], ["decision", "error"], "replies to a call and its repetition")
        other = router.tap()
        other.send(call("a") + answer("a") + answer("a", "again") + answer("a", "more"))
        other.ping()
        causes = router.status()["balance"]["malformed_by_cause"]
        equal(causes, {"duplicate_call": 2, "duplicate_answer": 2}, "causes")
        router.stop()
        equal((router.count("decision"), router.count("comparison")), (1, 1), "decisions and comparisons")


def test_every_kind_of_frame_ends_in_its_record():
    with Sidecar() as router:
        tap = router.tap()
        tap.send(call("k1", task_id="T1", run_id="R1", agent="ag", step="plan", tenant="acme", user_group="beta",
                      traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", unknown={"a": [1]},
                      frontier={"provider": "p", "model": "m"}, signals={"novel_input": False, "risky_migration": None},
                      artifacts=["build.log"]))
        tap.send(frame("call", call_id="k2", task_type="t", messages=[{"role": "user", "content": "hello"}]))
        tap.send(frame("call", call_id="k3", task_type="t", request={"model": "gpt-x", "messages": [
            {"role": "system", "content": "be short"}, {"role": "user", "content": [{"type": "text", "text": "hé"}]}]}))
        tap.send(call("k4", task=None, text=""))
        tap.send(call("k5", task="nobody-knows-this-one-" + "y" * 100))
        for number, output in enumerate(("text", {"a": 1}, ["x"], False, 0), 1):
            tap.send(answer("k%d" % number, output, model="m", usage={"input_tokens": 7, "output_tokens": 3}, latency_ms=12.5, cost_usd=0.25))
        tap.send(frame("outcome", run_id="R1", result="success", source="user", approved_by="kim"))
        tap.send(frame("outcome", call_id="k2", result="failure", source="eval"))
        tap.ping()
        stop = router.stop()
        equal((stop["received"], stop["recorded"], stop["answered"]), (13, 12, 1), "the balance")
        found = router.decisions()
        first = found["k1"]
        for name, value in {"task_id": "T1", "run_id": "R1", "agent": "ag", "step": "plan", "tenant": "acme", "user_group": "beta",
                            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "task_type": "t",
                            "task_type_source": "given", "route": "frontier", "stage": "shadow", "cohort": "shadow",
                            "reason": "policy_requires_frontier", "reason_code": 2, "input_chars": 25}.items():
            equal(first[name], value, name)
        equal((found["k2"]["input_chars"], found["k3"]["input_chars"]), (5, len("be short\nhé")), "scalars of the text")
        equal([found[k]["reason"] for k in ("k4", "k5")], ["unknown_task"] * 2, "reasons without a task")
        check(len(found["k5"]["task_type"]) <= 64, "an unknown task type is longer than 64 characters")
        comparisons = router.records("comparison")
        equal([c["call_id"] for c in comparisons], ["k1", "k2", "k3", "k4", "k5"], "comparisons")
        for name, value in {"frontier_model": "m", "agreement": "unknown", "frontier_latency_ms": 12.5,
                            "frontier_input_tokens": 7, "frontier_output_tokens": 3, "frontier_cost_usd": 0.25}.items():
            equal(comparisons[0][name], value, name)
        check(all(c["agreement_detail"] for c in comparisons), "an unknown agreement without its cause")
        outcomes = router.records("outcome")
        equal([(o["run_id"], o["call_id"], o["result"], o["source"], o["approved_by"]) for o in outcomes],
              [("R1", None, "success", "user", "kim"), (None, "k2", "failure", "eval", None)], "outcomes")
        check_chain(router.lines())


def test_the_shadow_reply_comes_at_once_and_its_reason_is_null_where_a_candidate_is_asked():
    with ollama(lambda request: time.sleep(12) or generated({"answer": "x", "confidence": 0.9})) as model:
        policy = ('models:\n  small: {provider: ollama, name: s, endpoint: "%s"}\n  frontier: {provider: anthropic, name: big}\n'
                  "tasks:\n  t: {local: false, fallbacks: [b1, b2], retry_on: [timeout], max_attempts: 4, on_exhausted: error}\n"
                  "  open: {local: true, min_confidence: 0.5}\n" % model.endpoint)
        with Sidecar(policy) as router:
            tap = router.tap()
            start = time.monotonic()
            asked = tap.ask(call("r1", "open", reply=True))
            took = time.monotonic() - start
            check(took < 10, "the reply waited %.2f s, as long as the model" % took)
            for name, value in {"kind": "decision", "call_id": "r1", "route": "frontier", "reason": None, "reason_code": 0,
                                "stage": "shadow", "policy_revision": revision(policy), "model": "big"}.items():
                equal(asked[name], value, name)
            refused = tap.ask(call("r2", reply=True, deadline_ms=50))
            for name, value in {"reason": "policy_requires_frontier", "reason_code": 2, "fallbacks": ["b1", "b2"], "retry_on": ["timeout"],
                                "max_attempts": 4, "on_exhausted": "error"}.items():
                equal(refused[name], value, name)
            equal(set(refused["escalation"]), {"task", "local_output", "reason"}, "members of escalation")
            tap.send(call("r3") + call("r4", reply=False))
            tap.ping()
            router.wait_for("decision", 4)
            router.stop()


def test_frames_come_through_whatever_way_the_bytes_are_cut():
    with Sidecar() as router:
        stream = b"".join(call("b%d" % i, text="größe 🙂 " * (i % 5)) for i in range(40)) + frame("ping")
        tap = router.tap()
        for at in range(len(stream)):
            tap.send(stream[at:at + 1])
        equal(tap.receive(), {"kind": "pong"}, "the end of a stream sent one byte at a time")
        tap = router.tap()
        tap.send(b"".join(call("w%d" % i) for i in range(5000)) + frame("ping"))
        equal(tap.receive(), {"kind": "pong"}, "the end of 5,000 frames in one write")
        # Odd cuts, and a carriage return before the line feed (white space of JSON).
        tap = router.tap()
        stream = b"".join(call("o%d" % i).replace(b"\n", b"\r\n") for i in range(200)) + frame("ping")
        size = 1
        while stream:
            tap.send(stream[:size])
            stream, size = stream[size:], size % 97 + 1
        tap.receive()
        # What is not closed by a line feed is no frame.
        router.tap().send(call("half")[:-1])
        router.drop_taps()
        until(lambda: router.metrics()["shadow_router_frames_incomplete_total"] == 1, "an incomplete line is counted")
        stop = router.stop()
        equal((stop["received"], stop["recorded"]), (5243, 5240), "the balance")
        equal(len(router.decisions()), 5240, "calls decided")


def test_frames_over_the_limit_are_skipped_to_their_line_feed():
    with Sidecar() as router:
        tap = router.tap()
        limit = 1 << 20
        bare = len(call("f0", text=""))
        tap.send(call("f0", text="x" * (limit - bare)))
        tap.send(call("f1", text="x" * (limit - bare + 1)))
        tap.send(b'{"kind":"call"' + b" " * (9 << 20) + b"}\n")
        tap.send(call("f2"))
        tap.ping()
        equal(router.status()["balance"]["malformed_by_cause"], {"frame_too_large": 2}, "causes")
        router.stop()
        equal(sorted(router.decisions()), ["f0", "f2"], "calls decided around those that were too large")
    with Sidecar(SIMPLE, "--max-frame-bytes", "2000") as router:
        tap = router.tap()
        tap.send(call("g0", text="x" * 1990) + call("g1", text="y" * 1000))
        tap.ping()
        router.stop()
        equal(sorted(router.decisions()), ["g1"], "with a limit of 2,000 bytes")


def test_gaps_in_a_senders_numbers_are_lost_by_sender():
    with Sidecar() as router:
        first, second = router.tap(), router.tap()
        for n in (1, 2, 5, 6, 10):
            first.send(call("n%d" % n, n=n))
        for n in (1, 2, 3):
            second.send(call("s%d" % n, n=n))
        first.ping(), second.ping()
        equal(router.status()["balance"]["lost_by_sender"], 5, "frames that never came")
        equal(router.metrics()["shadow_router_frames_lost_by_sender_total"], 5, "the metric")
        equal(router.stop()["lost_by_sender"], 5, "in the stop record")


def test_outcomes_are_counted_by_the_task_of_their_call():
    with Sidecar() as router:
        tap = router.tap()
        router.decide(tap, call("a"))
        tap.send(frame("outcome", call_id="a", result="success", source="user"))
        tap.send(frame("outcome", call_id="nobody", result="failure", source="user"))
        tap.ping()
        page = router.http("GET", "/metrics")[1]
        page = page.decode() if isinstance(page, bytes) else page
        check('outcomes_total{task="t",result="success"} 1' in page, "the outcome of a call of task t")
        check('outcomes_total{task="unknown",result="failure"} 1' in page, "the outcome of no call")


def test_numbers_out_of_all_reason_harm_nobody():
    with Sidecar() as router:
        for number in (2**63 - 1, 2**63 - 1, 2**53, -(2**63), 0, 10**30):
            tap = router.tap()
            tap.send(frame("ping", n=number))
            tap.ping()
        check(router.alive(), "the router died of a frame number")
        balance = router.status()["balance"]
        equal(balance["in_flight"], 0, "in flight")
        check(balance["lost_by_sender"] == 2**53 - 1, "lost by senders: %s" % balance["lost_by_sender"])
        router.stop()


def test_a_malformed_numbered_frame_is_not_lost():
    with Sidecar() as router:
        tap = router.tap()
        tap.send(call("p1", n=1) + frame("call", call_id="p2", n=2) + frame("nothing", n=3) + call("p4", n=4))
        tap.ping()
        balance = router.status()["balance"]
        equal((balance["malformed"], balance["lost_by_sender"]), (2, 0), "malformed and lost")
        router.stop()


def test_a_peer_that_does_not_read_its_replies_is_let_go_and_nobody_waits():
    with Sidecar() as router:
        lazy = router.tap()
        lazy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sent, gone = 0, False
        try:
            while sent < 60000:
                lazy.send(b"".join(call("z%d" % i, reply=True) for i in range(sent, sent + 200)))
                sent += 200
        except OSError:
            gone = True
        check(gone, "a peer that read none of %d replies is still connected" % sent)
        check(lazy.slowest < 10, "it was kept waiting for %.1f s" % lazy.slowest)
        other = router.tap()
        start = time.monotonic()
        other.ping()
        check(time.monotonic() - start < 10, "another sender waited for it")
        router.stop()
        figure("calls a peer sent before it was let go unread", sent)


def test_the_balance_is_exact_in_every_snapshot_of_mixed_traffic():
    answers = iter(range(10**9))

    def reply(request):
        time.sleep(0.005)
        return generated({"answer": "x", "confidence": 0.9}) if next(answers) % 5 else http_response(500, b"{}")
    with ollama(reply) as model:
        policy = ('models:\n  small: {provider: ollama, name: s, endpoint: "%s", timeout_ms: 4000, max_concurrency: 4}\n'
                  "tasks:\n  t: {local: false}\n  open: {local: true, min_confidence: 0.5}\n" % model.endpoint)
        with Sidecar(policy) as router:
            def traffic(name):
                tap = router.tap()
                for i in range(3000):
                    call_id = "%s-%d" % (name, i)
                    pieces = [call(call_id, "open" if i % 8 == 0 else "t", n=i + 1), answer(call_id),
                              frame("outcome", call_id=call_id, result="success", source="agent")]
                    if i % 7 == 0:
                        pieces += [b"{bad}\n", answer(call_id), frame("ping"), call(call_id)]
                    if i % 2:
                        pieces[0], pieces[1] = pieces[1], pieces[0]
                    tap.send(b"".join(pieces))
                    if i % 7 == 0:
                        tap.receive()
                slowest.append(tap.slowest)
            slowest = []
            with BalanceWatch(router) as watch:
                senders = [threading.Thread(target=traffic, args=("s%d" % i,)) for i in range(3)]
                for sender in senders:
                    sender.start()
                for sender in senders:
                    sender.join()
                router.wait_for("comparison", 9000, 60)
            equal(len(slowest), 3, "senders that came to their end")
            stop = router.stop()
            pings = 3 * len(range(0, 3000, 7))
            equal({k: stop[k] for k in ("received", "recorded", "answered", "malformed", "shed", "lost_by_sender")},
                  {"received": 27000 + 4 * pings, "recorded": 27000, "answered": pings, "malformed": 3 * pings, "shed": 0, "lost_by_sender": 0},
                  "the balance at the end")
            check(watch.most_in_flight > 0, "no snapshot saw a frame in flight: the watch proves too little")
            figure("snapshots of the balance during mixed traffic, most in flight", "%d, %d" % (watch.snapshots, watch.most_in_flight))
            figure("slowest send under mixed traffic", "%.1f ms" % (max(slowest) * 1000))


def test_twenty_thousand_calls_at_full_speed_with_a_hanging_candidate():
    with Server(lambda peer: peer.recv(1 << 20) and time.sleep(600)) as hang:
        policy = ('models:\n  small: {provider: ollama, name: s, endpoint: "%s", timeout_ms: 150}\n'
                  "tasks:\n  t: {local: true, min_confidence: 0.9}\n" % hang.endpoint)
        with Sidecar(policy) as router:
            tap, body = router.tap(), "lorem ipsum dolor " * 227
            with BalanceWatch(router) as watch:
                start = time.monotonic()
                for i in range(20000):
                    tap.send(call("f%d" % i, text=body))
                took = time.monotonic() - start
                router.wait_for("decision", 20000, 60)
            stop = router.stop()
            equal((stop["recorded"], stop["shed"], stop["malformed"]), (20000, 0, 0), "recorded, shed, malformed")
            equal({d["reason"] for d in router.records("decision")}, {"local_unavailable"}, "reasons")
            check(tap.slowest < 5, "one send waited %.2f s" % tap.slowest)
            figure("20,000 calls of 4 KiB at full speed", "%.1f s (the Python sender's own time counted)" % took)
            figure("slowest send of those", "%.1f ms" % (tap.slowest * 1000))
            figure("snapshots of the balance during those", watch.snapshots)


def test_a_turn_costs_no_more_after_many_turns():
    with Sidecar() as router:
        taps, times = [router.tap(), router.tap()], []
        for number in range(20000):
            start = time.monotonic()
            taps[number % 2].ping()
            times.append(time.monotonic() - start)
        first, last = sorted(times[:2000])[1000], sorted(times[-2000:])[1000]
        figure("ping and pong, median at first and after 18,000", "%.0f us, %.0f us" % (first * 1e6, last * 1e6))
        check(last < 10 * first + 0.005, "a ping took %.0f us at first and %.0f us after 18,000" % (first * 1e6, last * 1e6))
        router.stop()


def test_recorded_exchanges_of_the_three_shapes_are_decided_and_every_other_refused_by_name():
    path = shared("data", "wire", "exchanges.jsonl.gz")
    with gzip.open(path, "rb") as f:
        exchanges = [json.loads(line) for line in f]
    read = {"openai.chat", "openai.responses", "anthropic.messages"}
    tally, wrong = collections.defaultdict(collections.Counter), []
    with Sidecar() as router:
        tap = router.tap()
        for number, exchange in enumerate(exchanges):
            shape = exchange["shape"]
            if exchange["request"] is None:
                tally[shape]["no request"] += 1
                continue
            tap.send(frame("call", call_id="x%d" % number, task_type="t", request=exchange["request"], reply=True))
            reply = tap.receive()
            outcome = "decided" if reply["kind"] == "decision" else reply["code"]
            tally[shape][outcome] += 1
            is_right = outcome == "decided" if shape in read else outcome.startswith("unknown_shape_" + shape.split(".")[0])
            if not is_right:
                wrong.append((shape, exchange["file"], outcome, sorted(exchange["request"])))
            if shape in read:
                body = exchange["response"] if exchange["response"] is not None else exchange["response_text"]
                tap.send(frame("answer", call_id="x%d" % number, response=body if body is not None else {}))
        tap.ping()
        router.stop()
        table("Recorded exchanges (%d)" % len(exchanges), [("shape", "outcome", "requests")] + [
            (shape, outcome, count) for shape in sorted(tally) for outcome, count in sorted(tally[shape].items())])
        check(not wrong, lambda: "%d wrong: %s" % (len(wrong), wrong[:5]))
        decided = sum(tally[shape]["decided"] for shape in read)
        equal((router.count("decision"), router.count("comparison")), (decided, decided), "decisions and comparisons")
        check(sum(sum(t.values()) for t in tally.values()) == 437, "the file holds another number of exchanges than 437")


if __name__ == "__main__":
    main(globals())
