import Posix
import RouterCore
import Testing
import Wire

@testable import PolicyFiles

@Suite("Calibrations")
struct CalibrationsTests {
  private let good = #"""
    {"task":"t","model_id":"m","model_digest":"sha256:1","prompt_revision":"p","source":"logprob","temperature":1.5,
    "prior":{"a":0.7,"b":0.3},"shift":0,"fitted_on":{"cases":100},"at":"2026-11-21T00:00:00Z"}
    """#

  private func folder(_ body: (String) throws -> Void) throws {
    let path = "/tmp/shadow-router-calibrations-\(ProcessState.id)-\(Clocks.monotonic())"
    try Files.makeFolder(path)
    defer {
      for name in (try? Files.list(path)) ?? [] { try? Files.remove(Files.join(path, name)) }
      try? Files.removeFolder(path)
    }
    try body(path)
  }

  private func figures(model: String? = "m", digest: String? = "sha256:1", prompt: String? = "p")
    -> AskFigures
  {
    var figures = AskFigures()
    figures.modelID = model
    figures.modelDigest = digest
    figures.promptRevision = prompt
    return figures
  }

  @Test("a correction holds for its task, model, digest and prompt, and for nothing else")
  func fitting() throws {
    try folder { path in
      try Files.replace(Files.join(path, "one.json"), with: Array(good.utf8))
      let (calibrations, ignored) = Calibrations.read(path)
      #expect(ignored.isEmpty)
      let found = calibrations.fitting(task: "t", figures())
      #expect(found.map(\.correction.temperature) == [1.5] && found[0].id.count == 12)
      #expect(calibrations.fitting(task: "u", figures()).isEmpty)
      #expect(calibrations.fitting(task: nil, figures()).isEmpty)
      for other in [
        figures(model: "n"), figures(model: nil), figures(digest: "sha256:2"), figures(digest: nil),
        figures(prompt: "q"), figures(prompt: nil),
      ] { #expect(calibrations.fitting(task: "t", other).isEmpty) }
    }
  }

  @Test("no digest is matched by no digest")
  func noDigest() throws {
    try folder { path in
      let text = good.replacing(#""sha256:1""#, with: "null")
      try Files.replace(Files.join(path, "one.json"), with: Array(text.utf8))
      let (calibrations, _) = Calibrations.read(path)
      #expect(calibrations.fitting(task: "t", figures(digest: nil)).count == 1)
      #expect(calibrations.fitting(task: "t", figures()).isEmpty)
    }
  }

  @Test("of two for one source the later comes first")
  func later() throws {
    try folder { path in
      let later = good.replacing("2026-11-21", with: "2026-11-22").replacing("1.5", with: "2.5")
      try Files.replace(Files.join(path, "a.json"), with: Array(later.utf8))
      try Files.replace(Files.join(path, "b.json"), with: Array(good.utf8))
      let found = Calibrations.read(path).0.fitting(task: "t", figures())
      #expect(found.map(\.correction.temperature) == [2.5, 1.5])
    }
  }

  @Test("what is not a sound correction, or others could have written, is named and left out")
  func refused() throws {
    let bad = [
      "{}", "[]", "", "{", good.replacing("1.5", with: "0"), good.replacing("1.5", with: "-1"),
      good.replacing("0.7", with: "0"), good.replacing("0.7", with: "1.5"),
      good.replacing("logprob", with: "guess"),
      good.replacing(#""shift":0"#, with: #""shift":"0""#), good.replacing(#""sha256:1""#, with: "7"),
    ]
    try folder { path in
      for (number, text) in bad.enumerated() {
        try Files.replace(Files.join(path, "bad-\(number).json"), with: Array(text.utf8))
      }
      try Files.replace(Files.join(path, "open.json"), with: Array(good.utf8), mode: 0o620)
      try Files.replace(Files.join(path, "notes.txt"), with: Array("x".utf8))
      let (calibrations, ignored) = Calibrations.read(path)
      #expect(calibrations == Calibrations())
      #expect(ignored.count == bad.count + 1)
      #expect(ignored.allSatisfy { $0.file.hasPrefix(path) && !$0.why.isEmpty })
      try Files.setMode(path, 0o777)
      try Files.replace(Files.join(path, "fine.json"), with: Array(good.utf8))
      let (none, whole) = Calibrations.read(path)
      #expect(none == Calibrations() && whole.map(\.file) == [path])
    }
  }

  @Test("its id is of what corrects, not of when it was fitted")
  func identity() throws {
    func id(_ text: String) throws -> String? {
      ConfidenceCorrection(try JSONValue(parsing: Array(text.utf8))).map { Calibrations.Entry($0).id }
    }
    let first = try id(good)
    #expect(first != nil)
    #expect(try id(good.replacing("2026-11-21", with: "2027-01-01")) == first)
    #expect(try id(good.replacing(#""cases":100"#, with: #""cases":101"#)) == first)
    #expect(try id(good.replacing("1.5", with: "1.6")) != first)
  }

  @Test("no folder is no fault")
  func absent() {
    let (calibrations, ignored) = Calibrations.read("/nowhere/at/all")
    #expect(calibrations == Calibrations() && ignored.isEmpty)
  }
}
