package import RouterCore

/// The hashes of RFC 6962, section 2.1.
enum MerkleHash {
  static func leaf(_ bytes: Span<UInt8>) -> SHA256Digest {
    var hasher = SHA256()
    hasher.update([0])
    hasher.update(bytes)
    return hasher.finalize()
  }

  static func node(_ left: SHA256Digest, _ right: SHA256Digest) -> SHA256Digest {
    SHA256.hash([1] + left.bytes + right.bytes)
  }

  static let empty = SHA256.hash([UInt8]())
}

/// A stretch of the leaves of an RFC 6962 tree, as the roots of the largest aligned subtrees that make it up.
///
/// At most two for each bit of its end. Neighbouring stretches join; one that begins at 0 has a root.
package struct MerkleRange: Sendable, Equatable {
  /// Index of the first leaf.
  package let start: UInt64
  /// Index after the last leaf.
  package private(set) var end: UInt64
  /// From left to right.
  package private(set) var nodes: [SHA256Digest] = []
  /// Of each node: it stands over 2^level leaves.
  private var levels: [UInt8] = []

  package init(at start: UInt64 = 0) {
    self.start = start
    end = start
  }

  /// A stretch as it was kept.
  ///
  /// - Returns: nil where the stretch has another number of subtrees.
  package init?(_ leaves: Range<UInt64>, nodes: [SHA256Digest]) {
    start = leaves.lowerBound
    end = leaves.upperBound
    var place = start
    while place < end {
      let level = min(
        place == 0 ? 63 : place.trailingZeroBitCount, 63 - (end - place).leadingZeroBitCount)
      levels.append(UInt8(level))
      place += 1 << UInt64(level)
    }
    guard nodes.count == levels.count else { return nil }
    self.nodes = nodes
  }

  package mutating func append(_ leaf: SHA256Digest) { append(leaf, level: 0) }

  /// - Returns: False, and nothing is changed, where the other does not begin at this one's end.
  package mutating func append(_ other: MerkleRange) -> Bool {
    guard other.start == end else { return false }
    for (node, level) in zip(other.nodes, other.levels) { append(node, level: level) }
    return true
  }

  private mutating func append(_ node: SHA256Digest, level: UInt8) {
    var (node, level) = (node, level)
    end += 1 << UInt64(level)
    // A pair becomes its parent, unless the left one is the right child of another.
    while levels.last == level, end.isMultiple(of: 2 << UInt64(level)) {
      levels.removeLast()
      node = MerkleHash.node(nodes.removeLast(), node)
      level += 1
    }
    nodes.append(node)
    levels.append(level)
  }

  /// Of the tree of all leaves before ``end``; nil where the stretch does not begin at 0.
  package var root: SHA256Digest? {
    guard start == 0 else { return nil }
    guard var root = nodes.last else { return MerkleHash.empty }
    for node in nodes.dropLast().reversed() { root = MerkleHash.node(node, root) }
    return root
  }
}
