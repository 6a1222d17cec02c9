import Posix

/// Where a router keeps its things.
package struct SidecarPaths: Sendable {
  package var state: String
  package var runtime: String
  package var policy: String
  package var tap: String

  package init(state: String, runtime: String, policy: String, tap: String? = nil) {
    self.state = state
    self.runtime = runtime
    self.policy = policy
    self.tap = tap ?? Files.join(runtime, "tap.sock")
  }

  package var control: String { Files.join(runtime, "control.sock") }
  package var log: String { Files.join(state, "log") }
  package var policies: String { Files.join(state, "policies") }
  package var calibrations: String { Files.join(state, "calibration") }
  package var policyInForce: String { Files.join(state, "policy-in-force.yaml") }
  package var flags: String { Files.join(state, "flags.json") }
}
