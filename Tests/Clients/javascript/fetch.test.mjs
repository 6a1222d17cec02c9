// The fetch wrapper, on requests as the SDKs make them, against a frontier on loopback: the agent reads what it always read, the tap
// sees each call once and whole, and in live mode a local answer has the provider's own form.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Observer, decisionOf, routeOf, shadowFetch, withContext } from "../../../deploy/clients/javascript/shadow-router.mjs";
import { ASK, BODIES, CHAT, KINDS, MESSAGE, PATHS, STREAMS, TOOL, TOOLS, ask, decision, requestOf, sleep, startFrontier, startTap } from "./support.mjs";

const FAST = { "retry-after-ms": "20" };

/** `said`: null observes; else the members of the router's decision, or a function. */
async function scene(said, script, work, options = {}) {
  const answer = said === null ? null : typeof said === "function" ? said : (frame) => decision(frame, said);
  const tap = await startTap({ answer });
  const frontier = await startFrontier(...script);
  const observer = new Observer(tap.path, { agent: "tester" });
  const fetch = shadowFetch({ observer, ...(said === null ? {} : { decideMs: 2000 }), ...options });
  try {
    return await work({ tap, frontier, observer, fetch });
  } finally {
    await observer.close(0);
    await frontier.close();
    await tap.close();
  }
}

async function pair(tap) {
  const frames = await tap.wait(2);
  assert.deepEqual(frames.map((frame) => frame.kind), ["call", "answer"]);
  assert.equal(frames[0].call_id, frames[1].call_id);
  assert.ok(!JSON.stringify(frames).includes("sk-secret"));
  return frames;
}

/** Events of a streamed body, decoded. */
async function eventsOf(response) {
  const body = await response.text();
  return body.split("\n\n").filter(Boolean).map((event) => event.replace(/^(event: .*\n)?data: /, "")).filter((data) => data !== "[DONE]").map((data) => JSON.parse(data));
}

