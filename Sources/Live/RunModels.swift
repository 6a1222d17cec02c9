/// The frontier model that each run began with, for tasks whose runs keep to one (`switch_mid_run: false`).
///
/// Bounded: past ``capacity`` runs the one that began first is forgotten, and begins anew.
package struct RunModels: Sendable {
  package static let capacity = 10_000
  private let capacity: Int
  private var models: [String: String] = [:]
  private var runs: [String] = []
  private var next = 0

  package init(capacity: Int = capacity) { self.capacity = max(1, capacity) }

  /// The model that a run began with: `first` where this is its first call.
  package mutating func model(of run: String, first: String) -> String {
    if let known = models[run] { return known }
    if runs.count < capacity {
      runs.append(run)
    } else {
      models[runs[next]] = nil
      runs[next] = run
      next = (next + 1) % capacity
    }
    models[run] = first
    return first
  }
}
