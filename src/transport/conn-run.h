/* SPDX-License-Identifier: MIT */
/*
 * A run: messages that are handed over many in one call, because they want no
 * reply and bring no file descriptors. What is left of the work for each is
 * its two marks in the connection's state, which are as good as message()'s.
 */
#ifndef TRANSPORT_CONN_RUN_H
#define TRANSPORT_CONN_RUN_H

#include <stdbool.h>

#include "conn-state.h"

/**
 * struct conn_run - for conn_ops.run()
 * @data: the first message, or a part of it
 * @len: bytes that are here, of any number of messages
 * @over: the connection takes no more: return after the message in hand
 * @done: messages that were dealt with
 */
struct conn_run {
	const uint8_t *data;
	size_t len;
	bool over;
	/* private */
	unsigned done;
	struct conn_state *st;
};

/* The next message, which is whole and has @size bytes, is applied from here
 * on, */
static inline void conn_run_begin(struct conn_run *run, size_t size)
{
	struct conn_state *st = run->st;

	st->tx_before = st->tx_end;
	conn_order();
	st->rx_begun = st->rx_pos + size;
	conn_order();
}

/* and now it has been. */
static inline void conn_run_done(struct conn_run *run)
{
	struct conn_state *st = run->st;

	conn_order();
	st->rx_pos = st->rx_begun;
	run->done++;
}

#endif
