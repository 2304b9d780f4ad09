/* SPDX-License-Identifier: MIT */
/*
 * How near the wire is to what the socket itself can do.
 *
 * Every line is measured side by side: a client process with the floor server,
 * then the same client with the device server, and again, in rounds, so that
 * whatever else the machine does meets both. Printed are medians and, what
 * alone means something on another machine, their ratios.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vgpu/driver.h>

#include "bench.h"
#include "util/bytes.h"
#include "vfio-user/proto.h"

#define MAX_ROUNDS 101
#define NUM_SIDES  2 /* floor, device */

static const char *const place_names[NUM_PLACES] = {
	"client and server on two cpus",
	"both on one cpu",
	"not pinned",
};

/* What has to be reached. A rate of at least 0.9 of the floor's is a time of at
 * most 1 / 0.9 of it. */
static const struct work works[] = {
	{ "4-byte read", KIND_ROUND_TRIP, 1, VFIO_USER_REGION_READ,
	  VGPU_REGION_BAR2, DEVICE_SCRATCH, 4, .most = 1.15, .most_best = 1.3 },
	{ "4-byte write", KIND_ROUND_TRIP, 1, VFIO_USER_REGION_WRITE,
	  VGPU_REGION_BAR2, DEVICE_SCRATCH, 4, .most = 1.15, .most_best = 1.3 },
	{ "posted write", KIND_POSTED, 1, VFIO_USER_REGION_WRITE,
	  VGPU_REGION_BAR2, DEVICE_SCRATCH, 4, .most = 1 / 0.9 },
	{ "64 posted writes", KIND_POSTED, 64, VFIO_USER_REGION_WRITE,
	  VGPU_REGION_BAR2, DEVICE_SCRATCH, 4, .most = 1 / 0.7 },
	{ "64 reads in flight", KIND_ROUND_TRIP, 64, VFIO_USER_REGION_READ,
	  VGPU_REGION_BAR2, DEVICE_SCRATCH, 4, .most_us = 1 / 3.0 },
	{ "64 KiB read", KIND_ROUND_TRIP, 1, VFIO_USER_REGION_READ,
	  VGPU_REGION_BAR0, 0, 64 << 10, .most = 1.1 },
	{ "64 KiB write", KIND_ROUND_TRIP, 1, VFIO_USER_REGION_WRITE,
	  VGPU_REGION_BAR0, 0, 64 << 10, .most = 1.2 },
	{ "DMA_MAP, DMA_UNMAP", KIND_MAP, 1, VFIO_USER_REGION_WRITE,
	  VGPU_REGION_BAR2, DEVICE_SCRATCH, 4, .most = 1.2 },
	{ "32 DMA_MAPs in flight", KIND_MAP, 32, VFIO_USER_REGION_WRITE,
	  VGPU_REGION_BAR2, DEVICE_SCRATCH, 4, .most_us = 5 },
	{ "doorbell to eventfd", KIND_DOORBELL, 1, VFIO_USER_REGION_WRITE,
	  VGPU_REGION_BAR2, DEVICE_DOORBELL, 4, .most = 1.15 },
};

struct options {
	int rounds;
	uint64_t round_ns;
	const char *only; /* part of a work's name */
	int place;	  /* -1: all */
	int percent;	  /* which quantile is printed */
};

/* One client process with one server process. Return: ns for each operation. */
static double measure(const struct work *work, enum place place, enum way way,
		      bool device, uint64_t ops)
{
	double result = 0;
	int sv[2], out[2];
	pid_t pid;

	if (pipe(out) < 0)
		fail("pipe");
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (!pid) {
		struct client *client;
		int event = way_eventfd(way);
		uint64_t start;
		pid_t server;

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) < 0)
			fail("socketpair");
		server = fork();
		if (server < 0)
			fail("fork");
		if (!server) {
			close(sv[0]);
			pin(place, ROLE_SERVER);
			if (device)
				device_serve(sv[1], NULL);
			else
				floor_serve(work, way, sv[1], event, ops);
			_exit(0);
		}
		close(sv[1]);
		pin(place, ROLE_CLIENT);
		client = client_new(work, way, sv[0], event, device);
		client_run(client, ops);
		start = now_ns();
		client_run(client, ops);
		result = (double)(now_ns() - start) / (double)ops;
		client_free(client);
		close(sv[0]);
		waitpid(server, NULL, 0);
		if (write(out[1], &result, sizeof(result)) < 0)
			fail("write");
		_exit(0);
	}
	close(out[1]);
	if (read(out[0], &result, sizeof(result)) != (ssize_t)sizeof(result)) {
		errno = ECHILD;
		fail(work->name);
	}
	close(out[0]);
	waitpid(pid, NULL, 0);
	return result;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median, unless another quantile was asked for. */
static double middle(double *v, const struct options *options)
{
	qsort(v, (size_t)options->rounds, sizeof(*v), compare);
	return v[options->rounds * options->percent / 100];
}

/* Pure spinning of both on one cpu takes a time slice per message. */
static bool sensible(enum place place, enum way way)
{
	return place != PLACE_ONE || way != WAY_SPIN;
}

/* A target, and whether @value reaches it */
static void print_target(double value, double most, const char *unit)
{
	printf(" <= %.2f%s %s", most, unit, value <= most ? "yes" : "NO");
}

