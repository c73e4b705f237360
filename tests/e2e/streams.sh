#!/bin/bash
# Directory streams at size, from two processes, and over a remount; the
# single rules are in tests/posix.
. "$(dirname "$0")/lib.sh"
n=20000
[ "$full" ] && n=1000000
mount_store || { check "mount" false; finish; }
make_many() {
	mkdir "$mnt/d" && cd "$mnt/d" &&
	    seq -f 'name-%07.0f' "$n" | xargs touch && cd /
}
check "$n names" make_many
names() {
	(cd "$mnt/d" && ls -U | sort | md5sum)
}
want=$(seq -f 'name-%07.0f' "$n" | sort | md5sum)
is "each once" "$(names)" "$want"
is "each once with attributes" \
    "$(find "$mnt/d" -type f -newermt @0 -printf '%f\n' | sort | md5sum)" \
    "$want"
# rename others all the time while the listing runs
storm() {
	local i=0
	: >"$mnt/d/storm"
	while [ -e "$work/storm" ]; do
		mv "$mnt/d/storm" "$mnt/d/storm.$i" && i=$((i + 1)) &&
		    mv "$mnt/d/storm.$((i - 1))" "$mnt/d/storm"
	done
}
: >"$work/storm"
storm & pid=$!
bad=0
for i in 1 2 3 4 5; do
	[ "$(cd "$mnt/d" && ls -U | grep -v storm | sort | md5sum)" = "$want" ] ||
	    bad=$((bad + 1))
done
rm "$work/storm"
wait $pid
is "five listings while another process renames" $bad 0
rm -f "$mnt"/d/storm*
check "remount" remount
is "each once after a remount" "$(names)" "$want"
half() {
	cd "$mnt/d" && seq -f 'name-%07.0f' 1 2 "$n" | xargs rm && cd /
}
check "unlink every second" half
is "the others are left" "$(ls "$mnt/d" | wc -l)" $((n / 2))
check "rm -r" rm -r "$mnt/d"
is "empty" "$(ls -A "$mnt")" ""
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
