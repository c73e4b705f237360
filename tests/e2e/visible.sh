#!/bin/bash
# What the wire commits is seen through the mount: at once, all of it or
# nothing, with the kernel's caches warm (visible*.c).
#
#   VISIBLE_ROUNDS	changes that are looked for at once
#   VISIBLE_MS		how long readers watch
#   VISIBLE_TX_MS	how long 64 transactions stay open (30000 if FULL)
. "$(dirname "$0")/lib.sh"
if [ "$plain" ]; then
	skip visible "needs a daemon"
	finish
fi
rounds=${VISIBLE_ROUNDS:-100000}
ms=${VISIBLE_MS:-6000}
tx_ms=${VISIBLE_TX_MS:-2000}
if [ "$full" ]; then
	ms=${VISIBLE_MS:-60000}
	tx_ms=${VISIBLE_TX_MS:-30000}
fi
mount_store || { check "mount" false; finish; }

said() {	# WORD: its number in what the probe has printed
	sed -n "s/^$1 \([0-9]*\)$/\1/p" "$work/out" | tail -n 1
}
run() {		# NAME SECONDS ARGUMENTS...
	local name=$1 limit=$2
	shift 2
	check "$name" timeout "$limit" "$probe" visible "$@"
	cp "$log" "$work/out"
	grep -v '^[a-z_0-9]* [0-9]*$' "$log" | head -n 30 | sed 's/^#* */# /'
}

run "$rounds changes, each seen when its reply is in" 900 \
    rounds "$store" "$mnt" "$rounds"

run "permissions, lists, links, mappings, sizes, appends" 60 \
    rules "$store" "$mnt"

# A filesystem on a directory inside stays where it is.
mkdir -p "$mnt/watched/inside"
inside=
if [ "$(id -u)" = 0 ] && mount -t tmpfs none "$mnt/watched/inside"; then
	inside=1
	echo here >"$mnt/watched/inside/file"
fi
VISIBLE_DIR=watched run \
    "readers see all of a commit or nothing, and never go back" \
    $((ms / 1000 + 60)) readers "$store" "$mnt" "$ms" 4
is "nothing else was seen" "$(said wrong)" 0
is "what was not touched costs no request" "$(said untouched)" 0
if [ "$inside" ]; then
	check "a filesystem mounted inside is still there" \
	    grep -q here "$mnt/watched/inside/file"
	umount "$mnt/watched/inside"
else
	skip "a filesystem mounted inside is still there" "needs root"
fi

# The kernel's own changes of the same files beside the commits.
for how in link chmod; do
	run "the kernel's $how beside commits takes nothing back" 60 \
	    own "$store" "$mnt" $((ms / 4)) 4 $how
done

run "the first looks at what was changed, all at once" 60 \
    first "$store" "$mnt" $((ms / 2)) 4

run "directories that are exchanged whole" 60 \
    trees "$store" "$mnt" $((ms / 2)) 4

# No stat waits for 10 ms, but those that this machine lets wait anyhow:
# it is compared with commits where nobody looks, and only what comes again
# and again counts.
worst=$(said stall_max_us) times=$(said stalls) tries=0
while [ "${times:-99}" -gt 0 ] && [ $tries -lt 6 ]; do
	tries=$((tries + 1))
	timeout 60 "$probe" visible readers "$store" "$mnt" 2000 4 apart \
	    >"$work/out" 2>&1
	apart=$(said stalls)
	timeout 60 "$probe" visible readers "$store" "$mnt" 2000 4 \
	    >"$work/out" 2>&1
	worst=$(said stall_max_us) times=$(said stalls)
	echo "# $times stats over 10 ms, $apart with commits elsewhere"
	[ "${times:-99}" -le $((2 * ${apart:-0})) ] && times=0
done
is "no stat stalls for 10 ms (worst: $worst us)" "$times" 0

# 64 open transactions are not felt; as above, only what comes again counts.
felt=1 tries=0
while [ $felt = 1 ] && [ $tries -lt 3 ]; do
	tries=$((tries + 1))
	timeout $((tx_ms / 1000 * 4 + 60)) "$probe" visible open "$store" \
	    "$mnt" "$tx_ms" >"$work/out" 2>&1
	echo "# p99 in 100 ns: $(grep p99 "$work/out" | tr '\n' ' ')"
	[ "$(said open_stat_p99)" -le $((2 * $(said before_stat_p99) + 100)) ] &&
	    [ "$(said open_create_p99)" -le \
	    $((2 * $(said before_create_p99) + 500)) ] && felt=0
done
is "64 open transactions are not felt" $felt 0
is "and their commits are seen" "$(said wrong)" 0

# Where the kernel checks no permissions it asks for attributes less often.
if [ "$(id -u)" = 0 ] && linux_since 6.16; then
	check "remount" remount \
	    -o noallow_other,nodefault_permissions,direct=new
	run "$((rounds / 5)) changes, where the daemon checks permissions" \
	    300 rounds "$store" "$mnt" $((rounds / 5))
fi
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
