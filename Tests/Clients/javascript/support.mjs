// What the client's tests share: a tap that collects frames and answers as told, a frontier that answers as it is told.
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Stands for the router's socket, for the shapes of its frames. `answer` gives the reply to a question: null none, "" hangs up. */
export async function startTap({ answer = null, path = undefined, reading = true } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "tap-"));
  const tap = { path: path ?? join(folder, "tap.sock"), frames: [], bad: [], answer, connections: 0, sockets: new Set() };
  tap.server = net.createServer((socket) => {
    const number = ++tap.connections;
    tap.sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => tap.sockets.delete(socket));
    if (!reading) return socket.pause();
    let rest = "";
    socket.setEncoding("utf8");
    socket.on("data", (block) => {
      const lines = (rest + block).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        let frame;
        try {
          frame = JSON.parse(line);
        } catch {
          tap.bad.push(line);
          continue;
        }
        tap.frames.push({ ...frame, connection: number });
        if (!frame.reply || tap.answer === null) continue;
        const reply = tap.answer(frame);
        if (reply === "") socket.destroy();
        else if (reply !== null) socket.write(reply);
      }
    });
  });
  await new Promise((resolve) => tap.server.listen(tap.path, 512, resolve));
  tap.wait = async (count, ms = 5000) => {
    for (const end = Date.now() + ms; tap.frames.length < count && Date.now() < end; ) await sleep(5);
    return tap.frames;
  };
  tap.close = async () => {
    for (const socket of tap.sockets) socket.destroy();
    await new Promise((resolve) => tap.server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  };
  return tap;
}

/** The router's reply to a question: local with `answer`, else the frontier. */
export function decision(frame, members = {}) {
  const route = "answer" in members ? "local" : "frontier";
  const said = { kind: "decision", call_id: frame.call_id, route, reason: null, reason_code: 0, detail: null, policy_revision: "sha256:0", stage: "live" };
  return JSON.stringify({ ...said, ...members }) + "\n";
}

/** Stands for the provider: answers with [status, headers, body] in order, the last one for ever; a list is streamed. */
export async function startFrontier(...script) {
  const frontier = { seen: [] };
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    frontier.seen.push({ path: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() });
    const [status, headers, body] = script.length > 1 ? script.shift() : script[0];
    if (status === 0) return response.destroy();
    const streamed = Array.isArray(body);
    response.writeHead(status, { "content-type": streamed ? "text/event-stream" : "application/json", ...headers });
    if (!streamed) return response.end(typeof body === "string" ? body : JSON.stringify(body));
    for (const part of body) {
      if (part === null) return response.destroy();
      if (typeof part === "number") await sleep(part);
      else response.write(part);
    }
    response.end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  frontier.url = `http://127.0.0.1:${server.address().port}`;
  frontier.close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return frontier;
}

export const sse = (events, named = true) =>
  events.map((event) => (typeof event === "string" ? `data: ${event}\n\n` : `${named && event.type ? `event: ${event.type}\n` : ""}data: ${JSON.stringify(event)}\n\n`));

export const ASK = [{ role: "user", content: "say hello\nü \u2028" }];
export const CHAT = {
  id: "c1", object: "chat.completion", created: 1, model: "gpt-x",
  choices: [{ index: 0, finish_reason: "stop", logprobs: null, message: { role: "assistant", content: "hello ü\u2028", refusal: null } }],
  usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 },
};
export const MESSAGE = {
  id: "m1", type: "message", role: "assistant", model: "claude-x", content: [{ type: "text", text: "hello" }], stop_reason: "end_turn", stop_sequence: null,
  usage: { input_tokens: 5, output_tokens: 3 },
};
export const RESPONSE = {
  id: "r1", object: "response", created_at: 1, status: "completed", model: "gpt-x", parallel_tool_calls: true, tool_choice: "auto", tools: [],
  output: [{ id: "i", type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text: "hello", annotations: [] }] }],
  usage: { input_tokens: 4, output_tokens: 1, total_tokens: 5 },
};
const chunk = (delta, finish = null) => ({ id: "c1", object: "chat.completion.chunk", created: 1, model: "gpt-x", choices: [{ index: 0, delta, finish_reason: finish }] });
export const STREAMS = {
  chat: sse([
    chunk({ role: "assistant", content: "" }), chunk({ content: "hel" }), chunk({ content: "lo" }),
    chunk({ tool_calls: [{ index: 0, id: "t", type: "function", function: { name: "f", arguments: '{"a"' } }] }),
    chunk({ tool_calls: [{ index: 0, function: { arguments: ":1}" } }] }), chunk({}, "tool_calls"),
    { ...chunk({}), choices: [], usage: CHAT.usage }, "[DONE]",
  ]),
  responses: sse([
    { type: "response.created", sequence_number: 0, response: { ...RESPONSE, status: "in_progress", output: [], usage: null } },
    { type: "response.completed", sequence_number: 1, response: RESPONSE },
  ]),
  messages: sse([
    { type: "message_start", message: { ...MESSAGE, content: [], stop_reason: null, usage: { input_tokens: 5, output_tokens: 1 } } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "hel" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "lo" } },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 3 } },
    { type: "message_stop" },
  ]),
};
export const KINDS = ["chat", "responses", "messages"];
export const PATHS = { chat: "/v1/chat/completions", responses: "/v1/responses", messages: "/v1/messages" };
export const BODIES = { chat: CHAT, responses: RESPONSE, messages: MESSAGE };
export const TOOL = { name: "look_up", arguments: { id: 7, note: 'ü "q"' } };
const schema = { type: "object", properties: { id: { type: "integer" }, note: { type: "string" } } };
export const TOOLS = {
  chat: [{ type: "function", function: { name: "look_up", parameters: schema } }],
  responses: [{ type: "function", name: "look_up", parameters: schema, strict: false }],
  messages: [{ name: "look_up", input_schema: schema }],
};

export const requestOf = (kind, more = {}) =>
  kind === "chat"
    ? { model: "gpt-x", messages: ASK, ...more }
    : kind === "responses"
      ? { model: "gpt-x", input: "hi", ...more }
      : { model: "claude-x", max_tokens: 9, messages: ASK, ...more };

/** A request as the SDKs make it: text body, the attempt in a header. */
export const ask = (fetch, frontier, kind, more, attempt = 0, headers = {}) =>
  fetch(frontier.url + PATHS[kind], {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer sk-secret", "x-stainless-retry-count": String(attempt), ...headers },
    body: JSON.stringify(requestOf(kind, more)),
  });
