"""Lets an agent show its model calls to shadow-router without waiting for it, and ask it first where it shall answer.

One line changes in an agent that uses the real SDKs:

    client = openai.OpenAI(http_client=shadow_router.http_client())                            # observes
    client = anthropic.AsyncAnthropic(http_client=shadow_router.async_http_client())
    client = openai.OpenAI(http_client=shadow_router.http_client(decide_ms=50))                # asks first, 50 ms at most

Everything else is optional. Standard library only; httpx (or httpx2, on which newer SDKs stand) is imported when a
transport is made. What the file promises, in order of weight:

1. The agent is not hurt. No call here blocks, raises or opens a network connection: the only peer is a Unix socket.
   Where the sidecar is missing, stopped or slow, frames are dropped and counted (`Observer.counters()`).
2. What arrives is whole. A frame is one line; a half-sent one is finished first or its connection is given up.
3. What did not arrive can be seen. Frames are numbered, dropped ones too, so gaps show (`lost_by_sender`).
4. Only `decide` waits, and only until its deadline. Whatever goes wrong there, the answer is `frontier`.

Only bodies of known model endpoints are shown, never headers, so never an API key.
"""

from __future__ import annotations

import atexit
import collections
import contextvars
import errno
import hashlib
import json
import os
import select
import socket
import sys
import threading
import time
import weakref
import zlib

__all__ = [
    "Observer",
    "Decision",
    "http_client",
    "async_http_client",
    "litellm_callback",
    "route_of",
    "decision_of",
    "context",
    "default_observer",
    "default_socket_path",
]

#: Longest frame in bytes, the newline included; the router's own default.
FRAME_LIMIT = 1 << 20
#: Asked of the kernel, in bytes. It gives what net.core.wmem_max allows; the default holds only some 44 calls of 4 KB.
SEND_BUFFER = 4 << 20
#: Decoded bytes of one answer kept for the frame. More than a frame because a stream's events are wordier than its text.
ANSWER_LIMIT = 8 << 20
#: Seconds that a retry may be later than its SDK announced before the failed attempt counts as the last one.
RETRY_SLACK = 5.0
#: Failed calls that wait for a retry, at most; the oldest is then taken as final.
RETRY_ROOM = 256
#: Frames left to the thread that is just sending one, at most.
LEFT_ROOM = 1024
#: Seconds for which a transport's frames wait to be sent together, and then for a call to wait behind, at most; seconds that
#: such a call has for sending its request; bytes of bodies at which they are sent with the next call in any case.
BATCH_AGE, CALL_GRACE, CALL_PAUSE, BATCH_BYTES = 0.02, 0.01, 0.0003, 64 << 10
#: Pieces of work left to that thread at most; past them the caller does it.
WORK_ROOM = 64
#: Milliseconds that `decide` waits where nothing else is said.
DECIDE_MS = 50
#: Questions in a row without a reply until the router is left alone for a while (1 s, doubling to 30 s).
MISSES = 3
#: Connections for questions that are kept for the next ones.
LINES_KEPT = 64
#: Decisions that `route_of` remembers, and bytes of a reply that are read.
DECISIONS_KEPT = 10_000
REPLY_LIMIT = 4 << 20
#: Audits under way at once, and the seconds that closing a client and the process's end wait for them.
AUDITS = 16
AUDIT_GRACE = 5.0

_TEXT_FIELDS = ("task_type", "task_id", "run_id", "agent", "step", "tenant", "user_group", "traceparent")
_TEXT_KEYS = {name: ',"%s":' % name for name in _TEXT_FIELDS}
_FIELDS = frozenset(_TEXT_FIELDS + ("signals", "artifacts"))
_SEND_FLAGS = getattr(socket, "MSG_DONTWAIT", 0) | getattr(socket, "MSG_NOSIGNAL", 0)
_NEVER = float("inf")
_monotonic = time.monotonic
_counting = threading.Lock()


# ---------------------------------------------------------------------------------------------------------- encoding

# The encoders are made once: json.dumps with any option builds a new one on every call.
_quote = json.encoder.encode_basestring
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_encode_ascii = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode


def _json_bytes(value) -> bytes:
    """UTF-8 JSON of a value; lone surrogates, which UTF-8 cannot hold, are left as escapes."""
    try:
        return _encode(value).encode("utf-8")
    except UnicodeEncodeError:
        return _encode_ascii(value).encode("ascii")


# Control characters that need the slow encoder, marked by a byte that UTF-8 does not have.
_RARE = bytes(0xFF if byte < 32 and byte not in b"\t\n\r" else byte for byte in range(256))


def _string_bytes(value: str) -> bytes:
    """A JSON string. Prompts are long, and five searches are twice as fast as the encoder's look at every character."""
    try:
        if len(value) < 256:
            return _quote(value).encode("utf-8")
        raw = value.encode("utf-8")
    except UnicodeEncodeError:
        return _encode_ascii(value).encode("ascii")
    if raw.translate(_RARE) != raw:
        return _quote(value).encode("utf-8")
    raw = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + raw.replace(b"\r", b"\\r").replace(b"\t", b"\\t") + b'"'


def _one_line(body) -> bytes:
    """A valid JSON text without raw newlines: there they can only be white space, so a space means the same."""
    return body.replace(b"\n", b" ") if b"\n" in body else body


def _text(value, limit: int = 256) -> str:
    return (value if isinstance(value, str) else str(value))[:limit]


def _call_id(value) -> str:
    """The id as given; one that the router would refuse as too long becomes its digest, the same in every frame."""
    value = value if isinstance(value, str) else str(value)
    return value if len(value) <= 128 else hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()


_fresh_ids: list = []


def _fresh_id() -> str:
    """A uuid4 in hex. Made 64 at a time, because uuid.uuid4 alone costs more than the rest of an observation."""
    try:
        return _fresh_ids.pop()
    except IndexError:
        pool = os.urandom(16 * 64).hex()
        for at in range(0, len(pool), 32):
            variant = "89ab"[int(pool[at + 16], 16) & 3]
            _fresh_ids.append(pool[at : at + 12] + "4" + pool[at + 13 : at + 16] + variant + pool[at + 17 : at + 32])
        return _fresh_ids.pop()


