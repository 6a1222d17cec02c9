import Posix
import RouterCore
import Wire

/// The corrections of confidence that `calibrate` left in the state folder, as one generation uses them.
package struct Calibrations: Sendable, Equatable {
  struct Entry: Sendable, Equatable {
    let correction: ConfidenceCorrection
    /// First 12 hex digits of the SHA-256 of the correction's canonical JSON: a new one begins a new evidence epoch.
    let id: String
    /// RFC 3339, as the file says; the later of two corrections of one kind counts.
    let at: String

    init(_ correction: ConfidenceCorrection, at: String = "") {
      self.correction = correction
      id = String(SHA256.hash(correction.json.canonicalBytes).hex.prefix(12))
      self.at = at
    }
  }

  /// A file that was left out, and why.
  package struct Ignored: Sendable {
    package let file: String
    package let why: String
  }

  private struct Key: Hashable, Sendable {
    let task: String
    let model: String
  }

  private var entries: [Key: [Entry]] = [:]

  init(_ found: [Entry] = []) {
    for entry in found.sorted(by: { ($0.at, $0.id) > ($1.at, $1.id) }) {
      entries[Key(task: entry.correction.task, model: entry.correction.modelID), default: []].append(entry)
    }
  }

  /// The corrections that were fitted for just this: model, its digest, and what it was asked. The latest first.
  func fitting(task: String?, _ figures: AskFigures) -> [Entry] {
    guard !entries.isEmpty, let task, let model = figures.modelID else { return [] }
    return (entries[Key(task: task, model: model)] ?? []).filter { entry in
      entry.correction.modelDigest == figures.modelDigest
        && entry.correction.promptRevision == figures.promptRevision
    }
  }

  /// Bytes of a file; one with a prior of thousands of labels stays far below it.
  private static let limitBytes = 1 << 20

  /// Reads `*.json` of a folder. What cannot be used is left out: a confidence is then as the model gave it.
  static func read(_ folder: String) -> (Calibrations, [Ignored]) {
    guard Files.exists(folder) else { return (Calibrations(), []) }
    var found: [Entry] = []
    var ignored: [Ignored] = []
    let names: [String]
    do throws(PosixError) {
      if let why = try complaint(folder, kind: .folder) {
        return (Calibrations(), [Ignored(file: folder, why: why)])
      }
      names = try Files.list(folder)
    } catch {
      return (Calibrations(), [Ignored(file: folder, why: error.description)])
    }
    for name in names where name.hasSuffix(".json") {
      let path = Files.join(folder, name)
      do throws(PosixError) {
        if let why = try complaint(path, kind: .file) {
          ignored.append(Ignored(file: path, why: why))
        } else if let entry = entry(try Files.readRegular(path, limit: limitBytes)) {
          found.append(entry)
        } else {
          ignored.append(Ignored(file: path, why: "not a correction; run `calibrate` again"))
        }
      } catch {
        ignored.append(Ignored(file: path, why: error.description))
      }
    }
    return (Calibrations(found), ignored)
  }

  /// Whoever can write here decides which answers are let through: nobody but the owner may.
  private static func complaint(_ path: String, kind: FileStatus.Kind) throws(PosixError) -> String? {
    guard let status = try Files.status(path, following: false) else { return "it is gone" }
    if status.kind == .link { return "a symbolic link" }
    if status.kind != kind { return kind == .folder ? "not a folder" : "not a regular file" }
    if status.mode & 0o022 != 0 { return "others may write it; take that away (chmod go-w)" }
    if status.owner != 0, status.owner != ProcessState.effectiveUser { return "it belongs to another user" }
    return nil
  }

  private static func entry(_ bytes: [UInt8]) -> Entry? {
    guard let value = try? JSONValue(parsing: bytes), let correction = ConfidenceCorrection(value) else {
      return nil
    }
    return Entry(correction, at: value["at"]?.stringValue ?? "")
  }
}
