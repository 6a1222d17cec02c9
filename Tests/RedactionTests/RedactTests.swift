import Glibc
import TestData
import Testing
import Text

@testable import Redaction

@Suite("Redaction")
struct RedactTests {
  private let redactor = Redactor()

  private func redacted(_ text: String, with redactor: Redactor = Redactor()) -> String? {
    let bytes = Array(text.utf8)
    return redactor.redact(bytes.span).map { String(decoding: $0, as: UTF8.self) }
  }

  private func preview(_ text: String, _ characters: Int, with redactor: Redactor = Redactor()) -> String? {
    let bytes = Array(text.utf8)
    return redactor.preview(of: bytes.span, characters: characters).map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  /// Made here, so that no scanner of this repository takes it for a real one.
  private static let mixed = (0..<12).map { "\(["aQ", "Zk", "w3"][$0 % 3])\($0)" }.joined()

  static let found: [(String, String)] = [
    ("mail jane.doe+x@example.co.uk now", "mail [email] now"),
    ("(info@example.org).", "([email])."),
    ("jürgen@exämple.de", "[email]"),
    ("card 4012 8888 8888 1881.", "card [card]."),
    ("4012888888881881", "[card]"),
    ("iban GB82 WEST 1234 5698 7654 32, ok", "iban [iban], ok"),
    ("DE89370400440532013000", "[iban]"),
    ("call +44 (20) 7123 4567 today", "call [phone] today"),
    ("(415) 555-0132", "[phone]"),
    ("415-555-0132", "[phone]"),
    ("090-1234-5678", "[phone]"),
    ("删除13812345678吗", "删除[phone]吗"),
    ("host 10.20.30.40:8080", "host [ip]:8080"),
    ("route ::/128 to it; a ::/path", "route [ip]/128 to it; a ::/path"),
    ("[2001:db8::1]:80", "[[ip]]:80"),
    ("at 00:1A:2B:3C:4D:5E", "at [mac]"),
    ("ssn 123-45-6789", "ssn [ssn]"),
    ("DOB: 1970-02-03", "DOB: [date-of-birth]"),
    ("postgres://bob:hunter2@db/x", "postgres://[url-credentials]@db/x"),
    ("password=hunter2 next", "password=[secret] next"),
    ("\"password\": \"two words\"", "\"password\": \"[secret]\""),
    ("<password>abc</password>", "<password>[secret]</password>"),
    ("?user=a&api_key=abc123def&x=1", "?user=a&api_key=[secret]&x=1"),
    ("Authorization: Bearer abc.def.ghi1", "Authorization: Bearer [secret]"),
    ("--password abc -v", "--password [secret] -v"),
    ("ghp_" + mixed, "[secret]"),
    ("key AKIA" + String(repeating: "Z", count: 16), "key [secret]"),
    ("eyJ" + mixed + ".eyJ" + mixed + "." + mixed, "[jwt]"),
    ("x " + mixed + " y", "x [secret] y"),
    (
      "-----BEGIN RSA PRIVATE " + "KEY-----\nabc\n-----END RSA PRIVATE " + "KEY-----\nend",
      "[private-key]\nend"
    ),
    ("-----BEGIN PRIVATE " + "KEY-----\nabc", "[private-key]"),
  ]

  @Test(
    "sees through characters without width and those of another width, as the scan for hard stops does",
    arguments: [
      ("p\u{200B}assword=hunter2 next", "password=[secret] next"),
      ("ａｐｉ_ｋｅｙ＝abc123def", "api_key=[secret]"),
      ("card ４０１２ ８８８８ ８８８８ １８８１.", "card [card]."),
      ("4012\u{00AD}8888\u{2060}8888\u{200D}1881", "[card]"),
      ("jane\u{200B}.doe＠example.org", "[email]"),
      // The first part has a secret's form of its own.
      ("+49 30 1234\u{200B}5678 now", "[phone] now"),
      ("+49 30 1234５６７８", "[phone]"),
      ("key sk-ant-api03-AbCd1234EfGh5678\u{AD}ijKLmn90.", "key [secret]."),
      ("Bearer abc.def.ghi1\u{200B}jkl.mno", "Bearer [secret]"),
      // Folding glues it to a word: it is hidden as written first.
      ("x\u{200B}219-09-9999 ｐassword=hunter2", "x[ssn] password=[secret]"),
    ])
  func folds(text: String, expected: String) {
    #expect(redacted(text) == expected)
    #expect(preview(text, 240) == expected)
    #expect(preview(text, 5) == String(expected.prefix(5)))
  }

  @Test("shows a text as it is written where folding hides nothing more", arguments: found)
  func asWritten(text: String, expected: String) {
    #expect(redacted("½ cup… №\n" + text) == "½ cup… №\n" + expected)
  }

  @Test("replaces what must not be shown", arguments: found)
  func replaces(text: String, expected: String) {
    #expect(redacted(text) == expected)
  }

  @Test(
    "leaves ordinary things alone",
    arguments: [
      "The build failed at 2024-05-06T07:08:09.123Z after 12:34:56, exit 137.",
      "v1.2.3.4-rc1 and version 10.2.0.1",
      "commit 6c3e3dba23e8fadc360aed75ce363ba185c49794", "550e8400-e29b-41d4-a716-446655440000",
      "com.example.auth:auth-library-oauth2-http:1.20", "std::vector<abc::def> x; a::b",
      "AbstractSingletonProxyFactoryBean2Implementation", "/usr/lib/x86_64-linux-gnu/libssl.so.1.1",
      "max_tokens: 4096, token_type: access", "password: ${PASSWORD}",
      "token = tokens[i]; let key = makeKey(a)",
      "icon@2x.png lodash@4.17.21 pack@1.2.beta-3", "Visual Basic Application, bearer authentication",
      "1700000000 1700000000123",
      "1.3.6.1.4.1.311", "0.123456789012", "10 000 000 rows, 100 200 300", "2020-01-15 12:30",
      "$1,234,567.89",
      "snake_case_name_with_many_parts_v2", "ERROR_CODE_NOT_FOUND_404", "a-b-c-d-e", "日本語のテキスト",
    ])
  func leaves(text: String) {
    #expect(redacted(text) == text)
  }

  @Test(
    "finds papers by their check digits, their form or their name",
    arguments: [
      "AB 12 34 56 C", "AB 123456C", "SW1A 1AA", "M1 1AE", "AB51 ABC", "BD62XYZ", "T22000129",
      "passport AAA123456",
      "PLZ 80331", "1111111-G", "12345678-Z", "1234-567-893", "3222-7162-7", "U1K711J11M", "KA53ME3456",
      "morga607054sm9ij", "DE 136 695 976", "911-701234",
      "anna%40example.com",
    ])
  func papers(text: String) {
    let shown = redacted(text) ?? ""
    #expect(shown.hasSuffix("[id]") || shown == "[email]", "\(shown)")
  }

  @Test(
    "leaves what only looks like a paper",
    arguments: [
      "QQ 12 34 56 C", "AB 12 34 56 E", "DE 136 695 977", "DE 136 695 9761", "911-491234", "811-701234",
      "a Mac M1 8GB", "M1 1CA", "QA1 1AA", "AB35 ABC", "AQ51 ABC",
      "the L01X00T47 part",
      "1111111-H", "1234-567-894", "3222-7162-8", "template 12345", "50%40 of it",
    ])
  func noPapers(text: String) {
    #expect(redacted(text) == text)
  }

  @Test(
    "hides a line that is nothing but a number, and not one that says more",
    arguments: [
      ("ab1234567", "[id]"), ("1234567Aa", "[id]"), ("A1111DFSFS", "[id]"), ("1580000000004", "[id]"),
      (" \"l01x00t44\".\n", " \"[id]\".\n"), ("20261340", "[id]"), ("20261121", "20261121"),
      ("failed: ab1234567", "failed: [id]"), ("login\nab1234567\nmore", "login\n[id]\nmore"),
      ("4012 8888 \("8888 1881")\nab1234567", "[card]\n[id]"), ("the time: 10:20:30", "the time: 10:20:30"),
      ("it is ab1234567", "it is ab1234567"), ("ab1234567 or cd1234567", "ab1234567 or cd1234567"),
      ("crash1", "crash1"), ("account_closed_2024", "account_closed_2024"), ("billing2024", "[id]"),
      ("2026-11-21", "2026-11-21"), ("a1b2c3", "a1b2c3"), ("", ""), ("...", "..."),
      ("12345678901234567890x", "12345678901234567890x"),
    ])
  func lone(text: String, expected: String) {
    #expect(redacted(text) == expected)
  }

  @Test("fills a preview behind numbers that are shown shorter")
  func loneBeforeMore() {
    let text = String(repeating: "ab1234567890123\n", count: 30) + "the end"
    let whole = redacted(text) ?? ""
    for characters in [1, 4, 16, 100, 240] {
      let preview = Redactor().preview(of: Array(text.utf8).span, characters: characters)
      #expect(
        preview.map { String(decoding: $0, as: UTF8.self) } == String(whole.prefix(characters)),
        "\(characters)")
    }
  }