def default_socket_path() -> str:
    """Where the router of this user listens: $SHADOW_ROUTER_TAP, else tap.sock in its runtime folder."""
    env = os.environ.get
    if env("SHADOW_ROUTER_TAP"):
        return env("SHADOW_ROUTER_TAP")
    folder = env("SHADOW_ROUTER_RUNTIME_DIR")
    if not folder and os.geteuid() == 0:
        folder = "/run/shadow-router"
    elif not folder and env("XDG_RUNTIME_DIR"):
        folder = os.path.join(env("XDG_RUNTIME_DIR"), "shadow-router")
    elif not folder:
        state = env("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
        folder = os.path.join(env("SHADOW_ROUTER_STATE_DIR") or os.path.join(state, "shadow-router"), "run")
    return os.path.join(folder, "tap.sock")


# ----------------------------------------------------------------------------------------------------------- context

_context: contextvars.ContextVar = contextvars.ContextVar("shadow_router", default=None)


class context:
    """What is known of the calls made inside: `with shadow_router.context(task_type="triage", run_id=run): ...`.

    Fields as in a call frame: task_type, task_id, run_id, agent, step, tenant, user_group, traceparent, signals,
    artifacts. Nests; the inner value wins. Follows asyncio tasks as every context variable does.
    """

    __slots__ = ("_fields", "_tokens")

    def __init__(self, **fields):
        unknown = set(fields) - _FIELDS
        if unknown:
            raise TypeError("unknown field: " + ", ".join(sorted(unknown)))
        self._fields = {name: value for name, value in fields.items() if value is not None}
        self._tokens: list = []

    def __enter__(self):
        outer = _context.get()
        self._tokens.append(_context.set({**outer, **self._fields} if outer else self._fields))
        return self

    def __exit__(self, *_):
        _context.reset(self._tokens.pop())


# ---------------------------------------------------------------------------------------------------------- observer


class Observer:
    """One agent's line to the router: a numbered stream of frames over a Unix socket that is never waited for.

    Any thread may call any method. After a fork the child gets a connection of its own. `agent` stands in every call
    that does not name one.
    """

    def __init__(self, socket_path=None, agent=None):
        self.socket_path = os.fspath(socket_path) if socket_path else default_socket_path()
        self.agent = agent
        self._agent_part = "" if agent is None else _TEXT_KEYS["agent"] + _quote(_text(agent))
        self.sent = 0
        self.bytes = 0
        self.connects = 0
        self.internal_errors = 0
        self.dropped: collections.Counter = collections.Counter()
        self.asked = self.local = self._asked_bytes = 0
        self.undecided: collections.Counter = collections.Counter()
        self._reset()
        _observers.add(self)

    def _reset(self):
        self._lock = threading.Lock()
        self._sock = None
        self._number = 0  # of the last frame on this connection, dropped ones counted
        self._uncounted: collections.deque = collections.deque()  # causes of drops by who could not get the lock
        self._left: collections.deque = collections.deque()  # frames of those: whoever has the lock sends them
        self._tail = b""  # what the kernel has not yet taken of the last frame
        self._quiet_until = 0.0  # until then frames are dropped before they are encoded
        self._quiet_cause = self._refusal = "no_socket"
        self._full_pause = 0.0
        self._connect_pause = 1.0
        self._next_connect = 0.0
        self._keeper = _Keeper(self)
        self._work: collections.deque = collections.deque()  # what a transport left: (function, arguments), in order
        self._working = threading.Lock()
        self._worker = _Worker(self)
        self._lines: collections.deque = collections.deque()  # idle connections for questions
        self._misses = 0
        self._rest_until, self._rest, self._rest_cause = 0.0, 1.0, ""

    # What an agent calls.

    def observe_call(
        self, call_id=None, *, input=None, messages=None, request=None, request_body=None, frontier=None, **fields
    ) -> str:
        """Shows a call that is about to be made; returns its id (a fresh one where none was given).

        Exactly one of `input` (the prompt), `messages`, `request` (the provider's body) or `request_body` (the same,
        as the JSON bytes that go out: spliced in without encoding it again, so they must be valid JSON). `fields`:
        those of `context`, which also fill in what is not given here.
        """
        # One straight line for the usual call. An agent calls this between two slow things, with cold caches, and then
        # every function entered and every object touched is paid for in microseconds.
        try:
            if call_id is None:
                call_id = _fresh_id()
            elif type(call_id) is not str or len(call_id) > 128:
                call_id = _call_id(call_id)
            if self._work:
                self._work_off()
            if _monotonic() < self._quiet_until:
                self._count_drop(self._quiet_cause)
                return call_id
            known = _context.get()
            if known:
                fields = {**known, **{name: value for name, value in fields.items() if value is not None}}
            head = self._head(call_id, fields, frontier)
            if request_body is not None:
                self._put(head + ',"request":', request_body if b"\n" not in request_body else _one_line(request_body))
            elif input is not None:
                self._put(head + ',"input":', _string_bytes(input))
            elif messages is not None:
                self._put(head + ',"messages":', _json_bytes(messages))
            else:
                self._put(head + ',"request":', _json_bytes(request))
        except Exception:
            self._spoiled()
        return call_id

    def observe_answer(
        self,
        call_id,
        *,
        output=None,
        response=None,
        response_body=None,
        label=None,
        model=None,
        input_tokens=None,
        output_tokens=None,
        latency_ms=None,
        cost_usd=None,
        error=None,
    ) -> bool:
        """Shows how the frontier answered: `output` (any JSON value), `response` (the provider's body; its JSON bytes
        as `response_body`) or `error` (a text that says why not). True if the frame was handed to the kernel.
        """
        if self._is_quiet():
            return False
        try:
            head = '"kind":"answer","call_id":' + _quote(_call_id(call_id))
            if label is not None:
                head += ',"label":' + _quote(_text(label))
            if model is not None:
                head += ',"model":' + _quote(_text(model))
            if error is not None:
                head += ',"error":' + _quote(_text(error))
            if type(input_tokens) is int and type(output_tokens) is int:
                head += ',"usage":{"input_tokens":%d,"output_tokens":%d}' % (input_tokens, output_tokens)
            elif input_tokens is not None or output_tokens is not None:
                usage = (("input_tokens", input_tokens), ("output_tokens", output_tokens))
                head += ',"usage":' + _encode({name: count for name, count in usage if count is not None})
            if latency_ms is not None:
                head += ',"latency_ms":' + (str(latency_ms) if type(latency_ms) is int else _encode(latency_ms))
            if cost_usd is not None:
                head += ',"cost_usd":' + _encode(cost_usd)
            if response_body is not None:
                return self._put(head + ',"response":', _one_line(response_body))
            if response is not None:
                return self._put(head + ',"response":', _json_bytes(response))
            if output is not None:
                return self._put(head + ',"output":', _string_bytes(output) if type(output) is str else _json_bytes(output))
            return self._put(head, b"")
        except Exception:
            return self._spoiled()

    def outcome(self, call_id=None, *, run_id=None, result, source="agent", approved_by=None) -> bool:
        """Shows how a call or a run ended: `result` is success, failure or partial; `source` agent, user, operator
        or eval. True if the frame was handed to the kernel.
        """
        if self._is_quiet():
            return False
        try:
            frame = {"kind": "outcome", "result": result, "source": source}
            if call_id is not None:
                frame["call_id"] = _call_id(call_id)
            if run_id is not None:
                frame["run_id"] = _text(run_id)
            if approved_by is not None:
                frame["approved_by"] = _text(approved_by)
            return self._put(_encode(frame)[1:-1], b"")
        except Exception:
            return self._spoiled()

    def decide(self, call_id=None, *, deadline_ms=DECIDE_MS, **what) -> "Decision":
        """Shows a call and asks who answers it. Returns after `deadline_ms` at the latest, and never raises: whatever is
        wrong (no router, a late or senseless reply) makes it `frontier`, with the cause in `Decision.problem`.

        `what`: as for `observe_call`. Where the route is the frontier, or `audit` is true, the agent calls the frontier and
        shows its answer with `observe_answer(decision.call_id, …)`.
        """
        asking = _Asking(self, deadline_ms)
        try:
            asking.prepare(call_id, **what)
            return asking.run()
        except Exception:
            return asking.failed()

    async def decide_async(self, call_id=None, *, deadline_ms=DECIDE_MS, **what) -> "Decision":
        """As `decide`, without holding up the event loop."""
        asking = _Asking(self, deadline_ms)
        try:
            asking.prepare(call_id, **what)
            return await asking.run_async()
        except Exception:
            return asking.failed()

    def counters(self) -> dict:
        """Frames and bytes handed to the kernel, frames dropped by cause, connections made, our own faults; questions asked,
        how many were answered locally, and why the others that the router did not decide were not."""
        self._work_off(0.05)
        with_causes = dict(self.dropped)
        for cause in list(self._uncounted):
            with_causes[cause] = with_causes.get(cause, 0) + 1
        return {
            "sent": self.sent + self.asked,
            "bytes": self.bytes + self._asked_bytes,
            "dropped": sum(with_causes.values()),
            "dropped_by_cause": with_causes,
            "connects": self.connects,
            "internal_errors": self.internal_errors,
            "asked": self.asked,
            "local": self.local,
            "undecided_by_cause": dict(self.undecided),
        }

    def close(self, timeout: float = 0.1) -> None:
        """Shows what still waits for a retry, gives a half-sent frame `timeout` seconds, closes. Later frames reopen."""
        try:
            self._keeper.release_all()
            self._work_off(0.05)
            end = _monotonic() + timeout
            while self._tail and _monotonic() < end:
                self._flush_tail()
                if self._tail:
                    time.sleep(0.005)
            if self._lock.acquire(True, 0.05):
                try:
                    self._send_left()
                    self._disconnect("closed")
                finally:
                    self._release()
            while self._lines:
                self._lines.pop().close()
        except Exception:
            self.internal_errors += 1

    def _head(self, call_id: str, fields: dict, frontier) -> str:
        """A call frame from its kind up to the text. Empty values are left out, unknown names too: a `reply` that nobody
        reads would end the connection."""
        head = '"kind":"call","call_id":' + _quote(call_id)
        for name, value in fields.items():
            if value is None:
                continue
            key = _TEXT_KEYS.get(name)
            if key is not None:
                head += key + _quote(value if type(value) is str and len(value) <= 256 else _text(value))
            elif name in _FIELDS:
                head += ',"%s":%s' % (name, _encode(value))
        if self._agent_part and fields.get("agent") is None:
            head += self._agent_part
        return head if frontier is None else head + ',"frontier":' + _encode(frontier)

    # Work that can wait.

    def _later(self, size: int, waits: bool, work, *arguments) -> None:
        """Leaves `work` about so many bytes to the observer's thread, which does it in order, soon, and while a call waits for the
        frontier: the agent pays neither for encoding nor for waking the router. `waits`: one does from now on. The caller
        does it where there is no thread or too much is left."""
        self._work.append((work, arguments))
        if not self._worker.is_up(size, waits) or len(self._work) > WORK_ROOM:
            self._work_off()

    def _work_off(self, patience: float = 0.0) -> None:
        """Does what was left. Who finds another thread at it waits `patience` seconds at most."""
        while self._work:
            if not (self._working.acquire(True, patience) if patience else self._working.acquire(False)):
                return
            try:
                while self._work:
                    work, arguments = self._work.popleft()
                    try:
                        work(*arguments)
                    except Exception:
                        self.internal_errors += 1
            finally:
                self._working.release()

    # Sending.

    def _is_quiet(self) -> bool:
        """Whether the router is known not to listen just now. Asked before anything is encoded: then a call costs
        the agent well under a microsecond."""
        if self._work:
            self._work_off()  # what was left before comes first
        if _monotonic() >= self._quiet_until:
            return False
        self._count_drop(self._quiet_cause)
        return True

    def _count_drop(self, cause) -> None:
        # Without the lock the drop is left for the next holder to count: waiting would be worse.
        if self._lock.acquire(False):
            self._number += 1
            self.dropped[cause] += 1
            self._release()
        else:
            self._uncounted.append(cause)

    def _spoiled(self) -> bool:
        self.internal_errors += 1
        self._count_drop("unencodable")
        return False

    def _put(self, head: str, tail: bytes) -> bool:
        """Sends one frame: `{"n":N,` + head + tail + `}`. True if the kernel took it or its beginning, or if it was left
        to the thread that is just sending: nobody waits for a lock, neither a signal handler on top of its holder."""
        if not self._lock.acquire(False):
            if len(self._left) >= LEFT_ROOM:
                self._uncounted.append("busy")
                return False
            self._left.append((head, tail))
            if self._lock.acquire(False):  # its holder may have let go before it could see ours
                self._release()
            return True
        try:
            if self._left:
                self._send_left()
            return self._send(head, tail)
        finally:
            self._release()

    def _release(self) -> None:
        """Lets go of the lock, and sends what was left meanwhile by those who found it held."""
        self._lock.release()
        while self._left and self._lock.acquire(False):
            try:
                self._send_left()
            finally:
                self._lock.release()

    def _send_left(self) -> None:
        while self._left:
            self._send(*self._left.popleft())

    def _send(self, head: str, tail: bytes) -> bool:
        """Called with the lock held."""
        if self._uncounted:
            self._count_others()
        for _ in range(2):  # a connection found dead is replaced once, and at most once a second
            if self._sock is None and not self._connect():
                return self._lost(self._quiet_cause)
            number = self._number + 1
            try:
                frame = b"".join((('{"n":%d,' % number + head).encode("utf-8"), tail, b"}\n"))
            except UnicodeEncodeError:  # a lone surrogate in a name: an escape in JSON, no matter which
                frame = ('{"n":%d,' % number + head).encode("utf-8", "replace") + tail + b"}\n"
            size = len(frame)
            if size > FRAME_LIMIT:
                return self._lost("too_large")
            try:
                if self._tail and not self._send_tail():
                    return self._lost(self._pause_full())
                taken = self._sock.send(frame, _SEND_FLAGS)
            except OSError as problem:
                if problem.errno in (errno.EAGAIN, errno.ENOBUFS, errno.EINTR):
                    return self._lost(self._pause_full())
                self._disconnect("connection_lost")
                continue
            self._number = number
            self.sent += 1
            self.bytes += size
            self._full_pause = 0.0
            if taken != size:
                self._tail = frame[taken:]
                self._keeper.wake()
            return True
        return self._lost("no_socket")

    def _lost(self, cause: str) -> bool:
        self._number += 1
        self.dropped[cause] += 1
        return False

    def _count_others(self) -> None:
        while self._uncounted:
            self._lost(self._uncounted.popleft())

    def _pause_full(self) -> str:
        """The router does not read. For a moment (0.5 to 32 ms, doubling) nothing is even encoded."""
        self._full_pause = min(max(self._full_pause * 2, 0.0005), 0.032)
        self._quiet_until, self._quiet_cause = _monotonic() + self._full_pause, "full"
        return "full"

    def _send_tail(self) -> bool:
        self._tail = self._tail[self._sock.send(self._tail, _SEND_FLAGS) :]
        return not self._tail

    def _flush_tail(self) -> bool:
        """Called by the keeper: finishes a half-sent frame. True when none is left."""
        if not self._lock.acquire(True, 0.05):
            return False
        try:
            return not self._tail or self._send_tail()
        except OSError as problem:
            if problem.errno not in (errno.EAGAIN, errno.ENOBUFS, errno.EINTR):
                self._disconnect("connection_lost")
            return not self._tail
        finally:
            self._release()

    def _count_question(self, size: int) -> None:
        with _counting:
            self.asked += 1
            self._asked_bytes += size

    def _leave_alone(self, now: float, most: float, cause: str) -> None:
        self._rest_until, self._rest_cause = now + self._rest, cause
        self._rest = min(self._rest * 2, most)

    def _await_room(self, seconds: float) -> None:
        sock = self._sock
        if sock is None:
            return
        try:
            poll = select.poll()
            poll.register(sock.fileno(), select.POLLOUT)
            poll.poll(seconds * 1000)
        except (OSError, ValueError):
            pass  # closed meanwhile: the next step sees it

    def _connect(self) -> bool:
        now = _monotonic()
        if now < self._next_connect:
            self._quiet_until, self._quiet_cause = self._next_connect, self._refusal
            return False
        sock = None
        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.setblocking(False)
            self._widen(sock)
            sock.connect(self.socket_path)
        except OSError as problem:
            if sock is not None:
                sock.close()
            self._refusal = _no_router(problem)
            self._next_connect = now + self._connect_pause
            self._connect_pause = min(self._connect_pause * 2, 4.0)
            self._quiet_until, self._quiet_cause = self._next_connect, self._refusal
            return False
        self._next_connect, self._connect_pause = now + 1.0, 1.0
        self._sock = sock
        self.connects += 1
        return True

    @staticmethod
    def _widen(sock) -> None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, 32, SEND_BUFFER)  # SO_SNDBUFFORCE: beyond wmem_max, with CAP_NET_ADMIN
        except OSError:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            except OSError:
                pass

    def _disconnect(self, cause: str) -> None:
        """Gives the connection up. Numbers start again; what is lost until the next one counts towards its first."""
        if self._sock is None:
            return
        try:
            self._sock.close()
        except OSError:
            pass
        self._sock, self._number, self._full_pause, self._quiet_until = None, 0, 0.0, 0.0
        if self._tail:
            self._tail = b""
            self.sent -= 1
            self._number = 1
            self.dropped[cause] += 1

    def __del__(self):
        try:
            if self._sock is not None:
                self._sock.close()
        except Exception:
            pass

    def _after_fork(self) -> None:
        # The child's copy of the descriptor is closed; the parent's connection and its half-sent frame stay the parent's.
        # Locks may have been held by threads that the child does not have, so everything is new.
        inherited = [self._sock, *self._lines]
        self.sent = self.bytes = self.connects = self.internal_errors = 0
        self.asked = self.local = self._asked_bytes = 0
        self.dropped, self.undecided = collections.Counter(), collections.Counter()
        self._reset()
        for connection in inherited:
            try:
                if connection is not None:
                    connection.close()
            except OSError:
                pass


