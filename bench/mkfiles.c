/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mkfiles: makes the files the benchmarks work on, the same ones every time:
 * names, sizes, contents and times follow from the arguments alone.
 *
 *   mkfiles lower|upper DIR    what micro needs; its table names the paths
 *   mkfiles many DIR           100 directories of 1000 empty files
 *   mkfiles source COUNT DIR   a source tree of COUNT files, 13 KiB on average
 *   mkfiles root MIB DIR       a system's tree of so much data: some 24 files
 *                              of each MiB, of up to 16 MiB
 *   mkfiles names COUNT DIR    COUNT empty files, 100 in a directory
 *   mkfiles owners COUNT DIR   each of those is another user's
 *   mkfiles flat COUNT DIR     COUNT empty files in this one
 *   mkfiles project COUNT DIR  a C project of COUNT files and a Makefile
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB 1024UL
#define MIB (1024UL * KIB)
#define EPOCH 1700000000 /* mtime of everything made */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const struct tree {
	const char *of; /* which tree it is a part of */
	const char *dir;
	const char *file; /* one file of this name instead of many */
	int dirs;	  /* so many directories, each with the files */
	int files;
	size_t size;
} trees[] = {
	{ "lower", "l/stat", NULL, 0, 1000, 0 },
	{ "lower", "l/rd", NULL, 8, 1000, 0 },
	{ "lower", "l/read", NULL, 0, 64, 4 * KIB },
	{ "lower", "usr/read", NULL, 0, 64, 4 * KIB },
	{ "lower", "usr", "big", 0, 1, 16 * MIB },
	{ "lower", "l", "file", 0, 1, 4 * MIB },
	{ "lower", "l/unlink", NULL, 0, 500, 0 },
	{ "lower", "l/mvdir", NULL, 64, 2, 0 },
	{ "lower", "l/chmod4k", NULL, 0, 200, 4 * KIB },
	{ "lower", "l/chmod1m", NULL, 0, 16, MIB },
	{ "lower", "l/write4k", NULL, 0, 100, 4 * KIB },
	{ "lower", "l/write1m", NULL, 0, 16, MIB },
	{ "upper", "u/stat", NULL, 0, 1000, 0 },
	{ "upper", "u/read", NULL, 0, 64, 4 * KIB },
	{ "upper", "u/write", NULL, 0, 64, 4 * KIB },
	{ "upper", "u", "file", 0, 1, 4 * MIB },
	{ "upper", "run", NULL, 0, 0, 0 },
	{ "many", "many", NULL, 100, 1000, 0 },
};

/* Sizes of source files: what share (of 1000) lies between which bounds. */
struct sizes {
	unsigned int permille;
	size_t from;
	size_t to;
};

static const struct sizes source_sizes[] = {
	{ 500, 512, 4 * KIB },
	{ 350, 4 * KIB, 16 * KIB },
	{ 130, 16 * KIB, 64 * KIB },
	{ 20, 64 * KIB, 256 * KIB },
};

/* As in a minimal Debian: most files small, most bytes in the large ones. */
static const struct sizes root_sizes[] = {
	{ 550, 128, 4 * KIB },	     { 270, 4 * KIB, 16 * KIB },
	{ 138, 16 * KIB, 64 * KIB }, { 40, 64 * KIB, 512 * KIB },
	{ 2, MIB, 16 * MIB },
};

static unsigned int seed = 1;

static unsigned int next_random(void)
{
	seed = seed * 1103515245U + 12345U;
	return seed >> 8;
}

static void fail(const char *what)
{
	fprintf(stderr, "mkfiles: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0)
			fail("write");
		buf += n;
		len -= (size_t)n;
	}
}

static int file_open(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			0644);

	if (fd < 0)
		fail(name);
	return fd;
}

static void file_done(int fd)
{
	const struct timespec times[2] = { { .tv_sec = EPOCH },
					   { .tv_sec = EPOCH } };

	if (futimens(fd, times) < 0 || close(fd) < 0)
		fail("close");
}

static int dir_open(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		fail(path);
	return fd;
}

