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

  func client() throws -> HTTPClient {
    let url = try HTTPURL(parsing: "http://127.0.0.1:\(port)/x")
    return HTTPClient(url, over: .tcp(url))
  }
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
    let url = try HTTPURL(parsing: "http://127.0.0.1:1/x")
    var nobody = HTTPClient(url, over: .tcp(url))
    do throws(AskFault) { _ = try ask(&nobody) } catch { seen = error }
    #expect(seen == .refused)
  }
}
