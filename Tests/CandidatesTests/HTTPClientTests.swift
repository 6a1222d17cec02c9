import Posix
import Synchronization
import Testing
import Wire

@testable import Candidates

/// A server that says what a script says: one list of raw pieces a connection.
private final class ScriptedServer: Sendable {
  let port: UInt16
  let accepted = Atomic<Int>(0)

  init(_ script: [[String]]) throws {
    let listener = try TCPSocket.listen(host: "127.0.0.1", port: 0)
    port = try TCPSocket.port(of: listener)
    let number = listener.release()
    _ = try Thread.spawn(name: "scripted") { [self] in serve(Descriptor(owning: number), script) }
  }

  private func serve(_ listener: consuming Descriptor, _ script: [[String]]) {
    for pieces in script {
      guard
        (try? Poll.wait(listener, for: .readable, until: Clocks.deadline(afterMilliseconds: 5_000))) == true,
        let socket = (try? UnixSocket.accept(from: listener)) ?? nil
      else { return }
      accepted.add(1, ordering: .relaxed)
      var buffer = [UInt8](repeating: 0, count: 64 << 10)
      for piece in pieces {
        guard
          (try? Poll.wait(socket, for: .readable, until: Clocks.deadline(afterMilliseconds: 5_000))) == true,
          case .bytes? = try? socket.read(into: &buffer)
        else { break }
        try? socket.writeAll(Array(piece.utf8))
      }
    }
  }

  func client() throws -> HTTPClient { try testClient(port) }
}

private func testClient(_ port: UInt16, host: String = "127.0.0.1", _ interrupt: Interrupt? = nil) throws
  -> HTTPClient
{
  let url = try HTTPURL(parsing: "http://\(host):\(port)/x")
  return HTTPClient(url, over: .tcp(url), interrupt: interrupt)
}

@Suite("Asking over HTTP")
struct HTTPClientTests {
  private static func answer(_ body: String) -> String {
    "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
  }

  private func ask(_ client: inout HTTPClient, within milliseconds: Int64 = 5_000) throws(AskFault) -> String
  {
    let deadline = Clocks.deadline(afterMilliseconds: milliseconds)
    let response = try client.post([1], headers: [:], deadline: deadline, isStopping: { false })
    return String(decoding: response.body, as: UTF8.self)
  }

  @Test("a connection is kept for the next question")
  func keeps() throws {
    let server = try ScriptedServer([[Self.answer("one"), Self.answer("two")]])
    var client = try server.client()
    let first = try ask(&client)
    let second = try ask(&client)
    #expect(first == "one" && second == "two")
    #expect(server.accepted.load(ordering: .relaxed) == 1)
  }

  @Test("an answer beyond the answer never serves the next question")
  func surplus() throws {
    let server = try ScriptedServer([[Self.answer("one") + Self.answer("stale")], [Self.answer("two")]])
    var client = try server.client()
    let first = try ask(&client)
    let second = try ask(&client)
    #expect(first == "one" && second == "two")
    #expect(server.accepted.load(ordering: .relaxed) == 2)
  }

  @Test("a kept connection that the server has closed is no fault of the server")
  func closed() throws {
    let server = try ScriptedServer([[Self.answer("one")], [Self.answer("two")]])
    var client = try server.client()
    let first = try ask(&client)
    let second = try ask(&client)
    #expect(first == "one" && second == "two")
  }

  @Test(
    "what is wrong is named",
    arguments: [
      ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", AskFault.shortBody), ("", .connectionLost),
      ("<html>\r\n\r\n", .badHTTP),
      ("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", .responseTooLarge),
    ])
  func faults(reply: String, fault: AskFault) throws {
    let server = try ScriptedServer([[reply]])
    var client = try server.client()
    var seen: AskFault?
    do throws(AskFault) { _ = try ask(&client) } catch { seen = error }
    #expect(seen == fault)
  }

