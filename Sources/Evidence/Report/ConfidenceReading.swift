/// Reads out of the counts by confidence whether the confidence is worth anything.
struct ConfidenceReading {
  private let accepted: [ConfidenceBin]
  private let all: [ConfidenceBin]

  /// Below this many of either, no figure.
  private static let least = 10

  init(_ tally: TaskTally) {
    accepted = tally.accepted
    all = zip(tally.accepted, tally.belowThreshold).map { above, below in
      var sum = above
      sum += below
      return sum
    }
  }

  var report: Report.ConfidenceReport {
    var report = Report.ConfidenceReport()
    report.bins = bins
    report.thresholds = thresholds
    report.auc = auc
    return report
  }

  private var bins: [Report.ConfidenceReport.Bin] {
    let bins = (0..<20).map { index in
      var sum = ConfidenceBin()
      for hundredth in index * 5..<(index == 19 ? 101 : index * 5 + 5) { sum += accepted[hundredth] }
      return Report.ConfidenceReport.Bin(
        from: Double(index) / 20, to: Double(index + 1) / 20, agree: sum.agree, disagree: sum.disagree,
        unknown: sum.unknown)
    }
    return bins.contains { $0.agree + $0.disagree + $0.unknown > 0 } ? bins : []
  }

  /// From 0.50 by 0.05, and 0.99.
  private var thresholds: [Report.ConfidenceReport.Threshold] {
    let steps = Array(stride(from: 50, through: 95, by: 5)) + [99]
    let rows = steps.map { step in
      var sum = ConfidenceBin()
      for hundredth in step...100 { sum += all[hundredth] }
      return Report.ConfidenceReport.Threshold(
        minConfidence: Double(step) / 100, accepted: sum.agree + sum.disagree + sum.unknown, agree: sum.agree,
        disagree: sum.disagree)
    }
    return rows.contains { $0.accepted > 0 } ? rows : []
  }

  /// The area under the ROC curve, ties counted half.
  private var auc: Double? {
    let agree = all.reduce(0) { $0 + $1.agree }
    let disagree = all.reduce(0) { $0 + $1.disagree }
    guard agree >= Self.least, disagree >= Self.least else { return nil }
    var below = 0.0
    var wins = 0.0
    for bin in all {
      wins += Double(bin.agree) * (below + Double(bin.disagree) / 2)
      below += Double(bin.disagree)
    }
    return wins / (Double(agree) * Double(disagree))
  }
}
