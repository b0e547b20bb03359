/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/import_file.h"

#include <stdlib.h>
#include <string.h>

#include "agent/authority/parse.h"

#define LINE_LEN_MAX 512
#define FIELDS_MAX   5

struct line {
    char text[LINE_LEN_MAX + 1];
    char *fields[FIELDS_MAX]; /* "" where there is none */
    size_t num_fields;
};

static char *trim(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r", text[len - 1]) != NULL)
        text[--len] = '\0';
    return text + strspn(text, " \t");
}

static enum kgr_error split(struct line *line, struct kgr_slice bytes, struct kgr_diag *diag)
{
    static char nothing[1] = "";
    char *rest = line->text;
    if (bytes.len > LINE_LEN_MAX)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "longer than %d bytes", LINE_LEN_MAX);
    if (bytes.len > 0 && memchr(bytes.p, '\0', bytes.len) != NULL)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "a NUL byte: this is no text file");
    kgr_copy(line->text, bytes.p, bytes.len);
    line->text[bytes.len] = '\0';
    line->text[strcspn(line->text, "#")] = '\0';
    for (size_t i = 0; i < FIELDS_MAX; i++)
        line->fields[i] = nothing;
    line->num_fields = 0;
    if (*trim(line->text) == '\0')
        return KGR_OK;
    if (strchr(line->text, '"') != NULL)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "no value needs quotes: leave them out");
    while (rest != NULL) {
        char *field = strsep(&rest, ",");
        if (line->num_fields == FIELDS_MAX)
            return kgr_diag_set(diag, KGR_ERR_INVALID, "more than %d values", FIELDS_MAX);
        line->fields[line->num_fields++] = trim(field);
    }
    return KGR_OK;
}

static enum kgr_error at_most(const struct line *line, size_t num, struct kgr_diag *diag)
{
    if (line->num_fields <= num)
        return KGR_OK;
    return kgr_diag_set(diag, KGR_ERR_INVALID, "'%s' takes at most %zu values", line->fields[0],
                        num - 1);
}

static enum kgr_error read_node(struct kgr_import_entry *e, const struct line *line,
                                struct kgr_diag *diag)
{
    enum kgr_error err = at_most(line, 4, diag);
    e->kind = KGR_IMPORT_NODE;
    e->validity_s = KGR_IMPORT_DEFAULT_VALIDITY_S;
    e->has_ek = line->fields[2][0] != '\0';
    if (err == KGR_OK)
        err = kgr_parse_nid(&e->nids[0], line->fields[1], diag);
    if (err == KGR_OK && e->has_ek &&
        kgr_unhex(e->ek_hash, sizeof e->ek_hash, line->fields[2]) != KGR_OK)
        err = kgr_diag_set(diag, KGR_ERR_INVALID,
                           "'%.80s' is no hash of an EK: the 64 hexadecimal digits that kgr-agent "
                           "identity prints",
                           line->fields[2]);
    if (err == KGR_OK && line->fields[3][0] != '\0')
        err = kgr_parse_duration(&e->validity_s, line->fields[3], diag);
    return err;
}

static enum kgr_error read_pair(struct kgr_import_entry *e, const struct line *line,
                                struct kgr_diag *diag)
{
    enum kgr_error err = at_most(line, e->kind == KGR_IMPORT_DENY ? 3 : 5, diag);
    for (size_t i = 0; i < 2 && err == KGR_OK; i++)
        err = kgr_parse_nid(&e->nids[i], line->fields[1 + i], diag);
    if (err == KGR_OK && kgr_nid_cmp(&e->nids[0], &e->nids[1]) == 0)
        err = kgr_diag_set(diag, KGR_ERR_INVALID, "a pair needs two different nodes");
    if (err == KGR_OK && line->fields[3][0] != '\0')
        err = kgr_parse_suite(&e->min_suite, line->fields[3], diag);
    if (err == KGR_OK && line->fields[4][0] != '\0')
        err = kgr_parse_custody(&e->min_custody, line->fields[4], diag);
    return err;
}

