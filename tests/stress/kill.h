/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_STRESS_KILL_H
#define VEFS_TESTS_STRESS_KILL_H

/*
 * kill - what its parts share. All that several processes, or the next verb,
 * must know lies in one mapped file, struct kill_state, without a pointer.
 *
 * Each process of the load has a model of what it owns (struct kill_proc).
 * An operation picks something at random, says by the model what must come
 * out, does it with KILL_DO, and brings the model up to date. The first thing
 * that is not as the model says is one line and one in the counts; the process
 * then leaves that tree where it is and begins a new one, so that a line is
 * never the consequence of another.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

#define KILL_PROCS 16	  /* at most */
#define KILL_NODES 128	  /* names of a process */
#define KILL_FILES 64	  /* its files; a file has any number of names */
#define KILL_BYTES 49152u /* the largest of them */
#define KILL_NAME 16	  /* the longest name, with its NUL */
#define KILL_PATH 256
#define KILL_HELD 10 /* files kept open */
#define KILL_DEPTH 6
#define KILL_LOWS 16384	   /* lower files of a process, at most */
#define KILL_LOW_DIRS 4096 /* and lower directories with something in them */
#define KILL_STABLE 300	   /* names that stay in the directory "many" */
#define KILL_CHURN 40	   /* and those that come and go */
#define KILL_SHARED 16	   /* names, locks, mutexes that all fight for */
#define KILL_TOGETHER 2048 /* lower files that all copy up together */
#define KILL_PASSES 4	   /* readers and writers of files already open */
#define KILL_BLOCKS 64	   /* pages in the file of each */
#define KILL_PAGE 4096u
#define KILL_RECORD 32 /* bytes of a line in a log */
#define KILL_BUCKETS 512

enum kill_type { KILL_FILE, KILL_DIR, KILL_LINK, KILL_FIFO, KILL_TYPES };
#define KILL_ANY KILL_TYPES

/* A name. Node 0 is the root of the process's tree. */
struct kill_node {
	bool used;
	uint8_t type;
	uint16_t parent;
	uint16_t file; /* of type KILL_FILE */
	uint32_t mode; /* of the others; of a link its target's number */
	uint64_t ino;  /* 0: not seen yet; of the others than files */
	char name[KILL_NAME];
};

struct kill_file {
	uint16_t links, opens; /* both 0: free */
	uint32_t mode, uid, gid;
	uint32_t size;
	uint32_t attr; /* value of user.kill; 0: none */
	int64_t mtime; /* ns; 0: not known */
	uint64_t ino;
	unsigned char bytes[KILL_BYTES];
};

struct kill_held {
	int fd; /* 0: none */
	uint16_t file;
	int flags;
	bool linkable; /* of O_TMPFILE, not linked yet */
};

/* A lower file or directory: 0 is untouched. */
struct kill_low {
	uint8_t done;
	uint64_t ino;
};

/* An open directory that is read piece by piece. */
struct kill_stream {
	int fd;
	uint32_t seen[(KILL_STABLE + 31) / 32];
	uint32_t seen_churn[(KILL_CHURN + 31) / 32];
};

struct kill_proc {
	unsigned self;
	unsigned era; /* which tree */
	uint64_t random;
	int top, dir; /* its directory, its tree */
	bool broken;  /* something was wrong: begin a new tree */
	bool happened;
	uint32_t lines;		/* printed */
	_Atomic uint64_t began; /* of the call that it is in; 0: in none */
	const char *_Atomic call;
	struct kill_node nodes[KILL_NODES];
	struct kill_file files[KILL_FILES];
	struct kill_held held[KILL_HELD];
	struct kill_low lows[KILL_LOWS], low_dirs[KILL_LOW_DIRS];
	uint32_t next_low, next_low_dir, next_together;
	bool churn[KILL_CHURN];
	struct kill_stream stream;
	bool log_there;
	uint32_t logged; /* records in the file "log" */
	int log_fd;
	int shared_fd, shared_log;
	uint32_t shared_logged;
	int lock_fd[KILL_SHARED]; /* locks that it has */
	bool hub[KILL_SHARED];	  /* its links to shared/hub */
};

/* Times in ns: 16 buckets for each doubling. */
struct kill_hist {
	_Atomic uint64_t n[KILL_BUCKETS];
	_Atomic uint64_t max;
};

