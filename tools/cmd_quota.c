/* SPDX-License-Identifier: GPL-2.0-or-later */

/* vefs quota: the family, what its members share, and check. */
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/log.h"
#include "fs/base/parse.h"
#include "tools/qcmd.h"

#define LIMITS_HELP                                                            \
	"SOFT alone is both limits; \"unlimited\" or 0 is none. Sizes are in " \
	"KiB, or have\n"                                                       \
	"one of K M G T P (of 1024 each) or B behind them.\n"

static const struct cmd children[] = {
	{ .name = "show",
	  .args = "quota show ID [--user USER | --group GROUP]",
	  .brief = "usage and limits of a container, or of one of its users",
	  .help = "As 'vzquota stat' prints it: usage has a * behind it when "
		  "it is above a limit,\n"
		  "grace is what is left of the time for that.\n\n"
		  "Example:\n"
		  "  vefs quota show 101\n",
	  .run = qcmd_show },
	{ .name = "set",
	  .args = "quota set ID [--user USER | --group GROUP] "
		  "--space SOFT[:HARD] --inodes SOFT[:HARD]",
	  .brief = "change limits, of a mounted container at once",
	  .help = LIMITS_HELP
	  "USER and GROUP are names of the container's own, or "
	  "numbers.\n\n"
	  "  --space S[:H]     bytes on disk\n"
	  "  --inodes S[:H]    files, directories and all else\n"
	  "  --grace TIME      of an owner that is above a soft limit: "
	  "from now on; 0: anew\n\n"
	  "  --window SIZE|off the container is trusted: from the next mount "
	  "on files with limits\n"
	  "                    are written without the daemon while the "
	  "limits are farther\n"
	  "                    than that (mount.vefs(8), quota-window)\n\n"
	  "As vzctl calls them, for the container:\n"
	  "  --diskspace S[:H], --diskinodes S[:H]\n"
	  "  --quotatime SECONDS     see 'vefs quota grace'\n"
	  "  --quotaugidlimit N      0: users and groups are not "
	  "limited; else they are\n"
	  "  --diskquota yes|no      from the next mount on\n\n"
	  "Examples:\n"
	  "  vefs quota set 101 --space 10G:11G --inodes 400000\n"
	  "  vefs quota set 101 --user anna --space 500M\n",
	  .run = qcmd_set },
	{ .name = "grace",
	  .args = "quota grace ID [--space TIME] [--inodes TIME] "
		  "[--container] [--user] [--group]",
	  .brief = "how long soft limits may be exceeded",
	  .help = "TIME is in seconds, dd:hh:mm:ss, or a number with s, min, "
		  "h, d, w, m (months of\n"
		  "30 days) or y. Of the container, if nothing else is said. "
		  "A grace that runs\n"
		  "keeps running. Without TIME they are printed.\n\n"
		  "Example:\n"
		  "  vefs quota grace 101 --user --group --space 7d\n",
	  .run = qcmd_grace },
	{ .name = "report",
	  .args = "quota report ID [--format table|json|vzquota] [--user] "
		  "[--group] [--watch [SECONDS]]",
	  .brief = "usage and limits of all users and groups",
	  .help = "  --format F     table, json, or vzquota: as 'vzquota stat "
		  "-t'\n"
		  "  --user         users only; --group: groups only\n"
		  "  -n, --numeric  numbers, no names\n"
		  "  --names        fail when names cannot be read\n"
		  "  --watch [N]    again every N seconds (2), until "
		  "interrupted\n\n"
		  "+ marks who is above a limit, of space and of inodes. "
		  "Space is in KiB.\n\n"
		  "Example:\n"
		  "  vefs quota report 101 --watch 5\n",
	  .run = qcmd_report },
	{ .name = "check",
	  .args = "quota check ID [--fix]",
	  .brief = "count what is there, and compare",
	  .help = "Prints a line for each owner whose usage is not what it "
		  "should be. The exit\n"
		  "status is 0 when there is none, 1 when there was one.\n\n"
		  "  --fix   take over what was counted\n",
	  .run = qcmd_check },
	{ .name = "on",
	  .args = "quota on ID [--level 1|2]",
	  .brief = "keep limits",
	  .help = "  --level 1   those of the container\n"
		  "  --level 2   those of users and groups; both if nothing "
		  "is said\n",
	  .run = qcmd_on },
	{ .name = "off",
	  .args = "quota off ID [--level 1|2]",
	  .brief = "do not keep them; usage is counted all the same",
	  .help = "  --level 1   those of the container\n"
		  "  --level 2   those of users and groups; both if nothing "
		  "is said\n",
	  .run = qcmd_off },
	{ .name = NULL },
};

