/// What became of a call or a run, as an `outcome` record says.
package enum OutcomeResult: UInt8 {
  case none, success, failure, partial

  package init(_ name: String?) {
    switch name {
    case "success": self = .success
    case "failure": self = .failure
    case "partial": self = .partial
    default: self = .none
    }
  }

  package var name: String? {
    switch self {
    case .none: nil
    case .success: "success"
    case .failure: "failure"
    case .partial: "partial"
    }
  }
}
