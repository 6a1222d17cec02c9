"""Checkpoints: the log's tree as C2SP describes it, taken off the machine, and what it then proves (contract, section 5)."""
import base64
import hashlib
import json
import os
import re
import shutil
import time

from sidecar import *

PREVIEW = re.compile(rb'_preview":"(?:[^"\\]|\\.)*" *|_preview":null *')


def leaf(line):
    """RFC 6962's hash of a record's line with null for each preview."""
    return hashlib.sha256(b"\0" + PREVIEW.sub(b'_preview":null', line)).digest()


def root(leaves):
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


def rechain(lines, change=lambda record: record):
    """The lines with `change` made to each record and every hash made anew, as somebody with all rights could."""
    previous, out = "0" * 64, []
    for line in lines:
        record = change(json.loads(line))
        body = {k: v for k, v in record.items() if k not in ("prev", "h")}
        text = json.dumps({**body, "prev": previous}, separators=(",", ":"), ensure_ascii=False)[:-1]
        previous = hashlib.sha256(text.encode()).hexdigest()
        out.append((text + ',"h":"%s"}' % previous).encode())
    return out


def write_segments(state, groups):
    folder = os.path.join(state, "log")
    for name in os.listdir(folder):
        if name.endswith(".ndjson"):
            os.remove(os.path.join(folder, name))
    for number, lines in enumerate(groups, 1):
        with open(os.path.join(folder, "%010d.ndjson" % number), "wb") as f:
            f.write(b"".join(line + b"\n" for line in lines))


def taken(router, count=1):
    """A copy of the checkpoint once so many `checkpoint` records are there."""
    router.wait_for("checkpoint", count)
    path = os.path.join(router.state, "checkpoint")
    copy = os.path.join(router.folder, "copy-%d" % count)
    shutil.copy(path, copy)
    return copy


def newer(router):
    """A copy of a checkpoint that covers all that is in the log now."""
    count = router.count("checkpoint")
    # Without anything new there would be no other.
    router.decide(router.tap(), call("fresh-%d" % time.monotonic_ns()))
    return taken(router, count + 1)


def verify(router, copy, want, *words):
    done = router.command("verify-log", "--checkpoint", copy, *words)
    equal(done.returncode, want, "verify-log --checkpoint: " + done.stdout + done.stderr)
    return done.stdout + done.stderr


def send_calls(router, tap, first, count):
    tap.send(b"".join(call("c%d" % i, "open", "look at case %d" % i) + answer("c%d" % i) for i in range(first, first + count)))
    router.wait_for("comparison", first + count)


def test_a_checkpoint_is_the_tree_of_the_records_and_is_contained_as_the_log_grows():
    with Sidecar(SIMPLE, "--checkpoint-seconds", "1") as router:
        tap = router.tap()
        send_calls(router, tap, 0, 50)
        copies = [taken(router)]
        for index in range(1, 4):
            send_calls(router, tap, index * 50, 50)
            copies.append(newer(router))
        lines = router.lines()
        leaves = [leaf(line) for line in lines]
        log = json.loads(lines[0])["log"]
        for copy in copies:
            origin, size, digest = open(copy).read().splitlines()
            equal(origin, "shadow-router/" + log, "the origin")
            equal(base64.b64decode(digest), root(leaves[:int(size)]), "the root at %s" % size)
            said = json.loads(verify(router, copy, 0, "--json"))["checkpoint"]
            equal((said["contained"], said["size"], said["removed"]), (True, int(size), 0), "what verify-log says")
        for record in router.records("checkpoint"):
            equal(base64.b64decode(record["root"]), root(leaves[:record["size"]]), "root of the record")
            equal(json.loads(lines[record["size"] - 1])["seq"], record["last_seq"], "last_seq")
            check(record["seq"] > record["last_seq"], "a checkpoint covers what is before it")
        router.crash()
        router.start()
        for copy in copies:
            verify(router, copy, 0)
        more = newer(router)
        verify(router, more, 0)
        router.stop()
        verify(router, more, 0)
        with open(copies[0], "a") as f:
            f.write("\n— somebody c2lnbmVkIGJ5IHRoZSB3aXRuZXNz\n")
        verify(router, copies[0], 0)


def test_a_rewritten_a_cut_and_another_log_are_told_with_the_place():
    with Sidecar(SIMPLE, "--checkpoint-seconds", "1") as router, Sidecar(SIMPLE, "--checkpoint-seconds", "1") as other:
        tap = router.tap()
        send_calls(router, tap, 0, 30)
        taken(router)
        send_calls(router, tap, 30, 30)
        copy = newer(router)
        router.stop()
        lines = router.lines()
        write_segments(router.state, [rechain(lines)])
        verify(router, copy, 0)
        target = next(r for r in router.records("decision") if r["call_id"] == "c45")

        def forge(record):
            return {**record, "reason": "confidence_low"} if record["seq"] == target["seq"] else record
        write_segments(router.state, [rechain(lines, forge)])
        equal(router.command("verify-log").returncode, 0, "a chain that was made anew verifies")
        said = verify(router, copy, 1)
        first, last = map(int, re.search(r"records (\d+) to (\d+)", said).groups())
        check(first <= target["seq"] <= last and first > 30, "the place: " + said)
        size = int(open(copy).read().splitlines()[1])
        write_segments(router.state, [lines[:size - 1]])
        check("the log ends with record" in verify(router, copy, 1), "a cut log")
        check("of another log" in verify(router, taken(other) if send_calls(other, other.tap(), 0, 5) is None else "", 1), "another log's checkpoint")
        with open(copy, "w") as f:
            f.write("not one\n")
        verify(router, copy, 1)
        verify(router, os.path.join(router.folder, "absent"), 3)


if __name__ == "__main__":
    main(globals())
