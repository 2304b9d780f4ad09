/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <ini.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

#define DEFAULT_VRAM	      (16ull << 30)
#define DEFAULT_MAX_INSTANCES 1024
#define DEFAULT_SHARES	      1024

/* A file that is being read. */
struct reading {
	struct config *config;
	const char *path;
	FILE *file;
	unsigned line;
	bool line_ended; /* inih takes long lines in pieces */
	char section[256];
	struct config_parent *parent; /* whose section this is, or NULL */
	struct config_type *type;
	bool skip; /* a section that can't be used */
};

void config_problem(struct config *config, const char *fmt, ...)
{
	va_list ap;
	char *text, **grown;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	text_make_printable(text);
	log_error(NULL, "%s", text);
	grown = config->n_problems < CONFIG_MAX_PROBLEMS
			? realloc(config->problems, (config->n_problems + 1) *
							    sizeof(*grown))
			: NULL;
	if (!grown) {
		free(text);
		return;
	}
	config->problems = grown;
	grown[config->n_problems++] = text;
}

/* ---- values --------------------------------------------------------- */

/* "64", "64M", "4GiB"; at most @max. */
static int parse_size(const char *s, uint64_t max, uint64_t *ret)
{
	static const char units[] = "KMGT";
	unsigned long long v;
	unsigned shift = 0;
	const char *u;
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno)
		return -ERANGE;
	u = *end ? strchr(units, *end) : NULL;
	if (u) {
		shift = 10 * (unsigned)(u - units + 1);
		end++;
		if (!strcmp(end, "iB") || !strcmp(end, "B"))
			end += strlen(end);
	}
	if (*end)
		return -EINVAL;
	if (v > max >> shift)
		return -ERANGE;
	*ret = (uint64_t)v << shift;
	return 0;
}

static int set_size(const char *value, uint64_t max, uint64_t *ret)
{
	return parse_size(value, max, ret);
}

static int set_count(const char *value, uint32_t *ret)
{
	uint64_t v;
	int err = parse_size(value, INT32_MAX, &v);

	if (!err)
		*ret = (uint32_t)v;
	return err;
}

static int set_mode(const char *value, mode_t *ret)
{
	char *end;
	unsigned long v = strtoul(value, &end, 8);

	if (*value < '0' || *value > '7' || *end || v > 0777)
		return -EINVAL;
	*ret = (mode_t)v;
	return 0;
}

static int set_group(const char *value, gid_t *ret)
{
	const struct group *group = getgrnam(value);
	uint64_t v;

	if (group)
		*ret = group->gr_gid;
	else if (!parse_size(value, (gid_t)-2, &v))
		*ret = (gid_t)v;
	else
		return -ENOENT;
	return 0;
}

static int set_string(const char *value, char **ret)
{
	char *s = strdup(value);

	if (!s)
		return -ENOMEM;
	free(*ret);
	*ret = s;
	return 0;
}

/* ---- sections ------------------------------------------------------- */

static int set_daemon(struct config *c, const char *key, const char *value)
{
	if (!strcmp(key, "control-mode"))
		return set_mode(value, &c->control_mode);
	if (!strcmp(key, "control-group"))
		return set_group(value, &c->control_gid);
	if (!strcmp(key, "socket-mode"))
		return set_mode(value, &c->socket_mode);
	if (!strcmp(key, "socket-group"))
		return set_group(value, &c->socket_gid);
	if (!strcmp(key, "pinned-limit"))
		return set_size(value, INT64_MAX, &c->pinned_limit);
	if (!strcmp(key, "metrics-file"))
		return set_string(value, &c->metrics_file);
	if (!strcmp(key, "restart-limit"))
		return set_count(value, &c->restart_limit);
	if (!strcmp(key, "parent-restart-limit"))
		return set_count(value, &c->parent_restart_limit);
	if (!strcmp(key, "restart-window"))
		return set_count(value, &c->restart_window_s);
	return -ENOKEY;
}

static int set_parent(struct config_parent *p, const char *key,
		      const char *value)
{
	if (!strcmp(key, "driver"))
		return set_string(value, &p->driver);
	if (!strcmp(key, "types"))
		return set_string(value, &p->types);
	if (!strcmp(key, "description"))
		return set_string(value, &p->description);
	if (!strcmp(key, "config"))
		return set_string(value, &p->config);
	if (!strcmp(key, "parent-socket"))
		return set_string(value, &p->parent_socket);
	if (!strcmp(key, "vram"))
		return set_size(value, INT64_MAX, &p->vram);
	if (!strcmp(key, "max-instances"))
		return set_count(value, &p->max_instances);
	if (!strcmp(key, "shares"))
		return set_count(value, &p->shares);
	return -ENOKEY;
}

