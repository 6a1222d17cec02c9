package import Wire

/// One call with everything that the log says of it, in one row.
package struct JoinedRow: Sendable, Equatable {
  /// The first eight are the contract's; others may be added at the end only.
  package static let columns = [
    "task_id", "task_type", "local_model", "route_candidate", "validator_result", "hard_stop_match",
    "frontier_answer_hash", "review_label",
    "call_id", "reason", "detail", "ts", "run_id", "agent", "step", "stage", "route", "label", "confidence",
    "frontier_model", "frontier_label", "agreement", "agreement_score", "agreement_detail",
    "local_latency_ms", "frontier_latency_ms", "fallback_latency_ms", "local_cost_usd", "frontier_cost_usd",
    "outcome", "severity", "reviewer", "approved_by", "input_hash", "policy_revision", "seq",
  ]

  /// One for each column. Null where the log has no value.
  package let cells: [JSONValue]

  /// As an object with the columns as names, `hard_stop_match` with its structure.
  package var json: JSONValue {
    .object(zip(Self.columns, cells).map { JSONMember($0, $1) })
  }

  package func cell(_ column: String) -> JSONValue {
    Self.columns.firstIndex(of: column).map { cells[$0] } ?? .null
  }
}

/// Writes rows as CSV by RFC 4180: CR LF, quotes doubled, null as an empty cell.
package enum CSV {
  package static let header = line(JoinedRow.columns.map { .string($0) })

  package static func line(_ row: JoinedRow) -> [UInt8] { line(row.cells) }

  private static func line(_ cells: [JSONValue]) -> [UInt8] {
    var bytes: [UInt8] = []
    for (index, cell) in cells.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      append(text(cell), to: &bytes)
    }
    bytes += [0x0D, 0x0A]
    return bytes
  }

  private static func text(_ cell: JSONValue) -> String {
    switch cell {
    case .null: ""
    case .bool(let value): value ? "true" : "false"
    case .number(let number): number.literal
    case .string(let text): disarmed(text)
    case .array(let elements): disarmed(elements.map(element).joined(separator: "; "))
    case .object: cell.jsonText
    }
  }

  /// A hard-stop match as `security:token@input`.
  private static func element(_ value: JSONValue) -> String {
    guard let stopClass = value["class"]?.stringValue, let term = value["term"]?.stringValue else {
      return value.stringValue ?? value.jsonText
    }
    return "\(stopClass):\(term)@\(value["where"]?.stringValue ?? "?")"
  }

  /// A spreadsheet takes a cell that begins with one of these for a formula, and runs it.
  private static func disarmed(_ text: String) -> String {
    switch text.utf8.first {
    case UInt8(ascii: "="), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "@"), 0x09, 0x0D, 0x0A:
      "'" + text
    default: text
    }
  }

  private static func append(_ text: String, to bytes: inout [UInt8]) {
    let needsQuotes = text.utf8.contains {
      $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") || $0 == 0x0A || $0 == 0x0D
    }
    guard needsQuotes else {
      bytes += text.utf8
      return
    }
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      if byte == UInt8(ascii: "\"") { bytes.append(byte) }
      bytes.append(byte)
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
