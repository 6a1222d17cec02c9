"""The threat model names tests: each of them is there."""
import glob
import re

from machine import *

PAGE = os.path.join(ROOT, "Sources", "RouterCore", "RouterCore.docc", "ThreatModel.md")


def test_every_test_that_it_names_is_there():
    with open(PAGE) as f:
        page = f.read()
    tests = set()
    for path in glob.glob(os.path.join(ROOT, "Tests", "*", "test_*.py")):
        theme = os.path.basename(path)[len("test_"):-len(".py")]
        with open(path) as f:
            tests |= {"%s/%s" % (theme, name) for name in re.findall(r"^def test_(\w+)", f.read(), re.M)}
    named = set(re.findall(r"`([a-z_]+/[a-z0-9_]+)`", page))
    check(len(named) > 40, "only %d tests are found in the page" % len(named))
    equal(sorted(named - tests), [], "named and not there")
    folders = set(re.findall(r"`(Tests/\w+)`", page))
    equal([f for f in folders if not glob.glob(os.path.join(ROOT, f, "*.swift"))], [], "suites that are not there")
    figure("tests that the threat model names", len(named) + len(folders))


def test_every_row_of_a_threat_has_what_holds():
    with open(PAGE) as f:
        rows = [line.strip().strip("|").split("|") for line in f if line.startswith("| ") and line.count("|") == 5]
    check(len(rows) > 30, "only %d rows" % len(rows))
    for row in rows:
        threat, holds, shown, remains = (cell.strip() for cell in row)
        check(holds and (shown or remains), "a row without what holds, or without what shows it or remains: " + threat)


if __name__ == "__main__":
    main(globals())
