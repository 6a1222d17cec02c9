import Candidates
import RouterCore
import Wire

/// One GET of a probe and how its answer is read. Pure.
struct ServerLook: Sendable {
  let target: String
  /// Reads the body of a 200.
  let read: @Sendable (JSONValue, inout ModelCapabilities) -> Void

  /// What is looked at before the model is asked, in order.
  static func all(_ model: ModelPolicy) -> [ServerLook] {
    guard let endpoint = model.endpoint else { return [] }
    let name = model.name
    switch model.provider {
    case .ollama:
      return [
        ServerLook(target: place("/api/version", endpoint)) { body, found in
          found.serverVersion = word(body["version"])
        },
        ServerLook(target: place("/api/tags", endpoint)) { tags($0, name, &$1) },
      ]
    case .openai:
      return [ServerLook(target: place("/v1/models", endpoint)) { models($0, name, &$1) }]
    case .llamacpp:
      return [
        ServerLook(target: place("/props", endpoint)) { props($0, &$1) },
        // Says what a path does not: the size of what was loaded from it.
        ServerLook(target: place("/v1/models", endpoint)) { meta($0, &$1) },
      ]
    case .anthropic:
      return [
        ServerLook(target: place("/v1/models/" + percentEncoded(name), endpoint)) { body, found in
          if body["id"]?.stringValue != nil { found.isPresent = true }
        }
      ]
    case .builtin, .other: return []
    }
  }

  /// What a look says without a 200: `loading`, or the status where asking the model would be no use.
  static func fault(status: Int, _ body: [UInt8]) -> String? {
    switch status {
    case 503 where isLoading(body): ProbeFinding.loading
    case 401, 403, 429, 500, 502...599: AskFault.status(status).cause
    default: nil
    }
  }

  /// llama.cpp answers so on every path until its model is there.
  static func isLoading(_ body: [UInt8]) -> Bool {
    let message = (try? JSONValue(parsing: body))?["error"]?["message"]?.stringValue
    return message?.lowercased().contains("loading model") == true
  }

  // MARK: - Reading

  private static func tags(_ body: JSONValue, _ name: String, _ found: inout ModelCapabilities) {
    guard let models = body["models"]?.arrayValue else { return }
    // A name without a tag means `latest`, on both sides.
    func full(_ name: String) -> String { name.contains(":") ? name : name + ":latest" }
    let entry = models.first { model in
      ["name", "model"].contains { model[$0]?.stringValue.map(full) == full(name) }
    }
    found.isPresent = entry != nil
    guard let digest = entry?["digest"]?.stringValue, !digest.isEmpty else { return }
    let isHex = digest.utf8.count == 64 && digest.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
    found.digest = isHex ? "sha256:" + digest : hashed(.string(digest))
  }

  private static func models(_ body: JSONValue, _ name: String, _ found: inout ModelCapabilities) {
    guard let models = body["data"]?.arrayValue else { return }
    // llama.cpp's server answers to any name with the one model it has.
    let only = models.count == 1 && models.first?["owned_by"]?.stringValue == "llamacpp" ? models.first : nil
    let entry = models.first { $0["id"]?.stringValue == name } ?? only
    found.isPresent = entry != nil
    found.digest = entry.flatMap(statement)
  }

  /// Members of a listed model that name it, or say when and not what.
  private static let volatile: Set<String> = [
    "id", "object", "name", "created", "created_at", "owned_by", "permission", "state", "status", "loaded",
    "last_used", "expires_at", "active", "ready",
  ]

  /// The hash of what a server states of a model beyond its name; nil where that is nothing.
  private static func statement(_ entry: JSONValue) -> String? {
    let stated = (entry.members ?? []).filter { !volatile.contains($0.name) && !$0.value.isNull }
    return stated.isEmpty ? nil : hashed(.object(stated))
  }

  private static func props(_ body: JSONValue, _ found: inout ModelCapabilities) {
    found.serverVersion = word(body["build_info"])
    guard let path = body["model_path"], path.stringValue != nil else { return }
    found.isPresent = true
    let context = body["default_generation_settings"]?["n_ctx"] ?? body["n_ctx"] ?? .null
    let stated: JSONValue = [
      "model_path": path, "n_ctx": context,
      "chat_template": body["chat_template"]?.stringValue.map { .string(hashed(.string($0))) } ?? .null,
    ]
    found.digest = hashed(stated)
  }

  private static func meta(_ body: JSONValue, _ found: inout ModelCapabilities) {
    guard let entry = body["data"]?[0] else { return }
    found.isPresent = true
    guard let statement = statement(entry) else { return }
    found.digest = hashed(.string("\(found.digest ?? "") \(statement)"))
  }

  private static func hashed(_ value: JSONValue) -> String {
    "sha256:" + SHA256.hash(Array(value.canonicalText.utf8)).hex
  }

  /// A version as a server gives it: what is printable, cut to 64 characters.
  static func word(_ value: JSONValue?) -> String? {
    guard let text = value?.stringValue else { return nil }
    let plain = text.unicodeScalars.filter { (0x21...0x7E).contains($0.value) }.prefix(64)
    return plain.isEmpty ? nil : String(String.UnicodeScalarView(plain))
  }

  // MARK: - Places

  /// Ends of endpoints' paths; what is before them is before the server's other places too.
  private static let ends = [
    "/api/generate", "/api/chat", "/v1/chat/completions", "/v1/messages", "/completion",
  ]

  /// Another place of the endpoint's server: beside `/gpu/v1/chat/completions`, `/v1/models` is `/gpu/v1/models`.
  ///
  /// A query is kept: some hosts want their version there. Where the path ends otherwise, in `/chat/completions` alone,
  /// the list of models stands beside that; any other path gives the place at the root.
  static func place(_ place: String, _ endpoint: HTTPURL) -> String {
    let path = endpoint.path
    let query = endpoint.target.dropFirst(path.count)
    if let end = ends.first(where: path.hasSuffix) { return String(path.dropLast(end.count)) + place + query }
    let chat = "/chat/completions"
    if path.hasSuffix(chat), place.hasPrefix("/v1/") {
      return String(path.dropLast(chat.count)) + place.dropFirst("/v1".count) + query
    }
    return place + query
  }

  private static func percentEncoded(_ text: String) -> String {
    text.utf8.map { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
        String(UnicodeScalar(byte))
      default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }.joined()
  }
}
