package import LogReading
import RouterCore
package import Wire

/// Which answer a label is about: the candidate's to a call, or the challenger's.
package struct ReviewKey: Hashable, Sendable {
  package var callID: String
  package var isChallenger: Bool

  package init(callID: String, isChallenger: Bool = false) {
    self.callID = callID
    self.isChallenger = isChallenger
  }

  /// The word for it in records and replies.
  package var subject: String { isChallenger ? "challenger" : "candidate" }
}

/// Why a person is shown an item. Reviewers never see it.
package enum ReviewStream: String, CaseIterable, Sendable { case certificate, hunt, planted, second }

/// A would-accept that people may label: what its records say of it.
package struct ReviewItem: Sendable {
  package let key: ReviewKey
  package let task: String
  /// Milliseconds since 1970.
  package let at: Int64
  package let isDrawn: Bool
  /// Drawn items of one group are labelled once: task, subject, model and input are the same.
  var group: String
  package var inputPreview: String?
  package let label: String?
  package internal(set) var answerPreview: String?
  package let checks: JSONValue
  package let hardStops: JSONValue
  package internal(set) var template: String
  package var frontierLabel: String?
  package var frontierPreview: String?
  /// 0: nothing speaks against it.
  var suspicion = 0
  /// Other drawn calls that this one's label counts for.
  package internal(set) var twins: [String] = []
  /// By reviewer: the last label, those of planted showings left out.
  package internal(set) var labels: [String: ReviewLabel] = [:]
  /// When it was labelled last.
  package internal(set) var labelledAt: Int64?
  /// Reviewers whom it was shown to again as a planted item.
  var plantedTo: Set<String> = []

  mutating func erasePreviews() {
    (inputPreview, answerPreview, frontierPreview, template) = (nil, nil, nil, "")
  }

  package var isLabelled: Bool { !labels.isEmpty }
  /// Two people called it wrong.
  var isPlantable: Bool { labels.values.count { $0 == .escalate } >= 2 }

  /// Whether a second person is to label it as well: one drawn item in ten, chosen by its id.
  var needsSecond: Bool { isDrawn && labels.count == 1 && Chance.of("second:" + key.callID) < 0.1 }
}

/// Numbers that look random to a reviewer and come out the same after a restart.
enum Chance {
  /// 0 to below 1.
  static func of(_ text: String) -> Double {
    Double(SHA256.hash(Array(text.utf8)).leadingBits >> 11) * 0x1p-53
  }
}
