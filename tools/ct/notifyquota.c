/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/notifyquota.h"

#include <inttypes.h>
#include <linux/dqblk_xfs.h>
#include <linux/quota.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "quota/ledger.h"
#include "tools/ct/notifycaller.h"

/*
 * The order of a call: its arguments (each copied once), who calls, is that
 * still true (notifycaller.h), may they, then what is asked, then the answer
 * into their memory.
 *
 * Everything about a command is its row of the table: what it must be allowed
 * and what it does.
 */
#define TYPES 3u	  /* users, groups, projects */
#define KIB 1024u	  /* what limits are counted in */
#define SYS_FILE 0x10000u /* DQF_SYS_FILE: there are no files of quotas */
#define ANSWER 512u
#define DEVICE_NAME 4096u

struct call {
	const struct notify_config *config;
	void *self;
	struct notifycaller caller;
	struct notifycaller_who who;
	uint32_t command, type;
	uint32_t id; /* the container's */
	uint64_t at; /* where the caller wants it, or has it */
};

enum allowed { TO_ALL, TO_OWNER, TO_ADMIN };

static const enum ledger_kind kind_of[] = { LEDGER_USER, LEDGER_GROUP };

static const char *kind_name(const struct call *c)
{
	return ledger_kinds[kind_of[c->type]];
}

static int ask(struct call *c, char answer[ANSWER], const char *fmt, ...)
	_printf_(3, 4);

static int ask(struct call *c, char answer[ANSWER], const char *fmt, ...)
{
	char request[256];
	va_list ap;
	int r;

	va_start(ap, fmt);
	vsnprintf(request, sizeof(request), fmt, ap);
	va_end(ap);
	r = c->config->ops.quota(c->self, request, answer, ANSWER);
	/* No ledger: quotas are off. */
	return r == -ENXIO ? -ESRCH : r;
}

/* What the worker says. */

static int read_record(const char *answer, uint32_t *id, struct limit_rec *rec)
{
	struct limit *s = &rec->of[LIMIT_SPACE], *i = &rec->of[LIMIT_INODES];

	return sscanf(answer,
		      "record %*9s %" SCNu32 " %" SCNu64 " %" SCNu64 " %" SCNu64
		      " %" SCNd64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		      " %" SCNd64,
		      id, &s->usage, &s->soft, &s->hard, &s->deadline,
		      &i->usage, &i->soft, &i->hard, &i->deadline) == 9
		       ? 0
		       : -EIO;
}

struct info {
	bool enforced;
	uint64_t grace[LIMIT_RESOURCES];
};

static int ask_info(struct call *c, struct info *info)
{
	char answer[ANSWER], state[4];
	int r = ask(c, answer, "info %s", kind_name(c));

	if (r < 0)
		return r;
	if (sscanf(answer,
		   "enforce %*9s %3s grace %*9s space %" SCNu64
		   " grace %*9s inodes %" SCNu64,
		   state, &info->grace[LIMIT_SPACE],
		   &info->grace[LIMIT_INODES]) != 3)
		return -EIO;
	info->enforced = strcmp(state, "on") == 0;
	return 0;
}

static uint64_t to_kib(uint64_t bytes)
{
	return bytes / KIB + (bytes % KIB != 0);
}

/* Commands. */

static int get_format(struct call *c)
{
	const uint32_t format = QFMT_VFS_V1;
	struct info info;
	int r = ask_info(c, &info); /* is it on at all? */

	if (r < 0)
		return r;
	return notifycaller_write(&c->caller, c->at, &format, sizeof(format));
}

static int get_info(struct call *c)
{
	struct info info;
	struct if_dqinfo i;
	int r = ask_info(c, &info);

	if (r < 0)
		return r;
	i = (struct if_dqinfo){ .dqi_bgrace = info.grace[LIMIT_SPACE],
				.dqi_igrace = info.grace[LIMIT_INODES],
				.dqi_flags = SYS_FILE,
				.dqi_valid = IIF_ALL };
	return notifycaller_write(&c->caller, c->at, &i, sizeof(i));
}

