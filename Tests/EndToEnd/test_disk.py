"""A full disk: senders do not wait, nothing crashes, what is lost is counted, and it goes on when there is space again."""
import errno
import json
import os
import shutil
import subprocess
import tempfile
import time

from live import *

SMALL = 6 << 20


class TinyDisk:
    """A file system of a few megabytes, mounted for a test."""

    def __enter__(self):
        if os.geteuid() != 0:
            raise Skipped("only root may mount the small file system that is to fill up")
        self.path = tempfile.mkdtemp(prefix="shadow-router-disk-")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d,mode=0700" % SMALL, "tmpfs", self.path], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            os.rmdir(self.path)
            raise Skipped("a tmpfs cannot be mounted here: " + done.stderr.strip())
        return self.path

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=False)
        shutil.rmtree(self.path, ignore_errors=True)


def test_a_full_disk_hurts_no_sender_and_is_recovered_from():
    with TinyDisk() as disk:
        with Sidecar(SIMPLE, "--segment-mb", "1", state=os.path.join(disk, "state")) as router:
            ballast = os.path.join(disk, "ballast")
            tap, text = router.tap(), "lorem ipsum " * 20
            tap.send(call("first"))
            router.wait_for("decision", 1)
            with open(ballast, "wb") as f:
                f.write(b"x" * (SMALL - (2 << 20)))
            # Far more than the disk and the router's memory for records hold.
            sent = 0
            with BalanceWatch(router):
                def is_full():
                    nonlocal sent
                    tap.send(b"".join(call("d%d" % i, text=text) for i in range(sent, sent + 1000)))
                    tap.ping(30)
                    sent += 1000
                    return router.status()["balance"]["shed"] > 0
                until(is_full, "frames are shed for want of space", 90, 0)
            status = router.status()
            check(status["log"]["failing"] and status["log"]["last_error"], "status does not say that the log fails: %s" % status["log"])
            check(sum(v for n, v in router.metrics().items() if n.startswith("shadow_router_log_errors_total")) > 0, "log_errors_total is 0")
            check("log" in router.command("status").stdout.lower() and "FAILING" in router.command("status").stdout, "`status` does not show it")
            check(tap.slowest < 2, "one send waited %.2f s" % tap.slowest)
            equal(tap.ask(call("asked", reply=True))["reason"], "policy_requires_frontier", "the reply while the disk is full")
            equal(router.command("kill", "on").returncode, 0, "`kill on` on a full disk")
            equal(tap.ask(call("killed", reply=True))["reason"], "manual_override", "the reply after `kill on`")
            equal(router.command("kill", "off").returncode, 0, "`kill off` on a full disk")
            router.alive()
            shed = router.status()["balance"]["shed"]
            # Space comes back, but not for all that waits in memory: that goes to a larger disk.
            os.unlink(ballast)
            subprocess.run(["mount", "-o", "remount,size=%d" % (200 << 20), disk], check=True)
            until(lambda: not router.status()["log"]["failing"], "the log recovers when there is space", 30, 0.1)
            # What waited in memory is written first; until then calls may still be shed.
            until(lambda: router.status()["log"]["pending_bytes"] == 0, "the queue is written", 60, 0.1)
            tap.send(call("after"))
            router.wait_for("decision", 1)
            until(lambda: any(b'"call_id":"after"' in line for line in router.lines()), "a decision after the recovery", 60)
            stop = router.stop()
            check(stop["shed"] >= shed > 0, "shed in the stop record")
            lines = router.lines()
            check_chain(lines)
            equal(router.command("verify-log").returncode, 0, "verify-log")
            decided = [r["call_id"] for r in router.records("decision")]
            equal(len(decided), len(set(decided)), "decisions of one call")
            equal(len(decided) + stop["shed"], sent + 4, "every call is recorded or counted as shed")
            figure("calls on a full disk: sent, recorded, shed", "%d, %d, %d" % (sent + 4, len(decided), stop["shed"]))
            check(router.count("recovered") >= 1, "nothing says that the log could be written again")
            figure("gap records after a full disk", router.count("gap"))
            figure("slowest send to a router with a full disk", "%.1f ms" % (tap.slowest * 1000))


