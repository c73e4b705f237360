#!/bin/bash
# The model of rings and bells: every interleaving keeps the promises, and
# each of four known mistakes is found.
cd "$(dirname "$0")/../.." || exit 1
command -v spin >/dev/null || { echo "1..0 # SKIP spin is not installed"; exit 77; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
n=0
verify() {	# ERRORS(0 or 1) FLAGS...
	local want=$1 dir got
	shift
	n=$((n + 1))
	dir=$tmp/$n
	mkdir "$dir"
	cp tests/spin/ring.pml "$dir"
	got=$(cd "$dir" && spin "$@" -a ring.pml >spin.out 2>&1 &&
	    gcc -O1 -w -DSAFETY -DCOLLAPSE -o pan pan.c && timeout 50 ./pan -m100000 >pan.out 2>&1
	    grep -o 'errors: [0-9]*' pan.out)
	echo "# $(grep -o '[0-9]* states, stored' "$dir/pan.out")"
	if [ "$got" = "errors: $want" ] &&
	    ! grep -q 'max search depth too small' "$dir/pan.out"; then
		echo "ok $n - ring.pml $*: $got"
	else
		echo "not ok $n - ring.pml $*: ${got:-no result}"
		sed 's/^/# /' "$dir/spin.out" "$dir/pan.out" | head -20
	fi
}
echo 1..6
verify 0
verify 0 -DSLOTS=1 -DMESSAGES=4
verify 1 -DNO_SECOND_LOOK
verify 1 -DBELL_BEFORE_INDEX
verify 1 -DNO_ROOM_CHECK
verify 1 -DCLEAR_AFTER_BELL
