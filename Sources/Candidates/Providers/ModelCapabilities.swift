/// What the probe found out about a model and its server; nil: not known (yet).
package struct ModelCapabilities: Sendable, Equatable {
  /// Whether the server has the model that the policy names.
  package var isPresent: Bool?
  /// `sha256:…` or whatever identity the server gives; a changed one begins a new evidence epoch.
  package var digest: String?
  package var serverVersion: String?
  package var enforcesSchema: Bool?
  /// Asked for and really returned. False also where a server refuses the field or drops it silently.
  package var returnsLogProbabilities: Bool?
  /// llama.cpp: probabilities after the grammar.
  package var returnsPostSamplingProbabilities: Bool?
  /// Why the probe could not find out, in words of a closed set.
  package var fault: String?
  /// Milliseconds since 1970 of the last probe.
  package var probedAt: Int64?

  package init() {}
}
