# SPDX-License-Identifier: GPL-2.0-or-later
#
# vefs. `make help` names the targets; `sudo make deps` comes first on a
# fresh machine. Knobs, on the command line or in the environment:
#
#	D=opt		what to build: opt   -O2, into build/bin
#				       asan  address + undefined, build/asan/bin
#				       tsan  threads, build/tsan/bin
#				       cov   coverage, build/cov/bin
#				       crash with crash points (fs/base/crash.h),
#				             build/crash/bin
#				       fuzz  by `make fuzz`
#	CC=gcc		the compiler
#	WERROR=1	0: warnings are not errors
#	PREFIX=/usr/local
#			where `make install` puts programs and manual pages
#	HELPERDIR=/sbin	where mount(8) looks for mount.vefs
#	DESTDIR=	a directory put before both (for packages)
#	SHARED=0	1: all libraries at run time, as packages want it
#	V=0		1: show every command
#	T=		`make test`: only these scripts (names below
#			tests/integration, without .sh)
#	SECONDS=60	`make fuzz`: how long each fuzzer runs
#	NAME=		`make bench`: what its results are called; latest is kept
#			in git
#	CFLAGS=, LDFLAGS=
#			added last

VERSION := 0.1.0
# fuse_reply_statx() and kill_suidgid; tools/deps.sh reads it here
LIBFUSE_MIN := 3.18.3

D ?= opt
WERROR ?= 1
SHARED ?= 0
PREFIX ?= /usr/local
HELPERDIR ?= /sbin
DESTDIR ?=
V ?= 0
T ?=
SECONDS ?= 60
NAME ?=
ifeq ($(origin CC),default)
CC := gcc
endif

# ---- sources: one name a line, each floor its own list ---------------------

# fs/base (F0)
BASE += arena
BASE += array
BASE += crash
BASE += creds
BASE += digest
BASE += fdio
BASE += flockwait
BASE += forkshare
BASE += lock
BASE += log
BASE += parse
BASE += printable
BASE += rmtree
BASE += shm
BASE += slots
BASE += smallfile
BASE += store
BASE += storecheck
BASE += strbuf
BASE += u64map
BASE += xattrio

# quota (F1)
QUOTA += charge
QUOTA += command
QUOTA += dbrecord
QUOTA += footprint
QUOTA += hostproject
QUOTA += hostquota
QUOTA += hostsubvol
QUOTA += ledger
QUOTA += ledgernext
QUOTA += limit
QUOTA += order
QUOTA += quotadb
QUOTA += recount
QUOTA += scan
QUOTA += tally
QUOTA += walk

# templates (F1)
TEMPLATES += aptmirror
TEMPLATES += catalog
TEMPLATES += catalogchange
TEMPLATES += content
TEMPLATES += diff
TEMPLATES += export
TEMPLATES += freeze
TEMPLATES += gc
TEMPLATES += gunzip
TEMPLATES += import
TEMPLATES += importdir
TEMPLATES += importimage
TEMPLATES += importtar
TEMPLATES += index
TEMPLATES += node
TEMPLATES += object
TEMPLATES += paxacl
TEMPLATES += pipeline
TEMPLATES += seal
TEMPLATES += staging
TEMPLATES += tarstream
TEMPLATES += tree
TEMPLATES += treepath
TEMPLATES += usage
TEMPLATES += verify
TEMPLATES += why

# fs/proc (F2): what a container's /proc says
PROC += cpuacc
PROC += cpuinfo
PROC += group
PROC += groupfind
PROC += grouppids
PROC += groupwalk
PROC += lastpid
PROC += meminfo
PROC += numbers
PROC += procfd
PROC += procfiles
PROC += procgather
PROC += procinside
PROC += procload
PROC += procmount
PROC += procmounts
PROC += procsmall
PROC += procsock
PROC += procstat
PROC += procstate
PROC += proctasks
PROC += proctext
PROC += procubc
PROC += source
PROC += ubckept

