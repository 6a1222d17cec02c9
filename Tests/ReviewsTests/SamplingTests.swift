import RouterCore
import Testing
import Wire

@testable import Reviews

@Suite("The certificate sample")
struct SamplingTests {
  @Test(
    "a share's limit is its ceiling in 2⁻⁶⁴, exactly",
    arguments: [
      (0.5, 0x8000_0000_0000_0000), (0.25, 0x4000_0000_0000_0000), (0.05, 922_337_203_685_477_632), (0, 0),
      (-1, 0),
      (.nan, 0), (0x1p-64, 1), (0x1p-65, 1), (0x1.8p-64, 2), (0x1.fffffffffffffp-1, 0xFFFF_FFFF_FFFF_F800),
    ] as [(Double, UInt64)])
  func limits(share: Double, limit: UInt64) { #expect(ReviewDraw.limit(share) == limit) }

  @Test("a share of one and above draws every number", arguments: [1.0, 1.5, .infinity])
  func all(share: Double) { #expect(ReviewDraw.limit(share) == nil) }

  /// Worked out with Python: hmac.new(bytes(range(32)), id, sha256).digest()[:8], big-endian.
  @Test(
    "the number of a call is the first eight bytes of its HMAC",
    arguments: [
      ("w0", false, 18_271_139_082_942_806_965), ("w0", true, 10_138_477_002_049_284_240),
      ("", false, 15_243_349_972_024_882_271), ("größe", false, 3_256_766_000_659_357_214),
    ] as [(String, Bool, UInt64)])
  func numbers(id: String, isChallenger: Bool, number: UInt64) {
    let draw = ReviewDraw(weekKey: Array(0..<32))
    #expect(draw.number(of: id, isChallenger: isChallenger) == number)
  }

  @Test(
    "who is drawn at a share is drawn at every greater one, and about so many are",
    arguments: [0.01, 0.2, 0.9])
  func uniform(share: Double) {
    let draw = ReviewDraw(weekKey: Array(repeating: 7, count: 32))
    let ids = (0..<20_000).map { "call-\($0)" }
    let drawn = ids.filter { draw.isDrawn($0, share: share) }
    #expect(drawn.allSatisfy { draw.isDrawn($0, share: share * 1.05) })
    let spread = (Double(ids.count) * share * (1 - share)).squareRoot()
    #expect(abs(Double(drawn.count) - Double(ids.count) * share) < 5 * spread)
    // The challenger's sample is another one: both draws together come as often as chance has it.
    let both = drawn.count { draw.isDrawn($0, isChallenger: true, share: share) }
    #expect(abs(Double(both) - Double(drawn.count) * share) < 5 * spread)
  }

  @Test(
    "a week's share is the policy's, lowered where the week before would overrun the budget",
    arguments: [
      (0.05, nil, 0.05), (0.05, 0, 0.05), (0.05, 1_600, 0.05), (0.05, 16_000, 0.005), (1, 80, 1),
      (1, 800, 0.1),
    ]
      as [(Double, Int?, Double)])
  func budget(policy: Double, wouldAccepts: Int?, share: Double) {
    #expect(ReviewDraw.share(policy: policy, wouldAccepts: wouldAccepts) == share)
  }
}