# --------------------------------------------------------------------------------------------------------------- asking


class Decision:
    """Who answers a call, as the router's `decision` frame says it; absent members are None.

    `problem` is None where the router said so. Else the client made it `frontier`, for this cause: `no_socket`, `not_allowed`, `full`,
    `late`, `closed`, `garbage`, `refused`, `resting` (no reply to the last questions, so not asked), `unfit` (a local answer
    that the request cannot be answered with), `not_askable`, `too_large`, `internal`.
    """

    __slots__ = (
        "call_id", "route", "reason", "reason_code", "detail", "stage", "policy_revision",
        "answer", "label", "confidence", "model", "audit",
        "fallbacks", "retry_on", "max_attempts", "on_exhausted", "switch_mid_run", "escalation",
        "problem",
    )  # fmt: skip

    def __init__(self, call_id, problem=None, frame=None):
        frame = frame or {}
        for name in self.__slots__[2:-1]:
            setattr(self, name, frame.get(name))
        self.call_id, self.problem = call_id, problem
        self.route = "frontier" if problem is not None else frame.get("route")

    @property
    def local(self) -> bool:
        return self.route == "local"

    @property
    def escalated(self) -> bool:
        """A local model was asked and its answer was not let through."""
        if self.route != "frontier" or self.problem is not None:
            return False
        packet = self.escalation if isinstance(self.escalation, dict) else {}
        return self.reason in _AFTER_ASKING or packet.get("local_output") is not None

    @property
    def outcome(self) -> str:
        """`local`, `frontier` or `escalated`: what the header `x-shadow-router-route` says."""
        return "escalated" if self.escalated else self.route

    def __repr__(self):
        said = ((name, getattr(self, name)) for name in ("call_id", "route", "reason", "detail", "problem"))
        return "Decision(%s)" % ", ".join("%s=%r" % pair for pair in said if pair[1] is not None)


_AFTER_ASKING = ("schema_invalid", "label_escalated", "confidence_low")
_BUSY = (errno.EAGAIN, errno.ENOBUFS, errno.EINTR)


class _Line:
    """One connection for questions, used by one question at a time. A question that goes wrong ends it: a reply that
    comes late can then never be taken for another one's."""

    __slots__ = ("sock", "number", "poll")

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.setblocking(False)
            self.sock.connect(path)
            self.poll = select.poll()
        except BaseException:
            self.sock.close()
            raise
        self.number = 0

    def is_good(self) -> bool:
        """Still connected, with nothing unasked-for to read."""
        try:
            self.sock.recv(1, socket.MSG_PEEK | _SEND_FLAGS)
            return False
        except OSError as problem:
            return problem.errno in _BUSY

    def close(self) -> None:
        self.sock.close()


class _Trouble(Exception):
    """Why a question has no answer."""


class _Asking:
    """One question: the frame, the deadline, the reply. `_talk` holds the whole exchange and yields where it must wait (True:
    to write), so that threads and event loops share it."""

    def __init__(self, observer: Observer, deadline_ms):
        self._began = _monotonic()
        try:
            self._ms = min(max(float(deadline_ms), 0.0), 600_000.0)
        except (TypeError, ValueError):
            self._ms = 0.0
        if not self._ms > 0:  # NaN as well
            self._ms = 0.0
        self._end = self._began + self._ms / 1000
        self._observer = observer
        self._head, self._tail = "", b""
        self._line = None
        self._sent = False
        self.call_id = ""

    def prepare(
        self, call_id=None, *, input=None, messages=None, request=None, request_body=None, frontier=None, **fields
    ) -> None:
        self.call_id = _fresh_id() if call_id is None else _call_id(call_id)
        known = _context.get()
        if known:
            fields = {**known, **{name: value for name, value in fields.items() if value is not None}}
        head = self._observer._head(self.call_id, fields, frontier)
        if request_body is not None:
            self.take(self.call_id, head + ',"request":', _one_line(request_body))
        elif input is not None:
            self.take(self.call_id, head + ',"input":', _string_bytes(input))
        elif messages is not None:
            self.take(self.call_id, head + ',"messages":', _json_bytes(messages))
        else:
            self.take(self.call_id, head + ',"request":', _json_bytes(request))

    def take(self, call_id: str, head: str, tail: bytes) -> None:
        """A call frame up to its last brace."""
        self.call_id, self._head, self._tail = call_id, head, tail

    @property
    def was_sent(self) -> bool:
        """Whether the router has the call, whole."""
        return self._sent

    def run(self) -> Decision:
        try:
            talk = self._talk()
            writing = next(talk)
            while True:
                left = self._end - _monotonic()
                if left <= 0:
                    raise _Trouble("full" if writing else "late")
                self._line.poll.register(self._line.sock, select.POLLOUT if writing else select.POLLIN)
                self._line.poll.poll(left * 1000)
                writing = next(talk)
        except StopIteration as done:
            return self._answered(done.value)
        except _Trouble as trouble:
            return self._unanswered(str(trouble))
        except OSError:
            return self._unanswered("closed")
        except BaseException:  # interrupted
            self._give_up()
            raise

    async def run_async(self) -> Decision:
        try:
            import asyncio

            loop = asyncio.get_running_loop()
        except RuntimeError:  # trio, by way of anyio, on which httpx stands
            import anyio

            return await anyio.to_thread.run_sync(self.run)
        try:
            talk = self._talk()
            writing = next(talk)
            while True:
                left = self._end - _monotonic()
                if left <= 0:
                    raise _Trouble("full" if writing else "late")
                await self._ready(loop, writing, left)
                writing = next(talk)
        except StopIteration as done:
            return self._answered(done.value)
        except _Trouble as trouble:
            return self._unanswered(str(trouble))
        except OSError:
            return self._unanswered("closed")
        except BaseException:  # cancelled
            self._give_up()
            raise

    async def _ready(self, loop, writing: bool, seconds: float) -> None:
        ready = loop.create_future()
        number = self._line.sock.fileno()
        add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
        add(number, _settle, ready)
        timer = loop.call_later(seconds, _settle, ready)
        try:
            await ready
        finally:
            timer.cancel()
            remove(number)

    def _talk(self):
        self._line = self._connected()
        line = self._line
        left_ms = int((self._end - _monotonic()) * 1000)
        # A millisecond less than is left: the router's own `frontier` comes in time, and it knows what the agent was told.
        asked = ',"reply":true,"deadline_ms":%d,' % max(1, left_ms - 1)
        frame = ('{"n":%d' % (line.number + 1) + asked + self._head).encode("utf-8", "replace") + self._tail + b"}\n"
        if len(frame) > FRAME_LIMIT:
            raise _Trouble("too_large")
        rest = memoryview(frame)
        while rest:
            try:
                rest = rest[line.sock.send(rest, _SEND_FLAGS) :]
            except OSError as problem:
                if problem.errno not in _BUSY:
                    raise
                yield True
        line.number += 1
        self._sent = True
        self._observer._count_question(len(frame))
        reply = b""
        while not reply.endswith(b"\n"):
            yield False
            try:
                block = line.sock.recv(1 << 16)
            except OSError as problem:
                if problem.errno not in _BUSY:
                    raise
                continue
            if not block:
                raise _Trouble("closed")
            reply += block
            if len(reply) > REPLY_LIMIT:
                raise _Trouble("garbage")
        return self._read(reply)

    def _read(self, reply: bytes) -> Decision:
        try:
            frame = json.loads(reply.decode("utf-8"))
        except (ValueError, RecursionError):  # two lines are no JSON text either
            raise _Trouble("garbage") from None
        if not isinstance(frame, dict):
            raise _Trouble("garbage")
        if frame.get("kind") == "error":
            raise _Trouble("refused")
        if frame.get("kind") != "decision" or frame.get("call_id") != self.call_id:
            raise _Trouble("garbage")
        route = frame.get("route")
        answered = route == "local" and frame.get("answer") is not None and frame.get("reason") is None
        if not answered and route != "frontier":
            raise _Trouble("garbage")
        return Decision(self.call_id, frame=frame)

    def _connected(self) -> _Line:
        observer = self._observer
        if self._began < observer._rest_until:
            raise _Trouble(observer._rest_cause)
        while True:
            try:
                line = observer._lines.pop()
            except IndexError:
                break
            if line.is_good():
                return line
            line.close()
        try:
            line = _Line(observer.socket_path)
        except OSError as problem:
            if problem.errno in _BUSY:  # too many wait to be let in
                raise _Trouble("full") from None
            observer._leave_alone(self._began, 4.0, _no_router(problem))
            raise _Trouble(_no_router(problem)) from None
        observer.connects += 1
        return line

    def _answered(self, decision: Decision) -> Decision:
        observer = self._observer
        observer._misses, observer._rest = 0, 1.0
        if len(observer._lines) < LINES_KEPT:
            observer._lines.append(self._line)
        else:
            self._line.close()
        with _counting:
            observer.local += decision.local
        return decision

    def _unanswered(self, cause: str) -> Decision:
        observer = self._observer
        self._give_up()
        if self._sent and cause in ("late", "closed"):
            observer._misses += 1
            if observer._misses >= MISSES:
                observer._leave_alone(_monotonic(), 30.0, "resting")
        with _counting:
            observer.undecided[cause] += 1
        if not self._sent and self._head:
            self._sent = observer._put(self._head, self._tail)  # a call that was not decided is still shown
        return Decision(self.call_id, problem=cause)

    def failed(self) -> Decision:
        """For faults of our own."""
        with _counting:
            self._observer.internal_errors += 1
            self._observer.undecided["internal"] += 1
        self._give_up()
        return Decision(self.call_id or _fresh_id(), problem="internal")

    def _give_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


def _settle(future) -> None:
    if not future.done():
        future.set_result(None)


