import Testing

@testable import Posix
@testable import Senders

@Suite("Who may connect")
struct AccessListTests {
  private func peer(_ user: UInt32, _ group: UInt32) -> PeerCredentials {
    PeerCredentials(process: 1, user: user, group: group)
  }

  @Test(
    "to the tap: root, the router's own user, the socket's group, whoever is named; nobody else",
    arguments: [
      (0, 0, true), (500, 500, true), (1000, 44, true), (1001, 1001, true), (2000, 2000, true),
      (3000, 55, true), (1002, 1002, false), (65534, 65534, false),
    ] as [(UInt32, UInt32, Bool)])
  func tap(user: UInt32, group: UInt32, isAdmitted: Bool) {
    var list = AccessList.tap(ownUser: 500, socketGroup: 44)
    list.users.insert(2000)
    list.groups.insert(55)
    // 1001 is a member of the socket's group by the system's files alone.
    let admits = list.admits(peer(user, group), at: 0) { $0 == 1001 && $1 == 44 }
    #expect(admits == isAdmitted)
  }

  @Test("to the control socket: root and the router's own user, whatever groups there are")
  func control() {
    var list = AccessList.control(ownUser: 500)
    func admits(_ user: UInt32, _ group: UInt32) -> Bool {
      list.admits(peer(user, group), at: 0) { _, _ in true }
    }
    let asOwner = admits(0, 0) && admits(500, 1)
    let asOther = admits(1000, 0) || admits(1000, 500)
    #expect(asOwner && !asOther)
  }

  @Test("is asked of the system once in ten seconds, however often a peer knocks")
  func remembered() {
    var list = AccessList.tap(ownUser: 500, socketGroup: 44)
    var asked = 0
    var isMember = false
    func admits(at seconds: UInt64) -> Bool {
      list.admits(peer(1000, 1000), at: seconds * 1_000_000_000) { _, _ in
        asked += 1
        return isMember
      }
    }
    let admitted = (0..<1000).count { _ in admits(at: 1) }
    #expect(admitted == 0 && asked == 1)
    // Somebody was made a member meanwhile.
    isMember = true
    let (before, after) = (admits(at: 10), admits(at: 12))
    #expect(!before && after)
    #expect(asked == 2)
  }

  @Test("is remembered of a bounded number of users")
  func bounded() {
    var list = AccessList.tap(ownUser: 500, socketGroup: 44)
    var asked = 0
    for user in UInt32(1000)..<6000 {
      _ = list.admits(peer(user, user), at: 0) { _, _ in
        asked += 1
        return false
      }
    }
    #expect(asked == 5000)
  }

  @Test("refused peers are counted by socket and user, a hundred of them")
  func refused() {
    var refused = RefusedPeers()
    for user in UInt32(0)..<200 { refused.count(user, at: .tap) }
    for _ in 0..<3 { refused.count(7, at: .tap) }
    refused.count(7, at: .control)
    #expect(refused.counts.count == 100)
    #expect(refused.counts[RefusedPeers.Peer(socket: .tap, user: 7)] == 4)
  }
}
