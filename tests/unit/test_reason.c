/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/reason.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <kgr/client.h>

static void set_text_is_kept_until_the_next(void **state)
{
    char text[KGR_DIAG_MAX];

    (void)state;
    assert_int_equal(kgr_reason_set(KGR_ERR_TPM, "TPM %d", 5), KGR_ERR_TPM);
    assert_string_equal(kgr_client_reason(text, sizeof(text)), "TPM 5");
    assert_string_equal(kgr_client_reason(text, 4), "TPM");
    assert_int_equal(kgr_reason_set(KGR_ERR_IO, "other"), KGR_ERR_IO);
    assert_string_equal(kgr_client_reason(text, sizeof(text)), "other");
}

static void take_foreign_text_is_made_harmless(void **state)
{
    static const char evil[] = "a\033[2Jb\n\x9b\xc2\x9b\x7f~";
    char text[KGR_DIAG_MAX];
    char longer[400];

    (void)state;
    assert_int_equal(kgr_reason_take(KGR_ERR_TPM, evil, sizeof(evil) - 1), KGR_ERR_TPM);
    assert_string_equal(kgr_client_reason(text, sizeof(text)), "a?[2Jb?????~");
    memset(longer, 'x', sizeof(longer));
    assert_int_equal(kgr_reason_take(KGR_ERR_TPM, longer, sizeof(longer)), KGR_ERR_TPM);
    assert_int_equal(strlen(kgr_client_reason(text, sizeof(text))), KGR_DIAG_MAX - 1);
}

static void take_empty_text_is_the_phrase(void **state)
{
    char text[KGR_DIAG_MAX];

    (void)state;
    assert_int_equal(kgr_reason_take(KGR_ERR_LEASE, NULL, 0), KGR_ERR_LEASE);
    assert_string_equal(kgr_client_reason(text, sizeof(text)), kgr_strerror(KGR_ERR_LEASE));
}

static void *other_thread(void *arg)
{
    char text[KGR_DIAG_MAX];

    *(bool *)arg = kgr_client_reason(text, sizeof(text))[0] == '\0';
    (void)kgr_reason_set(KGR_ERR_IO, "of the other thread");
    return NULL;
}

static void reason_is_of_one_thread(void **state)
{
    char text[KGR_DIAG_MAX];
    bool was_empty = false;
    pthread_t thread;

    (void)state;
    (void)kgr_reason_set(KGR_ERR_IO, "of this thread");
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &was_empty), 0);
    (void)pthread_join(thread, NULL);
    assert_true(was_empty);
    assert_string_equal(kgr_client_reason(text, sizeof(text)), "of this thread");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_text_is_kept_until_the_next),
        cmocka_unit_test(take_foreign_text_is_made_harmless),
        cmocka_unit_test(take_empty_text_is_the_phrase),
        cmocka_unit_test(reason_is_of_one_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
