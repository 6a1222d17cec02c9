import Live
import Testing

@Suite("Models of runs")
struct RunModelsTests {
  @Test("a run keeps the model of its first call, whatever its later calls would use")
  func keeps() {
    var runs = RunModels()
    #expect(runs.model(of: "a", first: "large") == "large")
    #expect(runs.model(of: "b", first: "small") == "small")
    #expect(runs.model(of: "a", first: "small") == "large")
    #expect(runs.model(of: "b", first: "large") == "small")
  }

  @Test("past the bound the run that began first begins anew, the others keep theirs")
  func bound() {
    var runs = RunModels(capacity: 3)
    for run in ["a", "b", "c", "d"] { #expect(runs.model(of: run, first: run) == run) }
    for run in ["b", "c", "d"] { #expect(runs.model(of: run, first: "other") == run) }
    #expect(runs.model(of: "a", first: "other") == "other")
  }
}
