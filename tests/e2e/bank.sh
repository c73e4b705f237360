#!/bin/bash
# Clients of libvfs at work on the same files, with writers through the
# mount beside them and kill -9 of the daemon between: serializable, and
# every commit that somebody was told of is there, once.
. "$(dirname "$0")/lib.sh"
plain=
need gcc
clients=4 kills=${full:+20} kills=${kills:-4} ms=$((kills * 1500 + 1500))

check "compiles" gcc -O1 -g -Wall -Wextra -Werror -o "$work/bank" \
    "$here/bank/bank.c" "$bin/../lib/libvfs.a" || finish
check "mount" mount_store || finish
check "setup" "$work/bank" setup "$store" || finish

# What the kernel's users do meanwhile: nothing that changes a sum.
(while :; do
	for i in 0 1 2 3 4 5; do
		touch "$mnt/acct$i"
		chmod 640 "$mnt/acct$i"
		cat "$mnt/acct$i"
	done
	mkdir "$mnt/d"
	mv "$mnt/d" "$mnt/e"
	rmdir "$mnt/d" "$mnt/e"
	sleep 0.02
done) >/dev/null 2>&1 &
writer=$!
at_end "kill $writer 2>/dev/null; wait $writer 2>/dev/null"

pids=()
for ((i = 1; i <= clients; i++)); do
	timeout 120 "$work/bank" work "$store" $i $ms >"$work/told.$i" \
	    2>"$work/err.$i" &
	pids+=($!)
done
for ((k = 1; k <= kills; k++)); do
	sleep 1.$((RANDOM % 10))
	kill_daemon
	umount -l "$mnt" 2>/dev/null || fusermount3 -uz "$mnt"
	check "starts_again_$k" mount_store || finish
	check "sums_after_kill_$k" "$work/bank" check "$store"
done
for ((i = 1; i <= clients; i++)); do
	wait "${pids[i - 1]}"
	is "client_${i}__ended_well" "$? $(cat "$work/err.$i")" "0 "
done
kill $writer
wait $writer 2>/dev/null
check "sums_at_the_end" "$work/bank" check "$store"
all=0
for ((i = 1; i <= clients; i++)); do
	told=$(cat "$work/told.$i")
	is "client_${i}__each_commit_once" \
	    "$(tr -d ' ' <"$mnt/count$i")" "$told"
	all=$((all + told))
done
echo "# $all commits, $kills kills"
check "there_was_work" test "$all" -gt $((kills * 20))
check "unmount" unmount_store
check "store_is_clean" store_is_clean
finish
