import Glibc
import RouterCore
import Wire

/// A token that a model may have written at some place.
struct TokenChoice: Sendable, Equatable {
  var bytes: [UInt8]
  /// 0…1.
  var probability: Double
}

/// A token that a model wrote, with what it might have written instead.
struct GeneratedToken: Sendable, Equatable {
  var chosen: TokenChoice
  /// The most probable tokens, the chosen one among them or not; empty where the server lists none.
  var alternatives: [TokenChoice]
}

/// How probable a model finds each label, from the probabilities of the tokens it wrote.
///
/// Tokens are not labels: a token may hold a label and the quote before it, or only its first letter. So the tokens of
/// the label's value are walked, and at each the mass of the listed ones is shared out among the labels that they may
/// still begin. Only mass that can belong to labels counts, since everything else is what a grammar forbids. Where a
/// token might begin the answer's label or another, the others get it. No token that is not listed is more probable
/// than the least probable listed one: the others get as much for each of their beginnings that is not listed, up to
/// all that is left. So the answer's own probability is never overstated by what is not known.
enum LabelProbabilities {
  /// - Parameter text: The reply, whose tokens these are.
  /// - Returns: nil where it cannot be told: the tokens are not those of the text, or the text holds no label.
  static func measure(text: String, tokens: [GeneratedToken], labels: [String]) -> MeasuredConfidence? {
    let bytes = Array(text.utf8)
    guard let place = LabelPlace(in: text), var walk = Walk(to: place.label, among: labels),
      bytes[place.range].elementsEqual(walk.ending.dropLast()),
      let offset = Self.start(of: bytes, in: tokens)
    else { return nil }
    let start = offset + place.range.lowerBound
    var at = 0
    for token in tokens {
      let end = at + token.chosen.bytes.count
      defer { at = end }
      guard end > start else { continue }
      let lead = at < start ? Array(token.chosen.bytes[..<(start - at)]) : []
      guard walk.step(token, lead: lead) else { return nil }
      if let measured = walk.result { return measured }
    }
    return nil
  }

  /// The same for the one token that comes next where the label begins.
  ///
  /// - Returns: nil also where more than a twentieth of it lies on tokens that may begin this label and another.
  static func measure(next choices: [TokenChoice], label: String, labels: [String]) -> MeasuredConfidence? {
    guard var walk = Walk(to: label, among: labels), walk.settle(choices) else { return nil }
    return walk.result
  }

  /// A label as it is written behind its opening quote, the closing one with it: no ending begins another.
  static func ending(of label: String) -> [UInt8] { Array(JSONValue.string(label).jsonBytes.dropFirst()) }

  /// Where the text begins within the tokens; nil where it does not, or more than once.
  ///
  /// Thinking before it and a template's own tokens behind it may be among the tokens.
  private static func start(of text: [UInt8], in tokens: [GeneratedToken]) -> Int? {
    let written = tokens.flatMap(\.chosen.bytes)
    if written == text { return 0 }
    guard !text.isEmpty, let first = written.firstRange(of: text) else { return nil }
    let isOnly = written[(first.lowerBound + 1)...].firstRange(of: text) == nil
    return isOnly ? first.lowerBound : nil
  }
}

/// Where the label stands in a reply: the value of `label` in its one object.
struct LabelPlace {
  let label: String
  /// In bytes of the text, inside the quotes.
  let range: Range<Int>

  init?(in text: String) {
    let bytes = Array(text.utf8)
    guard let start = bytes.firstIndex(of: UInt8(ascii: "{")),
      let end = bytes.lastIndex(of: UInt8(ascii: "}")),
      start < end
    else { return nil }
    let object = bytes.span.extracting(start..<(end + 1))
    var members: [JSONMemberRange] = []
    guard (try? JSONIndex.members(of: object, into: &members)) != nil,
      let member = members.first(where: { object.key(of: $0) == "label" }), member.kind == .string
    else { return nil }
    label = object.string(in: member)
    range = (start + member.value.lowerBound + 1)..<(start + member.value.upperBound - 1)
  }
}

