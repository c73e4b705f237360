#!/bin/bash
# Starting, refusing to start, stopping, read-only, options, and an
# ordinary user.
. "$(dirname "$0")/lib.sh"
if [ "$plain" ]; then
	skip basic "is about the daemon"
	finish
fi

# It must not start: non-zero, one line, and nothing changed below $work.
refused() {	# NAME COMMAND...
	local name=$1 rc lines
	shift
	snapshot >"$work.before"
	timeout 20 "$@" >"$work.out" 2>&1
	rc=$?
	lines=$(wc -l <"$work.out")
	snapshot >"$work.after"
	echo "# $(head -n 1 "$work.out")"
	check "$name: refused" test $rc -ne 0 -a $rc -lt 124
	is "$name: one line" "$lines" 1
	check "$name: changed nothing" diff "$work.before" "$work.after"
}
snapshot() {
	find "$work" -path "$mnt/*" -prune -o ! -path "$work/log" \
	    ! -path "$work/daemon.log" -printf '%p %y %m %s %T@ %i\n' | sort
}
at_end 'rm -f "$work.before" "$work.after" "$work.out"'

# Started as a user would: returns when the mount is ready.
mkdir "$mnt"
check "creates a store and returns" timeout 20 "$vfsd" "$store" "$mnt"
check "the mount is ready" is_mounted
check "a file" sh -c "echo hello >'$mnt/f'"
is "is there" "$(cat "$mnt/f")" hello
is "it shows the store as its source" \
    "$(findmnt -n -o SOURCE "$mnt")" "$store"
is "and its type" "$(findmnt -n -o FSTYPE "$mnt")" fuse.vfsd
mkdir "$work/m2"
refused "a second daemon" "$vfsd" "$store" "$work/m2"
check "the first goes on" grep -qx hello "$mnt/f"
check "umount ends it" umount "$mnt"
for i in $(seq 100); do
	"$vfsctl" check "$store" >/dev/null 2>&1 && break
	sleep 0.05
done
check "the store is clean" store_is_clean
check "umount left an empty directory" rmdir "$mnt"
mkdir "$mnt"

mkdir "$work/other" && echo x >"$work/other/file"
refused "a directory that is no store" "$vfsd" "$work/other" "$mnt"
refused "a file as store" "$vfsd" "$work/other/file" "$mnt"
refused "no such mount point" "$vfsd" "$store" "$work/nowhere"
cd "$mnt" || finish		# "" would be the directory one is in
refused "an empty mount point" "$vfsd" "$store" ""
refused "an empty store" "$vfsd" "" "$mnt"
cd / || finish
refused "a file as mount point" "$vfsd" "$store" "$work/other/file"
refused "a parent that is missing" "$vfsd" "$work/a/b/store" "$mnt"
mkdir "$store/inside" 2>/dev/null
refused "a mount point inside the store" "$vfsd" "$store" "$store/inside"
rmdir "$store/inside"
mkdir "$work/outer" && mkdir "$work/outer/store.d"
refused "a store inside the mount point" \
    "$vfsd" "$work/outer/store.d" "$work/outer"
refused "the same for both" "$vfsd" "$work/m2" "$work/m2"
refused "an unknown option" "$vfsd" -o nonsense "$store" "$mnt"
refused "a wrong value" "$vfsd" -o durability=never "$store" "$mnt"
refused "an empty name" "$vfsd" -o ro,fsname= "$store" "$mnt"
refused "no arguments" "$vfsd"
refused "read-only without a store" "$vfsd" -o ro "$work/none" "$mnt"

cp -a "$store" "$work/newer"
for n in 1 99; do	# of before and of after
	sed -i "s/^format .*/format $n/" "$work/newer/vfsd-store"
	refused "a store of format $n" "$vfsd" "$work/newer" "$mnt"
	check "format $n: it says so" grep -q "store format $n, this vfsd" \
	    "$work.out"
	refused "vfsctl check, format $n" "$vfsctl" check "$work/newer"
done
rm -rf "$work/newer"

