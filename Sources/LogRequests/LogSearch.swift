package import Journal
import RouterCore
package import Wire

/// Looks records up in the log by call, run or task id.
package enum LogSearch {
  /// Records shown at most; an id of a whole run may stand in many.
  package static let limit = 1_000

  /// Every record that names the id as its `call_id`, `run_id` or `task_id`, and those about the calls found so;
  /// in the log's order.
  package static func records(about id: String, in folder: String) throws(JournalError) -> [JSONValue] {
    var calls: Set<String> = [id]
    var found: [JSONValue] = []
    let needle = Array(JSONValue.string(id).jsonText.utf8)
    var reader = try JournalReader(folder: folder)
    // Outcomes name a run, decisions name run and task, comparisons only the call: a second pass finds the rest.
    try reader.visit { line, _ in
      if line.contains(needle), let record = try? JSONValue(parsing: line), names(record, [id]),
        let call = record["call_id"]?.stringValue
      {
        calls.insert(call)
      }
      return calls.count < limit
    }
    var again = try JournalReader(folder: folder)
    try again.visit { line, _ in
      guard let record = try? JSONValue(parsing: line), names(record, calls) else { return true }
      found.append(record)
      return found.count < limit
    }
    return found
  }

  /// Every record about one call, in the log's order, in one pass.
  package static func records(ofCall id: String, in folder: String) throws(JournalError) -> [JSONValue] {
    var found: [JSONValue] = []
    let needle = Array(JSONValue.string(id).jsonText.utf8)
    var reader = try JournalReader(folder: folder)
    try reader.visit { line, _ in
      guard line.contains(needle), let record = try? JSONValue(parsing: line),
        record["call_id"]?.stringValue == id
      else { return true }
      found.append(record)
      return true
    }
    return found
  }

  private static func names(_ record: JSONValue, _ ids: Set<String>) -> Bool {
    for key in ["call_id", "run_id", "task_id"] {
      if let value = record[key]?.stringValue, ids.contains(value) { return true }
    }
    return false
  }
}

extension Span<UInt8> {
  /// Whether `needle` stands anywhere in the bytes.
  package func contains(_ needle: [UInt8]) -> Bool {
    guard let first = needle.first, count >= needle.count else { return needle.isEmpty }
    var start = 0
    while start <= count - needle.count {
      if self[start] == first {
        var length = 1
        while length < needle.count, self[start + length] == needle[length] { length += 1 }
        if length == needle.count { return true }
      }
      start += 1
    }
    return false
  }
}