# fs (F2, and fuse, session: F3)
FS += absent
FS += attr
FS += backing
FS += change
FS += control
FS += copydata
FS += copyup
FS += create
FS += datafill
FS += dirlayer
FS += dirmerge
FS += dirsnap
FS += exattr
FS += fdcache
FS += file
FS += fileseek
FS += filesync
FS += follow
FS += fuse
FS += fuseattr
FS += fusedir
FS += fusefile
FS += fuseproc
FS += fuseprocops
FS += fuseproctext
FS += fusereq
FS += fusewire
FS += gate
FS += extents
FS += gatefile
FS += hostlimit
FS += htable
FS += ids
FS += iomode
FS += itable
FS += itablecount
FS += itablerecover
FS += itableset
FS += keeper
FS += late
FS += lend
FS += link
FS += lookup
FS += loop
FS += lowerpath
FS += meta
FS += misc
FS += names
FS += options
FS += optvalue
FS += optword
FS += overlay
FS += override
FS += program
FS += quotactl
FS += quotafile
FS += quotalink
FS += quotarecount
FS += recover
FS += refpack
FS += remove
FS += rename
FS += session
FS += slot
FS += stack
FS += state
FS += templatelayer
FS += turn
FS += upgrade
FS += upmark
FS += upper
FS += window
FS += windowrun
FS += windowsum
FS += workdir
FS += worker
FS += xattrs

# tools/ct (F4): what runs containers
CT += attach
CT += cgborn
CT += cgchange
CT += cgdevice
CT += cgio
CT += cglimit
CT += cgmemory
CT += cgroup
CT += cgtask
CT += cgtree
CT += cgusage
CT += console
CT += devprog
CT += hier
CT += idrange
CT += jail
CT += jailcaps
CT += jaildev
CT += jailfilter
CT += jailmask
CT += jailmount
CT += knob
CT += launch
CT += net
CT += netend
CT += netfiles
CT += nethost
CT += netip
CT += netkept
CT += netmsg
CT += netplan
CT += newborn
CT += notify
CT += notifyabi
CT += notifycaller
CT += notifycpus
CT += notifyloop
CT += notifyquota
CT += procserve
CT += rtnl
CT += spec
CT += standin
CT += usual
CT += wire

# tools (F5): the programs, then what each is made of
VEFS += tools/vefs.c
VEFS += tools/beside.c
VEFS += tools/cmd_container.c
VEFS += tools/cmd_create.c
VEFS += tools/cmd_quota.c
VEFS += tools/cmd_quota_look.c
VEFS += tools/cmd_quota_set.c
VEFS += tools/cmdtext.c
VEFS += tools/conf.c
VEFS += tools/container.c
VEFS += tools/containermake.c
VEFS += tools/ctchange.c
VEFS += tools/ctclaim.c
VEFS += tools/ctmean.c
VEFS += tools/ctmeannet.c
VEFS += tools/ctmount.c
VEFS += tools/ctname.c
VEFS += tools/ctnet.c
VEFS += tools/ctscript.c
VEFS += tools/ctvalue.c
VEFS += tools/ctwords.c
VEFS += tools/handover.c
VEFS += tools/idname.c
VEFS += tools/mounting.c
VEFS += tools/qchange.c
VEFS += tools/quotaask.c
VEFS += tools/quotaconf.c
VEFS += tools/quotaprint.c
VEFS += tools/quotastate.c
VEFS += tools/quotaword.c
VEFS += tools/runstate.c
VEFS += tools/work.c
PROGRAMS += vefs
vefs_SRC += $(VEFS)
vefs_SRC += tools/cmd_ct_run.c
vefs_SRC += tools/cmd_template_run.c
PROGRAMS += vefs-template
vefs-template_SRC += $(VEFS)
vefs-template_SRC += tools/cmd_ct_run.c
vefs-template_SRC += tools/cmd_template.c
vefs-template_SRC += tools/cmd_template_import.c
vefs-template_SRC += tools/cmd_template_keep.c
vefs-template_SRC += tools/cmd_template_look.c
vefs-template_SRC += tools/jsontext.c
vefs-template_SRC += tools/outfile.c
vefs-template_SRC += tools/progress.c
PROGRAMS += vefs-ct
vefs-ct_SRC += $(VEFS)
vefs-ct_SRC += tools/attendant.c
vefs-ct_SRC += tools/bootwait.c
vefs-ct_SRC += tools/cmd_exec.c
vefs-ct_SRC += tools/cmd_list.c
vefs-ct_SRC += tools/cmd_proc.c
vefs-ct_SRC += tools/cmd_run.c
vefs-ct_SRC += tools/cmd_set.c
vefs-ct_SRC += tools/cmd_start.c
vefs-ct_SRC += tools/cmd_status.c
vefs-ct_SRC += tools/cmd_template_run.c
vefs-ct_SRC += tools/cmd_ubc.c
vefs-ct_SRC += tools/ctbegin.c
vefs-ct_SRC += tools/ctfield.c
vefs-ct_SRC += tools/ctfiles.c
vefs-ct_SRC += tools/ctinside.c
vefs-ct_SRC += tools/ctjob.c
vefs-ct_SRC += tools/ctlive.c
vefs-ct_SRC += tools/ctlook.c
vefs-ct_SRC += tools/ctorphan.c
vefs-ct_SRC += tools/ctpasswd.c
vefs-ct_SRC += tools/ctquota.c
vefs-ct_SRC += tools/ctwork.c
vefs-ct_SRC += tools/inside.c
vefs-ct_SRC += tools/jsontext.c
vefs-ct_SRC += tools/mass.c
vefs-ct_SRC += tools/masspick.c
vefs-ct_SRC += tools/massrun.c
vefs-ct_SRC += tools/monitor.c
vefs-ct_SRC += tools/monitorend.c
vefs-ct_SRC += tools/monitorhold.c
vefs-ct_SRC += tools/monitormake.c
vefs-ct_SRC += tools/monitorpriv.c
vefs-ct_SRC += tools/monitorstart.c
vefs-ct_SRC += tools/progress.c
vefs-ct_SRC += tools/procinto.c
vefs-ct_SRC += tools/relay.c
PROGRAMS += vefsd
vefsd_SRC += tools/vefsd.c

