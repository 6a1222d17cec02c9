import RouterCore
import Testing

@Suite("Text of a call")
struct CallTextTests {
  @Test("scalars are counted as Swift counts them, wherever they lie in a word", arguments: 0...40)
  func scalars(padding: Int) {
    for piece in ["", "a", "é", "€", "😀", "aé€😀é", "\u{7F}\u{80}\u{7FF}\u{800}\u{FFFF}\u{10FFFF}"] {
      let text = String(repeating: "x", count: padding) + piece + String(repeating: "ß€", count: padding % 7)
      #expect(scalarCount(Array(text.utf8).span) == text.unicodeScalars.count)
    }
  }
}
