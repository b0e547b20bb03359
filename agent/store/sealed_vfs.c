/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/sealed_vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"

enum kind { DATABASE, LOG };

struct kgr_sealed_vfs {
    sqlite3_vfs base; /* first: SQLite hands its address around */
    sqlite3_vfs *root;
    const struct kgr_page_cipher *cipher; /* borrowed */
    char name[32];
    uint32_t refused;
    uint8_t page[KGR_PAGE_LEN]; /* as on disk */
    uint8_t frame[KGR_WAL_FRAME_LEN];
};

struct file {
    sqlite3_file base; /* first */
    struct kgr_sealed_vfs *vfs;
    enum kind kind;
    sqlite3_file *real; /* behind this struct, in the same allocation */
};

static struct file *file_of(sqlite3_file *base)
{
    return (struct file *)(void *)base;
}

struct kgr_slice kgr_page_aad(uint8_t out[KGR_PAGE_AAD_MAX], uint32_t number)
{
    struct kgr_wr wr;

    kgr_wr_init(&wr, out, KGR_PAGE_AAD_MAX);
    kgr_wr_bytes(&wr, "KGR page", 8);
    kgr_wr_u32(&wr, number);
    return kgr_wr_slice(&wr);
}

struct kgr_slice kgr_wal_aad(uint8_t out[KGR_PAGE_AAD_MAX], const uint8_t salts[KGR_WAL_SALTS_LEN],
                             uint64_t frame_at, uint32_t number)
{
    struct kgr_wr wr;

    kgr_wr_init(&wr, out, KGR_PAGE_AAD_MAX);
    kgr_wr_bytes(&wr, "KGR wal ", 8);
    kgr_wr_bytes(&wr, salts, KGR_WAL_SALTS_LEN);
    kgr_wr_u64(&wr, frame_at);
    kgr_wr_u32(&wr, number);
    return kgr_wr_slice(&wr);
}

/* The associated data of the page of a log whose frame begins at frame_at; the frame's header stands in vfs->frame. */
static int wal_aad(struct file *f, uint8_t room[KGR_PAGE_AAD_MAX], struct kgr_slice *out,
                   sqlite3_int64 frame_at, uint32_t *out_number)
{
    uint8_t salts[KGR_WAL_SALTS_LEN];
    struct kgr_rd rd;
    int rc = f->real->pMethods->xRead(f->real, salts, sizeof(salts), KGR_WAL_SALTS_AT);

    if (rc != SQLITE_OK)
        return rc;
    kgr_rd_init(&rd, f->vfs->frame, sizeof(f->vfs->frame));
    *out_number = kgr_rd_u32(&rd);
    *out = kgr_wal_aad(room, salts, (uint64_t)frame_at, *out_number);
    return SQLITE_OK;
}

/* open_page opens vfs->page into out, a whole page of SQLite's. */
static int open_page(struct kgr_sealed_vfs *vfs, uint8_t *out, struct kgr_slice aad,
                     uint32_t number)
{
    enum kgr_error err = vfs->cipher->open(vfs->cipher->ctx, out, aad, vfs->page);

    if (err != KGR_OK) {
        memset(out, 0, KGR_PAGE_LEN);
        if (vfs->refused == 0)
            vfs->refused = number;
        return err == KGR_ERR_CORRUPT ? SQLITE_IOERR_DATA : SQLITE_IOERR_READ;
    }
    memset(out + KGR_PAGE_CONTENT, 0, KGR_PAGE_RESERVED);
    return SQLITE_OK;
}

/* Reading the database: whole pages, and parts of one: the header in page 1, content too long for a leaf. */

static int read_page(struct file *f, uint8_t *out, sqlite3_int64 at)
{
    uint8_t room[KGR_PAGE_AAD_MAX];
    uint32_t number = (uint32_t)(at / KGR_PAGE_LEN) + 1;
    int rc = f->real->pMethods->xRead(f->real, f->vfs->page, KGR_PAGE_LEN, at);

    if (rc != SQLITE_OK) {
        memset(out, 0, KGR_PAGE_LEN); /* as a file that ends here reads */
        return rc;
    }
    return open_page(f->vfs, out, kgr_page_aad(room, number), number);
}

