/// A small generator of numbers that are the same every time.
package struct Dice {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  /// 0 ≤ x < 1.
  package mutating func next() -> Double {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(state >> 40) / Double(1 << 24)
  }

  package mutating func below(_ limit: Int) -> Int { Int(next() * Double(limit)) }
}
