import RouterCore
package import Wire

extension JSONValue {
  /// A string, or null.
  package var isText: Bool { isNull || stringValue != nil }

  /// What is wrong where an object has a member that a request does not know: one that is misspelt would be obeyed by half.
  package func strange(_ known: [String]) -> String? {
    guard let name = members?.first(where: { !known.contains($0.name) })?.name else { return nil }
    let shown = String(name.unicodeScalars.prefix(64).filter { $0.properties.generalCategory != .control })
    return "unknown member \"\(shown)\"; there are \(known.map { "\"\($0)\"" }.joined(separator: ", "))"
  }
}
