/* SPDX-License-Identifier: MIT */
#include "bare.h"

#include <stdarg.h>

#define UART	      0x3f8
#define UART_STATUS   (UART + 5)
#define UART_RECEIVED 0x01
#define UART_EMPTY    0x20
#define DEBUG_EXIT    0xf4

static uint32_t checks, failures;

static void put(char c)
{
	while (!(in8(UART_STATUS) & UART_EMPTY))
		;
	out8(UART, c);
}

static void put_number(uint32_t n, uint32_t base, unsigned digits)
{
	char text[11], *p = text + sizeof(text);

	do
		*--p = "0123456789abcdef"[n % base];
	while ((n /= base) || (unsigned)(text + sizeof(text) - p) < digits);
	while (p < text + sizeof(text))
		put(*p++);
}

void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	for (; *format; format++) {
		if (*format != '%') {
			put(*format);
			continue;
		}
		switch (*++format) {
		case 's':
			for (const char *s = va_arg(args, const char *); *s;
			     s++)
				put(*s);
			break;
		case 'u':
			put_number(va_arg(args, uint32_t), 10, 1);
			break;
		case 'x':
			put_number(va_arg(args, uint32_t), 16, 8);
			break;
		default:
			put(*format);
			break;
		}
	}
	va_end(args);
}

void check_equal(const char *what, uint32_t got, uint32_t want)
{
	checks++;
	if (got == want) {
		print("ok %s\n", what);
		return;
	}
	failures++;
	print("FAILED %s: %x instead of %x\n", what, got, want);
}

void check_true(const char *what, bool good)
{
	checks++;
	if (!good)
		failures++;
	print("%s %s\n", good ? "ok" : "FAILED", what);
}

void wait_for_host(void)
{
	do
		while (!(in8(UART_STATUS) & UART_RECEIVED))
			;
	while (in8(UART) != '\n');
}

void finish(void)
{
	print("end: %u checks, %u failed\n", checks, failures);
	out8(DEBUG_EXIT, 0);
	for (;;)
		__asm__ volatile("cli; hlt");
}
