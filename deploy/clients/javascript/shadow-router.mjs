// Lets an agent show its model calls to shadow-router without waiting for it, and ask it first where it shall answer. One file, no
// dependency, Node 18 or later. One line changes in an agent that uses the real SDKs, or fetch itself:
//
//   const client = new OpenAI({ fetch: shadowFetch() });                       // observes
//   const client = new Anthropic({ fetch: shadowFetch({ decideMs: 50 }) });    // asks first, 50 ms at most
//
// What the file promises, in order of weight:
// 1. The agent is not hurt. Nothing here throws into it or opens a network connection: the only peer is a Unix socket. Where the
//    sidecar is missing, stopped or slow, frames are dropped and counted (`Observer.counters()`).
// 2. Only `decide` waits, and only until its deadline. Whatever goes wrong there, the answer is `frontier`.
// 3. What did not arrive can be seen. Frames are numbered, dropped ones too, so gaps show (`lost_by_sender`).
//
// Only bodies of known model endpoints are shown, never headers, so never an API key.

import { AsyncLocalStorage } from "node:async_hooks";
import { createHash, randomUUID } from "node:crypto";
import { createConnection } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";

/** Longest frame in bytes, the newline included; the router's own default. */
const FRAME_LIMIT = 1 << 20;
/** Bytes that may wait for a router that does not read. */
const SEND_ROOM = 4 << 20;
/** Bytes of one answer kept for its frame, and of a reply that are read. */
const ANSWER_LIMIT = 8 << 20;
const REPLY_LIMIT = 4 << 20;
/** Milliseconds that a repetition may be later than its SDK announced before the failed attempt counts as the last one. */
const RETRY_SLACK = 5000;
const RETRY_ROOM = 256;
/** Milliseconds that `decide` waits where nothing else is said. */
const DECIDE_MS = 50;
/** Questions in a row without a reply until the router is left alone for a while (1 s, doubling to 30 s). */
const MISSES = 3;
const LINES_KEPT = 64;
const DECISIONS_KEPT = 10_000;
const AUDITS = 16;

const TEXT_FIELDS = ["task_type", "task_id", "run_id", "agent", "step", "tenant", "user_group", "traceparent"];
const FIELDS = new Set([...TEXT_FIELDS, "signals", "artifacts"]);
const now = () => performance.now();

function text(value, limit = 256) {
  const said = String(value);
  // The router counts characters, not UTF-16 units, and a pair must not be cut.
  return said.length <= limit ? said : Array.from(said).slice(0, limit).join("");
}

/** The id as given; one that the router would refuse as too long becomes its digest, the same in every frame. */
function idOf(value) {
  const said = String(value);
  return said.length <= 128 ? said : createHash("sha256").update(said).digest("hex");
}

const freshId = () => randomUUID().replaceAll("-", "");
/** A valid JSON text without raw newlines: there they can only be white space. */
const oneLine = (body) => (body.includes("\n") ? body.replaceAll("\n", " ") : body);

/** Where the router of this user listens: $SHADOW_ROUTER_TAP, else tap.sock in its runtime folder. */
export function defaultSocketPath() {
  const env = process.env;
  if (env.SHADOW_ROUTER_TAP) return env.SHADOW_ROUTER_TAP;
  let folder = env.SHADOW_ROUTER_RUNTIME_DIR;
  if (!folder && process.geteuid?.() === 0) folder = "/run/shadow-router";
  else if (!folder && env.XDG_RUNTIME_DIR) folder = join(env.XDG_RUNTIME_DIR, "shadow-router");
  else if (!folder) {
    const state = env.XDG_STATE_HOME || join(homedir(), ".local", "state");
    folder = join(env.SHADOW_ROUTER_STATE_DIR || join(state, "shadow-router"), "run");
  }
  return join(folder, "tap.sock");
}

// ------------------------------------------------------------------------------------------------------------- context

const contexts = new AsyncLocalStorage();

/** Runs `work` with what is known of the calls made inside, as `{ task_type, run_id, … }`; nests, the inner value wins. */
export function withContext(fields, work) {
  return contexts.run({ ...contexts.getStore(), ...fields }, work);
}

// ------------------------------------------------------------------------------------------------------------ observer

/** One agent's line to the router: a numbered stream of frames over a Unix socket that is never waited for. */
export class Observer {
  #socket = null;
  #number = 0;
  #owed = 0;
  #waiting = 0;
  #pause = 1000;
  #nextConnect = 0;
  #refusal = "no_socket"; // why no connection came about, last
  #flushing = [];
  #counts = { sent: 0, bytes: 0, connects: 0, internal_errors: 0, asked: 0, local: 0 };
  #dropped = new Map();
  #undecided = new Map();
  // For the questions.
  lines = [];
  misses = 0;
  rest = { until: 0, ms: 1000, cause: "" };
  parked = new Map();

  constructor(socketPath = undefined, { agent = undefined } = {}) {
    this.socketPath = socketPath ?? defaultSocketPath();
    this.agent = agent;
    observers.add(new WeakRef(this));
  }

