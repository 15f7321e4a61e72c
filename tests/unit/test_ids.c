/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <endian.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/ids.h"

#define ACL "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define CAPS "security.capability"

static struct options_idrun uid_runs[] = { { 0, 100000, 1000 },
					   { 5000, 7, 3 },
					   { 4294967290u, 200000, 5 } };
static struct options_idrun gid_runs[] = { { 0, 300000, 65536 } };
static const struct options_idmap uid_map = { uid_runs, 3 };
static const struct options_idmap gid_map = { gid_runs, 1 };
static const struct options_idmap no_map;

static const struct ids mapped = { &uid_map, &gid_map, OPTIONS_NOID,
				   OPTIONS_NOID };
static const struct ids plain = { &no_map, &no_map, OPTIONS_NOID,
				  OPTIONS_NOID };
static const struct ids squashed = { &no_map, &no_map, 33, 44 };

START_TEST(every_edge_of_a_run)
{
	static const struct {
		uint32_t disk, shown;
	} rows[] = {
		{ 0, 100000 },
		{ 1, 100001 },
		{ 999, 100999 },
		{ 1000, IDS_OVERFLOW },
		{ 4999, IDS_OVERFLOW },
		{ 5000, 7 },
		{ 5002, 9 },
		{ 5003, IDS_OVERFLOW },
		{ 4294967289u, IDS_OVERFLOW },
		{ 4294967290u, 200000 },
		{ 4294967294u, 200004 },
	};

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		ck_assert_uint_eq(ids_uid_out(&mapped, rows[n].disk),
				  rows[n].shown);
		if (rows[n].shown != IDS_OVERFLOW)
			ck_assert_uint_eq(ids_uid_in(&mapped, rows[n].shown),
					  rows[n].disk);
	}
	ck_assert_uint_eq(ids_gid_out(&mapped, 65535), 365535);
	ck_assert_uint_eq(ids_gid_out(&mapped, 65536), IDS_OVERFLOW);
	ck_assert_uint_eq(ids_gid_in(&mapped, 365536), IDS_INVALID);
}
END_TEST

START_TEST(what_cannot_be_set)
{
	ck_assert_uint_eq(ids_uid_in(&mapped, 6), IDS_INVALID);
	ck_assert_uint_eq(ids_uid_in(&mapped, 10), IDS_INVALID);
	ck_assert_uint_eq(ids_uid_in(&mapped, 99999), IDS_INVALID);
	ck_assert_uint_eq(ids_uid_in(&mapped, 101000), IDS_INVALID);
	ck_assert_uint_eq(ids_uid_in(&mapped, IDS_OVERFLOW), IDS_INVALID);
	/* The host's root acts as the container's. */
	ck_assert_uint_eq(ids_uid_in(&mapped, 0), 0);
	ck_assert_uint_eq(ids_gid_in(&mapped, 0), 0);
}
END_TEST

START_TEST(without_a_map_and_squashed)
{
	struct stat st = { .st_uid = 1000, .st_gid = 2000 };

	ck_assert(ids_are_identity(&plain));
	ck_assert(!ids_are_identity(&mapped));
	ck_assert(!ids_are_identity(&squashed));
	ids_stat_out(&plain, &st);
	ck_assert_uint_eq(st.st_uid, 1000);
	ck_assert_uint_eq(st.st_gid, 2000);
	ck_assert_uint_eq(ids_uid_in(&plain, 4294967294u), 4294967294u);
	ids_stat_out(&squashed, &st);
	ck_assert_uint_eq(st.st_uid, 33);
	ck_assert_uint_eq(st.st_gid, 44);
	ck_assert_uint_eq(ids_uid_in(&squashed, 1000), 1000);
	ck_assert_uint_eq(ids_gid_in(&squashed, 2000), 2000);
	st.st_uid = 5001;
	st.st_gid = 5;
	ids_stat_out(&mapped, &st);
	ck_assert_uint_eq(st.st_uid, 8);
	ck_assert_uint_eq(st.st_gid, 300005);
}
END_TEST

/* Whatever has a counterpart comes back as it was. */
START_TEST(out_and_in_again)
{
	struct unit_rand r;

	unit_rand_start(&r);
	for (int n = 0; n < 100000; n++) {
		uint32_t disk = n % 2 ? unit_rand(&r, 6000)
				      : unit_rand(&r, UINT32_MAX);
		uint32_t shown = ids_uid_out(&mapped, disk);

		if (shown != IDS_OVERFLOW)
			ck_assert_uint_eq(ids_uid_in(&mapped, shown), disk);
	}
}
END_TEST

struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} e[4];
};

static struct acl acl_of(uint32_t user, uint32_t group)
{
	struct acl a = { .version = htole32(2) };

