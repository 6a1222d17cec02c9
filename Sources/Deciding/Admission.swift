package import Posix
import Synchronization

/// Who may connect to the tap: told by the credentials that the kernel keeps of each peer.
package struct Admission: Sendable {
  package var users: Set<UInt32>
  /// Members of these groups are admitted, whatever their primary group.
  package var groups: Set<UInt32>

  /// The default: root, the router's own user and the members of the socket's group.
  package init(ownUser: UInt32, socketGroup: UInt32?) {
    users = [0, ownUser]
    groups = socketGroup.map { [$0] } ?? []
  }

  package func admits(_ peer: PeerCredentials) -> Bool {
    if users.contains(peer.user) || groups.contains(peer.group) { return true }
    return groups.contains { Accounts.user(peer.user, isIn: $0) }
  }
}

/// Refused peers by user, for `status`: a bounded number of them.
package struct RefusedPeers: Sendable {
  package private(set) var counts: [UInt32: Int] = [:]

  package mutating func count(_ user: UInt32) {
    if counts[user] != nil || counts.count < 100 { counts[user, default: 0] += 1 }
  }
}
