import Evidence
import Statistics

extension ReportCharts {
  /// The four ways in which two models can stand to the frontier.
  mutating func pairs(_ item: Report.Challenge) -> HTMLText {
    let cells = [
      PairCell(column: 0, row: 0, count: item.bothAgree, name: "both agree", style: "good"),
      PairCell(column: 1, row: 0, count: item.onlyCandidate, name: "only the candidate", style: "blue"),
      PairCell(column: 0, row: 1, count: item.onlyChallenger, name: "only the challenger", style: "blue"),
      PairCell(column: 1, row: 1, count: item.neither, name: "neither", style: "bad"),
    ]
    let described = cells.map { "\($0.name) \(Figures.count($0.count))" }.joined(separator: ", ")
    var chart = begin(400, 236, "Which of the two agrees with the frontier", described + ".")
    chart.label(209, 14, "challenger agrees", "s m")
    chart.label(333, 14, "does not", "s m")
    chart.label(142, 76, "candidate agrees", "s e")
    chart.label(142, 184, "does not", "s e")
    let most = Double(max(1, cells.map(\.count).max() ?? 1))
    for cell in cells { Self.draw(cell, most: most, &chart) }
    return chart.end()
  }

  private struct PairCell {
    let column: Int
    let row: Int
    let count: Int
    let name: String
    let style: String
  }

  private static func draw(_ cell: PairCell, most: Double, _ chart: inout SVG) {
    let x = Double(150 + 124 * cell.column)
    let y = Double(24 + 108 * cell.row)
    chart.bar(x, y, 118, 102, "track")
    // Areas, not sides, are as large as the counts.
    let side = 74 * (Double(cell.count) / most).squareRoot()
    chart.bar(x + 59 - side / 2, y + 42 - side / 2, side, side, cell.style)
    chart.label(x + 59, y + 96, Figures.count(cell.count), "m")
  }
}
