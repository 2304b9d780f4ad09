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
#include "device/sized.h"
#include "util/log.h"

static char last_line[1024];

static void keep(enum log_level level, const char *subject, const char *line)
{
	(void)level;
	snprintf(last_line, sizeof(last_line), "%s: %s", subject, line);
}

static int no_create(const struct vgpu_create_args *args,
		     struct vgpu_device **ret_dev)
{
	(void)args;
	(void)ret_dev;
	return -ENODEV;
}

static struct vgpu_type type = { .struct_size = sizeof(type),
				 .name = "test-1",
				 .description = "a test" };
static const struct vgpu_type *types[] = { &type };

static struct vgpu_driver good(void)
{
	return (struct vgpu_driver){
		.struct_size = sizeof(struct vgpu_driver),
		.abi_version = VGPU_DRIVER_ABI,
		.name = "test",
		.version = "1",
		.description = "test",
		.types = types,
		.n_types = 1,
		.create = no_create,
	};
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
	assert_int_equal(module_n_types(m), 1);
	assert_string_equal(module_type(m, 0)->name, "test-1");
	assert_ptr_equal(module_find_type(m, "test-1"), module_type(m, 0));
	assert_null(module_find_type(m, "test-2"));
	module_close(m);
	module_close(NULL);
}

static void misfits_are_refused_with_a_reason(void **state)
{
	struct vgpu_driver d;

	(void)state;
	d = good();
	d.abi_version++;
	refused(&d, -EPROTO, "recompile");
	d = good();
	d.struct_size = 16;
	refused(&d, -EPROTO, "struct_size");
	d = good();
	d.name = "Not A Name";
	refused(&d, -EINVAL, "name");
	d = good();
	d.name = NULL;
	refused(&d, -EINVAL, "name");
	d = good();
	d.create = NULL;
	refused(&d, -EINVAL, "create");
	d = good();
	d.n_types = 0;
	refused(&d, -EINVAL, "types");
	type.name = "Bad/../Type";
	d = good();
	refused(&d, -EINVAL, "a type");
	type.name = "test-1";
	type.struct_size = 4;
	refused(&d, -EPROTO, "struct_size");
	type.struct_size = sizeof(type);
}

static int p_open(const struct vgpu_parent_args *args,
		  struct vgpu_parent **ret_parent)
{
	(void)args;
	(void)ret_parent;
	return -ENODEV;
}

static void p_stop(struct vgpu_parent *parent)
{
	(void)parent;
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

static int p_message(struct vgpu_parent *parent,
		     struct vgpu_parent_instance *inst, const void *msg,
		     size_t len)
{
	(void)parent;
	(void)inst;
	(void)msg;
	(void)len;
	return -EPROTO;
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
		.struct_size = sizeof(whole),
		.open = p_open,
		.stop = p_stop,
		.close = p_stop,
		.instance_new = p_new,
		.instance_gone = p_gone,
		.message = p_message,
	};
	struct vgpu_parent_ops ops = whole;
	struct vgpu_driver d = good();
	struct module *m;

	(void)state;
	d.parent = &ops;
	assert_int_equal(module_from_driver(&d, &m), 0);
	assert_non_null(module_driver(m)->parent);
	module_close(m);
	ops.struct_size = 8;
	refused(&d, -EPROTO, "parent half's struct_size");
	ops = whole;
	ops.message = NULL;
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
		uint32_t size, a, b;
	} ours;
	struct {
		uint32_t size, a;
	} older = { sizeof(older), 7 };
	struct {
		uint32_t size, a, b, c;
	} newer = { sizeof(newer), 7, 8, 0 };

	(void)state;
	assert_int_equal(sized_copy(&ours, sizeof(ours), &older, 8), 0);
	assert_int_equal(ours.size, sizeof(ours));
	assert_int_equal(ours.a, 7);
	assert_int_equal(ours.b, 0);
	assert_int_equal(sized_copy(&ours, sizeof(ours), &newer, 8), 0);
	assert_int_equal(ours.b, 8);
	newer.c = 1; /* uses something that we don't know */
	assert_int_equal(sized_copy(&ours, sizeof(ours), &newer, 8), -E2BIG);
	assert_int_equal(sized_copy(&ours, sizeof(ours), &older, 12), -EINVAL);
	assert_int_equal(sized_copy(&ours, sizeof(ours), NULL, 8), -EINVAL);
	older.size = 0xffffffff;
	assert_int_equal(sized_copy(&ours, sizeof(ours), &older, 8), -EINVAL);
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
		cmocka_unit_test(parent_halves_that_do_not_fit),
		cmocka_unit_test(other_sizes_of_a_structure),
		cmocka_unit_test(files_that_are_no_drivers),
	};

	log_setup(keep, LOG_LEVEL_DEBUG);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
