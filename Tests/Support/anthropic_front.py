#!/usr/bin/env python3
"""The classifier of $SHADOW_ROUTER_SHARED/tools/candidate/candidate_server.py behind one front more: Anthropic's `/v1/messages`.

    anthropic_front.py --examples tickets.jsonl [--port 0] [--key K] [--slots N]     # prints LISTENING <port>; loopback only

The classifier, its other routes and its faults are the shared tool's own, imported by path. Added here:
- POST /v1/messages, GET /v1/models and /v1/models/ID (where the request has the header `anthropic-version`), their errors
  and their stream as Anthropic words them. A tool that `tool_choice` forces is called, its input being the label and the
  confidence; otherwise the answer is text. As at Anthropic, `max_tokens` and the header are required and an unknown field
  is a 400; with --key, so is `x-api-key`, or a bearer (401).
- the faults `nan`, `stream_error` and `no_done` for llama-server's /completion, which the shared tool has not.
- `?fault=SPEC` on any path, for formats whose requests name no model. A fault whose sense depends on the format:
  prose, fence and empty come as a model would that does not call the tool it was told to.
- GET /__seen counts requests whose body holds the word given as `?word=`.
"""
import argparse
import importlib.util
import json
import os
import random
import sys
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("SHADOW_ROUTER_SHARED") or os.path.join(HERE, "..", "..", "..", "shared")
FOLDER = os.path.join(SHARED, "tools", "candidate")


def load(path):
    spec = importlib.util.spec_from_file_location("candidate_server", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if not os.path.isdir(FOLDER):
    sys.exit("SKIPPED: no %s; set SHADOW_ROUTER_SHARED to the shared folder" % FOLDER)
candidate = load(os.path.join(FOLDER, "candidate_server.py"))

TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large",
         429: "rate_limit_error", 500: "api_error", 503: "api_error", 504: "timeout_error", 529: "overloaded_error"}
FIELDS = {"model", "messages", "max_tokens", "metadata", "stop_sequences", "stream", "system", "temperature", "thinking", "tool_choice", "tools",
          "top_k", "top_p", "service_tier", "container", "context_management", "mcp_servers", "output_config", "prefill", "cache_control", "diagnostics",
          "inference_geo", "speed", "user_profile_id", "workspace_id"}
SEEN, SEEN_LOCK = [], threading.Lock()


def identifier(prefix):
    return prefix + os.urandom(12).hex()


