/// A set of Unicode code points as sorted, disjoint, non-adjacent ranges.
struct ScalarSet: Equatable {
  private(set) var ranges: [ClosedRange<UInt32>]

  static let lastScalar: UInt32 = 0x10FFFF

  init(_ ranges: [ClosedRange<UInt32>] = []) {
    self.ranges = ScalarSet.merged(ranges)
  }

  init(_ scalar: UInt32) { ranges = [scalar...scalar] }

  static let any = ScalarSet([0...lastScalar])
  static let anyButNewline = ScalarSet([0...9, 11...lastScalar])
  static let digit = ScalarSet([48...57])
  static let word = ScalarSet([48...57, 65...90, 95...95, 97...122])
  /// RE2's `\s`: no vertical tab.
  static let space = ScalarSet([9...10, 12...13, 32...32])

  var isEmpty: Bool { ranges.isEmpty }

  /// The only member, or nil.
  var single: UInt32? {
    guard ranges.count == 1, ranges[0].count == 1 else { return nil }
    return ranges[0].lowerBound
  }

  func contains(_ scalar: UInt32) -> Bool { ranges.contains { $0.contains(scalar) } }

  func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }

  func inverted() -> ScalarSet {
    var gaps: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges {
      if range.lowerBound > next { gaps.append(next...(range.lowerBound - 1)) }
      if range.upperBound == ScalarSet.lastScalar { return ScalarSet(gaps) }
      next = range.upperBound + 1
    }
    gaps.append(next...ScalarSet.lastScalar)
    return ScalarSet(gaps)
  }

  /// With every other-case form of its members, by Unicode's simple mappings.
  func caseFolded() -> ScalarSet {
    var all = ranges
    for block in CaseForms.blocks {
      for range in ranges where range.overlaps(block) {
        for form in CaseForms.others(of: range.clamped(to: block)) { all.append(form...form) }
      }
    }
    return ScalarSet(all)
  }

  private static func merged(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
    var result: [ClosedRange<UInt32>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = result.last, range.lowerBound <= last.upperBound + 1 {
        result[result.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        result.append(range)
      }
    }
    return result
  }
}

/// Other-case forms of one scalar, for `(?i)`.
private enum CaseForms {
  /// Where cased scalars live. Asking the properties of all 1.1 million would take a second a class.
  static let blocks: [ClosedRange<UInt32>] = [
    0x41...0x587, 0x10A0...0x10FF, 0x13A0...0x13FD, 0x1C80...0x1CBF, 0x1D79...0x1D8E, 0x1E00...0x1FFF,
    0x2126...0x2188, 0x24B6...0x24E9, 0x2C00...0x2D2D, 0xA640...0xA7FF, 0xAB53...0xABBF, 0xFF21...0xFF5A,
    0x10400...0x104FB, 0x10570...0x105BC, 0x10C80...0x10CF2, 0x118A0...0x118DF, 0x16E40...0x16E7F,
    0x1E900...0x1E943,
  ]

  /// Of a range within a block. A long one is looked up: asking for each scalar's properties, class after class, would let a
  /// short pattern take a tenth of a second.
  static func others(of range: ClosedRange<UInt32>) -> [UInt32] {
    guard range.count > 256 else { return range.flatMap(others) }
    return known.flatMap { range.contains($0.value) ? $0.others : [] }
  }

  private static let known = blocks.flatMap { block in
    block.lazy.filter { Unicode.Scalar($0)?.properties.changesWhenCaseMapped == true }.map {
      (value: $0, others: others(of: $0))
    }
  }

  private static func others(of value: UInt32) -> [UInt32] {
    var forms = mapped(value)
    // One more step reaches the whole orbit: sigma's final form, Greek mu from the micro sign.
    for form in forms { forms += mapped(form) }
    // Two ASCII letters have a third form that maps down to them, but not up from them.
    if forms.contains(0x6B) { forms.append(0x212A) }
    if forms.contains(0x73) { forms.append(0x17F) }
    return forms
  }

  private static func mapped(_ value: UInt32) -> [UInt32] {
    guard let scalar = Unicode.Scalar(value) else { return [] }
    let lower = scalar.properties.lowercaseMapping.unicodeScalars
    let upper = scalar.properties.uppercaseMapping.unicodeScalars
    return [lower, upper].compactMap { $0.count == 1 ? $0.first?.value : nil }
  }
}
