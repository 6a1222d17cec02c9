#if DEBUG
  import Glibc
  import Synchronization

  /// System calls that fail because a test says so, at the one place where all of them are made.
  ///
  /// A plan counts the calls of one name, and makes the one of a number fail or fall short. It holds for the calls of the
  /// code that ``run(_:)`` runs and of the threads that this code starts, so that tests beside each other do not meet.
  /// Not compiled into a release build: the built program's calls are failed from outside, by a preloaded library.
  package final class FaultPlan: Sendable {
    package enum Effect: Equatable, Sendable {
      /// The call is not made, and fails with this errno.
      case error(Int32)
      /// The call gets half of its bytes, at least one. For reads and writes.
      case short
    }

    private struct Counts {
      var seen = 0
      var fired = 0
    }

    private let call: String
    private let numbers: Range<Int>
    private let effect: Effect
    private let counts = Mutex(Counts())

    @TaskLocal static var current: FaultPlan?

    /// - Parameters:
    ///   - call: As in section 2 of the manual, such as `write`; `accept4` for accepted connections.
    ///   - number: Of the first call that fails, from 1.
    ///   - times: How many calls fail from there on; nil: all.
    package init(_ call: String, at number: Int, _ effect: Effect, times: Int? = 1) {
      self.call = call
      self.effect = effect
      numbers = number..<(times.map { number + $0 } ?? .max)
    }

    package func run<Result>(_ body: () throws -> Result) rethrows -> Result {
      try Self.$current.withValue(self, operation: body)
    }

    /// How many calls failed or fell short so far.
    package var fired: Int { counts.withLock { $0.fired } }

    private func fires(_ name: String) -> Bool {
      guard name == call else { return false }
      return counts.withLock { counts in
        counts.seen += 1
        guard numbers.contains(counts.seen) else { return false }
        counts.fired += 1
        return true
      }
    }

    /// Whether a call fails; errno is then set.
    static func fails(_ call: String) -> Bool {
      guard let plan = current, case .error(let code) = plan.effect, plan.fires(call) else { return false }
      errno = code
      return true
    }

    /// How many of `count` bytes a call may take or bring.
    static func allowed(_ call: String, _ count: Int) -> Int {
      guard let plan = current, plan.effect == .short, count > 1, plan.fires(call) else { return count }
      return count / 2
    }
  }
#else
  /// Nothing of it is left in a release build.
  enum FaultPlan {
    @inline(__always) static func fails(_ call: String) -> Bool { false }
    @inline(__always) static func allowed(_ call: String, _ count: Int) -> Int { count }
  }
#endif
