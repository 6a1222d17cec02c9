import RouterCore
import Testing

@testable import BuiltIn

@Suite("The built-in model's file")
struct BuiltInModelTests {
  private let file: [UInt8]
  private let model: BuiltInModel

  init() throws {
    model = try BuiltInSample.train().model
    file = model.encoded()
  }

  @Test("reads back as the model it was")
  func roundTrip() throws {
    let copy = try BuiltInModel(parsing: file)
    #expect(copy.encoded() == file)
    #expect(copy.digest == model.digest)
    #expect(copy.heldOutAccuracy == model.heldOutAccuracy)
    for row in BuiltInSample.rows + BuiltInSample.strangers {
      let text = String(decoding: row.text, as: UTF8.self)
      #expect(BuiltInSample.answer(copy, text) == BuiltInSample.answer(model, text))
    }
  }

  @Test("is refused when cut short anywhere")
  func truncated() {
    for length in Array(0..<64) + Array(stride(from: 64, to: file.count, by: 97)) {
      #expect(throws: BuiltInModelError.self) { try BuiltInModel(parsing: Array(file.prefix(length))) }
    }
    #expect(throws: BuiltInModelError.damaged) { try BuiltInModel(parsing: file + [0]) }
    #expect(throws: BuiltInModelError.notAModel) { try BuiltInModel(parsing: [1, 2, 3]) }
  }

  @Test("is refused when a bit is changed")
  func changed() {
    for place in stride(from: 0, to: file.count, by: 53) {
      var bytes = file
      bytes[place] ^= 1
      #expect(throws: BuiltInModelError.self) { try BuiltInModel(parsing: bytes) }
    }
  }

  @Test("is refused when it makes no sense although its digest is right")
  func malformed() {
    #expect(throws: BuiltInModelError.unsupportedVersion(2)) { try parse(at: 15, [2, 0]) }
    #expect(throws: BuiltInModelError.malformed("label count")) { try parse(at: 17, [0xFF, 0xFF]) }
    #expect(throws: BuiltInModelError.malformed("label count")) { try parse(at: 17, [0, 0]) }
    #expect(throws: BuiltInModelError.malformed("label length")) { try parse(at: 19, [0, 0]) }
    #expect(throws: BuiltInModelError.malformed("label text")) { try parse(at: 21, [0xC3, 0x28]) }
    #expect(throws: BuiltInModelError.malformed("label order")) { try parse(at: 21, Array("zz".utf8)) }
    #expect(throws: BuiltInModelError.malformed("rejection class")) { try parse(at: figures - 6, [9, 0]) }
    let nan: [UInt8] = [0, 0, 0xC0, 0x7F]
    #expect(throws: BuiltInModelError.malformed("accuracy")) { try parse(at: figures, nan) }
    #expect(throws: BuiltInModelError.malformed("temperature")) { try parse(at: figures + 4, nan) }
    #expect(throws: BuiltInModelError.malformed("temperature")) { try parse(at: figures + 4, [0, 0, 0, 0]) }
    #expect(throws: BuiltInModelError.malformed("novelty")) { try parse(at: figures + 12, nan) }
    #expect(throws: BuiltInModelError.malformed("biases")) { try parse(at: figures + 16, nan) }
    let huge: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF]
    #expect(throws: BuiltInModelError.malformed("feature count")) { try parse(at: figures + 40, huge) }
    // The second key equal to the first.
    #expect(throws: BuiltInModelError.self) { try parse(at: figures + 44, [1, 0]) }
    #expect(throws: BuiltInModelError.malformed("entry label")) {
      try parse(at: file.count - 32 - model.weights.values.count - 1, [200])
    }
  }

  /// Where the figures start: magic, version, four labels, rejection class, rows.
  private var figures: Int { 15 + 4 + model.labels.reduce(0) { $0 + 2 + $1.utf8.count } + 6 }

  @Test("never crashes the reader, nor the one who asks the model read")
  func mutated() {
    var random = BuiltInRandom(seed: 11)
    var taken = 0
    for _ in 0..<150 {
      var body = Array(file.dropLast(32))
      for _ in 0..<Int(1 + random.next() % 4) {
        let nearFront = random.next() % 2 == 0
        let place = Int(random.next() % UInt64(nearFront ? 160 : body.count))
        body[place] = UInt8(truncatingIfNeeded: random.next())
      }
      guard let model = try? BuiltInModel(parsing: sealed(body)) else { continue }
      taken += 1
      let answer = BuiltInSample.answer(model, "book a flight to rome")
      #expect((0...1).contains(answer.confidence) && (0...1).contains(answer.margin))
    }
    #expect(taken > 0)
  }

  @Test("answers any bytes with numbers in range, whatever model used the scratch before")
  func anyBytes() throws {
    let other = try BuiltInSample.train(Array(BuiltInSample.rows.prefix(24))).model
    var scratch = BuiltInScratch()
    var random = BuiltInRandom(seed: 3)
    for length in [0, 1, 2, 5, 63, 700] {
      let bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      for model in [model, other, model] {
        let shared = model.classify(bytes.span, scratch: &scratch)
        var fresh = BuiltInScratch()
        #expect(shared == model.classify(bytes.span, scratch: &fresh))
        #expect((0...1).contains(shared.confidence))
        #expect((0...shared.confidence).contains(shared.margin))
      }
    }
  }

  private func parse(at place: Int, _ bytes: [UInt8]) throws {
    var body = Array(file.dropLast(32))
    body.replaceSubrange(place..<place + bytes.count, with: bytes)
    _ = try BuiltInModel(parsing: sealed(body))
  }

  private func sealed(_ body: [UInt8]) -> [UInt8] { body + SHA256.hash(body).bytes }
}