static int set_grace(struct call *c, enum limit_resource what, uint64_t seconds)
{
	char answer[ANSWER];

	if (seconds > UINT32_MAX)
		return -ERANGE;
	return ask(c, answer, "grace %s %s %" PRIu64, kind_name(c),
		   limit_names[what], seconds);
}

static int set_info(struct call *c)
{
	struct if_dqinfo i;
	int r = notifycaller_read(&c->caller, c->at, &i, sizeof(i));

	if (r < 0)
		return r;
	if (!notifycaller_waits(&c->caller))
		return -ESRCH;
	if (((i.dqi_valid & IIF_BGRACE) && i.dqi_bgrace > UINT32_MAX) ||
	    ((i.dqi_valid & IIF_IGRACE) && i.dqi_igrace > UINT32_MAX))
		return -ERANGE;
	if (i.dqi_valid & IIF_BGRACE)
		r = set_grace(c, LIMIT_SPACE, i.dqi_bgrace);
	if (r == 0 && (i.dqi_valid & IIF_IGRACE))
		r = set_grace(c, LIMIT_INODES, i.dqi_igrace);
	return r;
}

static void fill(struct if_dqblk *d, const struct limit_rec *rec)
{
	const struct limit *s = &rec->of[LIMIT_SPACE];
	const struct limit *i = &rec->of[LIMIT_INODES];

	*d = (struct if_dqblk){ .dqb_bhardlimit = to_kib(s->hard),
				.dqb_bsoftlimit = to_kib(s->soft),
				.dqb_curspace = s->usage,
				.dqb_ihardlimit = i->hard,
				.dqb_isoftlimit = i->soft,
				.dqb_curinodes = i->usage,
				.dqb_btime = (uint64_t)s->deadline,
				.dqb_itime = (uint64_t)i->deadline,
				.dqb_valid = QIF_ALL };
}

/* The record of the id that is asked for, or of the first one from there. */
static int ask_record(struct call *c, bool next, uint32_t *id,
		      struct limit_rec *rec)
{
	char answer[ANSWER];
	int r = ask(c, answer, "%s %s %" PRIu32, next ? "next" : "get",
		    kind_name(c), c->id);

	if (r == 0)
		r = read_record(answer, id, rec);
	/* Whose ids are nobody's inside are not to be found there. */
	if (r == 0 && c->config->count && *id >= c->config->count)
		r = -ENOENT;
	return r;
}

static int get_quota(struct call *c)
{
	struct limit_rec rec = { 0 };
	struct if_dqblk d;
	uint32_t id = 0;
	int r = ask_record(c, false, &id, &rec);

	if (r < 0)
		return r;
	fill(&d, &rec);
	return notifycaller_write(&c->caller, c->at, &d,
				  notifyabi_dqblk_size(c->caller.abi));
}

static int get_next_quota(struct call *c)
{
	struct if_nextdqblk next;
	struct limit_rec rec = { 0 };
	struct if_dqblk d;
	uint32_t id = 0;
	int r = ask_record(c, true, &id, &rec);

	if (r < 0)
		return r;
	fill(&d, &rec);
	memset(&next, 0, sizeof(next));
	memcpy(&next, &d, offsetof(struct if_nextdqblk, dqb_id));
	next.dqb_id = id;
	return notifycaller_write(&c->caller, c->at, &next, sizeof(next));
}

/* Words of "limits": as many digits as there are, or "-". */
#define WORD 24u

static void put_word(char word[WORD], bool valid, uint64_t number)
{
	if (valid)
		snprintf(word, WORD, "%" PRIu64, number);
	else
		snprintf(word, WORD, "-");
}

