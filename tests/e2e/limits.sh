#!/bin/bash
# Started with less than it needs: it says so and leaves nothing behind.
. "$(dirname "$0")/lib.sh"
if [ "$plain" ]; then
	skip limits "is about the daemon"
	finish
fi

# Few open files: at some number each step of the start fails.
check "a store" mount_store
check "unmount" unmount_store
at_end 'kill -9 $(pgrep -f "$vfsd $store $mnt") 2>/dev/null'
served= bad=
for ((n = 8; n < 64 && ${#served} == 0; n++)); do
	(ulimit -n $n && timeout -k 1 20 "$vfsd" "$store" "$mnt") \
	    >"$work/out" 2>&1
	rc=$?
	if [ $rc = 0 ]; then
		served=$n
	elif [ $rc != 1 ] || [ "$(wc -l <"$work/out")" != 1 ] ||
	    grep -q 'killed by' "$work/out" || is_mounted; then
		bad="$n: $rc $(cat "$work/out")"
		break
	fi
done
is "few files: it says so, or works" "$bad" ""
check "enough files: it works" test "${served:-0}" -gt 8
check "and serves" sh -c "echo 1 >'$mnt/f' && grep -qx 1 '$mnt/f'"
check "unmount" umount "$mnt"
wait_clean() {
	local i
	for ((i = 0; i < 100; i++)); do
		store_is_clean && return 0
		sleep 0.02
	done
	return 1
}
check "it ends" wait_clean

# As many as are allowed: 1,024 is what a session starts with.
check "soft limit" sh -c "ulimit -Sn 64 && exec '$vfsd' '$store' '$mnt'"
is "it takes the hard one" "$(awk '/^Max open files/ { print $4 - $5 }' \
    "/proc/$("$vfsctl" status "$mnt" | awk '$1 == "pid" { print $2 }')/limits"
    )" 0
check "unmount" umount "$mnt"
check "it ends" wait_clean

# Small files: the data file may not grow, and that is a full disk.
check "ulimit -f" sh -c "ulimit -f 60000 && exec '$vfsd' '$store' '$mnt'"
head -c 80000000 /dev/zero >"$mnt/big" 2>"$work/out"
check "no room is told" grep -qi 'no space left' "$work/out"
check "and room is made" rm "$mnt/big"
check "it serves on" sh -c "echo 2 >'$mnt/g' && sync '$mnt/g'"
check "unmount" umount "$mnt"
check "the store is clean" wait_clean
finish
