/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/client/mirror.h"
#include "agent/ctl/json.h"
#include "agent/base/table.h"
#include "agent/base/terminal.h"
#include "agent/ctl/terminal.h"

static int usage(const char *what)
{
    (void)fprintf(stderr, "kgrctl: %s; see kgrctl --help\n", what);
    return kgr_exit_code(KGR_ERR_INVALID);
}

/* The agent has another working directory. A folder that is gone is named as it was. NULL: said why. */
static char *find_store(const char *store)
{
    char *path = realpath(store, NULL);

    if (path == NULL && store[0] == '/')
        path = strdup(store);
    if (path == NULL)
        (void)kgr_ctl_fail_text(KGR_ERR_IO, store, strerror(errno));
    return path;
}

static int add(const struct kgr_ctl *ctl, const char *store)
{
    const struct kgr_ctl_options *options = ctl->options;
    enum kgr_error err;

    if (options->pin_fd < 0)
        return usage("mirror add needs the PIN of the token from a file descriptor: --pin-fd N");
    err = kgr_mirror_add(ctl->client, store, options->token, options->peer, options->pin_fd);
    return err == KGR_OK ? 0 : kgr_ctl_fail(err, "mirror add");
}

static void add_row(struct kgr_table *table, const struct kgr_mirror_info *info)
{
    char objects[24];
    const char *cells[] = {info->token, info->store, info->peer[0] == '\0' ? "(all)" : info->peer,
                           objects, info->error == KGR_OK ? "" : info->reason};

    (void)snprintf(objects, sizeof(objects), "%" PRIu32, info->objects);
    kgr_table_add(table, info->error == KGR_OK ? KGR_TABLE_GOOD : KGR_TABLE_BAD, cells);
}

static int print_table(const struct kgr_mirror_info *infos, size_t num)
{
    static const struct kgr_table_column columns[] = {{"TOKEN", false, 0},
                                                      {"STORE", false, 0},
                                                      {"PEER", false, 0},
                                                      {"OBJECTS", true, 1},
                                                      {"ERROR", false, 0}};
    struct kgr_table table;
    bool any_error = false;
    bool printed;

    for (size_t i = 0; i < num; i++)
        any_error |= infos[i].error != KGR_OK;
    kgr_table_init(&table, columns, any_error ? 5 : 4, 3);
    for (size_t i = 0; i < num; i++)
        add_row(&table, &infos[i]);
    printed =
        kgr_table_print(&table, stdout, kgr_terminal_width(stdout), kgr_terminal_colours(stdout));
    kgr_table_deinit(&table);
    return printed ? kgr_ctl_flush() : kgr_ctl_fail_text(KGR_ERR_NO_MEMORY, "mirror", "");
}

static json_t *to_json(const struct kgr_mirror_info *info)
{
    return json_pack("{s:s, s:s, s:o, s:b, s:I, s:o, s:o}", "token", info->token, "store",
                     info->store, "peer", kgr_json_text(info->peer), "configured", info->configured,
                     "objects", (json_int_t)info->objects, "error",
                     info->error == KGR_OK ? json_null() : json_string(kgr_strerror(info->error)),
                     "reason", kgr_json_text(info->reason));
}

static int list(const struct kgr_ctl *ctl)
{
    struct kgr_mirror_info *infos = NULL;
    size_t num = 0;
    enum kgr_error err = kgr_mirror_list(ctl->client, &infos, &num);
    json_t *array;
    int code;

    if (err != KGR_OK)
        return kgr_ctl_fail(err, "mirror list");
    if (!ctl->options->json) {
        code = print_table(infos, num);
    } else {
        array = json_array();
        for (size_t i = 0; i < num && array != NULL; i++) {
            if (json_array_append_new(array, to_json(&infos[i])) != 0) {
                json_decref(array);
                array = NULL;
            }
        }
        code = kgr_json_print(array);
    }
    free(infos);
    return code;
}

int kgr_ctl_mirror(const struct kgr_ctl *ctl)
{
    const struct kgr_ctl_options *options = ctl->options;
    const char *verb = options->operands[0];
    enum kgr_error err;
    char *store;
    int code;

    if (strcmp(verb, "list") == 0)
        return list(ctl);
    if (strcmp(verb, "add") != 0 && strcmp(verb, "remove") != 0)
        return usage("mirror add, mirror list or mirror remove");
    if (options->store == NULL || options->token == NULL)
        return usage("which mirror? --store DIR --token LABEL");
    store = find_store(options->store);
    if (store == NULL)
        return kgr_exit_code(KGR_ERR_IO);
    if (strcmp(verb, "add") == 0) {
        code = add(ctl, store);
    } else {
        err = kgr_mirror_remove(ctl->client, store, options->token, options->peer);
        code = err == KGR_OK ? 0 : kgr_ctl_fail(err, "mirror remove");
    }
    free(store);
    return code;
}
