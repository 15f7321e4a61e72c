/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Beancounters: what they are counted from, their table, what is kept. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/proc/grouppids.h"
#include "fs/proc/procgather.h"
#include "fs/proc/procinside.h"
#include "fs/proc/procsock.h"
#include "fs/proc/procubc.h"
#include "fs/proc/ubckept.h"

/* ---- what is counted ------------------------------------------------------- */

START_TEST(processes_are_a_set)
{
	struct grouppids p = { .n = 0 };

	ck_assert_int_eq(grouppids_take(&p, "30\n10\n0\n10\nx\n-4\n"), 0);
	ck_assert_int_eq(grouppids_take(&p, "20\n99999999999999\n30"), 0);
	grouppids_sort(&p);
	ck_assert_uint_eq(p.n, 3);
	ck_assert(grouppids_has(&p, 10) && grouppids_has(&p, 20) &&
		  grouppids_has(&p, 30));
	ck_assert(!grouppids_has(&p, 0) && !grouppids_has(&p, 15) &&
		  !grouppids_has(&p, 10 + (1ull << 32)));
	grouppids_free(&p);
	ck_assert(!grouppids_has(&p, 10));
	for (int i = 1; i <= 3000; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d\n", 3001 - i);
		ck_assert_int_eq(grouppids_take(&p, text), 0);
	}
	grouppids_sort(&p);
	ck_assert_uint_eq(p.n, 3000);
	ck_assert(grouppids_has(&p, 1) && grouppids_has(&p, 3000));
	grouppids_free(&p);
}
END_TEST

START_TEST(locks_are_the_containers)
{
	struct grouppids p = { .n = 0 };
	static const char text[] =
		"1: POSIX  ADVISORY  WRITE 10 fd:00:2531452 0 EOF\n"
		"1: -> POSIX  ADVISORY  WRITE 10 fd:00:2531452 0 EOF\n"
		"2: FLOCK  ADVISORY  READ  20 00:2f:1 0 EOF\n"
		"3: FLOCK  ADVISORY  WRITE 11 00:2f:2 0 EOF\n"
		"4: OFDLCK ADVISORY  WRITE -1 00:2f:3 0 EOF\n"
		"5: LEASE  ACTIVE    READ  10 00:2f:4 0 EOF\n6: POSIX\n";

	grouppids_take(&p, "10\n20\n");
	grouppids_sort(&p);
	ck_assert_uint_eq(procgather_locks(text, &p), 2);
	grouppids_free(&p);
	ck_assert_uint_eq(procgather_locks(text, &p), 0);
}
END_TEST

START_TEST(netlink_of_processes)
{
	static const char text[] =
		"sk               Eth Pid        Groups   Rmem\n"
		"00000000192117c0 0   0          00000000 0\n"
		"000000002f714066 4   4711       00000000 0\n"
		"000000001dc34977 15  4294963200 00000000 0\nshort\n";

	ck_assert_uint_eq(procgather_netlink(text), 2);
}
END_TEST

START_TEST(addresses_of_the_network)
{
	static struct procextra x;
	static const char v4[] =
		"Main:\n  +-- 0.0.0.0/0 3 0 5\n"
		"     |-- 0.0.0.0\n        /0 universe UNICAST\n"
		"     |-- 10.0.0.5\n        /32 host LOCAL\n"
		"     |-- 127.0.0.1\n        /32 host LOCAL\n"
		"     |-- 10.0.0.255\n        /32 link BROADCAST\n"
		"Local:\n     |-- 10.0.0.5\n"
		"        /32 host LOCAL\n"
		"     |-- nonsense\n        /32 host LOCAL\n"
		"     |-- 10.0.0.55\n        /32 host LOCAL\n";
	static const char v6[] =
		"00000000000000000000000000000001 01 80 10 80       lo\n"
		"fe80000000000000021654fffe000001 02 40 20 80     eth0\n"
		"fd000000000000000000000000000005 02 80 00 80   venet0\n"
		"zz000000000000000000000000000005 02 80 00 80   venet0\nfd\n";
	char many[64];

	memset(&x, 0, sizeof(x));
	procgather_ipv4(v4, &x);
	ck_assert_str_eq(x.addresses, "10.0.0.5 10.0.0.55");
	procgather_ipv6(v6, &x);
	ck_assert_str_eq(x.addresses, "10.0.0.5 10.0.0.55 fd00::5");
	for (int i = 0; i < 1000; i++) {
		snprintf(many, sizeof(many), "|-- 10.1.%d.%d\n/32 host LOCAL\n",
			 i / 250, i % 250);
		procgather_ipv4(many, &x);
	}
	ck_assert_uint_lt(strlen(x.addresses), sizeof(x.addresses));
	ck_assert_uint_gt(strlen(x.addresses), sizeof(x.addresses) - 20);
}
END_TEST

