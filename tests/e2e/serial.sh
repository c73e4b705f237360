#!/bin/bash
# Transactions of several clients, somebody else in the mount, and kill -9
# between: what is there is what some order of the commits would leave
# (tests/client/serial.c).
. "$(dirname "$0")/lib.sh"
seconds=${VFSD_SERIAL:-10}
seed=${SEED:-$$}
if [ "$plain" ]; then
	skip serial "needs a daemon"
	finish
fi
mkdir "$mnt"
echo "# seed $seed"
check "the sum stays, a doctor is on duty, three rooms are three" \
    timeout $((seconds + 120)) "$bin/serial" "$store" "$mnt" "$seconds" \
    "$seed" $((seconds / 2)) "$vfsd" -f "$store" "$mnt"
sed 's/^/# /' "$log"
check "the store is clean" store_is_clean
finish
