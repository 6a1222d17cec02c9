import ConsolePage
import Deciding
import Posix
import Synchronization
import Wire

/// What the console says to each request, and who works it out.
final class ConsoleAnswers: Sendable {
  enum Reply {
    case now(Control.Answer)
    /// Comes through the mailbox.
    case later
    case stream
  }

  private let control: Control
  private let tokens: ConsoleTokens
  private let guarding: ConsoleGuard
  private let mailbox: ConsoleMailbox
  private let switching: ConsoleLane
  private let labels: ConsoleLane
  private let lookups: ConsoleLane
  private let reports: ConsoleLane
  private let recent = Mutex<[RecentReport]>([])

  init(
    control: Control, tokens: ConsoleTokens, guarding: ConsoleGuard, mailbox: ConsoleMailbox,
    switching: ConsoleLane, labels: ConsoleLane, lookups: ConsoleLane, reports: ConsoleLane
  ) {
    self.control = control
    self.tokens = tokens
    self.guarding = guarding
    self.mailbox = mailbox
    self.switching = switching
    self.labels = labels
    self.lookups = lookups
    self.reports = reports
  }

  func stop() {
    for lane in [switching, labels, lookups, reports] { lane.stop() }
  }

  /// On every answer. Nothing may be framed, embedded, guessed at or kept; scripts are our own file and put no markup
  /// together from text.
  static func headers(type: String) -> HTTPHeaders {
    [
      "Content-Type": type, "Cache-Control": "no-store",
      "Content-Security-Policy":
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        + "trusted-types 'none'",
      "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
      "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
    ]
  }

  func reply(to request: HTTPRequest, for connection: UInt64) -> Reply {
    if let refusal = guarding.refusal(of: request) {
      return .now(.refusal(refusal.status, refusal.code, refusal.message))
    }
    switch (request.method, request.path) {
    case ("GET", "/"): return .now(.text(ConsolePage.html, type: "text/html; charset=utf-8"))
    case ("GET", "/console.css"): return .now(.text(ConsoleStyle.sheet, type: "text/css; charset=utf-8"))
    case ("GET", "/console.js"):
      return .now(.text(ConsoleScript.text, type: "text/javascript; charset=utf-8"))
    case ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics"):
      return .now(control.answer(request, actor: "console"))
    case ("GET", "/v1/events"): return .stream
    case ("GET", "/v1/report"): return later(reports, connection) { [self] in report(request) }
    case ("GET", "/v1/review"): return later(lookups, connection) { [self] in named(request) { $0 } }
    case ("POST", "/v1/review"): return later(labels, connection) { [self] in named(request) { $0 } }
    // The record shows that the switch was turned here, and by whom.
    case ("PUT", "/v1/kill"):
      return later(switching, connection) { [self] in named(request) { "console:\($0)" } }
    // It looks up the names of refused users, which may take as long as a directory does.
    case ("GET", "/v1/status"):
      return later(lookups, connection) { [self] in control.answer(request, actor: "console") }
    case ("GET", let path) where path.hasPrefix("/v1/find/") || path.hasPrefix("/v1/gate/"):
      return later(lookups, connection) { [self] in control.answer(request, actor: "console") }
    default: return .now(elsewhere(request))
    }
  }

  private func elsewhere(_ request: HTTPRequest) -> Control.Answer {
    let here = ["/", "/console.css", "/console.js", "/healthz", "/readyz", "/metrics", "/v1/status"]
    if here.contains(request.path)
      || ["/v1/events", "/v1/report", "/v1/review", "/v1/kill"].contains(request.path)
    {
      return .refusal(405, "method_not_allowed", "\(request.method) is not allowed here")
    }
    if ["/v1/reload", "/v1/promote", "/v1/demote", "/v1/rotate"].contains(request.path) {
      return .refusal(403, "not_here", "\(request.path) is served on the control socket only")
    }
    return .refusal(404, "no_such_path", "no such path")
  }

  private func later(
    _ lane: ConsoleLane, _ connection: UInt64, _ work: @escaping @Sendable () -> Control.Answer
  ) -> Reply {
    let mailbox = mailbox
    let isTaken = lane.submit {
      mailbox.put(ConsoleMailbox.Letter(connection: connection, content: .answer(work())))
    }
    return isTaken
      ? .later : .now(.refusal(503, "busy", "too many such requests wait already; try again soon"))
  }

  // MARK: - With a token

  private func named(_ request: HTTPRequest, _ actor: (String) -> String) -> Control.Answer {
    switch tokens.verdict(on: Self.token(of: request)) {
    case .named(let name): return control.answer(request, actor: actor(name))
    case .unusable(let why): return .refusal(401, "no_token", "no token counts: \(why)")
    case .wrong:
      return .refusal(
        401, "token_needed",
        "this needs a token of \(tokens.file) in the header \(ConsoleTokens.header)")
    }
  }

  private static func token(of request: HTTPRequest) -> String? {
    let given = request.headers.values(ConsoleTokens.header)
    if !given.isEmpty { return given.count == 1 ? given[0] : nil }
    let bearer = request.headers.values("Authorization")
    guard bearer.count == 1, bearer[0].lowercased().hasPrefix("bearer ") else { return nil }
    return String(bearer[0].dropFirst("bearer ".count))
  }

  // MARK: - Reports

  /// A report that was just made serves all pages that ask for the same one: making it reads the whole log.
  private struct RecentReport: Sendable {
    let query: String
    let made: UInt64
    let answer: Control.Answer
  }

  private static let freshNanoseconds: UInt64 = 10_000_000_000
  private static let keptReports = 4

  private func report(_ request: HTTPRequest) -> Control.Answer {
    let query = request.query ?? ""
    // All rows of a log are as large as the log, and this process has better uses for its memory.
    guard !PercentDecoding.query(query).contains(where: { $0 == ("format", "csv") }) else {
      return .refusal(400, "not_here", "rows come from the command line: shadow-router report --format csv")
    }
    let now = Clocks.monotonic()
    let known = recent.withLock { recent in
      recent.removeAll { now - min(now, $0.made) > Self.freshNanoseconds }
      return recent.first { $0.query == query }
    }
    if let known { return known.answer }
    let answer = control.answer(request, actor: "console")
    guard answer.status == 200 else { return answer }
    recent.withLock { recent in
      recent.append(RecentReport(query: query, made: Clocks.monotonic(), answer: answer))
      if recent.count > Self.keptReports { recent.removeFirst() }
    }
    return answer
  }
}

extension Control.Answer {
  static func refusal(_ status: Int, _ code: String, _ message: String) -> Control.Answer {
    .json(["error": ["code": .string(code), "message": .string(message)]], status: status)
  }
}
