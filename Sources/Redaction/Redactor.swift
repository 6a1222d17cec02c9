package import Text

/// Replaces secrets and personal data by `[kind]`: `[secret]`, `[email]`, `[card]` and so on.
///
/// It works by form: marks of issuers, names of settings, check digits, how mixed the characters of a token are. What has
/// no form is not found: names of people, street addresses, passwords within a sentence. In doubt it redacts:
/// a preview is only a hint for a reader.
package struct Redactor: Sendable {
  /// Bytes of a text that are looked at for a preview, so that its cost does not grow with the text.
  package static let windowBytes = 4_096

  let extra: [Pattern]

  /// - Parameter extra: Patterns of the policy; whatever they match becomes `[redacted]`.
  package init(extra: [Pattern] = []) { self.extra = extra }

  /// The first `characters` Unicode scalars of the redacted text, as UTF-8.
  ///
  /// Redacted first, then cut, so no part of a secret is left at the end. Control characters stay.
  ///
  /// - Returns: nil where the text is no UTF-8 as far as it was read: such a text is dropped, not stored.
  package func preview(of text: Span<UInt8>, characters: Int = 240) -> [UInt8]? {
    guard characters > 0 else { return [] }
    let window = RedactionWindow(text, most: max(Redactor.windowBytes, 16 * min(characters, 1 << 20)))
    return redacted(text, window, characters: characters)
  }

  /// The whole text redacted. For short texts: ids, notes, error details.
  ///
  /// - Returns: nil where the text is no UTF-8.
  package func redact(_ text: Span<UInt8>) -> [UInt8]? {
    redacted(text, RedactionWindow(text, most: .max), characters: nil)
  }

  private func redacted(_ text: Span<UInt8>, _ window: RedactionWindow, characters: Int?) -> [UInt8]? {
    guard let shown = redactedAsWritten(text, window, characters: characters) else { return nil }
    return redactedFolded(text, window, characters: characters) ?? shown
  }

  /// As the scan for hard stops reads it: in NFKC, without characters that have no width. What is hidden as written stays
  /// hidden: folding may glue it to a word.
  ///
  /// - Returns: nil where that hides nothing more: the text is shown as it is written then.
  private func redactedFolded(
    _ text: Span<UInt8>, _ window: RedactionWindow, characters: Int?
  ) -> [UInt8]? {
    let part = text.extracting(0..<window.limit)
    guard !Folding.isASCII(part) else { return nil }
    var folded: [UInt8] = []
    Folding.fold(part, into: &folded)
    guard !isEqual(folded.span, part), let written = ranges(in: text, window) else { return nil }
    // In pieces, so that each range has its place in the folded text.
    folded = []
    var piece: [UInt8] = []
    func take(to end: Int, from start: Int) {
      Folding.fold(text.extracting(start..<end), into: &piece)
      folded += piece
    }
    var place = 0
    let moved = written.found.map { range -> RedactedRange in
      let (first, last) = (max(place, min(range.start, written.end)), max(place, min(range.end, written.end)))
      take(to: first, from: place)
      let start = folded.count
      take(to: last, from: first)
      place = last
      return RedactedRange(start: start, end: folded.count, kind: range.kind)
    }
    take(to: max(place, written.end), from: place)
    guard let read = ranges(in: folded.span, RedactionWindow(folded.span, most: .max)) else { return nil }
    // Both are in order: one walk along them.
    var next = 0
    let hidesMore = read.found.contains { range in
      while next < moved.count, moved[next].end < range.end { next += 1 }
      return next == moved.count || moved[next].start > range.start
    }
    guard hidesMore else { return nil }
    return emit(
      folded.span, merged(moved, read.found), limit: folded.count, characters: characters ?? .max)
  }

  /// What is hidden of a whole window, in order, and how far it was read; nil where that is no UTF-8.
  private func ranges(in text: Span<UInt8>, _ window: RedactionWindow) -> (found: [RedactedRange], end: Int)?
  {
    var scanner = RedactionScanner(limit: window.limit, enough: nil)
    guard scanner.scan(text) else { return nil }
    let numbers = LoneNumber.ranges(in: text, limit: window.limit, before: scanner.end)
    return (redactions(text, scanner, numbers, window), scanner.end)
  }

  private func isEqual(_ first: Span<UInt8>, _ second: Span<UInt8>) -> Bool {
    guard first.count == second.count else { return false }
    for index in first.indices where first[index] != second[index] { return false }
    return true
  }

  private func redactedAsWritten(
    _ text: Span<UInt8>, _ window: RedactionWindow, characters: Int?
  ) -> [UInt8]? {
    // A match of the policy's patterns may shorten the text, so then the whole window is read.
    var enough = extra.isEmpty ? characters : nil
    while true {
      var scanner = RedactionScanner(limit: window.limit, enough: enough)
      guard scanner.scan(text) else { return nil }
      let numbers = LoneNumber.ranges(in: text, limit: window.limit, before: scanner.end)
      // They are shown shorter, so more of the text has its place.
      if let read = enough, let characters, scanner.end < window.limit {
        let needed = numbers.reduce(characters) { $0 + max(0, $1.count - RedactionKind.id.labelCount) }
        if needed > read {
          enough = max(needed, 2 * read)
          continue
        }
      }
      return emit(
        text, redactions(text, scanner, numbers, window), limit: scanner.end, characters: characters ?? .max)
    }
  }

  private func redactions(
    _ text: Span<UInt8>, _ scanner: RedactionScanner, _ numbers: [Range<Int>], _ window: RedactionWindow
  ) -> [RedactedRange] {
    var redactions = scanner.found
    let alone = numbers.filter { number in
      !redactions.contains { $0.start < number.upperBound && number.lowerBound < $0.end }
    }
    if !alone.isEmpty {
      redactions = merged(
        redactions, alone.map { RedactedRange(start: $0.lowerBound, end: $0.upperBound, kind: .id) })
    }
    return extra.isEmpty ? redactions : merged(redactions, matches(in: text, limit: window.limit))
  }

  private func matches(in text: Span<UInt8>, limit: Int) -> [RedactedRange] {
    var found: [RedactedRange] = []
    let window = text.extracting(0..<limit)
    for pattern in extra {
      pattern.forEachRange(in: window) { range in
        guard !range.isEmpty else { return }
        found.append(RedactedRange(start: range.lowerBound, end: range.upperBound, kind: .policy))
      }
    }
    return found
  }

  /// Overlapping ones become one of the earlier's kind.
  private func merged(_ first: [RedactedRange], _ second: [RedactedRange]) -> [RedactedRange] {
    var result: [RedactedRange] = []
    for next in (first + second).sorted(by: { $0.start < $1.start }) {
      if let last = result.last, next.start < last.end {
        result[result.count - 1].end = max(last.end, next.end)
      } else {
        result.append(next)
      }
    }
    return result
  }

  private func emit(
    _ text: Span<UInt8>, _ redactions: [RedactedRange], limit: Int, characters: Int
  ) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(min(limit + 32, characters == .max ? limit + 32 : characters + 64))
    var room = characters
    var position = 0
    for redaction in redactions {
      copy(text, position..<max(position, min(redaction.start, limit)), to: &output, room: &room)
      let label = "[\(redaction.kind.rawValue)]".utf8.prefix(max(0, room))
      output += label
      room -= label.count
      position = max(position, redaction.end)
      if room <= 0 { return output }
    }
    copy(text, position..<max(position, limit), to: &output, room: &room)
    return output
  }

  /// Copies whole scalars while there is room for them.
  private func copy(_ text: Span<UInt8>, _ range: Range<Int>, to output: inout [UInt8], room: inout Int) {
    var end = range.lowerBound
    // Continuation bytes belong to the scalar before them.
    while end < range.upperBound, room > 0 || text[end] & 0xC0 == 0x80 {
      if text[end] & 0xC0 != 0x80 { room -= 1 }
      end += 1
    }
    unsafe text.extracting(range.lowerBound..<end).withUnsafeBufferPointer { bytes in
      unsafe output.append(contentsOf: bytes)
    }
  }
}

