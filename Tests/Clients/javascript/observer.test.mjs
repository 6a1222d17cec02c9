// The observer and `decide`: what arrives, what is counted, every kind of trouble.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Observer, withContext } from "../../../deploy/clients/javascript/shadow-router.mjs";
import { decision, sleep, startTap } from "./support.mjs";

const MODULE = fileURLToPath(new URL("../../../deploy/clients/javascript/shadow-router.mjs", import.meta.url));
const LOCAL = { answer: "crash", label: "crash", confidence: 0.97, model: "small", audit: false };
const SLACK = 60;

async function beside(options, work) {
  const tap = await startTap(options);
  const observer = new Observer(tap.path, { agent: "tester" });
  try {
    return await work(tap, observer);
  } finally {
    await observer.close(0);
    await tap.close();
  }
}

test("frames arrive whole, numbered and in order", () =>
  beside({}, async (tap, observer) => {
    const id = withContext({ run_id: "r", tenant: "outer" }, () => withContext({ tenant: "inner" }, () => observer.observe({ input: "a\n\"b\" ü\ud83d\ude00", task_type: "t" })));
    observer.observe({ callId: "c2", requestBody: '{"model":"m",\n"messages":[]}' });
    assert.equal(observer.observeAnswer(id, { output: "x", label: "l", inputTokens: 3, latencyMs: 4.4, model: "m" }), true);
    observer.outcome({ runId: "r", result: "success" });
    const frames = await tap.wait(4);
    assert.deepEqual(frames.map((frame) => [frame.n, frame.kind]), [[1, "call"], [2, "call"], [3, "answer"], [4, "outcome"]]);
    assert.deepEqual([frames[0].input, frames[0].agent, frames[0].run_id, frames[0].tenant, frames[0].call_id], ["a\n\"b\" ü\ud83d\ude00", "tester", "r", "inner", id]);
    assert.deepEqual(frames[1].request, { model: "m", messages: [] });
    assert.deepEqual([frames[2].usage, frames[2].latency_ms], [{ input_tokens: 3 }, 4]);
    assert.deepEqual(tap.bad, []);
    const counters = observer.counters();
    assert.deepEqual([counters.sent, counters.dropped, counters.connects], [4, 0, 1]);
  }));

test("long values are cut, long ids become their digest, senseless ones are counted", () =>
  beside({}, async (tap, observer) => {
    observer.observe({ callId: "x".repeat(500), input: "i", tenant: "\ud83d\ude00".repeat(300) });
    observer.observe({ callId: "y", input: "\ud800", bogus: 1, reply: true });
    const loop = {};
    loop.loop = loop;
    observer.observe({ request: loop });
    observer.observe({ input: "x".repeat(1 << 20) });
    const [first, second] = await tap.wait(2);
    assert.equal(first.call_id.length, 64);
    assert.equal([...first.tenant].length, 256);
    assert.equal(second.reply, undefined);
    assert.deepEqual(observer.counters().dropped_by_cause, { unencodable: 1, too_large: 1 });
  }));

test("without a router nothing is thrown and everything is counted", async () => {
  const observer = new Observer("/nonexistent/tap.sock");
  for (let i = 0; i < 5; i += 1) observer.observe({ input: "x" });
  await sleep(50);
  for (let i = 0; i < 5; i += 1) observer.observe({ input: "x" });
  await sleep(20);
  const { sent, dropped, waiting } = observer.counters();
  assert.deepEqual([sent, dropped, waiting], [0, 10, 0]);
});

test("a router that does not read costs memory up to a limit, and never time", () =>
  beside({ reading: false }, async (tap, observer) => {
    const text = "x".repeat(100_000);
    for (let i = 0; i < 200; i += 1) observer.observe({ input: text });
    await sleep(50);
    for (let i = 0; i < 200; i += 1) observer.observe({ input: text });
    const { sent, dropped, waiting, dropped_by_cause } = observer.counters();
    assert.equal(sent + dropped + waiting, 400);
    assert.ok(dropped_by_cause.full > 200 && waiting * 100_000 <= 5 << 20, JSON.stringify(observer.counters()));
  }));

