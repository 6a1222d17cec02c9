import Posix

/// The files of a log: `0000000001.ndjson` and so on, without holes.
package struct SegmentList: Equatable, Sendable {
  package let folder: String
  /// Ascending; empty where there is no log.
  package let numbers: [Int]

  /// Other names in the folder are none of the log's.
  package static func read(_ folder: String) throws(JournalError) -> SegmentList {
    let names = try reaching { () throws(PosixError) in try Files.list(folder) }
    return SegmentList(folder: folder, numbers: names.compactMap(number(of:)))
  }

  package func path(_ number: Int) -> String { Self.path(folder, number) }

  package static func path(_ folder: String, _ number: Int) -> String { Files.join(folder, name(number)) }

  package static func name(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 10 - digits.utf8.count)) + digits + ".ndjson"
  }

  package static func number(of name: String) -> Int? {
    guard name.utf8.count == 17, name.hasSuffix(".ndjson"),
      name.utf8.prefix(10).allSatisfy({ 48...57 ~= $0 }),
      let number = Int(name.prefix(10)), number > 0
    else { return nil }
    return number
  }
}