  private static let mail = "anna" + "@" + "example.com"

  @Test(
    "knows what an identifier must not hold",
    arguments: [
      (mail, "email", "email"), ("run-" + mail + "-17", "email", "email"),
      ("ghp_" + mixed, "secret", "secret"),
      ("+49 30 901820933", "phone", "phone"), ("219-09-9999", "ssn", "ssn"),
      ("DE89370400440532013000", "iban", "iban"),
      ("GB82 WEST 1234 5698 7654 32", "iban", "iban"), ("NO9386011117947", "iban", "iban"),
      ("4012 8888 8888 1881", "card", "card"), ("4012888888881881", nil, "card"),
      ("password=hunter2", "secret", "secret"),
    ] as [(String, String?, String?)])
  func identifiers(text: String, id: String?, name: String?) {
    let bytes = Array(text.utf8)
    #expect(redactor.mark(in: bytes.span, use: .id) == id)
    #expect(redactor.mark(in: bytes.span, use: .name) == name)
  }

  @Test(
    "keeps ordinary identifiers",
    arguments: [
      "c-1", "550e8400-e29b-41d4-a716-446655440000", "run_" + mixed, "01HZX3K8Q9V2M7N4P6R8T0W2Y4",
      "1700000000123",
      "7391846205739184620", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "acme/eu-west-1/agent-7",
      "gpt-4o-2024-08-06", "2026-11-21T12:00:00.000Z", "10.0.0.7:8080", "a+b=c",
    ])
  func plainIdentifiers(text: String) {
    let bytes = Array(text.utf8)
    #expect(redactor.mark(in: bytes.span, use: .id) == nil)
    #expect(redactor.mark(in: bytes.span, use: .name) == nil)
  }

