/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/config_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
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

static enum kgr_error check_numbers(const char *text, const char *path,
                                    struct kgr_mistakes *mistakes)
{
    enum kgr_error err = KGR_OK;
    static const char word_chars[] = "+-.0123456789_*"
                                     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    unsigned line = 1;

    for (const char *p = text; *p != '\0';) {
        const char *end = skip_opaque(p);

        if (end == p) {
            size_t len = strspn(p, word_chars);

            if (len > 0 && is_cut_number(p, len)) {
                kgr_mistakes_add(mistakes, path, line,
                                 "a number beyond 32 bits needs an L behind it");
                err = KGR_ERR_CONFIG;
            }
            end = p + (len > 0 ? len : 1);
        }
        for (; p < end; p++)
            line += *p == '\n';
    }
    return err;
}

static KGR_PRINTF(3, 4) void complain(struct kgr_mistakes *mistakes, const char *path,
                                      const char *fmt, ...)
{
    char text[192];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut to fit */
    va_end(args);
    kgr_mistakes_add(mistakes, path, 0, text);
}

/* Whoever may write it decides what this service does. */
static bool is_ours(const struct stat *st, const char *path, const char *remedy,
                    struct kgr_mistakes *mistakes)
{
    bool ours = st->st_uid == 0 || st->st_uid == geteuid();

    if (!ours)
        complain(mistakes, path, "belongs to user %u, must be of root; chown root it",
                 (unsigned)st->st_uid);
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
        complain(mistakes, path, "%s may write it (mode %04o); chmod %s it",
                 (st->st_mode & S_IWOTH) != 0 ? "everybody" : "its group",
                 (unsigned)(st->st_mode & 07777), remedy);
    return ours && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool kgr_config_folder_check(const char *path, struct kgr_mistakes *mistakes)
{
    struct stat st;

    if (stat(path, &st) == 0)
        return is_ours(&st, path, "755", mistakes);
    complain(mistakes, path, "%s", strerror(errno));
    return false;
}

/* read_all reads fd to its end; NULL when there is no memory, or it failed and that is noted. */
static char *read_all(int fd, size_t *out_len, const char *path, struct kgr_mistakes *mistakes)
{
    char *text = malloc(MAX_FILE_LEN + 1);
    size_t len = 0;
    ssize_t n = 1;

    while (text != NULL && n != 0 && len <= MAX_FILE_LEN) {
        n = read(fd, text + len, MAX_FILE_LEN + 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            complain(mistakes, path, "%s", strerror(errno));
            free(text);
            return NULL;
        }
        len += (size_t)n;
    }
    *out_len = len;
    return text;
}

static enum kgr_error read_file(char **out, int fd, const char *path, struct kgr_mistakes *mistakes)
{
    size_t len = 0;
    char *text = read_all(fd, &len, path, mistakes);
    enum kgr_error err = KGR_ERR_CONFIG;

    if (text == NULL)
        return kgr_mistakes_any(mistakes) ? KGR_ERR_CONFIG : KGR_ERR_NO_MEMORY;
    if (len > MAX_FILE_LEN) {
        complain(mistakes, path, "must be at most %u bytes", MAX_FILE_LEN);
    } else {
        text[len] = '\0';
        if (strlen(text) != len)
            complain(mistakes, path, "holds a zero byte, it must be plain text");
        else
            err = check_numbers(text, path, mistakes);
    }
    if (err == KGR_OK)
        *out = text;
    else
        free(text);
    return err;
}

enum kgr_error kgr_config_text_read(char **out, const char *path, struct kgr_mistakes *mistakes)
{
    enum kgr_error err = KGR_ERR_CONFIG;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) != 0)
        complain(mistakes, path, "%s, name another file with --config", strerror(errno));
    else if (!S_ISREG(st.st_mode) || st.st_size > (off_t)MAX_FILE_LEN)
        complain(mistakes, path, "must be a file of at most %u bytes", MAX_FILE_LEN);
    else if (is_ours(&st, path, "644", mistakes))
        err = read_file(out, fd, path, mistakes);
    if (fd >= 0)
        (void)close(fd); /* only read */
    return err;
}
