package import RouterCore
import Wire

/// Draws a past week's sample again from the log alone, and compares.
///
/// Two passes: ``note(_:)`` over all records, for what the week's key was and when it was committed to; then
/// ``check(_:)`` over all records.
package struct SampleAudit: Sendable {
  package enum Fault: String, Sendable, CaseIterable {
    /// The log has no `week` record of this week.
    case noWeek = "no_week"
    /// The week is not over, or its key was never written.
    case keyNotRevealed = "key_not_revealed"
    case keyDiffersFromCommitment = "key_differs_from_commitment"
    case severalKeys = "several_keys"
    case shareChanged = "share_changed"
  }

  /// One record that is not as the key says.
  package struct Difference: Sendable, Equatable {
    package enum Cause: String, Sendable {
      case drawnThoughNotChosen = "drawn_though_not_chosen"
      case chosenThoughNotDrawn = "chosen_though_not_drawn"
      /// The draw came before the log knew the key's digest, or the task's share.
      case beforeCommitment = "before_commitment"
      /// `sampled` of a call that was no would-accept.
      case notWouldAccept = "not_would_accept"
    }

    package var callID: String
    package var isChallenger: Bool
    package var cause: Cause
  }

  package let week: ISOWeek
  package private(set) var keySHA256: String?
  /// Whether the key's digest stood in the log before the week began.
  package private(set) var wasCommittedBefore = false
  package private(set) var shares: [String: Double] = [:]
  /// By task: number of the record that settled its share.
  private var shareSeq: [String: Int] = [:]
  private var key: [UInt8]?
  private var draw: ReviewDraw?
  package private(set) var faults: [Fault] = []
  package private(set) var wouldAccepts = 0
  package private(set) var drawn = 0
  /// The first hundred.
  package private(set) var differences: [Difference] = []
  package private(set) var differenceCount = 0

  package init(week: ISOWeek) { self.week = week }

  /// Reads what a `week` record says of the week; passes over everything else.
  package mutating func note(_ line: Span<UInt8>) {
    guard line.holds("\"kind\":\"week\""), let record = try? JSONValue(parsing: line),
      record["kind"]?.stringValue == "week", record["week"]?.stringValue == week.name,
      let digest = record["key_sha256"]?.stringValue
    else { return }
    if let keySHA256, keySHA256 != digest { add(.severalKeys) }
    if keySHA256 == nil, let at = record["ts"]?.stringValue.flatMap({ Timestamp.parse($0) }) {
      wasCommittedBefore = at < week.start
    }
    keySHA256 = keySHA256 ?? digest
    for entry in record["shares"]?.members ?? [] {
      guard let share = entry.value.doubleValue else { continue }
      if let settled = shares[entry.name], settled != share { add(.shareChanged) }
      if shares[entry.name] == nil {
        shares[entry.name] = share
        shareSeq[entry.name] = record["seq"]?.intValue ?? 0
      }
    }
    if let hex = record["key"]?.stringValue { key = Self.bytes(hex: hex) }
  }

  /// After the first pass: whether the second can be made.
  package mutating func prepare() -> Bool {
    guard let keySHA256 else {
      add(.noWeek)
      return false
    }
    guard let key else {
      add(.keyNotRevealed)
      return false
    }
    if SHA256.hash(key).hex != keySHA256 { add(.keyDiffersFromCommitment) }
    draw = ReviewDraw(weekKey: key)
    return true
  }

  /// Compares one decision or challenge of the week with its draw.
  package mutating func check(_ line: Span<UInt8>) {
    guard let draw, line.holds("\"sampled\":"), let record = try? JSONValue(parsing: line),
      let kind = record["kind"]?.stringValue, kind == "decision" || kind == "challenge",
      let at = record["ts"]?.stringValue.flatMap({ Timestamp.parse($0) }), at >= week.start, at < week.end,
      let callID = record["call_id"]?.stringValue
    else { return }
    let isChallenger = kind == "challenge"
    let isDrawn = record["sampled"]?.boolValue ?? false
    func differs(_ cause: Difference.Cause) {
      differenceCount += 1
      guard differences.count < 100 else { return }
      differences.append(Difference(callID: callID, isChallenger: isChallenger, cause: cause))
    }
    guard record["route_candidate"]?.stringValue == "local" else {
      if isDrawn { differs(.notWouldAccept) }
      return
    }
    wouldAccepts += 1
    if isDrawn { drawn += 1 }
    let task = record["task_type"]?.stringValue ?? ""
    guard let share = shares[task], let settled = shareSeq[task], settled < record["seq"]?.intValue ?? 0
    else {
      return differs(.beforeCommitment)
    }
    let isChosen = draw.isDrawn(callID, isChallenger: isChallenger, share: share)
    if isChosen != isDrawn { differs(isDrawn ? .drawnThoughNotChosen : .chosenThoughNotDrawn) }
  }

  package var isClean: Bool { faults.isEmpty && differenceCount == 0 }

  private mutating func add(_ fault: Fault) {
    if !faults.contains(fault) { faults.append(fault) }
  }

  /// nil for what is not an even number of lower-case hex digits.
  private static func bytes(hex: String) -> [UInt8]? {
    let digits = Array(hex.utf8)
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let byte = UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) else {
        return nil
      }
      bytes.append(byte)
    }
    return bytes
  }
}

extension Span<UInt8> {
  /// Whether the text stands anywhere in the bytes: a quick look before a line is read as JSON.
  func holds(_ text: StaticString) -> Bool {
    let length = text.utf8CodeUnitCount
    guard length > 0, count >= length else { return length == 0 }
    let first = unsafe text.utf8Start[0]
    var start = 0
    while start <= count - length {
      if self[start] == first {
        var matched = 1
        while matched < length, unsafe self[start + matched] == text.utf8Start[matched] { matched += 1 }
        if matched == length { return true }
      }
      start += 1
    }
    return false
  }
}
