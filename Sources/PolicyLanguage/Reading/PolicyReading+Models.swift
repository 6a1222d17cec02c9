import RouterCore
import Text
import Wire

/// A model while its keys are read.
struct ModelDraft: Sendable {
  var policy: ModelPolicy
  /// The id's place.
  var mark: Mark
  var provider: Located<String>?
  var endpoint: Located<HTTPURL>?
  var file: Located<String>?
  /// False where the keys that tell a candidate from a frontier model are in doubt.
  var isClear = true

  init(id: String, mark: Mark) {
    self.mark = mark
    policy = ModelPolicy(id: id, mark: mark, provider: .other(""), name: id)
  }

  /// Described, never asked. A provider that needs an endpoint and has none is a fault, not a frontier model.
  var isFrontier: Bool {
    switch policy.provider {
    case .openai, .anthropic, .other: !policy.isCandidate
    case .builtin, .ollama, .llamacpp: false
    }
  }
}

extension ModelDraft {
  static let table = PolicyKeyTable<ModelDraft>("models.ID", who + bounds + failures + secrets)

  private static let who: [PolicyKey<ModelDraft>] = [
    .text(
      "provider", .name,
      "How the model is asked: builtin, ollama, openai, llamacpp or anthropic; any name where there is no endpoint."
    ) {
      $0.provider = $1
      $0.policy.provider = .init(name: $1.value)
    }.required,
    .text("name", .line, "The model's name at its provider; the id where absent.") {
      $0.policy.name = $1.value
    },
    .custom(
      "endpoint", .text(.url),
      "The URL that is asked, with its path. Without one the model is a frontier model."
    ) {
      entry, draft, findings in
      guard let text = findings.text(entry.value, "endpoint", .url), let url = try? HTTPURL(parsing: text)
      else {
        draft.isClear = false
        return
      }
      draft.policy.endpoint = url
      draft.endpoint = Located(value: url, mark: entry.value.mark)
    },
    .text("file", .line, "The built-in model's file, relative to the policy.") {
      $0.policy.file = $1.value
      $0.file = $1
    },
  ]

  private static let bounds: [PolicyKey<ModelDraft>] = [
    .int("timeout_ms", 1...600_000, "Milliseconds after which an answer is given up.") {
      $0.policy.timeoutMs = $1
    },
    .int("max_concurrency", 1...1_024, "Requests at the model at once.") { $0.policy.maxConcurrency = $1 },
    .int("max_queue", 0...1_000_000, "Calls that may wait for the model; more are shed.") {
      $0.policy.maxQueue = $1
    },
    .int("max_output_tokens", 1...1_000_000, "Longest answer asked for, in tokens.") {
      $0.policy.maxOutputTokens = $1
    },
    .bool("stream", "Whether answers are asked for piece by piece.") { $0.policy.stream = $1 },
  ]

  private static let failures: [PolicyKey<ModelDraft>] = [
    .custom("retry", retry.shape(), "Transport retries, with jitter.") { entry, draft, findings in
      let problems = findings.problems.count
      retry.read(entry.value, "retry", at: entry.keyMark, into: &draft.policy.retry, &findings)
      // A value that was not understood is enough to report.
      guard findings.problems.count == problems else { return }
      let policy = draft.policy.retry
      if policy.maxAttempts > 1, policy.retryOn.isEmpty {
        findings.warning(
          entry.keyMark, "`retry.max_attempts` has no effect: `retry_on` names no failure to try again")
      } else if policy.maxAttempts == 1, !policy.retryOn.isEmpty {
        findings.warning(
          entry.keyMark, "`retry.retry_on` has no effect: `max_attempts` is 1, the first attempt")
      }
    },
    .section("breaker", "When the model is left alone for a while.", breaker, \.policy.breaker),
    .section("price", "What the model costs, for the cost per successful task.", price, \.policy.price),
  ]

  private static let secrets: [PolicyKey<ModelDraft>] = [
    .text(
      "api_key_env", .environmentName, "The environment variable that holds the key; never the key itself."
    ) {
      $0.policy.apiKeyEnv = $1.value
    },
    .text("api_key_file", .line, "The file that holds the key; never the key itself.") {
      $0.policy.apiKeyFile = $1.value
    },
  ]

