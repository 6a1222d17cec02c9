import CCurlHook
import Foundation
import FoundationNetworking
import Posix
import Synchronization
import Wire

/// The one server that this process may talk to, and the key for it.
final class Server: Sendable {
  private let options: HTTPSBridgeOptions
  private let environmentKey: String?
  private let delegate: TransferDelegate
  private let session: URLSession
  /// Where the sidecar hands connections over.
  let control: Descriptor
  private let load = Monitor(Load())

  private struct Load: Sendable {
    var started = 0
    var underWay = 0
  }

  init(_ options: HTTPSBridgeOptions, control: consuming Descriptor) {
    self.options = options
    self.control = control
    environmentKey = options.keyEnvironment.flatMap(ProcessState.environment)
    CertificateAuthorities.fromEnvironment()
    curlhook_keep(Int32(clamping: options.connections))
    delegate = TransferDelegate(FaultLog(host: options.endpoint.authority))
    let configuration = URLSessionConfiguration.ephemeral
    configuration.httpCookieStorage = nil
    configuration.httpShouldSetCookies = false
    configuration.httpCookieAcceptPolicy = .never
    configuration.urlCache = nil
    configuration.requestCachePolicy = .reloadIgnoringLocalCacheData
    configuration.urlCredentialStorage = nil
    configuration.httpMaximumConnectionsPerHost = options.connections
    // Deadlines are the sidecar's alone: it closes the connection, which cancels the transfer.
    configuration.timeoutIntervalForRequest = 86_400
    configuration.timeoutIntervalForResource = 86_400
    session = URLSession(configuration: configuration, delegate: delegate, delegateQueue: nil)
  }

  /// A request under way.
  struct Transfer {
    fileprivate let task: URLSessionDataTask
    func cancel() { task.cancel() }
  }

  func start(_ request: HTTPRequest, _ exchange: Exchange) throws(HTTPSBridgeFault) -> Transfer {
    let task = session.dataTask(with: try urlRequest(request))
    load.withLock { load in
      load.started += 1
      load.underWay += 1
    }
    delegate.expect(task, exchange)
    task.resume()
    return Transfer(task: task)
  }

  /// A transfer is over and its answer handed on.
  ///
  /// - Returns: Whether the connection may bring another. Otherwise no new one is taken in either: the sidecar starts another
  ///   helper, and this one ends when nothing is under way.
  func ended() -> Bool {
    let isSpent = load.withLock { load in
      load.underWay -= 1
      return load.started >= options.requests
    }
    guard isSpent else { return true }
    try? control.shutDown()
    load.notify()
    return false
  }

  /// Waits for what is under way, where the end was this side's choice; a sidecar that is gone wants no answers.
  func finish() {
    guard load.withLock({ $0.started >= options.requests }) else { return }
    load.wait(for: { $0.underWay == 0 }, { _ in })
  }

  private func urlRequest(_ request: HTTPRequest) throws(HTTPSBridgeFault) -> URLRequest {
    let authority = options.endpoint.authority
    // Origin form only: an absolute target would name a host of its own.
    guard request.headers["Host"] == authority, request.target.hasPrefix("/"),
      let url = URL(string: "https://\(authority)\(request.target)"),
      url.host() == options.endpoint.host || options.endpoint.isIPv6
    else { throw .misdirected }
    var result = URLRequest(url: url)
    result.httpMethod = request.method
    for line in request.headers.lines where !Self.isOwn(line.name) {
      result.setValue(line.value, forHTTPHeaderField: line.name)
    }
    if let key = try key() {
      switch options.keyHeader {
      case .bearer: result.setValue("Bearer \(key)", forHTTPHeaderField: "Authorization")
      case .apiKey: result.setValue(key, forHTTPHeaderField: "x-api-key")
      }
    }
    if !request.body.isEmpty { result.httpBody = Data(request.body) }
    return result
  }

  /// Headers of the connection between sidecar and helper, and those that only the helper sets.
  private static func isOwn(_ name: String) -> Bool {
    ["host", "connection", "content-length", "transfer-encoding", "expect", "authorization", "x-api-key"]
      .contains(name.lowercased())
  }

  /// A file is read for every request, so that a key can be changed without a restart.
  private func key() throws(HTTPSBridgeFault) -> String? {
    guard options.keyEnvironment != nil || options.keyFile != nil else { return nil }
    // In both places: which one is meant nobody can tell.
    guard options.keyEnvironment == nil || options.keyFile == nil else { throw .noKey }
    var bytes = environmentKey.map { Array($0.utf8) } ?? []
    if let path = options.keyFile {
      // Nor is a key a secret that others may read.
      guard let mode = try? Files.status(path)?.mode, mode & 0o077 == 0,
        let read = try? Files.readRegular(path, limit: 64 << 10)
      else { throw .noKey }
      bytes = read
    }
    let blanks: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
    let trimmed = bytes.drop { blanks.contains($0) }.reversed().drop { blanks.contains($0) }.reversed()
    // Nothing that could end the header line or be taken apart in it.
    guard !trimmed.isEmpty, trimmed.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw .noKey }
    return String(decoding: Array(trimmed), as: UTF8.self)
  }
}

/// Which certificate authorities to trust: the system's, or those that the field's usual variables name.
enum CertificateAuthorities {
  static func fromEnvironment() {
    let file = value("SSL_CERT_FILE")
    let folder = value("SSL_CERT_DIR")
    // Kept for the life of the process.
    unsafe curlhook_trust(file.map { unsafe strdup($0) }, folder.map { unsafe strdup($0) })
  }

  private static func value(_ name: String) -> String? {
    ProcessState.environment(name).flatMap { $0.isEmpty ? nil : $0 }
  }
}
