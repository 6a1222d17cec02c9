import Anchors
import PolicyLanguage
import Reviews
import RouterCore
import Screens
import Text
import Wire

/// Short texts with a form: what is taken is written the same, what is shown moves no cursor.
enum TextsTarget {
  static func check(_ input: [UInt8]) throws(Finding) {
    let text = input.text
    try checkURL(text)
    try checkTimes(input, text)
    try checkTerminal(text)
    try checkNames(input, text)
    _ = TextTemplate.of(text)
    _ = SHA256Digest(base64: text)
    _ = SHA256Digest(hex: input.span)
  }

  private static func checkURL(_ text: String) throws(Finding) {
    guard let url = try? HTTPURL(parsing: text) else { return }
    guard let again = try? HTTPURL(parsing: url.description) else { throw Finding("\(url) is refused") }
    try require(again == url, "\(url) is another address")
    try require(url.target.hasPrefix("/") && url.port > 0 && !url.host.isEmpty, "an address without a part")
    try require(
      !url.description.utf8.contains { $0 <= 0x20 || $0 >= 0x7F }, "an address with a line end or a space")
    let request = try? HTTPRequestWriter.bytes(
      method: "GET", target: url.target, headers: ["Host": url.authority], body: nil)
    try require(request != nil, "\(url) cannot be asked")
  }

  private static func checkTimes(_ bytes: [UInt8], _ text: String) throws(Finding) {
    if let time = Timestamp.parse(bytes.span) {
      let written = Timestamp.string(time)
      try require(Timestamp.parse(written) == time, "\(text) is \(written), and that is another time")
      try require(written.utf8.count == Timestamp.length, "a time of \(written.utf8.count) characters")
      let week = ISOWeek(containing: time)
      try require(week.start <= time && time < week.end, "\(text) is not in \(week.name)")
      try require(ISOWeek(name: week.name) == week, "\(week.name) is another week")
    }
    if let week = ISOWeek(name: text) {
      try require(week.name.utf8.elementsEqual(text.utf8), "\(text) is \(week.name)")
      try require(week.next.previous == week && week.next.start == week.end, "the week after \(text)")
    }
    if PolicyDate.isDay(text) {
      try require(Timestamp.parse(text + "T00:00:00Z") != nil, "\(text) is a day without a beginning")
    }
    _ = PolicyDate.isMoment(text)
  }

  private static func checkTerminal(_ text: String) throws(Finding) {
    let line = TerminalText.oneLine(text)
    try require(TerminalText.isOneLine(line), "no one line: \(line.debugDescription)")
    let plain = TerminalText.plain(text)
    try require(
      plain.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) },
      "a control character is left: \(plain.debugDescription)")
    for columns in [2, 7, 40] {
      for row in TerminalText.wrapped(plain, columns: columns) {
        try require(
          TerminalText.width(row) <= columns, "a row of \(TerminalText.width(row)) columns in \(columns)")
      }
      let cut = TerminalText.cut(line, columns: columns)
      try require(
        TerminalText.width(cut) <= columns, "cut to \(TerminalText.width(cut)) columns of \(columns)")
    }
  }

  private static func checkNames(_ bytes: [UInt8], _ text: String) throws(Finding) {
    let names = ["billing", "min_confidence", "a", "é", text]
    let nearest = NearestName.match(for: text, among: names.dropLast())
    if let nearest { try require(names.contains(nearest), "a name that is none of them") }
    let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let name = String(validating: parts[0], as: UTF8.self), !name.isEmpty,
      String(validating: parts[1], as: UTF8.self) != nil
    else { return }
    let said = Array(parts[1])
    if NameMention.stands(name, in: said) {
      let letters = Array(name.utf8)
      let isThere =
        said.count >= letters.count
        && (0...said.count - letters.count).contains { said[$0...].starts(with: letters) }
      try require(isThere, "\(name) stands where it is not")
    }
  }
}
