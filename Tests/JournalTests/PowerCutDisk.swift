import Foundation
import Posix
import Synchronization

@testable import Journal

/// A disk whose power fails: real files for the writer and the recovery, and beside them what the disk has of each.
///
/// What no sync confirmed may be there or not, page by page and in any order: a page that is missing reads as zeros, a
/// file's length may be that of any moment since its last sync, and so may be its name. After a sync that failed some of
/// the pages are gone for good, though later syncs say that all is well, as Linux does it.
final class PowerCutDisk: Sendable {
  static let off = PosixError(code: PosixError.inputOutput, call: "power", detail: "(off)")

  private struct Inode {
    enum Change {
      case write(at: Int, [UInt8])
      case truncate(Int)
    }

    /// What the disk has for certain.
    var synced: [UInt8] = []
    var current: [UInt8] = []
    /// A byte of `current` each: whether it will reach the disk at all.
    var isKept: [Bool] = []
    var hasLost = false
    /// Since the last sync.
    var changes: [Change] = []

    init(_ bytes: [UInt8] = []) {
      (synced, current) = (bytes, bytes)
      isKept = [Bool](repeating: true, count: bytes.count)
    }
  }

  private struct State {
    var random: SplitMix
    var inodes: [Inode] = []
    var names: [String: Int] = [:]
    var syncedNames: [String: Int] = [:]
    var files: [Int32: Int] = [:]
    /// Steps until the power fails; nil: it does not.
    var left: Int?
    var isOff = false
    /// One step in so many fails.
    var faultsOneIn: Int?
  }

  private let folder: String
  private let state: Mutex<State>

  init(_ folder: String, seed: Int) {
    self.folder = folder
    state = Mutex(State(random: SplitMix(seed: UInt64(seed) &* 0x9e37_79b9 &+ 77)))
  }

  var isOff: Bool { state.withLock { $0.isOff } }

  /// Whether nothing fails any more.
  var isReliable: Bool { state.withLock { $0.left == nil && $0.faultsOneIn == nil } }

  /// - Parameters:
  ///   - steps: Until the power fails; nil: never.
  ///   - faultsOneIn: How often a step fails beforehand; nil: never.
  func start(steps: Int?, faultsOneIn: Int?) {
    state.withLock { state in
      (state.left, state.isOff, state.faultsOneIn) = (steps, false, faultsOneIn)
    }
  }

  // MARK: Steps

  func storage() -> JournalStorage {
    let real = JournalStorage()
    var storage = JournalStorage()
    storage.open = { [self] (path) throws(PosixError) in
      try step("open", PosixError.noSpace)
      let file = try real.open(path)
      let number = file.number
      state.withLock { state in
        let id = state.names[path] ?? state.inodes.count
        if id == state.inodes.count { state.inodes.append(Inode()) }
        state.names[path] = id
        state.files[number] = id
      }
      return file
    }
    storage.write = { [self] (file, bytes) throws(PosixError) in
      var taken = bytes.count
      do throws(PosixError) { try step("write", PosixError.noSpace) } catch {
        // What was under way when it failed may be there in part.
        taken = state.withLock { $0.random.below(bytes.count) }
        if taken == 0 || isOff { throw error }
      }
      let count = try real.write(file, bytes.extracting(0..<taken))
      var copy: [UInt8] = []
      for index in 0..<count { copy.append(bytes[index]) }
      change(file.number) { [copy] inode in
        inode.changes.append(.write(at: inode.current.count, copy))
        inode.current += copy
        inode.isKept += [Bool](repeating: true, count: count)
      }
      return count
    }
    storage.synchronize = { [self] (file) throws(PosixError) in
      let number = file.number
      do throws(PosixError) { try step("fdatasync", PosixError.inputOutput) } catch {
        if !isOff { loseSome(of: number) }
        throw error
      }
      change(number) { inode in
        if inode.hasLost { inode.current = zip(inode.current, inode.isKept).map { $1 ? $0 : 0 } }
        (inode.synced, inode.changes) = (inode.current, [])
      }
    }
    storage.truncate = { [self] (file, size) throws(PosixError) in
      try step("ftruncate", PosixError.inputOutput)
      try real.truncate(file, size)
      change(file.number) { inode in
        inode.changes.append(.truncate(Int(size)))
        inode.current.removeLast(inode.current.count - Int(size))
        inode.isKept.removeLast(inode.isKept.count - Int(size))
      }
    }
    storage.synchronizeFolder = { [self] (path) throws(PosixError) in
      try step("fsync", PosixError.inputOutput)
      state.withLock { $0.syncedNames = $0.names }
    }
    storage.forget = { [self] (path, _) throws(PosixError) in
      let truth = state.withLock { state -> [UInt8]? in
        guard let id = state.names[path], state.inodes[id].hasLost else { return nil }
        let inode = state.inodes[id]
        return zip(inode.current, inode.isKept).map { $1 ? $0 : 0 }
      }
      // In place: descriptors that are open see it too.
      if let truth, let file = FileHandle(forWritingAtPath: path) { file.write(Data(truth)) }
    }
    storage.remove = { [self] (path) throws(PosixError) in
      try step("unlink", PosixError.inputOutput)
      try real.remove(path)
      state.withLock { $0.names[path] = nil }
    }
    return storage
  }

