#!/bin/bash
# Run a built checkout of pjdfstest on a fresh mount and print the score.
# Arguments: the built programs, the checkout.
if [ -z "$2" ]; then
	echo "usage: make conformance PJDFSTEST=dir, a built checkout" >&2
	exit 2
fi
bin=$(realpath "$1") && pjd=$(realpath "$2") || exit 2
if [ ! -x "$pjd/pjdfstest" ]; then
	echo "$pjd: build it first (autoreconf -ifs && ./configure && make)" >&2
	exit 2
fi
work=$(mktemp -d) || exit 1
chmod 755 "$work"
mkdir "$work/mnt"
finish() {
	umount "$work/mnt" 2>/dev/null || umount -l "$work/mnt" 2>/dev/null
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM
if [ "$TARGET" ]; then		# the oracle: some other directory
	mount --bind "$TARGET" "$work/mnt" || exit 1
else
	"$bin/vfsd" -o dev,suid,exec "$work/store" "$work/mnt" || exit 1
fi
cd "$work/mnt" || exit 1
mkdir pjd && chmod 755 pjd && cd pjd || exit 1
tests=$pjd/tests
[ "$WHICH" ] && tests=$pjd/tests/$WHICH
prove -r "$tests" >"$work/out" 2>&1
rc=$?
cd /
grep -vE '\.\. ok$' "$work/out"
exit $rc