static int read_database(struct file *f, uint8_t *out, int len, sqlite3_int64 at)
{
    sqlite3_int64 within = at % KGR_PAGE_LEN;
    uint8_t *page;
    int rc;

    if (len == (int)KGR_PAGE_LEN && within == 0)
        return read_page(f, out, at);
    if (len < 0 || at < 0 || within + len > KGR_PAGE_LEN)
        return SQLITE_IOERR_READ;
    page = malloc(KGR_PAGE_LEN);
    if (page == NULL)
        return SQLITE_IOERR_NOMEM;
    rc = read_page(f, page, at - within);
    memcpy(out, page + within, (size_t)len);
    free(page);
    /* A page 1 that was torn by a power cut stands in the log, which is asked next; if not, the whole page is refused. */
    if (rc == SQLITE_IOERR_DATA && at < KGR_PAGE_LEN) {
        f->vfs->refused = 0;
        return SQLITE_IOERR_SHORT_READ;
    }
    return rc;
}

/* Reading the log: its header, headers of frames, pages, and at recovery a frame with its page. */

static int read_log_page(struct file *f, uint8_t *out, sqlite3_int64 at, bool recovery)
{
    uint8_t room[KGR_PAGE_AAD_MAX];
    struct kgr_slice aad;
    uint32_t number = 0;
    int rc =
        f->real->pMethods->xRead(f->real, f->vfs->frame, KGR_WAL_FRAME_LEN, at - KGR_WAL_FRAME_LEN);

    if (rc == SQLITE_OK)
        rc = f->real->pMethods->xRead(f->real, f->vfs->page, KGR_PAGE_LEN, at);
    if (rc == SQLITE_OK)
        rc = wal_aad(f, room, &aad, at - KGR_WAL_FRAME_LEN, &number);
    if (rc == SQLITE_OK)
        rc = open_page(f->vfs, out, aad, number);
    /* Where a crash cut the log: SQLite's own checksum then finds its end in the zeroes. */
    if (rc == SQLITE_IOERR_DATA && recovery) {
        f->vfs->refused = 0;
        return SQLITE_OK;
    }
    return rc;
}

static int read_log(struct file *f, uint8_t *out, int len, sqlite3_int64 at)
{
    if (len == (int)KGR_PAGE_LEN)
        return read_log_page(f, out, at, false);
    if (len == (int)(KGR_WAL_FRAME_LEN + KGR_PAGE_LEN)) {
        int rc = f->real->pMethods->xRead(f->real, out, KGR_WAL_FRAME_LEN, at);

        return rc != SQLITE_OK
                   ? rc
                   : read_log_page(f, out + KGR_WAL_FRAME_LEN, at + KGR_WAL_FRAME_LEN, true);
    }
    if (len > (int)KGR_WAL_HEADER_LEN)
        return SQLITE_IOERR_READ;
    return f->real->pMethods->xRead(f->real, out, len, at);
}

static int x_read(sqlite3_file *base, void *out, int len, sqlite3_int64 at)
{
    struct file *f = file_of(base);

    return f->kind == DATABASE ? read_database(f, out, len, at) : read_log(f, out, len, at);
}

/* Writing */

static bool is_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static int write_page(struct file *f, const uint8_t *in, sqlite3_int64 at, struct kgr_slice aad)
{
    /* SQLite's checksums of a log count the reserved bytes: they must read as they were written. */
    if (!is_zero(in + KGR_PAGE_CONTENT, KGR_PAGE_RESERVED)) {
        kgr_error_log("store", "call=write reason=\"reserved bytes in use\"");
        return SQLITE_IOERR_WRITE;
    }
    if (f->vfs->cipher->seal(f->vfs->cipher->ctx, f->vfs->page, aad, in) != KGR_OK)
        return SQLITE_IOERR_WRITE;
    return f->real->pMethods->xWrite(f->real, f->vfs->page, KGR_PAGE_LEN, at);
}

