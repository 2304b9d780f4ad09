/* SPDX-License-Identifier: MIT */
#include "budget.h"

#include <errno.h>
#include <sys/resource.h>

#include "../dma/busguard.h"
#include "../util/bytes.h"
#include "hub.h"

_Static_assert(HUB_MAX_INSTANCES *HUB_OWN_FILES + HUB_MORE_FILES <=
		       BUSGUARD_MAX,
	       "there is a guard for each mapping");

void hub_budget_init(struct hub_budget *budget)
{
	const uint64_t all =
		HUB_PROCESS_FDS +
		HUB_MAX_INSTANCES * (HUB_INSTANCE_FDS + HUB_OWN_FILES);
	struct rlimit limit = { 0 };
	uint64_t left;

	getrlimit(RLIMIT_NOFILE, &limit);
	left = limit.rlim_cur > all ? limit.rlim_cur - all : 0;
	budget->files = (uint32_t)MIN(left, HUB_MORE_FILES);
	budget->bytes = HUB_MORE_BYTES;
}

/* Of @now, what is more than @own */
static uint64_t beyond(uint64_t now, uint64_t own)
{
	return now > own ? now - own : 0;
}

int hub_share_take(struct hub_share *share, uint64_t bytes)
{
	struct hub_budget *b = share->budget;
	uint64_t more;
	uint32_t file;

	if (bytes > HUB_OWN_BYTES + HUB_MORE_BYTES - share->bytes)
		return -EDQUOT;
	more = beyond(share->bytes + bytes, HUB_OWN_BYTES) -
	       beyond(share->bytes, HUB_OWN_BYTES);
	file = share->files >= HUB_OWN_FILES;
	if (more > b->bytes || file > b->files)
		return -EDQUOT;
	b->bytes -= more;
	b->files -= file;
	share->bytes += bytes;
	share->files++;
	return 0;
}

void hub_share_give(struct hub_share *share, uint64_t bytes)
{
	struct hub_budget *b = share->budget;

	b->bytes += beyond(share->bytes, HUB_OWN_BYTES) -
		    beyond(share->bytes - bytes, HUB_OWN_BYTES);
	b->files += share->files > HUB_OWN_FILES;
	share->bytes -= bytes;
	share->files--;
}
