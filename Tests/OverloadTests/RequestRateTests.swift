import Overload
import Testing

@Suite("Rates")
struct RequestRateTests {
  private func time(_ seconds: Double) -> UInt64 { UInt64(seconds * 1e9) }

  @Test("take so many at once, then so many each second, and no more after a pause")
  func bucket() {
    var rate = RequestRate(perSecond: 10, most: 20, now: 0)
    func taken(at seconds: Double, of count: Int) -> Int {
      (0..<count).count { _ in rate.admit(at: time(seconds)) }
    }
    #expect(taken(at: 0, of: 100) == 20)
    #expect(taken(at: 1, of: 100) == 10)
    #expect(taken(at: 1.5, of: 100) == 5)
    #expect(taken(at: 1000, of: 100) == 20)
    // A clock that seems to go back gives nothing away.
    #expect(taken(at: 900, of: 100) == 0)
  }

  @Test("of one peer do not touch those of another")
  func peers() {
    var rates = PeerRates(perSecond: 10)
    func taken(_ user: UInt32, at seconds: Double, of count: Int) -> Int {
      (0..<count).count { _ in rates.admits(user, at: time(seconds)) }
    }
    #expect(taken(1000, at: 0, of: 1_000_000) == 20)
    #expect(taken(1001, at: 0, of: 15) == 15)
    #expect(taken(1000, at: 1, of: 100) == 10)
    #expect(taken(1001, at: 1, of: 100) == 15)
  }

  @Test("of more peers than are told apart are one for the rest, until others have been quiet")
  func manyPeers() {
    var rates = PeerRates(perSecond: 1)
    let first = (UInt32(0)..<1_000).count { rates.admits($0, at: 0) }
    #expect(first == 1_000)
    let rest = (UInt32(1_000)..<2_000).count { rates.admits($0, at: 0) }
    #expect(rest == 2)
    let later = (UInt32(5_000)..<5_500).count { rates.admits($0, at: time(60)) }
    #expect(later == 500)
  }
}
