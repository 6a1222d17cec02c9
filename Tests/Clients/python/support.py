"""What the client's tests share: a tap that collects frames, a frontier that answers as it is told, the recorded exchanges."""
import contextlib
import gzip
import json
import os
import socket
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
SHARED = os.environ.get("SHADOW_ROUTER_SHARED") or os.path.join(ROOT, "..", "shared")
sys.path.insert(0, os.path.join(ROOT, "deploy", "clients", "python"))


class Tap:
    """Stands for the router's socket. `frames` are in order of arrival, each with the number of its connection.

    `answer` gives the bytes of the reply to a call that asks for one; None: no reply; b"": hang up.
    """

    def __init__(self, path, reading=True, answer=None):
        self.path, self.frames, self.bad, self._connections = path, [], [], []
        self.answer = answer
        self._reading = threading.Event()
        if reading:
            self._reading.set()
        self._changed = threading.Condition()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._listener.bind(path)
        self._listener.listen(512)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._read, args=(connection, len(self._connections)), daemon=True).start()

    def _read(self, connection, number):
        rest = b""
        while self._reading.wait():
            try:
                block = connection.recv(1 << 16)
            except OSError:
                block = b""
            if not block:
                break
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                frame = self._line(line, number)
                if self.answer is not None and frame is not None and frame.get("reply"):
                    self._reply(connection, self.answer(frame))
        with self._changed:
            if rest:
                self.bad.append(rest)
            self._changed.notify_all()

    def _reply(self, connection, reply):
        with contextlib.suppress(OSError):
            if reply == b"":
                connection.shutdown(socket.SHUT_RDWR)
            elif reply is not None:
                connection.sendall(reply)

    def _line(self, line, number):
        frame = None
        with self._changed:
            try:
                frame = json.loads(line.decode("utf-8"), object_pairs_hook=no_repeats)
                frame["connection"] = number
                self.frames.append(frame)
            except ValueError:
                self.bad.append(line)
            self._changed.notify_all()
        return frame

    def go(self):
        self._reading.set()

    def wait(self, count, seconds=30):
        """The frames, once there are at least `count`; fewer after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.frames) >= count, seconds)
            return list(self.frames)

    def all(self, count):
        """The frames, once there are `count` and a short while later; more than that if more came."""
        self.wait(count)
        return self.wait(count + 1, 0.2)

    def kill(self):
        """As a killed router: every connection breaks; the socket's file stays."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._reading.set()


def decision(frame, **members):
    """The router's reply to a call frame: local with `answer`, else the frontier."""
    said = {"kind": "decision", "call_id": frame["call_id"], "route": "local" if "answer" in members else "frontier", "reason": None,
            "reason_code": 0, "detail": None, "policy_revision": "sha256:0", "stage": "live", **members}
    return (json.dumps(said) + "\n").encode()


def no_repeats(pairs):
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("repeated member")
    return value


@contextlib.contextmanager
def tap(**options):
    with tempfile.TemporaryDirectory() as folder:
        made = Tap(os.path.join(folder, "tap.sock"), **options)
        try:
            yield made
        finally:
            made.kill()


class Frontier:
    """Stands for the provider: answers with what `script` holds, in order, the last one for ever.

    Each is (status, headers, body) where body is a JSON value, bytes, or a list of chunks for a stream. It says nothing while
    `answering` is clear.
    """

    def __init__(self, *script):
        self.script, self.seen = list(script), []
        self.answering = threading.Event()
        self.answering.set()
        frontier = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                frontier.answer(self)

            do_GET = do_POST

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # clients that break off are what some tests are about
        self.url = "http://127.0.0.1:%d" % self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, handler):
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        self.seen.append((handler.path, {k.lower(): v for k, v in handler.headers.items()}, body))
        status, headers, answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        self.answering.wait(60)
        if status == 0:  # hang up without a word
            handler.close_connection = True
            return
        streamed = isinstance(answer, list)
        handler.send_response(status)
        headers = {"content-type": "text/event-stream" if streamed else "application/json", **headers}
        data = b"" if streamed else answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        headers.update({"transfer-encoding": "chunked"} if streamed else {"content-length": str(len(data))})
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        with contextlib.suppress(OSError):
            handler.wfile.write(data)
            for chunk in answer if streamed else ():
                if chunk is None:  # cut off
                    handler.close_connection = True
                    return
                if isinstance(chunk, float):
                    time.sleep(chunk)
                    continue
                handler.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                handler.wfile.flush()
            if streamed:
                handler.wfile.write(b"0\r\n\r\n")

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def sse(*events, named=True):
    """The chunks of an event stream; every one a chunk of its own."""
    chunks = []
    for event in events:
        if isinstance(event, str):
            chunks.append(("data: %s\n\n" % event).encode())
        else:
            name = "event: %s\n" % event["type"] if named and "type" in event else ""
            chunks.append(("%sdata: %s\n\n" % (name, json.dumps(event, ensure_ascii=False))).encode())
    return chunks


def exchanges(*shapes):
    """The recorded exchanges of these shapes, or None where the data is not here (said loudly)."""
    path = os.path.join(SHARED, "data", "wire", "exchanges.jsonl.gz")
    if not os.path.exists(path):
        print("SKIPPED: recorded exchanges: no %s (set SHADOW_ROUTER_SHARED)" % path, flush=True)
        return None
    with gzip.open(path, "rb") as file:
        found = [json.loads(line) for line in file.read().split(b"\n") if line]
    return [exchange for exchange in found if exchange["shape"] in shapes]
