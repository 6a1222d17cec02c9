import RouterCore

/// Finds what YAML forbids and libyaml lets pass: texts that another reader would refuse or read otherwise.
///
/// Follows the events through the text. Between two of them stand only punctuation, white space and comments.
struct LayoutCheck {
  /// A remark costs a look at the whole text before it: a hostile text must not have as many as it has lines.
  private static let mostProblems = 20

  private let bytes: [UInt8]
  /// The place that has been reached, in bytes and in the characters that libyaml counts.
  private var offset: Int
  private var character = 0
  /// Where the outermost open flow collection starts, and how many are open.
  private var flowStart = 0
  private var flowDepth = 0
  /// Columns, from 0, of the open lists and mappings in block style.
  private var blocks: [Int] = []
  private(set) var problems: [PolicyProblem] = []

  /// - Parameter start: The first byte that libyaml saw.
  init(_ bytes: [UInt8], from start: Int) {
    self.bytes = bytes
    offset = start
  }

  mutating func take(_ event: YAMLEvent, _ extent: YAMLExtent) {
    passGap(to: extent.start)
    let start = offset
    switch event {
    case .scalar(let text, let style, _, _):
      pass(to: extent.end)
      check(text, style, start)
    case .sequenceStart(let isFlow, _, let mark), .mappingStart(let isFlow, _, let mark):
      open(isFlow: isFlow, mark, at: start)
      pass(to: extent.end)
    case .end:
      pass(to: extent.end)
      close()
    case .alias, .documentStart, .documentEnd, .syntaxError:
      pass(to: extent.end)
    }
  }

  // MARK: Checks

  private mutating func open(isFlow: Bool, _ mark: Mark, at start: Int) {
    if isFlow {
      if flowDepth == 0 { flowStart = start }
      flowDepth += 1
    } else {
      blocks.append(mark.column - 1)
    }
  }

  /// Whether an end is that of a flow collection follows from what is open: those cannot hold blocks.
  private mutating func close() {
    guard flowDepth > 0 else {
      _ = blocks.popLast()
      return
    }
    flowDepth -= 1
    if flowDepth == 0 { checkLines(flowStart..<offset, mayHoldComments: true) }
  }

  private mutating func check(_ text: String, _ style: YAMLEvent.Style, _ start: Int) {
    switch style {
    case .plain:
      if flowDepth > 0, text == "-" { report(start, "a dash alone between brackets; put it in quotes") }
    case .quoted:
      if flowDepth == 0 { checkLines(start..<offset, mayHoldComments: false) }
    case .block:
      checkBlock(start..<offset)
    }
  }

  /// Lines that go on with a value must stand further in than the key or dash that it belongs to.
  private mutating func checkLines(_ range: Range<Int>, mayHoldComments: Bool) {
    guard let column = blocks.last else { return }
    var at = range.lowerBound
    while let line = nextLine(after: at, before: range.upperBound) {
      let spaces = run(of: UInt8(ascii: " "), from: line, before: range.upperBound)
      let first = skipWhite(line + spaces, before: range.upperBound)
      at = first
      guard first < range.upperBound, spaces <= column else { continue }
      switch bytes[first] {
      case UInt8(ascii: "\n"), UInt8(ascii: "\r"): continue
      case UInt8(ascii: "#") where mayHoldComments: continue
      // The usual way to close a list of many lines.
      case UInt8(ascii: "]") where mayHoldComments, UInt8(ascii: "}") where mayHoldComments: continue
      default:
        report(
          line, "this line goes on with a value and must be indented with spaces, at least \(column + 1)")
      }
    }
  }

  private mutating func checkBlock(_ range: Range<Int>) {
    guard let content = nextLine(after: range.lowerBound, before: bytes.count) else { return }
    if let comment = bytes[range.lowerBound..<content].firstIndex(of: UInt8(ascii: "#")),
      comment > range.lowerBound, !Self.isWhite(bytes[comment - 1])
    {
      report(comment, "a comment needs a space before it")
    }
    // An indentation that is stated needs no guessing.
    let header = bytes[range.lowerBound..<content]
    if !header.prefix(3).contains(where: { (UInt8(ascii: "1")...UInt8(ascii: "9")).contains($0) }) {
      checkBlankLines(from: content)
    }
  }

  /// The first line of a block text tells its indentation: blank lines before it must not stand further in.
  private mutating func checkBlankLines(from content: Int) {
    var line = content
    var longest = (spaces: 0, line: content)
    while line < bytes.count {
      let spaces = run(of: UInt8(ascii: " "), from: line, before: bytes.count)
      let end = line + spaces
      guard end < bytes.count, bytes[end] == UInt8(ascii: "\n") || bytes[end] == UInt8(ascii: "\r") else {
        if end < bytes.count, spaces > blocks.last ?? -1, spaces < longest.spaces {
          report(
            longest.line, "a blank line that stands further in than the text after it; remove its spaces")
        }
        return
      }
      if spaces > longest.spaces { longest = (spaces, line) }
      line = end + 1
    }
  }

  private mutating func report(_ offset: Int, _ message: String) {
    guard problems.count < Self.mostProblems else { return }
    problems.append(PolicyProblem(at: CharacterCheck.mark(bytes, at: offset), message))
  }

  // MARK: Moving on

  /// Moves on to a character, which the events before have not covered: comments are looked at.
  private mutating func passGap(to index: Int) {
    while character < index, offset < bytes.count {
      guard bytes[offset] == UInt8(ascii: "#") else {
        step()
        continue
      }
      if offset > 0, !Self.isWhite(bytes[offset - 1]), !CharacterCheck.isMark(bytes, before: offset) {
        report(offset, "a comment needs a space before it")
      }
      while character < index, offset < bytes.count, bytes[offset] != UInt8(ascii: "\n") { step() }
    }
  }

  private mutating func pass(to index: Int) {
    while character < index, offset < bytes.count { step() }
  }

  private mutating func step() {
    offset += 1
    while offset < bytes.count, bytes[offset] & 0xC0 == 0x80 { offset += 1 }
    character += 1
  }

  private func nextLine(after start: Int, before end: Int) -> Int? {
    var at = start
    while at < end {
      if bytes[at] == UInt8(ascii: "\n")
        || bytes[at] == UInt8(ascii: "\r") && (at + 1 >= end || bytes[at + 1] != UInt8(ascii: "\n"))
      {
        return at + 1
      }
      at += 1
    }
    return nil
  }

  private func run(of byte: UInt8, from start: Int, before end: Int) -> Int {
    var at = start
    while at < end, bytes[at] == byte { at += 1 }
    return at - start
  }

  private func skipWhite(_ start: Int, before end: Int) -> Int {
    var at = start
    while at < end, bytes[at] == UInt8(ascii: " ") || bytes[at] == UInt8(ascii: "\t") { at += 1 }
    return at
  }

  private static func isWhite(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\n")
      || byte == UInt8(ascii: "\r")
  }
}
