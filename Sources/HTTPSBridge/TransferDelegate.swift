import CCurlHook
import Foundation
import FoundationNetworking
import Posix
import Synchronization
import Wire

/// Hands what URLSession receives to the exchange that waits for it.
final class TransferDelegate: NSObject, URLSessionDataDelegate, Sendable {
  private let running = Mutex<[Int: Exchange]>([:])
  private let log: FaultLog

  init(_ log: FaultLog) { self.log = log }

  func expect(_ task: URLSessionTask, _ exchange: Exchange) {
    let id = task.taskIdentifier
    running.withLock { $0[id] = exchange }
  }

  func urlSession(
    _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
    completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
  ) {
    guard curlhook_is_active() != 0, let response = response as? HTTPURLResponse,
      let exchange = exchange(of: dataTask)
    else {
      // Some versions ignore what the handler is told.
      dataTask.cancel()
      return completionHandler(.cancel)
    }
    var headers = HTTPHeaders()
    for name in HTTPSBridgeFault.passedOn {
      if let value = response.value(forHTTPHeaderField: name) { headers.add(name, value) }
    }
    exchange.began(Exchange.Head(status: response.statusCode, headers: headers))
    completionHandler(.allow)
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    guard let exchange = exchange(of: dataTask), exchange.add([UInt8](data)) else {
      return dataTask.cancel()
    }
  }

  /// No redirects: the redirecting answer is the answer.
  func urlSession(
    _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
    newRequest request: URLRequest, completionHandler: @escaping (URLRequest?) -> Void
  ) {
    completionHandler(nil)
  }

  /// No credentials but the key: an answer that asks for others is the answer, and has been delivered by now.
  ///
  /// Default handling would neither go on nor end without a credential to propose.
  func urlSession(
    _ session: URLSession, task: URLSessionTask, didReceive challenge: URLAuthenticationChallenge,
    completionHandler: @escaping (URLSession.AuthChallengeDisposition, URLCredential?) -> Void
  ) {
    take(task)?.ended(.complete)
    completionHandler(.cancelAuthenticationChallenge, nil)
  }

  func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
    guard let exchange = take(task) else { return }
    guard let error else {
      log.succeeded()
      return exchange.ended(.complete)
    }
    let fault = CurlResult.fault(error)
    let isOurs = (error as? URLError)?.code == .cancelled
    if !isOurs { log.failed(fault, CurlResult.lastSentence() ?? error.localizedDescription) }
    exchange.ended(.failed(fault))
  }

  private func take(_ task: URLSessionTask) -> Exchange? {
    let id = task.taskIdentifier
    return running.withLock { $0.removeValue(forKey: id) }
  }

  private func exchange(of task: URLSessionTask) -> Exchange? {
    let id = task.taskIdentifier
    return running.withLock { $0[id] }
  }
}

/// What libcurl said. URLSession's own codes do not tell a refused certificate from a broken connection.
enum CurlResult {
  /// `CURLE_…` of curl/curl.h; the numbers are fixed.
  private static let causes: [(HTTPSBridgeFault, [Int32])] = [
    (.refused, [5, 6, 7]),
    (.tlsFailed, [35, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98]),
    (.badHTTP, [1, 8, 61]),
  ]

  private static let byWords: [String: HTTPSBridgeFault] = {
    var table: [String: HTTPSBridgeFault] = [:]
    for (fault, codes) in causes {
      for code in codes {
        if let words = unsafe curlhook_words(code) { table[unsafe String(cString: words)] = fault }
      }
    }
    return table
  }()

  static func fault(_ error: any Error) -> HTTPSBridgeFault {
    if let fault = byWords[error.localizedDescription] { return fault }
    switch (error as? URLError)?.code {
    case .cannotConnectToHost, .cannotFindHost, .dnsLookupFailed: return .refused
    default: return .connectionLost
    }
  }

  static func lastSentence() -> String? {
    var space = [CChar](repeating: 0, count: 256)
    unsafe curlhook_last_failure(&space, space.count)
    let bytes = space.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }
}
