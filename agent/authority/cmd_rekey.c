/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/cmd.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/authority/ac.h"
#include "agent/authority/identity_file.h"
#include "agent/authority/next.h"
#include "agent/wire/body_audit.h"
#include "agent/wire/frame.h"

/* What the order is about: the identity file that the AC will have. */
static enum kgr_error write_body(struct kgr_ac *ac, struct kgr_wr *wr, struct kgr_diag *diag)
{
    size_t len = 0;
    struct kgr_ac_identity *next = malloc(sizeof *next);
    uint8_t *file = malloc(KGR_IDENTITY_MAX);
    enum kgr_error err = next == NULL || file == NULL
                             ? kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory")
                             : kgr_ac_state_next_identity(ac->state, next, diag);
    if (err == KGR_OK)
        err = kgr_identity_encode_ac(file, &len, next, diag);
    if (err == KGR_OK)
        kgr_wr_vec16(wr, kgr_slice(file, len));
    free(next);
    free(file);
    return err;
}

static enum kgr_error order_and_adopt(struct kgr_ac *ac, uint8_t *buf, struct kgr_diag *diag)
{
    uint8_t body[2 + KGR_IDENTITY_MAX];
    struct kgr_ac_grant grant;
    struct kgr_slice result;
    struct kgr_wr wr;
    kgr_wr_init(&wr, body, sizeof body);
    enum kgr_error err = write_body(ac, &wr, diag);
    if (err == KGR_OK)
        err = kgr_ac_order(ac, &result, buf, KGR_ORDER_AC_REKEY, kgr_wr_slice(&wr), diag);
    if (err == KGR_OK && kgr_ac_grant_decode(&grant, result) != KGR_OK)
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "the key server's result is malformed");
    return err == KGR_OK ? kgr_ac_adopt(ac, &grant, diag) : err;
}

/* Any order under the new key will do; its result makes both ends forget the old one. */
static enum kgr_error prove(struct kgr_ac *ac, uint8_t *buf, struct kgr_diag *diag)
{
    const struct kgr_audit_query query = {.from = INT64_MAX};
    uint8_t body[16];
    struct kgr_slice result;
    struct kgr_wr wr;
    kgr_wr_init(&wr, body, sizeof body);
    enum kgr_error err = kgr_audit_query_encode(&wr, &query);
    return err == KGR_OK
               ? kgr_ac_order(ac, &result, buf, KGR_ORDER_AUDIT_LIST, kgr_wr_slice(&wr), diag)
               : err;
}

static enum kgr_error rekey(struct kgr_ac *ac, uint8_t *buf, struct kgr_diag *diag)
{
    enum kgr_ac_stage stage;
    enum kgr_error err = kgr_ac_state_stage(ac->state, &stage, diag);
    if (err == KGR_OK && stage == KGR_AC_SETTLED)
        err = kgr_ac_announce(ac, diag);
    if (err == KGR_OK && stage != KGR_AC_GRANTED)
        err = order_and_adopt(ac, buf, diag);
    return err == KGR_OK ? prove(ac, buf, diag) : err;
}

enum kgr_error kgr_ac_cmd_rekey(const struct kgr_ac_settings *settings,
                                const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    uint8_t *buf = malloc(KGR_FRAME_MAX);
    (void)options;
    if (buf == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = rekey(&ac, buf, diag);
    kgr_ac_close(&ac);
    free(buf);
    if (err == KGR_OK)
        printf(
            "the AC has other keys; the key server obeys no order under the old ones any more\n");
    return err;
}
