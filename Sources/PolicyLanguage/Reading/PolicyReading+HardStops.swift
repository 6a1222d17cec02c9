import RouterCore

/// Hard-stop terms by class, in `hard_stops` and in each task.
enum HardStopTerms {
  static let table = PolicyKeyTable<[HardStopClass: [String]]>(
    "tasks.T.hard_stops",
    [
      key(.security, "Terms about secrets and weaknesses."),
      key(.access, "Terms about rights and who has them."),
      key(.production, "Terms about changes to what runs."),
    ])

  private static func key(_ stop: HardStopClass, _ about: String) -> PolicyKey<[HardStopClass: [String]]> {
    .texts(stop.rawValue, .term, about) { $0[stop] = $1.map(\.value) }
  }
}

/// `hard_stops` while it is read.
struct HardStopDraft: Sendable {
  var policy = HardStopPolicy()
  var builtinMark: Mark?
  var waivers: [WaiverDraft] = []

  struct WaiverDraft: Sendable {
    var waiver = HardStopPolicy.Waiver(term: "", task: "", reason: "", by: "", until: "")
    var term: Located<String>?
    var task: Located<String>?
    var until: Located<String>?
  }
}

extension HardStopDraft {
  static let table = PolicyKeyTable<HardStopDraft>("hard_stops", [builtin] + terms + exceptions)

  private static let builtin: PolicyKey<HardStopDraft> = .custom(
    "builtin", .bool, "Whether the built-in terms hold."
  ) { entry, draft, findings in
    guard let value = findings.bool(entry.value, "builtin") else { return }
    draft.policy.builtin = value
    draft.builtinMark = entry.value.mark
  }

  /// The classes stand beside `builtin`: the same keys as in a task.
  private static let terms: [PolicyKey<HardStopDraft>] = HardStopTerms.table.keys.map { key in
    .custom(key.name, key.shape, key.about) { entry, draft, findings in
      key.read(entry, &draft.policy.terms, &findings)
    }
  }

  private static let exceptions: [PolicyKey<HardStopDraft>] = [
    .items(
      "reviewed", "Constant parts of calls that people looked at, exempt by their hash.", reviewed,
      make: { _ in .init(sha256: "", what: "", by: "", on: "") }, store: { $0.policy.reviewed = $1 }),
    .items(
      "waive", "One term lifted for one task until a day.", waiver, make: { _ in WaiverDraft() },
      store: {
        $0.waivers = $1
        $0.policy.waivers = $1.map(\.waiver)
      }),
  ]

  private static let reviewed = PolicyKeyTable<HardStopPolicy.ReviewedPart>(
    "hard_stops.reviewed",
    [
      .text("sha256", .hash, "SHA-256 of the part's bytes.") { $0.sha256 = $1.value.lowercased() }.required,
      .text("what", .line, "What the part is.") { $0.what = $1.value }.required,
      .text("by", .line, "Who looked at it.") { $0.by = $1.value }.required,
      .text("on", .day, "The day they did.") { $0.on = $1.value }.required,
    ])

  private static let waiver = PolicyKeyTable<WaiverDraft>(
    "hard_stops.waive",
    [
      .text("term", .term, "The term, as it stands in the list that stops it.") {
        $0.waiver.term = $1.value
        $0.term = $1
      }.required,
      .text("task", .name, "The task it is lifted for.") {
        $0.waiver.task = $1.value
        $0.task = $1
      }.required,
      .text("reason", .line, "Why that is safe.") { $0.waiver.reason = $1.value }.required,
      .text("by", .line, "Who decided it.") { $0.waiver.by = $1.value }.required,
      .text("until", .day, "The last day it holds (UTC).") {
        $0.waiver.until = $1.value
        $0.until = $1
      }.required,
    ])
}
