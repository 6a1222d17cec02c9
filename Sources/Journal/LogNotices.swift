package import Anchors
package import RouterCore
import Wire

/// A `retention` record: older segments were removed, and this is what proves where the log now begins.
package struct RetentionNotice: Sendable, Equatable {
  package enum Cause: String, Sendable { case age, size }

  package var cause: Cause
  /// Segments and records that went this time.
  package var segments: Int
  package var records: UInt64
  /// Time of the newest record that went, in milliseconds since 1970.
  package var lastRemoved: Int64
  /// The first record that is left: its segment, its number, and the `prev` that it states.
  package var firstSegment: Int
  package var firstSeq: UInt64
  package var firstPrevious: SHA256Digest
  /// All records before it, since the log began, as leaves of its tree.
  package var removed: MerkleRange
  /// Of each task the highest attempt at a gate that the removed records told of.
  package var attempts: [GateAttempt] = []

  package struct GateAttempt: Sendable, Equatable {
    package var task: String
    package var attempt: Int

    package init(task: String, attempt: Int) {
      self.task = task
      self.attempt = attempt
    }
  }

  package init(
    cause: Cause, segments: Int, records: UInt64, lastRemoved: Int64, firstSegment: Int, firstSeq: UInt64,
    firstPrevious: SHA256Digest, removed: MerkleRange
  ) {
    self.cause = cause
    self.segments = segments
    self.records = records
    self.lastRemoved = lastRemoved
    self.firstSegment = firstSegment
    self.firstSeq = firstSeq
    self.firstPrevious = firstPrevious
    self.removed = removed
  }

  package var body: RecordBody {
    var body = RecordBody()
    body.field("cause", cause.rawValue)
    body.field("segments", segments)
    body.field("records", Int(clamping: records))
    body.field("last_removed", Timestamp.string(lastRemoved))
    body.field("first_segment", SegmentList.name(firstSegment))
    body.field("first_seq", Int(clamping: firstSeq))
    body.field("first_prev", firstPrevious.hex)
    body.field("size", Int(clamping: removed.end))
    body.field("nodes") { writer in
      writer.beginArray()
      for node in removed.nodes { writer.string(node.base64) }
      writer.endArray()
    }
    body.field("attempts") { writer in
      writer.beginArray()
      for entry in attempts {
        writer.beginObject()
        writer.key("task")
        writer.string(entry.task)
        writer.key("attempt")
        writer.int(entry.attempt)
        writer.endObject()
      }
      writer.endArray()
    }
    return body
  }

  /// - Returns: nil for any other record.
  package init?(_ line: Span<UInt8>) {
    guard let record = RecordLine(line), Literal("retention").isAll(of: line.extracting(record.kind)),
      let value = try? JSONValue(parsing: line), let cause = value["cause"]?.stringValue.flatMap(Cause.init),
      let segment = value["first_segment"]?.stringValue.flatMap(SegmentList.number(of:)),
      let seq = value["first_seq"]?.intValue, seq > 0,
      let previous = value["first_prev"]?.stringValue.flatMap({ SHA256Digest(hex: Array($0.utf8).span) }),
      let size = value["size"]?.intValue, size >= 0
    else { return nil }
    let nodes = (value["nodes"]?.arrayValue ?? []).compactMap {
      $0.stringValue.flatMap { SHA256Digest(base64: $0) }
    }
    guard let removed = MerkleRange(0..<UInt64(size), nodes: nodes) else { return nil }
    self.init(
      cause: cause, segments: value["segments"]?.intValue ?? 0,
      records: UInt64(clamping: value["records"]?.intValue ?? 0),
      lastRemoved: value["last_removed"]?.stringValue.flatMap { Timestamp.parse($0) } ?? 0,
      firstSegment: segment, firstSeq: UInt64(seq), firstPrevious: previous, removed: removed)
    attempts = (value["attempts"]?.arrayValue ?? []).compactMap { entry in
      guard let task = entry["task"]?.stringValue, let attempt = entry["attempt"]?.intValue else {
        return nil
      }
      return GateAttempt(task: task, attempt: attempt)
    }
  }
}

/// An `erasure` record: the previews of a call were taken out of the log.
package struct ErasureNotice: Sendable, Equatable {
  package struct Entry: Sendable, Equatable {
    package var seq: UInt64
    /// Of the record's line in the form that its erasure left as it was.
    package var kept: SHA256Digest

    package init(seq: UInt64, kept: SHA256Digest) {
      self.seq = seq
      self.kept = kept
    }
  }

  package var callID: String
  package var who: String
  package var reason: String?
  package var entries: [Entry]
  /// Captured text of the call was removed with them.
  package var hadCapture: Bool

  package init(callID: String, who: String, reason: String?, entries: [Entry], hadCapture: Bool) {
    self.callID = callID
    self.who = who
    self.reason = reason
    self.entries = entries
    self.hadCapture = hadCapture
  }

  package var body: RecordBody {
    var body = RecordBody()
    body.field("call_id", callID)
    body.field("who", who)
    body.field("reason", reason)
    body.field("records") { writer in
      writer.beginArray()
      for entry in entries {
        writer.beginObject()
        writer.key("seq")
        writer.int(Int(clamping: entry.seq))
        writer.key("kept_sha256")
        writer.string(entry.kept.hex)
        writer.endObject()
      }
      writer.endArray()
    }
    body.field("captured", hadCapture)
    return body
  }

  /// - Returns: nil for any other record.
  package init?(_ line: Span<UInt8>) {
    guard let record = RecordLine(line), Literal("erasure").isAll(of: line.extracting(record.kind)),
      let value = try? JSONValue(parsing: line), let callID = value["call_id"]?.stringValue
    else { return nil }
    let entries = (value["records"]?.arrayValue ?? []).compactMap { entry -> Entry? in
      guard let seq = entry["seq"]?.intValue,
        let kept = entry["kept_sha256"]?.stringValue.flatMap({ SHA256Digest(hex: Array($0.utf8).span) })
      else { return nil }
      return Entry(seq: UInt64(clamping: seq), kept: kept)
    }
    self.init(
      callID: callID, who: value["who"]?.stringValue ?? "", reason: value["reason"]?.stringValue,
      entries: entries, hadCapture: value["captured"]?.boolValue ?? false)
  }
}
