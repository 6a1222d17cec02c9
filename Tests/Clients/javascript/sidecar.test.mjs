// The client beside the real sidecar: calls are decided, answers compared, a question is answered. Needs the built binary
// (SHADOW_ROUTER_BIN or .build/release).
import assert from "node:assert/strict";
import { spawn, execFileSync } from "node:child_process";
import { accessSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Observer, decisionOf, routeOf, shadowFetch, withContext } from "../../../deploy/clients/javascript/shadow-router.mjs";
import { CHAT, MESSAGE, ask, sleep, startFrontier } from "./support.mjs";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const binary = process.env.SHADOW_ROUTER_BIN || join(root, ".build/release/shadow-router");
let missing = false;
try {
  accessSync(binary);
} catch {
  missing = "no built shadow-router";
  console.log("SKIPPED: the JavaScript client beside the real sidecar: " + missing);
}

const POLICY = `
models:
  frontier_default: {provider: openai, name: gpt-x}
tasks:
  chat: {local: false}
`;

test("calls are decided, answers compared, questions answered", { skip: missing }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "sidecar-"));
  const [state, runtime, policy] = ["state", "run", "policy.yaml"].map((name) => join(folder, name));
  mkdirSync(state, { mode: 0o700 });
  mkdirSync(runtime, { mode: 0o700 });
  writeFileSync(policy, POLICY);
  const folders = ["--state-dir", state, "--runtime-dir", runtime, "--policy", policy];
  const router = spawn(binary, ["run", ...folders], { stdio: ["ignore", "ignore", "pipe"] });
  const frontier = await startFrontier([200, {}, CHAT], [200, {}, MESSAGE]);
  const observer = new Observer(join(runtime, "tap.sock"), { agent: "js" });
  try {
    let said = "";
    router.stderr.setEncoding("utf8").on("data", (text) => (said += text));
    for (const end = Date.now() + 20_000; !/^ready/m.test(said) && Date.now() < end; ) await sleep(20);
    await withContext({ task_type: "chat" }, async () => {
      await (await ask(shadowFetch({ observer }), frontier, "chat")).text();
      const response = await ask(shadowFetch({ observer, decideMs: 5000 }), frontier, "messages");
      assert.deepEqual([routeOf(response), decisionOf(response).reason, decisionOf(response).problem], ["frontier", "policy_requires_frontier", null]);
      await response.text();
    });
    const records = () =>
      readdirSync(join(state, "log")).flatMap((name) => readFileSync(join(state, "log", name), "utf8").split("\n")).filter(Boolean).map((line) => JSON.parse(line));
    for (const end = Date.now() + 10_000; records().filter((record) => record.kind === "comparison").length < 2 && Date.now() < end; ) await sleep(20);
    assert.deepEqual(records().filter((record) => record.kind === "decision").map((record) => [record.task_type, record.agent, record.route]), [["chat", "js", "frontier"], ["chat", "js", "frontier"]]);
    assert.deepEqual(records().filter((record) => record.kind === "comparison").map((record) => record.frontier_status), ["ok", "ok"]);
    const { balance } = JSON.parse(execFileSync(binary, ["status", "--json", ...folders]));
    assert.deepEqual([balance.received, balance.recorded, balance.malformed, balance.lost_by_sender], [4, 4, 0, 0]);
    await observer.flush(5000);
    assert.equal(observer.counters().sent, 4, JSON.stringify(observer.counters()));
  } finally {
    await observer.close(0);
    await frontier.close();
    router.kill("SIGKILL");
    await new Promise((resolve) => (router.exitCode === null && router.signalCode === null ? router.once("exit", resolve) : resolve()));
    rmSync(folder, { recursive: true, force: true });
  }
});
