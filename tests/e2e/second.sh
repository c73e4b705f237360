#!/bin/bash
# The second implementation of the protocol, in Python, from vfs-protocol(5)
# alone (tests/second): the page has what the tables have, each vector is
# read the same way, and a client works over sockets and over 64 words.
. "$(dirname "$0")/lib.sh"
need python3
export PYTHONDONTWRITEBYTECODE=1
second=$here/../second

# TAP of a program of ours, counted on.
take() {	# NAME COMMAND...
	local name=$1
	shift
	timeout 120 "$@" >"$work/tap" 2>&1
	local rc=$?
	while read -r line; do
		tests=$((tests + 1))
		case $line in
		not*)	failures=$((failures + 1))
			echo "not ok $tests - $name: ${line#*- }" ;;
		*)	echo "ok $tests - $name: ${line#*- }" ;;
		esac
	done < <(grep -E '^(not )?ok ' "$work/tap")
	is "$name ends well" $rc 0 || tail -n 5 "$work/tap" | sed 's/^/# /'
}

take page python3 "$second/page.py"
take vectors python3 "$second/vectors.py"
[ "$plain" ] && finish

port=$(python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$vfsd" -f -o "listen=store,listen=ipc:$work/ipc,listen=tcp:127.0.0.1:$port" \
    "$store" 2>"$work/daemon.log" &
daemon=$!
for _ in $(seq 200); do
	[ -S "$work/ipc" ] && "$vfsctl" status "$store" >/dev/null 2>&1 && break
	sleep 0.05
done
token=$("$vfsctl" grant --rights all "$store" 2>/dev/null | tail -n 1)
client="python3 $second/client.py"
take unix $client unix "$store/sock" 1048576
take "small messages" $client unix "$store/sock" 480
take "64 words" $client ipc "$work/ipc" 480
take tcp $client tcp "$port" 1048576 "$token"
kill "$daemon"
wait "$daemon"
daemon=
check "the store is clean" store_is_clean
finish
