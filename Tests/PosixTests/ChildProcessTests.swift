import Glibc
import Testing

@testable import Posix

@Suite("A child process")
struct ChildProcessTests {
  private func soon() -> UInt64 { Clocks.deadline(afterMilliseconds: 10_000) }

  private func shell(_ script: String, output: String) throws -> ChildProcess {
    try ChildProcess("/bin/sh", name: "sh", ["-c", script], output: output)
  }

  private func wait(_ child: inout ChildProcess) -> ChildProcess.Ending? {
    let deadline = soon()
    while child.poll() == nil, Clocks.monotonic() < deadline { Clocks.sleep(milliseconds: 1) }
    return child.ending
  }

  private func waitForText(_ text: String, in path: String) -> Bool {
    let deadline = soon()
    while Clocks.monotonic() < deadline {
      if let bytes = try? Files.read(path, limit: 1 << 16),
        String(decoding: bytes, as: UTF8.self).contains(text)
      {
        return true
      }
      Clocks.sleep(milliseconds: 1)
    }
    return false
  }

  @Test("writes both streams to the file, and tells its exit code")
  func exits() throws {
    let scratch = try Scratch()
    var child = try shell("echo out; echo err >&2; exit 7", output: scratch("o"))
    #expect(wait(&child) == .exited(7))
    #expect(try Files.read(scratch("o"), limit: 100) == Array("out\nerr\n".utf8))
    #expect(child.stop(until: soon()) == .exited(7), "stopping what has ended changes nothing")
  }

  @Test("ends on the first request where it listens, and is killed where it does not")
  func stops() throws {
    let scratch = try Scratch()
    var polite = try shell("trap 'exit 3' TERM; echo set; while :; do sleep 0.01; done", output: scratch("a"))
    #expect(waitForText("set", in: scratch("a")))
    #expect(polite.stop(until: soon()) == .exited(3))
    var deaf = try shell("trap '' TERM; echo set; while :; do sleep 0.01; done", output: scratch("b"))
    #expect(waitForText("set", in: scratch("b")))
    #expect(deaf.stop(until: Clocks.deadline(afterMilliseconds: 50)) == .signalled(SIGKILL))
  }

  @Test("has a process group of its own, and no signal blocked or ignored")
  func fresh() throws {
    let scratch = try Scratch()
    let previous = SignalSet.blockAsynchronous()
    defer { previous.restore() }
    var child = try shell("kill -s PIPE $$; echo survived", output: scratch("o"))
    #expect(wait(&child) == .signalled(SIGPIPE))
    var own = try shell("cat /proc/$$/stat", output: scratch("p"))
    #expect(wait(&own) == .exited(0))
    let fields = String(decoding: try Files.read(scratch("p"), limit: 4096), as: UTF8.self).split(
      separator: " ")
    #expect(fields[4] == "\(own.id)", "process group")
  }

  @Test("does not outlive its holder")
  func forgotten() throws {
    let scratch = try Scratch()
    let id: Int32
    do {
      let child = try shell("echo set; exec sleep 1000", output: scratch("o"))
      #expect(waitForText("set", in: scratch("o")))
      id = child.id
    }
    #expect(kill(id, 0) == -1 && errno == ESRCH)
  }

  @Test("that is a helper gets the socket, the environment that was given, and no other descriptor")
  func helper() throws {
    let scratch = try Scratch()
    // Open in this process and not closed on exec: what a library may leave behind.
    let leftover = try Files.open("/dev/null", for: .reading)
    #expect(fcntl(leftover.number, F_SETFD, 0) == 0)
    let path = scratch("o")
    var child = try UnixSocket.pair().split { (own, theirs) in
      let script = "{ env; ls /proc/$$/fd; } > \(path); read line <&3; echo $line >> \(path)"
      let child = try ChildProcess(
        "/bin/sh", name: "sh", ["-c", script], environment: ["PATH=/usr/bin:/bin", "ONE=1"], socket: theirs)
      try own.writeAll(Array("through the socket\n".utf8))
      return child
    }
    #expect(wait(&child) == .exited(0))
    let lines = String(decoding: try Files.read(path, limit: 4096), as: UTF8.self).split(separator: "\n")
    // The shell may set PWD, SHLVL and _ for itself.
    let names = lines.filter { $0.contains("=") }.compactMap { $0.split(separator: "=").first }
    #expect(Set(names).isSubset(of: ["PATH", "ONE", "PWD", "SHLVL", "_", "OLDPWD"]) && names.contains("ONE"))
    let numbers = lines.compactMap { Int($0) }
    // From 10 on the shell keeps its own.
    #expect(numbers.filter { $0 < 10 } == [0, 1, 2, 3])
    #expect(lines.last == "through the socket")
  }

  @Test("that cannot be started is an error that names the program")
  func missing() throws {
    let scratch = try Scratch()
    let error = #expect(throws: PosixError.self) {
      _ = try ChildProcess("/nowhere/program", name: "program", [], output: scratch("o"))
    }
    #expect(error?.detail == "/nowhere/program")
    #expect(error?.isMissing == true)
  }
}