static int write_log(struct file *f, const uint8_t *in, int len, sqlite3_int64 at)
{
    uint8_t room[KGR_PAGE_AAD_MAX];
    struct kgr_slice aad;
    uint32_t number;
    int rc;

    if (len == (int)KGR_WAL_HEADER_LEN || len == (int)KGR_WAL_FRAME_LEN)
        return f->real->pMethods->xWrite(f->real, in, len, at);
    if (len != (int)KGR_PAGE_LEN)
        return SQLITE_IOERR_WRITE;
    /* A page follows the header of its frame, or takes the place of an earlier content under the same header. */
    rc =
        f->real->pMethods->xRead(f->real, f->vfs->frame, KGR_WAL_FRAME_LEN, at - KGR_WAL_FRAME_LEN);
    if (rc == SQLITE_OK)
        rc = wal_aad(f, room, &aad, at - KGR_WAL_FRAME_LEN, &number);
    return rc != SQLITE_OK ? rc : write_page(f, in, at, aad);
}

static int x_write(sqlite3_file *base, const void *in, int len, sqlite3_int64 at)
{
    struct file *f = file_of(base);
    uint8_t room[KGR_PAGE_AAD_MAX];

    if (f->kind == LOG)
        return write_log(f, in, len, at);
    if (len != (int)KGR_PAGE_LEN || at % KGR_PAGE_LEN != 0)
        return SQLITE_IOERR_WRITE;
    return write_page(f, in, at, kgr_page_aad(room, (uint32_t)(at / KGR_PAGE_LEN) + 1));
}

/* The rest of a file */

static int x_close(sqlite3_file *base)
{
    struct file *f = file_of(base);

    return f->real->pMethods == NULL ? SQLITE_OK : f->real->pMethods->xClose(f->real);
}

static int x_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct file *f = file_of(base);

    return f->real->pMethods->xTruncate(f->real, size);
}

static int x_sync(sqlite3_file *base, int flags)
{
    struct file *f = file_of(base);

    return f->real->pMethods->xSync(f->real, flags);
}

static int x_file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    struct file *f = file_of(base);

    return f->real->pMethods->xFileSize(f->real, size);
}

static int x_lock(sqlite3_file *base, int lock)
{
    struct file *f = file_of(base);

    return f->real->pMethods->xLock(f->real, lock);
}

static int x_unlock(sqlite3_file *base, int lock)
{
    struct file *f = file_of(base);

    return f->real->pMethods->xUnlock(f->real, lock);
}

static int x_check_reserved_lock(sqlite3_file *base, int *out)
{
    struct file *f = file_of(base);

    return f->real->pMethods->xCheckReservedLock(f->real, out);
}

static int x_file_control(sqlite3_file *base, int op, void *arg)
{
    struct file *f = file_of(base);

    return f->real->pMethods->xFileControl(f->real, op, arg);
}

static int x_sector_size(sqlite3_file *base)
{
    struct file *f = file_of(base);

    return f->real->pMethods->xSectorSize(f->real);
}

static int x_device_characteristics(sqlite3_file *base)
{
    struct file *f = file_of(base);

    /* Of what a device promises only this holds for sealed pages, too; and with it SQLite never splits a page. */
    (void)f;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* Version 1: no shared memory and no mapping; a database that is locked exclusively needs neither. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_file_size,
    .xLock = x_lock,
    .xUnlock = x_unlock,
    .xCheckReservedLock = x_check_reserved_lock,
    .xFileControl = x_file_control,
    .xSectorSize = x_sector_size,
    .xDeviceCharacteristics = x_device_characteristics,
};

/* The file system */

