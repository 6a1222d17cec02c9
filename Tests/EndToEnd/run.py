#!/usr/bin/env python3
"""All end-to-end tests of the built binary, or those of one theme.

    Tests/EndToEnd/run.py
    Tests/EndToEnd/run.py --only crash --only tap

The binary is SHADOW_ROUTER_BIN, else the release or the debug build of this checkout. Exit 1 when a test failed.
"""
import argparse
import importlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sidecar  # noqa: E402

ORDER = ["tap", "crash", "candidate", "https", "cascade", "challenger", "policy", "simulate", "kill", "joining", "json_suite", "yaml_suite", "privacy", "cli",
         "systemd", "disk"]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    found = {name[len("test_"):-len(".py")] for name in os.listdir(here) if name.startswith("test_")}
    themes = [t for t in ORDER if t in found] + sorted(found - set(ORDER))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME", help="one theme: " + ", ".join(themes))
    arguments = parser.parse_args()
    wanted = [name.replace("-", "_") for name in arguments.only or themes]
    unknown = [name for name in wanted if name not in themes]
    if unknown:
        parser.error("no theme %s; there are %s" % (", ".join(unknown), ", ".join(themes)))
    sidecar.binary()
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for theme in wanted:
        sidecar.run_tests(theme, vars(importlib.import_module("test_" + theme)), counts)
    return sidecar.finish(counts)


if __name__ == "__main__":
    sys.exit(main())
