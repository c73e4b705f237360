# vfsd: make run mounts a store, make check passes the tests.
# See README.  Everything is built below $(B); nothing is written elsewhere
# except by make install.

B ?= build
PREFIX ?= /usr/local
CC ?= cc
CFLAGS ?= -O2 -g
VERSION := 0.1

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wvla -Wundef
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DVFSD_VERSION='"$(VERSION)"' $(WARN) \
	-fno-strict-aliasing -pthread -MMD -MP $(CFLAGS) $(SAN_$(SAN)) $(PLANT)
ALL_LDFLAGS = -pthread $(LDFLAGS) $(SAN_$(SAN))
SAN_asan := -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -Wno-maybe-uninitialized
SAN_tsan := -fsanitize=thread -fno-omit-frame-pointer

LIBS := -llmdb -lxxhash -luring -lmd

# Sources: what a folder holds belongs to that folder's archive, so a new
# file needs no line here.
PROTOCOL := $(wildcard protocol/*.c)
BACKENDS := $(wildcard backends/*.c backends/*/*.c)
CORE := $(wildcard vfsd/core/*.c)
ENGINE := $(wildcard vfsd/engine/*.c)
FRONT := $(wildcard vfsd/front/*.c vfsd/front/*/*.c)
SERVER := $(wildcard vfsd/server/*.c)
DAEMON := $(filter-out vfsd/main.c,$(wildcard vfsd/*.c))
CTL := $(wildcard vfsd/ctl/*.c)
LIBVFS := $(wildcard libvfs/*.c)
UNIT := $(wildcard tests/unit/*.c tests/contract/*.c tests/crash/*.c)

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
SERVER_A := $(B)/lib/libserver.a
DAEMON_A := $(B)/lib/libdaemon.a
CORE_A := $(B)/lib/libcore.a
ARCHIVES := $(DAEMON_A) $(B)/lib/libfront.a $(SERVER_A) $(B)/lib/libengine.a $(CORE_A) \
	$(B)/lib/libbackends.a $(B)/lib/libprotocol.a
LINK_A := -Wl,--start-group $(ARCHIVES) -Wl,--end-group

BIN := $(B)/bin/vfsd $(B)/bin/vfsctl

# The client library, which brings the codec along; see vfs(3).
SOVERSION := 1
LIBVFS_A := $(B)/lib/libvfs.a
LIBVFS_SO := $(B)/lib/libvfs.so.$(SOVERSION)
LIBVFS_H := libvfs/vfs.h $(wildcard libvfs/vfs_[!i]*.h) \
	$(addprefix protocol/,proto.h types.h err.h limits.h rights.h \
	err.def ops.def)
pic = $(patsubst %.c,$(B)/pic/%.o,$(1))


.PHONY: demo-guest
.PHONY: all run check oracle conformance bench install clean deps deps-check tidy tests fuzz \
	fuzzers
.DELETE_ON_ERROR:
all: $(BIN) $(LIBVFS_A) $(LIBVFS_SO)

$(B)/lib/libprotocol.a: $(call obj,$(PROTOCOL))
$(B)/lib/libbackends.a: $(call obj,$(BACKENDS))
$(CORE_A): $(call obj,$(CORE))
$(B)/lib/libengine.a: $(call obj,$(ENGINE))
$(SERVER_A): $(call obj,$(SERVER))
$(DAEMON_A): $(call obj,$(DAEMON))
$(B)/lib/libfront.a: $(call obj,$(FRONT))
$(LIBVFS_A): $(call pic,$(LIBVFS) $(PROTOCOL))
$(B)/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $^

# Called only where the processor has it.
ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine)),)
$(B)/obj/vfsd/core/sum_wide.o: WIDE := -mavx2
endif
$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo CC $<
	@$(CC) $(ALL_CFLAGS) $(WIDE) -c -o $@ $<

$(B)/pic/%.o: %.c
	@mkdir -p $(@D)
	@echo CC $<
	@$(CC) $(ALL_CFLAGS) -fPIC -c -o $@ $<

$(LIBVFS_SO): $(LIBVFS_A) libvfs/vfs.map
	@$(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,$(@F) $(if $(SAN),,-Wl,-z,defs) \
	    -Wl,--version-script=libvfs/vfs.map -o $@ \
	    -Wl,--whole-archive $< -Wl,--no-whole-archive
	@ln -sf $(@F) $(B)/lib/libvfs.so

$(B)/bin/vfsd: $(call obj,vfsd/main.c) $(ARCHIVES)
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $< $(LINK_A) $(LIBS)
$(B)/bin/vfsctl: $(call obj,$(CTL)) $(ARCHIVES)
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(LINK_A) $(LIBS)

# Tests: each file of tests/unit, tests/contract and tests/crash is one
# program that prints TAP; shared fixtures are tests/*.c.
FIXTURES := $(wildcard tests/*.c)
FAULTS := malloc calloc realloc mmap
TESTS := $(patsubst tests/%.c,$(B)/tests/%,$(UNIT))
FIXTURES_A := $(B)/lib/libfixtures.a
$(FIXTURES_A): $(call obj,$(FIXTURES))
$(B)/tests/%: $(B)/obj/tests/%.o $(FIXTURES_A) $(LIBVFS_A) $(ARCHIVES)
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) $(FAULTS:%=-Wl,--wrap=%) -o $@ $< \
	    -Wl,--start-group $(FIXTURES_A) $(ARCHIVES) $(LIBVFS_A) -Wl,--end-group \
	    $(LIBS) -lcmocka $(TESTLIBS)

# Crash tests put a simulated disk below our code and LMDB: tests/crash/rig.
WRAP := open openat close dup fcntl pwrite pwritev write writev pread \
	ftruncate fallocate posix_fallocate fsync fdatasync sync_file_range \
	msync unlink unlinkat rename renameat mkdir mkdirat mmap munmap \
	nanosleep clock_nanosleep usleep getrandom clock_gettime \
	pthread_create pthread_join
RIG := $(wildcard tests/crash/rig/*.c)
# (named, or the rule for all tests is taken while a file of the rig is new)
$(patsubst %.c,$(B)/%,$(wildcard tests/crash/*.c)): \
    $(B)/tests/crash/%: $(B)/obj/tests/crash/%.o $(call obj,$(RIG)) $(ARCHIVES)
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) $(WRAP:%=-Wl,--wrap=%) -o $@ $< \
	    $(call obj,$(RIG)) $(LINK_A) -l:liblmdb.a -lxxhash -lmd -lcmocka
tests: $(TESTS)

# The rig with one promise broken on purpose: only the files that know the
# plant's name are compiled again.
$(B)/plants/%/power: $(B)/obj/tests/crash/power.o $(call obj,$(RIG)) $(ARCHIVES)
	@rm -rf $(@D) && mkdir -p $(@D)
	@for f in $$(grep -rlE '#ifn?def $*$$' vfsd backends --include='*.c'); do \
		$(CC) $(ALL_CFLAGS) -O1 -D$* -c -o $(@D)/$$(basename $$f .c).o $$f || exit 1; \
	done
	@$(CC) $(ALL_LDFLAGS) $(WRAP:%=-Wl,--wrap=%) -o $@ $< $(@D)/*.o \
	    $(call obj,$(RIG)) $(LINK_A) -l:liblmdb.a -lxxhash -lmd

# The daemon with one broken, for tests/e2e.
$(B)/plants/%/vfsd: $(call obj,vfsd/main.c) $(ARCHIVES)
	@rm -rf $(@D) && mkdir -p $(@D)
	@for f in $$(grep -rlE '#ifn?def $*$$' vfsd backends --include='*.c'); do \
		$(CC) $(ALL_CFLAGS) -D$* -c -o $(@D)/$$(basename $$f .c).o $$f || exit 1; \
	done
	@$(CC) $(ALL_LDFLAGS) -o $@ $< $(@D)/*.o $(LINK_A) $(LIBS)

# Repeat a random crash workload exactly: make replay SEED=...
replay: $(B)/tests/crash/power
	@SEED=$(SEED) $(B)/tests/crash/power

# The rules of a filesystem, for any directory; tests/posix/posix.h.
POSIX := $(B)/bin/posix-run
$(POSIX): $(call obj,$(wildcard tests/posix/*.c))
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $^
PROBE := $(B)/bin/probe
$(PROBE): $(call obj,$(wildcard tests/e2e/*.c)) $(B)/lib/libprotocol.a
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $^
# Programs of clients: each file of tests/client is one.
CLIENTS := $(patsubst tests/client/%.c,$(B)/bin/%,$(wildcard tests/client/*.c))
$(CLIENTS): $(B)/bin/%: $(B)/obj/tests/client/%.o $(LIBVFS_A)
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $^
tests: $(POSIX) $(PROBE) $(CLIENTS)

# The cases that every transport has to carry, over five of them; and for a
# task without a C library, over bounded IPC: tests/transport.
CASES := tests/transport/cases.c tests/transport/cases_bulk.c
TRANSPORT := $(B)/bin/transport
$(TRANSPORT): $(call obj,$(CASES) $(addprefix tests/transport/,main.c ptys.c) tests/host.c) \
    $(B)/lib/libprotocol.a
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $^
# All fronts of one daemon at once: tests/e2e/fronts.sh.
FRONTS := $(B)/bin/fronts
$(FRONTS): $(call obj,$(wildcard tests/fronts/*.c)) $(FIXTURES_A) $(ARCHIVES)
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(filter %.a,$^) $(LIBS)
BARE_CFLAGS := -std=gnu11 $(WARN) -Os -g -ffreestanding -fno-builtin -fno-pie -fno-pic \
	-fno-stack-protector -fno-asynchronous-unwind-tables \
	-fno-tree-loop-distribute-patterns -nostdlib -static -no-pie
BARE := $(filter-out protocol/err_%.c,$(PROTOCOL)) tests/guest/mem.c
HOSTSIM := $(B)/bin/hostsim
$(HOSTSIM): tests/transport/hostsim.c $(CASES) $(BARE) \
    $(wildcard protocol/*.h protocol/*.def tests/transport/*.h)
	@mkdir -p $(@D)
	@echo CC $@
	@$(CC) $(BARE_CFLAGS) -o $@ $(filter %.c,$^)
# A kernel for qemu: a machine without an operating system (tests/guest).
GUEST := $(B)/bin/guest.elf
GUEST_CFLAGS := $(filter-out -g,$(BARE_CFLAGS)) -m32 -march=i686 -mno-sse -mno-mmx \
	-Wl,-T,tests/guest/guest.ld -Wl,--build-id=none,--no-warn-rwx-segments
GUEST_C := $(filter-out protocol/ring.c protocol/ipc.c,$(BARE)) \
	$(addprefix tests/guest/,kernel.c line.c machine.c)
$(GUEST): tests/guest/boot.S $(GUEST_C) tests/guest/guest.ld \
    $(wildcard protocol/*.h protocol/*.def tests/guest/*.h)
	@mkdir -p $(@D)
	@echo CC $@
	@$(CC) $(GUEST_CFLAGS) -o $@ $(filter %.c %.S,$^)
demo-guest: deps-check
	@$(MAKE) --no-print-directory all $(GUEST) $(TRANSPORT)
	@tests/guest/demo.sh $(B)/bin
tests: $(FRONTS) $(TRANSPORT) $(if $(filter x86_64,$(shell uname -m)),$(HOSTSIM) $(GUEST))
oracle: $(POSIX)
	@tests/oracle.sh $(B)/bin
conformance: all
	@tests/conformance.sh $(B)/bin $(PJDFSTEST)

deps:
	@tests/deps.sh build
deps-check:
	@tests/deps.sh build check

STORE ?= ./store
MNT ?= ./mnt
run: deps
	@$(MAKE) --no-print-directory all
	@tests/try.sh $(B)/bin $(STORE) $(MNT)

check: deps-check
	@tests/check.sh

# Measured side by side with the peers; see tests/bench/run.sh.
BENCH := $(B)/bin/work $(B)/bin/loop $(B)/bin/engine $(B)/bin/journal \
	$(B)/bin/p9 $(B)/bin/api $(B)/bin/calls
$(B)/bin/p9 $(B)/bin/calls: $(FIXTURES_A) $(ARCHIVES)
$(B)/bin/api: $(LIBVFS_A)
$(B)/bin/engine $(B)/bin/journal: $(ARCHIVES)
$(BENCH): $(B)/bin/%: $(B)/obj/tests/bench/%.o
	@mkdir -p $(@D)
	@$(CC) $(ALL_LDFLAGS) -o $@ $< $(filter %.a,$^) $(filter %.a,$^) $(LIBS)
bench:
	@tests/deps.sh build bench
	@$(MAKE) --no-print-directory all $(BENCH)
	@tests/bench/run.sh $(B)/bin

# libFuzzer with ASan and UBSan; new inputs stay below $(B).  The targets
# link the archives of a build of their own, made by clang.
FUZZ_SECONDS ?= 30
FUZZ_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZERS := $(patsubst fuzz/%.c,$(B)/fuzz/%,$(wildcard fuzz/*.c))
$(B)/fuzz/%: fuzz/%.c $(ARCHIVES) $(LIBVFS_A) $(FIXTURES_A)
	@mkdir -p $(B)/fuzz/corpus/$*
	@$(CC) $(ALL_CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(LIBVFS_A) \
	    -Wl,--start-group $(FIXTURES_A) $(ARCHIVES) -Wl,--end-group $(LIBS)
# No thread runs there, and the store fails on request.
$(B)/fuzz/ops: LDFLAGS += $(FAULTS:%=-Wl,--wrap=%)
$(B)/fuzz/ops $(B)/tests/unit/ops_replay: LDFLAGS += \
	-Wl,--wrap=pthread_create,--wrap=pthread_join
fuzzers: $(FUZZERS)
fuzz:
	@tests/deps.sh build fuzz
	@$(MAKE) --no-print-directory B=$(B)/clang CC=clang \
	    CFLAGS="-O1 -g $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link" fuzzers
	@for f in $(basename $(notdir $(wildcard fuzz/*.c))); do \
	    $(B)/clang/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) \
		-max_len=4096 -artifact_prefix=$(B)/ $(B)/clang/fuzz/corpus/$$f \
		fuzz/corpus/$$f || exit 1; \
	done

# What is installed besides what is built comes from install/*.in.  mount(8)
# looks for helpers in /sbin only, so a system's PREFIX puts it there.
BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man
HELPERDIR ?= $(if $(filter / /usr /usr/local,$(PREFIX)),/sbin,$(PREFIX)/sbin)
STATEDIR ?= /var/lib/vfsd
FILL = sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@VERSION@|$(VERSION)|g' \
	-e 's|@STATEDIR@|$(STATEDIR)|g'

install: all
	install -d $(BINDIR) $(DESTDIR)$(HELPERDIR) \
		$(DESTDIR)$(PREFIX)/lib/pkgconfig \
		$(DESTDIR)$(PREFIX)/lib/systemd/system \
		$(DESTDIR)$(PREFIX)/include/vfsd
	install -m 755 $(BIN) $(BINDIR)
	install -m 644 $(B)/lib/libprotocol.a \
		$(DESTDIR)$(PREFIX)/lib/libvfsproto.a
	install -m 644 protocol/*.h protocol/*.def \
		$(DESTDIR)$(PREFIX)/include/vfsd
	install -d $(DESTDIR)$(PREFIX)/include/vfs
	install -m 644 $(LIBVFS_H) $(DESTDIR)$(PREFIX)/include/vfs
	sed -i 's|"../protocol/|"|' $(DESTDIR)$(PREFIX)/include/vfs/*.h
	install -m 644 $(LIBVFS_A) $(DESTDIR)$(PREFIX)/lib
	install -m 755 $(LIBVFS_SO) $(DESTDIR)$(PREFIX)/lib
	ln -sf $(notdir $(LIBVFS_SO)) $(DESTDIR)$(PREFIX)/lib/libvfs.so
	$(FILL) install/vfs.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/vfs.pc
	for m in man/*.[1-8]; do s=$${m##*.}; install -d $(MANDIR)/man$$s && \
		install -m 644 $$m $(MANDIR)/man$$s || exit 1; done
	$(FILL) install/vfsd.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/vfsd.pc
	$(FILL) install/vfsd@.service.in > \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/vfsd@.service
	$(FILL) install/mount.fuse.vfsd.in > \
		$(DESTDIR)$(HELPERDIR)/mount.fuse.vfsd
	chmod 755 $(DESTDIR)$(HELPERDIR)/mount.fuse.vfsd
	@# The loader looks nowhere but in its cache; a package's own script
	@# does this where DESTDIR is given.
	if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then \
		PATH=$$PATH:/sbin:/usr/sbin ldconfig; fi

tidy:
	@tests/tidy.sh

clean:
	rm -rf $(B)

-include $(shell test -d $(B) && find $(B) -name '*.d')
