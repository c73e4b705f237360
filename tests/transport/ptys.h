/*
 * ptys.h - a cable between two serial ports (ptys.c)
 */
#ifndef TRANSPORT_PTYS_H
#define TRANSPORT_PTYS_H

int ptys_main(const char *seed);

#endif