for (const kind of KINDS) {
  test(`${kind}: whole answers pass unchanged and are shown`, () =>
    scene(null, [[200, { "x-request-id": "q" }, JSON.stringify(BODIES[kind], null, 2)]], async ({ tap, frontier, fetch }) => {
      const response = await withContext({ run_id: "r" }, () => ask(fetch, frontier, kind, {}, 0, { "x-shadow-task-type": "triage" }));
      assert.deepEqual([response.status, response.headers.get("x-request-id"), response.url.startsWith(frontier.url)], [200, "q", true]);
      assert.equal(await response.text(), JSON.stringify(BODIES[kind], null, 2));
      const [call, answer] = await pair(tap);
      assert.deepEqual([call.task_type, call.run_id, call.agent, call.request], ["triage", "r", "tester", requestOf(kind)]);
      assert.deepEqual(answer.response, BODIES[kind]);
      assert.ok(answer.usage.input_tokens > 0 && answer.latency_ms >= 0);
      assert.equal(frontier.seen[0].headers["x-shadow-task-type"], undefined, "our headers do not leave");
      assert.equal(frontier.seen[0].headers.authorization, "Bearer sk-secret");
      assert.equal(routeOf(response), null);
    }));

  test(`${kind}: streams pass unchanged, however cut, and are shown whole`, async () => {
    const whole = STREAMS[kind].join("");
    const bytes = Buffer.from(whole);
    const cuts = [STREAMS[kind], [whole], Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => bytes.subarray(7 * i, 7 * i + 7)), [whole.replaceAll("\n", "\r\n")]];
    for (const chunks of cuts) {
      await scene(null, [[200, {}, chunks]], async ({ tap, frontier, fetch }) => {
        const text = await (await ask(fetch, frontier, kind, { stream: true })).text();
        assert.equal(text.replaceAll("\r\n", "\n"), whole);
        const [, answer] = await pair(tap);
        assert.equal(answer.error, undefined);
        if (kind === "chat") {
          const { message, finish_reason } = answer.response.choices[0];
          assert.deepEqual([message.content, message.tool_calls, finish_reason], ["hello", [{ id: "t", type: "function", function: { name: "f", arguments: '{"a":1}' } }], "tool_calls"]);
          assert.deepEqual(answer.usage, { input_tokens: 7, output_tokens: 2 });
        } else assert.deepEqual(answer.response, BODIES[kind]);
      });
    }
  });

  test(`${kind}: a local answer, whole`, () =>
    scene({ answer: 'crash ü\u2028"', model: "small", confidence: 0.9 }, [[500, {}, ""]], async ({ tap, frontier, fetch }) => {
      const response = await ask(fetch, frontier, kind);
      const { callId } = decisionOf(response);
      assert.deepEqual([response.headers.get("x-shadow-router-route"), routeOf(response), response.headers.get("x-request-id")], ["local", "local", callId]);
      const body = await response.json();
      const said = { chat: () => body.choices[0].message.content, responses: () => body.output[0].content[0].text, messages: () => body.content[0].text }[kind]();
      assert.deepEqual([said, body.model, routeOf(body), decisionOf(body).confidence], ['crash ü\u2028"', "small", "local", 0.9]);
      assert.equal(frontier.seen.length, 0);
      assert.deepEqual((await tap.wait(2, 50)).map((frame) => frame.kind), ["call"]);
    }));

  test(`${kind}: a local answer, streamed, is what our own reader puts together`, () =>
    scene({ answer: "crash", model: "small" }, [[500, {}, ""]], async ({ frontier, fetch }) => {
      const response = await ask(fetch, frontier, kind, { stream: true, stream_options: { include_usage: true } });
      assert.equal(routeOf(response), "local");
      const events = await eventsOf(response);
      assert.equal(routeOf(events[0]), "local");
      if (kind === "chat") {
        assert.equal(events.map((event) => event.choices[0]?.delta.content ?? "").join(""), "crash");
        assert.deepEqual([events.at(-2).choices[0].finish_reason, events.at(-1).usage.total_tokens], ["stop", 0]);
      } else if (kind === "responses") {
        assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, i) => i));
        assert.deepEqual([events.at(-1).type, events.at(-1).response.output[0].content[0].text], ["response.completed", "crash"]);
      } else {
        assert.deepEqual(events.map((event) => event.type), ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"]);
      }
    }));

  test(`${kind}: a tool is really called, whole and streamed`, () =>
    scene({ answer: TOOL }, [[500, {}, ""]], async ({ frontier, fetch }) => {
      const body = await (await ask(fetch, frontier, kind, { tools: TOOLS[kind] })).json();
      const called = {
        chat: () => [body.choices[0].message.tool_calls[0].function.name, JSON.parse(body.choices[0].message.tool_calls[0].function.arguments), body.choices[0].finish_reason],
        responses: () => [body.output[0].name, JSON.parse(body.output[0].arguments), "tool_calls"],
        messages: () => [body.content[0].name, body.content[0].input, body.stop_reason === "tool_use" ? "tool_calls" : body.stop_reason],
      }[kind]();
      assert.deepEqual(called, ["look_up", TOOL.arguments, "tool_calls"]);
      const events = await eventsOf(await ask(fetch, frontier, kind, { tools: TOOLS[kind], stream: true }));
      const args = {
        chat: () => events.map((event) => event.choices[0].delta.tool_calls?.[0].function.arguments ?? "").join(""),
        responses: () => events.find((event) => event.type === "response.function_call_arguments.done").arguments,
        messages: () => events.find((event) => event.type === "content_block_delta").delta.partial_json,
      }[kind]();
      assert.deepEqual(JSON.parse(args), TOOL.arguments);
    }));

  test(`${kind}: the frontier by the router's word, escalated visible`, async () => {
    const packet = { task: "t", local_output: "cr", reason: "confidence_low" };
    for (const [reply, route] of [[{ reason: "hard_stop_access" }, "frontier"], [{ reason: "confidence_low", escalation: packet }, "escalated"], [{}, "frontier"]]) {
      await scene(reply, [[200, {}, BODIES[kind]]], async ({ tap, frontier, fetch }) => {
        const response = await ask(fetch, frontier, kind);
        assert.equal(response.headers.get("x-shadow-router-route"), route);
        assert.equal(routeOf(await response.json()), route);
        assert.deepEqual((await pair(tap))[1].response, BODIES[kind]);
      });
      await scene(reply, [[200, {}, STREAMS[kind]]], async ({ tap, frontier, fetch }) => {
        const events = await eventsOf(await ask(fetch, frontier, kind, { stream: true }));
        assert.equal(routeOf(events[0]), route);
        await pair(tap);
      });
    }
  });
}

test("any trouble with the router: the frontier, and the call is shown all the same", async () => {
  for (const said of [() => "", () => "?\n", () => null]) {
    await scene(said, [[200, {}, CHAT]], async ({ tap, frontier, fetch }) => {
      const response = await ask(fetch, frontier, "chat");
      assert.deepEqual([await response.json(), routeOf(response)], [CHAT, "frontier"]);
      await pair(tap);
    }, { decideMs: 50 });
  }
  const frontier = await startFrontier([200, {}, CHAT]);
  for (const decideMs of [undefined, 50]) {
    const observer = new Observer("/nonexistent/tap.sock");
    for (let i = 0; i < 3; i += 1) assert.deepEqual(await (await ask(shadowFetch({ observer, decideMs }), frontier, "chat")).json(), CHAT);
    await sleep(20);
    const { sent, dropped } = observer.counters();
    assert.deepEqual([sent, dropped], [0, 6]);
  }
  await frontier.close();
});

