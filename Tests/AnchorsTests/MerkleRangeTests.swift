import RouterCore
import Testing

@testable import Anchors

@Suite("Merkle ranges")
struct MerkleRangeTests {
  private func leaf(_ index: UInt64) -> SHA256Digest { MerkleHash.leaf(Array("record \(index)".utf8).span) }

  /// RFC 6962, section 2.1, word for word: the largest power of two smaller than n splits.
  private func root(_ leaves: ArraySlice<SHA256Digest>) -> SHA256Digest {
    guard leaves.count > 1 else { return leaves.first ?? SHA256.hash([UInt8]()) }
    var split = 1
    while split * 2 < leaves.count { split *= 2 }
    let middle = leaves.startIndex + split
    return SHA256.hash([1] + root(leaves[..<middle]).bytes + root(leaves[middle...]).bytes)
  }

  @Test("have the roots of RFC 6962 at every size")
  func roots() {
    let leaves = (0..<70).map { leaf(UInt64($0)) }
    var range = MerkleRange()
    for size in 0...70 {
      #expect(range.root == root(leaves[..<size]))
      if size < 70 { range.append(leaves[size]) }
    }
  }

  @Test("have the root of the empty tree and of one known leaf")
  func known() {
    // SHA-256 of nothing, and of one zero byte: RFC 6962's test vectors for trees of size 0 and 1 (an empty leaf).
    #expect(MerkleRange().root?.hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    var range = MerkleRange()
    range.append(MerkleHash.leaf([UInt8]().span))
    #expect(range.root?.hex == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")
  }

  @Test("join to what they would be in one piece, however they are cut and kept")
  func joins() throws {
    for size in UInt64(1)...24 {
      for first in 0...size {
        for second in first...size {
          var whole = MerkleRange()
          for index in 0..<size { whole.append(leaf(index)) }
          var joined = MerkleRange()
          for cut in [0..<first, first..<second, second..<size] {
            var piece = MerkleRange(at: cut.lowerBound)
            for index in cut { piece.append(leaf(index)) }
            let kept = try #require(MerkleRange(cut, nodes: piece.nodes))
            #expect(kept == piece)
            let isJoined = joined.append(kept)
            #expect(isJoined)
          }
          #expect(joined == whole)
        }
      }
    }
  }

  @Test("do not join over a hole, and are not read from too few or too many nodes")
  func refuses() {
    var range = MerkleRange()
    range.append(leaf(0))
    let isJoined = range.append(MerkleRange(at: 2))
    #expect(!isJoined)
    #expect(MerkleRange(0..<5, nodes: [leaf(0)]) == nil)
    #expect(MerkleRange(0..<1, nodes: [leaf(0), leaf(1)]) == nil)
    #expect(MerkleRange(at: 1).root == nil)
  }
}

@Suite("Checkpoints")
struct CheckpointTests {
  private let root = SHA256.hash(Array("root".utf8))

  @Test("are three lines, and read back")
  func text() throws {
    let checkpoint = Checkpoint(log: "ab12", size: 20_852_163, root: root)
    #expect(checkpoint.text == "shadow-router/ab12\n20852163\n\(root.base64)\n")
    #expect(Checkpoint(checkpoint.text) == checkpoint)
  }

  @Test("are read with signatures and extension lines: the specification's own example")
  func signed() throws {
    let text = """
      example.com/behind-the-sofa
      20852163
      CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

      — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=

      """
    let checkpoint = try #require(Checkpoint(text))
    #expect(checkpoint.origin == "example.com/behind-the-sofa" && checkpoint.size == 20_852_163)
    #expect(checkpoint.root.hex.hasPrefix("0ac5186a9186"))
    #expect(Checkpoint("a\n1\n\(root.base64)\nmore\n")?.size == 1)
  }

  @Test(
    "are refused where a line is missing or spelled otherwise",
    arguments: [
      "", "a\n1\n", "a\n01\nROOT\n", "a\n-1\nROOT\n", "\n1\nROOT\n", "a\n1\nROOT", "a\n1\nROOTA\n",
      "a\n1\nx=\n",
      "a\n+1\nROOT\n", "a\n99999999999999999999\nROOT\n",
    ])
  func refused(text: String) {
    #expect(Checkpoint(text.replacing("ROOT", with: root.base64)) == nil)
  }

  @Test("spell digests in base64, each in one way")
  func base64() {
    for index in 0..<200 {
      let digest = SHA256.hash(Array("\(index)".utf8))
      #expect(SHA256Digest(base64: digest.base64) == digest)
    }
    // RFC 4648, section 10.
    #expect(
      ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map { Base64.text(Array($0.utf8)) }
        == ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"])
    // The last digit's spare bits are zero.
    #expect(Base64.bytes("Zh==") == nil && Base64.bytes("Zg=") == nil && Base64.bytes("Z===") == nil)
  }
}

@Suite("Kept forms")
struct KeptFormTests {
  private func kept(_ text: String) -> String {
    String(decoding: KeptForm.bytes(Array(text.utf8).span), as: UTF8.self)
  }

  /// The line with all its previews erased.
  private func erase(_ text: String) -> String {
    var bytes = Array(text.utf8)
    for range in KeptForm.previews(bytes.span) {
      bytes.replaceSubrange(range, with: KeptForm.erased(range.count))
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  static let lines: [(line: String, kept: String)] = [
    (#"{"a":1}"#, #"{"a":1}"#),
    (#"{"input_preview":"text","h":"x"}"#, #"{"input_preview":null,"h":"x"}"#),
    (#"{"input_preview":"a \"quoted\" \\","b":"c"}"#, #"{"input_preview":null,"b":"c"}"#),
    (
      #"{"input_preview":"\\\"","answer_preview":"né","z":0}"#,
      #"{"input_preview":null,"answer_preview":null,"z":0}"#
    ),
    (#"{"input_preview":"a","b":1}"#, #"{"input_preview":null,"b":1}"#),
    (#"{"input_preview":"","b":1}"#, #"{"input_preview":null,"b":1}"#),
    (#"{"input_preview":null,"b":1}"#, #"{"input_preview":null,"b":1}"#),
    // What looks like a preview within a text is none.
    (#"{"note":"x_preview\":\"y\"","b":1}"#, #"{"note":"x_preview\":\"y\"","b":1}"#),
    (#"{"shares":{"my_preview":0.5}}"#, #"{"shares":{"my_preview":0.5}}"#),
    (#"{"input_preview":"not closed"#, #"{"input_preview":"not closed"#),
  ]

  @Test("have null for each preview, and nothing else changed", arguments: lines)
  func forms(line: String, expected: String) { #expect(kept(line) == expected) }

  @Test("are the same before and after an erasure, which moves no byte", arguments: lines)
  func erasing(line: String, expected: String) {
    let erased = erase(line)
    #expect(erased.utf8.count == line.utf8.count)
    #expect(kept(erased) == expected)
    let had = !KeptForm.previews(Array(line.utf8).span).isEmpty
    let (was, now) = (KeptForm.isErased(Array(line.utf8).span), KeptForm.isErased(Array(erased.utf8).span))
    let left = KeptForm.previews(Array(erased.utf8).span)
    #expect(!was && now == had && left.isEmpty)
  }
}
