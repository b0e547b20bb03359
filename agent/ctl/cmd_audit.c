/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/export.h"
#include "agent/audit/words.h"
#include "agent/base/table.h"
#include "agent/base/terminal.h"
#include "agent/base/text.h"
#include "agent/client/audit.h"
#include "agent/ctl/file.h"
#include "agent/ctl/json.h"
#include "agent/ctl/terminal.h"

/* audit: the log of this node, shown, checked, or saved for whoever checks it elsewhere (docs/protocol.md, section 9.3). */

#define FILE_MAX (32u << 20)
#define WHAT_MAX 1024

/* An exported log in memory. */
struct file {
    uint8_t *bytes; /* owned */
    size_t len;
    size_t entries; /* where they begin */
};

/* All of the log that stands when the first page is made, a head last if one was asked for. */
static enum kgr_error fetch(struct kgr_client *client, struct file *file, bool sign)
{
    struct kgr_audit_page page;
    uint8_t *entries = malloc(FILE_MAX);
    uint64_t next = 1, until;
    struct kgr_wr wr, all;
    enum kgr_error err = entries == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    kgr_wr_init(&all, file->bytes, FILE_MAX);
    kgr_wr_init(&wr, entries, FILE_MAX - KGR_AUDIT_EXPORT_HEAD_MAX);
    if (err == KGR_OK)
        err = kgr_get_audit(client, next, sign, &page, &wr);
    if (err == KGR_OK)
        err = kgr_audit_export_begin(&all, kgr_slice(page.pub, page.pub_len), page.head.before);
    until = err == KGR_OK ? page.head.newest : 0;
    file->entries = all.len;
    while (err == KGR_OK && wr.len > 0) {
        struct kgr_audit_entry entry;
        struct kgr_rd rd;

        kgr_rd_init(&rd, entries, wr.len);
        for (int i = 0; i < page.head.num && next <= until; i++) {
            const uint8_t *begin = rd.p;

            kgr_audit_entry_read(&rd, &entry);
            kgr_wr_bytes(&all, begin, (size_t)(rd.p - begin));
            next = entry.id + 1;
        }
        if (!kgr_rd_ok(&rd) || !kgr_wr_ok(&all))
            err = KGR_ERR_CORRUPT;
        kgr_wr_init(&wr, entries, FILE_MAX - KGR_AUDIT_EXPORT_HEAD_MAX);
        if (err == KGR_OK && next <= until)
            err = kgr_get_audit(client, next, false, &page, &wr);
    }
    file->len = all.len;
    free(entries);
    return err;
}

static json_t *entry_json(const struct kgr_audit_entry *e, const char *when)
{
    char hash[2 * KGR_DIGEST_LEN + 1];
    bool known = e->status < KGR_ERR_COUNT;

    return json_pack("{s:I, s:s, s:s, s:s%, s:I, s:i, s:s, s:I, s:s%, s:s}", "record",
                     (json_int_t)e->id, "time", when, "event", kgr_audit_what_word(e->what),
                     "subject", (const char *)e->subject.p, e->subject.len, "number",
                     (json_int_t)e->number, "status", (int)e->status, "result",
                     known ? kgr_strerror((enum kgr_error)e->status) : "?", "count",
                     (json_int_t)e->count, "text", (const char *)e->text.p, e->text.len, "hash",
                     kgr_hex(hash, e->hash, sizeof e->hash));
}

/* What a record says: a head signs, the others have a subject, a generation, a text and an error, or some of these. */
static const char *what_text(char *out, size_t cap, const struct kgr_audit_entry *e)
{
    bool failed = e->status != 0 && e->status < KGR_ERR_COUNT;
    char generation[40] = "";

    if (e->what == KGR_AUDIT_HEAD) {
        (void)snprintf(out, cap, "signs record %" PRIu64, e->number);
        return out;
    }
    if (e->number != 0)
        (void)snprintf(generation, sizeof(generation), " generation %" PRIu64, e->number);
    (void)snprintf(out, cap, "%.*s%s%s%.*s%s%s%s", (int)e->subject.len, (const char *)e->subject.p,
                   generation, e->subject.len != 0 && e->text.len != 0 ? ": " : "",
                   (int)e->text.len, (const char *)e->text.p, failed ? " (" : "",
                   failed ? kgr_strerror((enum kgr_error)e->status) : "", failed ? ")" : "");
    return out;
}

