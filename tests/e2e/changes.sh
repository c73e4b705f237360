#!/bin/bash
# vfsctl changes: who keeps only a cursor has the tree, whatever made the
# changes, through kill -9; and he is told when his cursor is too old.
. "$(dirname "$0")/lib.sh"
need python3 git tar
[ "$plain" ] && { skip "changes" "no journal in a plain directory"; finish; }
export HOME=$work GIT_CONFIG_NOSYSTEM=1
git config --global user.name t
git config --global user.email t@example.org
git config --global init.defaultBranch main
git config --global --add safe.directory '*'
py() { python3 "$here/changes.py" "$@"; }

# All that is new, from the cursor kept in STATE.
catch_up() {	# STATE [options]
	local state=$work/$1 at
	shift
	at=$(py "$state" cursor) &&
	    "$vfsctl" changes --json --since "$at" "$@" "$mnt" \
	    >"$work/lines" && py "$state" apply <"$work/lines"
}
found() {
	(cd "$mnt" && find . -mindepth 1 -printf '%P %y %i %n\n' |
	    LC_ALL=C sort)
}
same() {	# STATE [options]
	catch_up "$@" && py "$work/$1" tree | LC_ALL=C sort >"$work/mirror" &&
	    found >"$work/found" && diff "$work/mirror" "$work/found"
}
as_mirrored() {	# NAME: both consumers
	check "$1: the mirror is the tree" same all
	check "$1: a collapsed one, too" same fold --collapse
}

sock=$work/sock
mount_store -o "listen=unix:$sock" || { check "mount" false; finish; }
as_mirrored "an empty store"

use_tools() {
	cd "$mnt" && mkdir -p src/a src/b "odd $(printf '\377\n')" &&
	    seq 300 | (cd src/a && xargs touch) &&
	    tar cf - src | (mkdir copy && tar xf - -C copy) &&
	    git init -q repo && (cd repo && cp -r ../src . && git add -A &&
	    git commit -qm one && git mv src/a src/z && git commit -qm two &&
	    git gc -q) && git clone -q repo clone && mv copy/src/b moved &&
	    ln src/a/1 linked && ln -s nowhere soft && mkfifo fifo &&
	    mv -T src/a src/renamed && rm -rf copy && cd /
}
check "tar, git, mv, ln, rm -rf" use_tools
as_mirrored "after real tools"

# Programs that speak to the daemon change the same tree.
use_wire() {
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here/../second \
	    python3 - "$sock" <<'PY'
import sys
import vfp
c = vfp.Client(vfp.Socket(path=sys.argv[1]))
DIR, FILE, ROOT = 0o040755, 0o100644, 1
top = c.call("CREATE", dir=ROOT, mode=DIR, flags=1, name=b"wire")
top = top["attr"]["id"]
ops = [vfp.item("CREATE", dict(dir=top, mode=FILE, flags=1,
                               name=b"f%d" % i)) for i in range(100)]
ops += [vfp.item("RENAME", dict(dir=top, dir2=top, name=b"f%d" % i,
                                name2=b"f%d" % (i + 1)))
        for i in range(0, 100, 7)]
ops += [vfp.item("RENAME", dict(dir=top, dir2=ROOT, flags=2, name=b"f3",
                                name2=b"linked"))]
ops += [vfp.item("UNLINK", dict(dir=top, name=b"f%d" % i))
        for i in range(50, 55)]
c.call("TX_EXEC", nops=len(ops), ops=b"".join(ops))
src = c.call("LOOKUP", dir=ROOT, name=b"src")["attr"]["id"]
c.call("TREE_REMOVE", dir=src, name=b"renamed")
PY
}
check "a program's transaction" use_wire
as_mirrored "after that"

# kill -9 while files come and go; what was acknowledged is in the journal.
check "more of it under way" true
(cd "$mnt" && while cp -r repo "w$RANDOM" && mv w* "m$RANDOM" &&
    rm -rf m[0-4]*; do :; done) >/dev/null 2>&1 &
busy=$!
# ... through the mount, and beside it: transactions, trees in one step.
mkdir -p "$work/tree/a/b"
touch "$work/tree/a/b/c" "$work/tree/d"
ln "$work/tree/d" "$work/tree/a/e"
(n=0; while n=$((n + 1)); printf '%s\n' "mkdir t$n" "create t$n/a" \
    "write t$n/a 0 text" "link t$n/a t$n/b" "rename t$n u$n" \
    "rename linked soft exchange" "remove-tree u$n" "mkdir v$n" |
    "$vfsctl" tx --at="$mnt" - && "$vfsctl" publish -q --replace \
    "$work/tree" "$mnt/v$((n - n % 3))"; do :; done) >/dev/null 2>&1 &
