import LabelledFiles
import RouterCore
import Wire

/// A labelled file is taken whole, or the first line at fault is named without a word of it.
enum LabelledFilesTarget {
  static func check(_ bytes: [UInt8]) throws(Finding) {
    let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).count
    let (set, setFault) = read { () throws(LabelledFileFault) in try EvalSet(bytes, task: "triage") }
    if let set { try check(set, lines) }
    let (file, fileFault) = read { () throws(LabelledFileFault) in try LabelFile(bytes) }
    for label in file?.labels ?? [] {
      try require((1...lines).contains(label.line), "a label in line \(label.line) of \(lines)")
      try require(label.body["call_id"]?.stringValue != nil, "a label of no call")
    }
    for fault in [setFault, fileFault].compactMap(\.self) { try check(fault, lines) }
  }

  private static func read<Value>(_ body: () throws(LabelledFileFault) -> Value) -> (
    Value?, LabelledFileFault?
  ) {
    do throws(LabelledFileFault) {
      return (try body(), nil)
    } catch {
      return (nil, error)
    }
  }

  private static func check(_ set: EvalSet, _ lines: Int) throws(Finding) {
    var ids: Set<String> = []
    var last = 0
    for item in set.cases {
      try require(ids.insert(item.id).inserted, "an id stands twice")
      try require(
        item.line > last && item.line <= lines, "the case of line \(item.line) after that of \(last)")
      try require(item.call.taskType == "triage", "a case of another task")
      last = item.line
    }
    try require(!set.cases.isEmpty, "a set without cases")
    for line in set.repeated { try require(line.first < line.line, "repeated before it stood") }
  }

  private static func check(_ fault: LabelledFileFault, _ lines: Int) throws(Finding) {
    if let line = fault.line {
      try require((1...lines).contains(line), "a fault in line \(line) of \(lines)")
    }
    let sentence = fault.sentence(about: "p")
    try require(sentence.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "said of it: \(sentence)")
  }
}