static int set_quota(struct call *c)
{
	struct if_dqblk d = { .dqb_valid = 0 };
	char w[6][WORD], answer[ANSWER];
	int r = notifycaller_read(&c->caller, c->at, &d,
				  notifyabi_dqblk_size(c->caller.abi));

	if (r < 0)
		return r;
	if (!notifycaller_waits(&c->caller))
		return -ESRCH;
	if (((d.dqb_valid & QIF_BLIMITS) &&
	     (d.dqb_bsoftlimit > LIMIT_MAX / KIB ||
	      d.dqb_bhardlimit > LIMIT_MAX / KIB)) ||
	    ((d.dqb_valid & QIF_ILIMITS) &&
	     (d.dqb_isoftlimit > LIMIT_MAX || d.dqb_ihardlimit > LIMIT_MAX)) ||
	    ((d.dqb_valid & QIF_BTIME) && d.dqb_btime > LIMIT_MAX) ||
	    ((d.dqb_valid & QIF_ITIME) && d.dqb_itime > LIMIT_MAX))
		return -ERANGE;
	put_word(w[0], d.dqb_valid & QIF_BLIMITS, d.dqb_bsoftlimit * KIB);
	put_word(w[1], d.dqb_valid & QIF_BLIMITS, d.dqb_bhardlimit * KIB);
	put_word(w[2], d.dqb_valid & QIF_BTIME, d.dqb_btime);
	put_word(w[3], d.dqb_valid & QIF_ILIMITS, d.dqb_isoftlimit);
	put_word(w[4], d.dqb_valid & QIF_ILIMITS, d.dqb_ihardlimit);
	put_word(w[5], d.dqb_valid & QIF_ITIME, d.dqb_itime);
	return ask(c, answer, "limits %s %" PRIu32 " %s %s %s %s %s %s",
		   kind_name(c), c->id, w[0], w[1], w[2], w[3], w[4], w[5]);
}

/* The state of both kinds: flags, and the graces of the first that is on. */
static int get_state(struct call *c)
{
	static const uint16_t flags[][2] = {
		{ FS_QUOTA_UDQ_ACCT, FS_QUOTA_UDQ_ENFD },
		{ FS_QUOTA_GDQ_ACCT, FS_QUOTA_GDQ_ENFD },
	};
	struct fs_quota_stat s;
	unsigned char buf[NOTIFYABI_BYTES];

	memset(&s, 0, sizeof(s));
	s.qs_version = FS_QSTAT_VERSION;
	for (c->type = ARRAY_SIZE(kind_of); c->type-- > 0;) {
		struct info info;
		int r = ask_info(c, &info);

		if (r < 0)
			return r;
		s.qs_flags |= flags[c->type][0];
		if (info.enforced)
			s.qs_flags |= flags[c->type][1];
		s.qs_btimelimit = (int32_t)info.grace[LIMIT_SPACE];
		s.qs_itimelimit = (int32_t)info.grace[LIMIT_INODES];
	}
	return notifycaller_write(&c->caller, c->at, buf,
				  notifyabi_put_state(c->caller.abi, &s, buf));
}

/* Everything is counted as it happens. */
static int nothing_to_do(struct call *c)
{
	(void)c;
	return 0;
}

static int is_on(struct call *c)
{
	(void)c;
	return -EEXIST;
}

/* Limits can be lifted one by one; counting does not end. */
static int stays_on(struct call *c)
{
	(void)c;
	return -EOPNOTSUPP;
}

static const struct command {
	uint32_t number;
	enum allowed allowed;
	bool has_id;
	int (*run)(struct call *c);
} commands[] = {
	{ Q_SYNC, TO_ALL, false, nothing_to_do },
	{ Q_QUOTAON, TO_ADMIN, false, is_on },
	{ Q_QUOTAOFF, TO_ADMIN, false, stays_on },
	{ Q_GETFMT, TO_ALL, false, get_format },
	{ Q_GETINFO, TO_ALL, false, get_info },
	{ Q_SETINFO, TO_ADMIN, false, set_info },
	{ Q_GETQUOTA, TO_OWNER, true, get_quota },
	{ Q_SETQUOTA, TO_ADMIN, true, set_quota },
	{ Q_GETNEXTQUOTA, TO_ADMIN, true, get_next_quota },
	{ Q_XGETQSTAT, TO_ALL, false, get_state },
	{ Q_XQUOTASYNC, TO_ALL, false, nothing_to_do },
	{ Q_XQUOTAON, TO_ADMIN, false, is_on },
	{ Q_XQUOTAOFF, TO_ADMIN, false, stays_on },
};

static const struct command *find_command(uint32_t number)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].number == number)
			return &commands[i];
	return NULL;
}

