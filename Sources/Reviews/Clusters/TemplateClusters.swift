package import LogReading

/// Calls grouped by what they look like: the task, the template of the input, and what either model said.
///
/// One of a group stands for all: whoever has judged it has mostly judged them. Holds at most ``limit`` groups; calls that
/// would begin another, and those without a preview, stand alone.
package struct TemplateClusters: Sendable {
  /// What decides to which group a call belongs.
  package struct Member: Sendable {
    package var task: String
    /// Redacted; nil where previews are off.
    package var preview: String?
    package var label: String?
    package var frontierLabel: String?

    package init(task: String, preview: String?, label: String?, frontierLabel: String?) {
      self.task = task
      self.preview = preview
      self.label = label
      self.frontierLabel = frontierLabel
    }
  }

  package static let limit = 10_000
  private var numbers: [ContentHash: Int] = [:]
  private var templates: [String] = []

  package init() {}

  /// The number of the member's group, which stays; nil: it stands alone.
  package mutating func number(_ member: Member) -> Int? {
    guard let preview = member.preview else { return nil }
    let template = TextTemplate.of(preview)
    guard !template.isEmpty else { return nil }
    let parts = [member.task, template, member.label ?? "", member.frontierLabel ?? ""]
    let key = ContentHash(Array(parts.joined(separator: "\u{0}").utf8).span)
    if let known = numbers[key] { return known }
    guard templates.count < Self.limit else { return nil }
    numbers[key] = templates.count
    templates.append(template)
    return templates.count - 1
  }

  package func template(_ number: Int) -> String { templates[number] }

  /// A group among given members.
  package struct Group: Sendable, Equatable {
    /// Index of the member that stands for the group: its first.
    package let representative: Int
    /// nil: it stands alone.
    package let template: String?
    /// Itself included.
    package fileprivate(set) var count: Int
  }

  /// Groups members that come worst first; groups are in the order of their representatives.
  package static func groups(worstFirst members: [Member]) -> [Group] {
    var clusters = TemplateClusters()
    var places: [Int: Int] = [:]
    var groups: [Group] = []
    for (index, member) in members.enumerated() {
      let number = clusters.number(member)
      if let place = number.flatMap({ places[$0] }) {
        groups[place].count += 1
        continue
      }
      if let number { places[number] = groups.count }
      groups.append(
        Group(representative: index, template: number.map { clusters.template($0) }, count: 1))
    }
    return groups
  }
}

extension TemplateClusters: StoredMembers {
  package static var blank: TemplateClusters { TemplateClusters() }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&numbers)
    try state.member(&templates)
  }
}
