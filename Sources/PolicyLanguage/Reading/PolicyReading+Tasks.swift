import RouterCore
import Text
import Wire

/// A task, or the defaults of all tasks, while its keys are read.
struct TaskDraft: Sendable {
  var policy: TaskPolicy
  var given = PolicyKeyTable<TaskDraft>.Given()
  /// References, checked once everything is read.
  var model: Located<String>?
  var frontier: Located<String>?
  var cascade: [Located<String>] = []
  var challenger: Located<String>?
  var escalated: [Located<String>] = []
  var mapped: [Located<String>] = []
  var fallbacks: [Located<String>] = []
  var output: Located<TaskPolicy.Output>?
  var schemaMark: Mark?
  var comparison: Located<AgreementPolicy.Method>?
  var hasMinWeeks = false
  /// False where a fault in the labels would make every reference to them look wrong.
  var hasClearLabels = true

  init(name: String, mark: Mark) { policy = TaskPolicy(name: name, mark: mark) }
}

extension TaskDraft {
  /// The keys of `tasks.T` and of `defaults`.
  static let table = PolicyKeyTable<TaskDraft>(
    "tasks.T",
    whether + candidate + labels + limits + output + stops + comparison + advice + evidence + keeping)

  private static let whether: [PolicyKey<TaskDraft>] = [
    .bool("local", "Whether the candidate may answer at all.") { $0.policy.local = $1 }.required.only(
      .tasksOnly),
    .text("owner", .line, "Who answers for the task.") { $0.policy.owner = $1.value }.only(.tasksOnly),
    .choice("impact", "What a wrong answer costs; `high` always stays with the frontier.") {
      $0.policy.impact = $1.value
    },
    .number(
      "min_confidence", .share, "Lowest confidence at which an answer is accepted; required for a local task."
    ) {
      $0.policy.minConfidence = $1
    },
  ]

  private static let candidate: [PolicyKey<TaskDraft>] = [
    .text("model", .name, "Id of the candidate.") { $0.model = $1 },
    .text("frontier", .name, "Id of the frontier model.") { $0.frontier = $1 }.only(.defaultsOnly),
    .texts("cascade", .name, "Ids of candidates, from cheap to dear.") {
      $0.cascade = $1
      $0.policy.cascade = $1.map(\.value)
    }.only(.tasksOnly),
    .text("challenger", .name, "Id of a second candidate, asked in shadow.") {
      $0.challenger = $1
      $0.policy.challenger = $1.value
    }.only(
      .tasksOnly),
  ]

  private static let labels: [PolicyKey<TaskDraft>] = [
    .custom(
      "labels", .either([.list(.text(.name), least: 1), .mapOf(.orNull(.text(.long)), least: 1)]),
      "The finite set of labels: a list, or label and description.", readLabels
    ).only(.tasksOnly),
    .texts("escalate_labels", .name, "Labels that always go to the frontier.") {
      $0.escalated = $1
      $0.policy.escalateLabels = $1.map(\.value)
    }.only(.tasksOnly),
  ]

  private static let limits: [PolicyKey<TaskDraft>] = [
    .int("max_input_chars", 1...10_000_000, "Longest input for the candidate, in characters.") {
      $0.policy.maxInputChars = $1
    },
    .int("max_output_chars", 1...1_000_000, "Longest answer accepted, in characters.") {
      $0.policy.maxOutputChars = $1
    },
  ]

  private static let output: [PolicyKey<TaskDraft>] = [
    .choice("output", "What the candidate must give: `label` where there are labels, else `text`.") {
      $0.policy.output = $1.value
      $0.output = $1
    },
    .custom("output_schema", .json(mapping: true), "JSON Schema of the answer, for `output: json`.") {
      entry, draft, findings in
      guard let schema = findings.schema(entry) else { return }
      draft.policy.outputSchema = schema
      draft.schemaMark = entry.keyMark
    }.only(.tasksOnly),
    .text("prompt", .long, "Task text for the candidate.") { $0.policy.prompt = $1.value }.only(.tasksOnly),
    .items(
      "examples", "Worked examples for the candidate.", example,
      make: { _ in TaskPolicy.Example(input: "", answer: .null) }, store: { $0.policy.examples = $1 }
    ).only(.tasksOnly),
    .int("schema_retry", 0...3, "How often the candidate is asked again with the validation error.") {
      $0.policy.schemaRetry = $1
    },
    .int("samples", 1...16, "Samples whose agreement is the confidence.") { $0.policy.samples = $1 },
    .bool("cite_artifacts", "Whether an answer must cite one of the call's artifacts.") {
      $0.policy.citeArtifacts = $1
    },
    .bool("reject_refusals", "Whether a refusal (\"I cannot help\") counts as no answer.") {
      $0.policy.rejectRefusals = $1
    },
  ]

