#!/bin/bash
# bench - the same workloads on the host's filesystem, vfsd, an empty FUSE
# loop and the peers that Debian ships, in one go on the same directory.
#
#	make bench [DIR=where] [ROUNDS=3] [FILES=2000] [BIG=1024] [ONLY="host vfsd"]
#
# Prints medians over the rounds, vfsd's ratio to each of the others, and
# which of the goals hold.  Needs root for the peers that do; vfsd-uring is
# vfsd -o uring, where root has enabled that.
set -u
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$1" && pwd)
rounds=${ROUNDS:-3} files=${FILES:-2000} big=${BIG:-1024}
peers=${ONLY:-host loop vfsd vfsd-uring bindfs fuse-overlayfs fuse2fs gocryptfs ntfs-3g}
top=$(mktemp -d "${DIR:-.}/bench.XXXXXX") || exit 1
top=$(cd "$top" && pwd)
results=$top/results
pid=

down() {
	mountpoint -q "$top/mnt" && { umount "$top/mnt" || umount -l "$top/mnt"; }
	[ -n "$pid" ] && { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }
	pid=
}
finish() {
	down
	rm -rf "$top"
}
trap finish EXIT
trap 'exit 130' INT TERM

missing() {
	echo "# $1: not measured: $2" >&2
	return 1
}

image() {	# MKFS...
	truncate -s 4G "$top/img" && "$@" "$top/img" >/dev/null 2>&1
}

# Put the named filesystem on $top/mnt, backed by $top/back.
up() {
	rm -rf "$top/back" "$top/img"
	mkdir -p "$top/mnt" "$top/back"
	case $1 in
	host)	mount --bind "$top/back" "$top/mnt" ;;
	loop)	"$bin/loop" "$top/mnt" & pid=$!
		for _ in $(seq 50); do mountpoint -q "$top/mnt" && return; sleep 0.1; done
		return 1 ;;
	vfsd)	"$bin/vfsd" -f "$top/back/store" "$top/mnt" & pid=$!
		for _ in $(seq 100); do mountpoint -q "$top/mnt" && return; sleep 0.1; done
		return 1 ;;
	vfsd-uring)
		grep -qs Y /sys/module/fuse/parameters/enable_uring || {
			echo "fuse.enable_uring is off" >&2; return 1; }
		"$bin/vfsd" -f -o uring "$top/back/store" "$top/mnt" & pid=$!
		for _ in $(seq 100); do mountpoint -q "$top/mnt" && return; sleep 0.1; done
		return 1 ;;
	bindfs)	bindfs "$top/back" "$top/mnt" ;;
	fuse-overlayfs)
		mkdir "$top/back/l" "$top/back/u" "$top/back/w"
		fuse-overlayfs -o "lowerdir=$top/back/l,upperdir=$top/back/u,workdir=$top/back/w" "$top/mnt" ;;
	fuse2fs) image mkfs.ext4 -q -F && fuse2fs "$top/img" "$top/mnt" -o fakeroot ;;
	gocryptfs)
		echo x > "$top/pass"
		gocryptfs -q -init -scryptn 10 -passfile "$top/pass" "$top/back" >/dev/null &&
		gocryptfs -q -passfile "$top/pass" "$top/back" "$top/mnt" ;;
	ntfs-3g) image mkntfs -q -F -f && ntfs-3g "$top/img" "$top/mnt" ;;
	esac
}

measure() {
	local big_here=$big
	case $1 in loop) big_here=0 ;; esac
	command -v "$1" >/dev/null || [ -x "$bin/${1%-uring}" ] || [ "$1" = host ] ||
	    { missing "$1" "not installed"; return; }
	up "$1" 2>"$top/err" || { missing "$1" "$(tail -n 1 "$top/err")"; down; return; }
	mkdir -p "$top/mnt/w"
	timeout 600 "$bin/work" "$top/mnt/w" "$files" "$big_here" 2>>"$top/err" |
	    sed "s/^/$1 /" >> "$results"
	[ -s "$top/err" ] && missing "$1" "$(tail -n 1 "$top/err")"
	down
}

for round in $(seq "$rounds"); do
	for p in $peers; do
		[ -t 2 ] && printf 'round %d of %d: %-16s\r' "$round" "$rounds" "$p" >&2
		measure "$p"
	done
done
[ -t 2 ] && printf '%60s\r' '' >&2
awk -v peers="$peers" -f "$here/table.awk" "$results"
echo
"$bin/engine"
"$bin/journal"
echo
"$here/p9.sh" "$bin" "$top"
