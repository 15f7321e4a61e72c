/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/spec.h"

#include <stdlib.h>

void spec_free(struct spec *s)
{
	for (size_t i = 0; s->init && s->init[i]; i++)
		free(s->init[i]);
	free(s->init);
	free(s->device);
	free(s->net.ip);
	free(s->net.netif);
	*s = (struct spec){ .base = 0 };
}
