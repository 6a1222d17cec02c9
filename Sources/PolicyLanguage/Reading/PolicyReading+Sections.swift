import RouterCore
import Text

/// A policy while it is read.
struct PolicyDraft: Sendable {
  var policy = Policy()
  var models: [ModelDraft] = []
  var defaults = TaskDraft(name: "defaults", mark: Mark(line: 1, column: 1))
  var tasks: [TaskDraft] = []
  var rules: [RuleDraft] = []
  var hardStops = HardStopDraft()
  var due: Located<String>?
  /// Kept to be read last: tasks start from the defaults, which may stand below them.
  var tasksEntry: PolicyEntry?
  /// False where `models` could not be read as what it is: then no reference to a model is called wrong.
  var hasClearModels = true

  struct RuleDraft: Sendable {
    var rule = ClassifierRule(task: "")
    var task: Located<String>?
  }
}

extension PolicyDraft {
  static let table = PolicyKeyTable<PolicyDraft>("", [version, reviewed] + main + around)

  private static let version: PolicyKey<PolicyDraft> = .custom(
    "version", .int(1...1), "Format of the file."
  ) { entry, draft, findings in
    if let value = findings.int(entry.value, "version", in: 1...1) { draft.policy.version = value }
  }

  private static let reviewed: PolicyKey<PolicyDraft> = .custom(
    "reviewed", review.shape(), "Who reviewed the policy, when, and when the next review is due."
  ) { entry, draft, findings in
    review.read(entry.value, "reviewed", at: entry.keyMark, into: &draft, &findings)
  }

  private static let main: [PolicyKey<PolicyDraft>] = [
    .custom("models", .mapOf(ModelDraft.table.shape(), least: 0), "The models, by an id of your choice.") {
      entry, draft, findings in
      draft.readModels(entry, &findings)
    },
    .custom("defaults", TaskDraft.table.shape(inDefaults: true), "Keys for tasks that do not say.") {
      entry, draft, findings in
      draft.defaults.given = TaskDraft.table.read(
        entry.value, "defaults", at: entry.keyMark, into: &draft.defaults, &findings, inDefaults: true)
    },
    .custom("tasks", .mapOf(TaskDraft.table.shape(), least: 0), "The task types, by name.") {
      entry, draft, _ in
      draft.tasksEntry = entry
    }.required,
  ]

  private static let around: [PolicyKey<PolicyDraft>] = [
    .section("hard_stops", "What stops every task.", HardStopDraft.table, \.hardStops),
    .section("classifier", "Gives a task type where the agent does not.", classifier, \.rules),
    .section("privacy", "What text is kept.", privacy, \.policy.privacy),
    .items(
      "tests", "Run by `check` and before every reload; one failure refuses the policy.", PolicyTest.table,
      make: { PolicyTest(name: "", mark: $0, input: "") }, store: { $0.policy.tests = $1 }),
  ]

  private static let review = PolicyKeyTable<PolicyDraft>(
    "reviewed",
    [
      .texts("by", .line, "Names or teams.") { $0.policy.reviewed.by = $1.map(\.value) },
      .text("on", .day, "The day of the review.") { $0.policy.reviewed.on = $1.value },
      .text("due", .day, "The day of the next one; `check` warns past it.") {
        $0.policy.reviewed.due = $1.value
        $0.due = $1
      },
    ])

  private static let classifier = PolicyKeyTable<[RuleDraft]>(
    "classifier",
    [
      .items(
        "rules", "The first rule that matches wins.", rule, make: { _ in RuleDraft() }, store: { $0 = $1 })
    ])

  private static let rule = PolicyKeyTable<RuleDraft>(
    "classifier.rules",
    [
      .text("task", .name, "The task type that matching calls get.") {
        $0.rule.task = $1.value
        $0.task = $1
      }.required,
      .custom("when", condition.shape(), "Conditions, all of which must hold.") { entry, draft, findings in
        if case .mapping(let entries) = entry.value.content, entries.isEmpty {
          findings.error(entry.value.mark, "`when` has no condition, so it would match every call; add one")
        }
        condition.read(entry.value, "when", at: entry.keyMark, into: &draft.rule, &findings)
      }.required,
    ])

  private static let condition = PolicyKeyTable<ClassifierRule>(
    "classifier.rules.when",
    [
      .text("agent", .line, "The call's `agent`.") { $0.agent = $1.value },
      .text("step", .line, "The call's `step`.") { $0.step = $1.value },
      .text("model", .line, "The frontier model that the agent is about to use.") { $0.model = $1.value },
      .text("system_sha256", .hash, "SHA-256 of the system prompt.") {
        $0.systemSHA256 = $1.value.lowercased()
      },
      .text("tool", .line, "The name of a tool that the request defines.") { $0.tool = $1.value },
      .text("text_prefix", .long, "How the text starts.") { $0.textPrefix = $1.value },
      .text("text_contains", .long, "What stands in the text.") { $0.textContains = $1.value },
    ])