test("a restarted router is found again, what was lost is counted", async () => {
  const tap = await startTap();
  const observer = new Observer(tap.path);
  observer.observe({ input: "1" });
  await tap.wait(1);
  for (const socket of tap.sockets) socket.destroy();
  await sleep(50);
  observer.observe({ input: "2" }); // within the second after the last connection attempt
  await sleep(1000);
  observer.observe({ input: "3" });
  const frames = await tap.wait(2);
  assert.deepEqual([frames[1].input, frames[1].n, frames[1].connection], ["3", 2, 2], "the lost one is a gap in the numbers");
  const { sent, dropped } = observer.counters();
  assert.deepEqual([sent, dropped], [2, 1]);
  await observer.close(0);
  await tap.close();
});

test("a process that only observes ends by itself, its frames sent", () =>
  beside({}, async (tap) => {
    const script = `import { Observer } from ${JSON.stringify(MODULE)}; new Observer(${JSON.stringify(tap.path)}).observe({ input: "last words" });`;
    const done = await new Promise((resolve) => {
      import("node:child_process").then(({ execFile }) => execFile(process.execPath, ["--input-type=module", "-e", script], { timeout: 10_000 }, (problem, out, err) => resolve([problem, err])));
    });
    assert.deepEqual(done, [null, ""]);
    assert.equal((await tap.wait(1))[0].input, "last words");
  }));

test("the file needs nothing but Node", () => {
  assert.equal(spawnSync(process.execPath, ["--check", MODULE]).status, 0);
});

test("decide: a local answer, the frontier with advice, escalated", () =>
  beside({ answer: (frame) => decision(frame, LOCAL) }, async (tap, observer) => {
    for (let i = 0; i < 3; i += 1) {
      const said = await observer.decide({ input: "it crashes", task_type: "t", deadlineMs: 2000 });
      assert.deepEqual([said.local, said.outcome, said.answer, said.confidence, said.problem], [true, "local", "crash", 0.97, null]);
    }
    assert.deepEqual(tap.frames.map((frame) => [frame.n, frame.reply, frame.connection, frame.deadline_ms < 2000]), [[1, true, 1, true], [2, true, 1, true], [3, true, 1, true]]);
    const packet = { task: "t", local_output: "cr", reason: "confidence_low" };
    tap.answer = (frame) => decision(frame, { reason: "confidence_low", model: "gpt-x", fallbacks: ["y"], retry_on: ["timeout"], max_attempts: 3, on_exhausted: "error", escalation: packet });
    const said = await observer.decide({ input: "x", deadlineMs: 2000 });
    assert.deepEqual([said.outcome, said.model, said.fallbacks, said.retryOn, said.maxAttempts, said.onExhausted, said.escalation], ["escalated", "gpt-x", ["y"], ["timeout"], 3, "error", packet]);
    tap.answer = (frame) => decision(frame, { reason: "hard_stop_access", escalation: { task: "t", local_output: null, reason: "hard_stop_access" } });
    assert.equal((await observer.decide({ input: "x", deadlineMs: 2000 })).outcome, "frontier");
    const { asked, sent, local } = observer.counters();
    assert.deepEqual([asked, sent, local], [5, 5, 3]);
  }));

test("decide: many at once each get their own answer", () =>
  beside({ answer: (frame) => decision(frame, { answer: frame.input }) }, async (tap, observer) => {
    const said = await Promise.all(Array.from({ length: 200 }, (_, i) => observer.decide({ input: String(i), deadlineMs: 5000 })));
    assert.deepEqual(said.map((one) => one.answer), Array.from({ length: 200 }, (_, i) => String(i)));
  }));

