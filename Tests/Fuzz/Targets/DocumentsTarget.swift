import Anchors
import Gates
import Rollout
import RouterCore
import Wire

/// Documents that the router writes and reads again: what is taken is read the same from what it writes of it.
enum DocumentsTarget {
  static func check(_ input: [UInt8]) throws(Finding) {
    var input = Input(input)
    let kind = input.choice(5)
    let bytes = input.everything()
    switch kind {
    case 0:
      try checkFlags(bytes)
      // The file is compact and ends in a line feed: anything else is refused at once.
      if let value = try? JSONValue(parsing: bytes) { try checkFlags(value.jsonBytes + [0x0A]) }
    case 1: try checkCheckpoint(bytes.text)
    default:
      guard let value = try? JSONValue(parsing: bytes) else { return }
      switch kind {
      case 2: try checkCorrection(value)
      case 3:
        guard let result = EvalResult(value) else { return }
        try require(EvalResult(result.json) == result, "an eval result is read otherwise")
        _ = result.record(actor: "uid 0").bytes
      default:
        guard let receipt = Receipt(value) else { return }
        try require(Receipt(receipt.json) == receipt, "a receipt is read otherwise")
      }
    }
  }

  private static func checkFlags(_ bytes: [UInt8]) throws(Finding) {
    guard let document = FlagsDocument(parsing: bytes) else { return }
    try require(document.bytes == bytes, "flags are taken that the router would write otherwise")
    for flag in document.sorted {
      try require(document[flag.task] == flag, "the flag of another task")
      try require(!flag.words.isEmpty, "a flag without words")
      try require(flag.isServing == (flag.stage != .shadow), "serving in the stage \(flag.stage)")
    }
  }

  private static func checkCheckpoint(_ text: String) throws(Finding) {
    guard let checkpoint = Checkpoint(text) else { return }
    try require(
      text.utf8.starts(with: checkpoint.text.utf8), "a checkpoint is read otherwise than it is written")
    try require(Checkpoint(checkpoint.text + "\n") == checkpoint, "a checkpoint is not read back")
  }

  private static func checkCorrection(_ value: JSONValue) throws(Finding) {
    guard let correction = ConfidenceCorrection(value) else { return }
    try require(ConfidenceCorrection(correction.json) == correction, "a correction is read otherwise")
    let call = SamplePolicy.call(SamplePolicy.tasks[0])
    let screening = DecisionCheck.screen(call)
    var scratch = Engine.Scratch()
    for confidence in [0, 1e-300, 0.5, 0.999_999, 1] {
      var reply = CandidateReply(text: #"{"label":"bug","confidence":\#(confidence)}"#)
      if correction.source != .selfReported {
        let shares = ["bug": confidence, "crash": 1 - confidence]
        reply.measured = MeasuredConfidence(source: correction.source, value: confidence, byLabel: shares)
      }
      let decision = Engine.judge(
        screening, call: call, outcome: .said(reply), policy: SamplePolicy.prepared,
        context: DecisionContext(today: SamplePolicy.today), corrections: [correction], scratch: &scratch)
      guard let corrected = decision.confidence else { continue }
      try require((0...1).contains(corrected), "\(confidence) becomes \(corrected)")
    }
  }
}
