// The client beside the real sidecar: calls are decided, answers compared, a question is answered. Needs the built binary
// (SHADOW_ROUTER_BIN or .build/release).
import assert from "node:assert/strict";
import { spawn, spawnSync, execFileSync } from "node:child_process";
import { accessSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Observer, decisionOf, routeOf, shadowFetch, withContext } from "../../../deploy/clients/javascript/shadow-router.mjs";
import { CHAT, KINDS, MESSAGE, ask, sleep, startFrontier } from "./support.mjs";

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

/** A running router, a frontier and an observer, in folders of their own; `prepare` gives the policy. */
async function beside(prepare, script, work) {
  const folder = mkdtempSync(join(tmpdir(), "sidecar-"));
  const [state, runtime, policy] = ["state", "run", "policy.yaml"].map((name) => join(folder, name));
  mkdirSync(state, { mode: 0o700 });
  mkdirSync(runtime, { mode: 0o700 });
  writeFileSync(policy, prepare(folder));
  const folders = ["--state-dir", state, "--runtime-dir", runtime, "--policy", policy];
  const router = spawn(binary, ["run", ...folders], { stdio: ["ignore", "ignore", "pipe"] });
  const frontier = await startFrontier(...script);
  const observer = new Observer(join(runtime, "tap.sock"), { agent: "js" });
  const records = () =>
    readdirSync(join(state, "log")).flatMap((name) => readFileSync(join(state, "log", name), "utf8").split("\n")).filter(Boolean).map((line) => JSON.parse(line));
  try {
    let said = "";
    router.stderr.setEncoding("utf8").on("data", (text) => (said += text));
    for (const end = Date.now() + 20_000; !/^ready/m.test(said) && Date.now() < end; ) await sleep(20);
    return await work({ folders, frontier, observer, records });
  } finally {
    await observer.close(0);
    await frontier.close();
    router.kill("SIGKILL");
    await new Promise((resolve) => (router.exitCode === null && router.signalCode === null ? router.once("exit", resolve) : resolve()));
    rmSync(folder, { recursive: true, force: true });
  }
}

test("calls are decided, answers compared, questions answered", { skip: missing }, () =>
  beside(() => POLICY, [[200, {}, CHAT], [200, {}, MESSAGE]], async ({ folders, frontier, observer, records }) => {
    await withContext({ task_type: "chat" }, async () => {
      await (await ask(shadowFetch({ observer }), frontier, "chat")).text();
      const response = await ask(shadowFetch({ observer, decideMs: 5000 }), frontier, "messages");
      assert.deepEqual([routeOf(response), decisionOf(response).reason, decisionOf(response).problem], ["frontier", "policy_requires_frontier", null]);
      await response.text();
    });
    for (const end = Date.now() + 10_000; records().filter((record) => record.kind === "comparison").length < 2 && Date.now() < end; ) await sleep(20);
    assert.deepEqual(records().filter((record) => record.kind === "decision").map((record) => [record.task_type, record.agent, record.route]), [["chat", "js", "frontier"], ["chat", "js", "frontier"]]);
    assert.deepEqual(records().filter((record) => record.kind === "comparison").map((record) => record.frontier_status), ["ok", "ok"]);
    const { balance } = JSON.parse(execFileSync(binary, ["status", "--json", ...folders]));
    assert.deepEqual([balance.received, balance.recorded, balance.malformed, balance.lost_by_sender], [4, 4, 0, 0]);
    await observer.flush(5000);
    assert.equal(observer.counters().sent, 4, JSON.stringify(observer.counters()));
  }));

const LIVE = `
models:
  frontier_default: {provider: openai, name: gpt-x}
  small: {provider: builtin, file: model.bin}
tasks:
  t: {local: true, labels: [crash, billing], min_confidence: 0.5, model: small, audit_share: 0, control_share: 0}
`;
const CASES = {
  crash: ["the importer crashes on an empty file", "it crashes at start", "segmentation fault in the parser", "the process died with a stack trace"],
  billing: ["the invoice shows the wrong amount", "please refund my last payment", "the card was charged twice", "where is my receipt for May"],
};

/** The policy of a task for a built-in model trained there. */
function trained(folder) {
  const cases = Object.entries(CASES).flatMap(([label, texts]) =>
    texts.flatMap((text, at) => Array.from({ length: 12 }, (_, turn) => ({ id: `${label}-${at}-${turn}`, task_type: "t", input: text + " again".repeat(turn), truth: { label } }))),
  );
  writeFileSync(join(folder, "cases.ndjson"), cases.map((one) => JSON.stringify(one) + "\n").join(""));
  execFileSync(binary, ["train", join(folder, "cases.ndjson"), "--task", "t", "--output", join(folder, "model.bin")], { stdio: "pipe" });
  return LIVE;
}

/** Serves the task locally, for all calls; false where this build cannot. */
function promote(folders) {
  for (const percent of ["1", "10", "50", "100"]) {
    const done = spawnSync(binary, ["promote", "t", "--percent", percent, "--override", "--reason", "test", "--approver", "ana", ...folders], { encoding: "utf8" });
    if (done.stderr.includes("later version")) return false;
    assert.equal(done.status, 0, done.stderr);
  }
  return true;
}

test("local answers of the real router, whole and streamed", { skip: missing }, (context) =>
  beside(trained, [[500, {}, ""]], async ({ folders, frontier, observer, records }) => {
    if (!promote(folders)) return context.skip("this build cannot promote");
    const fetch = shadowFetch({ observer, decideMs: 5000 });
    await withContext({ task_type: "t" }, async () => {
      for (const kind of KINDS) {
        for (const stream of [false, true]) {
          const response = await ask(fetch, frontier, kind, { ...(kind === "responses" ? { input: CASES.crash[0] } : { messages: [{ role: "user", content: CASES.crash[0] }] }), stream });
          assert.equal(routeOf(response), "local");
          assert.match(await response.text(), /"crash"/);
        }
      }
    });
    assert.equal(frontier.seen.length, 0);
    // The agent is told once the log has accepted the record; the file has it a moment later.
    for (const end = Date.now() + 10_000; records().filter((record) => record.kind === "decision").length < 6 && Date.now() < end; ) await sleep(20);
    assert.deepEqual(records().filter((record) => record.kind === "decision").map((record) => [record.route, record.cohort]), Array(6).fill(["local", "local"]));
  }));
