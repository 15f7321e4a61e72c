/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/storecheck.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/store.h"

/*
 * The format of LMDB 0.9's files, as it is on disk: pages of equal size; the
 * first two are heads, of which each commit writes the other one. A head has
 * the roots of two trees: the free pages, by the transaction that freed them,
 * and the tables' names, each with the root of its own tree.
 *
 * A page is marked when it is reached: twice, as used or as free, is damage.
 */

#define MAGIC 0xBEEFC0DEu
#define VERSION 1u
#define HEADS 2u
#define DEPTH_MAX 32u
#define PAGE_SIZE_MIN 512u
#define PAGE_SIZE_MAX 65536u
#define NO_PAGE UINT64_MAX

enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_HEAD = 8 };
enum { NODE_BIG = 1, NODE_TABLE = 2 };
enum { TREE_INTEGERS = 8, TREE_NO_SUBDIR = 0x4000 };

struct page_head {
	uint64_t number;
	uint16_t pad, flags;
	uint16_t lower, upper; /* of PAGE_OVERFLOW: 32 bits, pages */
};

struct node_head {
	uint16_t lo, hi, flags, key_len;
};

struct tree {
	uint32_t pad; /* of the free pages': the page size */
	uint16_t flags, depth;
	uint64_t branches, leaves, overflows, entries, root;
};

struct head {
	struct page_head page;
	uint32_t magic, version;
	uint64_t address, map_size;
	struct tree free, main;
	uint64_t last, txn;
};

_Static_assert(sizeof(struct page_head) == 16, "as on disk");
_Static_assert(sizeof(struct node_head) == 8, "as on disk");
_Static_assert(sizeof(struct tree) == 48, "as on disk");
_Static_assert(sizeof(struct head) == 152, "as on disk");

struct check {
	int fd;
	size_t psize;
	uint64_t pages; /* that the file has */
	uint64_t last;	/* that may be used */
	uint8_t *marks;
	const char **why;
};

/* One tree: what was found of it, and what its leaves are for. */
struct walk {
	struct check *c;
	struct tree found;
	bool integers;
	int (*value)(struct check *c, unsigned flags, const uint8_t *data,
		     size_t len);
};

struct node {
	unsigned flags;
	const uint8_t *key, *data;
	size_t key_len, data_len; /* data_len: of what is in the page */
	size_t value_len;
	uint64_t child;
};

static int damaged(struct check *c, const char *why)
{
	*c->why = why;
	return -EUCLEAN;
}

static int mark(struct check *c, uint64_t page, uint64_t n)
{
	if (page < HEADS || page > c->last || n > c->last - page + 1)
		return damaged(c, "a page that is not there");
	for (; n > 0; n--, page++) {
		uint8_t bit = (uint8_t)(1u << page % 8);

		if (c->marks[page / 8] & bit)
			return damaged(c, "a page in two places");
		c->marks[page / 8] |= bit;
	}
	return 0;
}

static int read_page(struct check *c, uint64_t page, uint8_t *buf, size_t len)
{
	ssize_t n;

	if (page >= c->pages)
		return damaged(c, "a page behind its end");
	n = fdio_pread_full(c->fd, buf, len, (off_t)(page * c->psize));
	if (n < 0)
		return (int)n;
	return (size_t)n < len ? damaged(c, "a page behind its end") : 0;
}