# Damage: first bytes of what identifies the store.
cp -a "$store" "$work/damaged"
for f in "$work/damaged"/*; do
	[ -f "$f" ] && [ -s "$f" ] || continue
	cp -a "$f" "$work/saved"
	head -c 4096 /dev/zero | tr '\0' '\377' |
	    dd of="$f" conv=notrunc status=none
	name=$(basename "$f")
	snapshot >"$work.before"
	if timeout 20 "$vfsd" "$work/damaged" "$mnt" >"$work.out" 2>&1; then
		# a log or data file may have been empty: nothing wrong served
		is "damaged $name: no other bytes" \
		    "$(cat "$mnt/f" 2>/dev/null || echo hello)" hello
		umount "$mnt"
		for i in $(seq 100); do
			"$vfsctl" check "$work/damaged" >/dev/null 2>&1
			[ $? -ne 2 ] && break
			sleep 0.02
		done
	else
		check "damaged $name: one line" \
		    test "$(wc -l <"$work.out")" = 1
		echo "# $(head -n 1 "$work.out")"
	fi
	rm -rf "$work/damaged"
	cp -a "$store" "$work/damaged"
	rm -f "$work/saved"
done
rm -rf "$work/damaged"

# Signals
for sig in TERM INT; do
	check "mount" mount_store
	check "SIG$sig" kill -$sig "$daemon"
	check "it ends well" wait "$daemon"
	daemon=
	check "and unmounts" not is_mounted
done
check "mount" mount_store
: >"$mnt/busy"
sleep 100 <"$mnt/busy" &
busy=$!
kill -TERM "$daemon"
check "SIGTERM when busy: it ends" timeout 30 tail --pid="$daemon" -f /dev/null
kill $busy
wait $busy "$daemon" 2>/dev/null
daemon=
check "and unmounts" not is_mounted

# It is found where it is: a directory above was renamed, and there is a copy.
check "mount" mount_store
mkdir "$work/above" "$work/above/mnt" "$work/copy"
moved=$work/other-name/mnt
if [ "$(id -u)" = 0 ]; then
	check "move it" mount --move "$mnt" "$work/above/mnt"
	check "and bind it elsewhere" mount --bind "$work/above/mnt" "$work/copy"
	mv "$work/above" "$work/other-name"
	check "it is there" is_mounted "$moved"
else
	skip "move it" "needs root"
fi
kill -TERM "$daemon"
wait "$daemon"
is "SIGTERM: it ends well" $? 0
daemon=
check "and is gone" not grep -q " $work/[a-z/-]*mnt " /proc/self/mountinfo
check "and the copy" not is_mounted "$work/copy"

# Told to end while it starts, at any moment: it does, and nothing is left.
begun=$work/begun
mkdir "$work/m3"
gone() {	# nobody serves the store any more, and nothing is mounted
	local i
	for ((i = 0; i < 500; i++)); do
		pgrep -f "$begun" >/dev/null || break
		sleep 0.01
	done
	((i < 500)) && ! is_mounted "$work/m3"
}
early() {	# SECONDS [-f]: its status, when all is gone
	local p rc
	"$vfsd" "${@:2}" "$begun" "$work/m3" 2>>"$work/daemon.log" &
	p=$!
	sleep "$1"
	# too late: it is ready
	kill -TERM $p 2>/dev/null || [ $# = 1 ] || umount "$work/m3"
	wait $p
	rc=$?
	# it says that it is mounted: then it is
	[ $# != 1 ] || [ $rc != 0 ] || umount "$work/m3" || rc=none
	gone || rc=left
	umount -l "$work/m3" 2>/dev/null
	echo $rc
}
"$vfsd" -o listen=store "$begun" && kill -TERM "$("$vfsctl" status \
    "$begun" | awk '$1 == "pid" { print $2 }')"
check "a store" gone
# 143: not even begun
is "early SIGTERM: it ends well" "$(for i in 00{0..9} 0{10..29}; do
	early 0.$i -f
done | grep -vx '0\|143')" ""
is "early SIGTERM of who waits: nothing is left" "$(for i in {0..9}; do
	early 0.00$i
done | grep -vx '0\|143')" ""

# One that ends may take its time.
flock "$begun" sleep 3 &
check "mount beside one that ends" "$vfsd" "$begun" "$work/m3"
umount "$work/m3"
check "and it ends" gone

# A copy that we do not see keeps the session.
if [ "$(id -u)" = 0 ]; then
	check "mount" mount_store
	unshare -m --propagation private sleep 100 &
	busy=$!
	sleep 0.5
	kill -TERM "$daemon"
	check "SIGTERM: it ends" timeout 30 tail --pid="$daemon" -f /dev/null
	check "and says why the copy is dead" grep -q "another mount namespace" \
	    "$work/daemon.log"
	kill $busy
	wait "$daemon"
	is "it ends well" $? 0
	daemon=
else
	skip "SIGTERM when mounted elsewhere: it ends" "needs root"
fi

# What is not its own: something on top, and what has its number after it.
# A copy that is hidden does not keep it from taking away the rest.
number() {
	awk -v m="$1" '$5 == m { print $3 }' /proc/self/mountinfo
}
if [ "$(id -u)" = 0 ]; then
	mkdir "$work/above" "$work/above/copy" "$work/foreign"
	check "mount" mount_store
	check "bind it" mount --bind "$mnt" "$work/above/copy"
	check "hide the copy" mount -t tmpfs none "$work/above"
	kill -TERM "$daemon"
	check "SIGTERM: it ends" timeout 30 tail --pid="$daemon" -f /dev/null
	check "and is gone" not is_mounted
	check "and what was on top is there" is_mounted "$work/above"
	umount "$work/above"
	umount "$work/above/copy"

	check "mount" mount_store
	check "mount something on top" mount -t tmpfs none "$mnt"
	kill -TERM "$daemon"
	check "SIGTERM: it ends" timeout 30 tail --pid="$daemon" -f /dev/null
	is "what is on top is there" "$(stat -f -c %T "$mnt")" tmpfs
	umount "$mnt"
	umount "$mnt"

	check "mount" mount_store
	was=$(number "$mnt")
	server=$(pgrep -P "$daemon")
	kill -STOP "$server"		# umount(8) would ask it first
	check "unmount" "$probe" umount "$mnt"
	check "mount something else" mount -t tmpfs none "$work/foreign"
	is "it has the number now" "$(number "$work/foreign")" "$was"
	kill -9 "$server"
	wait "$daemon"
	daemon=
	check "and is left alone" is_mounted "$work/foreign"
	umount "$work/foreign"
else
	skip "what is not its own" "needs root"
fi

# Unmounted, and another store is mounted there before this daemon has ended:
# the kernel may give it the same number.
check "mount" mount_store
first=$daemon
kill -STOP "$first"
umount "$mnt" || fusermount3 -u "$mnt"
store=$work/another check "mount another store" mount_store
kill -CONT "$first"
wait "$first"
is "the first daemon ends well" $? 0
check "and leaves what is not its own" is_mounted
check "unmount" unmount_store
rm -rf "$work/another"

# Its session is ended, but not unmounted.
mkdir "$work/ctl"
if [ "$(id -u)" = 0 ] && mount -t fusectl none "$work/ctl"; then
	check "mount" mount_store
	was=$(number "$mnt")
	echo 1 >"$work/ctl/${was#0:}/abort"
	check "aborted: it ends" timeout 30 tail --pid="$daemon" -f /dev/null
	check "and leaves no dead mount" not is_mounted
	umount "$work/ctl"
else
	skip "aborted: no dead mount is left" "needs root"
fi

# A dead mount point
check "mount" mount_store
echo later >"$mnt/later"
kill_daemon
check "a dead mount point" not stat "$mnt"
check "is replaced" mount_store
is "nothing is lost" "$(cat "$mnt/later")" later
check "once" test "$(grep -c " $mnt " /proc/self/mountinfo)" = 1
check "unmount" unmount_store

# Read-only, also after a crash: recovers, shows, writes nothing
check "mount" mount_store
echo unsynced >"$mnt/unsynced"
kill_daemon
umount "$mnt"
sum() {
	(cd "$store" && find . -type f -exec md5sum {} + | sort; ls -l --full-time)
}
sum >"$work/sum1"
check "mount -o ro after a crash" mount_store -o ro
is "it shows all" "$(cat "$mnt/unsynced")" unsynced
refuse "it does not write" sh -c "echo x >'$mnt/x'"
refuse "it does not unlink" rm "$mnt/f"
check "unmount" unmount_store
sum >"$work/sum2"
check "it wrote nothing" diff "$work/sum1" "$work/sum2"
check "mount read-write" mount_store
is "it is all there" "$(cat "$mnt/unsynced")" unsynced
check "unmount" unmount_store

# Names and options
for o in direct noatime relatime durability=sync durability=process \
    locks=shared locks=local allow_other default_permissions nodev,nosuid; do
	if [ $o = allow_other ] && [ "$(id -u)" != 0 ] &&
	    ! grep -qsx user_allow_other /etc/fuse.conf; then
		refuse "-o $o, which root has not allowed" \
		    sh -c "'$vfsd' -o $o '$store' '$mnt' 2>'$work.out'"
		check "-o $o: it says where" grep -q /etc/fuse.conf "$work.out"
		continue
	fi
	check "-o $o" mount_store -o $o
	check "-o $o: works" sh -c "echo $o >'$mnt/o' && grep -qx $o '$mnt/o'"
	check "-o $o: ends" unmount_store
done
# O_SYNC and O_DSYNC, whether the kernel asks for it or we have to know
flushes() {
	"$vfsctl" status "$mnt" | awk '$1 == "log.syncs" { print $2 }'
}
for o in relatime direct direct=new sync; do
	check "-o $o" mount_store -o $o
	for fl in dsync sync append,dsync append,sync; do
		rm -f "$mnt/o"
		n=$(flushes)
		dd if=/dev/zero of="$mnt/o" bs=100 count=5 conv=notrunc \
		    oflag=$fl 2>"$log"
		is "-o $o: a new file, $fl" $(($(flushes) - n)) 5
		n=$(flushes)
		dd if=/dev/zero of="$mnt/o" bs=100 count=5 conv=notrunc \
		    oflag=$fl 2>"$log"
		is "-o $o: an old one, $fl" $(($(flushes) - n)) 5
	done
	check "-o $o: ends" unmount_store
done
check "-o fsname=" mount_store -o fsname=my-name
is "shows the name" "$(findmnt -n -o SOURCE "$mnt")" my-name
check "unmount" unmount_store
store=their-name:$work/store
check "name:directory" mount_store
is "shows the name" "$(findmnt -n -o SOURCE "$mnt")" their-name
check "unmount" unmount_store
store=$work/store
check "-o noatime keeps it" mount_store -o noatime
a=$(stat -c %x "$mnt/f")
cat "$mnt/f" >"$work/log"
is "the time of access" "$(stat -c %x "$mnt/f")" "$a"
check "unmount" unmount_store
check "relative paths" sh -c "cd '$work' && '$vfsd' store mnt"
check "are understood" grep -qx hello "$mnt/f"
umount "$mnt"
sleep 0.3
check "--version" "$vfsd" --version
check "--help" "$vfsd" --help

# A full disk
if [ "$(id -u)" = 0 ] && mkdir "$work/small" &&
    truncate -s 4M "$work/img" && mkfs.ext4 -q -m 0 "$work/img" &&
    mount -o loop "$work/img" "$work/small" 2>/dev/null; then
	head -c 10000000 /dev/zero >"$work/small/full" 2>/dev/null
	refused "a full disk" "$vfsd" "$work/small/store" "$mnt"
	check "no half store is left" test ! -e "$work/small/store"
	umount "$work/small"
else
	skip "a full disk" "needs root and a loop device"
fi

# An ordinary user, who mounts through fusermount3
if [ "$(id -u)" != 0 ] || ! command -v setpriv >/dev/null; then
	skip "an ordinary user" "needs root to become one"
else
	mode=$(stat -c %a /dev/fuse)
	at_end "chmod $mode /dev/fuse"
	chmod 666 /dev/fuse
	mkdir "$work/user" && chown 1000:1000 "$work/user"
	cp "$vfsd" "$work/user/vfsd"
	as_user() {
		setpriv --reuid 1000 --regid 1000 --clear-groups \
		    env HOME="$work/user" "$@"
	}
	u=$work/user
	mkdir "$u/mnt" && chown 1000:1000 "$u/mnt"
	check "a user mounts" timeout 20 setpriv --reuid 1000 --regid 1000 \
	    --clear-groups "$u/vfsd" "$u/store" "$u/mnt"
	check "and works" as_user sh -c "echo mine >'$u/mnt/f' &&
	    mkdir '$u/mnt/d' && chmod 700 '$u/mnt/d' && ln -s d '$u/mnt/s' &&
	    cat '$u/mnt/f'"
	is "the files are his" "$(as_user stat -c %u:%g "$u/mnt/f")" 1000:1000
	refuse "others have no access" cat "$u/mnt/f"
	refuse "not even root's set-id bits count" as_user test -u "$u/mnt/f"
	check "fusermount3 -u" as_user fusermount3 -u "$u/mnt"
	sleep 0.5
	check "mounts again" as_user timeout 20 "$u/vfsd" "$u/store" "$u/mnt"
	is "the same file" "$(as_user cat "$u/mnt/f")" mine
	check "fusermount3 -u" as_user fusermount3 -u "$u/mnt"
	chown -R 0:0 "$store"; chmod 700 "$store"
	sleep 0.5
	refused "a store that cannot be read" setpriv --reuid 1000 \
	    --regid 1000 --clear-groups "$u/vfsd" "$store" "$u/mnt"
	chmod $mode /dev/fuse
fi
finish
