/* SPDX-License-Identifier: MIT */
/* Driver modules that do not fit, and structures of other versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vgpu/parent.h>

#include "device/module.h"
#include "util/log.h"
#include "util/sized.h"

static char last_line[1024];

static void keep(enum log_level level, const char *subject, const char *line)
{
	(void)level;
	snprintf(last_line, sizeof(last_line), "%s: %s", subject, line);
}

static int no_create(struct vgpu_device *dev)
{
	(void)dev;
	return -ENODEV;
}

static struct vgpu_device_ops instance = { .create = no_create };

static struct vgpu_type types[] = {
	{ .name = "test-1", .description = "a test" },
	{ .name = "test-2", .description = "another" },
};

static struct vgpu_driver good(void)
{
	return (struct vgpu_driver){
		.name = "test",
		.version = "1",
		.description = "test",
		VGPU_LIST(types, types),
		.instance = &instance,
	};
}

static void module_refused(const struct vgpu_module *theirs, int err,
			   const char *says)
{
	struct module *m = NULL;

	last_line[0] = 0;
	assert_int_equal(module_from(theirs, &m), err);
	assert_null(m);
	if (!strstr(last_line, says))
		fail_msg("\"%s\" is not in: %s", says, last_line);
}

static void refused(const struct vgpu_driver *d, int err, const char *says)
{
	struct module *m = NULL;

	last_line[0] = 0;
	assert_int_equal(module_from_driver(d, &m), err);
	assert_null(m);
	assert_non_null(strstr(last_line, says));
}

static void a_good_one_is_taken(void **state)
{
	struct vgpu_driver d = good();
	struct module *m;

	(void)state;
	assert_int_equal(module_from_driver(&d, &m), 0);
	assert_int_equal(module_n_types(m), 2);
	assert_string_equal(module_type(m, 0)->name, "test-1");
	assert_ptr_equal(module_find_type(m, "test-1"), module_type(m, 0));
	assert_ptr_equal(module_find_type(m, "test-2"), module_type(m, 1));
	assert_ptr_equal(module_own_type(m, module_type(m, 1)), &types[1]);
	assert_null(module_find_type(m, "test-3"));
	module_close(m);
	module_close(NULL);
}

static void misfits_are_refused_with_a_reason(void **state)
{
	struct vgpu_driver d = good();
	struct vgpu_module theirs = VGPU_MODULE_INIT(&d);

	(void)state;
	theirs.abi--;
	module_refused(&theirs, -EPROTO,
		       "made for driver interface 1, this is 2; recompile it");
	theirs.abi += 2;
	module_refused(&theirs, -EPROTO,
		       "made for driver interface 3, this is 2; update vgpud");
	d.name = "Not A Name";
	refused(&d, -EINVAL, "name");
	d = good();
	d.name = NULL;
	refused(&d, -EINVAL, "name");
	d = good();
	d.version = NULL;
	refused(&d, -EINVAL, "version and description");
	d = good();
	d.instance = NULL;
	refused(&d, -EINVAL, "instance half");
	instance.create = NULL;
	d = good();
	refused(&d, -EINVAL, "neither a create op nor pci");
	instance.create = no_create;
	d.n_types = 0;
	refused(&d, -EINVAL, "types");
	types[1].name = "Bad/../Type";
	d = good();
	refused(&d, -EINVAL, "a type");
	types[1].name = "test-2";
}

/* A structure is shorter or longer in the driver than here. */
static void drivers_that_are_older_or_newer(void **state)
{
	struct {
		struct vgpu_type type;
		uint64_t later;
	} longer[2] = { { .type = types[0] }, { .type = types[1] } };
	struct vgpu_driver d = good();
	struct vgpu_module theirs = VGPU_MODULE_INIT(&d);
	struct module *m;

	(void)state;
	/* Arrays have the driver's stride. */
	d.types = &longer[0].type;
	theirs.type_size = sizeof(longer[0]);
	assert_int_equal(module_from(&theirs, &m), 0);
	assert_string_equal(module_type(m, 1)->name, "test-2");
	assert_ptr_equal(module_own_type(m, module_type(m, 1)),
			 &longer[1].type);
	module_close(m);
	longer[1].later = 1;
	module_refused(&theirs, -E2BIG, "struct vgpu_type; update vgpud");
	longer[1].later = 0;
	/* What it does not have is 0 here, whatever lies behind it. */
	longer[0].type.data = longer;
	theirs.type_size = offsetof(struct vgpu_type, data);
	d.n_types = 1;
	assert_int_equal(module_from(&theirs, &m), 0);
	assert_null(module_type(m, 0)->data);
	module_close(m);
	theirs.type_size = sizeof(void *);
	module_refused(&theirs, -EPROTO, "its struct vgpu_type has 8 bytes");
	/* A table that was shorter knows nothing of what came later. */
	theirs.type_size = sizeof(longer[0]);
	theirs.size = offsetof(struct vgpu_module, parent_ops_size);
	assert_int_equal(module_from(&theirs, &m), 0);
	assert_int_equal(module_sizes(m)->parent_ops_size, 0);
	module_close(m);
}

