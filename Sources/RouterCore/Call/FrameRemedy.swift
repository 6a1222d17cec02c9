import Wire

extension FrameDecoder {
  /// What the sender should do about a frame that could not be used: names the member, and what it has to be. Never quotes a value.
  package mutating func remedy(_ fault: FrameFault, _ frame: Span<UInt8>) -> String {
    guard fault == .wrongType || fault == .tooLong,
      (try? JSONIndex.members(of: frame, into: &members)) != nil
    else { return fault.remedy }
    let top = TopLevel(members)
    for (name, form) in Self.forms {
      guard let member = top.find(frame, name) else { continue }
      if fault == .wrongType, !form.fits(member, frame) { return "`\(name)` must be \(form.words)" }
      if fault == .tooLong, case .string(let limit?) = form, member.kind == .string {
        let count = frame.string(in: member).unicodeScalars.count
        if count > limit { return "`\(name)` has \(count) characters; at most \(limit) are read" }
      }
    }
    return fault.remedy
  }

  /// What a member has to be, as the contract says.
  private enum Form {
    /// Of at most so many characters.
    case string(Int?)
    case bool, count, number, object, array
    /// An object or array whose content is not looked at here.
    case signals, names

    var words: String {
      switch self {
      case .string: "a string"
      case .bool: "true or false"
      case .count: "a whole number from 0 on"
      case .number: "a number from 0 on"
      case .object: "an object"
      case .array: "an array of messages, each an object with a `role` and a `content`"
      case .signals: "an object of signals, each true or false"
      case .names: "an array of strings"
      }
    }

    func fits(_ member: JSONMemberRange, _ frame: Span<UInt8>) -> Bool {
      switch self {
      case .string: member.kind == .string
      case .bool: member.kind == .bool
      case .count: member.kind == .number && frame.integer(in: member.value).map { $0 >= 0 } ?? false
      case .number:
        member.kind == .number
          && frame.tree(member.value)?.doubleValue.map { (0...1e15).contains($0) } ?? false
      case .object: member.kind == .object
      case .array: frame.tree(member.value)?.arrayValue?.allSatisfy { $0.members != nil } ?? false
      case .signals:
        frame.tree(member.value)?.members?.allSatisfy { $0.value.isNull || $0.value.boolValue != nil }
          ?? false
      case .names: frame.tree(member.value)?.arrayValue?.allSatisfy { $0.stringValue != nil } ?? false
      }
    }
  }

  private static let forms: [(StaticString, Form)] = [
    ("call_id", .string(128)), ("task_type", .string(nil)), ("task_id", .string(256)),
    ("run_id", .string(256)),
    ("agent", .string(256)), ("step", .string(256)), ("tenant", .string(256)), ("user_group", .string(256)),
    ("traceparent", .string(256)), ("reply", .bool), ("deadline_ms", .count), ("signals", .signals),
    ("artifacts", .names), ("frontier", .object), ("input", .string(nil)), ("messages", .array),
    ("error", .string(nil)), ("label", .string(256)), ("model", .string(256)), ("latency_ms", .number),
    ("cost_usd", .number), ("usage", .object), ("result", .string(256)), ("source", .string(256)),
    ("approved_by", .string(256)),
  ]
}
