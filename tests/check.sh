#!/bin/bash
# Build, run every suite, and close with one line over all of them.
# A suite is a program that prints TAP (ok, not ok, # SKIP); a suite that
# ends badly without saying so counts as one failure, and so does one that
# has not ended after SUITE_SECONDS.
cd "$(dirname "$0")/.." || exit 1
limit=${SUITE_SECONDS:-900}
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
passed=0 failed=0 skipped=0
: >"$out/failed"

suite() {	# NAME COMMAND...
	local name=$1 log=$out/log rc n
	shift
	SECONDS=0
	CMOCKA_MESSAGE_OUTPUT=TAP timeout --foreground -k 10 "$limit" "$@" \
	    >"$log" 2>&1 </dev/null
	rc=$?
	[ $rc -ne 0 ] && [ $SECONDS -ge "$limit" ] &&
	    echo "not ok - ended after $limit s" >>"$log"
	local ok bad skip
	# cmocka 1.1.5 says "not ok" of what it skips.
	sed -i -E 's/^not (ok .*# *(SKIP|skip))/\1/' "$log"
	skip=$(grep -cE '^ok .*# *(SKIP|skip)' "$log")
	ok=$(($(grep -cE '^ok ' "$log") - skip))
	bad=$(grep -cE '^not ok ' "$log")
	[ $rc -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
	[ $((ok + bad + skip)) -eq 0 ] && bad=1
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	printf '%-40s %4d passed %3d failed %3d skipped %5ds\n' \
	    "$name" "$ok" "$bad" "$skip" $SECONDS
	grep -E '^ok .*# *(SKIP|skip)' "$log" | sed 's/^ok [0-9]* *-* */    skipped: /'
	if [ "$bad" -gt 0 ]; then
		{
			grep -E '^not ok ' "$log" | head -n 20 | sed 's/^/    /'
			tail -n 40 "$log" | sed 's/^/    | /'
		} >"$out/why"
		cat "$out/why"
		{
			echo "$name failed (exit $rc):"
			cat "$out/why"
		} >>"$out/failed"
	fi
}

make -s -j2 all tests || exit 1
make -s -j2 B=build/asan SAN=asan all tests || exit 1

for t in build/tests/*/*; do
	[ -x "$t" ] && [ -f "$t" ] && suite "${t#build/tests/}" "$t"
done
for t in build/asan/tests/*/*; do
	[ -x "$t" ] && [ -f "$t" ] && suite "asan ${t#build/asan/tests/}" "$t"
done
for t in tests/e2e/*.sh tests/plants.sh tests/tidy.sh; do
	[ -x "$t" ] && suite "${t#tests/}" "$t"
done

cat "$out/failed"	# once more, where one looks first
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
