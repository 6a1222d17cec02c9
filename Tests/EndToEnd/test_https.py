"""Candidates behind https: the helper process, whom it trusts, where the key is, and what ends it."""
import glob
import json
import os
import signal
import ssl
import subprocess
import tempfile
import threading
import time

import candidates
from sidecar import *

KEY = "sk-test-Zq83-never-in-the-router"


class Authority:
    """A certificate authority of the test's own, and certificates by it."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.file = self.path("pem")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=" + name, "-addext", "keyUsage=critical,keyCertSign",
                "-keyout", self.path("key"), "-out", self.file)

    def path(self, end):
        return os.path.join(self.folder, "%s.%s" % (self.name, end))

    def server(self, name, san, days="2"):
        """An ssl context of a server that this authority vouches for; negative days: expired."""
        key, request, out, extra = (os.path.join(self.folder, name + end) for end in (".key", ".csr", ".crt", ".ext"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
                "-keyout", key, "-out", request)
        with open(extra, "w") as f:
            f.write("subjectAltName=%s\n" % san)
        openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.path("key"), "-CAcreateserial",
                "-days", days, "-extfile", extra, "-out", out)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(out, key)
        return context


def openssl(*words):
    try:
        done = subprocess.run(["openssl", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    except FileNotFoundError:
        raise Skipped("no openssl command")
    check(done.returncode == 0, lambda: "openssl %s: %s" % (words[0], done.stdout.decode()))


HERE = "IP:127.0.0.1,DNS:localhost"
_made = {}


def authority(name="own"):
    if not _made:
        _made["folder"] = tempfile.mkdtemp(prefix="shadow-router-ca-")
        import atexit
        atexit.register(shutil.rmtree, _made["folder"], True)
    if name not in _made:
        _made[name] = Authority(_made["folder"], name)
    return _made[name]


def good_context():
    if "good" not in _made:
        ca = authority()
        _made["good"] = ca.server("good", HERE)
    return _made["good"]


CLOSE, WAIT = object(), object()


class SecureServer(Server):
    """A server that takes one request after the other; `reply(request, headers)` gives bytes, pieces with pauses, or None."""

    def __init__(self, reply, context=None):
        self.context, self.reply, self.handshakes = context or good_context(), reply, 0
        # Of questions, and of the probes that the router sends beside them.
        self.heads, self.probes = [], []
        self.ended = threading.Event()
        super().__init__(self.talk)

    @property
    def port(self):
        return self.listener.getsockname()[1]

    @property
    def endpoint(self):
        return "https://127.0.0.1:%d/api/generate" % self.port

    def talk(self, peer):
        peer = self.context.wrap_socket(peer, server_side=True)
        self.handshakes += 1
        self.open.append(peer)
        stream = peer.makefile("rb")
        while True:
            head = []
            while True:
                line = stream.readline()
                if not line:
                    self.ended.set()
                    return
                if line in (b"\r\n", b"\n"):
                    break
                head.append(line.decode().rstrip())
            headers = {k.strip().lower(): v.strip() for k, _, v in (h.partition(":") for h in head[1:])}
            request = json.loads(stream.read(int(headers.get("content-length", 0))) or b"null")
            if headers.get("user-agent") == "shadow-router-probe":
                peer.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                self.probes.append(head)
                continue
            self.heads.append(head)
            data = self.reply(request, headers)
            if data is None:
                peer.close()
                return
            try:
                for piece in [data] if isinstance(data, bytes) else data:
                    if isinstance(piece, bytes):
                        peer.sendall(piece)
                    elif piece is WAIT:
                        stream.read(1)
                        self.ended.set()
                        return
                    elif piece is CLOSE:
                        peer.unwrap()
                        peer.close()
                        return
                    else:
                        time.sleep(piece)
            except OSError:
                self.ended.set()
                raise


GOOD = generated({"label": "a", "confidence": 0.9})
LABELS = "labels: [a, b, c], min_confidence: 0.7"


def policy(endpoint, **model):
    more = "".join(", %s: %s" % pair for pair in model.items())
    return 'models:\n  small: {provider: ollama, name: fake, endpoint: "%s"%s}\ntasks:\n  t: {local: true, %s}\n' % (
        endpoint, more, LABELS)


def trusting(ca=None, **more):
    """The environment of a router that trusts the test's authority, and that has no proxy."""
    return {"SSL_CERT_FILE": (ca or authority()).file, "SSL_CERT_DIR": "", "HTTPS_PROXY": "", "https_proxy": "", **more}