START_TEST(a_mount_has_its_type)
{
	static const char text[] =
		"36 35 0:3 / / rw shared:1 - fuse.vefs vefs:101 rw\n"
		"37 36 0:4 / /dev/pts rw - devpts devpts rw\n38 36\n"
		"39 36 0:4 / /dev/x rw master:1 - ";

	ck_assert(procinside_is_type(text, 37, "devpts"));
	ck_assert(!procinside_is_type(text, 36, "devpts"));
	ck_assert(procinside_is_type(text, 36, "fuse.vefs"));
	ck_assert(!procinside_is_type(text, 38, "devpts"));
	ck_assert(!procinside_is_type(text, 39, "devpts"));
	ck_assert(!procinside_is_type(text, 40, "devpts"));
	ck_assert(!procinside_is_type("", 37, "devpts"));
	ck_assert(procinside_is_quick(text, 36) &&
		  procinside_is_quick(text, 37));
	ck_assert(!procinside_is_quick(text, 38) &&
		  !procinside_is_quick(text, 39));
	ck_assert(!procinside_is_quick("1 2 0:3 / / rw - fuse.x x rw", 1));
	ck_assert(!procinside_is_quick("1 2 0:3 / / rw - nfs4 x rw", 1));
}
END_TEST

/* ---- netlink's answers ----------------------------------------------------- */

struct answer {
	struct nlmsghdr h;
	char data[256];
};

/* A socket with these bytes in its buffers. `seq` % 6: of which question. */
static void socket_answer(struct answer *a, uint32_t seq, size_t head,
			  uint16_t kind, const uint32_t mem[SK_MEMINFO_VARS])
{
	struct nlattr at = { .nla_len = NLA_HDRLEN + SK_MEMINFO_VARS * 4,
			     .nla_type = kind };

	memset(a, 0, sizeof(*a));
	head = NLMSG_ALIGN(head);
	memcpy(a->data + head, &at, sizeof(at));
	memcpy(a->data + head + NLA_HDRLEN, mem, SK_MEMINFO_VARS * 4);
	a->h.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	a->h.nlmsg_seq = seq;
	a->h.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + head + NLA_HDRLEN +
				    SK_MEMINFO_VARS * 4);
}

START_TEST(answers_are_added_up)
{
	const uint32_t mem[SK_MEMINFO_VARS] = {
		[SK_MEMINFO_RMEM_ALLOC] = 100,
		[SK_MEMINFO_WMEM_ALLOC] = 20,
		[SK_MEMINFO_WMEM_QUEUED] = 3,
	};
	const size_t inet = sizeof(struct inet_diag_msg);
	static struct procextra x;
	struct answer a;

	memset(&x, 0, sizeof(x));
	for (uint32_t seq = 600; seq < 604; seq++) {
		socket_answer(&a, seq, inet, INET_DIAG_SKMEMINFO, mem);
		procsock_take(&a, sizeof(a), &x);
	}
	socket_answer(&a, 604, sizeof(struct unix_diag_msg), UNIX_DIAG_MEMINFO,
		      mem);
	procsock_take(&a, sizeof(a), &x);
	ck_assert_uint_eq(x.tcp_sockets, 2);
	ck_assert_uint_eq(x.tcp_send, 6);
	ck_assert_uint_eq(x.tcp_receive, 200);
	ck_assert_uint_eq(x.other_sockets, 3);
	ck_assert_uint_eq(x.other_send, 60);
	ck_assert_uint_eq(x.dgram_receive, 200);
	a.h.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE;
	procsock_take(&a, sizeof(a), &x);
	ck_assert_uint_eq(x.rules, 1);
	/* cut anywhere: counted, or not, and nothing read behind it */
	for (size_t len = 0; len < sizeof(a); len++) {
		socket_answer(&a, 600, inet, INET_DIAG_SKMEMINFO, mem);
		a.h.nlmsg_len = (uint32_t)len;
		procsock_take(&a, len, &x);
	}
}
END_TEST

/* ---- the table ------------------------------------------------------------- */