  private static let stops: [PolicyKey<TaskDraft>] = [
    .section(
      "hard_stops", "Terms of this task that stop it, by class.", HardStopTerms.table, \.policy.hardStops
    )
    .only(.tasksOnly),
    .choices("stop_signals", "Signals of the caller that stop the task.") { $0.policy.stopSignals = $1 },
  ]

  private static let comparison: [PolicyKey<TaskDraft>] = [
    .custom("agreement", agreement.shape(), "How the frontier's answer is read and compared.") {
      entry, draft, findings in
      agreement.read(entry.value, "agreement", at: entry.keyMark, into: &draft, &findings)
    }.only(.tasksOnly)
  ]

  private static let advice: [PolicyKey<TaskDraft>] = [
    .texts("fallbacks", .name, "Models for the agent to fall back to, in order.") {
      $0.fallbacks = $1
      $0.policy.advice.fallbacks = $1.map(\.value)
    },
    .texts("retry_on", .name, "Failures that the agent had better try again.") {
      $0.policy.advice.retryOn = $1.map(\.value)
    },
    .int("max_attempts", 1...100, "Attempts for the agent's frontier call.") {
      $0.policy.advice.maxAttempts = $1
    },
    .choice("on_exhausted", "What the agent does when all attempts failed.") {
      $0.policy.advice.onExhausted = $1.value
    },
    .bool("switch_mid_run", "Whether the agent may change the model within a run.") {
      $0.policy.advice.switchMidRun = $1
    },
  ]

  private static let evidence: [PolicyKey<TaskDraft>] = [
    .text("eval_set", .line, "A file of labelled cases, relative to the policy.") {
      $0.policy.evalSet = $1.value
    }
    .only(.tasksOnly),
    .text("rubric", .long, "Text shown to reviewers.") { $0.policy.rubric = $1.value }.only(.tasksOnly),
    .custom("gate", gate.shape(), "What promotion asks for.") { entry, draft, findings in
      gate.read(entry.value, "gate", at: entry.keyMark, into: &draft, &findings)
    },
    .number("review_sample", .above(0, to: 1), "Share of would-accepts drawn for review.") {
      $0.policy.reviewSample = $1
    },
    .number("audit_share", .share, "Share of live answers also sent to the frontier.") {
      $0.policy.auditShare = $1
    },
    .number("control_share", .share, "Share of live calls kept on the frontier.") {
      $0.policy.controlShare = $1
    },
  ]

  private static let keeping: [PolicyKey<TaskDraft>] = [
    .custom(
      "capture", .either([.choice(["off", "sampled"]), capture.shape()]),
      "Raw text kept in the vault: `off`, `sampled`, or until a day.", readCapture),
    .custom(
      "budget", .either([budget.shape(), .list(budget.shape(), least: 1)]),
      "Bounds of a day, in all or for each tenant named.", readBudget),
    .number("upkeep_usd_per_month", .money, "Stated upkeep, part of the cost per successful task.") {
      $0.policy.upkeepUSDPerMonth = $1
    }.only(.tasksOnly),
  ]
}

// MARK: - Parts

extension TaskDraft {
  private static let example = PolicyKeyTable<TaskPolicy.Example>(
    "tasks.T.examples",
    [
      .text("input", .any, "The text of a call.") { $0.input = $1.value }.required,
      .json("answer", mapping: false, "What the candidate ought to answer.") { $0.answer = $1.value }
        .required,
    ])

  private static let agreement = PolicyKeyTable<TaskDraft>(
    "tasks.T.agreement",
    [
      .choice("by", "What is compared; follows from `output`.") {
        $0.policy.agreement.by = $1.value
        $0.comparison = $1
      },
      .text("from", .pointerOrPattern, "Where the label stands: a JSON pointer or a regular expression.") {
        $0.policy.agreement.from = AgreementPolicy.Source(checked: $1.value)
      },
      .custom("map", .mapOf(.text(.name), least: 0), "What the frontier says → label of the task.", readMap),
      .texts("fields", .line, "JSON fields to compare; all of the candidate's where absent.") {
        $0.policy.agreement.fields = $1.map(\.value)
      },
      .number("min_score", .share, "For `text`: lowest score that counts as agreement.") {
        $0.policy.agreement.minScore = $1
      },
    ])

  private static let gate = PolicyKeyTable<TaskDraft>(
    "tasks.T.gate",
    [
      .number("max_false_accept_rate", .above(0, to: 0.5), "Highest rate of false accepts.") {
        $0.policy.gate.maxFalseAcceptRate = $1
      },
      // 0.01 of alpha is spent on the reviewers' catch rate: nothing would be left below it.
      .number("alpha", .above(0.01, to: 0.5), "Chance of promoting a candidate that is worse than the limit.")
      {
        $0.policy.gate.alpha = $1
      },
      .int("window_days", 7...366, "Days after which evidence starts anew.") {
        $0.policy.gate.windowDays = $1
      },
      .int("min_weeks", 1...52, "ISO weeks of evidence; 4 where the profile is `strict`.") {
        $0.policy.gate.minWeeks = $1
        $0.hasMinWeeks = true
      },
      .int("review_deadline_days", 1...90, "Days after which a drawn item must be labelled.") {
        $0.policy.gate.reviewDeadlineDays = $1
      },
      .choice("profile", "`standard` or `strict`.") { $0.policy.gate.profile = $1.value },
    ])