const struct cmd cmd_quota = {
	.name = "quota",
	.args = "quota COMMAND ...",
	.brief = "limits of containers and of the users in them",
	.children = children,
};

/* ---- what they share ------------------------------------------------------- */

void qcmd_end(struct qcmd *q)
{
	for (int k = 0; k < LEDGER_KINDS; k++)
		idname_free(q->names[k]);
	quotaask_free(q->ask);
	container_close(&q->one);
	catalog_free(q->c);
	*q = (struct qcmd)QCMD_NONE;
}

int qcmd_fail(const struct qcmd *q, int err)
{
	cmd_fail(err, &q->why);
	return err == -EBUSY ? CMD_LOCKED : CMD_FAILED;
}

int qcmd_misused(const struct qcmd *q, int err, const char *option)
{
	log_error("--%s: %s", option,
		  q->why.text[0] ? q->why.text : strerror(-err));
	return CMD_USAGE;
}

/* What is mounted can be looked at while others work on it. */
static int open_container(struct qcmd *q, const char *id, enum qcmd_mode mode)
{
	int r;

	if (mode == QCMD_LOOK) {
		r = container_open(q->c, id, false, &q->one, &q->why);
		if (r < 0 || container_is_mounted(&q->one))
			return r;
		container_close(&q->one);
	}
	return container_open(q->c, id, true, &q->one, &q->why);
}

static int read_conf(struct qcmd *q, enum qcmd_mode mode)
{
	struct why said = { "" };
	int r = quotaconf_read(&q->one, &q->conf, &said);

	if (r == -EINVAL || r == -ERANGE || r == -ENAMETOOLONG) {
		if (mode == QCMD_LOOK)
			log_warn("%s", said.text);
		r = 0;
	}
	if (r < 0)
		return why_set(&q->why, r, "%s", said.text);
	if (q->conf.off && mode != QCMD_ON)
		return why_set(&q->why, -ENODATA,
			       "container %s has no quota (DISK_QUOTA=no in "
			       "its " CONTAINER_CONF "): 'vefs quota on %s'",
			       q->one.id, q->one.id);
	return 0;
}

static int open_ask(struct qcmd *q, enum qcmd_mode mode)
{
	static const enum quotaask_mode modes[] = {
		[QCMD_LOOK] = QUOTAASK_LOOK,
		[QCMD_CHANGE] = QUOTAASK_CHANGE,
		[QCMD_REBUILD] = QUOTAASK_REBUILD,
		[QCMD_ON] = QUOTAASK_CHANGE,
	};
	int r;

	if (q->conf.off)
		return 0;
	r = quotaask_open(&q->ask, &q->one, modes[mode], &q->why);
	/* As the next mount would have it. */
	if (r == 0 && quotaask_ledger(q->ask))
		r = quotaconf_apply(&q->conf, q->ask);
	return r;
}

int qcmd_begin(struct qcmd *q, const struct cmd_common *common, const char *id,
	       enum qcmd_mode mode)
{
	int r = container_check_id(id, &q->why);

	if (r < 0) {
		cmd_fail(r, &q->why);
		return CMD_USAGE;
	}
	q->c = cmd_open(common, false);
	if (!q->c)
		return CMD_FAILED;
	r = open_container(q, id, mode);
	if (r == 0)
		r = read_conf(q, mode);
	if (r == 0)
		r = open_ask(q, mode);
	return r < 0 ? qcmd_fail(q, r) : CMD_OK;
}

int qcmd_names(struct qcmd *q, enum ledger_kind kind)
{
	if (q->names[kind])
		return 0;
	return idname_read(q->c, &q->one, kind, &q->names[kind], &q->why);
}

int qcmd_id(struct qcmd *q, enum ledger_kind kind, const char *word,
	    uint32_t *id)
{
	bool number = *word && !word[strspn(word, "0123456789")];
	int r;

	if (number) {
		r = parse_id(word, id);
		if (r < 0)
			why_set(&q->why, r,
				"'%.100s': there is no such id, %u is the last",
				word, UINT32_MAX - 1);
		return r;
	}
	r = qcmd_names(q, kind);
	if (r < 0)
		return r;
	r = idname_find(q->names[kind], word, id);
	if (r < 0)
		why_set(&q->why, r,
			"container %s has no %s '%.100s' in its etc/%s: give "
			"a number",
			q->one.id, ledger_kinds[kind], word,
			kind == LEDGER_USER ? "passwd" : "group");
	return r;
}

