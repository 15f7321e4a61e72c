/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_OPTIONS_H
#define VEFS_FS_OPTIONS_H

/*
 * options - what a mount was asked to be.
 *
 * The command line is that of mount(8) helpers and of fuse-overlayfs, so that
 * podman, containerd and the public test suites can call us unchanged:
 *
 *	mount.vefs [SOURCE] TARGET [-o OPT[,OPT...]]... [-f] [-d] [-n] [-s] [-v]
 *	vefsd      [SOURCE] TARGET [-o ...]
 *
 * One positional is the target, two are source and target ("overlay /mnt").
 * Empty options (",,"), repeated -o and unknown words are taken; an unknown
 * word is reported in `unknown` and warned about by the caller, once each.
 * "\:" is a colon and "\," a comma inside a directory's name, "\\" a
 * backslash. context="..." may hold commas inside its quotes.
 *
 * Of words that contradict each other the last one counts, and so for a word
 * that is repeated; only lowerdir+=DIR adds to the list before it. Words of
 * overlayfs that ask for no more than we always do (index=on, metacopy=on,
 * xino=auto, redirect_dir=off ...) are taken without a word; with a value we
 * do not provide (nfs_export=on, redirect_dir=nofollow) they count as unknown.
 * A known word with a wrong value, or a flag (-x) nobody knows, is an error.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A run of ids: disk ids [disk, disk + count) show as [shown, ...). Written
 * DISK:SHOWN:COUNT; a leading colon is taken. count > 0, no run goes beyond
 * id 4294967294, and no two runs of a map share a disk id or a shown id.
 */
struct options_idrun {
	uint32_t disk;
	uint32_t shown;
	uint32_t count;
};

struct options_idmap {
	struct options_idrun *runs; /* owned */
	size_t n;
};

enum options_fsync {
	OPTIONS_FSYNC_DATA,   /* default: a copy-up's data before its name */
	OPTIONS_FSYNC_STRICT, /* also metadata and directories */
	OPTIONS_FSYNC_NONE, /* volatile, fsync=0: nothing, not even fsync(2) */
};

#define OPTIONS_NOID UINT32_MAX
#define OPTIONS_STORE "/var/lib/vefs"

#define OPTIONS_BUSY_POLL 100	    /* default, us */
#define OPTIONS_BUSY_POLL_MAX 10000 /* us */
#define OPTIONS_CRASH_LIMIT 10
#define OPTIONS_CRASH_LIMIT_MAX 1000000
#define OPTIONS_THREADS_MAX 256
#define OPTIONS_WINDOW_MIN (16ull << 20) /* bytes */
#define OPTIONS_IDRUNS_MAX 340		 /* as the kernel's /proc/PID/uid_map */

struct options {
	char **lower; /* topmost first, unescaped; owned; n_lower of them */
	size_t n_lower;
	char **template; /* below them, NAME[:VERSION]; owned; n_template */
	size_t n_template;
	char *store;	/* where templates are; NULL: options_store() */
	char *upper;	/* NULL: read-only mount */
	char *work;	/* NULL exactly when upper is */
	char *quota;	/* the quota's file; NULL: none */
	char *quota_id; /* whose it is; NULL: nobody's in particular */
	char *target;	/* the mount point, as given */
	char *source;	/* fsname=, source=, positional, "vefs": first wins */
	char *subtype;	/* subtype=, -t fuse.NAME, "vefs": first wins */
	/*
	 * Program trees, ':'-separated, absolute, without empty, "." and ".."
	 * parts or a slash at the end; NULL: the default; "": none.
	 */
	char *program;
	char *context; /* "context=X,rootcontext=Y" verbatim, or NULL */
	struct options_idmap uids, gids; /* uidmapping=, gidmapping= */
	uint32_t squash_uid, squash_gid; /* OPTIONS_NOID: off */
	enum options_fsync fsync;
	double timeout; /* seconds for entries and attributes; <0: forever */
	unsigned busy_poll;    /* longest busy wait in us; 0 = off */
	bool follow;	       /* false: follow=off */
	unsigned threads;      /* 0: min(4, CPUs) */
	unsigned crash_limit;  /* deaths in a row without an answer */
	uint64_t quota_window; /* bytes; 0: none */
	bool quota_background; /* count after the mount, not before */
	bool quota_host;       /* quota-enforce=host: the container's space */
	bool readonly;	       /* ro, or no upperdir */
	bool noacl, noxattrs;
	bool suid, dev, exec; /* all true by default; nosuid nodev noexec */
	bool noatime, allow_other, userxattr;
	bool passthrough;	/* false: passthrough=off */
	bool redirect_dir;	/* false: no renaming of lower directories */
	bool xattr_permissions; /* xattr_permissions=2 (override_stat) */
	bool foreground, debug, help, version;
	char **unknown; /* words nobody knows, owned; n_unknown of them */
	size_t n_unknown;
};

/*
 * Parse a command line into *o (which needs no initialisation).
 *
 * Returns 0, or -EINVAL with a message for people in err[errlen], naming the
 * word and the way out; *o is then empty. -ENOMEM likewise. With help or
 * version set nothing else is checked.
 */
int options_parse(struct options *o, int argc, char *const argv[], char *err,
		  size_t errlen);

/* Free what options_parse() allocated; *o is empty afterwards. */
void options_free(struct options *o);

/* The store's directory: the option, $VEFS_ROOT, or /var/lib/vefs. */
const char *options_store(const struct options *o);

/* The text of --help; a static string. */
const char *options_usage(void);

#endif
