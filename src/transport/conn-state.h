/* SPDX-License-Identifier: MIT */
/* What of a connection is in the arena, and how it is kept true. */
#ifndef TRANSPORT_CONN_STATE_H
#define TRANSPORT_CONN_STATE_H

#include <stdatomic.h>
#include <stdint.h>

#include "conn.h"

/* File descriptors that wait: for the rest of their message on the way in,
 * for room in the socket on the way out. Two messages' worth, since one
 * receive can end an unfinished message and bring a next one with its own. */
#define CONN_FDS_WAITING (2u * CONN_MAX_FDS)

#define CONN_STATE_VERSION 1u

/*
 * File descriptors in the order of the stream. Each has the position that
 * ties it to a message; those of messages that are over may linger until the
 * next call tidies up, so who adopts the state drops them by their position.
 */
struct conn_fds {
	uint32_t head; /* index of the first */
	uint32_t n;
	int32_t fd[CONN_FDS_WAITING]; /* -1: taken by message() */
	uint64_t pos[CONN_FDS_WAITING];
};

/**
 * struct conn_state - block "conn.state": what a successor needs to go on
 *
 * All positions count bytes of the stream since the connection began; the
 * byte at position p lies in block "conn.rx" at p - rx_base ("conn.tx" at
 * p - tx_base). Every step below ends in one store that makes it count, so at
 * any instant the state is one of before or after:
 *
 * - received: bytes (and rx_fds) are written, then rx_end moves over them.
 * - begun: rx_begun moves to the end of the message that message() gets.
 *   While rx_begun > rx_pos that request is in hand: it may be applied in
 *   part. tx_before tells whether its reply is queued (tx_end > tx_before).
 * - replied: the reply's bytes (and tx_fds) are written, then tx_end moves.
 * - applied: rx_pos moves to the message's end.
 * - sent: tx_pos moves over what the kernel took.
 * - moved: bytes are copied to the start of the buffer, to where no live bytes
 *   are, then rx_base (tx_base) changes.
 *
 * So a request is *received* if it ends at or before rx_end, *applied* at or
 * before rx_pos. The one doubt that no memory can remove is about the
 * instants after the kernel moved bytes and before rx_end or tx_pos says so:
 * rx_busy and tx_busy (bytes asked for) mark them.
 */
struct conn_state {
	uint64_t rx_base, rx_pos, rx_end, rx_begun;
	uint64_t tx_base, tx_pos, tx_end, tx_before;
	/* End of the message that was sent in part; at or before tx_pos: none
	 * was. Set ahead of tx_pos. */
	uint64_t tx_edge;
	uint32_t rx_busy, tx_busy;
	uint32_t closing; /* conn_shutdown() was called: only tx matters */
	uint32_t reserved;
	struct conn_fds
		rx_fds; /* pos: end of the received chunk it came with */
	struct conn_fds tx_fds; /* pos: start of its message; ours to close */
};

/* What is in the arena must be written in this order, since somebody may find
 * it after a crash; other threads never look, so this is for the compiler. */
static inline void conn_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

#endif
