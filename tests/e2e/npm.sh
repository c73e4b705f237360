#!/bin/bash
# npm inside, hard links too, and what node thinks of the numbers.
. "$(dirname "$0")/lib.sh"
need npm node
export HOME=$work npm_config_cache=$mnt/cache npm_config_update_notifier=false
export npm_config_fund=false npm_config_audit=false
mount_store || { check "mount" false; finish; }

# Packages of our own: works without any registry.
package() {	# NAME DEPENDENCY
	mkdir -p "$mnt/src/$1/lib" "$mnt/src/$1/bin"
	cat >"$mnt/src/$1/package.json" <<-E
	{ "name": "$1", "version": "1.0.0", "bin": { "$1": "bin/run.js" },
	  "dependencies": { ${2:+"\"$2\": \"file:$mnt/src/$2-1.0.0.tgz\""} } }
	E
	echo "module.exports = '$1'" >"$mnt/src/$1/index.js"
	printf '#!/usr/bin/env node\nconsole.log(require(".."))\n' \
	    >"$mnt/src/$1/bin/run.js"
	chmod +x "$mnt/src/$1/bin/run.js"
	for i in $(seq 100); do echo "exports.n = $i" >"$mnt/src/$1/lib/m$i.js"; done
	(cd "$mnt/src" && npm pack --silent "./$1")
}
check "pack two packages" eval 'package alpha && package beta alpha'
mkdir "$mnt/app"
echo '{ "name": "app", "version": "1.0.0" }' >"$mnt/app/package.json"
check "install them" npm --prefix "$mnt/app" install --silent \
    "$mnt/src/alpha-1.0.0.tgz" "$mnt/src/beta-1.0.0.tgz"
is "they run" "$("$mnt/app/node_modules/.bin/beta")" beta
check "ci from the cache" npm --prefix "$mnt/app" ci --silent --offline
is "all files are there" \
    "$(find "$mnt/app/node_modules/alpha/lib" -name '*.js' | wc -l)" 100
check "hard links of a tree" cp -al "$mnt/app" "$mnt/app2"
check "node reads the numbers exactly" node -e '
	const fs = require("fs"), a = fs.statSync(process.argv[1]),
	    b = fs.statSync(process.argv[1], { bigint: true }),
	    c = fs.statSync(process.argv[2]);
	process.exit(BigInt(a.ino) === b.ino && a.ino === c.ino &&
	    Number.isSafeInteger(a.ino) && a.nlink === 2 ? 0 : 1)' \
    "$mnt/app/package.json" "$mnt/app2/package.json"
if timeout 20 npm ping --silent >/dev/null 2>&1; then
	mkdir "$mnt/net" && echo '{ "name": "net" }' >"$mnt/net/package.json"
	check "install from a registry" timeout 120 npm --prefix "$mnt/net" \
	    install --silent --ignore-scripts semver
else
	skip "install from a registry" "no registry can be reached"
fi
check "remove it all" rm -rf "$mnt/app" "$mnt/net"
is "the other links stay" \
    "$(node "$mnt/app2/node_modules/.bin/beta")" beta
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
