import JSONSchema
import Wire

/// A schema that the policy may use judges alike when it comes from outside, and a fault is about the value.
enum SchemaTarget {
  static func check(_ input: [UInt8]) throws(Finding) {
    var input = Input(input)
    let text = input.line()
    guard let document = try? JSONValue(parsing: text) else { return }
    let instance = input.everything()
    let values = [try? JSONValue(parsing: instance), document, .null, .object([])].compactMap(\.self)
    var problems: [SchemaProblem] = []
    let strict = Schema.read(document, problems: &problems)
    try require((strict == nil) == !problems.isEmpty, "a schema in spite of problems, or none without")
    for problem in problems { try require(!"\(problem)".isEmpty, "a problem without words") }
    var ignored: [SchemaProblem] = []
    let foreign = Schema.read(document, .foreign, problems: &ignored)
    if strict != nil { try require(foreign != nil, "a good schema is refused from outside") }
    for value in values {
      let fault = strict?.fault(in: value)
      if let strict { try require(strict.fault(in: value) == fault, "a second look sees something else") }
      for found in [fault, foreign?.fault(in: value)].compactMap(\.self) { try checkFault(found, value) }
      guard strict != nil, let foreign else { continue }
      try require(
        (foreign.fault(in: value) == nil) == (fault == nil), "fits in one dialect only: \(value.jsonText)")
    }
  }

  private static func checkFault(_ fault: SchemaFault, _ value: JSONValue) throws(Finding) {
    try require(!fault.keyword.isEmpty, "a fault of no keyword")
    try require(fault.pointer.isEmpty || fault.pointer.hasPrefix("/"), "a fault at \(fault.pointer)")
    // Names that the schema does not know stand as `*`, and so may lead nowhere.
    if !fault.pointer.contains("*") {
      try require(value.pointer(fault.pointer) != nil, "a fault where nothing is: \(fault.pointer)")
    }
    if let missing = fault.missing, missing != "*", !fault.pointer.contains("*") {
      try require(value.pointer(fault.pointer)?[missing] == nil, "missing is what is there: \(missing)")
    }
  }
}
