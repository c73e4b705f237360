#!/bin/bash
# Requests by io_uring: the rules of a filesystem, flushes by many, a crash;
# and where root has not enabled it, or io_uring is off, the mount is as
# ever.
. "$(dirname "$0")/lib.sh"
param=/sys/module/fuse/parameters/enable_uring
off=/proc/sys/kernel/io_uring_disabled
need_root
if [ "$plain" ] || ! [ -w $param ] || ! [ -w $off ]; then
	skip uring "this kernel has no FUSE over io_uring"
	finish
fi
at_end "echo $(cat $param) >$param"
at_end "echo $(cat $off) >$off"

rings() {
	"$vfsctl" status --json "$store" |
	    python3 -c 'import json,sys; print(json.load(sys.stdin)["fuse.rings"])'
}
syncers() {
	local i pids=
	for i in $(seq 12); do
		(for _ in $(seq 20); do
			echo "$i" >>"$mnt/s$i" && sync "$mnt/s$i" || exit 1
		done) &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086
	wait $pids && [ "$(cat "$mnt"/s* | wc -l)" = 240 ]
}
# Nobody who waits for an answer may wait for ever.
crash() {
	(while echo x >"$mnt/c" && cat "$mnt/c"; do :; done) >/dev/null 2>&1 &
	local busy=$!
	sleep 0.3
	kill_daemon
	fusermount3 -uz "$mnt" 2>/dev/null || umount -l "$mnt"
	for _ in $(seq 200); do
		kill -0 $busy 2>/dev/null || { wait $busy; return 0; }
		sleep 0.05
	done
	return 1
}

echo Y >$param
echo 0 >$off
mount_store -o uring
if [ "$(rings)" = 0 ]; then
	skip uring "the kernel did not agree"
	finish
fi
check "the rules" "$bin/posix-run" "$mnt"
check "twelve who flush at once" syncers
head -c 33554432 /dev/urandom >"$work/big"
cp "$work/big" "$mnt/big"
echo 1 >/proc/sys/vm/drop_caches
check "large requests" cmp "$work/big" "$mnt/big"
check "a crash leaves nobody waiting" crash
mount_store -o uring
check "and loses nothing" cmp "$work/big" "$mnt/big"
unmount_store
echo N >$param
mount_store -o uring
is "not enabled: no rings" "$(rings)" 0
check "and a mount all the same" cmp "$work/big" "$mnt/big"
unmount_store
echo Y >$param
echo 2 >$off
mount_store -o uring
is "io_uring is off: no rings" "$(rings)" 0
check "and a mount all the same" cmp "$work/big" "$mnt/big"
unmount_store
check "the store is clean" store_is_clean
finish
