/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctclaim.h"

#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/ct/idrange.h"
#include "tools/ctname.h"

/* One that it has is not changed: the line may be a new one, by hand. */
static bool lacks_name(int store, const struct container *one)
{
	char other[CONTAINER_ID_MAX + 1];

	return one->name[0] && strcmp(one->name, one->id) != 0 &&
	       container_check_id(one->name, NULL) == 0 &&
	       ctname_of(store, one->id, other) == -ENOENT;
}

static void take_name(int store, const struct container *one)
{
	struct why why = { "" };

	if (ctname_take(store, one->name, one->id, &why) < 0)
		log_warn("container %s: %s: 'vefs set %s --name NAME --save' "
			 "gives it another",
			 one->id, why.text, one->id);
}

static int take_ids(int store, const struct container *one, uint32_t base,
		    struct why *why)
{
	char other[NAME_MAX + 1] = "";
	struct why said = { "" };
	int r = idrange_claim(store, one->id, base, other, &said);

	if (r == -EADDRINUSE)
		return why_set(why, r,
			       "container %s: %s: 'vefs set %s --userns on "
			       "--save' gives it others",
			       one->id, said.text, one->id);
	return r < 0 ? why_set(why, r, "container %s: %s", one->id, said.text)
		     : 0;
}

int ctclaim(struct catalog *c, const struct container *one, uint32_t base,
	    struct why *why)
{
	_cleanup_close_ int ids = -1;
	bool name = lacks_name(catalog_dir(c), one);
	int r = base ? idrange_is_of(catalog_dir(c), one->id, base) : 1;

	if (r > 0 && !name)
		return 0;
	if (r >= 0)
		ids = container_lock_ids(c, false, why);
	if (r < 0 || ids < 0)
		return r < 0 ? why_sys(why, r, "idranges in the store") : ids;
	if (r == 0)
		r = take_ids(catalog_dir(c), one, base, why);
	if (r >= 0 && name)
		take_name(catalog_dir(c), one);
	return r < 0 ? r : 0;
}
