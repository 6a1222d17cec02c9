/// How the calls are called that a drill of the kill switch sends: they are no agent's, and no figure counts them.
package enum DrillCall {
  /// No policy that is drilled has a task of this name.
  package static let taskType: StaticString = "shadow_router_drill"
  package static let idPrefix = "drill-"
}
