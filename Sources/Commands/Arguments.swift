package import LogRequests
import Posix

/// A command's words, sorted into options and operands against what the command knows.
package struct Arguments {
  /// `--name` → whether it takes a value.
  package typealias Known = [String: Bool]

  static let common: Known = [
    "state-dir": true, "runtime-dir": true, "policy": true, "json": false, "help": false,
  ]

  private var values: [String: [String]] = [:]
  package private(set) var operands: [String] = []

  package init(_ words: [String], knows known: Known) throws(Failure) {
    let known = known.merging(Self.common) { own, _ in own }
    var rest = words[...]
    while let word = rest.popFirst() {
      guard word.hasPrefix("-"), word != "-", word != "--" else {
        if word == "--" {
          operands += rest
          return
        }
        operands.append(word)
        continue
      }
      guard word != "-h" else {
        values["help", default: []].append("")
        continue
      }
      if word == "-f", known["follow"] != nil {
        values["follow", default: []].append("")
        continue
      }
      let halves = word.drop { $0 == "-" }.split(
        separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = halves.first.map(String.init) ?? ""
      guard word.hasPrefix("--"), let takesValue = known[name] else {
        throw .usage("unknown option \(word); see --help")
      }
      if takesValue {
        guard let value = halves.count > 1 ? String(halves[1]) : rest.popFirst() else {
          throw .usage("--\(name) needs a value")
        }
        values[name, default: []].append(value)
      } else {
        guard halves.count == 1 else { throw .usage("--\(name) takes no value") }
        values[name, default: []].append("")
      }
    }
  }

  package func has(_ name: String) -> Bool { values[name] != nil }
  package func value(_ name: String) -> String? { values[name]?.last }
  package func all(_ name: String) -> [String] { values[name] ?? [] }
  package var wantsJSON: Bool { has("json") }

  /// The operands, where there must be so many.
  package func operands(_ range: ClosedRange<Int>, _ usage: String) throws(Failure) -> [String] {
    guard range.contains(operands.count) else { throw .usage("usage: shadow-router \(usage)") }
    return operands
  }

  package func wholeNumber(_ name: String, in range: ClosedRange<Int>) throws(Failure) -> Int? {
    guard let text = value(name) else { return nil }
    guard let number = Int(text), range.contains(number) else {
      throw .usage(
        "--\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound), not \(text)")
    }
    return number
  }

  /// What people are told by, in the log and on screens.
  package func line(_ name: String) throws(Failure) -> String? {
    guard let text = value(name) else { return nil }
    let wanted = "--\(name) must be one line of 1 to 500 bytes"
    guard text.contains(where: { !$0.isWhitespace }) else { throw .usage(wanted + "; it is blank") }
    guard text.utf8.count <= 500 else { throw .usage(wanted + "; it has \(text.utf8.count)") }
    guard !text.contains(where: \.isNewline) else { throw .usage(wanted + "; it has a line feed in it") }
    return text
  }

  /// The folder of the log, where there is one.
  package func logFolder() throws(Failure) -> String {
    let folder = paths.log
    guard Files.exists(folder) else {
      throw .surroundings(
        "there is no log at \(folder); has a router run with this state folder (--state-dir)?")
    }
    return folder
  }

  /// Whether somebody said which state folder is meant.
  package var namesState: Bool {
    value("state-dir") != nil || ProcessState.environment("SHADOW_ROUTER_STATE_DIR") != nil
  }

  /// From options, else the environment, else the defaults for root or for others.
  package var paths: SidecarPaths {
    let isRoot = ProcessState.effectiveUser == 0
    let environment = ProcessState.environment
    let home = environment("HOME") ?? "/"
    let state =
      value("state-dir") ?? environment("SHADOW_ROUTER_STATE_DIR")
      ?? (isRoot
        ? "/var/lib/shadow-router"
        : (environment("XDG_STATE_HOME") ?? home + "/.local/state") + "/shadow-router")
    let runtime =
      value("runtime-dir") ?? environment("SHADOW_ROUTER_RUNTIME_DIR")
      ?? (isRoot
        ? "/run/shadow-router"
        : environment("XDG_RUNTIME_DIR").map { $0 + "/shadow-router" } ?? state + "/run")
    let policy =
      value("policy") ?? environment("SHADOW_ROUTER_POLICY")
      ?? (isRoot
        ? "/etc/shadow-router/router-policy.yaml"
        : (environment("XDG_CONFIG_HOME") ?? home + "/.config") + "/shadow-router/router-policy.yaml")
    return SidecarPaths(state: state, runtime: runtime, policy: policy, tap: value("tap"))
  }
}
