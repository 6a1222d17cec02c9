package import RouterCore
import Wire

/// Reads a streamed reply from bytes however they are cut: lines of JSON from Ollama, server-sent events from others.
///
/// Holds no descriptor and never waits. Once something was thrown, nothing after it can be trusted.
package struct ProviderStream: Sendable {
  /// Most bytes of a stream, in all: what bounds the memory.
  package static let limit = 4 << 20

  private let format: ProviderFormat
  private let question: Question
  private let style: AskStyle
  private let limit: Int
  private var lines = StreamLines()
  private var events = ServerSentEvents()
  private var parts = ReplyParts()
  private var received = 0
  private var isComplete = false

  init(_ format: ProviderFormat, to question: Question, style: AskStyle, limit: Int = Self.limit) {
    self.format = format
    self.question = question
    self.style = style
    self.limit = limit
  }

  /// Takes the bytes of a 200 answer's body in the order they arrived.
  ///
  /// - Returns: True once nothing more is to come; bytes behind that are not read.
  /// - Throws: ``AskFault/streamError`` for an error that the server reports, ``AskFault/badResponse`` for what is
  ///   not of the format, ``AskFault/responseTooLarge``.
  package mutating func feed(_ bytes: Span<UInt8>) throws(AskFault) -> Bool {
    guard !isComplete else { return true }
    received += bytes.count
    guard received <= limit else { throw .responseTooLarge }
    lines.append(bytes)
    while !isComplete, let line = lines.next() { try take(line) }
    return isComplete
  }

  /// Takes the end of the body and gives the reply.
  ///
  /// - Throws: ``AskFault/streamIncomplete`` where the format's own mark of a whole reply is missing.
  package mutating func finish() throws(AskFault) -> CandidateReply {
    if !isComplete {
      do throws(AskFault) {
        try take(lines.rest())
        if let event = events.finish() { try take(event) }
      } catch {
        // A line that ends in its middle is the end of the stream, not a fault of its format.
        throw error == .badResponse ? .streamIncomplete : error
      }
    }
    guard parts.hasEnded else { throw .streamIncomplete }
    return parts.reply(to: question, style: style)
  }

  private mutating func take(_ line: [UInt8]) throws(AskFault) {
    switch format {
    case .ollamaGenerate, .ollamaChat:
      guard !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) else { return }
      try Ollama.readPiece(try value(line), isChat: format == .ollamaChat, into: &parts)
      isComplete = parts.hasEnded
    case .openAI, .llamaCpp, .anthropic:
      if let event = events.take(line) { try take(event) }
    }
  }

  private mutating func take(_ event: ServerSentEvents.Event) throws(AskFault) {
    guard event.name != "error" else { throw .streamError }
    if format == .openAI, event.data.elementsEqual("[DONE]".utf8) {
      parts.hasEnded = true
      isComplete = true
      return
    }
    let value = try value(event.data)
    switch format {
    case .openAI: try OpenAI.readPiece(value, into: &parts)
    case .llamaCpp: try LlamaCpp.readPiece(value, into: &parts)
    case .anthropic: try Anthropic.readPiece(value, into: &parts)
    case .ollamaGenerate, .ollamaChat: break
    }
    // The usage comes behind OpenAI's end of the answer; for the others the end is the end.
    if format != .openAI { isComplete = parts.hasEnded }
  }

  private func value(_ bytes: [UInt8]) throws(AskFault) -> JSONValue {
    guard let value = try? JSONValue(parsing: bytes, options: ProviderFormat.options), value.members != nil
    else { throw .badResponse }
    guard value.present("error") == nil, value["type"]?.stringValue != "error" else { throw .streamError }
    return value
  }
}
