#!/bin/bash
# What keeps the architecture visible: include directions, banned calls,
# file-scope variables, lint of the man pages.  Prints TAP.
cd "$(dirname "$0")/.." || exit 1
check() {	# NAME: fails if there is anything on standard input
	local found
	found=$(cat)
	if [ -z "$found" ]; then
		echo "ok - $1"
	else
		echo "not ok - $1"
		printf '%s\n' "$found" | sed 's/^/# /'
	fi
}

# Nothing stands beside what the README names.
git ls-files | grep -vE '^(vfsd|libvfs|protocol|backends|tests|fuzz|man|install|\.ci)/|^(Makefile|README\.md|\.gitignore)$' |
    check "no file outside of the known folders"

# A folder may use those below it, never those above.
includes() {	# FOLDER FORBIDDEN-REGEX
	grep -nE "^#include \"[^\"]*($2)" -r "$1" --include='*.[ch]' 2>/dev/null
}
includes protocol 'backends/|vfsd/|core/|engine/|front/|libvfs/' |
    check "protocol uses nothing of ours"
includes backends 'vfsd/|core/|engine/|front/|libvfs/' |
    check "backends use the protocol only"
includes vfsd/core 'engine/|front/|backends/|dispatch\.h' |
    check "the core uses the protocol and txn.h only"
includes vfsd/engine 'front/|dispatch\.h' |
    check "the engine uses neither fronts nor dispatcher"
includes vfsd/server 'front/|(conf|mount|launch|sandbox|storedir)\.h|ctl/' |
    check "the server uses neither fronts nor the process around it"
includes libvfs 'vfsd/|backends/' | check "libvfs does not know vfsd"
includes vfsd 'libvfs/' | check "vfsd does not know libvfs"

# The core is deterministic: no clock, randomness, thread, environment.
grep -nE '\b(time|clock_gettime|gettimeofday|rand|random|getenv|pthread_[a-z_]+|printf|fprintf|open|pread|pwrite|write|read)\(' \
    vfsd/core/*.c protocol/*.c | grep -vE '^\S+\s*(\*|/\*)' |
    check "no clock, threads, I/O or environment in core and codec"
grep -nE '\b(strcat|sprintf|gets|alloca|atoi|mktemp|tmpnam)\(' \
    -r vfsd backends protocol libvfs --include='*.[ch]' |
    check "no banned calls"
# Changeable file-scope variables: none.
grep -nE '^(static )?(struct [a-z_]+|int|unsigned|uint[0-9]+_t|bool|char|size_t|_Atomic[^;(]*) \*?[a-z_]+(\[[^]]*\])?( = [^;]*)?;' \
    -r vfsd backends protocol libvfs --include='*.c' |
    grep -vE 'const' | check "no changeable file-scope variables"

for f in $(git ls-files 'vfsd/*.[ch]' 'backends/*.[ch]' 'protocol/*.[ch]' 'libvfs/*.[ch]'); do
	[ "$(wc -l < "$f")" -gt 700 ] && echo "$f: $(wc -l < "$f") lines"
done | check "no file over 700 lines"
git grep -nE '\.\./shared|/work/' -- . ':!tests/tidy.sh' 2>/dev/null |
    check "nothing refers to outside of the project"

if command -v mandoc >/dev/null; then
	mandoc -Tlint man/*.[0-9] 2>/dev/null |
	    grep -vE 'referenced manual not found|outdated mandoc.db|lacks .* entry' |
	    check "man pages: mandoc -Tlint"
else
	echo "ok - man pages # SKIP mandoc is not installed"
fi
