#!/bin/bash
# kill -9 at the n-th system call of one kind, of the daemon as it ships:
# strace counts and kills, in the server and in the launcher, while it
# starts, recovers, serves and checkpoints.  The ledger is kill.c's.
. "$(dirname "$0")/lib.sh"
rounds=${VFSD_NTH:-40}
seed=${SEED:-$$}
need strace
need_root
if [ "$plain" ]; then
	skip nth "needs a daemon to kill"
	finish
fi

# Whoever is too late for the mount must not write beside it.
mkdir "$work/ro"
mount -t tmpfs -o size=64k ro "$work/ro"
mkdir "$work/ro/mnt"
mount -o remount,ro "$work/ro"
mnt=$work/ro/mnt

cat >"$work/daemon" <<END
#!/bin/bash
calls=(pwrite64:90 fdatasync:9 writev:120 pread64:30 read:150
	sync_file_range:30 fallocate:5 openat:25 futex:60 close:30)
n=\$(cat "$work/n" 2>/dev/null || echo $seed)
echo \$((n + 1)) >"$work/n"
IFS=: read -r call most <<<"\${calls[n % \${#calls[@]}]}"
k=\$(((n / \${#calls[@]} * 7919 + n) % most + 1))
exec strace -f -qq -o /dev/null -e trace=\$call \
    -e inject=\$call:signal=KILL:when=\$k "$vfsd" -f -o no-sandbox \
    "$store" "$mnt"
END
chmod +x "$work/daemon"
mount_store
unmount_store
echo "# seed $seed"
check "$rounds times kill -9 at a system call, nothing acknowledged is lost" \
    env KILL_ITSELF=1 timeout $((rounds * 15 + 300)) "$probe" kill "$rounds" "$seed" "$store" \
    "$mnt" "$work/daemon"
sed 's/^/# /' "$log"
umount "$mnt" 2>/dev/null
check "the store is clean" store_is_clean
finish
