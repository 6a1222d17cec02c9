import CSystem
import Glibc

/// A process started by this one, which ends it and collects it: none is left behind, running or dead.
package struct ChildProcess: ~Copyable {
  /// How a process ended.
  package enum Ending: Equatable, Sendable {
    case exited(Int32)
    case signalled(Int32)
  }

  package let id: Int32
  /// nil while it runs, as far as is known: see ``poll()``. Once set, the number may be another process's.
  package private(set) var ending: Ending?

  /// Starts a program in a process group of its own, so that the terminal's Ctrl-C reaches only this process,
  /// which then decides what becomes of the child.
  ///
  /// The child gets this process's environment and no signal blocked or ignored.
  ///
  /// - Parameters:
  ///   - program: A path; no search is made.
  ///   - arguments: Without the program's own name, which is `name`.
  ///   - output: A file that takes what it writes to both standard streams; created, or emptied.
  package init(_ program: String, name: String, _ arguments: [String], output: String) throws(PosixError) {
    id = try unsafe Self.spawn(program, name: name, arguments, environment: nil) { actions in
      unsafe posix_spawn_file_actions_addopen(
        &actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600)
      unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
    }
  }

  /// The child's end of the socket that ``init(_:name:_:environment:socket:)`` gives it.
  package static let socketNumber: Int32 = 3

  /// As ``init(_:name:_:output:)``, for a helper: it shares this process's standard error and gets no other descriptor
  /// than `socket`, as number 3.
  ///
  /// - Parameter environment: All that it gets, each `NAME=value`.
  package init(
    _ program: String, name: String, _ arguments: [String], environment: [String],
    socket: borrowing Descriptor
  ) throws(PosixError) {
    let number = socket.number
    id = try unsafe Self.spawn(program, name: name, arguments, environment: environment) { actions in
      unsafe posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
      // A number that is already right is kept open on exec by this too.
      unsafe posix_spawn_file_actions_adddup2(&actions, number, Self.socketNumber)
      unsafe csystem_spawn_close_from(&actions, Self.socketNumber + 1)
    }
  }

  private static func spawn(
    _ program: String, name: String, _ arguments: [String], environment: [String]?,
    _ prepare: (inout posix_spawn_file_actions_t) -> Void
  ) throws(PosixError) -> Int32 {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe prepare(&actions)

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    var ignored = sigset_t()
    unsafe sigemptyset(&ignored)
    unsafe sigaddset(&ignored, SIGPIPE)
    unsafe posix_spawnattr_setsigdefault(&attributes, &ignored)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
    unsafe posix_spawnattr_setflags(&attributes, Int16(flags))

    let words = unsafe strings([name] + arguments)
    defer { unsafe free(words) }
    let given = unsafe strings(environment ?? [])
    defer { unsafe free(given) }
    var number: pid_t = 0
    let code =
      environment == nil
      ? unsafe posix_spawn(&number, program, &actions, &attributes, words, environ)
      : unsafe posix_spawn(&number, program, &actions, &attributes, words, given)
    guard code == 0 else { throw PosixError(code: code, call: "posix_spawn", detail: program) }
    return number
  }

  /// Copies, with nil at the end, as the C library takes them.
  private static func strings(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
    var copies: [UnsafeMutablePointer<CChar>?] = unsafe texts.map { unsafe strdup($0) }
    unsafe copies.append(nil)
    return unsafe copies
  }

  private static func free(_ copies: [UnsafeMutablePointer<CChar>?]) {
    // By index: the formatter would join the words of a loop over unsafe elements.
    for place in unsafe copies.indices { unsafe Glibc.free(copies[place]) }
  }

  /// - Returns: How it ended, or nil while it runs.
  @discardableResult
  package mutating func poll() -> Ending? {
    if ending == nil { collect(waiting: false) }
    return ending
  }

  /// Asks it to end, and kills it where it has not by the deadline.
  ///
  /// - Parameter deadline: Monotonic nanoseconds.
  @discardableResult
  package mutating func stop(until deadline: UInt64) -> Ending? {
    if poll() == nil { kill(id, SIGTERM) }
    // There is no waiting for a process with a deadline short of a signal handler, and no hurry either.
    while poll() == nil, Clocks.monotonic() < deadline { Clocks.sleep(milliseconds: 5) }
    if ending == nil {
      kill(id, SIGKILL)
      collect(waiting: true)
    }
    return ending
  }

  deinit {
    guard ending == nil else { return }
    kill(id, SIGKILL)
    var status: Int32 = 0
    while unsafe waitpid(id, &status, 0) < 0, errno == EINTR {}
  }

  private mutating func collect(waiting: Bool) {
    var status: Int32 = 0
    var got: pid_t
    repeat { got = unsafe waitpid(id, &status, waiting ? 0 : WNOHANG) } while got < 0 && errno == EINTR
    guard got == id else { return }
    // The macros of wait(2): seven bits of signal, then the exit code.
    let signal = status & 0x7F
    ending = signal == 0 ? .exited(status >> 8 & 0xFF) : .signalled(signal)
  }
}
