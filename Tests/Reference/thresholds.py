#!/usr/bin/env python3
"""Would-accepts and false accepts of recorded small models at every threshold, through the built router.

    thresholds.py [--sources a,b] [--limit N] [--write] [--keep]    # --write renews THRESHOLDS.md; exit 1 on any difference, 3 where the surroundings fail

Each source is a task of its own with its own label set, its candidate being a recorded_server that knows this source alone;
sources are never pooled. bfcl_results runs twice as tool calls: as plain input frames, and as OpenAI requests with messages and
tools, where of events with the same question the first is taken. The router runs with `min_confidence: 0.5`; a call is a
would-accept at a threshold where its record has no reason and a confidence of at least that, and a false accept where besides
`weak.correct` is false or no answer was right (`truth.label: unknown`).

The same figures are worked out from the events alone with reference.py, and with the few lines for tool calls below; every call
that is decided otherwise is a difference.
"""
import argparse
import collections
import json
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reference  # noqa: E402
import run_events  # noqa: E402

SOURCES = ["clinc150", "banking77_oos", "banking77_gemma", "rational_cascades", "bfcl_results"]
GRID = [round(0.5 + step / 100, 2) for step in range(50)]
FLOOR = GRID[0]
SHOWN = 5
NO_CONFIDENCE = 0.95  # what recorded_server.py says where the recording has none


class Row:
    """One call: its frames, what must be decided of it, and whether its answer was right."""

    def __init__(self, frames, decision, agreements, event):
        self.frames, self.decision, self.agreements = frames, decision, agreements
        self.is_false = event["weak"].get("correct") is not True or event["truth"].get("label") == "unknown"
        self.call_id = frames[0]["call_id"]


# Tasks with labels or text


def labelled(path, events):
    """The task of a source and its rows."""
    name = events[0]["source"]
    task = reference.policy_for({name: events})["tasks"][name]
    task["min_confidence"] = FLOOR
    if "unknown" in task.get("labels", ()):
        task["escalate_labels"] = ["unknown"]
    policy = {"tasks": {name: task}}
    rows = [Row(frames, decision, agreements, event) for event, (frames, decision, agreements) in zip(events, reference.expectations(policy, name, path, events))]
    return {name: (task, path, rows)}


# Tool calls


def calls_in(text):
    """The tool calls that a model's text states, as (name, arguments); None where it states none at all."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
        value = value["tool_calls"]
    found = []
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, dict):
            return None
        if isinstance(item.get("name"), str):
            name, arguments = item["name"], item.get("arguments", {})
        elif len(item) == 1:
            (name, arguments), = item.items()
        else:
            return None
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except ValueError:
                return None
        if not isinstance(arguments, dict):
            return None
        found.append((name, arguments))
    return found


KINDS = {"string": str, "String": str, "integer": int, "long": int, "number": (int, float), "float": (int, float), "boolean": bool, "Boolean": bool,
         "array": list, "Array": list, "ArrayList": list, "object": dict, "dict": dict, "HashMap": dict}


def arguments_fault(value, schema):
    """Unknown and missing names, types that have a name in JSON Schema, enums; nested too. OPEN: how far foreign types are checked."""
    kind = KINDS.get(schema.get("type"))
    if kind is not None:
        is_right = isinstance(value, kind) and (isinstance(value, bool) == (kind is bool))
        if not is_right and not (kind is int and isinstance(value, float) and value == int(value)):
            return True
    if value not in schema.get("enum", [value]):
        return True
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        if set(value) - set(known) or set(schema.get("required") or ()) - set(value):
            return True
        return any(arguments_fault(inner, known[name]) for name, inner in value.items())
    return isinstance(value, list) and any(arguments_fault(inner, schema.get("items") or {}) for inner in value)


def tool_decision(policy, frame, said, tools):
    """The decision on a call whose answer is to be one tool call; `tools` is None where the request defines none."""
    decision = reference.decide(policy, frame, None)
    if decision["reason"] != "local_unavailable":
        return decision
    found = calls_in(said)
    words = list(reference.leaves([dict([call]) for call in found])) if found is not None and len(found) == 1 else [said]
    terms = reference.terms_of(policy, policy["tasks"][frame["task_type"]])
    decision["hard_stop_match"] |= reference.hard_stops("\n".join(words), "answer", terms)
    decision["reason"] = reference.stop_reason(decision["hard_stop_match"])
    decision["details"] = None
    if decision["reason"] is None:
        fault = tool_fault(found, frame, tools)
        decision["reason"], decision["details"] = ("schema_invalid", fault) if fault else (None, None)
    decision["confidence"] = NO_CONFIDENCE
    decision["call"] = found[0] if found else None
    decision["route_candidate"] = "frontier" if decision["reason"] else "local"
    decision["reason_code"] = reference.CODES[decision["reason"]]
    return decision


def tool_fault(found, frame, tools):
    if not found:
        return {"no_tool_call"}
    if len(found) > 1:
        return {"more_than_one_tool_call"}
    name, arguments = found[0]
    if tools is None:
        return None if name in reference.text_of_call(frame) else {"tool_not_defined"}
    tool = next((tool for tool in tools if tool["name"] == name), None)
    if tool is None:
        return {"tool_not_defined"}
    return {"arguments_invalid"} if arguments_fault(arguments, tool["parameters"]) else None


def tool_agreements(mine, output):
    """What may be said of one tool call against the frontier's words."""
    theirs = calls_in(output)
    if theirs is None:
        return {"unknown", "disagree"}
    if len(theirs) != 1:
        return {"disagree", "unknown"} if not theirs else {"disagree"}
    if mine[0].replace(".", "_") != theirs[0][0].replace(".", "_"):
        return {"disagree"}
    if same(mine[1], theirs[0][1]):
        return {"agree"}
    # OPEN: how far spelling counts.
    return {"agree", "disagree"} if same(loose(mine[1]), loose(theirs[0][1])) else {"disagree"}