/* mkdir -p, then open; for the short relative paths of the tables. */
static int dir_make(int at, const char *path)
{
	char part[64];
	char *end = part;

	snprintf(part, sizeof(part), "%s", path);
	do {
		end = strchrnul(end, '/');
		if (*end)
			*end++ = '\0';
		else
			end = NULL;
		if (mkdirat(at, part, 0755) < 0 && errno != EEXIST)
			fail(part);
		if (end)
			end[-1] = '/';
	} while (end);
	return dir_open(at, path);
}

/* --- what micro needs --- */

static void data_make(int dir, const char *name, size_t size)
{
	static char block[MIB];
	int fd = file_open(dir, name);
	size_t i;

	for (i = 0; i < sizeof(block) && !block[0]; i++)
		block[i] = (char)(next_random() | 1);
	for (; size; size -= i) {
		i = size < sizeof(block) ? size : sizeof(block);
		write_all(fd, block, i);
	}
	file_done(fd);
}

static void files_make(int dir, const struct tree *t)
{
	char name[16];
	int i;

	for (i = 0; i < t->files; i++) {
		snprintf(name, sizeof(name), "f%05d", i);
		data_make(dir, t->file ? t->file : name, t->size);
	}
}

static void tree_make(int root, const struct tree *t)
{
	int dir = dir_make(root, t->dir);
	char name[16];
	int i;

	if (!t->dirs)
		files_make(dir, t);
	for (i = 0; i < t->dirs; i++) {
		int sub;

		snprintf(name, sizeof(name), "f%05d", i);
		sub = dir_make(dir, name);
		files_make(sub, t);
		close(sub);
	}
	close(dir);
}

/* How many trees have that name. */
static int trees_make(int root, const char *of)
{
	int made = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(trees); i++) {
		if (strcmp(trees[i].of, of) != 0)
			continue;
		tree_make(root, &trees[i]);
		made++;
	}
	return made;
}

/* --- a source tree: something for tar, git, find and du --- */

static size_t size_random(const struct sizes *sizes)
{
	unsigned int at = next_random() % 1000;
	size_t i = 0;

	while (at >= sizes[i].permille)
		at -= sizes[i++].permille;
	return sizes[i].from +
	       next_random() % (unsigned int)(sizes[i].to - sizes[i].from);
}

static void text_make(int dir, const char *name, size_t size)
{
	static const char *const words[] = {
		"int ",	   "return ", "struct ", "if (",   "node",    "size",
		"->next",  " = ",     ";\n\t",	 "count",  "(void)",  "NULL",
		"static ", "buffer",  " + ",	 "offset", ") {\n",   "}\n\n",
		"const ",  "char *",  "error",	 "0x",	   "lock",    "/* ",
		" */\n",   "name",    "[i]",	 "path",   "while (", "len",
	};
	int fd = file_open(dir, name);
	char *text = malloc(size + 32);
	size_t at = 0;

	if (!text)
		fail("malloc");
	while (at < size) {
		const char *word = words[next_random() % ARRAY_SIZE(words)];

		at += (size_t)sprintf(text + at, "%s", word);
		if (next_random() % 8 == 0)
			at += (size_t)sprintf(text + at, "%u",
					      next_random() % 65536);
	}
	write_all(fd, text, size);
	free(text);
	file_done(fd);
}

/* Files into directories of two levels, so many in each. */
struct spread {
	int root;
	int dir; /* the last one, -1 before the first */
	int per_dir;
	int count;
};

static int spread_next(struct spread *s)
{
	int i = s->count++, n = s->per_dir;
	char path[64];

	if (i % n == 0) {
		if (s->dir >= 0)
			close(s->dir);
		snprintf(path, sizeof(path), "sub%03d/mod%02d", i / (16 * n),
			 i / n % 16);
		s->dir = dir_make(s->root, path);
	}
	return s->dir;
}

static void source_make(int root, int count)
{
	struct spread s = { root, -1, 16, 0 };
	char name[32];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "file%05d.c", i);
		text_make(spread_next(&s), name, size_random(source_sizes));
	}
}

static void root_make(int root, int mib)
{
	struct spread s = { root, -1, 16, 0 };
	size_t left = (size_t)mib * MIB, size;
	char name[32];

	while (left) {
		size = size_random(root_sizes);
		if (size > left)
			size = left;
		snprintf(name, sizeof(name), "file%06d", s.count);
		text_make(spread_next(&s), name, size);
		left -= size;
	}
}

