import CSystem
import Glibc

/// Who is at the other end of a Unix socket, as the kernel noted when it connected.
package struct PeerCredentials: Equatable, Sendable {
  package let process: Int32
  package let user: UInt32
  package let group: UInt32
}

/// Stream sockets in the file system.
package enum UnixSocket {
  /// Longest path in bytes: what sun_path holds before its NUL.
  package static let longestPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

  /// Ends a connection that another thread waits on and closes: it sees the end.
  package static func shutDown(_ number: Int32) { _ = shutdown(number, Int32(SHUT_RDWR)) }

  /// Listens at a path; the descriptor does not block.
  ///
  /// A socket file left by a process that is gone is replaced. Whether it is gone is asked by connecting: two
  /// routers that start in the same moment must be kept apart by a ``FolderLock``.
  ///
  /// - Throws: EADDRINUSE where somebody answers there; EEXIST where the path is no socket, which is then left alone;
  ///   ENAMETOOLONG past ``longestPath``.
  package static func listen(at path: String, mode: UInt32 = 0o600, backlog: Int32 = 128) throws(PosixError)
    -> Descriptor
  {
    let socket = try make(blocking: false)
    try clear(path)
    try unsafe withAddress(path) { (address, length) throws(PosixError) in
      _ = try retrying("bind", path) { unsafe bind(socket.number, address, length) }
    }
    // Nobody can connect before listen(), so there is no moment with the wrong mode; umask would be process-wide.
    try Files.setMode(path, mode)
    _ = try retrying("listen", path) { Glibc.listen(socket.number, backlog) }
    return socket
  }

  /// - Parameter blocking: A non-blocking socket connects at once or throws EAGAIN, where the listener's queue is full.
  package static func connect(to path: String, blocking: Bool = true) throws(PosixError) -> Descriptor {
    let socket = try make(blocking: blocking)
    try unsafe withAddress(path) { (address, length) throws(PosixError) in
      _ = try retrying("connect", path) { unsafe Glibc.connect(socket.number, address, length) }
    }
    return socket
  }

  /// Two connected stream sockets.
  package static func pair(blocking: Bool = true) throws(PosixError) -> SocketPair {
    var numbers: [Int32] = [-1, -1]
    _ = try retrying("socketpair") { unsafe socketpair(AF_UNIX, kind(blocking: blocking), 0, &numbers) }
    return SocketPair(first: Descriptor(owning: numbers[0]), second: Descriptor(owning: numbers[1]))
  }

  /// Hands a descriptor to the process at the other end, which gets one of its own for the same open file. Never waits.
  ///
  /// - Throws: EPIPE where the other end is closed, EAGAIN where it takes nothing.
  package static func send(_ descriptor: borrowing Descriptor, over socket: borrowing Descriptor)
    throws(PosixError)
  {
    let (number, sent) = (socket.number, descriptor.number)
    _ = try retrying("sendmsg") { csystem_send_descriptor(number, sent) }
  }

  /// Waits, on a blocking socket, for a descriptor that ``send(_:over:)`` sent.
  ///
  /// - Returns: nil where the other end is closed.
  /// - Throws: EBADMSG where a byte came without a descriptor.
  package static func receiveDescriptor(over socket: borrowing Descriptor) throws(PosixError) -> Descriptor? {
    let number = socket.number
    var received: Int32 = -1
    let count = try retrying("recvmsg") { unsafe csystem_receive_descriptor(number, &received) }
    guard count > 0 else { return nil }
    guard received >= 0 else { throw PosixError(code: EBADMSG, call: "recvmsg") }
    return Descriptor(owning: received)
  }

  /// Takes the next waiting connection, non-blocking and closed on exec.
  ///
  /// - Returns: nil where none waits, or where the next one has already gone again.
  package static func accept(from listener: borrowing Descriptor) throws(PosixError) -> Descriptor? {
    let number = listener.number
    do throws(PosixError) {
      let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
      guard let got = try retryingUnlessBlocked("accept4", "", { csystem_accept4(number, flags) }) else {
        return nil
      }
      return Descriptor(owning: got)
    } catch {
      guard error.code == ECONNABORTED else { throw error }
      return nil
    }
  }

  package static func peer(of connection: borrowing Descriptor) throws(PosixError) -> PeerCredentials {
    var process: pid_t = 0
    var user: uid_t = 0
    var group: gid_t = 0
    let number = connection.number
    _ = try retrying("getsockopt", "SO_PEERCRED") {
      unsafe csystem_peer_credentials(number, &process, &user, &group)
    }
    return PeerCredentials(process: process, user: user, group: group)
  }

  /// Bytes that the kernel keeps for this socket before its sender must wait.
  package static func receiveBuffer(of socket: borrowing Descriptor) throws(PosixError) -> Int {
    var size: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    let number = socket.number
    _ = try retrying("getsockopt", "SO_RCVBUF") {
      unsafe getsockopt(number, SOL_SOCKET, SO_RCVBUF, &size, &length)
    }
    return Int(size)
  }

  /// Asks for a larger buffer; the kernel doubles the number and silently caps it at its own limit.
  package static func setReceiveBuffer(of socket: borrowing Descriptor, bytes: Int) throws(PosixError) {
    var size = Int32(clamping: bytes)
    let number = socket.number
    _ = try retrying("setsockopt", "SO_RCVBUF") {
      unsafe setsockopt(number, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }
  }

  /// Removes a socket file on which nobody answers.
  private static func clear(_ path: String) throws(PosixError) {
    guard let status = try Files.status(path, following: false) else { return }
    guard status.kind == .socket else {
      throw PosixError(code: EEXIST, call: "bind", detail: "\(path) (not a socket)")
    }
    do throws(PosixError) {
      _ = try connect(to: path, blocking: false)
    } catch {
      guard error.code == ECONNREFUSED else {
        if error.isMissing { return }
        // EAGAIN is a listener with a full queue; anything else is not ours to judge.
        throw error.code == EAGAIN ? inUse(path) : error
      }
      try Files.remove(path)
      return
    }
    throw inUse(path)
  }

  private static func inUse(_ path: String) -> PosixError {
    PosixError(code: EADDRINUSE, call: "bind", detail: path)
  }

  private static func make(blocking: Bool) throws(PosixError) -> Descriptor {
    Descriptor(owning: try retrying("socket") { socket(AF_UNIX, kind(blocking: blocking), 0) })
  }

  private static func kind(blocking: Bool) -> Int32 {
    Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | (blocking ? 0 : SOCK_NONBLOCK.rawValue))
  }

  /// - Parameter path: A leading `@` names the abstract space, as systemd writes it.
  static func withAddress(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) throws(PosixError) -> Void
  ) throws(PosixError) {
    var bytes = Array(path.utf8)
    guard !bytes.isEmpty, bytes.count <= longestPath, !bytes.contains(0) else {
      throw PosixError(
        code: bytes.count > longestPath ? ENAMETOOLONG : EINVAL, call: "socket path",
        detail: "\(path) (\(bytes.count) bytes, at most \(longestPath))")
    }
    if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    // An abstract name has no NUL at its end: its length says where it stops.
    let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count + (bytes[0] == 0 ? 0 : 1))
    try unsafe withUnsafePointer(to: &address) { (pointer) throws(PosixError) in
      try unsafe UnsafeRawPointer(pointer).withMemoryRebound(to: sockaddr.self, capacity: 1) {
        (raw) throws(PosixError) in
        try unsafe body(raw, length)
      }
    }
  }
}

/// Both ends of one connection.
package struct SocketPair: ~Copyable, Sendable {
  package let first: Descriptor
  package let second: Descriptor

  /// Takes the pair apart.
  package consuming func split<Result: ~Copyable, Failure: Error>(
    _ body: (consuming Descriptor, consuming Descriptor) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(first, second)
  }
}

/// The message to a service manager, by the protocol of sd_notify(3).
package enum ServiceManager {
  /// - Parameters:
  ///   - state: Such as `READY=1`; several lines are separated by `\n`.
  ///   - address: The value of NOTIFY_SOCKET: a path, or `@` and an abstract name.
  package static func notify(_ state: String, address: String) throws(PosixError) {
    let kind = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = Descriptor(owning: try retrying("socket") { socket(AF_UNIX, kind, 0) })
    let number = descriptor.number
    let bytes = Array(state.utf8)
    try unsafe UnixSocket.withAddress(address) { (to, length) throws(PosixError) in
      _ = try retrying("sendto", address) {
        unsafe bytes.withUnsafeBytes {
          unsafe sendto(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL), to, length)
        }
      }
    }
  }
}
