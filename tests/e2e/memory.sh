#!/bin/bash
# The daemon's own memory: idle, with what the kernel keeps in its cache, and
# while more is made than it may keep.  With VFSD_FULL=1: a directory of
# 1,000,000 and the kernel's source.
#
#   VFSD_FILES	how many files instead (300000: a quick measurement)
. "$(dirname "$0")/lib.sh"
need python3
if [ "$plain" ]; then
	skip memory "is about the daemon"
	finish
fi
# The tables hold 32 MiB each; without that bound it would be 130 MiB here.
files=${full:+1000000} files=${VFSD_FILES:-${files:-120000}}
most=${full:+512} most=${most:-96}	# MiB while it works
idle=64
# What it has for a file that the kernel keeps: a slot of 16 bytes, in a
# table that is half full at the least.  The rest is other memory that came
# and went in between, 1 MiB or so.
each=32 other=2048	# bytes, KiB

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
# When it has been idle for a while, in $now.  (After 2 s without a commit
# the daemon empties its tables.)
rested() {
	local i same=0 before
	sync -d "$mnt"
	now=$(anon "$pid")
	for ((i = 0; i < 60 && same < 5; i++)); do
		before=$now
		sleep 1
		now=$(anon "$pid")
		[ "$now" = "$before" ] && same=$((same + 1)) || same=0
	done
	[ $same = 5 ]
}

check "mount" mount_store || finish
pid=$(server)
at_most "KiB at start" "$(anon "$pid")" $((idle * 1024))
mkdir "$mnt/many"
check "$files files in one directory" peak_of many "$mnt/many" "$files"
at_most "KiB at most meanwhile" "$peak" $((most * 1024))
is "all are there" "$(find "$mnt/many" -type f | wc -l)" "$files"

check "idle, and all is in the kernel's cache" rested
at_most "KiB when idle" "$now" $((idle * 1024))
kept=$now
check "remove them" rm -r "$mnt/many"
check "idle, and the kernel has forgotten them" rested
at_most "KiB when idle" "$now" $((idle * 1024))
at_most "KiB of that for the files that the kernel had" $((kept - now)) \
    $((files * each / 1024 + other))
echo "# $(((kept - now) * 1024 / files)) bytes a file"

tar=/usr/src/linux-source-6.1.tar.xz
if [ "$full" ] && [ -r $tar ]; then
	check "linux-source unpacks" peak_of tar -xJf $tar -C "$mnt"
	at_most "KiB at most meanwhile" "$peak" $((most * 1024))
	check "idle again" rested
	at_most "KiB when idle" "$now" $((idle * 1024))
fi
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