static int set_type(struct config_type *t, const char *key, const char *value)
{
	if (!strcmp(key, "shares"))
		return set_count(value, &t->shares);
	if (!strcmp(key, "max-instances"))
		return set_count(value, &t->max_instances);
	return -ENOKEY;
}

static struct config_parent *add_parent(struct config *c, const char *name)
{
	struct config_parent *grown =
		realloc(c->parents, (c->n_parents + 1) * sizeof(*grown));
	struct config_parent *p;

	if (!grown)
		return NULL;
	c->parents = grown;
	p = &grown[c->n_parents++];
	*p = (struct config_parent){
		.name = strdup(name),
		.types = strdup("*"),
		.vram = DEFAULT_VRAM,
		.max_instances = DEFAULT_MAX_INSTANCES,
		.shares = DEFAULT_SHARES,
	};
	return p->name && p->types ? p : NULL;
}

static struct config_type *add_type(struct config *c, const char *parent,
				    size_t len, const char *name)
{
	struct config_type *grown =
		realloc(c->types, (c->n_types + 1) * sizeof(*grown));
	struct config_type *t;

	if (!grown)
		return NULL;
	c->types = grown;
	t = &grown[c->n_types++];
	*t = (struct config_type){ .parent = strndup(parent, len),
				   .name = strdup(name) };
	return t->parent && t->name ? t : NULL;
}

const struct config_parent *config_find_parent(const struct config *c,
					       const char *name)
{
	for (size_t i = 0; i < c->n_parents; i++)
		if (!strcmp(c->parents[i].name, name))
			return &c->parents[i];
	return NULL;
}

static void begin_section(struct reading *r, const char *section)
{
	struct config *c = r->config;
	const char *slash = strchr(section, '/');

	r->parent = NULL;
	r->type = NULL;
	r->skip = true;
	if (!strcmp(section, "vgpud")) {
		r->skip = false;
	} else if (!strncmp(section, "parent ", 7)) {
		if (!parent_name_is_valid(section + 7))
			config_problem(c,
				       "%s:%u: [%s]: a parent's name is of "
				       "letters, digits and - _ . :, %d at most",
				       r->path, r->line, section,
				       REGISTRY_PARENT_NAME_MAX);
		else if (config_find_parent(c, section + 7))
			config_problem(c,
				       "%s:%u: [%s]: there is a parent of that "
				       "name already; this one is left out",
				       r->path, r->line, section);
		else if (c->n_parents == CONFIG_MAX_PARENTS)
			config_problem(c, "%s:%u: more than %d parents",
				       r->path, r->line, CONFIG_MAX_PARENTS);
		else
			r->parent = add_parent(c, section + 7);
		r->skip = !r->parent;
		if (r->parent && asprintf(&r->parent->at, "%s:%u", r->path,
					  r->line) < 0)
			r->parent->at = NULL;
	} else if (!strncmp(section, "type ", 5) && slash) {
		if (c->n_types < CONFIG_MAX_TYPES)
			r->type = add_type(c, section + 5,
					   (size_t)(slash - section - 5),
					   slash + 1);
		r->skip = !r->type;
	} else {
		config_problem(c,
			       "%s:%u: there is no section [%s]; there are "
			       "[vgpud], [parent NAME] and [type PARENT/NAME]",
			       r->path, r->line, section);
	}
}

static const char *why(int err)
{
	switch (err) {
	case -ENOKEY:
		return "this section has no such key";
	case -ERANGE:
		return "the number is too large";
	case -ENOENT:
		return "there is no such group";
	case -ENOMEM:
		return "out of memory";
	default:
		return "a number is expected here (sizes may end in K, M, G or "
		       "T, modes are octal)";
	}
}

static int on_value(void *user, const char *section, const char *key,
		    const char *value)
{
	struct reading *r = user;
	struct config *c = r->config;
	int err;

	if (strcmp(section, r->section) || !*r->section) {
		snprintf(r->section, sizeof(r->section), "%s", section);
		begin_section(r, section);
	}
	if (r->skip)
		return 1;
	if (r->parent)
		err = set_parent(r->parent, key, value);
	else if (r->type)
		err = set_type(r->type, key, value);
	else
		err = set_daemon(c, key, value);
	if (!err)
		return 1;
	config_problem(c, "%s:%u: %s = %s: %s", r->path, r->line, key, value,
		       why(err));
	/* A parent that is not as somebody wanted it offers nothing. */
	if (r->parent && !r->parent->error &&
	    asprintf(&r->parent->error, "%s:%u: %s: %s", r->path, r->line, key,
		     why(err)) < 0)
		r->parent->error = NULL;
	return 1;
}

