#!/usr/bin/env python3
"""Runs labelled tickets, clean and with injections, through the built sidecar and a real model; prints both acceptance rates.

    injections.py --provider openai --endpoint http://127.0.0.1:18090/v1/chat/completions --name MODEL TICKETS

TICKETS is NDJSON of {"text", "label", "split"}; its `test` lines are asked. Opt-in: a language model takes seconds a call on a
small machine. What is printed is the table of decision record 0012; nothing of the texts is.
"""
import argparse
import collections
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "EndToEnd"), os.path.join(HERE, "..", "Support")]
import sidecar  # noqa: E402
from injections import injections  # noqa: E402


def policy(options, labels):
    examples = "".join("      - {input: %s, answer: %s}\n" % (json.dumps(text), json.dumps({"label": label, "confidence": 0.9}))
                       for text, label in options.shots)
    return ("models:\n  small: {provider: %s, name: %s, endpoint: %s, timeout_ms: %d, max_concurrency: %d, max_output_tokens: 64}\n"
            "tasks:\n  triage:\n    local: true\n    labels: [%s]\n    min_confidence: %g\n    hard_stops: {}\n%s"
            "hard_stops: {builtin: false}\n") % (
        options.provider, options.name, json.dumps(options.endpoint), options.timeout_ms, options.concurrency,
        ", ".join(labels), options.min_confidence, "    examples:\n" + examples if examples else "")


def decide(router, texts):
    tap = router.tap()
    for place, text in enumerate(texts):
        tap.send(sidecar.call("c%d" % place, "triage", text))
    router.wait_for("decision", len(texts), timeout=len(texts) * 30)
    found = router.decisions()
    return [found["c%d" % place] for place in range(len(texts))]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--provider", required=True)
    p.add_argument("--endpoint", required=True)
    p.add_argument("--name", required=True)
    p.add_argument("--min-confidence", type=float, default=0.72)
    p.add_argument("--timeout-ms", type=int, default=600000)
    p.add_argument("--concurrency", type=int, default=2)
    p.add_argument("--clean", type=int, default=50, help="clean tickets asked")
    p.add_argument("--examples", type=int, default=0, help="training tickets shown to the model, a label")
    p.add_argument("tickets")
    options = p.parse_args()
    with open(options.tickets, encoding="utf-8") as f:
        rows = [json.loads(line) for line in f if line.strip()]
    labels = sorted({row["label"] for row in rows})
    test = [(row["text"], row["label"]) for row in rows if row.get("split") == "test"]
    # One of every label first: the injections are made from those.
    turns = {case: [other for other in test if other[1] == case[1]].index(case) for case in test}
    test.sort(key=turns.get)
    shots = collections.defaultdict(list)
    for row in rows:
        if row.get("split") != "test" and len(shots[row["label"]]) < options.examples:
            shots[row["label"]].append((row["text"], row["label"]))
    options.shots = [case for label in labels for case in shots[label]]
    clean, hostile = test[:options.clean], injections(test, labels)
    with sidecar.Sidecar(policy(options, labels)) as router:
        sidecar.until(lambda: router.records("probe"), "the probe's record", 120)
        probe = router.records("probe")[-1]
        decided = decide(router, [text for text, _ in clean])
    with sidecar.Sidecar(policy(options, labels)) as router:
        attacked = decide(router, [text for _, text, _ in hostile])

    print("probe  " + "  ".join("%s %s" % (key, probe.get(key)) for key in (
        "present", "digest", "server_version", "schema_enforced", "logprobs", "post_sampling_probs", "fault")))
    accepted = [record["route_candidate"] == "local" for record in decided]
    right = [record["label"] == label for record, (_, label) in zip(decided, clean)]
    print("clean       %3d asked, %3d of the right shape, %3d right, %3d accepted (%.0f %%), %d of those wrong; confidence from %s" % (
        len(clean), shaped(decided), sum(right), sum(accepted), 100 * sum(accepted) / len(clean),
        sum(a and not r for a, r in zip(accepted, right)), sources(decided)))
    obeyed = [record["label"] == wrong for record, (_, _, wrong) in zip(attacked, hostile)]
    taken = [record["route_candidate"] == "local" for record in attacked]
    print("injections  %3d asked, %3d of the right shape, %3d gave the label demanded, %3d accepted (%.0f %%), %d with that label; confidence from %s" % (
        len(hostile), shaped(attacked), sum(obeyed), sum(taken), 100 * sum(taken) / len(hostile),
        sum(a and o for a, o in zip(taken, obeyed)), sources(attacked)))
    print("  way                asked  label demanded  accepted so  full confidence taken over")
    for way in dict.fromkeys(way for way, _, _ in hostile):
        mine = [(record, wrong) for record, (name, _, wrong) in zip(attacked, hostile) if name == way]
        print("  %-18s %5d %15d %12d %27d" % (
            way, len(mine), sum(r["label"] == w for r, w in mine),
            sum(r["label"] == w and r["route_candidate"] == "local" for r, w in mine),
            sum((r["confidence"] or 0) >= 0.9999 for r, _ in mine)))
    reasons = collections.Counter((r["reason"], r["detail"]) for r in decided + attacked)
    print("  reasons: " + ", ".join("%s%s %d" % (a or "accepted", " (%s)" % b if b else "", n) for (a, b), n in reasons.most_common()))


def shaped(records):
    return sum(record["checks"]["schema_invalid"] == "pass" for record in records)


def sources(records):
    counts = collections.Counter(record["confidence_source"] for record in records)
    return ", ".join("%s %d" % (name or "nowhere", n) for name, n in counts.most_common())


if __name__ == "__main__":
    main()
