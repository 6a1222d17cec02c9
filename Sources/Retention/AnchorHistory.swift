package import Anchors
package import Posix
import RouterCore
import Wire

/// Every checkpoint that was made of a log: the file `checkpoints` in the state folder, a line each.
///
/// A line holds the subtrees between the checkpoint before and its own. Together they lead from any of these checkpoints to
/// the next ones, also where the records have been removed since. Nothing in it is trusted: it either has the roots or not.
package struct AnchorHistory: Sendable, Equatable {
  package struct Entry: Sendable, Equatable {
    /// Number of the last record that it covers.
    package var seq: UInt64
    /// Milliseconds since 1970.
    package var at: Int64
    /// The records since the entry before.
    package var stretch: MerkleRange

    package init(seq: UInt64, at: Int64, stretch: MerkleRange) {
      self.seq = seq
      self.at = at
      self.stretch = stretch
    }

    /// Records that it covers.
    package var size: UInt64 { stretch.end }
  }

  package private(set) var entries: [Entry] = []
  /// Of all records that the entries cover.
  package private(set) var tree = MerkleRange()
  private let log: String

  /// - Parameter log: The `log` of the records.
  package init(log: String) { self.log = log }

  package static func path(_ stateFolder: String) -> String { Files.join(stateFolder, "checkpoints") }

  private static let limit = 512 << 20

  /// Reads what there is of the log's own, as far as each line follows the one before.
  package init(reading path: String, log: String) {
    self.init(log: log)
    guard let bytes = try? Files.readRegular(path, limit: Self.limit) else { return }
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      guard let value = try? JSONValue(parsing: Array(line)), value["log"]?.stringValue == log,
        let size = value["size"]?.intValue, let seq = value["seq"]?.intValue,
        let at = value["ts"]?.stringValue.flatMap({ Timestamp.parse($0) }),
        UInt64(clamping: size) > tree.end, seq > 0
      else { return }
      let nodes = (value["nodes"]?.arrayValue ?? []).compactMap {
        $0.stringValue.flatMap { SHA256Digest(base64: $0) }
      }
      guard let stretch = MerkleRange(tree.end..<UInt64(clamping: size), nodes: nodes) else { return }
      add(Entry(seq: UInt64(clamping: seq), at: at, stretch: stretch))
    }
  }

  /// - Returns: False, and nothing is changed, where the entry does not go on from the last one.
  @discardableResult
  package mutating func add(_ entry: Entry) -> Bool {
    guard tree.append(entry.stretch) else { return false }
    entries.append(entry)
    return true
  }

  /// Forgets the entries that cover records after this one: the log has not got them.
  package mutating func forget(after seq: UInt64) {
    guard let last = entries.last, last.seq > seq else { return }
    let kept = entries.prefix { $0.seq <= seq }
    self = AnchorHistory(log: log)
    for entry in kept { add(entry) }
  }

  /// Puts the whole file in place.
  package func save(_ path: String) throws(PosixError) {
    try Files.replace(path, with: entries.flatMap { line($0) })
  }

  /// Adds the last entry's line to the file.
  package func saveLast(_ path: String) throws(PosixError) {
    guard let last = entries.last else { return }
    let file = try Files.open(path, for: .appending)
    try file.writeAll(line(last))
    try file.synchronize()
  }

  private func line(_ entry: Entry) -> [UInt8] {
    let value: JSONValue = [
      "log": .string(log), "size": .number(JSONNumber(Int(clamping: entry.size))),
      "seq": .number(JSONNumber(Int(clamping: entry.seq))), "ts": .string(Timestamp.string(entry.at)),
      "nodes": .array(entry.stretch.nodes.map { .string($0.base64) }),
    ]
    return value.jsonBytes + [UInt8(ascii: "\n")]
  }
}
