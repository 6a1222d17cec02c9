import Advice
import Evidence
import Foundation
import Reports
import TestLogs
import Testing
import Wire

@testable import LogReading

@Suite("Renderings")
struct RenderingTests {
  private func week() -> Report {
    var options = ReportOptions()
    options.command = "shadow-router report --week 2026-W10"
    options.window = ReportWindow(week: "2026-W10") ?? ReportWindow()
    var fold = EvidenceFold(options)
    fold.add(ndjson: SampleLog.week().bytes.span)
    return fold.report()
  }

  @Test("the same log gives the same bytes")
  func sameBytes() {
    let first = week()
    let second = week()
    #expect(first.html == second.html)
    #expect(first.markdown == second.markdown)
    #expect(first.json == second.json)
  }

  @Test("the page is one file without scripts, and no text of a call becomes markup")
  func page() throws {
    let html = week().html
    #expect(!html.contains("<script"))
    #expect(html.contains("&lt;script&gt;alert(&#39;"))
    #expect(!html.contains("http://") && !html.contains("https://") && !html.contains("url("))
    #expect(html.contains("&lt;b&gt;unknown key"))
    for part in [
      "<title>", "scope=\"col\"", "scope=\"row\"", "prefers-color-scheme:dark", "@media print", "<desc",
    ] {
      #expect(html.contains(part), "\(part)")
    }
    try expectBalanced(html)
    if let folder = ProcessInfo.processInfo.environment["SAMPLE_REPORT_FOLDER"] {
      try html.write(toFile: folder + "/report.html", atomically: true, encoding: .utf8)
      try week().markdown.write(toFile: folder + "/report.md", atomically: true, encoding: .utf8)
      try Data(week().json).write(to: URL(fileURLWithPath: folder + "/report.json"))
      try Data(ReportSchema.document().jsonBytes).write(to: URL(fileURLWithPath: folder + "/schema.json"))
    }
  }

  /// Every element is closed in its order, so that no cell can swallow the page.
  private func expectBalanced(_ html: String) throws {
    var open: [String] = []
    for piece in html.split(separator: "<").dropFirst() {
      let tag = String(piece.prefix { $0 != ">" && $0 != " " })
      if tag.hasPrefix("!") || tag == "meta" { continue }
      if tag.hasPrefix("/") {
        #expect(open.popLast() == String(tag.dropFirst()))
      } else {
        open.append(tag)
      }
    }
    #expect(open.isEmpty)
  }

  @Test("an empty log gives a page too, and says that there is nothing")
  func empty() throws {
    let report = EvidenceFold().report()
    try expectBalanced(report.html)
    #expect(report.html.contains("nothing to claim"))
    #expect(report.markdown.contains("nothing to claim"))
    _ = try JSONValue(parsing: Array(report.json.dropLast()))
  }

  @Test(
    "hostile names stay text in every form", arguments: ["<img src=x>", "a|b`c\n# d", "\u{202E}evil", "=1+1"])
  func hostile(name: String) throws {
    var log = SampleLog()
    for call in 0..<3 {
      log.decision(
        "c\(call)\(name)", task: name, label: name, model: name, run: name, agent: name, input: name)
      log.comparison("c\(call)\(name)", "disagree", label: name)
    }
    var fold = EvidenceFold()
    fold.add(ndjson: log.bytes.span)
    let report = fold.report()
    try expectBalanced(report.html)
    #expect(!report.html.contains("<img") && !report.html.unicodeScalars.contains("\u{202E}"))
    #expect(!report.markdown.contains("\n# d"))
    #expect(!report.markdown.contains(" <img"))
    let json = try JSONValue(parsing: Array(report.json.dropLast()))
    #expect(json["tasks"]?[0]?["task_type"]?.stringValue == name)
  }

  @Test("the JSON form is what its schema says")
  func schema() throws {
    let schema = ReportSchema.document()
    for report in [week(), EvidenceFold().report()] {
      let problems = SchemaCheck.problems(
        try JSONValue(parsing: Array(report.json.dropLast())), schema, at: "")
      #expect(problems.isEmpty, "\(problems.prefix(5))")
    }
  }

  @Test("the JSON form carries the figures of the value")
  func json() throws {
    let report = week()
    let json = try JSONValue(parsing: Array(report.json.dropLast()))
    #expect(json["v"]?.intValue == 1)
    #expect(json["totals"]?["calls"]?.intValue == report.totals.calls)
    #expect(json["tasks"]?.arrayValue?.count == report.tasks.count)
    #expect(json["sentence"]?["claim"]?.stringValue == report.sentence.claim)
    #expect(json["head"]?["log"]?.stringValue == "log-1")
  }
}

/// The few words of JSON Schema that the report's schema uses; also refuses members that it does not name.
private enum SchemaCheck {
  static func problems(_ value: JSONValue, _ schema: JSONValue, at place: String) -> [String] {
    if let choices = schema["anyOf"]?.arrayValue {
      let all = choices.map { problems(value, $0, at: place) }
      return all.contains { $0.isEmpty } ? [] : all[0]
    }
    if let allowed = schema["enum"]?.arrayValue {
      return allowed.contains(value) ? [] : ["\(place): not in enum"]
    }
    if let constant = schema["const"] { return constant == value ? [] : ["\(place): not the constant"] }
    var found = typeProblem(value, schema, place)
    if let least = schema["minimum"]?.doubleValue, let number = value.doubleValue, number < least {
      found.append("\(place): below \(least)")
    }
    if let most = schema["maximum"]?.doubleValue, let number = value.doubleValue, number > most {
      found.append("\(place): above \(most)")
    }
    for required in schema["required"]?.arrayValue ?? [] {
      if let name = required.stringValue, value[name] == nil { found.append("\(place): no \(name)") }
    }
    for member in value.members ?? [] {
      guard let inner = schema["properties"]?[member.name] ?? schema["additionalProperties"] else {
        found.append("\(place): \(member.name) is not described")
        continue
      }
      found += problems(member.value, inner, at: "\(place)/\(member.name)")
    }
    if let items = schema["items"] {
      for element in value.arrayValue ?? [] { found += problems(element, items, at: "\(place)/-") }
    }
    return found
  }

  private static func typeProblem(_ value: JSONValue, _ schema: JSONValue, _ place: String) -> [String] {
    guard let type = schema["type"] else { return [] }
    let names = type.arrayValue?.compactMap(\.stringValue) ?? [type.stringValue ?? ""]
    let matches = names.contains { name in
      switch name {
      case "null": value.isNull
      case "string": value.stringValue != nil
      case "integer": value.intValue != nil
      case "number": value.doubleValue != nil
      case "boolean": value.boolValue != nil
      case "array": value.arrayValue != nil
      default: value.members != nil
      }
    }
    return matches ? [] : ["\(place): not \(names)"]
  }
}
