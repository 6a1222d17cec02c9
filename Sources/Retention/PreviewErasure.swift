import Anchors
package import Journal
import Posix
package import RouterCore
package import Wire

/// Takes the previews of one call out of a log, leaving everything else of it.
///
/// The bytes of each preview become `null` and spaces where they stand, so that no other byte moves. An `erasure` record
/// comes first: the chain goes on through the hashes as they were, and the record says what the lines are now.
package struct PreviewErasure: Sendable {
  /// One record that holds previews of the call.
  package struct Place: Sendable, Equatable {
    package let segment: Int
    package let offset: Int64
    package let seq: UInt64
    package let kept: SHA256Digest
    /// Where the previews stand in the line, quotes and all.
    package let previews: [Range<Int>]
  }

  package let callID: String
  package private(set) var places: [Place] = []
  /// Records about the call, with previews or without.
  package private(set) var records = 0

  /// Finds them.
  ///
  /// - Parameter durable: Number of the last record on the disk: what follows may still be written anew.
  package init(ofCall callID: String, in folder: String, upTo durable: UInt64) throws(JournalError) {
    self.callID = callID
    var (places, records) = ([Place](), 0)
    let needle = Array((#""call_id":"# + JSONValue.string(callID).jsonText).utf8)
    var reader = try JournalReader(folder: folder)
    try reader.visit { line, place in
      guard !place.isCut, line.holds(needle), let record = RecordLine(line), record.seq <= durable,
        let value = try? JSONValue(parsing: line), value["call_id"]?.stringValue == callID,
        value["kind"]?.stringValue != "erasure"
      else { return true }
      records += 1
      let previews = KeptForm.previews(line)
      guard !previews.isEmpty else { return true }
      places.append(
        Place(
          segment: place.segment, offset: place.offset, seq: record.seq,
          kept: KeptForm.leaf(line), previews: previews))
      return true
    }
    (self.places, self.records) = (places, records)
  }

  package var previews: Int { places.reduce(0) { $0 + $1.previews.count } }

  package func notice(who: String, reason: String?, hadCapture: Bool) -> ErasureNotice {
    ErasureNotice(
      callID: callID, who: who, reason: reason,
      entries: places.map { ErasureNotice.Entry(seq: $0.seq, kept: $0.kept) }, hadCapture: hadCapture)
  }

  /// Overwrites the previews and synchronises; after an error some are left, and it can be called again.
  package func erase(in folder: String) throws(JournalError) {
    for place in places {
      do throws(PosixError) { try erase(place, SegmentList.path(folder, place.segment)) } catch {
        throw .system(error)
      }
    }
  }

  private func erase(_ place: Place, _ path: String) throws(PosixError) {
    guard Files.exists(path) else { return }
    let file = try Files.openToChange(path)
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    let count = try file.read(into: &bytes, filePosition: place.offset)
    guard let end = bytes[..<count].firstIndex(of: UInt8(ascii: "\n")),
      // Only the record that was found is written over. What its previews are now does not matter: a crash may have left
      // half of one.
      RecordLine(bytes.span.extracting(0..<end))?.seq == place.seq
    else { return }
    for preview in place.previews where preview.upperBound <= end {
      try file.writeAll(
        KeptForm.erased(preview.count), filePosition: place.offset + Int64(preview.lowerBound))
    }
    try file.synchronize()
  }

  // MARK: - Going on after a crash

  /// All that going on takes, to be kept while the erasure is under way.
  package var json: JSONValue {
    func number(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
    return [
      "call_id": .string(callID),
      "places": .array(
        places.map { place in
          [
            "segment": number(place.segment), "offset": number(Int(place.offset)),
            "seq": number(Int(clamping: place.seq)), "kept_sha256": .string(place.kept.hex),
            "previews": .array(
              place.previews.map { ["from": number($0.lowerBound), "to": number($0.upperBound)] }),
          ]
        }),
    ]
  }

  package init?(_ json: JSONValue) {
    guard let callID = json["call_id"]?.stringValue, let places = json["places"]?.arrayValue else {
      return nil
    }
    self.callID = callID
    self.places = places.compactMap { place in
      guard let segment = place["segment"]?.intValue, segment > 0, let offset = place["offset"]?.intValue,
        offset >= 0, let seq = place["seq"]?.intValue, seq > 0,
        let kept = place["kept_sha256"]?.stringValue.flatMap({ SHA256Digest(hex: Array($0.utf8).span) })
      else { return nil }
      let previews = (place["previews"]?.arrayValue ?? []).compactMap { range -> Range<Int>? in
        guard let from = range["from"]?.intValue, let to = range["to"]?.intValue, 0 <= from, from < to,
          to <= 64 << 10
        else { return nil }
        return from..<to
      }
      return Place(
        segment: segment, offset: Int64(offset), seq: UInt64(seq), kept: kept, previews: previews)
    }
  }
}

extension Span<UInt8> {
  fileprivate func holds(_ needle: [UInt8]) -> Bool {
    guard let first = needle.first, count >= needle.count else { return needle.isEmpty }
    for start in 0...count - needle.count where self[start] == first {
      var length = 1
      while length < needle.count, self[start + length] == needle[length] { length += 1 }
      if length == needle.count { return true }
    }
    return false
  }
}
