/* SPDX-License-Identifier: MIT */
/* Intrusive doubly linked list; an initialised head points to itself. */
#ifndef UTIL_LIST_H
#define UTIL_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *head)
{
	head->prev = head->next = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/* Insert @node before @pos; with the head as @pos: at the end. */
static inline void list_insert(struct list *pos, struct list *node)
{
	node->prev = pos->prev;
	node->next = pos;
	pos->prev->next = node;
	pos->prev = node;
}

/* Leaves @node initialised, so that removing it twice is harmless. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#define list_entry(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

#define list_for_each(pos, head) \
	for (struct list *pos = (head)->next; pos != (head); pos = pos->next)

/* @pos may be removed in the body. */
#define list_for_each_safe(pos, head)                                   \
	for (struct list *pos = (head)->next, *pos##_next_ = pos->next; \
	     pos != (head); pos = pos##_next_, pos##_next_ = pos->next)

#endif
