import CSystem
import Glibc

/// A thread of the operating system, for loops that block.
///
/// It starts with every asynchronous signal blocked: signals belong to the one thread that reads them.
package final class Thread: Sendable {
  private let joined: Monitor<Bool>
  private let handle: pthread_t

  private init(handle: pthread_t) {
    self.handle = handle
    joined = Monitor(false)
  }

  /// - Parameters:
  ///   - name: As `top -H` shows it; cut to 15 bytes.
  ///   - stackSize: Bytes, rounded up to whole pages. Only what is touched costs memory.
  package static func spawn(
    name: String, stackSize: Int = 512 << 10, _ body: @escaping @Sendable () -> Void
  ) throws(PosixError) -> Thread {
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    unsafe pthread_attr_setstacksize(&attributes, max((stackSize + 4095) & ~4095, 64 << 10))

    // Blocked around the creation, so that the new thread never has a moment without the mask.
    let previous = SignalSet.blockAsynchronous()
    defer { previous.restore() }
    let start = unsafe Unmanaged.passRetained(
      Start(name: String(decoding: name.utf8.prefix(15), as: UTF8.self), body: Self.withFaults(body)))
    var handle = pthread_t()
    let code = unsafe pthread_create(
      &handle, &attributes,
      { argument in
        guard let argument = unsafe argument else { return nil }
        let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        unsafe csystem_name_thread(start.name)
        start.body()
        return nil
      }, start.toOpaque())
    guard code == 0 else {
      unsafe start.release()
      throw PosixError(code: code, call: "pthread_create", detail: name)
    }
    return Thread(handle: handle)
  }

  /// The body under the plan that is in force here.
  private static func withFaults(_ body: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
    #if DEBUG
      guard let plan = FaultPlan.current else { return body }
      return { plan.run(body) }
    #else
      return body
    #endif
  }

  /// Gives the calling thread the lowest priority, for good: it runs where nobody else wants to.
  package static func yieldToOthers() {
    // On Linux 0 names the thread, not its process. Refused or not, the work is done.
    _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
  }

  /// Waits for the thread to end. A second call returns at once.
  package func join() {
    let first = joined.withLock { joined in
      defer { joined = true }
      return !joined
    }
    if first { pthread_join(handle, nil) }
  }

  deinit {
    let running = joined.withLock { !$0 }
    if running { pthread_detach(handle) }
  }

  private final class Start: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }
}