void qcmd_warn_uncertain(const struct qcmd *q)
{
	const char *id = q->one.id;

	if (quotaask_is_certain(q->ask))
		return;
	log_warn("container %s: usage %s: the next mount counts it, or 'vefs "
		 "quota check %s --fix'",
		 id,
		 quotaask_is_new(q->ask) ? "has not been counted yet"
					 : "may have changed since it was "
					   "written",
		 id);
}

void qcmd_warn_off(const struct qcmd *q, enum ledger_kind kind)
{
	log_warn("container %s: limits of %s are off: 'vefs quota on %s'",
		 q->one.id,
		 kind == LEDGER_CONTAINER ? "the container"
					  : "users and groups",
		 q->one.id);
}

int qcmd_ask(struct qcmd *q, const char *fmt, ...)
{
	char request[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(request, sizeof(request), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(request))
		return -EINVAL;
	return quotaask_run(q->ask, request, NULL, NULL, &q->why);
}

/* ---- check ----------------------------------------------------------------- */

struct checking {
	struct qcmd *q;
	json_t *all; /* or NULL */
	uint64_t drifts, inodes, ms;
	bool done, quiet;
};

static void print_drift(struct checking *c, enum ledger_kind kind, uint32_t id,
			const uint64_t of[2 * LIMIT_RESOURCES])
{
	if (c->drifts++ == 0 && !c->quiet)
		printf("%-9s %10s %16s %16s %12s %12s\n", "TYPE", "ID", "BYTES",
		       "COUNTED", "INODES", "COUNTED");
	printf("%-9s ", ledger_kinds[kind]);
	if (kind == LEDGER_CONTAINER)
		printf("%10s", c->q->one.id);
	else
		printf("%10u", id);
	printf(" %16" PRIu64 " %16" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n",
	       of[0], of[1], of[2], of[3]);
}

static int on_check(void *ctx, char *line)
{
	uint64_t of[2 * LIMIT_RESOURCES];
	struct checking *c = ctx;
	enum ledger_kind kind;
	uint32_t id;

	if (quotastate_checked(line, &c->inodes, &c->ms) == 0) {
		c->done = true;
		return 0;
	}
	if (quotastate_drift(line, &kind, &id, of) < 0)
		return -EPROTO;
	if (!c->all) {
		print_drift(c, kind, id, of);
		return 0;
	}
	c->drifts++;
	return json_array_append_new(
		       c->all,
		       json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "type",
				 ledger_kinds[kind], "id", (json_int_t)id,
				 "space", (json_int_t)of[0], "space_counted",
				 (json_int_t)of[1], "inodes", (json_int_t)of[2],
				 "inodes_counted", (json_int_t)of[3])) < 0
		       ? -ENOMEM
		       : 0;
}

static void print_checked(struct checking *c, const struct cmd_common *common,
			  bool fix)
{
	json_t *j;

	if (c->all) {
		j = json_pack("{s:s, s:I, s:I, s:b, s:o}", "id", c->q->one.id,
			      "checked", (json_int_t)c->inodes, "ms",
			      (json_int_t)c->ms, "fixed", fix && c->drifts,
			      "drift", TAKE_PTR(c->all));
		json_dumpf(j, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(j);
	} else if (!common->quiet) {
		printf("%" PRIu64 " inodes in %" PRIu64 " ms: ", c->inodes,
		       c->ms);
		if (c->drifts)
			printf("%" PRIu64 " owners differ%s\n", c->drifts,
			       fix ? ", and are right now" : "");
		else
			printf("all is as it should be\n");
	}
}

QCMD_RUN(check)
{
	static const int one[] = { 1, 1 };
	bool fix = false;
	const struct cmd_option own[] = { { "fix", &fix, NULL },
					  { NULL, NULL, NULL } };
	struct checking c = { .quiet = common->quiet };
	int status, r;
	QCMD(q);

	if (cmd_parse(self, common, own, argc, argv, one) < 0)
		return cmd_parse_status(common);
	status =
		qcmd_begin(&q, common, argv[0], fix ? QCMD_REBUILD : QCMD_LOOK);
	if (status != CMD_OK)
		return status;
	c.q = &q;
	if (common->json)
		c.all = json_array();
	r = quotaask_run(q.ask, fix ? "check fix" : "check", on_check, &c,
			 &q.why);
	if (r == 0 && !c.done)
		r = why_set(&q.why, -EPIPE,
			    "container %s: the check did not come to its end: "
			    "try again",
			    q.one.id);
	if (r == 0)
		print_checked(&c, common, fix);
	json_decref(c.all);
	if (r < 0)
		return qcmd_fail(&q, r);
	return cmd_flush(c.drifts ? CMD_FAILED : CMD_OK);
}
