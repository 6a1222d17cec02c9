import Posix
import RouterCore

/// Texts of debug windows: a folder a task in `windows/`, so that age and size are the window's alone.
extension Vault {
  /// What the vault holds, as of the last sweep.
  package struct Holdings: Sendable {
    package struct Part: Sendable {
      /// nil: the drawn calls of all tasks.
      package var window: CaptureWindow?
      package var texts = 0
      package var bytes: Int64 = 0
    }

    package var parts: [Part] = []
  }

  /// Removes what stays in no open window: those that ended, and those that the policy has no more.
  package func sweepWindows(_ windows: [CaptureWindow], now: Int64) {
    let open = windows.filter { $0.isOpen(now) }
    let folders = Set(open.map(\.folder))
    for name in (try? Files.list(windowsFolder)) ?? [] where !folders.contains(name) {
      let folder = Files.join(windowsFolder, name)
      for file in (try? Files.list(folder)) ?? [] { try? Files.remove(Files.join(folder, file)) }
      try? Files.removeFolder(folder)
    }
    if open.isEmpty { try? Files.removeFolder(windowsFolder) }
    var parts = [Holdings.Part(window: nil)]
    for text in Vault.texts(in: folder) {
      parts[0].texts += 1
      parts[0].bytes += text.size
    }
    for window in open {
      let texts = trim(window, making: 0)
      parts.append(
        Holdings.Part(window: window, texts: texts.count, bytes: texts.reduce(0) { $0 + $1.size }))
    }
    note(Holdings(parts: parts))
  }

  struct Text {
    let path: String
    let size: Int64
    let modified: Int64
  }

  static func texts(in folder: String) -> [Text] {
    ((try? Files.list(folder)) ?? []).compactMap { name in
      let path = Files.join(folder, name)
      guard let status = try? Files.status(path, following: false), status.kind == .file else { return nil }
      return Text(path: path, size: status.size, modified: status.modified)
    }
  }

  /// Makes room for a text by removing the oldest.
  ///
  /// - Returns: What is left.
  @discardableResult
  func trim(_ window: CaptureWindow, making room: Int64) -> [Text] {
    var texts = Vault.texts(in: Files.join(windowsFolder, window.folder))
    var bytes = texts.reduce(0) { $0 + $1.size }
    guard bytes + room > window.maxBytes else { return texts }
    texts.sort { ($0.modified, $0.path) < ($1.modified, $1.path) }
    // A tenth more than is needed, so that not every text looks at all others again.
    let most = max(0, window.maxBytes - room - window.maxBytes / 10)
    var kept = 0
    for text in texts {
      guard bytes > most else { break }
      try? Files.remove(text.path)
      bytes -= text.size
      kept += 1
    }
    return Array(texts.dropFirst(kept))
  }
}
