import Evidence
import Glibc
import Journal
import LogReading
import Posix

/// What a report needs of the log up to a place, kept beside it: `summaries/report` in the state folder.
///
/// It only saves time. It is used where every segment that it covers is still the file that was read (identity, size and the
/// kernel's time of change; the newest one may have grown) and the newest still ends, at the place, in the record that it ended in:
/// that record's `h` is a digest of all before it. Whatever does not fit, or fails its checksums, is passed over, and the
/// log is read. Nothing here ever makes a report fail.
struct ReportSummary {
  /// What was read of one segment.
  fileprivate struct Cover {
    var segment = 0
    /// Up to where, in bytes.
    var bytes: Int64 = 0
    var size: Int64 = 0
    var inode: UInt64 = 0
    var device: UInt64 = 0
    var changed: Int64 = 0
  }

  /// Beside the folder of the log: what lists that one finds segments and nothing else.
  static func folder(_ logFolder: String) -> String { Files.join(Files.folder(of: logFolder), "summaries") }

  static let fileName = "report"
  /// Logs of which less is new are read faster than a summary is written.
  static let leastBytes: Int64 = 4 << 20

  /// Where reading has to go on.
  let place: JournalReader.Start
  /// The segment that it ends in; 0 where it ends with one.
  let openSegment: Int
  /// Bytes of the summary itself.
  let ownBytes: Int64
  /// Up to where the gates know the log.
  let gatesPlace: (segment: Int, offset: Int64)

  /// Fills `fold` from the summary as far as its window allows.
  ///
  /// - Returns: nil where nothing could be taken over; `fold` is then as it was.
  static func restore(_ fold: inout EvidenceFold, window: ReportWindow, logFolder: String) -> ReportSummary? {
    let path = Files.join(folder(logFolder), fileName)
    guard let file = try? Files.open(path, for: .reading), let status = try? file.status(),
      status.kind == .file
    else { return nil }
    let input = Input(file)
    var state = StateCoder(readingFrom: { input.fill(&$0) })
    var head = Head()
    do throws(StateFault) {
      try head.pass(&state)
      try state.finish()
      guard head.isTrue(of: logFolder), let last = head.covers.last else { return nil }
      var restored = fold
      try restored.passGates(&state)
      try state.finish()
      guard head.isInside(window) else {
        fold = restored
        fold.gatesAreAhead = true
        return head.passOver(&fold)
      }
      try restored.pass(&state)
      fold = restored
      return ReportSummary(
        place: .place(segment: last.segment, offset: last.bytes), openSegment: last.segment,
        ownBytes: status.size, gatesPlace: (last.segment, last.bytes))
    } catch {
      return nil
    }
  }

  /// Puts down what `fold` knows; it has read all up to the reader's place, in a window that leaves nothing out.
  static func store(_ fold: EvidenceFold, upTo segment: Int, _ offset: Int64, logFolder: String) {
    guard let head = Head(fold, upTo: segment, offset, logFolder: logFolder), let target = Target(logFolder)
    else { return }
    target.write { output in
      var state = StateCoder(writingTo: { output.write($0) })
      do throws(StateFault) {
        var (head, fold) = (head, fold)
        try head.pass(&state)
        try state.finish()
        try fold.passGates(&state)
        try state.finish()
        try fold.pass(&state)
        try state.finish()
        return true
      } catch {
        // An untold member: a summary would lose it.
        return false
      }
    }
  }

  // MARK: - What stands before the fold

  fileprivate struct Head: StoredMembers {
    var covers: [Cover] = []
    /// The last bytes before the place: of the newest record, its `h` with them.
    var ending: [UInt8] = []
    var stretches: [LogStretch] = []

    static let endingBytes = 256

    init() {}

    init?(_ fold: EvidenceFold, upTo segment: Int, _ offset: Int64, logFolder: String) {
      guard let segments = try? SegmentList.read(logFolder) else { return nil }
      for number in segments.numbers where number <= segment {
        guard let status = try? Files.status(segments.path(number)) else { return nil }
        covers.append(
          Cover(
            segment: number, bytes: number == segment ? offset : status.size, size: status.size,
            inode: status.inode,
            device: status.device, changed: status.changed))
      }
      guard covers.last?.segment == segment, let ending = Self.ending(segments.path(segment), offset) else {
        return nil
      }
      self.ending = ending
      stretches = fold.stretches + [fold.openStretch]
    }

    static var blank: Head { Head() }

    mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
      try state.member(&covers)
      try state.member(bytesOf: &ending)
      try state.member(&stretches)
    }