class _Keeper:
    """What must happen later: a half-sent frame finished, and the failure of a call shown when no retry comes.

    A daemon thread, started only while there is such work: a healthy agent never has it.
    """

    def __init__(self, observer):
        self._observer = weakref.ref(observer)
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._thread = None
        self._waiting: collections.OrderedDict = collections.OrderedDict()  # call → (deadline, show)

    def park(self, call, seconds: float, show) -> None:
        """Keeps `show` for `seconds`; it runs then, unless `take` finds the call before."""
        overflow = None
        with self._lock:
            if len(self._waiting) >= RETRY_ROOM:
                overflow = self._waiting.popitem(last=False)[1][1]
            self._waiting[call] = (_monotonic() + seconds, show)
        if overflow:
            overflow()
        self.wake()

    def take(self, key, count):
        """The failed call that this attempt repeats, or None. Of several alike the one of the same thread and task."""
        owner = _owner()
        with self._lock:
            alike = [call for call in self._waiting if call.key == key and call.expects(count)]
            best = next((call for call in alike if call.owner == owner), alike[0] if alike else None)
            if best is not None:
                del self._waiting[best]
            return best

    def release_all(self) -> None:
        with self._lock:
            shows = [show for _, show in self._waiting.values()]
            self._waiting.clear()
        for show in shows:
            show()

    def wake(self) -> None:
        try:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="shadow-router", daemon=True)
                    self._thread.start()
            self._work.set()
        except RuntimeError:  # no more threads, or the interpreter is ending: the next frame or atexit does the work
            self._thread = None

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except Exception:
            with self._lock:
                self._thread = None

    def _step(self) -> bool:
        observer = self._observer()
        self._work.clear()
        now = _monotonic()
        with self._lock:
            due = [call for call, (deadline, _) in self._waiting.items() if deadline <= now]
            shows = [self._waiting.pop(call)[1] for call in due]
            next_due = min((deadline for deadline, _ in self._waiting.values()), default=None)
        for show in shows:
            show()
        tail = observer is not None and not observer._flush_tail()
        with self._lock:
            if observer is None or (next_due is None and not tail and not self._work.is_set()):
                self._thread = None
                return False
        if tail:
            observer._await_room(0.25)
        elif next_due is not None:
            del observer  # while this waits an observer may be forgotten, and the thread ends
            self._work.wait(max(0.0, min(next_due - now, 1.0)))
        return True


def _no_router(problem: OSError) -> str:
    """`not_allowed`: there is one, whose socket this user may not use (`run --allow-uid`, or the socket's group)."""
    return "not_allowed" if isinstance(problem, PermissionError) else "no_socket"


class _Alarm:
    """Wakes an observer's thread later. Setting it costs the agent a system call at most and wakes nobody at that moment; where
    the system has no timer that can be waited for, the thread is woken at once and sleeps a little first."""

    def __init__(self):
        try:
            import ctypes

            library = ctypes.PyDLL(None)  # keeps the interpreter's lock: letting go of it costs more than the call
            self._file = library.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
            if self._file < 0:
                raise OSError("no timer")
            weakref.finalize(self, os.close, self._file).atexit = False
            self._settime, self._reference, self._times = library.timerfd_settime, ctypes.byref, ctypes.c_long * 4
            self._values: dict = {}
            self._poll = select.poll()
            self._poll.register(self._file, select.POLLIN)
        except Exception:
            self._settime, self._event = None, threading.Event()

    def set(self, seconds: float) -> None:
        if self._settime is None:
            return self._event.set()
        value = self._values.get(seconds)
        if value is None:  # struct itimerspec: again after, first after
            value = self._values[seconds] = self._reference(self._times(0, 0, int(seconds), int(seconds % 1 * 1e9)))
        self._settime(self._file, 0, value, None)

    def wait(self) -> None:
        """Until the time that was set, or 5 s."""
        if self._settime is None:
            if self._event.wait(5.0):
                self._event.clear()
                time.sleep(BATCH_AGE)
            return
        self._poll.poll(5000)
        try:
            os.read(self._file, 8)
        except BlockingIOError:
            pass


class _Worker:
    """Does what transports leave for later: a daemon thread that wakes every `BATCH_AGE` while there are calls, just when one of
    them waits for the frontier. Then encoding, sending and the router itself, which is awake at the same time, cost the agent
    nothing, on whichever processors they are. Several calls at a time, because each waking costs more than what is done then."""

    def __init__(self, observer):
        self._observer = weakref.ref(observer)
        self._thread = self._alarm = None
        self._due = _NEVER  # when it wakes by itself
        self._is_called = False  # and whether that is for a call that waits
        self._bytes = 0  # of bodies that were left, about

    def is_up(self, size: int, waits: bool) -> bool:
        """Whether it will look soon. Asked after work of so many bytes was left; `waits`: by a call that goes to the frontier now."""
        if self._thread is None and not self._start():
            return False
        self._bytes += size
        if self._due is _NEVER:
            self._due = _monotonic() + BATCH_AGE + CALL_GRACE
            self._alarm.set(BATCH_AGE + CALL_GRACE)
        elif waits and not self._is_called and (self._bytes > BATCH_BYTES or _monotonic() >= self._due - CALL_GRACE):
            self._is_called = True
            self._alarm.set(CALL_PAUSE)
        return True

    def _start(self) -> bool:
        try:
            self._alarm = self._alarm or _Alarm()
            thread = threading.Thread(target=self._run, name="shadow-router", daemon=True)
            self._thread = thread
            thread.start()
            return True
        except RuntimeError:  # no more threads, or the interpreter is ending
            self._thread = None
            return False

    def _run(self) -> None:
        while True:
            self._alarm.wait()
            # Before looking: what is left from here on sets the alarm anew.
            self._due, self._is_called, self._bytes = _NEVER, False, 0
            observer = self._observer()
            if observer is None:
                return
            observer._work_off()
            del observer  # while this waits an observer may be forgotten, and the thread ends


_observers: weakref.WeakSet = weakref.WeakSet()
_default_lock = threading.Lock()
_default = None


def default_observer() -> Observer:
    """The process's one observer, for those who do not make their own."""
    global _default
    with _default_lock:
        if _default is None:
            _default = Observer()
        return _default


def _forked() -> None:
    global _default_lock, _counting
    _default_lock, _counting = threading.Lock(), threading.Lock()
    _fresh_ids.clear()  # else parent and child would give the same ids to different calls
    for observer in list(_observers):
        observer._after_fork()


def _at_exit() -> None:
    _await_audits(list(_audits))
    for observer in list(_observers):
        observer.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
atexit.register(_at_exit)


# -------------------------------------------------------------------------------------------- answers put back together
#
# A streamed answer is rebuilt into the body that the provider gives without streaming, so that everything behind the tap
# reads one shape. Each builder takes the decoded events in order. `done` is set at the provider's own end mark (SDKs stop
# reading there, often before the connection's end), `problem` when the stream itself reports a failure.


