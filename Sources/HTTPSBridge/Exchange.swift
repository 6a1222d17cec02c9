import Posix
import Synchronization
import Wire

/// Wakes a connection's thread.
final class Bell: Sendable {
  let wakeup: Wakeup

  init() throws(PosixError) { wakeup = try Wakeup() }

  func ring() { wakeup.signal() }
}

/// One answer on its way: filled by the session's queue as it arrives, emptied by the connection's thread.
final class Exchange: Sendable {
  struct Head: Sendable {
    let status: Int
    let headers: HTTPHeaders
  }

  enum End: Sendable {
    case complete
    case failed(HTTPSBridgeFault)
  }

  /// What came since it was last asked for.
  struct News: Sendable {
    var head: Head?
    var body: [UInt8] = []
    var end: End?
  }

  /// Bytes of a body, twice what the sidecar takes: it gives up long before.
  static let bodyLimit = 8 << 20

  private let news = Mutex(News())
  private let received = Mutex(0)
  private let bell: Bell

  init(_ bell: Bell) { self.bell = bell }

  func began(_ head: Head) {
    news.withLock { $0.head = head }
    bell.ring()
  }

  /// - Returns: False where the answer is too long to go on with.
  func add(_ bytes: [UInt8]) -> Bool {
    let total = received.withLock { total in
      total += bytes.count
      return total
    }
    guard total <= Self.bodyLimit else { return false }
    news.withLock { $0.body += bytes }
    bell.ring()
    return true
  }

  func ended(_ end: End) {
    news.withLock { $0.end = end }
    bell.ring()
  }

  func take() -> News {
    news.withLock { news in
      defer { news = News() }
      return news
    }
  }
}
