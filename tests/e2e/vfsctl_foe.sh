#!/bin/bash
# vfsctl and a daemon that means harm: it ends, and its terminal obeys nobody.
. "$(dirname "$0")/lib.sh"
plain=
need python3

foe() {		# HOW: at $work/HOW
	mkdir "$work/$1"
	python3 "$here/vfsctl_foe.py" "$1" "$work/$1" >"$work/ready" 2>&1 &
	at_end "kill $! 2>/dev/null"
	for _ in $(seq 500); do
		grep -q ready "$work/ready" && return 0
		sleep 0.01
	done
	return 1
}

check "words" foe words
"$vfsctl" status "$work/words" >"$work/out"
is "status__ends_well" $? 0
is "status__is_escaped" "$(grep -c '^\\033]0;x\\007\\302\\233"name  *1$' \
    "$work/out")" 1
is "status__so_are_counters" "$(grep -c '^op.\\033]0;x\\007\\302\\233"name  *5' \
    "$work/out")" 1
check "status__nothing_is_raw" not grep -q $'\e\|\a\|\302\233' "$work/out"
is "status_json__keys_are_strings" "$("$vfsctl" status --json "$work/words" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)
["\x1b]0;x\x07\x9b\"name"])')" 1
"$vfsctl" version "$work/words" >"$work/out"
check "version__nothing_is_raw" not grep -q $'\e\|\a\|\302\233' "$work/out"

check "queue" foe queue
timeout 20 "$vfsctl" status "$work/queue" >"$work/out" 2>&1
is "full_queue__ends" $? 1
check "full_queue__says_why" grep -q "in use" "$work/out"
finish