  @Test("the deadline holds for the whole answer, and a refused connection says so")
  func deadline() throws {
    let server = try ScriptedServer([["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "never asked for"]])
    var client = try server.client()
    var seen: AskFault?
    do throws(AskFault) { _ = try ask(&client, within: 150) } catch { seen = error }
    #expect(seen == .timeout)
    var nobody = try testClient(1)
    do throws(AskFault) { _ = try ask(&nobody) } catch { seen = error }
    #expect(seen == .refused)
  }

  /// - Returns: The body, or the fault's cause.
  private func ask(_ reply: LoopbackServer.Reply, within milliseconds: Int64 = 5_000) throws -> String {
    let server = try LoopbackServer { _, _ in reply }
    defer { server.stop() }
    var client = try testClient(server.port)
    do throws(AskFault) { return try ask(&client, within: milliseconds) } catch { return error.cause }
  }

  @Test("redirects are not followed")
  func redirects() throws {
    let aim = try LoopbackServer { _, _ in LoopbackServer.answer("secret") }
    let server = try LoopbackServer { _, _ in
      .raw(LoopbackServer.response("", status: 307, "Location: http://127.0.0.1:\(aim.port)/\r\n"))
    }
    var client = try testClient(server.port)
    let response = try client.post(
      [1], headers: ["Authorization": "Bearer k"], deadline: Clocks.deadline(afterMilliseconds: 5_000),
      isStopping: { false })
    #expect(response.status == 307)
    #expect(aim.accepted.load(ordering: .relaxed) == 0)
    aim.stop()
    server.stop()
  }

  @Test("an answer in an encoding nobody asked for has a fault of its own")
  func encodings() throws {
    #expect(try ask(.raw(LoopbackServer.response("{}", "Content-Encoding: gzip\r\n"))) == "content_encoding")
    #expect(try ask(.raw(LoopbackServer.response("{}", "Content-Encoding: identity\r\n"))) == "{}")
    #expect(try ask(.raw(LoopbackServer.response("{}", "Transfer-Encoding: gzip\r\n"))) == "bad_http")
  }

  @Test("framings that servers use are read")
  func framings() throws {
    #expect(try ask(.last("HTTP/1.0 200 OK\r\n\r\nuntil the end")) == "until the end")
    #expect(try ask(.last("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")) == "ok")
    #expect(try ask(.raw("HTTP/1.1 100 Continue\r\n\r\n" + LoopbackServer.response("ok"))) == "ok")
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1;x=y\r\n!\r\n0\r\n\r\n"
    #expect(try ask(.raw(chunked)) == "ok!")
    #expect(
      try ask(.last("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")) == "short_body")
    let endless = String(repeating: "x", count: 5 << 20)
    #expect(try ask(.last("HTTP/1.1 200 OK\r\n\r\n" + endless)) == "response_too_large")
  }

  @Test(
    "a drip does not stretch the deadline",
    arguments: [
      [String](repeating: "H", count: 1),
      ["HTTP/1.1 200 OK\r\n"] + [String](repeating: "a: b\r\n", count: 200),
      ["HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"] + [String](repeating: "x", count: 200),
    ])
  func drips(pieces: [String]) throws {
    let start = Clocks.monotonic()
    #expect(try ask(.drip(pieces, 20), within: 200) == "timeout")
    // Far from the four seconds that the drip would take; no tighter, for machines under load.
    #expect(Clocks.monotonic() - start < 2_000_000_000)
  }

  @Test("names with several addresses are tried one after the other, and IPv6 addresses are understood")
  func addresses() throws {
    let server = try LoopbackServer { _, _ in .raw(LoopbackServer.response("ok")) }
    defer { server.stop() }
    // Listens on 127.0.0.1 only; `localhost` may name ::1 first.
    var named = try testClient(server.port, host: "localhost")
    #expect(try ask(&named) == "ok")
    guard let six = try? LoopbackServer(host: "::1", { _, _ in .raw(LoopbackServer.response("six")) }) else {
      print("SKIPPED: no IPv6 on this machine")
      return
    }
    defer { six.stop() }
    var numbered = try testClient(six.port, host: "[::1]")
    #expect(try ask(&numbered) == "six")
    #expect(six.seen.withLock { $0.first }?.contains("Host: [::1]:\(six.port)") == true)
  }

  @Test("an interruption ends a wait at once, whatever is waited for")
  func interruption() throws {
    let server = try LoopbackServer { _, _ in .hang }
    defer { server.stop() }
    let interrupt = try Interrupt()
    var client = try testClient(server.port, interrupt)
    let thread = try Thread.spawn(name: "interrupt") {
      while server.requests.load(ordering: .relaxed) == 0 { Clocks.sleep(milliseconds: 1) }
      interrupt.yield()
    }
    var seen: AskFault?
    do throws(AskFault) {
      _ = try client.post([1], headers: [:], deadline: .max, isStopping: { interrupt.fault != nil })
    } catch {
      seen = error
    }
    thread.join()
    #expect(seen == .stopping && interrupt.fault == .yielded)
    interrupt.restart()
    #expect(interrupt.fault == nil)
    interrupt.stop(at: Clocks.monotonic())
    #expect(interrupt.fault == .stopping)
  }

  @Test("a stream is handed on as it comes and ends when its receiver has enough")
  func streams() throws {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    let server = try LoopbackServer { number, _ in
      number == 1
        ? .drip([head, "3\r\none\r\n", "3\r\ntwo\r\n", "4\r\nDONE\r\n", "1\r\nx\r\n", "1\r\nx\r\n"], 5)
        : .raw(LoopbackServer.response("busy", status: 503))
    }
    defer { server.stop() }
    var client = try testClient(server.port)
    let collected = Mutex("")
    func stream() throws(AskFault) -> HTTPResponse {
      try client.stream(
        [1], headers: [:], deadline: Clocks.deadline(afterMilliseconds: 5_000), isStopping: { false },
        onBody: { (part) throws(AskFault) in
          collected.withLock { text in
            for index in part.indices { text.unicodeScalars.append(Unicode.Scalar(part[index])) }
            return text.hasSuffix("DONE")
          }
        })
    }
    #expect(try stream().status == 200)
    #expect(collected.withLock { $0 } == "onetwoDONE")
    // The rest of the stream would be taken for the next answer: that connection is gone.
    let refused = try stream()
    #expect(refused.status == 503 && String(decoding: refused.body, as: UTF8.self) == "busy")
    #expect(server.accepted.load(ordering: .relaxed) == 2)
    #expect(collected.withLock { $0 } == "onetwoDONE")
  }

  @Test("what a server did not answer on a kept connection goes out once more, and that is told")
  func resent() throws {
    let server = try LoopbackServer { number, _ in number == 2 ? .close : .raw(LoopbackServer.response("ok"))
    }
    defer { server.stop() }
    var client = try testClient(server.port)
    #expect(try ask(&client) == "ok")
    holds(!client.wasResent)
    #expect(try ask(&client) == "ok")
    holds(client.wasResent)
    #expect(server.requests.load(ordering: .relaxed) == 3)
  }
}