class Handler(candidate.H):
    # Which family speaks

    def fam(self):
        return "anthropic" if self.is_anthropic else super().fam()

    @property
    def place(self):
        return self.path.split("?")[0]

    @property
    def is_anthropic(self):
        return self.place == "/v1/messages" or self.place.startswith("/v1/models") and self.headers.get("anthropic-version") is not None

    def err(self, code, msg, etype=None, ecode=None, headers=()):
        if self.fam() != "anthropic":
            return super().err(code, msg, etype, ecode, headers)
        request = identifier("req_")
        body = {"type": "error", "error": {"type": etype or TYPES.get(code, "api_error"), "message": msg}, "request_id": request}
        # Of Anthropic's headers only this one tells how long to wait.
        kept = [(name, value) for name, value in headers if name.lower() == "retry-after"]
        self.send_json(code, body, kept + [("request-id", request)])

    def pick_fault(self, model):
        name = super().pick_fault(model)
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("fault")
        if asked:
            self.F = candidate.parse_spec(asked[0])
        return name

    # Routes

    def route(self, path, raw, has_body):
        if path == "/__seen":
            word = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["word"][0].encode()
            with SEEN_LOCK:
                return self.send_json(200, {"seen": sum(word in body for body in SEEN)})
        if has_body:
            with SEEN_LOCK:
                SEEN.append(raw)
        if self.fam() != "anthropic":
            return super().route(path, raw, has_body)
        if not self.headers.get("anthropic-version"):
            return self.err(400, "anthropic-version: header is required")
        # `x-api-key` is the documented header; the client of 2026 (2.11.0) sends a bearer.
        given = self.headers.get("x-api-key") or (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if candidate.A.key is not None and given != candidate.A.key:
            return self.err(401, "invalid x-api-key" if given else "x-api-key header is required")
        if path.startswith("/v1/models"):
            return self.models(urllib.parse.unquote(path[len("/v1/models"):].strip("/")))
        if not has_body:
            return self.err(405, "Method Not Allowed", "invalid_request_error")
        # Slots, faults and counters are those of the route without a model's name; `completion` below leads back here.
        super().route("/completion", raw, has_body)

    def models(self, name):
        row = {"type": "model", "id": name or candidate.A.name, "display_name": candidate.A.backend, "created_at": "2026-01-01T00:00:00Z"}
        if not name:
            return self.send_json(200, {"data": [row], "has_more": False, "first_id": row["id"], "last_id": row["id"]})
        if name.partition("+")[0] != candidate.A.name:
            return self.err(404, "model: " + name)
        self.send_json(200, row)

    def completion(self, request):
        if self.is_anthropic:
            return self.messages(request)
        if request.get("stream") and {"stream_error", "no_done"} & self.F.keys():
            return self.broken_stream(request)
        super().completion(request)

    def send_json(self, code, obj, headers=(), ctype="application/json"):
        if code == 200 and "nan" in self.F and isinstance(obj, dict) and (self.place == "/completion" or self.is_anthropic):
            obj = json.dumps(obj).replace("{", '{"x": NaN, ', 1).encode()
        super().send_json(code, obj, headers, ctype)

    # llama-server's stream, ended as the fault says

    def broken_stream(self, request):
        schema = request.get("json_schema")
        decided = self.mutate(candidate.decide(request.get("prompt", ""), "", schema, schema is not None))
        self.start_stream("text/event-stream")
        pieces = decided["pieces"]
        for token, _ in pieces[:len(pieces) // 2] if "stream_error" in self.F else pieces:
            self.data({"index": 0, "content": token, "tokens": [], "stop": False, "id_slot": 0, "tokens_predicted": 1,
                       "tokens_evaluated": decided["prompt_tokens"]})
        if "stream_error" in self.F:
            self.data({"error": {"code": 500, "message": "the model failed", "type": "server_error"}})
        self.wfile.write(b"0\r\n\r\n")

    def data(self, value):
        self.chunk(b"data: " + json.dumps(value).encode() + b"\n\n")

    # Anthropic's messages

    def fault_of(self, request):
        """What Anthropic would refuse about a request: (status, message), or None."""
        for name in ("model", "messages", "max_tokens"):
            if not request.get(name):
                return 400, "%s: Field required" % name
        extra = sorted(request.keys() - FIELDS)
        if extra:
            return 400, "%s: Extra inputs are not permitted" % extra[0]
        limit, temperature = request["max_tokens"], request.get("temperature", 1)
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            return 400, "max_tokens: Input should be a positive integer"
        if not isinstance(temperature, (int, float)) or not 0 <= temperature <= 1:
            return 400, "temperature: range: 0..1"
        if not isinstance(request["messages"], list) or any(m.get("role") not in ("user", "assistant") for m in request["messages"]):
            return 400, 'messages: Unexpected role. The Messages API accepts a top-level `system` parameter, not "system" as an input message role.'
        if candidate.A.strict_model and request["model"] != candidate.A.name:
            return 404, "model: " + str(request["model"])
        forced = self.forced_tool(request)
        if forced is not None and forced not in [tool.get("name") for tool in request.get("tools") or []]:
            return 400, "tool_choice: Tool '%s' not found in provided tools" % forced
        return None

    @staticmethod
    def forced_tool(request):
        choice = request.get("tool_choice") or {}
        return choice.get("name") if choice.get("type") == "tool" else None

    def messages(self, request):
        refused = self.fault_of(request)
        if refused:
            return self.err(*refused)
        text = next((candidate.text_of(m.get("content")) for m in reversed(request["messages"]) if m["role"] == "user"), "")
        tools, forced = request.get("tools") or [], self.forced_tool(request)
        free = [{"type": "function", "function": {"name": t["name"], "description": t.get("description", ""), "parameters": t.get("input_schema")}}
                for t in tools] if tools and forced is None and (request.get("tool_choice") or {}).get("type") != "none" else None
        schema = next((t.get("input_schema") for t in tools if t["name"] == forced), None)
        decided = candidate.decide(text, candidate.text_of(request.get("system")), schema, schema is not None, free)
        written = decided["content"]
        decided = self.mutate(decided)
        self.info.update(label=decided["label"], conf=round(decided["conf"], 4))
        if decided["tool"]:
            block = {"type": "tool_use", "id": identifier("toolu_"), "name": decided["tool"]["name"], "input": decided["tool"]["arguments"]}
        elif forced is not None and (decided["content"] == written or self.F.keys() & {"invalid_schema", "wrong_label", "low_high_conf"}):
            block = {"type": "tool_use", "id": identifier("toolu_"), "name": forced, "input": json.loads(decided["content"])}
        else:
            block = {"type": "text", "text": decided["content"]}
        usage = {"input_tokens": decided["prompt_tokens"], "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                 "output_tokens": decided["completion_tokens"], "service_tier": "standard"}
        message = {"id": identifier("msg_"), "type": "message", "role": "assistant", "model": request["model"],
                   "content": [block] if block.get("text") != "" else [],
                   "stop_reason": "tool_use" if block["type"] == "tool_use" else "end_turn", "stop_sequence": None, "usage": usage}
        if isinstance(block.get("text"), dict):
            message["content"] = block["text"]
        if request.get("stream"):
            return self.stream(message, decided)
        self.send_json(200, message, [("request-id", identifier("req_"))])

    def event(self, value):
        self.chunk(b"event: %s\ndata: %s\n\n" % (value["type"].encode(), json.dumps(value).encode()))

    def stream(self, message, decided):
        self.start_stream("text/event-stream; charset=utf-8")
        content = message["content"] if isinstance(message["content"], list) else [{"type": "text", "text": json.dumps(message["content"])}]
        self.event({"type": "message_start", "message": {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}})
        for index, block in enumerate(content):
            is_tool = block["type"] == "tool_use"
            self.event({"type": "content_block_start", "index": index, "content_block": {**block, "input": {}} if is_tool else {"type": "text", "text": ""}})
            self.event({"type": "ping"})
            text = json.dumps(block["input"]) if is_tool else block["text"]
            # An empty first fragment, as Anthropic sends it; then pieces that do not mind where a value ends.
            fragments = [""] + [text[at:at + 7] for at in range(0, len(text), 7)]
            for at, fragment in enumerate(fragments):
                if "stream_error" in self.F and at == len(fragments) // 2:
                    self.event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
                    return self.wfile.write(b"0\r\n\r\n")
                kind = {"type": "input_json_delta", "partial_json": fragment} if is_tool else {"type": "text_delta", "text": fragment}
                self.event({"type": "content_block_delta", "index": index, "delta": kind})
            self.event({"type": "content_block_stop", "index": index})
        if "no_done" not in self.F:
            self.event({"type": "message_delta", "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
                        "usage": {"output_tokens": message["usage"]["output_tokens"]}})
            self.event({"type": "message_stop"})
        self.wfile.write(b"0\r\n\r\n")


def main():
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--backend", choices=["minilm", "wordllama", "nb"], default="nb")
    parser.add_argument("--examples", default=os.path.join(FOLDER, "tickets.jsonl"))
    parser.add_argument("--name", default="classifier")
    parser.add_argument("--key", help="demanded of Anthropic's routes as x-api-key")
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--queue", type=int, default=512)
    parser.add_argument("--input-re", help="regular expression whose group 1 is the text to classify inside the prompt")
    parser.add_argument("--openai-style", choices=["openai", "llama"], default="openai")
    parser.add_argument("--hang-max", type=float, default=120)
    parser.add_argument("--any-model", dest="strict_model", action="store_false")
    options = parser.parse_args()
    options.t0, options.size, options.log = time.time(), 0, None
    candidate.A = options
    candidate.RNG = random.Random(1)
    candidate.SLOTS = threading.BoundedSemaphore(options.slots)
    candidate.S.known = []
    candidate.get_model()
    server = candidate.Srv(("127.0.0.1", options.port), Handler)
    print("LISTENING", server.server_address[1], flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
