import Glibc

/// The exit codes of the contract.
package enum Exit: Int32 {
  /// Done, and the answer is yes.
  case yes = 0
  /// The answer is no: a check failed, a gate did not pass, a log is damaged.
  case no = 1
  /// The command line is wrong.
  case usage = 2
  /// The surroundings failed: file, socket, permission, no running router.
  case surroundings = 3
  /// The router will not do this in its present state.
  case refused = 4
}

package enum Process {
  package static func exit(_ code: Exit) -> Never { Glibc.exit(code.rawValue) }
}

/// A command that ends early, with what to say on stderr.
package struct Failure: Error {
  package let exit: Exit
  package let message: String

  package init(exit: Exit, message: String) {
    self.exit = exit
    self.message = message
  }

  package static func usage(_ message: String) -> Failure { Failure(exit: .usage, message: message) }
  package static func surroundings(_ message: String) -> Failure {
    Failure(exit: .surroundings, message: message)
  }
}
