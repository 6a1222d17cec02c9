package import Wire

/// The members of a record between `kind` and `prev`: what a record says, without what the log adds.
///
/// Absent and unknown values are written as null, so that every record of a kind has the same members in the
/// same order.
package struct RecordBody {
  /// Room for the usual decision, so that writing one does not make the buffer grow.
  private var writer = JSONWriter(capacity: 2_000)

  package init() { writer.beginObject() }

  /// The members, comma-separated, without braces.
  package var bytes: [UInt8] { Array(writer.bytes.dropFirst()) }

  /// As ``bytes``, where they stand.
  package func withBytes<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
    let all = writer.bytes
    return body(all.span.extracting(1..<all.count))
  }

  package mutating func field(_ key: StaticString, _ value: String?) {
    writer.key(key)
    if let value { writer.string(value) } else { writer.null() }
  }

  package mutating func field(_ key: StaticString, utf8 value: [UInt8]?) {
    writer.key(key)
    if let value { writer.string(value) } else { writer.null() }
  }

  package mutating func field(_ key: StaticString, _ value: Int?) {
    writer.key(key)
    if let value { writer.int(value) } else { writer.null() }
  }

  package mutating func field(_ key: StaticString, _ value: Double?) {
    writer.key(key)
    if let value { writer.double(value) } else { writer.null() }
  }

  package mutating func field(_ key: StaticString, _ value: Bool?) {
    writer.key(key)
    if let value { writer.bool(value) } else { writer.null() }
  }

  package mutating func field(_ key: StaticString, word value: StaticString) {
    writer.key(key)
    writer.word(value)
  }

  /// For arrays and objects that have no shorter form.
  package mutating func field(_ key: StaticString, _ write: (inout JSONWriter) -> Void) {
    writer.key(key)
    write(&writer)
  }
}
