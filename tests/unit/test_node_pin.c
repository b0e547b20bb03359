/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/pin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/secret.h"

static char path[] = "/tmp/kgr-pin-XXXXXX";

static int setup(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    if (fd < 0 || kgr_arena_init(65536) != KGR_OK)
        return -1;
    return close(fd);
}

static int teardown(void **state)
{
    (void)state;
    kgr_arena_deinit();
    return unlink(path);
}

static enum kgr_error load(struct kgr_pin *pin, const char *text, mode_t mode)
{
    struct kgr_diag diag;
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
    return kgr_pin_load(pin, path, &diag);
}

static enum kgr_error try(struct kgr_pin *pin, uint32_t uid, const char *text, uint64_t now_ms)
{
    return kgr_pin_try(pin, uid, kgr_slice(text, strlen(text)), now_ms, NULL);
}

static void files_are_checked(void **state)
{
    struct kgr_pin pin;
    char longest[KGR_PIN_MAX + 2];

    (void)state;
    assert_int_equal(kgr_pin_load(&pin, "", NULL), KGR_OK);
    assert_int_equal(try(&pin, 1, "1234", 0), KGR_ERR_STATE);
    assert_int_equal(kgr_pin_load(&pin, "/nowhere/pin", NULL), KGR_ERR_CONFIG);
    assert_int_equal(kgr_pin_load(&pin, "/tmp", NULL), KGR_ERR_CONFIG);
    assert_int_equal(load(&pin, "1234\n", 0640), KGR_ERR_CONFIG);
    assert_int_equal(load(&pin, "123\n", 0600), KGR_ERR_CONFIG);
    assert_null(pin.bytes);
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(load(&pin, longest, 0600), KGR_ERR_CONFIG);
    longest[KGR_PIN_MAX] = '\0';
    assert_int_equal(load(&pin, longest, 0600), KGR_OK);
    assert_int_equal(try(&pin, 1, longest, 0), KGR_OK);
    kgr_pin_deinit(&pin);
}

static void wrong_tries_are_delayed_for_that_user_only(void **state)
{
    struct kgr_pin pin;
    uint64_t now = 1000;
    uint64_t delay = 1000;

    (void)state;
    assert_int_equal(load(&pin, "1234\n", 0600), KGR_OK);
    assert_int_equal(try(&pin, 1, "", now), KGR_ERR_NOT_AUTHORIZED);
    assert_int_equal(try(&pin, 1, "12345", now), KGR_ERR_NOT_AUTHORIZED);
    assert_int_equal(try(&pin, 1, "1235", now), KGR_ERR_NOT_AUTHORIZED);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(try(&pin, 1, "1234", now), KGR_ERR_BUSY); /* the right one too */
        assert_int_equal(try(&pin, 1, "1234", now + delay - 1), KGR_ERR_BUSY);
        assert_int_equal(try(&pin, 2, "1234", now), KGR_OK);
        now += delay;
        assert_int_equal(try(&pin, 1, "0000", now), KGR_ERR_NOT_AUTHORIZED);
        delay = delay * 2 < KGR_PIN_DELAY_MAX_S * 1000 ? delay * 2 : KGR_PIN_DELAY_MAX_S * 1000;
    }
    now += delay;
    assert_int_equal(try(&pin, 1, "1234", now), KGR_OK);
    assert_int_equal(try(&pin, 1, "0000", now), KGR_ERR_NOT_AUTHORIZED); /* counted anew */
    assert_int_equal(try(&pin, 1, "1234", now), KGR_OK);
    kgr_pin_deinit(&pin);
}

static void more_users_than_places_still_are_served(void **state)
{
    struct kgr_pin pin;

    (void)state;
    assert_int_equal(load(&pin, "1234", 0600), KGR_OK);
    for (int i = 0; i < KGR_PIN_FREE_TRIES + 2; i++)
        (void)try(&pin, 7, "0000", (uint64_t)i * 100000);
    for (uint32_t uid = 100; uid < 300; uid++)
        assert_int_equal(try(&pin, uid, "0000", 1), KGR_ERR_NOT_AUTHORIZED);
    /* Who has the longest to wait is forgotten last. */
    assert_int_equal(try(&pin, 7, "1234", 400001), KGR_ERR_BUSY);
    assert_int_equal(try(&pin, 500, "1234", 1), KGR_OK);
    kgr_pin_deinit(&pin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_checked),
        cmocka_unit_test(wrong_tries_are_delayed_for_that_user_only),
        cmocka_unit_test(more_users_than_places_still_are_served),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
