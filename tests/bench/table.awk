# Lines "who what number unit" -> medians, ratios and goals.
function median(s,   a, n, i, j, t) {
	n = split(s, a, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && a[j] + 0 < a[j - 1] + 0; j--) {
			t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
		}
	return a[int((n + 1) / 2)]
}
# How many times better us, or else vfsd, is than who at what.
function times(what, who, us) {
	if (us == "")
		us = "vfsd"
	if (!((who, what) in med) || !((us, what) in med))
		return 0
	if (unit[what] ~ /\/s$/)
		return med[us, what] / med[who, what]
	return med[who, what] / med[us, what]
}
function is_peer(who) {
	return who !~ /^(host|loop|vfsd.*)$/
}
function best_peer(what, us,   i, x, least) {
	least = 0
	for (i = 1; i <= np; i++) {
		x = is_peer(name[i]) ? times(what, name[i], us) : 0
		if (x > 0 && (least == 0 || x < least))
			least = x
	}
	return least
}
function goal(kind, text, x, least, whose, other, own) {
	if (x <= 0)
		return
	printf "%-5s %-8s %-54s %6.2f (>= %.2f)", (x >= least ? "ok" : "MISS"), kind, text, x, least
	if (other > 0)
		printf "  %s: %.2f", whose, other
	if (own > 0)
		printf "  vfsd-own: %.2f", own
	print ""
}
# What the kernel leaves to anybody: a loop that does nothing has no more, as
# long as the kernel checks permissions.
function of_peers(text, what) {
	goal("must", text ", of the best peer", best_peer(what), 2,
	    "an empty loop", best_peer(what, "loop"), best_peer(what, "vfsd-own"))
}
# The best peer has the same kernel in its way, and of warm pages and attributes
# nothing else.
function of_host(text, what, least,   x) {
	x = best_peer(what, "host")
	goal("must", text ", of the host", times(what, "host"), least, "the best peer", (x > 0 ? 1 / x : 0))
}
{
	all[$1, $2] = all[$1, $2] " " $3
	unit[$2] = $4
	if (!($2 in seen)) { seen[$2] = 1; what[++nw] = $2 }
}
END {
	np = split(peers, name, " ")
	printf "%-14s %-8s", "", "unit"
	for (i = 1; i <= np; i++) printf " %14s", name[i]
	print ""
	for (w = 1; w <= nw; w++) {
		printf "%-14s %-8s", what[w], unit[what[w]]
		for (i = 1; i <= np; i++) {
			if ((name[i], what[w]) in all) {
				med[name[i], what[w]] = median(all[name[i], what[w]])
				printf " %14.2f", med[name[i], what[w]]
			} else
				printf " %14s", "-"
		}
		print ""
	}
	print "\nvfsd is so many times better (ratio of medians):"
	for (w = 1; w <= nw; w++) {
		printf "%-14s %-8s", what[w], ""
		for (i = 1; i <= np; i++) {
			x = times(what[w], name[i])
			if (x > 0) printf " %14.2f", x
			else printf " %14s", "-"
		}
		print ""
	}
	print ""
	of_peers("create", "create")
	of_peers("rename", "rename")
	of_peers("unlink", "unlink")
	of_peers("create+4 KiB", "create_4k")
	of_peers("cold listing with stat", "list_cold")
	goal("must", "cold stat, of an empty loop", times("stat_cold", "loop"), 1 / 1.2)
	of_host("warm stat", "stat_warm", 0.85)
	of_host("fsync of a 4 KiB append", "append_fsync", 1)
	of_host("warm read", "read_big_warm", 0.95)
	of_host("warm mmap", "mmap_warm", 0.95)
	goal("to reach", "create, of an empty loop", times("create", "loop"), 0.8)
	goal("to reach", "create+4 KiB, of an empty loop", times("create_4k", "loop"), 0.8)
	goal("to reach", "rename, of an empty loop", times("rename", "loop"), 0.8)
	goal("to reach", "cold read of a small file, of an empty loop", times("read_4k_cold", "loop"), 0.8)
	goal("to reach", "unlink, of the host", times("unlink", "host"), 0.8)
	goal("to reach", "cold listing with stat, of the host", times("list_cold", "host"), 1)
	goal("to reach", "write of a new big file with fsync, of the host", times("write_big", "host"), 0.6)
	goal("to reach", "cold sequential read, of the host", times("read_big_cold", "host"), 0.9)
	goal("to reach", "16 fsyncers, of the host", times("fsync_16", "host"), 1.5)
	if (("vfsd", "copy_range") in med)
		goal("to reach", "copy_file_range of the big file: 10 ms /", 10 / med["vfsd", "copy_range"], 1)
	goal("must", "10,000 files in one step, of the host with one sync", times("files_sync", "host"), 5)
	goal("must", "10,000 files, of the host by fsync and rename each", times("files_each", "host"), 20)
	goal("must", "100 files replaced, of the host by fsync and rename", times("update_100", "host"), 20)
	if (("vfsd", "stat_10k") in med)
		goal("must", "stat of 10,000 ids in a batch, each: 1 us /", 1 / med["vfsd", "stat_10k"], 1)
	goal("must", "100,000 entries with attributes, of the host", times("list_100k", "host"), 5)
	goal("must", "the same after dropping caches, of the host", times("list_100k_cold", "host"), 5)
	if (("vfsd", "journal") in med)
		goal("must", "change records read, of a million a second", med["vfsd", "journal"] / 1e6, 1)
}
