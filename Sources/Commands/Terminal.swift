import Posix

/// Data on stdout, messages on stderr. Plain text where stdout is no terminal or `NO_COLOR` is set.
package enum Terminal {
  package static func out(_ text: String) { write(text, to: .output) }
  package static func message(_ text: String) { write(text, to: .error) }

  package static let hasColour: Bool = {
    guard ProcessState.environment("NO_COLOR") == nil, ProcessState.environment("TERM") != "dumb" else {
      return false
    }
    return StandardStream.output.isTerminal
  }()

  private static func write(_ text: String, to stream: StandardStream) {
    do throws(PosixError) {
      try stream.use { (descriptor) throws(PosixError) in try descriptor.writeAll(Array(text.utf8)) }
    } catch {
      // A reader that has gone (`| head`) is no fault of ours. Half a report on a full disk is none that is done.
      guard stream == .output, !error.isBrokenPipe else { return }
      message("shadow-router: standard output: \(error.reason); what was written is not whole\n")
      Process.exit(.surroundings)
    }
  }

  package enum Style: String {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
  }

  package static func styled(_ text: String, _ style: Style) -> String {
    hasColour ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
  }
}

/// A line on stderr that shows how far long work is; nothing where stderr is no terminal.
package struct Progress {
  private let label: String
  private let isShown: Bool
  private var last: UInt64 = 0

  package init(_ label: String) {
    self.label = label
    isShown = StandardStream.error.isTerminal
  }

  /// - Parameter share: 0…1; nil where the end is not known.
  package mutating func show(_ share: Double?, _ detail: String) {
    guard isShown else { return }
    let now = Clocks.monotonic()
    guard now &- last > 100_000_000 || share == 1 else { return }
    last = now
    guard let share else { return Terminal.message("\r\u{1B}[2K\(label)  \(detail)") }
    let filled = Int(share * 30)
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 30 - filled)
    Terminal.message("\r\u{1B}[2K\(label)  \(bar)  \(detail)")
  }

  package func end() { if isShown { Terminal.message("\r\u{1B}[2K") } }
}
