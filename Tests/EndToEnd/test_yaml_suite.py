"""The inputs of yaml-test-suite as policies: none crashes, none that is marked as an error is taken."""
import base64
import collections
import json
import os
import tempfile

from sidecar import *

BATCH = 40


def test_no_input_crashes_and_none_marked_as_an_error_is_taken():
    with open(shared("suites", "yaml-test-suite.ndjson"), "rb") as f:
        cases = [json.loads(line) for line in f.read().split(b"\n") if line]
    equal(len(cases), 402, "inputs of the suite")
    tally, faults = collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for at in range(0, len(cases), BATCH):
            paths = {}
            for number, case in enumerate(cases[at:at + BATCH], at):
                path = os.path.join(folder, "%03d-%s.yaml" % (number, case["id"].replace("/", "-")))
                with open(path, "wb") as f:
                    f.write(base64.b64decode(case["base64"]))
                paths[path] = case
            done = run("check", "--json", *paths)
            check(done.returncode in (0, 1), "check of %s … exits %d: %s" % (list(paths)[0], done.returncode, done.stderr[-300:]))
            found = {r["file"]: r for r in map(json.loads, done.stdout.splitlines())}
            equal(set(found), set(paths), "files answered for")
            for path, case in paths.items():
                result = found[path]
                tally["marked error" if case["error"] else "valid YAML", "taken" if result["ok"] else "refused"] += 1
                if case["error"] and result["ok"]:
                    faults.append("%s is marked as an error and taken" % case["id"])
                errors = [p for p in result["problems"] if p["severity"] == "error"]
                if not result["ok"] and not (errors and all(p["line"] > 0 and p["column"] > 0 and p["message"] for p in errors)):
                    faults.append("%s is refused without why and where" % case["id"])
    table("yaml-test-suite (%d inputs as policies)" % len(cases), [("marked", "taken", "refused")] + [
        (kind, tally[kind, "taken"], tally[kind, "refused"]) for kind in ("valid YAML", "marked error")])
    check(not faults, lambda: "%d wrong: %s" % (len(faults), faults[:10]))


if __name__ == "__main__":
    main(globals())
