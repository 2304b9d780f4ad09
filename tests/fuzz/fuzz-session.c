/* SPDX-License-Identifier: MIT */
/*
 * A whole conversation with a device of a real driver, over a socket pair.
 *
 * The input is a row of steps; each begins with a byte:
 *   0-2  a message: command, flags, fds (number << 3 | kind), 2 bytes of
 * length, payload. The header, with a true size, is made here. 3    2 bytes of
 * length, and so many bytes as they are 4    the server serves all that has
 * come 5    the client leaves, and comes again 6    a second client comes, and
 * is turned away 7    the client stops reading, or starts again; or answers the
 * server's request: flags, 2 bytes of length, payload Further values mean the
 * same, counted from 0 again.
 *
 * Whatever is sent: every request gets its reply, in order and well formed; no
 * file descriptor stays behind; and the next client is served.
 *
 * To make a device takes longer than to talk to it, so one serves many inputs,
 * each as a new client, for whom it has to be as new.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device/device.h"
#include "device/module.h"
#include "fuzz.h"
#include "peer.h"
#include "session/session.h"
#include "util/bytes.h"
#include "util/log.h"

/* What the driver's module exports (VGPU_DRIVER_MODULE) */
extern const struct vgpu_module vgpu_driver_module;

#define MAX_STEPS   512
#define MEMORY_SIZE (1u << 20)
#define N_KINDS	    8
#define REUSE	    256 /* inputs per device */
#define MAX_FDS	    256 /* looked at for leaks */

/* The most that a server may ask for at once, of QEMU */
#define MAX_ASKED (64u << 10)

struct rig {
	struct peer peer, second;
	int fds[N_KINDS]; /* what can go with a message */
	uint16_t next_id;
};

static struct rig the_rig;
static struct module *module;
static struct loop *loop;
static struct vgpu_core *core;
static struct session_server *server;
static unsigned used; /* inputs that @core has served */
static uint8_t bytes[sizeof(struct vfio_user_header) + MAX_ASKED + 64];

static void drop_line(enum log_level level, const char *subject,
		      const char *line)
{
	REQUIRE(line && strlen(line) < 4096);
}

static void once(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	log_setup(drop_line, LOG_LEVEL_DEBUG);
	REQUIRE(!module_from(&vgpu_driver_module, &module));
	REQUIRE(!loop_new(&loop));
	peer_init(&the_rig.peer, loop);
	peer_init(&the_rig.second, loop);
}

static int memory(size_t size, bool read_only)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	char path[32];
	int ro;

	REQUIRE(fd >= 0 && !ftruncate(fd, (off_t)size));
	if (!read_only)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(ro >= 0);
	close(fd);
	return ro;
}

static void make_fds(int *fds)
{
	int pipe_fds[2];

	REQUIRE(!pipe2(pipe_fds, O_CLOEXEC));
	fds[0] = memory(MEMORY_SIZE, false);
	fds[1] = eventfd(0, EFD_CLOEXEC);
	fds[2] = pipe_fds[0];
	fds[3] = pipe_fds[1];
	fds[4] = memory(4096, false);
	fds[5] = memory(MEMORY_SIZE, true);
	fds[6] = eventfd(UINT32_MAX - 1, EFD_CLOEXEC | EFD_SEMAPHORE);
	fds[7] = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < N_KINDS; i++)
		REQUIRE(fds[i] >= 0);
}

static unsigned count_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < MAX_FDS; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void require_fds(unsigned expected)
{
	char path[32], what[256];

	if (count_fds() == expected)
		return;
	for (int fd = 0; fd < MAX_FDS; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, what, sizeof(what) - 1);
		if (n > 0)
			fprintf(stderr, "%d: %.*s\n", fd, (int)n, what);
	}
	REQUIRE(count_fds() == expected);
}

static void make_device(void)
{
	struct device_config config = {
		.loop = loop,
		.module = module,
		.type = module_type(module, 0),
		.uuid = { 0xf0 },
	};

	REQUIRE(!device_create(&config, &core));
	REQUIRE(!session_server_new(core, &server));
}

static void connect_peer(struct peer *peer)
{
	int sv[2];

	REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			    0, sv));
	REQUIRE(!session_server_accept(server, sv[0]));
	peer_connect(peer, sv[1]);
}

/* The client goes; the server notices, and is ready for the next. */
static void leave(struct rig *rig)
{
	peer_close(&rig->peer);
	for (int i = 0; core->client; i++) {
		REQUIRE(i < 2000);
		REQUIRE(loop_run_once(loop, 1) >= 0);
	}
}

static void send_message(struct peer *peer, uint16_t id, uint16_t command,
			 uint32_t flags, const void *payload, size_t len,
			 const int *fds, size_t n_fds)
{
	const size_t head = sizeof(struct vfio_user_header);

	put_le16(bytes, id);
	put_le16(bytes + 2, command);
	put_le32(bytes + 4, (uint32_t)(head + len));
	put_le32(bytes + 8, flags);
	put_le32(bytes + 12, 0);
	memcpy(bytes + head, payload, len);
	peer_send(peer, bytes, head + len, fds, n_fds);
}

