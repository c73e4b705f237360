#!/bin/sh
# make run: mount STORE at MNT in the foreground, say what to try; Ctrl-C
# unmounts.  Arguments: the folder of the programs, STORE, MNT.
bin=$1 store=$2 mnt=$3
ready=

mkdir -p "$mnt" 2>/dev/null || [ -d "$mnt" ] || {
	# A dead mount point cannot be made nor looked at; vfsd replaces it.
	grep -q " $(readlink -m "$mnt") fuse.vfsd " /proc/self/mounts || {
		echo "cannot make $mnt" >&2
		exit 1
	}
}

"$bin/vfsd" -f "$store" "$mnt" &
pid=$!
trap 'kill -INT $pid 2>/dev/null' INT TERM HUP

# Mounted, or the daemon said why not.
while kill -0 $pid 2>/dev/null; do
	if grep -q " $(readlink -m "$mnt") fuse.vfsd " /proc/self/mounts &&
	    [ -d "$mnt/." ]; then
		ready=1
		break
	fi
	sleep 0.05
done
if [ -n "$ready" ]; then
	cat <<END
$store is mounted at $mnt; Ctrl-C unmounts. In another terminal try:
  cp -a /usr/include $mnt/ && diff -r --no-dereference /usr/include $mnt/include && ls -li $mnt
  $bin/vfsctl status $mnt && $bin/vfsctl check $mnt
END
fi

# wait ends early when a signal comes; the daemon ends by itself then.
wait $pid
rc=$?
while kill -0 $pid 2>/dev/null; do
	wait $pid
	rc=$?
done
exit $rc
