/* SPDX-License-Identifier: MIT */
/*
 * What each trick of waiting (src/util/wait.h) buys: the same work with servers
 * that have all of them and with servers that lack one, turn by turn, so that
 * whatever else the machine does meets all of them. docs/waiting.md has the
 * table and says what it means.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vgpu/driver.h>

#include "bench.h"
#include "util/bytes.h"
#include "util/wait.h"
#include "vfio-user/proto.h"

#define MAX_ROUNDS  101
#define NUM_SERVERS (1 + WAIT_N_TRICKS) /* the first one has all tricks */
#define ROUNDS_EACH 3
#define MAX_BUSY    16

static const struct line {
	const char *name;
	enum kind kind;
	unsigned command, offset;
	bool hub;
	unsigned rounds; /* of those that are counted, in one of the client's */
} lines[] = {
	{ "read", KIND_ROUND_TRIP, VFIO_USER_REGION_READ, DEVICE_SCRATCH, false,
	  1 },
	{ "doorbell", KIND_DOORBELL, VFIO_USER_REGION_WRITE, DEVICE_DOORBELL,
	  false, 1 },
	{ "kick", KIND_DOORBELL, VFIO_USER_REGION_WRITE, DEVICE_KICK, true, 1 },
	{ "kicks", KIND_DOORBELL, VFIO_USER_REGION_WRITE, DEVICE_KICKS, true,
	  HUB_ROUNDS },
	{ "messages", KIND_DOORBELL, VFIO_USER_REGION_WRITE, DEVICE_MESSAGES,
	  true, HUB_ROUNDS },
};

/* Where things run, and what else does */
static const struct scene {
	const char *name;
	enum place place;
	bool busy; /* somebody works on each cpu that a server may use */
} scenes[] = {
	{ "two cpus", PLACE_TWO, false },
	{ "one cpu", PLACE_ONE, false },
	{ "not pinned", PLACE_FREE, false },
	{ "two cpus, busy", PLACE_TWO, true },
	{ "not pinned, busy", PLACE_FREE, true },
};

static const struct {
	const char *name;
	enum way way;
} ways[] = { { "blocks", WAY_BLOCK }, { "polls", WAY_YIELD } };

struct options {
	int rounds;
	uint64_t round_ns;
	int scene;	   /* -1: all */
	const char *only;  /* part of a work's name */
	const char *trick; /* part of its name; all of them */
	bool means;
};

/* One vgpu-device, with its hub if it has one, and its client, which is us */
struct server {
	pid_t device, hub;
	int sock, event;
	char path[64];
	struct work work;
	struct client *client;
	double ns[MAX_ROUNDS];
};

/* Not every trick is met by a work without a hub. */
static bool is_met(const struct line *line, int trick, const struct options *o)
{
	if (o->trick && !strstr(wait_tricks[trick], o->trick))
		return false;
	return line->hub ||
	       (trick != WAIT_TRICK_WARM && trick != WAIT_TRICK_AWAKE &&
		trick != WAIT_TRICK_LINK);
}

static cpu_set_t all_cpus;

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* @without: a trick, -1: none */
static pid_t start(enum place place, enum role role, int without)
{
	pid_t pid = child();

	if (pid)
		return pid;
	pin(place, role);
	if (without >= 0)
		setenv(WAIT_WITHOUT_ENV, wait_tricks[without], 1);
	return 0;
}