# other names of a program: NAME:PROGRAM
LINKS := mount.vefs:vefsd

# tests/unit: all one program, build/$(D)/tests/unit
UNIT += books
UNIT += conflines
UNIT += crashed
UNIT += ctgroup
UNIT += itab
UNIT += jailed
UNIT += main
UNIT += notifyrig
UNIT += optline
UNIT += ovl
UNIT += test_absent
UNIT += test_again
UNIT += test_arena
UNIT += test_array
UNIT += test_catalog
UNIT += test_cgborn
UNIT += test_cgroup
UNIT += test_cgtask
UNIT += test_command
UNIT += test_conf
UNIT += test_control
UNIT += test_copydata
UNIT += test_crash
UNIT += test_cpuacc
UNIT += test_creds
UNIT += test_ctchange
UNIT += test_ctwords
UNIT += test_devprog
UNIT += test_dirlayer
UNIT += test_dirmerge
UNIT += test_fdcache
UNIT += test_fdio
UNIT += test_flockwait
UNIT += test_footprint
UNIT += test_follow
UNIT += test_fusewire
UNIT += test_gate
UNIT += test_hier
UNIT += test_hostquota
UNIT += test_htable
UNIT += test_idrange
UNIT += test_ids
UNIT += test_idname
UNIT += test_index
UNIT += test_iomode
UNIT += test_itable
UNIT += test_itablemove
UNIT += test_itablerecover
UNIT += test_itablesuspect
UNIT += test_jail
UNIT += test_jailwall
UNIT += test_ledger
UNIT += test_ledgermodel
UNIT += test_ledgernext
UNIT += test_lend
UNIT += test_limit
UNIT += test_lock
UNIT += test_log
UNIT += test_lookup
UNIT += test_loop
UNIT += test_lowerpath
UNIT += test_net
UNIT += test_netfiles
UNIT += test_netlive
UNIT += test_netplan
UNIT += test_node
UNIT += test_notify
UNIT += test_notifydeath
UNIT += test_notifyquota
UNIT += test_object
UNIT += test_oom
UNIT += test_optfuzz
UNIT += test_options
UNIT += test_optvalue
UNIT += test_optword
UNIT += test_overlay
UNIT += test_ovlrename
UNIT += test_parse
UNIT += test_printable
UNIT += test_procfiles
UNIT += test_proctext
UNIT += test_procview
UNIT += test_program
UNIT += test_progress
UNIT += test_quotaconf
UNIT += test_quotadb
UNIT += test_quotafile
UNIT += test_quotalink
UNIT += test_quotastate
UNIT += test_quotaword
UNIT += test_recount
UNIT += test_scan
UNIT += test_shm
UNIT += test_store
UNIT += test_slot
UNIT += test_slottable
UNIT += test_smallfile
UNIT += test_storecheck
UNIT += test_strbuf
UNIT += test_threads
UNIT += test_ubc
UNIT += test_upgrade
UNIT += test_upper
UNIT += test_windowsum
UNIT += test_workdir
UNIT += test_xattrio
UNIT += test_xattrs
UNIT += world

