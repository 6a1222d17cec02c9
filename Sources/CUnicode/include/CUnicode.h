#pragma once
#include <stdint.h>

// Character data for compatibility folding and token edges. The tables are made by generate.py.
//
// The functions take and give plain integers, so that Swift may call them without a pointer. Every argument
// named `scalar` must be below 0x110000.

extern const char CUnicodeVersion[];
extern const int32_t CUnicodePairCount;
extern const uint8_t CUnicodePropertyIndex[];
extern const uint8_t CUnicodePropertyBlocks[];
extern const uint32_t CUnicodePropertyRecords[];
extern const uint16_t CUnicodeMappingIndex[];
extern const uint16_t CUnicodeMappingBlocks[];
extern const uint32_t CUnicodeMappingPool[];
extern const uint8_t CUnicodeDeltaIndex[];
extern const uint8_t CUnicodeDeltaBlocks[];
extern const int32_t CUnicodeDeltaRecords[];
extern const uint32_t CUnicodePairFirst[];
extern const uint32_t CUnicodePairSecond[];
extern const uint32_t CUnicodePairResult[];

/// What is known of a scalar:
/// bits 0-1 class (0 anything else, 1 ASCII letter, 2 other letter, 3 digit Nd), 2 lower-case letter,
/// 3 upper-case letter, 4 White_Space, 5 of a script written without spaces, 6 normalisation boundary (NFKC_QC
/// is yes and the combining class 0: nothing before it changes it or is changed by it), 7 removed by folding,
/// 8 changed by simple case folding, 9 itself or what it maps to begins with a boundary, 16-23 canonical combining class.
static inline uint32_t cunicode_properties(uint32_t scalar) {
  return CUnicodePropertyRecords
      [CUnicodePropertyBlocks[(uint32_t)CUnicodePropertyIndex[scalar >> 7] << 7 | (scalar & 127)]];
}

/// Where the full compatibility mapping of a scalar stands, for `cunicode_mapping_at`: its length there, then
/// its scalars. 0: none. Hangul syllables are not in the table.
static inline uint32_t cunicode_mapping(uint32_t scalar) {
  return CUnicodeMappingBlocks[(uint32_t)CUnicodeMappingIndex[scalar >> 6] << 6 | (scalar & 63)];
}

static inline uint32_t cunicode_mapping_at(uint32_t place) { return CUnicodeMappingPool[place]; }

/// Simple case folding (statuses C and S).
static inline uint32_t cunicode_fold_case(uint32_t scalar) {
  uint32_t block = (uint32_t)CUnicodeDeltaIndex[scalar >> 7] << 7;
  return scalar + (uint32_t)CUnicodeDeltaRecords[CUnicodeDeltaBlocks[block | (scalar & 127)]];
}

/// The primary composite of two scalars, or 0. Hangul is not in the table.
static inline uint32_t cunicode_compose(uint32_t first, uint32_t second) {
  int32_t low = 0, high = CUnicodePairCount;
  while (low < high) {
    int32_t middle = (low + high) / 2;
    uint32_t a = CUnicodePairFirst[middle], b = CUnicodePairSecond[middle];
    if (a == first && b == second) return CUnicodePairResult[middle];
    if (a < first || (a == first && b < second)) low = middle + 1;
    else high = middle;
  }
  return 0;
}
