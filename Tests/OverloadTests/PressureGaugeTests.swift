import Overload
import Testing

@Suite("Pressure")
struct PressureGaugeTests {
  @Test(
    "gives up candidates at 80 %, calls at 95 %, and takes both back below 70 %",
    arguments: [
      ([0, 79], .calm), ([80], .noCandidates), ([94], .noCandidates), ([95], .shedding), ([200], .shedding),
      // On the way down nothing changes before 70.
      ([80, 79, 70], .noCandidates), ([80, 69], .calm), ([95, 94, 80, 70], .shedding), ([95, 69], .calm),
      ([95, 69, 79], .calm), ([95, 69, 80], .noCandidates), ([80, 95, 80], .shedding),
    ] as [([Int], PressureGauge.Level)])
  func levels(percentages: [Int], level: PressureGauge.Level) {
    var gauge = PressureGauge(capacityBytes: 1_000_000)
    for percent in percentages { gauge.update(percent * 10_000) }
    #expect(gauge.level == level)
  }

  @Test("changes once for each way across, however the bytes waver between 70 and 80 %")
  func wavering() {
    var gauge = PressureGauge(capacityBytes: 64 << 20)
    var changes = 0
    var last = gauge.level
    for step in 0..<10_000 {
      gauge.update((64 << 20) / 100 * (step < 5_000 ? 71 + step % 8 : 81 - step % 11))
      if gauge.level != last { changes += 1 }
      last = gauge.level
    }
    #expect(changes == 1)
    #expect(last == .noCandidates)
  }

  @Test("dropping calls begins below the room that is kept for records that may not be missing")
  func reserve() {
    let plan = MemoryPlan()
    let gauge = PressureGauge(capacityBytes: plan.queueBytes)
    #expect(gauge.sheddingBytes < plan.queueBytes - plan.queueBytes / 25)
    #expect(gauge.calmBytes < gauge.sheddingBytes)
  }
}

@Suite("The memory's plan")
struct MemoryPlanTests {
  @Test(
    "is within its budget, and leaves the program its part", arguments: [96, 128, 192, 256, 1_000, 65_536])
  func sum(megabytes: Int) {
    let plan = MemoryPlan(megabytes: megabytes)
    #expect(plan.budgetBytes == megabytes << 20)
    let parts = plan.queueBytes + plan.waitingBytes + plan.bufferBytes
    #expect(parts <= plan.budgetBytes - 48 << 20 && parts <= plan.budgetBytes / 4 * 3)
    // Each has room for frames of a megabyte.
    #expect(min(plan.queueBytes, plan.waitingBytes, plan.bufferBytes) >= 16 << 20)
  }

  @Test("is by itself the contract's: 64 MiB of records, 64 MiB of texts that wait for each other")
  func usual() {
    let plan = MemoryPlan()
    #expect((plan.queueBytes, plan.waitingBytes, plan.bufferBytes) == (64 << 20, 64 << 20, 64 << 20))
  }

  @Test("takes what is out of all reason to the nearest that works", arguments: [-1, 0, 95, .max])
  func unreasonable(megabytes: Int) {
    #expect(MemoryPlan.megabytes.contains(MemoryPlan(megabytes: megabytes).budgetBytes >> 20))
  }
}
