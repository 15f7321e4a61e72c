/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctorphan.h"

#include <fcntl.h>
#include <stdio.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "tools/ct/net.h"
#include "tools/ctlive.h"
#include "tools/ctmount.h"
#include "tools/ctwords.h"

#define GONE_MS 10000

/* What is wrong with its lines is no news to who tries to start it. */
static void read_words(const struct container *one, bool tell,
		       struct spec *spec)
{
	if (tell)
		ctwork_words(one, spec);
	else
		ctwords_read(one, spec, NULL);
}

static void clear(struct ctwork *w, const char *store, bool tell)
{
	struct why why = { "" };
	struct spec spec;
	struct runstate names = { .init = 0 };
	struct cgroup *group = NULL;

	runstate_names(store, w->one.id, &names);
	if (cgroup_open(&group, names.group, false, 0, &why) < 0)
		return;
	cgroup_kill(group, CGROUP_PAYLOAD, GONE_MS, &why);
	why.text[0] = '\0';
	/* Groups go last: they tell that there is something. */
	read_words(&w->one, tell, &spec);
	/* Whatever it is to be next time; what is not its own stays. */
	spec.net.mode = SPEC_NET_PRIVATE;
	if (net_down(&spec.net, names.net, &why) < 0)
		log_warn("container %s: %s", w->one.id, why.text);
	why.text[0] = '\0';
	ctlive_end(&w->one, names.net);
	if (cgroup_remove(group, &why) < 0)
		log_warn("container %s: %s", w->one.id, why.text);
	spec_free(&spec);
	cgroup_free(group);
}

void ctorphan_clear(struct ctwork *w, const char *store)
{
	clear(w, store, false);
}

int ctorphan_stop(struct ctwork *w, const char *store)
{
	_cleanup_close_ int run = fdio_openat(w->one.dir, RUNSTATE_FOLDER,
					      O_RDONLY | O_DIRECTORY, 0);

	clear(w, store, true);
	if (run >= 0)
		unlinkat(run, RUNSTATE_CONTROL, 0);
	snprintf(w->state.ended, sizeof(w->state.ended), "%s",
		 w->state.init ? "killed" : "");
	w->state.init = 0;
	w->state.monitor = 0;
	if (runstate_write(&w->one, &w->state) < 0)
		log_warn("container %s: its end cannot be noted", w->one.id);
	return ctmount_down(store, &w->one, GONE_MS, &w->why);
}
