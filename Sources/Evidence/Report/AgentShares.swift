import LogReading

/// What each agent had of the calls in runs, also where several share a run.
///
/// A run keeps its first agent; a byte for each call says where it was another one.
struct AgentShares: Sendable {
  /// Sums over an agent's calls; costs in USD, of the frontier and of the candidate.
  struct Share: BitwiseCopyable {
    var calls = 0
    var wouldAccepts = 0
    var fallbacks = 0
    var frontierCost = 0.0
    var frontierCostOfAccepts = 0.0
    var localCost = 0.0
    var latencyMs = 0.0
    var routedMs = 0.0

    mutating func add(_ run: RunRow) {
      calls += Int(run.calls)
      wouldAccepts += Int(run.wouldAccepts)
      fallbacks += Int(run.fallbacks)
      frontierCost += Double(run.frontierCost)
      frontierCostOfAccepts += Double(run.frontierCostOfAccepts)
      localCost += Double(run.localCost)
      latencyMs += Double(run.latencyMs)
      routedMs += Double(run.routedMs)
    }
  }

  /// By number of the agent.
  private(set) var shares: [Share] = []
  /// By call, up to the last that is not 0: 0: the agent of its run; else that agent's number plus one, or ``isFar``.
  private var others = RowList<UInt8>()
  /// Agents whose number does not fit into a byte, by call.
  private var far: [Int: Int] = [:]
  /// Run above, agent in the lower 16 bits, where a run's own row has no bit for the agent.
  private var farRuns: Set<UInt64> = []

  private static let isFar: UInt8 = 255

  /// Notes who made a call, a later one than those before.
  ///
  /// - Parameter agent: Another one than its run's first.
  mutating func made(_ call: Int, by agent: Int) {
    while others.count < call { others.append(0) }
    if agent + 1 < Int(Self.isFar) {
      others.append(UInt8(agent + 1))
    } else {
      others.append(Self.isFar)
      far[call] = agent
    }
  }

  /// nil: the agent of its run.
  func agent(of call: Int) -> Int? {
    guard call < others.count, others[call] != 0 else { return nil }
    return others[call] == Self.isFar ? far[call] : Int(others[call]) - 1
  }

  mutating func add(to agent: Int, _ change: (inout Share) -> Void) {
    while shares.count <= agent { shares.append(Share()) }
    change(&shares[agent])
  }

  mutating func noteFar(_ agent: Int, inRun run: Int) { farRuns.insert(UInt64(run) << 16 | UInt64(agent)) }

  /// Those that ``noteFar(_:inRun:)`` was told of.
  func visitFar(_ body: (_ run: Int, _ agent: Int) -> Void) {
    for pair in farRuns.sorted() { body(Int(pair >> 16), Int(pair & 0xFFFF)) }
  }

  func far(inRun run: Int) -> [Int] {
    farRuns.lazy.filter { Int($0 >> 16) == run }.map { Int($0 & 0xFFFF) }.sorted()
  }

  func isConsistent(calls: Int, runs: Int, agents: Int) -> Bool {
    shares.count <= agents && others.count <= calls
      && (0..<others.count).allSatisfy { agent(of: $0).map { $0 < agents } ?? (others[$0] == 0) }
      && farRuns.allSatisfy { Int($0 >> 16) < runs && Int($0 & 0xFFFF) < agents }
  }
}

extension AgentShares: StoredMembers {
  static var blank: AgentShares { AgentShares() }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(bytesOf: &shares)
    var bytes = Array(others)
    try state.member(bytesOf: &bytes)
    var calls = far.keys.sorted()
    var agents = calls.map { far[$0] ?? 0 }
    try calls.pass(&state)
    try agents.pass(&state)
    state.leaveOut()  // far: told above
    var pairs = farRuns.sorted()
    try state.member(bytesOf: &pairs)
    guard state.isReading else { return }
    guard calls.count == agents.count else { throw .unusable }
    others = RowList()
    for byte in bytes { others.append(byte) }
    far = Dictionary(zip(calls, agents), uniquingKeysWith: { $1 })
    farRuns = Set(pairs)
  }
}
