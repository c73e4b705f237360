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
# --- listings of two directories at once, while somebody commits
lists() {	# DIR WHO: how many of his listings are not what is there
	local wrong=0 n=0
	while [ -e "$work/go" ]; do
		ls -f "$mnt/$1" | cmp -s - "$work/$1" ||
		    wrong=$((wrong + 1))
		n=$((n + 1))
	done
	echo "$wrong of $n" >"$work/$1.$2"
}
for d in one two; do
	mkdir "$mnt/$d"
	(cd "$mnt/$d" && seq -f "$d-%05g" 3000 | xargs touch)
	ls -f "$mnt/$d" >"$work/$d"
	is "3000 names, and the two" "$(wc -l <"$work/$d")" 3002
done
commits() {
	while [ -e "$work/go" ]; do
		mkdir "$mnt/busy" && rmdir "$mnt/busy"
	done
}
touch "$work/go"
pids=
for i in 1 2; do
	lists one $i & pids="$pids $!"
	lists two $i & pids="$pids $!"
done
commits & pids="$pids $!"
sleep 6
rm "$work/go"
# shellcheck disable=SC2086
wait $pids
for d in one.1 one.2 two.1 two.2; do
	is "$d: none is another's" "$(cut -d' ' -f1 "$work/$d")" 0
	echo "# $(cat "$work/$d") listings"
done

check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
