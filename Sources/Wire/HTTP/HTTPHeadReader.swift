/// Collects lines of a head, of trailers, or the size lines of chunks, from whatever pieces arrive.
struct HTTPLineReader: Sendable {
  /// Whether a line may end without CR. Servers are forgiven that, clients are not.
  let acceptsBareNewline: Bool
  private var line: [UInt8] = []
  /// Bytes taken since ``restart(limit:)``.
  private(set) var taken = 0
  private var limit: Int

  init(acceptsBareNewline: Bool, limit: Int) {
    self.acceptsBareNewline = acceptsBareNewline
    self.limit = limit
  }

  /// Counts anew.
  mutating func restart(limit: Int) {
    line.removeAll(keepingCapacity: true)
    taken = 0
    self.limit = limit
  }

  /// Takes bytes up to the next newline.
  ///
  /// - Returns: The line without its end; nil where the text ends before.
  mutating func next(_ text: Span<UInt8>, _ at: inout Int) throws(HTTPError) -> [UInt8]? {
    let newline = ByteWords.first(0x0A, in: text, from: at, to: text.count)
    let stop = min(newline + 1, text.count)
    taken += stop - at
    guard taken <= limit else { throw .headTooLarge(limit: limit) }
    line.append(copying: text, at..<min(newline, text.count))
    at = stop
    guard newline < text.count else { return nil }
    defer { line.removeAll(keepingCapacity: true) }
    return try finished()
  }

  private func finished() throws(HTTPError) -> [UInt8] {
    let content = line.last == 0x0D ? line.dropLast() : line[...]
    guard acceptsBareNewline || content.count < line.count else { throw .invalidLineByte }
    guard content.allSatisfy(HTTPText.isValueByte) else { throw .invalidLineByte }
    return Array(content)
  }
}

extension HTTPHeaders {
  /// Adds one header line. Continued lines, names that are not tokens and space before the colon are refused.
  mutating func add(parsing line: [UInt8]) throws(HTTPError) {
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")), HTTPText.isToken(line[..<colon]) else {
      throw .invalidHeaderLine
    }
    add(line[..<colon].decodedUTF8, HTTPText.trimmed(line[(colon + 1)...]).decodedUTF8)
  }

  /// How the body that follows is framed, where the headers say so.
  func bodyFraming() throws(HTTPError) -> HTTPBodyReader.Framing? {
    let lengths = values("Content-Length")
    let codings = tokens("Transfer-Encoding")
    if !values("Transfer-Encoding").isEmpty {
      guard lengths.isEmpty else { throw .contentLengthWithTransferEncoding }
      guard codings == ["chunked"] else { throw .unsupportedTransferEncoding }
      return .chunked
    }
    guard let length = lengths.first else { return nil }
    // Refused even where they agree: nothing honest sends two.
    guard lengths.count == 1 else { throw .repeatedContentLength }
    guard !length.isEmpty, length.utf8.allSatisfy(\.isDigit), let count = Int(length) else {
      throw .invalidContentLength
    }
    return .length(count)
  }

  /// What the headers say of the connection after this message.
  func keepsConnection(version: HTTPVersion) -> Bool {
    let tokens = tokens("Connection")
    if tokens.contains("close") { return false }
    return version == .http11 || tokens.contains("keep-alive")
  }
}

package enum HTTPVersion: String, Sendable {
  case http10 = "HTTP/1.0"
  case http11 = "HTTP/1.1"

  init(parsing bytes: some Collection<UInt8>) throws(HTTPError) {
    let text = bytes.decodedUTF8
    if let version = HTTPVersion(rawValue: text) {
      self = version
    } else {
      throw text.utf8.starts(with: "HTTP/".utf8) ? .unsupportedVersion : .invalidStartLine
    }
  }
}
