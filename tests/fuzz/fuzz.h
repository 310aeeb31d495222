/* A fuzz target: judges any bytes, as libFuzzer calls it, and aborts when what it tests
 * is wrong. replay.c runs it over the inputs that are kept in tests/fuzz/corpus/NAME.
 */
#ifndef NERV_TESTS_FUZZ_H
#define NERV_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Of two sides that must agree, one is wrong. */
#define MUST(condition) do { if (!(condition)) abort(); } while (0)

#endif
