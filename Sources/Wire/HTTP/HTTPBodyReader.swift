/// Takes a message's body out of the bytes after its head.
struct HTTPBodyReader: Sendable {
  enum Framing: Sendable, Equatable {
    case length(Int)
    case chunked
    /// The end of the stream ends the body.
    case untilClose
  }

  private enum State: Sendable {
    /// This many bytes of the body, or of the chunk, are still to come.
    case content(Int)
    case chunkSize
    /// The line end after a chunk's bytes.
    case chunkEnd
    case trailers
    case untilClose
    case done
  }

  let framing: Framing
  private(set) var body: [UInt8] = []
  private(set) var trailers = HTTPHeaders()
  private var state: State
  private var lines: HTTPLineReader
  private let limits: HTTPLimits
  /// Also what ``takeBody()`` has taken.
  private(set) var received = 0

  /// Longest line that gives a chunk's size, with extensions.
  private static let chunkLineLimit = 4096

  /// - Throws: ``HTTPError/bodyTooLarge(limit:)`` already for a length that is announced.
  init(framing: Framing, limits: HTTPLimits, acceptsBareNewline: Bool) throws(HTTPError) {
    self.framing = framing
    self.limits = limits
    lines = HTTPLineReader(acceptsBareNewline: acceptsBareNewline, limit: Self.chunkLineLimit)
    switch framing {
    case .length(let count):
      guard count <= limits.bodyBytes else { throw .bodyTooLarge(limit: limits.bodyBytes) }
      state = count == 0 ? .done : .content(count)
    case .chunked: state = .chunkSize
    case .untilClose: state = .untilClose
    }
  }

  var isComplete: Bool { if case .done = state { true } else { false } }

  mutating func takeBody() -> [UInt8] {
    defer { body = [] }
    return body
  }

  /// Takes what belongs to the body; `at` is left behind it.
  mutating func feed(_ text: Span<UInt8>, _ at: inout Int) throws(HTTPError) {
    while at < text.count {
      switch state {
      case .done: return
      case .untilClose: try take(text.count - at, text, &at)
      case .content(let count):
        let part = min(count, text.count - at)
        try take(part, text, &at)
        state = part < count ? .content(count - part) : framing == .chunked ? .chunkEnd : .done
      case .chunkSize, .chunkEnd, .trailers:
        guard let line = try lines.next(text, &at) else { return }
        try take(line)
      }
    }
  }

  /// The stream has ended.
  mutating func finish() throws(HTTPError) {
    switch (state, framing) {
    case (.done, _): return
    case (.untilClose, _): state = .done
    case (_, .length(let count)): throw .shortBody(received: received, expected: count)
    default: throw .shortBody(received: received, expected: nil)
    }
  }

  private mutating func take(_ count: Int, _ text: Span<UInt8>, _ at: inout Int) throws(HTTPError) {
    guard received + count <= limits.bodyBytes else { throw .bodyTooLarge(limit: limits.bodyBytes) }
    body.append(copying: text, at..<at + count)
    received += count
    at += count
  }

  /// A whole line between the contents of chunks.
  private mutating func take(_ line: [UInt8]) throws(HTTPError) {
    switch state {
    case .chunkSize:
      try begin(chunkOf: try Self.chunkSize(line))
    case .chunkEnd:
      guard line.isEmpty else { throw .invalidChunk }
      state = .chunkSize
      lines.restart(limit: Self.chunkLineLimit)
    case .trailers where line.isEmpty: state = .done
    case .trailers: try trailers.add(parsing: line)
    case .content, .untilClose, .done: break
    }
  }

  private mutating func begin(chunkOf size: Int) throws(HTTPError) {
    guard size <= limits.bodyBytes - received else { throw .bodyTooLarge(limit: limits.bodyBytes) }
    state = size == 0 ? .trailers : .content(size)
    lines.restart(limit: size == 0 ? limits.headBytes : Self.chunkLineLimit)
  }

  /// Hexadecimal digits, then perhaps extensions, which mean nothing to us.
  private static func chunkSize(_ line: [UInt8]) throws(HTTPError) -> Int {
    let digits = HTTPText.trimmed(line.prefix { $0 != UInt8(ascii: ";") })
    // Fifteen digits cannot overflow, and no honest chunk has more.
    guard (1...15).contains(digits.count) else { throw .invalidChunk }
    var size = 0
    for byte in digits {
      guard let digit = byte.hexadecimalDigit else { throw .invalidChunk }
      size = size << 4 | Int(digit)
    }
    return size
  }
}
