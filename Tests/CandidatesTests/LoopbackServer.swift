import Candidates
import Posix
import RouterCore
import Synchronization
import Testing
import Wire

/// A real HTTP server on loopback, one thread a connection, that answers each request as its script says.
final class LoopbackServer: Sendable {
  enum Reply: Sendable {
    /// Sent as it stands.
    case raw(String)
    /// Sent, then the connection is closed.
    case last(String)
    /// One piece after another, with milliseconds before each.
    case drip([String], Int64)
    /// Nothing, until the client goes.
    case hang
    case close
  }

  let port: UInt16
  let accepted = Atomic<Int>(0)
  let requests = Atomic<Int>(0)
  /// Heads and bodies as they came.
  let seen = Mutex<[String]>([])
  private let script: @Sendable (Int, String) -> Reply
  private let isOver = Atomic<Bool>(false)

  /// - Parameter script: Gets the number of the request, from 1, and the request.
  init(host: String = "127.0.0.1", _ script: @escaping @Sendable (Int, String) -> Reply) throws {
    let listener = try TCPSocket.listen(host: host, port: 0, backlog: 1_024)
    port = try TCPSocket.port(of: listener)
    self.script = script
    let number = listener.release()
    _ = try Thread.spawn(name: "loopback") { [self] in accept(Descriptor(owning: number)) }
  }

  func stop() { isOver.store(true, ordering: .relaxed) }

  var url: String { "http://127.0.0.1:\(port)/api/generate" }

  static func response(_ body: String, status: Int = 200, _ headers: String = "") -> String {
    "HTTP/1.1 \(status) X\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)"
  }

  /// What Ollama would answer.
  static func answer(_ text: String, tokens: Int = 5) -> Reply {
    let body: JSONValue = [
      "response": .string(text), "done": true, "prompt_eval_count": 10,
      "eval_count": .number(JSONNumber(tokens)),
    ]
    return .raw(response(body.jsonText))
  }

  private func accept(_ listener: consuming Descriptor) {
    while !isOver.load(ordering: .relaxed) {
      guard
        (try? Poll.wait(listener, for: .readable, until: Clocks.deadline(afterMilliseconds: 50))) == true,
        let socket = (try? UnixSocket.accept(from: listener)) ?? nil
      else { continue }
      accepted.add(1, ordering: .relaxed)
      let number = socket.release()
      _ = try? Thread.spawn(name: "loopback-c") { [self] in serve(Descriptor(owning: number)) }
    }
  }

  private func serve(_ socket: consuming Descriptor) {
    var parser = HTTPRequestParser()
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while let count = receive(socket, &buffer) {
      guard (try? parser.feed(buffer.span.extracting(0..<count))) != nil else { return }
      guard let request = parser.request else { continue }
      parser = HTTPRequestParser()
      let head = request.headers.lines.map { "\($0.name): \($0.value)" }.joined(separator: "\n")
      let text = head + "\n\n" + String(decoding: request.body, as: UTF8.self)
      seen.withLock { if $0.count < 100 { $0.append(text) } }
      switch script(requests.add(1, ordering: .relaxed).newValue, text) {
      case .raw(let answer): guard send(socket, answer) else { return }
      case .last(let answer):
        _ = send(socket, answer)
        return
      case .drip(let pieces, let pause):
        for piece in pieces {
          Clocks.sleep(milliseconds: pause)
          guard send(socket, piece) else { return }
        }
      case .hang:
        _ = receive(socket, &buffer)
        return
      case .close: return
      }
    }
  }

  private func receive(_ socket: borrowing Descriptor, _ buffer: inout [UInt8]) -> Int? {
    while !isOver.load(ordering: .relaxed) {
      guard
        (try? Poll.wait(socket, for: .readable, until: Clocks.deadline(afterMilliseconds: 50))) == true
      else { continue }
      guard case .bytes(let count)? = try? socket.read(into: &buffer) else { return nil }
      return count
    }
    return nil
  }

  private func send(_ socket: borrowing Descriptor, _ text: String) -> Bool {
    let bytes = Array(text.utf8)
    var sent = 0
    while sent < bytes.count {
      do throws(PosixError) {
        if let count = try socket.send(bytes.span.extracting(sent..<bytes.count)) {
          sent += count
        } else if try !Poll.wait(socket, for: .writable, until: Clocks.deadline(afterMilliseconds: 5_000)) {
          return false
        }
      } catch {
        return false
      }
    }
    return true
  }
}

func serverModel(_ url: String, _ change: (inout ModelPolicy) -> Void = { _ in }) throws -> ModelPolicy {
  var model = ModelPolicy(id: "m", mark: Mark(line: 1, column: 1), provider: .ollama, name: "m")
  model.endpoint = try HTTPURL(parsing: url)
  change(&model)
  return model
}

func labelTask(_ change: (inout TaskPolicy) -> Void = { _ in }) -> TaskPolicy {
  var task = TaskPolicy(name: "t", mark: Mark(line: 1, column: 1))
  task.labels = [.init("a"), .init("b"), .init("c")]
  task.output = .label
  change(&task)
  return task
}

extension ModelPool {
  /// Asks and waits.
  func answer(_ question: Question) -> Asked? {
    let answers = Monitor<[Asked]>([])
    let refusal = submit(question) { asked in
      answers.withLock { $0.append(asked) }
      answers.notify()
    }
    guard refusal == nil else { return nil }
    return answers.wait(
      until: Clocks.deadline(afterMilliseconds: 20_000), for: { !$0.isEmpty }, { $0.first })
  }
}

extension Asked {
  var cause: String? { if case .unavailable(let cause) = outcome { cause } else { nil } }
  var reply: CandidateReply? { if case .said(let reply) = outcome { reply } else { nil } }
}
