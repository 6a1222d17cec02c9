import Glibc

/// What a crash of this process may show.
package enum CrashHandling {
  /// Gives the fatal signals back to the kernel: the runtime's own handler prints memory, and memory holds prompts.
  package static func printNothing() {
    for fault in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS] { _ = signal(fault, SIG_DFL) }
  }
}