static int x_open(sqlite3_vfs *base, const char *name, sqlite3_file *out, int flags, int *out_flags)
{
    struct kgr_sealed_vfs *vfs = (struct kgr_sealed_vfs *)(void *)base;
    struct file *f = file_of(out);
    int rc;

    memset(f, 0, sizeof(*f));
    if ((flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0)
        return SQLITE_CANTOPEN;
    f->vfs = vfs;
    f->kind = (flags & SQLITE_OPEN_MAIN_DB) != 0 ? DATABASE : LOG;
    f->real = (sqlite3_file *)(void *)(f + 1);
    rc = vfs->root->xOpen(vfs->root, name, f->real, flags, out_flags);
    if (rc == SQLITE_OK)
        f->base.pMethods = &methods;
    return rc;
}

static int x_delete(sqlite3_vfs *base, const char *name, int sync_dir)
{
    struct kgr_sealed_vfs *vfs = (struct kgr_sealed_vfs *)(void *)base;

    return vfs->root->xDelete(vfs->root, name, sync_dir);
}

static int x_access(sqlite3_vfs *base, const char *name, int flags, int *out)
{
    struct kgr_sealed_vfs *vfs = (struct kgr_sealed_vfs *)(void *)base;

    return vfs->root->xAccess(vfs->root, name, flags, out);
}

static int x_full_pathname(sqlite3_vfs *base, const char *name, int len, char *out)
{
    struct kgr_sealed_vfs *vfs = (struct kgr_sealed_vfs *)(void *)base;

    return vfs->root->xFullPathname(vfs->root, name, len, out);
}

static int x_randomness(sqlite3_vfs *base, int len, char *out)
{
    struct kgr_sealed_vfs *vfs = (struct kgr_sealed_vfs *)(void *)base;

    return vfs->root->xRandomness(vfs->root, len, out);
}

static int x_sleep(sqlite3_vfs *base, int us)
{
    struct kgr_sealed_vfs *vfs = (struct kgr_sealed_vfs *)(void *)base;

    return vfs->root->xSleep(vfs->root, us);
}

static int x_current_time(sqlite3_vfs *base, double *out)
{
    struct kgr_sealed_vfs *vfs = (struct kgr_sealed_vfs *)(void *)base;

    return vfs->root->xCurrentTime(vfs->root, out);
}

static int x_get_last_error(sqlite3_vfs *base, int len, char *out)
{
    struct kgr_sealed_vfs *vfs = (struct kgr_sealed_vfs *)(void *)base;

    return vfs->root->xGetLastError(vfs->root, len, out);
}

enum kgr_error kgr_sealed_vfs_new(struct kgr_sealed_vfs **out, const struct kgr_page_cipher *cipher)
{
    sqlite3_vfs *root = sqlite3_vfs_find(NULL);
    struct kgr_sealed_vfs *vfs = root == NULL ? NULL : calloc(1, sizeof(*vfs));

    if (vfs == NULL)
        return KGR_ERR_NO_MEMORY;
    (void)snprintf(vfs->name, sizeof(vfs->name), "kgr-%p", (void *)vfs);
    vfs->root = root;
    vfs->cipher = cipher;
    vfs->base = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = (int)sizeof(struct file) + root->szOsFile,
        .mxPathname = root->mxPathname,
        .zName = vfs->name,
        .xOpen = x_open,
        .xDelete = x_delete,
        .xAccess = x_access,
        .xFullPathname = x_full_pathname,
        .xRandomness = x_randomness,
        .xSleep = x_sleep,
        .xCurrentTime = x_current_time,
        .xGetLastError = x_get_last_error,
    };
    if (sqlite3_vfs_register(&vfs->base, 0) != SQLITE_OK) {
        free(vfs);
        return KGR_ERR_NO_MEMORY;
    }
    *out = vfs;
    return KGR_OK;
}

void kgr_sealed_vfs_free(struct kgr_sealed_vfs *vfs)
{
    if (vfs == NULL)
        return;
    (void)sqlite3_vfs_unregister(&vfs->base);
    free(vfs);
}

const char *kgr_sealed_vfs_name(const struct kgr_sealed_vfs *vfs)
{
    return vfs->name;
}

uint32_t kgr_sealed_vfs_refused(const struct kgr_sealed_vfs *vfs)
{
    return vfs->refused;
}
