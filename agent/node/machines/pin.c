/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/pin.h"

#include <string.h>
#include <unistd.h>

#include "agent/base/attr.h"
#include "agent/base/secret.h"
#include "agent/base/secret_file.h"

/* Straight into the arena. */
static enum kgr_error read_line(struct kgr_pin *pin, int fd, const char *path,
                                struct kgr_diag *diag)
{
    const size_t cap = KGR_PIN_MAX + 2; /* a newline, and one more to see that it is too long */
    ssize_t n;

    pin->bytes = kgr_secret_alloc(cap);
    if (pin->bytes == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    n = read(fd, pin->bytes, cap);
    if (n > 0 && pin->bytes[n - 1] == '\n')
        n--;
    if (n < KGR_PIN_MIN || n > KGR_PIN_MAX)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: a PIN has %d to %d bytes", path, KGR_PIN_MIN,
                            KGR_PIN_MAX);
    pin->len = (size_t)n;
    return KGR_OK;
}

enum kgr_error kgr_pin_load(struct kgr_pin *out, const char *path, struct kgr_diag *diag)
{
    enum kgr_error err;
    int fd = -1;

    memset(out, 0, sizeof(*out));
    if (path == NULL || path[0] == '\0')
        return KGR_OK;
    err = kgr_secret_file_open(&fd, path, diag);
    if (err != KGR_OK)
        return err;
    err = read_line(out, fd, path, diag);
    (void)close(fd);
    if (err != KGR_OK)
        kgr_pin_deinit(out);
    return err;
}

void kgr_pin_deinit(struct kgr_pin *pin)
{
    kgr_secret_free(pin->bytes);
    memset(pin, 0, sizeof(*pin));
}

/* The place of this user: his, a free one, or that of the user whose delay ends first. */
static struct kgr_pin_user *place(struct kgr_pin *pin, uint32_t uid)
{
    struct kgr_pin_user *best = &pin->users[0];

    for (size_t i = 0; i < KGR_ARRAY_LEN(pin->users); i++) {
        struct kgr_pin_user *user = &pin->users[i];

        if (user->wrong != 0 && user->uid == uid)
            return user;
        if (best->wrong != 0 && (user->wrong == 0 || user->until_ms < best->until_ms))
            best = user;
    }
    *best = (struct kgr_pin_user){.uid = uid};
    return best;
}

static uint64_t delay_ms(uint32_t wrong)
{
    uint32_t over = wrong - KGR_PIN_FREE_TRIES;

    if (wrong < KGR_PIN_FREE_TRIES)
        return 0;
    return 1000 * (over < 9 && 1u << over < KGR_PIN_DELAY_MAX_S ? 1u << over : KGR_PIN_DELAY_MAX_S);
}

enum kgr_error kgr_pin_try(struct kgr_pin *pin, uint32_t uid, struct kgr_slice given,
                           uint64_t now_ms, struct kgr_diag *diag)
{
    struct kgr_pin_user *user;

    if (pin->bytes == NULL)
        return kgr_diag_set(diag, KGR_ERR_STATE, "there is no PIN here (pin_file)");
    user = place(pin, uid);
    if (now_ms < user->until_ms)
        return kgr_diag_set(diag, KGR_ERR_BUSY, "%u wrong PINs: the next try in %llu s",
                            user->wrong,
                            (unsigned long long)((user->until_ms - now_ms + 999) / 1000));
    if (given.len == pin->len && kgr_equal_ct(given.p, pin->bytes, pin->len)) {
        user->wrong = 0;
        return KGR_OK;
    }
    if (user->wrong < UINT32_MAX)
        user->wrong++;
    user->until_ms = now_ms + delay_ms(user->wrong);
    return kgr_diag_set(diag, KGR_ERR_NOT_AUTHORIZED, "wrong PIN");
}
