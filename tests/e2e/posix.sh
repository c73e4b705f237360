#!/bin/bash
# The rules of tests/posix on mounts: as they are by default, without a
# page cache or without one for new files, with the daemon's own locks, and
# of an ordinary user, whose permissions the kernel checks or the daemon.
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
rules
[ "$plain" ] || {
	rules -o direct
	rules -o direct=new
	rules -o locks=shared
}
if become_user; then
	[ ${#user[@]} = 0 ] || rules	# else he was it all along
	linux_since 6.16 && rules -o nodefault_permissions
fi
exit $bad