static size_t take_length(struct input *in)
{
	size_t len = take(in, 2);

	return MIN(len, in->len);
}

static void step_message(struct rig *rig, struct input *in)
{
	uint16_t command = (uint16_t)take(in, 1);
	uint32_t flags = (uint32_t)take(in, 1);
	uint8_t which = (uint8_t)take(in, 1);
	size_t len = take_length(in);
	int fds[PEER_FDS];

	for (size_t i = 0; i < PEER_FDS; i++)
		fds[i] = rig->fds[which % N_KINDS];
	send_message(&rig->peer, rig->next_id++, command, flags, in->p, len,
		     fds, which / N_KINDS);
	in->p += len;
	in->len -= len;
}

static void step_raw(struct rig *rig, struct input *in)
{
	size_t len = take_length(in);

	peer_send(&rig->peer, in->p, len, NULL, 0);
	in->p += len;
	in->len -= len;
}

static void step_second(struct rig *rig)
{
	static const uint8_t version[4];

	connect_peer(&rig->second);
	send_message(&rig->second, 1, VFIO_USER_VERSION, 0, version,
		     sizeof(version), NULL, 0);
	peer_settle(&rig->second);
	/* If there was no first, the second is it. */
	if (rig->peer.sock < 0 || rig->peer.over)
		REQUIRE(rig->second.replies || rig->second.over);
	peer_close(&rig->second);
}

/* The answer that a good client would give: all was done, and all was 0x5a. */
static size_t good_answer(const struct peer *p, uint8_t *payload)
{
	size_t head = sizeof(p->asked_range);
	uint64_t count = get_le64(p->asked_range + 8);

	memcpy(payload, p->asked_range, head);
	if (p->asked.command == VFIO_USER_DMA_WRITE)
		return head;
	REQUIRE(count <= MAX_ASKED);
	memset(payload + head, 0x5a, count);
	return head + count;
}

static void step_answer(struct rig *rig, struct input *in)
{
	static uint8_t good[MAX_ASKED + 64];
	struct peer *p = &rig->peer;
	uint32_t flags = (uint32_t)take(in, 1);
	size_t len = take_length(in);
	const uint8_t *payload = in->p;
	size_t n = len;

	in->p += len;
	in->len -= len;
	if (!p->asked.command) {
		p->mute = !p->mute;
		return;
	}
	if (!len) {
		n = good_answer(p, good);
		payload = good;
	}
	send_message(p, p->asked.id, p->asked.command,
		     flags | VFIO_USER_TYPE_REPLY, payload, n, NULL, 0);
	p->asked.command = 0;
}

static void step(struct rig *rig, struct input *in)
{
	switch (take(in, 1) % 8) {
	case 0:
	case 1:
	case 2:
		step_message(rig, in);
		break;
	case 3:
		step_raw(rig, in);
		break;
	case 4:
		peer_settle(&rig->peer);
		break;
	case 5:
		leave(rig);
		connect_peer(&rig->peer);
		break;
	case 6:
		step_second(rig);
		break;
	case 7:
		step_answer(rig, in);
		break;
	}
}

/* Whatever was before: a client that behaves gets good answers. */
static void next_client(struct rig *rig)
{
	static const uint8_t version[4];
	uint8_t info[16] = { 16 };
	uint64_t replies, errors;

	leave(rig);
	connect_peer(&rig->peer);
	replies = rig->peer.replies;
	errors = rig->peer.errors;
	send_message(&rig->peer, 1, VFIO_USER_VERSION, 0, version,
		     sizeof(version), NULL, 0);
	send_message(&rig->peer, 2, VFIO_USER_DEVICE_GET_INFO, 0, info,
		     sizeof(info), NULL, 0);
	peer_settle(&rig->peer);
	REQUIRE(!rig->peer.over && rig->peer.replies == replies + 2 &&
		rig->peer.errors == errors);
	leave(rig);
}

static void converse(struct rig *rig, struct input *in)
{
	make_fds(rig->fds);
	connect_peer(&rig->peer);
	for (int i = 0; i < MAX_STEPS && in->len; i++)
		step(rig, in);
	rig->peer.mute = false;
	peer_settle(&rig->peer);
	next_client(rig);
	for (int i = 0; i < N_KINDS; i++)
		close(rig->fds[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned without; /* fds that are open without a device */
	struct input in = { data, size };
	unsigned before;

	once();
	if (!core) {
		without = count_fds();
		make_device();
	}
	before = count_fds();
	the_rig.next_id = 0;
	converse(&the_rig, &in);
	require_fds(before);
	if (++used == REUSE) {
		session_server_free(server);
		device_destroy(core);
		core = NULL;
		used = 0;
		require_fds(without);
	}
	return 0;
}
