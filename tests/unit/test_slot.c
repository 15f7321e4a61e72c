/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/slot.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/htable.h"
#include "fs/itablecount.h"
#include "tests/unit/ovl.h"
#include "tests/unit/unit.h"

#define CLAIMED 0xffffu

static struct slot_table *t;

static void set_up(void)
{
	t = slot_table_new(-1);
	ck_assert_ptr_nonnull(t);
	slot_table_begin(t);
}

static struct slot *begin(uint64_t unique)
{
	slot_begin(t, unique, 5, 77, false);
	ck_assert_ptr_nonnull(slot_current());
	return slot_current();
}

/* The process before this one was killed; the kernel asks again. */
static struct slot *again(uint64_t unique)
{
	slot_begin(t, unique, 5, 78, true);
	return slot_current();
}

static int any_fd(void)
{
	int fd = open("/", O_PATH | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void count(void *ctx, struct slot *s)
{
	ck_assert_ptr_nonnull(s);
	++*(unsigned *)ctx;
}

static unsigned in_state(enum slot_state state)
{
	unsigned n = 0;

	slot_each(t, state, count, &n);
	return n;
}

START_TEST(a_request_comes_and_goes)
{
	struct slot *s;

	set_up();
	ck_assert_ptr_null(slot_current());
	ck_assert_uint_eq(in_state(SLOT_FREE), SLOT_MAX);
	s = begin(42);
	ck_assert_uint_eq(atomic_load(&s->state), SLOT_EXEC);
	ck_assert_uint_eq(s->unique, 42);
	ck_assert_uint_eq(s->opcode, 5);
	ck_assert_int_eq(s->fd, 77);
	ck_assert_uint_eq(s->note.kind, SLOT_NOTHING);
	ck_assert_uint_eq(in_state(SLOT_EXEC), 1);
	ck_assert(slot_has(t, 42));
	ck_assert(!slot_has(t, 43));
	slot_end();
	ck_assert_ptr_null(slot_current());
	ck_assert(!slot_has(t, 42));
	ck_assert_uint_eq(in_state(SLOT_FREE), SLOT_MAX);
	slot_table_free(t);
	slot_table_free(NULL);
}
END_TEST

START_TEST(without_a_slot_nothing_is_noted)
{
	struct slot_note n = { .kind = SLOT_VICTIM };
	int fd = any_fd();

	ck_assert_ptr_null(slot_before(SLOT_NOTHING));
	slot_note(&n);
	slot_note_kind(SLOT_VACANT);
	slot_release_pin(fd);
	slot_tell(1);
	slot_open(1);
	slot_end();
	ck_assert_ptr_null(slot_before(SLOT_VICTIM));
	ck_assert(is_open(fd));
	close(fd);
}
END_TEST

START_TEST(a_successor_goes_on_in_the_slot)
{
	struct slot *s, *other;

	set_up();
	s = begin(42);
	slot_note_kind(SLOT_VACANT);
	slot_tell(9);
	slot_open(8);
	s->reply_len = 3;
	slot_table_begin(t);
	ck_assert(slot_has(t, 42));

	/* Another request is another one, marked or not. */
	other = again(41);
	ck_assert_ptr_ne(other, s);
	ck_assert_ptr_null(slot_before(SLOT_VACANT));
	slot_end();
	other = begin(42);
	ck_assert_ptr_ne(other, s);
	slot_end();

	ck_assert_ptr_eq(again(42), s);
	ck_assert_ptr_nonnull(slot_before(SLOT_VACANT));
	ck_assert_ptr_null(slot_before(SLOT_VICTIM));
	ck_assert_int_eq(s->fd, 78);
	ck_assert_uint_eq(s->told, 0);
	ck_assert_uint_eq(s->fh, 0);
	ck_assert_uint_eq(s->reply_len, 0);
	slot_end();
	ck_assert_uint_eq(in_state(SLOT_FREE), SLOT_MAX);
	slot_table_free(t);
}
END_TEST

/* One that works on it already is not interrupted. */
START_TEST(a_slot_is_inherited_once)
{
	struct slot *s;

	set_up();
	s = begin(42);
	slot_table_begin(t);
	ck_assert_ptr_eq(again(42), s);
	ck_assert_ptr_ne(again(42), s);
	slot_end();
	/* But by each process that dies of it. */
	slot_table_begin(t);
	ck_assert_ptr_eq(again(42), s);
	slot_table_begin(t);
	ck_assert_ptr_eq(again(42), s);
	slot_end();
	slot_table_free(t);
}
END_TEST

START_TEST(what_is_done_is_not_inherited)
{
	static const uint32_t states[] = { SLOT_FREE, SLOT_DONE, SLOT_APPLIED,
					   CLAIMED };
	struct slot *s;

	set_up();
	s = begin(42);
	atomic_store(&s->state, states[_i]);
	slot_table_begin(t);
	ck_assert_uint_eq(atomic_load(&s->state),
			  states[_i] == CLAIMED ? SLOT_FREE : states[_i]);
	s->generation = 0;
	ck_assert(!slot_has(t, 42));
	slot_note_kind(SLOT_NOTHING);
	again(42);
	ck_assert_uint_eq(slot_current()->note.kind, SLOT_NOTHING);
	slot_table_free(t);
}
END_TEST

START_TEST(a_new_request_has_no_note)
{
	struct slot *s;

	set_up();
	s = begin(1);
	slot_note_kind(SLOT_VACANT);
	slot_end();
	ck_assert_ptr_eq(begin(2), s);
	ck_assert_ptr_null(slot_before(SLOT_VACANT));
	ck_assert_ptr_nonnull(slot_before(SLOT_NOTHING));
	slot_end();
	slot_table_free(t);
}
END_TEST

START_TEST(notes_say_what_was_said)
{
	struct slot_note n = { .kind = SLOT_MOVE,
			       .links = 2,
			       .victim = 3,
			       .delta = -4,
			       .named = 1,
			       .moved = 5,
			       .from = 6,
			       .to = 7,
			       .exchanged = 8 };
	const struct slot_note *got;

	set_up();
	begin(1);
	n.pin = any_fd() + 1;
	slot_note(&n);
	slot_table_begin(t);
	again(1);
	got = slot_before(SLOT_MOVE);
	ck_assert_ptr_nonnull(got);
	ck_assert_mem_eq(got, &n, sizeof(n));
	slot_end();
	slot_table_free(t);
}
END_TEST

START_TEST(pins_are_kept_and_closed)
{
	struct slot_note n = { .kind = SLOT_VICTIM };
	int a = any_fd(), b = any_fd(), c = any_fd(), d = any_fd();

	set_up();
	begin(1);
	n.pin = a + 1;
	slot_note(&n);
	ck_assert(is_open(a));
	slot_note(&n);
	ck_assert_msg(is_open(a), "the same pin again");
	n.pin = b + 1;
	slot_note(&n);
	ck_assert_msg(!is_open(a), "a pin that nobody names");
	ck_assert(is_open(b));
	slot_table_begin(t);
	ck_assert(is_open(b));
	again(1);
	ck_assert_int_eq(slot_before(SLOT_VICTIM)->pin, b + 1);
	slot_note_kind(SLOT_NOTHING);
	ck_assert(!is_open(b));

	n.pin = c + 1;
	slot_note(&n);
	slot_release_pin(d);
	ck_assert_int_eq(slot_current()->note.pin, c + 1);
	slot_release_pin(c);
	ck_assert_int_eq(slot_current()->note.pin, 0);
	n.pin = d + 1;
	slot_note(&n);
	ck_assert_msg(is_open(c), "released");
	slot_end();
	ck_assert_msg(!is_open(d), "the request is over");
	close(c);
	slot_table_free(t);
}
END_TEST

/* Answers. */

static struct ovl v;
static struct inode *file;

static const char *set_up_overlay(void)
{
	const char *why = ovl_set_up(&v, 1);

	if (why)
		return why;
	ovl_put(&v, "l1/f", "text");
	ovl_begin(&v, true);
	file = ovl_get(&v, "f", NULL);
	set_up();
	return NULL;
}

static uint64_t lookups(void)
{
	struct itable_stats s;

	itable_stats(v.o->inodes, &s);
	return s.lookups;
}

static void commit(void)
{
	struct iovec iov[] = { { (char *)"head", 4 }, { (char *)"tail", 4 } };

	slot_commit(v.o, iov, 2);
}

START_TEST(an_answer_without_a_promise_is_not_stored)
{
	const char *why = set_up_overlay();
	struct slot *s;

	if (why) {
		unit_skip(why);
		return;
	}
	s = begin(1);
	commit();
	ck_assert_uint_eq(atomic_load(&s->state), SLOT_EXEC);
	ck_assert_uint_eq(s->reply_len, 0);
	ck_assert_uint_eq(lookups(), 1);
	ovl_put_back(&v, file);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(an_answer_is_stored_and_counted)
{
	const char *why = set_up_overlay();
	struct handle like = { .nodeid = 1 };
	struct slot *s;
	uint64_t id, fh;

	if (why) {
		unit_skip(why);
		return;
	}
	id = itable_nodeid(v.o->inodes, file);
	s = begin(1);
	slot_tell(id);
	ck_assert(slot_is_telling(t, id));
	ck_assert(!slot_is_telling(t, id + 1));
	commit();
	ck_assert_uint_eq(atomic_load(&s->state), SLOT_APPLIED);
	ck_assert_uint_eq(s->reply_len, 8);
	ck_assert_mem_eq(s->reply, "headtail", 8);
	ck_assert_uint_eq(s->lookups, 1);
	ck_assert_uint_eq(lookups(), 2);
	ck_assert(slot_is_telling(t, id));
	slot_end();
	ck_assert(!slot_is_telling(t, id));

	fh = htable_add(v.o->handles, &like, -1);
	begin(2);
	slot_open(fh);
	ck_assert_uint_eq(htable_get(v.o->handles, fh)->pending, 1);
	commit();
	ck_assert_uint_eq(htable_get(v.o->handles, fh)->pending, 0);
	ck_assert_uint_eq(lookups(), 2);
	slot_end();

	begin(3);
	slot_tell(id);
	slot_open(fh);
	commit();
	ck_assert_uint_eq(lookups(), 3);
	slot_end();
	htable_remove(v.o->handles, fh);
	itablecount_forget(v.o->inodes, id, 2);
	ovl_put_back(&v, file);
	ovl_check_idle(&v);
	ovl_tear_down(&v);
	slot_table_free(t);
}
END_TEST

START_TEST(what_was_decided_is_redone)
{
	const char *why = set_up_overlay();
	struct handle like = { .nodeid = 1 };
	struct slot *told, *opened, *begun;
	uint64_t id, fh;

	if (why) {
		unit_skip(why);
		return;
	}
	id = itable_nodeid(v.o->inodes, file);
	fh = htable_add(v.o->handles, &like, -1);
	told = begin(1);
	told->told = id;
	told->lookups = 4;
	atomic_store(&told->state, SLOT_DONE);
	opened = begin(2);
	opened->fh = fh;
	atomic_store(&opened->state, SLOT_DONE);
	begun = begin(3);
	begun->told = id;
	begun->lookups = 9;

	slot_table_begin(t);
	slot_redo(t, v.o);
	ck_assert_uint_eq(atomic_load(&told->state), SLOT_APPLIED);
	ck_assert_uint_eq(atomic_load(&opened->state), SLOT_APPLIED);
	ck_assert_uint_eq(atomic_load(&begun->state), SLOT_EXEC);
	ck_assert_uint_eq(lookups(), 1 + 4);
	ck_assert_uint_eq(htable_get(v.o->handles, fh)->pending, 0);
	/* Killed in the middle, it is done again: no more than once. */
	atomic_store(&told->state, SLOT_DONE);
	slot_redo(t, v.o);
	ck_assert_uint_eq(lookups(), 1 + 4);
	itablecount_forget(v.o->inodes, id, 4);
	htable_remove(v.o->handles, fh);
	ovl_put_back(&v, file);
	ovl_tear_down(&v);
	slot_table_free(t);
}
END_TEST

Suite *test_slot_suite(void)
{
	Suite *s = suite_create("slot");
	TCase *c = tcase_create("slot");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_request_comes_and_goes);
	tcase_add_test(c, without_a_slot_nothing_is_noted);
	tcase_add_test(c, a_successor_goes_on_in_the_slot);
	tcase_add_test(c, a_slot_is_inherited_once);
	tcase_add_loop_test(c, what_is_done_is_not_inherited, 0, 4);
	tcase_add_test(c, a_new_request_has_no_note);
	tcase_add_test(c, notes_say_what_was_said);
	tcase_add_test(c, pins_are_kept_and_closed);
	tcase_add_test(c, an_answer_without_a_promise_is_not_stored);
	tcase_add_test(c, an_answer_is_stored_and_counted);
	tcase_add_test(c, what_was_decided_is_redone);
	suite_add_tcase(s, c);
	return s;
}