	a.e[0].tag = htole16(0x01);
	a.e[0].id = UINT32_MAX;
	a.e[1].tag = htole16(0x02);
	a.e[1].perm = htole16(6);
	a.e[1].id = htole32(user);
	a.e[2].tag = htole16(0x08);
	a.e[2].id = htole32(group);
	a.e[3].tag = htole16(0x20);
	a.e[3].id = htole32(5000);
	return a;
}

START_TEST(acls)
{
	static const char *const names[] = { ACL, ACL_DEFAULT };

	for (int n = 0; n < 2; n++) {
		struct acl a = acl_of(5000, 17), was = a;
		ssize_t size = sizeof(a);

		ck_assert_int_eq(ids_xattr_out(&plain, names[n], &a, sizeof(a)),
				 size);
		ck_assert_mem_eq(&a, &was, sizeof(a));
		ck_assert_int_eq(
			ids_xattr_out(&mapped, names[n], &a, sizeof(a)), size);
		ck_assert_uint_eq(le32toh(a.e[1].id), 7);
		ck_assert_uint_eq(le32toh(a.e[2].id), 300017);
		ck_assert_uint_eq(le16toh(a.e[1].perm), 6);
		/* Entries without an id keep what stands there. */
		ck_assert_uint_eq(a.e[0].id, UINT32_MAX);
		ck_assert_uint_eq(le32toh(a.e[3].id), 5000);
		ck_assert_int_eq(ids_xattr_in(&mapped, names[n], &a, sizeof(a)),
				 size);
		ck_assert_mem_eq(&a, &was, sizeof(a));
	}
}
END_TEST

START_TEST(acls_that_cannot_be)
{
	struct acl a = acl_of(6, 300000), was = a;
	uint32_t bad = htole32(3);

	ck_assert_int_eq(ids_xattr_in(&mapped, ACL, &a, sizeof(a)), -EINVAL);
	a = was;
	for (size_t cut = 0; cut < sizeof(a); cut++) {
		/* Whole entries are well-formed. */
		if (cut >= 4 && (cut - 4) % 8 == 0)
			continue;
		ck_assert_int_eq(ids_xattr_out(&mapped, ACL, &a, cut), -EINVAL);
	}
	memcpy(&a, &bad, 4);
	ck_assert_int_eq(ids_xattr_out(&mapped, ACL, &a, sizeof(a)), -EINVAL);
	/* Others' values are none of its business. */
	a = was;
	ck_assert_int_eq(ids_xattr_in(&mapped, "user.acl", &a, 5), 5);
	ck_assert_mem_eq(&a, &was, sizeof(a));
}
END_TEST

START_TEST(capabilities)
{
	struct vfs_ns_cap_data c = {
		.magic_etc = htole32(VFS_CAP_REVISION_2 | 1),
		.data = { { htole32(0x1234), 0 }, { 0, htole32(0x5678) } },
	};
	struct vfs_ns_cap_data was = c;

	ck_assert_int_eq(IDS_CAPS_MAX, XATTR_CAPS_SZ_3);
	ck_assert_int_eq(ids_xattr_out(&plain, CAPS, &c, XATTR_CAPS_SZ_2),
			 XATTR_CAPS_SZ_2);
	ck_assert_mem_eq(&c, &was, sizeof(c));
	/* The container's root has another number outside. */
	ck_assert_int_eq(ids_xattr_out(&mapped, CAPS, &c, XATTR_CAPS_SZ_2),
			 XATTR_CAPS_SZ_3);
	ck_assert_uint_eq(le32toh(c.magic_etc), VFS_CAP_REVISION_3 | 1);
	ck_assert_uint_eq(le32toh(c.rootid), 100000);
	ck_assert_mem_eq(c.data, was.data, sizeof(c.data));
	ck_assert_int_eq(ids_xattr_in(&mapped, CAPS, &c, XATTR_CAPS_SZ_3),
			 XATTR_CAPS_SZ_2);
	ck_assert_mem_eq(&c, &was, XATTR_CAPS_SZ_2);
	/* A root that is nobody's. */
	c.magic_etc = htole32(VFS_CAP_REVISION_3);
	c.rootid = htole32(6);
	ck_assert_int_eq(ids_xattr_in(&mapped, CAPS, &c, XATTR_CAPS_SZ_3),
			 -EINVAL);
	ck_assert_int_eq(ids_xattr_in(&mapped, CAPS, &c, 12), 12);
}
END_TEST

Suite *test_ids_suite(void)
{
	Suite *s = suite_create("ids");
	TCase *c = tcase_create("ids");

	tcase_add_test(c, every_edge_of_a_run);
	tcase_add_test(c, what_cannot_be_set);
	tcase_add_test(c, without_a_map_and_squashed);
	tcase_add_test(c, out_and_in_again);
	tcase_add_test(c, acls);
	tcase_add_test(c, acls_that_cannot_be);
	tcase_add_test(c, capabilities);
	suite_add_tcase(s, c);
	return s;
}
