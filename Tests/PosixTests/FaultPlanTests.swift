#if DEBUG
  import Glibc
  import Synchronization
  import Testing

  @testable import Posix

  @Suite("System calls that fail")
  struct FaultPlanTests {
    private static let errors = [EIO, ENOSPC, EDQUOT, EMFILE]

    @Test("are reported by name and errno, at the number that was asked for and nowhere else")
    func numbers() throws {
      let scratch = try Scratch()
      for code in Self.errors {
        let plan = FaultPlan("open", at: 2, .error(code))
        let error = #expect(throws: PosixError.self) {
          try plan.run { try Files.replace(scratch("a"), with: [1]) }
        }
        // The second one is the folder's, behind the rename.
        #expect(error == PosixError(code: code, call: "open", detail: scratch.path))
        #expect(try Files.read(scratch("a"), limit: 9) == [1])
        #expect(plan.fired == 1)
      }
    }

    @Test("leave a replaced file old or new, whichever call fails, and say so where it is old")
    func replacing() throws {
      let scratch = try Scratch()
      var fired = 0
      for call in ["open", "fchmod", "write", "fsync", "rename"] {
        for code in Self.errors {
          for number in 1...3 {
            try Files.replace(scratch("a"), with: Array("old".utf8))
            let plan = FaultPlan(call, at: number, .error(code))
            var said = false
            plan.run {
              do throws(PosixError) { try Files.replace(scratch("a"), with: Array("new".utf8)) } catch {
                said = true
                #expect(error.code == code)
              }
            }
            let text = String(decoding: try Files.read(scratch("a"), limit: 9), as: UTF8.self)
            #expect(text == "new" || said && text == "old", "\(call) \(number) \(code)")
            #expect(said == (plan.fired == 1))
            #expect(try Files.list(scratch.path) == ["a"])
            fired += plan.fired
          }
        }
      }
      // open ×2, fchmod, write, fsync ×2, rename.
      #expect(fired == 7 * Self.errors.count)
    }

    @Test("interrupted ones are made again; a sync of data is not")
    func interrupted() throws {
      let scratch = try Scratch()
      for call in ["open", "fchmod", "write", "fsync", "rename"] {
        let plan = FaultPlan(call, at: 1, .error(EINTR), times: 3)
        try plan.run { try Files.replace(scratch("a"), with: Array(call.utf8)) }
        #expect(try Files.read(scratch("a"), limit: 9) == Array(call.utf8))
        #expect(plan.fired == 3)
      }
      let file = try Files.open(scratch("a"), for: .appending)
      let plan = FaultPlan("fdatasync", at: 1, .error(EINTR))
      #expect(throws: PosixError.self) { try plan.run { try file.synchronizeData() } }
      #expect(plan.fired == 1)
    }

    @Test("short reads and writes lose nothing", arguments: ["read", "write", "pread"])
    func short(call: String) throws {
      let scratch = try Scratch()
      let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0) }
      let plan = FaultPlan(call, at: 1, .short, times: nil)
      try plan.run {
        try Files.replace(scratch("a"), with: bytes)
        #expect(try Files.read(scratch("a"), limit: 5000) == bytes)
        var filled = [UInt8](repeating: 0, count: 6000)
        let count = try Files.open(scratch("a"), for: .reading).fill(&filled, filePosition: 10)
        #expect(count == 4990 && Array(filled[..<count]) == Array(bytes[10...]))
      }
      #expect(plan.fired > 3)
    }

    @Test("are those of the threads that were started under the plan, and of no others")
    func threads() throws {
      let scratch = try Scratch()
      let path = scratch("a")
      let results = Mutex<[String]>([])
      let write: @Sendable (String) -> Void = { name in
        let isDone = (try? Files.replace(path + name, with: [1])) != nil
        results.withLock { $0.append("\(name) \(isDone)") }
      }
      let outside = try Thread.spawn(name: "outside") { write("1") }
      outside.join()
      let plan = FaultPlan("write", at: 1, .error(EIO), times: nil)
      let inside = try plan.run { try Thread.spawn(name: "inside") { write("2") } }
      inside.join()
      write("3")
      #expect(results.withLock { $0 } == ["1 true", "2 false", "3 true"])
    }

    @Test("a connection that could not be accepted waits for the next look")
    func accepting() throws {
      let scratch = try Scratch()
      let listener = try UnixSocket.listen(at: scratch("s"))
      let client = try UnixSocket.connect(to: scratch("s"))
      for code in Self.errors {
        let plan = FaultPlan("accept4", at: 1, .error(code))
        let error = #expect(throws: PosixError.self) {
          try plan.run { _ = try UnixSocket.accept(from: listener) }
        }
        #expect(error?.code == code)
      }
      guard let accepted = try UnixSocket.accept(from: listener) else {
        Issue.record("the connection is gone")
        return
      }
      try client.writeAll([7])
      var space = [UInt8](repeating: 0, count: 4)
      #expect(try Poll.wait(accepted, for: .readable, until: nil))
      #expect(try accepted.read(into: &space) == .bytes(1))
    }
  }
#endif
