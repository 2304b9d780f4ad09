/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_TYPE "refgpu-1g"
#define AT(member)   .at = offsetof(struct options, member)

static const struct cmd_option options[] = {
	{ 0, "vgpu", "NAME",
	  "a vGPU of vgpud: its label, or its UUID; see 'vgpuctl list'",
	  AT(vgpu),
	  .heading = "Where (one of them; without any, vgpu-parent and "
		     "vgpu-device are started for the\n"
		     "occasion, and end with it):" },
	{ 0, "vgpud", "PATH",
	  "with --vgpu: vgpud's control socket, where it is not the usual",
	  AT(vgpud) },
	{ 0, "socket", "PATH",
	  "a vGPU's vfio-user socket (of vgpu-device --socket-path)",
	  AT(socket) },
	{ 0, "type", "TYPE",
	  "for the occasion: a vGPU of this type (default: " DEFAULT_TYPE ")",
	  AT(type) },

	{ 'o', "output", "FILE", "mandelbrot: save the picture, as PNG",
	  AT(output), .heading = "What:" },
	{ 'n', "size", "N", "how much, see above", cmd_unsigned, AT(size), 1,
	  OPTIONS_MAX_SIZE },
	{ 't', "seconds", "S", "do it again and again for so long", cmd_seconds,
	  AT(seconds), 0.001, OPTIONS_MAX_SECONDS },
	{ 0, "system", NULL,
	  "keep the data in this program's memory, not in the vGPU's",
	  AT(system) },
	{ 0, "trace", "FILE",
	  "write ten times a second: ns of the clock, ns that the engine has "
	  "worked for us, pieces of work done",
	  AT(trace) },
	{ 'q', "quiet", NULL,
	  "show no progress (there is none if stderr is no terminal)",
	  cmd_unset, AT(progress) },
	CMD_HELP_AND_VERSION,
};

#define COMMAND(name, what, size)                                              \
	&(const struct cmd_verb)                                               \
	{                                                                      \
		name, what "; --size: " size                                   \
	}

static const struct cmd_verb *const commands[] = {
	COMMAND("mandelbrot", "a picture of the Mandelbrot set",
		"pixels across (1280)"),
	COMMAND("sgemm", "multiplies two square matrices of floats",
		"rows (768)"),
	COMMAND("saxpy", "y = y + a x, of long vectors of floats",
		"Mi elements (16)"),
	COMMAND("stream", "moves memory around, and says how fast", "MiB (32)"),
	COMMAND("reduce", "adds up a long vector of floats",
		"Mi elements (16)"),
	COMMAND("histogram", "counts how often each byte occurs", "MiB (16)"),
	NULL,
};

const struct cmd_program this_program = {
	.name = "vgpu-demo",
	.usage = "vgpu-demo COMMAND [OPTION...]",
	.about = "Computes something on a virtual GPU (the reference GPU), "
		 "checks the result with\n"
		 "the CPU and says how fast it was.",
	.options = options,
	.tail = "Examples:\n"
		"  $ vgpu-demo mandelbrot -o out.png\n"
		"  $ vgpuctl create refgpu-1g --label fast && vgpu-demo sgemm "
		"--vgpu fast\n"
		"\n"
		"Exit status: 0 all is well; 1 no vGPU, or it failed; 2 wrong "
		"command line; 3 the\n"
		"results are not the CPU's.",
	.verbs = commands,
	.verbs_title = "Commands, and what --size means for them (and is "
		       "without it):",
	.verb_word = "command",
	.missing = "what is it to compute? mandelbrot, sgemm ...",
};

#define wrong(...) cmd_wrong(&this_program, NULL, __VA_ARGS__)

/* What does not go together. */
static int check(const struct options *o)
{
	if (o->socket && o->vgpu)
		return wrong("--socket and --vgpu: which of the two?");
	if (o->vgpud && !o->vgpu)
		return wrong("--vgpud needs --vgpu NAME: which of its vGPUs?");
	if (o->type && (o->socket || o->vgpu))
		return wrong("--type is for a vGPU that is started for the "
			     "occasion; this one is there already");
	if (o->output && strcmp(o->command, "mandelbrot"))
		return wrong("--output is for mandelbrot; %s makes no picture",
			     o->command);
	return -1;
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
	struct options o = { .progress = isatty(2) };
	struct cmd_line line;
	int code = cmd_parse(&this_program, argc, argv, &o, &line);

	if (code >= 0)
		return code;
	o.command = line.verb->name;
	code = check(&o);
	if (!o.type)
		o.type = DEFAULT_TYPE;
	*ret_options = o;
	return code;
}
