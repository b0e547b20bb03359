/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 0x01
#endif

#define SEALS     (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define ADDRESSES (KGR_SHM_HEAD + 4 * KGR_SHM_RING)

static int make_fd(void)
{
    int fd = memfd_create("kgr-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

    /* Kernels before 6.3 do not know the last flag. */
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("kgr-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd;
}

static bool map_part(uint8_t *at, size_t len, int fd, size_t offset)
{
    return mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)offset) !=
           MAP_FAILED;
}

static enum kgr_error map(struct kgr_shm *out, int fd)
{
    uint8_t *at =
        mmap(NULL, ADDRESSES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bool ok;

    if (at == MAP_FAILED)
        return KGR_ERR_NO_MEMORY;
    ok = map_part(at, KGR_SHM_HEAD, fd, 0);
    for (size_t i = 0; i < 4 && ok; i++)
        ok = map_part(at + KGR_SHM_HEAD + i * KGR_SHM_RING, KGR_SHM_RING, fd,
                      KGR_SHM_HEAD + i / 2 * KGR_SHM_RING);
    if (!ok || madvise(at, ADDRESSES, MADV_DONTFORK) != 0 ||
        madvise(at, ADDRESSES, MADV_DONTDUMP) != 0) {
        (void)munmap(at, ADDRESSES);
        return KGR_ERR_NO_MEMORY;
    }
    out->head = at;
    out->ring[0] = at + KGR_SHM_HEAD;
    out->ring[1] = at + KGR_SHM_HEAD + 2 * KGR_SHM_RING;
    /* Each page once, when it is used; where the limit forbids it, it is memory like that of the application. */
    for (size_t i = 0; i < 2; i++)
        (void)mlock2(out->ring[i], KGR_SHM_RING, MLOCK_ONFAULT);
    return KGR_OK;
}

enum kgr_error kgr_shm_create(struct kgr_shm *out, int *out_fd)
{
    int fd = make_fd();
    enum kgr_error err;

    if (fd < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? KGR_ERR_NO_MEMORY
                                                                     : KGR_ERR_UNSUPPORTED;
    err = ftruncate(fd, KGR_SHM_LEN) == 0 ? KGR_OK : KGR_ERR_NO_MEMORY;
    if (err == KGR_OK && fcntl(fd, F_ADD_SEALS, SEALS) != 0)
        err = KGR_ERR_UNSUPPORTED;
    if (err == KGR_OK)
        err = map(out, fd);
    if (err == KGR_OK)
        *out_fd = fd;
    else
        (void)close(fd);
    return err;
}

enum kgr_error kgr_shm_map(struct kgr_shm *out, int fd)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) != 0 || st.st_size != KGR_SHM_LEN)
        return KGR_ERR_CORRUPT;
    return map(out, fd);
}

void kgr_shm_unmap(struct kgr_shm *shm)
{
    if (shm->head != NULL)
        (void)munmap(shm->head, ADDRESSES);
    memset(shm, 0, sizeof(*shm));
}
