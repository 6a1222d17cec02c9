import Glibc
import Posix

/// Measures one part in this process: `benchmarks PART ARGUMENT… ROUNDS`, one line of JSON a round on stdout.
///
/// Only figures and what is needed to check the answers; comparing is the script's work.
@main
enum Main {
  static func main() throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    guard let part = arguments.first, let rounds = arguments.last.flatMap({ Int($0) }) else {
      throw Misuse(text: "benchmarks PART ARGUMENT… ROUNDS")
    }
    let rest = Array(arguments.dropFirst().dropLast())
    switch part {
    case "scan": try ScanPart(rest).run(rounds)
    case "redact": try RedactPart(rest).run(rounds)
    case "frames": try FramesPart(rest).run(rounds)
    case "sha256": SHA256Part().run(rounds)
    case "decision": try DecisionPart(rest).run(rounds)
    case "policy": try PolicyPart(rest).run(rounds)
    case "log": try LogPart(rest).run(rounds)
    default: throw Misuse(text: "no part \(part)")
    }
  }
}

struct Misuse: Error { let text: String }

/// CPU seconds of the process spent on `work`.
func cpuSeconds(_ work: () throws -> Void) rethrows -> Double {
  let start = Clocks.processCPU()
  try work()
  return Double(Clocks.processCPU() - start) / 1e9
}

/// One line: names and values in turn.
func say(_ values: KeyValuePairs<String, Double>) {
  let members = values.map { name, value in "\"\(name)\":\(value)" }
  print("{" + members.joined(separator: ",") + "}")
}

func lines(of path: String) throws -> [[UInt8]] {
  try Files.read(path, limit: 1 << 30).split(separator: UInt8(ascii: "\n")).map { Array($0) }
}
