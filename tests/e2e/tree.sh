#!/bin/bash
# Real input: the kernel's source, unpacked in the mount and beside it,
# compared, built, remounted, and once more with the daemon killed midway.
. "$(dirname "$0")/lib.sh"
tar=/usr/src/linux-source-6.1.tar.xz
need make gcc xz
[ -r $tar ] || { skip tree "no $tar here"; finish; }
src=linux-source-6.1
# The short form takes a few directories and leaves the rest out.
only=($src/{Makefile,Kbuild,Kconfig,COPYING,.gitignore} $src/scripts
    $src/include/{linux,uapi,trace} $src/lib
    $src/tools/{build,scripts,lib,include,arch/x86})
[ "$full" ] && only=($src)

mount_store || { check "mount" false; finish; }
unpack() {	# DIR
	mkdir -p "$1" && tar -xf "$work/part.tar" -C "$1"
}
# one decompression, only what is wanted
check "the source decompresses" sh -c "
	mkdir '$work/x' && tar -xJf $tar -C '$work/x' ${only[*]} &&
	tar -cf '$work/part.tar' -C '$work/x' $src && rm -rf '$work/x'"
check "unpack beside" unpack "$work/beside"
check "unpack in the mount" unpack "$mnt/tree"
check "the same" same_tree "$work/beside" "$mnt/tree"

part_of() {	# WHOLE PART: at most one file cut short, none other
	local n
	n=$(cd "$2" && find . -type f -print0 |
	    xargs -0 -r -n 200 sh -c 'w=$0; for f; do
		# tar puts a file where a symlink comes at its end
		[ -L "$w/$f" ] || cmp -s "$f" "$w/$f" || echo "$f"
	    done' "$1" | tee /dev/stderr |
	    wc -l)
	[ "$n" -le 1 ]
}
libs="subcmd api"
build() {	# DIR: libraries of its tools, with its own make files
	local l
	for l in $libs; do
		make -s -j2 -C "$1/$src/tools/lib/$l" </dev/null || return 1
	done
}
kernel() {	# DIR
	[ -f "$1/$src/.config" ] ||
	    make -s -C "$1/$src" allnoconfig </dev/null &&
	    make -s -j2 -C "$1/$src" prepare scripts lib/ </dev/null
}
check "build with make -j2" build "$mnt/tree"
check "something was built" test -s "$mnt/tree/$src/tools/lib/api/libapi.a"
objects() {
	find "$mnt/tree" -name '*.[oa]' -printf '%T@ %C@ %p\n' | LC_ALL=C sort
}
before=$(objects)
check "build again" build "$mnt/tree"
is "and nothing was rebuilt" "$(objects)" "$before"
if [ "$full" ]; then
	check "make allnoconfig, scripts and lib" kernel "$mnt/tree"
	before=$(objects)
	check "once more" kernel "$mnt/tree"
	is "and nothing was rebuilt" "$(objects)" "$before"
fi
manifest "$mnt/tree" >"$work/before"
check "unmount" unmount_store
check "the store is clean" store_is_clean
check "mount again" mount_store
manifest "$mnt/tree" >"$work/after"
check "the same after a remount" diff "$work/before" "$work/after"

# The daemon dies while a second copy is written.
check "remove the tree" rm -rf "$mnt/tree"
rm -rf "$work/beside"
unpack "$work/beside"
if [ "$plain" ]; then
	unpack "$mnt/tree"
else
	unpack "$mnt/tree" >/dev/null 2>&1 &
	tarpid=$!
	sleep 2
	kill_daemon
	wait $tarpid
	check "mount after kill -9" mount_store
	# what is there is a part of what it should be, byte for byte
	check "no file differs but the one in flight" \
	    part_of "$work/beside" "$mnt/tree"
	check "unpack over it" unpack "$mnt/tree"
fi
check "the same" same_tree "$work/beside" "$mnt/tree"
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
