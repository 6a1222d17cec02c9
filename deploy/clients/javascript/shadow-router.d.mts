// Types of shadow-router.mjs; what each does stands there and in README.md.

export interface Fields {
  task_type?: string;
  task_id?: string;
  run_id?: string;
  agent?: string;
  step?: string;
  tenant?: string;
  user_group?: string;
  traceparent?: string;
  signals?: Partial<Record<"missing_repo_context" | "long_dependency_chain" | "risky_migration" | "security_sensitive" | "high_consequence_write" | "novel_input", boolean>>;
  artifacts?: string[];
}

/** Exactly one of `input`, `messages`, `request` and `requestBody`. */
export interface CallOptions extends Fields {
  callId?: string;
  input?: string;
  messages?: unknown[];
  request?: object;
  requestBody?: string;
  frontier?: { provider?: string; model?: string };
}

export interface AnswerOptions {
  output?: unknown;
  response?: unknown;
  responseBody?: string;
  error?: string;
  label?: string;
  model?: string;
  inputTokens?: number;
  outputTokens?: number;
  latencyMs?: number;
  costUsd?: number;
}

export type Route = "local" | "frontier" | "escalated";

export type Problem =
  | "no_socket"
  | "not_allowed"
  | "full"
  | "late"
  | "closed"
  | "garbage"
  | "refused"
  | "resting"
  | "unfit"
  | "not_askable"
  | "too_large"
  | "internal";

export interface Decision {
  readonly callId: string;
  readonly route: "local" | "frontier";
  readonly outcome: Route;
  readonly local: boolean;
  readonly escalated: boolean;
  /** Null where the router said so; else why the client made it `frontier`. */
  readonly problem: Problem | null;
  readonly reason: string | null;
  readonly reasonCode: number | null;
  readonly detail: string | null;
  readonly stage: "shadow" | "canary" | "live" | null;
  readonly policyRevision: string | null;
  readonly answer: unknown;
  readonly label: string | null;
  readonly confidence: number | null;
  readonly model: string | null;
  readonly audit: boolean;
  readonly fallbacks: string[] | null;
  readonly retryOn: string[] | null;
  readonly maxAttempts: number | null;
  readonly onExhausted: "error" | "frontier_default" | null;
  readonly switchMidRun: boolean | null;
  readonly escalation: { task: string | null; local_output: unknown; reason: string | null } | null;
}

export interface Counters {
  sent: number;
  bytes: number;
  waiting: number;
  dropped: number;
  dropped_by_cause: Record<string, number>;
  connects: number;
  internal_errors: number;
  asked: number;
  local: number;
  undecided_by_cause: Record<string, number>;
}

export class Observer {
  constructor(socketPath?: string, options?: { agent?: string });
  readonly socketPath: string;
  observe(call: CallOptions): string;
  observeAnswer(callId: string, answer: AnswerOptions): boolean;
  outcome(end: {
    callId?: string;
    runId?: string;
    result: "success" | "failure" | "partial";
    source?: "agent" | "user" | "operator" | "eval";
    approvedBy?: string;
  }): boolean;
  decide(call: CallOptions & { deadlineMs?: number }): Promise<Decision>;
  counters(): Counters;
  flush(timeoutMs: number): Promise<void>;
  close(timeoutMs?: number): Promise<void>;
}

export interface FetchOptions {
  observer?: Observer;
  /** Fields, or just the task type, of a call that neither a header nor `withContext` gives. */
  classify?: (request: any) => Fields | string | null | undefined;
  /** Absent: calls are observed only. */
  decideMs?: number;
  followAdvice?: boolean;
  fetch?: typeof globalThis.fetch;
}

export function shadowFetch(options?: FetchOptions): typeof globalThis.fetch;
export function withContext<T>(fields: Fields, work: () => T): T;
export function defaultObserver(): Observer;
export function defaultSocketPath(): string;
export function routeOf(response: unknown): Route | null;
export function decisionOf(response: unknown): Decision | null;
