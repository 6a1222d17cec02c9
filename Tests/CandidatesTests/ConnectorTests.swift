import RouterCore
import Testing

@testable import Candidates
@testable import Wire

@Suite("Where connections come from")
struct ConnectorTests {
  private func connector(_ endpoint: String) throws -> Connector {
    let model = ModelPolicy(id: "m", mark: Mark(line: 1, column: 1), provider: .openai, name: "m")
    return Connector(model, try HTTPURL(parsing: endpoint))
  }

  private func response(_ word: String?) -> HTTPResponse {
    var headers = HTTPHeaders()
    if let word { headers.add(HTTPSBridgeFault.header, word) }
    return HTTPResponse(status: 502, reason: "", headers: headers, body: [], trailers: HTTPHeaders())
  }

  @Test("what the helper says keeps its word as the cause", arguments: HTTPSBridgeFault.allCases)
  func causes(fault: HTTPSBridgeFault) throws {
    let helper = try connector("https://x/")
    let said = try #require(helper.fault(in: response(fault.rawValue)))
    #expect(said.cause == (fault == .misdirected ? "bad_http" : fault.rawValue))
    #expect(helper.fault(in: response(nil)) == nil)
    #expect(helper.fault(in: response("a later version's")) == .badHTTP)
  }

  @Test("a plain server cannot speak for the helper")
  func plain() throws {
    #expect(try connector("http://x/").fault(in: response("tls_failed")) == nil)
  }
}
