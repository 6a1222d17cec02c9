import Foundation
import TestData
import Testing

@testable import Redaction

@Suite("Redaction of labelled samples")
struct RedactCorpusTests {
  private let redactor = Redactor()

  private func redacted(_ text: String) -> String {
    let bytes = Array(text.utf8)
    return String(decoding: redactor.redact(bytes.span) ?? [], as: UTF8.self)
  }

  /// Some samples are labelled secret but hold none: file names, templates, empty values, a comment or a name alone.
  private func holdsNoSecret(_ text: String, _ kind: String?) -> Bool {
    let endings = [
      ".yaml", ".yml", ".php", "= ", "=", "= \"", "}", "{secret}\"", "{secret}'", "\"service_account\"",
    ]
    if text.count < 32, endings.contains(where: text.hasSuffix) { return true }
    if text.hasPrefix(",") || text.contains("Basic $BASIC_TOKEN") { return true }
    return kind == "jwt" && !text.contains("ey") && !text.contains("ZXlK") && !text.contains("://")
  }

  @Test("finds at least 95 % of the secrets")
  func secrets() throws {
    guard let events = try SharedData.events("secrets.ndjson.gz", for: "secrets") else { return }
    var missed: [String] = []
    var (found, total, excluded, nearTotal, nearFlagged) = (0, 0, 0, 0, 0)
    var kinds: [String: (found: Int, total: Int, flagged: Int, near: Int)] = [:]
    for event in events {
      let changed = redacted(event.prompt) != event.prompt
      let kind = event.truth.sourceLabel ?? "?"
      if event.truth.label == "secret" {
        if holdsNoSecret(event.prompt, event.truth.sourceLabel) {
          excluded += 1
          continue
        }
        total += 1
        kinds[kind, default: (0, 0, 0, 0)].total += 1
        if changed { kinds[kind, default: (0, 0, 0, 0)].found += 1 }
        if changed { found += 1 } else { missed.append(event.truth.sourceLabel ?? "?") }
        if !changed { verbose("MISSED \(event.truth.sourceLabel ?? ""): \(event.prompt.prefix(200))") }
      } else {
        nearTotal += 1
        kinds[kind, default: (0, 0, 0, 0)].near += 1
        if changed { kinds[kind, default: (0, 0, 0, 0)].flagged += 1 }
        if changed {
          nearFlagged += 1
          verbose("NEAR \(event.truth.sourceLabel ?? ""): \(redacted(event.prompt).prefix(150))")
        }
      }
    }
    print(
      "secrets: found \(found) of \(total) (\(excluded) hold none); near misses flagged \(nearFlagged) of \(nearTotal)"
    )
    for (kind, count) in kinds.sorted(by: { $0.key < $1.key }) {
      print(
        "secret \(kind): \(count.found) of \(count.total); near misses altered \(count.flagged) of \(count.near)"
      )
    }
    print("secrets missed by kind: \(missed.sorted())")
    #expect(Double(found) >= 0.95 * Double(total))
  }

  @Test("finds at least 95 % of the personal data that can be checked by machine")
  func personal() throws {
    guard let events = try SharedData.events("pii.ndjson.gz", for: "personal data") else { return }
    let checked: Set = ["email", "credit_card", "phone", "ip", "mac", "us_ssn"]
    var counts: [String: (found: Int, total: Int, nearFlagged: Int, near: Int)] = [:]
    for event in events {
      let kind = event.truth.sourceLabel ?? "?"
      let changed = redacted(event.prompt) != event.prompt
      if event.truth.label == "pii" {
        counts[kind, default: (0, 0, 0, 0)].total += 1
        if changed { counts[kind, default: (0, 0, 0, 0)].found += 1 }
        if !changed { verbose("MISSED \(kind): \(event.prompt.prefix(120))") }
      } else {
        counts[kind, default: (0, 0, 0, 0)].near += 1
        if changed { counts[kind, default: (0, 0, 0, 0)].nearFlagged += 1 }
      }
    }
    for (kind, count) in counts.sorted(by: { $0.key < $1.key }) {
      print(
        "pii \(kind): \(count.found) of \(count.total); near misses \(count.nearFlagged) of \(count.near)")
    }
    let sum = counts.filter { checked.contains($0.key) }.values.reduce((0, 0)) {
      ($0.0 + $1.found, $0.1 + $1.total)
    }
    let all = counts.values.reduce((0, 0, 0, 0)) {
      ($0.0 + $1.found, $0.1 + $1.total, $0.2 + $1.nearFlagged, $0.3 + $1.near)
    }
    print(
      "pii checked kinds: \(sum.0) of \(sum.1); all kinds \(all.0) of \(all.1); near misses \(all.2) of \(all.3)"
    )
    #expect(Double(sum.0) >= 0.95 * Double(sum.1))
    // Names, dates, addresses of pages, plates and registers are among them: they are not promised.
    #expect(Double(all.0) >= 0.75 * Double(all.1))
  }

  @Test(
    "leaves ordinary text alone",
    arguments: ["clinc150", "bump", "nlbse24", "routellm_mmlu", "stackoverflow"])
  func ordinary(source: String) throws {
    guard let events = try SharedData.events("\(source).ndjson", for: "ordinary text") else { return }
    var kinds: [String: Int] = [:]
    var altered = 0
    for event in events {
      let bytes = Array(event.prompt.utf8)
      let preview = String(decoding: redactor.preview(of: bytes.span) ?? [], as: UTF8.self)
      let plain = String(String.UnicodeScalarView(event.prompt.unicodeScalars.prefix(240)))
      guard preview != plain else { continue }
      altered += 1
      for kind in ["secret", "jwt", "email", "card", "iban", "phone", "ip", "mac", "ssn", "id", "number"]
      where preview.contains("[\(kind)]") && !plain.contains("[\(kind)]") { kinds[kind, default: 0] += 1 }
      verbose("ALTERED \(source): \(preview.replacingOccurrences(of: "\n", with: "\\n"))")
    }
    print("ordinary \(source): altered \(altered) of \(events.count): \(kinds)")
    #expect(altered * 100 <= events.count)
  }

  private func verbose(_ line: String) {
    if ProcessInfo.processInfo.environment["REDACT_VERBOSE"] != nil { print(line) }
  }
}
