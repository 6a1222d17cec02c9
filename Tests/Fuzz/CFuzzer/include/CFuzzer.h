// libFuzzer as a library: the loop that an executable with a `main` of its own calls. Its runtime is linked by deploy/fuzz.sh.
#pragma once
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*callback)(const uint8_t *bytes, size_t size));
