"""Who may connect, and where the router will not keep its things (contract, sections 2 and 7)."""
import stat

from load import *
from test_console import Console, TOKEN_HEADER, with_console

STRANGER, FRIEND = 65534, 61001


def need_root(why):
    if os.geteuid() != 0:
        raise Skipped("only root may " + why)


def as_user(user, path, data, group=None):
    """What a process of another user gets for what it sends to a socket; b"" where it is shut out."""
    source, sink = os.pipe()
    # A fork and no program: a user without rights may not be able to run this Python.
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user if group is None else group)
            os.setuid(user)
            with socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(10)
                peer.connect(path)
                peer.sendall(data)
                os.write(sink, peer.recv(4096))
        except OSError:
            pass
        finally:
            os._exit(0)
    os.close(sink)
    with os.fdopen(source, "rb") as answer:
        got = answer.read()
    os.waitpid(child, 0)
    return got


def open_folders(router):
    """The test's own folders keep nobody out."""
    for path in (router.folder, router.runtime):
        os.chmod(path, 0o755)


def open_up(router):
    """Nor do the sockets' modes: only what the kernel says of a peer does."""
    open_folders(router)
    for name in ("tap.sock", "control.sock"):
        os.chmod(os.path.join(router.runtime, name), 0o666)


def refused_start(router, *options):
    """A start that is refused: what it said."""
    done = subprocess.run([binary(), "run", *router.folders, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
    check("ready" not in done.stderr, "it got ready: " + done.stderr)
    return done.returncode, done.stderr


def test_folders_that_others_could_change_are_refused_by_name():
    for which in ("state", "runtime"):
        with Sidecar(start=False) as router:
            folder = getattr(router, which)
            os.mkdir(folder, 0o700)
            for mode in (0o777, 0o1777, 0o702):
                os.chmod(folder, mode)
                code, said = refused_start(router)
                equal(code, 3, "the exit code with a %s folder of mode %o" % (which, mode))
                check(folder in said and "o-w" in said, "it does not say what to do: " + said)
            equal(os.listdir(folder), [], "what a refused start leaves in the folder")
            os.chmod(folder, 0o700)
            real = folder + ".real"
            os.rename(folder, real)
            os.symlink(real, folder)
            for end in ("", "/"):
                setattr(router, which, folder + end)
                code, said = refused_start(router)
                equal(code, 3, "the exit code with a link %r" % (folder + end))
                check(real in said, "it does not say where the link leads: " + said)
            setattr(router, which, folder)
            equal(os.listdir(real), [], "what a refused start leaves behind the link")
            os.unlink(folder)
            os.rename(real, folder)
            if os.geteuid() == 0:
                os.chown(folder, STRANGER, STRANGER)
                code, said = refused_start(router)
                equal(code, 3, "the exit code with a folder of another user")
                check(str(STRANGER) in said, "it does not say whose the folder is: " + said)
                os.chown(folder, 0, 0)
            router.start()
            router.stop()


def test_folders_below_a_sticky_one_are_taken_and_below_an_open_one_complained_about():
    for mode, complains in ((0o1777, False), (0o777, True)):
        with Sidecar(start=False) as router:
            above = os.path.join(router.folder, "above")
            os.mkdir(above)
            os.chmod(above, mode)
            router.state, router.runtime = os.path.join(above, "state"), os.path.join(above, "run")
            router.start()
            equal("folder_can_be_replaced" in router.messages, complains, "a warning below mode %o" % mode)
            router.stop()


def test_nothing_stands_in_the_way_of_a_socket_but_a_dead_one():
    with Sidecar(start=False) as router:
        os.mkdir(router.runtime, 0o700)
        for name in ("tap.sock", "control.sock"):
            path, other = os.path.join(router.runtime, name), os.path.join(router.folder, "other")
            os.symlink(other, path)
            equal(refused_start(router)[0], 3, "a start with a link in the place of " + name)
            check(not os.path.exists(other), "something was made behind the link")
            os.unlink(path)
            with open(path, "w") as f:
                f.write("mine")
            equal(refused_start(router)[0], 3, "a start with a file in the place of " + name)
            with open(path) as f:
                equal(f.read(), "mine", "the file")
            os.unlink(path)
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(path)
        router.start()
        router.stop()


def test_tap_and_control_are_two_sockets():
    with Sidecar() as router:
        control = os.path.join(router.runtime, "control.sock")
        equal(router.command("run", "--tap", control).returncode, 2, "--tap with the control socket's path")
        modes = [stat.S_IMODE(os.stat(os.path.join(router.runtime, name)).st_mode) for name in ("tap.sock", "control.sock")]
        equal(modes, [0o660, 0o600], "modes")
        # A frame is no request, and a request no frame.
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(control)
            peer.settimeout(20)
            peer.sendall(call("c1") + b"\r\n\r\n")
            check(peer.recv(4096).startswith(b"HTTP/1.1 400"), "a frame was taken on the control socket")
        tap = router.tap()
        tap.send(b"PUT /v1/kill HTTP/1.1\r\nContent-Length: 11\r\n\r\n" + b'{"on":true}\n')
        tap.ping()
        status = router.status()
        equal(status["kill"]["on"], False, "the kill switch after a request on the tap")
        equal(status["balance"]["malformed"], 4, "lines of the request that are malformed")
        router.stop()
        equal(router.decisions(), {}, "decisions")


def test_the_tap_admits_who_is_named_and_nobody_else():
    need_root("try the tap as other users")
    ask = call("x", reply=True)
    for options, user, group, is_in in (
            ([], STRANGER, None, False), ([], STRANGER, 0, True), (["--allow-uid", str(FRIEND)], FRIEND, None, True),
            (["--allow-uid", str(FRIEND)], STRANGER, None, False), (["--allow-gid", str(FRIEND)], STRANGER, FRIEND, True),
            (["--allow-gid", str(FRIEND), "--allow-gid", "7"], STRANGER, 7, True), (["--allow-gid", str(FRIEND)], FRIEND, 7, False)):
        with Sidecar(SIMPLE, *options) as router:
            open_folders(router)
            got = as_user(user, os.path.join(router.runtime, "tap.sock"), ask, group)
            equal(b'"decision"' in got, is_in, "user %s, group %s with %s" % (user, group, options))
            refused = [(p["socket"], p["uid"], p["count"]) for p in router.status()["refused_peers"]]
            # Without an option the file's mode keeps a stranger out before the router sees him.
            seen = not is_in and options
            equal(refused, [("tap", user, 1)] if seen else [], "refused peers")
            screen = router.command("status").stdout
            check(not seen or "--allow-uid %d" % user in screen, "`status` does not say how to admit it: " + screen)
            equal(router.stop()["received"], 1 if is_in else 0, "frames received")


def test_silent_connections_do_not_stand_before_the_kill_switch():
    with Sidecar(SIMPLE) as router:
        silent = []
        for _ in range(100):
            peer = socket.socket(socket.AF_UNIX)
            peer.connect(os.path.join(router.runtime, "control.sock"))
            silent.append(peer)
        done = router.command("kill", "on")
        equal(done.returncode, 0, "kill on beside 100 silent connections: " + done.stderr)
        equal(router.status()["kill"]["on"], True, "status beside them")
        for peer in silent:
            peer.close()
        router.stop()


def test_who_may_not_is_told_what_would_let_him():
    need_root("be another user")
    with Sidecar(SIMPLE) as router:
        open_folders(router)
        for words, remedy in ((("send", "-"), "--allow-uid %d" % STRANGER), (("status",), "sudo"), (("kill", "on"), "sudo")):
            done = subprocess.run([binary(), *words, *router.folders], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  timeout=20, user=STRANGER, group=STRANGER, extra_groups=[])
            equal(done.returncode, 3, " ".join(words))
            check("Permission denied" in done.stderr and remedy in done.stderr, "%s: %s" % (" ".join(words), done.stderr))
        equal(router.status()["kill"]["on"], False, "the kill switch")


def test_control_is_for_its_owner_and_root_whatever_the_files_say():
    need_root("try the control socket as other users")
    request = b'PUT /v1/kill HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 12\r\n\r\n{"on": true}'
    for owner in (None, FRIEND):
        with Sidecar(SIMPLE, "--allow-uid", str(STRANGER), "--allow-gid", str(STRANGER), user=owner) as router:
            open_up(router)
            control = os.path.join(router.runtime, "control.sock")
            for _ in range(3):
                equal(as_user(STRANGER, control, request), b"", "what a stranger is told on the control socket")
            status = router.status()
            equal(status["kill"]["on"], False, "the kill switch after a stranger turned it")
            equal([(p["socket"], p["uid"], p["count"], p["admit_with"]) for p in status["refused_peers"]], [("control", STRANGER, 3, None)], "refused peers")
            check("control socket" in router.command("status").stdout, "`status` does not show it")
            # What is in front of it is not what keeps it out: the tap takes it.
            check(b'"decision"' in as_user(STRANGER, os.path.join(router.runtime, "tap.sock"), call("x", reply=True)), "the tap")
            check(b"200" in as_user(owner or 0, control, request)[:20], "its owner")
            equal(router.status()["kill"]["on"], True, "the kill switch after its owner turned it")
            router.stop()
            equal([r["actor"] for r in router.records("flag")], ["uid:%d" % (owner or 0)], "who turned it")


def test_the_console_only_reads_without_its_token():
    with with_console() as router:
        console, tap = Console(router), router.tap()
        router.decide(tap, call("c1", "open"))
        before = len(router.lines())
        for method, path, body in (("PUT", "/v1/kill", {"on": True}), ("PUT", "/v1/kill", {"on": False}), ("POST", "/v1/review", {"undo": True}),
                                   ("POST", "/v1/review", {"call_id": "c1", "review_label": "accept"}), ("POST", "/v1/review", {"open": "c1", "reason": "x"}),
                                   ("GET", "/v1/review", None), ("POST", "/v1/reload", {}), ("POST", "/v1/promote", {"task": "open"}),
                                   ("POST", "/v1/demote", {"task": "open", "reason": "x"}), ("POST", "/v1/rotate", {"task": "open"}),
                                   ("POST", "/v1/erase", {"call_id": "c1", "reason": "x"}), ("POST", "/v1/keys", {"do": "rotate"}), ("POST", "/v1/drill", {}),
                                   ("POST", "/v1/eval", {}), ("DELETE", "/v1/kill", None), ("PATCH", "/v1/status", {})):
            for headers in ((), [(TOKEN_HEADER, "guess")]):
                status = console.ask(method, path, body, headers)[0]
                check(status in (401, 403, 404, 405), "%s %s without a token: %d" % (method, path, status))
        for path in ("/", "/v1/status", "/metrics", "/v1/report", "/v1/find/c1", "/v1/gate/open"):
            equal(console.ask("GET", path)[0], 200, "GET %s without a token" % path)
        equal(router.status()["kill"]["on"], False, "the kill switch")
        tap.ping()
        equal(len(router.lines()), before, "records written meanwhile")
        router.stop()


def test_one_user_at_full_speed_is_held_to_its_rate_and_the_others_are_not():
    need_root("send as another user")
    with Sidecar(SIMPLE, "--peer-frames-per-second", "500", "--allow-uid", str(STRANGER)) as router:
        open_up(router)
        tap, count = router.tap(), 20000
        with BalanceWatch(router):
            start = time.monotonic()
            for at in range(0, count, 1000):
                tap.send(b"".join(call("f%d" % i, n=i + 1) for i in range(at, at + 1000)))
            check(b'"decision"' in as_user(STRANGER, os.path.join(router.runtime, "tap.sock"), call("other", reply=True)), "another user's call")
            # As an agent that waits is told at once: what it asked for is not coming.
            told = tap.ask(call("waits", reply=True, n=count + 1))
            took = time.monotonic() - start
            if told["kind"] == "error":
                equal((told["code"], told["call_id"]), ("rate_limited", "waits"), "the reply past the rate")
        stop = router.stop()
        decided = router.decisions()
        most = 2 * 500 + 500 * took + 2
        check(1000 <= len(decided) <= most, "%d calls decided in %.1f s, at most %d may be" % (len(decided), took, most))
        equal((stop["received"], stop["lost_by_sender"], stop["malformed"]), (count + 2, 0, 0), "received, lost, malformed")
        equal(stop["shed"], count + 2 - len(decided), "shed")
        check("other" in decided, "another user's call was not decided")
        figure("one user's frames at full speed, 500 a second allowed: sent, decided, shed", "%d, %d, %d in %.1f s" % (count, len(decided), stop["shed"], took))


if __name__ == "__main__":
    main(globals())
