/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/rekey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/store/sealed_vfs.h"

#define PATH_LEN  1100
#define WAL_MAGIC 0x377f0683u /* the last bit says how checksums read words */

/* read_at fills exactly len bytes; KGR_ERR_NO_KEY when the file ends before. */
static enum kgr_error read_at(int fd, void *out, size_t len, off_t at, const char *path,
                              struct kgr_diag *diag)
{
    uint8_t *p = out;

    while (len > 0) {
        ssize_t n = pread(fd, p, len, at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return kgr_diag_set(diag, KGR_ERR_IO, "cannot read %s: %s", path, strerror(errno));
        if (n == 0)
            return KGR_ERR_NO_KEY;
        p += n;
        at += n;
        len -= (size_t)n;
    }
    return KGR_OK;
}

/* *out is -1 when there is no such file. */
static enum kgr_error open_file(int *out, const char *path, struct kgr_diag *diag)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 && errno != ENOENT)
        return kgr_diag_set(diag, KGR_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    *out = fd;
    return KGR_OK;
}

static enum kgr_error log_path(char out[PATH_LEN], const char *path, struct kgr_diag *diag)
{
    int n = snprintf(out, PATH_LEN, "%s-wal", path);

    return n < 0 || n >= PATH_LEN ? kgr_diag_set(diag, KGR_ERR_IO, "%s: the path is too long", path)
                                  : KGR_OK;
}

/* SQLite passes over a log whose header it does not take, and with it over what was committed since the last checkpoint. */
static bool header_is_whole(const uint8_t head[KGR_WAL_HEADER_LEN])
{
    static const uint8_t none[KGR_WAL_HEADER_LEN];
    uint32_t s0 = 0, s1 = 0, word[KGR_WAL_HEADER_LEN / 4];
    bool big;

    if (memcmp(head, none, sizeof(none)) ==
        0) /* a crash while it was begun; nothing is committed in it */
        return true;
    for (size_t i = 0; i < KGR_ARRAY_LEN(word); i++)
        word[i] = (uint32_t)head[4 * i] << 24 | (uint32_t)head[4 * i + 1] << 16 |
                  (uint32_t)head[4 * i + 2] << 8 | head[4 * i + 3];
    big = (word[0] & 1) != 0;
    for (size_t i = 0; i < 6; i += 2) {
        s0 += (big ? word[i] : __builtin_bswap32(word[i])) + s1;
        s1 += (big ? word[i + 1] : __builtin_bswap32(word[i + 1])) + s0;
    }
    return (word[0] | 1) == WAL_MAGIC && word[6] == s0 && word[7] == s1;
}

/* check_log refuses a log that SQLite would take for an empty one. */
static enum kgr_error check_log(const char *path, struct kgr_diag *diag)
{
    uint8_t head[KGR_WAL_HEADER_LEN];
    char log[PATH_LEN];
    int fd = -1;
    enum kgr_error err = log_path(log, path, diag);

    if (err == KGR_OK)
        err = open_file(&fd, log, diag);
    if (err != KGR_OK || fd < 0)
        return err;
    err = read_at(fd, head, sizeof(head), 0, log, diag);
    (void)close(fd);
    if (err == KGR_ERR_NO_KEY) /* shorter than its header */
        return KGR_OK;
    if (err == KGR_OK && !header_is_whole(head))
        err =
            kgr_diag_set(diag, KGR_ERR_CORRUPT, "%s: damaged: its header is not one of a log", log);
    return err;
}

struct probe {
    uint8_t page[KGR_PAGE_LEN];
    uint8_t content[KGR_PAGE_LEN];
    uint8_t aad[KGR_PAGE_AAD_MAX];
    bool empty; /* nothing was there to be opened */
    bool opens;
};

static enum kgr_error probe_database(struct probe *probe, const char *path,
                                     const struct kgr_page_cipher *cipher, struct kgr_diag *diag)
{
    int fd = -1;
    enum kgr_error err = open_file(&fd, path, diag);

    if (err != KGR_OK || fd < 0) {
        probe->empty = true;
        return err;
    }
    err = read_at(fd, probe->page, sizeof(probe->page), 0, path, diag);
    (void)close(fd);
    probe->empty = err == KGR_ERR_NO_KEY;
    if (err == KGR_OK)
        probe->opens = cipher->open(cipher->ctx, probe->content, kgr_page_aad(probe->aad, 1),
                                    probe->page) == KGR_OK;
    return err == KGR_ERR_NO_KEY ? KGR_OK : err;
}

static enum kgr_error probe_log(struct probe *probe, const char *path,
                                const struct kgr_page_cipher *cipher, struct kgr_diag *diag)
{
    uint8_t head[KGR_WAL_HEADER_LEN + KGR_WAL_FRAME_LEN];
    char log[PATH_LEN];
    struct kgr_rd rd;
    int fd = -1;
    enum kgr_error err = log_path(log, path, diag);

    if (err == KGR_OK)
        err = open_file(&fd, log, diag);
    if (err != KGR_OK || fd < 0)
        return err;
    err = read_at(fd, head, sizeof(head), 0, log, diag);
    if (err == KGR_OK)
        err = read_at(fd, probe->page, sizeof(probe->page), sizeof(head), log, diag);
    (void)close(fd);
    if (err != KGR_OK)
        return err == KGR_ERR_NO_KEY ? KGR_OK : err;
    probe->empty = false;
    kgr_rd_init(&rd, head + KGR_WAL_HEADER_LEN, KGR_WAL_FRAME_LEN);
    probe->opens = cipher->open(cipher->ctx, probe->content,
                                kgr_wal_aad(probe->aad, head + KGR_WAL_SALTS_AT, KGR_WAL_HEADER_LEN,
                                            kgr_rd_u32(&rd)),
                                probe->page) == KGR_OK;
    return KGR_OK;
}

