import PolicyFiles
import Rollout
import RouterCore

/// What is served locally now: the flags in force, read by every call, changed by few.
final class Rollouts: Sendable {
  /// What the flags say of a call whose task is known. Called on the tap's thread for every such call: no waiting, no
  /// system call.
  func standing(of call: Call, task: PreparedTask, in generation: Generation) -> Standing { .shadow }
}
