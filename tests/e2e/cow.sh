#!/bin/bash
# Hosts that write blocks to new places, and copies of a store that lack some
# of its blocks: a full disk is full there, too, and no more than that.
. "$(dirname "$0")/lib.sh"
need_root
need mkfs.btrfs
need mkfs.xfs
small=$work/small
other=$small/other
mkdir "$small"
host() {	# SIZE MKFS...: a disk of that kind under $small
	umount "$small" 2>/dev/null
	rm -f "$work/img"
	truncate -s "$1" "$work/img"
	"${@:2}" "$work/img" >"$log" 2>&1 &&
	    mount -o loop "$work/img" "$small" 2>>"$log"
}
take_the_rest() {
	head -c 1000000000 /dev/zero >"$other" 2>/dev/null
	sync -f "$small"
}
not_latched() {
	[ "$("$vfsctl" status "$mnt" | awk '$1 == "latched" { print $2 }')" = 0 ]
}

if host 400M mkfs.btrfs; then
	store=$small/store
	check "btrfs: mount" mount_store
	seq 100000 >"$mnt/numbers"
	check "btrfs: filling ends in ENOSPC" timeout 120 "$probe" fill "$mnt"
	is "btrfs: what was there is" "$(md5sum <"$mnt/numbers")" \
	    "$(seq 100000 | md5sum)"
	check "btrfs: unlink" rm "$mnt/fill0"
	check "btrfs: truncate" truncate -s 5 "$mnt/fill1"
	check "btrfs: unmount" unmount_store
	take_the_rest
	for turn in 2 3; do
		check "btrfs: $turn: mount on a full disk" mount_store
		check "btrfs: $turn: unlink" rm "$mnt/fill$turn"
		check "btrfs: $turn: truncate" truncate -s 5 "$mnt/fill1$turn"
		check "btrfs: $turn: mkdir" mkdir "$mnt/made$turn"
		check "btrfs: $turn: nothing is latched" not_latched
		check "btrfs: $turn: unmount" unmount_store
		check "btrfs: $turn: clean" store_is_clean
	done
	umount "$small"
else
	skip btrfs "no loop mount: $(head -n 1 "$log")"
fi

copied() {	# HOST CP-OPTION: a copy's log needs no room later
	store=$small/store
	check "$1: mount" mount_store
	check "$1: unmount" unmount_store
	check "$1: a copy, $2" cp -a "$2" "$store" "$small/copy"
	store=$small/copy
	check "$1: mount the copy" mount_store
	check "$1: mkdir" mkdir "$mnt/0"
	take_the_rest
	check "$1: the log has its own" mkdir "$mnt"/{1..1000}
	check "$1: nothing is latched" not_latched
	check "$1: unmount" unmount_store
	check "$1: clean" store_is_clean
	umount "$small"
}

if host 400M mkfs.xfs -q; then
	copied xfs --reflink=always
else
	skip xfs "no loop mount: $(head -n 1 "$log")"
fi
if host 200M mkfs.ext4 -q; then
	copied ext4 --sparse=always
else
	skip ext4 "no loop mount: $(head -n 1 "$log")"
fi
finish
