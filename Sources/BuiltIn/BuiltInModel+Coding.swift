import RouterCore

/// The file of a model. Little-endian; `varint` is LEB128, at most 5 bytes.
///
///     magic "shadow-builtin\n" · version u16 (1) · label count u16 · labels: length u16, UTF-8, each ·
///     rejection u16 (0xFFFF: none) · training rows u32 · held-out accuracy f32 · temperature f32 ·
///     novelty: cost of new words f32, least familiarity f32 · biases f32 each label ·
///     idf step f32 · largest scale f32 · feature count u32 ·
///     keys: varint of the difference to the one before, each · rarities u8 each · scales u16 each (of the largest) ·
///     entry counts varint each · entry labels (u8 up to 256 labels, else u16) · entry values i8 ·
///     SHA-256 of all before, 32 bytes
extension BuiltInModel {
  static let magic = Array("shadow-builtin\n".utf8)
  static let mostLabels = 4096
  static let mostFeatures = 1 << 21
  private static let longestLabel = 256

  /// Reads a model file whole; nothing in it is trusted.
  ///
  /// - Throws: any ``BuiltInModelError``.
  package init(parsing bytes: [UInt8]) throws(BuiltInModelError) {
    guard bytes.starts(with: Self.magic) else { throw .notAModel }
    var reader = BuiltInReader(bytes, from: Self.magic.count)
    let version = Int(try reader.u16())
    guard version == 1 else { throw .unsupportedVersion(version) }
    guard bytes.count > 32 + Self.magic.count else { throw .damaged }
    let body = Array(bytes.prefix(bytes.count - 32))
    guard SHA256.hash(body).bytes == Array(bytes.suffix(32)) else { throw .damaged }
    reader.end = body.count
    self = try Self.read(&reader, digest: Self.identity(of: bytes))
    guard reader.atEnd else { throw .malformed("bytes after the weights") }
  }

  private static func read(
    _ reader: inout BuiltInReader, digest: String
  ) throws(BuiltInModelError) -> BuiltInModel {
    let labels = try readLabels(&reader)
    let rejection = Int(try reader.u16())
    guard rejection == 0xFFFF || (rejection < labels.count && labels.count > 2) else {
      throw .malformed("rejection class")
    }
    let rows = Int(try reader.u32())
    let accuracy = try reader.float(in: 0...1, "accuracy")
    let temperature = try reader.float(in: 0.001...1000, "temperature")
    let novelty = BuiltInNovelty(
      newWordCost: try reader.float(in: 0...1e9, "novelty"),
      least: try reader.float(in: -1e9...1e9, "novelty"))
    var biases: [Float] = []
    for _ in labels { biases.append(try reader.float(in: -1e6...1e6, "biases")) }
    let idfStep = try reader.float(in: 0...1, "idf step")
    let largest = try reader.float(in: 0...1e6, "scales")
    let count = Int(try reader.u32())
    // Every feature needs five bytes at least, so that a huge count costs no memory.
    guard count <= mostFeatures, count <= reader.left / 5 else { throw .malformed("feature count") }
    let keys = try readKeys(&reader, count)
    let rarity = try reader.bytes(count)
    let weights = try readWeights(&reader, count, labels: labels.count, largest: largest)
    return BuiltInModel(
      digest: digest, heldOutAccuracy: Double(accuracy), trainingRows: rows, labels: labels,
      rejection: rejection == 0xFFFF ? nil : rejection, temperature: temperature, novelty: novelty,
      vocabulary: BuiltInVocabulary(keys: keys, rarity: rarity, idfStep: idfStep), biases: biases,
      weights: weights)
  }

  private static func readLabels(_ reader: inout BuiltInReader) throws(BuiltInModelError) -> [String] {
    let count = Int(try reader.u16())
    guard (2...mostLabels).contains(count) else { throw .malformed("label count") }
    var labels: [String] = []
    for _ in 0..<count {
      let length = Int(try reader.u16())
      guard (1...longestLabel).contains(length) else { throw .malformed("label length") }
      guard let label = String(validating: try reader.bytes(length), as: UTF8.self) else {
        throw .malformed("label text")
      }
      guard labels.last.map({ precedes($0, label) }) ?? true else { throw .malformed("label order") }
      labels.append(label)
    }
    return labels
  }

