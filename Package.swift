// swift-tools-version: 6.3
import PackageDescription

/// Every Swift target is compiled the same way: strict concurrency and memory safety, warnings are errors.
let settings: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], path: String? = nil) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, path: path ?? "Tests/\(name)", swiftSettings: settings)
}

let package = Package(
  name: "shadow-router",
  products: [
    .executable(name: "shadow-router", targets: ["shadow-router"]),
    .executable(name: "shadow-router-https", targets: ["shadow-router-https"]),
  ],
  targets: [
    // C: system headers and libraries, and tables that a Swift array literal would take minutes to compile.
    .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .target(name: "CSystem"),
    .target(name: "CSHA256"),
    .target(name: "CUnicode"),
    // Pure: no descriptors, threads or clocks.
    module("Wire"),
    module("Text", ["CUnicode"]),
    module("Redaction", ["Text"]),
    module("JSONSchema", ["Wire", "Text"]),
    module("RouterCore", ["Wire", "Text", "Redaction", "JSONSchema", "CSHA256"]),
    module("Schemas", ["RouterCore", "Wire"]),
    module("PolicyLanguage", ["RouterCore", "Wire", "Text", "JSONSchema"]),
    module("Rollout", ["Statistics", "RouterCore", "Wire"]),
    module("Live", ["Rollout", "RouterCore", "Wire"]),
    module("Anchors", ["RouterCore"]),
    module("Overload"),
    // Pure, from records to figures.
    module("Statistics", ["RouterCore"]),
    module("LogReading", ["RouterCore", "Wire"]),
    module("Agreements", ["RouterCore", "Wire", "Text"]),
    module("Gates", ["Statistics", "LogReading", "RouterCore", "Wire"]),
    module("Reviews", ["Statistics", "LogReading", "RouterCore", "Wire"]),
    module("Rows", ["LogReading", "Wire"]),
    module("Evidence", ["Statistics", "LogReading", "Agreements", "Gates", "Reviews", "RouterCore", "Wire"]),
    module("Advice", ["Evidence", "Gates", "Statistics", "LogReading", "RouterCore", "Wire"]),
    module(
      "Simulations", ["Evidence", "Statistics", "LogReading", "Agreements", "RouterCore", "Wire", "Text"]),
    module(
      "Reports",
      ["Advice", "Evidence", "Simulations", "Gates", "Statistics", "LogReading", "Wire"]),
    module("Evaluations", ["Reports", "Evidence", "Statistics", "Agreements", "RouterCore", "Wire"]),
    module("ConsolePage", ["Reports"]),
    module("Screens", ["Statistics", "Wire"]),
    module("LabelledFiles", ["Evaluations", "LogReading", "RouterCore", "Wire"]),
    // The edge.
    module("Posix", ["CSystem"]),
    module("PolicyYAML", ["CYAML", "PolicyLanguage", "RouterCore"]),
    module("Senders", ["Posix", "Wire"]),
    module("Journal", ["Anchors", "Posix", "RouterCore", "Wire"]),
    module("Retention", ["Anchors", "Journal", "Posix", "RouterCore", "Wire"]),
    module("Receipts", ["Journal", "Rollout", "Gates", "RouterCore", "Wire"]),
    module("BuiltIn", ["RouterCore", "Text"]),
    module("Candidates", ["BuiltIn", "Posix", "RouterCore", "Wire", "Text"]),
    module("Captures", ["Posix", "RouterCore", "Wire"]),
    module("Probes", ["Candidates", "Posix", "RouterCore", "Wire"]),
    module(
      "PolicyFiles",
      ["PolicyYAML", "PolicyLanguage", "Gates", "BuiltIn", "Candidates", "Posix", "RouterCore", "Wire"]),
    module(
      "LogRequests",
      [
        "Reports", "Rows", "Advice", "Evidence", "Gates", "LogReading", "PolicyLanguage", "Journal", "Posix",
        "RouterCore", "Wire",
      ]),
    // The running router: the way of a call, what people change in it, and what surrounds both.
    module(
      "Deciding",
      [
        "Overload", "Senders", "Live", "Rollout", "Agreements", "Gates", "Reviews", "Candidates", "Captures",
        "Probes",
        "PolicyFiles",
        "Journal", "Posix", "RouterCore", "Wire",
      ]),
    module(
      "Operations",
      [
        "Deciding", "LogRequests", "Rollout", "Receipts", "Gates", "Reviews", "LogReading", "Screens",
        "Candidates", "Captures", "PolicyFiles", "Journal", "Posix", "RouterCore", "Wire",
      ]),
    module(
      "Service",
      [
        "Operations", "Deciding", "LogRequests", "RouterCore", "Wire", "Rollout", "Live", "LogReading",
        "Gates",
        "ConsolePage", "Posix", "Journal", "Receipts", "Retention", "Candidates", "Captures", "PolicyFiles",
        "Overload", "Senders",
      ]),
    module("Commands", ["LogRequests", "Posix", "Wire"]),
    module(
      "Demo", ["Commands", "LogRequests", "PolicyFiles", "Journal", "Posix", "RouterCore", "Wire"]),
    .executableTarget(
      name: "shadow-router",
      dependencies: [
        "Commands", "Demo", "Service", "Deciding", "LogRequests", "Schemas", "RouterCore", "Wire",
        "PolicyLanguage", "Statistics", "LogReading", "Gates", "Reviews", "Rows", "Advice",
        "Evidence", "Simulations", "Reports", "Evaluations", "Screens", "Posix", "Journal", "Anchors",
        "Retention",
        "BuiltIn", "Candidates", "Probes", "PolicyFiles", "Rollout", "Overload", "LabelledFiles",
      ],
      swiftSettings: settings),
    // The helper for https endpoints: the only user of FoundationNetworking, in a process of its own.
    .target(name: "CCurlHook"),
    .executableTarget(
      name: "shadow-router-https", dependencies: ["CCurlHook", "Posix", "Wire"], path: "Sources/HTTPSBridge",
      swiftSettings: settings,
      // libcurl's users must find the hook first; an executable exports nothing by itself.
      linkerSettings: [
        .unsafeFlags(
          ["curl_multi_add_handle", "curl_multi_info_read"].flatMap {
            ["-Xlinker", "--export-dynamic-symbol=\($0)"]
          })
      ]),
    tests("WireTests", ["Wire", "TestData"]),
    .target(name: "TestData", path: "Tests/Support/TestData", swiftSettings: settings),
    tests("TextTests", ["Text", "TestData"]),
    tests("RedactionTests", ["Redaction", "Text", "TestData"]),
    tests("JSONSchemaTests", ["JSONSchema", "Wire", "Text", "TestData"]),
    tests("RouterCoreTests", ["RouterCore", "Wire", "Text", "TestData"]),
    tests("PolicyLanguageTests", ["PolicyLanguage", "RouterCore"]),
    .target(
      name: "TestLogs", dependencies: ["LogReading", "TestData", "Wire"], path: "Tests/Support/TestLogs",
      swiftSettings: settings),
    tests("LiveTests", ["Live", "Rollout", "RouterCore", "Wire", "TestData"]),
    tests("StatisticsTests", ["Statistics", "RouterCore", "Wire", "TestData"]),
    tests("AgreementsTests", ["Agreements", "RouterCore", "Wire", "Text", "TestData"]),
    tests("GatesTests", ["Gates", "Statistics", "LogReading", "RouterCore", "Wire", "TestLogs"]),
    tests("ReviewsTests", ["Reviews", "RouterCore", "Wire", "TestLogs"]),
    tests(
      "EvidenceTests",
      [
        "Evidence", "Advice", "Evaluations", "Rows", "Gates", "Statistics", "LogReading", "Reviews",
        "RouterCore", "Wire", "TestLogs", "TestData",
      ]),
    tests(
      "SimulationsTests",
      ["Simulations", "Evidence", "LogReading", "RouterCore", "Wire", "Text", "TestLogs", "TestData"]),
    tests(
      "ReportsTests",
      [
        "Reports", "Evaluations", "Advice", "Evidence", "Gates", "Statistics", "LogReading", "RouterCore",
        "Wire",
        "TestLogs",
      ]),
    tests("ScreensTests", ["Screens", "Wire"]),
    tests("LabelledFilesTests", ["LabelledFiles", "Evaluations", "RouterCore", "Wire"]),
    tests("RolloutTests", ["Rollout", "RouterCore", "Wire"]),
    tests("PosixTests", ["Posix"]),
    tests("OverloadTests", ["Overload"]),
    tests("SendersTests", ["Senders", "Posix", "Wire"]),
    tests("PolicyYAMLTests", ["PolicyYAML", "PolicyLanguage", "RouterCore", "Wire", "TestData"]),
    tests("AnchorsTests", ["Anchors", "RouterCore"]),
    tests("JournalTests", ["Journal", "Posix", "RouterCore", "Wire"]),
    tests("RetentionTests", ["Retention", "Anchors", "Journal", "Posix", "RouterCore", "Wire"]),
    tests("ReceiptsTests", ["Receipts", "Rollout", "Gates", "Journal", "Posix", "RouterCore", "Wire"]),
    tests("BuiltInTests", ["BuiltIn", "RouterCore", "Text", "TestData"]),
    tests("CandidatesTests", ["Candidates", "Posix", "RouterCore", "Wire", "Text", "TestData"]),
    tests("CapturesTests", ["Captures", "RouterCore", "Wire", "Posix"]),
    tests("ProbesTests", ["Probes", "Candidates", "RouterCore", "Wire"]),
    tests("PolicyFilesTests", ["PolicyFiles", "Candidates", "RouterCore", "Wire", "Posix"]),
    tests(
      "ServiceTests",
      [
        "Service", "Operations", "Deciding", "LogRequests", "PolicyFiles", "Candidates", "Reviews",
        "Agreements", "Rollout",
        "RouterCore", "Wire", "Posix",
      ]),
    // What fuzzers try, run over the kept corpus by the unit tests.
    .target(
      name: "FuzzTargets",
      dependencies: [
        "Advice", "Agreements", "Anchors", "BuiltIn", "Candidates", "Evidence", "Gates", "JSONSchema",
        "Journal",
        "LabelledFiles", "LogReading", "PolicyLanguage", "PolicyYAML", "Posix", "Redaction", "Reports",
        "Reviews",
        "Rollout", "RouterCore", "Screens", "Simulations", "TestData", "Text", "Wire",
      ],
      path: "Tests/Fuzz/Targets", swiftSettings: settings),
    tests("FuzzTests", ["FuzzTargets"]),
  ],
  swiftLanguageModes: [.v6]
)

// Only where it is asked for, so that no other build waits for it:
// SHADOW_ROUTER_BENCHMARKS=1 swift build -c release --product benchmarks
if Context.environment["SHADOW_ROUTER_BENCHMARKS"] != nil {
  package.products.append(.executable(name: "benchmarks", targets: ["Benchmarks"]))
  package.targets.append(
    .executableTarget(
      name: "Benchmarks",
      dependencies: [
        "RouterCore", "Wire", "Text", "Redaction", "PolicyLanguage", "Posix", "PolicyYAML", "Journal",
      ],
      path: "Tests/Benchmarks/Program", swiftSettings: settings))
}

// The fuzzer: see deploy/fuzz.sh, which builds it with the sanitizers that it needs.
if Context.environment["SHADOW_ROUTER_FUZZ"] != nil {
  package.products.append(.executable(name: "fuzz", targets: ["Fuzz"]))
  package.targets += [
    .executableTarget(
      name: "Fuzz",
      dependencies: [
        "FuzzTargets", "BuiltIn", "Evidence", "Gates", "Posix", "Rollout", "RouterCore",
        "TestData",
        "TestLogs", "Wire",
      ],
      path: "Tests/Fuzz/Program", swiftSettings: settings)
  ]
}
