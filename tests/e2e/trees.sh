#!/bin/bash
# Whole trees in one step: published, replaced under readers, removed, and
# what is left of them goes in the background, after kill -9 too.
. "$(dirname "$0")/lib.sh"
need setfattr
[ "$plain" ] && { skip trees "vfsctl needs a daemon"; finish; }
mount_store || { check "mount" false; finish; }

stat_of() {	# NAME: a number of vfsctl status
	"$vfsctl" status --json "$store" | tr ',{' '\n\n' |
	    sed -n "s/^\"$1\":\"\{0,1\}\([0-9]*\).*/\1/p" | head -n 1
}
reaped() {	# wait until the background is through
	local i
	for ((i = 0; i < 1500; i++)); do
		[ "$(stat_of reaper.waiting)" = 0 ] && return 0
		sleep 0.02
	done
	return 1
}

# --- publish ---------------------------------------------------------------
src=$work/src
mkdir -p "$src/sub/deep"
echo hello >"$src/a"
ln "$src/a" "$src/sub/b"
ln -s ../a "$src/sub/l"
mkfifo "$src/p"
chmod 4751 "$src/a"
chmod 1750 "$src/sub"
setfattr -n user.k -v value "$src/a"
truncate -s 5000000 "$src/sparse"
printf x | dd of="$src/sparse" bs=1 seek=3000000 conv=notrunc 2>/dev/null
head -c 2000000 /dev/urandom >"$src/sub/big"
touch -d 2001-02-03T04:05:06.789 "$src/a" "$src/sub/deep" "$src/sub"
check "a tree is published" "$vfsctl" publish "$src" "$mnt/out"
check "it is the same" same_tree "$src" "$mnt/out"
is "hard links are hard links" "$(stat -c %i "$mnt/out/a")" \
    "$(stat -c %i "$mnt/out/sub/b")"
is "attributes came along" \
    "$(getfattr --only-values -n user.k "$mnt/out/a" 2>/dev/null)" value
at_most "holes are holes (KiB)" \
    "$(du -k "$mnt/out/sparse" | cut -f 1)" 1024
refuse "a name that is there is refused" \
    "$vfsctl" publish "$src" "$mnt/out"
check "and left alone" same_tree "$src" "$mnt/out"
old=$(stat -c %i "$mnt/out")
check "exchange" "$vfsctl" publish --exchange "$src" "$store:/out"
is "keeps the old tree" "$(stat -c %i "$mnt/out.old")" "$old"
refuse "which must find its name free" \
    "$vfsctl" publish --exchange "$src" "$mnt/out"
check "replace, durably" \
    "$vfsctl" publish --replace --durable "$src" "$mnt/out"
refuse "no such source" "$vfsctl" publish "$work/none" "$mnt/none"
is "says which file" "$(grep -c "$work/none" "$log")" 1
refuse "no place in a store" "$vfsctl" publish "$src" "$work/none"
big=/usr/include
check "a large tree" "$vfsctl" publish $big "$mnt/include"
check "is the same" diff -r --no-dereference $big "$mnt/include"

# --- replaced under readers ------------------------------------------------
version() {	# N: two files that say N, and some more
	rm -rf "$work/v"
	mkdir -p "$work/v/d"
	echo "$1" >"$work/v/first"
	for i in 1 2 3 4 5 6 7 8; do echo "$1" >"$work/v/d/$i"; done
	echo "$1" >"$work/v/d/last"
}
reader() {	# who is in a tree goes on seeing that tree, whole
	while [ ! -e "$work/stop" ]; do
		(cd "$mnt/site" && a=$(cat first) && b=$(cat d/last) &&
		    c=$(cat d/[1-8] | sort -u) &&
		    [ "$a" = "$b" ] && [ "$a" = "$c" ]) || return 1
		n=$((n + 1))
	done
	echo $n >"$work/reads.$1"
}
version 0
"$vfsctl" publish "$work/v" "$mnt/site"
n=0
reader 1 2>"$work/reader" & r1=$!
reader 2 2>>"$work/reader" & r2=$!
good=0
for v in $(seq 30); do
	version "$v"
	"$vfsctl" publish --replace "$work/v" "$mnt/site" &&
	    [ "$(cat "$mnt/site/first")" = "$v" ] && good=$((good + 1))
done
touch "$work/stop"
is "thirty replacements, each seen at once" $good 30
check "no reader has seen half of one" wait $r1
check "nor the other" wait $r2
sed 's/^/# /' "$work/reader"
echo "# $(cat "$work"/reads.* | awk '{ n += $1 } END { print n + 0 }') reads"

# --- what is held ----------------------------------------------------------
"$vfsctl" publish "$src" "$mnt/t"
ln "$mnt/t/sub/big" "$mnt/keep"
exec 5<"$mnt/t/sparse"
cd "$mnt/t/sub" || exit 1
check "remove a tree" "$vfsctl" tx --at="$store:" - <<<"remove-tree t"
refuse "it is gone" ls "$mnt/t"
check "who is in it is in it" test "$(cat big | md5sum)" = \
    "$(md5sum <"$src/sub/big")"