test("answers that do not fit the request, and requests that none could serve", async () => {
  const shape = { type: "json_schema", json_schema: { name: "x", schema: {} } };
  const table = [
    ["chat", "a text", { tools: TOOLS.chat, tool_choice: "required" }, "unfit"],
    ["chat", "a text", { tools: TOOLS.chat, tool_choice: { type: "function", function: { name: "look_up" } } }, "unfit"],
    ["chat", { name: "delete_all", arguments: {} }, { tools: TOOLS.chat, tool_choice: "required" }, "unfit"],
    ["chat", "a text", { response_format: shape }, "unfit"],
    ["responses", "a text", { text: { format: { type: "json_object" } } }, "unfit"],
    ["messages", "a text", { tools: TOOLS.messages, tool_choice: { type: "any" } }, "unfit"],
    ["messages", "a text", { tools: TOOLS.messages, tool_choice: { type: "tool", name: "look_up" } }, "unfit"],
    ["chat", "x", { n: 2 }, "not_askable"],
    ["chat", "x", { logprobs: true }, "not_askable"],
    ["responses", "x", { background: true }, "not_askable"],
  ];
  for (const [kind, answer, more, problem] of table) {
    await scene({ answer }, [[200, {}, BODIES[kind]]], async ({ tap, frontier, observer, fetch }) => {
      const response = await ask(fetch, frontier, kind, more);
      assert.deepEqual([await response.json(), routeOf(response), decisionOf(response).problem], [BODIES[kind], "frontier", problem]);
      assert.equal(observer.counters().local, 0);
      await pair(tap);
    });
  }
});

test("an audit goes to the frontier behind the agent's back", async () => {
  for (const kind of KINDS) {
    await scene({ answer: "crash", audit: true }, [[200, {}, [200, ...STREAMS[kind]]]], async ({ tap, frontier, fetch }) => {
      const response = await ask(fetch, frontier, kind, { stream: true });
      await response.text();
      assert.deepEqual([routeOf(response), tap.frames.length], ["local", 1], "nobody waits for it");
      const [, answer] = await pair(tap);
      assert.ok(JSON.stringify(answer.response).includes("hello"));
      assert.equal(frontier.seen.length, 1);
    });
  }
  await scene({ answer: "crash", audit: true }, [[429, {}, { error: { type: "rate_limit_error", message: "secret" } }]], async ({ tap, frontier, fetch }) => {
    await ask(fetch, frontier, "chat");
    assert.equal((await pair(tap))[1].error, "HTTP 429: rate_limit_error");
  });
});

test("the attempts of one call are one call and one question", async () => {
  for (const said of [null, {}]) {
    await scene(said, [[429, FAST, {}], [0, {}, ""], [200, {}, CHAT]], async ({ tap, frontier, fetch }) => {
      assert.equal((await ask(fetch, frontier, "chat", {}, 0).then(async (response) => (await response.text(), response))).status, 429);
      await assert.rejects(ask(fetch, frontier, "chat", {}, 1));
      assert.deepEqual(await (await ask(fetch, frontier, "chat", {}, 2)).json(), CHAT);
      const [, answer] = await pair(tap);
      assert.deepEqual(answer.response, CHAT);
      assert.equal((await tap.wait(3, 50)).length, 2);
    });
  }
});

test("a failure that nobody repeats is shown at close, one that no SDK repeats at once; neither with the provider's text", () =>
  scene(null, [[429, FAST, { error: { type: "rate_limit_error", message: "secret" } }], [400, {}, { error: { type: "bad", message: "secret" } }]], async ({ tap, frontier, observer, fetch }) => {
    await (await ask(fetch, frontier, "chat")).text();
    await (await ask(fetch, frontier, "chat", { temperature: 1 })).text();
    assert.equal((await tap.wait(3))[2].error, "HTTP 400: bad");
    await observer.close();
    assert.equal((await tap.wait(4))[3].error, "HTTP 429: rate_limit_error");
    assert.ok(!JSON.stringify(tap.frames).includes("secret"));
  }));

