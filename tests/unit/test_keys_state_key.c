/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/state_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/secret.h"

static uint8_t bytes[KGR_AUTH_ROOT_LEN] = {1, 2, 3};
static struct kgr_auth_root *root;
static struct kgr_page_keys keys;
static uint8_t content[KGR_PAGE_CONTENT];
static uint8_t page[KGR_PAGE_LEN];
static uint8_t opened[KGR_PAGE_LEN];

static int begin(void **state)
{
    (void)state;
    if (kgr_arena_init(65536) != KGR_OK || kgr_auth_root_new(&root, bytes, KGR_AUTH_TEXT) != KGR_OK)
        return -1;
    keys = kgr_state_keys(root);
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (uint8_t)(i * 31);
    return 0;
}

static int end(void **state)
{
    (void)state;
    kgr_auth_root_free(root);
    kgr_arena_deinit();
    return 0;
}

static struct kgr_page_cipher cipher_of(uint64_t epoch)
{
    struct kgr_page_cipher cipher;

    assert_int_equal(keys.at(keys.ctx, &cipher, epoch), KGR_OK);
    return cipher;
}

static void sealed_page_opens_and_every_change_is_noticed(void **state)
{
    struct kgr_page_cipher cipher = cipher_of(7);
    struct kgr_slice aad = kgr_slice("page 1", 6);

    (void)state;
    assert_int_equal(cipher.seal(cipher.ctx, page, aad, content), KGR_OK);
    assert_null(memmem(page, sizeof(page), content, 16));
    assert_int_equal(cipher.open(cipher.ctx, opened, aad, page), KGR_OK);
    assert_memory_equal(opened, content, sizeof(content));
    assert_int_equal(cipher.open(cipher.ctx, opened, kgr_slice("page 2", 6), page),
                     KGR_ERR_CORRUPT);
    for (size_t i = 0; i < sizeof(page); i += 61) {
        page[i] ^= 0x80;
        assert_int_equal(cipher.open(cipher.ctx, opened, aad, page), KGR_ERR_CORRUPT);
        page[i] ^= 0x80;
    }
    keys.drop(keys.ctx, &cipher);
}

static void no_two_pages_look_alike(void **state)
{
    struct kgr_page_cipher cipher = cipher_of(7);
    uint8_t again[KGR_PAGE_LEN];
    struct kgr_slice aad = kgr_slice("page 1", 6);

    (void)state;
    assert_int_equal(cipher.seal(cipher.ctx, page, aad, content), KGR_OK);
    assert_int_equal(cipher.seal(cipher.ctx, again, aad, content), KGR_OK);
    assert_memory_not_equal(page, again, 64);
    assert_memory_not_equal(page + 1024, again + 1024, 64);
    keys.drop(keys.ctx, &cipher);
}

static void epochs_do_not_open_each_other(void **state)
{
    struct kgr_page_cipher cipher = cipher_of(7);
    struct kgr_page_cipher next = cipher_of(8);
    struct kgr_page_cipher again = cipher_of(7);
    struct kgr_slice aad = kgr_slice("page 1", 6);

    (void)state;
    assert_int_equal(cipher.seal(cipher.ctx, page, aad, content), KGR_OK);
    assert_int_equal(next.open(next.ctx, opened, aad, page), KGR_ERR_CORRUPT);
    assert_int_equal(again.open(again.ctx, opened, aad, page), KGR_OK);
    keys.drop(keys.ctx, &cipher);
    keys.drop(keys.ctx, &next);
    keys.drop(keys.ctx, &again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealed_page_opens_and_every_change_is_noticed),
        cmocka_unit_test(no_two_pages_look_alike),
        cmocka_unit_test(epochs_do_not_open_each_other),
    };

    return cmocka_run_group_tests_name("keys_state_key", tests, begin, end);
}
