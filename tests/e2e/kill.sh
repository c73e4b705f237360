#!/bin/bash
# kill -9 against a ledger outside the mount (kill.c), half of the rounds
# with a draft open; then fsck, and the time to recover.
. "$(dirname "$0")/lib.sh"
rounds=${VFSD_KILLS:-60}
[ "$full" ] && rounds=${VFSD_KILLS:-500}
seed=${SEED:-$$}
if [ "$plain" ]; then
	skip kill "needs a daemon to kill"
	finish
fi
mkdir "$mnt"
echo "# seed $seed"
check "$rounds times kill -9, no acknowledged operation lost" \
    timeout 600 "$probe" kill "$rounds" "$seed" "$store" "$mnt" \
    "$vfsd" -f "$store" "$mnt"
sed 's/^/# /' "$log"
umount "$mnt" 2>/dev/null
check "the store is clean" store_is_clean
finish
