package import Deciding
package import Gates
import Journal
import LogReading
package import LogRequests
import PolicyFiles
import Posix
import RouterCore
import Synchronization

/// Asks gates on behalf of the running router, one at a time: two that ask for the first time must not take the same
/// attempt.
package final class GateAsking: Sendable {
  package enum Refusal: Error {
    /// No such task, or no challenger.
    case unknown(String)
    case log
  }

  private let pipeline: Pipeline
  private let gates: LiveGates
  private let paths: SidecarPaths
  private let turn = Mutex(())

  package init(pipeline: Pipeline, gates: LiveGates, paths: SidecarPaths) {
    self.pipeline = pipeline
    self.gates = gates
    self.paths = paths
  }

  /// The gate of the model that is a task's candidate now, or its challenger: a rotation makes each the other.
  package func subject(_ task: String, isChallenger: Bool) -> EvidenceSubject {
    EvidenceSubject(task: task, isChallenger: isChallenger != pipeline.rollouts.isRotated(task))
  }

  /// - Parameter mayWrite: Whether asking takes one of the task's attempts.
  package func ask(_ subject: EvidenceSubject, mayWrite: Bool = true) throws(Refusal) -> Gate {
    var request = GateRequest(subject, policy: pipeline.current.prepared.policy, paths: paths)
    if let fault = request.fault { throw .unknown(fault) }
    let gate: Gate? = turn.withLock { _ in
      let recorder = pipeline.recorder
      let isFlushed = recorder.journal.flush(deadline: Clocks.deadline(afterMilliseconds: 5_000))
      let balance = recorder.balance.withLock { $0 }
      request.now = Clocks.realtime()
      request.balance = (Int(balance.receivedTotal), Int(balance.shedTotal + balance.lostBySender))
      let answer = request.make(gates.fold(for: request))
      if mayWrite, answer.isNews {
        // An attempt that the log does not hold is none: a pass would not be the epoch's.
        guard isFlushed, recorder.write("gate", answer.gate.record) else { return nil }
      }
      return answer.gate
    }
    guard let gate else { throw .log }
    return gate
  }
}