class _Events:
    """Cuts server-sent events out of a byte stream and gives their data, as text."""

    def __init__(self):
        self._rest = b""
        self._data: list = []
        self._size = 0

    def feed(self, chunk: bytes):
        block = self._rest + chunk
        if b"\r" in block:
            held = b"\r" if block.endswith(b"\r") else b""  # half of a line end, perhaps
            block = block[: len(block) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        lines = block.split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            yield from self._line(line)

    def end(self):
        if self._rest:
            yield from self._line(self._rest.rstrip(b"\r"))
            self._rest = b""
        yield from self._line(b"")

    def _line(self, line: bytes):
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
        elif not line and self._data:
            data, self._data = b"\n".join(self._data), []
            yield data.decode("utf-8", "replace")


def _append(into: dict, name: str, value) -> None:
    """One member of a delta: texts are continued, lists and objects grow, anything else replaces."""
    known = into.get(name)
    if value is None:
        into.setdefault(name, None)
    elif isinstance(value, str) and isinstance(known, str):
        into[name] = known + value
    elif isinstance(value, list) and isinstance(known, list):
        known.extend(value)
    elif isinstance(value, dict) and isinstance(known, dict):
        for key, part in value.items():
            _append(known, key, part)
    else:
        into[name] = value


class _ChatBuilder:
    """OpenAI chat completion chunks → chat.completion."""

    _REPLACED = ("role", "id", "type", "name")
    _HEAD = ("id", "object", "created", "model", "service_tier", "system_fingerprint", "usage", "provider")

    def __init__(self):
        self.done = False
        self.problem = None
        self._head: dict = {}
        self._choices: dict = {}

    def feed(self, event: dict) -> None:
        if event.get("error"):
            self.problem = _failure_name(event)
        for name in self._HEAD:
            if event.get(name) is not None:
                self._head[name] = event[name]
        for part in event.get("choices") or ():
            self._choice(part)

    def _choice(self, part: dict) -> None:
        index = part.get("index") or 0
        choice = self._choices.get(index)
        if choice is None:
            choice = {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}
            self._choices[index] = choice
        for name, value in part.items():
            if name == "logprobs" and value is not None:
                _append(choice, name, value)
            elif name not in ("index", "delta", "logprobs") and value is not None:
                choice[name] = value
        message = choice["message"]
        for name, value in (part.get("delta") or {}).items():
            if name == "tool_calls":
                for call in value or ():
                    self._tool_call(message.setdefault("tool_calls", []), call)
            elif name == "role":
                message["role"] = value or message["role"]
            else:
                _append(message, name, value)

    def _tool_call(self, calls: list, part: dict) -> None:
        index = part.get("index")
        call = next((known for known in calls if known["index"] == index), None) if index is not None else None
        if call is None and index is None and calls and part.get("id") in (None, calls[-1].get("id")):
            call = calls[-1]  # some servers number nothing and only go on
        if call is None:
            call = {"index": len(calls) if index is None else index, "id": None, "type": "function", "function": {}}
            calls.append(call)
        for name, value in part.items():
            if name == "function":
                for key, text in (value or {}).items():
                    if key == "name" and text:
                        call["function"]["name"] = text
                    elif key != "name" and text is not None:
                        _append(call["function"], key, text)
            elif name in self._REPLACED:
                call[name] = value or call.get(name)
            elif name != "index":
                _append(call, name, value)

    @property
    def complete(self) -> bool:
        return self.done or any(choice["finish_reason"] for choice in self._choices.values())

    def body(self):
        if not self._head and not self._choices:
            return None
        choices = [self._choices[index] for index in sorted(self._choices)]
        for choice in choices:
            calls = choice["message"].get("tool_calls")
            if calls is not None:
                calls = [{name: value for name, value in call.items() if name != "index"} for call in calls]
                choice["message"]["tool_calls"] = calls
        return {**self._head, "object": "chat.completion", "choices": choices}


class _ResponsesBuilder:
    """OpenAI responses events → the response of the closing event, or what was known before it."""

    _ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")

    def __init__(self):
        self.done = False
        self.problem = None
        self._response = None
        self._items: dict = {}

    def feed(self, event: dict) -> None:
        kind = event.get("type") or ""
        if isinstance(event.get("response"), dict):
            self._response = event["response"]
        if kind in self._ENDS:
            self.done = True
            if kind in ("response.failed", "response.cancelled"):
                self.problem = _failure_name(self._response or {}) or kind
        elif kind == "error":
            self.done, self.problem = True, _failure_name(event)
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._items[event.get("output_index")] = event.get("item")
        elif kind.endswith(".delta") and isinstance(event.get("delta"), str):
            self._delta(kind, event)

    def _delta(self, kind: str, event: dict) -> None:
        item = self._items.get(event.get("output_index"))
        if not isinstance(item, dict):
            return
        if kind in ("response.output_text.delta", "response.refusal.delta"):
            member = "text" if kind == "response.output_text.delta" else "refusal"
            parts, index = item.setdefault("content", []), event.get("content_index") or 0
            while len(parts) <= index < 1000:
                parts.append({"type": "output_text" if member == "text" else "refusal", member: ""})
            _append(parts[index], member, event["delta"])
        elif kind == "response.function_call_arguments.delta":
            _append(item, "arguments", event["delta"])
        elif kind == "response.custom_tool_call_input.delta":
            _append(item, "input", event["delta"])

    @property
    def complete(self) -> bool:
        return self.done

    def body(self):
        if self._response is None:
            return None
        if not self._response.get("output") and self._items:
            output = [item for _, item in sorted(self._items.items(), key=lambda pair: pair[0] or 0)]
            return {**self._response, "output": output}
        return self._response


class _MessagesBuilder:
    """Anthropic message events → message."""

    def __init__(self):
        self.done = False
        self.problem = None
        self._message = None
        self._blocks: dict = {}
        self._inputs: dict = {}

    def feed(self, event: dict) -> None:
        kind, index = event.get("type"), event.get("index")
        if kind == "message_start":
            self._message = dict(event.get("message") or {})
        elif kind == "content_block_start":
            self._blocks[index] = dict(event.get("content_block") or {})
        elif kind == "content_block_delta" and index in self._blocks:
            self._delta(index, event.get("delta") or {})
        elif kind == "message_delta" and self._message is not None:
            self._message.update(event.get("delta") or {})
            usage = {name: count for name, count in (event.get("usage") or {}).items() if count is not None}
            self._message["usage"] = {**(self._message.get("usage") or {}), **usage}
            for name in event.keys() - {"type", "delta", "usage"}:
                self._message[name] = event[name]
        elif kind == "message_stop":
            self.done = True
        elif kind == "error":
            self.done, self.problem = True, _failure_name(event)

    def _delta(self, index, delta: dict) -> None:
        block, kind = self._blocks[index], delta.get("type")
        if kind == "input_json_delta":
            self._inputs.setdefault(index, []).append(delta.get("partial_json") or "")
        elif kind == "citations_delta":
            block["citations"] = (block.get("citations") or []) + [delta.get("citation")]
        else:
            for name, value in delta.items():
                if name != "type":
                    _append(block, name, value)

    @property
    def complete(self) -> bool:
        return self.done

    def body(self):
        if self._message is None:
            return None
        for index, parts in self._inputs.items():
            text = "".join(parts)
            try:
                self._blocks[index]["input"] = json.loads(text) if text.strip() else {}
            except ValueError:
                self._blocks[index]["input"] = text  # cut off by the end of the stream
        return {**self._message, "content": [self._blocks[index] for index in sorted(self._blocks)]}


def _failure_name(body) -> str:
    """The provider's name of a failure: its type or code, never its message, which may quote the prompt."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        error = body if isinstance(body, dict) else {}
    for name in ("type", "code", "status"):
        value = error.get(name)
        if isinstance(value, (str, int)) and value not in ("", "error", "response"):
            return _text(value, 100)
    return "error"


# -------------------------------------------------------------------------------------------- local answers, in each API
#
# A local answer becomes the body that the provider would have sent, whole or as its events; an answer that the request
# cannot be answered with (a text where a tool is required, say) is `unfit`, and the frontier is called.


class _Unfit(Exception):
    """The request cannot be answered with this."""


def _may_ask(builder, request: dict) -> bool:
    """Whether a local answer could be given to this request at all."""
    if builder is _ChatBuilder:
        kinds = request.get("modalities") or ["text"]
        return request.get("n") in (None, 1) and not request.get("logprobs") and kinds == ["text"]
    return not (builder is _ResponsesBuilder and request.get("background"))


def _tool_names(request: dict):
    """Names of the functions that the request defines, in any of the three APIs."""
    for tool in request.get("tools") or ():
        if isinstance(tool, dict):
            function = tool.get("function") if isinstance(tool.get("function"), dict) else tool
            if isinstance(function.get("name"), str):
                yield function["name"]


def _tool_call(answer, request: dict):
    """(name, arguments) where the answer is a call of one of the request's tools, else None."""
    if not isinstance(answer, dict) or set(answer) != {"name", "arguments"}:
        return None
    name, arguments = answer["name"], answer["arguments"]
    if not isinstance(arguments, dict) or name not in set(_tool_names(request)):
        return None
    return name, arguments


def _must_call(request: dict):
    """None where a text will do; else the name of the tool that has to be called, "" for any."""
    choice = request.get("tool_choice")
    if choice in ("required", "any"):
        return ""
    if not isinstance(choice, dict):
        return None
    if choice.get("type") in ("any", "required"):
        return ""
    if choice.get("type") in ("auto", "none"):
        return None
    function = choice.get("function") if isinstance(choice.get("function"), dict) else choice
    return function.get("name") or ""


def _wants_json(request: dict) -> bool:
    formats = [request.get("response_format"), request.get("output_format")]
    formats += [(request.get(holder) or {}).get("format") for holder in ("text", "output_config") if isinstance(request.get(holder), dict)]
    return any(isinstance(kind, dict) and kind.get("type") in ("json_object", "json_schema") for kind in formats)


def _spoken(decision: Decision, request: dict):
    """(text, None) or (None, (tool, arguments)) of a local answer."""
    answer = decision.answer
    call, must = _tool_call(answer, request), _must_call(request)
    if call is not None and request.get("tool_choice") != "none":
        if must and must != call[0]:
            raise _Unfit("tool")
        return None, call
    if must is not None:
        raise _Unfit("tool")
    text = answer if isinstance(answer, str) else _json_bytes(answer).decode("utf-8")
    if _wants_json(request):
        try:
            json.loads(text)
        except ValueError:
            raise _Unfit("json") from None
    return text, None


def _sse(events, named: bool) -> bytes:
    lines = []
    for event in events:
        name = b"event: %s\n" % event["type"].encode() if named else b""
        lines.append(name + b"data: " + _json_bytes(event) + b"\n\n")
    return b"".join(lines)


def _chat_answer(decision: Decision, request: dict, streamed: bool) -> bytes:
    text, call = _spoken(decision, request)
    head = {
        "id": "chatcmpl-local-" + decision.call_id,
        "object": "chat.completion.chunk" if streamed else "chat.completion",
        "created": int(time.time()),
        "model": decision.model or request.get("model") or "local",
    }
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    finish = "stop" if call is None else "tool_calls"
    message = {"role": "assistant", "content": text}
    if call is not None:
        function = {"name": call[0], "arguments": _json_bytes(call[1]).decode("utf-8")}
        message["tool_calls"] = [{"id": "call_" + _fresh_id()[:24], "type": "function", "function": function}]
    if not streamed:
        choice = {"index": 0, "message": {**message, "refusal": None}, "logprobs": None, "finish_reason": finish}
        return _json_bytes({**head, "choices": [choice], "usage": usage})

    def chunk(delta, finish=None):
        return {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    if call is None:
        events = [chunk({"role": "assistant", "content": ""}), chunk({"content": text})]
    else:
        tool = message["tool_calls"][0]
        opened = {"index": 0, **tool, "function": {"name": call[0], "arguments": ""}}
        events = [chunk({"role": "assistant", "content": None, "tool_calls": [opened]})]
        events.append(chunk({"tool_calls": [{"index": 0, "function": {"arguments": tool["function"]["arguments"]}}]}))
    events.append(chunk({}, finish))
    if (request.get("stream_options") or {}).get("include_usage"):
        events.append({**head, "choices": [], "usage": usage})
    return _sse(events, named=False) + b"data: [DONE]\n\n"


def _responses_answer(decision: Decision, request: dict, streamed: bool) -> bytes:
    text, call = _spoken(decision, request)
    if call is None:
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        item = {"id": "msg_local_" + _fresh_id(), "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    else:
        item = {"id": "fc_local_" + _fresh_id(), "type": "function_call", "status": "completed", "call_id": "call_" + _fresh_id()[:24]}
        item.update(name=call[0], arguments=_json_bytes(call[1]).decode("utf-8"))
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    body = {
        "id": "resp_local_" + decision.call_id,
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": request.get("instructions"),
        "metadata": request.get("metadata") or {},
        "model": decision.model or request.get("model") or "local",
        "output": [item],
        "parallel_tool_calls": request.get("parallel_tool_calls", True),
        "tool_choice": request.get("tool_choice") or "auto",
        "tools": request.get("tools") or [],
        "temperature": request.get("temperature"),
        "top_p": request.get("top_p"),
        "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, **details},
    }
    if not streamed:
        return _json_bytes(body)
    begun = {**body, "status": "in_progress", "output": [], "usage": None}
    events = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
    at = {"item_id": item["id"], "output_index": 0}
    opened = {**item, "status": "in_progress", **({"content": []} if call is None else {"arguments": ""})}
    events.append({"type": "response.output_item.added", "output_index": 0, "item": opened})
    if call is None:
        at["content_index"] = 0
        events.append({"type": "response.content_part.added", **at, "part": {**part, "text": ""}})
        events.append({"type": "response.output_text.delta", **at, "delta": text, "logprobs": []})
        events.append({"type": "response.output_text.done", **at, "text": text, "logprobs": []})
        events.append({"type": "response.content_part.done", **at, "part": part})
    else:
        events.append({"type": "response.function_call_arguments.delta", **at, "delta": item["arguments"]})
        events.append({"type": "response.function_call_arguments.done", **at, "name": item["name"], "arguments": item["arguments"]})
    events.append({"type": "response.output_item.done", "output_index": 0, "item": item})
    events.append({"type": "response.completed", "response": body})
    for number, event in enumerate(events):
        event["sequence_number"] = number
    return _sse(events, named=True)


def _messages_answer(decision: Decision, request: dict, streamed: bool) -> bytes:
    text, call = _spoken(decision, request)
    block = {"type": "text", "text": text}
    if call is not None:
        block = {"type": "tool_use", "id": "toolu_local_" + _fresh_id()[:24], "name": call[0], "input": call[1]}
    message = {
        "id": "msg_local_" + decision.call_id,
        "type": "message",
        "role": "assistant",
        "model": decision.model or request.get("model") or "local",
        "content": [block],
        "stop_reason": "end_turn" if call is None else "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
    if not streamed:
        return _json_bytes(message)
    if call is None:
        opened, delta = {**block, "text": ""}, {"type": "text_delta", "text": text}
    else:
        partial = _json_bytes(call[1]).decode("utf-8")
        opened, delta = {**block, "input": {}}, {"type": "input_json_delta", "partial_json": partial}
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events = [
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": opened},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": 0}},
        {"type": "message_stop"},
    ]
    return _sse(events, named=True)


_decisions: collections.OrderedDict = collections.OrderedDict()


def _remember(key, decision) -> None:
    """Under the call's id and, once it is known, under that of the answer."""
    if not isinstance(key, str) or decision is None:
        return
    with _counting:
        _decisions[key] = decision
        _decisions.move_to_end(key)
        while len(_decisions) > DECISIONS_KEPT:
            _decisions.popitem(last=False)


def decision_of(response):
    """The `Decision` behind a response: an SDK's object, stream, event or raw response, httpx's own, or the decoded body. None
    where nobody was asked, or too long ago (`DECISIONS_KEPT`)."""
    found = None
    for holder in (response, _member(response, "response"), _member(response, "http_response")):
        headers = getattr(holder, "headers", None)
        if found is None and hasattr(headers, "get"):
            found = _decisions.get(headers.get("x-shadow-router-call-id"))
    for holder in (response, _member(response, "response"), _member(response, "message")):
        key = _member(holder, "id")
        if found is None and isinstance(key, str):
            found = _decisions.get(key)
    return found


def route_of(response):
    """Who answered: `local`, `frontier`, or `escalated` (a local model was asked, its answer did not pass, and the frontier
    answered). None as for `decision_of`."""
    decision = decision_of(response)
    return None if decision is None else decision.outcome


def _member(holder, name):
    try:
        return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)
    except Exception:
        return None


_ANSWERS = {_ChatBuilder: _chat_answer, _ResponsesBuilder: _responses_answer, _MessagesBuilder: _messages_answer}


# ----------------------------------------------------------------------------------------------------------- transport

_BUILDERS = {
    b"/chat/completions": _ChatBuilder,
    b"/responses": _ResponsesBuilder,
    b"/v1/messages": _MessagesBuilder,
}


def _builder_for(request):
    """The builder for a known model endpoint, None for every other request."""
    if request.method != "POST":
        return None
    path = request.url.raw_path.partition(b"?")[0]
    for ending, builder in _BUILDERS.items():
        if path.endswith(ending):
            return builder
    return None


_NO_FIELDS: dict = {}


def _shadow_headers(request, headers: dict) -> dict:
    """Takes our own headers (`x-shadow-task-type: …`) off the request and gives them as fields. `headers`: the request's, by
    their names in lower case, read in one go because every look-up in httpx's own walks through all of them."""
    if b"x-shadow-" not in b" ".join(headers):
        return _NO_FIELDS
    found: dict = {}
    for name in [name for name in headers if name.startswith(b"x-shadow-")]:
        name = name.decode("ascii", "replace")
        found[name[9:].replace("-", "_")] = request.headers.get(name)
        if name in request.headers:
            del request.headers[name]
    return found


def _owner():
    """Who makes this attempt. The SDKs repeat an attempt in the same thread and, where there is one, the same task."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return threading.get_ident(), None
    return threading.get_ident(), id(asyncio.current_task())


class _Call:
    """One logical call of the agent, over all its attempts.

    The SDKs give no id that stays the same over retries (their idempotency header is unset), only the number of the
    attempt in `x-stainless-retry-count`. So a failed attempt that may be repeated is parked with its body's hash; the
    attempt with the next number and the same body is the same call.
    """

    # Where nothing happens to a call, as with most, these stand for all.
    shown = finished = _redirected = False
    request = None  # the decoded body, where the router is asked
    asking = None  # until it has been asked
    decision = None

    def __init__(self, observer, call_id, builder, body, headers):
        self.observer, self.call_id, self.builder = observer, call_id, builder
        self.started = _monotonic()
        self._body, self._idempotency = body, headers.get(b"idempotency-key")
        count = headers.get(b"x-stainless-retry-count")
        self.attempt = 0 if count == b"0" else int(count) if count is not None and count.isdigit() else None

    @property
    def streaming(self) -> bool:
        if self.request is not None:
            return self.request.get("stream") is True
        return b'"stream":true' in self._body or b'"stream": true' in self._body

    @property
    def key(self):
        """What the repetitions of a call have in common."""
        return self._idempotency or (len(self._body), self._body)

    def expects(self, count) -> bool:
        return count == self.attempt + (0 if self._redirected else 1)

    def again(self, count) -> None:
        self.attempt, self._redirected = count, False

    def succeeded(self, model=None, usage=None, latency=None, **frame) -> None:
        """With `latency` (ms) where that is known already, and then at once."""
        self._finish(frame, model, usage, latency, latency is None)

    def failed(self, problem: str, model=None, usage=None, **frame) -> None:
        self._finish({"error": problem, **frame}, model, usage)

    def failed_attempt(self, problem: str, may_repeat: bool, wait=None) -> None:
        """An attempt without an answer. The SDK may repeat it, and cannot be asked: the failure waits for that."""
        self.owner = _owner()
        if not may_repeat or self.attempt is None:
            return self.failed(problem)
        if wait is None:
            wait = min(0.5 * 2**self.attempt, 8.0)  # the SDKs' own pause
        latency = self._latency()
        keeper = self.observer._keeper
        keeper.park(self, wait + RETRY_SLACK, lambda: self._finish({"error": problem}, None, None, latency))

    def redirected(self) -> None:
        if self.attempt is None:
            self.attempt = 0
        self._redirected, self.owner = True, _owner()
        latency = self._latency()
        frame = {"error": "redirect not followed"}
        self.observer._keeper.park(self, RETRY_SLACK, lambda: self._finish(frame, None, None, latency))

    def _latency(self) -> int:
        return int((_monotonic() - self.started) * 1000 + 0.5)

    def _finish(self, frame, model, usage, latency=None, later=True) -> None:
        if self.finished:
            return
        self.finished = True
        arguments = (frame, model, usage, self._latency() if latency is None else latency)
        if later:
            self.observer._later(0, False, self._show_answer, *arguments)
        else:
            self._show_answer(*arguments)

    def _show_answer(self, frame, model, usage, latency) -> None:
        if not self.shown:
            self.observer._count_drop("call_dropped")  # an answer to a call the router never saw tells it nothing
            return
        usage = usage if isinstance(usage, dict) else {}
        self.observer.observe_answer(
            self.call_id,
            model=model if isinstance(model, str) else None,
            input_tokens=_count(usage, "input_tokens", "prompt_tokens"),
            output_tokens=_count(usage, "output_tokens", "completion_tokens"),
            latency_ms=latency,
            **frame,
        )


def _count(usage: dict, *names):
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _may_repeat(status: int, headers) -> bool:
    """Whether an SDK might repeat a call after this answer, attempts permitting.

    Their own rule, but for a long Retry-After: new SDKs give up then, older ones fall back to their own pause.
    """
    told = headers.get("x-should-retry")
    if told in ("true", "false"):
        return told == "true"
    return status in (408, 409, 429) or status >= 500


def _retry_after(headers):
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is not None:
            try:
                return float(value) / unit
            except ValueError:
                import email.utils

                try:
                    return email.utils.parsedate_to_datetime(value).timestamp() - time.time()
                except (TypeError, ValueError):
                    return None
    return None


def _answer_id(event: dict):
    """The id of the answer that a stream's first event begins."""
    holder = event.get("response") or event.get("message") or event
    return holder.get("id") if isinstance(holder, dict) else None


class _Watch:
    """Sees the bytes of one attempt's answer go by and shows the answer when it is whole. Never raises."""

    _over = _named = False
    _encoding = "identity"
    _unzip = _builder = _events = None

    def __init__(self, library, call: _Call, response):
        self._library, self._call, self._response = library, call, response
        self._body = bytearray()
        self._status = response.status_code
        headers = {name.lower(): value for name, value in response.headers.raw}
        if b"content-encoding" in headers:
            self._encoding = headers[b"content-encoding"].decode("ascii", "replace").strip().lower()
        if headers.get(b"content-type", b"").strip().lower().startswith(b"text/event-stream") and self._status < 300:
            self._builder, self._events = call.builder(), _Events()
            if self._encoding in ("gzip", "x-gzip"):
                self._unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def feed(self, chunk: bytes) -> None:
        if self._over:
            return
        try:
            if self._unzip is not None:
                chunk = self._unzip.decompress(chunk, ANSWER_LIMIT)
            if self._events is not None and (self._unzip is not None or self._encoding == "identity"):
                self._take(self._events.feed(chunk))
            else:
                self._body += chunk
                if len(self._body) > ANSWER_LIMIT:
                    self._end(self._call.failed, "answer too large to observe")
        except Exception:
            self._fault()

    def finish(self) -> None:
        """The answer's bytes are all there."""
        if self._over:
            return
        try:
            if self._status >= 300:
                self._refused()
            elif self._builder is not None:
                self._stream_ended()
            elif self._call.decision is not None:
                self._whole()  # `route_of` must know the answer's id when the agent has it
            else:
                self._over = True
                self._call.observer._later(len(self._body), False, self._whole_later, self._call._latency())
        except Exception:
            self._fault()

    def broke(self, problem: BaseException) -> None:
        """Reading the answer raised, which the agent sees as well. GeneratorExit only means that it stopped reading."""
        if self._over or isinstance(problem, GeneratorExit):
            return
        try:
            if self._status < 300 and self._builder is not None:
                self._show_stream(type(problem).__name__)
            else:
                repeat = isinstance(problem, Exception) and not self._call.streaming
                self._end(self._call.failed_attempt, type(problem).__name__, repeat)
        except Exception:
            self._fault()

    def closed(self) -> None:
        if self._over:
            return
        try:
            if self._status >= 300:
                self._refused()
            elif self._builder is not None:
                self._show_stream(None if self._builder.complete else "stream closed early")
            else:
                self._end(self._call.failed, "stream closed early")
        except Exception:
            self._fault()

    # What was seen, as frames.

    def _take(self, events) -> None:
        for data in events:
            if data.strip() == "[DONE]":
                self._builder.done = True
            else:
                try:
                    event = json.loads(data)
                except ValueError:
                    continue
                if isinstance(event, dict):
                    if self._call.decision is not None and not self._named:
                        self._named = True
                        _remember(_answer_id(event), self._call.decision)
                    self._builder.feed(event)
            if self._builder.done:
                return self._show_stream(None)

    def _stream_ended(self) -> None:
        if self._body:
            self._take(self._events.feed(self._decoded()))
        if not self._over:
            self._take(self._events.end())
        if not self._over:
            self._show_stream(None if self._builder.complete else "stream ended early")

    def _show_stream(self, problem) -> None:
        problem = problem or self._builder.problem
        body = self._builder.body()
        if body is None:
            return self._end(self._call.failed, problem or "empty stream")
        frame = {"response": body, "model": body.get("model"), "usage": body.get("usage")}
        if problem:
            self._end(self._call.failed, "HTTP %d: %s" % (self._status, problem), **frame)
        else:
            self._end(self._call.succeeded, **frame)

    def _whole_later(self, latency: int) -> None:
        try:
            self._whole(latency)
        except Exception:
            self._fault()

    def _whole(self, latency=None) -> None:
        raw = self._decoded()
        try:
            body = json.loads(raw.decode("utf-8"))
        except ValueError:
            return self._end(self._call.failed, "HTTP %d: not JSON" % self._status)
        frame = {"response_body": raw}
        if isinstance(body, dict):
            _remember(body.get("id"), self._call.decision)
            frame.update(model=body.get("model"), usage=body.get("usage"))
        self._end(self._call.succeeded, latency=latency, **frame)

    def _refused(self) -> None:
        headers = self._response.headers
        if self._status < 400 and "location" in headers:
            return self._end(self._call.redirected)
        try:
            name = _failure_name(json.loads(self._decoded().decode("utf-8")))
        except Exception:
            name = "error"
        wait = _retry_after(headers)
        wait = wait if wait is not None and 0 < wait <= 120 else None
        problem = "HTTP %d: %s" % (self._status, name)
        self._end(self._call.failed_attempt, problem, _may_repeat(self._status, headers), wait)

    def _decoded(self) -> bytes:
        if self._encoding == "identity":
            return bytes(self._body)
        # The library's own decoders: which ones there are depends on what is installed beside it.
        return self._library.Response(200, headers={"content-encoding": self._encoding}, content=bytes(self._body)).content

    def _end(self, show, *arguments, **frame) -> None:
        self._over = True
        self._body = bytearray()
        self._response = None  # else the two hold each other until a garbage collection
        show(*arguments, **frame)

    def _fault(self) -> None:
        self._over = True
        self._call.observer.internal_errors += 1
        try:
            self._call.failed("not observed")
        except Exception:
            pass


_ID_OF = {"chatcmpl-local-": _ChatBuilder, "resp_local_": _ResponsesBuilder, "msg_local_": _MessagesBuilder}


def _advised_model(decision: Decision, attempt: int, given):
    line = [decision.model, *(decision.fallbacks or ())]
    line = [name for name in line if isinstance(name, str) and name]
    if not line:
        return given
    most = decision.max_attempts
    is_last = isinstance(most, int) and most > 1 and attempt >= most - 1
    if decision.on_exhausted == "frontier_default" and (is_last or attempt >= len(line)):
        return given
    return line[min(attempt, len(line) - 1)]


def _may_try_again(decision: Decision, attempt: int, status: int) -> bool:
    most = decision.max_attempts
    if isinstance(most, int) and not isinstance(most, bool) and attempt + 1 >= most:
        return False
    kind = "rate_limit" if status == 429 else "timeout" if status == 408 else "server_error" if status >= 500 else None
    return kind is None or not decision.retry_on or kind in decision.retry_on


class _Transport:
    """What the synchronous and the asynchronous transport share: the beginning of a call and the watch on its answer."""

    _library = None

    def _setup(self, inner, observer, classify, decide_ms, follow_advice):
        self._inner, self._classify = inner, classify
        self._observer = observer if observer is not None else default_observer()
        self._decide_ms, self._follow_advice = decide_ms, follow_advice
        self._audits: set = set()

    def _begin(self, request):
        """The call that this request makes or repeats, shown to the router; None where it is none of ours."""
        try:
            builder = _builder_for(request)
            if builder is None:
                return None
            headers = {name.lower(): value for name, value in request.headers.raw}
            given = _shadow_headers(request, headers)
            if self._decide_ms is None and _monotonic() < self._observer._quiet_until:
                # Nobody listens: nothing is read or watched. Both frames of the call count as dropped, its repetitions not.
                if headers.get(b"x-stainless-retry-count", b"0") == b"0":
                    self._observer._count_drop(self._observer._quiet_cause)
                    self._observer._count_drop("call_dropped")
                return None
            try:
                body = request.content
            except self._library.RequestNotRead:
                if not isinstance(request.stream, self._library.ByteStream):
                    self._observer._count_drop("body_not_read")  # a streamed upload, which may be read once only
                    return None
                body = request.read()  # bytes in memory, as a redirect carries them on
            if b"content-encoding" in headers:
                self._observer._count_drop("body_encoded")
                return None
            return self._begin_call(headers, builder, given, body)
        except Exception:
            self._observer.internal_errors += 1
            return None

    def _begin_call(self, headers, builder, given, body):
        observer = self._observer
        call_id = _call_id(given["call_id"]) if given.get("call_id") else _fresh_id()
        call = _Call(observer, call_id, builder, body, headers)
        if observer._keeper._waiting:
            known = observer._keeper.take(call.key, call.attempt or 0)
            if known is not None:
                known.again(call.attempt)
                return known
        parsed = None
        asks = self._decide_ms is not None
        if asks or call.attempt is None or self._classify is not None or not (body[:1] == b"{" and body[-1:] == b"}"):
            # An SDK's own bytes need no checking; anyone else's are not spliced into a frame unseen.
            parsed = json.loads(body.decode("utf-8"))
            if not isinstance(parsed, dict):
                observer._count_drop("body_not_object")
                return None
        fields = self._fields(headers, given, parsed)
        if asks and _may_ask(builder, parsed):
            call.request = parsed
            call.asking = _Asking(observer, self._decide_ms)
            call.asking.take(call.call_id, observer._head(call.call_id, fields, None) + ',"request":', _one_line(body))
        else:
            observer._later(len(body), True, self._show, call, body, fields)
            if asks:
                call.decision = Decision(call.call_id, problem="not_askable")
                _remember(call.call_id, call.decision)
        return call

    # Asking first.

    def _local(self, call, request, decision):
        """The response that a local answer makes; None where the frontier is called."""
        asking, call.asking = call.asking, None
        call.shown, call.decision = asking.was_sent, decision
        response = None
        if decision.local:
            try:
                body = _ANSWERS[call.builder](decision, call.request, call.streaming)
                kind = "text/event-stream; charset=utf-8" if call.streaming else "application/json"
                headers = {"content-type": kind, "x-request-id": call.call_id, "request-id": call.call_id}
                response = self._library.Response(200, headers={**headers, **self._route(decision)}, content=body, request=request)
            except Exception as problem:
                if not isinstance(problem, _Unfit):
                    self._observer.internal_errors += 1
                with _counting:
                    self._observer.local -= 1
                    self._observer.undecided["unfit"] += 1
                call.decision = decision = Decision(call.call_id, problem="unfit")
        _remember(call.call_id, decision)
        if response is not None:
            for prefix in ("chatcmpl-local-", "resp_local_", "msg_local_"):
                if call.builder is _ID_OF[prefix]:
                    _remember(prefix + call.call_id, decision)
        return response

    @staticmethod
    def _route(decision) -> dict:
        return {"x-shadow-router-route": decision.outcome, "x-shadow-router-call-id": decision.call_id}

    def _undecided(self, call) -> None:
        """Asking failed by a fault of our own."""
        self._observer.internal_errors += 1
        asking, call.asking = call.asking, None
        call.shown = asking is not None and asking.was_sent

    def _copy(self, request):
        """The same request again, for an audit."""
        return self._library.Request(
            request.method, request.url, headers=request.headers, content=request.content, extensions=dict(request.extensions)
        )

    def _may_audit(self) -> bool:
        if len(self._audits) < AUDITS:
            return True
        self._observer._count_drop("audit_busy")
        return False

    def _advised(self, call, request):
        """The request with the model that the router advises for this attempt. The SDK's own repetitions go through the list:
        the advised model, its fallbacks, and at the end, with `on_exhausted: frontier_default`, the model as given."""
        decision = call.decision
        if not self._follow_advice or decision is None or decision.problem is not None or not isinstance(call.request, dict):
            return request
        try:
            model = _advised_model(decision, call.attempt or 0, call.request.get("model"))
            if model == call.request.get("model"):
                return request
            body = _json_bytes({**call.request, "model": model})
            headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"content-length"]
            return self._library.Request(request.method, request.url, headers=headers, content=body, extensions=dict(request.extensions))
        except Exception:
            self._observer.internal_errors += 1
            return request

    def _marked(self, call, response):
        """The frontier's response, with the route on it, and with the SDK told to stop where the router advises so."""
        decision = call.decision
        if decision is None:
            return response
        try:
            for name, value in self._route(decision).items():
                response.headers[name] = value
            if self._follow_advice and response.status_code >= 400 and not _may_try_again(decision, call.attempt or 0, response.status_code):
                response.headers["x-should-retry"] = "false"
        except Exception:
            self._observer.internal_errors += 1
        return response

    def _show(self, call, body: bytes, fields: dict) -> None:
        observer = self._observer
        if not observer._is_quiet():
            call.shown = observer._put(observer._head(call.call_id, fields, None) + ',"request":', _one_line(body))

    def _fields(self, headers, given, parsed) -> dict:
        """Header before context before function."""
        if not given and self._classify is None and b"traceparent" not in headers:
            return _context.get() or _NO_FIELDS
        fields: dict = {}
        if self._classify is not None:
            try:
                said = self._classify(parsed)
                fields.update({"task_type": said} if isinstance(said, str) else said or {})
            except Exception:
                self._observer.internal_errors += 1
        fields.update(_context.get() or {})
        if headers.get(b"traceparent"):
            fields.setdefault("traceparent", headers[b"traceparent"].decode("ascii", "replace"))
        fields.update((name, value) for name, value in given.items() if name in _TEXT_FIELDS)
        return {name: value for name, value in fields.items() if name in _FIELDS and value is not None}

    def _watched(self, call, response, stream_class):
        """The same response; its bytes are seen as the agent reads them."""
        try:
            watch = _Watch(self._library, call, response)
            if getattr(response, "is_closed", False):  # read already, by a test's or a cache's transport
                watch._encoding, watch._unzip = "identity", None
                watch.feed(response.content)
                watch.finish()
            else:
                response.stream = stream_class(response.stream, watch)
        except Exception:
            self._observer.internal_errors += 1
        return response

    def _raised(self, call, problem) -> None:
        try:
            call.failed_attempt(type(problem).__name__, isinstance(problem, Exception))
        except Exception:
            self._observer.internal_errors += 1