const other = (frame, members) => JSON.stringify({ kind: "decision", call_id: frame.call_id, route: "local", answer: "a", reason: null, ...members }) + "\n";
const TROUBLE = [
  ["closed", () => ""],
  ["garbage", () => "hello\n"],
  ["garbage", () => "null\n"],
  ["garbage", () => "x".repeat((4 << 20) + 1)],
  ["garbage", (frame) => decision(frame, LOCAL) + decision(frame, LOCAL)],
  ["garbage", (frame) => other(frame, { call_id: "another" })],
  ["garbage", (frame) => other(frame, { call_id: null })],
  ["garbage", (frame) => other(frame, { kind: "pong" })],
  ["garbage", (frame) => other(frame, { route: "LOCAL" })],
  ["garbage", (frame) => other(frame, { answer: null })],
  ["garbage", (frame) => other(frame, { reason: "confidence_low" })],
  ["refused", () => '{"kind":"error","call_id":"c","code":"duplicate_call","message":"m"}\n'],
  ["late", (frame) => decision(frame, LOCAL).trimEnd()],
  ["late", () => null],
];

for (const [at, [cause, answer]] of TROUBLE.entries()) {
  test(`decide: trouble ${at} is ${cause}, the frontier, in time`, () =>
    beside({ answer }, async (tap, observer) => {
      const deadlineMs = cause === "late" ? 60 : 2000;
      const start = performance.now();
      const said = await observer.decide({ input: "x", deadlineMs });
      assert.ok(performance.now() - start < deadlineMs + SLACK);
      assert.deepEqual([said.route, said.problem], ["frontier", cause]);
      assert.equal(observer.lines.length, 0, "no such connection is used again");
    }));
}

test("decide: no socket, senseless deadlines, too large", async () => {
  assert.equal((await new Observer("/nonexistent/tap.sock").decide({ input: "x" })).problem, "no_socket");
  await beside({ answer: () => null }, async (tap, observer) => {
    for (const deadlineMs of ["soon", NaN, -1, 0]) assert.equal((await new Observer(tap.path).decide({ input: "x", deadlineMs })).route, "frontier");
    assert.equal((await observer.decide({ input: "x".repeat(1 << 20) })).problem, "too_large");
    assert.equal((await observer.decide({ request: 1n })).problem, "internal");
  });
});

test("decide: a late reply is never taken for another's", () =>
  beside({}, async (tap, observer) => {
    let first = true;
    tap.answer = (frame) => {
      if (!first) return decision(frame, { answer: "its own" });
      first = false;
      setTimeout(() => [...tap.sockets].forEach((socket) => socket.write(decision(frame, { answer: "the first one's" }))), 100);
      return null;
    };
    assert.equal((await observer.decide({ input: "x", deadlineMs: 40 })).problem, "late");
    await sleep(120);
    assert.equal((await observer.decide({ input: "y", deadlineMs: 2000 })).answer, "its own");
  }));

test("decide: a stalled router is left alone after three questions", () =>
  beside({ answer: () => null }, async (tap, observer) => {
    const said = [];
    for (let i = 0; i < 6; i += 1) said.push((await observer.decide({ input: "x", deadlineMs: 20 })).problem);
    assert.deepEqual(said, ["late", "late", "late", "resting", "resting", "resting"]);
    assert.equal((await tap.wait(6)).filter((frame) => !frame.reply).length, 3, "those calls are shown all the same");
    observer.rest.until = 0;
    tap.answer = (frame) => decision(frame, LOCAL);
    assert.equal((await observer.decide({ input: "x", deadlineMs: 2000 })).local, true);
  }));

test("decide: a router that was started again is found by the next question", async () => {
  const first = await startTap({ answer: (frame) => decision(frame, LOCAL) });
  const observer = new Observer(first.path);
  assert.equal((await observer.decide({ input: "x", deadlineMs: 2000 })).local, true);
  for (const socket of first.sockets) socket.destroy();
  await sleep(20);
  assert.equal((await observer.decide({ input: "x", deadlineMs: 2000 })).local, true);
  await observer.close(0);
  await first.close();
});
