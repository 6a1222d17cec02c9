/// Beginnings by which issuers mark their secrets, after the rule set of gitleaks (MIT).
///
/// Only the first eight bytes of a beginning are compared, as one word; the length of what follows does the rest.
struct TokenPrefixes: Sendable {
  private struct Entry: Sendable {
    let value: UInt64
    let mask: UInt64
    /// Shortest token, the beginning included. A shorter one is an example or a variable's name.
    let least: Int
    /// A dot goes on the token.
    let dotted: Bool
  }

  private var entries: [Entry] = []
  /// The entries of first byte `b` are `starts[b]..<starts[b + 1]`.
  private var starts: [Int] = []

  static let shared = TokenPrefixes()

  private init() {
    var lists: [[Entry]] = Array(repeating: [], count: 256)
    for (list, dotted) in [(TokenPrefixes.plain, false), (TokenPrefixes.dotted, true)] {
      for (text, least) in list {
        let head = Array(text.utf8.prefix(8))
        guard let first = head.first else { continue }
        let value = head.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let mask = head.count == 8 ? UInt64.max : 1 << UInt64(8 * head.count) - 1
        lists[Int(first)].append(Entry(value: value, mask: mask, least: least, dotted: dotted))
      }
    }
    for list in lists {
      starts.append(entries.count)
      entries += list
    }
    starts.append(entries.count)
  }

  func mayStart(_ byte: UInt8) -> Bool { starts[Int(byte)] < starts[Int(byte) + 1] }

  /// - Returns: The end of the token that starts here, nil if no issuer's mark does.
  func end(of text: Span<UInt8>, from start: Int, limit: Int, classes: [UInt8]) -> Int? {
    let first = Int(text[start])
    var word: UInt64 = 0
    for index in stride(from: min(start + 8, limit) - 1, through: start, by: -1) {
      word = word << 8 | UInt64(text[index])
    }
    for index in starts[first]..<starts[first + 1] {
      let entry = entries[index]
      guard word & entry.mask == entry.value else { continue }
      var end = start
      while end < limit, isPart(text[end], entry.dotted, classes) { end += 1 }
      // Cut by the window: it could have been long enough.
      if end - start >= entry.least || end == limit { return end }
    }
    return nil
  }

  private func isPart(_ byte: UInt8, _ dotted: Bool, _ classes: [UInt8]) -> Bool {
    classes[Int(byte)] & (ByteClass.word | ByteClass.token) != 0 || (dotted && byte == ascii("."))
  }

  /// (beginning, shortest token)
  private static let plain: [(String, Int)] = [
    ("AKIA", 20), ("ASIA", 20), ("ABIA", 20), ("ACCA", 20), ("A3T", 20), ("ABSK", 60),
    ("bedrock-api-key-", 40),
    ("A3-", 30), ("AKC", 13), ("AP0", 13), ("AP1", 13), ("AP2", 13), ("AP3", 13), ("AP4", 13), ("AP5", 13),
    ("AP6", 13), ("AP7", 13), ("AP8", 13), ("AP9", 13), ("APAx", 13), ("AGE-SECRET-KEY-1", 40), ("AIza", 35),
    ("AQVN", 35), ("API-", 30), ("ATATT3", 40), ("ATCTT3", 40), ("ATBB", 32), ("cmVmd", 60), ("CLOJARS_", 40),
    ("dapi", 32), ("dop_v1_", 40), ("doo_v1_", 40), ("dor_v1_", 40), ("dckr_pat_", 24), ("dckr_oat_", 24),
    ("duffel_", 30), ("EAA", 30), ("EZAK", 40), ("EZTK", 40), ("fio-u-", 40), ("flb_live_", 25),
    ("FLWSECK", 20), ("fm1_", 20), ("fm2_", 20), ("fm1r_", 20), ("fm1a_", 20), ("fo1_", 20), ("ghp_", 20),
    ("gho_", 20), ("ghu_", 20), ("ghs_", 20), ("ghr_", 20), ("github_pat_", 30), ("glpat-", 18),
    ("glptt-", 18),
    ("glrt-", 18), ("gldt-", 18), ("glcbt-", 18), ("glimt-", 18), ("glagent-", 24), ("gloas-", 24),
    ("glsoat-", 18), ("glft-", 18), ("glffct-", 18), ("glc_", 32), ("glsa_", 32), ("GR1348941", 20),
    ("GOCSPX-", 20), ("hf_", 30), ("HRKU-", 30), ("ico-", 32), ("key-", 34), ("lin_api_", 30), ("LTAI", 20),
    ("ntn_", 40), ("npm_", 30), ("NRAK-", 24), ("NRII-", 24), ("NRJS-", 20), ("NRRA-", 24), ("ops_", 60),
    ("p8e-", 32), ("PMAK-", 40), ("pnu_", 32), ("pplx-", 40), ("pscale_", 30), ("pul-", 40), ("pypi-", 50),
    ("rdme_", 50), ("rk_live_", 18), ("rk_test_", 18), ("rk_prod_", 18), ("rubygems_", 40), ("r8_", 30),
    ("s-s4t2", 40), ("sha256~", 30), ("shippo_", 40), ("shpat_", 30), ("shpca_", 30), ("shppa_", 30),
    ("shpss_", 30), ("sk-", 24), ("sk_live_", 18), ("sk_test_", 18), ("sk_prod_", 18), ("sntrys_", 40),
    ("sntryu_", 40), ("sgp_", 30), ("sbp_", 40), ("sm_aat_", 20), ("sm_pat_", 20), ("sm_sat_", 20),
    ("sq0atp-", 25), ("sq0csp-", 25), ("squ_", 36), ("sqp_", 36), ("sqa_", 36), ("secret_", 43), ("tfp_", 40),
    ("tk-us-", 40), ("tskey-", 24), ("whsec_", 30), ("xapp-", 20), ("xoxa-", 18), ("xoxb-", 18),
    ("xoxe-", 18),
    ("xoxo-", 40), ("xoxp-", 18), ("xoxr-", 18), ("xoxs-", 18), ("xkeysib-", 40), ("xai-", 60), ("ZXlK", 40),
  ]

  private static let dotted: [(String, Int)] = [
    ("dp.pt.", 30), ("dp.st.", 30), ("dt0c01.", 40), ("hvs.", 40), ("hvb.", 60), ("SG.", 40),
    ("xoxe.xox", 60),
    ("ya29.", 30), ("v1.0-", 60), ("sl.", 60), ("pat", 60),
  ]
}
