/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "agent/audit/chain.h"
#include "agent/audit/words.h"
#include "agent/authority/ac.h"
#include "agent/authority/parse.h"
#include "agent/authority/print.h"
#include "agent/base/clock.h"
#include "agent/base/table.h"
#include "agent/base/text.h"
#include "agent/tpm/template.h"
#include "agent/wire/body_audit.h"
#include "agent/wire/frame.h"

#define RESULT_MAX 1024

/* What is done with the records, page by page. */
struct reader {
    struct kgr_audit_query query;
    /* Takes the first record's number and the hash before it; may be NULL. */
    enum kgr_error (*begin)(struct reader *r, const struct kgr_audit_head *head, uint64_t first,
                            struct kgr_diag *diag);
    enum kgr_error (*entry)(struct reader *r, const struct kgr_audit_entry *e,
                            struct kgr_diag *diag);
    bool begun;
    uint64_t until; /* the newest record when reading began: reading makes records itself */
    json_t *json;   /* NULL: table */
    struct kgr_table table;
    struct kgr_audit_chain chain;
    struct kgr_audit_key key;
};

static enum kgr_error malformed(struct kgr_diag *diag)
{
    return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the key server's result is malformed");
}

static enum kgr_error read_page(struct reader *r, struct kgr_slice page, bool *out_more,
                                struct kgr_diag *diag)
{
    struct kgr_rd rd;
    struct kgr_audit_head head;
    struct kgr_audit_entry e;
    enum kgr_error err = KGR_OK;
    kgr_rd_init(&rd, page.p, page.len);
    kgr_audit_head_read(&rd, &head);
    if (!kgr_rd_ok(&rd))
        return malformed(diag);
    if (!r->begun)
        r->until = head.newest;
    *out_more = head.num > 0;
    for (size_t i = 0; i < head.num && err == KGR_OK && *out_more; i++) {
        kgr_audit_entry_read(&rd, &e);
        if (!kgr_rd_ok(&rd) || e.id < r->query.from)
            return malformed(diag);
        if (!r->begun && r->begin != NULL)
            err = r->begin(r, &head, e.id, diag);
        r->begun = true;
        *out_more = e.id < r->until;
        if (err == KGR_OK && e.id <= r->until)
            err = r->entry(r, &e, diag);
        r->query.from = e.id + 1;
    }
    return err;
}

static enum kgr_error read_log(struct reader *r, struct kgr_ac *ac, struct kgr_diag *diag)
{
    bool more = true;
    uint8_t *buf = malloc(KGR_FRAME_MAX);
    if (buf == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = KGR_OK;
    while (err == KGR_OK && more) {
        uint8_t body[16];
        struct kgr_slice page;
        struct kgr_wr wr;
        kgr_wr_init(&wr, body, sizeof body);
        err = kgr_audit_query_encode(&wr, &r->query);
        if (err == KGR_OK)
            err = kgr_ac_order(ac, &page, buf, KGR_ORDER_AUDIT_LIST, kgr_wr_slice(&wr), diag);
        if (err == KGR_OK)
            err = read_page(r, page, &more, diag);
    }
    free(buf);
    return err;
}

static const char *kind_word(uint8_t kind)
{
    static const char *const words[] = {"-",           "node add",      "node list",  "pair allow",
                                        "pair deny",   "pair list",     "node show",  "node revoke",
                                        "node remove", "topic0 rotate", "node rekey", "ac rekey",
                                        "audit list"};
    return kind < KGR_ARRAY_LEN(words) ? words[kind] : "unknown";
}

/* What became of it: a head signs. */
static const char *result_text(char *out, size_t cap, const struct kgr_audit_entry *e,
                               const char *status)
{
    const bool has_text = e->text.len != 0;
    if (e->what == KGR_AUDIT_HEAD)
        snprintf(out, cap, "signs record %" PRIu64, e->number);
    else
        snprintf(out, cap, "%.*s%s%s%s%.*s%s", (int)e->subject.len, (const char *)e->subject.p,
                 e->subject.len != 0 ? ": " : "", e->status == 0 ? "done" : status,
                 has_text ? " (" : "", (int)e->text.len, (const char *)e->text.p,
                 has_text ? ")" : "");
    return out;
}

static void add_row(struct kgr_table *table, const struct kgr_audit_entry *e, const char *when,
                    const char *status)
{
    char record[24], count[16], result[RESULT_MAX];
    const char *const cells[] = {record,
                                 when,
                                 kgr_audit_what_word(e->what),
                                 kind_word(e->kind),
                                 count,
                                 result_text(result, sizeof result, e, status)};
    snprintf(record, sizeof record, "%" PRIu64, e->id);
    snprintf(count, sizeof count, "%" PRIu32, e->count);
    kgr_table_add(table, e->status == 0 ? KGR_TABLE_PLAIN : KGR_TABLE_WARN, cells);
}

static enum kgr_error print_entry(struct reader *r, const struct kgr_audit_entry *e,
                                  struct kgr_diag *diag)
{
    char when[32], hash[2 * KGR_DIGEST_LEN + 1];
    const char *status = e->status < KGR_ERR_COUNT ? kgr_strerror((enum kgr_error)e->status) : "?";
    kgr_audit_time_text(when, sizeof when, e->time_s);
    if (r->json == NULL) {
        add_row(&r->table, e, when, status);
        return KGR_OK;
    }
    json_t *entry = json_pack(
        "{s:I, s:s, s:s, s:s, s:I, s:s%, s:i, s:s, s:I, s:s%, s:s}", "record", (json_int_t)e->id,
        "time", when, "event", kgr_audit_what_word(e->what), "order", kind_word(e->kind), "number",
        (json_int_t)e->number, "subject", (const char *)e->subject.p, e->subject.len, "status",
        (int)e->status, "result", status, "count", (json_int_t)e->count, "text",
        (const char *)e->text.p, e->text.len, "hash", kgr_hex(hash, e->hash, sizeof e->hash));
    if (json_array_append_new(r->json, entry) != 0)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    return KGR_OK;
}

enum kgr_error kgr_ac_cmd_audit(const struct kgr_ac_settings *settings,
                                const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    static const struct kgr_table_column columns[] = {{"RECORD", true, 0}, {"TIME", false, 0},
                                                      {"EVENT", false, 0}, {"ORDER", false, 0},
                                                      {"COUNT", true, 1},  {"RESULT", false, 0}};
    struct reader r = {.query = {.from = 1}, .entry = print_entry};
    uint32_t since_s = 0;
    enum kgr_error err = KGR_OK;
    kgr_table_init(&r.table, columns, KGR_ARRAY_LEN(columns), 2);
    if (options->values[KGR_AC_AUDIT_SINCE] != NULL) {
        err = kgr_parse_duration(&since_s, options->values[KGR_AC_AUDIT_SINCE], diag);
        r.query.since_s = (uint64_t)kgr_clock_wall_s() - since_s;
    }
    if (err == KGR_OK)
        err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK && options->values[KGR_AC_AUDIT_JSON] != NULL)
        r.json = json_array();
    if (err == KGR_OK)
        err = read_log(&r, &ac, diag);
    if (err == KGR_OK)
        err = r.json != NULL ? kgr_ac_print_json(r.json, diag) : kgr_ac_print_table(&r.table, diag);
    else
        kgr_table_deinit(&r.table);
    json_decref(r.json);
    kgr_ac_close(&ac);
    return err;
}

