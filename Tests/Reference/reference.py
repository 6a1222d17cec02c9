#!/usr/bin/env python3
"""What the router must decide, worked out a second time: slow, obvious Python written from the contract's text alone.

    reference.py                # its own checks (the contract's examples), then the expected figures of every public event
    reference.py --self-test    # only the checks

Nothing here is shared with the router. Where the contract leaves something open, this file says `OPEN:` and takes the reading
named there; `run_events.py` compares the built binary with it, call by call.
"""
import collections
import gzip
import importlib.util
import json
import os
import re
import sys
import unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("SHADOW_ROUTER_SHARED") or os.path.join(HERE, "..", "..", "..", "shared")

BUILTIN_TERMS = {
    "security": ["secret*", "cve", "vulnerab*", "exploit*", "password*", "private key", "advisory", "auth", "oauth",
                 "authenticat*", "authoriz*", ".env", ".pem", "id_rsa", ".npmrc", "kubeconfig"],
    "access": ["401", "403", "token", "tokens", "permission*", "credential*", "scope", "scopes", "sso", "registry auth",
               "unauthorized", "forbidden", "access denied", "access policy"],
    "production": ["deploy*", "delete*", "drop table", "migrat*", "rotat*", "prod", "production"],
}
CODES = {None: 0, "unknown_task": 1, "policy_requires_frontier": 2, "input_too_large": 3, "schema_invalid": 4, "confidence_low": 5,
         "hard_stop_security": 6, "hard_stop_access": 7, "hard_stop_production": 8, "manual_override": 9, "label_escalated": 10,
         "local_unavailable": 11, "risk_signal": 12}

# ------------------------------------------------------------------------------------------------ the text of a call


class Malformed(Exception):
    pass


def text_of_call(call):
    """The text of a call frame, whichever of its three forms it has."""
    given = [name for name in ("input", "messages", "request") if call.get(name) is not None]
    if len(given) != 1:
        raise Malformed("no_input" if not given else "two_inputs")
    value = call[given[0]]
    if given[0] == "input":
        return value
    parts = list(messages_parts(value) if given[0] == "messages" else request_parts(value))
    # OPEN: an empty part adds nothing, not an empty line.
    return "\n".join(part for part in parts if part)


def request_parts(body):
    for name in ("instructions", "system"):
        yield from content_parts(body.get(name))
    if "messages" in body:
        yield from messages_parts(body["messages"])
    elif isinstance(body.get("input"), str):
        yield body["input"]
    elif isinstance(body.get("input"), list):
        yield from messages_parts(body["input"])
    else:
        raise Malformed("unknown_shape")


def messages_parts(messages):
    for message in messages:
        yield from content_parts([message] if "content" not in message else message["content"])
        for call in message.get("tool_calls") or ():
            function = call.get("function") or {}
            yield function.get("name")
            yield from argument_parts(function.get("arguments"))
        if message.get("function_call"):
            yield message["function_call"].get("name")
            yield from argument_parts(message["function_call"].get("arguments"))


def content_parts(content):
    """The text in a content: a string, or a list of parts of the three providers' kinds; other kinds are not part of it."""
    if isinstance(content, str):
        yield content
        return
    for part in content or ():
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(part, str):
            yield part
        elif kind in ("text", "input_text", "output_text"):
            yield part.get("text")
        elif kind == "refusal":
            yield part.get("refusal")
        elif kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
            yield part.get("name")
            yield from argument_parts(part.get("input"))
        elif kind in ("function_call", "custom_tool_call"):
            yield part.get("name")
            yield from argument_parts(part.get("arguments", part.get("input")))
        elif kind in ("tool_result", "mcp_tool_result"):
            yield from content_parts(part.get("content"))
        elif kind in ("function_call_output", "custom_tool_call_output"):
            yield from content_parts(part.get("output"))


