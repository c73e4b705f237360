#!/bin/bash
# A store whose log is gone, or is not what it was: nobody serves it, the
# checker says so and changes nothing, and a repair makes a new log.  What a
# checkpoint has put into the rows is there, and what the old log still shows.
. "$(dirname "$0")/lib.sh"
[ "$plain" ] && { skip "lost_log" "needs a store"; finish; }

head=$((64 * 1024))

files() {	# of the store: what they are, and what is in them
	(cd "$store" && stat -c '%n %s' -- * && md5sum -- log rows.mdb data) 2>&1
}
highest() {
	find "$mnt" -printf '%i\n' | sort -n | tail -n 1
}
fresh() {	# NAME
	rm -rf "$store"
	cp -a --sparse=always "$work/$1" "$store"
}
cursor() {
	"$vfsctl" changes "$mnt" | tail -n 1 | awk '{ print $NF }'
}
commit() {
	"$vfsctl" status "$mnt" | sed -n 's/^seq.visible *//p'
}
die() {
	kill_daemon
	umount -l "$mnt" 2>/dev/null || fusermount3 -uz "$mnt"
}

check "mount" mount_store || finish
mkdir "$mnt/d" "$mnt/d/e"
for i in $(seq 100); do
	echo "small $i" >"$mnt/d/small$i"
done
for i in $(seq 5); do
	head -c 300000 /dev/urandom >"$mnt/d/e/big$i"
done
mounted_names >"$work/names"
mounted_sums >"$work/sums"
top=$(highest)
cursor=$(cursor)
commit=$(commit)
unmount_store
mv "$store" "$work/clean"

# As above, and more that is in the log only.
fresh clean
mount_store
echo later >"$mnt/later"
sync -f "$mnt/later"
mounted_names >"$work/names.later"
mounted_sums >"$work/sums.later"
latest=$(highest)
cursor_later=$(cursor)
commit_later=$(commit)
die
mv "$store" "$work/killed"

refused() {	# NAME
	local before rc
	before=$(files)
	timeout 60 "$vfsd" "$store" "$mnt" >"$work/said" 2>&1
	is "$1__is_not_mounted" $? 1
	is "$1__one_line" "$(wc -l <"$work/said")" 1
	check "$1__vfsd_says_what_to_do" grep -q \
	    'the log.*vfsctl check --repair.*since the last checkpoint' \
	    "$work/said"
	"$vfsctl" check "$store" >"$work/out" 2>&1
	rc=$?
	is "$1__check_is_4" $rc 4
	check "$1__check_names_it" grep -q \
	    '^meta: the log.* since the last checkpoint' "$work/out"
	check "$1__check_has_one_finding" grep -q 'damaged, 1 found, 1 left' \
	    "$work/out"
	is "$1__nothing_was_changed" "$(files)" "$before"
}

repaired() {	# NAME
	"$vfsctl" check --repair "$store" >"$work/out" 2>&1
	is "$1__repair_is_1" $? 1
	check "$1__repair_says_what_may_be_lost" grep -q \
	    '^meta: the log.* since the last checkpoint' "$work/out"
	check "$1__repair_says_repaired" grep -q 'repaired, .*0 left' "$work/out"
	check "$1__then_is_clean" "$vfsctl" check "$store"
	check "$1__mounts" mount_store || finish
}

goes_on() {	# NAME LAST-ID NAMES SUMS
	mounted_names >"$work/now"
	check "$1__has_the_names" cmp "$3" "$work/now"
	mounted_sums >"$work/now"
	check "$1__has_the_bytes" cmp "$4" "$work/now"
	echo new >"$mnt/new"
	check "$1__ids_go_on" test "$(stat -c %i "$mnt/new")" -gt "$2"
	for c in "$cursor" "$commit" "$cursor_later" "$commit_later" 0; do
		"$vfsctl" changes --since "$c" "$mnt" >"$work/out" 2>&1
		is "$1__cursor_${c}_has_expired" $? 3
	done
	check "$1__unmounts" unmount_store
	check "$1__stays_clean" "$vfsctl" check "$store"
}

kept() {	# NAME
	check "$1__says_what_is_kept" grep -q 'log.damaged holds the log as' \
	    "$work/out"
	is "$1__keeps_the_old_log" "$(md5sum <"$store/log.damaged")" "$old"
}

