/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unit - all unit tests in one program. Each test runs in a process of its
 * own, so a crash is one failure; and so does each suite: what `check` keeps of
 * every assertion would make the processes of all later tests dearer, with a
 * sanitizer by far more than what they do.
 *
 *	unit [SUITE]...		all suites, or those named
 *
 * UNIT_SEED=N repeats a run's random inputs; check's own CK_FORK=no (for a
 * debugger), CK_RUN_CASE, CK_VERBOSITY and others work too. The last line is
 * "N passed, N failed, N skipped"; the exit code is 0 when none failed.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/parse.h"
#include "fs/base/rmtree.h"

static const struct {
	const char *name;
	Suite *(*make)(void);
} suites[] = {
	{ "absent", test_absent_suite },
	{ "again", test_again_suite },
	{ "arena", test_arena_suite },
	{ "array", test_array_suite },
	{ "catalog", test_catalog_suite },
	{ "cgborn", test_cgborn_suite },
	{ "cgroup", test_cgroup_suite },
	{ "cgtask", test_cgtask_suite },
	{ "command", test_command_suite },
	{ "conf", test_conf_suite },
	{ "control", test_control_suite },
	{ "copydata", test_copydata_suite },
	{ "crash", test_crash_suite },
	{ "cpuacc", test_cpuacc_suite },
	{ "creds", test_creds_suite },
	{ "ctchange", test_ctchange_suite },
	{ "ctwords", test_ctwords_suite },
	{ "devprog", test_devprog_suite },
	{ "dirlayer", test_dirlayer_suite },
	{ "dirmerge", test_dirmerge_suite },
	{ "fdcache", test_fdcache_suite },
	{ "fdio", test_fdio_suite },
	{ "flockwait", test_flockwait_suite },
	{ "footprint", test_footprint_suite },
	{ "follow", test_follow_suite },
	{ "fusewire", test_fusewire_suite },
	{ "gate", test_gate_suite },
	{ "hier", test_hier_suite },
	{ "hostquota", test_hostquota_suite },
	{ "htable", test_htable_suite },
	{ "idrange", test_idrange_suite },
	{ "ids", test_ids_suite },
	{ "idname", test_idname_suite },
	{ "index", test_index_suite },
	{ "iomode", test_iomode_suite },
	{ "itable", test_itable_suite },
	{ "itablemove", test_itablemove_suite },
	{ "itablerecover", test_itablerecover_suite },
	{ "itablesuspect", test_itablesuspect_suite },
	{ "jail", test_jail_suite },
	{ "jailwall", test_jailwall_suite },
	{ "ledger", test_ledger_suite },
	{ "ledgermodel", test_ledgermodel_suite },
	{ "ledgernext", test_ledgernext_suite },
	{ "lend", test_lend_suite },
	{ "limit", test_limit_suite },
	{ "lock", test_lock_suite },
	{ "log", test_log_suite },
	{ "lookup", test_lookup_suite },
	{ "loop", test_loop_suite },
	{ "lowerpath", test_lowerpath_suite },
	{ "net", test_net_suite },
	{ "netfiles", test_netfiles_suite },
	{ "netlive", test_netlive_suite },
	{ "netplan", test_netplan_suite },
	{ "node", test_node_suite },
	{ "notify", test_notify_suite },
	{ "notifydeath", test_notifydeath_suite },
	{ "notifyquota", test_notifyquota_suite },
	{ "object", test_object_suite },
	{ "oom", test_oom_suite },
	{ "optfuzz", test_optfuzz_suite },
	{ "options", test_options_suite },
	{ "optvalue", test_optvalue_suite },
	{ "optword", test_optword_suite },
	{ "overlay", test_overlay_suite },
	{ "ovlrename", test_ovlrename_suite },
	{ "parse", test_parse_suite },
	{ "printable", test_printable_suite },
	{ "procfiles", test_procfiles_suite },
	{ "proctext", test_proctext_suite },
	{ "procview", test_procview_suite },
	{ "program", test_program_suite },
	{ "progress", test_progress_suite },
	{ "quotaconf", test_quotaconf_suite },
	{ "quotadb", test_quotadb_suite },
	{ "quotafile", test_quotafile_suite },
	{ "quotalink", test_quotalink_suite },
	{ "quotastate", test_quotastate_suite },
	{ "quotaword", test_quotaword_suite },
	{ "recount", test_recount_suite },
	{ "scan", test_scan_suite },
	{ "shm", test_shm_suite },
	{ "store", test_store_suite },
	{ "slot", test_slot_suite },
	{ "slottable", test_slottable_suite },
	{ "smallfile", test_smallfile_suite },
	{ "storecheck", test_storecheck_suite },
	{ "strbuf", test_strbuf_suite },
	{ "threads", test_threads_suite },
	{ "ubc", test_ubc_suite },
	{ "upgrade", test_upgrade_suite },
	{ "upper", test_upper_suite },
	{ "windowsum", test_windowsum_suite },
	{ "workdir", test_workdir_suite },
	{ "xattrio", test_xattrio_suite },
	{ "xattrs", test_xattrs_suite },
};

