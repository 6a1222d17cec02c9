"""Single parts of the sidecar, measured inside the program `benchmarks`, each beside the peer that does the same work."""
import hashlib
import json
import os
import random
import re
import subprocess
import time

from peers import Missing
from sidecar import ROOT
from table import Figure, median, spread
from whole import frames_of


def program():
    """SHADOW_ROUTER_BENCHMARKS=1 swift build -c release --product benchmarks"""
    path = os.environ.get("SHADOW_ROUTER_BENCHMARKS_BIN") or os.path.join(ROOT, ".build", "release", "benchmarks")
    if not os.access(path, os.X_OK):
        raise Missing("no program for the parts: %s, or name one in SHADOW_ROUTER_BENCHMARKS_BIN" % program.__doc__)
    return path


def ours(part, *arguments):
    done = subprocess.run([program(), part, *arguments, "1"], capture_output=True, text=True)
    assert done.returncode == 0, "%s: %s" % (part, done.stderr.strip()[-300:])
    return json.loads(done.stdout)


def by_turns(pairs, first, second):
    """Both sides, one after the other, `pairs` times."""
    results = [(first(), second()) for _ in range(pairs)]
    return [a for a, _ in results], [b for _, b in results]


def mb_per_s(answers):
    return [answer["mb_per_s"] for answer in answers]


def scan(peers, pairs):
    """60 terms over prompts against the C automaton and vectorscan; then 600 terms against 60."""
    prompts = peers.events + ".txt"
    terms = [line.strip() for line in open(peers.keywords) if line.strip()]
    # Plain words, so that both edge rules say the same; the contract's own are checked call by call in `whole`.
    words = [re.compile(r"(?<![A-Za-z0-9_])%s(?![A-Za-z0-9_])" % re.escape(term), re.I) for term in terms]
    with open(prompts) as file:
        expected = sum(any(word.search(line) for word in words) for line in file)
    many, source = os.path.join(peers.dir, "terms600"), random.Random(5)
    with open(many, "w") as file:
        letters = "abcdefghijklmnopqrstuvwxyz"
        more = ["".join(source.choice(letters) for _ in range(source.randrange(5, 14))) for _ in range(540)]
        file.write("\n".join(terms + more) + "\n")

    def peer():
        text = peers.say(peers.build("hs.c", "-lhs"), peers.keywords, prompts, "1")
        assert peers.number(r"byte classes, 16-bit states: .* prompts_hit=(\d+)", text) == expected
        return (peers.number(r"byte classes, 16-bit states: .*cpu ([\d.]+) MB/s", text),
                peers.number(r"SINGLEMATCH: .*cpu ([\d.]+) MB/s", text))

    us, them = by_turns(pairs, lambda: (ours("scan", peers.keywords, prompts), ours("scan", many, prompts)), peer)
    assert all(few["prompts_hit"] == expected for few, _ in us), "%s of %s prompts" % (us[0][0]["prompts_hit"], expected)
    speed, slower = mb_per_s(few for few, _ in us), mb_per_s(lot for _, lot in us)
    dfa, vectorscan = [a for a, _ in them], [b for _, b in them]
    yield Figure("scan, 60 terms", spread(speed) + " MB/s", "C byte-class automaton " + spread(dfa), median(speed) / median(dfa), 1.0, 1.5)
    yield Figure("scan, 60 terms", spread(speed) + " MB/s", "vectorscan " + spread(vectorscan), median(speed) / median(vectorscan), None, 1.0)
    yield Figure("scan, 600 terms, times slower", spread(slower) + " MB/s", "our 60 terms", median(speed) / median(slower), None, 1.3, at_most=True)


def frames(peers, pairs):
    """Decoding frames against orjson on the same frames and simdjson on their events."""
    path, list_ = os.path.join(peers.dir, "frames.ndjson"), frames_of(peers.events)
    with open(path, "wb") as file:
        file.writelines(list_)
    text = 0
    for frame in map(json.loads, list_):
        if frame["kind"] == "call":
            text += len("\n".join(m["content"] for m in frame["request"]["messages"]).encode())
        else:
            text += len(frame["response"]["choices"][0]["message"]["content"].encode())
    try:
        import orjson
    except ImportError:
        orjson = None
        print("SKIPPED: frames against orjson: the Python module orjson is not installed")
    bodies = [frame[:-1] for frame in list_]
    size = sum(map(len, bodies))

    def peer():
        said = peers.say(peers.build("parse.cpp", "-lsimdjson"), peers.events, "1")
        rate = peers.number(r"all needed strings unescaped: .*cpu ([\d.]+) MB/s", said)
        if not orjson:
            return rate, None
        began = time.process_time()
        for body in bodies:
            orjson.loads(body)
        return rate, size / 1e6 / (time.process_time() - began)

    us, them = by_turns(pairs, lambda: ours("frames", path), peer)
    half = len(list_) // 2
    assert all((a["calls"], a["answers"], a["text_bytes"]) == (half, half, text) for a in us), (us[0], half, text)
    speed = mb_per_s(us)
    if orjson:
        other = [b for _, b in them]
        yield Figure("frame decoding", spread(speed) + " MB/s", "orjson " + spread(other), median(speed) / median(other), 1.0, 2.0)
    other = [a for a, _ in them]
    yield Figure("frame decoding", spread(speed) + " MB/s", "simdjson, strings unescaped " + spread(other), median(speed) / median(other), None, 0.7)