# what they test of the tools
UNIT_TOOLS += cmdtext
UNIT_TOOLS += conf
UNIT_TOOLS += container
UNIT_TOOLS += containermake
UNIT_TOOLS += ctchange
UNIT_TOOLS += ctmean
UNIT_TOOLS += ctmeannet
UNIT_TOOLS += ctname
UNIT_TOOLS += ctvalue
UNIT_TOOLS += ctwords
UNIT_TOOLS += idname
UNIT_TOOLS += progress
UNIT_TOOLS += quotaask
UNIT_TOOLS += quotaconf
UNIT_TOOLS += quotastate
UNIT_TOOLS += quotaword

# what test scripts are helped by, build/$(D)/tests/NAME: the programs, then
# what each is made of
HELPERS += ctask
ctask_SRC += tests/integration/ct/ctask.c
HELPERS += ctcg
ctcg_SRC += tests/integration/ctcg/ctcg.c
HELPERS += vt
vt_SRC += tests/integration/vt/vt.c
vt_SRC += tests/integration/vt/vt_data.c
vt_SRC += tests/integration/vt/vt_dir.c
vt_SRC += tests/integration/vt/vt_map.c
vt_SRC += tests/integration/vt/vt_name.c
vt_SRC += tests/integration/vt/vt_ops.c
vt_SRC += tests/integration/vt/vt_own.c
vt_SRC += tests/integration/vt/vt_quota.c
vt_SRC += tests/integration/vt/vt_wait.c
HELPERS += ctrun
ctrun_SRC += tests/integration/ct/ctrun.c
HELPERS += escape
escape_SRC += tests/integration/escape/calls.c
escape_SRC += tests/integration/escape/escape.c
escape_SRC += tests/integration/escape/mounts.c
escape_SRC += tests/integration/escape/procs.c
HELPERS += stress/faults
stress/faults_SRC += tests/stress/faults.c
stress/faults_SRC += tests/stress/faults_begin.c
stress/faults_SRC += tests/stress/faults_mount.c
stress/faults_SRC += tests/stress/faults_ops.c
stress/faults_SRC += tests/stress/faults_run.c
stress/faults_SRC += tests/stress/faults_state.c
stress/faults_SRC += tests/stress/faults_table.c
stress/faults_SRC += tests/stress/faults_tell.c
stress/faults_SRC += tests/stress/faults_tree.c
HELPERS += stress/kill
stress/kill_SRC += tests/stress/kill.c
stress/kill_SRC += tests/stress/kill_attr.c
stress/kill_SRC += tests/stress/kill_call.c
stress/kill_SRC += tests/stress/kill_check.c
stress/kill_SRC += tests/stress/kill_data.c
stress/kill_SRC += tests/stress/kill_dir.c
stress/kill_SRC += tests/stress/kill_file.c
stress/kill_SRC += tests/stress/kill_killer.c
stress/kill_SRC += tests/stress/kill_low.c
stress/kill_SRC += tests/stress/kill_lowdir.c
stress/kill_SRC += tests/stress/kill_lowdo.c
stress/kill_SRC += tests/stress/kill_meet.c
stress/kill_SRC += tests/stress/kill_model.c
stress/kill_SRC += tests/stress/kill_names.c
stress/kill_SRC += tests/stress/kill_open.c
stress/kill_SRC += tests/stress/kill_pass.c
stress/kill_SRC += tests/stress/kill_points.c
stress/kill_SRC += tests/stress/kill_report.c
stress/kill_SRC += tests/stress/kill_run.c
HELPERS += stress/ns
stress/ns_SRC += tests/stress/ns.c
stress/ns_SRC += tests/stress/ns_meet.c
stress/ns_SRC += tests/stress/ns_model.c
stress/ns_SRC += tests/stress/ns_own.c
HELPERS += stress/quota
stress/quota_SRC += tests/stress/quota.c
HELPERS += stress/powercut
stress/powercut_SRC += tests/stress/powercut.c
stress/powercut_SRC += tests/stress/powercut_check.c
stress/powercut_SRC += tests/stress/powercut_data.c
stress/powercut_SRC += tests/stress/powercut_disk.c
stress/powercut_SRC += tests/stress/powercut_found.c
stress/powercut_SRC += tests/stress/powercut_load.c
stress/powercut_SRC += tests/stress/powercut_lower.c
stress/powercut_SRC += tests/stress/powercut_model.c
stress/powercut_SRC += tests/stress/powercut_plan.c

