package import Candidates
import Posix
package import RouterCore
package import Wire

/// Finds out what a model and its server can do: a few looks at the server, then one small ask.
///
/// Goes past the model's pool: it takes no place from questions and neither counts for the breaker nor heeds it; whoever
/// probes does not probe while it is open.
package enum Probe {
  /// Every look and every ask may take so long.
  package static func stepMilliseconds(_ model: ModelPolicy) -> Int { min(model.timeoutMs, 10_000) }

  /// Asks and waits; nil for a model that is no server's.
  ///
  /// - Parameters:
  ///   - headers: What the server wants to know of the asker, such as a key.
  ///   - isStopping: Asked at least every 100 ms; true ends the probe with the fault `stopping`.
  package static func run(
    _ model: ModelPolicy, over connector: Connector, headers: HTTPHeaders = [:], now: Int64,
    isStopping: () -> Bool
  ) -> ProbeFinding? {
    guard let format = ProviderFormat(model), let url = model.endpoint else { return nil }
    var finding = ProbeFinding()
    finding.capabilities.probedAt = now
    var run = Run(model: model, client: HTTPClient(url, over: connector), headers: headers)
    do throws(AskFault) {
      try run.look(format, &finding, isStopping)
      // Ollama would only say 404.
      let isLost = model.provider == .ollama && finding.capabilities.isPresent == false
      if finding.capabilities.fault == nil, !isLost { try run.ask(format, &finding, isStopping) }
    } catch {
      finding.capabilities.fault = error.cause
    }
    return finding
  }

  private struct Run: ~Copyable {
    let model: ModelPolicy
    var client: HTTPClient
    let headers: HTTPHeaders

    /// The probe names itself, for whoever reads the server's log.
    private mutating func send(
      _ method: String, _ target: String, _ body: [UInt8], _ more: HTTPHeaders, _ isStopping: () -> Bool
    ) throws(AskFault) -> HTTPResponse {
      var all = more
      for line in headers.lines { all.add(line.name, line.value) }
      all.add("User-Agent", "shadow-router-probe")
      let deadline = Clocks.deadline(afterMilliseconds: Int64(Probe.stepMilliseconds(model)))
      return try client.send(
        method, target, body: body, headers: all, deadline: deadline, isStopping: isStopping)
    }

    mutating func look(
      _ format: ProviderFormat, _ finding: inout ProbeFinding, _ isStopping: () -> Bool
    ) throws(AskFault) {
      // With the version that a provider may want of every request.
      var asked = format.headers
      asked["Content-Type"] = nil
      for look in ServerLook.all(model) {
        let response = try send("GET", look.target, [], asked, isStopping)
        if response.status == 200 {
          if let body = try? JSONValue(parsing: response.body) { look.read(body, &finding.capabilities) }
        } else if let fault = ServerLook.fault(status: response.status, response.body) {
          finding.capabilities.fault = fault
          return
        }
      }
    }

    mutating func ask(
      _ format: ProviderFormat, _ finding: inout ProbeFinding, _ isStopping: () -> Bool
    ) throws(AskFault) {
      let small = SmallAsk(format, model)
      var wants = small.asksForLogProbabilities
      if format == .anthropic { finding.logProbabilities = .notOffered }
      var response = try post(small.body(wantsLogProbabilities: wants), format, &finding, isStopping)
      if response.status == 400, wants {
        wants = false
        response = try post(small.body(wantsLogProbabilities: false), format, &finding, isStopping)
        if response.status == 200 { finding.logProbabilities = .refused }
      }
      guard response.status == 200 else {
        // Not listed and not answered for: absent, which says more than the status.
        let isAbsent = response.status == 404 && finding.capabilities.isPresent == false
        if !isAbsent {
          finding.capabilities.fault =
            ServerLook.isLoading(response.body)
            ? ProbeFinding.loading : AskFault.status(response.status).cause
        }
        return
      }
      small.read(response.body, askedLogProbabilities: wants, into: &finding)
      if finding.logProbabilities != .unknown {
        finding.capabilities.returnsLogProbabilities = finding.logProbabilities == .returned
      }
      guard format == .llamaCpp, finding.capabilities.fault == nil else { return }
      let after = try post(PostSamplingAsk.body, format, &finding, isStopping, isTimed: false)
      finding.capabilities.returnsPostSamplingProbabilities =
        after.status == 200 && PostSamplingAsk.isGiven(after.body)
    }

    private mutating func post(
      _ body: [UInt8]?, _ format: ProviderFormat, _ finding: inout ProbeFinding, _ isStopping: () -> Bool,
      isTimed: Bool = true
    ) throws(AskFault) -> HTTPResponse {
      guard let body, let url = model.endpoint else { throw .unsupported }
      finding.hasAsked = true
      let start = Clocks.monotonic()
      let response = try send("POST", url.target, body, format.headers, isStopping)
      let nanoseconds = Clocks.monotonic() - start
      finding.costUSD += Double(nanoseconds) / 3.6e12 * model.price.usdPerHour
      if isTimed { finding.latencyMs = Double(nanoseconds) / 1e6 }
      return response
    }
  }
}

extension ModelPool {
  /// Probes the pool's model over a connection of its own; nil for a model that is no server's.
  ///
  /// Blocks for some seconds at most. Nothing of it counts for the breaker.
  package func probe(now: Int64, isStopping: () -> Bool) -> ProbeFinding? {
    guard let connector else { return nil }
    var headers = HTTPHeaders()
    credential?.add(to: &headers, for: model.provider)
    return Probe.run(model, over: connector, headers: headers, now: now, isStopping: isStopping)
  }

  /// Takes down what a probe found. One that could not finish takes nothing back of what an earlier one saw.
  package func learn(_ finding: ProbeFinding) {
    let new = finding.capabilities
    learn { known in
      guard new.fault != nil else {
        let earlier = known
        known = new
        // Absent now: its answers until then were still of that digest.
        if new.isPresent == false { known.digest = earlier.digest }
        return
      }
      known.isPresent = new.isPresent ?? known.isPresent
      known.digest = new.digest ?? known.digest
      known.serverVersion = new.serverVersion ?? known.serverVersion
      known.enforcesSchema = new.enforcesSchema ?? known.enforcesSchema
      known.returnsLogProbabilities = new.returnsLogProbabilities ?? known.returnsLogProbabilities
      known.returnsPostSamplingProbabilities =
        new.returnsPostSamplingProbabilities ?? known.returnsPostSamplingProbabilities
      known.fault = new.fault
      known.probedAt = new.probedAt
    }
  }
}