  private static let privacy = PolicyKeyTable<PrivacyPolicy>(
    "privacy",
    [
      .int("preview_chars", 0...240, "Length of the redacted previews in the log; 0 turns them off.") {
        $0.previewChars = $1
      },
      .int("retention_days", 1...3_650, "Days after which the log's old segments go.") {
        $0.retentionDays = $1
      },
      .int(
        "max_log_mb", 64...100_000_000,
        "Size in MB past which the log's old segments go; any size where absent."
      ) {
        $0.maxLogMB = $1
      },
      .custom(
        "redact", .list(.text(.pattern), least: 0),
        "Patterns to redact beside the built-in ones: at most 100, each is a pass over every preview."
      ) { entry, privacy, findings in
        let found = findings.texts(entry.value, "redact", .pattern, least: 0)
        if found.count > 100 { findings.wrong(entry.value, "redact", expected: "at most 100 patterns") }
        privacy.redact = found.compactMap { try? Pattern($0.value) }
      },
    ])
}

extension PolicyDraft {
  fileprivate mutating func readModels(_ entry: PolicyEntry, _ findings: inout PolicyFindings) {
    guard case .mapping(let entries) = entry.value.content else {
      hasClearModels = false
      findings.wrong(entry.value, "models", expected: "a mapping of ids to models")
      return
    }
    for member in entries {
      var draft = ModelDraft(id: member.key, mark: member.keyMark)
      findings.name(member, "model")
      ModelDraft.table.read(member.value, member.key, at: member.keyMark, into: &draft, &findings)
      draft.check(&findings)
      models.append(draft)
    }
  }

  /// Reads the tasks that were put aside.
  mutating func readTasks(_ findings: inout PolicyFindings) {
    guard let entry = tasksEntry else { return }
    guard case .mapping(let entries) = entry.value.content else {
      findings.wrong(entry.value, "tasks", expected: "a mapping of names to tasks")
      return
    }
    if entries.isEmpty {
      findings.warning(entry.keyMark, "`tasks` is empty: every call will be `unknown_task`")
    }
    tasks.reserveCapacity(entries.count)
    for member in entries {
      var draft = defaults
      draft.policy.name = member.key
      draft.policy.mark = member.keyMark
      // Theirs are looked at once.
      draft.fallbacks = []
      findings.name(member, "task")
      let given = TaskDraft.table.read(member.value, member.key, at: member.keyMark, into: &draft, &findings)
      draft.given = given.merged(defaults.given)
      tasks.append(draft)
    }
  }
}

extension PolicyFindings {
  /// Checks the name of a model or task.
  fileprivate mutating func name(_ entry: PolicyEntry, _ kind: String) {
    guard let complaint = PolicyTextRule.name.complaint(about: entry.key) else { return }
    error(entry.keyMark, "the name of a \(kind) \(complaint)")
  }
}

extension PolicyTest {
  static let table = PolicyKeyTable<PolicyTest>(
    "tests",
    [
      .text("name", .line, "What the test claims.") { $0.name = $1.value }.required,
      .text("task", .name, "The call's task type; left to the classifier where absent.") {
        $0.task = $1.value
      },
      .text("input", .any, "The text of the call.") { $0.input = $1.value }.required,
      .choices("signals", "Signals that the caller gives.") { $0.signals = $1 },
      .json("answer", mapping: false, "What the candidate is taken to have said.") { $0.answer = $1.value },
      .custom("expect", expectation.shape(), "What must come out; only what is given is compared.") {
        entry, test, findings in
        if case .mapping(let entries) = entry.value.content, entries.isEmpty {
          findings.error(
            entry.value.mark, "`expect` is empty, so the test claims nothing; say what must come out")
        }
        expectation.read(entry.value, "expect", at: entry.keyMark, into: &test.expect, &findings)
      }.required,
    ])

  private static let expectation = PolicyKeyTable<Expectation>(
    "tests.expect",
    [
      .custom(
        "reason", .choice(Reason.allCases.map(\.rawValue)),
        "Why the call stays with the frontier; null: accepted."
      ) {
        entry, expectation, findings in
        if entry.value.isNull {
          expectation.reason = .some(nil)
        } else if let name = findings.choice(entry.value, "reason", Reason.allCases.map(\.rawValue)) {
          expectation.reason = .some(Reason(rawValue: name))
        }
      }.nullable,
      oneOf("route_candidate", ["local", "frontier"], "What the router would do.") { $0.routeCandidate = $1 },
      oneOf("next", ["frontier", "candidate"], "What comes after the checks that need no model.") {
        $0.next = $1
      },
      .text("detail", .line, "The decision's `detail`.") { $0.detail = $1.value },
    ])

  private static func oneOf(
    _ name: String, _ names: [String], _ about: String,
    _ store: @escaping @Sendable (inout Expectation, String) -> Void
  ) -> PolicyKey<Expectation> {
    .custom(name, .choice(names), about) { entry, expectation, findings in
      if let value = findings.choice(entry.value, name, names) { store(&expectation, value) }
    }
  }
}
