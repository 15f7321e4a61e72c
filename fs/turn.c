/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/turn.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t next = PTHREAD_COND_INITIALIZER;

struct inode *turn_take(struct inode *i)
{
	pthread_mutex_lock(&lock);
	while (i->copying)
		pthread_cond_wait(&next, &lock);
	i->copying = 1;
	pthread_mutex_unlock(&lock);
	return i;
}

void turn_end(struct inode *const *i)
{
	if (!*i)
		return;
	pthread_mutex_lock(&lock);
	(*i)->copying = 0;
	pthread_cond_broadcast(&next);
	pthread_mutex_unlock(&lock);
}