  private static func readKeys(
    _ reader: inout BuiltInReader, _ count: Int
  ) throws(BuiltInModelError) -> [UInt32] {
    var keys: [UInt32] = []
    keys.reserveCapacity(count)
    var last: UInt64 = 0
    for index in 0..<count {
      let gap = UInt64(try reader.varint())
      guard index == 0 || gap > 0 else { throw .malformed("key order") }
      last += gap
      guard let key = UInt32(exactly: last) else { throw .malformed("key range") }
      keys.append(key)
    }
    return keys
  }

  private static func readWeights(
    _ reader: inout BuiltInReader, _ features: Int, labels: Int, largest: Float
  ) throws(BuiltInModelError) -> BuiltInWeights {
    var scales: [Float] = []
    scales.reserveCapacity(features)
    for _ in 0..<features { scales.append(scale(try reader.u16(), largest)) }
    var starts: [UInt32] = [0]
    starts.reserveCapacity(features + 1)
    var total: UInt64 = 0
    for _ in 0..<features {
      total += UInt64(try reader.varint())
      guard total <= UInt64(reader.left) else { throw .malformed("entry count") }
      starts.append(UInt32(total))
    }
    var owners: [UInt16] = []
    owners.reserveCapacity(Int(total))
    for _ in 0..<Int(total) {
      let owner = labels <= 256 ? UInt16(try reader.u8()) : try reader.u16()
      guard owner < labels else { throw .malformed("entry label") }
      owners.append(owner)
    }
    let values = try reader.bytes(Int(total)).map { Int8(bitPattern: $0) }
    return BuiltInWeights(starts: starts, scales: scales, labels: owners, values: values)
  }

  /// The bytes of the model's file; reading them gives this model again.
  package func encoded() -> [UInt8] {
    var out = Self.magic
    Self.put(1, 2, &out)
    Self.put(UInt64(labels.count), 2, &out)
    for label in labels {
      Self.put(UInt64(label.utf8.count), 2, &out)
      out.append(contentsOf: label.utf8)
    }
    Self.put(UInt64(rejection ?? 0xFFFF), 2, &out)
    Self.put(UInt64(trainingRows), 4, &out)
    let largest = weights.scales.max() ?? 0
    let figures = [Float(heldOutAccuracy), temperature, novelty.newWordCost, novelty.least]
    for figure in figures + biases + [vocabulary.idfStep, largest] {
      Self.put(UInt64(figure.bitPattern), 4, &out)
    }
    Self.put(UInt64(vocabulary.keys.count), 4, &out)
    encodeFeatures(largest: largest, &out)
    out.append(contentsOf: SHA256.hash(out).bytes)
    return out
  }

  private func encodeFeatures(largest: Float, _ out: inout [UInt8]) {
    var last: UInt32 = 0
    for key in vocabulary.keys {
      Self.putVarint(key - last, &out)
      last = key
    }
    out.append(contentsOf: vocabulary.rarity)
    for scale in weights.scales { Self.put(UInt64(Self.step(of: scale, largest)), 2, &out) }
    for feature in vocabulary.keys.indices {
      Self.putVarint(weights.starts[feature + 1] - weights.starts[feature], &out)
    }
    for owner in weights.labels { Self.put(UInt64(owner), labels.count <= 256 ? 1 : 2, &out) }
    for value in weights.values { out.append(UInt8(bitPattern: value)) }
  }

  /// Order by UTF-8 bytes: Swift's own order of strings is by Unicode's rules and may change with them.
  static func precedes(_ one: String, _ other: String) -> Bool {
    one.utf8.lexicographicallyPrecedes(other.utf8)
  }

  static func scale(_ step: UInt16, _ largest: Float) -> Float { Float(step) / 65535 * largest }

  static func step(of scale: Float, _ largest: Float) -> UInt16 {
    largest > 0 ? UInt16(min(65535, (scale / largest * 65535).rounded())) : 0
  }

  /// What records call the model whose file has these bytes: the same as `sha256sum` prints for it.
  static func identity(of bytes: [UInt8]) -> String { "sha256:" + SHA256.hash(bytes).hex }

  private static func put(_ value: UInt64, _ width: Int, _ out: inout [UInt8]) {
    for byte in 0..<width { out.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))) }
  }

  private static func putVarint(_ value: UInt32, _ out: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
      out.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    out.append(UInt8(rest))
  }
}
