#!/bin/bash
# 9P: the same sequential bytes through vfsd's front and through diod.
#	tests/bench/p9.sh BIN DIR [MB]
set -u
bin=$1 top=$2/p9 mb=${3:-128}
PATH=$PATH:/usr/sbin
sizes="8192 65536 1048576"
mkdir -p "$top/diod" || exit 1
"$bin/vfsd" -f -o "listen=9p:unix:$top/sock" "$top/store" 2>/dev/null &
pid=$!
for _ in $(seq 100); do [ -S "$top/sock" ] && break; sleep 0.1; done
# shellcheck disable=SC2086
"$bin/p9" vfsd "$mb" / "unix:$top/sock" $sizes >"$top/results"
kill $pid && wait $pid
if command -v diod >/dev/null; then
	# shellcheck disable=SC2086
	"$bin/p9" diod "$mb" "$top/diod" \
	    "fd:exec diod -f -n -N -r 3 -w 3 -e '$top/diod' -L '$top/log'" \
	    $sizes >>"$top/results" 2>"$top/err" ||
	    echo "# diod: not measured: $(tail -n 1 "$top/err")" >&2
fi
awk '
	{ v[$1, $2, $3] = $4; if (!seen[$2, $3]++) order[++n] = $2 " " $3 }
	END {
		printf "%-24s %10s %10s %8s\n", "9P, msize", "vfsd", "diod", "ratio"
		for (i = 1; i <= n; i++) {
			split(order[i], k, " ")
			a = v["vfsd", k[1], k[2]]; b = v["diod", k[1], k[2]]
			r = k[2] == "getattr" ? (a ? b / a : 0) : (b ? a / b : 0)
			printf "%-24s %10s %10s %8.2f\n", k[2] " " k[1] \
			    (k[2] == "getattr" ? " us" : " MB/s"), a, b, r
		}
	}' "$top/results"
