"""Metrics and alerts: the rules and their unit tests under promtool, a real scrape held against both, and a real Prometheus on the console.

promtool and prometheus are those of SHADOW_ROUTER_PROMETHEUS (a folder), else of PATH; on Debian both are in the package `prometheus`.
"""
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request

from sidecar import *

RULES = os.path.join(ROOT, "deploy", "prometheus", "alerts.yml")
TESTS = os.path.join(ROOT, "deploy", "prometheus", "tests.yml")
POLICY = NOBODY + "tasks:\n  t: {local: true, min_confidence: 0.5, labels: [a, b]}\n  closed: {local: false}\n"


def tool(name):
    folder = os.environ.get("SHADOW_ROUTER_PROMETHEUS")
    path = os.path.join(folder, name) if folder else shutil.which(name)
    if not path or not os.access(path, os.X_OK):
        raise Skipped("no %s: it is in Debian's package prometheus; SHADOW_ROUTER_PROMETHEUS names its folder" % name)
    return path


def promtool(*words, input=None):
    done = subprocess.run([tool("promtool"), *words], input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return done.returncode, done.stdout


def busy(router):
    """Every kind of frame, so that every family has a sample."""
    tap = router.tap()
    tap.send(b"".join(call("m%d" % i) for i in range(20)) + call("m-closed", "closed") + answer("m0", label="a") + answer("m1", label="b", latency_ms=5))
    tap.send(frame("outcome", call_id="m0", result="success", source="user") + b"not json\n")
    tap.ping()
    router.wait_for("outcome", 1)


def test_the_rules_and_their_unit_tests_hold():
    code, said = promtool("check", "rules", RULES)
    check(code == 0 and "SUCCESS" in said, "promtool check rules: " + said)
    code, said = promtool("test", "rules", TESTS)
    check(code == 0 and "SUCCESS" in said, "promtool test rules: " + said)


def test_every_alert_has_a_test_that_fires_and_one_that_does_not():
    with open(RULES, encoding="utf-8") as file:
        rules = file.read()
    with open(TESTS, encoding="utf-8") as file:
        tests = file.read()
    for name in re.findall(r"- alert: (\w+)", rules):
        check(re.search(r"alertname: %s\n +exp_alerts:\n +- " % name, tests), "no test in which %s fires" % name)
        check("alertname: %s, exp_alerts: []}" % name in tests, "no test in which %s keeps quiet" % name)
    for part in re.split(r"^ +- alert: ", rules, flags=re.MULTILINE)[1:]:
        for key in ["severity: ", "summary: ", "command: shadow-router ", "runbook: README.md#"]:
            check(key in part, "%s has no %s" % (part.split()[0], key))


def test_every_metric_that_an_alert_uses_is_in_a_real_scrape():
    with open(RULES, encoding="utf-8") as file:
        used = set(re.findall(r"\bshadow_router_\w+", file.read()))
    check(len(used) >= 8, "only %s in the alerts" % sorted(used))
    with Sidecar(POLICY) as router:
        # Before any traffic: an alert on a family that comes with the first call would never see the step from nothing.
        there = {name.split("{")[0] for name in router.metrics()}
        late = {"shadow_router_candidate_errors_total"}
        equal(used - there - late, set(), "metrics of the alerts that are not in the first scrape")
        busy(router)
        samples = router.metrics()
        equal(used - {name.split("{")[0] for name in samples}, set(), "metrics of the alerts that are not in a scrape")
        for name in ['stage{task="t",stage="shadow"}', 'candidate_breaker_open{model="small"}', 'review_overdue{task="t"}', 'frames_received_total{kind="call"}',
                     'frames_shed_total{cause="log_refused"}', 'log_errors_total{op="write"}']:
            check("shadow_router_" + name in samples, "%s is not in the scrape" % name)
        check('shadow_router_review_overdue{task="closed"}' not in samples, "a task that is never local has overdue reviews")


def test_a_real_scrape_is_clean():
    with Sidecar(POLICY) as router:
        busy(router)
        code, body = router.http("GET", "/metrics")
        equal(code, 200, "GET /metrics")
        code, said = promtool("check", "metrics", input=body.decode())
        check(code == 0 and not said.strip(), "promtool check metrics: " + said)


def test_a_prometheus_reads_the_console_and_raises_the_alert():
    prometheus = tool("prometheus")
    with Sidecar(POLICY, "--console", "127.0.0.1:0") as router, tempfile.TemporaryDirectory(prefix="shadow-router-e2e-") as folder:
        busy(router)
        target = re.search(r"console http://(\S+?)/", router.messages).group(1)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with open(os.path.join(folder, "prometheus.yml"), "w") as file:
            json.dump({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [RULES],
                       "scrape_configs": [{"job_name": "shadow-router", "static_configs": [{"targets": [target]}]}]}, file)
        with open(os.path.join(folder, "log"), "wb") as log:
            process = subprocess.Popen([prometheus, "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:%d" % port],
                                       cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def api(path):
            try:
                with urllib.request.urlopen("http://127.0.0.1:%d/api/v1/%s" % (port, path), timeout=5) as answer:
                    return json.load(answer)["data"]
            except OSError:
                return None

        def value(query):
            found = (api("query?query=" + query) or {}).get("result")
            return [float(item["value"][1]) for item in found] if found else None

        def alerts():
            return {item["labels"]["alertname"] for item in (api("alerts") or {}).get("alerts", [])}
        try:
            until(lambda: value("shadow_router_kill_switch") == [0.0], "the first scrape", 30, 0.2)
            equal(value("up"), [1.0], "up")
            equal(value('shadow_router_frames_received_total{kind="call"}'), [21.0], "calls as Prometheus sees them")
            check("ShadowRouterKilled" not in alerts(), "the alert is there before its cause")
            router.command("kill", "on")
            until(lambda: "ShadowRouterKilled" in alerts(), "the alert of the kill switch is pending", 30, 0.2)
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main(globals())
