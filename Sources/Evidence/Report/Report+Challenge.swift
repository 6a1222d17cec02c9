import Statistics

extension Report {
  /// A second candidate of a task beside the first, over the calls that both were asked about.
  package struct Challenge: Sendable, Equatable {
    package var name: String
    package var digest: String?
    /// `challenge` records, those without an answer as well.
    package var records = 0
    /// Calls that both models were asked about.
    package var calls = 0
    /// Of these, those where the frontier's answer is known and both answers can be held against it. An answer that is
    /// not of the form asked for agrees with nothing.
    package var bothAgree = 0
    package var onlyCandidate = 0
    package var onlyChallenger = 0
    package var neither = 0
    package var candidate = Side()
    package var challenger = Side()

    package init(name: String, digest: String?) {
      self.name = name
      self.digest = digest
    }

    package var paired: Int { bothAgree + onlyCandidate + onlyChallenger + neither }
    /// Two-sided, exact: how probable so uneven a split is by chance; 1 where none differ.
    package var mcNemar: Double { PairedComparison.mcNemar(onlyCandidate, onlyChallenger) }

    package struct Side: Sendable, Equatable {
      package var wouldAccepts = 0
      /// Would-accepts that agree or disagree with the frontier; the others could not be compared.
      package var agree = 0
      package var disagree = 0
      /// Of all calls of the task that this model answered in the window.
      package var latency: Latency?
      /// USD, of the same calls.
      package var cost = 0.0

      package var costPerCall: Double? { latency.map { cost / Double($0.count) } }
      /// Exact one-sided bound of the share of would-accepts that disagree, at 95 %.
      package var disagreementUpper: Double { RateBounds.upper(disagree, of: agree + disagree) }
    }
  }

  /// Tokens of the calls that say how many they took.
  package struct Tokens: Sendable, Equatable {
    package var calls = 0
    package var input = 0
    package var output = 0
    /// Calls whose counts are estimates of the router's, because the server gave none.
    package var estimated = 0
  }
}
