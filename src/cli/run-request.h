/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What `ax run` was asked for, as it stands on the command line. Whether it is
 * valid and allowed, the daemon says.
 */

#include "cli/cli.h"

typedef enum RunTerminal {
        RUN_TERMINAL_AUTO, /* a PTY if stdin, stdout and stderr all are terminals */
        RUN_TERMINAL_PTY,
        RUN_TERMINAL_PIPE,
} RunTerminal;

typedef struct RunRequest {
        const char *user; /* strings are borrowed from the words parsed; NULL: not given */
        const char *group;
        const char *description;
        char *unit;  /* with its suffix */
        char *slice; /* with its suffix */
        char **names;
        char **addresses;
        char **tags;
        char **expose, **expose_from, **egress;
        char **argv;
        const char *shortcut;
        const char *strategy;
        unsigned weight; /* 0: not given */
        bool collect;
        bool quiet;
        bool no_block;
        bool stop_rest;
        RunTerminal terminal;
} RunRequest;

void run_request_done(RunRequest *request);
#define _cleanup_run_request_ _cleanup_(run_request_done)

/*
 * Reads the words after `run` into a zeroed request; `argv` has to outlive
 * it. Returns 0, and `settings->done` is set if there is nothing to run, or a
 * negative errno, logged.
 */
int run_request_parse(RunRequest *request, const Verb *verb, Settings *settings, char **argv);
