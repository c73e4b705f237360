#!/bin/bash
# The first process of Linux in user mode: mounts what is at the other end
# of the serial line and runs a script there.  The kernel's command line
# gives it P9_BIN, P9_SCRIPT, P9_OPTS and P9_SRC.  The host's files are
# read-only.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t tmpfs tmpfs /media
mkdir /media/mnt
export TMPDIR=/media
modules=/usr/lib/uml/modules/$(uname -r)/kernel
"$P9_BIN/probe" uml-insmod "$modules"/{fs/netfs/netfs,fs/fscache/fscache,net/9p/9pnet,net/9p/9pnet_fd,fs/9p/9p}.ko
if "$P9_BIN/probe" uml-mount /media/mnt "version=9p2000.L,$P9_OPTS"; then
	cd /media/mnt || exit
	# shellcheck disable=SC1090
	. "$P9_SCRIPT"
	cd / && umount /media/mnt || echo "not ok - unmount"
else
	echo "not ok - mount"
fi
echo "# the guest's end"
echo o >/proc/sysrq-trigger
sleep 10