static uint64_t u64_at(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static struct page_head head_of(const uint8_t *page)
{
	struct page_head h;

	memcpy(&h, page, sizeof(h));
	return h;
}

static unsigned nodes_of(const uint8_t *page)
{
	return (head_of(page).lower - sizeof(struct page_head)) / 2u;
}

/* The i'th node of a page that check_page() has found good. */
static struct node node_of(const uint8_t *page, unsigned i)
{
	struct node n = { 0 };
	struct node_head h;
	uint16_t at;

	memcpy(&at, page + sizeof(struct page_head) + 2 * (size_t)i, 2);
	memcpy(&h, page + at, sizeof(h));
	n.key = page + at + sizeof(h);
	n.key_len = h.key_len;
	n.data = n.key + n.key_len;
	if (head_of(page).flags == PAGE_BRANCH) {
		n.child = h.lo | (uint64_t)h.hi << 16 | (uint64_t)h.flags << 32;
		return n;
	}
	n.flags = h.flags;
	n.value_len = h.lo | (size_t)h.hi << 16;
	n.data_len = n.flags & NODE_BIG ? sizeof(uint64_t) : n.value_len;
	return n;
}

/* Do the nodes lie in the page, side by side, and fill it up to its end? */
static bool nodes_fit(const struct check *c, const uint8_t *page)
{
	struct page_head h = head_of(page);
	uint8_t taken[PAGE_SIZE_MAX / 2 / 8] = { 0 };
	size_t sum = 0, size;

	for (unsigned i = 0; i < nodes_of(page); i++) {
		struct node n;
		uint16_t at;

		memcpy(&at, page + sizeof(h) + 2 * (size_t)i, 2);
		if (at < h.upper || at % 2 ||
		    at > c->psize - sizeof(struct node_head))
			return false;
		n = node_of(page, i);
		size = sizeof(struct node_head) + n.key_len + n.data_len;
		size = (size + 1) & ~(size_t)1;
		if (size > c->psize - at)
			return false;
		sum += size;
		for (size_t k = at / 2u; k < (at + size) / 2; k++) {
			if (taken[k / 8] >> k % 8 & 1)
				return false;
			taken[k / 8] |= (uint8_t)(1u << k % 8);
		}
	}
	return sum == c->psize - h.upper;
}

static int check_page(struct check *c, uint64_t number, const uint8_t *page)
{
	struct page_head h = head_of(page);
	bool branch = h.flags == PAGE_BRANCH;

	if (h.number != number)
		return damaged(c, "a page of another number");
	if (!branch && h.flags != PAGE_LEAF)
		return damaged(c, "a page of another kind");
	if (h.lower < sizeof(h) || h.lower % 2 || h.lower > h.upper ||
	    h.upper > c->psize || nodes_of(page) < (branch ? 2 : 1))
		return damaged(c, "a page with wrong bounds");
	if (!nodes_fit(c, page))
		return damaged(c, "an entry outside its page");
	return 0;
}

static int compare(const struct walk *w, struct store_bytes a,
		   struct store_bytes b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int r;

	if (w->integers) {
		uint64_t x = u64_at(a.data), y = u64_at(b.data);

		return (x > y) - (x < y);
	}
	r = memcmp(a.data, b.data, len);
	return r ? r : (a.len > b.len) - (a.len < b.len);
}

/* Keys ascend, from `from` on and below `to` (data NULL: no bound). */
static int check_keys(struct walk *w, const uint8_t *page,
		      struct store_bytes from, struct store_bytes to)
{
	/* the first key of a branch is none */
	unsigned first = head_of(page).flags == PAGE_BRANCH, n = nodes_of(page);
	struct store_bytes last = from;

	for (unsigned i = first; i < n; i++) {
		struct node e = node_of(page, i);
		struct store_bytes key = STORE_BYTES(e.key, e.key_len);
		bool may_equal = i == first && !first;

		if (key.len == 0 || key.len > STORE_KEY_MAX ||
		    (w->integers && key.len != sizeof(uint64_t)))
			return damaged(w->c, "a key of a wrong length");
		if (last.data && compare(w, last, key) >= (may_equal ? 1 : 0))
			return damaged(w->c, "keys out of order");
		if (to.data && compare(w, key, to) >= 0)
			return damaged(w->c, "keys out of order");
		last = key;
	}
	return 0;
}

/* The pages of a value that is not in its leaf. */
static int check_big(struct walk *w, const struct node *n)
{
	uint64_t at = u64_at(n->data), need;
	struct check *c = w->c;
	struct page_head h;
	uint32_t pages;
	int r = read_page(c, at, (uint8_t *)&h, sizeof(h));

	if (r < 0)
		return r;
	memcpy(&pages, &h.lower, sizeof(pages));
	need = (sizeof(h) + n->value_len + c->psize - 1) / c->psize;
	if (h.number != at || h.flags != PAGE_OVERFLOW || pages < need ||
	    at + need > c->pages)
		return damaged(c, "a long value's pages are wrong");
	w->found.overflows += pages;
	return mark(c, at, pages);
}

static int check_value(struct walk *w, const struct node *n)
{
	_cleanup_free_ uint8_t *all = NULL;
	struct check *c = w->c;
	int r;

	if (n->flags & ~(unsigned)(NODE_BIG | NODE_TABLE))
		return damaged(c, "an entry of another kind");
	if (!(n->flags & NODE_BIG))
		return w->value(c, n->flags, n->data, n->value_len);
	r = check_big(w, n);
	if (r < 0)
		return r;
	all = malloc(sizeof(struct page_head) + n->value_len);
	if (!all)
		return -ENOMEM;
	r = read_page(c, u64_at(n->data), all,
		      sizeof(struct page_head) + n->value_len);
	return r < 0 ? r
		     : w->value(c, n->flags & ~(unsigned)NODE_BIG,
				all + sizeof(struct page_head), n->value_len);
}

/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX at most */
static int check_subtree(struct walk *w, uint64_t number, unsigned depth,
			 struct store_bytes from, struct store_bytes to)
{
	_cleanup_free_ uint8_t *page = malloc(w->c->psize);
	int r = page ? mark(w->c, number, 1) : -ENOMEM;
	bool leaf;

	if (r == 0)
		r = read_page(w->c, number, page, w->c->psize);
	if (r == 0)
		r = check_page(w->c, number, page);
	if (r == 0)
		r = check_keys(w, page, from, to);
	if (r < 0)
		return r;
	leaf = head_of(page).flags == PAGE_LEAF;
	if (leaf != (depth == 1))
		return damaged(w->c, "a tree of uneven depth");
	if (leaf)
		w->found.leaves++;
	else
		w->found.branches++;
	for (unsigned i = 0, n = nodes_of(page); i < n && r == 0; i++) {
		struct node e = node_of(page, i), next = { 0 };
		struct store_bytes low = from, high = to;

		if (leaf) {
			w->found.entries++;
			r = check_value(w, &e);
			continue;
		}
		if (i > 0)
			low = STORE_BYTES(e.key, e.key_len);
		if (i + 1 < n) {
			next = node_of(page, i + 1);
			high = STORE_BYTES(next.key, next.key_len);
		}
		r = check_subtree(w, e.child, depth - 1, low, high);
	}
	return r;
}

static int check_tree(struct check *c, const struct tree *t, bool integers,
		      int (*value)(struct check *c, unsigned flags,
				   const uint8_t *data, size_t len))
{
	struct walk w = { .c = c, .integers = integers, .value = value };
	const struct store_bytes none = { 0 };
	int r = 0;

	if (t->depth > DEPTH_MAX || (t->depth == 0) != (t->root == NO_PAGE))
		return damaged(c, "a tree of a wrong depth");
	if (t->depth)
		r = check_subtree(&w, t->root, t->depth, none, none);
	if (r == 0 &&
	    (w.found.branches != t->branches || w.found.leaves != t->leaves ||
	     w.found.overflows != t->overflows ||
	     w.found.entries != t->entries))
		return damaged(c, "a table of another size");
	return r;
}

/* Values: of tables, names of tables, free pages. */

static int any_value(struct check *c, unsigned flags, const uint8_t *data,
		     size_t len)
{
	(void)data;
	(void)len;
	return flags ? damaged(c, "an entry of another kind") : 0;
}

static int table_value(struct check *c, unsigned flags, const uint8_t *data,
		       size_t len)
{
	struct tree t;

	if (flags != NODE_TABLE || len != sizeof(t))
		return damaged(c, "a table that is none");
	memcpy(&t, data, sizeof(t));
	if (t.flags)
		return damaged(c, "a table of another kind");
	return check_tree(c, &t, false, any_value);
}

/* A count, then that many pages, descending. */
static int free_value(struct check *c, unsigned flags, const uint8_t *data,
		      size_t len)
{
	uint64_t n, last = UINT64_MAX;
	int r = 0;

	if (flags || len < sizeof(n))
		return damaged(c, "a wrong list of free pages");
	n = u64_at(data);
	if (n > len / sizeof(n) - 1)
		return damaged(c, "a wrong list of free pages");
	for (uint64_t i = 1; i <= n && r == 0; i++) {
		uint64_t page = u64_at(data + i * sizeof(n));

		if (page >= last)
			return damaged(c, "a wrong list of free pages");
		last = page;
		r = mark(c, page, 1);
	}
	return r;
}

/* Heads. */

static int check_head(struct check *c, const struct head *h, uint64_t number)
{
	if (h->page.flags != PAGE_HEAD || h->magic != MAGIC)
		return damaged(c, "not a store");
	if (h->version != VERSION)
		return -EPROTONOSUPPORT;
	if (h->page.number != number || h->free.pad < PAGE_SIZE_MIN ||
	    h->free.pad > PAGE_SIZE_MAX || (h->free.pad & (h->free.pad - 1)) ||
	    (h->free.flags & ~TREE_NO_SUBDIR) != TREE_INTEGERS ||
	    h->main.flags || h->address)
		return damaged(c, "a wrong head");
	return 0;
}

/* The newer head, of a file that has both. */
static int read_heads(struct check *c, struct head *out)
{
	struct head h[HEADS];
	int r = 0;

	for (unsigned i = 0; i < HEADS && r == 0; i++) {
		r = read_page(c, i, (uint8_t *)&h[i], sizeof(h[i]));
		if (r == 0)
			r = check_head(c, &h[i], i);
		if (r == 0 && i == 0) {
			c->pages = c->pages * c->psize / h[0].free.pad;
			c->psize = h[0].free.pad;
		}
	}
	if (r < 0)
		return r;
	/* Commits take turns; at first both heads are of the same. */
	*out = h[h[1].txn > h[0].txn];
	if (h[0].free.pad != h[1].free.pad ||
	    (out->txn && (out->txn % 2 != out->page.number ||
			  out->txn - 1 != h[!out->page.number].txn)))
		return damaged(c, "heads that do not belong together");
	return 0;
}

int storecheck(int fd, size_t map_size, const char **why)
{
	_cleanup_free_ uint8_t *marks = NULL;
	struct check c = { .fd = fd, .psize = PAGE_SIZE_MIN, .why = why };
	struct stat st;
	struct head h;
	int r;

	*why = "";
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return damaged(&c, "not a file");
	c.pages = (uint64_t)st.st_size / c.psize;
	r = read_heads(&c, &h);
	if (r < 0)
		return r;
	if (h.last < HEADS - 1 || h.last >= SIZE_MAX / c.psize)
		return damaged(&c, "a wrong head");
	if ((h.last + 1) * c.psize > map_size)
		return -EFBIG;
	c.last = h.last;
	c.marks = marks = calloc(h.last / 8 + 1, 1);
	if (!marks)
		return -ENOMEM;
	r = check_tree(&c, &h.main, false, table_value);
	if (r == 0)
		r = check_tree(&c, &h.free, true, free_value);
	return r;
}
