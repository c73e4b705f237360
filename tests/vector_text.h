/*
 * vector_text.h - what a message says, a field a line
 *
 * As the conformance vectors have it, and whoever writes a decoder from the
 * page alone.
 */
#ifndef TESTS_VECTOR_TEXT_H
#define TESTS_VECTOR_TEXT_H

#include "../protocol/codec.h"

#define VECTOR_TEXT	16384u
#define VECTOR_MSG	4096u		/* of the longest message */

struct text {
	char s[VECTOR_TEXT];
	size_t n;
};

/* A whole message, or "refuse", why, and where. */
void say_message(struct text *t, const uint8_t *msg, size_t len);

#endif
