package import Foundation

/// Labelled traffic outside of the package, read where it is there.
package enum SharedData {
  package struct Event: Decodable {
    package struct Truth: Decodable {
      package let label: String?
      package let sourceLabel: String?

      private enum CodingKeys: String, CodingKey {
        case label
        case sourceLabel = "source_label"
      }
    }
    package let prompt: String
    package let truth: Truth
  }

  package static let folder: URL = {
    if let path = ProcessInfo.processInfo.environment["SHADOW_ROUTER_SHARED"] {
      return URL(fileURLWithPath: path)
    }
    var root = URL(fileURLWithPath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    return root.appendingPathComponent("../shared").standardizedFileURL
  }()

  /// - Returns: nil, after a loud line, where `data/` has no such file.
  package static func file(_ name: String, for test: String) -> Data? { read("data/\(name)", for: test) }

  /// The same of any file of the shared folder. What is named `.gz` is unpacked.
  package static func read(_ path: String, for test: String) -> Data? {
    let url = folder.appendingPathComponent(path)
    guard FileManager.default.fileExists(atPath: url.path) else {
      print("SKIPPED: \(test): no \(url.path); set SHADOW_ROUTER_SHARED")
      return nil
    }
    return path.hasSuffix(".gz") ? unzipped(url) : try? Data(contentsOf: url)
  }

  package static func events(_ name: String, for test: String) throws -> [Event]? {
    guard let data = file("events/public/\(name)", for: test) else { return nil }
    let decoder = JSONDecoder()
    return try data.split(separator: 10).map { try decoder.decode(Event.self, from: Data($0)) }
  }

  private static func unzipped(_ url: URL) -> Data? {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/gzip")
    process.arguments = ["-dc", url.path]
    process.standardOutput = pipe
    guard (try? process.run()) != nil else { return nil }
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return data
  }
}