static enum kgr_error verify_begin(struct reader *r, const struct kgr_audit_head *head,
                                   uint64_t first, struct kgr_diag *diag)
{
    return kgr_audit_chain_begin(&r->chain, head->before, first, &r->key, diag);
}

static enum kgr_error verify_entry(struct reader *r, const struct kgr_audit_entry *e,
                                   struct kgr_diag *diag)
{
    return kgr_audit_chain_step(&r->chain, e, diag);
}

/* A whole chain is remembered only when it holds what was remembered before. */
static enum kgr_error verify(struct reader *r, struct kgr_ac *ac, struct kgr_diag *diag)
{
    struct kgr_ac_identity *ks = malloc(sizeof *ks);
    if (ks == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = kgr_ac_state_ks(ac->state, ks, diag);
    if (err == KGR_OK)
        err = kgr_audit_key_read(&r->key, kgr_slice(ks->signing.bytes, ks->signing.len));
    if (err == KGR_OK)
        err = kgr_ac_state_audit(ac->state, &r->chain.pinned_id, r->chain.pinned_hash, diag);
    if (err == KGR_OK)
        err = read_log(r, ac, diag);
    if (err == KGR_OK)
        err = kgr_audit_chain_end(&r->chain, diag);
    if (err == KGR_OK && r->chain.last != 0)
        err = kgr_ac_state_set_audit(ac->state, r->chain.last, r->chain.hash, diag);
    free(ks);
    return err;
}

static enum kgr_error print_verified_json(const struct kgr_audit_chain *chain,
                                          struct kgr_diag *diag)
{
    char hash[2 * KGR_DIGEST_LEN + 1];
    json_t *object = json_pack(
        "{s:I, s:I, s:s, s:I, s:I, s:o}", "first", (json_int_t)chain->first, "last",
        (json_int_t)chain->last, "hash", kgr_hex(hash, chain->hash, sizeof chain->hash), "signed",
        (json_int_t)chain->signed_id, "heads", (json_int_t)chain->num_heads, "seen_kept",
        chain->pinned_id == 0 ? json_null() : json_boolean((int)chain->pinned_seen));
    enum kgr_error err = kgr_ac_print_json(object, diag);
    json_decref(object);
    return err;
}

static void print_verified(const struct kgr_audit_chain *chain)
{
    char hash[2 * KGR_DIGEST_LEN + 1];
    printf("records %" PRIu64 " to %" PRIu64 " are whole; the last is %" PRIu64 ":%s\n",
           chain->first, chain->last, chain->last, kgr_hex(hash, chain->hash, sizeof chain->hash));
    if (chain->num_heads != 0)
        printf("signed by the key server's TPM up to record %" PRIu64 ", by %" PRIu64 " %s\n",
               chain->signed_id, chain->num_heads, chain->num_heads == 1 ? "head" : "heads");
    else
        printf("no head among them is signed yet\n");
    if (chain->pinned_id != 0 && chain->pinned_seen)
        printf("they hold record %" PRIu64 ", which was verified before\n", chain->pinned_id);
    else if (chain->pinned_id != 0)
        printf("record %" PRIu64 ", which was verified before, is too old to be kept\n",
               chain->pinned_id);
}

enum kgr_error kgr_ac_cmd_audit_verify(const struct kgr_ac_settings *settings,
                                       const struct kgr_options *options, struct kgr_diag *diag)
{
    struct kgr_ac ac = KGR_AC_INIT;
    struct reader r = {.query = {.from = 1}, .begin = verify_begin, .entry = verify_entry};
    enum kgr_error err = kgr_ac_open(&ac, settings, diag);
    if (err == KGR_OK)
        err = verify(&r, &ac, diag);
    kgr_ac_close(&ac);
    if (err == KGR_OK && options->values[KGR_AC_LIST_JSON] != NULL)
        return print_verified_json(&r.chain, diag);
    if (err == KGR_OK)
        print_verified(&r.chain);
    return err;
}
