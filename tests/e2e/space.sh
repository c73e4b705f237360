#!/bin/bash
# A store whose filesystem is full: reads work, what frees works, and
# service comes back without a restart.
. "$(dirname "$0")/lib.sh"
need_root
need mkfs.ext4
mkdir "$work/small"
truncate -s 64M "$work/img"
mkfs.ext4 -q -m 0 "$work/img" &&
    mount -o loop "$work/img" "$work/small" 2>"$log" ||
    { skip space "no loop mount: $(head -n 1 "$log")"; finish; }
store=$work/small/store
if [ "$plain" ]; then
	mnt=$work/small/plain
fi
alive() {	# it must never die of this
	[ "$plain" ] || kill -0 "$daemon" 2>/dev/null && return
	check "the daemon lives" false
	sed 's/^/# /' "$work/daemon.log"
	finish
}
mount_store || { check "mount" false; finish; }
echo first >"$mnt/first"
seq 100000 >"$mnt/numbers"
sum=$(md5sum <"$mnt/numbers")
for turn in 1 2; do
	check "$turn: filling ends in ENOSPC" timeout 120 \
	    "$probe" fill "$mnt"
	tail -n 1 "$log" | sed 's/^/# /'
	alive
	is "$turn: what was there is" "$(md5sum <"$mnt/numbers")" "$sum"
	check "$turn: small files end in ENOSPC" timeout 120 \
	    "$probe" small "$mnt"
	tail -n 1 "$log" | sed 's/^/# /'
	alive
	check "$turn: stat and list" ls -l "$mnt"
	check "$turn: truncate works" truncate -s 0 "$mnt/fill0"
	check "$turn: unlink works" rm "$mnt/fill0"
	check "$turn: all of them" \
	    find "$mnt" -maxdepth 1 \( -name 'fill*' -o -name 'new*' \) -delete
	back=0
	for i in $(seq 50); do
		head -c 20000000 /dev/zero >"$mnt/back" 2>/dev/null &&
		    { back=1; break; }
		sleep 0.2
	done
	is "$turn: room is back without a restart" $back 1
	rm "$mnt/back"
	is "$turn: what was there is" "$(md5sum <"$mnt/numbers")" "$sum"
done
check "full once more" timeout 120 "$probe" fill "$mnt"
check "remount when full" remount
is "what was there is" "$(md5sum <"$mnt/numbers")" "$sum"
check "unlink works" find "$mnt" -name 'fill*' -delete
check "and writing" cp "$mnt/numbers" "$mnt/copy"
# somebody else takes the room
if [ -z "$plain" ]; then
	head -c 100000000 /dev/zero >"$work/small/other" 2>/dev/null
	refuse "no room by somebody else" sh -c \
	    "head -c 60000000 /dev/zero >'$mnt/big'"
	rm -f "$work/small/other" "$mnt/big"
	check "and back again" cp "$mnt/numbers" "$mnt/copy2"
	# all of it, before the daemon starts
	check "unmount" unmount_store
	head -c 100000000 /dev/zero >"$work/small/other" 2>/dev/null
	check "mount on a full disk" mount_store
	check "unlink works there" rm "$mnt/copy2"
	check "truncate, too" truncate -s 5 "$mnt/copy"
	rm "$work/small/other"
	# what was freed inside the store is room for names, too
	head -c 20000000 /dev/zero >"$mnt/big"
	rm "$mnt/big"
	check "unmount" unmount_store
	head -c 100000000 /dev/zero >"$work/small/other" 2>/dev/null
	check "mount beside who took the room" mount_store
	check "names find room in the store" mkdir "$mnt/made" "$mnt/made/more"
	rm "$work/small/other"
fi
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
