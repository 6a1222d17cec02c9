"""The report over a long log, against DuckDB's grouped query over the same bytes, and again with what is kept beside the log."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import report_duck
import report_log
from peers import Missing
from sidecar import HERE, binary
from table import Figure, median, spread

RECORDS = int(os.environ.get("SHADOW_ROUTER_REPORT_RECORDS") or 2_000_000)


def python_with_duckdb(folder):
    """A Python that has DuckDB: this one, or an environment made for the run."""
    if subprocess.run([sys.executable, "-c", "import duckdb"], capture_output=True).returncode == 0:
        return sys.executable
    environment = os.path.join(folder, "duckdb")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    path = os.path.join(environment, "bin", "python")
    if subprocess.run([path, "-m", "pip", "install", "--quiet", "duckdb"], capture_output=True).returncode:
        raise Missing("DuckDB cannot be installed here")
    return path


# A process of its own, because a child's peak memory is at least what its parent held when it began.
MEASURE = """
import json, os, subprocess, sys, time
began = time.monotonic()
process = subprocess.Popen(sys.argv[2:], stdout=open(sys.argv[1], "wb"), stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)]))
os._exit(0)
"""


def measured(command):
    """Wall seconds, CPU seconds, peak MiB and what was printed."""
    with tempfile.NamedTemporaryFile() as out:
        told = subprocess.run([sys.executable, "-c", MEASURE, out.name, *command], capture_output=True, text=True, check=True)
        wall, cpu, peak, code = json.loads(told.stdout)
        if code:
            raise Missing("%s ended with %d" % (os.path.basename(command[0]), code))
        return wall, cpu, peak, out.read()


def report(peers, pairs):
    """A report over 2 million records against DuckDB, one thread each; then with summaries, then after 1 % more records."""
    state = os.path.join(peers.dir, "report")
    segments = report_log.write(state, RECORDS)
    folder = os.path.join(state, "log")
    files, size = os.path.join(folder, "*.ndjson"), sum(entry.stat().st_size for entry in os.scandir(folder))
    python, duck = python_with_duckdb(peers.dir), os.path.join(HERE, "report_duck.py")
    ours = [binary(), "report", "--state-dir", state, "--policy", os.path.join(state, "none"), "--format", "json"]
    peer = {mode: [] for mode in ("auto", "columns")}
    cold, warm, grown, texts = [], [], [], set()

    def forget():
        shutil.rmtree(os.path.join(state, "summaries"), ignore_errors=True)

    measured(["cat", *sorted(entry.path for entry in os.scandir(folder) if entry.is_file())])
    for _ in range(pairs):
        forget()
        cold.append(measured(ours))
        warm.append(measured(ours))
        texts |= {cold[-1][3], warm[-1][3]}
        for mode, runs in peer.items():
            runs.append(measured([python, duck, files, "1", mode]))
    assert len(texts) == 1, "the report with summaries is another one"
    report_duck.compare(json.loads(cold[0][3]), json.loads(peer["columns"][0][3]))
    report_duck.compare(json.loads(cold[0][3]), json.loads(peer["auto"][0][3]))

    walls = {name: [run[0] for run in runs] for name, runs in [("cold", cold), ("warm", warm), *peer.items()]}
    note = "%s records, %.1f GB" % (format(RECORDS, ","), size / 1e9)
    yield Figure("report, nothing kept", spread(walls["cold"], 2) + " s, %.0f MB/s" % (size / 1e6 / median(walls["cold"])),
                 "DuckDB, 1 thread, finds the columns: %s s" % spread(walls["auto"], 2), median(walls["cold"]) / median(walls["auto"]), 0.55, 0.4,
                 at_most=True, note=note)
    yield Figure("report, nothing kept", spread(walls["cold"], 2) + " s", "DuckDB, 1 thread, columns named: %s s" % spread(walls["columns"], 2),
                 median(walls["cold"]) / median(walls["columns"]), None, 0.55, at_most=True)
    yield Figure("report, CPU seconds", spread([run[1] for run in cold], 2) + " s", "DuckDB, columns named: %s s" %
                 spread([run[1] for run in peer["columns"]], 2), median([run[1] for run in cold]) / median([run[1] for run in peer["columns"]]), None, 0.55,
                 at_most=True)
    highest = max(run[2] for run in cold + warm)
    yield Figure("report, peak memory", "%.0f MiB" % highest, "limit 64 MiB; DuckDB %.0f MiB" % max(run[2] for run in peer["columns"]), highest, 64, 32,
                 at_most=True, unit="MiB")
    yield Figure("report with summaries, times faster", spread(walls["warm"], 3) + " s", "the same report, nothing kept",
                 median(walls["cold"]) / median(walls["warm"]), 10, 100)

    report_log.write(state, RECORDS // 100, seed=7, segments=segments)
    for _ in range(pairs):
        # Each time from what was kept before the new records came.
        kept = os.path.join(state, "summaries", "report")
        if grown:
            os.replace(kept + ".again", kept)
        shutil.copy2(kept, kept + ".again")
        grown.append(measured(ours))
    forget()
    assert grown[0][3] == measured(ours)[3], "after more records the report with summaries is another one"
    yield Figure("report with summaries after 1 % more records, times faster", spread([run[0] for run in grown], 3) + " s",
                 "the same report, nothing kept", median(walls["cold"]) / median([run[0] for run in grown]), 10, 100)
