import JSONSchema
import RouterCore
import Wire

extension PolicyFindings {
  /// A JSON Schema of an answer; nil where it cannot be used, which is reported at the places in it.
  mutating func schema(_ entry: PolicyEntry) -> JSONValue? {
    guard case .mapping = entry.value.content else {
      wrong(entry.value, entry.key, expected: "a mapping")
      return nil
    }
    let before = problems.count
    let value = json(entry.value, entry.key)
    guard problems.count == before else { return nil }
    var faults: [SchemaProblem] = []
    let schema = Schema.read(value, problems: &faults)
    for fault in faults {
      let place = fault.pointer.isEmpty ? "" : " (at \(PolicyProblem.quote(fault.pointer)))"
      error(
        entry.mark(at: fault.pointer, ofName: fault.isAboutName),
        "`\(entry.key)` cannot be used: \(fault.message)\(place)")
    }
    guard let schema else { return nil }
    if !schema.allowsObjects {
      error(entry.value.mark, "`\(entry.key)` must allow an object: that is what an answer is")
    }
    return value
  }
}

extension PolicyEntry {
  /// Where the value stands that a JSON pointer names within this entry's value, or its name; the nearest place around
  /// it where there is no such value.
  fileprivate func mark(at pointer: String, ofName: Bool) -> Mark {
    var (name, place) = (keyMark, value)
    for step in pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
      switch place.content {
      case .mapping(let entries):
        guard let next = entries.first(where: { JSONValue.pointerEscaped($0.key) == step }) else {
          return place.mark
        }
        (name, place) = (next.keyMark, next.value)
      case .sequence(let items):
        guard let index = Int(step), items.indices.contains(index) else { return place.mark }
        (name, place) = (items[index].mark, items[index])
      default: return place.mark
      }
    }
    return ofName ? name : place.mark
  }
}
