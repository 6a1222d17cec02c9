#!/usr/bin/env python3
"""Benchmarks with checked answers, each against a peer or a limit measured in the same run.

    run.py [--pairs N] [--calls N] [--write] [NAME...]     # all, or those named; --write renews RESULTS.md
    run.py --list

The release build is taken from SHADOW_ROUTER_BIN or .build/release, the program that times single parts from
SHADOW_ROUTER_BENCHMARKS_BIN or the same folder (SHADOW_ROUTER_BENCHMARKS=1 swift build -c release --product benchmarks); peers are built from $SHADOW_ROUTER_SHARED/perf. Ours and the
peer take turns, so that load on the machine meets both alike; what counts is the ratio of the medians. A peer that is
not there is a loud SKIPPED line. Exit 1 where a first bar is not met.
"""
import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import asking  # noqa: E402
import parts  # noqa: E402
import report  # noqa: E402
import table  # noqa: E402
import whole  # noqa: E402
from peers import Missing, Peers  # noqa: E402

BENCHMARKS = {"whole": whole.socket_to_log, "tap": whole.tap, "memory": whole.memory, "scan": parts.scan, "frames": parts.frames,
              "sha256": parts.sha256, "decision": parts.decision, "policy": parts.policy, "log": parts.log,
              "asking": asking.asking, "report": report.report}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--pairs", type=int, default=5, help="rounds of ours and the peer (default 5)")
    parser.add_argument("--calls", type=int, default=20000, help="calls generated (default 20000, two frames each)")
    parser.add_argument("--write", action="store_true", help="writes the table to RESULTS.md")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        return print("\n".join("%-10s %s" % (name, run.__doc__.split(".")[0]) for name, run in BENCHMARKS.items()))
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error("no benchmark named %s; there are %s" % (", ".join(unknown), ", ".join(BENCHMARKS)))
    about, figures, skipped = table.machine(), [], []
    for row in about:
        print("%-10s %s" % row)
    try:
        peers = Peers(options.calls)
    except Missing as reason:
        print("SKIPPED: every benchmark: %s" % reason)
        return 0
    try:
        for name in options.names or BENCHMARKS:
            try:
                for figure in BENCHMARKS[name](peers, options.pairs):
                    figures.append(figure)
                    print(" | ".join(figure.cells()), flush=True)
            except Missing as reason:
                skipped.append("SKIPPED: %s: %s" % (name, reason))
                print(skipped[-1], flush=True)
    finally:
        peers.close()
    if options.write:
        with open(os.path.join(HERE, "RESULTS.md"), "w") as file:
            file.write("# Benchmarks\n\nMade by `Tests/Benchmarks/run.py --write`; what the columns mean stands there.\n\n")
            file.write(table.markdown([(about, figures, skipped)]))
    return 1 if any(figure.verdict() == "NOT MET" for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
