/// Cuts a byte stream into lines, ended by LF, CR or both.
struct StreamLines: Sendable {
  private var bytes: [UInt8] = []
  private var start = 0
  private var searched = 0
  /// The line before ended with a CR: an LF right behind it belongs to that.
  private var skipsLineFeed = false

  mutating func append(_ more: Span<UInt8>) {
    bytes.removeFirst(start)
    searched -= start
    start = 0
    for place in more.indices { bytes.append(more[place]) }
  }

  /// The next whole line, its end not with it.
  mutating func next() -> [UInt8]? {
    if skipsLineFeed, start < bytes.count {
      if bytes[start] == 0x0A { start += 1 }
      searched = max(searched, start)
      skipsLineFeed = false
    }
    guard let end = bytes[searched...].firstIndex(where: { $0 == 0x0A || $0 == 0x0D }) else {
      searched = bytes.count
      return nil
    }
    let line = Array(bytes[start..<end])
    skipsLineFeed = bytes[end] == 0x0D
    start = end + 1
    searched = start
    return line
  }

  /// What stands behind the last line's end, at the end of the stream.
  mutating func rest() -> [UInt8] {
    let rest = Array(bytes[start...])
    start = bytes.count
    searched = start
    return rest
  }
}

/// Puts server-sent events together from their lines, as the HTML standard has them.
struct ServerSentEvents: Sendable {
  struct Event: Sendable, Equatable {
    /// `message` where the server names none.
    var name = "message"
    var data: [UInt8] = []
  }

  private var event = Event()
  private var hasData = false
  private var isFirstLine = true

  /// - Returns: The event that this line ended; nil for every other line, and for events without data.
  mutating func take(_ line: [UInt8]) -> Event? {
    var line = line[...]
    if isFirstLine {
      isFirstLine = false
      if line.starts(with: [0xEF, 0xBB, 0xBF]) { line = line.dropFirst(3) }
    }
    guard !line.isEmpty else { return finish() }
    let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
    var value = line[colon...].dropFirst()
    if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
    switch String(decoding: line[..<colon], as: UTF8.self) {
    case "event": event.name = String(decoding: value, as: UTF8.self)
    case "data":
      if hasData { event.data.append(0x0A) }
      event.data += value
      hasData = true
    case "error":
      // Older servers of llama.cpp write an error as a field of its own.
      event.name = "error"
      event.data = Array(value)
      hasData = true
    default: break
    }
    return nil
  }

  /// The event whose closing line has not come, at the end of the stream.
  mutating func finish() -> Event? {
    defer {
      event = Event()
      hasData = false
    }
    return hasData ? event : nil
  }
}