# loaded into the daemon before libc: build/$(D)/tests/NAME.so
PRELOADS += integration/escape/borrow
PRELOADS += integration/escape/late
PRELOADS += integration/syncs
PRELOADS += stress/faultlib

# single-file programs: build/$(D)/tests/stress/NAME, build/$(D)/bench/NAME
STRESS :=
BENCH += aside
BENCH += floor
BENCH += micro
BENCH += mkfiles
BENCH += procread
BENCH += scan

# what else is linked into one of them
floor_PARTS += floorops
floor_PARTS += floortree

# fuzzers, built by `make fuzz`: build/fuzz/tests/fuzz/NAME
FUZZ += fuzz_command
FUZZ += fuzz_import
FUZZ += fuzz_index
FUZZ += fuzz_proc
FUZZ += fuzz_quotadb
FUZZ += fuzz_words

# manual pages: tools/NAME
MAN8 := mount.vefs.8 vefs.8 vefs-create.8 vefs-exec.8 vefs-list.8 vefs-quota.8 \
	vefs-set.8 vefs-start.8 vefs-template.8 vefs-ubc.8 \
	vefsd.8

# what containers can begin with: tools/samples/NAME, into /etc/vefs/vefs.d
SAMPLES := basic.sample small.sample unlimited.sample

# where bash and systemd look
COMPLETIONS = $(PREFIX)/share/bash-completion/completions
UNITS = $(PREFIX)/lib/systemd/system
MOUNT_UNITS := var-lib-vefs-root-.mount.d

# ---- flags -----------------------------------------------------------------

B := build/$(D)
BIN := $(if $(filter opt,$(D)),build/bin,$(B)/bin)

FLAGS_opt := -O2 -g -D_FORTIFY_SOURCE=2
FLAGS_asan := -O1 -g1 -fsanitize=address,undefined -fno-omit-frame-pointer \
	-fno-sanitize-recover=undefined
FLAGS_tsan := -O1 -g1 -fsanitize=thread -fno-omit-frame-pointer
FLAGS_cov := -O0 -g --coverage
FLAGS_crash := -O2 -g -D_FORTIFY_SOURCE=2 -DVEFS_CRASH
FLAGS_fuzz := -O1 -g -Wno-gnu-variable-sized-type-not-at-end \
	-fsanitize=address,undefined,fuzzer-no-link \
	-fno-sanitize-recover=undefined
LINK_opt :=
LINK_asan := -fsanitize=address,undefined
LINK_tsan := -fsanitize=thread
LINK_cov := --coverage
LINK_crash :=
LINK_fuzz := -fsanitize=address,undefined

ifeq ($(FLAGS_$(D)),)
$(error D=$(D): there are opt, asan, tsan, cov, crash and fuzz)
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wmissing-declarations -Wold-style-definition -Wpointer-arith -Wvla \
	-Wformat=2 -Wundef -Wwrite-strings -Wnested-externs \
	-Wimplicit-fallthrough -Winit-self -Wredundant-decls \
	-Wlogical-op -Wduplicated-cond -Wduplicated-branches
ifeq ($(D),fuzz)
# clang, which knows others
CC := clang
WARNINGS := -Wall -Wextra -Wno-gnu-variable-sized-type-not-at-end
endif
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif

# our own libfuse, where `make deps` had to build one
PKG_CONFIG := PKG_CONFIG_PATH='$(CURDIR)/build/deps/lib/pkgconfig:$(PKG_CONFIG_PATH)' \
	pkg-config

# $(call pkg,VARIABLE,--cflags|--libs,MODULE): asked once, when first needed
pkg = $(eval $(1) := $(subst -I,-isystem ,$(shell $(PKG_CONFIG) $(2) $(3))))$($(1))
FUSE_CFLAGS = $(call pkg,FUSE_CFLAGS,--cflags,fuse3)
FUSE_LIBS = $(call pkg,FUSE_LIBS,--libs,fuse3)
STORE_LIBS = $(call pkg,STORE_LIBS,--libs,lmdb libxxhash libarchive jansson nettle zlib)
CT_LIBS = $(call pkg,CT_LIBS,--libs,libmnl libseccomp libcap)
CHECK_CFLAGS = $(call pkg,CHECK_CFLAGS,--cflags,check)
CHECK_LIBS = $(call pkg,CHECK_LIBS,--libs,check)

