#!/bin/bash
# make install puts everything where a package would; in a mount namespace of
# its own, where root installs to /usr/local and nothing of it stays.
if [ -z "${INSTALL_NS:-}" ] && [ "$(id -u)" = 0 ]; then
	INSTALL_NS=1 exec unshare -m "$0"
fi
. "$(dirname "$0")/lib.sh"
dest=$work/dest
check "make install" make -s -C "$here/../.." install DESTDIR="$dest" \
    PREFIX=/usr B="$build"
for f in usr/bin/vfsd usr/bin/vfsctl usr/share/man/man8/vfsd.8 \
    usr/share/man/man8/vfsctl.8 usr/share/man/man5/vfs-format.5 \
    usr/share/man/man7/vfsd-internals.7; do
	check "$f" test -s "$dest/$f" -o -s "$dest/$f.gz"
done
check "mount.fuse.vfsd" sh -c "find '$dest' -name mount.fuse.vfsd | grep -q ."
check "a unit template" sh -c "find '$dest' -name 'vfsd@.service' | grep -q ."
pc=$(find "$dest" -name '*.pc' | head -n 1)
check "a pkg-config file" test -n "$pc"
check "pkg-config reads it" env PKG_CONFIG_PATH="$(dirname "$pc")" \
    pkg-config --modversion "$(basename "$pc" .pc)"
flags=$(PKG_CONFIG_PATH=$(dirname "$pc") PKG_CONFIG_SYSROOT_DIR=$dest \
    pkg-config --cflags --libs "$(basename "$pc" .pc)")
includes=$(cd "$dest" && find . -name '*.h' | head -n 1)
check "headers" test -n "$includes"
echo "int main(void) { return 0; }" >"$work/t.c"
# shellcheck disable=SC2086
check "a program links with them" gcc -o "$work/t" "$work/t.c" $flags
cat >"$work/t.c" <<'C'
#include <err.h>
#include <limits.h>
#include <vfsd/codec.h>
int main(void) { warnx("%d", INT_MAX); return proto_ops[0].number == 0xffffu; }
C
flags=$(PKG_CONFIG_PATH=$dest/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dest \
    pkg-config --cflags --libs vfsd)
# shellcheck disable=SC2086
check "the system's headers are not hidden" \
    gcc -o "$work/t" "$work/t.c" $flags
sed 's/codec.h/mem.h/; s/proto_ops.*;/0;/' "$work/t.c" >"$work/t.cc"
# shellcheck disable=SC2086
check "from C++" g++ -fsyntax-only "$work/t.cc" $flags
check "installed vfsd runs" "$dest/usr/bin/vfsd" --version
# to the machine itself: the loader finds what was installed
over() {	# DIR: what is written there goes away
	mkdir -p "$work/t-up$1" "$work/t-work$1"
	mount -t overlay -o \
	    "lowerdir=$1,upperdir=$work/t-up$1,workdir=$work/t-work$1" \
	    overlay "$1" && at_end "umount '$1'"
}
cat >"$work/t.c" <<'C'
#include <vfs/vfs.h>
int main(void) { struct vfs *v; return vfs_connect("/", 0, &v) == 0; }
C
if [ "$(id -u)" != 0 ]; then
	skip "a program that is linked starts" "needs root"
elif ! { over /usr/local && over /etc; } 2>"$work/log"; then
	skip "a program that is linked starts" "$(head -n 1 "$work/log")"
else
	[ -d /var/cache/ldconfig ] && mount -t tmpfs tmpfs /var/cache/ldconfig
	check "make install to /usr/local" make -s -C "$here/../.." install \
	    B="$build" HELPERDIR="$work/t-sbin"
	# shellcheck disable=SC2046
	check "a program links" gcc -o "$work/t" "$work/t.c" \
	    $(PKG_CONFIG_PATH=/usr/local/lib/pkgconfig pkg-config --cflags \
	    --libs vfs)
	check "and starts" "$work/t"
fi
is "nothing outside" "$(find "$work" -mindepth 1 -maxdepth 1 \
    ! -name dest ! -name 't*' ! -name log | head -n 3)" ""
finish