lose() {	# HOW
	case $1 in
	missing)	rm "$store/log" ;;
	empty)		truncate -s 0 "$store/log" ;;
	cut)		truncate -s $((8 << 20)) "$store/log" ;;
	odd)		truncate -s $((size - 100)) "$store/log" ;;
	long)		truncate -s $((size + (1 << 20))) "$store/log" ;;
	overwritten)	dd if=/dev/urandom of="$store/log" bs=4096 count=3 \
			    conv=notrunc status=none ;;
	zeros)		dd if=/dev/zero of="$store/log" bs=$head count=1 \
			    conv=notrunc status=none ;;
	noise)		dd if=/dev/urandom of="$store/log" bs=1M count=9 \
			    conv=notrunc status=none ;;
	esac
}
size=$(stat -c %s "$work/clean/log")

# --- all of it is in the rows
for how in missing empty cut odd long overwritten zeros; do
	fresh clean
	lose $how
	old=$(md5sum 2>/dev/null <"$store/log")
	refused "$how"
	repaired "$how"
	case $how in
	missing) check "${how}__keeps_nothing" not test -e "$store/log.damaged" ;;
	*)	kept "$how" ;;
	esac
	goes_on "$how" "$top" "$work/names" "$work/sums"
done
is "long__has_its_size_again" "$(fresh clean; lose long; \
    "$vfsctl" check --repair "$store" >/dev/null 2>&1; \
    stat -c %s "$store/log")" "$size"

# --- some of it was in the log only: as much as that shows is there
for how in missing noise; do
	fresh killed
	lose $how
	refused "killed_$how"
	repaired "killed_$how"
	goes_on "killed_$how" "$latest" "$work/names" "$work/sums"
done
for how in overwritten zeros long odd; do
	fresh killed
	lose $how
	repaired "killed_$how"
	goes_on "killed_$how" "$latest" "$work/names.later" "$work/sums.later"
done

# --- what is kept is not overwritten
fresh clean
lose zeros
"$vfsctl" check --repair "$store" >"$work/out" 2>&1
old=$(md5sum <"$store/log.damaged")
lose overwritten
"$vfsctl" check --repair "$store" >"$work/out" 2>&1
is "repair_where_one_is_kept__is_8" $? 8
check "repair_where_one_is_kept__says_so" \
    grep -q 'log.damaged is of an earlier repair' "$work/out"
is "repair_where_one_is_kept__keeps_it" \
    "$(md5sum <"$store/log.damaged")" "$old"

calls=linkat,renameat,fsync,fdatasync,msync
killed_repair() {	# AT-CALL
	fresh killed
	lose overwritten
	(strace -f -qq -o "$work/trace" -e trace=$calls \
	    -e inject=$calls:signal=KILL:when="$1" \
	    "$vfsctl" check --repair "$store"; true) >"$work/out" 2>&1
	grep -q killed "$work/trace"
}
again() {
	"$vfsctl" check --repair "$store" >"$work/out" 2>&1
	[ $? -le 1 ] || { echo "# repair"; return 1; }
	"$vfsctl" check "$store" >"$work/out" 2>&1 ||
	    { echo "# check"; return 1; }
	mount_store || return 1
	mounted_names | cmp "$work/names.later" - || { echo "# names"; return 1; }
	"$vfsctl" changes --since "$cursor_later" "$mnt" >"$work/out" 2>&1
	[ $? -eq 3 ] || { echo "# cursor"; return 1; }
	unmount_store
}

# --- killed at each call that makes something durable, then once more
if command -v strace >"$work/out"; then
	bad= unforgotten=
	for n in $(seq 40); do
		killed_repair "$n" || break
		again || bad="$bad $n"
		# Or somebody mounts what the repair has come to.
		killed_repair "$n"
		mount_store || continue
		"$vfsctl" changes --since "$cursor" "$mnt" >"$work/out" 2>&1
		[ $? -eq 3 ] || unforgotten="$unforgotten $n"
		unmount_store
	done
	is "killed_repair__can_be_done_again" "$bad" ""
	is "killed_repair__old_cursors_have_expired" "$unforgotten" ""
	check "killed_repair__was_killed" test "$n" -gt 5 -a "$n" -lt 40
	echo "# $n calls"
else
	skip "killed_repair" "needs strace"
fi
finish