struct kill_pass {
	int32_t pid;
	_Atomic uint64_t done;
	uint64_t began, call;	     /* as a proc's */
	uint32_t block[KILL_BLOCKS]; /* what was written last */
};

struct kill_state {
	uint32_t magic, size;
	uint32_t procs, n_passes, seed, lows;
	bool signals;
	uint64_t started;
	uint64_t until; /* 0: until `stop` */
	_Atomic uint32_t stop;
	_Atomic uint32_t ready;	   /* processes that have begun */
	_Atomic uint32_t progress; /* of 65536, by who knows how long it is */
	_Atomic uint32_t kills;
	_Atomic uint64_t point; /* the last: where + 1, opcode << 16 */
	_Atomic uint64_t errors, mismatches, interrupted, forgets;
	_Atomic uint64_t probe_from, probe_to; /* of the last answered statfs */
	_Atomic uint32_t missed_points; /* armed, but not come by in time */
	struct kill_hist calls, passes, stalls;

	/* in the directory that all share */
	_Atomic uint32_t made[KILL_SHARED], gone[KILL_SHARED]; /* slots */
	_Atomic uint32_t mutex[KILL_SHARED]; /* 1 + who is in; 0: nobody */
	_Atomic uint32_t lock[KILL_SHARED];  /* 1 + who has it */
	_Atomic uint32_t got_locks, refused_locks;
	_Atomic uint32_t together[KILL_TOGETHER]; /* a bit for each process */

	struct kill_pass pass[KILL_PASSES];
	struct kill_proc proc[KILL_PROCS];
};

extern struct kill_state *kill_state;

/* ---- kill_call.c: one call, timed and judged ------------------------------ */

struct kill_call {
	const char *text, *path, *file;
	int line;
	const int *wants; /* errnos, 0 for success; a negative one ends them */
	bool again;	  /* it was interrupted */
	uint64_t began;
};

void kill_begin(struct kill_proc *p, struct kill_call *c);
/* True: it was interrupted, do it again. *r is -1 unless all is well. */
bool kill_end(struct kill_proc *p, struct kill_call *c, long *r);

/*
 * Do EXPR, which must end on PATH with one of the errnos that follow (0:
 * succeed). Its value, or -1 when it failed, as it should or as it should not:
 * then p->broken is set. With signals an interrupted call that may be
 * interrupted is repeated; p->happened: EEXIST came then instead of success.
 */
