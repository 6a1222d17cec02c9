"""Load: bursts, a steady stream, and policies that change all the time under it.

Short by default. SHADOW_ROUTER_BURST_SECONDS, SHADOW_ROUTER_STEADY_SECONDS and SHADOW_ROUTER_RELOADS make them long:
deploy/load.sh runs 10 s, 30 minutes and 10,000.
"""
import itertools

from load import *

BURST_RATE = 20000
BURST_SECONDS = float(os.environ.get("SHADOW_ROUTER_BURST_SECONDS") or 3)
STEADY_RATE = 2000
STEADY_SECONDS = float(os.environ.get("SHADOW_ROUTER_STEADY_SECONDS") or 20)
RELOADS = int(os.environ.get("SHADOW_ROUTER_RELOADS") or 200)
# As many calls as the router remembers: from then on its memory has nothing left to grow into.
REMEMBERED = 100_000
FLAT, STEP = 0.05, 0.25


def test_a_burst_is_received_or_dropped_by_its_sender_exactly():
    with Senders() as senders, Sidecar() as router:
        with BalanceWatch(router) as watch:
            sent = senders.send(router, BURST_RATE, BURST_SECONDS, 1024)
        most = memory_mib(router)[1]
        stop = router.stop()
        check_exact(stop, sent)
        kinds = count_kinds(router, "decision")
        equal(kinds["decision"] + stop["shed"], sent["calls"], "calls decided or shed")
        check(sent["slowest_us"] < 1e6, "one write took %.0f ms" % (sent["slowest_us"] / 1e3))
        equal(router.command("verify-log").returncode, 0, "verify-log")
        figure("burst: %d calls/s for %g s: made, received, dropped by the sender, shed" % (BURST_RATE, BURST_SECONDS),
               "%d, %d, %d, %d" % (sent["calls"] + sent["dropped"], sent["calls"], sent["dropped"], stop["shed"]))
        figure("burst: slowest write, highest memory, snapshots of the balance",
               "%.1f ms, %.0f MiB, %d" % (sent["slowest_us"] / 1e3, most, watch.snapshots))


