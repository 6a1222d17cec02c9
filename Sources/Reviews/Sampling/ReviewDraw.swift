import RouterCore

/// Which calls of a week are drawn for the certificate stream: a uniform sample that anyone can draw again once the
/// week's key is known.
///
/// A call is drawn where the first eight bytes of HMAC-SHA-256(week key, its id), read as a big-endian number, lie below
/// share · 2⁶⁴. A challenger's would-accepts have a sample of their own: there the id follows the word `challenger:`.
package struct ReviewDraw: Sendable {
  private let key: HMACSHA256Key

  /// - Parameter weekKey: 32 random bytes.
  package init(weekKey: [UInt8]) { key = HMACSHA256Key(weekKey) }

  package func isDrawn(_ callID: String, isChallenger: Bool = false, share: Double) -> Bool {
    guard let limit = Self.limit(share) else { return true }
    return number(of: callID, isChallenger: isChallenger) < limit
  }

  /// What is compared with the share: uniform over all of UInt64.
  package func number(of callID: String, isChallenger: Bool = false) -> UInt64 {
    key.authenticate(Array(((isChallenger ? "challenger:" : "") + callID).utf8)).leadingBits
  }

  /// The smallest whole number that is not below share · 2⁶⁴; nil where every number is.
  ///
  /// Exact: a double times a power of two has the same digits, and so has its ceiling.
  ///
  /// - Parameter share: 0…1. What is no number draws nothing.
  package static func limit(_ share: Double) -> UInt64? {
    guard share > 0 else { return 0 }
    let scaled = (share * 0x1p64).rounded(.up)
    return scaled < 0x1p64 ? UInt64(scaled) : nil
  }

  /// Items that people are asked to label, for one task and week.
  package static let weeklyBudget = 100
  /// Of them at least this share is drawn for the certificate.
  package static let certificateShare = 0.8

  /// The share of a week that begins: the policy's, lowered where as many would-accepts as in the week before would bring
  /// more than the budget. It is settled before the week's first draw and then holds for the whole week: a share that
  /// followed what has been seen would make some calls of the week likelier than others.
  ///
  /// - Parameter wouldAccepts: Of the task in the week before; nil where that is not known.
  package static func share(policy: Double, wouldAccepts: Int?) -> Double {
    guard let wouldAccepts, wouldAccepts > 0 else { return policy }
    return min(policy, Double(weeklyBudget) * certificateShare / Double(wouldAccepts))
  }
}