def sha256(peers, pairs):
    """SHA-256 of 4 KiB against OpenSSL."""

    def peer():
        done = subprocess.run(["openssl", "speed", "-evp", "sha256", "-bytes", "4096", "-seconds", "1"], capture_output=True, text=True)
        if done.returncode:
            raise Missing("openssl speed does not run here")
        return peers.number(r"(?i)^sha256\s+([\d.]+)k", done.stdout.splitlines()[-1]) / 1e3

    us, them = by_turns(pairs, lambda: ours("sha256"), peer)
    digest = hashlib.sha256(bytes(range(256)) * 16).hexdigest()
    assert all("%08x%08x" % (int(a["digest_high"]), int(a["digest_low"])) == digest[:16] for a in us)
    speed = mb_per_s(us)
    yield Figure("SHA-256 of 4 KiB", spread(speed) + " MB/s", "OpenSSL " + spread(them), median(speed) / median(them), 0.9, 1.0)


def policy_text(tasks):
    """A seeded policy of so many tasks, about 46 KB at 200."""
    r, rows = random.Random(3), []
    for number in range(tasks):
        labels = ", ".join("l%d" % label for label in range(r.randrange(2, 6)))
        rows.append("  task_%03d:  # owner team-%d\n    owner: team-%d\n    local: %s\n    labels: [%s]\n    max_input_chars: %d\n"
                    "    min_confidence: %.2f\n    output: label\n    hard_stops:\n      security:\n        - \"stop %d\"\n        - \"halt %d\"\n"
                    "    review_sample: 0.05\n" % (number, number % 12, number % 12, str(r.random() < 0.8).lower(), labels,
                                                  r.choice([2048, 4096, 8192]), 0.7 + 0.25 * r.random(), number, number))
    return ("version: 1\nmodels:\n  local_default: {provider: ollama, name: m, endpoint: \"http://127.0.0.1:9/api/generate\"}\n"
            "  frontier_default: {provider: anthropic, name: f}\ntasks:\n" + "".join(rows))


def decision(peers, pairs):
    """Screening and ending a call whose text is one character, 200 tasks, against the stated limit."""
    path = os.path.join(peers.dir, "decision.yaml")
    with open(path, "w") as file:
        file.write(policy_text(200))
    import yaml
    tasks = yaml.safe_load(open(path))["tasks"]
    names = list(tasks)
    expected = sum(tasks[names[n * 7 % 200]]["local"] for n in range(1024))
    us = [ours("decision", path) for _ in range(pairs)]
    assert all(a["to_candidate"] == expected for a in us), (us[0], expected)
    times = [a["ns"] / 1e3 for a in us]
    yield Figure("decision without the scan", spread(times, 2) + " us", "limit 0.5 us; regorus 12.1 us (stated, not run here)", median(times), 0.5,
                 0.3, at_most=True, unit="us")


def policy(peers, pairs):
    """A policy of 200 tasks, checked and prepared, against PyYAML's C loader on the same text."""
    try:
        import yaml
        loader = yaml.CSafeLoader
    except (ImportError, AttributeError):
        raise Missing("PyYAML with its C loader is not installed")
    text, path = policy_text(200), os.path.join(peers.dir, "policy.yaml")
    with open(path, "w") as file:
        file.write(text)

    def peer():
        began = time.process_time()
        assert len(yaml.load(text, loader)["tasks"]) == 200
        return (time.process_time() - began) * 1e3

    us, them = by_turns(pairs, lambda: ours("policy", path), peer)
    assert all(a["tasks"] == 200 for a in us)
    times = [a["ms"] for a in us]
    yield Figure("policy of 200 tasks, %d KB" % (len(text) // 1000), spread(times, 1) + " ms", "PyYAML C loader " + spread(them, 1),
                 median(times) / median(them), 0.25, 0.1, at_most=True)


def log(peers, pairs):
    """Records of 600 bytes to the disk against raw appends of 64 KiB with fdatasync."""
    turn = iter(range(1000))

    def us():
        folder = os.path.join(peers.dir, "log%d" % next(turn))
        os.makedirs(os.path.join(folder, "0"), 0o700)
        return ours("log", folder)

    def peer():
        return peers.number(r"write 65536 B \+ fdatasync: ([\d.]+) MB/s", peers.say(peers.build("sync.c"), peers.dir, "1"))

    mine, them = by_turns(pairs, us, peer)
    assert all(a["records"] >= 60000 for a in mine)
    speed = mb_per_s(mine)
    yield Figure("log, records of 600 B", "%s MB/s; %.1f us CPU a record" % (spread(speed), median([a["us_per_record"] for a in mine])),
                 "64 KiB append + fdatasync " + spread(them), median(speed) / median(them), 0.8, 0.95)
