/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include <kgr/client.h>

/* The version of the JSON that kgrctl prints. */
#define KGR_CTL_JSON_VERSION 1

/* Values that may be absent: null where there is nothing to say. Like jansson's own they return NULL without memory. */
json_t *kgr_json_text(const char *text);   /* null if empty */
json_t *kgr_json_seconds(int64_t seconds); /* null if negative */
json_t *kgr_json_lines(const char *lines); /* an array with an element a line */
json_t *kgr_json_peer(const struct kgr_peer *peer);

/* kgr_json_print prints root (NULL: memory ran out), releases it, and returns the exit code. */
int kgr_json_print(json_t *root);
/* kgr_json_print_line does it in one line: for those who print many. */
int kgr_json_print_line(json_t *root);
