/*
 * fuzz.h - targets for libFuzzer, and their replay
 *
 * fuzz/NAME.c defines LLVMFuzzerTestOneInput and has its small corpus
 * in fuzz/corpus/NAME; make fuzz runs it with clang, make check replays
 * the corpus through tests/unit/NAME_replay.c.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Runs each file of a directory; how many there were, 0 if none. */
unsigned fuzz_replay(const char *dir);

#endif
