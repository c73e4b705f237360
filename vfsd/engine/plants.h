/*
 * plants.h - breaks that are built in on purpose
 *
 * make PLANT=-DPLANT_x B=build/plant builds an engine with one promise
 * broken; the crash suite must turn red on each.
 *
 *   PLANT_SKIP_DATA_SYNC	sync.c: the log is synced without its data
 *   PLANT_SKIP_LOG_SYNC	sync.c: fsync answers without syncing the log
 *   PLANT_ACK_BEFORE_APPEND	redo.c: a record is appended one commit late
 *   PLANT_REUSE_BEFORE_CHECKPOINT  space.c: freed published blocks are
 *				reused though replay may still need them
 *   PLANT_REUSE_UNDER_READER	space.c: freed blocks are reused though an
 *				older reader still sees them
 *   PLANT_NO_CHAIN		redo.c: checksums are not seeded
 *   PLANT_HALF_WRITE		core: half of a write is published
 *   PLANT_REISSUE_SEQ		marks.c: leases of seq are forgotten
 *   PLANT_REISSUE_ID		marks.c: leases of ids are forgotten
 *   PLANT_TRIM_LIVE_DRAFT	checkpoint.c: live drafts are not logged again
 *   PLANT_CURSOR_BY_NUMBER	core: a cursor is good if its number is not
 *				too small or too large
 *   PLANT_PART_OF_RECORD	recover.c: the whole rows of a torn record are
 *				taken: a part of a transaction
 *   PLANT_OUTCOME_LATER	tx_run.c: what TX_STATUS tells is committed
 *				behind the transaction
 *   PLANT_REAP_IN_MEMORY	core: which directories of a removed tree are
 *				left to take apart is not written down
 *   PLANT_TRIM_WITHOUT_FLOOR	journal.c: of a batch of change records that
 *				go only the first is noted as gone
 *
 * And one that breaks nothing, on which the suite must stay green:
 *
 *   PLANT_ALL_LARGE		commits of a few rows are written in pieces,
 *				and adopted, as those of a megabyte are
 */
#ifndef ENGINE_PLANTS_H
#define ENGINE_PLANTS_H
#endif
