/// Finds the task type of a call: the agent's own, else the first rule of the policy that fits.
enum Classifier {
  static func taskType(of call: Call, rules: [ClassifierRule]) -> (String?, TaskTypeSource?) {
    if let given = call.taskType { return (given, .given) }
    for rule in rules where fits(rule, call) { return (rule.task, .rule) }
    return (nil, nil)
  }

  /// All conditions that the rule has must hold; a rule without any never fits.
  private static func fits(_ rule: ClassifierRule, _ call: Call) -> Bool {
    var conditions = 0
    func holds(_ wanted: String?, _ test: (String) -> Bool) -> Bool {
      guard let wanted else { return true }
      conditions += 1
      return test(wanted)
    }
    let all =
      holds(rule.agent) { $0 == call.agent }
      && holds(rule.step) { $0 == call.step }
      && holds(rule.model) { $0 == call.frontierModel }
      && holds(rule.tool) { call.tools.contains($0) }
      && holds(rule.textPrefix) { call.text.bytes.starts(with: $0.utf8) }
      && holds(rule.textContains) { contains(call.text.bytes, Array($0.utf8)) }
      && holds(rule.systemSHA256) { wanted in
        guard let system = call.system else { return false }
        return SHA256.hash(call.text.bytes.span.extracting(system)).hex == wanted.lowercased()
      }
    return all && conditions > 0
  }

  private static func contains(_ text: [UInt8], _ needle: [UInt8]) -> Bool {
    guard let first = needle.first, text.count >= needle.count else { return needle.isEmpty }
    for start in 0...(text.count - needle.count) where text[start] == first {
      if text[start...].starts(with: needle) { return true }
    }
    return false
  }
}
