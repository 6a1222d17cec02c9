/// Which drawn would-accepts have one input: of these one is reviewed, and its label counts for all.
///
/// The input, the task, the model with its digest and the prompt have to be the same. A person's own label of a call stands
/// where it is at least as bad.
package struct EqualInputs: Sendable {
  /// Twelve bytes, because there may be a hundred thousand.
  private struct Drawn: BitwiseCopyable {
    var call: UInt32
    var high: UInt32
    var low: UInt32

    var key: UInt64 { UInt64(high) << 32 | UInt64(low) }
  }

  private var drawn: [Drawn] = []

  /// What an answer depends on beside the input.
  private static let answering: [LogField] = [
    .taskType, .localModelID, .localModel, .localModelDigest, .promptRevision,
  ]

  package init() {}

  /// Takes in the decision at hand where it is a drawn would-accept.
  ///
  /// - Parameter call: Its number, below 2³².
  package mutating func add(_ line: inout LogLine, _ text: Span<UInt8>, call: Int) {
    guard line.bool(.sampled, in: text) == true, line.isString(.routeCandidate, "local", in: text),
      let input = line.hash(.inputHash, in: text)
    else { return }
    var same = input
    for field in Self.answering {
      same = same.with(Int(truncatingIfNeeded: line.hash(field, in: text)?.short ?? 0))
    }
    let key = same.with(line.bool(.rotated, in: text) == true ? 1 : 0).short
    drawn.append(
      Drawn(
        call: UInt32(truncatingIfNeeded: call), high: UInt32(truncatingIfNeeded: key >> 32),
        low: UInt32(truncatingIfNeeded: key)))
  }

  /// Calls that another one's label counts for, each with that call.
  ///
  /// - Parameter label: What people say of a call itself.
  package func twins(_ label: (Int) -> ReviewLabel?) -> [Int: Int] {
    var worst: [UInt64: (call: Int, weight: Int)] = [:]
    for item in drawn {
      guard let weight = label(Int(item.call))?.weight else { continue }
      if worst[item.key].map({ $0.weight < weight }) ?? true { worst[item.key] = (Int(item.call), weight) }
    }
    guard !worst.isEmpty else { return [:] }
    var twins: [Int: Int] = [:]
    for item in drawn {
      guard let (call, weight) = worst[item.key], call != Int(item.call),
        label(Int(item.call)).map({ $0.weight < weight }) ?? true
      else { continue }
      twins[Int(item.call)] = call
    }
    return twins
  }

  /// Whether every number is that of a call.
  package func isConsistent(calls: Int) -> Bool { drawn.allSatisfy { $0.call < calls } }
}

extension EqualInputs: StoredMembers {
  package static var blank: EqualInputs { EqualInputs() }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(bytesOf: &drawn)
  }
}