def children(process):
    """Process ids of the helpers, those of a shell script in between included."""
    found = []
    for path in glob.glob("/proc/%d/task/*/children" % process.pid):
        # A thread may have ended since it was listed.
        with contextlib.suppress(FileNotFoundError), open(path) as f:
            found += [int(word) for word in f.read().split()]
    return found


def status_field(pid, name):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith(name + ":"):
                return line.split()[1]
    raise Failed("no %s of process %d" % (name, pid))


def gone(pid):
    """Whether a process has ended with all its threads: while one is left, its sockets are still open."""
    try:
        return status_field(pid, "State") == "Z" and len(os.listdir("/proc/%d/task" % pid)) == 1
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_server_whose_authority_is_named_is_asked_and_the_key_is_the_helpers_alone():
    with tempfile.NamedTemporaryFile("w", suffix=".key") as file:
        file.write("  %s\n" % KEY)
        file.flush()
        with SecureServer(lambda *_: GOOD) as server:
            with Sidecar(policy(server.endpoint, api_key_file=file.name), env=trusting()) as router:
                tap = router.tap()
                for number in range(3):
                    record = router.decide(tap, call("h%d" % number, text="PRIVATE-WORDS-%d" % number))
                    equal((record["route_candidate"], record["reason"]), ("local", None), "the decision")
                helpers = children(router.process)
                equal(len(helpers), 1, "helpers of one model")
                check(server.handshakes <= 2, "%d TLS handshakes for three questions in a row and the probe" % server.handshakes)
                for head in server.heads + server.probes:
                    equal([h for h in head if h.lower().startswith("authorization:")],
                          ["Authorization: Bearer " + KEY], "the key as the server got it")
                    equal([h for h in head if h.lower().startswith("cookie:")], [], "cookies")
                check(KEY.encode() not in memory(router.process.pid), "the key is in the router's memory")
                check(KEY.encode() in memory(helpers[0]), "the key is not in the helper's memory: the check above sees nothing")
                for path in ("cmdline", "environ"):
                    with open("/proc/%d/%s" % (helpers[0], path), "rb") as f:
                        check(KEY.encode() not in f.read(), "the key is in the helper's " + path)
                with open("/proc/%d/cmdline" % helpers[0], "rb") as f:
                    check(b"--key-file" in f.read(), "no option that names the key's file")
                shared_files = set(open_files(router.process.pid)) & set(open_files(helpers[0]))
                equal(shared_files, {"/dev/null", os.readlink("/proc/%d/fd/2" % router.process.pid)},
                      "what router and helper have both open")
                # Written anew, the key is the new one without a restart.
                file.seek(0)
                file.truncate()
                file.write("sk-second")
                file.flush()
                router.decide(tap, call("h9"))
                check("Authorization: Bearer sk-second" in server.heads[-1], "a changed key file was not read anew")
                file.seek(0)
                file.truncate()
                file.flush()
                before = len(server.heads)
                equal(router.decide(tap, call("h10"))["detail"], "no_key", "an empty key file")
                equal(len(server.heads), before, "requests without the key that the policy names")
                router.stop()
                until(lambda: gone(helpers[0]), "the helper's end after a clean stop", 3)
                for text in (router.messages.encode(), b"".join(router.lines())):
                    check(KEY.encode() not in text, "the key is in the log")


def memory(pid):
    """All that a process has in its writable memory."""
    found = []
    try:
        with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
            for line in maps:
                place, mode = line.split()[:2]
                if not mode.startswith("rw") or "[v" in line:
                    continue
                start, end = (int(n, 16) for n in place.split("-"))
                with contextlib.suppress(OSError, ValueError):
                    mem.seek(start)
                    found.append(mem.read(end - start))
    except PermissionError:
        raise Skipped("/proc/PID/mem of another process is only for root")
    return b"".join(found)


def open_files(pid):
    """What its descriptors are open on, sockets by their number; kinds that have no number are left out."""
    for number in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(FileNotFoundError):
            place = os.readlink("/proc/%d/fd/%s" % (pid, number))
            if not place.startswith("anon_inode:"):
                yield place


