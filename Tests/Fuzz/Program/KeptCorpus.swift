import Foundation
import FuzzTargets

/// The corpus that the project keeps: a file for each target, an input a line in base64, the shortest first.
enum KeptCorpus {
  private static let folder = "Tests/Fuzz/corpus"
  /// Bytes of one target's inputs: what the unit tests try again takes a moment, and the files stay readable in a change.
  private static let most = 24 << 10

  static func inputs(of target: String) -> [[UInt8]] {
    let text = (try? String(contentsOfFile: "\(folder)/\(target).txt", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").compactMap { Data(base64Encoded: String($0)).map { Array($0) } }
  }

  /// Takes over what a run found to be worth keeping; targets that have no folder keep what they have.
  static func write(from found: String) {
    for target in FuzzTarget.all.map(\.name) {
      guard let names = try? FileManager.default.contentsOfDirectory(atPath: "\(found)/\(target)") else {
        continue
      }
      let inputs = names.compactMap { FileManager.default.contents(atPath: "\(found)/\(target)/\($0)") }
        .sorted { ($0.count, $0.base64EncodedString()) < ($1.count, $1.base64EncodedString()) }
      var room = most
      let kept = inputs.prefix { input in
        room -= input.count + 8
        return room >= 0
      }
      let lines = kept.map { $0.base64EncodedString() + "\n" }.joined()
      do {
        try lines.write(toFile: "\(folder)/\(target).txt", atomically: true, encoding: .utf8)
        print(
          "\(target): \(kept.count) of \(inputs.count) inputs kept, \(kept.reduce(0) { $0 + $1.count }) bytes"
        )
      } catch {
        print("\(target): \(error)")
      }
    }
  }
}