#define KILL_ONE_OF(p, path, expr, ...)                                        \
	({                                                                     \
		static const int wants_[] = { __VA_ARGS__, -1 };               \
		KILL_CALL(p, path, expr, #expr, wants_);                       \
	})

/* The same with one errno, of the model's choice. */
#define KILL_DO(p, want, path, expr)                                           \
	({                                                                     \
		const int wants_[] = { (want), -1 };                           \
		KILL_CALL(p, path, expr, #expr, wants_);                       \
	})

#define KILL_CALL(p, path_, expr, text_, wants_)                               \
	({                                                                     \
		struct kill_call call_ = { .text = (text_),                    \
					   .path = (path_),                    \
					   .file = __FILE_NAME__,              \
					   .line = __LINE__,                   \
					   .wants = (wants_) };                \
		long result_;                                                  \
		do {                                                           \
			kill_begin((p), &call_);                               \
			result_ = (long)(expr);                                \
		} while (kill_end((p), &call_, &result_));                     \
		result_;                                                       \
	})

/* Numbers that must be equal; a `mode` is told in octal. */
struct kill_row {
	const char *what;
	uint64_t want, got;
};

/* The first row that differs is told. */
bool kill_same(struct kill_proc *p, const char *path,
	       const struct kill_row *rows, unsigned n);

/* Something is not as it should be, without a call that failed. */
#define KILL_WRONG(p, ...) kill_wrong((p), __FILE_NAME__, __LINE__, __VA_ARGS__)
void kill_wrong(struct kill_proc *p, const char *file, int line,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));

void kill_hist_add(struct kill_hist *h, uint64_t ns);
/* The time that `part` of those of at least `from` ns do not exceed. */
uint64_t kill_hist_part(const struct kill_hist *h, uint64_t from, double part);
uint64_t kill_hist_count(const struct kill_hist *h, uint64_t from);

unsigned kill_random(struct kill_proc *p, unsigned below);
bool kill_chance(struct kill_proc *p, unsigned one_of);

/* ---- kill_model.c -------------------------------------------------------- */

/* A name in a directory, and what the model has there (0: nothing). */
struct kill_place {
	unsigned parent, node;
	char name[KILL_NAME], path[KILL_PATH];
};

unsigned kill_pick(struct kill_proc *p, unsigned type);
struct kill_place kill_pick_place(struct kill_proc *p);
struct kill_place kill_place_of(const struct kill_proc *p, unsigned node);
bool kill_is_below(const struct kill_proc *p, unsigned node, unsigned top);
bool kill_has_children(const struct kill_proc *p, unsigned node);
unsigned kill_free_node(const struct kill_proc *p);
/* KILL_FILES: there is none */
unsigned kill_new_file(struct kill_proc *p, uint32_t mode);
void kill_add_node(struct kill_proc *p, const struct kill_place *at,
		   struct kill_node n);
void kill_drop_node(struct kill_proc *p, unsigned node);
/* Is what is there what the model has? */
void kill_look(struct kill_proc *p, const struct kill_place *at);
void kill_look_file(struct kill_proc *p, const struct stat *st,
		    struct kill_file *f, const char *path);
void kill_number(struct kill_proc *p, uint64_t *ino, uint64_t now,
		 const char *path);
void kill_target(char *text, size_t size, uint32_t number);

/* ---- kill_data.c --------------------------------------------------------- */

void kill_check_bytes(struct kill_proc *p, int fd, struct kill_file *f,
		      const char *path);
/* Exactly these bytes at `off`, and, with `end`, nothing behind. */
void kill_compare(struct kill_proc *p, int fd, const unsigned char *bytes,
		  size_t len, off_t off, const char *path);
bool kill_put(struct kill_proc *p, int fd, const void *bytes, size_t len,
	      off_t off, const char *path);
void kill_change(struct kill_proc *p, int fd, struct kill_file *f, int flags,
		 const char *path);
void kill_close(struct kill_proc *p, int fd, const char *path);
/* What a file made from a number holds. */
void kill_pattern(unsigned char *bytes, size_t len, uint64_t off,
		  uint32_t number);

/* ---- the operations, and what each part begins and ends with -------------- */

struct kill_op {
	const char *name;
	unsigned weight;
	void (*run)(struct kill_proc *p);
};

extern const struct kill_op kill_names_ops[], kill_data_ops[], kill_open_ops[],
	kill_attr_ops[], kill_file_ops[], kill_dir_ops[], kill_meet_ops[],
	kill_low_ops[], kill_lowdir_ops[];

void kill_dir_begin(struct kill_proc *p);
void kill_open_end(struct kill_proc *p);
void kill_file_end(struct kill_proc *p);
void kill_dir_end(struct kill_proc *p);
void kill_meet_end(struct kill_proc *p);
/* Something was wrong: see what is there. */
void kill_dir_again(struct kill_proc *p);
void kill_meet_again(struct kill_proc *p);

/* Fill a lower (or any) directory for all processes. */
int kill_low_fill(int top, unsigned procs, unsigned lows);
int kill_lowdir_fill(int top, unsigned procs, unsigned lows);
int kill_dir_fill(int top, unsigned procs);
int kill_meet_fill(int top);

/* What lies there after the load is what the models say. */
void kill_low_check(struct kill_proc *p);
void kill_lowdir_check(struct kill_proc *p);
void kill_dir_check(struct kill_proc *p);
void kill_log_check(struct kill_proc *p);
void kill_meet_check(struct kill_proc *p);
void kill_pass_check(struct kill_proc *p, int top);
/* All of it; how many things are wrong. */
uint64_t kill_check(int top);

/* ---- processes beside the models ------------------------------------------ */

/* Reader or writer number n; does not return before the end. */
void kill_pass_run(unsigned n, int top);

struct kill_options {
	const char *mnt, *state, *control;
	unsigned keeper, kills, seconds, procs, seed, lows, signals, forget,
		passes, from, to, count, many;
};

/* Verbs; their exit status. */
int kill_load(const struct kill_options *o, int top);
int kill_killer(const struct kill_options *o, int top);
int kill_report(const struct kill_options *o, int top);
int kill_make_control(const struct kill_options *o, int top);
int kill_passthrough(const struct kill_options *o, int top);

bool kill_stopping(void);

struct crash_control;
/* The control file for crash points, mapped; NULL: it cannot be. */
struct crash_control *kill_control(const char *path);

#endif
