#!/bin/bash
# The rules of tests/posix on a mount.
. "$(dirname "$0")/lib.sh"
mount_store || { check "mount" false; finish; }
"$bin/posix-run" "$mnt"
rc=$?
cd /
unmount_store || { echo "not ok - unmount"; rc=1; }
store_is_clean >"$log" 2>&1 ||
    { echo "not ok - vfsctl check"; sed 's/^/# /' "$log" | tail; rc=1; }
exit $rc