static void server_start(struct server *s, const struct line *line,
			 const struct scene *scene, enum way way,
			 const char *dir, int without)
{
	int sv[2];

	s->work = (struct work){ .name = line->name,
				 .kind = line->kind,
				 .batch = 1,
				 .command = line->command,
				 .region = VGPU_REGION_BAR2,
				 .offset = line->offset,
				 .count = 4 };
	if (line->hub) {
		snprintf(s->path, sizeof(s->path), "%s/%d", dir, without);
		s->hub = start(scene->place, ROLE_HUB, without);
		if (!s->hub)
			hub_serve(s->path);
		for (int i = 0; i < 2000 && access(s->path, F_OK); i++)
			usleep(1000);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		fail("socketpair");
	s->device = start(scene->place, ROLE_SERVER, without);
	if (!s->device) {
		fcntl(sv[1], F_SETFD, 0);
		device_serve(sv[1], line->hub ? s->path : NULL);
	}
	close(sv[1]);
	s->sock = sv[0];
	s->event = way_eventfd(way);
	s->client = client_new(&s->work, way, s->sock, s->event, true);
}

static void server_end(struct server *s)
{
	client_free(s->client);
	s->client = NULL;
	close(s->sock);
	close(s->event);
	waitpid(s->device, NULL, 0);
	if (s->hub) {
		kill(s->hub, SIGKILL);
		waitpid(s->hub, NULL, 0);
		unlink(s->path);
	}
}

static double measure(struct server *s, uint64_t ns)
{
	uint64_t start, now, ops = 0;

	client_run(s->client, 16);
	start = now_ns();
	do {
		client_run(s->client, 4);
		ops += 4;
		now = now_ns();
	} while (now - start < ns);
	return (double)(now - start) / (double)ops;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return v[n / 2];
}

static double sum(const double *v, int n)
{
	double all = 0;

	while (n--)
		all += v[n];
	return all;
}

static void print_head(void)
{
	printf("%-17s %-7s %-9s %8s", "", "client", "", "all, us");
	for (int i = 0; i < WAIT_N_TRICKS; i++)
		printf(" %6s", wait_tricks[i]);
	printf("\n");
}

static void start_all(struct server *servers, const struct line *line,
		      const struct scene *scene, unsigned way, const char *dir,
		      const struct options *o)
{
	/* Children choose of all cpus. */
	if (sched_setaffinity(0, sizeof(all_cpus), &all_cpus) < 0)
		fail("sched_setaffinity");
	for (int i = 0; i < NUM_SERVERS; i++)
		if (!i || is_met(line, i - 1, o))
			server_start(&servers[i], line, scene, ways[way].way,
				     dir, i - 1);
	pin(scene->place, ROLE_CLIENT);
}

static void end_all(struct server *servers)
{
	for (int i = 0; i < NUM_SERVERS; i++)
		if (servers[i].client)
			server_end(&servers[i]);
}

static void run_line(const struct line *line, const struct scene *scene,
		     unsigned way, const char *dir, const struct options *o)
{
	static struct server servers[NUM_SERVERS];
	double ratio[MAX_ROUNDS];

	memset(servers, 0, sizeof(servers));
	for (int r = 0; r < o->rounds; r++) {
		/* Now and then others: where they find themselves is luck. */
		if (r % ROUNDS_EACH == 0)
			start_all(servers, line, scene, way, dir, o);
		for (int i = 0; i < NUM_SERVERS; i++) {
			struct server *s =
				&servers[r % 2 ? NUM_SERVERS - 1 - i : i];

			if (s->client)
				s->ns[r] = measure(s, scene->busy
							      ? 4 * o->round_ns
							      : o->round_ns);
		}
		if (r % ROUNDS_EACH == ROUNDS_EACH - 1 || r == o->rounds - 1)
			end_all(servers);
	}
	printf("%-17s %-7s %-9s", scene->name, ways[way].name, line->name);
	memcpy(ratio, servers[0].ns, sizeof(ratio));
	printf(" %8.1f", (o->means ? sum(ratio, o->rounds) / o->rounds
				   : median(ratio, o->rounds)) /
				 1000 / line->rounds);
	for (int i = 1; i < NUM_SERVERS; i++) {
		if (!is_met(line, i - 1, o)) {
			printf(" %6s", "");
			continue;
		}
		for (int r = 0; r < o->rounds; r++)
			ratio[r] = servers[i].ns[r] / servers[0].ns[r];
		printf(" %+6.0f",
		       100 * (o->means ? sum(servers[i].ns, o->rounds) /
							 sum(servers[0].ns,
							     o->rounds) -
						 1
				       : median(ratio, o->rounds) - 1));
	}
	printf("\n");
	fflush(stdout);
}

/* Somebody who works on each cpu where a server runs */
static void busy_start(const struct scene *scene, pid_t pids[MAX_BUSY])
{
	cpu_set_t one;
	int n = 0;

	memset(pids, 0, MAX_BUSY * sizeof(*pids));
	if (!scene->busy)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE && n < MAX_BUSY; cpu++) {
		if (!CPU_ISSET(cpu, &all_cpus))
			continue;
		pids[n] = child();
		if (pids[n++])
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (scene->place == PLACE_FREE)
			sched_setaffinity(0, sizeof(one), &one);
		else
			pin(scene->place, ROLE_SERVER);
		for (volatile unsigned x = 0;; x++)
			;
	}
	/* One is enough where all would meet. */
	for (int i = 1; scene->place != PLACE_FREE && i < n; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
		pids[i] = 0;
	}
}

