/*
 * line.h - the guest's way to the daemon: COBS frames over a serial port
 */
#ifndef GUEST_LINE_H
#define GUEST_LINE_H

#include "../../protocol/client.h"

/* Knocks until somebody answers; what client_init wants. */
int line_start(struct client_pipe *out);
void line_end(void);

#endif
