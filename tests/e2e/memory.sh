#!/bin/bash
# The daemon's own memory: idle, and while more is made than it may keep.
# With VFSD_FULL=1: a directory of 1,000,000 and the kernel's source.
. "$(dirname "$0")/lib.sh"
need python3
if [ "$plain" ]; then
	skip memory "is about the daemon"
	finish
fi
# The tables hold 32 MiB each; without that bound it would be 130 MiB here.
files=${full:+1000000} files=${files:-120000}
most=${full:+512} most=${most:-96}	# MiB while it works
idle=64

server() {
	"$vfsctl" status "$store" | awk '$1 == "pid" { print $2 }'
}
anon() {	# PID: KiB
	awk '/^RssAnon/ { print $2 }' "/proc/$1/status" 2>/dev/null
}
# The most that the daemon had while the command ran, into $peak.
peak_of() {	# COMMAND...
	local child now
	peak=0
	"$@" &
	child=$!
	while kill -0 $child 2>/dev/null; do
		now=$(anon "$pid")
		[ "${now:-0}" -gt $peak ] && peak=$now
		sleep 0.05
	done
	wait $child
}
many() {	# DIR N
	python3 -c 'import os, sys
d = os.open(sys.argv[1], os.O_RDONLY)
for i in range(int(sys.argv[2])):
	os.close(os.open("f%07d" % i, os.O_CREAT | os.O_WRONLY, dir_fd=d))' \
	    "$1" "$2"
}
settles() {	# within a while, to what an idle daemon may have
	local i
	for ((i = 0; i < 300; i++)); do
		[ "$(anon "$pid")" -lt $((idle * 1024)) ] && return
		sleep 0.1
	done
	return 1
}

check "mount" mount_store || finish
pid=$(server)
at_most "KiB at start" "$(anon "$pid")" $((idle * 1024))
mkdir "$mnt/many"
check "$files files in one directory" peak_of many "$mnt/many" "$files"
at_most "KiB at most meanwhile" "$peak" $((most * 1024))
is "all are there" "$(find "$mnt/many" -type f | wc -l)" "$files"

tar=/usr/src/linux-source-6.1.tar.xz
# What the kernel has in its cache is counted for it, 57 bytes an object:
# a million of them are 54 MiB for as long as it likes.
[ "$full" ] && check "remove them" rm -r "$mnt/many"
if [ "$full" ] && [ -r $tar ]; then
	check "linux-source unpacks" peak_of tar -xJf $tar -C "$mnt"
	at_most "KiB at most meanwhile" "$peak" $((most * 1024))
fi
check "fsync, and a pause" sync -d "$mnt"
check "idle again" settles
at_most "KiB when idle" "$(anon "$pid")" $((idle * 1024))
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
