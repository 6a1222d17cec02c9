/// One reader of bytes from outside, with what must hold of it whatever bytes it is given.
package struct FuzzTarget: Sendable {
  package let name: String
  /// Longest input worth making, in bytes.
  package let maxBytes: Int
  /// Words of the format: a fuzzer that has to find them by itself finds little else.
  package let words: [String]
  /// Reads the input and throws where a property does not hold. Crashing is the other way to fail.
  package let check: @Sendable ([UInt8]) throws(Finding) -> Void

  init(
    _ name: String, maxBytes: Int = 4_096, words: [String] = [],
    _ check: @escaping @Sendable ([UInt8]) throws(Finding) -> Void
  ) {
    self.name = name
    self.maxBytes = maxBytes
    self.words = words
    self.check = check
  }

  package static let all: [FuzzTarget] = [
    FuzzTarget("json", words: Words.json, JSONTarget.check),
    FuzzTarget("frame", words: Words.json + Words.frame, FrameTarget.check),
    FuzzTarget("lines", maxBytes: 1_024, LinesTarget.check),
    FuzzTarget("http-request", words: Words.http, HTTPTarget.checkRequests),
    FuzzTarget("http-response", words: Words.http, HTTPTarget.checkResponse),
    FuzzTarget("policy", words: Words.policy, PolicyTarget.check),
    FuzzTarget("schema", words: Words.json + Words.schema, SchemaTarget.check),
    FuzzTarget("reply", words: Words.json + Words.reply, ReplyTarget.check),
    FuzzTarget("stream", words: Words.json + Words.reply + Words.stream, StreamTarget.check),
    FuzzTarget("answer", words: Words.json + Words.answer, AnswerTarget.check),
    FuzzTarget("agreement", words: Words.json + Words.answer, AgreementTarget.check),
    FuzzTarget("redaction", words: Words.secrets, RedactionTarget.check),
    FuzzTarget("pattern", maxBytes: 512, words: Words.pattern, PatternTarget.check),
    FuzzTarget("terms", maxBytes: 512, TermsTarget.check),
    FuzzTarget("log", maxBytes: 16_384, words: Words.json + Words.log, LogTarget.check),
    FuzzTarget("recovery", maxBytes: 1_024, RecoveryTarget.check),
    FuzzTarget("documents", words: Words.json + Words.documents, DocumentsTarget.check),
    FuzzTarget("summary", maxBytes: 65_536, SummaryTarget.check),
    FuzzTarget("model-file", ModelFileTarget.check),
    FuzzTarget("labelled-files", words: Words.json + Words.frame + Words.labelled, LabelledFilesTarget.check),
    FuzzTarget("texts", maxBytes: 1_024, words: Words.texts, TextsTarget.check),
  ]

  package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// A property that does not hold. The words may quote the input: it was made up.
package struct Finding: Error, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }
}

func require(_ holds: Bool, _ what: @autoclosure () -> String) throws(Finding) {
  guard holds else { throw Finding(what()) }
}

/// An input taken apart from the front. What it says first decides what the rest is read as, so that a change further
/// back leaves that alone.
struct Input {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  var isEmpty: Bool { rest.isEmpty }

  /// 0 at the end.
  mutating func byte() -> Int { Int(rest.popFirst() ?? 0) }

  /// 0 ..< limit, at most 16: a digit of text counts for its number, so that seeds can be written by hand.
  mutating func choice(_ limit: Int) -> Int { (byte() & 0x0F) % limit }

  mutating func take(_ count: Int) -> [UInt8] {
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }

  /// Up to the next line feed, which is taken out as well.
  mutating func line() -> [UInt8] {
    let line = rest.prefix { $0 != 0x0A }
    rest = rest.dropFirst(line.count + 1)
    return Array(line)
  }

  mutating func everything() -> [UInt8] { take(rest.count) }
}

extension [UInt8] {
  /// Cut into pieces of a length, the last one shorter.
  func pieces(of size: Int) -> [[UInt8]] {
    stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
  }

  var text: String { String(decoding: self, as: UTF8.self) }

  var isUTF8: Bool { String(validating: self, as: UTF8.self) != nil }
}