def same(a, b):
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def loose(value):
    if isinstance(value, str):
        return " ".join(reference.words(value))
    if isinstance(value, dict):
        return {name: loose(item) for name, item in value.items()}
    return [loose(item) for item in value] if isinstance(value, list) else value


def tool_tasks(path, events, folder):
    """bfcl_results as plain inputs and as OpenAI requests."""
    tap = reference.load(os.path.join(reference.SHARED, "tools", "events_to_tap.py"), "events_to_tap")
    tasks, questions = {}, []
    for name in ("bfcl_input", "bfcl_request"):
        task = {"name": name, "local": True, "min_confidence": FLOOR, "max_input_chars": 8000, "reject_refusals": False, "output": "tool_call"}
        policy, rows, seen = {"tasks": {name: task}}, [], set()
        for event in events:
            question, _, listed = event["prompt"].partition("\nTools:\n")
            tools, frames = json.loads(listed), list(tap.frames(event))
            if name == "bfcl_request":
                if question.strip() in seen:
                    continue
                seen.add(question.strip())
                questions.append({**event, "prompt": question.strip()})
                del frames[0]["input"]
                frames[0]["request"] = {"model": event["meta"]["strong_model"], "messages": [{"role": "user", "content": question.strip()}],
                                        "tools": [{"type": "function", "function": tool} for tool in tools]}
                for frame in frames:
                    frame["call_id"] += "-r"
            frames[0]["task_type"] = name
            decision = tool_decision(policy, frames[0], event["weak"]["answer"], tools if name == "bfcl_request" else None)
            mine = decision.get("call")
            agreements = tool_agreements(mine, event["strong"]["answer"]) if mine and decision["reason"] is None and len(frames) > 1 else {"agree", "disagree", "unknown"}
            rows.append(Row(frames, decision, agreements, event))
        tasks[name] = (task, path, rows)
    # The recorded server knows an event by its prompt, and a request's prompt is the question alone.
    short = os.path.join(folder, "questions.ndjson")
    with open(short, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(event, ensure_ascii=False) + "\n" for event in questions)
    tasks["bfcl_request"] = (tasks["bfcl_request"][0], short, tasks["bfcl_request"][2])
    return tasks


# The comparison


def accepted(record, threshold):
    return record.get("reason") is None and record.get("confidence") is not None and record["confidence"] >= threshold


def counts(rows, record_of):
    """Threshold → (would-accepts, false accepts)."""
    found = {}
    for threshold in GRID:
        taken = [row for row in rows if accepted(record_of(row), threshold)]
        found[threshold] = (len(taken), sum(row.is_false for row in taken))
    return found


def differences(row, record, comparisons):
    want = row.decision
    if record.get("reason") != want["reason"]:
        yield "reason", "%s (confidence %s)" % (want["reason"], want["confidence"]), "%s (%s)" % (record.get("reason"), record.get("detail"))
        return
    if want["reason"] is None and record.get("confidence") != want["confidence"]:
        yield "confidence", want["confidence"], record.get("confidence")
    details = want.get("details")
    if details and not any((record.get("detail") or "").startswith(detail) for detail in details):
        yield "detail", "/".join(details), record.get("detail")
    if want["reason"] is None and row.agreements is not None:
        found = comparisons[0].get("agreement") if comparisons else None
        if found not in row.agreements:
            yield "agreement", "/".join(sorted(row.agreements)), "%s (%s)" % (found, comparisons[0].get("agreement_detail") if comparisons else "no record")


