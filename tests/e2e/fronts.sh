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
fronts=$bin/fronts
transport=$bin/transport
ms=${full:+30000} ms=${ms:-4000}

ptys() {	# NAME: sets ${NAME}1 and ${NAME}2
	mkfifo "$work/$1.hold"
	"$transport" ptys <"$work/$1.hold" >"$work/$1" &
	at_end "kill $!"
	eval "exec {$1_hold}>\"$work/$1.hold\""
	while [ "$(wc -l <"$work/$1")" -lt 2 ]; do sleep 0.02; done
	{ read -r "$1"1; read -r "$1"2; } <"$work/$1"
}
ptys one
ptys two

place() {	# a place's address, without its kind
	"$vfsctl" status "$store" | awk -v n="$1" \
	    '$1 == n { sub(/^(9p:)?tcp:/, "", $2); print $2 }'
}
# shellcheck disable=SC2154
start() {	# and sets specs
	mount_store -o "listen=unix:$work/u,listen=tcp:127.0.0.1:0" \
	    -o "listen=ipc:$work/m,listen=serial:$one1,listen=serial:$two1" \
	    -o "listen=9p:unix:$work/n,listen=9p:tcp:127.0.0.1:0" || return 1
	specs=("mount=$mnt" "unix=$work/u" "tcp=$(place wire.listen_2)"
	    "ring=$work/u" "ipc=$work/m" "serial=$one2,$two2" "9p=$work/n"
	    "9p-tcp=$(place 9p.listen_1)")
	token=$("$transport" token "$work/u")
}
crash() {
	kill_daemon
	# by force: a thread of the dead one may wait for a page that waits
	# for it, and then its connection does not end by itself
	umount -fl "$mnt" 2>/dev/null || fusermount3 -uz "$mnt"
}
counts() {	# what must come back to where it was
	"$vfsctl" status "$store" | awk '$1 ~ /^(wire.peers|wire.sessions|\
9p.connections|9p.fids|fuse.handles|drafts|tx.open)$/ { print $1, $2 }'
}
settled() {	# waits until counts are "$1"
	for _ in $(seq 100); do
		[ "$(counts)" = "$1" ] && return 0
		sleep 0.05
	done
	counts
	return 1
}

check "all fronts are there" start || finish
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
	timeout 60 "$fronts" work 20000 "$work/tallies" "$token" \
	    "${specs[@]}" >"$work/crash" 2>&1 &
	pid=$!
	sleep 1.$((RANDOM % 10))
	crash
	check "crash_$k: starts again" start || finish
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
