#!/bin/bash
# libvfs as a stranger meets it: installed, found by pkg-config, used from
# C and C++; every example of the manual and the example program run.
. "$(dirname "$0")/lib.sh"
plain=
need pkg-config gcc
src=$here/../..
dest=$work/dest
check "make install" make -s -C "$src" install DESTDIR="$dest" PREFIX=/usr \
    B="$build" || finish
export PKG_CONFIG_PATH=$dest/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dest
export LD_LIBRARY_PATH=$dest/usr/lib
flags=$(pkg-config --cflags --libs vfs) || flags=
check "pkg-config knows vfs" test -n "$flags"
check "soname" sh -c "readelf -d '$dest/usr/lib/libvfs.so.1' |
    grep -q 'SONAME.*libvfs.so.1'"
is "only vfs_ is exported" "$(nm -D --defined-only \
    "$dest/usr/lib/libvfs.so.1" | awk '$2 != "A" { print $3 }' |
    grep -v '^vfs_')" ""
is "needs nothing but libc" "$(readelf -d "$dest/usr/lib/libvfs.so.1" |
    grep NEEDED | grep -vE 'libc\.so|lib[a-z]*san\.so')" ""

mkdir -p "$work/out"
cd "$work/out" || exit 1

# Anyone who reads what a function does has to find all of them.
is "every function has a synopsis" "$(nm -D --defined-only \
    "$dest/usr/lib/libvfs.so.1" | awk '$2 == "T" { print $3 }' |
    sed 's/@.*//' | grep -v '^vfs_err_' | sort -u | while read -r f; do
	grep -qE "^\.Fn $f( |$)" "$src"/man/vfs*.3 || echo "$f"
    done)" ""

is "and is described" "$(nm -D --defined-only \
    "$dest/usr/lib/libvfs.so.1" | awk '$2 == "T" { print $3 }' |
    sed 's/@.*//' | grep -v '^vfs_err_' | sort -u | while read -r f; do
	sed -s '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/d; /^\.Sh EXAMPLES/,$d' \
	    "$src"/man/vfs*.3 | grep -qE "Fn $f( |$)" || echo "$f"
    done)" ""

# --- it compiles: warnings, standards, C++
printf '#include <vfs/vfs.h>\nint main(void) { return 0; }\n' >one.c
cp one.c one.cc
# shellcheck disable=SC2086
{
check "headers in strict C11" gcc -std=c11 -Wall -Wextra -Wpedantic -Werror \
    -Wstrict-prototypes -o one one.c $flags
if command -v g++ >/dev/null; then
	cat >two.cc <<'CC'
#include <vfs/vfs.h>
#include <cstdio>
int
main(int argc, char **argv)
{
	struct vfs *v;
	struct vfs_attr a;
	struct vfs_read q = { { 1 }, 0, 0, 0, 0 };
	auto fn = [](struct vfs *c, struct vfs_tx *tx, void *) -> int {
		return vfs_access(c, tx, vfs_root(c), VFS_MAY_READ);
	};
	if (argc < 2 || vfs_connect(argv[1], nullptr, &v) < 0)
		return 1;
	int err = vfs_stat(v, nullptr, vfs_root(v), &a);
	if (err == 0)
		err = vfs_tx_run(v, VFS_TX_VISIBLE, fn, nullptr, nullptr);
	std::printf("%s %llu\n", vfs_strerror(err), (unsigned long long)a.id.n);
	vfs_disconnect(v);
	return err < 0 || q.id.n != 1;
}
CC
	for cxx in g++ clang++; do
		command -v $cxx >/dev/null || continue
		check "headers in C++ by $cxx" $cxx -std=c++17 -Wall -Wextra \
		    -Wpedantic -Werror -o two two.cc $flags
	done
else
	skip "headers in C++" "no g++ here"
fi
check "the example program" gcc -std=c11 -Wall -Wextra -Werror -o vfsmake \
    "$src/libvfs/examples/vfsmake.c" $flags
check "it links statically" gcc -o static one.c \
    "$dest/usr/lib/libvfs.a" $flags
}

# --- every example of the manual: code between .Bd -literal and .Ed
examples() {	# PAGE: writes PAGE-N.c
	awk -v base="$(basename "$1" .3)" '
	    /^\.Sh EXAMPLES/ { on = 1 }
	    /^\.Sh / && !/EXAMPLES/ { on = 0 }
	    on && /^\.Bd -literal/ { f = base "-" ++n ".c"; next }
	    /^\.Ed/ { if (f) close(f); f = "" }
	    f { gsub(/\\e/, "\\"); gsub(/\\-/, "-"); print >f }' "$1"
}
for page in "$src"/man/vfs.3 "$src"/man/vfs_*.3; do
	examples "$page"
	name=$(basename "$page" .3)
	check "${name}__has_examples" test -s "$name-1.c"
done
for c in vfs*-[0-9].c; do
	# shellcheck disable=SC2086
	check "${c%.c}__compiles" gcc -std=c11 -Wall -Wextra -Werror \
	    -o "${c%.c}" "$c" $flags
done

