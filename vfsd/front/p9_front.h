/*
 * p9_front.h - 9P as a row of fronts.c
 */
#ifndef FRONT_P9_FRONT_H
#define FRONT_P9_FRONT_H

#include "fronts.h"

int p9_front_start(const struct front_conf *conf, void **out);
void p9_front_stop(void *front);
void p9_front_status(void *front, wire_put *put, void *to);

#endif
