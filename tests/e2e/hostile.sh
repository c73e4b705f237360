#!/bin/bash
# Peers that mean harm, on each transport: broken, cut off, stalled, flooding
# and forged requests, memory that changes while it is read, clients that
# die in the middle (tests/fronts/foe*.c).  Their sessions end with a reason;
# honest work on the mount and all other fronts goes on at more than half of
# its pace; nothing is left of them, and every block is right.
. "$(dirname "$0")/lib.sh"
if [ "$plain" ]; then
	skip hostile "needs a daemon"
	finish
fi
. "$here/fronts_lib.sh"
seed=${SEED:-$RANDOM}
ms=${full:+3000} ms=${ms:-500}
echo "# SEED=$seed"

server() {
	"$vfsctl" status "$store" | awk '$1 == "pid" { print $2 }'
}
fds() {
	find "/proc/$(server)/fd" -mindepth 1 | wc -l
}
rss() {		# KiB, but for rows that wait to be written
	local rows
	rows=$("$vfsctl" status "$store" |
	    awk '$1 == "table.bytes" { print int($2 / 1024) }')
	awk -v r="$rows" '/^RssAnon/ { print $2 - r }' \
	    "/proc/$(server)/status"
}
ended() {	# how many were, and why
	"$vfsctl" status "$store" | awk '$1 ~ "^(wire[.](malformed|stalled|" \
	    "flooded|strange)|9p[.](malformed|stalled))$" { print $1, $2 }'
}
few() {		# each of them at least once
	ended | awk '$2 == 0 { print; n++ } END { exit n > 0 }'
}

# The shortest patience that honest peers on a busy machine can do with.
check "all fronts are there" fronts_start || finish
mkdir "$mnt/foe" "$mnt/home"
echo secret >"$mnt/home/secret"
foe=$("$vfsctl" grant --root /foe --rights r,w,lock,tx,watch --ttl 1h "$mnt")
play() {	# MS
	timeout 120 "$fronts" hostile "$1" "$seed" "$foe" "$token" \
	    "${specs[@]}"
}
# who has just asked may still be there
before=$(counts)
until sleep 0.2; again=$(counts); [ "$again" = "$before" ]; do
	before=$again
done
check "a first round" play 60
rm -rf "$mnt"/foe/*
settled "$before" 400 >"$log"
fds_before=$(fds) rss_before=$(rss)

"$fronts" stall 0 - "${specs[@]}" >"$work/stall" 2>&1 &
stall=$!
check "honest work goes on" play "$ms"
grep '^# ' "$log"
wait $stall
is "who says nothing, or half of it, is ended" $? 0
cat "$work/stall"
rm -rf "$mnt"/foe/* "$mnt"/w?
check "nothing is left of them" settled "$before" 400
at_most "descriptors" "$(fds)" "$fds_before"
at_most "memory in KiB" "$(rss)" $((rss_before + 16384))
ended | sed 's/^/# ended: /'
check "sessions ended with a reason, of each kind" few
is "what they could not reach" "$(cat "$mnt/home/secret")" secret
check "no fault was reported" not grep -q 'fault\|trace' "$work/daemon.log"
check "a served store checks" "$vfsctl" check "$store"
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
