/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/mistakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than this many help nobody. */
#define MAX_MISTAKES 1000
#define MAX_FILES    256

struct mistake {
    size_t file; /* index in files */
    unsigned line;
    char *text; /* owned */
};

struct kgr_mistakes {
    char *files[MAX_FILES]; /* owned; in the order in which they were first named */
    size_t num_files;
    struct mistake *list;
    size_t num;
    bool lost;
};

enum kgr_error kgr_mistakes_new(struct kgr_mistakes **out)
{
    struct kgr_mistakes *mistakes = calloc(1, sizeof(*mistakes));

    if (mistakes == NULL)
        return KGR_ERR_NO_MEMORY;
    *out = mistakes;
    return KGR_OK;
}

void kgr_mistakes_free(struct kgr_mistakes *mistakes)
{
    if (mistakes == NULL)
        return;
    for (size_t i = 0; i < mistakes->num; i++)
        free(mistakes->list[i].text);
    for (size_t i = 0; i < mistakes->num_files; i++)
        free(mistakes->files[i]);
    free(mistakes->list);
    free(mistakes);
}

static bool find_file(struct kgr_mistakes *mistakes, const char *name, size_t *out)
{
    for (size_t i = 0; i < mistakes->num_files; i++) {
        if (strcmp(mistakes->files[i], name) == 0) {
            *out = i;
            return true;
        }
    }
    if (mistakes->num_files == MAX_FILES)
        return false;
    mistakes->files[mistakes->num_files] = strdup(name);
    if (mistakes->files[mistakes->num_files] == NULL)
        return false;
    *out = mistakes->num_files++;
    return true;
}

static char *compose(const char *file, unsigned line, const char *text)
{
    char *whole = NULL;
    int n = line == 0 || line == KGR_MISTAKES_LAST
                ? asprintf(&whole, "%s: %s", file, text)
                : asprintf(&whole, "%s:%u: %s", file, line, text);

    return n < 0 ? NULL : whole;
}

static bool is_known(const struct kgr_mistakes *mistakes, const char *text)
{
    for (size_t i = 0; i < mistakes->num; i++)
        if (strcmp(mistakes->list[i].text, text) == 0)
            return true;
    return false;
}

static bool is_later(const struct mistake *a, const struct mistake *b)
{
    return a->file != b->file ? a->file > b->file : a->line > b->line;
}

/* insert puts it behind those of the same line. */
static bool insert(struct kgr_mistakes *mistakes, const struct mistake *mistake)
{
    struct mistake *list = realloc(mistakes->list, (mistakes->num + 1) * sizeof(*list));
    size_t at = mistakes->num;

    if (list == NULL)
        return false;
    mistakes->list = list;
    while (at > 0 && is_later(&list[at - 1], mistake)) {
        list[at] = list[at - 1];
        at--;
    }
    list[at] = *mistake;
    mistakes->num++;
    return true;
}

void kgr_mistakes_add(struct kgr_mistakes *mistakes, const char *file, unsigned line,
                      const char *text)
{
    struct mistake mistake = {.line = line, .text = compose(file, line, text)};

    if (mistake.text != NULL && is_known(mistakes, mistake.text)) {
        free(mistake.text);
        return;
    }
    if (mistake.text == NULL || mistakes->num == MAX_MISTAKES ||
        !find_file(mistakes, file, &mistake.file) || !insert(mistakes, &mistake)) {
        mistakes->lost = true;
        free(mistake.text);
    }
}

size_t kgr_mistakes_num(const struct kgr_mistakes *mistakes)
{
    return mistakes->num;
}

const char *kgr_mistakes_line(const struct kgr_mistakes *mistakes, size_t i)
{
    return mistakes->list[i].text;
}

bool kgr_mistakes_any(const struct kgr_mistakes *mistakes)
{
    return mistakes->num > 0 || mistakes->lost;
}

char *kgr_mistakes_join(const struct kgr_mistakes *mistakes, char *out, size_t cap)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < mistakes->num; i++) {
        int n = snprintf(out + len, cap - len, "%s%s", i == 0 ? "" : "\n", mistakes->list[i].text);

        if (n < 0 || (size_t)n >= cap - len) {
            out[len] = '\0'; /* no half lines */
            break;
        }
        len += (size_t)n;
    }
    return out;
}