static enum kgr_error read_entry(struct kgr_import_entry *e, const struct line *line,
                                 struct kgr_diag *diag)
{
    if (strcmp(line->fields[0], "node") == 0)
        return read_node(e, line, diag);
    e->kind = KGR_IMPORT_PAIR;
    if (strcmp(line->fields[0], "pair") == 0)
        return read_pair(e, line, diag);
    e->kind = KGR_IMPORT_DENY;
    if (strcmp(line->fields[0], "deny") == 0)
        return read_pair(e, line, diag);
    return kgr_diag_set(diag, KGR_ERR_INVALID, "'%.40s' begins no record: node, pair or deny",
                        line->fields[0]);
}

/* The two of a pair in one order, so that it is found again. */
static void order_nids(struct kgr_import_entry *e)
{
    if (e->kind != KGR_IMPORT_NODE && kgr_nid_cmp(&e->nids[0], &e->nids[1]) > 0) {
        struct kgr_nid first = e->nids[1];
        e->nids[1] = e->nids[0];
        e->nids[0] = first;
    }
}

static int compare(const void *a, const void *b)
{
    const struct kgr_import_entry *const *x = a, *const *y = b;
    int node_x = (*x)->kind == KGR_IMPORT_NODE, node_y = (*y)->kind == KGR_IMPORT_NODE;
    int order = node_x - node_y;
    for (size_t i = 0; i < 2 && order == 0; i++)
        order = kgr_nid_cmp(&(*x)->nids[i], &(*y)->nids[i]);
    return order;
}

/* The first entry that says again what another says of the same node or pair; NULL: none. */
static enum kgr_error find_double(const struct kgr_import_file *file, const char *name,
                                  struct kgr_diag *diag)
{
    const struct kgr_import_entry **sorted =
        calloc(file->num_entries == 0 ? 1 : file->num_entries, sizeof *sorted);
    enum kgr_error err = KGR_OK;
    if (sorted == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < file->num_entries; i++)
        sorted[i] = &file->entries[i];
    qsort(sorted, file->num_entries, sizeof(const struct kgr_import_entry *), compare);
    for (size_t i = 1; i < file->num_entries && err == KGR_OK; i++) {
        if (compare(&sorted[i - 1], &sorted[i]) == 0)
            err = kgr_diag_set(diag, KGR_ERR_INVALID,
                               "%s: lines %u and %u say something of the same %s", name,
                               sorted[i - 1]->line, sorted[i]->line,
                               sorted[i]->kind == KGR_IMPORT_NODE ? "node" : "pair");
    }
    free(sorted);
    return err;
}

static enum kgr_error append(struct kgr_import_file *file, const struct kgr_import_entry *e)
{
    size_t num = file->num_entries;
    /* Doubled at each power of two. */
    if (num == 0 || (num & (num - 1)) == 0) {
        struct kgr_import_entry *entries =
            reallocarray(file->entries, num == 0 ? 1 : 2 * num, sizeof *entries);
        if (entries == NULL)
            return KGR_ERR_NO_MEMORY;
        file->entries = entries;
    }
    file->entries[file->num_entries++] = *e;
    return KGR_OK;
}

enum kgr_error kgr_import_file_parse(struct kgr_import_file *out, const char *name,
                                     struct kgr_slice text, struct kgr_diag *diag)
{
    struct kgr_diag reason = {{0}};
    enum kgr_error err = KGR_OK;
    size_t at = 0;
    for (unsigned int number = 1; err == KGR_OK && at < text.len; number++) {
        const uint8_t *end = memchr(text.p + at, '\n', text.len - at);
        size_t len = end == NULL ? text.len - at : (size_t)(end - text.p) - at;
        struct kgr_import_entry e = {.line = number};
        struct line line;
        err = split(&line, kgr_slice(text.p + at, len), &reason);
        if (err == KGR_OK && line.num_fields > 0) {
            err = read_entry(&e, &line, &reason);
            order_nids(&e);
            if (err == KGR_OK)
                err = append(out, &e);
        }
        if (err != KGR_OK)
            return kgr_diag_set(diag, err, "%.100s:%u: %s", name, number,
                                kgr_diag_text(&reason, err));
        at += len + 1;
    }
    return find_double(out, name, diag);
}

void kgr_import_file_deinit(struct kgr_import_file *file)
{
    free(file->entries);
    *file = (struct kgr_import_file){0};
}