static void some_rows(struct procubc_row rows[PROCUBC_ROWS])
{
	struct numbers n = { .tasks = 4, .tasks_peak = 9, .tasks_max = 100 };
	struct procnames names = { .id = "101" };
	struct procview v = { .n = &n, .names = &names };

	procubc_rows(&v, rows);
}

START_TEST(a_table_is_read_back)
{
	struct procubc_row rows[PROCUBC_ROWS], again[PROCUBC_ROWS];
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char *text, *at;

	some_rows(rows);
	procubc_head(&b);
	for (unsigned i = 0; i < PROCUBC_ROWS; i++)
		procubc_line(i ? NULL : "a-container", &rows[i], &b);
	ck_assert_int_eq(procubc_parse(strbuf_get(&b), again), 0);
	for (unsigned i = 0; i < PROCUBC_ROWS; i++) {
		ck_assert_str_eq(rows[i].name, again[i].name);
		ck_assert_uint_eq(rows[i].held, again[i].held);
		ck_assert_uint_eq(rows[i].maxheld, again[i].maxheld);
		ck_assert_uint_eq(rows[i].barrier, again[i].barrier);
		ck_assert_uint_eq(rows[i].limit, again[i].limit);
	}
	/* what is cut is none */
	text = strbuf_take(&b);
	for (size_t n = strlen(text) - 1; n > 0; n -= 7) {
		text[n] = '\0';
		if (n < 2000)
			ck_assert_int_eq(procubc_parse(text, again), -EINVAL);
		else
			procubc_parse(text, again);
		if (n < 7)
			break;
	}
	free(text);
	ck_assert_int_eq(procubc_parse("", again), -EINVAL);
	/* a row too few, another's name, a letter in a number */
	for (int i = 0; i < 3; i++) {
		strbuf_clear(&b);
		procubc_head(&b);
		for (unsigned k = i == 0; k < PROCUBC_ROWS; k++)
			procubc_line(k ? NULL : "1", &rows[k], &b);
		text = strbuf_take(&b);
		at = strstr(text, i == 1 ? "physpages" : "100");
		ck_assert_ptr_nonnull(at);
		if (i)
			*at = 'x';
		ck_assert_int_eq(procubc_parse(text, again), -EINVAL);
		free(text);
	}
}
END_TEST

START_TEST(failures_and_most_go_on)
{
	struct procstate_bean bean[PROCSTATE_ROWS] = { { .most = 0 } };
	struct procubc_row rows[PROCUBC_ROWS];
	struct numbers n = { .tasks_peak = 9, .tasks_hits = 2 };
	struct procnames names = { .id = "101" };
	struct procview v = { .n = &n, .names = &names, .bean = bean };
	const unsigned numproc = 5;

	ck_assert_str_eq(procubc_name(numproc), "numproc");
	bean[numproc] = (struct procstate_bean){ 30, 5, 5 };
	procubc_rows(&v, rows);
	ck_assert_uint_eq(rows[numproc].maxheld, 30);
	ck_assert_uint_eq(rows[numproc].failcnt, 7);
	/* a counter that cannot be read any more does not go back */
	n.tasks_hits = 0;
	n.tasks_peak = 40;
	procubc_rows(&v, rows);
	ck_assert_uint_eq(rows[numproc].maxheld, 40);
	ck_assert_uint_eq(rows[numproc].failcnt, 7);
	ck_assert_uint_eq(bean[numproc].most, 40);
	ck_assert_uint_eq(bean[numproc].failed, 7);
	ck_assert_uint_eq(bean[numproc].before, 5);
	for (unsigned i = 0; i < PROCUBC_ROWS; i++)
		if (!procubc_name(i))
			ck_assert_uint_eq(rows[i].limit, 0);
}
END_TEST

/* ---- the file --------------------------------------------------------------- */

START_TEST(what_is_kept_is_whole)
{
	struct procstate_bean bean[PROCSTATE_ROWS] = { { .most = 0 } }, got[32];
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char *text;

	bean[0] = (struct procstate_bean){ UINT64_MAX - 1, 1, 2 };
	bean[6] = (struct procstate_bean){ 7, 0, 0 };
	ubckept_print(bean, &b);
	ck_assert_int_eq(ubckept_parse(strbuf_get(&b), got), 0);
	ck_assert_uint_eq(got[0].most, UINT64_MAX - 1);
	ck_assert_uint_eq(got[0].before, 2);
	ck_assert_uint_eq(got[0].failed, 2);
	ck_assert_uint_eq(got[6].most, 7);
	ck_assert_uint_eq(got[5].most, 0);
	/* any byte changed, any end missing: damaged */
	text = strbuf_take(&b);
	for (size_t i = 0; text[i]; i++) {
		char was = text[i];

		text[i] ^= 1;
		ck_assert_int_eq(ubckept_parse(text, got), -EUCLEAN);
		text[i] = '\0';
		ck_assert_int_eq(ubckept_parse(text, got), -EUCLEAN);
		ck_assert_uint_eq(got[0].most, 0);
		text[i] = was;
	}
	ck_assert_int_eq(ubckept_parse(text, got), 0);
	free(text);
}
END_TEST

