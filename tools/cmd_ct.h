/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CMD_CT_H
#define VEFS_TOOLS_CMD_CT_H

/*
 * cmd_ct - commands for containers that run. They are another program,
 * vefs-ct, which knows libraries that the others need not load; vefs hands
 * over to it. What both say of them is here: CMD_CT_set is the beginning of the
 * record cmd_set, which cmd_ct_run.c completes for vefs, and the file of the
 * command, with its help and what runs, for vefs-ct.
 */
#include "tools/cmd.h"

#define CMD_CT_LIST(X)                                                         \
	X(list)                                                                \
	X(set)                                                                 \
	X(status)                                                              \
	X(start)                                                               \
	X(stop)                                                                \
	X(restart)                                                             \
	X(kill)                                                                \
	X(suspend)                                                             \
	X(resume)                                                              \
	X(exec)                                                                \
	X(exec2)                                                               \
	X(enter)                                                               \
	X(runscript)                                                           \
	X(console)                                                             \
	X(logs)                                                                \
	X(run)                                                                 \
	X(proc)                                                                \
	X(ubc)

/* clang-format off */
#define CMD_CT(name_, args_, brief_) \
	.name = name_, .args = name_ " " args_, .brief = brief_

#define CMD_CT_list CMD_CT("list", \
	"[-a | -S] [-H] [-o FIELD[,FIELD...]] [-s FIELD] [ID...]", \
	"which containers there are")
#define CMD_CT_set CMD_CT("set", "ID... OPTION VALUE ... [--save]", \
	"change what a container is")
#define CMD_CT_status CMD_CT("status", "ID...", \
	"whether it exists, is mounted, runs")
#define CMD_CT_start CMD_CT("start", "ID... [--wait]", "start a container")
#define CMD_CT_stop CMD_CT("stop", "ID... [--fast] [--timeout SECONDS]", \
	"end it, and unmount it")
#define CMD_CT_restart CMD_CT("restart", "ID... [--wait] [--fast] [--timeout SECONDS]", \
	"end it and start it again")
#define CMD_CT_kill CMD_CT("kill", "ID [SIGNAL]", \
	"send a signal to its first process")
#define CMD_CT_suspend CMD_CT("suspend", "ID...", "freeze all of its processes")
#define CMD_CT_resume CMD_CT("resume", "ID...", "let them run again")
#define CMD_CT_exec CMD_CT("exec", "ID[,ID...] COMMAND...", \
	"run a command in it, by its shell")
#define CMD_CT_exec2 CMD_CT("exec2", "ID[,ID...] COMMAND...", \
	"the same, with the command's exit status")
#define CMD_CT_enter CMD_CT("enter", "ID [--exec COMMAND...]", \
	"a shell in it, on a terminal of its own")
#define CMD_CT_runscript CMD_CT("runscript", "ID FILE", \
	"run a script of the host in it")
#define CMD_CT_console CMD_CT("console", "ID", "its console; Esc . leaves")
#define CMD_CT_logs CMD_CT("logs", "ID [-f]", \
	"what it wrote on its console")
#define CMD_CT_run CMD_CT("run", "TEMPLATE [OPTION VALUE ...] [-- COMMAND...]", \
	"a container that is gone when its command has ended")
#define CMD_CT_proc CMD_CT("proc", "{ID | --pid PID} {DIRECTORY | --inside} [-f]", \
	"its files of /proc in a directory")
#define CMD_CT_ubc CMD_CT("ubc", \
	"[ID[,ID...]... | --all | --match PATTERN] [--failed]", \
	"beancounters: what it uses, and what it was refused")
/* clang-format on */

#define CMD_CT_DECLARE(c) extern const struct cmd cmd_##c;
CMD_CT_LIST(CMD_CT_DECLARE)
#undef CMD_CT_DECLARE

/* vzctl's exit codes. */
enum {
	CMD_CT_EXEC = 8, /* a command could not be run, or failed */
	CMD_CT_NOT_RUNNING = 31,
	CMD_CT_RUNNING = 32,
	CMD_CT_STOP = 33,
	CMD_CT_PASSWORD = 74, /* it could not be set */
};

#endif
