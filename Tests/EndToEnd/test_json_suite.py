"""JSONTestSuite, each text as the value of an extra member `x` of a valid call frame."""
import base64
import collections
import json

from sidecar import *


def test_good_texts_are_decided_bad_ones_malformed_and_none_crashes():
    with open(shared("suites", "json-test-suite.ndjson"), "rb") as f:
        cases = [json.loads(line) for line in f.read().split(b"\n") if line]
    equal(len(cases), 318, "texts of the suite")
    tally, wrong = collections.defaultdict(collections.Counter), []
    with Sidecar(SIMPLE) as router:
        for number, case in enumerate(cases):
            text = base64.b64decode(case["base64"])
            if case["expect"] == "good":
                text = text.replace(b"\r", b" ").replace(b"\n", b" ")
            data = b'{"kind":"call","call_id":"s%d","task_type":"t","input":"rename it","x":' % number + text + b"}\n"
            lines = data.count(b"\n")
            tap = router.tap()
            before = router.status()["balance"]
            tap.send(data)
            tap.ping()
            after = router.status()["balance"]
            # Exact after the pong: frames of one connection are handled in order, and this task needs no model.
            decided, malformed = (after[key] - before[key] for key in ("recorded", "malformed"))
            equal(decided + malformed, lines, "lines of %s accounted for" % case["name"])
            outcome = "decided" if decided and not malformed else "malformed" if malformed and not decided else "both"
            tally[case["expect"]][outcome] += 1
            if outcome != {"good": "decided", "bad": "malformed"}.get(case["expect"], outcome):
                wrong.append((case["name"], case["expect"], outcome))
            tap.close()
        router.alive()
        router.stop()
        equal(router.count("decision"), sum(t["decided"] for t in tally.values()), "decisions in the log")
    table("JSONTestSuite (%d texts)" % len(cases), [("expected", "decided", "malformed")] + [
        (kind, tally[kind]["decided"], tally[kind]["malformed"]) for kind in ("good", "bad", "either")])
    check(not wrong, lambda: "%d wrong: %s" % (len(wrong), wrong[:10]))


if __name__ == "__main__":
    main(globals())
