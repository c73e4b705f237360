/*
 * wire_tx.h - transactions as messages: TX_EXEC to TX_ROLLBACK_TO
 */
#ifndef FRONT_WIRE_TX_H
#define FRONT_WIRE_TX_H

#include "../../protocol/hdr.h"
#include "../tx.h"

/* Who asks: owner is the session's, never 0. */
struct wire_tx {
	struct server *server;
	const struct req_env *env;
	uint64_t owner;
	const struct tx_gate *gate;	/* NULL: ids are ids, all rights */
};

/*
 * Serves one of the 0x05 operations; q and r are its structs, r's buffers
 * are lent with as much room as the reply may have.  *e is filled for
 * failures: detail is the object that decided, or PRECOND's version.
 */
int wire_tx_serve(const struct wire_tx *x, enum vfs_op op, const void *q,
    void *r, struct proto_error *e);

#endif