test("a stream that the agent leaves, and one that breaks, tell what is known", async () => {
  await scene(null, [[200, {}, [STREAMS.chat[0], STREAMS.chat[1], 300, ...STREAMS.chat.slice(2)]]], async ({ tap, frontier, fetch }) => {
    const reader = (await ask(fetch, frontier, "chat", { stream: true })).body.getReader();
    let seen = "";
    while (!seen.includes("hel")) seen += Buffer.from((await reader.read()).value).toString();
    await reader.cancel();
    const [, answer] = await pair(tap);
    assert.deepEqual([answer.error, answer.response.choices[0].message.content], ["HTTP 200: stream closed early", "hel"]);
  });
  await scene(null, [[200, {}, [STREAMS.messages[0], STREAMS.messages[1], STREAMS.messages[2], 50, null]]], async ({ tap, frontier, fetch }) => {
    await assert.rejects((await ask(fetch, frontier, "messages", { stream: true })).text());
    const [, answer] = await pair(tap);
    assert.deepEqual([answer.error.startsWith("HTTP 200: "), answer.response.content[0].text], [true, "hel"]);
  });
  await scene(null, [[200, {}, [300, ...STREAMS.chat]]], async ({ tap, frontier, fetch }) => {
    const aborting = new AbortController();
    const asked = fetch(frontier.url + PATHS.chat, { method: "POST", body: JSON.stringify(requestOf("chat")), signal: aborting.signal }).then((response) => response.text());
    setTimeout(() => aborting.abort(), 50);
    await assert.rejects(asked, { name: "AbortError" });
    assert.match((await pair(tap))[1].error, /AbortError/);
  });
});

test("other requests, Request objects, bytes and streams as bodies", () =>
  scene(null, [[200, {}, CHAT]], async ({ tap, frontier, observer, fetch }) => {
    await fetch(frontier.url + "/v1/models");
    await fetch(frontier.url + "/v1/embeddings", { method: "POST", body: "{}" });
    assert.equal(observer.counters().waiting + observer.counters().sent, 0);
    const body = JSON.stringify(requestOf("chat"));
    for (const make of [
      () => fetch(new Request(frontier.url + PATHS.chat, { method: "POST", body })),
      () => fetch(new URL(frontier.url + PATHS.chat), { method: "post", body: new TextEncoder().encode(body) }),
      () => fetch(frontier.url + PATHS.chat, { method: "POST", body: new TextEncoder().encode(body).buffer }),
    ]) await (await make()).text();
    assert.deepEqual((await tap.wait(6)).map((frame) => frame.kind), ["call", "answer", "call", "answer", "call", "answer"]);
    assert.ok(tap.frames.every((frame) => frame.kind !== "call" || frame.request.messages[0].content === ASK[0].content));
    const stream = new ReadableStream({ start: (controller) => (controller.enqueue(new TextEncoder().encode(body)), controller.close()) });
    assert.equal((await fetch(frontier.url + PATHS.chat, { method: "POST", body: stream, duplex: "half" })).status, 200);
    assert.equal((await fetch(frontier.url + PATHS.chat, { method: "POST", body: "not json" })).status, 200);
    assert.deepEqual([observer.counters().dropped_by_cause, observer.counters().internal_errors], [{ body_not_read: 1 }, 1]);
    assert.equal(frontier.seen.at(-1).body, "not json");
  }));

test("a classifier gives fields and may fail", () =>
  scene(null, [[200, {}, MESSAGE]], async ({ tap, frontier, observer }) => {
    for (const classify of [() => "triage", () => ({ task_type: "triage", bogus: 1 }), () => null.x]) {
      await (await ask(shadowFetch({ observer, classify }), frontier, "messages")).text();
    }
    const calls = (await tap.wait(6)).filter((frame) => frame.kind === "call");
    assert.deepEqual(calls.map((call) => [call.task_type, call.bogus]), [["triage", undefined], ["triage", undefined], [undefined, undefined]]);
    assert.equal(observer.counters().internal_errors, 1);
  }));

test("advice is followed only where wanted: models, attempts, the end", async () => {
  const advice = { model: "gpt-a", fallbacks: ["gpt-b"], retry_on: ["rate_limit"], max_attempts: 3, on_exhausted: "frontier_default" };
  for (const followAdvice of [false, true]) {
    await scene(advice, [[429, FAST, {}], [429, FAST, {}], [429, FAST, {}]], async ({ frontier, fetch }) => {
      const told = [];
      for (let attempt = 0; attempt < 3; attempt += 1) {
        const response = await ask(fetch, frontier, "chat", {}, attempt);
        await response.text();
        told.push(response.headers.get("x-should-retry"));
      }
      assert.deepEqual(frontier.seen.map((request) => JSON.parse(request.body).model), followAdvice ? ["gpt-a", "gpt-b", "gpt-x"] : ["gpt-x", "gpt-x", "gpt-x"]);
      assert.deepEqual(told, followAdvice ? [null, null, "false"] : [null, null, null]);
    }, { followAdvice });
  }
});
