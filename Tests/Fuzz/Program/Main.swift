import CFuzzer
import FuzzTargets
import Glibc

/// libFuzzer over one target: `fuzz TARGET [FOLDER…] [-OPTION=VALUE…]`; see deploy/fuzz.sh for the rest.
@main
enum Main {
  /// The longest that one input may take, in nanoseconds of this thread's processor time. What else runs on the machine does
  /// not count; sanitizers do.
  private static let mostNanoseconds: UInt64 = 100_000_000

  private static let variable = "SHADOW_ROUTER_FUZZ_TARGET"

  nonisolated(unsafe) private static var target: FuzzTarget?
  nonisolated(unsafe) private static var slowest: UInt64 = 0

  static func main() {
    var arguments = CommandLine.arguments
    switch arguments.dropFirst().first {
    case "--list": return print(FuzzTarget.all.map { "\($0.name) \($0.maxBytes)" }.joined(separator: "\n"))
    case "--seeds" where arguments.count == 3: return Seeds.write(to: arguments[2])
    case "--keep" where arguments.count == 3: return KeptCorpus.write(from: arguments[2])
    case "--words" where arguments.count == 3:
      return print(dictionary(FuzzTarget.named(arguments[2])?.words ?? []))
    case let name? where FuzzTarget.named(name) != nil:
      // libFuzzer is not told of the target's name; the processes that it starts to merge are, by the environment.
      unsafe setenv(variable, name, 1)
      arguments.remove(at: 1)
    default: break
    }
    guard let name = unsafe getenv(variable).map({ unsafe String(cString: $0) }),
      let named = FuzzTarget.named(name)
    else { return fail("fuzz TARGET [FOLDER…] [-OPTION=VALUE…]; fuzz --list names the targets") }
    unsafe target = named
    // libFuzzer leaves the process itself where its time is over.
    atexit { Main.sayTheEnd() }
    exit(run(arguments))
  }

  private static func fail(_ message: String) {
    print(message)
    exit(2)
  }

  /// libFuzzer's own loop, around ``check(_:)``.
  private static func run(_ arguments: [String]) -> Int32 {
    var words: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) } + [nil]
    var count = Int32(arguments.count)
    return unsafe words.withUnsafeMutableBufferPointer { buffer in
      var start = buffer.baseAddress
      return unsafe LLVMFuzzerRunDriver(&count, &start) { bytes, size in
        let input = unsafe bytes.map { unsafe Array(UnsafeBufferPointer(start: $0, count: size)) } ?? []
        Main.check(input)
        return 0
      }
    }
  }

  private static func check(_ input: [UInt8]) {
    guard let target = unsafe target else { return }
    var least = UInt64.max
    // Taken again where it was slow: the first time may have had to build tables.
    for _ in 0..<3 where least > mostNanoseconds {
      let start = threadTime()
      do throws(Finding) {
        try target.check(input)
      } catch {
        print("FOUND in \(target.name): \(error)")
        fflush(nil)
        abort()
      }
      least = min(least, threadTime() - start)
    }
    unsafe slowest = max(unsafe slowest, least)
    guard least > mostNanoseconds else { return }
    print("FOUND in \(target.name): \(input.count) bytes took \(least / 1_000_000) ms")
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
        let isPlain = (0x20..<0x7F).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
        return isPlain
          ? String(UnicodeScalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
      return "\"\(letters.joined())\""
    }.joined(separator: "\n")
  }
}
