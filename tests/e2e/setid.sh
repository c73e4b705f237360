#!/bin/bash
# Set-id bits go with the first byte that somebody else writes, for the
# kernel that runs the file too.
. "$(dirname "$0")/lib.sh"
need_root
need setpriv python3
mount_store || { check "mount" false; finish; }
other=(setpriv --reuid 1001 --regid 1001 --clear-groups)
id=$(command -v id)

copy() {	# by copy_file_range
	python3 -c 'import os
s = os.open("new", os.O_RDONLY)
d = os.open("run", os.O_WRONLY)
while os.copy_file_range(s, d, 1 << 20) > 0:
    pass'
}
export -f copy

by() {	# NAME COMMAND: with it another user makes run what new is
	rm -f "$mnt/run"
	cp "$id" "$mnt/run" && chmod 6777 "$mnt/run"
	is "$1: its bits are seen before" "$(stat -c %a "$mnt/run")" 6777
	is "$1: and are honoured" "$("${other[@]}" "$mnt/run" -u)" 0
	check "$1" "${other[@]}" bash -c "cd '$mnt' && $2"
	is "$1: the bits are gone" "$(stat -c %a "$mnt/run")" 777
	is "$1: nobody runs as root by it" "$("${other[@]}" "$mnt/run" -u)" 1001
}
cp "$id" "$mnt/new"
by "write" "dd if=new of=run conv=notrunc bs=64k status=none"
by "open with O_TRUNC" "cat new >run"
by "fallocate" "fallocate -n -o 1M -l 4096 run"
by "copy_file_range" copy
is "the owner's own stay" "$(cp "$id" "$mnt/mine" && chmod 4755 "$mnt/mine" &&
    truncate -s +1 "$mnt/mine" && stat -c %a "$mnt/mine")" 4755
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
