import Glibc

/// A value behind one lock, with waiting: what `Mutex` lacks.
///
/// One condition serves all waiters, each with a question of its own, so notifying wakes them all.
/// Meant for a thread or two that wait, not for crowds.
///
/// `@unchecked Sendable` because the compiler knows no lock but `Mutex`, and a condition of pthread can wait on none of
/// those: `state` is reached only between lock and unlock of `mutex`, and the two pointers never change.
@safe package final class Monitor<State>: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var state: State

  package init(_ state: sending State) {
    self.state = state
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    unsafe mutex.initialize(to: pthread_mutex_t())
    unsafe condition.initialize(to: pthread_cond_t())
    unsafe pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    unsafe pthread_condattr_init(&attributes)
    // Deadlines are monotonic: the default clock would stretch them whenever the machine's time is set.
    unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    unsafe pthread_cond_init(condition, &attributes)
    unsafe pthread_condattr_destroy(&attributes)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  package func withLock<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return try body(&state)
  }

  /// Waits until `ready` says so or the deadline passes, then runs `body` under the same lock.
  ///
  /// - Parameters:
  ///   - deadline: Monotonic nanoseconds; nil waits for ever.
  ///   - ready: Asked under the lock: at first, and after every notification.
  ///   - body: Runs in either case and can see for itself which it was.
  package func wait<Result>(
    until deadline: UInt64? = nil, for ready: (State) -> Bool, _ body: (inout State) -> sending Result
  ) -> sending Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    while !ready(state) {
      guard let deadline else {
        unsafe pthread_cond_wait(condition, mutex)
        continue
      }
      var time = timespec(nanoseconds: deadline)
      if unsafe pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT { break }
    }
    return body(&state)
  }

  /// Wakes every waiter to ask again. Cheap where nobody waits; best called after the lock is let go.
  package func notify() { unsafe pthread_cond_broadcast(condition) }
}
