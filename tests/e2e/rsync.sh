#!/bin/bash
# rsync -aHAXi -@-1nto the mount and back, twice: the second finds nothing.
. "$(dirname "$0")/lib.sh"
need rsync setfacl setfattr
mount_store || { check "mount" false; finish; }
a=$work/a
r="-aHAX --modify-window=-1"	# nanoseconds too
make_tree() {
	mkdir -p "$a/d/e" "$a/empty" && cd "$a" || return 1
	seq 10000 >d/numbers
	ln d/numbers d/e/hard
	ln -s ../d/numbers d/e/soft
	ln -s nowhere dangling
	mkfifo fifo
	head -c 300000 /dev/urandom >random
	truncate -s 5M sparse && echo end >>sparse
	setfattr -n user.note -v "a value" d/numbers
	setfacl -m u:1234:r,g:99:rwx d/numbers
	setfacl -d -m u:1234:rx d
	chmod 4755 random && chmod 1777 empty && chmod 2750 d
	touch -d '1999-12-31 23:59:59.123456789' d/numbers
	touch -h -d '2001-02-03 04:05:06.789' d/e/soft
	touch -d '2030-01-01' d/e
	: >"name with  blanks
and a newline"
	if [ "$(id -u)" = 0 ]; then
		chown -R 1000:1001 d/e
		mknod null c 1 3
		setfattr -n trusted.t -v x random
	fi
	cd /
}
what() {	# DIR: what rsync does not compare
	(cd "$1" && getfacl -R -n -p . && getfattr -R -h -d -m - .) 2>/dev/null |
	    sed '/^# file/!s/[[:space:]]*$//'
}
check "make a tree" make_tree
check "rsync in" rsync $r "$a/" "$mnt/b/"
is "a second time there is nothing to do" \
    "$(rsync $r -i --delete "$a/" "$mnt/b/")" ""
check "the same" same_tree "$a" "$mnt/b"
is "checksums too" "$(rsync $r -cni --delete "$a/" "$mnt/b/")" ""
is "ACLs and attributes" "$(what "$mnt/b" | sort | md5sum)" \
    "$(what "$a" | sort | md5sum)"
check "rsync out" rsync $r "$mnt/b/" "$work/c/"
check "the same" same_tree "$a" "$work/c"
is "nothing lost both ways" "$(rsync $r -cni --delete "$a/" "$work/c/")" ""
check "remount" remount
is "the same after a remount" \
    "$(rsync $r -cni --delete "$a/" "$mnt/b/")" ""
check "in place" sh -c "seq 20000 >'$a/d/numbers' &&
    rsync $r --inplace --no-whole-file '$a/' '$mnt/b/'"
is "the same" "$(rsync $r -cni --delete "$a/" "$mnt/b/")" ""
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
