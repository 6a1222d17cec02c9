import Testing
import Text

@Suite("Guesses at what was meant")
struct NearestNameTests {
  private let names = [
    "min_confidence", "max_input_chars", "max_output_chars", "labels", "local", "on", "off",
  ]

  @Test(
    "are made where few letters differ",
    arguments: [
      ("min_confidense", "min_confidence"), ("minConfidence", "min_confidence"),
      ("max-input-chars", "max_input_chars"),
      ("max_ouput_chars", "max_output_chars"), ("lable", "labels"), ("lcoal", "local"), ("LOCAL", "local"),
      ("of", "off"), ("owner", nil), ("", nil), (String(repeating: "local", count: 100), nil),
    ] as [(String, String?)])
  func guess(word: String, name: String?) {
    #expect(NearestName.match(for: word, among: names) == name)
  }
}
