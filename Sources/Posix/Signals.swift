import CSystem
import Glibc

/// The signals a sidecar answers to.
package enum Signal: Int32, Sendable, CaseIterable {
  case hangUp = 1
  case interrupt = 2
  case user1 = 10
  case terminate = 15
}

/// A thread's signal mask as it was.
package struct SignalSet: Sendable {
  private var set: sigset_t

  /// Blocks every signal that comes from outside; faults of the thread itself (SIGSEGV and its kin) stay deadly.
  package static func blockAsynchronous() -> SignalSet {
    var wanted = sigset_t()
    unsafe sigfillset(&wanted)
    for fault in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS] {
      unsafe sigdelset(&wanted, fault)
    }
    var previous = sigset_t()
    unsafe pthread_sigmask(SIG_BLOCK, &wanted, &previous)
    return SignalSet(set: previous)
  }

  package func restore() {
    var set = set
    unsafe pthread_sigmask(SIG_SETMASK, &set, nil)
  }
}

/// Signals as something to read, beside sockets, instead of handlers that may do almost nothing.
package struct SignalReader: ~Copyable, Sendable {
  /// Readable when a signal waits; for an ``EventLoop`` or ``Poll``.
  package let descriptor: Descriptor

  /// Blocks the signals for this thread and those it starts later, so call it first thing in `main`: a signal
  /// that finds an unblocked thread takes its default way.
  package init(_ signals: [Signal]) throws(PosixError) {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for signal in signals { unsafe sigaddset(&set, signal.rawValue) }
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    descriptor = Descriptor(
      owning: try retrying("signalfd") { unsafe signalfd(-1, &set, Int32(SFD_CLOEXEC | SFD_NONBLOCK)) })
  }

  /// Takes out one signal and its sender's process id; nil where none waits.
  package func next() throws(PosixError) -> (signal: Signal, sender: Int32)? {
    var info = signalfd_siginfo()
    let number = descriptor.number
    let got = try retryingUnlessBlocked("read") {
      unsafe withUnsafeMutableBytes(of: &info) { unsafe Glibc.read(number, $0.baseAddress, $0.count) }
    }
    guard got == MemoryLayout<signalfd_siginfo>.size, let signal = Signal(rawValue: Int32(info.ssi_signo))
    else {
      return nil
    }
    return (signal, Int32(bitPattern: info.ssi_pid))
  }
}

package enum Signals {
  /// Makes a write to a closed pipe or socket an error instead of the process's end.
  package static func ignoreBrokenPipe() { _ = signal(SIGPIPE, SIG_IGN) }

  package static func send(_ signal: Signal, to process: Int32) throws(PosixError) {
    _ = try retrying("kill", "\(process)") { kill(process, signal.rawValue) }
  }
}