def test_what_a_full_disk_takes_first():
    """Previews, then records of calls that nobody answers locally; a call of a live task goes to the frontier and keeps its record."""
    with TinyDisk() as disk, Model() as model:
        with Sidecar(policy(model.endpoint), "--segment-mb", "1", state=os.path.join(disk, "state")) as router:
            go_live(router)
            tap, text = router.tap(), "lorem ipsum " * 20
            told(tap.ask(ask("before")), "local")
            ballast = os.path.join(disk, "ballast")
            with open(ballast, "wb") as f:
                f.write(b"x" * (SMALL - (2 << 20)))
            sent = 0

            def is_full():
                nonlocal sent
                tap.send(b"".join(call("s%d" % i, "never", text=text) for i in range(sent, sent + 1000)))
                tap.ping(30)
                sent += 1000
                return router.status()["balance"]["shed"] > 0
            until(is_full, "frames are shed for want of space", 90, 0)
            check(router.status()["log"]["previews_dropped"] > 0, "previews were kept to the end")
            live = ["live%d" % i for i in range(200)]
            for name in live:
                told(tap.ask(ask(name, text=text)), "frontier", "local_unavailable", "log_failing")
            os.unlink(ballast)
            subprocess.run(["mount", "-o", "remount,size=%d" % (200 << 20), disk], check=True)
            # What has waited is written first.
            until(lambda: router.status()["log"]["pending_bytes"] < 1 << 20, "the log recovers when there is space", 60, 0.1)
            told(tap.ask(ask("after", text=text)), "local")
            stop = router.stop()
            check_chain(router.lines())
            records = router.records()
            decisions = {r["call_id"]: r for r in records if r["kind"] == "decision"}
            equal([name for name in live if name not in decisions], [], "live calls without a record")
            equal(sent + 2 + len(live), len(decisions) + stop["shed"], "decisions recorded or shed")
            gaps = [r for r in records if r["kind"] == "gap"]
            equal(sum(r["to"] - r["from"] + 1 for r in gaps), stop["shed"], "records that gaps name")
            # Newest first: of the shadow calls the first ones are there, without a hole before the disk was full.
            kept = [int(name[1:]) for name in decisions if name[0] == "s"]
            equal(kept[:10000], list(range(10000)), "the oldest shadow calls")
            bare = next(r["seq"] for r in records if r["kind"] == "decision" and r["input_preview"] is None)
            check(decisions["s0"]["input_preview"] and decisions["after"]["input_preview"], "a preview where there is room")
            check(bare < gaps[0]["from"], "records were refused (%d) before previews were (%d)" % (gaps[0]["from"], bare))
            said = [r for r in records if r["kind"] == "recovered"]
            equal([(r["operation"], r["errno"]) for r in said], [("write", errno.ENOSPC)], "recoveries")
            figure("a full disk: shadow records before the first without a preview, before the first lost; live records lost", "%d, %d, 0" % (bare, gaps[0]["from"]))


def test_killed_on_a_full_disk_its_log_is_whole_again():
    with TinyDisk() as disk:
        with Sidecar(SIMPLE, "--segment-mb", "1", state=os.path.join(disk, "state")) as router:
            with open(os.path.join(disk, "ballast"), "wb") as f:
                f.write(b"x" * (SMALL - (2 << 20)))
            tap = router.tap()
            for at in range(0, 5000, 500):
                tap.send(b"".join(call("k%d" % i, text="x" * 300) for i in range(at, at + 500)))
                tap.ping(30)
            until(lambda: router.status()["log"]["failing"], "the disk is full", 20)
            before = router.lines()
            router.crash()
            os.unlink(os.path.join(disk, "ballast"))
            router.start()
            after = router.lines()
            equal(after[:len(before)], before, "records of before the kill")
            router.decide(router.tap(), call("again"))
            router.stop()
            check_chain(router.lines())
            equal(router.command("verify-log").returncode, 0, "verify-log")


if __name__ == "__main__":
    main(globals())
