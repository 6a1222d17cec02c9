import JSONSchema
package import Text
import Wire

/// One generation: a policy with everything that deciding needs already built.
///
/// Immutable; a call holds on to the generation it was screened under, so no decision mixes two. A class, because every
/// call holds on to it: as a value it was dozens of counted references to copy.
package final class PreparedPolicy: Sendable {
  package let policy: Policy
  /// Counts the policies that this process has taken, from 1.
  package let generation: Int
  package let scanner: TermScanner
  let terms: [PreparedTerm]
  let tasks: [String: PreparedTask]
  let reviewedParts: Set<String>

  /// - Parameter revisions: By task, what its records name as `task_revision`.
  package init(_ policy: Policy, generation: Int, revisions: [String: TaskRevisions] = [:]) {
    self.policy = policy
    self.generation = generation
    var table = TermTable()
    if policy.hardStops.builtin {
      table.add(BuiltInTerms.security, .security, for: nil)
      table.add(BuiltInTerms.access, .access, for: nil)
      table.add(BuiltInTerms.production, .production, for: nil)
    }
    for kind in HardStopClass.allCases {
      table.add(policy.hardStops.terms[kind] ?? [], kind, for: nil)
      for task in policy.tasks { table.add(task.hardStops[kind] ?? [], kind, for: task.name) }
    }
    terms = table.terms
    scanner = TermScanner(terms.map(\.text))
    reviewedParts = Set(policy.hardStops.reviewed.map { $0.sha256.lowercased() })
    var tasks: [String: PreparedTask] = [:]
    for task in policy.tasks {
      tasks[task.name] = PreparedTask(
        task, waivers: policy.hardStops.waivers.filter { $0.task == task.name },
        revisions: revisions[task.name] ?? TaskRevisions())
    }
    self.tasks = tasks
    needsTools = policy.tasks.contains { $0.output == .toolCall }
  }

  package func task(_ name: String) -> PreparedTask? { tasks[name] }

  /// Whether the tools that requests define are needed: some task's answer is a tool call.
  package let needsTools: Bool
}

/// A hard-stop term with its class and the tasks it holds for.
struct PreparedTerm: Sendable {
  let text: String
  let kind: HardStopClass
  /// nil: every task.
  var tasks: Set<String>?

  func holds(for task: String?) -> Bool {
    guard let tasks else { return true }
    guard let task else { return false }
    return tasks.contains(task)
  }
}

/// Gathers terms; one that stands twice in a class is scanned for once.
private struct TermTable {
  var terms: [PreparedTerm] = []
  private var places: [String: Int] = [:]

  mutating func add(_ texts: [String], _ kind: HardStopClass, for task: String?) {
    for text in texts {
      let key = kind.rawValue + "\u{0}" + text
      guard let place = places[key] else {
        places[key] = terms.count
        terms.append(PreparedTerm(text: text, kind: kind, tasks: task.map { [$0] }))
        continue
      }
      if let task { terms[place].tasks?.insert(task) } else { terms[place].tasks = nil }
    }
  }
}

/// What names the part of the policy that a task's evidence rests on.
package struct TaskRevisions: Sendable, Equatable {
  package var candidate: String?
  package var challenger: String?

  package init(candidate: String? = nil, challenger: String? = nil) {
    self.candidate = candidate
    self.challenger = challenger
  }
}

/// A task with what deciding looks up in it. Immutable.
package final class PreparedTask: Sendable {
  package let policy: TaskPolicy
  /// Of the answer, where the task's output is JSON and the policy gives one.
  let schema: Schema?
  let labels: Set<String>
  let escalated: Set<String>
  let stopSignals: Set<RiskSignal>
  /// Terms lifted for this task, with the last day (`YYYY-MM-DD`) on which that holds.
  let waivers: [String: String]

  package let revisions: TaskRevisions

  init(_ policy: TaskPolicy, waivers: [HardStopPolicy.Waiver], revisions: TaskRevisions = TaskRevisions()) {
    self.policy = policy
    self.revisions = revisions
    schema = policy.output == .json ? policy.outputSchema.map(Self.compiled) : nil
    labels = Set(policy.labels.map(\.name))
    escalated = Set(policy.escalateLabels)
    stopSignals = Set(policy.stopSignals)
    self.waivers = Dictionary(waivers.map { ($0.term, $0.until) }, uniquingKeysWith: max)
  }

  /// Reading the policy has refused what cannot be compiled; a policy made otherwise accepts nothing then.
  private static func compiled(_ text: JSONValue) -> Schema {
    var problems: [SchemaProblem] = []
    return Schema.read(text, problems: &problems) ?? .never
  }

  /// - Parameter today: `YYYY-MM-DD`, UTC; such days compare as text.
  func isWaived(_ term: String, on today: String) -> Bool {
    guard let until = waivers[term] else { return false }
    return today <= until
  }
}
