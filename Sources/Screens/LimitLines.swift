package import Wire

/// What the screen says of the router's bounds: only what is being given up because of one.
package enum LimitLines {
  /// - Parameter limits: As `/v1/status` has them.
  package static func lines(_ limits: JSONValue?) -> [String] {
    var lines: [String] = []
    func megabytes(_ name: String) -> Int { (limits?[name]?.intValue ?? 0) >> 20 }
    func count(_ name: String) -> Int { limits?[name]?.intValue ?? 0 }
    let queue =
      "\(megabytes("queue_bytes")) of \(megabytes("queue_limit_bytes")) MiB wait; as before below \(megabytes("calm_below_bytes"))"
    switch limits?["level"]?.stringValue {
    case "no_candidates": lines.append("no candidate is asked: \(queue)")
    case "shedding": lines.append("calls are dropped, and counted as shed: \(queue)")
    default: break
    }
    if limits?["accepting"]?.boolValue == false {
      lines.append(
        "nobody else is let in: \(count("connections")) of \(count("connections_limit")) connections, "
          + "\(count("descriptors")) of \(count("descriptors_limit")) open files")
    }
    if count("turned_away") > 0 {
      lines.append(
        "\(count("turned_away")) connections of users who had \(count("connections_per_user")), as many as each may"
      )
    }
    if count("let_go") > 0 {
      lines.append("\(count("let_go")) half-open connections had to make room")
    }
    return lines
  }
}
