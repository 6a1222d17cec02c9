/// Why a file of labels or of labelled cases is not taken.
///
/// Quotes none of the file: its texts may be anybody's.
package struct LabelledFileFault: Error, Equatable {
  /// The first line at fault, from 1; nil: the file as a whole.
  package let line: Int?
  /// What is wrong, to stand behind the file's name and line.
  package let message: String

  /// With the name of the file in front.
  package func sentence(about path: String) -> String {
    line.map { "\(path):\($0): \(message)" } ?? "\(path) \(message)"
  }
}

extension [UInt8] {
  /// The lines that are not blank, with their numbers, from 1.
  var filledLines: [(number: Int, text: [UInt8])] {
    split(separator: 0x0A, omittingEmptySubsequences: false).enumerated().compactMap { index, line in
      line.allSatisfy { $0 == 0x20 || $0 == 0x0D } ? nil : (index + 1, Array(line))
    }
  }
}
