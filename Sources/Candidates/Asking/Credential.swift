import Posix
package import RouterCore
package import Wire

/// The key that a model's server asks for, read once and sent to that server alone.
///
/// Nothing prints it: descriptions and mirrors say only that it is there.
package struct Credential: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  private let secret: String

  package var description: String { "(key)" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: []) }

  /// Bytes of the longest key.
  static let limit = 16 << 10

  /// Takes a key as it was written; white space and line ends around it do not belong to it.
  package init(_ bytes: [UInt8]) throws(CredentialFault) {
    let isBlank = { (byte: UInt8) in byte == 0x20 || (0x09...0x0D).contains(byte) }
    var text = bytes[...].drop(while: isBlank)
    while let last = text.last, isBlank(last) { text.removeLast() }
    guard !text.isEmpty else { throw .empty }
    guard text.count <= Self.limit else { throw .tooLong }
    // What could end a header line, and what no key holds.
    guard text.allSatisfy({ (0x21...0x7E).contains($0) }) else { throw .invalidCharacter }
    secret = String(decoding: text, as: UTF8.self)
  }

  /// Reads the key of a model from where the policy says it is.
  ///
  /// - Parameter folder: What a relative `api_key_file` is relative to.
  /// - Returns: nil where the policy names no place.
  package static func read(_ model: ModelPolicy, in folder: String) throws(CredentialFault) -> Credential? {
    if let name = model.apiKeyEnv {
      guard model.apiKeyFile == nil else { throw .twoPlaces }
      guard let value = ProcessState.environment(name) else { throw .notSet(name) }
      return try Credential(Array(value.utf8))
    }
    guard let file = model.apiKeyFile else { return nil }
    let path = file.hasPrefix("/") ? file : Files.join(folder, file)
    return try Credential(try contents(path))
  }

  private static func contents(_ path: String) throws(CredentialFault) -> [UInt8] {
    let status: FileStatus?
    do throws(PosixError) { status = try Files.status(path) } catch { throw .unreadable(error.description) }
    guard let status else { throw .missing(path) }
    guard status.kind == .file else { throw .notAFile(path) }
    guard status.mode & 0o077 == 0 else { throw .open(path, mode: status.mode) }
    do throws(PosixError) {
      return try Files.read(path, limit: limit + 64)
    } catch {
      throw .unreadable(error.description)
    }
  }

  /// As the header the provider reads it from.
  package func add(to headers: inout HTTPHeaders, for provider: ModelPolicy.Provider) {
    if provider == .anthropic {
      headers.add("x-api-key", secret)
    } else {
      headers.add("Authorization", "Bearer \(secret)")
    }
  }
}

/// Why there is no key. Never holds any of it.
package enum CredentialFault: Error, Equatable, CustomStringConvertible {
  case twoPlaces
  /// The environment variable of this name is not there.
  case notSet(String)
  case missing(String)
  case notAFile(String)
  /// Others than its owner may read or write the file.
  case open(String, mode: UInt32)
  case unreadable(String)
  case empty
  case tooLong
  case invalidCharacter

  /// Whether the place alone is not there: on the machine where the router runs it may well be.
  package var isAbsence: Bool {
    switch self {
    case .notSet, .missing: true
    case .twoPlaces, .notAFile, .open, .unreadable, .empty, .tooLong, .invalidCharacter: false
    }
  }

  package var description: String {
    switch self {
    case .twoPlaces: "both `api_key_env` and `api_key_file` are given; keep one"
    case .notSet(let name): "`api_key_env`: the environment variable \(name) is not set"
    case .missing(let path): "`api_key_file`: \(path) does not exist"
    case .notAFile(let path): "`api_key_file`: \(path) is not a regular file"
    case .open(let path, let mode):
      "`api_key_file`: \(path) is open to others (mode \(String(mode, radix: 8))); chmod 600 it"
    case .unreadable(let reason): "`api_key_file`: \(reason)"
    case .empty: "the API key is empty"
    case .tooLong: "the API key is longer than \(Credential.limit) bytes"
    case .invalidCharacter: "the API key holds a space, a control character or one outside ASCII"
    }
  }
}
