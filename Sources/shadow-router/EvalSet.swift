import Commands
import Evaluations
import LabelledFiles
import RouterCore

extension EvalSet {
  /// Of cases with one `id` the first counts; the others are named on stderr and left out.
  ///
  /// - Throws: Exit 3 for a file that cannot be read, exit 1 naming the first line that is no case.
  static func read(_ path: String, task: String) throws(Failure) -> [EvalCase] {
    try read(try Input.read(path, limit: 1 << 30), from: path, task: task)
  }

  static func read(_ bytes: [UInt8], from path: String, task: String) throws(Failure) -> [EvalCase] {
    do throws(LabelledFileFault) {
      let set = try EvalSet(bytes, task: task)
      tell(
        set.repeated.map { ($0.line, "the id stands in line \($0.first) already; this case is left out") },
        about: path)
      return set.cases
    } catch {
      throw Failure(exit: .no, message: error.sentence(about: path))
    }
  }

  /// Names cases whose label no answer can have, but not the label: it may be anything.
  ///
  /// One that belongs to the frontier may well have such a label.
  static func tellForeignLabels(in cases: [EvalCase], of task: TaskPolicy, path: String) {
    let known = Set(task.labels.map(\.name))
    guard !known.isEmpty else { return }
    tell(
      cases.compactMap { item in
        guard let label = item.label, !known.contains(label), item.truth.route != .frontier else {
          return nil
        }
        return (item.line, "truth.label is not among the labels of \(task.name): no answer can be right")
      }, about: path)
  }

  private typealias Remark = (line: Int, text: String)
  private static let mostRemarks = 10

  private static func tell(_ remarks: [Remark], about path: String) {
    for remark in remarks.prefix(mostRemarks) {
      Terminal.message("\(path):\(remark.line): warning: \(remark.text)\n")
    }
    let rest = remarks.dropFirst(mostRemarks).map { "\($0.line)" }
    guard !rest.isEmpty else { return }
    let lines = rest.prefix(100).joined(separator: ", ") + (rest.count > 100 ? ", …" : "")
    Terminal.message("\(path): warning: the same of \(rest.count) more, lines \(lines)\n")
  }
}