static void add_row(struct kgr_table *table, const struct kgr_audit_entry *e, const char *when)
{
    char record[24], count[16], what[WHAT_MAX];
    const char *const cells[] = {record, when, kgr_audit_what_word(e->what), count,
                                 what_text(what, sizeof(what), e)};

    (void)snprintf(record, sizeof(record), "%" PRIu64, e->id);
    (void)snprintf(count, sizeof(count), "%" PRIu32, e->count);
    kgr_table_add(table, e->status == 0 ? KGR_TABLE_PLAIN : KGR_TABLE_WARN, cells);
}

static int print_table(struct kgr_table *table)
{
    bool printed =
        kgr_table_print(table, stdout, kgr_terminal_width(stdout), kgr_terminal_colours(stdout));

    kgr_table_deinit(table);
    return printed ? kgr_ctl_flush() : kgr_ctl_fail_text(KGR_ERR_NO_MEMORY, "audit", "");
}

/* The newest `count` records, or all. */
static int show(const struct kgr_ctl *ctl, const struct file *file)
{
    static const struct kgr_table_column columns[] = {{"RECORD", true, 0},
                                                      {"TIME", false, 0},
                                                      {"EVENT", false, 0},
                                                      {"COUNT", true, 1},
                                                      {"WHAT", false, 0}};
    const struct kgr_ctl_options *o = ctl->options;
    json_t *array = o->json ? json_array() : NULL;
    struct kgr_table table;
    uint64_t total = 0, at = 0;
    struct kgr_audit_entry e;
    struct kgr_rd rd;
    char when[32];

    kgr_rd_init(&rd, file->bytes + file->entries, file->len - file->entries);
    for (struct kgr_rd count = rd; count.len > 0 && kgr_rd_ok(&count); total++)
        kgr_audit_entry_read(&count, &e);
    kgr_table_init(&table, columns, KGR_ARRAY_LEN(columns), 2);
    for (; rd.len > 0; at++) {
        kgr_audit_entry_read(&rd, &e);
        if (!kgr_rd_ok(&rd)) {
            kgr_table_deinit(&table);
            json_decref(array);
            return kgr_ctl_fail(KGR_ERR_CORRUPT, "audit");
        }
        if (o->has_count && o->count != 0 && total - at > o->count)
            continue;
        (void)kgr_audit_time_text(when, sizeof when, e.time_s);
        if (!o->json)
            add_row(&table, &e, when);
        else if (json_array_append_new(array, entry_json(&e, when)) != 0)
            return kgr_ctl_fail(KGR_ERR_NO_MEMORY, "audit");
    }
    return o->json ? kgr_json_print(array) : print_table(&table);
}

static enum kgr_error parse_seen(struct kgr_audit_chain *chain, const char *text)
{
    char *end;

    if (text == NULL)
        return KGR_OK;
    chain->pinned_id = strtoull(text, &end, 10);
    if (text[0] < '1' || text[0] > '9' || *end != ':' ||
        kgr_unhex(chain->pinned_hash, sizeof chain->pinned_hash, end + 1) != KGR_OK)
        return KGR_ERR_INVALID;
    return KGR_OK;
}