def judge(name, rows, log):
    """Prints a source's line; gives the number of differences and both counts."""
    records = {row.call_id: (log.decisions.get(row.call_id) or [{"reason": "none recorded"}])[0] for row in rows}
    kinds, shown = collections.Counter(), 0
    for row in rows:
        for what, expected, got in differences(row, records[row.call_id], log.comparisons.get(row.call_id)):
            kinds[what] += 1
            shown += 1
            if shown <= SHOWN:
                print("  %s %s: %s expected %s, found %s" % (name, row.call_id, what, expected, got))
    ours, theirs = counts(rows, lambda row: records[row.call_id]), counts(rows, lambda row: row.decision)
    kinds["thresholds"] = sum(ours[threshold] != theirs[threshold] for threshold in GRID)
    reasons = collections.Counter(record["reason"] or "local" for record in records.values())
    agreed = collections.Counter((log.comparisons.get(row.call_id) or [{}])[0].get("agreement") for row in rows if accepted(records[row.call_id], FLOOR) and row.agreements is not None)
    print("%-18s %5d calls: %s; would-accepts compared: %s; differences: %s" % (
        name, len(rows), ", ".join("%s %d" % item for item in reasons.most_common()), ", ".join("%s %d" % (k, v) for k, v in sorted(agreed.items(), key=str)) or "-",
        ", ".join("%s %d" % item for item in sorted(kinds.items()) if item[1]) or "-"), flush=True)
    return sum(kinds.values()), ours, reasons, agreed


def markdown(results):
    names = list(results)
    out = ["# Would-accepts and false accepts by threshold", "",
           "Made by `Tests/Reference/thresholds.py --write` from recorded answers of real small models, replayed through the built router; what the columns mean stands there.",
           "Each cell: would-accepts, false accepts among them, their share. Sources are never pooled: their confidences have nothing in common.",
           "bfcl_results states no confidences, so its recorded answers all say %.2f; a false accept is one whose answer was wrong, or for which no answer was right." % NO_CONFIDENCE, "",
           "| threshold | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for threshold in GRID:
        cells = []
        for name in names:
            taken, wrong = results[name][0][threshold]
            cells.append("%d, %d (%s)" % (taken, wrong, "%.1f %%" % (100 * wrong / taken) if taken else "-"))
        out.append("| %.2f | %s |" % (threshold, " | ".join(cells)))
    out += ["", "| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for reason in sorted({reason for _, reasons, _ in results.values() for reason in reasons}):
        out.append("| %s | %s |" % (reason, " | ".join("%d" % results[name][1][reason] for name in names)))
    for word in ("agree", "disagree", "unknown"):
        out.append("| would-accepts: frontier %s | %s |" % (word, " | ".join("%d" % results[name][2][word] for name in names)))
    return "\n".join(out) + "\n"


def run(options):
    folder = os.path.join(reference.SHARED, "data", "events", "public")
    wanted = options.sources.split(",") if options.sources else SOURCES
    missing = [name for name in wanted if not os.path.exists(os.path.join(folder, name + ".ndjson"))]
    if missing:
        print("SKIPPED: thresholds: no %s in %s (set SHADOW_ROUTER_SHARED)" % (", ".join(missing), folder), flush=True)
        return 0
    run_events.binary()
    with tempfile.TemporaryDirectory(prefix="router-thresholds-") as temporary:
        tasks = {}
        for name in wanted:
            path = os.path.join(folder, name + ".ndjson")
            events = reference.events_of(path)[:options.limit]
            tasks.update(tool_tasks(path, events, temporary) if name == "bfcl_results" else labelled(path, events))
        candidates = run_events.Candidates({name: (path, [{"weak": {"answer": ""}}]) for name, (_, path, _) in tasks.items()})
        router, started = None, time.monotonic()
        try:
            router = run_events.Router(run_events.yaml_of({"tasks": {name: task for name, (task, _, _) in tasks.items()}}, candidates.ports))
            log = run_events.Log(router)
            every = [row for _, _, rows in tasks.values() for row in rows]
            complete = run_events.send(router, log, [(row.frames, None, row.agreements if len(row.frames) > 1 else None) for row in every], options.window)
            router.stop()
            log.read()
        finally:
            candidates.close()
            if router is not None:
                router.close(options.keep)
    results, total = {}, 0
    for name, (_, _, rows) in tasks.items():
        wrong, ours, reasons, agreed = judge(name, rows, log)
        total += wrong
        results[name] = (ours, reasons, agreed)
    print("\n%-9s %s" % ("threshold", " ".join("%22s" % name for name in results)))
    for threshold in GRID[::5] + [GRID[-1]]:
        print("%-9.2f %s" % (threshold, " ".join("%10d, %5d false" % results[name][0][threshold] for name in results)))
    print("\n%d calls in %.0f s, %d differences%s" % (sum(len(rows) for _, _, rows in tasks.values()), time.monotonic() - started, total, "" if complete else "; the log never became complete"))
    if options.write:
        with open(os.path.join(reference.HERE, "THRESHOLDS.md"), "w") as file:
            file.write(markdown(results))
    return 1 if total or not complete else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", help="only these, separated by commas")
    parser.add_argument("--limit", type=int, help="events a source, from its beginning")
    parser.add_argument("--window", type=int, default=192, help="calls that may be undecided at once")
    parser.add_argument("--write", action="store_true", help="writes the tables to THRESHOLDS.md")
    parser.add_argument("--keep", action="store_true", help="keep the router's folders")
    try:
        return run(parser.parse_args())
    except run_events.Surroundings as problem:
        print(problem, file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
