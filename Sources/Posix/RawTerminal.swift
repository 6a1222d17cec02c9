import Glibc

/// The terminal of this process, key by key: no echo, no line editing, no signals from keys. As it was before when this goes.
package struct RawTerminal: ~Copyable {
  private var saved: termios
  private let signals: SignalReader

  /// - Returns: nil where standard input or output is no terminal.
  /// - Throws: Where the terminal or the signals refuse.
  package static func take() throws(PosixError) -> RawTerminal? {
    guard StandardStream.input.isTerminal, StandardStream.output.isTerminal else { return nil }
    var saved = termios()
    _ = try retrying("tcgetattr") { unsafe tcgetattr(StandardStream.input.rawValue, &saved) }
    // Before the terminal changes: a signal in between would leave it changed.
    let signals = try SignalReader([.hangUp, .interrupt, .terminate])
    var raw = saved
    unsafe cfmakeraw(&raw)
    _ = try retrying("tcsetattr") { unsafe tcsetattr(StandardStream.input.rawValue, TCSAFLUSH, &raw) }
    return RawTerminal(saved: saved, signals: signals)
  }

  private init(saved: termios, signals: consuming SignalReader) {
    self.saved = saved
    self.signals = signals
  }

  deinit {
    var saved = saved
    _ = unsafe tcsetattr(StandardStream.input.rawValue, TCSAFLUSH, &saved)
  }

  package enum Event: Equatable, Sendable {
    /// What one read brought: a key, or more where somebody pastes.
    case keys([UInt8])
    /// A signal asked this process to go, or the terminal has gone.
    case end
    /// Nothing within the time.
    case idle
  }

  package func next(withinMilliseconds milliseconds: Int64) throws(PosixError) -> Event {
    if try signals.next() != nil { return .end }
    let deadline = Clocks.deadline(afterMilliseconds: milliseconds)
    return try StandardStream.input.use { (input) throws(PosixError) in
      guard try Poll.wait(input, for: .readable, until: deadline) else { return .idle }
      var buffer = [UInt8](repeating: 0, count: 4_096)
      switch try input.read(into: &buffer) {
      case .bytes(let count): return .keys(Array(buffer[..<count]))
      case .wouldBlock: return .idle
      case .end: return .end
      }
    }
  }

  /// Columns and rows; 80 × 24 where the terminal does not say.
  package var size: (columns: Int, rows: Int) {
    var size = winsize()
    guard unsafe ioctl(StandardStream.output.rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0,
      size.ws_row > 0
    else { return (80, 24) }
    return (Int(size.ws_col), Int(size.ws_row))
  }
}
