/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_UNIT_UNIT_H
#define VEFS_TESTS_UNIT_UNIT_H

/*
 * unit - what the suites share. A suite is tests/unit/test_STEM.c with one
 * global function, Suite *test_STEM_suite(void); declare it here, name it in
 * main.c's table and the file in the Makefile.
 */
#include <check.h>
#include <stddef.h>
#include <stdint.h>

/*
 * This test cannot be run here, and why: `unit_skip("no xattrs in /tmp");
 * return;`. It counts as skipped, not as passed.
 */
#define unit_skip(reason) unit_skip_test(__func__, reason)
void unit_skip_test(const char *test, const char *reason);

/*
 * A test that goes through the rows of a table says which one comes now; it
 * is told when the test fails at it. TEXT may be NULL.
 */
#define unit_row(text) unit_row_test(__func__, text)
void unit_row_test(const char *test, const char *text);

/*
 * A stream of random numbers. It begins at the run's seed, which main prints
 * and takes from UNIT_SEED; every test should begin with a unit_rand_start()
 * of its own, so that it can be repeated alone.
 */
struct unit_rand {
	uint64_t state;
};

void unit_rand_start(struct unit_rand *r);
uint32_t unit_rand(struct unit_rand *r, uint32_t below);

/*
 * check sends each assertion that holds to the process that waits for the test,
 * so that it knows where one died: a write and an allocation there. For those
 * with millions of them that is most of what they do, so of all after the first
 * thousand of a test it is one in 256.
 */
void unit_mark(const char *file, int line);
#define _mark_point(file, line) unit_mark(file, line)

/*
 * A new empty directory, open; with `path` not NULL its name too (size
 * UNIT_PATH_MAX). Everything in it is removed when the run ends, also after a
 * crash of the test. Made in TMPDIR, else the first of /var/tmp, /tmp and
 * /dev/shm that can hold an upper directory: a real disk, not a tmpfs, where
 * there is one.
 */
#define UNIT_PATH_MAX 256
int unit_tmpdir(char *path);

/*
 * NULL, or what unit_tmpdir() lacks of what an upper directory needs (on an
 * overlayfs: whiteouts): the reason for unit_skip().
 */
const char *unit_lack(void);

/* Descriptors this process has open: equal before and after is no leak. */
size_t unit_count_fds(void);

Suite *test_STEM_suite(void);
Suite *test_absent_suite(void);
Suite *test_again_suite(void);
Suite *test_arena_suite(void);
Suite *test_array_suite(void);
Suite *test_catalog_suite(void);
Suite *test_cgborn_suite(void);
Suite *test_cgroup_suite(void);
Suite *test_cgtask_suite(void);
Suite *test_command_suite(void);
Suite *test_conf_suite(void);
Suite *test_control_suite(void);
Suite *test_copydata_suite(void);
Suite *test_crash_suite(void);
Suite *test_cpuacc_suite(void);
Suite *test_creds_suite(void);
Suite *test_ctchange_suite(void);
Suite *test_ctwords_suite(void);
Suite *test_devprog_suite(void);
Suite *test_dirlayer_suite(void);
Suite *test_dirmerge_suite(void);
Suite *test_fdcache_suite(void);
Suite *test_fdio_suite(void);
Suite *test_flockwait_suite(void);
Suite *test_footprint_suite(void);
Suite *test_follow_suite(void);
Suite *test_fusewire_suite(void);
Suite *test_gate_suite(void);
Suite *test_hier_suite(void);
Suite *test_hostquota_suite(void);
Suite *test_htable_suite(void);
Suite *test_idrange_suite(void);
Suite *test_ids_suite(void);
Suite *test_idname_suite(void);
Suite *test_index_suite(void);
Suite *test_iomode_suite(void);
Suite *test_itable_suite(void);
Suite *test_itablemove_suite(void);
Suite *test_itablerecover_suite(void);
Suite *test_itablesuspect_suite(void);
Suite *test_jail_suite(void);
Suite *test_jailwall_suite(void);
Suite *test_ledger_suite(void);
Suite *test_ledgermodel_suite(void);
Suite *test_ledgernext_suite(void);
Suite *test_lend_suite(void);
Suite *test_limit_suite(void);
Suite *test_lock_suite(void);
Suite *test_log_suite(void);
Suite *test_lookup_suite(void);
Suite *test_loop_suite(void);
Suite *test_lowerpath_suite(void);
Suite *test_net_suite(void);
Suite *test_netfiles_suite(void);
Suite *test_netlive_suite(void);
Suite *test_netplan_suite(void);
Suite *test_node_suite(void);
Suite *test_notify_suite(void);
Suite *test_notifydeath_suite(void);
Suite *test_notifyquota_suite(void);
Suite *test_object_suite(void);
Suite *test_oom_suite(void);
Suite *test_optfuzz_suite(void);
Suite *test_options_suite(void);
Suite *test_optvalue_suite(void);
Suite *test_optword_suite(void);
Suite *test_overlay_suite(void);
Suite *test_ovlrename_suite(void);
Suite *test_parse_suite(void);
Suite *test_printable_suite(void);
Suite *test_procfiles_suite(void);
Suite *test_proctext_suite(void);
Suite *test_procview_suite(void);
Suite *test_program_suite(void);
Suite *test_progress_suite(void);
Suite *test_quotaconf_suite(void);
Suite *test_quotadb_suite(void);
Suite *test_quotafile_suite(void);
Suite *test_quotalink_suite(void);
Suite *test_quotastate_suite(void);
Suite *test_quotaword_suite(void);
Suite *test_recount_suite(void);
Suite *test_scan_suite(void);
Suite *test_shm_suite(void);
Suite *test_store_suite(void);
Suite *test_slot_suite(void);
Suite *test_slottable_suite(void);
Suite *test_smallfile_suite(void);
Suite *test_storecheck_suite(void);
Suite *test_strbuf_suite(void);
Suite *test_threads_suite(void);
Suite *test_ubc_suite(void);
Suite *test_upgrade_suite(void);
Suite *test_upper_suite(void);
Suite *test_windowsum_suite(void);
Suite *test_workdir_suite(void);
Suite *test_xattrio_suite(void);
Suite *test_xattrs_suite(void);

#endif
