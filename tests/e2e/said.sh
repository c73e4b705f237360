#!/bin/bash
# What somebody is told who has made a mistake, or whose store has lost
# something: one line, which names the thing and the reason once.
. "$(dirname "$0")/lib.sh"
plain=
said() {	# NAME STATUS TEXT COMMAND...: TEXT is all of the first line
	local name=$1 want=$2 text=$3 rc
	shift 3
	timeout 60 "$@" >"$work/out" 2>"$work/said"
	rc=$?
	is "$name" "$rc $(head -n 1 "$work/said")" "$want $text"
}

check "mount" mount_store || finish
mkdir "$mnt/d" "$work/src"
umount "$mnt" && wait "$daemon"
daemon=
mv "$store" "$work/good"
fresh() {
	rm -rf "$store"
	cp -a --sparse=always "$work/good" "$store"
}

# --- a store that has lost a file
fresh
rm "$store/log"
said "no_log__mount" 1 "vfsd: $store: cannot open the store: the log is \
missing (checksum or structure is wrong): see vfsctl check, or restore the \
store from a copy" "$vfsd" "$store" "$mnt"
said "no_log__check" 4 "" "$vfsctl" check "$store"
is "no_log__check_tells_it" "$(cut -d '(' -f 1 "$work/out")" \
    "meta: the log is missing 
damaged, 1 found, 1 left"
said "no_log__dump" 1 "vfsctl: $store: the log is missing (checksum or \
structure is wrong)" "$vfsctl" dump "$store"
fresh
rm "$store/lock"
check "no_lock__is_made_again" mount_store
check "no_lock__is_there" test -e "$store/lock"
check "no_lock__unmount" unmount_store
fresh
rm "$store/lock"
check "no_lock__repair" "$vfsctl" check --repair "$store"
fresh
truncate -s 0 "$store/log"
"$vfsd" "$store" "$mnt" 2>"$work/said"
is "empty_log__the_reason_is_told_once" "$(grep -o 'structure is wrong' \
    "$work/said" | wc -l)" 1
if [ "$(id -u)" = 0 ]; then
	fresh
	mkdir "$work/ro"
	mount --bind "$store" "$work/ro"
	mount -o remount,bind,ro "$work/ro"
	said "repair_on_a_read_only_disk" 8 "vfsctl: $work/ro: open the lock \
file (store is read-only)" "$vfsctl" check --repair "$work/ro"
	umount "$work/ro"
	mount -t tmpfs -o size=3500k tmpfs "$work/ro"
	said "no_room_for_a_store" 1 "vfsd: $work/ro/s: cannot make the store: \
make the log (no space left): make room on the disk and try again" \
	    "$vfsd" "$work/ro/s" "$mnt"
	umount "$work/ro"
fi
finish
