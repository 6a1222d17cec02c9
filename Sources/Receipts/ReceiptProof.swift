import Journal
package import Rollout
import Wire

/// Whether the log still holds the receipt that a flag rests on.
package enum ReceiptProof {
  /// Looks the receipt's record up and checks the chain of the segment that it stands in, both its ends included.
  ///
  /// What is damaged elsewhere says nothing of this receipt. Reads from the time of its issue on, so that it costs one
  /// segment, however old it is.
  ///
  /// - Parameter isChallenger: As the policy names the model that it is about.
  /// - Returns: What is wrong, as a clause; nil: it stands.
  package static func fault(
    of grant: Grant, task: String, isChallenger: Bool, in logFolder: String
  ) -> String? {
    var record: JSONValue?
    let found: JournalLookup
    do throws(JournalError) {
      found = try JournalLookup.find(in: logFolder, from: grant.issuedAt - Grant.skewMs) { line in
        guard let value = receipt(line), value["id"]?.stringValue == grant.receipt else { return false }
        record = value
        return true
      }
    } catch {
      return "its record cannot be read (\(error.description))"
    }
    switch found {
    case .absent: return "its record is not in the log"
    case .damaged(let damage): return "the log is damaged where its record stands (\(damage.description))"
    case .intact:
      guard let record, ReceiptRecord.says(record, grant, task: task, isChallenger: isChallenger) else {
        return "its record in the log says something else"
      }
      return nil
    }
  }

  private static func receipt(_ line: Span<UInt8>) -> JSONValue? {
    guard let record = RecordLine(line), record.isKind("receipt", in: line) else { return nil }
    return try? JSONValue(parsing: line)
  }
}
