import RouterCore
import Testing

@testable import PolicyLanguage

@Suite("Plain scalars of a policy")
struct PolicyScalarTests {
  @Test(
    "mean what JSON can say, or are texts",
    arguments: [
      ("", .null), ("~", .null), ("null", .null), ("nil", .text), ("true", .bool(true)),
      ("FALSE", .bool(false)),
      ("yes", .text), ("on", .text), ("0", .int(0)), ("-7", .int(-7)), ("1e3", .number(1000)),
      ("-0.5", .number(-0.5)),
      ("1.2.3", .text), ("2026-11-21", .text), ("12:30", .text), ("-", .text), (".", .text), (".env", .text),
      ("0755x", .text), ("1e", .text), ("9223372036854775807", .int(.max)), ("401 x", .text),
    ] as [(String, PolicyScalar)])
  func means(text: String, value: PolicyScalar) {
    #expect(PolicyScalar(plain: text) == value)
  }

  @Test(
    "on which readers of YAML disagree are neither number nor text",
    arguments: [
      "0x10", "0o17", "0b1", "1_000", "+5", "+0.5", ".5", "5.", "-.5", "007", "00", ".inf", "-.INF", ".nan",
      "NaN",
      "1e999", "9223372036854775808", String(repeating: "9", count: 100),
    ])
  func disagree(text: String) {
    if case .doubtful = PolicyScalar(plain: text) { return }
    Issue.record("\(text) is \(PolicyScalar(plain: text))")
  }
}

@Suite("Days of a policy")
struct PolicyDateTests {
  @Test("exist", arguments: ["2026-11-21", "2024-02-29", "2000-02-29", "0001-01-01"])
  func exist(text: String) { #expect(PolicyDate.isDay(text) && PolicyDate.isMoment(text)) }

  @Test(
    "do not exist",
    arguments: [
      "2026-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-1-01", "26-01-01", "", "2026-04-31",
      "0000-01-01",
    ])
  func doNot(text: String) { #expect(!PolicyDate.isDay(text) && !PolicyDate.isMoment(text)) }

  @Test(
    "may be moments",
    arguments: ["2026-11-21T10:00:00Z", "2026-11-21t10:00:00.25z", "2026-11-21 23:59:60+05:30"])
  func moments(text: String) { #expect(PolicyDate.isMoment(text) && !PolicyDate.isDay(text)) }

  @Test(
    "are no moments",
    arguments: [
      "2026-11-21T10:00Z", "2026-11-21T24:00:00Z", "2026-11-21T10:00:00", "2026-11-21T10:00:00.Z",
      "2026-11-21T10:00:00+0530", "2026-11-21Tab:cd:efZ",
    ])
  func noMoments(text: String) { #expect(!PolicyDate.isMoment(text)) }
}

@Suite("Values in messages")
struct PolicyQuotingTests {
  @Test("are short, on one line, and visible")
  func quoting() {
    #expect(PolicyProblem.quote("plain") == "\"plain\"")
    #expect(PolicyProblem.quote("a\nb\u{1B}[2J\u{202E}") == "\"a·b·[2J·\"")
    #expect(
      PolicyProblem.quote(String(repeating: "é", count: 49)) == "\"\(String(repeating: "é", count: 48))…\"")
    #expect(PolicyProblem.list(["a", "b", "c"], limit: 2) == "`a`, `b` and 1 more")
  }
}
