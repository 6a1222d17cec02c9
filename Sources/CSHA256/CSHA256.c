// SHA-256 compression (FIPS 180-4, 6.2.2). In C because the straightforward Swift is 13 times slower
// than the processor's own instructions, and those are reached only through intrinsics.
#include "CSHA256.h"

static const uint32_t K[64] __attribute__((aligned(64))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static inline uint32_t rotr(uint32_t x, int n) { return x >> n | x << (32 - n); }

static inline uint32_t load_be(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// The eight names rotate by argument order, not by assignment: moving them costs a factor of 1.9.
#define ROUND(a, b, c, d, e, f, g, h, k, w)                                                       \
  do {                                                                                            \
    uint32_t t = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + (g ^ (e & (f ^ g))) + (k) + (w);  \
    d += t;                                                                                       \
    h = t + (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) | (c & (a | b)));                 \
  } while (0)

#define NEXT(i)                                                                                   \
  (w[(i) & 15] += (rotr(w[((i) + 14) & 15], 17) ^ rotr(w[((i) + 14) & 15], 19) ^ w[((i) + 14) & 15] >> 10) + \
                  w[((i) + 9) & 15] +                                                             \
                  (rotr(w[((i) + 1) & 15], 7) ^ rotr(w[((i) + 1) & 15], 18) ^ w[((i) + 1) & 15] >> 3))

#define EIGHT(i, W)                                   \
  ROUND(a, b, c, d, e, f, g, h, K[(i) + 0], W((i) + 0)); \
  ROUND(h, a, b, c, d, e, f, g, K[(i) + 1], W((i) + 1)); \
  ROUND(g, h, a, b, c, d, e, f, K[(i) + 2], W((i) + 2)); \
  ROUND(f, g, h, a, b, c, d, e, K[(i) + 3], W((i) + 3)); \
  ROUND(e, f, g, h, a, b, c, d, K[(i) + 4], W((i) + 4)); \
  ROUND(d, e, f, g, h, a, b, c, K[(i) + 5], W((i) + 5)); \
  ROUND(c, d, e, f, g, h, a, b, K[(i) + 6], W((i) + 6)); \
  ROUND(b, c, d, e, f, g, h, a, K[(i) + 7], W((i) + 7))

#define LOADED(i) (w[(i) & 15])

void csha256_blocks_portable(uint32_t state[8], const uint8_t *data, size_t blocks) {
  uint32_t w[16];
  for (; blocks; blocks--, data += 64) {
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 16; i++) w[i] = load_be(data + 4 * i);
    EIGHT(0, LOADED);
    EIGHT(8, LOADED);
    for (int i = 16; i < 64; i += 16) {
      EIGHT(i, NEXT);
      EIGHT(i + 8, NEXT);
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d;
    state[4] += e; state[5] += f; state[6] += g; state[7] += h;
  }
}

#if defined(__x86_64__)
#include <immintrin.h>

// Four rounds. `m` is the vector of message words for these rounds.
#define QUAD(i, m)                                                             \
  do {                                                                         \
    __m128i t = _mm_add_epi32(m, _mm_load_si128((const __m128i *)(K + 4 * (i)))); \
    cdgh = _mm_sha256rnds2_epu32(cdgh, abef, t);                               \
    abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(t, 0x0e));      \
  } while (0)

// The schedule: m0 becomes the words sixteen further on, from m0...m3 (m3 the newest).
#define EXTEND(m0, m1, m2, m3)                                                 \
  m0 = _mm_sha256msg2_epu32(                                                   \
      _mm_add_epi32(_mm_sha256msg1_epu32(m0, m1), _mm_alignr_epi8(m3, m2, 4)), m3)

__attribute__((target("sha,sse4.1,ssse3")))
static void blocks_sha_ni(uint32_t state[8], const uint8_t *data, size_t blocks) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bULL, 0x0405060700010203ULL);
  // The instructions want the words as (a b e f) and (c d g h).
  __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
  __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
  __m128i abef = _mm_alignr_epi8(low, high, 8);
  __m128i cdgh = _mm_blend_epi16(high, low, 0xf0);

  for (; blocks; blocks--, data += 64) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i m0 = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)data), swap);
    __m128i m1 = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16)), swap);
    __m128i m2 = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 32)), swap);
    __m128i m3 = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 48)), swap);
    QUAD(0, m0);
    QUAD(1, m1);
    QUAD(2, m2);
    QUAD(3, m3);
    EXTEND(m0, m1, m2, m3); QUAD(4, m0);
    EXTEND(m1, m2, m3, m0); QUAD(5, m1);
    EXTEND(m2, m3, m0, m1); QUAD(6, m2);
    EXTEND(m3, m0, m1, m2); QUAD(7, m3);
    EXTEND(m0, m1, m2, m3); QUAD(8, m0);
    EXTEND(m1, m2, m3, m0); QUAD(9, m1);
    EXTEND(m2, m3, m0, m1); QUAD(10, m2);
    EXTEND(m3, m0, m1, m2); QUAD(11, m3);
    EXTEND(m0, m1, m2, m3); QUAD(12, m0);
    EXTEND(m1, m2, m3, m0); QUAD(13, m1);
    EXTEND(m2, m3, m0, m1); QUAD(14, m2);
    EXTEND(m3, m0, m1, m2); QUAD(15, m3);
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }

  low = _mm_shuffle_epi32(abef, 0x1b);
  high = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(low, high, 0xf0));
  _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(high, low, 8));
}

static int has_sha_ni(void) {
  return __builtin_cpu_supports("sha") && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3");
}
#endif

void csha256_blocks(uint32_t state[8], const uint8_t *data, size_t blocks) {
#if defined(__x86_64__)
  if (has_sha_ni()) {
    blocks_sha_ni(state, data, blocks);
    return;
  }
#endif
  csha256_blocks_portable(state, data, blocks);
}
