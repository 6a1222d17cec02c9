import Foundation
import Testing

@testable import Posix

@Suite("A folder to keep things in")
struct FolderTrustTests {
  private let own = ProcessState.effectiveUser

  private func fault(_ path: String) -> FolderTrust.Fault? {
    do {
      try FolderTrust.check(path, ownedBy: own)
      return nil
    } catch {
      return error as? FolderTrust.Fault
    }
  }

  @Test(
    "is its owner's alone to write: not everybody's, sticky or not",
    arguments: [0o777, 0o1777, 0o702, 0o1733])
  func worldWritable(mode: UInt32) throws {
    let scratch = try Scratch()
    try Files.makeFolder(scratch("a"))
    #expect(fault(scratch("a")) == nil)
    try Files.setMode(scratch("a"), mode)
    #expect(fault(scratch("a")) == .worldWritable(path: scratch("a"), mode: mode))
  }

  @Test("may be a group's, and may be read by others", arguments: [0o700, 0o750, 0o755, 0o770, 0o2775])
  func trusted(mode: UInt32) throws {
    let scratch = try Scratch()
    try Files.makeFolder(scratch("a"))
    try Files.setMode(scratch("a"), mode)
    #expect(fault(scratch("a")) == nil)
  }

  @Test("is no link, and nothing but a folder; a slash at its end changes nothing")
  func kinds() throws {
    let scratch = try Scratch()
    try Files.makeFolder(scratch("a"))
    try FileManager.default.createSymbolicLink(atPath: scratch("l"), withDestinationPath: scratch("a"))
    try Files.replace(scratch("f"), with: [])
    for end in ["", "/", "//"] {
      #expect(fault(scratch("a") + end) == nil)
      #expect(fault(scratch("l") + end) == .link(path: scratch("l"), target: scratch("a")))
    }
    #expect(fault(scratch("f")) == .notAFolder(path: scratch("f")))
    #expect(fault(scratch("none")) == .notAFolder(path: scratch("none")))
  }

  @Test("is the router's own or root's", .enabled(if: ProcessState.effectiveUser == 0))
  func owners() throws {
    let scratch = try Scratch()
    try Files.makeFolder(scratch("a"))
    try Files.setOwner(scratch("a"), user: 12345)
    #expect(fault(scratch("a")) == .owner(path: scratch("a"), user: 12345))
    #expect(throws: Never.self) { try FolderTrust.check(scratch("a"), ownedBy: 12345) }
    try Files.setOwner(scratch("a"), user: 0)
    #expect(throws: Never.self) { try FolderTrust.check(scratch("a"), ownedBy: 12345) }
  }

  @Test("may stand below one that is open to everybody where that is sticky")
  func ancestors() throws {
    let scratch = try Scratch()
    try Files.makeFolder(scratch("up/a/b"))
    #expect(FolderTrust.openAncestor(of: scratch("up/a/b")) == nil)
    try Files.setMode(scratch("up"), 0o1777)
    #expect(FolderTrust.openAncestor(of: scratch("up/a/b")) == nil)
    try Files.setMode(scratch("up"), 0o777)
    #expect(FolderTrust.openAncestor(of: scratch("up/a/b")) == scratch("up"))
    #expect(fault(scratch("up/a/b")) == nil)
  }

  @Test("open files and threads are counted as the kernel does")
  func counts() throws {
    let before = ProcessState.openDescriptors ?? 0
    let one = try Files.open("/dev/null", for: .reading)
    // Tests beside this one open and close files too.
    #expect(before > 0 && (ProcessState.openDescriptors ?? 0) > 0 && one.number > 0)
    #expect(ProcessState.threads ?? 0 > 0)
    let limit = try ProcessState.raiseDescriptorLimit(to: 0)
    #expect(limit > 0)
    #expect(try ProcessState.raiseDescriptorLimit(to: limit) == limit)
  }
}
