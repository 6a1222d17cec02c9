/// Why the bytes of a model file were refused.
package enum BuiltInModelError: Error, Equatable {
  /// Does not start with the magic of a model file.
  case notAModel
  /// A later (or invented) version of the format, as written.
  case unsupportedVersion(Int)
  /// The bytes are not those that were written: cut short, or changed.
  case damaged
  /// The digest is right and the content still makes no sense: which part.
  case malformed(String)
}

/// Why no model could be trained.
package enum BuiltInTrainingError: Error, Equatable {
  /// At least two labels with at least two different texts each are needed; how many such labels there were.
  case tooFewLabels(Int)
  /// More labels than the format can hold.
  case tooManyLabels(Int)
  /// A label that is empty or longer than 256 bytes of UTF-8, as given.
  case unusableLabel(String)
}