static char *next_line(char *buf, int size, void *stream)
{
	struct reading *r = stream;
	char *s = fgets(buf, size, r->file);

	if (!s)
		return NULL;
	if (r->line_ended)
		r->line++;
	r->line_ended = strchr(s, '\n');
	return s;
}

static void read_file(struct config *c, const char *path)
{
	struct reading r = { .config = c, .path = path, .line_ended = true };
	cleanup_file FILE *file = fopen(path, "re");
	char **grown, *name = strdup(path);
	int line;

	grown = realloc(c->files, (c->n_files + 1) * sizeof(*grown));
	if (grown)
		c->files = grown;
	if (grown && name)
		c->files[c->n_files++] = steal_ptr(name);
	free(name);
	if (!file) {
		config_problem(c, "%s: cannot be read: %s", path,
			       strerror(errno));
		return;
	}
	r.file = file;
	line = ini_parse_stream(next_line, &r, on_value, &r);
	if (line > 0)
		config_problem(c,
			       "%s:%d: neither '[section]' nor 'key = value'; "
			       "the line is passed over",
			       path, line);
}

/* ---- all of it ------------------------------------------------------ */

static void check_parents(struct config *c)
{
	for (size_t i = 0; i < c->n_parents; i++) {
		struct config_parent *p = &c->parents[i];

		if (p->config && p->parent_socket && !p->error) {
			config_problem(c,
				       "%s: [parent %s]: config and "
				       "parent-socket exclude each other",
				       p->at ? p->at : "?", p->name);
			if (asprintf(&p->error, "%s: config and parent-socket "
						"exclude each other",
				     p->at ? p->at : "?") < 0)
				p->error = NULL;
		}
		if (p->driver || p->error)
			continue;
		config_problem(c, "%s: [parent %s]: driver is missing",
			       p->at ? p->at : "?", p->name);
		if (asprintf(&p->error, "%s: driver is missing",
			     p->at ? p->at : "?") < 0)
			p->error = NULL;
	}
}

/* What there is with nothing configured. */
static int add_default(struct config *c)
{
	struct config_parent *p = add_parent(c, "soft");

	if (!p)
		return -ENOMEM;
	p->driver = strdup("bochs");
	p->description = strdup("software display adapters");
	return p->driver && p->description ? 0 : -ENOMEM;
}

int config_load(const char *dir, struct config **ret_config)
{
	struct config *c = calloc(1, sizeof(*c));
	cleanup_free char *pattern = NULL;
	glob_t found = { 0 };
	int err = 0;

	if (!c || asprintf(&pattern, "%s/*.conf", dir ? dir : "") < 0) {
		free(c);
		return -ENOMEM;
	}
	c->control_mode = 0600;
	c->socket_mode = 0600;
	c->control_gid = c->socket_gid = (gid_t)-1;
	c->pinned_limit = 64ull << 30;
	c->restart_limit = 5;
	c->parent_restart_limit = 5;
	c->restart_window_s = 60;
	if (dir && !glob(pattern, 0, NULL, &found))
		for (size_t i = 0; i < found.gl_pathc; i++) {
			if (i == CONFIG_MAX_FILES) {
				config_problem(c, "%s: more than %d files", dir,
					       CONFIG_MAX_FILES);
				break;
			}
			read_file(c, found.gl_pathv[i]);
		}
	globfree(&found);
	check_parents(c);
	if (!c->n_parents)
		err = add_default(c);
	if (err) {
		config_free(c);
		return err;
	}
	*ret_config = c;
	return 0;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_parents; i++) {
		struct config_parent *p = &c->parents[i];

		free(p->name);
		free(p->driver);
		free(p->types);
		free(p->description);
		free(p->config);
		free(p->parent_socket);
		free(p->error);
		free(p->at);
	}
	for (size_t i = 0; i < c->n_types; i++) {
		free(c->types[i].parent);
		free(c->types[i].name);
	}
	for (size_t i = 0; i < c->n_files; i++)
		free(c->files[i]);
	for (size_t i = 0; i < c->n_problems; i++)
		free(c->problems[i]);
	free(c->parents);
	free(c->types);
	free(c->files);
	free(c->problems);
	free(c->metrics_file);
	free(c);
}
