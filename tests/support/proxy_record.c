/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/proxy_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *record_file;

void proxy_die(const char *what)
{
    (void)fprintf(stderr, "proxy: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *grown(void *list, size_t num, size_t *cap, size_t size)
{
    if (num < *cap)
        return list;
    *cap = *cap == 0 ? 64 : 2 * *cap;
    list = reallocarray(list, *cap, size);
    if (list == NULL)
        proxy_die("memory");
    return list;
}

void *bytes_copy(const void *p, size_t len)
{
    void *out = malloc(len + 1);

    if (out == NULL)
        proxy_die("memory");
    memcpy(out, p, len);
    return out;
}

struct proxy_frame *frames_add(struct proxy_frames *frames, const struct proxy_frame *from)
{
    struct proxy_frame *frame;

    frames->list = grown(frames->list, frames->num, &frames->cap, sizeof(*frames->list));
    frame = &frames->list[frames->num++];
    *frame = *from;
    frame->topic = bytes_copy(from->topic, from->topic_len);
    frame->payload = bytes_copy(from->payload, from->payload_len);
    return frame;
}

void record_add(struct proxy_frames *record, const struct proxy_frame *frame)
{
    uint32_t lens[2] = {(uint32_t)frame->topic_len, (uint32_t)frame->payload_len};

    (void)frames_add(record, frame);
    (void)fwrite(lens, sizeof(lens), 1, record_file);
    (void)fwrite(frame->topic, 1, frame->topic_len, record_file);
    (void)fwrite(frame->payload, 1, frame->payload_len, record_file);
    if (fflush(record_file) != 0)
        proxy_die("record");
}

void record_open(struct proxy_frames *record, const char *path)
{
    FILE *file = fopen(path, "r");
    uint32_t lens[2];

    while (file != NULL && fread(lens, sizeof(lens), 1, file) == 1) {
        struct proxy_frame frame = {.topic_len = lens[0], .payload_len = lens[1]};

        frame.topic = malloc(frame.topic_len + 1);
        frame.payload = malloc(frame.payload_len + 1);
        if (frame.topic == NULL || frame.payload == NULL ||
            fread(frame.topic, 1, frame.topic_len, file) != frame.topic_len ||
            fread(frame.payload, 1, frame.payload_len, file) != frame.payload_len)
            proxy_die(path);
        (void)frames_add(record, &frame);
        free(frame.topic);
        free(frame.payload);
    }
    if (file != NULL)
        (void)fclose(file);
    record_file = fopen(path, "a");
    if (record_file == NULL)
        proxy_die(path);
}