def test_a_steady_stream_loses_nothing_and_memory_stays_flat():
    with Senders() as senders, Sidecar() as router:
        # What grows once has grown before the clock starts.
        warm = senders.send(router, 0, REMEMBERED / 1000, 2048, prefix="w", answers=True)
        until(lambda: router.status()["log"]["pending_bytes"] == 0, "the log has caught up", 60, 0.1)
        with MemoryWatch(router) as watch:
            sent = senders.send(router, STEADY_RATE, STEADY_SECONDS, 2048, prefix="s", answers=True, patient=True)
        most = memory_mib(router)[1]
        stop = router.stop()
        both = totals([warm, sent])
        check_exact(stop, both)
        equal((sent["dropped"], stop["shed"]), (0, 0), "dropped by the sender, shed")
        equal(count_kinds(router, "decision", "comparison"), {"decision": both["calls"], "comparison": both["answers"]}, "records")
        first, last = watch.mean(0.2, 0.4), watch.mean(0.8, 1)
        change = last / first - 1
        table("Resident memory, MiB", [("second", "MiB")] + [
            ("%.0f" % at, "%.1f" % mib) for at, mib in watch.samples[::max(1, len(watch.samples) // 12)]])
        figure("steady: %d calls/s x 2 KiB for %g s: calls, lost" % (STEADY_RATE, STEADY_SECONDS), "%d, 0" % sent["calls"])
        figure("steady: memory in its second fifth, its last, change, highest", "%.1f, %.1f MiB, %+.1f %%, %.1f MiB" % (first, last, change * 100, most))
        figure("steady: slowest write", "%.1f ms" % (sent["slowest_us"] / 1e3))
        check(sent["slowest_us"] < 2e6, "a sender waited %.1f s" % (sent["slowest_us"] / 1e6))
        steady = steady_growth([watch.mean(tenth / 10, (tenth + 1) / 10) for tenth in range(2, 10)]) / first
        figure("steady: memory's steady growth after its first fifth", "%+.1f %%" % (steady * 100))
        check(steady <= FLAT and change <= STEP, "memory went from %.1f to %.1f MiB, steadily by %.1f %%" % (first, last, steady * 100))


# What each valid policy stops on in the text that the sender writes, and the candidate that it names.
VARIANTS = [[], ["importer"], ["row twelve"], ["importer", "said nothing"]]


def variant(number):
    """A policy that no earlier one was, and what shows in a record that it decided."""
    kind = number % len(VARIANTS)
    terms = ", ".join('"%s"' % term for term in VARIANTS[kind])
    text = ('# %d\nmodels:\n  small: {provider: ollama, name: none-%d, endpoint: "http://127.0.0.1:9/api/generate", timeout_ms: 300}\n'
            "hard_stops: {security: [%s]}\ntasks:\n  t: {local: false}\n  open: {local: true, min_confidence: 0.5}\n"
            'tests:\n  - {name: one, task: t, input: "x", expect: {reason: policy_requires_frontier}}\n' % (number, kind, terms))
    return text, kind


def broken(number):
    """A policy that must be refused: each time in another way."""
    good = variant(number)[0]
    return [
        good.replace("tasks:", "tasks: ["), good.replace("min_confidence", "min_confidense"), good.replace("policy_requires_frontier", "hard_stop_security"),
        "", "\x00\x01", good.replace("min_confidence: 0.5", "min_confidence: 7"), good + good, good.replace("local: true, min_confidence: 0.5", "local: true"), None,
    ][number // 2 % 9]


def test_reloads_under_load_lose_nothing_and_each_call_has_one_generation():
    with Senders() as senders, Sidecar(variant(0)[0]) as router:
        is_done, sent, fault = threading.Event(), [], []

        def traffic():
            try:
                for number in itertools.count():
                    sent.append(senders.send(router, 2000, 3, 1024, connections=8, prefix="r%d" % number, answers=number % 2 == 0, patient=True))
                    if is_done.is_set():
                        return
            except Exception as why:
                fault.append(why)

        sender = threading.Thread(target=traffic)
        first_memory = None
        kinds = {revision(variant(0)[0]): 0}
        generations = {1: revision(variant(0)[0])}
        times = []
        with BalanceWatch(router):
            sender.start()
            for number in range(1, RELOADS + 1):
                if number == RELOADS // 2:
                    first_memory = memory_mib(router)[0]
                is_valid = number % 2 == 0
                text = variant(number)[0] if is_valid else broken(number)
                if text is None:
                    os.unlink(router.policy)
                else:
                    router.write_policy(text)
                start = time.monotonic()
                code, body = router.http("POST", "/v1/reload")
                times.append(time.monotonic() - start)
                told = json.loads(body)
                equal((code, told["result"]), (200, "taken") if is_valid else (422, "refused"), "reload %d: %s" % (number, told))
                if is_valid:
                    kinds[revision(text)] = variant(number)[1]
                    generations[told["generation"]] = told["revision"]
                    equal(told["revision"], revision(text), "the revision of reload %d" % number)
                else:
                    check(told["errors"], "reload %d: refused without a word" % number)
                    check(told["generation"] in generations, "a refused reload made a generation")
            last_memory, most = memory_mib(router)
            is_done.set()
            sender.join()
        if fault:
            raise fault[0]
        stop, whole = router.stop(), totals(sent)
        check_exact(stop, whole)
        equal((whole["dropped"], stop["shed"]), (0, 0), "dropped by the senders, shed")
        check(whole["slowest_us"] < 2e6, "a sender waited %.1f s" % (whole["slowest_us"] / 1e6))
        equal(sorted(generations), list(range(1, RELOADS // 2 + 2)), "generations")
        decisions, newest, wrong = 0, 0, []
        for line in stream(router, "decision"):
            record = json.loads(line)
            decisions += 1
            kind = kinds[record["policy_revision"]]
            found = sorted(hit["term"] for hit in record["hard_stop_match"] or ())
            asked = record["local_model"]
            is_one = (generations[record["generation"]] == record["policy_revision"] and found == sorted(VARIANTS[kind])
                      and asked in ([None, "none-%d" % kind] if record["task_type"] == "open" and kind == 0 else [None]))
            # Those that no model is asked about are recorded in the order in which they are decided.
            if record["task_type"] == "t":
                is_one = is_one and record["generation"] >= newest
                newest = max(newest, record["generation"])
            if not is_one:
                wrong.append((record["call_id"], record["generation"], kind, found, asked))
        check(not wrong, lambda: "%d decisions of more than one generation: %s" % (len(wrong), wrong[:3]))
        equal(decisions, whole["calls"], "decisions")
        policies = [json.loads(line) for line in stream(router, "policy")]
        equal((len([r for r in policies if r["taken"]]), len([r for r in policies if not r["taken"]])), (RELOADS // 2, RELOADS - RELOADS // 2), "policy records taken, refused")
        equal(router.command("verify-log").returncode, 0, "verify-log")
        times.sort()
        figure("reload storm: reloads, refused, calls meanwhile, lost, of more than one generation", "%d, %d, %d, 0, 0" % (RELOADS, RELOADS - RELOADS // 2, whole["calls"]))
        figure("reload storm: a reload, median and slowest; slowest write", "%.1f, %.0f ms; %.1f ms" % (times[len(times) // 2] * 1e3, times[-1] * 1e3, whole["slowest_us"] / 1e3))
        figure("reload storm: memory half-way, at the end, highest", "%.1f, %.1f, %.1f MiB" % (first_memory, last_memory, most))
        check(last_memory < first_memory * 1.25 + 8, "memory grew from %.1f MiB half-way to %.1f" % (first_memory, last_memory))


if __name__ == "__main__":
    main(globals())
