#!/usr/bin/env python3
"""The report's grouped figures by DuckDB, straight over the log: report_duck.py 'LOG/*.ndjson' THREADS auto|columns

`auto` lets DuckDB find the columns, as the peer's own script does; `columns` names those that are needed and their types, which is
faster. Prints JSON: by task the figures as `report --format json` names them, and the hard stops.
"""
import json
import math
import sys

COLUMNS = {"kind": "VARCHAR", "call_id": "VARCHAR", "task_type": "VARCHAR", "route_candidate": "VARCHAR", "reason": "VARCHAR",
           "hard_stop_match": 'STRUCT("class" VARCHAR, term VARCHAR, "where" VARCHAR)[]', "local_latency_ms": "DOUBLE", "local_cost_usd": "DOUBLE",
           "agreement": "VARCHAR", "frontier_latency_ms": "DOUBLE", "fallback_latency_ms": "DOUBLE", "frontier_cost_usd": "DOUBLE"}
RANKS = ["p50", "p95", "p99"]


def query(files, threads, mode):
    import duckdb  # comparing needs none
    base = duckdb.connect()
    base.execute("SET threads=%d; SET preserve_insertion_order=false" % threads)
    source = "read_json_auto('%s', format='newline_delimited')" % files
    if mode == "columns":
        source = "read_json('%s', format='newline_delimited', columns={%s})" % (files, ", ".join("%s: '%s'" % item for item in COLUMNS.items()))
    base.execute("CREATE TEMP TABLE r AS SELECT %s FROM %s" % (", ".join(COLUMNS), source))
    tasks = {}
    for row in base.execute("""
        SELECT d.task_type, count(*), count(*) FILTER (d.route_candidate = 'local'),
          count(*) FILTER (d.route_candidate = 'local' AND c.agreement = 'agree'), count(*) FILTER (d.route_candidate = 'local' AND c.agreement = 'disagree'),
          quantile_disc(d.local_latency_ms, [.5, .95, .99]), quantile_disc(c.frontier_latency_ms, [.5, .95, .99]),
          quantile_disc(c.fallback_latency_ms, [.5, .95, .99]) FILTER (d.route_candidate <> 'local'),
          sum(d.local_cost_usd), sum(c.frontier_cost_usd), sum(c.frontier_cost_usd) FILTER (d.route_candidate = 'local')
        FROM r d LEFT JOIN r c ON c.call_id = d.call_id AND c.kind = 'comparison' WHERE d.kind = 'decision' GROUP BY 1""").fetchall():
        tasks[row[0]] = {"calls": row[1], "would_accepts": row[2], "agree": row[3], "disagree": row[4],
                         **{name: dict(zip(RANKS, row[5 + place])) for place, name in
                            enumerate(["local_latency_ms", "frontier_latency_ms", "fallback_latency_ms"])},
                         "cost": dict(zip(["local_usd", "frontier_only_usd", "frontier_of_would_accepts_usd"], row[8:])), "reasons": {}}
    for task, reason, count in base.execute(
            "SELECT task_type, coalesce(reason, 'accepted'), count(*) FROM r WHERE kind = 'decision' GROUP BY 1, 2").fetchall():
        tasks[task]["reasons"][reason] = count
    stops = base.execute('SELECT task_type, s."class", s.term, s."where", count(*) FROM (SELECT task_type, unnest(hard_stop_match) s FROM r) '
                         "GROUP BY 1, 2, 3, 4").fetchall()
    return {"tasks": tasks, "hard_stops": sorted(stops)}


def compare(ours, theirs):
    """Every figure that DuckDB has is ours: counts and ranks exactly, sums to 1e-9."""
    tasks = {task["task_type"]: task for task in ours["tasks"]}
    assert tasks.keys() == theirs["tasks"].keys(), (sorted(tasks), sorted(theirs["tasks"]))
    for name, want in theirs["tasks"].items():
        got = tasks[name]
        for key, value in want.items():
            if key == "reasons":
                assert {k: v for k, v in got[key].items() if v} == value, (name, key, got[key], value)
            elif isinstance(value, dict):
                for inner, figure in value.items():
                    assert math.isclose(got[key][inner], figure, rel_tol=1e-9), (name, key, inner, got[key][inner], figure)
            else:
                assert got[key] == value, (name, key, got[key], value)
    stops = sorted([s["task_type"], s["class"], s["term"], s["where"], s["count"]] for s in ours["hard_stops"])
    assert stops == [list(stop) for stop in theirs["hard_stops"]], "hard stops"


if __name__ == "__main__":
    print(json.dumps(query(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
