import LogReading
package import Wire

/// Labels that were given elsewhere: NDJSON, one a line.
package struct LabelFile: Sendable {
  /// What the router is asked to write, with the line that says so. Members that no label has are left out.
  package private(set) var labels: [(line: Int, body: JSONValue)] = []

  private static let names: Set = [
    "call_id", "subject", "review_label", "severity", "missed_stop", "note",
  ]

  /// - Throws: The first line that is no label.
  package init(_ bytes: [UInt8]) throws(LabelledFileFault) {
    for line in bytes.filledLines {
      guard let value = try? JSONValue(parsing: line.text), value["call_id"]?.stringValue != nil,
        value["review_label"]?.stringValue.flatMap(ReviewLabel.init) != nil
      else {
        throw LabelledFileFault(
          line: line.number, message: "not a label: an object with `call_id` and `review_label`")
      }
      labels.append((line.number, .object((value.members ?? []).filter { Self.names.contains($0.name) })))
    }
  }
}
