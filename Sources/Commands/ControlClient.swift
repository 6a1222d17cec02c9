package import LogRequests
import Posix
package import Wire

/// Talks to a running router over its control socket.
package enum ControlClient {
  /// - Throws: Exit 3 where no router answers.
  package static func ask(
    _ method: String, _ target: String, body: JSONValue? = nil, at paths: SidecarPaths,
    within milliseconds: Int64 = 60_000
  ) throws(Failure) -> HTTPResponse {
    let socket: Descriptor
    do throws(PosixError) {
      socket = try UnixSocket.connect(to: paths.control)
    } catch {
      throw .surroundings(
        error.isForbidden
          ? "\(paths.control): \(error.reason). It is for root and the router's own user: try again with sudo"
          : "no router answers at \(paths.control) (\(error.reason)). Is it running, and is --runtime-dir right?"
      )
    }
    do {
      let request = try HTTPRequestWriter.bytes(
        method: method, target: target, headers: ["Host": "localhost", "Connection": "close"],
        body: body?.jsonBytes)
      try socket.writeAll(request)
      return try read(socket, within: milliseconds)
    } catch let failure as Failure {
      throw failure
    } catch let fault as PosixError {
      throw .surroundings(
        "the router at \(paths.control) closed the connection (\(fault.reason)): it is stopping or has stopped. "
          + "Start it with shadow-router run, then look at shadow-router status: nothing says whether this was done"
      )
    } catch {
      throw .surroundings("the router at \(paths.control) did not answer: \(error)")
    }
  }

  private static func read(_ socket: borrowing Descriptor, within milliseconds: Int64) throws -> HTTPResponse
  {
    var parser = HTTPResponseParser(limits: HTTPLimits(bodyBytes: 256 << 20))
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    let deadline = Clocks.deadline(afterMilliseconds: milliseconds)
    while true {
      guard try Poll.wait(socket, for: .readable, until: deadline) else {
        throw Failure.surroundings("the router did not answer within \(milliseconds / 1000) seconds")
      }
      guard case .bytes(let count) = try socket.read(into: &buffer) else {
        try parser.finish()
        guard let response = parser.response else {
          throw Failure.surroundings("the router closed the connection; is it still running?")
        }
        return response
      }
      _ = try parser.feed(buffer.span.extracting(0..<count))
      if let response = parser.response { return response }
    }
  }

  package static func json(
    _ method: String, _ target: String, body: JSONValue? = nil, at paths: SidecarPaths,
    within milliseconds: Int64 = 60_000
  ) throws(Failure) -> (status: Int, value: JSONValue) {
    let response = try ask(method, target, body: body, at: paths, within: milliseconds)
    guard let value = try? JSONValue(parsing: response.body) else {
      throw .surroundings("the router's answer (\(response.status)) is not JSON")
    }
    return (response.status, value)
  }
}
