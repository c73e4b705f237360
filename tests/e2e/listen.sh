#!/bin/bash
# listen=: serving without a mount, and beside one; what is refused; what is
# left behind.
. "$(dirname "$0")/lib.sh"

start() {	# OPTIONS: serves $store without a mount
	"$vfsd" -o "$1" "$store" 2>"$log"
}
status() {
	"$vfsctl" status "$store" | awk -v n="$1" '$1 == n { print $2 }'
}
stop() {
	local p
	p=$(status pid)
	[ "$p" ] || return 1
	kill "$p"
	for _ in $(seq 100); do
		[ -e "/proc/$p" ] || return 0
		sleep 0.1
	done
	return 1
}
refused() {	# WORDS OPTIONS: one line that has WORDS, and nothing is made
	local words=$1
	shift
	! "$vfsd" -o "$@" "$work/no" 2>"$log" &&
	    [ "$(wc -l < "$log")" = 1 ] && grep -q "$words" "$log" &&
	    [ ! -e "$work/no" ]
}
hello() {	# a peer by hand: 32 bytes of header, 64 of HELLO
	python3 - "$@" <<'PY'
import socket, struct, sys
where = sys.argv[1]
if where.startswith('tcp:'):
    s = socket.create_connection(('127.0.0.1', int(where.split(':')[2])))
else:
    s = socket.socket(socket.AF_UNIX)
    s.connect(where)
body = struct.pack('<IIIIQQQIHHQ', 0x31504656, 1, 1, 1 << 20, 0, 0, 0,
    0, 0, 0, 0)
s.sendall(struct.pack('<IHBBQIIHHI', 32 + len(body), 1, 0, 4, 1, 0, 0, 1, 0,
    0) + body)
h = struct.unpack('<IHBBQIIHHI', s.recv(32))
sys.exit(0 if h[1] == 0x8001 and h[6] == 0 else 1)
PY
}

check serves start "listen=unix:$work/u,listen=tcp:127.0.0.1:0"
is its_first_place "$(status wire.listen_0)" store
is its_socket "$(stat -c %a "$work/u")" 600
check unix_peer hello "$work/u"
check store_peer hello "$store/sock"
port=$(status wire.listen_2)
check tcp_peer hello "$port"
check second_daemon refused "somebody serves there" "listen=unix:$work/u"
check confined grep -q '^Seccomp:.*2' \
    "/proc/$("$vfsctl" status "$store" | awk '$1 == "pid" { print $2 }')/status"
is unix_place__is_told "$(status wire.listen_1)" "unix:$work/u"
check ends stop
check nothing_left [ ! -e "$work/u" ]
check nothing_in_store [ ! -e "$store/sock" ]

check open_to_all start "listen=unix:$work/u,allow_other"
is open_socket "$(stat -c %a "$work/u")" 666
server=$(status pid)
kill -9 "$(ps -o ppid= -p "$server")"	# the launcher, and the server with it
again() {	# the store is free when both are gone
	for _ in $(seq 50); do
		"$vfsd" -o "$1" "$store" 2>"$log" && return 0
		sleep 0.1
	done
	return 1
}
check left_behind [ -S "$work/u" ]
check after_a_crash again "listen=unix:$work/u"
check ends_again stop

# All of them in status, with the address that they really have.
ss_listens() {	# tcp:127.0.0.1:PORT
	python3 - "${1##*:}" <<'PY'
import socket, sys
socket.create_connection(('127.0.0.1', int(sys.argv[1]))).close()
PY
}
json() {
	"$vfsctl" status --json "$store" | python3 -c \
	    'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}
cd "$work" || exit 1
check many start "listen=9p:tcp:127.0.0.1:0,listen=unix:u,listen=tcp:[::1]:0,\
listen=9p:unix:n,listen=ipc:./m"
cd / || exit 1
is first_9p "$(status 9p.listen_0 | sed 's/[1-9][0-9]*$/N/')" \
    9p:tcp:127.0.0.1:N
check first_9p__is_there ss_listens "$(status 9p.listen_0)"
is second_9p "$(status 9p.listen_1)" "9p:unix:$work/n"
is relative_path "$(status wire.listen_1)" "unix:$work/u"
is ipv6 "$(status wire.listen_2 | sed 's/[1-9][0-9]*$/N/')" 'tcp:[::1]:N'
is ipc "$(status wire.listen_3)" "ipc:$work/m"
for place in wire.listen_0 wire.listen_1 wire.listen_2 wire.listen_3 \
    9p.listen_0 9p.listen_1; do
	is "json_$place" "$(json $place)" "$(status $place)"
done
check many_end stop

check not_loopback refused "own addresses" listen=tcp:0.0.0.0:0
check nowhere refused "not a place" listen=here
: > "$work/file"
check a_file refused "no socket" "listen=unix:$work/file"
check store_only start listen=store
check store_only_ends stop
finish
