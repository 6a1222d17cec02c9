package import RouterCore

/// A task's debug window: for a while the text of calls is kept whatever was decided about them, within a size.
package struct CaptureWindow: Sendable {
  package let task: String
  /// Milliseconds since 1970. Nothing is kept from here on, and what was kept goes.
  package let end: Int64
  /// Share of calls.
  package let sample: Double
  package let maxBytes: Int64

  /// - Returns: nil where the task has no window, or one whose end cannot be read: then nothing is kept.
  package init?(_ task: TaskPolicy) {
    guard case .window(let until, let sample, let maxMB) = task.capture, let end = CaptureWindow.end(until)
    else { return nil }
    self.task = task.name
    self.end = end
    self.sample = sample
    maxBytes = Int64(maxMB) << 20
  }

  package func isOpen(_ now: Int64) -> Bool { now < end }

  /// The folder of its texts, within the vault's.
  var folder: String { String(SHA256.hash(Array(task.utf8)).hex.prefix(32)) }

  /// Milliseconds since 1970 of a day's end (UTC: the day belongs to the window, as to a waiver), or of a moment.
  static func end(_ text: String) -> Int64? {
    let text = Array(text.utf8)
    let day = String(decoding: text.prefix(10), as: UTF8.self)
    if text.count == 10 { return Timestamp.parse(day + "T00:00:00Z").map { $0 + 86_400_000 } }
    guard text.count >= 20 else { return nil }
    let isUTC = text.last == UInt8(ascii: "Z") || text.last == UInt8(ascii: "z")
    let zone = isUTC ? [] : Array(text.suffix(6))
    let time = String(decoding: text[11..<(text.count - (isUTC ? 1 : 6))], as: UTF8.self)
    guard let local = Timestamp.parse("\(day)T\(time)Z") else { return nil }
    guard !isUTC else { return local }
    guard let hours = Int(String(decoding: zone[1..<3], as: UTF8.self)),
      let minutes = Int(String(decoding: zone[4..<6], as: UTF8.self))
    else { return nil }
    let offset = Int64(hours * 60 + minutes) * 60_000
    return zone[0] == UInt8(ascii: "-") ? local + offset : local - offset
  }
}
