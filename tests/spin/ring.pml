/*
 * ring.pml - the rings and bells of protocol/ring.c
 *
 * Two sides, each the producer of one ring and the consumer of the other,
 * with one bell each, which tells of data and of room alike.  Each step
 * below is one load or store of the shared region; they are sequentially
 * consistent in ring.c, so interleaving them is all that can happen.
 *
 * What is checked: nothing is read out of order or twice, no slot is
 * overwritten before it was copied out, and nobody sleeps for ever (an
 * invalid end state).  Variants that must fail:
 *
 *	-DNO_SECOND_LOOK	sleep without looking once more
 *	-DBELL_BEFORE_INDEX	ask who sleeps before the index has moved
 *	-DNO_ROOM_CHECK		write without looking whether there is room
 *	-DCLEAR_AFTER_BELL	take the wish away after the bell was rung
 */
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef MESSAGES
#define MESSAGES 3
#endif

/* Ring 0 carries from side 0 to side 1, ring 1 back. */
byte tail[2], head[2];
bool want_data[2], want_room[2];
byte slot[4];			/* ring * SLOTS + index % SLOTS; 0: copied */
bool bell[2];

#define AT(ring, i)	slot[(ring) * SLOTS + (i) % SLOTS]

inline ask_bell() {
	/* ring_bell(): who waits for what was done: readers, writers */
	rang = false;
	if
	:: wrote && want_data[out] ->
#ifdef CLEAR_AFTER_BELL
		bell[1 - me] = true;
#endif
		want_data[out] = false;
		rang = true
	:: else
	fi;
	if
	:: took && want_room[in] ->
#ifdef CLEAR_AFTER_BELL
		bell[1 - me] = true;
#endif
		want_room[in] = false;
		rang = true
	:: else
	fi;
#ifndef CLEAR_AFTER_BELL
	if
	:: rang -> bell[1 - me] = true
	:: else
	fi;
#endif
	wrote = false;
	took = false
}

proctype side(byte me) {
	byte out = me, in = 1 - me;
	byte sent = 0, seen_head = 0, got = 0, seen_tail = 0;
	bool moved, wrote, took, rang, more;

	do
	:: sent == MESSAGES && got == MESSAGES -> break
	:: else ->
		moved = false;
		/* ring_write() */
		if
		:: sent < MESSAGES ->
			if
			:: sent - seen_head == SLOTS -> seen_head = head[out]
			:: else
			fi;
			if
#ifdef NO_ROOM_CHECK
			:: true ->
#else
			:: sent - seen_head < SLOTS ->
#endif
				assert(AT(out, sent) == 0);
				AT(out, sent) = sent + 1;
				sent++;
				wrote = true;
#ifdef BELL_BEFORE_INDEX
				ask_bell();
#endif
				tail[out] = sent;
				moved = true
#ifndef NO_ROOM_CHECK
			:: else
#endif
			fi
		:: else
		fi;
		/* ring_read() */
		if
		:: got == seen_tail -> seen_tail = tail[in]
		:: else
		fi;
		if
		:: got < seen_tail ->
			assert(AT(in, got) == got + 1);
			AT(in, got) = 0;
			got++;
			took = true;
#ifdef BELL_BEFORE_INDEX
			ask_bell();
#endif
			head[in] = got;
			moved = true
		:: else
		fi;
		if
		:: moved ->
#ifndef BELL_BEFORE_INDEX
			ask_bell()
#else
			skip
#endif
		:: else ->
			/* ring_sleep(): the wishes, then a second look */
			more = false;
			if
			:: got < MESSAGES -> want_data[in] = true
			:: else
			fi;
			if
			:: sent < MESSAGES -> want_room[out] = true
			:: else
			fi;
#ifndef NO_SECOND_LOOK
			if
			:: got < MESSAGES ->
				seen_tail = tail[in];
				more = got < seen_tail
			:: else
			fi;
			if
			:: sent < MESSAGES ->
				seen_head = head[out];
				more = more || sent - seen_head < SLOTS
			:: else
			fi;
#endif
			if
			:: !more -> bell[me]; bell[me] = false
			:: else
			fi
		fi
	od
}

init {
	atomic {
		run side(0);
		run side(1)
	}
}