    /// Whether the log still begins with just what was read.
    func isTrue(of logFolder: String) -> Bool {
      guard let segments = try? SegmentList.read(logFolder), let last = covers.last,
        segments.numbers.starts(with: covers.map(\.segment))
      else { return false }
      for cover in covers {
        guard let now = try? Files.status(segments.path(cover.segment)), now.inode == cover.inode,
          now.device == cover.device, cover.bytes <= cover.size
        else { return false }
        let hasGrown = cover.segment == last.segment && now.size > cover.size
        guard hasGrown || (now.size == cover.size && now.changed == cover.changed) else { return false }
      }
      return Self.ending(segments.path(last.segment), last.bytes) == ending
    }

    private static func ending(_ path: String, _ offset: Int64) -> [UInt8]? {
      let count = Int(min(offset, Int64(endingBytes)))
      var bytes = [UInt8](repeating: 0, count: count)
      guard let file = try? Files.open(path, for: .reading),
        (try? file.read(into: &bytes, filePosition: offset - Int64(count))) == count
      else { return nil }
      return bytes
    }

    func isInside(_ window: ReportWindow) -> Bool { stretches.allSatisfy { $0.isInside(window) } }

    /// For a window that the log reaches out of: the segments before it need not be read.
    func passOver(_ fold: inout EvidenceFold) -> ReportSummary {
      var place = JournalReader.Start.beginning
      for (cover, stretch) in zip(covers, stretches) {
        // The newest may not be at its end yet.
        guard cover.segment != covers.last?.segment, cover.segment == stretch.segment,
          fold.pass(over: stretch)
        else { break }
        place = .place(segment: cover.segment, offset: cover.bytes)
      }
      let last = covers.last ?? Cover()
      return ReportSummary(
        place: place, openSegment: 0, ownBytes: 0, gatesPlace: (last.segment, last.bytes))
    }
  }

  // MARK: - Files

  /// Reads a file through a buffer of whole blocks.
  private final class Input {
    private let file: Descriptor
    private var position: Int64 = 0

    init(_ file: consuming Descriptor) { self.file = file }

    func fill(_ bytes: inout [UInt8]) -> Bool {
      var filled = 0
      while filled < bytes.count {
        guard let count = try? file.read(into: &bytes, at: filled, filePosition: position), count > 0 else {
          return false
        }
        filled += count
        position += Int64(count)
      }
      return true
    }
  }

  private final class Output {
    private let file: Descriptor

    init(_ file: consuming Descriptor) { self.file = file }

    func write(_ bytes: Span<UInt8>) -> Bool { (try? file.writeAll(bytes)) != nil }
  }

  /// The folder of summaries, made where it is missing, for whoever owns the log.
  private struct Target {
    let folder: String
    let log: FileStatus

    init?(_ logFolder: String) {
      guard let log = try? Files.status(logFolder) else { return nil }
      self.log = log
      folder = ReportSummary.folder(logFolder)
      guard (try? Files.makeFolder(folder, mode: 0o700)) != nil else { return nil }
      if log.owner != getuid() { try? Files.setOwner(folder, user: log.owner, group: log.group) }
    }

    /// All of it or nothing. Not synchronised: after a power cut a half of it fails its checksums.
    func write(_ body: (Output) -> Bool) {
      let path = Files.join(folder, ReportSummary.fileName)
      let temporary = "\(path).\(getpid()).tmp"
      guard let file = try? Files.open(temporary, for: .replacing, mode: 0o600) else { return }
      if log.owner != getuid() { try? Files.setOwner(temporary, user: log.owner, group: log.group) }
      guard body(Output(file)), (try? Files.rename(temporary, to: path)) != nil else {
        try? Files.remove(temporary)
        return
      }
      sweep()
    }

    /// What a killed report left behind.
    private func sweep() {
      for name in (try? Files.list(folder)) ?? [] where name.hasSuffix(".tmp") {
        let path = Files.join(folder, name)
        guard let status = try? Files.status(path), status.modified < Clocks.realtime() - 3_600_000 else {
          continue
        }
        try? Files.remove(path)
      }
    }
  }
}

extension ReportSummary.Cover: StoredMembers {
  static var blank: Self { Self() }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&segment)
    try state.member(&bytes)
    try state.member(&size)
    try state.member(&inode)
    try state.member(&device)
    try state.member(&changed)
  }
}