/* Calls. */

static bool is_admin(const struct call *c)
{
	return c->who.userns == c->config->userns &&
	       (c->who.caps & c->config->admin_caps);
}

/*
 * The container's id of what the caller calls `id`, who may live in a user
 * namespace within. -EINVAL: there is no such.
 */
static int take_id(struct call *c, uint32_t id, uint32_t *host)
{
	const struct notify_config *config = c->config;
	int r = 0;

	if (id == UINT32_MAX)
		return -EINVAL;
	if (c->who.userns == config->userns && config->count)
		*host = config->base + id;
	else if (c->who.userns == config->userns)
		*host = id;
	else
		r = notifycaller_host_id(&c->caller, c->type == GRPQUOTA, id,
					 host);
	if (r < 0)
		return r;
	c->id = *host - config->base;
	return config->count && c->id >= config->count ? -EINVAL : 0;
}

static int may(struct call *c, const struct command *cmd, uint32_t host)
{
	bool own = c->type == GRPQUOTA ? notifycaller_in_group(&c->who, host)
				       : c->who.euid == host;

	if (!cmd || cmd->allowed == TO_ADMIN)
		own = false;
	if ((cmd && cmd->allowed == TO_ALL) || own || is_admin(c))
		return 0;
	return -EPERM;
}

static int run(struct call *c, uint32_t id)
{
	const struct command *cmd = find_command(c->command);
	int r = notifycaller_who(&c->caller, &c->who), no_id = 0;
	uint32_t host = UINT32_MAX;

	if (r < 0)
		return r;
	if (cmd && cmd->has_id && c->type < ARRAY_SIZE(kind_of))
		no_id = take_id(c, id, &host);
	/* All of this was theirs if they wait now. */
	if (!notifycaller_waits(&c->caller))
		return -ESRCH;
	r = may(c, cmd, host);
	if (r < 0)
		return r;
	if (!cmd)
		return -EINVAL;
	if (no_id < 0)
		return no_id;
	if (c->type >= ARRAY_SIZE(kind_of) && cmd->run != nothing_to_do)
		return -ESRCH;
	return cmd->run(c);
}

/* 0: it is ours. */
static int is_ours(struct call *c, const struct seccomp_notif *n,
		   enum notifyabi_call which)
{
	_cleanup_free_ char *name = NULL;
	uint64_t at;
	dev_t dev;
	int r;

	if (which == NOTIFYABI_QUOTACTL_FD) {
		r = notifycaller_device(&c->caller, (int)n->data.args[0], &dev);
		if (r < 0)
			return r;
		return dev == c->config->dev ? 0 : NOTIFY_CONTINUE;
	}
	at = notifyabi_pointer(c->caller.abi, n->data.args[1]);
	if (!at)
		return c->command == Q_SYNC ? 0 : -ENODEV;
	name = malloc(DEVICE_NAME);
	if (!name)
		return -ENOMEM;
	r = notifycaller_string(&c->caller, at, name, DEVICE_NAME);
	if (r < 0)
		return r;
	return strcmp(name, c->config->dev_name) == 0 ? 0 : NOTIFY_CONTINUE;
}

int notifyquota_answer(const struct notify_config *config, void *self,
		       int listener, const struct seccomp_notif *n)
{
	struct call c = { .config = config, .self = self };
	enum notifyabi_call which;
	uint32_t cmd;
	int r = notifycaller_open(&c.caller, listener, n);

	if (r < 0)
		return r;
	which = notifyabi_call(c.caller.abi, n->data.nr);
	cmd = (uint32_t)n->data.args[which == NOTIFYABI_QUOTACTL_FD];
	c.command = cmd >> SUBCMDSHIFT;
	c.type = cmd & SUBCMDMASK;
	c.at = notifyabi_pointer(c.caller.abi, n->data.args[3]);
	r = c.type < TYPES ? is_ours(&c, n, which) : -EINVAL;
	if (r == 0)
		r = run(&c, (uint32_t)n->data.args[2]);
	notifycaller_who_free(&c.who);
	notifycaller_close(&c.caller);
	return r;
}