  private static let capture = PolicyKeyTable<CaptureDraft>(
    "tasks.T.capture",
    [
      .text("until", .moment, "The day or moment it ends.") { $0.until = $1.value }.required,
      .number("sample", .above(0, to: 1), "Share of calls; 1 where absent.") { $0.sample = $1 },
      .int("max_mb", 1...1_000_000, "Most text kept, in MB; 256 where absent.") { $0.maxMB = $1 },
    ])

  private struct CaptureDraft: Sendable {
    var until = ""
    var sample = 1.0
    var maxMB = 256
  }

  private static let budget = PolicyKeyTable<TaskPolicy.Budget>(
    "tasks.T.budget",
    [
      .text("tenant", .name, "The tenant it is for; each tenant where absent.") { $0.tenant = $1.value },
      .int("calls_per_day", 0...1_000_000_000, "Calls answered locally in a day.") { $0.callsPerDay = $1 },
      .number("usd_per_day", .money, "USD spent on the candidate in a day.") { $0.usdPerDay = $1 },
    ])
}

// MARK: - Values with more than one form

extension TaskDraft {
  private static func readLabels(
    _ entry: PolicyEntry, _ draft: inout TaskDraft, _ findings: inout PolicyFindings
  ) {
    let before = findings.problems.count
    switch entry.value.content {
    case .mapping(let entries):
      if entries.isEmpty {
        findings.error(entry.value.mark, "`labels` is empty; name the labels or remove it")
      }
      draft.policy.labels = entries.map { label($0, &findings) }
    default:
      draft.policy.labels = findings.texts(entry.value, "labels", .name, least: 1).map {
        TaskPolicy.Label($0.value)
      }
    }
    draft.hasClearLabels = findings.problems.count == before
  }

  private static func label(_ entry: PolicyEntry, _ findings: inout PolicyFindings) -> TaskPolicy.Label {
    if let complaint = PolicyTextRule.name.complaint(about: entry.key) {
      findings.error(entry.keyMark, "a label \(complaint)")
    }
    if entry.value.isNull { return TaskPolicy.Label(entry.key) }
    return TaskPolicy.Label(entry.key, description: findings.text(entry.value, entry.key, .long))
  }

  private static func readMap(
    _ entry: PolicyEntry, _ draft: inout TaskDraft, _ findings: inout PolicyFindings
  ) {
    guard case .mapping(let entries) = entry.value.content else {
      findings.wrong(entry.value, "map", expected: "a mapping of what the frontier says to labels")
      return
    }
    for member in entries {
      guard let label = findings.text(member.value, member.key, .name) else { continue }
      draft.policy.agreement.map[member.key] = label
      draft.mapped.append(Located(value: label, mark: member.value.mark))
    }
  }

  private static func readCapture(
    _ entry: PolicyEntry, _ draft: inout TaskDraft, _ findings: inout PolicyFindings
  ) {
    if case .mapping = entry.value.content {
      var window = CaptureDraft()
      capture.read(entry.value, "capture", at: entry.keyMark, into: &window, &findings)
      draft.policy.capture = .window(until: window.until, sample: window.sample, maxMB: window.maxMB)
    } else {
      let choice = findings.choice(entry.value, "capture", ["off", "sampled"])
      draft.policy.capture = choice == "sampled" ? .sampled : .off
    }
  }

  private static func readBudget(
    _ entry: PolicyEntry, _ draft: inout TaskDraft, _ findings: inout PolicyFindings
  ) {
    let nodes: [PolicyNode] =
      if case .sequence(let items) = entry.value.content { items } else { [entry.value] }
    if nodes.isEmpty {
      findings.error(entry.value.mark, "`budget` is empty; give calls_per_day or usd_per_day, or remove it")
    }
    draft.policy.budgets = nodes.map { node in
      var budget = TaskPolicy.Budget()
      let before = findings.problems.count
      Self.budget.read(node, "budget", at: node.mark, into: &budget, &findings)
      if findings.problems.count == before, budget.callsPerDay == nil, budget.usdPerDay == nil {
        findings.error(node.mark, "`budget` limits nothing; give calls_per_day, usd_per_day or both")
      }
      return budget
    }
  }
}

extension AgreementPolicy.Source {
  /// Nil for a text that ``PolicyTextRule/pointerOrPattern`` refuses.
  init?(checked text: String) {
    if text.utf8.first == UInt8(ascii: "/") {
      self = .pointer(text)
    } else if let pattern = try? Pattern(text) {
      self = .pattern(pattern)
    } else {
      return nil
    }
  }
}
