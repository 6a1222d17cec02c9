/// The keywords of JSON Schema by what is done with them.
enum SchemaKeywords {
  /// Accepted without effect. `$anchor`, `$defs`, `then`, `else`, `minContains` and `maxContains` act through others.
  static let silent: Set<String> = [
    "title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly",
    "format",
    "contentEncoding", "contentMediaType", "contentSchema", "$schema", "$anchor", "$defs", "then", "else",
    "minContains", "maxContains", "prefixItems", "patternProperties", "additionalProperties",
  ]

  /// Keywords that are applied.
  static let applied: Set<String> = [
    "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "minProperties",
    "maxProperties",
    "required", "dependentRequired", "dependentSchemas", "properties", "propertyNames", "items", "contains",
    "allOf", "anyOf", "oneOf", "not", "if", "$ref", "unevaluatedItems", "unevaluatedProperties",
  ]

  /// What to write in place of keywords of other versions, and of those that are not supported.
  static let remedies: [String: String] = [
    "definitions": "write `$defs`",
    "dependencies": "write `dependentRequired` or `dependentSchemas`",
    "additionalItems": "write `prefixItems`, and `items` for the rest",
    "id": "leave it out, and refer to parts as `#/$defs/NAME`",
    "$id": "leave it out, and refer to parts as `#/$defs/NAME`",
    "$dynamicRef": "write `$ref`",
    "$dynamicAnchor": "write `$anchor`",
    "$recursiveRef": "write `$ref`",
    "$recursiveAnchor": "write `$anchor`",
    "$vocabulary": "leave it out",
    "nullable": "add `null` to `type`",
    "discriminator": "leave it out; `oneOf` with a `const` in each branch says the same",
    "example": "write `examples`",
  ]

  static let dialects: Set<String> = [
    "https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2020-12/schema#",
  ]

  /// What tools' parameters call the types, in the words of half a dozen languages.
  static let foreignTypes: [String: SchemaTypes] = [
    "dict": .object, "dictionary": .object, "map": .object, "hashmap": .object, "hashtable": .object,
    "struct": .object,
    "float": .number, "double": .number, "decimal": .number,
    "int": .integer, "long": .integer, "short": .integer,
    "bool": .boolean, "str": .string, "char": .string,
    "tuple": .array, "list": .array, "arraylist": .array, "set": .array,
    "none": .null,
  ]
}
