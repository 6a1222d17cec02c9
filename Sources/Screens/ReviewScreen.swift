package import Wire

/// One item to label, as lines that fit a terminal. It knows neither confidence nor stream: the item has neither.
package struct ReviewScreen: Sendable {
  /// As `GET /v1/review` gives it.
  package var item: JSONValue
  package var backlog = 0
  /// The captured texts, once they were opened.
  package var opened: JSONValue?
  package var severity: Int?
  package var missedStop = false
  package var note: String?
  /// What happened last, in a line.
  package var message: String?
  /// Lines of the input passed over.
  package var scroll = 0
  package var showsHelp = false
  /// A question and what was typed so far, in place of the keys' line.
  package var prompt: String?
  package var hasColour = false

  package init(item: JSONValue) { self.item = item }

  package static let help = [
    "a      accept: the answer would have done",
    "e      escalate: it would have been wrong to let it through",
    "space  unsure: counts like escalate until somebody knows", "u      undo your last label",
    "f      severity 1 annoying, 2 costly, 3 security or customer; m after it: a stop term should have caught it",
    "n      a note to the label", "o      open the captured text; asks for a reason, which is written down",
    "j k    scroll the input", "q      quit; what was shown goes back to the queue", "?      this page",
  ]

  /// Exactly `rows` lines or fewer, each at most `columns` wide (styles not counted).
  package func lines(columns: Int, rows: Int) -> [String] {
    let columns = max(20, columns)
    if showsHelp { return fit(Self.help + ["", "any key goes back"], columns, rows) }
    let head = header(columns)
    let foot = footer(columns)
    let answers = answerLines(columns)
    // The answers are what is judged: they get up to half of what is left, the input the rest.
    let left = max(3, rows - head.count - foot.count - 2)
    let shownAnswers = cutBlock(answers, max(2, left / 2))
    let room = max(1, left - shownAnswers.count)
    let input = TerminalText.wrapped(inputText, columns: columns)
    let first = min(scroll, max(0, input.count - room))
    var shown = Array(input.dropFirst(first).prefix(room))
    if first + room < input.count, let last = shown.popLast() {
      shown.append(TerminalText.cut(last, columns: columns - 12) + " … j: more")
    }
    let title = styled(
      rule(opened == nil ? "input (preview, redacted)" : "input (captured text)", columns), "2")
    return Array(
      (head + [title] + shown + [styled(rule("answers", columns), "2")] + shownAnswers + foot).prefix(rows))
  }

  private var inputText: String {
    let text =
      opened?["input"]?.stringValue ?? item["input"]?["text"]?.stringValue
      ?? item["input"]?["preview"]?.stringValue
    return TerminalText.plain(text ?? "(no preview: open the captured text with o)")
  }

  private func header(_ columns: Int) -> [String] {
    let task = item["task_type"]?.stringValue ?? ""
    let subject = item["subject"]?.stringValue == "challenger" ? " (challenger)" : ""
    var lines = [
      styled(
        cut("\(task)\(subject)   \(item["call_id"]?.stringValue ?? "")   \(backlog) waiting", columns), "1")
    ]
    if let rubric = item["rubric"]?.stringValue {
      lines += cutBlock(TerminalText.wrapped(TerminalText.plain("rubric: " + rubric), columns: columns), 3)
    }
    let count = item["cluster"]?["count"]?.intValue ?? 1
    if count > 1 {
      lines.append(
        cut("\(count) look like this: \(item["cluster"]?["template"]?.stringValue ?? "")", columns))
    }
    lines.append(cut("checks: " + checks, columns))
    return lines
  }

  private var checks: String {
    let members = item["checks"]?.members ?? []
    let failed = members.filter { $0.value.stringValue == "fail" }.map { "\($0.name) failed" }
    let skipped = members.filter { $0.value.stringValue == "skipped" }.map { "\($0.name) skipped" }
    let stops = (item["hard_stop_match"]?.arrayValue ?? []).compactMap { $0["term"]?.stringValue }
    let words = failed + skipped + stops.map { "stop term \($0)" }
    return words.isEmpty ? "all passed" : words.joined(separator: ", ")
  }

  // MARK: - Answers

  private func answerLines(_ columns: Int) -> [String] {
    let own = side(item["subject"]?.stringValue == "challenger" ? "challenger" : "candidate", "candidate")
    let other = side("frontier", "frontier")
    let (left, right) = WordDifference.mark(own, other)
    return block("local    ", left, columns, "31") + block("frontier ", right, columns, "32")
  }

  /// `label: answer`, from the opened text where there is one.
  private func side(_ openedName: String, _ name: String) -> String {
    let opened = opened?[openedName]
    let source = opened?.members == nil ? item[name] : opened
    let label = source?["label"]?.stringValue
    let answer = source?["answer"].flatMap { $0.isNull ? nil : $0.stringValue ?? $0.jsonText }
    let words = [label, answer == label ? nil : answer].compactMap(\.self)
    return words.isEmpty ? "(nothing)" : TerminalText.plain(words.joined(separator: ": "))
  }

  private func block(_ name: String, _ words: [WordDifference.Word], _ columns: Int, _ colour: String)
    -> [String]
  {
    let indent = String(repeating: " ", count: name.count)
    // Marks are put in before wrapping where there is no colour, after it where there is: styles have no width.
    let marked = words.map { $0.isShared || hasColour ? $0.text : "«\($0.text)»" }
    var lines: [String] = []
    var line = ""
    var used = 0
    for (word, text) in zip(words, marked) {
      for (part, piece) in TerminalText.wrapped(text, columns: columns - name.count).enumerated() {
        let width = TerminalText.width(piece)
        if part > 0 || (used > 0 && used + 1 + width > columns - name.count) {
          lines.append(line)
          (line, used) = ("", 0)
        }
        if used > 0 {
          line += " "
          used += 1
        }
        line += word.isShared || !hasColour ? piece : styled(piece, colour)
        used += width
      }
    }
    return (lines + [line]).enumerated().map { ($0 == 0 ? name : indent) + $1 }
  }

  // MARK: - The last lines

  private func footer(_ columns: Int) -> [String] {
    var given: [String] = []
    if let severity { given.append("severity \(severity)") }
    if missedStop { given.append("a stop was missed") }
    if let note { given.append("note: \(TerminalText.plain(note))") }
    let captured = item["captured"]?.boolValue == true ? "  o text" : ""
    return [
      cut(([message].compactMap(\.self) + given).joined(separator: "   "), columns),
      cut(
        prompt.map(TerminalText.plain)
          ?? "a accept  e escalate  space unsure  u undo  f severity  n note\(captured)  q quit  ?", columns),
    ]
  }

  private func rule(_ title: String, _ columns: Int) -> String {
    let head = "── \(title) "
    return TerminalText.cut(head, columns: columns)
      + String(repeating: "─", count: max(0, columns - TerminalText.width(head)))
  }

  private func cut(_ text: String, _ columns: Int) -> String {
    TerminalText.cut(TerminalText.plain(text).replacing("\n", with: " "), columns: columns)
  }

  private func cutBlock(_ lines: [String], _ most: Int) -> [String] {
    lines.count <= most
      ? lines : lines.prefix(max(0, most - 1)) + ["  … \(lines.count - most + 1) more lines"]
  }

  private func fit(_ lines: [String], _ columns: Int, _ rows: Int) -> [String] {
    Array(lines.flatMap { TerminalText.wrapped($0, columns: columns) }.prefix(rows))
  }

  private func styled(_ text: String, _ code: String) -> String {
    hasColour ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }
}