ALL_CPPFLAGS = -I. -D_GNU_SOURCE -DVEFS_VERSION='"$(VERSION)"' $(CPPFLAGS)
ALL_CFLAGS = -std=gnu11 $(FLAGS_$(D)) -fPIE -fstack-protector-strong \
	-fno-strict-aliasing -fno-common -pthread $(WARNINGS) $(CFLAGS)
ALL_LDFLAGS = -pie -pthread $(LINK_$(D)) -Wl,-z,relro,-z,now -Wl,--as-needed \
	$(LDFLAGS)

# Small libraries, linked into the programs where the compiler finds their
# archives: a program that a mount or a start executes is up 0.1 to 0.2 ms
# sooner (bench/README.md).
INSIDE := $(if $(filter 1,$(SHARED)),,lmdb xxhash jansson seccomp cap)
# Without an archive the compiler echoes a name without a path.
$(foreach l,$(INSIDE),$(eval archive_$(l) := $(filter /%,$(shell \
	$(CC) -print-file-name=lib$(l).a 2>/dev/null))))
LIBS = $(foreach l,$(FUSE_LIBS) $(STORE_LIBS) $(CT_LIBS),$(or \
	$(archive_$(l:-l%=%)),$(l)))

# ---- building --------------------------------------------------------------

Q := $(if $(filter 1,$(V)),,@)
say = @$(if $(filter 1,$(V)),:,printf '  %-4s %s\n' $(1) '$(2)')

lib := $(B)/obj/libvefs.a
ctlib := $(B)/obj/libvefsct.a
ct_src := $(CT:%=tools/ct/%.c)
lib_src := $(BASE:%=fs/base/%.c) $(QUOTA:%=quota/%.c) $(TEMPLATES:%=templates/%.c) $(PROC:%=fs/proc/%.c) $(FS:%=fs/%.c)
unit_src := $(UNIT:%=tests/unit/%.c)
single_src := $(STRESS:%=tests/stress/%.c) $(BENCH:%=bench/%.c) \
	$(foreach p,$(BENCH),$($(p)_PARTS:%=bench/%.c)) \
	$(FUZZ:%=tests/fuzz/%.c)
program_src := $(foreach p,$(PROGRAMS) $(HELPERS),$($(p)_SRC))
preload_src := $(PRELOADS:%=tests/%.c)
sources := $(lib_src) $(ct_src) $(sort $(program_src)) $(unit_src) $(single_src) $(preload_src)
objects := $(sources:%.c=$(B)/obj/%.o)

programs := $(PROGRAMS:%=$(BIN)/%)
links := $(foreach l,$(LINKS),$(BIN)/$(word 1,$(subst :, ,$(l))))
unit := $(if $(UNIT),$(B)/tests/unit)
helpers := $(HELPERS:%=$(B)/tests/%) $(STRESS:%=$(B)/tests/stress/%) \
	$(PRELOADS:%=$(B)/tests/%.so)
benches := $(BENCH:%=$(B)/bench/%)
fuzzers := $(FUZZ:%=$(B)/tests/fuzz/%)

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.DEFAULT_GOAL := all

all: $(programs) $(links) $(helpers) $(benches)
programs: $(programs) $(links)
helpers: $(helpers)
objects: $(objects)

# What everything was compiled with: new flags compile everything anew.
$(B)/flags: FORCE | $(B)/libfuse
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) \
		$(ALL_LDFLAGS) $(FUSE_CFLAGS) $(LIBS))' >$@.$$PPID
	@if cmp -s $@ $@.$$PPID; then rm $@.$$PPID; else mv $@.$$PPID $@; fi

$(B)/libfuse:
	@$(PKG_CONFIG) --atleast-version=$(LIBFUSE_MIN) fuse3 || { \
		echo "libfuse $(LIBFUSE_MIN) or later is missing:" \
			"sudo make deps" >&2; \
		exit 1; }
	@mkdir -p $(@D)
	@touch $@

$(B)/obj/tests/unit/%.o: tests/unit/%.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(FUSE_CFLAGS) $(CHECK_CFLAGS) $(ALL_CFLAGS) \
		-MMD -MP -c -o $@ $<

