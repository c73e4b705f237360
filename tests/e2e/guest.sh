#!/bin/bash
# A machine without an operating system, in an emulator: make demo-guest, and
# what has to come of it.
cd "$(dirname "$0")/../.." || exit 1
. tests/e2e/lib.sh
need qemu-system-x86_64 qemu-system-x86_64
[ -x "$bin/guest.elf" ] || { skip guest "no guest for this machine"; finish; }
tests/guest/demo.sh "$bin" >"$work/out" 2>&1
rc=$?
sed 's/^/# /' "$work/out"
is "it ends well" $rc 0
said() {	# NAME TEXT
	check "$1" grep -qxF "$2" "$work/out"
}
check "attaches with a token" grep -q "^guest: attached: rights" "$work/out"
check "lists a directory as a stream" \
    grep -qxE "guest: list: 400 names in [0-9]{1,2} messages, the last is name-400" "$work/out"
said "makes a tree in one transaction" "guest: transaction: 6 operations in one commit"
said "reads it back" "guest: read back: written by a machine without an operating system"
said "the mount sees the tree" "host: sees guest/guest-tree/below/deep guest/guest-tree/readme "
said "and its bytes" "host: reads written by a machine without an operating system"
said "the journal tells of the guest's own" "guest: journal: created guest-tree"
said "and of what the host did" "guest: journal: created from-host"
finish