def test_a_key_from_the_environment_goes_only_to_the_helper_that_needs_it():
    with SecureServer(lambda *_: GOOD) as server:
        env = trusting(HOSTED_KEY=KEY, OTHER_SECRET="not-for-the-helper")
        with Sidecar(policy(server.endpoint, api_key_env="HOSTED_KEY"), env=env) as router:
            equal(router.decide(router.tap(), call("e1"))["route_candidate"], "local", "the decision")
            check("Authorization: Bearer " + KEY in server.heads[0], "no key at the server")
            with open("/proc/%d/environ" % children(router.process)[0], "rb") as f:
                names = sorted(part.split(b"=")[0].decode() for part in f.read().split(b"\0") if part)
            check("HOSTED_KEY" in names and set(names) <= {
                "HOSTED_KEY", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy",
                "LD_LIBRARY_PATH"}, "the helper's environment: %s" % names)
            router.stop()
        with Sidecar(policy(server.endpoint, api_key_env="HOSTED_KEY_NOT_SET"), env=env) as router:
            equal(router.decide(router.tap(), call("e2"))["detail"], "no_key", "a variable that is not set")
            router.stop()


def test_a_key_file_stands_beside_the_policy_and_is_its_owners_alone():
    with SecureServer(lambda *_: GOOD) as server:
        with Sidecar(policy(server.endpoint, api_key_file="the.key"), env=trusting(K="sk-other"), start=False) as router:
            key = os.path.join(router.folder, "the.key")
            with open(key, "w") as f:
                f.write(KEY)
            os.chmod(key, 0o600)
            tap = router.start().tap()
            equal(router.decide(tap, call("b0"))["route_candidate"], "local", "the decision")
            check("Authorization: Bearer " + KEY in server.heads[-1], "no key at the server")
            os.chmod(key, 0o644)
            equal(router.decide(tap, call("b1"))["detail"], "no_key", "a key file that others may read")
            os.chmod(key, 0o600)
            equal(router.decide(tap, call("b2"))["route_candidate"], "local", "once it is closed")
            router.write_policy(policy(server.endpoint, api_key_file="the.key", api_key_env="K"))
            equal(router.command("reload").returncode, 0, "the reload")
            equal(router.decide(tap, call("b3"))["detail"], "no_key", "a key in two places")
            router.stop()


def refused(what, endpoint, env, cause, words=None):
    with Sidecar(policy(endpoint, timeout_ms=8000), env=env) as router:
        record = router.decide(router.tap(), call("r1", text="PRIVATE-WORDS"))
        equal((record["route_candidate"], record["reason"], record["detail"]), ("frontier", "local_unavailable", cause), what)
        if words:
            lines = [line for line in router.stderr if "event=https_fault" in line]
            check(len(lines) == 1 and words in lines[0], "%s: the event log says %r, not %r" % (what, lines, words))
            check("PRIVATE-WORDS" not in router.messages, what + ": the text is in the event log")
        router.stop()


