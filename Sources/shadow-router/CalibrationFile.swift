import Candidates
import Commands
import Evaluations
import Evidence
import LabelledFiles
import LogRequests
import Posix
import RouterCore
import Statistics
import Wire

/// A correction on the disk, with what it was fitted on. The router reads the correction and leaves the rest alone.
struct CalibrationFile {
  let correction: ConfidenceCorrection
  let before: CalibrationQuality
  let after: CalibrationQuality
  /// SHA-256 of the labelled file.
  let fileDigest: String
  let caseIDs: [String]
  /// Milliseconds since 1970.
  let at: Int64

  /// As much as the router reads of one.
  static let limitBytes = 1 << 20

  var json: JSONValue {
    func number(_ value: Double) -> JSONValue { JSONNumber(value).map { .number($0) } ?? .null }
    let fitted: JSONValue = [
      "cases": .number(JSONNumber(caseIDs.count)), "file_sha256": .string(fileDigest),
      "ece_before": number(before.expectedError), "ece_after": number(after.expectedError),
      "log_loss_before": number(before.logLoss), "log_loss_after": number(after.logLoss),
    ]
    let digests = caseIDs.map { JSONValue.string(Self.digest(ofCase: $0)) }
    return .object(
      (correction.json.members ?? []) + [
        JSONMember("fitted_on", fitted), JSONMember("at", .string(Timestamp.string(at))),
        JSONMember("cases_sha256", .array(digests)),
      ])
  }

  /// Enough to tell that a case was used, without saying which it was.
  static func digest(ofCase id: String) -> String { String(SHA256.hash(Array(id.utf8)).hex.prefix(16)) }

  static func path(_ correction: ConfidenceCorrection, _ paths: SidecarPaths) -> String {
    path(task: correction.task, model: correction.modelID, source: correction.source.rawValue, paths)
  }

  static func path(task: String, model: String, source: String, _ paths: SidecarPaths) -> String {
    Files.join(paths.calibrations, "\(safe(task))--\(safe(model))--\(source).json")
  }

  /// A name that is one file's name everywhere; one that had to be changed gets digits of its hash, so that no two meet.
  private static func safe(_ name: String) -> String {
    let kept = String(
      name.unicodeScalars.prefix(64).map { scalar -> Character in
        let isPlain =
          scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
        return isPlain || scalar == "_" || scalar == "." || scalar == "-" ? Character(scalar) : "_"
      })
    guard kept != name || name.hasPrefix(".") || name.contains("--") else { return name }
    return "x" + kept + "-" + String(SHA256.hash(Array(name.utf8)).hex.prefix(8))
  }

  /// - Returns: Where it was written.
  func write(_ paths: SidecarPaths) throws(Failure) -> String {
    let bytes = Array((json.jsonText + "\n").utf8)
    guard bytes.count <= Self.limitBytes else {
      throw Failure(exit: .no, message: "too many cases or labels: the correction would be over 1 MiB")
    }
    let path = Self.path(correction, paths)
    do throws(PosixError) {
      if !Files.exists(paths.state) { try Files.makeFolder(paths.state) }
      if !Files.exists(paths.calibrations) { try Files.makeFolder(paths.calibrations, mode: 0o700) }
      try Files.replace(path, with: bytes, mode: 0o600)
    } catch {
      throw .surroundings(error.description)
    }
    return path
  }
}

/// The cases that a built-in model was trained on, in a file beside the model's: `triage.model.cases`.
struct TrainedCases {
  let modelDigest: String
  let caseIDs: [String]

  static func path(ofModel file: String) -> String { file + ".cases" }

  var json: JSONValue {
    [
      "model_digest": .string(modelDigest),
      "cases_sha256": .array(caseIDs.map { .string(CalibrationFile.digest(ofCase: $0)) }),
    ]
  }
}

/// Which cases a model has been fitted on, its weights or the correction of its confidence: they say nothing of how it
/// does on others.
struct UsedCases {
  private let calibration: Set<String>
  private let training: Set<String>

  init(_ evaluation: Evaluation, _ pool: ModelPool, _ paths: SidecarPaths) {
    let source = evaluation.calibration == nil ? nil : evaluation.sources.first?.name
    calibration =
      source.flatMap { source in
        Self.read(
          CalibrationFile.path(task: evaluation.task, model: evaluation.model, source: source, paths)
        ) { _ in
          true
        }
      } ?? []
    training =
      pool.model.file.flatMap { file in
        let path = file.hasPrefix("/") ? file : Files.join(Files.folder(of: paths.policy), file)
        return Self.read(TrainedCases.path(ofModel: path)) {
          $0["model_digest"]?.stringValue == evaluation.modelDigest
        }
      } ?? []
  }

  func holds(_ id: String) -> Bool {
    let digest = CalibrationFile.digest(ofCase: id)
    return calibration.contains(digest) || training.contains(digest)
  }

  /// How many of the cases the correction in force was fitted on.
  func byCalibration(_ cases: [EvalCase]) -> Int {
    cases.count { calibration.contains(CalibrationFile.digest(ofCase: $0.id)) }
  }

  private static func read(_ path: String, where isRight: (JSONValue) -> Bool) -> Set<String>? {
    guard let bytes = try? Files.readRegular(path, limit: 64 << 20),
      let value = try? JSONValue(parsing: bytes), isRight(value),
      let digests = value["cases_sha256"]?.arrayValue
    else { return nil }
    return Set(digests.compactMap(\.stringValue))
  }
}
