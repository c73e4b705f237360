#!/bin/bash
# One number for an object, whoever asks, and never for a second one: not
# after a restart, kill -9, or an older copy of the store put back.
. "$(dirname "$0")/lib.sh"
need_root		# open_by_handle_at
mount_store || { check "mount" false; finish; }
n=3000
[ "$full" ] && n=200000

mkdir -p "$mnt/d/e"
echo text >"$mnt/d/file"
ln -s x "$mnt/d/link"
mkfifo "$mnt/d/fifo"
ln "$mnt/d/file" "$mnt/d/e/hard"
all=("$mnt/d" "$mnt/d/e" "$mnt/d/file" "$mnt/d/link" "$mnt/d/fifo"
    "$mnt/d/e/hard")
"$probe" ids "${all[@]}" >"$work/ids1"
is "stat, statx and the stream agree" \
    "$(awk '$2 != $3 || $2 != $4' "$work/ids1")" ""
is "ls -i agrees" "$(ls -i "$mnt/d" | awk '{ print $1 }' | sort)" \
    "$(for f in "$mnt"/d/*; do stat -c %i "$f"; done | sort)"
is "below 2^53" "$(awk '$2 >= 9007199254740992' "$work/ids1")" ""
is "two names, one number" "$(stat -c %i "$mnt/d/file")" \
    "$(stat -c %i "$mnt/d/e/hard")"
same_ids() {
	"$probe" ids "${all[@]}" >"$work/ids2" && diff "$work/ids1" "$work/ids2"
}
handles_open() {
	local p ino rest h
	while read -r p ino _ _ h; do
		[ -p "$p" ] || [ -L "$p" ] && continue
		[ "$("$probe" open "$h" "$mnt")" = "$ino" ] || return 1
	done <"$work/ids1"
}
check "handles open" handles_open
check "remount" remount
check "all the same after it" same_ids
check "handles still open" handles_open
check "kill -9 and mount" eval 'kill_daemon; mount_store'
check "all the same after it" same_ids
check "handles still open" handles_open

stale=$(awk '/e\/hard/ { print $5 }' "$work/ids1")
rm "$mnt/d/file" "$mnt/d/e/hard"
[ "$plain" ] || is "a handle of the dead is stale" \
    "$("$probe" open "$stale" "$mnt")" ESTALE

# Every number ever given out goes into one list; none may be twice.
spend() {	# what is told even when the daemon dies in between
	"$probe" churn "$mnt" "$n" >>"$work/spent"
}
check "create and unlink $n" spend
check "remount" remount
[ "$plain" ] || is "the handle is stale after a restart" \
    "$("$probe" open "$stale" "$mnt")" ESTALE
check "create and unlink $n" spend
if [ -z "$plain" ]; then
	for i in 1 2 3 4 5; do
		spend 2>/dev/null &
		sleep "0.$((RANDOM % 4))$i"
		kill_daemon
		wait %% 2>/dev/null
		mount_store || check "mount after kill -9" false
		spend
	done
	check "unmount" unmount_store
	cp -a "$store" "$work/copy"
	mount_store
	check "create and unlink after a copy was made" spend
	unmount_store
	rm -rf "$store"
	mv "$work/copy" "$store"
	mount_store
	check "and with the older copy put back" spend
	is "the handle is still stale" "$("$probe" open "$stale" "$mnt")" ESTALE
	is "no number twice in $(wc -l <"$work/spent")" \
	    "$(sort "$work/spent" | uniq -d | head -n 3)" ""
	is "all below 2^53" \
	    "$(awk '$1 >= 9007199254740992' "$work/spent" | head -n 3)" ""
	check "the root is 1" test "$(stat -c %i "$mnt")" = 1
fi
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
