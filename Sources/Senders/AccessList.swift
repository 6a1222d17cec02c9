package import Posix

/// Who may connect to a socket: told by the credentials that the kernel keeps of each peer.
package struct AccessList: Sendable {
  package var users: Set<UInt32>
  /// Members of these groups are admitted, whatever their first group.
  package var groups: Set<UInt32>

  /// What was found of users that only a group can admit, and until when it holds: monotonic nanoseconds. The system may ask
  /// a server who is in a group, and a refused peer may knock as often as it likes.
  private var members: [UInt32: (isMember: Bool, until: UInt64)] = [:]

  private static let memoryNanoseconds: UInt64 = 10_000_000_000
  private static let mostRemembered = 1_000

  /// The tap's: root, the router's own user and the members of the socket's group, besides whom options name.
  package static func tap(ownUser: UInt32, socketGroup: UInt32?) -> AccessList {
    AccessList(users: [0, ownUser], groups: socketGroup.map { [$0] } ?? [])
  }

  /// The control socket's: root and the router's own user, whatever rights the socket's file has.
  package static func control(ownUser: UInt32) -> AccessList { AccessList(users: [0, ownUser], groups: []) }

  package init(users: Set<UInt32>, groups: Set<UInt32>) {
    self.users = users
    self.groups = groups
  }

  /// - Parameters:
  ///   - now: Monotonic nanoseconds.
  ///   - isMember: Whether the system has a user in a group.
  package mutating func admits(
    _ peer: PeerCredentials, at now: UInt64,
    isMember: (_ user: UInt32, _ group: UInt32) -> Bool = { Accounts.user($0, isIn: $1) }
  ) -> Bool {
    if users.contains(peer.user) || groups.contains(peer.group) { return true }
    guard !groups.isEmpty else { return false }
    if let known = members[peer.user], known.until > now { return known.isMember }
    if members.count >= Self.mostRemembered { members = members.filter { $0.value.until > now } }
    if members.count >= Self.mostRemembered { members = [:] }
    let found = groups.contains { isMember(peer.user, $0) }
    members[peer.user] = (found, now + Self.memoryNanoseconds)
    return found
  }
}

/// Refused peers by socket and user, for `status`: a bounded number of them.
package struct RefusedPeers: Sendable {
  package enum Socket: String, Sendable { case tap, control }

  package struct Peer: Hashable, Sendable {
    package let socket: Socket
    package let user: UInt32
  }

  package private(set) var counts: [Peer: Int] = [:]

  package init() {}

  package mutating func count(_ user: UInt32, at socket: Socket) {
    let peer = Peer(socket: socket, user: user)
    if counts[peer] != nil || counts.count < 100 { counts[peer, default: 0] += 1 }
  }
}
