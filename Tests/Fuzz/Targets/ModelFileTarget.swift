import BuiltIn
import RouterCore

/// A model's file, its digest made right: what is taken is written the same, and answers with one of its labels.
enum ModelFileTarget {
  static func check(_ input: [UInt8]) throws(Finding) {
    try? checkFile(input)
    try checkFile(input + SHA256.hash(input).bytes)
  }

  private static func checkFile(_ bytes: [UInt8]) throws(Finding) {
    guard let model = try? BuiltInModel(parsing: bytes) else { return }
    let written = model.encoded()
    guard let again = try? BuiltInModel(parsing: written) else {
      throw Finding("what was written is refused")
    }
    try require(again.encoded() == written, "writing again gives other bytes")
    try require(!model.answers.isEmpty, "a model without answers")
    var scratch = BuiltInScratch()
    for text in ["", "the importer crashes", "删除 ünïcode", String(repeating: "word ", count: 200)] {
      let answer = model.classify(Array(text.utf8).span, scratch: &scratch)
      try require(model.answers.contains(answer.label) || answer.novel, "the answer \(answer.label)")
      try require((0...1).contains(answer.confidence), "a confidence of \(answer.confidence)")
    }
  }
}
