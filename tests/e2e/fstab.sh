#!/bin/bash
# mount -t fuse.vfsd and a line of fstab, by the installed helper.
# In a mount namespace of its own, so that the machine's /sbin, where
# mount(8) looks for helpers, stays as it is.
if [ -z "${FSTAB_NS:-}" ] && [ "$(id -u)" = 0 ]; then
	FSTAB_NS=1 exec unshare -m "$0"
fi
. "$(dirname "$0")/lib.sh"
need_root
if [ "$plain" ]; then
	skip fstab "is about mount(8)"
	finish
fi
dest=$work/dest
check "make install" make -s -C "$here/../.." install DESTDIR="$dest" \
    PREFIX=/usr B="$build" ||
    finish
[ -x "$dest/usr/bin/vfsd" ] || { check "vfsd is installed" false; finish; }
helper=$(find "$dest" -name mount.fuse.vfsd | head -n 1)
sbin=$(realpath /sbin)
mkdir "$work/up" "$work/wk"
if ! mount -t overlay -o "lowerdir=$sbin,upperdir=$work/up,workdir=$work/wk" \
    overlay "$sbin" 2>"$log"; then
	skip fstab "no overlay over $sbin: $(head -n 1 "$log")"
	finish
fi
at_end "umount '$sbin'"
cat >/sbin/mount.fuse.vfsd <<E
#!/bin/sh
PATH=$dest/usr/bin:\$PATH exec $helper "\$@"
E
chmod +x /sbin/mount.fuse.vfsd
mkdir "$mnt"
ended() {
	local i
	umount "$mnt" || return 1
	for i in $(seq 200); do
		"$vfsctl" check "$store" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	return 1
}
check "mount -t fuse.vfsd" timeout 30 mount -t fuse.vfsd "$store" "$mnt"
check "it is mounted" is_mounted
mknod "$mnt/null" c 1 3
check "devices work for root" sh -c "echo x >'$mnt/null'"
cp "$(command -v id)" "$mnt/id" && chown 1234 "$mnt/id" && chmod 4755 "$mnt/id"
is "set-id works for root's mounts" "$("$mnt/id" -u)" 1234
check "remount read-only" mount -o remount,ro "$mnt"
refuse "it does not write" touch "$mnt/x"
check "remount read-write" mount -o remount,rw "$mnt"
check "it writes" touch "$mnt/x"
# what only a new start changes: said, and nothing is done
kept() {	# OPTION
	local before
	before=$(findmnt -n -o OPTIONS -M "$mnt")
	mount -o "remount,noexec,$1" "$mnt" >"$work/said" 2>&1
	is "$1: refused" $? 32
	is "$1: one line says which" "$(wc -l <"$work/said") $(grep -c \
	    "a remount cannot change .*: $1\$" "$work/said")" "1 1"
	is "$1: nothing is changed" "$(findmnt -n -o OPTIONS -M "$mnt")" \
	    "$before"
}
kept journal=2M
kept journal=some
kept durability=sync
kept locks=shared
check "what holds may be said" mount -o \
    remount,journal=256M,durability=process,allow_other "$mnt"
check "umount" ended
check "a daemon that was started read-only" timeout 30 mount -t fuse.vfsd \
    -o ro,journal=2M "$store" "$mnt"
kept rw
check "other options change" mount -o remount,nosuid,journal=2048K "$mnt"
is "they do" "$(findmnt -n -o VFS-OPTIONS -M "$mnt")" ro,nosuid,relatime
check "umount" ended
check "options of mount(8)" timeout 30 mount -t fuse.vfsd \
    -o nosuid,nodev,noatime,noexec "$store" "$mnt"
refuse "nodev" sh -c "echo x >'$mnt/null'"
refuse "noexec" "$mnt/id"
check "remount, exec" mount -o remount,exec "$mnt"
is "and only that" "$(findmnt -n -o VFS-OPTIONS -M "$mnt")" \
    rw,nosuid,nodev,noatime
check "remount, suid and dev" mount -o remount,suid,dev "$mnt"
is "and only those" "$(findmnt -n -o VFS-OPTIONS -M "$mnt")" rw,noatime
check "umount" ended
echo "$store $mnt fuse.vfsd noauto,user,_netdev,x-systemd.automount 0 0" \
    >"$work/fstab"
check "a line of fstab" timeout 30 mount -T "$work/fstab" "$mnt"
check "it is mounted" is_mounted
is "its content is there" "$(ls "$mnt" | wc -l)" 3
check "umount" ended
echo "name:$store $mnt fuse.vfsd ro,defaults 0 0" >"$work/fstab"
check "with a name, read-only" timeout 30 mount -T "$work/fstab" "$mnt"
is "the name" "$(findmnt -n -o SOURCE "$mnt")" name
refuse "it does not write" touch "$mnt/y"
check "umount" ended

# --- a store that another user owns
flags() {
	findmnt -n -o VFS-OPTIONS -M "$mnt" | tr , '\n' |
	    grep -E '^(ro|nosuid|nodev)$' | tr '\n' ' '
}
chown -R 1000:1000 "$store"
echo "$store $mnt fuse.vfsd noauto,defaults 0 0" >"$work/fstab"
mount --bind "$work/fstab" /etc/fstab
at_end "umount /etc/fstab"
check "his, by a line of fstab" timeout 30 mount "$mnt"
is "his: no set-id bits, no devices" "$(flags)" "nosuid nodev "
check "his: remount" mount -o remount,ro "$mnt"
is "his: it stays so" "$(flags)" "ro nosuid nodev "
check "his: remount, set-id bits" mount -o remount,suid,dev "$mnt"
is "his: not without trust" "$(flags)" "nosuid nodev "
check "his: remount, trusted" mount -o remount,trust-owner,suid,dev "$mnt"
is "his: set-id bits now" "$(flags)" ""
check "umount" ended
echo "$store $mnt fuse.vfsd noauto,trust-owner,nodev 0 0" >"$work/fstab"
check "trusted" timeout 30 mount "$mnt"
is "trusted: set-id bits" "$(flags)" "nodev "
check "trusted: remount" mount -o remount,ro "$mnt"
is "trusted: it stays so" "$(flags)" "ro nodev "
check "umount" ended
chown -R 0:0 "$store"

refuse "a wrong store fails" timeout 30 mount -t fuse.vfsd "$work/dest" "$mnt"
check "and nothing is mounted" not is_mounted
finish
