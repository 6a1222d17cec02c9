import Foundation
import Testing

@testable import RouterCore

@Suite("Digests")
struct DigestTests {
  @Test(
    "have the values of FIPS 180-4's examples",
    arguments: [
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
      (
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
      ),
      (
        String(repeating: "a", count: 1_000_000),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
      ),
    ])
  func examples(text: String, hex: String) {
    #expect(SHA256.hash(Array(text.utf8)).hex == hex)
    var portable = SHA256(portable: true)
    portable.update(Array(text.utf8))
    #expect(portable.finalize().hex == hex)
  }

  @Test("agree with an independent program at every length from 0 to 300")
  func lengths() throws {
    let script = """
      import hashlib
      for n in range(301): print(hashlib.sha256(bytes((i * 7 + n) % 256 for i in range(n))).hexdigest())
      """
    guard let expected = try Self.python(script) else {
      print("SKIPPED: digests against python's hashlib (no python3 here)")
      return
    }
    #expect(expected.count == 301)
    for (count, hex) in expected.enumerated() {
      let text = Self.text(count)
      #expect(SHA256.hash(text).hex == hex)
      var portable = SHA256(portable: true)
      portable.update(text)
      #expect(portable.finalize().hex == hex)
    }
  }

  @Test("do not depend on how the text was cut", arguments: [1, 3, 55, 56, 63, 64, 65, 127, 128, 200])
  func pieces(size: Int) {
    let text = Self.text(300)
    var hasher = SHA256()
    for start in stride(from: 0, to: text.count, by: size) {
      hasher.update(Array(text[start..<min(start + size, text.count)]))
    }
    #expect(hasher.finalize() == SHA256.hash(text))
    #expect(hasher.finalize() == SHA256.hash(text), "finalize changes nothing")
  }

  @Test("are spelled and read back the same")
  func spelling() {
    let digest = SHA256.hash(Array("abc".utf8))
    let hex = Array(digest.hex.utf8)
    let read = { (digits: [UInt8]) in SHA256Digest(hex: digits.span) }
    let isSpelled = { (digits: [UInt8], offset: Int) in digest.isSpelled(in: digits.span, at: offset) }
    #expect(read(hex) == digest)
    #expect(digest.bytes.map { String(format: "%02x", $0) }.joined() == digest.hex)
    #expect(digest.leadingBits == 0xba78_16bf_8f01_cfea)
    #expect(isSpelled(hex, 0))
    #expect(!isSpelled(hex, 1))
    let upper = Array(digest.hex.uppercased().utf8)
    #expect(read(upper) == nil)
    for index in hex.indices {
      var wrong = hex
      wrong[index] ^= 0x20
      #expect(!isSpelled(wrong, 0))
    }
    #expect(SHA256Digest.zero.hex == String(repeating: "0", count: 64))
  }

  // RFC 4231, section 4.
  @Test(
    "under a key have the values of RFC 4231",
    arguments: [
      (
        [UInt8](repeating: 0x0b, count: 20), Array("Hi There".utf8),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
      ),
      (
        Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
      ),
      (
        [UInt8](repeating: 0xaa, count: 20), [UInt8](repeating: 0xdd, count: 50),
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
      ),
      (
        Array(1...25), [UInt8](repeating: 0xcd, count: 50),
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
      ),
      (
        [UInt8](repeating: 0xaa, count: 131),
        Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
      ),
      (
        [UInt8](repeating: 0xaa, count: 131),
        Array(
          "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm."
            .utf8),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
      ),
    ])
  func authentication(key: [UInt8], text: [UInt8], hex: String) {
    #expect(HMACSHA256Key(key).authenticate(text).hex == hex)
  }

  private static func text(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + count) }
  }

  private static func python(_ script: String) throws -> [String]? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", script]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { return nil }
    return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
  }
}