/* What the tests' processes report to this one. */
struct shared {
	_Atomic unsigned skipped;
	_Atomic unsigned dirs;
	_Atomic unsigned run, failed;
	_Atomic unsigned n_rows;
	/* One for each test with rows; empty again when it came to its end. */
	struct row {
		char test[64], text[160];
	} rows[200];
};

static struct shared *shared;
static uint64_t seed;
static struct row *own_row;
static char top[UNIT_PATH_MAX - 16]; /* holds every unit_tmpdir() */
static const char *lack;	     /* what cannot be done there, or NULL */

void unit_skip_test(const char *test, const char *reason)
{
	atomic_fetch_add(&shared->skipped, 1);
	printf("SKIP %s: %s\n", test, reason);
	fflush(stdout);
}

/* Not called by a test that failed or crashed. */
static void forget_row(void)
{
	own_row->text[0] = '\0';
}

void unit_row_test(const char *test, const char *text)
{
	if (!own_row) {
		unsigned n = atomic_fetch_add(&shared->n_rows, 1);

		own_row = &shared->rows[n % ARRAY_SIZE(shared->rows)];
		atexit(forget_row);
	}
	snprintf(own_row->test, sizeof(own_row->test), "%s", test);
	snprintf(own_row->text, sizeof(own_row->text), "%s",
		 text ? text : "(none)");
}

#undef _mark_point

void unit_mark(const char *file, int line)
{
	static _Atomic unsigned marks;
	unsigned n = atomic_fetch_add_explicit(&marks, 1, memory_order_relaxed);

	if (n < 1000 || n % 256 == 0)
		_mark_point(file, line);
}

static void tell_rows(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(shared->rows); i++)
		if (shared->rows[i].text[0])
			printf("%s stopped at: %s\n", shared->rows[i].test,
			       shared->rows[i].text);
}

void unit_rand_start(struct unit_rand *r)
{
	r->state = seed;
}

/* splitmix64 */
uint32_t unit_rand(struct unit_rand *r, uint32_t below)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) % below);
}

int unit_tmpdir(char *path)
{
	char name[UNIT_PATH_MAX];
	int fd;

	snprintf(name, sizeof(name), "%s/%u", top,
		 atomic_fetch_add(&shared->dirs, 1));
	ck_assert_msg(!mkdir(name, 0755), "mkdir %s: %s", name,
		      strerror(errno));
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "open %s: %s", name, strerror(errno));
	if (path)
		memcpy(path, name, strlen(name) + 1);
	return fd;
}

size_t unit_count_fds(void)
{
	_cleanup_closedir_ DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	return n;
}

/* ---- where unit_tmpdir() is ---------------------------------------------- */

/* NULL, or what an upper directory needs and this one does not have. */
static const char *find_lack(int dir)
{
	const char *what = NULL;

	if (fsetxattr(dir, "trusted.probe", "", 0, 0) ||
	    fremovexattr(dir, "trusted.probe"))
		return "no trusted xattrs";
	if (mkdirat(dir, "a", 0700))
		return "no directories";
	if (renameat2(dir, "a", dir, "b", RENAME_WHITEOUT))
		what = "no RENAME_WHITEOUT";
	rmtree_at(dir, "a");
	rmtree_at(dir, "b");
	return what;
}

