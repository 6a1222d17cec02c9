import CSystem
import Glibc

/// Stream sockets of the network.
package enum TCPSocket {
  /// Connects to a host, with each of its addresses in turn; the socket does not block, and sends without delay.
  ///
  /// An address that does not answer gets its share of the time and no more, so that the next has a chance.
  ///
  /// - Parameters:
  ///   - host: A numeric address or a name. Looking a name up takes as long as the system's resolver does:
  ///     the deadline is only checked after it.
  ///   - deadline: Monotonic nanoseconds, for all addresses together.
  ///   - waiting: Waits until the socket is writable or the time given has come, and says which; false before that
  ///     time gives up.
  /// - Throws: ETIMEDOUT past the deadline or where `waiting` gave up; else the last address's error.
  package static func connect(
    host: String, port: UInt16, until deadline: UInt64,
    waiting: (borrowing Descriptor, UInt64) throws(PosixError) -> Bool = {
      (socket, time) throws(PosixError) in try Poll.wait(socket, for: .writable, until: time)
    }
  ) throws(PosixError) -> Descriptor {
    let detail = "\(host):\(port)"
    let list = try unsafe addresses(host, port, passive: false)
    defer { unsafe freeaddrinfo(list) }
    var last = PosixError(code: EADDRNOTAVAIL, call: "connect", detail: detail)
    var next: UnsafeMutablePointer<addrinfo>? = unsafe list
    while let address = unsafe next {
      let now = Clocks.monotonic()
      let left = unsafe count(address)
      let time = now + (deadline > now ? (deadline - now) / left : 0)
      do throws(PosixError) {
        return try unsafe connect(address.pointee, detail, until: time, waiting)
      } catch {
        last = error
      }
      // Given up before its time: the caller wants no other address either.
      if last.code == ETIMEDOUT, Clocks.monotonic() < time { break }
      unsafe next = address.pointee.ai_next
    }
    throw last
  }

  /// Listens on one address; the descriptor does not block. Port 0 lets the kernel choose.
  package static func listen(host: String, port: UInt16, backlog: Int32 = 128) throws(PosixError)
    -> Descriptor
  {
    let detail = "\(host):\(port)"
    let list = try unsafe addresses(host, port, passive: true)
    defer { unsafe freeaddrinfo(list) }
    let address = unsafe list.pointee
    let socket = try make(unsafe address.ai_family)
    try set(socket, SOL_SOCKET, SO_REUSEADDR)
    _ = try retrying("bind", detail) { unsafe bind(socket.number, address.ai_addr, address.ai_addrlen) }
    _ = try retrying("listen", detail) { Glibc.listen(socket.number, backlog) }
    return socket
  }

  /// The port that a listener got.
  package static func port(of socket: borrowing Descriptor) throws(PosixError) -> UInt16 {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let number = socket.number
    _ = try unsafe withUnsafeMutablePointer(to: &storage) { (pointer) throws(PosixError) in
      let address = unsafe UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: sockaddr.self)
      return try retrying("getsockname") { unsafe getsockname(number, address, &length) }
    }
    // Both families keep the port in the two bytes after the family.
    return unsafe withUnsafeBytes(of: &storage) { unsafe UInt16($0[2]) << 8 | UInt16($0[3]) }
  }

  /// How many addresses there are from this one on.
  private static func count(_ first: UnsafeMutablePointer<addrinfo>) -> UInt64 {
    var count: UInt64 = 0
    var next: UnsafeMutablePointer<addrinfo>? = unsafe first
    while let address = unsafe next {
      count += 1
      unsafe next = address.pointee.ai_next
    }
    return count
  }

  private static func connect(
    _ address: addrinfo, _ detail: String, until deadline: UInt64,
    _ waiting: (borrowing Descriptor, UInt64) throws(PosixError) -> Bool
  ) throws(PosixError) -> Descriptor {
    let socket = try make(unsafe address.ai_family)
    try set(socket, Int32(IPPROTO_TCP), TCP_NODELAY)
    let number = socket.number
    if unsafe Glibc.connect(number, address.ai_addr, address.ai_addrlen) == 0 { return socket }
    // EINTR too: the attempt goes on by itself, and a second connect() would only say EALREADY.
    guard errno == EINPROGRESS || errno == EINTR else {
      throw PosixError(code: errno, call: "connect", detail: detail)
    }
    guard try waiting(socket, deadline) else {
      throw PosixError(code: ETIMEDOUT, call: "connect", detail: detail)
    }
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    _ = try retrying("getsockopt", "SO_ERROR") {
      unsafe getsockopt(number, SOL_SOCKET, SO_ERROR, &code, &length)
    }
    guard code == 0 else { throw PosixError(code: code, call: "connect", detail: detail) }
    return socket
  }

  private static func make(_ family: Int32) throws(PosixError) -> Descriptor {
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    return Descriptor(owning: try retrying("socket") { socket(family, kind, 0) })
  }

  /// Bounds what the kernel keeps of what was sent and not yet taken; by itself it goes up to megabytes a socket.
  ///
  /// - Parameter bytes: The kernel doubles it for its own bookkeeping.
  package static func limitSendBuffer(of socket: borrowing Descriptor, to bytes: Int32) throws(PosixError) {
    try set(socket, SOL_SOCKET, SO_SNDBUF, bytes)
  }

  private static func set(
    _ socket: borrowing Descriptor, _ level: Int32, _ option: Int32, _ value: Int32 = 1
  ) throws(PosixError) {
    var value = value
    let number = socket.number
    _ = try retrying("setsockopt") {
      unsafe setsockopt(number, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }
  }

  private static func addresses(_ host: String, _ port: UInt16, passive: Bool) throws(PosixError)
    -> UnsafeMutablePointer<addrinfo>
  {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)
    var list: UnsafeMutablePointer<addrinfo>?
    let code = unsafe getaddrinfo(host, String(port), &hints, &list)
    guard code == 0, let list = unsafe list else {
      let reason = unsafe String(cString: gai_strerror(code))
      // Resolver errors are no errno; to whoever connects they are an unreachable host.
      throw PosixError(
        code: code == EAI_SYSTEM ? errno : EHOSTUNREACH, call: "getaddrinfo", detail: "\(host) (\(reason))")
    }
    return unsafe list
  }
}
