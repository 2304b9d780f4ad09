/* SPDX-License-Identifier: MIT */
#include "budget.h"

#include <errno.h>
#include <sys/resource.h>

#include "../dma/busguard.h"
#include "../util/bytes.h"
#include "parent.h"

_Static_assert(PARENT_MAX_INSTANCES *PARENT_OWN_FILES + PARENT_MORE_FILES <=
		       BUSGUARD_MAX,
	       "there is a guard for each mapping");

void parent_budget_init(struct parent_budget *budget)
{
	const uint64_t all =
		PARENT_PROCESS_FDS +
		PARENT_MAX_INSTANCES * (PARENT_INSTANCE_FDS + PARENT_OWN_FILES);
	struct rlimit limit = { 0 };
	uint64_t left;

	getrlimit(RLIMIT_NOFILE, &limit);
	left = limit.rlim_cur > all ? limit.rlim_cur - all : 0;
	budget->files = (uint32_t)MIN(left, PARENT_MORE_FILES);
	budget->bytes = PARENT_MORE_BYTES;
}

/* Of @now, what is more than @own */
static uint64_t beyond(uint64_t now, uint64_t own)
{
	return now > own ? now - own : 0;
}

int parent_share_take(struct parent_share *share, uint64_t bytes)
{
	struct parent_budget *b = share->budget;
	uint64_t more;
	uint32_t file;

	if (bytes > PARENT_OWN_BYTES + PARENT_MORE_BYTES - share->bytes)
		return -EDQUOT;
	more = beyond(share->bytes + bytes, PARENT_OWN_BYTES) -
	       beyond(share->bytes, PARENT_OWN_BYTES);
	file = share->files >= PARENT_OWN_FILES;
	if (more > b->bytes || file > b->files)
		return -EDQUOT;
	b->bytes -= more;
	b->files -= file;
	share->bytes += bytes;
	share->files++;
	return 0;
}

void parent_share_give(struct parent_share *share, uint64_t bytes)
{
	struct parent_budget *b = share->budget;

	b->bytes += beyond(share->bytes, PARENT_OWN_BYTES) -
		    beyond(share->bytes - bytes, PARENT_OWN_BYTES);
	b->files += share->files > PARENT_OWN_FILES;
	share->bytes -= bytes;
	share->files--;
}