/// The part of a text that is read.
struct RedactionWindow {
  /// Bytes to read: up to a place where no token is cut, or far into a token too long for that.
  let limit: Int

  /// How far back from its end the window may be shortened to end between tokens.
  private static let reach = 256

  init(_ text: Span<UInt8>, most: Int) {
    guard text.count > most else {
      limit = text.count
      return
    }
    let least = max(0, most - RedactionWindow.reach)
    var end = RedactionWindow.boundary(text, before: most, least: least)
    // Card and phone numbers go on over spaces, so groups that hold digits are given up as well.
    while end > least, RedactionWindow.isNumber(text, endingAt: end, least: least) {
      end = RedactionWindow.boundary(text, before: end, least: least)
    }
    while end > 0, text[end] & 0xC0 == 0x80 { end -= 1 }
    limit = end
  }

  /// The last place at or before `end` that follows no token byte.
  private static func boundary(_ text: Span<UInt8>, before end: Int, least: Int) -> Int {
    var position = end - 1
    while position > least, !isBreak(text[position]) { position -= 1 }
    return position
  }

  private static func isNumber(_ text: Span<UInt8>, endingAt end: Int, least: Int) -> Bool {
    var position = end - 1
    while position >= least, !isBreak(text[position]) {
      if (48...57).contains(text[position]) { return true }
      position -= 1
    }
    return false
  }

  private static func isBreak(_ byte: UInt8) -> Bool {
    byte >= 0x80 || ByteClass.table[Int(byte)] & ByteClass.delimiter != 0
  }
}