  private static let retry = PolicyKeyTable<ModelPolicy.RetryPolicy>(
    "models.ID.retry",
    [
      .int("max_attempts", 1...10, "Attempts in all; 1 is no retry.") { $0.maxAttempts = $1 },
      .choices("retry_on", "Failures that are tried again.") { $0.retryOn = $1 },
      .int("backoff_ms", 0...60_000, "Milliseconds before the first retry; doubled for each further one.") {
        $0.backoffMs = $1
      },
    ])

  private static let breaker = PolicyKeyTable<ModelPolicy.BreakerPolicy>(
    "models.ID.breaker",
    [
      .int("failures", 1...10_000, "Failures in a row after which the model is left alone.") {
        $0.failures = $1
      },
      .int("cooldown_ms", 1...3_600_000, "Milliseconds until one probe is sent.") { $0.cooldownMs = $1 },
    ])

  private static let price = PolicyKeyTable<ModelPolicy.PricePolicy>(
    "models.ID.price",
    [
      .number("input_per_mtok", .money, "USD for a million input tokens.") { $0.inputPerMtok = $1 },
      .number("output_per_mtok", .money, "USD for a million output tokens.") { $0.outputPerMtok = $1 },
      .number("usd_per_hour", .money, "USD for an hour of the machine that runs it.") { $0.usdPerHour = $1 },
    ])
}

extension ModelPolicy.Provider {
  /// Providers that can be asked.
  static let known = ["builtin", "ollama", "openai", "llamacpp", "anthropic"]

  init(name: String) {
    switch name {
    case "builtin": self = .builtin
    case "ollama": self = .ollama
    case "openai": self = .openai
    case "llamacpp": self = .llamacpp
    case "anthropic": self = .anthropic
    default: self = .other(name)
    }
  }

  /// Ends of the paths that can be asked, the usual one first.
  var paths: [String] {
    switch self {
    case .ollama: ["/api/generate", "/api/chat"]
    case .openai: ["/v1/chat/completions", "/chat/completions"]
    case .llamacpp: ["/completion", "/v1/chat/completions"]
    case .anthropic: ["/v1/messages"]
    case .builtin, .other: []
    }
  }
}

extension ModelDraft {
  /// Checks that provider, endpoint and file fit together.
  mutating func check(_ findings: inout PolicyFindings) {
    guard let provider, isClear else {
      isClear = false
      return
    }
    let before = findings.problems.count
    switch policy.provider {
    case .builtin: checkBuiltin(&findings)
    case .ollama, .llamacpp:
      if endpoint == nil {
        findings.error(
          mark,
          "model `\(policy.id)` has no `endpoint`; provider `\(provider.value)` needs one, such as \(example)"
        )
      }
    case .openai, .anthropic: break
    case .other: checkOther(provider, &findings)
    }
    checkPath(&findings)
    if let file, policy.provider != .builtin {
      findings.error(
        file.mark, "`file` is for provider `builtin`; remove it, or change the provider")
    }
    if findings.problems.count > before { isClear = false }
  }

  private func checkBuiltin(_ findings: inout PolicyFindings) {
    if file == nil {
      findings.error(
        mark, "model `\(policy.id)` has no `file`; provider `builtin` needs the file of a trained model")
    }
    if let endpoint {
      findings.error(
        endpoint.mark, "provider `builtin` runs in this process and has no `endpoint`; remove it")
    }
  }

  private func checkOther(_ provider: Located<String>, _ findings: inout PolicyFindings) {
    guard endpoint != nil || file != nil else { return }
    let names = ModelPolicy.Provider.known
    let remedy = NearestName.match(for: provider.value, among: names).map { "did you mean `\($0)`?" }
    findings.error(
      provider.mark,
      "provider \(PolicyProblem.quote(provider.value)) cannot be asked; with an endpoint or file it must be one of "
        + "\(PolicyProblem.list(names))\(remedy.map { "; \($0)" } ?? "")")
  }

  private func checkPath(_ findings: inout PolicyFindings) {
    guard let endpoint, !policy.provider.paths.isEmpty else { return }
    let path = endpoint.value.path
    guard !policy.provider.paths.contains(where: path.hasSuffix) else { return }
    findings.error(
      endpoint.mark,
      "`endpoint` has the path \(PolicyProblem.quote(path)); provider `\(policy.provider.name)` is asked at "
        + PolicyProblem.list(policy.provider.paths))
  }

  private var example: String {
    policy.provider == .ollama ? "http://127.0.0.1:11434/api/generate" : "http://127.0.0.1:8080/completion"
  }
}
