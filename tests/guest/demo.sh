#!/bin/bash
# demo.sh BIN - a machine without an operating system uses a running vfsd
#
# A store is mounted and filled a little, its daemon listens on a serial line,
# and one directory of it is the guest's;
# a small kernel boots in an emulator whose second serial port is the other
# end of that line, and prints on the first.  When it waits for a change, one
# is made through the mount.
set -u
bin=$(cd "$1" && pwd) || exit 1
here=$(cd "$(dirname "$0")" && pwd)
command -v qemu-system-x86_64 >/dev/null || { echo "no qemu-system-x86_64 here"; exit 77; }
[ -x "$bin/guest.elf" ] || { echo "no guest for this machine"; exit 77; }
top=$(mktemp -d) || exit 1
pids=()
finish() {
	local p
	mountpoint -q "$top/mnt" && { umount "$top/mnt" 2>/dev/null || fusermount3 -u "$top/mnt"; }
	exec 9>&-
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null; wait "$p" 2>/dev/null; done
	rm -rf "$top"
}
trap finish EXIT
trap 'exit 1' INT TERM

# the line
mkfifo "$top/hold"
"$bin/transport" ptys <"$top/hold" >"$top/ptys" & pids+=($!)
exec 9>"$top/hold"
while [ "$(wc -l <"$top/ptys")" -lt 2 ]; do sleep 0.02; done
{ read -r ours; read -r theirs; } <"$top/ptys"

# the daemon
mkdir "$top/mnt"
"$bin/vfsd" -f -o "listen=serial:$ours" "$top/store" "$top/mnt" & pids+=($!)
for _ in $(seq 500); do
	mountpoint -q "$top/mnt" && break
	sleep 0.02
done
mountpoint -q "$top/mnt" || { echo "vfsd did not mount"; exit 1; }
mkdir -p "$top/mnt/guest/many"
(cd "$top/mnt/guest/many" && seq -f 'name-%g' 400 | xargs touch)
# the guest is given one directory, for ten minutes
token=$("$bin/vfsctl" grant --root /guest --rights r,w,watch --ttl 10m \
    --label guest "$top/mnt") || exit 1

# the machine
timeout 120 qemu-system-x86_64 -accel tcg -m 32 -display none -no-reboot -nodefaults \
    -device isa-debug-exit,iobase=0xf4,iosize=1 \
    -kernel "$bin/guest.elf" -append "token=$token list=many" \
    -chardev "file,id=print,path=$top/out" -serial chardev:print \
    -chardev "serial,id=line,path=$theirs" -serial chardev:line &
machine=$!
pids+=($machine)
shown=0
while kill -0 $machine 2>/dev/null; do
	if [ "$shown" = 0 ] && grep -q '^waiting' "$top/out" 2>/dev/null; then
		shown=1
		echo "host: sees $(cd "$top/mnt" && find guest -path "*guest-tree*" -type f | sort | tr '\n' ' ')"
		echo "host: reads $(cat "$top/mnt/guest/guest-tree/below/deep")"
		echo x >"$top/mnt/guest/from-host"
	fi
	sleep 0.05
done
wait $machine
rc=$?
sed 's/\r$//; s/^/guest: /; s/^guest: guest: /guest: /' "$top/out"
[ $rc = 1 ] || echo "the machine ended with $rc"
exit $((rc != 1))
