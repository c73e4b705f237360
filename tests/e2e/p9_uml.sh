#!/bin/bash
# Linux's own 9P client, in a kernel that runs as a process: its mount, the
# rules of tests/posix on it, with and without a cache.
. "$(dirname "$0")/lib.sh"
need linux gcc python3
linux=$(command -v linux)
if ! "$linux" --version >"$log" 2>&1 ||
    [ ! -d "/usr/lib/uml/modules/$(tail -n 1 "$log")" ]; then
	skip p9_uml "linux is not Debian's user-mode-linux"
	finish
fi
need_root
# Its threads' registers are copied by ptrace into room of a fixed size, which
# those of a newer CPU (AMX) do not fit in: then it runs no program at all.
{ (ulimit -c 0; exec timeout 20 "$linux" mem=64M rootfstype=hostfs rootflags=/ \
    ro con=null con0=fd:0,fd:1 "uml_dir=$work/uml" init=/bin/true) \
    </dev/null >"$log" 2>&1; } 2>/dev/null
if grep -q 'ptrace set fp regs failed' "$log"; then
	skip p9_uml "this CPU's registers are more than user-mode-linux knows"
	finish
fi
src=$(realpath "$here/../..")
cc=$(dirname "$(gcc -print-prog-name=cc1)")/

# Serve, boot, run the script in the mount; what it printed is in $out.
out=$work/out
guest() {	# SECONDS SCRIPT OPTIONS
	"$bin/probe" uml-host "$1" "$work/9p" "$linux" mem=512M \
	    rootfstype=hostfs rootflags=/ ro quiet ssl0=fd:9 con=null \
	    con0=fd:0,fd:1 "uml_dir=$work/uml" "init=$here/uml/init.sh" \
	    "P9_CC=$cc" "P9_BIN=$bin" "P9_SRC=$src" "P9_SCRIPT=$2" "P9_OPTS=$3" \
	    </dev/null >"$out" 2>&1
}
tell() {
	local line
	while IFS= read -r line; do
		line=${line%$'\r'}
		case $line in
		'ok '*)	tests=$((tests + 1)); echo "$line, $1" ;;
		'not ok '*)
			tests=$((tests + 1)) failures=$((failures + 1))
			echo "$line, $1" ;;
		esac
	done <"$out"
	grep -q "^# the guest's end" "$out" && return
	tests=$((tests + 1)) failures=$((failures + 1))
	echo "not ok - the guest ended, $1"
	tail -n 15 "$out" | sed 's/^/# /'
}
serve() {
	"$vfsd" -f -o "listen=9p:unix:$work/9p" "$store" 2>>"$work/daemon.log" &
	daemon=$!
	for _ in $(seq 100); do
		[ -S "$work/9p" ] && return
		sleep 0.05
	done
	return 1
}

check "serve" serve
for cache in none loose; do
	guest 60 "$here/uml/guest.sh" "msize=65536,access=client,cache=$cache"
	tell "cache=$cache"
done
# Linux shows the id and two more.
ino=$(tr -d '\r' <"$out" | sed -n 's/^number keep //p')
is "the number is the object's id" \
    "$("$vfsctl" paths "$store" "$((ino - 2))" 2>&1 | head -n 1)" "/keep"

# The rules; those that the client cannot keep are listed by name.
cat >"$work/posix.sh" <<-'END'
	chmod 777 .
	cd /
	for word in $P9_WORDS; do
		"$P9_BIN/posix-run" /media/mnt "$word"
	done
END
words="unlink: orphan fcntl: OFD interruptible xattr:"
limit=45 acl=
[ "$full" ] && words=": " limit=900 acl=,posixacl
sed -i "1i P9_WORDS='$words'" "$work/posix.sh"
guest $limit "$work/posix.sh" "msize=65536,access=client,cache=none$acl"
grep -v '^#' "$here/uml/posix-skip" | while IFS=$'\t' read -r part why; do
	grep -F "$part" "$out" | grep '^not ok' |
	    sed "s/^not ok [0-9]* - \(.*\)/ok - \1 # SKIP v9fs: $why/"
done >"$work/skipped"
while IFS=$'\t' read -r part why; do
	case $part in ''|'#'*) continue ;; esac
	grep -vF "$part" "$out" >"$out.new" ||:
	grep -F "$part" "$out" | grep -v '^not ok' >>"$out.new" ||:
	mv "$out.new" "$out"
done <"$here/uml/posix-skip"
sed -i -E 's/^((not )?ok) [0-9]+ - /\1 - /' "$out"
tell "tests/posix"
sort -u "$work/skipped" | cut -c 1-120
tests=$((tests + $(sort -u "$work/skipped" | wc -l)))

kill "$daemon" && wait "$daemon"
daemon=
check "the store is sound" store_is_clean
finish
