import Foundation
import FuzzTargets
import Testing

/// What the fuzzer has come across, tried again by every run of the unit tests, under the sanitizers as well.
@Suite("The kept corpus")
struct KeptCorpusTests {
  static let names = FuzzTarget.all.map(\.name)

  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fuzz/corpus")

  /// One input a line, in base64.
  private static func inputs(_ target: String) throws -> [[UInt8]] {
    let text = try String(contentsOf: folder.appending(path: "\(target).txt"), encoding: .utf8)
    return try text.split(separator: "\n").map { line in
      Array(try #require(Data(base64Encoded: String(line)), "\(target): a line that is no base64"))
    }
  }

  @Test("holds nothing that breaks a property", arguments: names)
  func holds(name: String) throws {
    let target = try #require(FuzzTarget.named(name))
    let inputs = try Self.inputs(name)
    #expect(!inputs.isEmpty)
    for input in inputs {
      do {
        try target.check(input)
      } catch {
        Issue.record("\(name), \(Data(input).base64EncodedString()): \(error)")
      }
    }
  }

  @Test("has a file for each target, and no other")
  func files() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    #expect(files.sorted() == Self.names.map { $0 + ".txt" }.sorted())
  }
}
