/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program is handed { access << 16 | type, major, minor } and returns 1
 * for yes. Each rule is a run of comparisons that leaves for the next one at
 * the first that fails:
 *
 *	r2 = access, r3 = type, r4 = major, r5 = minor
 *	if r3 != type goto next
 *	if r4 != major goto next
 *	if r5 != minor goto next
 *	r1 = r2 & ~allowed; if r1 != 0 goto next
 *	return 1
 * next:
 *
 * Ours is known among others' by its name.
 */
#include "tools/ct/devprog.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"

#define NAME "vefs_devices"
#define PROGRAMS_MAX 64

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	int r = (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : r;
}

/* ---- assembling ---------------------------------------------------------- */

struct code {
	struct bpf_insn *at;
	size_t n;
};

static void emit(struct code *c, uint8_t op, uint8_t dst, uint8_t src,
		 int32_t imm)
{
	c->at[c->n++] = (struct bpf_insn){
		.code = op, .dst_reg = dst, .src_reg = src, .imm = imm
	};
}

static void emit_load(struct code *c, uint8_t dst, int16_t off)
{
	emit(c, BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_1, 0);
	c->at[c->n - 1].off = off;
}

/* Leave for the next rule; where that is, is filled in when it is known. */
static void emit_unless(struct code *c, uint8_t reg, uint32_t value)
{
	emit(c, BPF_JMP | BPF_JNE | BPF_K, reg, 0, (int32_t)value);
}

static void emit_return(struct code *c, int32_t value)
{
	emit(c, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, value);
	emit(c, BPF_JMP | BPF_EXIT, 0, 0, 0);
}

static int32_t access_bits(unsigned access)
{
	return (access & DEVPROG_READ ? BPF_DEVCG_ACC_READ : 0) |
	       (access & DEVPROG_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
	       (access & DEVPROG_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
}

static void emit_rule(struct code *c, const struct devprog_rule *rule)
{
	size_t start = c->n;

	emit_unless(c, BPF_REG_3,
		    rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK
				      : BPF_DEVCG_DEV_CHAR);
	if (rule->major != DEVPROG_ANY)
		emit_unless(c, BPF_REG_4, rule->major);
	if (rule->minor != DEVPROG_ANY)
		emit_unless(c, BPF_REG_5, rule->minor);
	emit(c, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_2, 0);
	emit(c, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_1, 0,
	     ~access_bits(rule->access));
	emit_unless(c, BPF_REG_1, 0);
	emit_return(c, 1);
	for (size_t i = start; i < c->n; i++)
		if (c->at[i].code == (BPF_JMP | BPF_JNE | BPF_K))
			c->at[i].off = (int16_t)(c->n - i - 1);
}

size_t devprog_assemble(struct bpf_insn *code, const struct devprog_rule *rules,
			size_t n)
{
	struct code c = { .at = code };

	emit_load(&c, BPF_REG_2, 0);
	emit_load(&c, BPF_REG_4, 4);
	emit_load(&c, BPF_REG_5, 8);
	emit(&c, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0);
	emit(&c, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_3, 0, 0xffff);
	emit(&c, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_2, 0, 16);
	for (size_t i = 0; i < n; i++)
		emit_rule(&c, &rules[i]);
	emit_return(&c, 0);
	return c.n;
}

/* ---- the kernel ---------------------------------------------------------- */

static int load(const struct bpf_insn *code, size_t n)
{
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE };

	attr.insns = (uintptr_t)code;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uintptr_t) "GPL";
	memcpy(attr.prog_name, NAME, sizeof(NAME));
	return bpf(BPF_PROG_LOAD, &attr);
}

static int open_program(uint32_t id)
{
	union bpf_attr attr = { .prog_id = id };

	return bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

static bool is_ours(int fd)
{
	struct bpf_prog_info info = { .type = 0 };
	union bpf_attr attr = { .info.bpf_fd = (uint32_t)fd };

	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	return !bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) && !strcmp(info.name, NAME);
}

/* Ours on this group; -ENOENT: none is. */
static int find_ours(int dir)
{
	uint32_t ids[PROGRAMS_MAX] = { 0 };
	union bpf_attr attr = { .query.target_fd = (uint32_t)dir };
	int r;

	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = PROGRAMS_MAX;
	r = bpf(BPF_PROG_QUERY, &attr);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < attr.query.prog_cnt; i++) {
		_cleanup_close_ int fd = open_program(ids[i]);

		if (fd >= 0 && is_ours(fd))
			return TAKE_FD(fd);
	}
	return -ENOENT;
}

static int detach(int dir, int fd)
{
	union bpf_attr attr = { .target_fd = (uint32_t)dir };

	attr.attach_bpf_fd = (uint32_t)fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	return bpf(BPF_PROG_DETACH, &attr);
}

static int attach(int dir, int fd, int replaced)
{
	union bpf_attr attr = { .target_fd = (uint32_t)dir };

	attr.attach_bpf_fd = (uint32_t)fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (replaced >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)replaced;
	}
	return bpf(BPF_PROG_ATTACH, &attr);
}

int devprog_attach(int dir, const struct devprog_rule *rules, size_t n)
{
	_cleanup_free_ struct bpf_insn *code =
		calloc(DEVPROG_SIZE(n), sizeof(*code));
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int old = -1;
	int r;

	if (!code)
		return -ENOMEM;
	fd = load(code, devprog_assemble(code, rules, n));
	if (fd < 0)
		return fd == -ENOSYS || fd == -EINVAL ? -EOPNOTSUPP : fd;
	old = find_ours(dir);
	r = attach(dir, fd, old);
	if (r == -EINVAL && old >= 0) {
		/* before Linux 5.6: both hold for a moment */
		r = attach(dir, fd, -1);
		if (r == 0)
			r = detach(dir, old);
	}
	return r == -EINVAL ? -EOPNOTSUPP : r;
}

int devprog_detach(int dir)
{
	_cleanup_close_ int old = find_ours(dir);

	if (old < 0)
		return old == -ENOENT || old == -EINVAL || old == -ENOSYS ? 0
									  : old;
	return detach(dir, old);
}
