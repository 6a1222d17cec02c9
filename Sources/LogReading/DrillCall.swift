/// How the calls are called that a drill of the kill switch sends: they are no agent's, and no figure counts them.
package enum DrillCall {
  /// No policy that is drilled has a task of this name.
  package static let taskType: StaticString = "shadow_router_drill"
  package static let idPrefix = "drill-"
}

extension LogLine {
  /// A decision on a call that a drill of the kill switch sent: no agent's, and so no task's. What could be accepted is none.
  package func isOfDrill(in text: Span<UInt8>) -> Bool {
    isString(.taskType, DrillCall.taskType, in: text) && !isString(.routeCandidate, "local", in: text)
      && string(.callID, in: text)?.hasPrefix(DrillCall.idPrefix) == true
  }
}