static void names_make(int root, int count)
{
	struct spread s = { root, -1, 100, 0 };
	char name[32];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "file%06d", i);
		file_done(file_open(spread_next(&s), name));
	}
}

static void owners_make(int root, int count)
{
	struct spread s = { root, -1, 100, 0 };
	char name[32];

	for (int i = 0; i < count; i++) {
		uid_t uid = 1000 + (uid_t)i;

		snprintf(name, sizeof(name), "file%06d", i);
		if (fchownat(spread_next(&s), name, uid, (gid_t)-1, 0) < 0)
			fail(name);
	}
}

static void flat_make(int root, int count)
{
	char name[32];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "file%06d", i);
		file_done(file_open(root, name));
	}
}

/* --- a C project: something for make and cc --- */

__attribute__((format(printf, 3, 4))) static void
print_file(int dir, const char *name, const char *format, ...)
{
	int fd = file_open(dir, name);
	va_list ap;

	va_start(ap, format);
	if (vdprintf(fd, format, ap) < 0)
		fail(name);
	va_end(ap);
	file_done(fd);
}

static void project_unit(int src, int include, int i)
{
	char name[24];

	snprintf(name, sizeof(name), "unit%04d.h", i);
	print_file(include, name,
		   "#ifndef UNIT%d\n#define UNIT%d\n#include <stdio.h>\n"
		   "#include <stdlib.h>\n#include <string.h>\n"
		   "struct unit%d { int id; char name[32]; };\n"
		   "int unit%d(int n);\n#endif\n",
		   i, i, i, i);
	snprintf(name, sizeof(name), "unit%04d.c", i);
	print_file(src, name,
		   "#include \"unit%04d.h\"\n#include \"unit%04d.h\"\n"
		   "int unit%d(int n)\n{\n\tstruct unit%d u = { n, \"\" };\n"
		   "\tsnprintf(u.name, sizeof(u.name), \"%%d\", n);\n"
		   "\treturn n ? u.id + (int)strlen(u.name) : %d;\n}\n",
		   i, i ? i - 1 : 0, i, i, i);
}

static void project_make(int root, int count)
{
	int include = dir_make(root, "include");
	int src = dir_make(root, "src");
	int i;

	for (i = 0; i < count; i++)
		project_unit(src, include, i);
	print_file(src, "main.c",
		   "#include \"unit0000.h\"\nint main(void)\n{\n"
		   "\treturn unit0(1) ? 0 : 1;\n}\n");
	print_file(root, "Makefile",
		   "CC = cc\nCFLAGS = -O1 -g -Iinclude -MMD -MP\n"
		   "OBJ = $(patsubst src/%%.c,obj/%%.o,$(wildcard src/*.c))\n"
		   "prog: $(OBJ)\n\t$(CC) -o $@ $(OBJ)\n"
		   "obj/%%.o: src/%%.c | obj\n"
		   "\t$(CC) $(CFLAGS) -c -o $@ $<\n"
		   "obj:\n\tmkdir -p obj\n-include $(OBJ:.o=.d)\n");
	close(src);
	close(include);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: mkfiles lower|upper|many DIR\n"
		"       mkfiles source|names|owners|flat|project COUNT DIR\n"
		"       mkfiles root MIB DIR\n");
	return 2;
}

int main(int argc, char **argv)
{
	int count = argc == 4 ? atoi(argv[2]) : 0;
	int root;

	if (argc < 3 || argc > 4 || (argc == 4 && count < 1))
		return usage();
	root = dir_open(AT_FDCWD, argv[argc - 1]);
	if (argc == 3)
		return trees_make(root, argv[1]) ? 0 : usage();
	if (!strcmp(argv[1], "source"))
		source_make(root, count);
	else if (!strcmp(argv[1], "root"))
		root_make(root, count);
	else if (!strcmp(argv[1], "names"))
		names_make(root, count);
	else if (!strcmp(argv[1], "owners"))
		owners_make(root, count);
	else if (!strcmp(argv[1], "flat"))
		flat_make(root, count);
	else if (!strcmp(argv[1], "project"))
		project_make(root, count);
	else
		return usage();
	return 0;
}
