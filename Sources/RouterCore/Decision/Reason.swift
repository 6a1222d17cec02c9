/// Why a call stays with the frontier, in the order in which the checks are made.
///
/// Raw values and codes are append-only: logs, metrics and scripts rely on them (contract, section 3).
package enum Reason: String, CaseIterable, Sendable {
  case manualOverride = "manual_override"
  case unknownTask = "unknown_task"
  case policyRequiresFrontier = "policy_requires_frontier"
  case hardStopSecurity = "hard_stop_security"
  case hardStopAccess = "hard_stop_access"
  case hardStopProduction = "hard_stop_production"
  case riskSignal = "risk_signal"
  case inputTooLarge = "input_too_large"
  case localUnavailable = "local_unavailable"
  case schemaInvalid = "schema_invalid"
  case labelEscalated = "label_escalated"
  case confidenceLow = "confidence_low"

  /// The stable number in `reason_code`; 0 is kept for "accepted".
  package var code: Int {
    switch self {
    case .unknownTask: 1
    case .policyRequiresFrontier: 2
    case .inputTooLarge: 3
    case .schemaInvalid: 4
    case .confidenceLow: 5
    case .hardStopSecurity: 6
    case .hardStopAccess: 7
    case .hardStopProduction: 8
    case .manualOverride: 9
    case .labelEscalated: 10
    case .localUnavailable: 11
    case .riskSignal: 12
    }
  }

  /// The position in `allCases`: the order of the checks, also of their results in a record.
  package var order: Int {
    switch self {
    case .manualOverride: 0
    case .unknownTask: 1
    case .policyRequiresFrontier: 2
    case .hardStopSecurity: 3
    case .hardStopAccess: 4
    case .hardStopProduction: 5
    case .riskSignal: 6
    case .inputTooLarge: 7
    case .localUnavailable: 8
    case .schemaInvalid: 9
    case .labelEscalated: 10
    case .confidenceLow: 11
    }
  }
}

/// The three families of hard-stop terms.
package enum HardStopClass: String, CaseIterable, Sendable {
  case security, access, production

  package var reason: Reason {
    switch self {
    case .security: .hardStopSecurity
    case .access: .hardStopAccess
    case .production: .hardStopProduction
    }
  }
}

/// What a caller may know about a call's risk. A closed set (contract, section 3).
package enum RiskSignal: String, CaseIterable, Sendable {
  case missingRepoContext = "missing_repo_context"
  case longDependencyChain = "long_dependency_chain"
  case riskyMigration = "risky_migration"
  case securitySensitive = "security_sensitive"
  case highConsequenceWrite = "high_consequence_write"
  case novelInput = "novel_input"
}
