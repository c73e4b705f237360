#!/bin/bash
# What root does with a store that somebody else owns, who may have put
# into its directory what he likes.  In a mount namespace of its own, where
# everybody's mounts may be for others.
if [ -z "${OWNERS_NS:-}" ] && [ "$(id -u)" = 0 ]; then
	OWNERS_NS=1 exec unshare -m "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
plain=
need_root
need setpriv python3

him=$work/him
install -d -o 1000 -g 1000 "$him" "$him/mnt"
cp "$bin/vfsd" "$him/vfsd"
store=$him/store mnt=$him/mnt
as_him=(setpriv --reuid 1000 --regid 1000 --clear-groups)
serve() {	# [vfsd options]: as he does, without a mount
	local i
	"${as_him[@]}" "$him/vfsd" -f "$@" -o listen=store "$store" \
	    2>>"$work/daemon.log" &
	daemon=$!
	for ((i = 0; i < 500; i++)); do
		"$vfsctl" status "$store" >/dev/null 2>&1 && return 0
		kill -0 "$daemon" 2>/dev/null || return 1
		sleep 0.01
	done
	return 1
}
stop() {
	kill -TERM "$daemon" && wait "$daemon" && daemon=
}
is_wrong() {	# damaged, or not checked; and soon
	timeout 10 "$vfsctl" check "$store"
	case $? in 4 | 8) ;; *) false ;; esac
}
is_his() {	# everything in the store
	! find "$store" ! -uid 1000 | grep .
}

at_end "chmod $(stat -c %a /dev/fuse) /dev/fuse"
check "he makes a store" serve || finish
check "and ends" stop

# --- vfsctl on the files themselves
secret=$work/secret
echo secret >"$secret" && chmod 600 "$secret"
before=$(stat -c '%a %u %s' "$secret")
rm "$store/rows.mdb-lock"
"${as_him[@]}" ln -s "$secret" "$store/rows.mdb-lock"
refuse "repair: a link to root's file" "$vfsctl" check --repair "$store"
is "it is as it was" "$(stat -c '%a %u %s' "$secret")" "$before"
ln -sf "$work/made" "$store/rows.mdb-lock"
refuse "repair: a link to nothing" "$vfsctl" check --repair "$store"
check "nothing is made" test ! -e "$work/made"
rm "$store/rows.mdb-lock"
check "repair of what is in order" "$vfsctl" check --repair "$store"
check "nothing in it is root's" is_his
for f in vfsd-store lock log data rows.mdb; do
	mv "$store/$f" "$him/kept"
	cp -p "$him/kept" "$work/copy" && chown 0:0 "$work/copy"
	"${as_him[@]}" ln -s "$work/copy" "$store/$f"
	check "check: $f is a link" is_wrong
	rm "$store/$f"
	"${as_him[@]}" mkfifo "$store/$f"
	check "check: $f is a FIFO" is_wrong
	rm "$store/$f"
	mv "$him/kept" "$store/$f"
done
check "dump" "$vfsctl" dump "$store"
check "he serves it again" serve
check "and ends" stop

# --- root's mount of it
mounted() {	# OPTIONS: who his set-id program is, does his device work
	mount_store ${1:+-o "$1"} || return 1
	"${as_him[@]}" "$mnt/id" -u
	"${as_him[@]}" sh -c "echo x >'$mnt/null'" 2>/dev/null && echo device
	unmount_store
}
check "root mounts it" mount_store
cp "$(command -v id)" "$mnt/id" && chmod 4755 "$mnt/id"
mknod -m 666 "$mnt/null" c 1 3
server=$(pgrep -P "$daemon")
is "the server is his" "$(stat -c %u "/proc/$server")" 1000
refuse "but he cannot look into it" "${as_him[@]}" cat "/proc/$server/environ"
check "unmount" unmount_store
is "by default nothing in it makes him root" "$(mounted "")" 1000
is "suid" "$(mounted suid)" 0
is "dev" "$(mounted dev)" "1000
device"
is "trust-owner" "$(mounted trust-owner)" "0
device"
is "trust-owner,nosuid" "$(mounted trust-owner,nosuid)" "1000
device"

# --- his mount, and an attribute of his, as a way to root's daemon
cat >"$work/who.c" <<'C'
#include <stdio.h>
#include "libvfs/vfs.h"
int
main(int argc, char **argv)
{
	struct vfs *v;
	int err = vfs_connect(argv[argc - 1], NULL, &v);

	puts(err < 0 ? vfs_strerror(err) : "connected");
	return err < 0;
}
C
check "a program" gcc -I"$here/../.." -o "$work/who" "$work/who.c" \
    "$bin/../lib/libvfs.a"
rooted=$work/rooted
"$vfsd" -f -o listen=store "$rooted" 2>>"$work/daemon.log" &
at_end "kill $! 2>/dev/null; wait $!"
for ((i = 0; i < 500; i++)); do
	[ -S "$rooted/sock" ] && break
	sleep 0.01
done
check "root's daemon" "$work/who" "$rooted"
mkdir "$him/plain"
if setfattr -n user.vfsd.store -v "$rooted" "$him/plain" 2>/dev/null; then
	refuse "plain: libvfs" "$work/who" "$him/plain"
	refuse "plain: vfsctl" "$vfsctl" status "$him/plain"
else
	skip "plain" "no attributes here"
fi
chmod 666 /dev/fuse
echo user_allow_other >"$work/fuse.conf"
if [ -e /etc/fuse.conf ] &&
    mount --bind "$work/fuse.conf" /etc/fuse.conf; then
	at_end "umount /etc/fuse.conf"
	check "his mount" "${as_him[@]}" "$him/vfsd" -o allow_other \
	    "$store" "$mnt"
	check "his: libvfs" "$work/who" "$mnt/id"
	check "his: vfsctl" "$vfsctl" status "$mnt"
	ln -s "$him/plain" "$mnt/out"
	is "a link that leads out" "$("$vfsctl" status "$mnt/out" |
	    awk '$1 == "store" { print $2 }')" "$store"
	mv "$store" "$him/real" && ln -s "$rooted" "$store"
	refuse "his, to root's: libvfs" "$work/who" "$mnt/id"
	refuse "his, to root's: vfsctl" "$vfsctl" status "$mnt"
	umount "$mnt"
	for ((i = 0; i < 500; i++)); do
		"$vfsctl" check "$him/real" >/dev/null 2>&1 && break
		sleep 0.01
	done
else
	skip "his mount" "no /etc/fuse.conf here"
fi
finish
