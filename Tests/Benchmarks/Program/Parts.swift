import Journal
import PolicyLanguage
import PolicyYAML
import Posix
import Redaction
import RouterCore
import Text
import Wire

/// `scan TERMS PROMPTS`: hard-stop terms in prompts, one a line.
struct ScanPart {
  private let scanner: TermScanner
  private let prompts: [[UInt8]]

  init(_ arguments: [String]) throws {
    scanner = TermScanner(try lines(of: arguments[0]).map { String(decoding: $0, as: UTF8.self) })
    prompts = try lines(of: arguments[1])
  }

  func run(_ rounds: Int) {
    let bytes = prompts.reduce(0) { $0 + $1.count }
    for _ in 0..<rounds {
      var hits = TermHits()
      var found = 0
      let seconds = cpuSeconds {
        for prompt in prompts {
          scanner.scan(prompt.span, hits: &hits)
          if !hits.ids.isEmpty { found += 1 }
        }
      }
      say(["mb_per_s": Double(bytes) / 1e6 / seconds, "prompts_hit": Double(found)])
    }
  }
}

/// `redact PROMPTS`: secrets and personal data in prompts, one a line, each whole and as a preview of 240 characters.
struct RedactPart {
  private let prompts: [[UInt8]]
  private let redactor = Redactor()

  init(_ arguments: [String]) throws { prompts = try lines(of: arguments[0]) }

  func run(_ rounds: Int) {
    let bytes = prompts.reduce(0) { $0 + $1.count }
    for _ in 0..<rounds {
      var altered = 0
      let whole = cpuSeconds {
        for prompt in prompts where redactor.redact(prompt.span) != prompt { altered += 1 }
      }
      var shown = 0
      let previews = cpuSeconds {
        for prompt in prompts { shown += redactor.preview(of: prompt.span)?.count ?? 0 }
      }
      say([
        "mb_per_s": Double(bytes) / 1e6 / whole, "altered": Double(altered),
        "preview_us": previews * 1e6 / Double(max(1, prompts.count)), "shown": Double(shown),
      ])
    }
  }
}

/// `frames FRAMES`: tap frames to calls and answers.
struct FramesPart {
  private let frames: [[UInt8]]

  init(_ arguments: [String]) throws { frames = try lines(of: arguments[0]) }

  func run(_ rounds: Int) throws {
    let bytes = frames.reduce(0) { $0 + $1.count }
    for _ in 0..<rounds {
      var decoder = FrameDecoder()
      var (calls, answers, text) = (0, 0, 0)
      let seconds = try cpuSeconds {
        for frame in frames {
          switch try decoder.decode(frame.span) {
          case .call(let call):
            calls += 1
            text += call.text.bytes.count
          case .answer(let answer):
            answers += 1
            text += answer.answer.text.utf8.count
          case .outcome, .ping: break
          }
        }
      }
      say([
        "mb_per_s": Double(bytes) / 1e6 / seconds, "calls": Double(calls), "answers": Double(answers),
        "text_bytes": Double(text),
      ])
    }
  }
}

/// `sha256`: 4 KiB at a time.
struct SHA256Part {
  func run(_ rounds: Int) {
    let block = (0..<4096).map { UInt8(truncatingIfNeeded: $0) }
    let times = 40_000
    for _ in 0..<rounds {
      var first: UInt64 = 0
      let seconds = cpuSeconds {
        for _ in 0..<times { first ^= SHA256.hash(block.span).leadingBits }
        first ^= SHA256.hash(block.span).leadingBits
      }
      // An even number of the same digest is nothing, so what is left is one: for the script to check.
      say([
        "mb_per_s": Double(times * block.count) / 1e6 / seconds, "digest_high": Double(first >> 32),
        "digest_low": Double(first & 0xFFFF_FFFF),
      ])
    }
  }
}

/// `decision POLICY`: screening and the end of a call, the text so short that scanning it is nothing.
struct DecisionPart {
  private let policy: PreparedPolicy

  init(_ arguments: [String]) throws {
    let reading = PolicyFile.read(
      try Files.read(arguments[0], limit: PolicyText.maxBytes), options: PolicyReadingOptions())
    guard let policy = reading.policy else { throw Misuse(text: "\(reading.problems)") }
    self.policy = PreparedPolicy(policy, generation: 1)
  }

  func run(_ rounds: Int) throws {
    let tasks = policy.policy.tasks.map(\.name)
    let calls = (0..<1024).map { number in
      var call = Call(callID: "c\(number)")
      call.taskType = tasks[number * 7 % tasks.count]
      call.text = CallText("x")
      return call
    }
    let context = DecisionContext(today: "2026-01-01")
    for _ in 0..<rounds {
      var scratch = Engine.Scratch()
      var toCandidate = 0
      let turns = 200
      let seconds = cpuSeconds {
        for _ in 0..<turns {
          for call in calls {
            let screening = Engine.screen(call, policy: policy, context: context, scratch: &scratch)
            if screening.reason == nil {
              toCandidate += 1
            } else if Engine.withoutCandidate(screening).isLocal {
              toCandidate = .min
            }
          }
        }
      }
      say([
        "ns": seconds * 1e9 / Double(turns * calls.count), "to_candidate": Double(toCandidate / turns),
        "calls": Double(calls.count),
      ])
    }
  }
}

/// `policy FILE`: text to a checked and prepared policy.
struct PolicyPart {
  private let bytes: [UInt8]

  init(_ arguments: [String]) throws { bytes = try Files.read(arguments[0], limit: PolicyText.maxBytes) }

  func run(_ rounds: Int) throws {
    for _ in 0..<rounds {
      var tasks = 0
      let seconds = try cpuSeconds {
        let reading = PolicyFile.read(bytes, options: PolicyReadingOptions())
        guard let policy = reading.policy else { throw Misuse(text: "\(reading.problems)") }
        tasks = PreparedPolicy(policy, generation: 1).policy.tasks.count
      }
      say(["ms": seconds * 1e3, "tasks": Double(tasks)])
    }
  }
}

/// `log FOLDER`: records of 600 bytes through the journal until all are on the disk.
struct LogPart {
  private let folder: String

  init(_ arguments: [String]) throws { folder = arguments[0] }

  func run(_ rounds: Int) throws {
    let body = Array((#""text":""# + String(repeating: "a", count: 280) + "\"").utf8)
    let records = 60_000
    for round in 0..<rounds {
      var options = JournalOptions()
      options.segmentBytes = 1 << 30
      let (journal, _) = try Journal.open(folder: "\(folder)/\(round)", options: options, now: 0)
      let (start, cpu) = (Clocks.monotonic(), Clocks.processCPU())
      for number in 0..<records {
        while !journal.append(kind: "probe", at: Int64(number), body: body) { Clocks.sleep(milliseconds: 1) }
      }
      let isDurable = journal.flush(deadline: Clocks.deadline(afterMilliseconds: 120_000))
      let wall = Double(Clocks.monotonic() - start) / 1e9
      let spent = Double(Clocks.processCPU() - cpu) / 1e9
      let status = journal.status
      guard isDurable, journal.close() else { throw Misuse(text: "the log did not reach the disk") }
      say([
        "mb_per_s": Double(status.writtenBytes) / 1e6 / wall, "records": Double(status.durable),
        "syncs": Double(status.syncs), "us_per_record": spent * 1e6 / Double(records),
      ])
    }
  }
}