enum kgr_error kgr_db_opens_with(bool *out, const char *path, const struct kgr_page_cipher *cipher,
                                 struct kgr_diag *diag)
{
    struct probe *probe = calloc(1, sizeof(*probe));
    enum kgr_error err = probe == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = probe_database(probe, path, cipher, diag);
    if (err == KGR_OK)
        err = check_log(path, diag);
    if (err == KGR_OK && !probe->opens)
        err = probe_log(probe, path, cipher, diag);
    if (err == KGR_OK)
        *out = probe->opens || probe->empty;
    free(probe);
    return err;
}

static enum kgr_error write_all(int fd, const uint8_t *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return KGR_ERR_IO;
        p += n;
        len -= (size_t)n;
    }
    return KGR_OK;
}

struct copy {
    const struct kgr_page_cipher *from;
    const struct kgr_page_cipher *to;
    const char *path;
    char next[PATH_LEN]; /* what becomes path */
    int in;
    int out;
    uint8_t page[KGR_PAGE_LEN];
    uint8_t content[KGR_PAGE_LEN];
};

static enum kgr_error copy_page(struct copy *copy, uint32_t number, struct kgr_diag *diag)
{
    uint8_t room[KGR_PAGE_AAD_MAX];
    struct kgr_slice aad = kgr_page_aad(room, number);
    enum kgr_error err = copy->from->open(copy->from->ctx, copy->content, aad, copy->page);

    if (err == KGR_ERR_CORRUPT)
        return kgr_diag_set(diag, err, "%s: page %u was changed by another hand", copy->path,
                            (unsigned)number);
    if (err == KGR_OK)
        err = copy->to->seal(copy->to->ctx, copy->page, aad, copy->content);
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "%s: page %u cannot be sealed", copy->path,
                            (unsigned)number);
    if (write_all(copy->out, copy->page, sizeof(copy->page)) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_IO, "cannot write beside %s: %s", copy->path,
                            strerror(errno));
    return KGR_OK;
}

static enum kgr_error copy_pages(struct copy *copy, struct kgr_diag *diag)
{
    struct stat st;
    enum kgr_error err = KGR_OK;

    if (fstat(copy->in, &st) != 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "cannot read %s: %s", copy->path, strerror(errno));
    if (st.st_size % KGR_PAGE_LEN != 0)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "%s: not a whole number of pages", copy->path);
    for (off_t at = 0; err == KGR_OK && at < st.st_size; at += KGR_PAGE_LEN) {
        err = read_at(copy->in, copy->page, sizeof(copy->page), at, copy->path, diag);
        if (err == KGR_OK)
            err = copy_page(copy, (uint32_t)(at / KGR_PAGE_LEN) + 1, diag);
    }
    if (err == KGR_OK && fsync(copy->out) != 0)
        err = kgr_diag_set(diag, KGR_ERR_IO, "cannot write beside %s: %s", copy->path,
                           strerror(errno));
    return err;
}

static enum kgr_error no_log(const char *path, struct kgr_diag *diag)
{
    char log[PATH_LEN];
    struct stat st;
    enum kgr_error err = log_path(log, path, diag);

    if (err == KGR_OK && stat(log, &st) == 0 && st.st_size > 0)
        err = kgr_diag_set(diag, KGR_ERR_STATE, "%s: its log is not empty", path);
    return err;
}

/* begin opens both files; the new one is of this run alone. */
static enum kgr_error begin(struct copy *copy, struct kgr_diag *diag)
{
    int n = snprintf(copy->next, sizeof(copy->next), "%s.new", copy->path);

    if (n < 0 || (size_t)n >= sizeof(copy->next))
        return kgr_diag_set(diag, KGR_ERR_IO, "%s: the path is too long", copy->path);
    (void)unlink(copy->next); /* of a run that crashed */
    copy->in = open(copy->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    copy->out = open(copy->next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (copy->in < 0 || copy->out < 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "cannot copy %s: %s", copy->path, strerror(errno));
    return KGR_OK;
}

static enum kgr_error end(struct copy *copy, enum kgr_error err, struct kgr_diag *diag)
{
    if (copy->in >= 0)
        (void)close(copy->in);
    if (copy->out >= 0)
        (void)close(copy->out);
    if (err == KGR_OK && rename(copy->next, copy->path) != 0)
        err = kgr_diag_set(diag, KGR_ERR_IO, "cannot replace %s: %s", copy->path, strerror(errno));
    if (err != KGR_OK && copy->out >= 0)
        (void)unlink(copy->next);
    return err == KGR_OK ? kgr_file_sync_folder(copy->path, diag) : err;
}

enum kgr_error kgr_db_rekey(const char *path, const struct kgr_page_cipher *from,
                            const struct kgr_page_cipher *to, struct kgr_diag *diag)
{
    struct copy *copy = malloc(sizeof(*copy));
    enum kgr_error err = copy == NULL ? KGR_ERR_NO_MEMORY : no_log(path, diag);

    if (err == KGR_OK) {
        *copy = (struct copy){.from = from, .to = to, .path = path, .in = -1, .out = -1};
        err = begin(copy, diag);
        if (err == KGR_OK)
            err = copy_pages(copy, diag);
        err = end(copy, err, diag);
    }
    free(copy);
    return err;
}
