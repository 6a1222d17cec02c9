import Posix
import Synchronization

/// What other threads hand to the console's loop.
final class ConsoleMailbox: Sendable {
  struct Letter: Sendable {
    /// The connection; nil: everyone who watches.
    let connection: UInt64?
    let content: Content
  }

  enum Content: Sendable {
    case answer(Control.Answer)
    case live(ConsoleFeed.Publication)
  }

  private let letters = Mutex<[Letter]>([])
  let wakeup: Wakeup

  init() throws(PosixError) { wakeup = try Wakeup() }

  func put(_ letter: Letter) {
    letters.withLock { $0.append(letter) }
    wakeup.signal()
  }

  func takeAll() -> [Letter] {
    wakeup.clear()
    return letters.withLock { letters in
      defer { letters = [] }
      return letters
    }
  }
}
