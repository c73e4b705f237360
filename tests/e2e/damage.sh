#!/bin/bash
# A store with a page of its rows overwritten, or cut short: the checker names
# the page and changes nothing, a mount serves what it does not concern, and a
# repair keeps all that can still be reached.  VFSD_FULL=1: each page.
. "$(dirname "$0")/lib.sh"
[ "$plain" ] && { skip "damage" "needs a store"; finish; }

check "mount" mount_store || finish
mkdir "$mnt/d" "$mnt/d/e"
for i in $(seq 300); do
	echo "small $i" >"$mnt/d/small$i"
done
for i in $(seq 20); do
	head -c 100000 /dev/urandom >"$mnt/d/e/big$i"
done
mounted_names >"$work/names"
mounted_sums >"$work/sums"
commit=$("$vfsctl" status "$mnt" | sed -n 's/^seq.visible *//p')
unmount_store
mv "$store" "$work/good"
rows=$store/rows.mdb
pages=$(($(stat -c %s "$work/good/rows.mdb") / 4096))

fresh() {
	rm -rf "$store"
	cp -a --sparse=always "$work/good" "$store"
}
spoil() {	# PAGE COUNT
	dd if=/dev/zero of="$rows" bs=4096 seek="$1" count="$2" \
	    conv=notrunc status=none
}
left() {
	sed -n 's/.* \([0-9]*\) left$/\1/p' "$work/out"
}

# Nothing that can be read is other than it was.
true_bytes() {
	mounted_sums >"$work/now" 2>/dev/null
	[ -z "$(LC_ALL=C comm -13 "$work/sums" "$work/now")" ]
}

one() {		# PAGE
	local before again
	fresh
	spoil "$1" 1
	before=$(md5sum <"$rows")
	"$vfsctl" check "$store" >"$work/out" 2>&1
	case $? in
	0)	free=$((free + 1)); return 0 ;;
	4)	grep -q "page $1 of rows.mdb" "$work/out" || return 1 ;;
	*)	return 1 ;;
	esac
	grep -q '^journal' "$work/out" && records=$1
	named=$((named + 1))
	[ "$(md5sum <"$rows")" = "$before" ] || return 1
	"$vfsctl" check --repair "$store" >"$work/out" 2>&1
	case $? in
	1)	"$vfsctl" check "$store" >"$work/out" 2>&1 || return 1
		mended=$((mended + 1)) ;;
	4)	# the first rows are what it is opened by
		grep -q 'no format row' "$work/out" && return 0
		again=$(left)
		"$vfsctl" check --repair "$store" >"$work/out" 2>&1
		[ "$(left)" = "$again" ] || return 1 ;;
	*)	return 1 ;;
	esac
	return 0
}

free=0 named=0 mended=0 bad= records=
step=7
[ "$full" ] && step=1
for page in 0 1 $(seq 2 "$step" $((pages - 1))); do
	one "$page" || { bad="$bad $page"; sed 's/^/# /' "$work/out"; }
done
is "one_page_of_zeros__is_named_and_mended_as_far_as_can_be" "$bad" ""
check "most_pages_are_in_use" test "$named" -gt $((pages / step / 2))
check "most_of_them_are_mended" test "$mended" -gt $((named / 2))
echo "# $pages pages: $free free, $named named, $mended mended"

# --- a page of names, mounted as it is, and after a repair
fresh
page=$(grep -abo small250 "$rows" | tail -n 1 | cut -d: -f1)
spoil $((page / 4096)) 1
check "damaged__mounts" mount_store
mounted_names >"$work/some" 2>/dev/null
check "damaged__most_is_there" test "$(wc -l <"$work/some")" -gt 200
check "damaged__what_is_read_is_true" true_bytes
"$vfsctl" check "$mnt" >"$work/out" 2>&1
is "damaged__check_of_the_mount_is_4" $? 4
check "damaged__check_of_the_mount_names_the_page" \
    grep -q "page $((page / 4096)) of rows.mdb" "$work/out"
check "damaged__still_mounted" stat "$mnt"
unmount_store
"$vfsctl" check --repair "$store" >"$work/out" 2>&1
is "repair__is_1" $? 1
check "repair__says_where_the_old_rows_are" \
    grep -q 'rows.mdb.damaged holds the rows as they were' "$work/out"
check "repair__keeps_them" test -s "$store/rows.mdb.damaged"
check "repaired__mounts" mount_store
mounted_names >"$work/some"
check "repaired__has_all_names" cmp "$work/names" "$work/some"
mounted_sums >"$work/now"
check "repaired__has_all_bytes" cmp "$work/sums" "$work/now"
"$vfsctl" changes --since "$commit" "$mnt" >"$work/out" 2>&1
is "repaired__the_last_commit_is_no_cursor" $? 3
echo new >"$mnt/new"
unmount_store
check "repaired__is_clean" "$vfsctl" check "$store"
page=$(grep -abo small250 "$rows" | head -n 1 | cut -d: -f1)
spoil $((page / 4096)) 1
"$vfsctl" check --repair "$store" >"$work/out" 2>&1
is "repair_where_one_is_kept__is_8" $? 8
check "repair_where_one_is_kept__says_so" \
    grep -q 'rows.mdb.damaged is of an earlier repair' "$work/out"

# --- change records are lost, and the repair is killed: whoever has read
# them before is told, and they are not counted among those that are there
if [ "$records" ] && command -v strace >"$work/out"; then
	fresh
	spoil "$records" 1
	(strace -f -qq -o "$work/trace" -e trace=fsync \
	    -e inject=fsync:signal=KILL:when=1 \
	    "$vfsctl" check --repair "$store"; true) >"$work/out" 2>&1
	check "killed_repair__has_made_the_rows_anew" \
	    test -s "$store/rows.mdb.damaged"
	mount_store
	"$vfsctl" changes --since 0 "$mnt" >"$work/out" 2>&1
	is "killed_repair__old_cursors_have_expired" $? 3
	unmount_store
	"$vfsctl" check --repair "$store" >"$work/out" 2>&1
	is "killed_repair__journal_is_whole" $? 0
else
	skip "killed_repair" "needs strace"
fi

# --- a file that ends too soon
fresh
truncate -s $((pages * 4096 / 2)) "$rows"
"$vfsctl" check "$store" >"$work/out" 2>&1
is "cut_short__is_4" $? 4
check "cut_short__says_so" grep -q "is behind the file's end" "$work/out"
: >"$work/daemon.log"
timeout 60 "$vfsd" "$store" "$mnt" 2>"$work/daemon.log" &&
    umount "$mnt"
refuse "cut_short__no_daemon_is_killed" grep -q signal "$work/daemon.log"

# --- after kill -9 the rows are looked at before they are trusted
mv "$work/good" "$work/kept"
cp -a --sparse=always "$work/kept" "$store.new"
rm -rf "$store" && mv "$store.new" "$store"
mount_store
echo more >"$mnt/d/more"
kill_daemon
umount -l "$mnt" 2>/dev/null || fusermount3 -uz "$mnt"
page=$(grep -abo small250 "$rows" | tail -n 1 | cut -d: -f1)
spoil $((page / 4096)) 1
refuse "unclean_and_damaged__is_not_mounted" \
    timeout 60 "$vfsd" "$store" "$mnt"
cp "$log" "$work/out"
check "unclean_and_damaged__says_what" grep -q "page .* of rows.mdb" "$work/out"
finish