# --- against a daemon: without a mount, and beside one
run_all() {	# HOW WHERE
	local c
	for c in vfs*-[0-9].c; do
		check "${c%.c}__runs_$1" timeout 30 "./${c%.c}" "$2"
	done
	[ -x two ] && check "two__runs_$1" ./two "$2"
}
port=$((20000 + RANDOM % 20000))
"$vfsd" -f -o listen="unix:$work/sock" -o listen="tcp:127.0.0.1:$port" \
    "$store" 2>>"$work/daemon.log" &
daemon=$!
for _ in {1..500}; do
	[ -S "$work/sock" ] && break
	sleep 0.02
done
check "served_without_a_mount" test -S "$work/sock" || finish
run_all by_socket "unix:$work/sock"
run_all by_store "$store"

# with a token, over TCP, confined to a directory
cat >token.c <<'C'
#include <stdio.h>
#include <vfs/vfs.h>
int
main(int argc, char **argv)
{
	uint8_t token[VFS_TOKEN_BYTES];
	struct vfs_conf conf = { .client = "token", .token = token };
	struct vfs_attr a;
	struct vfs *v;
	int err;

	if (argc < 3 || vfs_token_parse(argv[2], token) < 0)
		return 2;
	if ((err = vfs_connect(argv[1], &conf, &v)) < 0)
		goto out;
	err = vfs_resolve(v, NULL, vfs_root(v), argc > 3 ? argv[3] : "/", 0,
	    &a);
	vfs_disconnect(v);
out:
	printf("%s\n", vfs_strerror(err));
	return err < 0;
}
C
# shellcheck disable=SC2086
check "token__compiles" gcc -std=c11 -Wall -Wextra -Werror -o token token.c \
    $flags
token=$("$vfsctl" grant --root=/example --rights=r "$store")
tcp=tcp:127.0.0.1:$port
is "token__opens_its_root" "$(./token "$tcp" "$token" link 2>&1)" \
    "no such name"
is "token__finds_what_is_below" "$(./token "$tcp" "$token" ../.. 2>&1)" \
    "success"
is "token__finds_nothing_else" "$(./token "$tcp" "$token" /hello.txt 2>&1)" \
    "no such name"
refuse "token__forged" ./token "$tcp" "${token//[0-7]/8}"
is "tcp_without_a_token" "$(./vfs-1 "$tcp" 2>&1)" \
    "connect: permission denied"
kill "$daemon"
wait "$daemon"
daemon=
check "mount" mount_store || finish
run_all by_mount "$mnt"

# --- the example program: once, again, after a change
mkdir -p "$mnt/src/sub"
echo 'one < two' >"$mnt/src/a.txt"
echo 'three' >"$mnt/src/sub/b.txt"
echo 'not text' >"$mnt/src/c.bin"
is "vfsmake__first" "$(./vfsmake "$mnt" src www 2>&1)" "2 pages"
is "vfsmake__output" "$(cat "$mnt/www/a.html")" \
    "$(printf '<pre>\none &lt; two\n</pre>')"
is "vfsmake__subdirectory" "$(ls "$mnt/www/sub")" "b.html"
is "vfsmake__again" "$(./vfsmake "$mnt" src www 2>&1)" "nothing has changed"
echo 'elsewhere' >"$mnt/other.txt"
is "vfsmake__a_change_elsewhere" "$(./vfsmake "$mnt" src www 2>&1)" \
    "nothing has changed"
echo 'four' >"$mnt/src/sub/d.txt"
rm "$mnt/src/a.txt"
is "vfsmake__after_a_change" "$(./vfsmake "$mnt" src www 2>&1)" "2 pages"
is "vfsmake__old_output_is_gone" "$(cd "$mnt/www" && find . -type f | sort |
    tr '\n' ' ')" "./sub/b.html ./sub/d.html "
is "vfsmake__leaves_nothing_behind" "$(ls -A "$mnt")" \
    "$(cd "$mnt" && ls -A | grep -v '\.new$')"
refuse "vfsmake__without_a_source" ./vfsmake "$mnt" nosuch www

# Killed anywhere, it has published all of one version or of the other.
half=
for i in {1..12}; do
	for f in {1..60}; do
		echo "version $i" >"$mnt/src/p$f.txt"
	done
	./vfsmake "$mnt" src www >/dev/null 2>&1 &
	maker=$!
	sleep "0.00$((i % 10))"
	[ $((i % 4)) = 0 ] || kill -9 "$maker" 2>/dev/null
	wait "$maker" 2>/dev/null
	[ "$(cat "$mnt"/www/p*.html 2>/dev/null | grep version | sort -u |
	    wc -l)" -le 1 ] || half="$half $i"
	n=$(find "$mnt/www" -name 'p*.html' | wc -l)
	case $n in 0 | 60) ;; *) half="$half $i:$n" ;; esac
done
is "vfsmake__killed__never_half" "$half" ""
is "vfsmake__killed__leaves_nothing" "$(ls -A "$mnt" | grep '\.new$')" ""
cd "$work" || exit 1
check "unmount" unmount_store
check "store_is_clean" store_is_clean
finish
