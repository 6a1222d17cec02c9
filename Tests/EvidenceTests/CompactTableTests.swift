import LogReading
import Testing

@Suite("Compact tables")
struct CompactTableTests {
  private struct Row: KeyedRow {
    let key: ShortKey
    var number: Int
  }

  private static func hash(_ number: Int) -> ContentHash { ContentHash(Array("call-\(number)".utf8).span) }

  @Test("what was put in is found, and nothing else, at every size on the way")
  func finds() {
    var table = CompactTable<Row>()
    for number in 0..<5_000 {
      let hash = Self.hash(number)
      #expect(table.find(hash) == nil)
      let place = table.insert(Row(key: ShortKey(hash), number: number))
      #expect(place == number)
      for earlier in [0, number / 2, number] {
        let found = table.find(Self.hash(earlier))
        #expect(found == earlier)
      }
    }
    #expect(table.slots.count < 5_000 * 8 / 5)
    #expect((5_000..<6_000).allSatisfy { table.find(Self.hash($0)) == nil })
  }

  @Test("ids that hardly differ are spread over all slots, and told apart by a slot's other bits")
  func spreads() {
    let count = 10_000
    let homes = Set((0..<count).map { CompactTable<Row>.home(Self.hash($0).low, count) })
    // Thrown at random, 63 % of the slots are hit.
    #expect((6_000...6_600).contains(homes.count))
    #expect(homes.allSatisfy { 0..<count ~= $0 })
    let mask = CompactTable<Row>.numberMask(count)
    let tags = (0..<count).map { CompactTable<Row>.tag(Self.hash($0).low) & ~mask }
    #expect(Set(tags).count > 9_500)
  }

  @Test("what was stored is taken back only where slots and rows belong together")
  func restores() {
    var table = CompactTable<Row>()
    for number in 0..<200 { _ = table.insert(Row(key: ShortKey(Self.hash(number)), number: number)) }
    let again = CompactTable<Row>(rows: table.rows, slots: table.slots)
    #expect(again?.find(Self.hash(77)) == 77)
    var slots = table.slots
    slots[slots.firstIndex { $0 != 0 } ?? 0] |= CompactTable<Row>.numberMask(slots.count)
    #expect(CompactTable<Row>(rows: table.rows, slots: slots) == nil)
    #expect(CompactTable<Row>(rows: table.rows, slots: Array(table.slots.prefix(63))) == nil)
    #expect(CompactTable<Row>(rows: table.rows, slots: table.slots.map { max($0, 1) }) == nil)
  }
}
