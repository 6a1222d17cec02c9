/// One condition for promoting a task, with its evidence.
package struct GateCondition: Sendable, Equatable {
  package enum State: String, Sendable {
    case met, unmet
    case notApplicable = "not_applicable"
  }

  /// What it says where it is not met.
  package enum Weight: Sendable {
    /// More of the same evidence may meet it.
    case waits
    /// Something is to be done or understood first.
    case doubts
    /// The evidence speaks against the task.
    case against
  }

  /// Append-only: scripts read these.
  package enum Name: String, Sendable, CaseIterable {
    case evidence = "e_process"
    case severe = "severe_false_accepts"
    case hunt = "hunt_false_accepts"
    case missedStops = "missed_stops"
    case validity = "json_validity"
    case accuracy = "label_accuracy"
    case labelled = "labelled_in_time"
    case catchRate = "catch_rate"
    case weeks
    case losses = "lost_calls"
    case drift
    case drill
    case evalSet = "eval_set"
  }

  package var name: Name
  package var state: State
  package var weight: Weight
  /// The figure and its limit; nil where there is none. Times are milliseconds since 1970.
  package var figure: Double?
  package var limit: Double?
  /// Both in words: `0 of 412` and `at most 0`.
  package var shown: String
  package var wants: String
  /// Where the figure comes from.
  package var source: String
  /// What is missing; nil where the condition is met.
  package var missing: String?
}
