#pragma once
#include <stddef.h>
#include <stdint.h>

/// Folds `blocks` blocks of 64 bytes into the eight words of `state` (FIPS 180-4).
/// SHA-NI is chosen at run time where the processor has it.
void csha256_blocks(uint32_t state[8], const uint8_t *data, size_t blocks);

/// The same in plain C, whatever the processor: so that tests reach it on every machine.
void csha256_blocks_portable(uint32_t state[8], const uint8_t *data, size_t blocks);