static void print_line(const struct work *work, enum place place,
		       double m[NUM_SIDES][NUM_WAYS])
{
	double least = 0, same = m[1][WAY_LOOP] / m[0][WAY_LOOP];

	printf("%-21s", work->name);
	for (int side = 0; side < NUM_SIDES; side++) {
		for (int way = 0; way < NUM_WAYS; way++) {
			if (!sensible(place, way))
				printf(" %7s", "-");
			else
				printf(" %7.3f", m[side][way] / 1000);
		}
		printf(" |");
	}
	for (int way = 0; way < NUM_WAYS; way++) {
		if (!sensible(place, way)) {
			printf(" %5s", "-");
			continue;
		}
		printf(" %5.2f", m[1][way] / m[0][way]);
		if (!least || m[0][way] < least)
			least = m[0][way];
	}
	printf(" | %5.2f |", m[1][WAY_LOOP] / least);
	if (work->most)
		print_target(same, work->most, "");
	if (work->most_us && m[0][WAY_LOOP] / 1000 <= work->most_us)
		print_target(m[1][WAY_LOOP] / 1000, work->most_us, " us");
	if (work->most_best) {
		printf(", best");
		print_target(m[1][WAY_LOOP] / least, work->most_best, "");
	}
	printf("\n");
	fflush(stdout);
}

static void run_work(const struct work *work, enum place place,
		     const struct options *options)
{
	static double t[NUM_SIDES][NUM_WAYS][MAX_ROUNDS];
	double m[NUM_SIDES][NUM_WAYS] = { 0 };
	uint64_t ops[NUM_SIDES][NUM_WAYS];

	for (int side = 0; side < NUM_SIDES; side++)
		for (int way = 0; way < NUM_WAYS; way++) {
			double ns;

			if (!sensible(place, way))
				continue;
			ns = measure(work, place, way, side, 20);
			ops[side][way] = MAX((uint64_t)(options->round_ns / ns),
					     (uint64_t)20);
		}
	for (int r = 0; r < options->rounds; r++) {
		for (int i = 0; i < NUM_WAYS * NUM_SIDES; i++) {
			int way = i / NUM_SIDES, side = (r + i) % NUM_SIDES;

			if (sensible(place, way))
				t[side][way][r] = measure(work, place, way,
							  side,
							  ops[side][way]) /
						  work->batch;
		}
	}
	for (int side = 0; side < NUM_SIDES; side++)
		for (int way = 0; way < NUM_WAYS; way++)
			if (sensible(place, way))
				m[side][way] = middle(t[side][way], options);
	print_line(work, place, m);
}

static void usage(void)
{
	printf("Usage: bench-wire [-r ROUNDS] [-t MS] [-w NAME] [-p PLACE] [-q "
	       "PERCENT]\n"
	       "\n"
	       "  -r ROUNDS  measure so many times and take medians (11)\n"
	       "  -t MS      so long each time (20)\n"
	       "  -w NAME    only lines that have NAME in theirs\n"
	       "  -p PLACE   only 0: two cpus, 1: one cpu, 2: not pinned\n"
	       "  -q PERCENT print this quantile (50, the median); a low one, "
	       "with\n"
	       "             short rounds, sees through what else the machine "
	       "does\n"
	       "\n"
	       "A busy machine spoils everything. There, as root and for 3 s "
	       "or so:\n"
	       "  $ chrt -f 5 bench-wire -r 9 -t 2 -p 0\n");
}

int main(int argc, char **argv)
{
	struct options options = { 11, 20000000, NULL, -1, 50 };
	int c;

	while ((c = getopt(argc, argv, "r:t:w:p:q:h")) >= 0) {
		switch (c) {
		case 'r':
			options.rounds = atoi(optarg);
			if (options.rounds < 1 || options.rounds > MAX_ROUNDS) {
				usage();
				return 1;
			}
			break;
		case 't':
			options.round_ns =
				(uint64_t)MAX(atoi(optarg), 1) * 1000000;
			break;
		case 'w':
			options.only = optarg;
			break;
		case 'p':
			options.place = atoi(optarg);
			break;
		case 'q':
			options.percent = atoi(optarg);
			if (options.percent < 0 || options.percent > 99) {
				usage();
				return 1;
			}
			break;
		case 'h':
			usage();
			return 0;
		default:
			usage();
			return 1;
		}
	}
	printf("Microseconds for each message, %s of %d rounds; ratios are of "
	       "these.\n"
	       "floor:  the same bytes between two processes without protocol, "
	       "both waiting so\n"
	       "device: vgpu-device with a driver, waiting as it always does, "
	       "and the client so:\n"
	       "  block: in the kernel; yield: sched_yield for 50 us, then in "
	       "the kernel;\n"
	       "  spin: for ever; loop: as vgpu-device does "
	       "(src/util/wait.h)\n"
	       "best:   device, both waiting as it does / the fastest of the "
	       "four floors\n"
	       "target: of device / floor, both waiting as it does, unless it "
	       "says \"best\" or us\n",
	       options.percent == 50 ? "medians" : "a quantile",
	       options.rounds);
	for (int place = 0; place < NUM_PLACES; place++) {
		if (options.place >= 0 && options.place != place)
			continue;
		if (place == PLACE_TWO && sysconf(_SC_NPROCESSORS_ONLN) < 2)
			continue;
		printf("\n%s\n%-21s %31s | %31s | %23s |\n"
		       "%-21s %7s %7s %7s %7s | %7s %7s %7s %7s | %5s %5s %5s "
		       "%5s | %5s | target\n",
		       place_names[place], "", "floor", "device",
		       "device / floor", "", "block", "yield", "spin", "loop",
		       "block", "yield", "spin", "loop", "block", "yield",
		       "spin", "loop", "best");
		for (size_t i = 0; i < ARRAY_SIZE(works); i++)
			if (!options.only ||
			    strstr(works[i].name, options.only))
				run_work(&works[i], (enum place)place,
					 &options);
	}
	return 0;
}
