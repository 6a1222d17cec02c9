import CSystem
import Glibc

/// What a descriptor is ready for.
package struct Readiness: OptionSet, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  package static let readable = Readiness(rawValue: EPOLLIN.rawValue)
  package static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
  /// The peer has closed its sending side. Reported only where asked for.
  package static let peerClosed = Readiness(rawValue: EPOLLRDHUP.rawValue)
  /// Reported unasked.
  package static let failed = Readiness(rawValue: EPOLLERR.rawValue)
  /// Reported unasked.
  package static let hungUp = Readiness(rawValue: EPOLLHUP.rawValue)
}

/// An epoll set: level-triggered, used by one thread.
@safe package struct EventLoop: ~Copyable {
  /// `token` is the caller's own number for the descriptor, given when it was added.
  package struct Event: Sendable {
    package let token: UInt64
    package let readiness: Readiness
  }

  private let descriptor: Descriptor
  // epoll_event is a union with a pointer in it; only its number is ever used.
  private var space: [epoll_event]

  /// - Parameter capacity: Most events that one wait hands out; the others come with the next.
  package init(capacity: Int = 64) throws(PosixError) {
    descriptor = Descriptor(owning: try retrying("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
    unsafe space = [epoll_event](repeating: epoll_event(), count: max(1, capacity))
  }

  package func add(_ other: borrowing Descriptor, token: UInt64, for interest: Readiness) throws(PosixError) {
    try control(EPOLL_CTL_ADD, other.number, token, interest)
  }

  package func change(_ other: borrowing Descriptor, token: UInt64, for interest: Readiness)
    throws(PosixError)
  {
    try control(EPOLL_CTL_MOD, other.number, token, interest)
  }

  /// Closing a descriptor removes it too, but only where no duplicate of it is left open.
  package func remove(_ other: borrowing Descriptor) throws(PosixError) {
    try control(EPOLL_CTL_DEL, other.number, 0, [])
  }

  /// Waits for events and appends them to `events`.
  ///
  /// - Parameter deadline: Monotonic nanoseconds; nil waits for ever, 0 not at all. Nothing is appended when it passes.
  package mutating func wait(until deadline: UInt64? = nil, into events: inout [Event]) throws(PosixError) {
    let number = descriptor.number
    var count: Int32 = 0
    while true {
      count = unsafe space.withUnsafeMutableBufferPointer {
        unsafe epoll_wait(number, $0.baseAddress, Int32($0.count), Poll.timeout(until: deadline))
      }
      if count >= 0 { break }
      // The time that is left is computed anew, so that a stream of signals cannot stretch the deadline.
      guard errno == EINTR else { throw PosixError(code: errno, call: "epoll_wait") }
    }
    for index in 0..<Int(count) {
      events.append(
        unsafe Event(token: space[index].data.u64, readiness: Readiness(rawValue: space[index].events)))
    }
  }

  private func control(_ order: Int32, _ number: Int32, _ token: UInt64, _ interest: Readiness)
    throws(PosixError)
  {
    var event = unsafe epoll_event()
    unsafe event.events = interest.rawValue
    unsafe event.data.u64 = token
    let own = descriptor.number
    _ = try retrying("epoll_ctl") { unsafe epoll_ctl(own, order, number, &event) }
  }
}

/// An eventfd: how other threads wake an ``EventLoop``.
package struct Wakeup: ~Copyable, Sendable {
  /// Readable once signalled.
  package let descriptor: Descriptor

  package init() throws(PosixError) {
    descriptor = Descriptor(
      owning: try retrying("eventfd") { eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) })
  }

  /// From any thread; several before one ``clear()`` count once.
  package func signal() {
    var one: UInt64 = 1
    // Can only fail where the counter is full, and then the reader is awake anyway.
    _ = unsafe withUnsafeBytes(of: &one) { unsafe Glibc.write(descriptor.number, $0.baseAddress, 8) }
  }

  /// Call before looking at what was signalled, or a signal between the two is lost.
  package func clear() {
    var count: UInt64 = 0
    _ = unsafe withUnsafeMutableBytes(of: &count) { unsafe Glibc.read(descriptor.number, $0.baseAddress, 8) }
  }
}

/// Waiting for one descriptor.
package enum Poll {
  /// - Parameter deadline: Monotonic nanoseconds; nil waits for ever.
  /// - Returns: False when the deadline passed first. An error or a hang-up is readiness: the next call tells.
  package static func wait(
    _ descriptor: borrowing Descriptor, for interest: Readiness, until deadline: UInt64?
  ) throws(PosixError) -> Bool {
    var events = interest.contains(.readable) ? POLLIN : 0
    if interest.contains(.writable) { events |= POLLOUT }
    var entry = pollfd(fd: descriptor.number, events: Int16(events), revents: 0)
    while true {
      let count = unsafe poll(&entry, 1, timeout(until: deadline))
      if count > 0 { return true }
      if count == 0, let deadline, Clocks.monotonic() >= deadline { return false }
      guard count == 0 || errno == EINTR else { throw PosixError(code: errno, call: "poll") }
    }
  }

  /// The same, ended early by a signal of `wakeup`.
  ///
  /// - Returns: Whether `descriptor` is ready. False where the deadline passed or the signal came: the caller looks for
  ///   itself, and clears the signal first.
  package static func wait(
    _ descriptor: borrowing Descriptor, for interest: Readiness, or wakeup: borrowing Wakeup,
    until deadline: UInt64?
  ) throws(PosixError) -> Bool {
    var events = interest.contains(.readable) ? POLLIN : 0
    if interest.contains(.writable) { events |= POLLOUT }
    var entries = [
      pollfd(fd: descriptor.number, events: Int16(events), revents: 0),
      pollfd(fd: wakeup.descriptor.number, events: Int16(POLLIN), revents: 0),
    ]
    while true {
      let count = unsafe poll(&entries, 2, timeout(until: deadline))
      if count > 0 { return entries[0].revents != 0 }
      if count == 0, let deadline, Clocks.monotonic() >= deadline { return false }
      guard count == 0 || errno == EINTR else { throw PosixError(code: errno, call: "poll") }
    }
  }

  /// Milliseconds until a deadline, rounded up: down would spin through the last one.
  static func timeout(until deadline: UInt64?) -> Int32 {
    guard let deadline else { return -1 }
    let now = Clocks.monotonic()
    return deadline <= now ? 0 : Int32(clamping: (deadline - now + 999_999) / 1_000_000)
  }
}
