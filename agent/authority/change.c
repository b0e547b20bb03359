/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/change.h"

#include <stdlib.h>

#include "agent/base/file.h"
#include "agent/base/secret.h"
#include "agent/wire/frame.h"

static enum kgr_error write_credential(struct kgr_ac *ac, const struct kgr_nid *node,
                                       struct kgr_slice sealed, struct kgr_new_file *file,
                                       struct kgr_diag *diag)
{
    size_t len = 0;
    uint8_t *plain = kgr_secret_alloc(KGR_CREDENTIAL_MAX);
    if (plain == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "the guarded memory is full");
    enum kgr_error err = kgr_ac_open_credential(ac, plain, &len, node, sealed, diag);
    if (err == KGR_OK)
        err = kgr_new_file_finish(file, 0600, kgr_slice(plain, len), diag);
    kgr_secret_free(plain);
    return err;
}

enum kgr_error kgr_ac_add_node(struct kgr_ac *ac, const struct kgr_order_node_add *add,
                               const char *path, struct kgr_diag *diag)
{
    struct kgr_new_file file = KGR_NEW_FILE_INIT;
    struct kgr_slice result;
    struct kgr_wr wr;
    uint8_t *body = malloc(KGR_ORDER_BODY_MAX), *buf = malloc(KGR_FRAME_MAX);
    enum kgr_error err = KGR_ERR_NO_MEMORY;
    if (body == NULL || buf == NULL)
        goto out;
    /* A credential is made once: find out before that it cannot be written. */
    err = kgr_new_file_begin(&file, path, diag);
    kgr_wr_init(&wr, body, KGR_ORDER_BODY_MAX);
    if (err == KGR_OK)
        err = kgr_order_node_add_encode(&wr, add);
    if (err == KGR_OK)
        err = kgr_ac_order(ac, &result, buf, KGR_ORDER_NODE_ADD, kgr_wr_slice(&wr), diag);
    if (err == KGR_OK)
        err = write_credential(ac, &add->node, result, &file, diag);
    if (err == KGR_OK)
        err = kgr_ac_order_taken(ac, diag);
    kgr_new_file_abandon(&file);
out:
    free(body);
    free(buf);
    return err == KGR_OK ? KGR_OK : kgr_diag_set(diag, err, "node %s cannot be added", add->node.s);
}

enum kgr_error kgr_ac_order_pair(struct kgr_ac *ac, const struct kgr_order_pair *pair,
                                 enum kgr_order_kind kind, struct kgr_diag *diag)
{
    uint8_t body[2 * (1 + KGR_NID_MAX) + 2];
    struct kgr_slice result;
    struct kgr_wr wr;
    uint8_t *buf = malloc(KGR_FRAME_MAX);
    if (buf == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    kgr_wr_init(&wr, body, sizeof body);
    enum kgr_error err = kgr_order_pair_encode(&wr, pair, kind == KGR_ORDER_PAIR_ALLOW);
    if (err == KGR_OK)
        err = kgr_ac_order(ac, &result, buf, kind, kgr_wr_slice(&wr), diag);
    free(buf);
    return err;
}
