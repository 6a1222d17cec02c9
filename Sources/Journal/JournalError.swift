package import Posix

/// Why a log could not be opened or read.
package enum JournalError: Error, Equatable, CustomStringConvertible {
  /// The file system refused.
  case system(PosixError)
  /// Another process writes this log.
  case inUse(folder: String)

  package var description: String {
    switch self {
    case .system(let error): error.description
    case .inUse(let folder): "\(folder): another router writes this log"
    }
  }
}

/// Does something to files, so that a failure speaks the journal's language.
func reaching<Result: ~Copyable>(
  _ body: () throws(PosixError) -> Result
) throws(JournalError) -> Result {
  do throws(PosixError) { return try body() } catch { throw .system(error) }
}
