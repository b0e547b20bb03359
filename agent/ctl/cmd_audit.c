/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/export.h"
#include "agent/audit/words.h"
#include "agent/base/text.h"
#include "agent/client/audit.h"
#include "agent/ctl/file.h"
#include "agent/ctl/json.h"
#include "agent/ctl/terminal.h"

/* audit: the log of this node, shown, checked, or saved for whoever checks it elsewhere (docs/protocol.md, section 9.3). */

#define FILE_MAX (32u << 20)

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

static void print_entry(const struct kgr_audit_entry *e, const char *when)
{
    bool is_head = e->what == KGR_AUDIT_HEAD;

    (void)printf("%-7" PRIu64 " %-20s %-8s %-5" PRIu32 " %.*s", e->id, when,
                 kgr_audit_what_word(e->what), e->count, (int)e->subject.len,
                 (const char *)e->subject.p);
    if (is_head)
        (void)printf("signs record %" PRIu64, e->number);
    else if (e->number != 0)
        (void)printf(" generation %" PRIu64, e->number);
    if (!is_head && e->text.len != 0)
        (void)printf("%s%.*s", e->subject.len != 0 ? ": " : "", (int)e->text.len,
                     (const char *)e->text.p);
    if (e->status != 0 && e->status < KGR_ERR_COUNT)
        (void)printf(" (%s)", kgr_strerror((enum kgr_error)e->status));
    (void)putchar('\n');
}

/* The newest `count` records, or all. */
static int show(const struct kgr_ctl *ctl, const struct file *file)
{
    const struct kgr_ctl_options *o = ctl->options;
    json_t *array = o->json ? json_array() : NULL;
    uint64_t total = 0, at = 0;
    struct kgr_audit_entry e;
    struct kgr_rd rd;
    char when[32];

    kgr_rd_init(&rd, file->bytes + file->entries, file->len - file->entries);
    for (struct kgr_rd count = rd; count.len > 0 && kgr_rd_ok(&count); total++)
        kgr_audit_entry_read(&count, &e);
    if (!o->json)
        (void)printf("%-7s %-20s %-8s %-5s %s\n", "RECORD", "TIME", "EVENT", "COUNT", "WHAT");
    for (; rd.len > 0; at++) {
        kgr_audit_entry_read(&rd, &e);
        if (!kgr_rd_ok(&rd))
            return kgr_ctl_fail(KGR_ERR_CORRUPT, "audit");
        if (o->has_count && o->count != 0 && total - at > o->count)
            continue;
        (void)kgr_audit_time_text(when, sizeof when, e.time_s);
        if (!o->json)
            print_entry(&e, when);
        else if (json_array_append_new(array, entry_json(&e, when)) != 0)
            return kgr_ctl_fail(KGR_ERR_NO_MEMORY, "audit");
    }
    return o->json ? kgr_json_print(array) : kgr_ctl_flush();
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

static int verify(const struct kgr_ctl *ctl, const struct file *file)
{
    struct kgr_audit_chain *chain = calloc(1, sizeof *chain);
    char hash[2 * KGR_DIGEST_LEN + 1], key[2 * KGR_DIGEST_LEN + 1];
    struct kgr_diag diag = {{0}};
    enum kgr_error err;

    if (chain == NULL)
        return kgr_ctl_fail(KGR_ERR_NO_MEMORY, "audit verify");
    err = parse_seen(chain, ctl->options->seen);
    if (err != KGR_OK) {
        free(chain);
        return kgr_ctl_fail_text(err, "audit verify", "--seen takes NUMBER:HASH, the hash in hex");
    }
    err = kgr_audit_export_verify(chain, kgr_slice(file->bytes, file->len), &diag);
    if (err == KGR_OK)
        (void)printf(
            "records %" PRIu64 " to %" PRIu64 " are whole; the last is %" PRIu64 ":%s\n"
            "signed by the TPM up to record %" PRIu64 ", by %" PRIu64 " heads, with the key %s\n",
            chain->first, chain->last, chain->last, kgr_hex(hash, chain->hash, sizeof chain->hash),
            chain->signed_id, chain->num_heads, kgr_hex(key, chain->key.id, sizeof chain->key.id));
    if (err == KGR_OK && chain->pinned_id != 0)
        (void)printf("record %" PRIu64 ", which was seen before, %s\n", chain->pinned_id,
                     chain->pinned_seen ? "is among them" : "is too old to be kept");
    free(chain);
    return err == KGR_OK ? kgr_ctl_flush()
                         : kgr_ctl_fail_text(err, "audit verify", kgr_diag_text(&diag, err));
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
