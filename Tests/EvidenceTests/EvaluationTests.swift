import Evidence
import RouterCore
import Testing
import Wire

@Suite("Evaluations")
struct EvaluationTests {
  private func task(_ output: TaskOutput = .label) -> TaskPolicy {
    var task = TaskPolicy(name: "t", mark: Mark(line: 1, column: 1))
    task.local = true
    task.output = output
    task.minConfidence = 0.7
    task.labels = output == .label ? ["a", "b", "c"].map { TaskLabel(name: $0, description: nil) } : []
    return task
  }
}
