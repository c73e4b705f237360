#!/bin/bash
# The same cases over each transport of one daemon: a unix socket, TCP, rings
# in shared memory, bounded IPC (with and without a C library), a serial line
# and a bad serial line.
cd "$(dirname "$0")/../.." || exit 1
. tests/e2e/lib.sh
transport=$bin/transport

ptys() {	# NAME [SEED]: sets ${NAME}1 and ${NAME}2
	mkfifo "$work/$1.hold"
	"$transport" ptys ${2:+"$2"} <"$work/$1.hold" >"$work/$1" &
	at_end "kill $!"
	eval "exec {$1_hold}>\"$work/$1.hold\""
	while [ "$(wc -l <"$work/$1")" -lt 2 ]; do sleep 0.02; done
	{ read -r "$1"1; read -r "$1"2; } <"$work/$1"
}
seed=${SEED:-$RANDOM}
ptys good
ptys bad "$seed"

port=$((20000 + $$ % 20000))
# shellcheck disable=SC2154
"$vfsd" -f -o "listen=unix:$work/s,listen=tcp:127.0.0.1:$port,listen=ipc:$work/m" \
    -o "listen=serial:$good1,listen=serial:$bad1" "$store" 2>"$work/daemon.log" &
daemon=$!
for _ in $(seq 500); do [ -S "$work/m" ] && break; sleep 0.02; done
token=$("$transport" token "$work/s") || {
	tail -5 "$work/daemon.log" | sed 's/^/# /'
	echo "not ok 1 - the daemon listens"
	exit 1
}
echo "# SEED=$seed"

# TAP of the parts, numbered anew.
part() {	# COMMAND...
	local line
	while IFS= read -r line; do
		case $line in
		"ok "* | "not ok "*)
			tests=$((tests + 1))
			[[ $line == not* ]] && failures=$((failures + 1))
			echo "${line%%[0-9]*}$tests ${line#*ok [0-9]* }" ;;
		"#"*)	echo "$line" ;;
		esac
	done < <(timeout 60 "$@" 2>&1 || echo "not ok 0 - ${*:1:2} ends well")
}
# shellcheck disable=SC2154
{
part "$transport" unix "$work/s"
part "$transport" tcp "127.0.0.1:$port" "$token"
part "$transport" ring "$work/s"
part "$transport" ipc "$work/m"
part "$transport" serial "$good2" "$token"
part "$transport" serial "$bad2" "$token" t-bad-line
[ -x "$bin/hostsim" ] && part "$bin/hostsim" "$work/m"
}
kill "$daemon"
wait "$daemon"
is "the daemon ends in order" $? 0
daemon=
check "the store is sound" "$vfsctl" check "$store"
finish
