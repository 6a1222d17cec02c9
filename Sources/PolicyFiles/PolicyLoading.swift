import BuiltIn
import Candidates
import PolicyLanguage
import PolicyYAML
import Posix
package import RouterCore
import Wire

/// From a policy file to a generation: the one way that start-up, reload and `check` share.
package struct PolicyLoading: Sendable {
  package let path: String
  package let keys: Keyring
  /// `check --strict`: owners are required.
  package var isStrict = false
  /// `check`: the policy may be meant for another machine, so that a key whose place is not here is only remarked on.
  package var isElsewhere = false
  /// The folder of the confidences' corrections; nil: none is used.
  package var calibrations: String?
  /// Where each policy that can be taken is kept, so that calls it decided can be decided again; nil: nowhere.
  package var archive: PolicyArchive?

  package init(path: String, keys: Keyring) {
    self.path = path
    self.keys = keys
  }

  package struct Refusal: Error, Sendable {
    /// The file itself could not be read; nothing was checked.
    package var isUnreadable = false
    package var problems: [PolicyProblem]
    package var revision: String?

    /// What is wrong, without the warnings beside it.
    package var errors: [PolicyProblem] { problems.filter { $0.severity == .error } }

    /// `FILE:LINE:COL: error: …`, one an error.
    package func lines(_ path: String) -> [String] { errors.map { $0.line(in: path) } }
  }

  /// What a load brings: the generation and what a reviewer should see.
  package struct Loaded: Sendable {
    package let generation: Generation
    package let remarks: [PolicyProblem]
    /// The policy's file as it was read.
    package let text: [UInt8]
    /// Corrections that could not be used.
    package let ignored: [Calibrations.Ignored]
  }

  /// Reads, checks, runs the policy's tests and prepares everything, or says all that is wrong.
  ///
  /// - Parameter previous: The generation in force, whose pools are kept where their model is unchanged.
  package func load(number: Int, previous: Generation? = nil, now: Int64) throws(Refusal) -> Loaded {
    let (bytes, reading) = try read(now: now, mayWait: previous == nil)
    guard let policy = reading.policy else {
      throw Refusal(problems: reading.problems, revision: Self.revision(bytes))
    }
    let prepared = PreparedPolicy(policy, generation: number, revisions: Self.revisions(policy))
    var problems = PolicyTests.run(prepared, today: Self.day(now))
    var pools: [String: ModelPool] = [:]
    var remarks = reading.problems
    for model in policy.models where model.isCandidate {
      do throws(PolicyProblem) {
        pools[model.id] = try pool(for: model, previous: previous?.pools[model.id], &remarks)
      } catch {
        problems.append(error)
      }
    }
    let keys: Keyring
    do throws(PosixError) { keys = try self.keys.renewed() } catch {
      // A policy cannot be taken whose hashes could not be made.
      throw Refusal(
        isUnreadable: true,
        problems: problems + [
          PolicyProblem(.error, at: Mark(line: 1, column: 1), "the key of the hashes: \(error.description)")
        ], revision: policy.revision)
    }
    guard problems.isEmpty else { throw Refusal(problems: problems, revision: policy.revision) }
    archive?.keep(bytes)
    let seal = TextSeal(
      keyID: keys.current.id, key: keys.current.key, privacy: policy.privacy, known: policy.knownNames)
    let (corrections, ignored) = calibrations.map(Calibrations.read) ?? (Calibrations(), [])
    return Loaded(
      generation: Generation(prepared: prepared, seal: seal, pools: pools, calibrations: corrections),
      remarks: remarks + Self.foreignLabels(policy, pools) + HTTPSBridge.missing(for: policy.models),
      text: bytes, ignored: ignored)
  }

  private static func revisions(_ policy: Policy) -> [String: TaskRevisions] {
    var revisions: [String: TaskRevisions] = [:]
    for task in policy.tasks where task.mayBeLocal {
      revisions[task.name] = TaskRevisions(
        candidate: TaskRevision.of(task.name, in: policy),
        challenger: TaskRevision.of(task.name, in: policy, isChallenger: true))
    }
    return revisions
  }

  /// A built-in model that can say a label the task does not have: such an answer is never accepted.
  private static func foreignLabels(_ policy: Policy, _ pools: [String: ModelPool]) -> [PolicyProblem] {
    let asked = policy.tasks.flatMap { task in task.askedModels.map { (task, $0) } }
    return asked.compactMap { task, id in
      guard let said = pools[id]?.labels, !task.labels.isEmpty else { return nil }
      let foreign = said.filter { label in !task.labels.contains { $0.name == label } }
      guard !foreign.isEmpty else { return nil }
      let names = foreign.prefix(5).joined(separator: ", ") + (foreign.count > 5 ? ", …" : "")
      return PolicyProblem(
        .warning, at: task.mark,
        "model \(id) knows \(foreign.count) labels that task \(task.name) does not (\(names)); such answers are refused"
      )
    }
  }

  /// Reads and checks without preparing anything: `check --against`, `schema`, the report.
  package func policy(now: Int64) throws(Refusal) -> Policy {
    let (bytes, reading) = try read(now: now)
    guard let policy = reading.policy else {
      throw Refusal(problems: reading.problems, revision: Self.revision(bytes))
    }
    return policy
  }

  /// - Parameter mayWait: For a pipe, as `check <(…)` gives one. A running router does not: its next reload and its stop
  ///   would wait behind.
  private func read(now: Int64, mayWait: Bool = true) throws(Refusal) -> ([UInt8], PolicyReading) {
    let bytes: [UInt8]
    do throws(PosixError) {
      let limit = PolicyText.maxBytes + 1
      bytes = try mayWait ? Files.read(path, limit: limit) : Files.readRegular(path, limit: limit)
    } catch {
      let problem = PolicyProblem(
        .error, at: Mark(line: 1, column: 1), "cannot read the policy: \(error.description)")
      throw Refusal(isUnreadable: true, problems: [problem])
    }
    var options = PolicyReadingOptions()
    options.today = Self.day(now)
    options.isStrict = isStrict
    return (bytes, PolicyFile.read(bytes, options: options))
  }

  static func revision(_ bytes: [UInt8]) -> String { "sha256:" + SHA256.hash(bytes).hex }

  /// `YYYY-MM-DD`, UTC.
  package static func day(_ now: Int64) -> String { String(Timestamp.string(now).prefix(10)) }

  /// Keeps a pool whose model is the same in every respect; builds a new one otherwise.
  private func pool(
    for model: ModelPolicy, previous: ModelPool?, _ remarks: inout [PolicyProblem]
  ) throws(PolicyProblem) -> ModelPool {
    guard model.provider == .builtin, let file = model.file else {
      var model = model
      // The https helper reads the key's file itself and knows no policy.
      if model.endpoint?.scheme == .https, let file = model.apiKeyFile, !file.hasPrefix("/") {
        model.apiKeyFile = Files.join(Files.folder(of: self.path), file)
      }
      let credential = try credential(of: model, &remarks)
      if let previous, previous.model.asksLike(model), previous.credential == credential { return previous }
      return ModelPool(model, credential: credential)
    }
    let path = file.hasPrefix("/") ? file : Files.join(Files.folder(of: self.path), file)
    let bytes: [UInt8]
    do throws(PosixError) {
      bytes = try Files.readRegular(path, limit: 64 << 20)
    } catch {
      throw PolicyProblem(
        at: model.mark, "models.\(model.id).file: \(error.description); `train` writes such a file")
    }
    let builtIn: BuiltInModel
    do throws(BuiltInModelError) {
      builtIn = try BuiltInModel(parsing: bytes)
    } catch {
      throw PolicyProblem(at: model.mark, "models.\(model.id).file: \(path): \(error)")
    }
    if let previous, previous.model.asksLike(model), previous.digest == builtIn.digest { return previous }
    return ModelPool(model, builtIn: builtIn, digest: builtIn.digest)
  }

  /// Reads the key of a server, so that a policy that cannot be followed is refused before it is in force.
  ///
  /// The key of an https endpoint is read by the process that speaks TLS, and by no other.
  private func credential(of model: ModelPolicy, _ remarks: inout [PolicyProblem]) throws(PolicyProblem)
    -> Credential?
  {
    guard let endpoint = model.endpoint, endpoint.scheme == .http,
      model.apiKeyEnv != nil || model.apiKeyFile != nil
    else { return nil }
    if !endpoint.isLoopback {
      remarks.append(
        PolicyProblem(
          .warning, at: model.mark,
          "models.\(model.id): the key goes to \(endpoint.host) over http, readable on the way; use https"))
    }
    do throws(CredentialFault) {
      return try Credential.read(model, in: Files.folder(of: path))
    } catch {
      let text = "models.\(model.id): \(error)"
      guard isElsewhere, error.isAbsence else { throw PolicyProblem(at: model.mark, text) }
      remarks.append(
        PolicyProblem(
          .warning, at: model.mark, text + " here; the router refuses the policy where it is not there"))
      return nil
    }
  }
}

