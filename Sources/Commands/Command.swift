/// One command: what it is called, what it does in a line, how it is used, and the work.
package struct Command: Sendable {
  package let name: String
  package let summary: String
  /// Begins with examples.
  package let help: String
  package let options: Arguments.Known
  package let run: @Sendable (Arguments) throws(Failure) -> Exit

  package init(
    name: String, summary: String, help: String, options: Arguments.Known,
    run: @escaping @Sendable (Arguments) throws(Failure) -> Exit
  ) {
    self.name = name
    self.summary = summary
    self.help = help
    self.options = options
    self.run = run
  }
}

extension String {
  package func padded(to width: Int) -> String {
    count >= width ? self : self + String(repeating: " ", count: width - count)
  }
}
