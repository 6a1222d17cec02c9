/// Working memory of ``BuiltInModel/classify(_:scratch:)``: one for each thread that asks, reused from call to call.
///
/// Grows to what the largest model and text needed and then stays; may be used with any model in turn.
package struct BuiltInScratch: Sendable {
  /// How often each feature occurs in the text at hand; all zero between calls.
  var counts: [UInt16] = []
  /// The features that occur, in order of first occurrence.
  var touched: [Int32] = []
  /// The value of each touched feature.
  var values: [Float] = []
  /// One score a label.
  var scores: [Float] = []
  var seen = BuiltInSeen()

  package init() {}

  mutating func prepare(features: Int) {
    if counts.count < features { counts = [UInt16](repeating: 0, count: features) }
    touched.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
    seen = BuiltInSeen()
  }
}

/// How much of a text was ever seen in training, by kind of n-gram.
struct BuiltInSeen: Sendable {
  var words = 0
  var newWords = 0
  var runs = 0
  var newRuns = 0
}
