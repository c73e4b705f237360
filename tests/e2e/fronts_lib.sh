# fronts_lib.sh - a daemon that listens everywhere; read by fronts.sh and
# hostile.sh, after lib.sh
#
# fronts_start [OPTIONS] mounts, and sets specs (for tests/fronts) and
# token; "counts" prints what must come back to where it was.

fronts=$bin/fronts
transport=$bin/transport

ptys() {	# NAME: sets ${NAME}1 and ${NAME}2
	mkfifo "$work/$1.hold"
	"$transport" ptys <"$work/$1.hold" >"$work/$1" &
	at_end "kill $!"
	eval "exec {$1_hold}>\"$work/$1.hold\""
	while [ "$(wc -l <"$work/$1")" -lt 2 ]; do sleep 0.02; done
	{ read -r "$1"1; read -r "$1"2; } <"$work/$1"
}
ptys one
ptys two

place() {	# a place's address, without its kind
	"$vfsctl" status "$store" | awk -v n="$1" \
	    '$1 == n { sub(/^(9p:)?tcp:/, "", $2); print $2 }'
}
# shellcheck disable=SC2154,SC2034
fronts_start() {
	mount_store -o "listen=unix:$work/u,listen=tcp:127.0.0.1:0" \
	    -o "listen=ipc:$work/m,listen=serial:$one1,listen=serial:$two1" \
	    -o "listen=9p:unix:$work/n,listen=9p:tcp:127.0.0.1:0" "$@" ||
	    return 1
	specs=("mount=$mnt" "unix=$work/u" "tcp=$(place wire.listen_2)"
	    "ring=$work/u" "ipc=$work/m" "serial=$one2,$two2" "9p=$work/n"
	    "9p-tcp=$(place 9p.listen_1)")
	token=$("$transport" token "$work/u")
}
counts() {
	"$vfsctl" status "$store" | awk '$1 ~ "^(wire[.](peers|sessions)|" \
	    "9p[.](connections|fids)|sessions[.]handles|sessions|" \
	    "fuse[.]handles|drafts|tx[.]open|locks)$" { print $1, $2 }'
}
settled() {	# waits until counts are "$1"
	local i
	for ((i = 0; i < ${2:-100}; i++)); do
		[ "$(counts)" = "$1" ] && return 0
		sleep 0.05
	done
	diff <(echo "$1") <(counts)
}
