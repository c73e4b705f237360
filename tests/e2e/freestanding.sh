#!/bin/bash
# The codec and the transports build for a host without a C library:
# nothing but mem* from outside; the codec in at most 16 KiB of text at -Os,
# the transports in at most 8.  err_os.c and err_text.c are for hosts
# that have an errno, or people who read.
cd "$(dirname "$0")/../.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
n=0
check() {	# NAME COMMAND...
	local name=$1
	shift
	n=$((n + 1))
	if "$@"; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
	fi
}
src=$(ls protocol/*.c | grep -vE '/err_(os|text)\.c$')
transports='/(cobs|ring|ipc|client)\.c$'
flags="-std=c11 -Wall -Wextra -Werror -ffreestanding -nostdlib -fno-builtin
	-fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables -Os"

# shellcheck disable=SC2086
build() {
	gcc $flags -r -o "$tmp/codec.o" $src
}
only_mem() {
	local u
	u=$(nm -u "$tmp/codec.o" | awk '{ print $2 }' |
	    grep -vxE 'mem(cpy|move|set|cmp)')
	[ -z "$u" ] || { echo "# undefined: $u"; return 1; }
}
# shellcheck disable=SC2086
small() {	# MAX FILE...
	local text max=$1
	shift
	[ $# -gt 0 ] || return 0
	gcc $flags -r -o "$tmp/part.o" "$@" || return 1
	text=$(size "$tmp/part.o" | awk 'NR == 2 { print $1 }')
	echo "# $text bytes of text"
	[ "$text" -le "$max" ]
}
headers() {
	! grep -h '#include <' protocol/*.[ch] | grep -vE \
	    'stdint|stddef|stdbool|errno'
}
# shellcheck disable=SC2086
words32() {
	local f
	for f in $src; do
		gcc -m32 $flags -c -o /dev/null "$f" || return 1
	done
}
echo 1..6
check builds build
check undefined only_mem
# shellcheck disable=SC2046
check "size of the codec" small 16384 \
    $(echo "$src" | grep -vE "$transports")
# shellcheck disable=SC2046
check "size of the transports" small 8192 \
    $(echo "$src" | grep -E "$transports")
check includes headers
check m32 words32