  @Test("keeps random ids", arguments: [16, 20, 24, 32, 40, 64])
  func randomIdentifiers(length: Int) {
    var random = SeededGenerator(seed: UInt64(length))
    var marked: [String] = []
    for _ in 0..<50_000 {
      var id = (0..<length).map { _ in Array("0123456789abcdef".utf8)[Int(random.next() & 15)] }
      // As an account number begins: one id in a thousand does.
      id[0] = ascii("d")
      id[1] = ascii("a")
      if redactor.mark(in: id.span, use: .id) != nil { marked.append(String(decoding: id, as: UTF8.self)) }
    }
    #expect(marked.isEmpty)
  }

  @Test("applies the policy's patterns to names, not to ids")
  func identifierPatterns() throws {
    let redactor = Redactor(extra: [try Pattern("ACME-\\d+")])
    let bytes = Array("ACME-7".utf8)
    #expect(redactor.mark(in: bytes.span, use: .name) == "redacted")
    #expect(redactor.mark(in: bytes.span, use: .id) == nil)
  }

  @Test(
    "drops what is no UTF-8",
    arguments: [[0xFF], [0x61, 0xC3], [0xED, 0xA0, 0x80], [0xC0, 0x80]] as [[UInt8]])
  func drops(bytes: [UInt8]) {
    #expect(redactor.redact(bytes.span) == nil)
    #expect(redactor.preview(of: bytes.span) == nil)
  }

  @Test("a preview does not end within an address", arguments: [1, 2, 3])
  func endsBefore(characters: Int) {
    let text = Array("sk-\u{9911}13812345N7@example.com is his".utf8)
    let preview = redactor.preview(of: text.span, characters: characters)
    #expect(preview.map { String(decoding: $0, as: UTF8.self) } == String("[em".prefix(characters)))
  }

