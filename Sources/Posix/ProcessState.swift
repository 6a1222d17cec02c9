import CSystem
import Glibc

/// This process, as the kernel sees it.
package enum ProcessState {
  package static var id: Int32 { getpid() }
  package static var user: UInt32 { getuid() }
  package static var effectiveUser: UInt32 { geteuid() }
  package static var group: UInt32 { getgid() }

  /// The running binary's own path.
  package static func executablePath() throws(PosixError) -> String { try Files.linkTarget("/proc/self/exe") }

  /// nil where the variable is not set; an empty one is "".
  package static func environment(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
  }

  /// Takes a variable out, so that no child sees it.
  package static func removeEnvironment(_ name: String) { unsafe unsetenv(name) }

  /// Permission bits that new files do not get. Process-wide: set once, at the start.
  @discardableResult
  package static func setMask(_ bits: UInt32) -> UInt32 { umask(bits) }

  /// Gives freed memory back sooner, at the price of some time: for a command whose tables grow to millions of rows. By itself the
  /// allocator learns from each large piece that was freed to keep the next.
  package static func returnFreedMemory() {
    _ = mallopt(M_MMAP_THRESHOLD, 128 << 10)
    _ = mallopt(M_TOP_PAD, 0)
  }

  /// No core file, and no reading of this memory by processes of the same user: it holds prompts.
  package static func keepMemoryPrivate() throws(PosixError) {
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    _ = try retrying("setrlimit", "RLIMIT_CORE") {
      unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    }
    _ = try retrying("prctl", "PR_SET_DUMPABLE") { csystem_set_dumpable(0) }
  }

  /// Raises the number of files that may be open, as far as the system allows it.
  ///
  /// - Returns: How many may be open now.
  package static func raiseDescriptorLimit(to wanted: Int) throws(PosixError) -> Int {
    var limit = rlimit()
    _ = try retrying("getrlimit", "RLIMIT_NOFILE") {
      unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    if limit.rlim_cur < rlim_t(wanted), limit.rlim_cur < limit.rlim_max {
      limit.rlim_cur = min(rlim_t(wanted), limit.rlim_max)
      _ = try retrying("setrlimit", "RLIMIT_NOFILE") {
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      }
    }
    return Int(clamping: limit.rlim_cur)
  }

  /// Files that are open now; nil where /proc does not say.
  package static var openDescriptors: Int? {
    // One of them is the folder that is being read.
    (try? Files.list("/proc/self/fd")).map { $0.count - 1 }
  }

  /// Threads that run now; nil where /proc does not say.
  package static var threads: Int? { (try? Files.list("/proc/self/task"))?.count }

  /// Bytes of memory resident now, or nil where /proc does not say.
  package static func residentBytes() -> Int? {
    guard let text = try? Files.read("/proc/self/statm", limit: 4096) else { return nil }
    let fields = text.split(separator: UInt8(ascii: " "))
    guard fields.count > 1, let pages = Int(String(decoding: fields[1], as: UTF8.self)) else { return nil }
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
  }
}

/// The system's users and groups. Every question may read files or ask a directory service: not for hot paths.
package enum Accounts {
  /// Whether a user belongs to a group, as first group or otherwise. A user without an account belongs to none.
  package static func user(_ user: UInt32, isIn group: UInt32) -> Bool {
    guard let (name, first) = account(user) else { return false }
    if first == group { return true }
    var groups = [gid_t](repeating: 0, count: 64)
    while true {
      var count = Int32(groups.count)
      if unsafe getgrouplist(name, first, &groups, &count) >= 0 {
        return groups.prefix(Int(count)).contains(group)
      }
      // -1 means too small, and count says how large; guarded against a service that keeps saying so.
      guard Int(count) > groups.count, count <= 65_536 else { return false }
      groups = [gid_t](repeating: 0, count: Int(count))
    }
  }

  /// The group of a name, or nil.
  package static func group(named name: String) -> UInt32? {
    var entry = unsafe Glibc.group()
    var found: UnsafeMutablePointer<Glibc.group>?
    var space = [CChar](repeating: 0, count: 65_536)
    guard unsafe getgrnam_r(name, &entry, &space, space.count, &found) == 0, unsafe found != nil else {
      return nil
    }
    return unsafe entry.gr_gid
  }

  package static func name(ofUser user: UInt32) -> String? { account(user)?.name }

  package static func name(ofGroup group: UInt32) -> String? {
    var entry = unsafe Glibc.group()
    var found: UnsafeMutablePointer<Glibc.group>?
    var space = [CChar](repeating: 0, count: 65_536)
    guard unsafe getgrgid_r(group, &entry, &space, space.count, &found) == 0, unsafe found != nil,
      let name = unsafe entry.gr_name
    else { return nil }
    return unsafe String(cString: name)
  }

  private static func account(_ user: UInt32) -> (name: String, group: UInt32)? {
    var entry = unsafe passwd()
    var found: UnsafeMutablePointer<passwd>?
    var space = [CChar](repeating: 0, count: 16_384)
    guard unsafe getpwuid_r(user, &entry, &space, space.count, &found) == 0, unsafe found != nil,
      let name = unsafe entry.pw_name
    else { return nil }
    return unsafe (String(cString: name), entry.pw_gid)
  }
}
