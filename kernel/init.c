/* SPDX-License-Identifier: MIT */
/*
 * kernel/init.c - the first program.
 *
 * Owns: the choice of the program, its arguments and its environment, which the command line may
 *       extend.
 * See:  kernel/options.h; bootparam(7).
 */
#include "kernel/init.h"

#include "lib/abi/errno.h"
#include "lib/abi/fcntl.h"
#include "lib/string.h"
#include "kernel/exec.h"
#include "kernel/fork.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "fs/context.h"
#include "fs/fdtable.h"

enum { STANDARD_FILES = 3, DEFAULT_WORDS = 2 };

static void init_begin(void *unused);
static void console_open(const struct path *root);
static int try_program(const struct path *root, const char *name);

void init_start(void)
{
	int err = process_start_init(init_begin, NULL);

	if (err)
		panic("no memory for the first process (error %d)", err);
}

/* As PID 1, before it has a program. */
static void init_begin(void *unused)
{
	static const char *const usual[] = {
		"/init", "/sbin/init", "/etc/init", "/bin/init", "/bin/sh",
	};
	struct path root;
	int err;

	context_root(&root);
	console_open(&root);
	if (options.init) {
		err = try_program(&root, options.init);
		if (err)
			panic("Requested init %s failed (error %d).", options.init, err);
		path_put(&root);
		return;
	}
	for (size_t i = 0; i < COUNT(usual); i++) {
		err = try_program(&root, usual[i]);
		if (!err) {
			path_put(&root);
			return;
		}
		if (err != -ENOENT && err != -ENOTDIR)
			log_err("%s exists but couldn't execute it (error %d)", usual[i], err);
	}
	panic("No working init found.  Try passing init= option to kernel.");
}

/* Standard input, output and errors. */
static void console_open(const struct path *root)
{
	struct file *console;

	int err = file_open(root, "/dev/console", O_RDWR, 0, &console);
	if (err) {
		log_warn("unable to open an initial console (error %d)", err);
		return;
	}
	for (int fd = 0; fd < STANDARD_FILES; fd++) {
		file_get(console);
		if (fd_install(console, fd, false) != fd)
			panic("no memory for the first process's files");
	}
	file_put(console);
}

/* The command line's words, and what it does not say. */
static void environment_fill(char **envp)
{
	static const char *const usual[DEFAULT_WORDS] = { "HOME=/", "TERM=linux" };
	const size_t name_bytes = sizeof("HOME=") - 1;

	for (int i = 0; i < DEFAULT_WORDS; i++) {
		bool is_said = false;
		for (int j = 0; j < INIT_WORDS_MAX && options.init_env[j]; j++)
			is_said |= strncmp(options.init_env[j], usual[i], name_bytes) == 0;
		if (!is_said)
			*envp++ = (char *)usual[i];
	}
	for (int i = 0; i < INIT_WORDS_MAX && options.init_env[i]; i++)
		*envp++ = (char *)options.init_env[i];
}

/* 0: this is the program now. */
static int try_program(const struct path *root, const char *name)
{
	char *argv[1 + INIT_WORDS_MAX + 1] = { (char *)name };
	char *envp[DEFAULT_WORDS + INIT_WORDS_MAX + 1] = { NULL };

	for (int i = 0; i < INIT_WORDS_MAX && options.init_args[i]; i++)
		argv[1 + i] = (char *)options.init_args[i];
	environment_fill(envp);
	log_info("Run %s as init process", name);
	return program_exec(root, name, argv, envp);
}
