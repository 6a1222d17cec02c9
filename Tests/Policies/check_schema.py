#!/usr/bin/env python3
"""Holds the policies of this folder and of policies/ against policy.schema.json with a validator that is not ours.

Needs jsonschema and pyyaml. What the schema refuses, the reader must refuse too (a file named bad-*). A bad file that
the schema takes says `# schema: accepts`, or has no such line where a text is broken before any schema could see it
(`# schema: not read`). Exit 1 and one line for each disagreement.

usage: check_schema.py [SCHEMA]
"""
import json
import pathlib
import re
import sys

import jsonschema
import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$")
WORDS = {"": None, "~": None, "true": True, "false": False}


def scalar(node):
    """The core schema, cut down to what JSON can say: PyYAML's own rules are those of YAML 1.1."""
    text = node.value
    if node.style is not None:
        return text
    if text in WORDS or text in ("null", "Null", "NULL", "True", "TRUE", "False", "FALSE"):
        return {"null": None, **WORDS}[text.lower()]
    if NUMBER.match(text):
        return float(text) if re.search(r"[.eE]", text) else int(text)
    return text


def value(node):
    if isinstance(node, yaml.MappingNode):
        return {key.value: value(item) for key, item in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [value(item) for item in node.value]
    return scalar(node)


def lines_of(node, path):
    """The lines of a value and of its key: the reader places a fault at either."""
    lines = {node.start_mark.line + 1}
    for step in path:
        if isinstance(node, yaml.MappingNode):
            key, node = next(pair for pair in node.value if pair[0].value == step)
            lines = {key.start_mark.line + 1}
        else:
            node = node.value[step]
            lines = set()
        # Unknown and missing keys are errors of the mapping: they stand on its own lines.
        lines |= set(range(node.start_mark.line + 1, node.end_mark.line + 2))
    return lines if path else set(range(1, node.end_mark.line + 2))


def main():
    schema_path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "policy.schema.json"
    schema = json.loads(schema_path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    wrong = 0
    files = sorted(HERE.glob("*.yaml")) + sorted((ROOT / "policies").glob("*.yaml"))
    for path in files:
        text = path.read_text()
        if re.search(r"^# schema: not read", text, re.M):
            continue
        errors = sorted(validator.iter_errors(value(yaml.compose(text))), key=lambda error: list(map(str, error.path)))
        is_bad = path.name.startswith("bad-")
        may_accept = re.search(r"^# schema: accepts", text, re.M) is not None
        if errors and not is_bad:
            wrong += 1
            print(f"{path}: the reader takes it, the schema does not: {errors[0].message[:200]} at {list(errors[0].path)}")
        reported = {int(line) for line in re.findall(r"^# expect: (\d+):", text, re.M)}
        for error in errors if is_bad else []:
            lines = lines_of(yaml.compose(text), list(error.path))
            if not reported & lines:
                wrong += 1
                print(f"{path}:{min(lines)}: the schema refuses what the reader takes: {error.message[:200]}")
        if not errors and is_bad and not may_accept:
            wrong += 1
            print(f"{path}: the reader refuses it, the schema does not; say `# schema: accepts` where only the reader can see it")
        if errors and may_accept:
            wrong += 1
            print(f"{path}: says `# schema: accepts`, but: {errors[0].message[:200]}")
    print(f"{len(files)} policies, {wrong} disagreements")
    return 1 if wrong else 0


sys.exit(main())