$(B)/obj/%.o: %.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(FUSE_CFLAGS) $(ALL_CFLAGS) -MMD -MP \
		-c -o $@ $<

$(lib): $(lib_src:%.c=$(B)/obj/%.o)
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)ar rcsD $@ $^

$(ctlib): $(ct_src:%.c=$(B)/obj/%.o)
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)ar rcsD $@ $^

define link
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^) \
		$(1) $(LIBS)
endef

# $(call program_rule,NAME,DIRECTORY)
define program_rule
$(2)/$(1): $($(1)_SRC:%.c=$(B)/obj/%.o) $(ctlib) $(lib)
	$$(call link)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p),$(BIN))))
$(foreach p,$(HELPERS),$(eval $(call program_rule,$(p),$(B)/tests)))

define link_rule
$(BIN)/$(word 1,$(1)): $(BIN)/$(word 2,$(1))
	@ln -sf $(word 2,$(1)) $$@
endef
$(foreach l,$(LINKS),$(eval $(call link_rule,$(subst :, ,$(l)))))

$(B)/tests/unit: $(unit_src:%.c=$(B)/obj/%.o) $(UNIT_TOOLS:%=$(B)/obj/tools/%.o) $(ctlib) $(lib)
	$(call link,$(CHECK_LIBS))

$(B)/tests/stress/%: $(B)/obj/tests/stress/%.o $(lib)
	$(call link)

# no sanitizer in what comes before the sanitizer
$(preload_src:%.c=$(B)/obj/%.o): FLAGS_$(D) := -O2 -g
$(preload_src:%.c=$(B)/obj/%.o): ALL_CFLAGS += -fPIC

$(B)/tests/%.so: $(B)/obj/tests/%.o
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -Wl,-z,relro,-z,now -o $@ $<

$(foreach p,$(BENCH),$(eval $(B)/bench/$(p): \
	$($(p)_PARTS:%=$(B)/obj/bench/%.o)))
$(B)/bench/%: $(B)/obj/bench/%.o $(lib)
	$(call link)

$(B)/tests/fuzz/%: $(B)/obj/tests/fuzz/%.o $(UNIT_TOOLS:%=$(B)/obj/tools/%.o) $(ctlib) $(lib)
	$(call link,-fsanitize=fuzzer)

-include $(objects:.o=.d)

# ---- everything else -------------------------------------------------------

# The three that a fresh machine may begin with fetch what is missing first;
# what they then need of pkg-config is known only to a second make.
need = @tools/deps.sh check $(1) || tools/deps.sh $(1)
again = +@$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

deps:
	@tools/deps.sh

check: $(unit)
	$(if $(unit),$(unit),@echo "no unit tests are listed")

test:
	$(call need,build test)
	$(again) run-tests

run-tests: all $(unit)
	@D=$(D) VEFS_BIN='$(CURDIR)/$(BIN)' tests/run.sh $(T)

# Hours, some of it; what came out stands in tests/README.md.
stress:
	$(call need,build test)
	$(again) D=crash run-stress

run-stress: all
	@export D=$(D) VEFS_BIN='$(CURDIR)/$(BIN)'; status=0; \
	KILLS=2000 tests/run.sh stress/kill || status=1; \
	VARIANTS='signals inodes upgrade' tests/run.sh stress/kill || status=1; \
	CUTS=100 tests/run.sh stress/powercut || status=1; \
	DEPTH=2 tests/run.sh stress/faults || status=1; \
	tests/run.sh stress/killprogs stress/ns || status=1; \
	CT_LONG=1 tests/run.sh ctquotatools cttools ctnest || status=1; \
	exit $$status

# Peers that cannot be installed are left out, and said so.
bench:
	$(call need,build test bench)
	-$(call need,peers)
	$(again) run-bench

bench-quick:
	$(call need,build test bench)
	$(again) run-bench QUICK=-q

run-bench: all
	@VEFS_BIN='$(CURDIR)/$(BIN)' BENCH_BIN='$(CURDIR)/$(B)/bench' \
		bench/all.sh $(QUICK) $(NAME)

# Fuzzers are clang's, and built apart.
fuzz:
	$(call need,build test lint)
	$(again) D=fuzz run-fuzz

run-fuzz: $(fuzzers)
	@FUZZ='$(CURDIR)/$(B)/tests/fuzz' tests/fuzz/run.sh $(SECONDS)

