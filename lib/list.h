/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Intrusive doubly linked lists.  A node lies inside the element it links; the list is a ring
 * through its own head, so no operation has a special case at the ends:
 *
 *	   +--> head <--> first <--> ... <--> last <--+
 *	   +------------------------------------------+
 *
 * A node that is on no list points at itself.  Elements start that way (list_node_init) and
 * removal restores it, so list_node_is_linked() always has an answer.  Nothing here locks.
 */

#include "lib/types.h"

struct list_node {
	struct list_node *prev;
	struct list_node *next;
};

struct list {
	struct list_node head;
};

/* Initialisers for static storage; the name is the variable's own. */
#define LIST_INIT(name) { .head = { &(name).head, &(name).head } }
#define LIST_NODE_INIT(name) { &(name), &(name) }

/* The element whose member `member` is `node`. */
#define list_entry(node, type, member) container_of(node, type, member)

static inline void list_node_init(struct list_node *node)
{
	node->prev = node;
	node->next = node;
}

static inline void list_init(struct list *list)
{
	list_node_init(&list->head);
}

static inline bool list_node_is_linked(const struct list_node *node)
{
	return node->next != node;
}

static inline bool list_is_empty(const struct list *list)
{
	return list->head.next == &list->head;
}

/* Put `node` between `where` and the node after it. */
static inline void list_insert_after(struct list_node *where, struct list_node *node)
{
	node->prev = where;
	node->next = where->next;
	where->next->prev = node;
	where->next = node;
}

/* Put `node` between `where` and the node before it. */
static inline void list_insert_before(struct list_node *where, struct list_node *node)
{
	list_insert_after(where->prev, node);
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
	list_insert_after(&list->head, node);
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
	list_insert_before(&list->head, node);
}

/* Take `node` off its list.  Harmless on an initialised node that is on none. */
static inline void list_remove(struct list_node *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_node_init(node);
}

/* The first or last node, or NULL if the list is empty. */
static inline struct list_node *list_first(const struct list *list)
{
	return list_is_empty(list) ? NULL : list->head.next;
}

static inline struct list_node *list_last(const struct list *list)
{
	return list_is_empty(list) ? NULL : list->head.prev;
}

/* The node after or before `node`, or NULL at the end. */
static inline struct list_node *list_next(const struct list *list, const struct list_node *node)
{
	return node->next == &list->head ? NULL : node->next;
}

static inline struct list_node *list_prev(const struct list *list, const struct list_node *node)
{
	return node->prev == &list->head ? NULL : node->prev;
}

/* Remove and return the first or last node, or NULL. */
static inline struct list_node *list_pop_front(struct list *list)
{
	struct list_node *node = list_first(list);

	if (node != NULL)
		list_remove(node);
	return node;
}

static inline struct list_node *list_pop_back(struct list *list)
{
	struct list_node *node = list_last(list);

	if (node != NULL)
		list_remove(node);
	return node;
}

/* Move everything on `from` to the end of `list`, in order.  `from` is empty afterwards. */
static inline void list_splice_back(struct list *list, struct list *from)
{
	struct list_node *first = from->head.next;
	struct list_node *last = from->head.prev;

	if (list_is_empty(from))
		return;
	first->prev = list->head.prev;
	list->head.prev->next = first;
	last->next = &list->head;
	list->head.prev = last;
	list_init(from);
}

/* Linear in the list's length. */
static inline size_t list_length(const struct list *list)
{
	size_t length = 0;

	for (const struct list_node *node = list->head.next; node != &list->head; node = node->next)
		length++;
	return length;
}

/* Visit every node; the body must not remove the one it is at. */
#define list_for_each(node, list)                                                                  \
	for (struct list_node *node = (list)->head.next; node != &(list)->head; node = node->next)

/* The same, but the body may remove (or free) the node it is at. */
#define list_for_each_safe(node, list)                                                             \
	for (struct list_node *node = (list)->head.next, *node##_next_ = node->next;               \
	     node != &(list)->head; node = node##_next_, node##_next_ = node->next)

/* Visit every element; `var` is a pointer declared by the caller. */
#define list_for_each_entry(var, list, member)                                                     \
	for ((var) = list_entry((list)->head.next, __typeof__(*(var)), member);                    \
	     &(var)->member != &(list)->head;                                                      \
	     (var) = list_entry((var)->member.next, __typeof__(*(var)), member))

/* The same, but the body may remove (or free) the element it is at. */
#define list_for_each_entry_safe(var, list, member)                                                \
	for (struct list_node *var##_node_ = (list)->head.next, *var##_next_ = var##_node_->next;  \
	     var##_node_ != &(list)->head &&                                                       \
	     ((var) = list_entry(var##_node_, __typeof__(*(var)), member), true);                  \
	     var##_node_ = var##_next_, var##_next_ = var##_node_->next)
