internal import CYAML
import RouterCore

/// One step through a YAML text, as a plain value.
enum YAMLEvent {
  /// `decorations`: an anchor or a tag stands before the node.
  case scalar(String, Style, Decorations, Mark)
  case sequenceStart(isFlow: Bool, Decorations, Mark)
  case mappingStart(isFlow: Bool, Decorations, Mark)
  case end
  case alias(Mark)
  /// `hasDirectives`: `%YAML` or `%TAG` stands before it.
  case documentStart(hasDirectives: Bool, Mark)
  case documentEnd
  case syntaxError(String, Mark)

  /// `block`: after `|` or `>`.
  enum Style { case plain, quoted, block }

  struct Decorations: OptionSet {
    let rawValue: UInt8
    static let anchor = Decorations(rawValue: 1)
    static let tag = Decorations(rawValue: 2)
  }
}

/// The part of the text that an event covers, in characters from the start.
struct YAMLExtent {
  let start: Int
  let end: Int
}

/// libyaml's parser, kept inside one function call: the only unsafe code of this module.
enum YAMLEvents {
  enum Next { case goOn, stop }

  /// Hands on every event of the text until it ends, breaks off with a syntax error, or `take` says stop.
  ///
  /// - Parameter bytes: Valid UTF-8, which is read from the byte at `start` on.
  static func forEach(in bytes: [UInt8], from start: Int, _ take: (YAMLEvent, YAMLExtent) -> Next) {
    // The parser keeps pointers into itself and into the text: both stay in place for the whole of this function.
    let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    let event = UnsafeMutablePointer<yaml_event_t>.allocate(capacity: 1)
    defer {
      unsafe parser.deallocate()
      unsafe event.deallocate()
    }
    guard unsafe yaml_parser_initialize(parser) == 1 else {
      _ = take(.syntaxError("out of memory", .start), YAMLExtent(start: 0, end: 0))
      return
    }
    defer { unsafe yaml_parser_delete(parser) }
    unsafe bytes.withUnsafeBufferPointer { text in
      unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
      // An empty array may have no address; libyaml wants one.
      guard let base = text.baseAddress else { return }
      unsafe yaml_parser_set_input_string(parser, base + start, text.count - start)
      while unsafe yaml_parser_parse(parser, event) == 1 {
        let isLast = unsafe event.pointee.type == YAML_STREAM_END_EVENT
        let value = unsafe YAMLEvent(event.pointee)
        let extent = unsafe YAMLExtent(event.pointee)
        unsafe yaml_event_delete(event)
        if isLast { return }
        if let value, take(value, extent) == .stop { return }
      }
      _ = unsafe take(.syntaxError(of: parser.pointee), YAMLExtent(start: 0, end: 0))
    }
  }
}

extension YAMLEvent {
  /// Nil for what says nothing: the start of the stream.
  fileprivate init?(_ event: yaml_event_t) {
    let mark = unsafe Mark(event.start_mark)
    switch unsafe event.type {
    case YAML_SCALAR_EVENT:
      let scalar = unsafe event.data.scalar
      let text = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
      let decorations = unsafe Decorations(scalar.anchor, scalar.tag)
      let style = unsafe Style(scalar.style)
      self = .scalar(unsafe String(decoding: text, as: UTF8.self), style, decorations, mark)
    case YAML_SEQUENCE_START_EVENT:
      let data = unsafe event.data.sequence_start
      let isFlow = unsafe data.style == YAML_FLOW_SEQUENCE_STYLE
      self = .sequenceStart(isFlow: isFlow, unsafe Decorations(data.anchor, data.tag), mark)
    case YAML_MAPPING_START_EVENT:
      let data = unsafe event.data.mapping_start
      let isFlow = unsafe data.style == YAML_FLOW_MAPPING_STYLE
      self = .mappingStart(isFlow: isFlow, unsafe Decorations(data.anchor, data.tag), mark)
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
      self = .end
    case YAML_ALIAS_EVENT:
      self = .alias(mark)
    case YAML_DOCUMENT_START_EVENT:
      let data = unsafe event.data.document_start
      let hasTags = unsafe data.tag_directives.start != data.tag_directives.end
      self = .documentStart(hasDirectives: unsafe data.version_directive != nil || hasTags, mark)
    case YAML_DOCUMENT_END_EVENT:
      self = .documentEnd
    default:
      return nil
    }
  }

  /// libyaml's complaint in one sentence, placed where it arose, with the place where the broken part starts.
  fileprivate static func syntaxError(of parser: yaml_parser_t) -> YAMLEvent {
    let mark = unsafe Mark(parser.problem_mark)
    let contextMark = unsafe Mark(parser.context_mark)
    let problem = unsafe parser.problem.map { unsafe String(cString: $0) } ?? "the text cannot be read"
    let context = unsafe parser.context.map { unsafe String(cString: $0) }
    return .syntaxError(SyntaxError.message(problem, context: context, at: contextMark, mark), mark)
  }
}

extension YAMLEvent.Decorations {
  fileprivate init(_ anchor: UnsafeMutablePointer<yaml_char_t>?, _ tag: UnsafeMutablePointer<yaml_char_t>?) {
    self = []
    if unsafe anchor != nil { insert(.anchor) }
    if unsafe tag != nil { insert(.tag) }
  }
}

extension YAMLEvent.Style {
  fileprivate init(_ style: yaml_scalar_style_t) {
    switch style {
    case YAML_PLAIN_SCALAR_STYLE: self = .plain
    case YAML_LITERAL_SCALAR_STYLE, YAML_FOLDED_SCALAR_STYLE: self = .block
    default: self = .quoted
    }
  }
}

extension YAMLExtent {
  fileprivate init(_ event: yaml_event_t) {
    self.init(start: unsafe Int(event.start_mark.index), end: unsafe Int(event.end_mark.index))
  }
}

extension Mark {
  /// libyaml counts from 0, people and editors from 1.
  fileprivate init(_ mark: yaml_mark_t) {
    self.init(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
  }
}