START_TEST(the_file_is_replaced)
{
	struct procstate_bean bean[PROCSTATE_ROWS] = { { .most = 0 } }, got[32];
	char folder[] = "/tmp/vefs-unit-ubc.XXXXXX";
	_cleanup_close_ int dir = -1;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(ubckept_load(dir, got), 0);
	ck_assert_uint_eq(got[0].most, 0);
	bean[0].most = 12;
	ck_assert_int_eq(ubckept_save(dir, bean), 0);
	bean[0].most = 13;
	ck_assert_int_eq(ubckept_save(dir, bean), 0);
	ck_assert_int_eq(ubckept_load(dir, got), 0);
	ck_assert_uint_eq(got[0].most, 13);
	fd = openat(dir, UBCKEPT_FILE, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(ubckept_load(dir, got), -EUCLEAN);
	ck_assert_uint_eq(got[0].most, 0);
	ck_assert_int_eq(ubckept_load(-1, got), -EBADF);
	unlinkat(dir, UBCKEPT_FILE, 0);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* What costs more is gathered less often, but once a second. */
START_TEST(gathering_costs_little)
{
	ck_assert_uint_eq(procgather_age(0), SOURCE_FRESH);
	ck_assert_uint_eq(procgather_age(SOURCE_FRESH / 20), SOURCE_FRESH);
	ck_assert_uint_eq(procgather_age(SOURCE_FRESH), 20 * SOURCE_FRESH);
	ck_assert_uint_eq(procgather_age(1000000000), 1000000000);
	ck_assert_uint_eq(procgather_age(UINT64_MAX), 1000000000);
}
END_TEST

/* Random bytes, of those that texts are made of. */
START_TEST(any_text_can_be_read)
{
	static const char of[] = "0123456789 \n\t:.->|POSIXFLCK/32hostLOAvu";
	struct procstate_bean bean[PROCSTATE_ROWS];
	struct procubc_row rows[PROCUBC_ROWS];
	struct grouppids p = { .n = 0 };
	static struct procextra x;
	static char text[513];
	struct unit_rand r;

	unit_rand_start(&r);
	for (int i = 0; i < 10000; i++) {
		uint32_t n = unit_rand(&r, sizeof(text));

		for (uint32_t k = 0; k < n; k++)
			text[k] = of[unit_rand(&r, sizeof(of) - 1)];
		text[n] = '\0';
		procgather_locks(text, &p);
		procgather_netlink(text);
		procgather_ipv4(text, &x);
		procgather_ipv6(text, &x);
		procinside_is_type(text, 3, "a");
		ck_assert_int_eq(procubc_parse(text, rows), -EINVAL);
		ck_assert_int_eq(ubckept_parse(text, bean), -EUCLEAN);
		grouppids_take(&p, text);
		for (uint32_t k = 0; k < n; k++)
			text[k] = (char)unit_rand(&r, 256);
		procsock_take(text, n, &x);
	}
	grouppids_free(&p);
}
END_TEST

Suite *test_ubc_suite(void)
{
	Suite *s = suite_create("ubc");
	TCase *t = tcase_create("ubc");

	tcase_add_test(t, processes_are_a_set);
	tcase_add_test(t, locks_are_the_containers);
	tcase_add_test(t, netlink_of_processes);
	tcase_add_test(t, addresses_of_the_network);
	tcase_add_test(t, a_mount_has_its_type);
	tcase_add_test(t, answers_are_added_up);
	tcase_add_test(t, gathering_costs_little);
	tcase_add_test(t, a_table_is_read_back);
	tcase_add_test(t, failures_and_most_go_on);
	tcase_add_test(t, what_is_kept_is_whole);
	tcase_add_test(t, the_file_is_replaced);
	tcase_add_test(t, any_text_can_be_read);
	suite_add_tcase(s, t);
	return s;
}
