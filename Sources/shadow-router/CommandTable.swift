import Commands
import Demo
import Service

enum CommandTable {
  static let all: [Command] = [
    RunCommand.command, CheckCommand.command, ExplainCommand.command, SchemaCommand.command,
    ReloadCommand.command,
    StatusCommand.command, KillCommand.command, DrillCommand.command, SendCommand.command,
    TailCommand.command,
    ReportCommand.command, ReviewCommand.command, SimulateCommand.command, GateCommand.command,
    ReplayCommand.command, PromoteCommand.command, DemoteCommand.command, RotateCommand.command,
    TrainCommand.command, EvalCommand.command, CalibrateCommand.command, VerifyLogCommand.command,
    EraseCommand.command, KeysCommand.command,
    DemoCommand.command,
  ]

  static func run(_ words: [String]) -> Exit {
    guard let name = words.first, name != "--help", name != "-h", name != "help" else {
      Terminal.out(overview)
      return words.isEmpty ? .usage : .yes
    }
    if name == "--version" || name == "version" {
      Terminal.out("shadow-router \(SidecarVersion.text)\n")
      return .yes
    }
    guard let command = all.first(where: { $0.name == name }) else {
      Terminal.message("shadow-router: no command `\(name)`; `shadow-router --help` lists them\n")
      return .usage
    }
    do throws(Failure) {
      let arguments = try Arguments(Array(words.dropFirst()), knows: command.options)
      guard !arguments.has("help") else {
        Terminal.out(command.help + commonHelp)
        return .yes
      }
      return try command.run(arguments)
    } catch {
      Terminal.message("shadow-router \(name): \(error.message)\n")
      return error.exit
    }
  }

  private static let commonHelp = """

    Every command also knows --state-dir DIR, --runtime-dir DIR, --policy FILE (or SHADOW_ROUTER_STATE_DIR,
    SHADOW_ROUTER_RUNTIME_DIR, SHADOW_ROUTER_POLICY), --json where it prints data, and --help.
    Exit codes: 0 yes, 1 no, 2 usage, 3 surroundings, 4 refused.

    """

  private static var overview: String {
    let width = all.map(\.name.count).max() ?? 0
    let lines = all.map { command in
      "  " + command.name.padded(to: width + 2) + command.summary
    }
    return """
      Examples:
        shadow-router demo                      the whole loop on this machine, ending in a report
        shadow-router check router-policy.yaml  is the policy right, and do its tests pass?
        shadow-router run                       the sidecar, in the foreground
        shadow-router report --since 7d         which calls could have stayed local, and which not

      Commands:
      \(lines.joined(separator: "\n"))

      `shadow-router COMMAND --help` shows examples and options.

      """
  }
}
