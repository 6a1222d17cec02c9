"""The report over six weeks: the gate's figures in it, its four forms, its schema, its page on a phone and on paper."""
import json
import os
import re
import sys
import tempfile

from chromium import Chromium
from sidecar import *

sys.path.insert(0, os.path.join(ROOT, "Tests", "Support"))
import story_log  # noqa: E402


class Story:
    """One log for all tests."""
    made = None

    @classmethod
    def make(cls):
        if cls.made is None:
            cls.folder = tempfile.TemporaryDirectory(prefix="shadow-router-story-")
            cls.made = story_log.write(cls.folder.name)
        return cls.made


def ask(*words):
    policy, state = Story.make()
    return run(*words, "--state-dir", state, "--policy", policy, "--runtime-dir", os.path.join(state, "none"))


def report(format, *words):
    done = ask("report", "--format", format, *words)
    equal(done.returncode, 0, "report --format %s: %s" % (format, done.stderr))
    return done.stdout


def test_the_gate_and_the_report_of_one_log_say_the_same():
    for window in ([], ["--week", "2026-W12"], ["--since", "2026-04-10"]):
        told = {t["task_type"]: t for t in json.loads(report("json", *window))["tasks"]}
        for task in ("triage_ticket", "label_issue", "summarize_log", "draft_reply"):
            gate = json.loads(ask("gate", task, "--json").stdout)
            equal(told[task]["gate"], gate, "the gate of %s, %s" % (task, window))
            equal(told[task]["ready"]["code"], gate["outcome"], "the outcome of " + task)
        equal(told["write_patch"]["gate"], None, "the gate of a task of the frontier")
    gate = json.loads(ask("gate", "label_issue", "--json").stdout)
    for form in ("md", "html"):
        text = report(form).replace("\u00a0", " ")
        check("%.2f %%" % (gate["false_accept_upper_bound"] * 100 + 0.005) in text, "%s does not say the bound of label_issue" % form)
        check(gate["epoch"]["id"] in text, "%s does not name the epoch" % form)


def test_the_same_log_gives_the_same_bytes():
    for form in ("md", "html", "json", "csv"):
        equal(report(form), report(form), form)


def test_the_json_form_fits_its_schema():
    try:
        import jsonschema
    except ImportError:
        raise Skipped("the Python package jsonschema is not installed: the report was not checked against `schema report`")
    schema = json.loads(run("schema", "report").stdout)
    value = json.loads(report("json"))
    fault = next(jsonschema.Draft202012Validator(schema).iter_errors(value), None)
    check(fault is None, lambda: "%s at %s" % (fault.message[:200], list(fault.path)))
    value["tasks"][0]["gate"]["outcome"] = "perhaps"
    check(not jsonschema.Draft202012Validator(schema).is_valid(value), "the schema lets any outcome pass")


def test_sections_stand_in_their_order_and_what_is_loud_stands_first():
    html, text = report("html"), report("md")
    ids = re.findall(r'<h2 id="(\w+)"', html)
    equal(ids, ["changes", "false", "tasks", "runs", "stops", "gates", "balance", "reviewers", "words"], "sections of the page")
    heads = re.findall(r"(?m)^## (.*)", text)
    equal(heads, ["At a glance", "What changed", "False accepts, worst first", "Tasks", "Agents and runs", "Hard stops", "Gates", "Balance", "Reviewers", "Where this comes from"], "sections of the text")
    changes = text[text.index("## What changed"):text.index("## False accepts")].strip().splitlines()[2:]
    loud = ["**" in line for line in changes]
    equal(loud, sorted(loud, reverse=True), "loud changes first")
    check(any("OVERRIDE" in line for line in changes[:4]), "the override is not loud")
    links = set(re.findall(r'href="#([\w]+)"', html))
    check(links <= set(re.findall(r'id="([\w]+)"', html)), "a link leads nowhere")


def test_money_adds_up():
    value = json.loads(report("json"))
    saving, decisions = value["saving"], [r for r in map(json.loads, open(os.path.join(Story.make()[1], "log", "0000000001.ndjson"))) if r["kind"] == "decision"]
    local = [r for r in decisions if r["route"] == "local"]
    equal(saving["served"], len(local), "served locally")
    equal(saving["audited"], sum(r["audit"] for r in local), "audited")
    equal(saving["control"], sum(r["cohort"] == "control" for r in decisions), "control share")
    near = lambda a, b: abs(a - b) < 1e-6 * max(1, abs(b))
    check(near(saving["live_net_usd"], saving["spared_estimate_usd"] - saving["live_local_usd"] - saving["live_upkeep_usd"]), "the live net")
    for key in saving:
        check(near(saving[key], sum(t["saving"][key] for t in value["tasks"])), "%s is not the sum over tasks" % key)
    runs = value["runs"] + [value["other_runs"]]
    equal(sum(r["calls"] for r in runs) + value["calls_without_run"], len(decisions), "calls over runs")
    for key in ("frontier_only_usd", "with_router_usd"):
        total = sum(t["cost"][key] for t in value["tasks"])
        check(abs(sum(r[key] for r in runs) - total) < 1e-3 * total, "%s over runs" % key)


def test_the_page_is_read_on_a_phone_on_a_desk_in_the_dark_and_on_paper():
    path = os.path.join(Story.folder.name if Story.made else os.path.dirname(Story.make()[0]), "report.html")
    with open(path, "w") as file:
        file.write(report("html"))
    with Chromium() as page:
        for width, dark in ((390, False), (1280, False), (390, True)):
            page.size(width, 844)
            page.media(dark)
            page.open("file://" + path)
            wide = page.value("document.documentElement.scrollWidth")
            check(wide <= width, "at %d the page is %d wide" % (width, wide))
            small = page.value("Math.min(...[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width > 0).map(s => s.getBoundingClientRect().width / s.viewBox.baseVal.width))")
            check(small > 0.75, "a chart's words are shrunk to %.2f at %d" % (small, width))
            nameless = page.value("[...document.querySelectorAll('svg')].filter(s => !s.querySelector('title, desc')).length")
            equal(nameless, 0, "charts without words")
        check("rgb(20, 23, 27)" in page.value("getComputedStyle(document.body).backgroundColor"), "dark mode")
        page.size(794, 1123)
        page.call("Emulation.setEmulatedMedia", media="print")
        wide = page.value("document.documentElement.scrollWidth")
        check(wide <= 794, "on A4 the page is %d wide" % wide)
        pages = page.call("Page.printToPDF", 60, paperWidth=8.27, paperHeight=11.69)["data"]
        check(len(pages) > 10_000, "the printed page")
        equal(page.errors, [], "complaints of the browser")


if __name__ == "__main__":
    main(globals())