static void run_scene(const struct scene *scene, const char *dir,
		      const struct options *o)
{
	pid_t busy[MAX_BUSY];

	if (scene->place == PLACE_TWO && sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	busy_start(scene, busy);
	for (unsigned way = 0; way < ARRAY_SIZE(ways); way++)
		for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
			if (o->only && !strstr(lines[i].name, o->only))
				continue;
			run_line(&lines[i], scene, way, dir, o);
		}
	for (int i = 0; i < MAX_BUSY; i++)
		if (busy[i]) {
			kill(busy[i], SIGKILL);
			waitpid(busy[i], NULL, 0);
		}
	sched_setaffinity(0, sizeof(all_cpus), &all_cpus);
}

static void usage(void)
{
	printf("Usage: bench-waiting [-r ROUNDS] [-t MS] [-w NAME] [-s SCENE] "
	       "[-x TRICK] [-m]\n"
	       "\n"
	       "  -r ROUNDS  measure so many times and take medians (9)\n"
	       "  -t MS      so long each time (3)\n"
	       "  -w NAME    only lines that have NAME in theirs\n"
	       "  -s SCENE   only the one of this number, from 0\n"
	       "  -x TRICK   only tricks that have TRICK in their names\n"
	       "  -m         means of all rounds instead of medians, for what "
	       "is seldom and dear\n");
}

int main(int argc, char **argv)
{
	struct options options = { 9, 3000000, -1, NULL, NULL, false };
	char dir[] = "/tmp/bench-waiting-XXXXXX";
	int c;

	while ((c = getopt(argc, argv, "r:t:w:s:x:mh")) >= 0) {
		if (c == 'r')
			options.rounds = atoi(optarg);
		else if (c == 't')
			options.round_ns = (uint64_t)atoi(optarg) * 1000000;
		else if (c == 'w')
			options.only = optarg;
		else if (c == 'x')
			options.trick = optarg;
		else if (c == 'm')
			options.means = true;
		else if (c == 's')
			options.scene = atoi(optarg);
		if (c == 'h' || c == '?' || options.rounds < 1 ||
		    options.rounds > MAX_ROUNDS || !options.round_ns) {
			usage();
			return c != 'h';
		}
	}
	if (sched_getaffinity(0, sizeof(all_cpus), &all_cpus) < 0)
		fail("sched_getaffinity");
	if (!mkdtemp(dir))
		fail(dir);
	printf("Round trips of vgpu-device with all tricks, and by how many "
	       "%% longer they are\nwithout one of them; medians of %d paired "
	       "rounds. read: a register; doorbell:\na write that signals an "
	       "eventfd; kick: one that goes to vgpu-parent and back before;\n"
	       "kicks, messages: between vgpu-device and vgpu-parent alone.\n"
	       "busy: somebody works on each cpu that vgpu-device may use.\n\n",
	       options.rounds);
	print_head();
	for (int i = 0; i < (int)ARRAY_SIZE(scenes); i++)
		if (options.scene < 0 || options.scene == i)
			run_scene(&scenes[i], dir, &options);
	rmdir(dir);
	return 0;
}
