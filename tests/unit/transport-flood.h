/* SPDX-License-Identifier: MIT */
/* More messages than anybody reads. Include after cmocka.h. */
#ifndef TESTS_TRANSPORT_FLOOD_H
#define TESTS_TRANSPORT_FLOOD_H

#include "transport-rig.h"

static uint8_t out[2 * VFIO_USER_MAX_MSG_SIZE];
static uint8_t in[2 * VFIO_USER_MAX_MSG_SIZE];

/* Keep sending messages of @size until nothing is taken any more. Return: how
 * many whole ones went in. @ret_part: bytes of one more. */
static inline unsigned flood(struct rig *rig, size_t size, size_t *ret_part)
{
	unsigned n = 0, refused = 0;
	size_t done = 0;

	make_message(out, 0, size);
	while (refused < 3) {
		ssize_t k;

		put_le16(out, (uint16_t)n);
		k = peer_send(rig, out + done, size - done);
		refused = k > 0 ? 0 : refused + 1;
		if (k > 0)
			done += (size_t)k;
		if (done == size) {
			done = 0;
			n++;
		}
		rig_run(rig);
		assert_true(n < 1000000);
	}
	*ret_part = done;
	return n;
}

/* Read one reply of @size with the rest being delivered meanwhile. */
static inline void read_reply(struct rig *rig, uint16_t id, size_t size)
{
	size_t got = 0;
	int idle = 0;

	while (got < size && idle < 3) {
		ssize_t k = recv(rig->peer, in + got, size - got, MSG_DONTWAIT);

		idle = k > 0 ? 0 : idle + 1;
		if (k > 0)
			got += (size_t)k;
		else
			rig_run(rig);
	}
	assert_int_equal(got, size);
	assert_int_equal(get_le16(in), id);
	assert_int_equal(get_le32(in + 4), size);
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

#endif
