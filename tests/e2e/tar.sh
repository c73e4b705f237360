#!/bin/bash
# tar --xattrs --acls in and out, sparse files, and what tar and du think
# of small files; cp -a and cp --reflink.
. "$(dirname "$0")/lib.sh"
need tar setfacl setfattr
mount_store || { check "mount" false; finish; }
t=(tar --xattrs --xattrs-include=* --acls --numeric-owner -S)
make_tree() {
	mkdir -p "$1/d" && cd "$1" || return 1
	echo tiny >tiny
	: >none
	seq 5000 >d/seq
	ln d/seq hard
	ln -s d/seq soft
	mkfifo fifo
	truncate -s 10M d/sparse
	printf x | dd of=d/sparse bs=1 seek=5000000 conv=notrunc status=none
	setfattr -n user.a -v 1 tiny
	setfacl -m u:77:rw tiny
	setfacl -d -m g:88:rx d
	chmod 600 none && chmod 1777 d
	touch -d '2010-10-10 10:10:10.101010101' d/seq
	cd /
}
xattrs() {
	(cd "$1" && find . | LC_ALL=C sort >"$work/names" &&
	    tr '\n' '\0' <"$work/names" | xargs -0 getfattr -h -d -m - &&
	    getfacl -n -p - <"$work/names") 2>/dev/null | md5sum
}
check "a tree in the mount" make_tree "$mnt/a"
check "tar it" "${t[@]}" -cf "$work/a.tar" -C "$mnt" a
check "unpack beside" "${t[@]}" -xpf "$work/a.tar" -C "$work"
check "the same" same_tree "$mnt/a" "$work/a"
is "attributes" "$(xattrs "$work/a")" "$(xattrs "$mnt/a")"
check "unpack in the mount" sh -c "mkdir '$mnt/b' &&
    tar --xattrs --xattrs-include='*' --acls -xpf '$work/a.tar' -C '$mnt/b'"
check "the same" same_tree "$mnt/a" "$mnt/b/a"
is "attributes" "$(xattrs "$mnt/b/a")" "$(xattrs "$mnt/a")"
check "an archive of the mount keeps small files" sh -c \
    "tar -cSf - -C '$mnt/a' tiny | tar -xOf - | grep -qx tiny"
check "cp -a inside" cp -a "$mnt/a" "$mnt/c"
check "the same" same_tree "$mnt/a" "$mnt/c"
is "attributes" "$(xattrs "$mnt/c")" "$(xattrs "$mnt/a")"
check "cp --sparse=always" cp --sparse=always "$mnt/a/d/sparse" "$mnt/s"
check "cmp" cmp "$mnt/a/d/sparse" "$mnt/s"
at_most "du believes the hole" "$(du -k "$mnt/s" | cut -f1)" 1024
check "find -empty and -size agree" sh -c \
    "[ \"\$(find '$mnt/a' -type f -empty | wc -l)\" = 1 ]"
check "rm -rf" rm -rf "$mnt/a" "$mnt/b" "$mnt/c"
is "nothing left" "$(ls -A "$mnt")" s
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
