#!/bin/bash
# make install puts everything where a package would.
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
is "nothing outside" "$(find "$work" -mindepth 1 -maxdepth 1 \
    ! -name dest ! -name 't*' ! -name log | head -n 3)" ""
finish
