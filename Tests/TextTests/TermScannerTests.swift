import Foundation
import TestData
import Testing

@testable import Text

@Suite("Hard-stop terms")
struct TermScannerTests {
  static func found(_ terms: [String], in text: String) -> [Int] {
    var hits = TermHits()
    TermScanner(terms).scan(Array(text.utf8).span, hits: &hits)
    return hits.ids
  }

  struct Case: CustomTestStringConvertible, Sendable {
    let term: String
    let yes: [String]
    let no: [String]
    var testDescription: String { term }
  }

  static let cases: [Case] = [
    Case(
      term: "token",
      yes: [
        "NPM_TOKEN", "accessToken", "token:", "删除token", "token删", "to\u{200B}ken", "TOKEN", "HTTPToken",
        "token",
        "\u{FEFF}token", "a.token-b", "token1", "1token", "ｔｏｋｅｎ", "ｔoken", "token\u{336}", "étoken",
        "token…", "tokené",
        "tokenẞ", "x\u{A0}token", "🙂token🙂", "to\u{AD}ken", "tokenTOken", "ภาษาtoken", "\u{2028}token\u{85}",
      ],
      no: ["tokenizer", "tokens", "TOKENs", "xtoken", "token\u{301}", "toke n", "to\u{34F}ken", "", "tok"]),
    Case(term: "tokens", yes: ["TOKENs", "accessTokens", "tokens"], no: ["token s", "token", "TOKENSx"]),
    Case(
      term: "401", yes: ["HTTP/401", "E401", "４０１", "401", "x401y", "v4.401.2", "4０１"],
      no: ["14013", "4011", "1401", "401٣", "٣401", "40 1"]),
    Case(
      term: "rotat*", yes: ["rotate", "rotation", "ROTATING", "rotat", "keyRotation"],
      no: ["xrotate", "rota"]),
    Case(
      term: "private key",
      yes: [
        "private key", "private   key", "private-_key", "private\nkey", "PRIVATE_KEY",
        "private\t-\u{2028}key",
        "private\u{3000}key", "my-private-key.pem", "private\u{85}key", "private \u{1680}-key",
      ],
      no: ["privatekey", "private.key", "private keys", "xprivate key", "private", "private \u{336} key"]),
    Case(
      term: ".env", yes: [".env", "foo.env", "..env", "/.env\n", "\".env\"", ".env.local", ".ENV"],
      no: ["environment", ".environment", "env", ". env"]),
    Case(
      term: "id_rsa", yes: ["id_rsa", "~/.ssh/id_rsa", "ID_RSA.pub"], no: ["id-rsa", "id rsa", "uid_rsa"]),
    Case(
      term: "rm -rf", yes: ["rm -rf /", "rm  -rf", "rm --rf", "rm_-rf", "RM\n-RF", "rm---rf"],
      no: ["rm-rf", "rm - rf", "rm rf", "farm -rf", "rm -rfx"]),
    Case(
      term: "a - b", yes: ["a - b", "a---b", "a_-_b", "a  - - b"],
      no: ["a-b", "a --", "a -b", "a  b", "a   b"]),
    Case(term: "- _", yes: ["--_", "x- _y", "-__", "- - _ -", "---------_"], no: ["-_", "_ -", "-", "- -"]),
    Case(term: "_", yes: ["a_b", "_", "__"], no: ["a-b", ""]),
    Case(term: " b", yes: ["a b", "a_b", "a--b", " b"], no: ["b", "ab", "a bc"]),
    Case(term: "b ", yes: ["b c", "b_c", "b "], no: ["b", "bc"]),
    Case(term: "b *", yes: ["b c", "b_c", "b "], no: ["b", "bc"]),
    Case(term: "b -*", yes: ["b -", "b  -x", "b--"], no: ["b-", "b x", "b _x"]),
    Case(term: "删除", yes: ["请删除文件", "删除token", "删\u{200B}除"], no: ["删 除", "除删"]),
    Case(
      term: "ÉTÉ", yes: ["été", "Été", "e\u{301}te\u{301}", "c'est ÉTÉ.", "aété", "étés"],
      no: ["ete", "Étéà", "éété"]),
    Case(term: "straße", yes: ["STRAẞE", "Straße"], no: ["strasse"]),
    Case(term: "ⱥb", yes: ["Ⱥb", "x ⱥB y"], no: ["ⱥbc", "ab"]),
    Case(term: "ΣΑΣ", yes: ["σας", "ΣΑΣ", "σασ"], no: ["σα"]),
    Case(term: "ＰＲＯＤ＊", yes: ["prod", "Production"], no: ["reproduce"]),
    Case(term: "a\u{200B}b", yes: ["ab", "a\u{2060}b"], no: ["a b"]),
    Case(
      term: "C++", yes: ["c++", "C++17", "C+++", "xC++"], no: ["c+ +", "Xc++"]),
  ]

