/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTWORDS_H
#define VEFS_TOOLS_CTWORDS_H

/*
 * ctwords - what a container is to be, in the words of vefs.conf (OpenVZ's) and
 * of the options of create and set (vzctl's), and what they mean (ct/spec.h).
 * One table has them all.
 *
 * The global configuration is /etc/vefs/vefs.conf, of a store that is not the
 * usual one etc/vefs.conf in it. A line of the container's own counts before a
 * line of it.
 *
 * Errors are -EINVAL or -ERANGE with a sentence in `why` that names the option,
 * or the line and its file, and says what is allowed; or those of reading.
 */
#include "templates/why.h"
#include "tools/conf.h"
#include "tools/container.h"
#include "tools/ct/spec.h"
#include "tools/ctvalue.h"

/* Room for a value. */
#define CTWORDS_VALUE 8192u

/*
 * What vefs.conf says, over what the global configuration says; lines of others
 * are none of ours. What cannot be understood is left out, a file that cannot be
 * read says nothing; the rest is there. spec_free() it, in every case.
 */
int ctwords_read(const struct container *one, struct spec *out,
		 struct why *why);

/* The same from lines; `global` may be NULL, `id` is for the sentence. */
int ctwords_parse(const struct conf *own, const struct conf *global,
		  const char *id, struct spec *out, struct why *why);

/* Only `base` and `count`: as whom its ids show on the host. */
int ctwords_ids(const struct container *one, struct spec *out, struct why *why);

/* Is one of such lines to have ids of its own? Unless they say no. */
bool ctwords_wants_userns(const struct conf *own, const struct conf *global);

/* What a host does with it when it boots. */
struct ctwords_boot {
	bool on;	/* ONBOOT */
	bool disabled;	/* DISABLED: it is not to be started */
	bool has_order; /* BOOTORDER; the highest first, those without last */
	uint32_t order;
};
int ctwords_boot(const struct container *one, struct ctwords_boot *out,
		 struct why *why);

/* The lines of a container, and of the global configuration; where there is
 * none it is empty. conf_free() them. */
int ctwords_own(const struct container *one, struct conf **out,
		struct why *why);
int ctwords_global(int store, struct conf **out, struct why *why);

/*
 * The sample NAME of /etc/vefs/vefs.d (etc/vefs.d in a store that is not the
 * usual one): NAME.sample, or ve-NAME.conf-sample as vzctl calls it. -ENOENT.
 */
int ctwords_sample(int store, const char *name, struct conf **out,
		   struct why *why);

/* ---- the table --------------------------------------------------------------- */

/* When does a change mean something to a container that runs? */
enum ctword_when {
	CTWORD_LIVE,  /* at once */
	CTWORD_START, /* at its next start */
	CTWORD_MOUNT, /* at its next mount */
	CTWORD_KEPT,  /* it is nothing that processes in it could see */
};

struct ctword {
	const char *option, *alias; /* without "--"; NULL: none */
	const char *key;	    /* of vefs.conf */
	enum ctword_when when;
	/* What the line means. With a spec that nobody reads: is it right? */
	int (*take)(const struct ctword *w, const char *value, struct spec *s,
		    struct why *why);
	/* How the option changes the lines; NULL: its value is the line's. */
	int (*change)(const struct ctword *w, struct conf *c, const char *value,
		      bool again, struct why *why);
	enum spec_number number; /* or SPEC_NUMBERS */
	enum ctvalue_unit unit;
	uint64_t min, max;
	/* What who gives the option is told; but not with this value. NULL. */
	const char *note, *unless;
};

/* All of them, ended by an empty one; a key may have several options. */
extern const struct ctword ctwords_table[];

/* The word of an option, or NULL. */
const struct ctword *ctwords_option(const char *name);

/* What is to be told of an option with this value, or NULL. */
const char *ctwords_note(const char *name, const char *value);

#endif