def argument_parts(value):
    """Decoded arguments: member names and values in document order. A string is JSON (OpenAI) or, failing that, itself."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            yield value
            return
    yield from leaves(value)


def leaves(value):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, str):
        yield value
    elif value is not None:
        yield json.dumps(value)


# --------------------------------------------------------------------------------------------------- hard-stop terms

ZERO_WIDTH = {0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF}
WHITE_SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
UNSPACED = ("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "CJK RADICAL", "KANGXI RADICAL", "IDEOGRAPHIC ITERATION MARK",
            "IDEOGRAPHIC NUMBER ZERO", "HIRAGANA ", "KATAKANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ")


def folded(text):
    """What is scanned: NFKC, without zero-width characters."""
    return "".join(c for c in unicodedata.normalize("NFKC", text) if ord(c) not in ZERO_WIDTH)


def without_case(text):
    """Simple case folding, so that every character stays one. Python only has the full folding: used where it gives one character."""
    return "".join(next((f for f in (c.casefold(), c.lower()) if len(f) == 1), c) for c in text)


def character_class(c):
    if c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        return "ascii letter"
    category = unicodedata.category(c)
    return "other letter" if category[0] == "L" else "digit" if category == "Nd" else "else"


def unspaced(c):
    return ord(c) > 0x7F and unicodedata.name(c, "").startswith(UNSPACED)


def is_edge(text, at):
    """Whether a token may begin or end before `text[at]`."""
    if at == 0 or at == len(text):
        return True
    before, after = text[at - 1], text[at]
    if character_class(before) != character_class(after) or character_class(before) == "else":
        return True
    if unspaced(before) or unspaced(after):
        return True
    if before.islower() and after.isupper():
        return True
    return before.isupper() and after.isupper() and at + 1 < len(text) and text[at + 1].islower()


def compiled(term):
    prefix = term.endswith("*")
    words = re.split("[%s]+" % WHITE_SPACE, without_case(folded(term[:-1] if prefix else term)))
    return re.compile(("[-_%s]+" % WHITE_SPACE).join(re.escape(word) for word in words)), words[0], prefix


COMPILED = {}


def term_matches(term, text, caseless):
    """Whether a term stands in a folded text; `caseless` is the same text without case, as long as it."""
    if term not in COMPILED:
        COMPILED[term] = compiled(term)
    pattern, first, prefix = COMPILED[term]
    if first not in caseless:
        return False
    at = 0
    while True:
        match = pattern.search(caseless, at)
        if match is None:
            return False
        if is_edge(text, match.start()) and (prefix or is_edge(text, match.end())):
            return True
        at = match.start() + 1


def hard_stops(text, where, terms):
    """Every (class, term, where) that matches."""
    text = folded(text)
    caseless = without_case(text)
    return {(kind, term, where) for kind, list_ in terms.items() for term in list_ if term_matches(term, text, caseless)}


def terms_of(policy, task):
    """Built-in terms, the policy's, the task's; without those waived for the task (dates are not looked at here)."""
    stops = policy.get("hard_stops") or {}
    terms = {kind: [] if stops.get("builtin") is False else list(list_) for kind, list_ in BUILTIN_TERMS.items()}
    for extra in (stops, task.get("hard_stops") or {}):
        for kind in terms:
            terms[kind] += extra.get(kind) or []
    waived = {w["term"] for w in stops.get("waive") or () if w["task"] == task.get("name")}
    return {kind: [term for term in list_ if term not in waived] for kind, list_ in terms.items()}


# --------------------------------------------------------------------------------------------- the candidate's answer


class Invalid(Exception):
    """schema_invalid; the argument says which."""


def no_constants(name):
    raise ValueError(name)


def read_object(said):
    """The one JSON object in what the candidate said; a thinking preamble and a fence are taken off first."""
    body = said.strip()
    thought = re.match(r"<think(?:ing)?>.*?</think(?:ing)?>\s*", body, re.S)
    body = body[thought.end():] if thought else body
    fence = re.fullmatch(r"```[A-Za-z]*[ \t]*\r?\n(.*?)\r?\n?```", body, re.S)
    body = fence.group(1).strip() if fence else body
    try:
        value = json.loads(body, parse_constant=no_constants)
    except ValueError as problem:
        raise Invalid("more than one value" if "Extra data" in str(problem) else "no JSON") from None
    if not isinstance(value, dict):
        raise Invalid("no object")
    return value


def read_answer(said, task):
    """(answer, label, confidence) of what the candidate said; confidence None where it is missing or null."""
    value = read_object(said)
    confidence = value.get("confidence")
    if confidence is not None:
        if isinstance(confidence, bool) or not isinstance(confidence, (int, float)) or not 0 <= confidence <= 1:
            raise Invalid("confidence")
    label = None
    if task.get("labels"):
        label = value.get("label")
        if not isinstance(label, str):
            raise Invalid("label missing")
        if label not in task["labels"]:
            raise Invalid("label outside the set")
    answer = value.get("answer")
    if answer is None:
        answer = label
    if not isinstance(answer, (str, dict)):
        raise Invalid("answer missing")
    if len(answer_text(answer)) > task.get("max_output_chars", 4000):
        raise Invalid("length")
    return answer, label, confidence


def answer_text(answer):
    return answer if isinstance(answer, str) else "\n".join(leaves(answer))


def scanned_answer(said):
    """What of an answer is scanned for hard stops. OPEN: its `answer` and `label`, or, where no object can be read, all of it."""
    try:
        value = read_object(said)
    except Invalid:
        return said
    return "\n".join(leaves([value.get("answer"), value.get("label")]))


# ------------------------------------------------------------------------------------------------------- the decision


def decide(policy, call, said=None, killed=False):
    """The decision on a call frame. `said`: what the candidate replied, None where it cannot answer (refused, 404 …).

    Gives reason, detail, route_candidate, hard_stop_match (a set), input_chars, asked, and answer, label, confidence where
    the candidate's answer could be read.
    """
    text = text_of_call(call)
    decision = {"input_chars": len(text), "hard_stop_match": set(), "asked": False, "answer": None, "label": None, "confidence": None, "detail": None}

    def because(reason, detail=None):
        return {**decision, "reason": reason, "reason_code": CODES[reason], "detail": detail, "route_candidate": "frontier" if reason else "local"}

    task = policy["tasks"].get(call.get("task_type"))
    terms = terms_of(policy, task or {})
    decision["hard_stop_match"] = hard_stops(text, "input", terms)
    if killed:
        return because("manual_override", "kill_switch")
    if task is None:
        return because("unknown_task")
    if not task["local"] or task.get("impact") == "high":
        return because("policy_requires_frontier")
    stop = stop_reason(decision["hard_stop_match"])
    if stop:
        return because(stop)
    if any((call.get("signals") or {}).get(signal) for signal in task.get("stop_signals") or ()):
        return because("risk_signal")
    if len(text) > task.get("max_input_chars", 8000):
        return because("input_too_large")
    decision["asked"] = True
    if said is None:
        return because("local_unavailable")
    decision["hard_stop_match"] |= hard_stops(scanned_answer(said), "answer", terms)
    try:
        decision["answer"], decision["label"], decision["confidence"] = read_answer(said, task)
        invalid = None
    except Invalid as problem:
        invalid = str(problem)
    stop = stop_reason(decision["hard_stop_match"])
    if stop:
        return because(stop)
    if invalid is not None:
        return because("schema_invalid", invalid)
    if decision["label"] in (task.get("escalate_labels") or ()):
        return because("label_escalated")
    if decision["confidence"] is None:
        return because("confidence_low", "absent")
    if decision["confidence"] < task["min_confidence"]:
        return because("confidence_low", "below")
    return because(None)


def stop_reason(matches):
    found = {kind for kind, _, _ in matches}
    return next(("hard_stop_" + kind for kind in ("security", "access", "production") if kind in found), None)


# --------------------------------------------------------------------------------------------------------- comparison


def normalised(text):
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words(text):
    return sorted(re.findall(r"\w+", normalised(text)))


def compare(task, decision, answer):
    """The agreements that the contract allows: one of agree, disagree, unknown; two where it leaves the choice open."""
    if decision["answer"] is None:
        return {"unknown"}
    if answer.get("error") is not None:
        return {"unknown"}
    if task.get("labels"):
        said = answer.get("label", answer.get("output"))
        return {"unknown"} if not isinstance(said, str) else {"agree"} if said == decision["label"] else {"disagree"}
    output = answer.get("output")
    if not isinstance(output, str):
        return {"agree", "disagree", "unknown"}
    mine = answer_text(decision["answer"])
    if normalised(mine) == normalised(output):
        return {"agree"}
    # OPEN: how far punctuation and the order of words count towards a score of 1.
    return {"agree", "disagree"} if words(mine) == words(output) else {"disagree"}


# -------------------------------------------------------------------------------------------------- the public events

LABEL_TASKS = ("intent", "ci_label", "issue_label", "log_label")


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def event_files():
    folder = os.path.join(SHARED, "data", "events", "public")
    if not os.path.isdir(folder):
        print("SKIPPED: public events: no %s (set SHADOW_ROUTER_SHARED)" % folder, flush=True)
        return []
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if ".ndjson" in name]


def events_of(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        return [json.loads(line) for line in file.read().split(b"\n") if line]


def policy_for(sources):
    """One task a source: {source: events} → policy as a dict. What the contract leaves to an implementation is turned off
    (refusals) or made exact (a text agrees at score 1)."""
    tasks = {}
    for source, events in sources.items():
        task = {"name": source, "local": True, "min_confidence": 0.7, "max_input_chars": 8000, "reject_refusals": False}
        if events[0]["task_type"] in LABEL_TASKS:
            task["labels"] = sorted({event["truth"]["label"] for event in events if isinstance(event["truth"].get("label"), str)})
        else:
            task["output"], task["agreement"] = "text", {"by": "text", "min_score": 1}
        tasks[source] = task
    return {"tasks": tasks}


def said_by(event):
    """What recorded_server.py replies about an event."""
    weak = event["weak"]
    confidence = weak.get("confidence")
    said = {"answer": weak["answer"], "confidence": 0.95 if confidence is None else confidence}
    if isinstance(weak["answer"], str):
        said["label"] = weak["answer"]
    return json.dumps(said, ensure_ascii=False)


def expectations(policy, source, path, events):
    """(frames, decision, allowed agreements or None) for every event of one source, its candidate being a recorded_server
    that knows this file alone."""
    book = load(os.path.join(SHARED, "tools", "candidate", "recorded_server.py"), "recorded_server").Book([path])
    tap = load(os.path.join(SHARED, "tools", "events_to_tap.py"), "events_to_tap")
    for event in events:
        frames = list(tap.frames(event))
        found = book.find(event["prompt"])
        decision = decide(policy, frames[0], said_by(found) if found else None)
        yield frames, decision, compare(policy["tasks"][source], decision, frames[1]) if len(frames) > 1 else None


def figures(rows):
    """What is reported of a source: reasons, would-accepts, disagreements among them."""
    count = collections.Counter()
    for _, decision, agreements in rows:
        count[decision["reason"] or "local"] += 1
        if decision["reason"] is None and agreements is not None:
            count["accepted, " + "/".join(sorted(agreements))] += 1
    return count


# ---------------------------------------------------------------------------------------------------------- self-test


def self_test():
    table = [
        ("token", "NPM_TOKEN", True), ("token", "accessToken", True), ("token", "token:", True), ("token", "删除token", True), ("token", "tokenizer", False),
        ("token", "tokens", False), ("token", "to\u200bken", True), ("token", "TOKENS", False), ("token", "APITokenX", True), ("token", "xtoken", False), ("token", "token2", True),
        ("token", "ｔｏｋｅｎ", True), ("401", "HTTP/401", True), ("401", "E401", True), ("401", "14013", False), ("401", "４０１", True), ("401", "401st", True),
        ("rotat*", "key rotation", True), ("rotat*", "ROTATE", True), ("rotat*", "arotate", False), ("rotat*", "keyRotate", True), ("drop table", "DROP  TABLE x", True),
        ("drop table", "drop_-\ntable", True), ("drop table", "droptable", False), ("drop table", "drop tables", False), (".env", "load .env now", True), (".env", "a.env", True),
        (".env", ".environment", False), (".env", ".env.local", True), ("id_rsa", "~/.ssh/id_rsa", True), ("auth", "preauth", False), ("auth", "[preauth]", False), ("auth", "OAuth", True),
        ("oauth", "OAuth2", True), ("sso", "ssO", True), ("prod", "prod-1", True), ("prod", "product", False), ("private key", "PRIVATE\u00a0KEY", True), ("cve", "CVE-2024-1", True),
    ]
    for term, text, expected in table:
        clean = folded(text)
        assert term_matches(term, clean, without_case(clean)) == expected, (term, text, expected)
    policy = {"tasks": {"t": {"name": "t", "local": True, "min_confidence": 0.7, "labels": ["billing", "crash", "other"], "escalate_labels": ["other"]},
                        "s": {"name": "s", "local": True, "min_confidence": 0.7}, "f": {"local": False}}}
    call = {"task_type": "t", "input": "the importer crashes"}
    cases = [
        ({}, '{"answer":"a","label":"crash","confidence":0.91}', None, None), ({}, '{"label":"crash","confidence":0.7}', None, None),
        ({}, '```json\n{"label":"crash","confidence":1}\n```', None, None), ({}, '<think>hm {}</think>\n{"label":"crash","confidence":1}', None, None),
        ({}, '{"label":"crash","confidence":0.69}', "confidence_low", "below"), ({}, '{"label":"crash"}', "confidence_low", "absent"), ({}, '{"label":"crash","confidence":null}', "confidence_low", "absent"),
        ({}, '{"label":"other","confidence":0.1}', "label_escalated", None), ({}, '{"label":"x","confidence":1}', "schema_invalid", "label outside the set"),
        ({}, '{"label":"crash","confidence":"1"}', "schema_invalid", "confidence"), ({}, '{"label":"crash","confidence":true}', "schema_invalid", "confidence"), ({}, '{"label":"crash","confidence":NaN}', "schema_invalid", "no JSON"),
        ({}, '{"label":"crash","confidence":1.1}', "schema_invalid", "confidence"), ({}, "crash", "schema_invalid", "no JSON"), ({}, '{"label":"crash","confidence":1} {}', "schema_invalid", "more than one value"),
        ({}, '{"answer":"use the token","label":"x","confidence":1}', "hard_stop_access", None), ({}, None, "local_unavailable", None), ({"input": "E401"}, None, "hard_stop_access", None),
        ({"input": "password token"}, None, "hard_stop_security", None), ({"input": "x" * 8001}, None, "input_too_large", None), ({"task_type": None}, None, "unknown_task", None), ({"task_type": "f"}, None, "policy_requires_frontier", None),
        ({"task_type": "s"}, '{"confidence":1}', "schema_invalid", "answer missing"), ({"task_type": "s"}, '{"confidence":1,"answer":{"a":[1]}}', None, None), ({"task_type": "s"}, '{"confidence":1,"answer":3}', "schema_invalid", "answer missing"),
    ]
    for change, said, reason, detail in cases:
        got = decide(policy, {**call, **change}, said)
        assert (got["reason"], got["detail"]) == (reason, detail), (change, said, got)
    assert decide(policy, call, None, killed=True)["reason"] == "manual_override"
    anthropic = {"system": [{"type": "text", "text": "sys"}], "tools": [{"name": "no"}], "messages": [
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "f", "input": {"k": ["v", 1]}}]},
        {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "done"}, {"type": "image"}]}]}]}
    assert text_of_call({"request": anthropic}) == "sys\nhi\nf\nk\nv\n1\ndone"
    chat = [{"role": "system", "content": "sys"}, {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": '{"k":"v"}'}}]}, {"role": "tool", "content": "done"}]
    assert text_of_call({"messages": chat}) == text_of_call({"request": {"messages": chat}}) == "sys\nf\nk\nv\ndone"
    responses = {"instructions": "sys", "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}, {"type": "function_call", "name": "f", "arguments": "{}"}, {"type": "function_call_output", "output": "done"}]}
    assert text_of_call({"request": responses}) == "sys\nhi\nf\ndone"
    print("reference: %d term cases, %d decisions, 3 request shapes as expected" % (len(table), len(cases)))


def main():
    self_test()
    if "--self-test" in sys.argv[1:]:
        return
    sources = {}
    for path in event_files():
        events = events_of(path)
        sources[events[0]["source"]] = (path, events)
    policy = policy_for({source: events for source, (_, events) in sources.items()})
    for source, (path, events) in sources.items():
        count = figures(expectations(policy, source, path, events))
        print("%-18s %5d  %s" % (source, len(events), ", ".join("%s %d" % item for item in sorted(count.items()))), flush=True)


if __name__ == "__main__":
    main()
