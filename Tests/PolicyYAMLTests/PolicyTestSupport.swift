import Foundation
import PolicyLanguage
import PolicyYAML
import RouterCore

/// Where files outside the test target are found.
enum Places {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func policy(_ name: String) throws -> [UInt8] {
    try bytes(at: root.appending(path: "policies/\(name).yaml"))
  }

  static func bytes(at url: URL) throws -> [UInt8] { Array(try Data(contentsOf: url)) }

  /// Whether expected files are to be written anew.
  static var isRecording: Bool { ProcessInfo.processInfo.environment["SHADOW_ROUTER_RECORD"] == "1" }

  static func record(_ bytes: [UInt8], at url: URL) throws { try Data(bytes).write(to: url) }

  /// Outside data, or nil with a loud line where there is none.
  static func shared(_ path: String, for what: String) -> URL? {
    let folder =
      ProcessInfo.processInfo.environment["SHADOW_ROUTER_SHARED"].map { URL(filePath: $0) }
      ?? root.appending(path: "../shared")
    let url = folder.appending(path: path)
    if FileManager.default.fileExists(atPath: url.path) { return url }
    print("SKIPPED: \(what): no \(url.path); name the folder in SHADOW_ROUTER_SHARED")
    return nil
  }
}

extension PolicyReading {
  init(_ text: String, _ options: PolicyReadingOptions = PolicyReadingOptions()) {
    self = PolicyFile.read(Array(text.utf8), options: options)
  }

  /// Every problem as `LINE:COL: severity: message`.
  var lines: [String] {
    problems.map { String($0.line(in: "").dropFirst()) }
  }
}

/// Seconds of processor time that the work took: what else runs on the machine does not count.
func processorSeconds(_ work: () -> Void) -> Double {
  func now() -> Double {
    var time = timespec()
    _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
  let start = now()
  work()
  return now() - start
}
