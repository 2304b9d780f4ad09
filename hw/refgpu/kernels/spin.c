/* SPDX-License-Identifier: MIT */
/* Time that passes: for tests of scheduling. */
#include "../commands.h"
#include "../engine.h"
#include "../section.h"
#include "kernels.h"

static bool bad(const uint32_t *a)
{
	return false;
}

static void bounds(const uint32_t *a, uint64_t max[3])
{
	max[0] = max[1] = max[2] = REFGPU_GROUPS_MAX;
}

static enum step group(struct engine *e, struct context *c, const uint32_t *a,
		       const uint32_t g[3])
{
	uint64_t start = hw_now(), ns = command_u64(a);
	bool cut = false;

	section_end(e);
	while (hw_now() - start < ns && !cut)
		cut = engine_cut(e);
	section_begin(e);
	return cut ? STEP_CUT : STEP_DONE;
}

const struct kernel kernel_spin = { 2, bad, bounds, group };
