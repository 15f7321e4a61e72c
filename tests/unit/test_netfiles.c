/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tools/ct/netfiles.h"
#include "tools/ct/netip.h"

#define BASE 100000u

static int top, root, etc; /* a folder; in it the container's root */
static char where[UNIT_PATH_MAX];
static struct spec s;
static struct spec_ip ips[2];
static char host_one[UNIT_PATH_MAX + 16], host_two[UNIT_PATH_MAX + 16];
static const char *const host[2] = { host_one, host_two };

static void put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void has(int dir, const char *name, const char *text)
{
	char buf[8192] = "";
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);

	ck_assert_msg(fd >= 0, "%s: %s", name, strerror(errno));
	ck_assert_int_ge(read(fd, buf, sizeof(buf) - 1), 0);
	close(fd);
	ck_assert_str_eq(buf, text);
}

/* Nothing is left of writing but what was meant. */
static void count(int n)
{
	char command[UNIT_PATH_MAX + 64];

	snprintf(command, sizeof(command),
		 "[ \"$(ls -A '%s/root/etc' | wc -l)\" = %d ]", where, n);
	ck_assert_int_eq(system(command), 0);
}

static void setup(void)
{
	top = unit_tmpdir(where);
	ck_assert_int_eq(mkdirat(top, "root", 0755), 0);
	root = openat(top, "root", O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(mkdirat(root, "etc", 0755), 0);
	etc = openat(root, "etc", O_RDONLY | O_DIRECTORY);
	snprintf(host_one, sizeof(host_one), "%s/one", where);
	snprintf(host_two, sizeof(host_two), "%s/two", where);
	put(top, "secret", "secret\n");
	memset(&s, 0, sizeof(s));
	snprintf(s.id, sizeof(s.id), "ct1");
	s.base = geteuid() == 0 ? BASE : geteuid();
}

static void teardown(void)
{
	close(etc);
	close(root);
	close(top);
}

static int try(struct why *why)
{
	size_t fds = unit_count_fds();
	int r;

	why->text[0] = '\0';
	r = netfiles_write_from(root, &s, host, why);
	ck_assert_uint_eq(unit_count_fds(), fds);
	return r;
}

static void well(void)
{
	struct why why;
	int r = try(&why);

	ck_assert_msg(r == 0, "%s", why.text);
	has(top, "secret", "secret\n");
}

START_TEST(names)
{
	struct stat st, again;

	well();
	has(etc, "hostname", "ct1\n");
	has(etc, "hosts",
	    "127.0.0.1\tlocalhost\n"
	    "::1\tlocalhost ip6-localhost ip6-loopback\n"
	    "127.0.1.1\tct1\t# vefs\n");
	count(2);
	ck_assert_int_eq(fstatat(etc, "hostname", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0644);
	ck_assert_uint_eq(st.st_uid, s.base);
	/* the same once more: not written */
	well();
	ck_assert_int_eq(fstatat(etc, "hostname", &again, 0), 0);
	ck_assert_uint_eq(st.st_ino, again.st_ino);
	snprintf(s.hostname, sizeof(s.hostname), "web.example.org");
	s.net.ip = ips;
	s.net.n_ip = 2;
	ck_assert_int_eq(netip_parse("fd00::5/64", &ips[0]), 0);
	ck_assert_int_eq(netip_parse("10.0.0.5/24", &ips[1]), 0);
	well();
	has(etc, "hostname", "web.example.org\n");
	has(etc, "hosts",
	    "127.0.0.1\tlocalhost\n"
	    "::1\tlocalhost ip6-localhost ip6-loopback\n"
	    "10.0.0.5\tweb.example.org web\t# vefs\n");
	s.net.n_ip = 1;
	put(etc, "hosts",
	    "fd00::4 old\t# vefs\n1.2.3.4 mine\n9 x\t# vefs\nend");
	well();
	has(etc, "hosts",
	    "fd00::5\tweb.example.org web\t# vefs\n1.2.3.4 mine\nend\n");
	count(2);
}
END_TEST

START_TEST(no_etc)
{
	struct stat st;

	ck_assert_int_eq(unlinkat(root, "etc", AT_REMOVEDIR), 0);
	well();
	ck_assert_int_eq(fstatat(root, "etc", &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0755);
	ck_assert_uint_eq(st.st_uid, s.base);
	count(2);
}
END_TEST

START_TEST(resolver)
{
	/* nothing is said of it: it stays */
	put(etc, "resolv.conf", "nameserver 9.9.9.9\noptions rotate");
	well();
	has(etc, "resolv.conf", "nameserver 9.9.9.9\noptions rotate");
	snprintf(s.nameserver, sizeof(s.nameserver), " 10.0.0.1  fd00::1 ");
	well();
	has(etc, "resolv.conf",
	    "nameserver 10.0.0.1\nnameserver fd00::1\noptions rotate\n");
	s.nameserver[0] = '\0';
	snprintf(s.searchdomain, sizeof(s.searchdomain), "a.org b.org");
	well();
	has(etc, "resolv.conf",
	    "search a.org b.org\nnameserver 10.0.0.1\nnameserver fd00::1\n"
	    "options rotate\n");
	snprintf(s.searchdomain, sizeof(s.searchdomain), "c.org");
	snprintf(s.nameserver, sizeof(s.nameserver), "10.0.0.2");
	put(etc, "resolv.conf", "domain x\n# mine\nnameserver 1.1.1.1\n");
	well();
	has(etc, "resolv.conf", "search c.org\nnameserver 10.0.0.2\n# mine\n");
	count(3);
}
END_TEST

START_TEST(inherited)
{
	put(top, "one",
	    "# host\nnameserver 127.0.0.53\nsearch host.org\noptions edns0\n");
	snprintf(s.nameserver, sizeof(s.nameserver), "inherit");
	put(etc, "resolv.conf", "nameserver 9.9.9.9\n");
	/* only itself, and nothing behind that */
	well();
	has(etc, "resolv.conf",
	    "search host.org\noptions edns0\nnameserver 9.9.9.9\n");
	put(top, "two",
	    "nameserver 10.1.1.1\nnameserver ::1\nsearch two.org\n");
	well();
	has(etc, "resolv.conf",
	    "search two.org\nnameserver 10.1.1.1\noptions edns0\n");
	/* in the host's network its own address is right */
	s.net.mode = SPEC_NET_HOST;
	snprintf(s.searchdomain, sizeof(s.searchdomain), "mine.org");
	well();
	has(etc, "resolv.conf",
	    "search mine.org\nnameserver 127.0.0.53\noptions edns0\n");
	s.net.mode = SPEC_NET_PRIVATE;
	snprintf(s.searchdomain, sizeof(s.searchdomain), "inherit");
	put(top, "one", "nameserver 10.3.3.3");
	well();
	has(etc, "resolv.conf",
	    "nameserver 10.3.3.3\nsearch mine.org\noptions edns0\n");
	/* a host without any */
	ck_assert_int_eq(unlinkat(top, "one", 0), 0);
	ck_assert_int_eq(unlinkat(top, "two", 0), 0);
	well();
	has(etc, "resolv.conf",
	    "nameserver 10.3.3.3\nsearch mine.org\noptions edns0\n");
}
END_TEST

START_TEST(bad_words)
{
	static const struct {
		const char *hostname, *nameserver, *search;
	} rows[] = {
		{ "a b", "", "" },
		{ "a\nb", "", "" },
		{ "-a", "", "" },
		{ "a/b", "", "" },
		{ "", "10.0.0.1\nsearch", "" },
		{ "", "10.0.0.1 host.org", "" },
		{ "", "10.0.0.1/24", "" },
		{ "", "10.0.0.1;", "" },
		{ "", "", "a.org b\norg" },
		{ "", "", "a.org;b" },
	};
	struct why why;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unit_row(rows[i].hostname);
		snprintf(s.hostname, sizeof(s.hostname), "%s",
			 rows[i].hostname);
		snprintf(s.nameserver, sizeof(s.nameserver), "%s",
			 rows[i].nameserver);
		snprintf(s.searchdomain, sizeof(s.searchdomain), "%s",
			 rows[i].search);
		ck_assert_int_eq(try(&why), -EINVAL);
		ck_assert_str_ne(why.text, "");
		ck_assert_int_lt(faccessat(etc, "resolv.conf", F_OK, 0), 0);
	}
}
END_TEST

/* ---- a hostile root ------------------------------------------------------- */

static void link_to(const char *target, const char *name)
{
	unlinkat(etc, name, 0);
	ck_assert_int_eq(symlinkat(target, etc, name), 0);
}

static bool is_link(const char *name)
{
	struct stat st;

	ck_assert_int_eq(fstatat(etc, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return S_ISLNK(st.st_mode);
}

START_TEST(symlinks)
{
	static const char *const rows[] = {
		"../../secret",
		"../secret",
		"/proc/self/cwd/secret",
		"nowhere",
		"../run/systemd/resolve/stub-resolv.conf",
	};
	char absolute[UNIT_PATH_MAX + 16];

	snprintf(absolute, sizeof(absolute), "%s/secret", where);
	for (size_t i = 0; i <= ARRAY_SIZE(rows); i++) {
		const char *to = i < ARRAY_SIZE(rows) ? rows[i] : absolute;

		unit_row(to);
		link_to(to, "hostname");
		link_to(to, "hosts");
		link_to(to, "resolv.conf");
		s.nameserver[0] = '\0';
		snprintf(s.searchdomain, sizeof(s.searchdomain), "a.org");
		well();
		ck_assert(!is_link("hostname"));
		ck_assert(is_link("hosts"));
		ck_assert(is_link("resolv.conf"));
		snprintf(s.nameserver, sizeof(s.nameserver), "10.0.0.1");
		well();
		ck_assert(is_link("hosts"));
		has(etc, "resolv.conf", "search a.org\nnameserver 10.0.0.1\n");
		count(3);
	}
}
END_TEST

START_TEST(etc_is_a_symlink)
{
	struct why why;

	ck_assert_int_eq(renameat(root, "etc", root, "real"), 0);
	ck_assert_int_eq(symlinkat("real", root, "etc"), 0);
	ck_assert_int_eq(try(&why), -ENOTDIR);
	ck_assert_ptr_nonnull(strstr(why.text, "symlink"));
	ck_assert_int_lt(faccessat(etc, "hostname", F_OK, 0), 0);
	ck_assert_int_eq(unlinkat(root, "etc", 0), 0);
	ck_assert_int_eq(symlinkat("..", root, "etc"), 0);
	ck_assert_int_eq(try(&why), -ENOTDIR);
	ck_assert_int_lt(faccessat(top, "hostname", F_OK, 0), 0);
}
END_TEST

/* Nothing is opened that could wait, or do something. */
START_TEST(no_files)
{
	struct why why;

	ck_assert_int_eq(mkfifoat(etc, "hosts", 0666), 0);
	ck_assert_int_eq(mkfifoat(etc, "hostname", 0666), 0);
	ck_assert_int_eq(mkfifoat(etc, "resolv.conf", 0666), 0);
	snprintf(s.nameserver, sizeof(s.nameserver), "10.0.0.1");
	well();
	has(etc, "hostname", "ct1\n");
	has(etc, "resolv.conf", "nameserver 10.0.0.1\n");
	ck_assert_int_eq(unlinkat(etc, "hostname", 0), 0);
	ck_assert_int_eq(mkdirat(etc, "hostname", 0755), 0);
	ck_assert_int_eq(try(&why), -EISDIR);
	ck_assert_ptr_nonnull(strstr(why.text, "/etc/hostname"));
	count(3);
}
END_TEST

/* Other names of a file that is replaced keep what they were. */
START_TEST(hard_links)
{
	put(etc, "hosts", "1.2.3.4 x\n");
	ck_assert_int_eq(linkat(etc, "hosts", etc, "other", 0), 0);
	well();
	has(etc, "other", "1.2.3.4 x\n");
	has(etc, "hosts", "1.2.3.4 x\n127.0.1.1\tct1\t# vefs\n");
}
END_TEST

START_TEST(long_files)
{
	char line[1024];
	FILE *f;
	int fd = openat(etc, "hosts", O_WRONLY | O_CREAT, 0600);

	f = fdopen(fd, "w");
	ck_assert_ptr_nonnull(f);
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < 2000; i++)
		fprintf(f, "%s\n", line);
	fclose(f);
	well();
	has(etc, "hostname", "ct1\n");
	/* not read, not written */
	ck_assert_int_eq(faccessat(etc, "hosts", F_OK, 0), 0);
	count(2);
}
END_TEST

Suite *test_netfiles_suite(void)
{
	Suite *suite = suite_create("netfiles");
	TCase *t = tcase_create("netfiles");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, names);
	tcase_add_test(t, no_etc);
	tcase_add_test(t, resolver);
	tcase_add_test(t, inherited);
	tcase_add_test(t, bad_words);
	tcase_add_test(t, symlinks);
	tcase_add_test(t, etc_is_a_symlink);
	tcase_add_test(t, no_files);
	tcase_add_test(t, hard_links);
	tcase_add_test(t, long_files);
	suite_add_tcase(suite, t);
	return suite;
}
