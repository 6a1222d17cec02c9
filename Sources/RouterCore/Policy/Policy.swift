package import Text
package import Wire

/// A policy as it stands after reading: every default filled in, every name resolved, nothing left to check.
///
/// The key table of the contract (section 4) is the specification of each property; `defaults` are already merged
/// into the tasks.
package struct Policy: Sendable {
  /// `sha256:` and the hex digest of the file's bytes.
  package var revision = ""
  package var version = 1
  package var reviewed = Review()
  /// In document order.
  package var models: [ModelPolicy] = []
  /// In document order.
  package var tasks: [TaskPolicy] = []
  /// Id of the frontier model, where one could be told.
  package var frontier: String?
  package var hardStops = HardStopPolicy()
  package var classifier: [ClassifierRule] = []
  package var privacy = PrivacyPolicy()
  package var tests: [PolicyTest] = []

  package init() {}

  package func model(_ id: String) -> ModelPolicy? { models.first { $0.id == id } }
  package func task(_ name: String) -> TaskPolicy? {
    // By index: a task is large, and `first(where:)` would copy each one that it looks at.
    tasks.indices.first { tasks[$0].name == name }.map { tasks[$0] }
  }

  /// What the policy itself writes of what calls bring: tenants, agents, steps, models and tools that it tells
  /// calls apart by, and labels. A call that brings one tells nothing new, so it is kept as it is.
  package var knownNames: Set<String> {
    var names = Set(models.map(\.name))
    for task in tasks { names.formUnion(task.budgets.compactMap(\.tenant) + task.labels.map(\.name)) }
    for rule in classifier {
      names.formUnion([rule.agent, rule.step, rule.model, rule.tool].compactMap(\.self))
    }
    return names
  }

  /// Who reviewed the policy, when, and when the next review is due (`YYYY-MM-DD`).
  package struct Review: Sendable {
    package var by: [String] = []
    package var on: String?
    package var due: String?
    package init() {}
  }
}

package struct ModelPolicy: Sendable {
  package enum Provider: Sendable, Equatable {
    case builtin, ollama, openai, llamacpp, anthropic
    /// A frontier model by another name: described, never asked.
    case other(String)

    package var name: String {
      switch self {
      case .builtin: "builtin"
      case .ollama: "ollama"
      case .openai: "openai"
      case .llamacpp: "llamacpp"
      case .anthropic: "anthropic"
      case .other(let name): name
      }
    }
  }

  package var id: String
  package var mark: Mark
  package var provider: Provider
  /// The model's name at its provider; the id where the policy gives none.
  package var name: String
  package var endpoint: HTTPURL?
  /// The built-in model's file as written; relative to the policy's folder.
  package var file: String?
  package var timeoutMs = 20_000
  package var maxConcurrency = 2
  package var maxQueue = 256
  package var maxOutputTokens = 512
  /// Whether answers are asked for piece by piece.
  package var stream = false
  package var retry = RetryPolicy()
  package var breaker = BreakerPolicy()
  package var apiKeyEnv: String?
  package var apiKeyFile: String?
  package var price = PricePolicy()

  /// Whether it can be asked: it has an endpoint or a file.
  package var isCandidate: Bool { endpoint != nil || file != nil }

  package init(id: String, mark: Mark, provider: Provider, name: String) {
    self.id = id
    self.mark = mark
    self.provider = provider
    self.name = name
  }

  package struct RetryPolicy: Sendable {
    package enum Cause: String, CaseIterable, Sendable {
      case rateLimit = "rate_limit"
      case serverError = "server_error"
      case timeout
    }
    package var maxAttempts = 1
    package var retryOn: [Cause] = []
    package var backoffMs = 100
    package init() {}
  }

  package struct BreakerPolicy: Sendable {
    package var failures = 10
    package var cooldownMs = 5_000
    package init() {}
  }

  /// USD; zero where the policy is silent.
  package struct PricePolicy: Sendable {
    package var inputPerMtok = 0.0
    package var outputPerMtok = 0.0
    package var usdPerHour = 0.0
    package init() {}
  }
}

