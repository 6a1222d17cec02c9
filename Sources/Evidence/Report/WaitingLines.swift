internal import LogReading

/// Lines of would-accepts, kept until their comparison comes, by number of the call.
///
/// A line is there until ``limitBytes`` of later ones have come, whether or not it was asked for: so what is found does not
/// depend on what was asked before.
struct WaitingLines: Sendable {
  private struct Entry: Sendable {
    let call: UInt32
    let piece: UInt32
    let start: UInt32
    let count: UInt32
    /// Bytes of all lines up to this one's end.
    let position: Int
  }

  static let limitBytes = 1 << 20
  private static let pieceBytes = 256 << 10

  private var entries: [Entry] = []
  private var firstEntry = 0
  /// Each holds whole lines; the first one's number is `firstPiece`.
  private var pieces: [[UInt8]] = []
  private var firstPiece = 0
  /// Bytes of all lines that ever came.
  private(set) var position = 0

  init() {}

  init(position: Int) { self.position = position }

  /// - Parameter call: Above all that came before.
  mutating func keep(_ text: Span<UInt8>, for call: Int) {
    position += text.count
    keep(text, for: call, endingAt: position)
    forget()
  }

  /// Puts back a line that was stored, in the order of ``position``.
  mutating func keep(_ text: Span<UInt8>, for call: Int, endingAt position: Int) {
    if (pieces.last?.count ?? Self.pieceBytes) + text.count > Self.pieceBytes { pieces.append(newPiece()) }
    let piece = pieces.count - 1
    let start = pieces[piece].count
    pieces[piece].append(copying: text)
    entries.append(
      Entry(
        call: UInt32(truncatingIfNeeded: call), piece: UInt32(truncatingIfNeeded: firstPiece + piece),
        start: UInt32(start), count: UInt32(text.count), position: position))
  }

  private var spare: [UInt8] = []

  private mutating func newPiece() -> [UInt8] {
    var piece = spare
    spare = []
    piece.removeAll(keepingCapacity: true)
    piece.reserveCapacity(Self.pieceBytes)
    return piece
  }

  private mutating func forget() {
    while firstEntry < entries.count, entries[firstEntry].position <= position - Self.limitBytes {
      firstEntry += 1
    }
    guard firstEntry < entries.count else { return }
    while firstPiece < entries[firstEntry].piece, pieces.count > 1 {
      spare = pieces.removeFirst()
      firstPiece += 1
    }
    if firstEntry > 4_096, firstEntry * 2 > entries.count {
      entries.removeFirst(firstEntry)
      firstEntry = 0
    }
  }

  func line(_ call: Int) -> [UInt8]? { entry(call).map { bytes($0) } }

  private func bytes(_ entry: Entry) -> [UInt8] {
    let piece = pieces[Int(entry.piece) - firstPiece]
    return Array(piece[Int(entry.start)..<Int(entry.start) + Int(entry.count)])
  }

  private func entry(_ call: Int) -> Entry? {
    var (low, high) = (firstEntry, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if Int(entries[middle].call) < call { low = middle + 1 } else { high = middle }
    }
    return low < entries.count && Int(entries[low].call) == call ? entries[low] : nil
  }

  /// All that are there, oldest first: for storing them.
  func lines(where isWanted: (Int) -> Bool) -> [(call: Int, position: Int, bytes: [UInt8])] {
    entries[firstEntry...].filter { isWanted(Int($0.call)) }.map { (Int($0.call), $0.position, bytes($0)) }
  }
}
