/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE_LEN (256u * 1024u)

/* The end of a comment or string that begins at p, or p itself when none does. */
static const char *skip_opaque(const char *p)
{
    const char *end;

    if (p[0] == '#' || (p[0] == '/' && p[1] == '/'))
        return p + strcspn(p, "\n");
    if (p[0] == '/' && p[1] == '*') {
        end = strstr(p + 2, "*/");
        return end != NULL ? end + 2 : p + strlen(p);
    }
    if (p[0] == '"') {
        for (p++; *p != '\0' && *p != '"'; p++)
            if (p[0] == '\\' && p[1] != '\0')
                p++;
        return *p == '"' ? p + 1 : p;
    }
    return p;
}

static bool is_cut_number(const char *word, size_t len)
{
    char *end;
    long long value;

    errno = 0;
    value = strtoll(word, &end, 0);
    if (end != word + len) /* a name, a float, or with an L */
        return false;
    return errno == ERANGE || value > INT32_MAX || value < INT32_MIN;
}

static enum kgr_error check_numbers(const char *text, const char *path, struct kgr_diag *diag)
{
    static const char word_chars[] = "+-.0123456789_*"
                                     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    unsigned line = 1;

    for (const char *p = text; *p != '\0';) {
        const char *end = skip_opaque(p);

        if (end == p) {
            size_t len = strspn(p, word_chars);

            if (len > 0 && is_cut_number(p, len))
                return kgr_diag_set(diag, KGR_ERR_CONFIG,
                                    "%s:%u: a number beyond 32 bits needs an L behind it", path,
                                    line);
            end = p + (len > 0 ? len : 1);
        }
        for (; p < end; p++)
            line += *p == '\n';
    }
    return KGR_OK;
}

enum kgr_error kgr_config_text_read(char **out, const char *path, struct kgr_diag *diag)
{
    enum kgr_error err = KGR_ERR_CONFIG;
    char *text = NULL;
    struct stat st;
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) != 0) {
        kgr_diag_set(diag, err, "%s: %s, name another file with --config", path, strerror(errno));
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > (off_t)MAX_FILE_LEN) {
        kgr_diag_set(diag, err, "%s: must be a file of at most %u bytes", path, MAX_FILE_LEN);
        goto out;
    }
    text = malloc(MAX_FILE_LEN + 1);
    if (text == NULL) {
        err = kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "%s: no memory", path);
        goto out;
    }
    for (;;) {
        ssize_t n = read(fd, text + len, MAX_FILE_LEN + 1 - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            kgr_diag_set(diag, err, "%s: %s", path, strerror(errno));
            goto out;
        }
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > MAX_FILE_LEN) {
            kgr_diag_set(diag, err, "%s: must be at most %u bytes", path, MAX_FILE_LEN);
            goto out;
        }
    }
    text[len] = '\0';
    if (strlen(text) != len) {
        kgr_diag_set(diag, err, "%s: holds a zero byte, it must be plain text", path);
        goto out;
    }
    err = check_numbers(text, path, diag);
    if (err != KGR_OK)
        goto out;
    *out = text;
    text = NULL;
out:
    free(text);
    if (fd >= 0)
        (void)close(fd);
    return err;
}