  @Test("match where the contract says, and only there", arguments: cases)
  func table(_ item: Case) {
    for text in item.yes { #expect(Self.found([item.term], in: text) == [0], "in \(text.debugDescription)") }
    for text in item.no { #expect(Self.found([item.term], in: text) == [], "in \(text.debugDescription)") }
    // The table itself may be wrong; then the reference says so.
    let reference = TermReference(item.term)
    for text in item.yes {
      #expect(reference.matches(TermReference.fold(text)), "in \(text.debugDescription)")
    }
    for text in item.no {
      #expect(!reference.matches(TermReference.fold(text)), "in \(text.debugDescription)")
    }
  }

  @Test("are all found, with ascending ids, however they overlap and wherever they stand")
  func overlapping() {
    let terms = [
      "key", "private key", "key store", "private", "store", "nothing", "key", "private key store",
    ]
    for padding in [0, 1, 31, 63, 64, 100, 127, 255, 300, 1000, 4099] {
      let text =
        String(repeating: "x ", count: padding) + "private-KEY store" + String(repeating: " y", count: 300)
      #expect(Self.found(terms, in: text) == [0, 1, 2, 3, 4, 6, 7])
      let short = String(repeating: ".", count: padding) + "private_key_store"
      #expect(Self.found(terms, in: short) == [0, 1, 2, 3, 4, 6, 7])
    }
  }

  @Test("are found at every place of a text scanned in lanes", arguments: [64, 97, 130, 259])
  func everyPlace(size: Int) {
    let terms = ["deployment", "key", "x", "private key", "authenticat*"]
    let scanner = TermScanner(terms)
    var hits = TermHits()
    for (id, word) in ["Deployment", "key", "x", "private _-\tkey", "authentication"].enumerated() {
      for place in 0...size {
        let text = String(repeating: ".", count: place) + word + String(repeating: ".", count: size - place)
        scanner.scan(Array(text.utf8).span, hits: &hits)
        #expect(hits.ids == (id == 3 ? [1, 3] : [id]))
      }
    }
  }

  @Test("by the ten thousand are found, with shorter keys")
  func many() {
    let terms = (0..<20_000).map { "term\($0)q" }
    let scanner = TermScanner(terms)
    var hits = TermHits()
    scanner.scan(Array("term7q term19999q, xterm8q term9 TERM12345Q".utf8).span, hits: &hits)
    #expect(hits.ids == [7, 12345, 19999])
    #expect(scanner.automaton.longest < 8)
  }

  @Test("hits are forgotten at the next scan, and may be shared by scanners")
  func reuse() {
    let small = TermScanner(["a", "b"])
    let large = TermScanner((0..<200).map { "term\($0)x" } + ["…", "Ж"])
    var hits = TermHits()
    large.scan(Array("term3x term199x ж ...".utf8).span, hits: &hits)
    #expect(hits.ids == [3, 199, 200, 201])
    #expect(hits.count == 4)
    #expect(hits.first == 3)
    #expect(hits.contains(199) && !hits.contains(198) && !hits.contains(-1) && !hits.contains(9999))
    small.scan(Array("b".utf8).span, hits: &hits)
    #expect(hits.ids == [1])
    small.scan(Array("c".utf8).span, hits: &hits)
    #expect(hits.isEmpty && hits.first == nil)
    TermScanner([]).scan(Array("b".utf8).span, hits: &hits)
    #expect(hits.isEmpty)
  }

  @Test(
    "that can mean nothing are refused in words",
    arguments: ["", " ", "\u{200B}", "*", " *", "* ", "**", "a*b", "*a", "a**", "a* ", "\u{3000}＊"])
  func problems(term: String) {
    #expect(TermScanner.problem(in: term)?.contains("\"\(term)\"") == true)
    #expect(Self.found([term, "ab"], in: "ab *b a * a** ") == [1])
  }

  @Test(
    "built in are without a problem",
    arguments: BuiltInTerms.security + BuiltInTerms.access + BuiltInTerms.production)
  func builtIn(term: String) {
    #expect(TermScanner.problem(in: term) == nil)
    let text = term.hasSuffix("*") ? term.dropLast() + "ing" : term[...]
    #expect(Self.found([term], in: "x \(text.uppercased()) y") == [0])
  }

  @Test("ill-formed bytes are replaced, never a crash, never a bridge")
  func illFormed() {
    let scanner = TermScanner(["token", "\u{FFFD}b"])
    var hits = TermHits()
    scanner.scan(([0xC3] + Array("token".utf8) + [0xE2, 0x80]).span, hits: &hits)
    #expect(hits.ids == [0])
    scanner.scan((Array("to".utf8) + [0xFF] + Array("ken".utf8)).span, hits: &hits)
    #expect(hits.ids == [])
    scanner.scan([0x61, 0xF0, 0x9F, 0x62].span, hits: &hits)
    #expect(hits.ids == [1])
    var random = SeededGenerator(seed: 5)
    for _ in 0..<2000 {
      let bytes =
        (0..<Int.random(in: 0...40, using: &random)).map { _ in
          [0x74, 0x6F, 0xC3, 0xA9, 0xE2, 0x80, 0x8B, 0xF0, 0x9F, 0xCC, 0x81, 0xED, 0xA0, 0xFF].randomElement(
            using: &random) ?? 0
        } as [UInt8]
      scanner.scan(bytes.span, hits: &hits)
      let text = TermReference.fold(String(decoding: bytes, as: UTF8.self))
      #expect(hits.contains(1) == TermReference("\u{FFFD}b").matches(text))
    }
  }

  @Test("time stays linear on hostile text")
  func hostile() {
    let scanner = TermScanner(["a -*", "x - y", "- _ -", "a b *", "aaaaaaaaab", "\u{301}x", "- -x"])
    let size = 1 << 18
    let texts = [
      "za" + String(repeating: "-", count: size), String(repeating: "a ", count: size),
      String(repeating: "-", count: size), String(repeating: "a", count: size),
      "e" + String(repeating: "\u{301}\u{323}", count: size / 4), String(repeating: "x -", count: size / 3),
      String(repeating: "\u{FDFA}", count: size / 3), String(repeating: " ", count: size),
    ]
    var hits = TermHits()
    let clock = ContinuousClock()
    for text in texts {
      let bytes = Array(text.utf8)
      let time = clock.measure { scanner.scan(bytes.span, hits: &hits) }
      // A quadratic pass would take minutes; a linear one in a debug build well under a second.
      #expect(time < .seconds(20))
    }
  }
}