static int p_open(struct vgpu_parent *parent, const char *config)
{
	(void)parent;
	(void)config;
	return -ENODEV;
}

static int p_new(struct vgpu_parent *parent, struct vgpu_parent_instance *inst)
{
	(void)parent;
	(void)inst;
	return -ENODEV;
}

static void p_gone(struct vgpu_parent *parent,
		   struct vgpu_parent_instance *inst)
{
	(void)parent;
	(void)inst;
}

static int p_memory(struct vgpu_parent *parent,
		    struct vgpu_parent_instance *inst, unsigned id, void *ptr,
		    uint64_t size)
{
	(void)parent;
	(void)inst;
	(void)id;
	(void)ptr;
	(void)size;
	return -ENODEV;
}

static int p_save(struct vgpu_parent *parent, struct vgpu_parent_instance *inst,
		  void *buf, size_t size, size_t *ret_len)
{
	(void)parent;
	(void)inst;
	(void)buf;
	(void)size;
	(void)ret_len;
	return -EAGAIN;
}

static int p_restore(struct vgpu_parent *parent,
		     struct vgpu_parent_instance *inst, const void *buf,
		     size_t len)
{
	(void)parent;
	(void)inst;
	(void)buf;
	(void)len;
	return -EINVAL;
}

static void parent_halves_that_do_not_fit(void **state)
{
	const struct vgpu_parent_ops whole = {
		.open = p_open,
		.instance_new = p_new,
		.instance_gone = p_gone,
	};
	struct vgpu_parent_ops ops = whole;
	struct vgpu_driver d = good();
	struct vgpu_module theirs = VGPU_MODULE_INIT(&d);
	struct module *m;

	(void)state;
	d.parent = &ops;
	assert_int_equal(module_from_driver(&d, &m), 0);
	assert_non_null(module_driver(m)->parent);
	module_close(m);
	/* The file with the module's description did not include its header. */
	theirs.parent_ops_size = 0;
	module_refused(&theirs, -EPROTO,
		       "its struct vgpu_parent_ops has 0 bytes");
	ops.instance_new = NULL;
	refused(&d, -EINVAL, "lacks an op");
	ops = whole;
	ops.memory = p_memory;
	refused(&d, -EINVAL, "memory_gone");
	ops = whole;
	ops.save = p_save;
	refused(&d, -EINVAL, "restore");
	ops.restore = p_restore;
	assert_int_equal(module_from_driver(&d, &m), 0);
	module_close(m);
	ops.save = NULL;
	refused(&d, -EINVAL, "restore");
}

static void other_sizes_of_a_structure(void **state)
{
	struct {
		uint32_t a, b;
	} ours;
	struct {
		uint32_t a;
	} older = { 7 };
	struct {
		uint32_t a, b, c;
	} newer = { 7, 8, 0 };

	(void)state;
	assert_int_equal(sized_copy(&ours, sizeof(ours), &older, sizeof(older)),
			 0);
	assert_int_equal(ours.a, 7);
	assert_int_equal(ours.b, 0);
	assert_int_equal(sized_copy(&ours, sizeof(ours), &newer, sizeof(newer)),
			 0);
	assert_int_equal(ours.b, 8);
	newer.c = 1; /* uses something that we don't know */
	assert_int_equal(sized_copy(&ours, sizeof(ours), &newer, sizeof(newer)),
			 -E2BIG);
	assert_int_equal(sized_copy(&ours, sizeof(ours), NULL, 8), -EINVAL);
}

static int count_modules(struct module *m, void *user)
{
	(void)m;
	++*(int *)user;
	return 0;
}

static void files_that_are_no_drivers(void **state)
{
	char dir[] = "/tmp/vgpu-module-XXXXXX", path[64];
	struct module *m;
	int n = 0;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(module_open("/nonexistent/x.so", &m), -ENOENT);
	snprintf(path, sizeof(path), "%s/junk.so", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("not an object", f);
	fclose(f);
	assert_int_equal(module_open(path, &m), -ENOEXEC);
	assert_non_null(strstr(last_line, "can't be loaded"));
	assert_int_equal(module_scan(dir, count_modules, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(module_scan("/nonexistent", count_modules, &n),
			 -ENOENT);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_one_is_taken),
		cmocka_unit_test(misfits_are_refused_with_a_reason),
		cmocka_unit_test(drivers_that_are_older_or_newer),
		cmocka_unit_test(parent_halves_that_do_not_fit),
		cmocka_unit_test(other_sizes_of_a_structure),
		cmocka_unit_test(files_that_are_no_drivers),
	};

	log_setup(keep, LOG_LEVEL_DEBUG);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
