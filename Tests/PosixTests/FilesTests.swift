import Foundation
import Testing

@testable import Posix

/// A folder that goes with the test.
struct Scratch: ~Copyable {
  let path: String

  init() throws {
    path =
      FileManager.default.temporaryDirectory.appendingPathComponent("sr-\(UUID().uuidString.prefix(8))").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}

@Suite("Files")
struct FilesTests {
  @Test("are replaced whole, with the mode asked for, and leave nothing beside them")
  func replace() throws {
    let scratch = try Scratch()
    try Files.replace(scratch("a"), with: Array("one".utf8), mode: 0o640)
    try Files.replace(scratch("a"), with: Array("two".utf8), mode: 0o600)
    #expect(try Files.read(scratch("a"), limit: 10) == Array("two".utf8))
    #expect(try Files.status(scratch("a"))?.mode == 0o600)
    #expect(try Files.list(scratch.path) == ["a"])
    #expect(throws: PosixError.self) { try Files.replace(scratch("none/a"), with: []) }
  }

  @Test("are read up to a limit, also where their size is not told")
  func limits() throws {
    let scratch = try Scratch()
    try Files.replace(scratch("a"), with: [UInt8](repeating: 7, count: 5000))
    #expect(try Files.read(scratch("a"), limit: 5000).count == 5000)
    let error = #expect(throws: PosixError.self) { try Files.read(scratch("a"), limit: 4999) }
    #expect(error?.isDiskFull == true, "EFBIG")
    #expect(try !Files.read("/proc/self/status", limit: 1 << 20).isEmpty)
    #expect(throws: PosixError.self) { try Files.read("/dev/zero", limit: 100_000) }
  }

  @Test("errors name the call, the path and the reason")
  func errors() {
    let error = #expect(throws: PosixError.self) { try Files.read("/nowhere/x", limit: 1) }
    #expect(error?.description == "open /nowhere/x: No such file or directory")
    #expect(error?.isMissing == true)
  }

  @Test("exist, dangling links too; what cannot be looked at is taken to be there")
  func exists() throws {
    let scratch = try Scratch()
    #expect(!Files.exists(scratch("a")))
    #expect(!Files.exists("/dev/null/a"))
    try FileManager.default.createSymbolicLink(atPath: scratch("a"), withDestinationPath: "nowhere")
    #expect(Files.exists(scratch("a")))
    #expect(try Files.status(scratch("a")) == nil)
    #expect(try Files.linkTarget(scratch("a")) == "nowhere")
    #expect(Files.exists(String(repeating: "n", count: 300)), "a name too long is doubt")
    try Files.remove(scratch("a"))
    try Files.remove(scratch("a"))
    #expect(try Files.list(scratch.path) == [])
  }

  @Test("folders are made with those above them, and made again without complaint")
  func folders() throws {
    let scratch = try Scratch()
    for _ in 0..<2 { try Files.makeFolder(scratch("a/b/c"), mode: 0o700) }
    #expect(try Files.status(scratch("a/b/c"))?.mode == 0o700)
    try Files.replace(scratch("file"), with: [])
    #expect(throws: PosixError.self) { try Files.makeFolder(scratch("file")) }
    #expect(throws: PosixError.self) { try Files.makeFolder(scratch("file/below")) }
  }

  @Test(
    "paths come apart",
    arguments: [("/a/b", "/a"), ("/a", "/"), ("a", "."), ("a/b/", "a"), ("/", "/"), ("/a//", "/")])
  func parents(path: String, folder: String) { #expect(Files.folder(of: path) == folder) }

  private func isFree(_ folder: String) throws -> Bool {
    guard let lock = try FolderLock.take(folder) else { return false }
    _ = consume lock
    return true
  }

  @Test("a folder's lock is one holder's, and free when the holder goes")
  func lock() throws {
    let scratch = try Scratch()
    do {
      guard let first = try FolderLock.take(scratch.path) else {
        Issue.record("nobody else holds it")
        return
      }
      #expect(try !isFree(scratch.path))
      _ = consume first
    }
    #expect(try isFree(scratch.path))
  }

  @Test("a place in a file is read without moving anything")
  func place() throws {
    let scratch = try Scratch()
    try Files.replace(scratch("a"), with: Array(0..<100))
    let file = try Files.open(scratch("a"), for: .reading)
    var buffer = [UInt8](repeating: 255, count: 10)
    #expect(try file.read(into: &buffer, at: 4, filePosition: 50) == 6)
    #expect(buffer == [255, 255, 255, 255, 50, 51, 52, 53, 54, 55])
    #expect(try file.read(into: &buffer, filePosition: 95) == 5)
    #expect(try file.read(into: &buffer, filePosition: 100) == 0)
    #expect(try file.read(into: &buffer) == .bytes(10))
    #expect(buffer == Array(0..<10))
  }

  @Test("bytes are found from both sides")
  func search() {
    let text = Array("a\nb\n".utf8)
    let bytes = text.span
    let forwards = [0, 2, 4].map { bytes.firstIndex(of: 10, from: $0) }
    #expect(forwards == [1, 3, nil])
    let backwards = [3, 1].map { bytes.lastIndex(of: 10, before: $0) }
    #expect(backwards == [1, nil])
  }
}
