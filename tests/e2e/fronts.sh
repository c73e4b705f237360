#!/bin/bash
# All fronts of one daemon at once: the mount, VFP/1 on a unix socket, TCP,
# a ring, bounded IPC and a serial line, and 9P on a unix socket and TCP
# (tests/fronts).  What each commits all others see at once; writers and
# readers on each leave what some order would; kill -9 takes nothing that
# anybody was told of.
. "$(dirname "$0")/lib.sh"
if [ "$plain" ]; then
	skip fronts "needs a daemon"
	finish
fi
. "$here/fronts_lib.sh"
ms=${full:+30000} ms=${ms:-4000}

crash() {
	kill_daemon
	# by force: a thread of the dead one may wait for a page that waits
	# for it, and then its connection does not end by itself
	umount -fl "$mnt" 2>/dev/null || fusermount3 -uz "$mnt"
}
check "all fronts are there" fronts_start || finish
before=$(counts)
check "what one front does all others see" \
    timeout 60 "$fronts" visible $ms "$token" "${specs[@]}"
grep '^# ' "$log"
check "nothing is left of it" settled "$before"

check "writers and readers on each front" \
    timeout 60 "$fronts" work $ms "$work/tallies" "$token" "${specs[@]}"
grep '^# ' "$log"
check "all is there" \
    "$fronts" verify "$work/tallies" "$token" "${specs[@]}"
check "nothing is left of them" settled "$before"

for k in 1 2; do
	# on a busy machine one may come in after the restart, and stay
	timeout 60 "$fronts" work 4000 "$work/tallies" "$token" \
	    "${specs[@]}" >"$work/crash" 2>&1 &
	pid=$!
	sleep 1.$((RANDOM % 10))
	crash
	check "crash_$k: starts again" fronts_start || finish
	wait $pid			# a line tells only now that it was cut
	is "crash_$k: nothing was wrong before" $? 3 && cat "$work/crash" ||
	    sed 's/^/# /' "$work/crash"
	check "crash_$k: what was acknowledged is there" \
	    "$fronts" verify "$work/tallies" "$token" "${specs[@]}" ||
	    sed 's/^/# /' "$work/crash"
done
check "they go on after crashes" timeout 60 "$fronts" work $((ms / 4)) \
    "$work/tallies" "$token" "${specs[@]}"
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