package struct TaskPolicy: Sendable {
  package enum Impact: String, CaseIterable, Sendable { case low, medium, high }
  package enum Output: String, CaseIterable, Sendable {
    case text, label, json
    case toolCall = "tool_call"
  }
  package enum OnExhausted: String, CaseIterable, Sendable {
    case error
    case frontierDefault = "frontier_default"
  }

  package var name: String
  package var mark: Mark
  package var owner: String?
  package var local = false
  package var impact = Impact.low
  /// Id of the candidate, resolved: the first of the cascade, where there is one; nil only where no call of the task
  /// can ever ask one.
  package var model: String?
  /// Ids, from cheap to dear; empty: the model alone.
  package var cascade: [String] = []
  package var challenger: String?
  package var labels: [Label] = []
  package var escalateLabels: [String] = []
  /// 0…1.
  package var minConfidence = 1.0
  package var maxInputChars = 8_000
  package var maxOutputChars = 4_000
  package var output = Output.text
  package var outputSchema: JSONValue?
  package var prompt: String?
  package var examples: [Example] = []
  package var schemaRetry = 0
  package var samples = 1
  package var citeArtifacts = false
  package var rejectRefusals = true
  /// Extra terms of this task alone.
  package var hardStops: [HardStopClass: [String]] = [:]
  package var stopSignals: [RiskSignal] = []
  package var agreement = AgreementPolicy()
  package var advice = Advice()
  package var evalSet: String?
  package var rubric: String?
  package var gate = GatePolicy()
  package var reviewSample = 0.05
  package var auditShare = 0.02
  package var controlShare = 0.02
  package var capture = CapturePolicy.off
  package var budgets: [Budget] = []
  package var upkeepUSDPerMonth = 0.0

  /// Ids of the candidates in the order in which they are asked.
  package var steps: [String] { cascade.isEmpty ? [model].compactMap(\.self) : cascade }

  /// Who is asked for the answer, from cheap to dear, and who beside them.
  ///
  /// - Parameter isRotated: Candidate and challenger have changed places. A cascade cannot stand in a challenger's.
  package func models(isRotated: Bool) -> (steps: [String], challenger: String?) {
    guard isRotated, let challenger else { return (steps, challenger) }
    return ([challenger], cascade.isEmpty ? model : nil)
  }

  package init(name: String, mark: Mark) {
    self.name = name
    self.mark = mark
  }

  package struct Label: Sendable, Equatable {
    package var name: String
    package var description: String?
    package init(_ name: String, description: String? = nil) {
      self.name = name
      self.description = description
    }
  }

  package struct Example: Sendable {
    package var input: String
    package var answer: JSONValue
    package init(input: String, answer: JSONValue) {
      self.input = input
      self.answer = answer
    }
  }

  /// Advice for the agent's own frontier calls; null members are not given.
  package struct Advice: Sendable {
    package var fallbacks: [String] = []
    package var retryOn: [String] = []
    package var maxAttempts: Int?
    package var onExhausted: OnExhausted?
    package var switchMidRun: Bool?
    package init() {}
  }

  package enum CapturePolicy: Sendable, Equatable {
    case off, sampled
    /// `until`: `YYYY-MM-DD` or RFC 3339; `sample`: share of calls; `maxMB`: size.
    case window(until: String, sample: Double, maxMB: Int)
  }

  /// Calls or USD a day, for one tenant or (nil) for each.
  package struct Budget: Sendable {
    package var tenant: String?
    package var callsPerDay: Int?
    package var usdPerDay: Double?
    package init() {}
  }
}

extension TaskPolicy {
  /// Whether a call of the task can ever be answered by a candidate.
  package var mayBeLocal: Bool { local && impact != .high }

