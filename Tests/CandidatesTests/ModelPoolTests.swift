import Posix
import RouterCore
import Testing
import Wire

@testable import Candidates

@Suite("Pools")
struct ModelPoolTests {
  /// A model whose server nobody runs: every question fails at once.
  private func pool(_ change: (inout ModelPolicy) -> Void = { _ in }) throws -> ModelPool {
    var model = ModelPolicy(id: "m", mark: Mark(line: 1, column: 1), provider: .ollama, name: "m")
    model.endpoint = try HTTPURL(parsing: "http://127.0.0.1:1/api/generate")
    change(&model)
    return ModelPool(model)
  }

  private func question() -> Question {
    Question(
      task: TaskPolicy(name: "t", mark: Mark(line: 1, column: 1)), text: [65],
      deadline: Clocks.deadline(afterMilliseconds: 5_000))
  }

  private func submit(_ count: Int, to pool: ModelPool) -> [String] {
    let causes = Monitor<[String]>([])
    for _ in 0..<count {
      let refusal = pool.submit(question()) { asked in
        if case .unavailable(let cause) = asked.outcome { causes.withLock { $0.append(cause) } }
        causes.notify()
      }
      if let refusal { causes.withLock { $0.append(refusal.rawValue) } }
    }
    let deadline = Clocks.deadline(afterMilliseconds: 10_000)
    return causes.wait(until: deadline, for: { $0.count == count }, { $0 })
  }

  @Test("every question is answered exactly once, and failures open the breaker")
  func once() throws {
    let pool = try pool { $0.breaker.failures = 3 }
    let causes = submit(20, to: pool)
    #expect(causes.count == 20)
    #expect(Set(causes) == ["refused", "breaker_open"])
    pool.stop(until: 0)
  }

  @Test("a retired pool still answers a late question")
  func retired() throws {
    let pool = try pool { $0.breaker.failures = 1_000 }
    #expect(submit(2, to: pool).count == 2)
    pool.retire()
    for _ in 0..<20 { #expect(submit(1, to: pool) == ["refused"]) }
    pool.stop(until: 0)
    #expect(submit(1, to: pool) == ["stopping"])
  }
}