  @Test("cuts a preview after redacting, by scalars")
  func cuts() {
    #expect(preview("abcdef", 3) == "abc")
    #expect(preview("ééé", 2) == "éé")
    #expect(preview("a password=hunter2hunter2", 14) == "a password=[se")
    #expect(preview("abc", 0) == "")
  }

  @Test("shows no part of a secret at the end of the preview or of the window", arguments: 0..<80)
  func straddles(shift: Int) {
    let token = "ghp_" + RedactTests.mixed
    for end in [240, Redactor.windowBytes] {
      let words = String(repeating: "lorem ", count: end).utf8.prefix(end - shift - 1)
      let text = String(decoding: words, as: UTF8.self) + " " + token + " tail"
      let shown = preview(text, end == 240 ? 240 : 100_000) ?? ""
      #expect(!shown.contains("ghp_"))
    }
  }

  @Test("shows no part of a number that the window's end cuts", arguments: 0..<24)
  func cutNumber(shift: Int) {
    // A long redaction before it shortens the text, so that the window's end comes into the preview.
    let filler = "password=" + String(repeating: "x1", count: 1_950) + " "
    let words = String(repeating: "a ", count: 200).utf8.prefix(
      Redactor.windowBytes - shift - filler.utf8.count)
    let shown = preview(filler + String(decoding: words, as: UTF8.self) + " 4012 8888 8888 1881 z", 240)
    #expect(shown?.hasPrefix("password=[secret] a a a") == true)
    #expect(shown?.contains("4012") == false)
    #expect(shown?.contains("8888") == false)
  }

  @Test("applies the policy's own patterns")
  func extra() throws {
    let redactor = Redactor(extra: [try Pattern("(?i)project \\w+"), try Pattern("E-\\d+")])
    #expect(redacted("see Project Falcon and E-77.", with: redactor) == "see [redacted] and [redacted].")
    #expect(redacted("E-77@example.com", with: redactor) == "[email]")
    #expect(preview("Project Falcon", 5, with: redactor) == "[reda")
  }

  @Test("gives UTF-8 of at most N scalars, whatever the bytes")
  func fuzz() {
    var random = SeededGenerator(seed: 7)
    let pieces = [
      "a", "B", "9", " ", "\n", "@", ".", ":", "::", "=", "-", "--", "+", "(", ")", "/", "\"", "é", "日", "😀",
      "token", "key",
      "password", "://", "eyJ", "-----BEGIN ", "PRIVATE KEY", "ghp_", "4012 8888", "1.2.3.4", "fe80",
      "Bearer ", "%", "|", "_",
      "<", ">", "\\", "&", ",", "AB12", "-u ", "Authorization", "sk-", "user",
    ]
    for round in 0..<20_000 {
      let count = Int.random(in: 0..<24, using: &random)
      let text = (0..<count).map { _ in pieces[Int.random(in: 0..<pieces.count, using: &random)] }.joined()
      let characters = [0, 1, 5, 12, 240][round % 5]
      guard let shown = preview(text, characters), let whole = redacted(text) else {
        Issue.record("refused \(text)")
        return
      }
      #expect(shown.unicodeScalars.count <= characters)
      #expect(!shown.unicodeScalars.contains("\u{FFFD}"))
      #expect(whole.unicodeScalars.starts(with: shown.unicodeScalars), "\(text)")
    }
  }

  @Test("takes time in proportion to hostile text")
  func hostile() {
    func clock() -> Int {
      var time = timespec()
      _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
      return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
    for piece in [
      "a.", "1-", "a@", "::1", "-----BEGIN PRIVATE ", "key=", "--u ", "+1 ", "eyJ.", "key=\"", "http://",
      "0.0.", "api_key=02Sequencb0Al2B:", "cookie:$", "a_key=AAAA",
    ] {
      let text = String(repeating: piece, count: 200_000 / piece.utf8.count)
      // Of this thread alone: others may have the processor.
      let start = clock()
      _ = redacted(text)
      let seconds = Double(clock() - start) / 1e9
      #expect(seconds < 8, "\(piece): \(seconds) s; squared it would be minutes")
    }
  }
}
