import Foundation

/// Reference data that lies outside the package.
enum SharedFiles {
  static let folder: URL = {
    if let named = ProcessInfo.processInfo.environment["SHADOW_ROUTER_SHARED"] {
      return URL(fileURLWithPath: named)
    }
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return root.appendingPathComponent("../shared")
  }()

  /// The file's bytes, or nil after saying loudly what is not being tested.
  static func read(_ path: String, for what: String) -> [UInt8]? {
    guard let data = try? Data(contentsOf: folder.appendingPathComponent(path)) else {
      print("SKIPPED: \(what): no file \(path) in \(folder.path)")
      return nil
    }
    return [UInt8](data)
  }
}