cd /
is "who has a file open reads it" "$(head -c 3000001 <&5 | tail -c 1)" x
exec 5<&-
names() {	# FILE N: it has so many, soon
	local i
	for ((i = 0; i < 250; i++)); do
		[ "$(stat -c %h "$1")" = "$2" ] && return 0
		sleep 0.02
	done
	return 1
}
check "then the rest goes" names "$mnt/keep" 1
check "and the background is through" reaped
is "a file with another name lives" \
    "$(stat -c %h "$mnt/keep") $(md5sum <"$mnt/keep")" \
    "1 $(md5sum <"$src/sub/big")"

# --- fifty thousand files --------------------------------------------------
many=$work/many
mkdir "$many"
for d in $(seq 100); do
	mkdir "$many/$d"
	(cd "$many/$d" && seq 500 | xargs touch)
done
check "50,000 files" "$vfsctl" publish -q "$many" "$mnt/many"
is "are there" "$(find "$mnt/many" -type f | wc -l)" 50000
sync -f "$mnt"
before=$(stat_of seq.visible)
seq=$("$vfsctl" tx --at="$mnt" - <<<"remove-tree many")
is "they go in one commit" "$seq" $((before + 1))
refuse "and at once" stat "$mnt/many"
check "while others work" sh -c "
	for i in 1 2 3 4 5 6 7 8; do echo \$i >'$mnt/new'\$i; done"
kill_daemon
umount -l "$mnt"
check "after kill -9 in the middle" mount_store
refuse "they are still gone" stat "$mnt/many"
is "others' work is there" "$(cat "$mnt"/new?| paste -sd' ')" \
    "1 2 3 4 5 6 7 8"
check "the store is clean, whatever is left" "$vfsctl" check "$store"
check "the rest goes" reaped
echo "# $(stat_of reaper.names) names in $(stat_of reaper.batches) batches"
check "clean again" "$vfsctl" check "$store"

# --- a publisher that dies -------------------------------------------------
blocks() {	# that anything refers to
	"$vfsctl" check --json --no-data "$store" |
	    sed -n 's/.*"blocks":\([0-9]*\).*/\1/p'
}
before=$(blocks)
head -c 60000000 /dev/urandom >"$many/large"
"$vfsctl" publish -q "$many" "$mnt/half" & p=$!
sleep 0.3
kill -9 $p
wait $p 2>/dev/null
refuse "nothing of it is seen" stat "$mnt/half"
check "nothing is left" reaped
is "the space is back" "$(blocks)" "$before"

# --- scripts ---------------------------------------------------------------
tx() {		# SCRIPT [OPTION...]: its exit status
	local script=$1
	shift
	"$vfsctl" tx "$@" --at="$mnt" - <<<"$script" >"$work/tx.out" 2>&1
	echo $?
}
is "a script" "$(tx '
	mkdir d 750
	create "d/a file" 600
	write "d/a file" 0 "hello\n"
	write "d/a file" 6 @'"$src"'/a
	symlink "a file" d/l
	link "d/a file" d/two
	setxattr d user.x "1\x002"
	require d/none absent
	mkdir next
	publish next d/next')" 0
is "did it all" "$(cat "$mnt/d/two") $(stat -c '%a %h' "$mnt/d/two")" \
    "hello
hello 600 2"
is "a line that fails undoes all" "$(tx '
	mkdir e
	rmdir d')" 1
check "says which and why" grep -q ':3: rmdir d: directory not empty' \
    "$work/tx.out"
refuse "and nothing is there" stat "$mnt/e"
is "what is required and is not so" "$(tx 'require d absent')" 3
is "what is required and is so" \
    "$(tx "require d is $(stat -c %i "$mnt/d")")" 0
is "a word too many" "$(tx 'mkdir e 755 x')" 2
check "says what the line should be" \
    grep -q ':1: mkdir: a word too many: mkdir PATH \[MODE\]$' "$work/tx.out"
touch "$mnt/t.f"
for line in 'mkdir x 999' 'chmod t.f u+x' 'chown t.f root:root' \
    'write t.f x y' 'truncate t.f 99999999999999999999' \
    'require t.f bogus' 'rename t.f t.g bogus'; do
	is "a mistake: $line" "$(tx "$line")" 2
done
is "a file of the host that is not there" "$(tx 'write t.f 0 @/none')" 1
rm "$mnt/t.f"
"$vfsctl" tx --at="$mnt" "$work" >"$work/tx.out" 2>&1
is "a directory is no script" $? 1
is "and it is said" "$(cat "$work/tx.out")" \
    "vfsctl: $work: cannot be read: is a directory"
(cd "$work" && echo 'mkdir e' | "$vfsctl" tx -) 2>"$work/tx.out"
is "outside of a mount paths begin nowhere" $? 1
check "and it is said what helps" grep -q -- 'use --at$' "$work/tx.out"
is "a dry run" "$(tx 'remove-tree d' --dry-run)" 0
check "does nothing" test -d "$mnt/d"
is "replaced by a script" "$(tx '
	mkdir fresh
	publish fresh d replace
	remove-tree out.old' --durable)" 0
is "is replaced" "$(find "$mnt/d" | wc -l)" 1

check "unmount" unmount_store
is "no orphan is left" "$("$vfsctl" dump --kind=orphan "$store")" ""
check "the store is clean" store_is_clean
finish
