package import Wire

/// One model call of the agent, as its `call` frame told it. Nothing in it needs further checks.
package struct Call: Sendable {
  /// How the frame gave the prompt.
  package enum Form: String, Sendable {
    case input, messages
    case openAIChat = "openai_chat"
    case openAIResponses = "openai_responses"
    case anthropicMessages = "anthropic_messages"
  }

  /// As it is kept: ``sentID``, but where that holds what must not be kept.
  package var callID: String
  /// As the agent gave it, for what it is told.
  package let sentID: String
  /// As the agent gave it; blank counts as absent.
  package var taskType: String?
  package var taskID: String?
  package var runID: String?
  package var agent: String?
  package var step: String?
  package var tenant: String?
  package var userGroup: String?
  package var traceparent: String?
  package var form = Form.input
  package var text = CallText()
  package var frontierProvider: String?
  /// The model that the agent is about to use: the frame's, else the request body's.
  package var frontierModel: String?
  /// What the caller knows; absent signals are not in it.
  package var signals: [RiskSignal: Bool] = [:]
  package var artifacts: [String] = []
  package var wantsReply = false
  /// Milliseconds; only with ``wantsReply``.
  package var deadlineMs: Int?
  /// The first system prompt or the instructions, where the form has them: a classifier feature.
  package var system: Range<Int>?
  /// Names of the tools that the request defines: a classifier feature.
  package var tools: [String] = []
  /// The request's `tools`, in whichever provider's form; nil where it has none or they were not kept. Kept as text
  /// and read when asked for: most calls are decided without them.
  package var toolDefinitions: JSONValue? {
    get { toolText.flatMap { try? JSONValue(parsing: $0) } }
    set { toolText = newValue?.jsonBytes }
  }
  var toolText: [UInt8]?

  package init(callID: String) {
    self.callID = callID
    sentID = callID
  }

  /// Memory that keeping it takes, near enough for a bound: its text is copied for the question that a model is asked.
  package var heldBytes: Int { 2048 + 2 * text.bytes.count + (toolText?.count ?? 0) }

  /// Puts into the place of identifiers what may be kept of them.
  package mutating func sealIdentifiers(_ seal: TextSeal) {
    callID = seal.identifier(callID)
    taskID = taskID.map(seal.identifier)
    runID = runID.map(seal.identifier)
    tenant = seal.name(tenant)
  }
}

/// The frontier's answer to a call, as its `answer` frame told it.
package struct AnswerFrame: Sendable {
  package var callID: String
  package var answer: FrontierAnswer

  package init(callID: String, answer: FrontierAnswer) {
    self.callID = callID
    self.answer = answer
  }
}

/// How a call or a whole run ended.
package struct Outcome: Sendable {
  package enum Result: String, CaseIterable, Sendable { case success, failure, partial }
  package enum Source: String, CaseIterable, Sendable { case agent, user, `operator`, eval }

  package var callID: String?
  package var runID: String?
  package var result: Result
  package var source: Source
  package var approvedBy: String?

  package init(callID: String?, runID: String?, result: Result, source: Source) {
    self.callID = callID
    self.runID = runID
    self.result = result
    self.source = source
  }
}

/// A frame of the tap, checked.
package enum Frame: Sendable {
  case call(Call)
  case answer(AnswerFrame)
  case outcome(Outcome)
  case ping
}

/// Why a frame was skipped. Raw values are metric labels: a closed set.
package enum FrameFault: String, Error, CaseIterable, Sendable {
  case notJSON = "not_json"
  case duplicateMember = "duplicate_member"
  case noKind = "no_kind"
  case unknownKind = "unknown_kind"
  case noCallID = "no_call_id"
  case duplicateCall = "duplicate_call"
  case duplicateAnswer = "duplicate_answer"
  case tooLong = "too_long"
  case frameTooLarge = "frame_too_large"
  case noInput = "no_input"
  case twoInputs = "two_inputs"
  case unknownShape = "unknown_shape"
  case unknownShapeGoogle = "unknown_shape_google_generate_content"
  case unknownShapeBedrock = "unknown_shape_bedrock_converse"
  case unknownShapeCompletion = "unknown_shape_text_completion"
  case wrongType = "wrong_type"
  case unknownSignal = "unknown_signal"
  case noOutput = "no_output"
  case badResult = "bad_result"

  /// What the sender should do about it; never quotes the frame.
  package var remedy: String {
    switch self {
    case .notJSON: "not one strict JSON object on one line (RFC 8259, UTF-8)"
    case .duplicateMember: "a top-level member stands twice"
    case .noKind: "`kind` is missing; it is call, answer, outcome or ping"
    case .unknownKind: "`kind` is not call, answer, outcome or ping"
    case .noCallID: "`call_id` must be a string of 1 to 128 characters"
    case .duplicateCall: "this `call_id` was seen already; give every call its own"
    case .duplicateAnswer: "this call was answered already; send one answer a call"
    case .tooLong: "an identifier is longer than 256 characters (`call_id`: 128)"
    case .frameTooLarge: "the frame is over the size limit"
    case .noInput: "give one of `input`, `messages`, `request`"
    case .twoInputs: "give only one of `input`, `messages`, `request`"
    case .unknownShape:
      "the request is none of OpenAI chat, OpenAI responses, Anthropic messages; send its prompt as `input`"
    case .unknownShapeGoogle: "Google generateContent is not read; send its prompt as `input`"
    case .unknownShapeBedrock: "Bedrock Converse is not read; send its prompt as `input`"
    case .unknownShapeCompletion: "text completions (`prompt`) are not read; send the prompt as `input`"
    case .wrongType: "a member has the wrong type"
    case .unknownSignal: "a signal is not of the closed set; ignoring it could be unsafe"
    case .noOutput: "an answer needs `output`, `response` or `error`"
    case .badResult: "an outcome needs `call_id` or `run_id`, a `result` and a `source` of the contract"
    }
  }
}
