#!/bin/bash
# The rules of tests/posix on mounts: as they are by default, without a
# page cache, with the daemon's own locks, and of an ordinary user.
. "$(dirname "$0")/lib.sh"
bad=0
rules() {	# options
	echo "# mount $*"
	mount_store "$@" || { echo "not ok - mount $*"; bad=1; return; }
	# what only root can ask was asked before
	"${user[@]}" "$bin/posix-run" "$mnt" >"$work/tap" || bad=1
	grep -v '# SKIP needs root' "$work/tap"
	unmount_store || { echo "not ok - unmount"; bad=1; }
	store_is_clean >"$log" 2>&1 || {
		echo "not ok - vfsctl check"
		tail "$log" | sed 's/^/# /'
		bad=1
	}
}
user=()
rules
[ "$plain" ] || {
	rules -o direct
	rules -o locks=shared
}
if [ -z "$plain" ] && [ "$(id -u)" = 0 ] && command -v setpriv >"$log"; then
	at_end "chmod $(stat -c %a /dev/fuse) /dev/fuse"
	chmod 666 /dev/fuse
	mkdir "$work/user" "$work/user/mnt"
	cp "$bin/vfsd" "$bin/posix-run" "$bin/vfsctl" "$work/user"
	chown -R 1000:1000 "$work/user"
	bin=$work/user vfsctl=$work/user/vfsctl
	store=$work/user/store mnt=$work/user/mnt
	user=(setpriv --reuid 1000 --regid 1000 --clear-groups)
	mount_store() {
		"${user[@]}" "$bin/vfsd" "$store" "$mnt"
	}
	unmount_store() {
		"${user[@]}" fusermount3 -u "$mnt" && sleep 1
	}
	rules
fi
exit $bad
