import Journal
import Posix
import Wire

/// The newest decisions of the log, with what the frontier said where that is known.
///
/// A view of what is there, in bounded memory and time: where more is written than can be looked at, the rest is passed
/// over. Confidence and draw are left out: reviewers look at the same page.
struct LatestDecisions {
  /// Newest last.
  private(set) var rows: [JSONValue] = []
  private let folder: String
  /// Monotonic nanoseconds.
  private var lookedAt: UInt64 = 0
  /// Where reading goes on; nil: at a place found by number.
  private var tail: Tail?

  static let most = 40
  /// Looked at in one go; about a second's worth of a busy log.
  private static let mostBytes = 4 << 20
  private static let mostComparisons = 200
  private static let longPause: UInt64 = 10_000_000_000

  /// The reader cannot be copied; it belongs to the feed's thread alone.
  private final class Tail {
    var reader: JournalReader
    init(_ reader: consuming JournalReader) { self.reader = reader }
  }

  /// What one look found.
  private struct Found {
    var bytes = 0
    var decisions: [[UInt8]] = []
    var comparisons: [[UInt8]] = []

    mutating func take(_ line: Span<UInt8>) -> Bool {
      bytes += line.count
      guard let record = RecordLine(line) else { return bytes < LatestDecisions.mostBytes }
      // Told apart by the first letters: `decision`, `comparison`.
      let start = (line[record.kind.lowerBound], record.kind.count)
      if start == (UInt8(ascii: "d"), "decision".utf8.count) {
        decisions.append(line.indices.map { line[$0] })
        if decisions.count > 2 * LatestDecisions.most { decisions.removeFirst(LatestDecisions.most) }
      } else if start == (UInt8(ascii: "c"), "comparison".utf8.count),
        line[record.kind.lowerBound + 2] == UInt8(ascii: "m")
      {
        comparisons.append(line.indices.map { line[$0] })
        if comparisons.count > 2 * LatestDecisions.mostComparisons {
          comparisons.removeFirst(LatestDecisions.mostComparisons)
        }
      }
      return bytes < LatestDecisions.mostBytes
    }
  }

  init(folder: String) { self.folder = folder }

  /// Reads what was written since the last look.
  ///
  /// - Parameter newest: Number of the newest record on the disk.
  /// - Returns: `latest`, the new rows; `compared`, changes of rows shown before. Neither where there is none.
  mutating func look(newest: UInt64) -> [JSONMember] {
    var found = Found()
    do throws(JournalError) {
      let now = Clocks.monotonic()
      defer { lookedAt = now }
      if tail == nil || now > lookedAt + Self.longPause {
        // At first, and after a time without watchers.
        let start = newest > 400 ? newest - 400 : 1
        tail = Tail(try JournalReader(folder: folder, from: .seq(start)))
        rows = []
      }
      let isWhole = try tail?.reader.visit { line, _ in found.take(line) } ?? true
      if !isWhole { tail = Tail(try JournalReader(folder: folder, from: .end)) }
    } catch {
      // A log that cannot be read shows itself elsewhere; here it is tried again.
      tail = nil
    }
    return merge(found)
  }

  private mutating func merge(_ found: Found) -> [JSONMember] {
    var members: [JSONMember] = []
    let fresh = found.decisions.suffix(Self.most).compactMap { Self.row($0) }
    rows = Array((rows + fresh).suffix(Self.most))
    if !fresh.isEmpty { members.append(JSONMember("latest", .array(fresh))) }
    var compared: [JSONValue] = []
    for line in found.comparisons.suffix(Self.mostComparisons) {
      guard let record = try? JSONValue(parsing: line), let id = record["call_id"]?.stringValue,
        let index = rows.lastIndex(where: { $0["call_id"]?.stringValue == id })
      else { continue }
      let news = Self.members(of: record, ["agreement", "frontier_label", "frontier_answer_preview"])
      rows[index] = .object((rows[index].members ?? []) + news)
      compared.append(.object([JSONMember("call_id", .string(id))] + news))
    }
    if !compared.isEmpty { members.append(JSONMember("compared", .array(compared))) }
    return members
  }

  private static func row(_ line: [UInt8]) -> JSONValue? {
    guard let record = try? JSONValue(parsing: line) else { return nil }
    return .object(
      members(
        of: record,
        [
          "call_id", "ts", "task_type", "run_id", "task_id", "agent", "route", "route_candidate", "reason",
          "label",
          "local_model", "local_latency_ms", "hard_stop_match", "input_preview", "answer_preview",
          "input_hash",
        ]))
  }

  private static func members(of record: JSONValue, _ names: [String]) -> [JSONMember] {
    names.map { JSONMember($0, record[$0] ?? .null) }
  }
}
