import Commands
import Posix

@main
enum Main {
  static func main() {
    Signals.ignoreBrokenPipe()
    let words = Array(CommandLine.arguments.dropFirst())
    let exit = CommandTable.run(words)
    Process.exit(exit)
  }
}
