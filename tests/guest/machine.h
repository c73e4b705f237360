/*
 * machine.h - the little of a PC that the guest needs
 *
 * Two serial ports (one to print on, one to the daemon), the interval timer
 * as a clock, and a way to end the emulator.  No interrupts: it polls.
 */
#ifndef GUEST_MACHINE_H
#define GUEST_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COM_PRINT	0x3f8u
#define COM_LINE	0x2f8u

void machine_start(void);
/* Milliseconds since then; to be asked at least every 50. */
uint64_t machine_ms(void);
void machine_end(bool good) __attribute__((noreturn));

/* A byte that came, or -1. */
int com_get(uint16_t com);
/* How many of them the port takes now. */
size_t com_put(uint16_t com, const uint8_t *p, size_t n);

void print(const char *s);
void print_bytes(const void *p, size_t n);
void print_number(uint64_t n);

#endif
