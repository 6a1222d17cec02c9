import Candidates
import Posix
import RouterCore
import Testing

@testable import PolicyFiles

@Suite("Loading keys with the policy")
struct PolicyLoadingTests {
  /// Loads a policy of one model, with its key in the file `key` beside it.
  private func load(
    _ model: String, key: String? = "k1\n", mode: UInt32 = 0o600, isElsewhere: Bool = false,
    previous: Generation? = nil
  ) throws -> Result<PolicyLoading.Loaded, PolicyLoading.Refusal> {
    let folder = "/tmp/shadow-router-policy-\(ProcessState.id)-\(UInt64.random(in: 0 ... .max))"
    try Files.makeFolder(folder)
    let policy = Files.join(folder, "p.yaml")
    let file = Files.join(folder, "key")
    defer {
      try? Files.remove(policy)
      try? Files.remove(file)
      try? Files.removeFolder(folder)
    }
    let text = """
      models:
        small: {provider: ollama, name: m, \(model)}
      tasks:
        t: {local: true, labels: [a, b], min_confidence: 0.5, owner: x}
      """
    try Files.replace(policy, with: Array(text.utf8))
    if let key {
      try Files.replace(file, with: Array(key.utf8))
      try Files.setMode(file, mode)
    }
    var loading = PolicyLoading(path: policy, keys: .temporary())
    loading.isElsewhere = isElsewhere
    do throws(PolicyLoading.Refusal) {
      return .success(try loading.load(number: 1, previous: previous, now: 0))
    } catch {
      return .failure(error)
    }
  }

  private let local = "endpoint: \"http://127.0.0.1:1/api/generate\""

  @Test(
    "a key that is not where the policy says refuses it, and is a warning of `check`",
    arguments: [
      "api_key_env: SHADOW_ROUTER_NO_SUCH_KEY", "api_key_file: nowhere",
    ])
  func missing(place: String) throws {
    guard case .failure(let refusal) = try load("\(local), \(place)") else {
      Issue.record("the policy was taken")
      return
    }
    #expect(refusal.problems.count == 1 && refusal.problems[0].mark.line == 2)
    let elsewhere = try load("\(local), \(place)", isElsewhere: true).get()
    #expect(elsewhere.remarks.contains { $0.severity == .warning && $0.message.contains("models.small") })
  }

  @Test(
    "a key that cannot be used refuses the policy everywhere, without being said",
    arguments: [
      ("s3cret key\n", 0o600), ("", 0o600), ("s3cret\n", 0o644), ("s3cret\u{7}", 0o600),
    ] as [(String, UInt32)])
  func unusable(key: String, mode: UInt32) throws {
    for isElsewhere in [false, true] {
      let result = try load("\(local), api_key_file: key", key: key, mode: mode, isElsewhere: isElsewhere)
      guard case .failure(let refusal) = result else {
        Issue.record("the policy was taken")
        return
      }
      #expect(!refusal.lines("p").joined().contains("s3cret"))
    }
  }

  @Test(
    "a key over http to another machine is warned of, one that stays here is not",
    arguments: [
      ("127.0.0.1", false), ("localhost", false), ("[::1]", false), ("10.0.0.7", true),
      ("127.evil.example", true),
    ])
  func http(host: String, isWarned: Bool) throws {
    let model = "endpoint: \"http://\(host):1/api/generate\", api_key_file: key"
    let loaded = try load(model).get()
    #expect(loaded.remarks.contains { $0.message.contains("over http") } == isWarned)
  }

  @Test("the daemon does not read the key of an https endpoint")
  func https() throws {
    let loaded = try load("endpoint: \"https://x.example/api/generate\", api_key_file: key").get()
    #expect(loaded.generation.pools["small"]?.credential == nil)
  }

  @Test("a reload keeps a model as it was, and makes it anew where its key or its retries changed")
  func reload() throws {
    let model = "\(local), api_key_file: key"
    let first = try load(model).get().generation
    let same = try load(model, previous: first).get().generation
    #expect(same.pools["small"] === first.pools["small"])
    let rotated = try load(model, key: "k2\n", previous: first).get().generation
    #expect(rotated.pools["small"] !== first.pools["small"])
    let retrying = try load("\(model), retry: {max_attempts: 2, retry_on: [timeout]}", previous: first).get()
    #expect(retrying.generation.pools["small"] !== first.pools["small"])
  }
}