/// A walk along the answer's own label, token by token, sharing out probability among all labels.
private struct Walk {
  private let labels: [String]
  private let endings: [[UInt8]]
  private let own: Int
  /// Labels that the bytes so far may still become.
  private var open: [Int]
  /// Bytes of the label behind us.
  private var passed = 0
  /// What is left to share out.
  private var weight = 1.0
  private var shares: [Double]

  var ending: [UInt8] { endings[own] }

  /// - Returns: nil where there is nothing to choose from, or the label is none of them.
  init?(to label: String, among labels: [String]) {
    guard labels.count > 1, let own = labels.firstIndex(where: { $0.utf8.elementsEqual(label.utf8) }) else {
      return nil
    }
    self.labels = labels
    self.own = own
    endings = labels.map(LabelProbabilities.ending)
    open = Array(labels.indices)
    shares = Array(repeating: 0, count: labels.count)
  }

  /// nil until only the answer's label is left.
  var result: MeasuredConfidence? {
    guard open == [own] else { return nil }
    let value = min(1, shares[own] + weight)
    guard value.isFinite else { return nil }
    var byLabel: [String: Double] = [:]
    for (place, label) in labels.enumerated() { byLabel[label] = place == own ? value : shares[place] }
    return MeasuredConfidence(source: .logprob, value: value, byLabel: byLabel)
  }

  /// - Parameter lead: What the token holds before the label's first byte.
  /// - Returns: False where the walk cannot go on.
  mutating func step(_ token: GeneratedToken, lead: [UInt8]) -> Bool {
    let chosen = Array(token.chosen.bytes[lead.count...])
    let next = labels(under: chosen)
    guard next.contains(own) else { return false }
    var tally = Tally(labels.count)
    var listed: Set<[UInt8]> = [chosen]
    var left = 1.0
    if !token.alternatives.contains(where: { $0.bytes == token.chosen.bytes }) {
      left -= token.chosen.probability
    }
    for choice in token.alternatives {
      left -= choice.probability
      guard choice.bytes != token.chosen.bytes, let rest = Self.rest(of: choice.bytes, behind: lead) else {
        continue
      }
      listed.insert(rest)
      tally.add(choice.probability, to: labels(under: rest), own: own)
    }
    let least = token.alternatives.map(\.probability).min() ?? 1
    // A token that holds more than a part of the label may be written with white space or without.
    let unlisted = beginnings(but: listed) * (lead.isEmpty ? 1 : 2)
    tally.bound(open.filter { $0 != own }, least: least, unlisted: unlisted, left: left)
    guard take(tally, chosen: token.chosen.probability) else { return false }
    passed += chosen.count
    open = next
    return true
  }

  /// Shares everything out by one list of tokens, none of which was chosen.
  mutating func settle(_ choices: [TokenChoice]) -> Bool {
    var tally = Tally(labels.count)
    var shared = 0.0
    for choice in choices {
      let reached = labels(under: choice.bytes)
      if reached.count > 1, reached.contains(own) { shared += choice.probability }
      tally.add(choice.probability, to: reached, own: own)
    }
    guard tally.isReached[own], shared <= 0.05 * tally.mass.reduce(0, +) else { return false }
    let left = choices.reduce(1) { $0 - $1.probability }
    let least = choices.map(\.probability).min() ?? 0
    tally.bound(
      open.filter { $0 != own }, least: least, unlisted: beginnings(but: Set(choices.map(\.bytes))),
      left: left)
    guard take(tally, chosen: 0) else { return false }
    open = [own]
    return true
  }

  private mutating func take(_ tally: Tally, chosen: Double) -> Bool {
    let total = tally.mass.reduce(chosen, +)
    guard total > 0, total.isFinite else { return false }
    for place in open { shares[place] += weight * tally.mass[place] / total }
    weight *= chosen / total
    return true
  }