def _make_classes(library):
    """The transports and streams as subclasses of the given library's, httpx or httpx2."""

    class ShadowStream(library.SyncByteStream):
        def __init__(self, inner, watch):
            self._inner, self._watch = inner, watch

        def __iter__(self):
            watch = self._watch
            try:
                for chunk in self._inner:
                    watch.feed(chunk)
                    yield chunk
            except BaseException as problem:
                watch.broke(problem)
                raise
            watch.finish()

        def close(self):
            try:
                self._inner.close()
            finally:
                self._watch.closed()

    class AsyncShadowStream(library.AsyncByteStream):
        def __init__(self, inner, watch):
            self._inner, self._watch = inner, watch

        async def __aiter__(self):
            watch, chunks = self._watch, self._inner.__aiter__()
            try:
                async for chunk in chunks:
                    watch.feed(chunk)
                    yield chunk
            except BaseException as problem:
                watch.broke(problem)
                raise
            finally:
                # Left to the garbage collector the inner generator would end in another task.
                if hasattr(chunks, "aclose"):
                    await chunks.aclose()
            watch.finish()

        async def aclose(self):
            try:
                await self._inner.aclose()
            finally:
                self._watch.closed()

    class ShadowTransport(_Transport, library.BaseTransport):
        """Passes requests to `inner` (default: the library's HTTPTransport) and shows model calls to the router.

        `classify` gets the decoded body of a call and gives fields (or just the task type) that neither a header
        (`x-shadow-task-type` …, removed before the request leaves) nor `context` gave.
        """

        _library = library

        def __init__(self, inner=None, observer=None, classify=None, decide_ms=None, follow_advice=False):
            inner = library.HTTPTransport() if inner is None else inner
            self._setup(inner, observer, classify, decide_ms, follow_advice)

        def handle_request(self, request):
            call = self._begin(request)
            if call is None:
                return self._inner.handle_request(request)
            if call.asking is None and call.decision is None:
                return self._send(call, request)
            if call.asking is not None:
                response = self._ask(call, request)
                if response is not None:
                    return response
            return self._marked(call, self._send(call, self._advised(call, request)))

        def _send(self, call, request):
            try:
                response = self._inner.handle_request(request)
            except BaseException as problem:
                self._raised(call, problem)
                raise
            return self._watched(call, response, ShadowStream)

        def _ask(self, call, request):
            try:
                decision = call.asking.run()
                response = self._local(call, request, decision)
                if response is not None and decision.audit is True and self._may_audit():
                    thread = threading.Thread(target=self._audit, args=(call, self._copy(request)), name="shadow-audit", daemon=True)
                    self._audits.add(thread)
                    _audits.add(thread)
                    thread.start()
                return response
            except Exception:
                self._undecided(call)
                return None

        def _audit(self, call, request):
            try:
                call.started, call.attempt = _monotonic(), None
                response = self._send(call, request)
                try:
                    for _ in response.stream:
                        pass
                finally:
                    response.close()
            except Exception:
                pass  # shown as the answer's error
            finally:
                self._audits.discard(threading.current_thread())
                _audits.discard(threading.current_thread())

        def close(self):
            _await_audits(list(self._audits))
            self._inner.close()

    class AsyncShadowTransport(_Transport, library.AsyncBaseTransport):
        __doc__ = ShadowTransport.__doc__
        _library = library

        def __init__(self, inner=None, observer=None, classify=None, decide_ms=None, follow_advice=False):
            inner = library.AsyncHTTPTransport() if inner is None else inner
            self._setup(inner, observer, classify, decide_ms, follow_advice)

        async def handle_async_request(self, request):
            call = self._begin(request)
            if call is None:
                return await self._inner.handle_async_request(request)
            if call.asking is not None:
                response = await self._ask(call, request)
                if response is not None:
                    return response
            if call.decision is not None:
                request = self._advised(call, request)
            return self._marked(call, await self._send(call, request))

        async def _send(self, call, request):
            try:
                response = await self._inner.handle_async_request(request)
            except BaseException as problem:
                self._raised(call, problem)
                raise
            return self._watched(call, response, AsyncShadowStream)

        async def _ask(self, call, request):
            try:
                decision = await call.asking.run_async()
                response = self._local(call, request, decision)
                if response is not None and decision.audit is True and self._may_audit():
                    self._start_audit(call, self._copy(request))
                return response
            except Exception:
                self._undecided(call)
                return None

        def _start_audit(self, call, request):
            import asyncio

            try:
                task = asyncio.get_running_loop().create_task(self._audit(call, request))
            except RuntimeError:  # another kind of event loop, in which nothing can be left running
                self._observer._count_drop("audit_not_run")
                return
            self._audits.add(task)
            task.add_done_callback(self._audits.discard)

        async def _audit(self, call, request):
            try:
                call.started, call.attempt = _monotonic(), None
                response = await self._send(call, request)
                try:
                    async for _ in response.stream:
                        pass
                finally:
                    await response.aclose()
            except Exception:
                pass  # shown as the answer's error

        async def aclose(self):
            if self._audits:
                import asyncio

                await asyncio.wait(list(self._audits), timeout=AUDIT_GRACE)
            await self._inner.aclose()

    return ShadowTransport, AsyncShadowTransport