extension HTTPURL {
  /// Whether what is sent there stays on this machine.
  fileprivate var isLoopback: Bool {
    host == "localhost" || host.hasSuffix(".localhost") || host == "::1"
      || host.hasPrefix("127.")
        && host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || (0x30...0x39).contains($0) }
  }
}

extension ModelPolicy {
  /// Whether a pool of one would do for the other: everything but the place in the file.
  fileprivate func asksLike(_ other: ModelPolicy) -> Bool {
    id == other.id && provider == other.provider && name == other.name && endpoint == other.endpoint
      && file == other.file && timeoutMs == other.timeoutMs && maxConcurrency == other.maxConcurrency
      && maxQueue == other.maxQueue && maxOutputTokens == other.maxOutputTokens
      && apiKeyEnv == other.apiKeyEnv && apiKeyFile == other.apiKeyFile
      && retry.maxAttempts == other.retry.maxAttempts && retry.retryOn == other.retry.retryOn
      && retry.backoffMs == other.retry.backoffMs && breaker.failures == other.breaker.failures
      && breaker.cooldownMs == other.breaker.cooldownMs
      && stream == other.stream
      && price.inputPerMtok == other.price.inputPerMtok && price.outputPerMtok == other.price.outputPerMtok
      && price.usdPerHour == other.price.usdPerHour
      && apiKeyEnv == other.apiKeyEnv && apiKeyFile == other.apiKeyFile
  }
}
