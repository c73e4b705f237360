# What Linux's own client makes of the front; read by init.sh, in the mount.
# P9_CC: where the compiler's parts are, which it does not find on hostfs.
n=0
is() {		# NAME GOT WANT
	n=$((n + 1))
	if [ "$2" = "$3" ]; then
		echo "ok - $1"
	else
		echo "not ok - $1: got '$2', not '$3'"
	fi
}

rm -f keep
echo hello >f
is "a file's bytes" "$(cat f)" hello
exec 5<>f
rm f
echo 'more bytes' >&5
is "fstat of what was unlinked" "$(stat -L -c '%h %s' /proc/self/fd/5)" "0 11"
python3 -c 'import os; os.ftruncate(5, 4)'
is "ftruncate of what was unlinked" \
    "$(stat -L -c '%h %s' /proc/self/fd/5)" "0 4"
is "its bytes" "$(python3 -c 'import os
print(os.pread(5, 100, 0).decode())')" more
exec 5>&-
is "it is gone" "$(ls)" ""

echo 1 >a && ln a b && exec 6<a && echo 22 >b
is "two names are one file" \
    "$(stat -c %i a)$(cat a)" "$(stat -c %i b)22"
mv a c && echo 333 >c
is "an open file after a rename" "$(cat <&6)" 333
exec 6<&-
rm b c

python3 - <<'PY'
import fcntl, mmap, os
os.mkdir("d")
f = os.open("d/m", os.O_RDWR | os.O_CREAT, 0o640)
os.write(f, b"x" * 10000)
if "cache=none" not in open("/proc/mounts").read() and \
   ",cache=" in open("/proc/mounts").read():
    m = mmap.mmap(f, 10000)
    m[5000:5004] = b"mmap"
    m.flush()
    print("ok - mmap" if os.pread(f, 4, 5000) == b"mmap" else "not ok - mmap")
os.setxattr("d/m", "user.k", b"v" * 1000)
print("ok - xattrs" if os.getxattr("d/m", "user.k") == b"v" * 1000 and
      os.listxattr("d/m") == ["user.k"] else "not ok - xattrs")
fcntl.lockf(f, fcntl.LOCK_EX)
r, w = os.pipe()
if os.fork() == 0:
    g = os.open("d/m", os.O_RDWR)
    try:
        fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(w, b"not ")
    except OSError:
        pass
    os.write(w, b"ok - a lock is seen\n")
    fcntl.lockf(g, fcntl.LOCK_EX)
    os.write(w, b"ok - a lock is waited for\n")
    os._exit(0)
os.close(w)
print(os.read(r, 100).decode(), end="")
fcntl.lockf(f, fcntl.LOCK_UN)
print(os.read(r, 100).decode(), end="")
os.wait()
f = os.open("d/only", os.O_WRONLY | os.O_CREAT, 0o444)
os.write(f, b"x")
os.close(f)
print("ok - written through what nobody may write")
PY
chmod 2770 d && chgrp 7 d && mkdir d/sub && touch d/sub/x
is "a set-gid directory hands its group down" \
    "$(stat -c '%g %a' d/sub) $(stat -c %g d/sub/x)" "7 2755 7"
rm -rf d

mkdir storm
for i in 1 2 3; do
	( for j in $(seq 30); do
		echo "$i $j" >storm/t$i && mv storm/t$i storm/f || echo bad
	done ) &
done
bad=0
for j in $(seq 60); do
	if [ -e storm/f ] && ! grep -q '^[123] ' storm/f; then bad=1; fi
done
wait
is "a storm of renames" "$bad $(ls storm)" "0 f"
seq -f 'storm/%g' 300 | xargs touch
is "300 names" "$(ls storm | wc -l)" 301
rm -rf storm

mkdir build
cp "$P9_SRC"/protocol/{*.h,*.def,err_text.c,buf.c} build
( cd build && gcc -B "$P9_CC" -c ./*.c && ar rcs lib.a ./*.o ) 2>&1 | sed 's/^/# /'
is "a compile" "$(ar t build/lib.a | wc -l)" "$(ls build/*.c | wc -l)"
rm -rf build
is "all is gone" "$(ls -A)" ""
echo x >keep
echo "number keep $(stat -c %i keep)"