_audits: set = set()


def _await_audits(threads) -> None:
    end = _monotonic() + AUDIT_GRACE
    for thread in threads:
        thread.join(max(0.0, end - _monotonic()))


_made: dict = {}


def _classes(library):
    if library.__name__ not in _made:
        _made[library.__name__] = _make_classes(library)
    return _made[library.__name__]


def _find_library():
    """httpx2 or httpx: the one that an SDK already imported stands on, else the newer one that is installed.

    openai from 3 and anthropic from 2 stand on httpx2 and refuse a client of the other (anthropic) or bear it (openai).
    """
    import importlib

    for sdk in ("anthropic._base_client", "openai._base_client"):
        loaded = sys.modules.get(sdk)
        for name in ("httpx2", "httpx"):
            if loaded is not None and hasattr(loaded, name):
                return getattr(loaded, name)
    try:
        return importlib.import_module("httpx2")
    except ImportError:
        return importlib.import_module("httpx")


def _client(async_, library, client_class, observer, classify, decide_ms, follow_advice, options):
    library = library or _find_library()
    transport_class = _classes(library)[1 if async_ else 0]

    def transport(inner):
        return transport_class(inner, observer, classify, decide_ms, follow_advice)

    if client_class is None:
        client_class = library.AsyncClient if async_ else library.Client
        # As the SDKs set up a client of their own; httpx's defaults would hold the agent to 100 connections.
        options.setdefault("follow_redirects", True)
        options.setdefault("limits", library.Limits(max_connections=1000, max_keepalive_connections=100))
    if "transport" in options:
        return client_class(**{**options, "transport": transport(options["transport"])})
    # A client given a transport ignores HTTPS_PROXY and its like. So it is made first, then every transport it chose is
    # wrapped where it stands; a library that keeps them elsewhere gets the plain way.
    client = client_class(**options)
    inner, mounts = getattr(client, "_transport", None), getattr(client, "_mounts", None)
    if inner is None or not isinstance(mounts, dict):
        return client_class(**{**options, "transport": transport(None)})
    client._transport = transport(inner)
    for pattern, mounted in mounts.items():
        if mounted is not None:
            mounts[pattern] = transport(mounted)
    return client