beside=$!
sleep 0.7
py "$work/all" cursor >"$work/before"
catch_up all >/dev/null
check "kill -9" kill_daemon
kill "$busy" "$beside" 2>/dev/null
wait "$busy" "$beside" 2>/dev/null
check "both were at it" grep -q '"name2":"u1"' "$work/lines"
check "trees, too" grep -q '"name2":"v[0-9]*"' "$work/lines"
umount -l "$mnt" 2>/dev/null || fusermount3 -uz "$mnt"
check "mount again" mount_store
as_mirrored "after kill -9"
check "an orderly restart" remount -o journal=64M
echo x >"$mnt/later"
as_mirrored "after a restart"

# A subtree's reader sees what enters and leaves.
mkdir "$mnt/in" "$mnt/out"
at=$("$vfsctl" changes --json "$mnt" | sed 's/.*"cursor":"\(.*\)".*/\1/')
mv "$mnt/moved" "$mnt/in/came"
touch "$mnt/out/unseen" "$mnt/in/seen"
mv "$mnt/in/came" "$mnt/out/went"
mv "$mnt/in/seen" "$mnt/out/seen"
told=$("$vfsctl" changes --since="$at" --subtree="$mnt/in" "$mnt" |
    awk '/^[0-9]/ { printf "%s ", $2 }')
is "a subtree's changes" "$told" "entered create meta left left "
told=$("$vfsctl" changes --since="$at" --name 'un*' --kind create,unlink \
    "$mnt" | awk '/^[0-9]/ { print $2, $NF }')
is "by name and kind" "$told" "create $mnt/out/unseen"

# --follow tells of what happens, and ends with Ctrl-C.
"$vfsctl" changes --follow --kind create "$mnt" >"$work/follow" &
follower=$!
for ((i = 0; i < 100; i++)); do
	[ -s "$work/follow" ] && break
	sleep 0.05
done
touch "$mnt/followed"
for ((i = 0; i < 100; i++)); do
	grep -q "/followed$" "$work/follow" && break
	sleep 0.05
done
check "--follow tells of it" grep -q "create .*/followed$" "$work/follow"
kill -INT "$follower"
check "Ctrl-C ends it well" wait "$follower"

# Who is sent away is told why.
rm "$work/follow"
"$vfsctl" changes --follow "$mnt" >"$work/follow" 2>"$work/told" &
follower=$!
for ((i = 0; i < 100; i++)); do
	[ -s "$work/follow" ] && break
	sleep 0.05
done
"$vfsctl" sessions "$mnt" | awk '/ session / && / pid '"$follower"' / {
    print $1 }' >"$work/number"
check "revoke a session" "$vfsctl" sessions \
    --revoke="$(cat "$work/number")" "$mnt" || kill "$follower"
wait "$follower"
is "it fails" $? 1
is "and says why" "$(cat "$work/told")" \
    "vfsctl: $mnt: the capability was revoked"

for since in 1:0 -1 1. x ""; do
	"$vfsctl" changes --since="$since" "$mnt" >"$work/since" 2>&1
	is "no cursor: '$since'" "$? $(grep -c "is no cursor" \
	    "$work/since")" "2 1"
done

# A journal of one megabyte, and more than that in it.
at=$(py "$work/all" cursor)
check "a small journal" remount -o journal=1M
many() {
	cd "$mnt" && mkdir many && (cd many && seq 9000 | xargs touch) &&
	    rm -rf many && cd / && remount -o journal=1M
}
check "more than it holds" many
"$vfsctl" changes --since "$at" "$mnt" >"$work/expired" 2>&1
is "the old cursor has expired" "$?" 3
check "and that is said" grep -q "has expired" "$work/expired"
at=$("$vfsctl" status "$mnt" | awk '/^journal.bytes / { print $2 }')
at_most "bytes that are kept" "$at" 1048576
"$vfsctl" changes --since oldest "$mnt" >"$log"
is "the rest can be read" "$?" 0
refuse "a size that is none" "$vfsd" -o journal=12 "$store" "$mnt"
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
