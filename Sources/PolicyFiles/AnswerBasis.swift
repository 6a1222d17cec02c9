package import RouterCore

/// What an answer is recorded with, however long after its call it comes. Light, where a ``Generation`` is not: calls that
/// wait for their answers must not keep whole policies, and the connections to their models, for all that time.
package final class AnswerBasis: Sendable {
  package let seal: TextSeal

  private struct Priced: Sendable {
    let id: String
    let name: String
    let price: ModelPolicy.PricePolicy
  }

  private let models: [Priced]
  private let frontier: ModelPolicy.PricePolicy?

  package init(seal: TextSeal, policy: Policy) {
    self.seal = seal
    models = policy.models.map { Priced(id: $0.id, name: $0.name, price: $0.price) }
    frontier = policy.frontier.flatMap(policy.model)?.price
  }

  /// In USD, from the tokens and the policy's price of the model; nil where either is not known.
  package func frontierCost(of answer: FrontierAnswer) -> Double? {
    let named = models.first { $0.name == answer.model || $0.id == answer.model }
    guard let price = named?.price ?? frontier, price.inputPerMtok + price.outputPerMtok > 0,
      answer.inputTokens != nil || answer.outputTokens != nil
    else { return nil }
    return Double(answer.inputTokens ?? 0) * price.inputPerMtok / 1e6
      + Double(answer.outputTokens ?? 0) * price.outputPerMtok / 1e6
  }
}