def http_client(
    *, observer=None, classify=None, decide_ms=None, follow_advice=False, library=None, client_class=None, **options
):
    """A client for `OpenAI(http_client=…)` or `Anthropic(http_client=…)` that shows its model calls to the router.

    With `decide_ms` it asks the router first, for so many milliseconds at most, and returns a local answer as the provider's:
    whole or streamed, as asked. `route_of(response)` and the header `x-shadow-router-route` say who answered. With
    `follow_advice` the SDK's attempts use the models that the router advises (all of them behind this client's address).

    `options` go to the client's class: `library.Client`, or `client_class` (such as `anthropic.DefaultHttpxClient`, for
    all of the SDK's own defaults). `library` is the module httpx or httpx2, found by itself where an SDK is imported.
    """
    return _client(False, library, client_class, observer, classify, decide_ms, follow_advice, options)


def async_http_client(
    *, observer=None, classify=None, decide_ms=None, follow_advice=False, library=None, client_class=None, **options
):
    """As `http_client`, for `AsyncOpenAI` and `AsyncAnthropic`."""
    return _client(True, library, client_class, observer, classify, decide_ms, follow_advice, options)


# -------------------------------------------------------------------------------------------------------------- litellm

_LITELLM_ASKED = (
    "messages", "tools", "tool_choice", "response_format", "stream", "stream_options", "n", "logprobs", "modalities",
    "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop",
)  # fmt: skip


def litellm_callback(*, observer=None, classify=None, decide_ms=None):
    """A callback for `litellm.callbacks = [shadow_router.litellm_callback()]`, in a program or in LiteLLM's proxy.

    Chat completions are shown with their answers, by whichever provider. With `decide_ms`, `litellm.acompletion` asks the
    router first and returns a local answer as LiteLLM's own response, streamed where it was asked so. LiteLLM lets no callback
    answer a call of its synchronous `completion`: there, call the callback's own `completion`, which takes the same arguments.
    """
    import litellm
    from litellm.integrations.custom_logger import CustomLogger

    class ShadowCallback(_LiteLLM, CustomLogger):
        def log_pre_api_call(self, model, messages, kwargs):
            self._begin(model, messages, kwargs)

        def log_success_event(self, kwargs, response_obj, start_time, end_time):
            self._succeeded(kwargs, response_obj)

        async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
            self._succeeded(kwargs, response_obj)

        def log_failure_event(self, kwargs, response_obj, start_time, end_time):
            self._failed(kwargs)

        async def async_log_failure_event(self, kwargs, response_obj, start_time, end_time):
            self._failed(kwargs)

        async def async_pre_call_deployment_hook(self, kwargs, call_type):
            if decide_ms is None or getattr(call_type, "value", call_type) != "acompletion":
                return None
            asking = self._question(kwargs, decide_ms)
            if asking is None:
                return None
            try:
                answer, audit = self._local(asking, await asking.run_async(), kwargs)
                if answer is None:
                    return None
                if audit:
                    import asyncio

                    task = asyncio.get_running_loop().create_task(self._audit(self._audited(asking, kwargs)))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                return {**kwargs, "mock_response": answer}
            except Exception:
                self._observer.internal_errors += 1
                return None

        async def _audit(self, kwargs):
            try:
                said = await litellm.acompletion(**kwargs)
                if kwargs.get("stream"):
                    async for _ in said:
                        pass
            except Exception:
                pass  # shown as the answer's error

        def completion(self, *args, **kwargs):
            """`litellm.completion` that asks the router first."""
            if args:
                kwargs["model"], args = args[0], args[1:]
            if args:
                kwargs["messages"], args = args[0], args[1:]
            kwargs.setdefault("litellm_call_id", _fresh_id())
            asking = self._question(kwargs, DECIDE_MS if decide_ms is None else decide_ms)
            given = {}
            if asking is not None:
                try:
                    answer, audit = self._local(asking, asking.run(), kwargs)
                    if answer is not None:
                        given = {"mock_response": answer}
                    if audit:
                        thread = threading.Thread(target=self._audit_now, args=(self._audited(asking, kwargs),), daemon=True)
                        _audits.add(thread)
                        thread.start()
                except Exception:
                    self._observer.internal_errors += 1
            return litellm.completion(*args, **kwargs, **given)

        def _audit_now(self, kwargs):
            try:
                said = litellm.completion(**kwargs)
                for _ in said if kwargs.get("stream") else ():
                    pass
            except Exception:
                pass
            finally:
                _audits.discard(threading.current_thread())

    return ShadowCallback(observer, classify, litellm.ModelResponse)


class _LiteLLM:
    """What the callback knows of the calls under way: LiteLLM's id → (our id, shown, begun), None once answered locally."""

    def __init__(self, observer, classify, response_class):
        super().__init__()
        self._observer = observer if observer is not None else default_observer()
        self._classify, self._response_class = classify, response_class
        self._calls: collections.OrderedDict = collections.OrderedDict()
        self._tasks: set = set()

    def _know(self, key, value) -> None:
        with _counting:
            self._calls[key] = value
            while len(self._calls) > DECISIONS_KEPT:
                self._calls.popitem(last=False)

    def _fields(self, request) -> dict:
        fields: dict = {}
        if self._classify is not None:
            try:
                said = self._classify(request)
                fields.update({"task_type": said} if isinstance(said, str) else said or {})
            except Exception:
                self._observer.internal_errors += 1
        return {**fields, **(_context.get() or {})}

    def _request(self, model, kwargs) -> dict:
        request = {name: kwargs[name] for name in _LITELLM_ASKED if kwargs.get(name) is not None}
        return {"model": model, **request}

    def _question(self, kwargs, decide_ms):
        """None where this call is not to be asked about."""
        try:
            key = kwargs.get("litellm_call_id")
            if key is None or key in self._calls:
                return None
            request = self._request(kwargs.get("model"), kwargs)
            if not _may_ask(_ChatBuilder, request):
                return None
            asking = _Asking(self._observer, decide_ms)
            asking.prepare(_call_id(key), request=request, **self._fields(request))
            return asking
        except Exception:
            self._observer.internal_errors += 1
            return None

    def _local(self, asking, decision, kwargs):
        """The local answer as a response (None: the frontier is called), and whether an audit is wanted."""
        key = kwargs["litellm_call_id"]
        _remember(asking.call_id, decision)
        if decision.local:
            try:
                answer = self._response_class(**json.loads(_chat_answer(decision, self._request(kwargs.get("model"), kwargs), False)))
            except _Unfit:
                with _counting:
                    self._observer.local -= 1
                    self._observer.undecided["unfit"] += 1
                _remember(asking.call_id, Decision(asking.call_id, problem="unfit"))
            else:
                _remember(answer.id, decision)
                self._know(key, None)
                return answer, decision.audit is True
        self._know(key, (asking.call_id, asking.was_sent, _monotonic()))
        return None, False

    def _audited(self, asking, kwargs) -> dict:
        key = "audit-" + _fresh_id()
        self._know(key, (asking.call_id, True, _monotonic()))
        kwargs = {name: value for name, value in kwargs.items() if name != "litellm_logging_obj"}
        return {**kwargs, "litellm_call_id": key}

    def _begin(self, model, messages, kwargs) -> None:
        try:
            key = kwargs.get("litellm_call_id")
            if key is None or key in self._calls:  # asked about already, or a repetition
                return
            known = {**(kwargs.get("optional_params") or {}), "messages": messages}
            request = self._request(model, known)
            shown = self._observer.observe_call(_call_id(key), request=request, **self._fields(request))
            self._know(key, (shown, True, _monotonic()))
        except Exception:
            self._observer.internal_errors += 1

    def _take(self, kwargs):
        with _counting:
            return self._calls.pop(kwargs.get("litellm_call_id"), None)

    def _succeeded(self, kwargs, response) -> None:
        try:
            known = self._take(kwargs)
            if known is None:
                return
            call_id, _, begun = known
            body = response.model_dump(mode="json") if hasattr(response, "model_dump") else response
            usage = body.get("usage") or {}
            _remember(body.get("id"), _decisions.get(call_id))
            self._observer.observe_answer(
                call_id,
                response=body,
                model=body.get("model"),
                input_tokens=_count(usage, "prompt_tokens"),
                output_tokens=_count(usage, "completion_tokens"),
                latency_ms=int((_monotonic() - begun) * 1000 + 0.5),
            )
        except Exception:
            self._observer.internal_errors += 1

    def _failed(self, kwargs) -> None:
        try:
            known = self._take(kwargs)
            if known is not None:
                problem = type(kwargs.get("exception")).__name__
                self._observer.observe_answer(known[0], error=problem, latency_ms=int((_monotonic() - known[2]) * 1000 + 0.5))
        except Exception:
            self._observer.internal_errors += 1


def __getattr__(name):
    # Made on demand, because their base classes are httpx's and importing httpx costs a tenth of a second.
    if name in ("ShadowTransport", "AsyncShadowTransport"):
        return _classes(_find_library())[0 if name == "ShadowTransport" else 1]
    raise AttributeError("module %r has no attribute %r" % (__name__, name))