static int print_verified(const struct kgr_ctl *ctl, const struct kgr_audit_chain *chain)
{
    char hash[2 * KGR_DIGEST_LEN + 1], key[2 * KGR_DIGEST_LEN + 1];

    (void)kgr_hex(hash, chain->hash, sizeof chain->hash);
    (void)kgr_hex(key, chain->key.id, sizeof chain->key.id);
    if (ctl->options->json)
        return kgr_json_print(
            json_pack("{s:i, s:I, s:I, s:s, s:I, s:I, s:s, s:o}", "version", KGR_CTL_JSON_VERSION,
                      "first", (json_int_t)chain->first, "last", (json_int_t)chain->last, "hash",
                      hash, "signed", (json_int_t)chain->signed_id, "heads",
                      (json_int_t)chain->num_heads, "key", key, "seen_kept",
                      chain->pinned_id == 0 ? json_null() : json_boolean((int)chain->pinned_seen)));
    (void)printf("records %" PRIu64 " to %" PRIu64 " are whole; the last is %" PRIu64 ":%s\n"
                 "signed by the TPM up to record %" PRIu64 ", by %" PRIu64 " %s, with the key %s\n",
                 chain->first, chain->last, chain->last, hash, chain->signed_id, chain->num_heads,
                 chain->num_heads == 1 ? "head" : "heads", key);
    if (chain->pinned_id != 0)
        (void)printf("record %" PRIu64 ", which was seen before, %s\n", chain->pinned_id,
                     chain->pinned_seen ? "is among them" : "is too old to be kept");
    return kgr_ctl_flush();
}

static int verify(const struct kgr_ctl *ctl, const struct file *file)
{
    struct kgr_audit_chain *chain = calloc(1, sizeof *chain);
    struct kgr_diag diag = {{0}};
    enum kgr_error err;
    int code;

    if (chain == NULL)
        return kgr_ctl_fail(KGR_ERR_NO_MEMORY, "audit verify");
    err = parse_seen(chain, ctl->options->seen);
    if (err != KGR_OK) {
        free(chain);
        return kgr_ctl_fail_text(err, "audit verify", "--seen takes NUMBER:HASH, the hash in hex");
    }
    err = kgr_audit_export_verify(chain, kgr_slice(file->bytes, file->len), &diag);
    code = err == KGR_OK ? print_verified(ctl, chain)
                         : kgr_ctl_fail_text(err, "audit verify", kgr_diag_text(&diag, err));
    free(chain);
    return code;
}

static int save(const struct kgr_ctl *ctl, const struct file *file, const char *name)
{
    struct kgr_ctl_output output;
    enum kgr_error err = kgr_ctl_output_open(&output, name);

    (void)ctl;
    if (err != KGR_OK)
        return kgr_exit_code(err);
    err = kgr_ctl_output_commit(&output, file->bytes, file->len);
    kgr_ctl_output_close(&output);
    return err == KGR_OK ? 0 : kgr_exit_code(err);
}

static int run(const struct kgr_ctl *ctl, struct file *file, const char *what, const char *name)
{
    bool is_export = strcmp(what, "export") == 0, is_verify = strcmp(what, "verify") == 0;
    enum kgr_error err;

    if (is_verify && name != NULL) {
        err = kgr_ctl_read_all(name, file->bytes, FILE_MAX, &file->len);
        return err == KGR_OK ? verify(ctl, file) : kgr_exit_code(err);
    }
    err = fetch(ctl->client, file, is_export || is_verify);
    if (err != KGR_OK)
        return kgr_ctl_fail(err, "audit");
    if (is_export)
        return save(ctl, file, name);
    return is_verify ? verify(ctl, file) : show(ctl, file);
}

int kgr_ctl_audit(const struct kgr_ctl *ctl)
{
    const struct kgr_ctl_options *o = ctl->options;
    const char *what = o->num_operands > 0 ? o->operands[0] : "show";
    const char *name = o->num_operands > 1 ? o->operands[1] : NULL;
    struct file file = {.len = 0};
    int code;

    if ((strcmp(what, "show") != 0 || name != NULL) && strcmp(what, "verify") != 0 &&
        (strcmp(what, "export") != 0 || name == NULL))
        return kgr_ctl_fail_text(KGR_ERR_INVALID, "audit",
                                 "usage: kgrctl audit [show | verify [FILE] | export FILE]");
    file.bytes = malloc(FILE_MAX);
    if (file.bytes == NULL)
        return kgr_ctl_fail(KGR_ERR_NO_MEMORY, "audit");
    code = run(ctl, &file, what, name);
    free(file.bytes);
    return code;
}
