/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/client.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/client/reason.h"

#define DEFAULT_SOCKET     "/run/kgr/agent.sock"
#define DEFAULT_NAME       "libkgr"
#define DEFAULT_TIMEOUT_MS 10000

struct kgr_client {
    struct kgr_endpoint endpoint;
    int timeout_ms;
    _Atomic(struct kgr_process *) process; /* owned, with all that follow it */
};

static void process_free(struct kgr_process *process)
{
    kgr_channel_free(process->channel);
    kgr_mac_table_free(process->macs);
    free(process);
}

static enum kgr_error process_new(struct kgr_process **out, const struct kgr_endpoint *endpoint)
{
    struct kgr_process *process = calloc(1, sizeof(*process));

    if (process == NULL)
        goto fail;
    if (kgr_channel_new(&process->channel, endpoint) != KGR_OK)
        goto fail;
    if (kgr_mac_table_new(&process->macs) != KGR_OK)
        goto fail;
    *out = process;
    return KGR_OK;

fail:
    if (process != NULL)
        process_free(process);
    return kgr_reason_set(KGR_ERR_NO_MEMORY, "out of memory");
}

static enum kgr_error copy_text(char *out, size_t cap, const char *text, const char *what)
{
    if (text[0] == '\0' || strnlen(text, cap) == cap)
        return kgr_reason_set(KGR_ERR_INVALID, "the %s must have 1 to %zu characters", what,
                              cap - 1);
    (void)snprintf(out, cap, "%s", text);
    return KGR_OK;
}

static const char *socket_path(const struct kgr_client_options *options)
{
    const char *path = options == NULL ? NULL : options->socket;

    /* secure_getenv: a privileged program must not be led to a socket of its caller's choice. */
    if (path == NULL)
        path = secure_getenv("KGR_AGENT");
    return path == NULL || path[0] == '\0' ? DEFAULT_SOCKET : path;
}

KGR_EXPORT enum kgr_error kgr_client_new(struct kgr_client **out,
                                         const struct kgr_client_options *options)
{
    const char *name = options == NULL || options->name == NULL ? DEFAULT_NAME : options->name;
    struct kgr_client *client;
    struct kgr_process *process;
    enum kgr_error err;

    if (out == NULL || (options != NULL && options->timeout_ms < 0))
        return kgr_reason_set(KGR_ERR_INVALID, "the time-out must not be negative");
    client = calloc(1, sizeof(*client));
    if (client == NULL)
        return kgr_reason_set(KGR_ERR_NO_MEMORY, "out of memory");
    client->timeout_ms =
        options == NULL || options->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : options->timeout_ms;
    err = copy_text(client->endpoint.path, sizeof(client->endpoint.path), socket_path(options),
                    "path of the agent's socket");
    if (err != KGR_OK)
        goto fail;
    err = copy_text(client->endpoint.name, sizeof(client->endpoint.name), name, "caller's name");
    if (err != KGR_OK)
        goto fail;
    err = process_new(&process, &client->endpoint);
    if (err != KGR_OK)
        goto fail;
    atomic_init(&client->process, process);
    *out = client;
    return KGR_OK;

fail:
    free(client);
    return err;
}

KGR_EXPORT void kgr_client_free(struct kgr_client *client)
{
    struct kgr_process *process;

    if (client == NULL)
        return;
    process = atomic_load(&client->process);
    while (process != NULL) {
        struct kgr_process *next = process->next;

        process_free(process);
        process = next;
    }
    free(client);
}

const struct kgr_endpoint *kgr_client_endpoint(const struct kgr_client *client)
{
    return &client->endpoint;
}

int kgr_client_timeout_ms(const struct kgr_client *client)
{
    return client->timeout_ms;
}

enum kgr_error kgr_client_process(struct kgr_process **out, struct kgr_client *client)
{
    struct kgr_process *inherited = atomic_load(&client->process);
    struct kgr_process *fresh = NULL;
    enum kgr_error err;

    if (kgr_channel_is_ours(inherited->channel)) {
        *out = inherited;
        return KGR_OK;
    }
    err = process_new(&fresh, &client->endpoint);
    if (err != KGR_OK)
        return err;
    /* Another thread of this child may still look at it: it is freed with the client. */
    fresh->next = inherited;
    if (atomic_compare_exchange_strong(&client->process, &inherited, fresh)) {
        kgr_channel_disown(fresh->next->channel);
        *out = fresh;
    } else {
        process_free(fresh);
        *out = inherited; /* by now what the other thread made */
    }
    return KGR_OK;
}
