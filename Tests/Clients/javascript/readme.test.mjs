// The README's "use it from your agent" for JavaScript, as written there. The SDKs' own blocks run where the SDKs are (run.sh --sdks).
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { CHAT, MESSAGE, PATHS, requestOf, startFrontier, startTap } from "./support.mjs";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const section = readFileSync(join(root, "README.md"), "utf8").split("## Use it from your agent\n")[1].split("\n## ")[0];
const blocks = [...section.matchAll(/^```js\n(.*?)^```$/gms)].map((match) => match[1]);
const modules = process.env.SHADOW_ROUTER_NODE_MODULES;

const TABLE = [
  { name: "openai", mark: 'from "openai"', body: CHAT, sdk: true, call: `await client.chat.completions.create(${JSON.stringify(requestOf("chat"))});` },
  { name: "anthropic", mark: 'from "@anthropic-ai/sdk"', body: MESSAGE, sdk: true, call: `await client.messages.create(${JSON.stringify(requestOf("messages"))});` },
  {
    name: "fetch", mark: "const fetch = shadowFetch();", body: CHAT, sdk: false,
    call: `await (await fetch(process.env.OPENAI_BASE_URL + "${PATHS.chat.slice(3)}", { method: "POST", body: ${JSON.stringify(JSON.stringify(requestOf("chat")))} })).json();`,
  },
];

test("there is a block for each, of three lines at most", () => {
  assert.equal(blocks.length, TABLE.length);
  for (const block of blocks) assert.ok(block.split("\n").filter(Boolean).length <= 3);
});

for (const { name, mark, body, sdk, call } of TABLE) {
  test(`README: ${name}`, { skip: sdk && !modules && "the SDK is not here" }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "readme-"));
    const tap = await startTap();
    const frontier = await startFrontier([200, {}, body]);
    try {
      const block = blocks.find((text) => text.includes(mark));
      copyFileSync(join(root, "deploy/clients/javascript/shadow-router.mjs"), join(folder, "shadow-router.mjs"));
      if (modules) symlinkSync(modules, join(folder, "node_modules"));
      writeFileSync(join(folder, "agent.mjs"), `${block}\n${call}\n`);
      const env = { ...process.env, SHADOW_ROUTER_TAP: tap.path, OPENAI_API_KEY: "k", ANTHROPIC_API_KEY: "k", OPENAI_BASE_URL: frontier.url + "/v1", ANTHROPIC_BASE_URL: frontier.url };
      const problem = await new Promise((resolve) => execFile(process.execPath, ["agent.mjs"], { cwd: folder, env, timeout: 20_000 }, (error, out, err) => resolve(error && err)));
      assert.equal(problem, null);
      assert.deepEqual((await tap.wait(2)).map((frame) => frame.kind), ["call", "answer"]);
    } finally {
      await frontier.close();
      await tap.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
