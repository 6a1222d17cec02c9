import CSystem
import Glibc

/// What a read brought.
package enum ReadResult: Equatable, Sendable {
  /// At least one.
  case bytes(Int)
  /// Nothing now; a non-blocking descriptor only.
  case wouldBlock
  /// The other side has closed, or the file ends here.
  case end
}

/// An open file, socket or event source. Whoever holds it owns it; it is closed when the holder goes.
package struct Descriptor: ~Copyable, Sendable {
  /// The number, for system calls; never to be closed by its reader.
  package let number: Int32

  /// Takes over an open descriptor.
  package init(owning number: Int32) { self.number = number }

  deinit {
    // The result has no use: Linux frees the number whatever it says.
    _ = close(number)
  }

  /// Gives the number away, unclosed.
  package consuming func release() -> Int32 {
    let number = number
    discard self
    return number
  }

  package func duplicate() throws(PosixError) -> Descriptor {
    Descriptor(owning: try retrying("dup") { fcntl(number, F_DUPFD_CLOEXEC, 0) })
  }
}

extension Descriptor {
  /// Reads once, at most `space.count` bytes. An empty `space` gives `.end`.
  package func read(into space: inout MutableSpan<UInt8>) throws(PosixError) -> ReadResult {
    let got = try retryingUnlessBlocked("read") {
      unsafe space.withUnsafeMutableBytes {
        unsafe Glibc.read(number, $0.baseAddress, FaultPlan.allowed("read", $0.count))
      }
    }
    return Self.result(got)
  }

  /// As ``read(into:)-(MutableSpan<UInt8>)``, into memory whose owner lends it for the call.
  @unsafe package func read(into buffer: UnsafeMutableRawBufferPointer) throws(PosixError) -> ReadResult {
    let got = try retryingUnlessBlocked("read") {
      unsafe Glibc.read(number, buffer.baseAddress, FaultPlan.allowed("read", buffer.count))
    }
    guard let got else { return .wouldBlock }
    return got == 0 ? .end : .bytes(got)
  }

  /// Reads once into `buffer` from `offset` up to the array's end, without changing its size.
  package func read(into buffer: inout [UInt8], at offset: Int = 0) throws(PosixError) -> ReadResult {
    precondition(offset >= 0 && offset <= buffer.count, "offset outside the buffer")
    let got = try retryingUnlessBlocked("read") {
      unsafe buffer.withUnsafeMutableBytes {
        unsafe Glibc.read(
          number, $0.baseAddress?.advanced(by: offset), FaultPlan.allowed("read", $0.count - offset))
      }
    }
    return Self.result(got)
  }

  /// Reads once from a place in a file, leaving the file's own position alone.
  ///
  /// - Returns: The number of bytes; 0 at the end of the file.
  package func read(into buffer: inout [UInt8], at offset: Int = 0, filePosition: Int64) throws(PosixError)
    -> Int
  {
    precondition(offset >= 0 && offset <= buffer.count, "offset outside the buffer")
    return try retrying("pread") {
      unsafe buffer.withUnsafeMutableBytes {
        unsafe pread(
          number, $0.baseAddress?.advanced(by: offset), FaultPlan.allowed("pread", $0.count - offset),
          off_t(filePosition))
      }
    }
  }

  /// As ``read(into:at:filePosition:)``, again and again until the array is full or the file ends.
  package func fill(_ buffer: inout [UInt8], at offset: Int = 0, filePosition: Int64) throws(PosixError)
    -> Int
  {
    var done = 0
    while offset + done < buffer.count {
      let count = try read(into: &buffer, at: offset + done, filePosition: filePosition + Int64(done))
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// Writes once.
  ///
  /// - Returns: The number of bytes taken, possibly fewer than given; nil where none would fit now.
  package func write(_ bytes: Span<UInt8>) throws(PosixError) -> Int? {
    try retryingUnlessBlocked("write") {
      unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(number, $0.baseAddress, FaultPlan.allowed("write", $0.count))
      }
    }
  }

  /// Writes all of it to a blocking descriptor.
  ///
  /// - Throws: Also EAGAIN, where the descriptor does not block; how much went out is then unknown.
  package func writeAll(_ bytes: Span<UInt8>) throws(PosixError) {
    var done = 0
    while done < bytes.count {
      guard let count = try write(bytes.extracting(done..<bytes.count)) else {
        throw PosixError(code: EAGAIN, call: "write")
      }
      done += count
    }
  }

  package func writeAll(_ bytes: [UInt8]) throws(PosixError) { try writeAll(bytes.span) }

  /// Sends once on a socket; never raises SIGPIPE and never waits.
  ///
  /// - Returns: As ``write(_:)``.
  package func send(_ bytes: Span<UInt8>) throws(PosixError) -> Int? {
    try retryingUnlessBlocked("send") {
      unsafe bytes.withUnsafeBytes {
        unsafe Glibc.send(
          number, $0.baseAddress, FaultPlan.allowed("send", $0.count),
          Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
      }
    }
  }

  /// Ends a socket's both directions for every holder: reads and writes see the end, also those under way.
  package func shutDown() throws(PosixError) {
    _ = try retrying("shutdown") { shutdown(number, Int32(SHUT_RDWR)) }
  }

  /// The data and what is needed to read it back are on the disk when this returns.
  ///
  /// Not made again where a signal interrupts it: a second sync may call good what the first one lost.
  package func synchronizeData() throws(PosixError) {
    guard !FaultPlan.fails("fdatasync"), fdatasync(number) == 0 else {
      throw PosixError(code: errno, call: "fdatasync")
    }
  }

  package func synchronize() throws(PosixError) { _ = try retrying("fsync") { fsync(number) } }

  /// Has the pages from a place on read from the disk next time, but for those that it does not have yet.
  ///
  /// Best effort. After a failed sync memory may hold what the disk never got, as if it were there.
  package func forgetCached(from offset: Int64) {
    _ = posix_fadvise(number, off_t(max(0, offset)), 0, POSIX_FADV_DONTNEED)
  }

  package func truncate(to size: Int64) throws(PosixError) {
    _ = try retrying("ftruncate") { ftruncate(number, off_t(size)) }
  }

  /// Size and kind of what is open.
  package func status() throws(PosixError) -> FileStatus {
    var value = stat()
    _ = try retrying("fstat") { unsafe fstat(number, &value) }
    return FileStatus(value)
  }

  package func setNonBlocking(_ on: Bool) throws(PosixError) {
    let flags = try retrying("fcntl") { fcntl(number, F_GETFL) }
    let wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
    _ = try retrying("fcntl") { fcntl(number, F_SETFL, wanted) }
  }

  /// Whether an exclusive advisory lock could be had. Held until the descriptor closes, also by kill -9.
  package func tryLock() throws(PosixError) -> Bool {
    try retryingUnlessBlocked("flock") { flock(number, LOCK_EX | LOCK_NB) } != nil
  }

  package var isTerminal: Bool { isatty(number) == 1 }

  /// Columns of the terminal, or nil where it is none or does not say.
  package var terminalWidth: Int? {
    var size = winsize()
    guard unsafe ioctl(number, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
    return Int(size.ws_col)
  }

  private static func result(_ count: Int?) -> ReadResult {
    switch count {
    case nil: .wouldBlock
    case 0: .end
    case let count?: .bytes(count)
    }
  }
}
