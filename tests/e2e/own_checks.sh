#!/bin/bash
# nodefault_permissions: an ordinary user may and may not do with what is
# his what he may and may not where the kernel checks.  The same calls on a
# mount of either kind come out the same.
. "$(dirname "$0")/lib.sh"
linux_since 6.16 || {
	skip own_checks "needs Linux 6.16"
	finish
}
if ! [ "$plain" ] && [ "$(id -u)" = 0 ]; then
	"$vfsd" -o nodefault_permissions "$store" "$mnt" 2>"$work/said"
	is "everybody's mount is refused" "$? $(grep -c noallow_other \
	    "$work/said") $(ls "$work")" "2 1 said"
fi
become_user || {
	skip own_checks "needs an ordinary user's mount"
	finish
}

# Each line: the exit status of a call, and what it printed.
calls=$work/calls more=$work/own_checks.py
cp "$here/own_checks.py" "$more"	# where that user may read it
cat >"$calls" <<'EOF'
cd "$1" || exit
t() {
	local out rc
	out=$("$@" 2>&1); rc=$?
	echo "$rc $*: ${out//$'\n'/ }"
}
umask 022
export TIME_STYLE=+	# of ls: the two mounts are not made in the same minute
mkdir d d/sub
echo one >d/f; echo x >d/sub/g; ln -s f d/l
t cat d/f
for mode in 0 100 200 300 400 500 600; do
	chmod 700 d; cat d/f d/sub/g >/dev/null; ls -l d >/dev/null
	chmod $mode d
	t cat d/f; t cat d/none; t stat -c %s d/f; t ls d; t ls -l d
	t test -e d/sub/g; t touch d/new; t mkdir d/k; t rm -f d/f
	t mv d/f e; t ln d/f e; t readlink d/l; t rmdir d/sub; t cd d
	chmod 700 d; t ls -x d; rm -rf d/new d/k; mkdir -p d/sub
	echo one >d/f; echo x >d/sub/g; rm -f e
done
mkdir -p p/q/r; chmod 0 p; t ls p/q/r; chmod 755 p; t ls p/q/r
chmod 0 p/q; t ls p/q/r; t rmdir p/q/r; chmod 755 p/q
for mode in 0 100 200 400 444; do
	chmod $mode d/f
	t cat d/f; t cp d/f k; t dd of=d/f if=/dev/null status=none; t truncate -s 0 d/f
	t sh -c 'echo 1 >>d/f'; t sh -c ': >d/f'; t ./d/f
	t test -r d/f; t test -w d/f; t test -x d/f
	t touch d/f; t touch -d 2020-01-01 d/f; t chgrp 1000 d/f; rm -f k
done
chmod 600 d/f
printf '#!/bin/sh\necho hi\n' >s; t ./s; chmod 111 s; t ./s; chmod 755 s; t ./s
cp /bin/true b; chmod 111 b; t ./b; t cat b; chmod 444 b; t ./b; chmod 644 b
mkdir a; >a/n
for m in 2755 4755 6755; do
	t chmod $m a; t stat -c %a a; mkdir a/z; t stat -c %a a/z; rmdir a/z
	chmod $m a/n; echo >>a/n; t stat -c %a a/n
	chmod $m a/n; truncate -s 5 a/n; t stat -c %a a/n
	chmod $m a/n; t chown 1000 a/n; t stat -c %a a/n
done
t chown 0 a; t chgrp 0 a; t chown 0 a/n; t chgrp 1000 a
t touch -d '2001-02-03 04:05' a; t stat -c %Y a
mkdir w; chmod 555 w; t sh -c '>w/x'; t mkdir w/y; t ln -s a w/z; t mknod w/p p
t ln s w/s; t mv s w/s; chmod 755 w
mkdir st; chmod 1777 st; >st/a; t rm st/a; t mknod st/null c 1 3
chmod -R u+rwX .
EOF
# A store with files of others in it, which is the user's.
foreign() {
	mkdir "$work/m"
	"$vfsd" -o allow_other "$work/user/foreign" "$work/m" &&
	    python3 "$more" prepare "$work/m"
	umount "$work/m"
	while is_mounted "$work/m" || ! store=$work/user/foreign \
	    store_is_clean >"$log"; do sleep 0.1; done
	chown -R 1000:1000 "$work/user/foreign"
}
# What came of a command's calls on a mount, in a store that is new or a copy.
outcome() {	# FROM COMMAND... -- [vfsd options]
	local from=$1 command=()
	shift
	while [ "$1" != -- ]; do command+=("$1"); shift; done
	shift
	rm -rf "$store"
	[ "$from" = new ] || cp -a "$from" "$store"
	mount_store "$@" || return
	"${user[@]}" "${command[@]}" "$mnt" 2>&1
	unmount_store && store_is_clean >"$log" 2>&1 || cat "$log"
}
outcomes() {	# [vfsd options]
	outcome new bash "$calls" -- "$@"
	outcome new python3 "$more" own -- "$@"
	[ ${#user[@]} = 0 ] ||
	    outcome "$work/user/foreign" python3 "$more" others -- "$@"
}
[ ${#user[@]} = 0 ] || check "files of others" foreign
outcomes >"$work/kernel"
outcomes -o nodefault_permissions >"$work/own"
check "enough was asked" test "$(wc -l <"$work/kernel")" -ge \
    $((${#user[@]} ? 450 : 200))
check "who checks makes no difference" diff "$work/kernel" "$work/own"

race() {
	rm -rf "$store"
	mount_store -o nodefault_permissions || return
	timeout -s KILL 60 "${user[@]}" python3 "$more" race "$mnt"
}
check "shut by many at once" race
sed 's/^/# /' "$log"
check "and it is clean" eval "unmount_store && store_is_clean"
finish