  /// Ids of every model that gets the text of the task's calls.
  package var askedModels: [String] {
    guard mayBeLocal else { return [] }
    var ids: [String] = []
    for id in [model].compactMap(\.self) + cascade + [challenger].compactMap(\.self) where !ids.contains(id) {
      ids.append(id)
    }
    return ids
  }
}

/// How the frontier's answer is read and compared with the candidate's.
package struct AgreementPolicy: Sendable {
  package enum Method: String, CaseIterable, Sendable {
    case label, json, text
    case toolCall = "tool_call"
  }

  /// Where in the frontier's answer the label stands.
  package enum Source: Sendable {
    /// RFC 6901, into the answer read as JSON.
    case pointer(String)
    /// The first capture group of the first match, or the whole match where there is no group.
    case pattern(Pattern)
  }

  package var by = Method.text
  package var from: Source?
  /// What the frontier says → label of the task.
  package var map: [String: String] = [:]
  /// JSON fields to compare; empty: all of the candidate's.
  package var fields: [String] = []
  /// For `text`: agreement from this score on, 0…1.
  package var minScore = 0.8
  package init() {}
}

package struct GatePolicy: Sendable {
  package enum Profile: String, CaseIterable, Sendable { case standard, strict }
  package var maxFalseAcceptRate = 0.01
  package var alpha = 0.05
  package var windowDays = 56
  package var minWeeks = 1
  package var reviewDeadlineDays = 14
  package var profile = Profile.standard
  package init() {}
}

package struct HardStopPolicy: Sendable {
  package var builtin = true
  /// Extra terms for every task.
  package var terms: [HardStopClass: [String]] = [:]
  package var reviewed: [ReviewedPart] = []
  package var waivers: [Waiver] = []
  package init() {}

  /// A constant part of calls that people looked at; exempt by its SHA-256 (lower-case hex).
  package struct ReviewedPart: Sendable {
    package var sha256: String
    package var what: String
    package var by: String
    package var on: String
    package init(sha256: String, what: String, by: String, on: String) {
      self.sha256 = sha256
      self.what = what
      self.by = by
      self.on = on
    }
  }

  /// One term lifted for one task until a day (`YYYY-MM-DD`, inclusive, UTC).
  package struct Waiver: Sendable {
    package var term: String
    package var task: String
    package var reason: String
    package var by: String
    package var until: String
    package init(term: String, task: String, reason: String, by: String, until: String) {
      self.term = term
      self.task = task
      self.reason = reason
      self.by = by
      self.until = until
    }
  }
}

/// Gives a task type to calls that carry none. All conditions present must hold.
package struct ClassifierRule: Sendable {
  package var task: String
  package var agent: String?
  package var step: String?
  package var model: String?
  /// SHA-256 (lower-case hex) of the system prompt.
  package var systemSHA256: String?
  /// Name of a tool that the request defines.
  package var tool: String?
  package var textPrefix: String?
  package var textContains: String?
  package init(task: String) { self.task = task }
}

package struct PrivacyPolicy: Sendable {
  package var previewChars = 240
  package var retentionDays = 90
  /// Megabytes that the log may have; nil: any number.
  package var maxLogMB: Int?
  /// Extra patterns to redact.
  package var redact: [Pattern] = []
  package init() {}
}

/// A test inside the policy; one failure refuses the policy.
package struct PolicyTest: Sendable {
  package var name: String
  package var mark: Mark
  package var task: String?
  package var input: String
  package var signals: [RiskSignal] = []
  /// What the candidate is taken to have said; nil: the test ends before a model is asked.
  package var answer: JSONValue?
  package var expect = Expectation()
  package init(name: String, mark: Mark, input: String) {
    self.name = name
    self.mark = mark
    self.input = input
  }

  /// Only what is given is compared. `reason: .some(nil)` is an explicit null: accepted.
  package struct Expectation: Sendable {
    package var reason: Reason??
    /// `local` or `frontier`.
    package var routeCandidate: String?
    /// `frontier` or `candidate`: what comes after the checks that need no model.
    package var next: String?
    package var detail: String?
    package init() {}
  }
}
