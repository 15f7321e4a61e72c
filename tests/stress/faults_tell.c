/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/stress/faults_run.h"

#define TOLD_MAX 6 /* wrong things of a scenario */

const char *const faults_call_names[FAULT_CALLS] = {
#define NAME(id, name, class) name,
	FAULT_CALL_LIST(NAME)
#undef NAME
};

const char *const faults_mode_names[] = { "error", "short", "short-error",
					  "sticky" };

void faults_die(const char *fmt, ...)
{
	va_list ap;

	printf("# faults: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	_exit(2);
}

void faults_tell_caller(const struct faults_try *t)
{
	char cmd[1024], line[256];
	size_t n;
	FILE *p;

	n = (size_t)snprintf(cmd, sizeof(cmd), "addr2line -sfe %s/vefsd",
			     getenv("VEFS_BIN"));
	for (unsigned i = 0; i < t->n_frames && i < FAULT_FRAMES; i++)
		n += (size_t)snprintf(cmd + n, sizeof(cmd) - n, " %llx",
				      (unsigned long long)t->frames[i]);
	p = t->n_frames ? popen(cmd, "r") : NULL;
	if (!p)
		return;
	printf("#    in");
	while (fgets(line, sizeof(line), p)) {
		line[strcspn(line, "\n")] = '\0';
		printf(" %s", line);
		/* what is below the dispatcher is always the same */
		if (strncmp(line, "fuse.c:", 7) == 0 ||
		    strncmp(line, "fusefile.c:", 11) == 0)
			break;
	}
	putchar('\n');
	pclose(p);
}

/* The line begins with what `faults try` takes to do the same again. */
bool faults_wrong(struct faults_run *r, const struct faults_try *t,
		  const char *when, char *why)
{
	const struct faults_fault *f = &t->f;

	if (!why)
		return false;
	if (r->wrong++ < TOLD_MAX) {
		if (f->call == FAULT_CALLS)
			printf("# %s, no fault: %s: %s\n", r->name, when, why);
		else
			printf("# %s %s %u %s %s: %s: %s\n", r->name,
			       faults_call_names[f->call], f->nth,
			       strerrorname_np(f->error),
			       faults_mode_names[f->mode], when, why);
		if (f->call != FAULT_CALLS)
			faults_tell_caller(t);
	}
	fflush(stdout);
	free(why);
	return true;
}

/* Tell which trial is under way, for whoever finds that it hangs. */
void faults_note(const struct faults_run *r, const struct faults_fault *f)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "%s %s %u %s %s\n", r->name,
			 f->call == FAULT_CALLS ? "none"
						: faults_call_names[f->call],
			 f->nth, f->error ? strerrorname_np(f->error) : "0",
			 faults_mode_names[f->mode]);
	int dir = open(r->m.base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(dir, "current",
			O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

	if (fd >= 0 && write(fd, line, (size_t)n) == n)
		close(fd);
	close(dir);
}

void faults_arm(struct faults_run *r, const struct faults_fault *f)
{
	struct fault_control *c = r->m.control;

	c->call = f->call;
	c->nth = f->nth;
	c->mode = f->mode;
	c->error = f->error;
	c->n_frames = 0;
	for (unsigned i = 0; i < FAULT_CALLS; i++)
		atomic_store(&c->seen[i], 0);
	atomic_store(&c->fired, 0);
	atomic_store(&c->armed, 1);
}

void faults_disarm(struct faults_run *r, struct faults_try *t)
{
	const struct fault_control *c = r->m.control;

	atomic_store(&r->m.control->armed, 0);
	t->n_frames = c->n_frames;
	memcpy(t->frames, c->frames, sizeof(t->frames));
}
