/// A confidence as people read it, in the record, the report and on the terminal alike.
package enum ConfidenceText {
  /// Two decimals, cut rather than rounded: 0.719 must not read as the 0.72 it failed, nor 0.996 as certainty.
  package static func cut(_ value: Double) -> String {
    let hundredths = Int((value * 100 + 1e-9).rounded(.down))
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
  }
}
