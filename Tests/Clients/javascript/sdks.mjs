// The real `openai` and `@anthropic-ai/sdk` on the wrapped fetch: their own types, whole and streamed, from the frontier and local.
// Run by run.sh --sdks; SHADOW_ROUTER_NODE_MODULES names the folder that has them.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";

import { Observer, routeOf, shadowFetch } from "../../../deploy/clients/javascript/shadow-router.mjs";
import { BODIES, KINDS, STREAMS, TOOL, TOOLS, decision, requestOf, startFrontier, startTap } from "./support.mjs";

const require = createRequire(join(process.env.SHADOW_ROUTER_NODE_MODULES ?? ".", "x.js"));
const OpenAI = require("openai").default ?? require("openai");
const Anthropic = require("@anthropic-ai/sdk").default ?? require("@anthropic-ai/sdk");

const make = (kind, frontier, fetch) =>
  kind === "messages" ? new Anthropic({ apiKey: "k", baseURL: frontier.url, fetch }) : new OpenAI({ apiKey: "k", baseURL: frontier.url + "/v1", fetch });
const call = (client, kind, more) => {
  const request = requestOf(kind, more);
  return kind === "chat" ? client.chat.completions.create(request) : kind === "responses" ? client.responses.create(request) : client.messages.create(request);
};

async function scene(said, script, work) {
  const tap = await startTap({ answer: said && ((frame) => decision(frame, said)) });
  const frontier = await startFrontier(...script);
  const observer = new Observer(tap.path);
  try {
    await work({ tap, frontier, observer, fetch: shadowFetch({ observer, decideMs: said ? 2000 : undefined }) });
  } finally {
    await observer.close(0);
    await frontier.close();
    await tap.close();
  }
}

for (const kind of KINDS) {
  test(`${kind}: observed, with a repeated attempt`, () =>
    scene(null, [[429, { "retry-after-ms": "20" }, {}], [200, {}, BODIES[kind]]], async ({ tap, frontier, fetch }) => {
      assert.equal((await call(make(kind, frontier, fetch), kind)).id, BODIES[kind].id);
      const frames = await tap.wait(2);
      assert.deepEqual([frames.map((frame) => frame.kind), frames[1].response], [["call", "answer"], BODIES[kind]]);
    }));

  test(`${kind}: a stream is observed`, () =>
    scene(null, [[200, {}, STREAMS[kind]]], async ({ tap, frontier, fetch }) => {
      let events = 0;
      for await (const _ of await call(make(kind, frontier, fetch), kind, { stream: true })) events += 1;
      assert.ok(events > 0);
      assert.equal((await tap.wait(2))[1].error, undefined);
    }));

  test(`${kind}: a local answer, whole, streamed, and as a tool call`, async () => {
    await scene({ answer: "crash" }, [[500, {}, ""]], async ({ frontier, fetch }) => {
      const client = make(kind, frontier, fetch);
      const said = await call(client, kind);
      const text = { chat: () => said.choices[0].message.content, responses: () => said.output_text, messages: () => said.content[0].text }[kind]();
      assert.deepEqual([text, routeOf(said)], ["crash", "local"]);
      let last;
      let first;
      for await (const event of await call(client, kind, { stream: true })) {
        first ??= event;
        last = event;
      }
      assert.equal(routeOf(first), "local");
      assert.ok(["response.completed", "message_stop", undefined].includes(last.type));
    });
    await scene({ answer: TOOL }, [[500, {}, ""]], async ({ frontier, fetch }) => {
      const said = await call(make(kind, frontier, fetch), kind, { tools: TOOLS[kind] });
      const name = { chat: () => said.choices[0].message.tool_calls[0].function.name, responses: () => said.output[0].name, messages: () => said.content[0].name }[kind]();
      assert.equal(name, "look_up");
    });
  });
}