  /**
   * Shows a call that is about to be made and returns its id. `what`: exactly one of `input`, `messages`, `request` (the
   * provider's body) or `requestBody` (the same as JSON text); `callId`, `frontier`, and the fields of `withContext`.
   */
  observe(what = {}) {
    let callId = "";
    try {
      callId = what.callId === undefined ? freshId() : idOf(what.callId);
      if (!this.#isQuiet()) this.put(this.callFrame(callId, what));
    } catch {
      this.#spoiled();
    }
    return callId || freshId();
  }

  /** Shows how the frontier answered: `output`, `response` or `responseBody` (JSON text), or `error`. */
  observeAnswer(callId, what = {}) {
    try {
      if (this.#isQuiet()) return false;
      let frame = '"kind":"answer","call_id":' + JSON.stringify(idOf(callId));
      for (const name of ["label", "model", "error"]) {
        if (what[name] != null) frame += `,"${name}":` + JSON.stringify(text(what[name]));
      }
      const usage = { input_tokens: what.inputTokens, output_tokens: what.outputTokens };
      if (usage.input_tokens != null || usage.output_tokens != null) frame += ',"usage":' + JSON.stringify(usage);
      if (Number.isFinite(what.latencyMs)) frame += ',"latency_ms":' + Math.round(what.latencyMs);
      if (Number.isFinite(what.costUsd)) frame += ',"cost_usd":' + what.costUsd;
      if (what.responseBody !== undefined) frame += ',"response":' + oneLine(what.responseBody);
      else if (what.response !== undefined) frame += ',"response":' + JSON.stringify(what.response);
      else if (what.output !== undefined) frame += ',"output":' + JSON.stringify(what.output);
      return this.put(frame);
    } catch {
      return this.#spoiled();
    }
  }

  /** Shows how a call or a run ended: `{ callId | runId, result: "success" | "failure" | "partial", source, approvedBy }`. */
  outcome({ callId, runId, result, source = "agent", approvedBy } = {}) {
    try {
      if (this.#isQuiet()) return false;
      const frame = { kind: "outcome", result, source };
      if (callId != null) frame.call_id = idOf(callId);
      if (runId != null) frame.run_id = text(runId);
      if (approvedBy != null) frame.approved_by = text(approvedBy);
      return this.put(JSON.stringify(frame).slice(1, -1));
    } catch {
      return this.#spoiled();
    }
  }

  /**
   * Shows a call and asks who answers it: a `Decision`, after `deadlineMs` at the latest. Never rejects. Where the route is the
   * frontier, or `audit` is true, the agent calls the frontier and shows its answer with `observeAnswer(decision.callId, …)`.
   */
  async decide(what = {}) {
    const began = now();
    let callId = "";
    try {
      callId = what.callId === undefined ? freshId() : idOf(what.callId);
      const frame = this.callFrame(callId, what);
      return (await new Asking(this, callId, frame, began, what.deadlineMs ?? DECIDE_MS).run()).decision;
    } catch {
      this.fault();
      this.undecided("internal");
      return decisionFor(callId || freshId(), "internal");
    }
  }

  /** Frames and bytes handed to the kernel, frames dropped by cause, questions asked and why some were not decided. */
  counters() {
    const dropped = Object.fromEntries(this.#dropped);
    return {
      ...this.#counts,
      waiting: this.#waiting,
      dropped: Object.values(dropped).reduce((sum, count) => sum + count, 0),
      dropped_by_cause: dropped,
      undecided_by_cause: Object.fromEntries(this.#undecided),
    };
  }

  /** Shows what still waits for a repetition, lets what is queued go out for so many milliseconds, and closes. */
  async close(timeoutMs = 100) {
    try {
      for (const park of [...this.parked.values()]) park.release();
      await this.flush(timeoutMs);
      this.#socket?.destroy();
      for (const line of this.lines.splice(0)) line.destroy();
    } catch {
      this.fault();
    }
  }

  /** Resolves when nothing waits to be sent, at the latest after so many milliseconds. */
  flush(timeoutMs) {
    if (this.#waiting === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#flushing.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  // For this file.

  /** A call frame from its kind up to its last member. Unknown names are left out: a `reply` that nobody reads would end the connection. */
  callFrame(callId, what) {
    let frame = '"kind":"call","call_id":' + JSON.stringify(callId);
    const known = { agent: this.agent, ...contexts.getStore() };
    for (const name of FIELDS) {
      const value = what[name] ?? known[name];
      if (value == null) continue;
      frame += `,"${name}":` + JSON.stringify(TEXT_FIELDS.includes(name) ? text(value) : value);
    }
    if (what.frontier != null) frame += ',"frontier":' + JSON.stringify(what.frontier);
    if (what.requestBody !== undefined) return frame + ',"request":' + oneLine(what.requestBody);
    if (what.input !== undefined) return frame + ',"input":' + JSON.stringify(String(what.input));
    if (what.messages !== undefined) return frame + ',"messages":' + JSON.stringify(what.messages);
    return frame + ',"request":' + JSON.stringify(what.request ?? null);
  }

  /** Sends one frame. False where it was dropped. */
  put(members) {
    const socket = this.#socket ?? this.#connect();
    if (socket === null) return this.drop(this.#refusal);
    const frame = Buffer.from(`{"n":${this.#number + 1},${members}}\n`);
    if (frame.length > FRAME_LIMIT) return this.drop("too_large");
    if (socket.writableLength + frame.length > SEND_ROOM) return this.drop("full");
    this.#number += 1;
    this.#waiting += 1;
    socket.write(frame, (problem) => {
      this.#waiting -= 1;
      if (problem) {
        this.#count(this.#dropped, socket.wasOpen ? "connection_lost" : noRouter(problem));
        this.#owed += 1;
      } else {
        this.#counts.sent += 1;
        this.#counts.bytes += frame.length;
      }
      if (this.#waiting === 0) for (const done of this.#flushing.splice(0)) done();
    });
    return true;
  }

  drop(cause) {
    this.#number += 1;
    this.#count(this.#dropped, cause);
    return false;
  }

  undecided(cause) {
    this.#count(this.#undecided, cause);
  }

  asked(bytes) {
    this.#counts.asked += 1;
    this.#counts.sent += 1;
    this.#counts.bytes += bytes;
  }

  answeredLocally(change) {
    this.#counts.local += change;
  }

  connected() {
    this.#counts.connects += 1;
  }

  fault() {
    this.#counts.internal_errors += 1;
  }

  #count(counts, cause) {
    counts.set(cause, (counts.get(cause) ?? 0) + 1);
  }

  #spoiled() {
    this.fault();
    return this.drop("unencodable");
  }

  /** Whether the router is known not to listen just now: asked before anything is encoded. */
  #isQuiet() {
    if (this.#socket !== null || now() >= this.#nextConnect) return false;
    this.drop(this.#refusal);
    return true;
  }

  #connect() {
    if (now() < this.#nextConnect) return null;
    const socket = createConnection(this.socketPath);
    this.#socket = socket;
    this.#nextConnect = now() + 1000;
    socket.unref(); // nobody's process lives longer for this
    socket.on("connect", () => {
      socket.wasOpen = true;
      this.connected();
      this.#pause = 1000;
    });
    socket.on("error", (problem) => (this.#refusal = noRouter(problem)));
    socket.on("close", () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      // What was lost counts towards the numbers of the next connection, as what is dropped until then does.
      this.#number = this.#owed;
      this.#owed = 0;
      if (!socket.wasOpen) {
        this.#nextConnect = now() + this.#pause;
        this.#pause = Math.min(this.#pause * 2, 4000);
      }
    });
    socket.resume();
    return socket;
  }
}

/** `not_allowed`: there is one, whose socket this user may not use (`run --allow-uid`, or the socket's group). */
const noRouter = (problem) => (problem.code === "EACCES" || problem.code === "EPERM" ? "not_allowed" : "no_socket");

const observers = new Set();

// What is queued when the agent has nothing left to do still goes out; a router that does not read holds nobody up for long.
process.once("beforeExit", async () => {
  for (const held of observers) await held.deref()?.close();
});

let theDefault = null;

/** The process's one observer, for those who do not make their own. */
export function defaultObserver() {
  theDefault ??= new Observer();
  return theDefault;
}

// -------------------------------------------------------------------------------------------------------------- asking

const AFTER_ASKING = new Set(["schema_invalid", "label_escalated", "confidence_low"]);

/** Who answers a call, as the router's `decision` frame says it; with `problem` the client made it `frontier`, for that cause. */
function decisionFor(callId, problem, frame = {}) {
  const route = problem === null ? frame.route : "frontier";
  const packet = frame.escalation ?? null;
  const escalated = problem === null && route === "frontier" && (AFTER_ASKING.has(frame.reason) || packet?.local_output != null);
  return Object.freeze({
    callId,
    route,
    outcome: escalated ? "escalated" : route,
    local: route === "local",
    escalated,
    problem,
    reason: frame.reason ?? null,
    reasonCode: frame.reason_code ?? null,
    detail: frame.detail ?? null,
    stage: frame.stage ?? null,
    policyRevision: frame.policy_revision ?? null,
    answer: frame.answer ?? null,
    label: frame.label ?? null,
    confidence: frame.confidence ?? null,
    model: frame.model ?? null,
    audit: frame.audit === true,
    fallbacks: frame.fallbacks ?? null,
    retryOn: frame.retry_on ?? null,
    maxAttempts: frame.max_attempts ?? null,
    onExhausted: frame.on_exhausted ?? null,
    switchMidRun: frame.switch_mid_run ?? null,
    escalation: packet,
  });
}

/** One question: a connection is used by one at a time, and one that goes wrong ends it, so that a late reply is never another's. */
class Asking {
  constructor(observer, callId, members, began, deadlineMs) {
    Object.assign(this, { observer, callId, members });
    const ms = Number(deadlineMs);
    this.end = began + (ms > 0 ? Math.min(ms, 600_000) : 0);
    this.began = began;
    this.sent = false;
  }

  /** `{ decision, sent }`: `sent` where the router has the call. */
  async run() {
    const observer = this.observer;
    if (this.began < observer.rest.until) return this.unanswered(observer.rest.cause, null);
    let line = observer.lines.pop();
    while (line?.destroyed) line = observer.lines.pop();
    const isNew = line === undefined;
    line ??= createConnection(observer.socketPath);
    if (isNew) line.frames = 0;
    let cause, frame;
    try {
      [cause, frame] = await this.talk(line, isNew);
    } catch {
      observer.fault();
      cause = "internal";
    }
    return cause === null ? this.answered(frame, line) : this.unanswered(cause, line);
  }

  talk(line, isNew) {
    return new Promise((resolve) => {
      const chunks = [];
      let size = 0;
      const done = (cause, frame) => {
        clearTimeout(timer);
        for (const [name, listener] of Object.entries(listeners)) line.off(name, listener);
        line.on("error", () => {});
        line.unref();
        resolve([cause, frame]);
      };
      const listeners = {
        data: (chunk) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size > REPLY_LIMIT) done("garbage");
          else if (chunk[chunk.length - 1] === 10) done(...this.read(Buffer.concat(chunks).toString("utf8")));
        },
        error: (problem) => done(!isNew || this.sent || line.wasOpen ? "closed" : problem.code === "EAGAIN" ? "full" : noRouter(problem)),
        close: () => done("closed"),
        end: () => done("closed"),
        connect: () => {
          line.wasOpen = true;
          this.observer.connected();
        },
      };
      const timer = setTimeout(() => done(this.sent ? "late" : "full"), Math.max(0, this.end - now()));
      line.removeAllListeners("error").removeAllListeners("data");
      for (const [name, listener] of Object.entries(listeners)) line.on(name, listener);
      line.ref();
      // A millisecond less than is left: the router's own `frontier` comes in time, and it knows what the agent was told.
      const left = Math.max(1, Math.floor(this.end - now()) - 1);
      const frame = Buffer.from(`{"n":${line.frames + 1},"reply":true,"deadline_ms":${left},${this.members}}\n`);
      if (frame.length > FRAME_LIMIT) return done("too_large");
      line.frames += 1;
      this.bytes = frame.length;
      line.write(frame, (problem) => {
        if (problem || this.isOver) return;
        this.sent = true;
        this.observer.asked(frame.length);
      });
    });
  }

  /** [cause, frame]: the cause is null where the reply is a decision about this call. */
  read(reply) {
    let frame;
    try {
      frame = JSON.parse(reply); // two lines are no JSON text either
    } catch {
      return ["garbage"];
    }
    if (frame === null || typeof frame !== "object") return ["garbage"];
    if (frame.kind === "error") return ["refused"];
    if (frame.kind !== "decision" || frame.call_id !== this.callId) return ["garbage"];
    const isAnswer = frame.route === "local" && frame.answer != null && frame.reason == null;
    return isAnswer || frame.route === "frontier" ? [null, frame] : ["garbage"];
  }

  answered(frame, line) {
    const observer = this.observer;
    this.isOver = true;
    if (!this.sent) {
      this.sent = true; // the reply came before the write's own callback
      observer.asked(this.bytes);
    }
    observer.misses = 0;
    observer.rest.ms = 1000;
    if (observer.lines.length < LINES_KEPT) {
      line.once("data", () => line.destroy()); // nothing was asked
      observer.lines.push(line);
    } else line.destroy();
    const decision = decisionFor(this.callId, null, frame);
    observer.answeredLocally(decision.local ? 1 : 0);
    return { decision, sent: true };
  }

  unanswered(cause, line) {
    const observer = this.observer;
    this.isOver = true;
    line?.destroy();
    if (cause === "no_socket" || cause === "not_allowed") this.leaveAlone(4000, cause);
    if (this.sent && (cause === "late" || cause === "closed") && ++observer.misses >= MISSES) this.leaveAlone(30_000, "resting");
    observer.undecided(cause);
    // A call that was not decided is still shown.
    return { decision: decisionFor(this.callId, cause), sent: this.sent || observer.put(this.members) };
  }

  leaveAlone(most, cause) {
    const rest = this.observer.rest;
    rest.until = now() + rest.ms;
    rest.cause = cause;
    rest.ms = Math.min(rest.ms * 2, most);
  }
}

const decisions = new Map();

/** Under the call's id and, once it is known, under that of the answer. */
function remember(key, decision) {
  if (typeof key !== "string" || decision === null) return;
  decisions.delete(key);
  decisions.set(key, decision);
  if (decisions.size > DECISIONS_KEPT) decisions.delete(decisions.keys().next().value);
}

/** The `Decision` behind a response: an SDK's object, chunk or event, or fetch's `Response`. Null where nobody was asked. */
export function decisionOf(response) {
  const callId = response?.headers?.get?.("x-shadow-router-call-id") ?? response?.response?.headers?.get?.("x-shadow-router-call-id");
  for (const key of [callId, response?.id, response?.response?.id, response?.message?.id]) {
    if (typeof key === "string" && decisions.has(key)) return decisions.get(key);
  }
  return null;
}

/** Who answered: `local`, `frontier`, or `escalated` (a local model was asked, its answer did not pass, and the frontier answered). */
export function routeOf(response) {
  return decisionOf(response)?.outcome ?? null;
}

// ---------------------------------------------------------------------------------------- answers put back together
//
// A streamed answer is rebuilt into the body that the provider gives without streaming. `done` is set at the provider's own end
// mark, `problem` where the stream itself reports a failure.

class Events {
  #rest = "";
  #data = [];
  #decoder = new TextDecoder();

  /** Data of the events that these bytes complete. */
  feed(chunk) {
    let block = this.#rest + this.#decoder.decode(chunk, { stream: true });
    if (block.includes("\r")) {
      const held = block.endsWith("\r") ? "\r" : ""; // half of a line end, perhaps
      block = block.slice(0, block.length - held.length).replaceAll("\r\n", "\n").replaceAll("\r", "\n") + held;
    }
    const lines = block.split("\n");
    this.#rest = lines.pop();
    return lines.flatMap((line) => this.#line(line));
  }

  end() {
    const last = this.#line(this.#rest.replace(/\r$/, ""));
    this.#rest = "";
    return [...last, ...this.#line("")];
  }

  #line(line) {
    if (line.startsWith("data:")) this.#data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
    else if (line === "" && this.#data.length) return [this.#data.splice(0).join("\n")];
    return [];
  }
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** One member of a delta: texts are continued, lists and objects grow, anything else replaces. */
function append(into, name, value) {
  const known = into[name];
  if (value === null || value === undefined) into[name] ??= null;
  else if (typeof value === "string" && typeof known === "string") into[name] = known + value;
  else if (Array.isArray(value) && Array.isArray(known)) known.push(...value);
  else if (isObject(value) && isObject(known)) for (const key of Object.keys(value)) append(known, key, value[key]);
  else into[name] = value;
}

class ChatBuilder {
  done = false;
  problem = null;
  #head = {};
  #choices = new Map();

  feed(event) {
    if (event.error) this.problem = failureName(event);
    for (const name of ["id", "object", "created", "model", "service_tier", "system_fingerprint", "usage", "provider"]) {
      if (event[name] != null) this.#head[name] = event[name];
    }
    for (const part of event.choices ?? []) this.#choice(part);
  }

  #choice(part) {
    const index = part.index ?? 0;
    let choice = this.#choices.get(index);
    if (!choice) this.#choices.set(index, (choice = { index, message: { role: "assistant", content: null }, finish_reason: null }));
    if (part.logprobs != null) append(choice, "logprobs", part.logprobs);
    if (part.finish_reason != null) choice.finish_reason = part.finish_reason;
    for (const [name, value] of Object.entries(part.delta ?? {})) {
      if (name === "tool_calls") for (const call of value ?? []) this.#toolCall((choice.message.tool_calls ??= []), call);
      else if (name === "role") choice.message.role = value || choice.message.role;
      else append(choice.message, name, value);
    }
  }

  #toolCall(calls, part) {
    let call = part.index == null ? undefined : calls.find((known) => known.index === part.index);
    // Some servers number nothing and only go on.
    if (!call && part.index == null && calls.length && (part.id == null || part.id === calls.at(-1).id)) call = calls.at(-1);
    if (!call) calls.push((call = { index: part.index ?? calls.length, id: null, type: "function", function: {} }));
    if (part.id) call.id = part.id;
    if (part.type) call.type = part.type;
    for (const [name, value] of Object.entries(part.function ?? {})) {
      if (name === "name") call.function.name = value || call.function.name;
      else if (value != null) append(call.function, name, value);
    }
  }

  get complete() {
    return this.done || [...this.#choices.values()].some((choice) => choice.finish_reason);
  }

  body() {
    if (!Object.keys(this.#head).length && !this.#choices.size) return null;
    const choices = [...this.#choices.values()].sort((a, b) => a.index - b.index);
    for (const { message } of choices) if (message.tool_calls) message.tool_calls = message.tool_calls.map(({ index, ...call }) => call);
    return { ...this.#head, object: "chat.completion", choices };
  }
}

class ResponsesBuilder {
  done = false;
  problem = null;
  #response = null;
  #items = new Map();

  feed(event) {
    const kind = event.type ?? "";
    if (isObject(event.response)) this.#response = event.response;
    if (["response.completed", "response.incomplete", "response.failed", "response.cancelled"].includes(kind)) {
      this.done = true;
      if (kind === "response.failed" || kind === "response.cancelled") this.problem = failureName(this.#response ?? {}) ?? kind;
    } else if (kind === "error") {
      this.done = true;
      this.problem = failureName(event);
    } else if (kind === "response.output_item.added" || kind === "response.output_item.done") {
      this.#items.set(event.output_index ?? 0, event.item);
    } else if (kind.endsWith(".delta") && typeof event.delta === "string") this.#delta(kind, event);
  }

  #delta(kind, event) {
    const item = this.#items.get(event.output_index ?? 0);
    if (!isObject(item)) return;
    if (kind === "response.output_text.delta" || kind === "response.refusal.delta") {
      const member = kind === "response.output_text.delta" ? "text" : "refusal";
      const parts = (item.content ??= []);
      const index = Math.min(event.content_index ?? 0, 1000);
      while (parts.length <= index) parts.push({ type: member === "text" ? "output_text" : "refusal", [member]: "" });
      append(parts[index], member, event.delta);
    } else if (kind === "response.function_call_arguments.delta") append(item, "arguments", event.delta);
    else if (kind === "response.custom_tool_call_input.delta") append(item, "input", event.delta);
  }

  get complete() {
    return this.done;
  }

  body() {
    if (this.#response === null || this.#response.output?.length || !this.#items.size) return this.#response;
    return { ...this.#response, output: [...this.#items].sort(([a], [b]) => a - b).map(([, item]) => item) };
  }
}

class MessagesBuilder {
  done = false;
  problem = null;
  #message = null;
  #blocks = new Map();
  #inputs = new Map();

  feed(event) {
    if (event.type === "message_start") this.#message = { ...event.message };
    else if (event.type === "content_block_start") this.#blocks.set(event.index, { ...event.content_block });
    else if (event.type === "content_block_delta" && this.#blocks.has(event.index)) this.#delta(event.index, event.delta ?? {});
    else if (event.type === "message_delta" && this.#message) {
      const { type, delta, usage, ...more } = event;
      const counts = Object.entries(usage ?? {}).filter(([, count]) => count != null);
      Object.assign(this.#message, delta, more, { usage: { ...this.#message.usage, ...Object.fromEntries(counts) } });
    } else if (event.type === "message_stop") this.done = true;
    else if (event.type === "error") {
      this.done = true;
      this.problem = failureName(event);
    }
  }

  #delta(index, { type, ...members }) {
    const block = this.#blocks.get(index);
    if (type === "input_json_delta") this.#inputs.set(index, (this.#inputs.get(index) ?? "") + (members.partial_json ?? ""));
    else if (type === "citations_delta") block.citations = [...(block.citations ?? []), members.citation];
    else for (const name of Object.keys(members)) append(block, name, members[name]);
  }

  get complete() {
    return this.done;
  }

  body() {
    if (this.#message === null) return null;
    for (const [index, input] of this.#inputs) {
      try {
        this.#blocks.get(index).input = input.trim() ? JSON.parse(input) : {};
      } catch {
        this.#blocks.get(index).input = input; // cut off by the end of the stream
      }
    }
    return { ...this.#message, content: [...this.#blocks].sort(([a], [b]) => a - b).map(([, block]) => block) };
  }
}

/** The provider's name of a failure: its type or code, never its message, which may quote the prompt. */
function failureName(body) {
  const error = isObject(body?.error) ? body.error : isObject(body) ? body : {};
  for (const name of ["type", "code", "status"]) {
    const value = error[name];
    if ((typeof value === "string" || typeof value === "number") && !["", "error", "response"].includes(value)) return text(value, 100);
  }
  return "error";
}

// ---------------------------------------------------------------------------------------- local answers, in each API
//
// A local answer becomes the body that the provider would have sent, whole or as its events. One that the request cannot be
// answered with (a text where a tool is required, say) is `unfit`, and the frontier is called.

class Unfit extends Error {}

function spoken(decision, request) {
  const { answer } = decision;
  const tools = (request.tools ?? []).map((tool) => (isObject(tool?.function) ? tool.function : tool)?.name);
  const isCall =
    isObject(answer) && Object.keys(answer).sort().join() === "arguments,name" && isObject(answer.arguments) && tools.includes(answer.name);
  const must = mustCall(request);
  if (isCall && request.tool_choice !== "none") {
    if (must && must !== answer.name) throw new Unfit();
    return { call: answer };
  }
  if (must !== null) throw new Unfit();
  const said = typeof answer === "string" ? answer : JSON.stringify(answer);
  const formats = [request.response_format, request.output_format, request.text?.format, request.output_config?.format];
  if (formats.some((format) => format?.type === "json_object" || format?.type === "json_schema")) {
    try {
      JSON.parse(said);
    } catch {
      throw new Unfit();
    }
  }
  return { said };
}

/** Null where a text will do; else the name of the tool that has to be called, "" for any. */
function mustCall({ tool_choice: choice }) {
  if (choice === "required" || choice === "any") return "";
  if (!isObject(choice) || choice.type === "auto" || choice.type === "none") return null;
  if (choice.type === "any" || choice.type === "required") return "";
  return (isObject(choice.function) ? choice.function : choice).name ?? "";
}

const seconds = () => Math.floor(Date.now() / 1000);
const sse = (events, named) => events.map((event) => `${named ? `event: ${event.type}\n` : ""}data: ${JSON.stringify(event)}\n\n`).join("");

function chatAnswer(decision, request) {
  const { said, call } = spoken(decision, request);
  const object = request.stream ? "chat.completion.chunk" : "chat.completion";
  const head = { id: "chatcmpl-local-" + decision.callId, object, created: seconds(), model: decision.model ?? request.model ?? "local" };
  const usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  const finish = call ? "tool_calls" : "stop";
  const id = "call_" + freshId().slice(0, 24);
  if (!request.stream) {
    const message = { role: "assistant", content: said ?? null, refusal: null };
    if (call) message.tool_calls = [{ id, type: "function", function: { name: call.name, arguments: JSON.stringify(call.arguments) } }];
    return JSON.stringify({ ...head, choices: [{ index: 0, message, logprobs: null, finish_reason: finish }], usage });
  }
  const chunk = (delta, end = null) => ({ ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason: end }] });
  const events = call
    ? [
        chunk({ role: "assistant", content: null, tool_calls: [{ index: 0, id, type: "function", function: { name: call.name, arguments: "" } }] }),
        chunk({ tool_calls: [{ index: 0, function: { arguments: JSON.stringify(call.arguments) } }] }),
      ]
    : [chunk({ role: "assistant", content: "" }), chunk({ content: said })];
  events.push(chunk({}, finish));
  if (request.stream_options?.include_usage) events.push({ ...head, choices: [], usage });
  return sse(events, false) + "data: [DONE]\n\n";
}

function responsesAnswer(decision, request) {
  const { said, call } = spoken(decision, request);
  const part = { type: "output_text", text: said, annotations: [], logprobs: [] };
  const item = call
    ? { id: "fc_local_" + freshId(), type: "function_call", status: "completed", call_id: "call_" + freshId().slice(0, 24), name: call.name, arguments: JSON.stringify(call.arguments) }
    : { id: "msg_local_" + freshId(), type: "message", role: "assistant", status: "completed", content: [part] };
  const body = {
    id: "resp_local_" + decision.callId,
    object: "response",
    created_at: seconds(),
    status: "completed",
    error: null,
    incomplete_details: null,
    instructions: request.instructions ?? null,
    metadata: request.metadata ?? {},
    model: decision.model ?? request.model ?? "local",
    output: [item],
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    tool_choice: request.tool_choice ?? "auto",
    tools: request.tools ?? [],
    temperature: request.temperature ?? null,
    top_p: request.top_p ?? null,
    usage: { input_tokens: 0, output_tokens: 0, total_tokens: 0, input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 } },
  };
  if (!request.stream) return JSON.stringify(body);
  const begun = { ...body, status: "in_progress", output: [], usage: null };
  const at = { item_id: item.id, output_index: 0 };
  const place = { ...at, content_index: 0 };
  const events = [
    { type: "response.created", response: begun },
    { type: "response.in_progress", response: begun },
    { type: "response.output_item.added", output_index: 0, item: { ...item, status: "in_progress", ...(call ? { arguments: "" } : { content: [] }) } },
    ...(call
      ? [
          { type: "response.function_call_arguments.delta", ...at, delta: item.arguments },
          { type: "response.function_call_arguments.done", ...at, name: item.name, arguments: item.arguments },
        ]
      : [
          { type: "response.content_part.added", ...place, part: { ...part, text: "" } },
          { type: "response.output_text.delta", ...place, delta: said, logprobs: [] },
          { type: "response.output_text.done", ...place, text: said, logprobs: [] },
          { type: "response.content_part.done", ...place, part },
        ]),
    { type: "response.output_item.done", output_index: 0, item },
    { type: "response.completed", response: body },
  ];
  return sse(events.map((event, number) => ({ ...event, sequence_number: number })), true);
}

function messagesAnswer(decision, request) {
  const { said, call } = spoken(decision, request);
  const block = call ? { type: "tool_use", id: "toolu_local_" + freshId().slice(0, 24), name: call.name, input: call.arguments } : { type: "text", text: said };
  const message = {
    id: "msg_local_" + decision.callId,
    type: "message",
    role: "assistant",
    model: decision.model ?? request.model ?? "local",
    content: [block],
    stop_reason: call ? "tool_use" : "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 0, output_tokens: 0 },
  };
  if (!request.stream) return JSON.stringify(message);
  const delta = call ? { type: "input_json_delta", partial_json: JSON.stringify(call.arguments) } : { type: "text_delta", text: said };
  const events = [
    { type: "message_start", message: { ...message, content: [], stop_reason: null } },
    { type: "content_block_start", index: 0, content_block: call ? { ...block, input: {} } : { ...block, text: "" } },
    { type: "content_block_delta", index: 0, delta },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: message.stop_reason, stop_sequence: null }, usage: { output_tokens: 0 } },
    { type: "message_stop" },
  ];
  return sse(events, true);
}

// --------------------------------------------------------------------------------------------------------------- fetch

const APIS = [
  { ending: "/chat/completions", Builder: ChatBuilder, answer: chatAnswer, prefix: "chatcmpl-local-" },
  { ending: "/responses", Builder: ResponsesBuilder, answer: responsesAnswer, prefix: "resp_local_" },
  { ending: "/v1/messages", Builder: MessagesBuilder, answer: messagesAnswer, prefix: "msg_local_" },
];

/** Whether a local answer could be given to this request at all. */
function mayAsk(api, request) {
  if (api.Builder === ChatBuilder) return (request.n ?? 1) === 1 && !request.logprobs && (request.modalities ?? ["text"]).join() === "text";
  return !(api.Builder === ResponsesBuilder && request.background);
}

/** One logical call of the agent, over all its attempts: the SDKs number those in a header and repeat the same body. */
class Call {
  started = now();
  shown = false;
  finished = false;
  decision = null;
  isAudit = false;

  constructor(observer, api, body, request, attempt, callId) {
    Object.assign(this, { observer, api, body, request, attempt, callId });
  }

  succeeded(body, frame) {
    this.finish({ model: body?.model, usage: body?.usage, ...frame });
  }

  failed(problem, frame = {}) {
    this.finish({ error: problem, ...frame });
  }

  /** An attempt without an answer. The SDK may repeat it, and cannot be asked: the failure waits for that. */
  failedAttempt(problem, mayRepeat, waitMs) {
    if (!mayRepeat || this.attempt === null || this.isAudit) return this.failed(problem);
    const { parked } = this.observer;
    const latencyMs = now() - this.started;
    const release = () => {
      clearTimeout(timer);
      parked.delete(this);
      this.finish({ error: problem, latencyMs });
    };
    const timer = setTimeout(release, (waitMs ?? Math.min(500 * 2 ** this.attempt, 8000)) + RETRY_SLACK);
    timer.unref();
    parked.set(this, { release, timer });
    if (parked.size > RETRY_ROOM) parked.values().next().value.release();
  }

  finish({ usage, ...frame }) {
    if (this.finished) return;
    this.finished = true;
    if (!this.shown) return void this.observer.drop("call_dropped"); // an answer to a call the router never saw tells it nothing
    this.observer.observeAnswer(this.callId, {
      latencyMs: now() - this.started,
      inputTokens: usage?.input_tokens ?? usage?.prompt_tokens,
      outputTokens: usage?.output_tokens ?? usage?.completion_tokens,
      ...frame,
    });
  }
}

/** Whether an SDK might repeat a call after this answer, attempts permitting. */
function mayRepeat(status, headers) {
  const told = headers.get("x-should-retry");
  if (told === "true" || told === "false") return told === "true";
  return [408, 409, 429].includes(status) || status >= 500;
}

function retryAfterMs(headers) {
  const ms = Number.parseFloat(headers.get("retry-after-ms") ?? "");
  const after = headers.get("retry-after");
  const wait = Number.isFinite(ms) ? ms : after === null ? NaN : Number.isFinite(Number(after)) ? Number(after) * 1000 : Date.parse(after) - Date.now();
  return wait > 0 && wait <= 120_000 ? wait : undefined;
}

/** Sees the bytes of one attempt's answer go by and shows the answer when it is whole. Never throws. */
class Watch {
  #over = false;
  #named = false;
  #chunks = [];
  #size = 0;
  #events = null;
  #builder = null;

  constructor(call, response) {
    this.call = call;
    this.response = response;
    if (response.status < 300 && (response.headers.get("content-type") ?? "").trim().toLowerCase().startsWith("text/event-stream")) {
      this.#events = new Events();
      this.#builder = new call.api.Builder();
    }
  }

  feed(chunk) {
    this.#safely(() => {
      if (this.#events) return this.#take(this.#events.feed(chunk));
      this.#chunks.push(chunk);
      this.#size += chunk.length;
      if (this.#size > ANSWER_LIMIT) this.#end(() => this.call.failed("answer too large to observe"));
    });
  }

  finish() {
    this.#safely(() => {
      if (this.response.status >= 300) return this.#refused();
      if (!this.#events) return this.#whole();
      this.#take(this.#events.end());
      if (!this.#over) this.#showStream(this.#builder.complete ? null : "stream ended early");
    });
  }

  broke(problem) {
    this.#safely(() => {
      const name = text(problem?.name ?? "Error", 100);
      if (this.#builder) return this.#showStream(name);
      this.#end(() => this.call.failedAttempt(name, this.call.request?.stream !== true));
    });
  }

  closed() {
    this.#safely(() => {
      if (this.response.status >= 300) return this.#refused();
      if (this.#builder) return this.#showStream(this.#builder.complete ? null : "stream closed early");
      this.#end(() => this.call.failed("stream closed early"));
    });
  }

  #take(events) {
    for (const data of events) {
      if (data.trim() === "[DONE]") this.#builder.done = true;
      else {
        let event;
        try {
          event = JSON.parse(data);
        } catch {
          continue;
        }
        if (isObject(event)) {
          if (!this.#named) {
            this.#named = true;
            remember((event.response ?? event.message ?? event)?.id, this.call.decision);
          }
          this.#builder.feed(event);
        }
      }
      if (this.#builder.done) return this.#showStream(null);
    }
  }

  #showStream(problem) {
    problem ??= this.#builder.problem;
    const body = this.#builder.body();
    this.#end(() => {
      if (body === null) this.call.failed(problem ?? "empty stream");
      else if (problem) this.call.failed(`HTTP ${this.response.status}: ${problem}`, { response: body, model: body.model, usage: body.usage });
      else this.call.succeeded(body, { response: body });
    });
  }

  #whole() {
    const raw = Buffer.concat(this.#chunks).toString("utf8");
    let body;
    try {
      body = JSON.parse(raw);
    } catch {
      return this.#end(() => this.call.failed(`HTTP ${this.response.status}: not JSON`));
    }
    remember(body?.id, this.call.decision);
    this.#end(() => this.call.succeeded(body, { responseBody: raw }));
  }

  #refused() {
    const { status, headers } = this.response;
    let name = "error";
    try {
      name = failureName(JSON.parse(Buffer.concat(this.#chunks).toString("utf8")));
    } catch {
      // no JSON: no name
    }
    this.#end(() => this.call.failedAttempt(`HTTP ${status}: ${name}`, mayRepeat(status, headers), retryAfterMs(headers)));
  }

  #end(show) {
    this.#over = true;
    this.#chunks = [];
    show();
  }

  #safely(step) {
    if (this.#over) return;
    try {
      step();
    } catch {
      this.#over = true;
      this.call.observer.fault();
    }
  }
}

/** The same response; its bytes are seen as the agent reads them. */
function watched(call, response, headers) {
  const watch = new Watch(call, response);
  if (response.body === null) {
    watch.finish();
    return response;
  }
  const reader = response.body.getReader();
  const stream = new ReadableStream(
    {
      async pull(controller) {
        let step;
        try {
          step = await reader.read();
        } catch (problem) {
          watch.broke(problem);
          return controller.error(problem);
        }
        if (step.done) {
          watch.finish();
          return controller.close();
        }
        watch.feed(step.value);
        controller.enqueue(step.value);
      },
      cancel(reason) {
        watch.closed();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  const same = new Response(stream, { status: response.status, statusText: response.statusText, headers: headers ?? response.headers });
  Object.defineProperty(same, "url", { value: response.url });
  Object.defineProperty(same, "redirected", { value: response.redirected });
  return same;
}

/** The parts of a request that count, or null where it is none of ours. */
async function readRequest(observer, input, init) {
  const isRequest = typeof Request !== "undefined" && input instanceof Request;
  if ((init?.method ?? (isRequest ? input.method : "GET")).toUpperCase() !== "POST") return null;
  const url = new URL(isRequest ? input.url : String(input));
  const api = APIS.find(({ ending }) => url.pathname.endsWith(ending));
  if (!api) return null;
  const headers = new Headers(init?.headers ?? (isRequest ? input.headers : undefined));
  let body = init?.body;
  if (body === undefined && isRequest) body = await input.clone().text();
  if (ArrayBuffer.isView(body)) body = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
  else if (body instanceof ArrayBuffer) body = Buffer.from(body).toString("utf8");
  if (typeof body !== "string") {
    observer.drop("body_not_read"); // a stream, which may be read once only
    return null;
  }
  return { api, headers, body };
}

/**
 * A `fetch` for `new OpenAI({ fetch })`, `new Anthropic({ fetch })` or an agent's own use, which shows model calls to the router.
 * With `decideMs` it asks first and returns a local answer as the provider's, whole or streamed as asked.
 */
export function shadowFetch({ observer, classify, decideMs, followAdvice = false, fetch: inner = undefined } = {}) {
  const audits = new Set();
  const line = observer ?? defaultObserver();
  const outer = inner ?? ((...given) => globalThis.fetch(...given));

  function begin(read) {
    const given = {};
    for (const [name, value] of [...read.headers]) {
      if (!name.startsWith("x-shadow-")) continue;
      given[name.slice(9).replaceAll("-", "_")] = value;
      read.headers.delete(name);
    }
    read.stripped = Object.keys(given).length > 0;
    const count = read.headers.get("x-stainless-retry-count");
    const attempt = count !== null && /^\d+$/.test(count) ? Number(count) : null;
    for (const [known, park] of line.parked) {
      if (known.body === read.body && known.attempt + 1 === attempt) {
        clearTimeout(park.timer);
        line.parked.delete(known);
        known.attempt = attempt;
        return { call: known, fields: null };
      }
    }
    const request = JSON.parse(read.body);
    if (!isObject(request)) {
      line.drop("body_not_object");
      return null;
    }
    const fields = { ...said(request), ...contexts.getStore() };
    if (read.headers.has("traceparent")) fields.traceparent ??= read.headers.get("traceparent");
    for (const name of TEXT_FIELDS) if (given[name] !== undefined) fields[name] = given[name];
    const call = new Call(line, read.api, read.body, request, attempt, given.call_id ? idOf(given.call_id) : freshId());
    return { call, fields };
  }

  function said(request) {
    if (!classify) return {};
    try {
      const fields = classify(request);
      return typeof fields === "string" ? { task_type: fields } : fields ?? {};
    } catch {
      line.fault();
      return {};
    }
  }

  /** A local answer's response, or null where the frontier is called. */
  async function ask(call, fields, began) {
    if (!mayAsk(call.api, call.request)) {
      call.decision = decisionFor(call.callId, "not_askable");
      remember(call.callId, call.decision);
      call.shown = line.put(line.callFrame(call.callId, { ...fields, requestBody: call.body }));
      return null;
    }
    const frame = line.callFrame(call.callId, { ...fields, requestBody: call.body });
    const { decision, sent } = await new Asking(line, call.callId, frame, began, decideMs).run();
    call.shown = sent;
    call.decision = decision;
    let response = null;
    if (decision.local) {
      try {
        const type = call.request.stream ? "text/event-stream; charset=utf-8" : "application/json";
        const headers = { "content-type": type, "x-request-id": call.callId, "request-id": call.callId, ...routeHeaders(decision) };
        response = new Response(call.api.answer(decision, call.request), { status: 200, headers });
        remember(call.api.prefix + call.callId, decision);
      } catch (problem) {
        if (!(problem instanceof Unfit)) line.fault();
        line.answeredLocally(-1);
        line.undecided("unfit");
        call.decision = decisionFor(call.callId, "unfit");
      }
    }
    remember(call.callId, call.decision);
    return response;
  }

  function audit(call, input, init) {
    if (audits.size >= AUDITS) return void line.drop("audit_busy");
    call.isAudit = true;
    call.started = now();
    const { signal, ...rest } = init ?? {};
    const run = (async () => {
      try {
        const response = watched(call, await outer(input, rest));
        for await (const _ of response.body ?? []);
      } catch (problem) {
        call.failed(text(problem?.name ?? "Error", 100));
      } finally {
        audits.delete(run);
      }
    })();
    audits.add(run);
  }

  return async function fetch(input, init) {
    const began = now();
    let begun = null;
    let response = null;
    try {
      const read = await readRequest(line, input, init);
      if (read !== null) {
        begun = begin(read);
        if (read.stripped) init = { ...init, headers: read.headers };
        if (begun !== null) {
          if (begun.fields !== null && decideMs === undefined) {
            begun.call.shown = line.put(line.callFrame(begun.call.callId, { ...begun.fields, requestBody: read.body }));
          } else if (begun.fields !== null) {
            const again = typeof Request !== "undefined" && input instanceof Request ? input.clone() : input;
            response = await ask(begun.call, begun.fields, began);
            if (response !== null && begun.call.decision.audit) audit(begun.call, again, init);
          }
          if (response === null && followAdvice) init = advised(begun.call, init);
        }
      }
    } catch {
      line.fault();
    }
    if (response !== null) return response;
    if (begun === null) return outer(input, init);
    const { call } = begun;
    try {
      response = await outer(input, init);
    } catch (problem) {
      call.failedAttempt(text(problem?.name ?? "Error", 100), true);
      throw problem;
    }
    try {
      return watched(call, response, call.decision && marked(call, response, followAdvice));
    } catch {
      line.fault();
      return response;
    }
  };
}

const routeHeaders = (decision) => ({ "x-shadow-router-route": decision.outcome, "x-shadow-router-call-id": decision.callId });

/** The frontier's headers with the route on them, and with the SDK told to stop where the router advises so. */
function marked(call, response, followAdvice) {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(routeHeaders(call.decision))) headers.set(name, value);
  if (followAdvice && response.status >= 400 && !mayTryAgain(call.decision, call.attempt ?? 0, response.status)) headers.set("x-should-retry", "false");
  return headers;
}

function mayTryAgain({ maxAttempts, retryOn }, attempt, status) {
  if (Number.isInteger(maxAttempts) && attempt + 1 >= maxAttempts) return false;
  const kind = status === 429 ? "rate_limit" : status === 408 ? "timeout" : status >= 500 ? "server_error" : null;
  return kind === null || !retryOn?.length || retryOn.includes(kind);
}

/** The SDK's own repetitions go through the advised model, its fallbacks and, with `frontier_default`, at the end the model as given. */
function advised(call, init) {
  const { decision, request } = call;
  if (decision === null || decision.problem !== null || typeof init?.body !== "string") return init;
  const models = [decision.model, ...(decision.fallbacks ?? [])].filter((name) => typeof name === "string" && name);
  if (!models.length) return init;
  const attempt = call.attempt ?? 0;
  const isLast = decision.maxAttempts > 1 && attempt >= decision.maxAttempts - 1;
  const model =
    decision.onExhausted === "frontier_default" && (isLast || attempt >= models.length) ? request.model : models[Math.min(attempt, models.length - 1)];
  if (model === request.model) return init;
  const headers = new Headers(init.headers);
  headers.delete("content-length");
  return { ...init, headers, body: JSON.stringify({ ...request, model }) };
}
