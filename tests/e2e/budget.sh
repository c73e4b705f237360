#!/bin/bash
# The request budget: what the kernel asks the daemon for each call, as
# the owner of the files, counted by the daemon.  RELEASE and FORGET are
# not waited for and do not count.
. "$(dirname "$0")/lib.sh"
if [ "$plain" ]; then
	skip budget "counts requests"
	finish
fi
[ "$(id -u)" = 0 ] && command -v setpriv >/dev/null &&
    user=(setpriv --reuid 1000 --regid 1000 --clear-groups)
owner=("${user[@]}")
mount_store || { check "mount" false; finish; }
if [ ${#owner[@]} -gt 0 ]; then
	chown 1000:1000 "$mnt"
	cp "$probe" "$work/probe"	# where that user may run it
	probe=$work/probe
fi
counters() {
	"$vfsctl" status --json "$store" | tr ',' '\n' |
	    sed -n 's/^"fuse\.\([A-Z0-9_]*\)\.calls":\([0-9]*\).*/\1 \2/p'
}
# Sets $asked to the number, $what to the kinds.
asked() {	# CALL PATH...
	counters >"$work/c1"
	"${owner[@]}" "$probe" call "$@" >"$work/answer" 2>"$log" ||
	    { asked=999; what="failed: $(cat "$log")"; return; }
	counters >"$work/c2"
	what=$(awk 'NR == FNR { n[$1] = $2; next }
	    $1 !~ /RELEASE|FORGET|INTERRUPT/ && $2 > n[$1] {
		printf "%s*%d ", $1, $2 - n[$1] }' "$work/c1" "$work/c2")
	asked=$(echo "$what" | tr ' ' '\n' | awk -F'*' '{ n += $2 }
	    END { print n + 0 }')
}
budget() {	# NAME LIMIT CALL PATH...
	local name=$1 limit=$2
	shift 2
	asked "$@"
	at_most "$name" "$asked" "$limit"
	echo "# $what"
}
as() {
	"${owner[@]}" "$@"
}
warm() {	# CALL PATH: twice, so that nothing is new
	as "$probe" call "$@" >/dev/null
	as "$probe" call "$@" >/dev/null
}

as mkdir -p "$mnt/a/b/c"
as sh -c "echo text >'$mnt/a/b/c/file'; ln -s target '$mnt/a/b/c/link'"
f=$mnt/a/b/c/file
warm stat "$f"
budget "warm stat" 0 stat "$f"
warm stat "$mnt/a/b/missing"
budget "repeated negative lookup" 0 stat "$mnt/a/b/missing"
warm readlink "$mnt/a/b/c/link"
budget "warm readlink" 0 readlink "$mnt/a/b/c/link"
warm read "$f"
budget "warm open, read, close" 1 read "$f"
warm over "$f"
budget "overwrite with O_TRUNC" 2 over "$f"
warm append "$f"
budget "append and fsync" 3 append "$f"

# The directory was just read, as a shell or compiler would have done.
# One after the other, so each finds the directory just changed.
as "$probe" call mkdir "$mnt/a/b/first"
budget "create, 4 KiB, close" 5 create "$mnt/a/b/new"
budget "rename" 3 rename "$mnt/a/b/new" "$mnt/a/b/newer"
budget "unlink" 2 unlink "$mnt/a/b/newer"
budget "mkdir" 3 mkdir "$mnt/a/b/dir"

# Without the kernel's checks nobody asks for the directory's attributes.
own_checks() {
	local own=noallow_other,nodefault_permissions
	owner=()
	check "remount" remount -o $own
	"$probe" call mkdir "$mnt/a/b/second"
	budget "own checks: create, 4 KiB, close" 4 create "$mnt/a/b/new"
	budget "own checks: rename" 2 rename "$mnt/a/b/new" "$mnt/a/b/newer"
	budget "own checks: unlink" 1 unlink "$mnt/a/b/newer"
	budget "own checks: mkdir" 2 mkdir "$mnt/a/b/dir2"
	check "remount" remount -o $own,direct=new
	"$probe" call mkdir "$mnt/a/b/third"
	budget "own checks, new files direct: create, 4 KiB, close" 3 \
	    create "$mnt/a/b/new"
	owner=("${user[@]}")
}
linux_since 6.16 && own_checks

# Everything cold, but the root's own attributes.
check "remount" remount
warm stat "$mnt"
budget "cold stat: one LOOKUP a component" 4 stat "$f"
is "and nothing else" "$what" "LOOKUP*4 "

as mkdir "$mnt/many"
as sh -c "cd '$mnt/many' && seq 5000 | xargs touch"
for size in 4096 32768 65536; do
	check "remount" remount
	warm stat "$mnt/many"
	asked list "$mnt/many" $size
	echo "# $what"
	calls=$(cat "$work/answer")
	plus=$(echo "$what" | tr ' ' '\n' | sed -n 's/READDIRPLUS\*//p')
	at_most "cold list with stat, $size bytes: READDIRPLUS per buffer" \
	    "${plus:-999999}" $((calls + 1))
	is "and no LOOKUP" "$(echo "$what" | grep -c 'LOOKUP')" 0
	is "no GETATTR for each" \
	    "$(echo "$what" | tr ' ' '\n' | sed -n 's/GETATTR\*//p' |
		awk '$1 > 2')" ""
done
check "unmount" unmount_store
finish
