import Glibc

/// Turns a text into the numbers a linear model works on: TF-IDF, words and character runs each brought to length 1.
extension BuiltInVocabulary {
  /// Fills `scratch.touched`, `scratch.values` and `scratch.seen`.
  ///
  /// `scratch.counts` is all zero again afterwards.
  func vectorise(_ text: Span<UInt8>, _ scratch: inout BuiltInScratch) {
    scratch.prepare(features: keys.count)
    count(text, &scratch)
    // What was never seen counts towards the length at the greatest rarity: the more of a text is new, the nearer its
    // vector is to zero, and the less sure the answer. (Rejecting 75 % instead of 69 % of out-of-scope requests.)
    let rarest = (1 + 255 * idfStep) * (1 + 255 * idfStep)
    var wordSquares = Float(scratch.seen.newWords) * rarest
    var runSquares = Float(scratch.seen.newRuns) * rarest
    for feature in scratch.touched {
      let index = Int(feature)
      let value = idf[index] * Self.damped(scratch.counts[index])
      scratch.counts[index] = 0
      scratch.values.append(value)
      if isRun(index) { runSquares += value * value } else { wordSquares += value * value }
    }
    let wordScale = wordSquares > 0 ? 1 / wordSquares.squareRoot() : 0
    let runScale = runSquares > 0 ? 1 / runSquares.squareRoot() : 0
    for place in scratch.touched.indices {
      scratch.values[place] *= isRun(Int(scratch.touched[place])) ? runScale : wordScale
    }
  }

  private func isRun(_ feature: Int) -> Bool { keys[feature] & 3 == BuiltInFeatures.Kind.run.rawValue }

  private func count(_ text: Span<UInt8>, _ scratch: inout BuiltInScratch) {
    BuiltInFeatures.walk(text) { key in
      let feature = feature(of: key)
      switch BuiltInFeatures.kind(of: key) {
      case .word:
        scratch.seen.words &+= 1
        if feature == nil { scratch.seen.newWords &+= 1 }
      case .pair: break
      case .run:
        scratch.seen.runs &+= 1
        if feature == nil { scratch.seen.newRuns &+= 1 }
      }
      guard let feature else { return }
      let before = scratch.counts[feature]
      if before == 0 { scratch.touched.append(Int32(truncatingIfNeeded: feature)) }
      if before < .max { scratch.counts[feature] = before &+ 1 }
    }
  }

  /// A word said ten times is not ten times the evidence: 1 + ln(count), as TF-IDF practice has it.
  @inline(__always)
  private static func damped(_ count: UInt16) -> Float {
    count == 1 ? 1 : 1 + logf(Float(count))
  }
}
