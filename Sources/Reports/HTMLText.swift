/// HTML under construction. Markup comes from this program alone; every text goes through ``escaped(_:)``.
package struct HTMLText {
  private(set) var markup = ""

  /// Writes markup as it is.
  package mutating func raw(_ markup: StaticString) { self.markup += markup.description }

  /// A whole page in the report's style, with what `body` writes.
  package static func page(title: String, _ body: (inout HTMLText) -> Void) -> String {
    var html = HTMLText()
    html.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
    html.raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">")
    // A second lock: even markup that slipped through could load and run nothing.
    html.raw(
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';style-src 'unsafe-inline'\">"
    )
    html.element("title", title)
    html.raw("<style>")
    html.raw(ReportStyle.sheet)
    html.raw("</style></head><body>\n")
    body(&html)
    html.raw("</body></html>\n")
    return html.markup
  }

  /// Adds what another one holds, which is markup already.
  package mutating func append(_ other: HTMLText) { markup += other.markup }

  package mutating func text(_ text: String) { markup += Self.escaped(text) }

  /// `<name class="…">` around what `body` writes, or around nothing.
  package mutating func element(
    _ name: StaticString, class style: StaticString = "", _ body: (inout HTMLText) -> Void = { _ in }
  ) {
    var attributes: [(StaticString, String)] = []
    if style.utf8CodeUnitCount > 0 { attributes.append((key: "class", value: style.description)) }
    element(name, attributes, body)
  }

  package mutating func element(
    _ name: StaticString, class style: StaticString = "", _ content: String
  ) {
    element(name, class: style) { $0.text(content) }
  }

  package mutating func element(
    _ name: StaticString, _ attributes: [(StaticString, String)], _ body: (inout HTMLText) -> Void = { _ in }
  ) {
    markup += "<\(name)"
    for (key, value) in attributes { markup += " \(key)=\"\(Self.escaped(value))\"" }
    markup += ">"
    body(&self)
    markup += "</\(name)>"
  }

  /// A heading that links lead to.
  mutating func heading(_ text: String, _ id: String) {
    element("h2", [("id", id)]) { $0.text(text) }
  }

  /// Text with `commands` between backticks set as code.
  mutating func prose(_ text: String) {
    for (index, part) in text.split(separator: "`", omittingEmptySubsequences: false).enumerated() {
      if index % 2 == 1 { element("code", String(part)) } else { self.text(String(part)) }
    }
  }

  /// A table in a box of its own that scrolls sideways on a narrow screen. The first column names the row.
  /// A stacked one sets its rows one under the other on a phone, each cell with its column's name.
  package mutating func table(
    _ caption: String, _ header: [String], isStacked: Bool = false, _ rows: [[Cell]]
  ) {
    guard !rows.isEmpty else { return }
    element("div", [("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", caption)]) {
      box in
      box.element("table", class: isStacked ? "stack" : "") { table in
        table.element("caption", caption)
        table.element("thead") { head in
          head.element("tr") { row in
            for (index, name) in header.enumerated() {
              let style = rows[0].indices.contains(index) ? rows[0][index].style : ""
              row.element("th", [("scope", "col"), ("class", style)]) { $0.text(name) }
            }
          }
        }
        table.element("tbody") { body in
          for cells in rows {
            body.element("tr") { row in
              for (index, cell) in cells.enumerated() {
                row.cell(
                  cell, isFirst: index == 0,
                  name: isStacked && header.indices.contains(index) ? header[index] : nil)
              }
            }
          }
        }
      }
    }
  }

  private mutating func cell(_ cell: Cell, isFirst: Bool, name: String?) {
    let content = { (html: inout HTMLText) in
      switch cell {
      case .pill(let text, let tone): html.pill(text, tone)
      case .code(let text): html.element("code", text)
      case .link(let text, let target): html.element("a", [("href", "#" + target)]) { $0.text(text) }
      case .prose(let text): html.prose(text)
      case .text(let text), .number(let text): html.text(text)
      }
    }
    if isFirst {
      element("th", [("scope", "row"), ("class", cell.style)], content)
    } else {
      var attributes: [(StaticString, String)] = [("class", cell.style)]
      if let name { attributes.append(("data-label", name)) }
      element("td", attributes, content)
    }
  }

  package mutating func pill(_ text: String, _ tone: Tone) {
    element("span", [("class", "pill \(tone.rawValue)")]) { $0.text(text) }
  }

  package enum Cell {
    case text(String)
    /// Words of this program with `code` between backticks.
    case prose(String)
    case number(String)
    case code(String)
    case pill(String, Tone)
    /// To an anchor on the page.
    case link(String, String)

    var style: String {
      if case .number = self { return "number" }
      return ""
    }
  }

  package enum Tone: String { case good, bad, warn, mute }

  /// Text from outside as text: no markup, no control characters, and nothing that turns the reading direction round,
  /// with which a preview could make its neighbours say something else.
  static func escaped(_ text: String) -> String {
    var escaped = ""
    var last: Unicode.Scalar = "x"
    for scalar in text.unicodeScalars {
      // A figure and its sign stay on one line.
      if scalar == "%", last == " ", escaped.last == " " {
        escaped.removeLast()
        escaped += "\u{A0}"
      }
      last = scalar
      switch scalar {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      case "'": escaped += "&#39;"
      case "\u{0}"..<" ", "\u{7F}"..<"\u{A0}": escaped += " "
      case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}", "\u{200E}", "\u{200F}", "\u{61C}":
        escaped += "\u{FFFD}"
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}
