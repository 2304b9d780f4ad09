/* SPDX-License-Identifier: MIT */
/* A table for people's eyes: columns as wide as what is in them. */
#ifndef VGPUCTL_TABLE_H
#define VGPUCTL_TABLE_H

#include <stdarg.h>
#include <stddef.h>

#define TABLE_MAX_COLUMNS 12

struct table {
	size_t n_columns, n_rows, room;
	char **cells; /* n_rows * n_columns; NULL after a lack of memory */
	size_t widths[TABLE_MAX_COLUMNS]; /* of the widest cell */
	int failed;
};

/**
 * table_row() - add a row; the first one is the heading
 * @...: @n_columns strings, copied and made printable; NULL: "-"
 *
 * Begin with a struct table that has @n_columns (TABLE_MAX_COLUMNS at most) set
 * and is zero otherwise. A
 * heading that begins with '>' has its column set to the right, and stands
 * without it.
 */
void table_row(struct table *table, ...);

/* The first row, of @n_columns strings. */
void table_heading(struct table *table, const char *const *cells);

/* Of all columns with what is between them. */
size_t table_width(const struct table *table);

/* Line @row, padded, without a line end; to be freed. NULL: no memory. */
char *table_line(const struct table *table, size_t row);

/* Print it and free it. Return: an exit code. */
int table_print(struct table *table);
void table_free(struct table *table);

#endif
