/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the hostile proxy (proxy.c) keeps of what was published, in memory and in a file. */
struct proxy_frame {
    uint8_t *topic;
    size_t topic_len;
    uint8_t *payload;
    size_t payload_len;
    uint64_t due_ms;
    bool retain;
};

struct proxy_frames {
    struct proxy_frame *list;
    size_t num, cap;
};

/* proxy_die ends the program: what, and errno. */
void proxy_die(const char *what) __attribute__((noreturn));
void *bytes_copy(const void *p, size_t len);
/* frames_add appends a copy. */
struct proxy_frame *frames_add(struct proxy_frames *frames, const struct proxy_frame *from);
/* record_open reads what the file holds, and appends to it from then on. One record in a process. */
void record_open(struct proxy_frames *record, const char *path);
void record_add(struct proxy_frames *record, const struct proxy_frame *frame);