demo:
	$(call need,build test)
	$(again) programs
	@VEFS_BIN='$(CURDIR)/$(BIN)' tools/demo.sh

# The linters see what gcc sees: the same files with the same flags.
lint: objects
	@FLAGS='-std=gnu11 -I. -D_GNU_SOURCE $(FUSE_CFLAGS) $(CHECK_CFLAGS)' \
		OBJECTS='$(B)/obj' tests/lint/run.sh $(sources)

format:
	@find $(wildcard fs quota templates tools tests bench) -name '*.[ch]' \
		-exec clang-format -i {} +

install: programs
	install -d '$(DESTDIR)$(PREFIX)/sbin' '$(DESTDIR)$(HELPERDIR)' \
		'$(DESTDIR)$(PREFIX)/share/man/man8' \
		'$(DESTDIR)/etc/vefs/vefs.d' '$(DESTDIR)$(COMPLETIONS)' \
		'$(DESTDIR)$(UNITS)/$(MOUNT_UNITS)'
	install -m 0755 $(programs) '$(DESTDIR)$(PREFIX)/sbin'
	ln -sf '$(PREFIX)/sbin/vefsd' '$(DESTDIR)$(HELPERDIR)/mount.vefs'
	ln -sf '$(PREFIX)/sbin/vefsd' '$(DESTDIR)$(HELPERDIR)/mount.fuse.vefs'
	install -m 0644 $(MAN8:%=tools/%) \
		'$(DESTDIR)$(PREFIX)/share/man/man8'
	install -m 0644 tools/vefs.bash-completion \
		'$(DESTDIR)$(COMPLETIONS)/vefs'
	sed 's|@SBIN@|$(PREFIX)/sbin|' tools/vefs.service \
		>'$(DESTDIR)$(UNITS)/vefs.service'
	chmod 0644 '$(DESTDIR)$(UNITS)/vefs.service'
	install -m 0644 tools/vefs-mount.conf \
		'$(DESTDIR)$(UNITS)/$(MOUNT_UNITS)/vefs.conf'
	for s in $(SAMPLES); do \
		test -e '$(DESTDIR)/etc/vefs/vefs.d'/$$s || \
		install -m 0644 tools/samples/$$s \
			'$(DESTDIR)/etc/vefs/vefs.d' || exit 1; \
	done

uninstall:
	rm -f $(PROGRAMS:%='$(DESTDIR)$(PREFIX)/sbin/%') \
		'$(DESTDIR)$(HELPERDIR)/mount.vefs' \
		'$(DESTDIR)$(HELPERDIR)/mount.fuse.vefs' \
		'$(DESTDIR)$(COMPLETIONS)/vefs' \
		'$(DESTDIR)$(UNITS)/vefs.service' \
		'$(DESTDIR)$(UNITS)/$(MOUNT_UNITS)/vefs.conf' \
		$(MAN8:%='$(DESTDIR)$(PREFIX)/share/man/man8/%')

# The libfuse in build/deps stays, it takes a network to get it again.
clean:
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 \
		! -name deps ! -name demo -exec rm -rf {} +; fi

help:
	@echo 'make [TARGET] [D=opt|asan|tsan|cov|crash|fuzz] [KNOB=...]; knobs: head of Makefile'
	@echo
	@echo '  all        the programs, into build/bin (default)'
	@echo '  deps       install what is needed to build, test, measure (root)'
	@echo '  demo       deps, build, mount a container root and show it (root)'
	@echo '  test       deps, build, run every test (root)'
	@echo '  stress     kills, power cuts, faults: the long runs (root)'
	@echo '  check      the unit tests alone'
	@echo '  bench      deps, build, measure against the peers: 25 minutes (root)'
	@echo '  bench-quick  the same, smaller: 4 minutes'
	@echo '  fuzz       the fuzzers, each for SECONDS=60'
	@echo '  lint       clang-format, clang-tidy, cppcheck, shellcheck, floors'
	@echo '  format     let clang-format have its way'
	@echo '  install    programs, manual pages and what goes with them,'
	@echo '             below DESTDIR and PREFIX'
	@echo '  uninstall  take them away again'
	@echo '  clean      remove what was built, but not build/deps'

FORCE:
.PHONY: FORCE all programs helpers objects deps check test run-tests stress run-stress \
	bench bench-quick run-bench fuzz run-fuzz \
	demo lint format install uninstall clean help