  /// How many tokens, beside these, other labels than the answer's may go on with: each beginning of what is left of
  /// them may be one.
  private func beginnings(but listed: Set<[UInt8]>) -> Int {
    var found: Set<[UInt8]> = []
    for place in open where place != own {
      let rest = endings[place][passed...]
      for count in stride(from: 1, through: rest.count, by: 1) { found.insert(Array(rest.prefix(count))) }
    }
    return found.subtracting(listed).count
  }

  /// The open labels that go on with these bytes, or end within them.
  private func labels(under bytes: [UInt8]) -> [Int] {
    open.filter { place in zip(endings[place][passed...], bytes).allSatisfy { $0 == $1 } }
  }

  /// What follows the lead in another token; white space between them may differ, as it means nothing there.
  ///
  /// - Returns: Empty also for a token that ends within the lead: it may begin any label. nil for one that differs.
  private static func rest(of token: [UInt8], behind lead: [UInt8]) -> [UInt8]? {
    var rest = token[...]
    for byte in lead where !isBlank(byte) {
      rest = rest.drop(while: isBlank)
      guard let next = rest.popFirst() else { return [] }
      guard next == byte else { return nil }
    }
    return Array(rest)
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
  }
}

/// Probability by label at one place.
private struct Tally {
  var mass: [Double]
  /// Whether some listed token begins the label.
  var isReached: [Bool]

  init(_ count: Int) {
    mass = Array(repeating: 0, count: count)
    isReached = Array(repeating: false, count: count)
  }

  mutating func add(_ probability: Double, to labels: [Int], own: Int) {
    for label in labels { isReached[label] = true }
    let others = labels == [own] ? labels : labels.filter { $0 != own }
    for label in others { mass[label] += probability / Double(others.count) }
  }

  /// Gives labels the most that tokens which are not listed can add to them.
  mutating func bound(_ labels: [Int], least: Double, unlisted: Int, left: Double) {
    let most = max(0, min(least * Double(unlisted), left))
    for label in labels { mass[label] += most / Double(labels.count) }
  }
}

// MARK: - Reading

extension TokenChoice {
  enum Measure {
    /// `logprob`: before sampling.
    case logarithm
    /// `prob`: after it.
    case share
  }

  /// An entry with `token`, perhaps `bytes`, and the measure; nil for anything else.
  init?(_ entry: JSONValue, _ measure: Measure) {
    if let bytes = entry.present("bytes") {
      guard let numbers = bytes.arrayValue else { return nil }
      self.bytes = numbers.compactMap { $0.intValue.flatMap(UInt8.init(exactly:)) }
      guard self.bytes.count == numbers.count else { return nil }
    } else {
      guard let text = entry["token"]?.stringValue else { return nil }
      bytes = Array(text.utf8)
    }
    switch measure {
    case .logarithm:
      guard let given = entry["logprob"]?.doubleValue, given < .infinity else { return nil }
      // A zero is written as the lowest float.
      probability = given < -700 ? 0 : exp(min(0, given))
    case .share:
      guard let given = entry["prob"]?.doubleValue, (0...1.001).contains(given) else { return nil }
      probability = min(1, given)
    }
  }

  static func list(_ value: JSONValue?, _ measure: Measure) -> [TokenChoice]? {
    guard let entries = value?.arrayValue else { return nil }
    let choices = entries.compactMap { TokenChoice($0, measure) }
    return choices.count == entries.count ? choices : nil
  }
}

extension GeneratedToken {
  /// Adds the tokens of a reply or a piece of one; makes them nil where one cannot be read.
  static func read(_ value: JSONValue?, into tokens: inout [GeneratedToken]?) {
    guard let value, !value.isNull, tokens != nil else { return }
    guard let entries = value.arrayValue else {
      tokens = nil
      return
    }
    for entry in entries {
      guard let chosen = TokenChoice(entry, .logarithm) else {
        tokens = nil
        return
      }
      let listed = entry.present("top_logprobs")
      guard let alternatives = listed == nil ? [] : TokenChoice.list(listed, .logarithm) else {
        tokens = nil
        return
      }
      tokens?.append(GeneratedToken(chosen: chosen, alternatives: alternatives))
    }
  }
}
