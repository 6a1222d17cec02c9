import FuzzTargets
import Glibc

// libFuzzer over one target: `fuzz TARGET [FOLDER…] [-OPTION=VALUE…]`; see deploy/fuzz.sh for the rest. `main` is libFuzzer's
// own; it calls these two.

@c(LLVMFuzzerInitialize)
public func start(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> Int32 {
  let words = unsafe (1..<max(1, Int(count.pointee))).compactMap { index in
    unsafe arguments.pointee[index].map { unsafe String(cString: $0) }
  }
  if Fuzz.start(words) {
    // libFuzzer is not told of the target's name.
    unsafe arguments.pointee[1] = unsafe arguments.pointee[0]
    unsafe arguments.pointee += 1
    unsafe count.pointee -= 1
  }
  return 0
}

@c(LLVMFuzzerTestOneInput)
public func check(_ bytes: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  let input = unsafe bytes.map { unsafe Array(UnsafeBufferPointer(start: $0, count: size)) } ?? []
  Fuzz.check(input)
  return 0
}

enum Fuzz {
  /// The longest that one input may take, in nanoseconds of this thread's processor time. What else runs on the machine does
  /// not count; sanitizers do.
  private static let mostNanoseconds: UInt64 = 100_000_000
  private static let variable = "SHADOW_ROUTER_FUZZ_TARGET"

  nonisolated(unsafe) private static var target: FuzzTarget?
  nonisolated(unsafe) private static var slowest: UInt64 = 0

  /// - Returns: Whether the first argument was the target's name.
  static func start(_ arguments: [String]) -> Bool {
    switch (arguments.first, arguments.count) {
    case ("--list", 1): end(FuzzTarget.all.map { "\($0.name) \($0.maxBytes)" }.joined(separator: "\n"))
    case ("--words", 2): end(dictionary(FuzzTarget.named(arguments[1])?.words ?? []))
    case ("--seeds", 2):
      Seeds.write(to: arguments[1])
      end()
    case ("--keep", 2):
      KeptCorpus.write(from: arguments[1])
      end()
    default: break
    }
    let isNamed = arguments.first.flatMap(FuzzTarget.named) != nil
    // The processes that libFuzzer starts to merge know the target by the environment.
    if isNamed { unsafe setenv(variable, arguments[0], 1) }
    guard let name = unsafe getenv(variable).map({ unsafe String(cString: $0) }),
      let named = FuzzTarget.named(name)
    else {
      print("fuzz TARGET [FOLDER…] [-OPTION=VALUE…]; fuzz --list names the targets")
      exit(2)
    }
    unsafe target = named
    atexit { Fuzz.sayTheEnd() }
    return isNamed
  }

  private static func end(_ text: String = "") -> Never {
    if !text.isEmpty { print(text) }
    exit(0)
  }

  static func check(_ input: [UInt8]) {
    guard let target = unsafe target else { return }
    var least = UInt64.max
    // Taken again where it was slow: the first time may have had to build tables.
    for _ in 0..<3 where least > mostNanoseconds {
      let start = threadTime()
      do throws(Finding) {
        try target.check(input)
      } catch {
        found("\(error)")
      }
      least = min(least, threadTime() - start)
    }
    unsafe slowest = max(unsafe slowest, least)
    if least > mostNanoseconds { found("\(input.count) bytes took \(least / 1_000_000) ms") }
  }

  private static func found(_ what: String) -> Never {
    print("FOUND in \(unsafe target?.name ?? ""): \(what)")
    fflush(nil)
    abort()
  }

  private static func sayTheEnd() {
    print("slowest input: \(unsafe slowest / 1_000_000) ms")
    fflush(nil)
    LogScratch.remove()
  }

  private static func threadTime() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// As libFuzzer reads one: a word in quotes a line.
  private static func dictionary(_ words: [String]) -> String {
    words.map { word in
      let letters = word.utf8.map { byte in
        let isPlain =
          (0x20..<0x7F).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
        return isPlain
          ? String(UnicodeScalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
      return "\"\(letters.joined())\""
    }.joined(separator: "\n")
  }
}
