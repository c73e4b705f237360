#!/bin/bash
# bench - the same workloads on the host's filesystem, vfsd, an empty FUSE
# loop and the peers that Debian ships, in one go on the same directory.
#
#	make bench [DIR=where] [ROUNDS=3] [FILES=2000] [BIG=1024] [ONLY="host vfsd"]
#
# Prints medians over the rounds, vfsd's ratio to each of the others, and
# which of the goals hold, with what an empty FUSE loop, or the best peer,
# reaches of the same: first what programs see that know nothing of vfsd,
# then what libvfs and other transports do beside the host's system calls and
# an empty FUSE round trip, then the engine and 9P by themselves.  Needs root
# for the peers that do; vfsd-own is vfsd at its fastest, for one
# user: noallow_other, nodefault_permissions, direct=new; vfsd-uring is with
# uring, where root has enabled that.
set -u
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$1" && pwd)
rounds=${ROUNDS:-3} files=${FILES:-2000} big=${BIG:-1024}
peers=${ONLY:-host loop vfsd vfsd-own vfsd-uring bindfs fuse-overlayfs fuse2fs gocryptfs ntfs-3g}
top=$(mktemp -d "${DIR:-.}/bench.XXXXXX") || exit 1
top=$(cd "$top" && pwd)
results=$top/results api=$top/api
pid='' olds=0

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

warned() {	# what it was measured in spite of
	[ -s "$top/err" ] && echo "# $1: $(tail -n 1 "$top/err")" >&2
}

image() {	# MKFS...
	truncate -s 4G "$top/img" && "$@" "$top/img" >/dev/null 2>&1
}

# What was measured stays until the end, without its bytes: ext4 without a
# journal passes over the inodes that were deleted in the last minutes, one
# by one, and creating files would look ten times as dear.
retire() {
	mkdir -p "$top/old"
	[ -d "$top/back" ] && mv "$top/back" "$top/old/$((olds += 1))"
	find "$top/old" -type f -size +256k -exec truncate -s 0 {} +
	rm -f "$top/img"
}

served() {	# DAEMON...: it stays, and has mounted when this returns
	"$@" & pid=$!
	for _ in $(seq 100); do mountpoint -q "$top/mnt" && return; sleep 0.1; done
	return 1
}

# Put the named filesystem on $top/mnt, backed by $top/back.
up() {
	retire
	mkdir -p "$top/mnt" "$top/back"
	case $1 in
	host)	mount --bind "$top/back" "$top/mnt" ;;
	loop)	served "$bin/loop" "$top/mnt" ;;
	vfsd)	served "$bin/vfsd" -f -o "listen=unix:$top/sock,listen=ipc:$top/mail" \
		    "$top/back/store" "$top/mnt" ;;
	vfsd-own)
		served "$bin/vfsd" -f -o noallow_other,nodefault_permissions,direct=new \
		    "$top/back/store" "$top/mnt" ;;
	vfsd-uring)
		grep -qs Y /sys/module/fuse/parameters/enable_uring || {
			echo "fuse.enable_uring is off" >&2; return 1; }
		served "$bin/vfsd" -f -o uring "$top/back/store" "$top/mnt" ;;
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
	command -v "$1" >/dev/null || [ -x "$bin/${1%-*}" ] || [ "$1" = host ] ||
	    { missing "$1" "not installed"; return; }
	up "$1" 2>"$top/err" || { missing "$1" "$(tail -n 1 "$top/err")"; down; return; }
	mkdir -p "$top/mnt/w"
	timeout 600 "$bin/work" "$top/mnt/w" "$files" "$big_here" 2>>"$top/err" |
	    sed "s/^/$1 /" >> "$results"
	warned "$1"
	down
}

# The same without the kernel's front, for those that have something to say.
measure_api() {
	case $1 in host | loop | vfsd) ;; *) return ;; esac
	up "$1" 2>"$top/err" || { missing "$1" "$(tail -n 1 "$top/err")"; down; return; }
	{
		case $1 in
		host)	mkdir "$top/mnt/w" && timeout 600 "$bin/api" host "$top/mnt/w" ;;
		loop)	timeout 60 "$bin/calls" loop "$top/mnt" ;;
		vfsd)	timeout 600 "$bin/api" vfsd "$top/mnt" &&
			timeout 60 "$bin/calls" vfsd "$top/sock" "$top/mail" ;;
		esac
	} 2>>"$top/err" | sed "s/^/$1 /" >> "$api"
	warned "$1"
	down
}

for round in $(seq "$rounds"); do
	for p in $peers; do
		[ -t 2 ] && printf 'round %d of %d: %-16s\r' "$round" "$rounds" "$p" >&2
		measure "$p"
		measure_api "$p"
	done
	case " $peers " in *" vfsd "*)
		"$bin/journal" > "$top/journal" &&
		    sed -n 's/^all, .* \([0-9]*\) records\/s$/vfsd journal \1 rec\/s/p' \
			"$top/journal" >> "$api" ;;
	esac
done
[ -t 2 ] && printf '%60s\r' '' >&2
awk -v peers="$peers" -f "$here/table.awk" "$results"
echo
if [ -s "$api" ]; then
	awk -v peers="host loop vfsd" -f "$here/table.awk" "$api"
	echo
	cat "$top/journal"
fi
"$bin/engine"
echo
"$here/p9.sh" "$bin" "$top"