/* A directory of ours in `place`, as `top`. */
static int make_top(const char *place)
{
	_cleanup_close_ int dir = -1;
	int n = snprintf(top, sizeof(top), "%s/vefs-unit-XXXXXX", place);

	if (n >= (int)sizeof(top))
		return -ENAMETOOLONG;
	if (!mkdtemp(top))
		return -errno;
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	lack = find_lack(dir);
	return 0;
}

/* TMPDIR, or the first that lacks nothing, or the first. */
static int choose_top(void)
{
	const char *given = getenv("TMPDIR");
	const char *places[] = { "/var/tmp", "/tmp", "/dev/shm", "/var/tmp" };
	size_t n = ARRAY_SIZE(places);
	int r = -ENOENT;

	if (given && *given) {
		places[0] = given;
		n = 1;
	}
	for (size_t i = 0; i < n; i++) {
		r = make_top(places[i]);
		if (r == 0 && (!lack || i + 1 == n))
			break;
		if (r == 0)
			rmdir(top);
	}
	if (r < 0)
		fprintf(stderr, "no directory in %s: %s\n", places[n - 1],
			strerror(-r));
	else if (lack)
		printf("%s: %s: set TMPDIR to a real disk\n", top, lack);
	return r;
}

static int remove_top(void)
{
	char *name = strrchr(top, '/') + 1;
	_cleanup_close_ int place = -1;

	name[-1] = '\0';
	place = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	name[-1] = '/';
	return place < 0 ? -errno : rmtree_at(place, name);
}

const char *unit_lack(void)
{
	return lack;
}

static int set_up(void)
{
	const char *given = getenv("UNIT_SEED");

	seed = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();
	if (given && parse_u64(given, UINT64_MAX, &seed)) {
		fprintf(stderr, "UNIT_SEED=%s: not a number\n", given);
		return -1;
	}
	printf("UNIT_SEED=%llu\n", (unsigned long long)seed);
	/* check's own is 4 seconds: a busy machine is not a test that hangs */
	setenv("CK_DEFAULT_TIMEOUT", "60", 0);

	if (choose_top() < 0)
		return -1;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		return -1;
	}
	return 0;
}

/* Is suite i one of those named in argv, if any are? */
static bool is_wanted(size_t i, int argc, char *argv[])
{
	for (int k = 1; k < argc; k++)
		if (!strcmp(argv[k], suites[i].name))
			return true;
	return argc < 2;
}

static int check_names(int argc, char *argv[])
{
	int found = 1;

	for (size_t i = 0; i < ARRAY_SIZE(suites); i++)
		found += argc > 1 && is_wanted(i, argc, argv);
	if (argc < 2 || found == argc)
		return 0;
	fprintf(stderr, "%s: not all of these are suites; there are", argv[0]);
	for (size_t i = 0; i < ARRAY_SIZE(suites); i++)
		fprintf(stderr, " %s", suites[i].name);
	fprintf(stderr, "\n");
	return -1;
}

static void run_suite(size_t i)
{
	SRunner *runner = srunner_create(suites[i].make());

	srunner_run_all(runner, CK_ENV);
	shared->run += (unsigned)srunner_ntests_run(runner);
	shared->failed += (unsigned)srunner_ntests_failed(runner);
	srunner_free(runner);
}

/* In a process of its own; what became of that is a failure, too. */
static void run_suite_apart(size_t i)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		run_suite(i);
		exit(0);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		return;
	printf("unit:E:%s: its process ended with status 0x%x\n",
	       suites[i].name, (unsigned)status);
	shared->run++;
	shared->failed++;
}

int main(int argc, char *argv[])
{
	const char *forks = getenv("CK_FORK");
	unsigned failed, skipped, run;
	int r;

	if (check_names(argc, argv) || set_up())
		return 2;

	for (size_t i = 0; i < ARRAY_SIZE(suites); i++) {
		if (!is_wanted(i, argc, argv))
			continue;
		if (forks && !strcmp(forks, "no"))
			run_suite(i);
		else
			run_suite_apart(i);
	}
	run = shared->run;
	failed = shared->failed;
	skipped = shared->skipped;
	if (failed)
		tell_rows();
	r = remove_top();
	if (r < 0)
		fprintf(stderr, "%s: %s\n", top, strerror(-r));
	printf("%u passed, %u failed, %u skipped\n", run - failed - skipped,
	       failed, skipped);
	return failed || !run;
}
