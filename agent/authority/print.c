/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/print.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/authority/ac.h"
#include "agent/wire/frame.h"

enum kgr_error kgr_ac_print_json(const json_t *value, struct kgr_diag *diag)
{
    if (value == NULL || json_dumpf(value, stdout, JSON_INDENT(2)) != 0 || putchar('\n') == EOF)
        return kgr_diag_set(diag, KGR_ERR_IO, "cannot write to the standard output");
    return KGR_OK;
}

/* Prints the entries of one page; *out_seen grows by their number. */
static enum kgr_error print_page(const struct kgr_ac_list *list, json_t *json,
                                 struct kgr_slice page, uint32_t *out_seen, uint32_t *out_total,
                                 struct kgr_diag *diag)
{
    struct kgr_rd rd;
    struct kgr_list_head head;
    bool ok = true;
    kgr_rd_init(&rd, page.p, page.len);
    kgr_list_head_read(&rd, &head);
    for (size_t i = 0; ok && kgr_rd_ok(&rd) && i < head.num; i++)
        ok = list->entry(&rd, json);
    if (!ok || !kgr_rd_done(&rd))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the key server's result is malformed");
    *out_seen += head.num;
    /* A page without entries is the last one, whatever the total says. */
    *out_total = head.num == 0 ? *out_seen : head.total;
    return KGR_OK;
}

static enum kgr_error print_pages(struct kgr_ac *ac, const struct kgr_ac_list *list, json_t *json,
                                  uint8_t *buf, struct kgr_diag *diag)
{
    uint32_t seen = 0, total = 1;
    enum kgr_error err = KGR_OK;
    while (err == KGR_OK && seen < total && seen <= UINT16_MAX) {
        uint8_t body[2];
        struct kgr_wr wr;
        struct kgr_slice page;
        kgr_wr_init(&wr, body, sizeof body);
        err = kgr_order_offset_encode(&wr, (uint16_t)seen);
        if (err == KGR_OK)
            err = kgr_ac_order(ac, &page, buf, list->kind, kgr_wr_slice(&wr), diag);
        if (err == KGR_OK && seen == 0 && json == NULL)
            list->title();
        if (err == KGR_OK)
            err = print_page(list, json, page, &seen, &total, diag);
    }
    return err;
}

enum kgr_error kgr_ac_print_list(const struct kgr_ac_settings *settings,
                                 const struct kgr_ac_list *list, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    json_t *json = list->as_json ? json_array() : NULL;
    uint8_t *buf = malloc(KGR_FRAME_MAX);
    if (buf == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = print_pages(&ac, list, json, buf, diag);
    kgr_ac_close(&ac);
    if (err == KGR_OK && list->as_json)
        err = kgr_ac_print_json(json, diag);
    json_decref(json);
    free(buf);
    return err;
}
