import Posix
import Synchronization
import Wire

/// Lines for the operator on stderr: one event, `key=value`, never anything of a call.
///
/// `error`: data is lost or a person must act. `warning`: unexpected, handled. `info`: a step of the life cycle.
package struct EventLog: Sendable {
  private let write: @Sendable (String) -> Void

  package init(_ write: @escaping @Sendable (String) -> Void) { self.write = write }

  package func info(_ event: String, _ fields: KeyValuePairs<String, String> = [:]) {
    line("info", event, fields)
  }
  package func warning(_ event: String, _ fields: KeyValuePairs<String, String> = [:]) {
    line("warning", event, fields)
  }
  package func error(_ event: String, _ fields: KeyValuePairs<String, String> = [:]) {
    line("error", event, fields)
  }

  private func line(_ level: String, _ event: String, _ fields: KeyValuePairs<String, String>) {
    let pairs = fields.map { key, value in
      let isPlain =
        !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 < 0x7F }
      return "\(key)=\(isPlain ? value : JSONValue.string(value).jsonText)"
    }
    write((["level=\(level)", "event=\(event)"] + pairs).joined(separator: " ") + "\n")
  }
}

/// Tells the service manager how things stand, where there is one (sd_notify(3)).
package struct ServiceNotice: Sendable {
  private let address: String?

  /// - Parameter address: The value of NOTIFY_SOCKET.
  package init(address: String?) { self.address = address }

  package func ready() { send("READY=1") }
  package func reloading() { send("RELOADING=1\nMONOTONIC_USEC=\(Clocks.monotonic() / 1000)") }
  package func stopping() { send("STOPPING=1") }

  private func send(_ state: String) {
    guard let address else { return }
    // Nobody listening is no reason to stop working.
    try? ServiceManager.notify(state, address: address)
  }
}
