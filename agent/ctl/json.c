/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/json.h"

#include <stdio.h>
#include <string.h>

#include "agent/ctl/terminal.h"

json_t *kgr_json_text(const char *text)
{
    return text[0] == '\0' ? json_null() : json_string(text);
}

json_t *kgr_json_seconds(int64_t seconds)
{
    return seconds < 0 ? json_null() : json_integer(seconds);
}

json_t *kgr_json_lines(const char *lines)
{
    json_t *array = json_array();

    while (*lines != '\0') {
        size_t len = strcspn(lines, "\n");

        if (len != 0 && json_array_append_new(array, json_stringn(lines, len)) != 0) {
            json_decref(array);
            return NULL;
        }
        lines += len;
        lines += *lines == '\n' ? 1 : 0;
    }
    return array;
}

json_t *kgr_json_peer(const struct kgr_peer *peer)
{
    bool has_key = peer->generation != 0;
    json_t *error = peer->error == KGR_OK ? json_null() : json_string(kgr_strerror(peer->error));

    /* "o" takes over its value, also when packing fails. */
    return json_pack("{s:s, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "peer", peer->peer,
                     "generation", (json_int_t)peer->generation, "state",
                     kgr_state_name(peer->state), "custody",
                     has_key ? json_string(kgr_custody_name(peer->custody)) : json_null(), "suite",
                     has_key ? json_string(kgr_suite_name(peer->suite)) : json_null(), "age_s",
                     kgr_json_seconds(peer->age_s), "expires_s", kgr_json_seconds(peer->expires_s),
                     "receive_topic", kgr_json_text(peer->receive_topic), "send_topic",
                     kgr_json_text(peer->send_topic), "error", error, "mirrored", peer->mirrored);
}

static int print(json_t *root, size_t flags)
{
    int failed;

    if (root == NULL)
        return kgr_ctl_fail_text(KGR_ERR_NO_MEMORY, "JSON", "");
    failed = json_dumpf(root, stdout, flags);
    json_decref(root);
    if (failed == 0)
        (void)putchar('\n');
    return kgr_ctl_flush();
}

int kgr_json_print(json_t *root)
{
    return print(root, JSON_INDENT(2));
}

int kgr_json_print_line(json_t *root)
{
    return print(root, JSON_COMPACT);
}
