import Screens
import Testing
import Wire

@Suite("The limits on the screen")
struct LimitLinesTests {
  private func limits(_ changes: [String: JSONValue]) -> JSONValue {
    var members: [String: JSONValue] = [
      "level": "calm", "queue_bytes": .number(JSONNumber(55 << 20)),
      "queue_limit_bytes": .number(JSONNumber(64 << 20)), "calm_below_bytes": .number(JSONNumber(44 << 20)),
      "accepting": true, "connections": 12, "connections_limit": 512, "connections_per_user": 384,
      "turned_away": 0, "let_go": 0, "descriptors": 40, "descriptors_limit": 1024,
    ]
    members.merge(changes) { $1 }
    return .object(members.map { JSONMember($0.key, $0.value) })
  }

  @Test("are not mentioned while nothing is given up for them")
  func calm() {
    #expect(LimitLines.lines(limits([:])).isEmpty)
    #expect(LimitLines.lines(nil).isEmpty)
  }

  @Test(
    "say what is given up, and the figure that it is given up for",
    arguments: [
      ("level", "no_candidates", "no candidate is asked: 55 of 64 MiB wait; as before below 44"),
      ("level", "shedding", "calls are dropped, and counted as shed: 55 of 64 MiB wait; as before below 44"),
      ("accepting", false, "nobody else is let in: 12 of 512 connections, 40 of 1024 open files"),
      ("turned_away", 3, "3 connections of users who had 384, as many as each may"),
      ("let_go", 2, "2 half-open connections had to make room"),
    ] as [(String, JSONValue, String)])
  func lines(name: String, value: JSONValue, line: String) {
    #expect(LimitLines.lines(limits([name: value])) == [line])
  }
}