/// Which words two answers have in common, in order.
package enum WordDifference {
  package struct Word: Equatable, Sendable {
    package var text: String
    package var isShared: Bool
  }

  /// Words compared at most; what follows counts as different where anything before it did.
  static let limit = 300

  package static func mark(_ left: String, _ right: String) -> ([Word], [Word]) {
    let (a, b) = (words(left), words(right))
    let (m, n) = (min(a.count, limit), min(b.count, limit))
    // Lengths of the longest common rest, from the end.
    var rest = Array(repeating: Array(repeating: 0, count: n + 1), count: m + 1)
    for i in stride(from: m - 1, through: 0, by: -1) {
      for j in stride(from: n - 1, through: 0, by: -1) {
        rest[i][j] = a[i] == b[j] ? rest[i + 1][j + 1] + 1 : max(rest[i + 1][j], rest[i][j + 1])
      }
    }
    var (i, j) = (0, 0)
    var shared: (Set<Int>, Set<Int>) = ([], [])
    while i < m, j < n {
      if a[i] == b[j] {
        shared.0.insert(i)
        shared.1.insert(j)
        (i, j) = (i + 1, j + 1)
      } else if rest[i + 1][j] >= rest[i][j + 1] {
        i += 1
      } else {
        j += 1
      }
    }
    let isEqual = left == right
    return (
      a.enumerated().map { Word(text: $1, isShared: isEqual || shared.0.contains($0)) },
      b.enumerated().map { Word(text: $1, isShared: isEqual || shared.1.contains($0)) }
    )
  }

  private static func words(_ text: String) -> [String] {
    text.split(whereSeparator: \.isWhitespace).map(String.init)
  }
}