  private func step(_ call: String, _ code: Int32) throws(PosixError) {
    let error = state.withLock { state -> PosixError? in
      if let left = state.left {
        state.left = left - 1
        if left <= 0 { state.isOff = true }
      }
      if state.isOff { return Self.off }
      guard let often = state.faultsOneIn, state.random.below(often) == 0 else { return nil }
      return PosixError(code: code, call: call)
    }
    if let error { throw error }
  }

  private func change(_ number: Int32, _ body: (inout Inode) -> Void) {
    state.withLock { state in
      if let id = state.files[number] { body(&state.inodes[id]) }
    }
  }

  private func loseSome(of number: Int32) {
    state.withLock { state in
      guard let id = state.files[number] else { return }
      state.inodes[id].hasLost = true
      let page = 64
      for start in stride(from: 0, to: state.inodes[id].current.count, by: page)
      where state.random.below(2) == 0 {
        let from = max(start, state.inodes[id].synced.count)
        let to = min(start + page, state.inodes[id].current.count)
        for index in from..<max(from, to) { state.inodes[id].isKept[index] = false }
      }
    }
  }

  // MARK: The end

  /// Leaves in the folder what a power failure at this moment may leave of it, and goes on from there.
  func cutPower() throws {
    let files = state.withLock { state -> [String: [UInt8]] in
      var names = state.syncedNames
      for path in Set(state.names.keys).union(names.keys).sorted() where names[path] != state.names[path] {
        if state.random.below(2) == 0 { names[path] = state.names[path] }
      }
      var files: [String: [UInt8]] = [:]
      for (path, id) in names.sorted(by: { $0.key < $1.key }) {
        files[path] = Self.remains(of: state.inodes[id], &state.random)
      }
      state.inodes = []
      state.names = [:]
      state.files = [:]
      for (path, bytes) in files.sorted(by: { $0.key < $1.key }) {
        state.names[path] = state.inodes.count
        state.inodes.append(Inode(bytes))
      }
      state.syncedNames = state.names
      return files
    }
    for name in try Files.list(folder) { try Files.remove(Files.join(folder, name)) }
    for (path, bytes) in files { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
  }

  private static func remains(of inode: Inode, _ random: inout SplitMix) -> [UInt8] {
    var bytes = inode.synced
    let page = [64, 512, 4096][random.below(3)]
    // Of three pages none, one or two are missing.
    let missing = random.below(3)
    let changes = inode.changes.prefix(random.below(inode.changes.count + 1))
    for (index, change) in changes.enumerated() {
      switch change {
      case .truncate(let size): if bytes.count > size { bytes.removeLast(bytes.count - size) }
      case .write(let at, let new):
        let isLast = index == changes.count - 1
        let count = isLast ? random.below(new.count + 1) : new.count
        if bytes.count < at + count { bytes += [UInt8](repeating: 0, count: at + count - bytes.count) }
        var isThere = true
        for offset in 0..<count {
          if offset == 0 || (at + offset) % page == 0 { isThere = random.below(3) >= missing }
          bytes[at + offset] = isThere ? new[offset] : 0
        }
      }
    }
    for index in inode.synced.count..<max(inode.synced.count, bytes.count)
    where index < inode.isKept.count && !inode.isKept[index] { bytes[index] = 0 }
    return bytes
  }
}

/// Numbers that a seed decides; by Steele, Lea and Flood (2014).
struct SplitMix: Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func below(_ bound: Int) -> Int { bound > 0 ? Int(next() % UInt64(bound)) : 0 }
}
