/*
 * backends.h - the registry of backends
 *
 * A new backend is one folder with one exported const table and one
 * line in backends.c; the contract, fault and crash suites then run on
 * it too.
 */
#ifndef BACKENDS_BACKENDS_H
#define BACKENDS_BACKENDS_H

#include "data.h"
#include "log.h"
#include "store.h"

extern const struct store_ops be_store_mem, be_store_lmdb;
extern const struct log_ops be_log_mem, be_log_file;
extern const struct data_ops be_data_mem, be_data_file;

/* All of them, NULL-terminated; the first is the default. */
extern const struct store_ops *const backends_store[];
extern const struct log_ops *const backends_log[];
extern const struct data_ops *const backends_data[];

#endif
