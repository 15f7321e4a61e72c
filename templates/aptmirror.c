/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/aptmirror.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"

/* "Debian Debian URI": the third word of the first such line. */
static bool take_line(const char *line, char uri[PATH_MAX])
{
	static const char begin[] = "Debian Debian ";
	size_t len;

	if (strncmp(line, begin, sizeof(begin) - 1) != 0)
		return false;
	line += sizeof(begin) - 1;
	len = strcspn(line, " \n");
	if (!len || len >= PATH_MAX)
		return false;
	memcpy(uri, line, len);
	uri[len] = '\0';
	return true;
}

/* Start it, its output to the returned descriptor. */
static int start(char *const argv[], pid_t *pid)
{
	posix_spawn_file_actions_t files;
	int fds[2], r;

	*pid = -1;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, fds[1], 1);
	posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
	r = posix_spawnp(pid, argv[0], &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	close(fds[1]);
	if (r == 0)
		return fds[0];
	close(fds[0]);
	return -r;
}

bool aptmirror_find(char uri[PATH_MAX])
{
	char *argv[] = { (char *)"apt-get",
			 (char *)"indextargets",
			 (char *)"--format",
			 (char *)"$(ORIGIN) $(LABEL) $(REPO_URI)",
			 (char *)"Created-By: Packages",
			 NULL };
	_cleanup_free_ char *line = NULL;
	bool found = false;
	size_t room = 0;
	int fd, status;
	pid_t pid;
	FILE *f;

	fd = start(argv, &pid);
	if (fd < 0)
		return false;
	f = fdopen(fd, "r");
	if (!f)
		close(fd);
	/* all of it is read: it must not die of a pipe without a reader */
	while (f && getline(&line, &room, f) > 0)
		found = found || take_line(line, uri);
	if (f)
		fclose(f);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return found;
}