def test_a_server_that_cannot_prove_who_it_is_gets_no_request():
    own, other = authority(), authority("other")
    nobody = {"SSL_CERT_FILE": "/nonexistent.pem"}
    plain = {"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""}
    cases = [
        ("the system's authorities only", good_context(), trusting(**plain), "unable to get local issuer"),
        ("another authority", good_context(), trusting(other), "unable to get local issuer"),
        ("a file of authorities that is not there", good_context(), trusting(**nobody), "/nonexistent.pem"),
        ("another host's certificate", own.server("elsewhere", "DNS:example.org"), trusting(), "no alternative certificate subject name"),
        ("an expired certificate", own.server("expired", HERE, "-1"), trusting(), "expired"),
        ("a certificate that vouches for itself", self_signed(), trusting(), "self"),
    ]
    for what, context, env, words in cases:
        with SecureServer(lambda *_: GOOD, context) as server:
            refused(what, server.endpoint, env, "tls_failed", words)
            equal(server.heads, [], what + ": requests that went out")
    with Server(lambda peer: (peer.sendall(http_response(400, b"")), peer.recv(1))) as server:
        refused("a server without TLS", server.endpoint.replace("http:", "https:"), trusting(), "tls_failed")
    refused("nobody listens", "https://127.0.0.1:9/api/generate", trusting(), "refused")
    refused("a name that does not resolve", "https://no-such-host.invalid/api/generate", trusting(), "refused")
    figure("servers that are refused for their certificate or connection", len(cases) + 3)


def test_a_folder_of_authorities_is_trusted_too():
    folder = os.path.join(authority().folder, "hashed")
    os.makedirs(folder)
    shutil.copy(authority().file, folder)
    openssl("rehash", folder)
    with SecureServer(lambda *_: GOOD) as server:
        with Sidecar(policy(server.endpoint), env=trusting(SSL_CERT_FILE="", SSL_CERT_DIR=folder)) as router:
            equal(router.decide(router.tap(), call("f1"))["route_candidate"], "local", "the decision")
            router.stop()


def self_signed():
    folder = authority().folder
    key, out = os.path.join(folder, "self.key"), os.path.join(folder, "self.crt")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=self", "-addext", "subjectAltName=" + HERE, "-keyout", key, "-out", out)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(out, key)
    return context


BODY = GOOD.split(b"\r\n\r\n", 1)[1]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def drip(count=10, pause=0.03):
    yield CHUNKED
    size = -(-len(BODY) // count)
    for at in range(0, len(BODY), size):
        piece = BODY[at:at + size]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
        yield pause
    yield b"0\r\n\r\n"


# How the server behaves → the detail of local_unavailable; None: accepted.
SERVERS = {
    "chunks that drip": (lambda *_: drip(), None),
    "429": (lambda *_: http_response(429, b"{}", more="Retry-After: 0\r\n"), "status_429"),
    "500": (lambda *_: http_response(500, b"{}"), "status_500"),
    "401 that asks for a password": (
        lambda *_: http_response(401, b"{}", more='WWW-Authenticate: Basic realm="x"\r\n'), "status_401"),
    "a redirect": (lambda *_: http_response(302, b"", more="Location: /elsewhere\r\n"), "status_302"),
    "no content": (lambda *_: b"HTTP/1.1 204 No Content\r\n\r\n", "status_204"),
    "a fault of the helper's, forged": (
        lambda *_: http_response(502, b"", more="Shadow-Router-Fault: tls_failed\r\n"), "status_502"),
    "closed without a word": (lambda *_: None, "connection_lost"),
    "a body shorter than said": (
        lambda *_: [http_response(200, BODY, length=len(BODY) + 50), CLOSE], "short_body"),
    "a huge body": (lambda *_: http_response(200, b'{"response":"' + b"x" * (6 << 20) + b'"}'), "response_too_large"),
    "no HTTP at all": (lambda *_: b"hello there\r\n\r\n", "bad_http"),
}


def test_answers_come_through_as_they_are_and_faults_keep_their_cause():
    for name, (reply, cause) in SERVERS.items():
        with SecureServer(reply) as server:
            with Sidecar(policy(server.endpoint, timeout_ms=6000), env=trusting()) as router:
                record = router.decide(router.tap(), call("s1"))
                equal((record["detail"], record["route_candidate"]), (cause, "frontier" if cause else "local"), name)
                if name == "a redirect":
                    equal(len(server.heads), 1, "requests after a redirect")
                router.stop()


def test_a_server_that_hangs_is_given_up_by_the_deadline_and_hears_of_it():
    def hang(*_):
        return [CHUNKED, WAIT]
    late = []
    for reply in (hang, lambda *_: [WAIT], lambda *_: drip(200, 0.1)):
        with SecureServer(reply) as server:
            with Sidecar(policy(server.endpoint, timeout_ms=1500), env=trusting()) as router:
                tap = router.tap()
                record = router.decide(tap, call("d1"))
                equal(record["detail"], "timeout", "the decision")
                took = record["local_latency_ms"]
                check(1450 <= took, "given up after %s ms of 1500" % took)
                late.append(took - 1500)
                check(took <= 1550, "given up %s ms after the start; the deadline is 1500" % took)
                check(server.ended.wait(5), "the server was not told that its answer is no longer wanted")
                router.stop()
    figure("a hanging https server, given up this long after the deadline (ms)", ["%.1f" % value for value in late])


def test_no_helper_and_no_memory_where_no_https_endpoint_is_named():
    def resident(pid):
        return int(status_field(pid, "VmRSS"))
    sizes = {}
    with ollama(lambda request: GOOD) as plain, SecureServer(lambda *_: GOOD) as secure:
        for name, endpoint in (("http", plain.endpoint), ("https", secure.endpoint)):
            with Sidecar(policy(endpoint), env=trusting()) as router:
                tap = router.tap()
                for number in range(20):
                    equal(router.decide(tap, call("m%d" % number))["route_candidate"], "local", "the decision")
                helpers = children(router.process)
                sizes[name] = resident(router.process.pid)
                equal(len(helpers), 1 if name == "https" else 0, "helpers of a policy with an %s endpoint" % name)
                with open("/proc/%d/maps" % router.process.pid) as f:
                    loaded = f.read()
                for library in ("FoundationNetworking", "libcurl", "libssl"):
                    check(library not in loaded, "%s is in the router (%s)" % (library, name))
                if helpers:
                    figure("resident memory of the helper (kB)", resident(helpers[0]))
                router.stop()
    figure("resident memory of the router (kB)", sizes)
    check(abs(sizes["https"] - sizes["http"]) < 1024, "the router's memory with and without https: %s kB" % sizes)


def test_a_killed_helper_is_replaced_and_a_killed_router_leaves_none():
    with SecureServer(lambda *_: GOOD) as server:
        with Sidecar(policy(server.endpoint), env=trusting()) as router:
            tap = router.tap()
            router.decide(tap, call("k0"))
            first = children(router.process)[0]
            os.kill(first, signal.SIGKILL)
            until(lambda: gone(first), "the helper's end")
            equal(router.decide(tap, call("k1"))["route_candidate"], "local", "the first call after kill -9 of the helper")
            second = children(router.process)
            check(len(second) == 1 and second[0] != first, "helpers afterwards: %s" % second)
            for number in (signal.SIGHUP, signal.SIGINT):
                os.kill(second[0], number)
            equal(router.decide(tap, call("k2"))["route_candidate"], "local", "a call after HUP and INT to the helper")
            equal(children(router.process), second, "helpers after HUP and INT")
            router.crash()
            until(lambda: gone(second[0]), "the helper's end after kill -9 of the router", 3)


def test_a_helper_that_keeps_dying_is_left_alone():
    with tempfile.TemporaryDirectory() as folder:
        program, count = os.path.join(folder, "dies"), os.path.join(folder, "count")
        with open(program, "w") as f:
            f.write("#!/bin/sh\necho x >> %s\nexit 1\n" % count)
        os.chmod(program, 0o755)
        env = trusting(SHADOW_ROUTER_HTTPS_BRIDGE=program)
        with Sidecar(policy("https://127.0.0.1:9/api/generate"), env=env) as router:
            tap = router.tap()
            causes = [router.decide(tap, call("x%d" % n))["detail"] for n in range(8)]
            check("bridge_unavailable" in causes, "causes: %s" % causes)
            with open(count) as f:
                starts = len(f.readlines())
            check(1 <= starts <= 3, "%d starts within a moment" % starts)
            router.stop()
        env = trusting(SHADOW_ROUTER_HTTPS_BRIDGE=os.path.join(folder, "not-there"))
        with Sidecar(policy("https://127.0.0.1:9/api/generate"), env=env) as router:
            check("shadow-router-https" in router.messages, "no warning that the helper is not installed")
            equal(router.decide(router.tap(), call("y"))["detail"], "bridge_unavailable", "no helper to start")
            router.stop()


def test_a_model_that_leaves_the_policy_takes_its_helper_along():
    with SecureServer(lambda *_: GOOD) as server, ollama(lambda request: GOOD) as plain:
        with Sidecar(policy(server.endpoint), env=trusting()) as router:
            tap = router.tap()
            router.decide(tap, call("l0"))
            helper = children(router.process)[0]
            # A reload that leaves the model as it was leaves its helper too.
            router.write_policy(policy(server.endpoint) + "  u: {local: false}\n")
            equal(router.command("reload").returncode, 0, "a reload that changes a task")
            equal(router.decide(tap, call("l1"))["route_candidate"], "local", "the decision")
            equal(children(router.process), [helper], "helpers after a reload that left the model alone")
            router.write_policy(policy(plain.endpoint))
            equal(router.command("reload").returncode, 0, "a reload to http")
            until(lambda: children(router.process) == [], "the helper's end", 5)
            equal(router.decide(tap, call("l2"))["route_candidate"], "local", "the decision")
            router.stop()


def test_the_helper_goes_through_a_proxy_only_where_the_environment_says_so():
    asked = []

    def proxy(peer):
        stream = peer.makefile("rb")
        asked.append(stream.readline().decode())
        peer.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        peer.close()
    with Server(proxy) as through, SecureServer(lambda *_: GOOD) as server:
        address = "http://127.0.0.1:%d" % through.listener.getsockname()[1]
        with Sidecar(policy(server.endpoint), env=trusting(ALL_PROXY=address, http_proxy=address)) as router:
            equal(router.decide(router.tap(), call("p0"))["route_candidate"], "local", "with ALL_PROXY alone")
            router.stop()
        equal(asked, [], "requests to a proxy that HTTPS_PROXY does not name")
        with Sidecar(policy(server.endpoint), env=trusting(HTTPS_PROXY=address)) as router:
            record = router.decide(router.tap(), call("p1"))
            equal(record["reason"], "local_unavailable", "through a proxy that refuses")
            router.stop()
        equal({tuple(line.split()[:2]) for line in asked}, {("CONNECT", "127.0.0.1:%d" % server.port)}, "what the proxy was asked")


class Helper:
    """The helper program alone, with the test in the sidecar's place."""

    def __init__(self, endpoint, *options):
        program = os.path.join(os.path.dirname(binary()), "shadow-router-https")
        self.control, other = socket.socketpair()
        # The control socket is descriptor 3; a plain sh takes no number above 9 here.
        self.process = subprocess.Popen(
            ["bash", "-c", 'exec 3<&%d "$0" "$@"' % other.fileno(), program, "--endpoint", endpoint, *options],
            pass_fds=[other.fileno()], env={"SSL_CERT_FILE": authority().file, "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")})
        other.close()

    def connect(self):
        mine, theirs = socket.socketpair()
        socket.send_fds(self.control, [b"\0"], [theirs.fileno()])
        theirs.close()
        mine.settimeout(10)
        return mine

    def ask(self, data):
        """What it answers, up to its end or to a whole answer."""
        with self.connect() as connection:
            connection.sendall(data)
            response = http.client.HTTPResponse(connection)
            try:
                response.begin()
                return response.status, dict(response.getheaders()), response.read()
            except (http.client.HTTPException, ConnectionError):
                return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.control.close()
        try:
            equal(self.process.wait(5), 0, "the helper's exit code when the sidecar is gone")
        finally:
            self.process.kill()


def request_bytes(host, target="/api/generate", more="", body=b"{}"):
    return ("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s\r\n" % (target, host, len(body), more)).encode() + body


def test_the_helper_asks_its_own_server_only_and_sets_the_key_itself():
    with tempfile.NamedTemporaryFile("w", suffix=".key") as file, SecureServer(lambda *_: GOOD) as server:
        file.write(KEY)
        file.flush()
        host = "127.0.0.1:%d" % server.port
        with Helper(server.endpoint, "--key-header", "x-api-key", "--key-file", file.name) as helper:
            status, headers, body = helper.ask(request_bytes(host, "/v1/models?all=1", "X-Api-Key: mine\r\nAuthorization: mine\r\nCookie: c=1\r\n"))
            equal((status, body), (200, BODY), "an answer")
            equal(server.heads[-1][0], "POST /v1/models?all=1 HTTP/1.1", "the request line")
            keys = [h for h in server.heads[-1] if h.split(":")[0].lower() in ("x-api-key", "authorization")]
            equal([h.lower() for h in keys], ["x-api-key: " + KEY.lower()], "the headers that carry a key")
            before = len(server.heads)
            for what, data in (("another host", request_bytes("example.org")),
                               ("another port", request_bytes("127.0.0.1:1")),
                               ("no host", b"POST /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
                               ("an absolute target", request_bytes(host, "https://example.org/")),
                               ("a target without a slash", request_bytes(host, "@example.org/"))):
                answer = helper.ask(data)
                equal(answer and (answer[0], answer[1].get("Shadow-Router-Fault")), (502, "misdirected"), what)
            for what, data in (("no HTTP", b"hello\r\n\r\n"), ("two requests at once", request_bytes(host) * 2)):
                equal(helper.ask(data), None, what)
            equal(len(server.heads), before, "requests that went out of those")
            equal(helper.ask(request_bytes(host))[0], 200, "a request after all these")


def test_the_helpers_memory_and_descriptors_do_not_grow():
    def now(pid):
        return int(status_field(pid, "VmRSS")), len(os.listdir("/proc/%d/fd" % pid)), int(status_field(pid, "Threads"))
    with SecureServer(lambda *_: GOOD) as server, Helper(server.endpoint, "--connections", "4") as helper:
        host, sizes = "127.0.0.1:%d" % server.port, []
        data = request_bytes(host, body=b'"%s"' % (b"x" * 4094))
        for part in range(5):
            with helper.connect() as connection:
                for _ in range(500):
                    connection.sendall(data)
                    response = http.client.HTTPResponse(connection)
                    response.begin()
                    equal(response.read(), BODY, "an answer")
            until(lambda: now(helper.process.pid)[2] < 20, "the end of the connection's thread")
            # A connection that is just being closed still has a thread and three descriptors.
            left = candidates.least(lambda: now(helper.process.pid)[1], 5, 0.05)
            sizes.append((now(helper.process.pid)[0], left, now(helper.process.pid)[2]))
        figure("memory (kB), descriptors and threads of the helper after each 500 requests", sizes)
        check(steady_growth([size[0] for size in sizes[1:]]) < sizes[1][0] * 0.05 and sizes[4][0] < sizes[1][0] * 1.25, "memory of the helper: %s" % sizes)
        check(sizes[4][1] <= sizes[0][1] + 2, "descriptors of the helper: %s" % sizes)
        # A busy moment leaves nothing behind either.
        several = [helper.connect() for _ in range(100)]
        for connection in several:
            connection.close()
        until(lambda: now(helper.process.pid)[1] <= sizes[0][1] + 2, "the descriptors of closed connections")


def test_a_helper_that_has_answered_its_share_is_replaced_without_a_loss():
    program = os.path.join(os.path.dirname(binary()), "shadow-router-https")
    with tempfile.TemporaryDirectory() as folder, SecureServer(lambda *_: [0.01, GOOD]) as server:
        short = os.path.join(folder, "short-lived")
        with open(short, "w") as f:
            f.write('#!/bin/sh\nexec "%s" "$@" --requests 100\n' % program)
        os.chmod(short, 0o755)
        env = trusting(SHADOW_ROUTER_HTTPS_BRIDGE=short)
        with Sidecar(policy(server.endpoint, max_concurrency=4, max_queue=1000), env=env) as router:
            tap, seen = router.tap(), set()
            for part in range(10):
                tap.send(b"".join(call("s%d-%d" % (part, n)) for n in range(25)))
                router.wait_for("decision", 25 * (part + 1))
                seen |= set(children(router.process))
            causes = [r["detail"] for r in router.decisions().values() if r["route_candidate"] != "local"]
            equal(causes, [], "causes of calls that were not answered")
            check(len(seen) >= 3, "helpers for 250 requests at 100 each: %d" % len(seen))
            until(lambda: len(children(router.process)) <= 2, "the end of those that are done", 3)
            router.stop()
            until(lambda: all(gone(pid) for pid in seen), "the end of all helpers after a clean stop", 3)


def test_many_at_once_share_the_helper():
    count = 400
    with SecureServer(lambda *_: [0.01, GOOD]) as server:
        with Sidecar(policy(server.endpoint, max_concurrency=8, max_queue=1000), env=trusting()) as router:
            tap = router.tap()
            tap.send(b"".join(call("c%d" % n) for n in range(count)))
            router.wait_for("decision", count, 60)
            equal({r["route_candidate"] for r in router.decisions().values()}, {"local"}, "routes")
            helper = children(router.process)[0]
            check(len(os.listdir("/proc/%d/fd" % helper)) < 80, "descriptors of the helper: %d" % len(os.listdir("/proc/%d/fd" % helper)))
            check(server.handshakes <= 9, "%d TLS handshakes for %d questions, 8 at a time" % (server.handshakes, count))
            router.stop()


if __name__ == "__main__":
    main(globals())
