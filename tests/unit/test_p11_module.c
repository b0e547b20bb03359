/* SPDX-License-Identifier: BSD-2-Clause */

/* The module as it is shipped, loaded as programs load it, where there is no agent or a bad one. */
#include "pkcs11/cryptoki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void *module;
static CK_FUNCTION_LIST_PTR p11;
static char folder[] = "/tmp/kgr-p11-module-XXXXXX";
static char path[64];

static void load(void)
{
    CK_C_GetFunctionList get = NULL;
    void *symbol;

    module = dlopen(P11_MODULE, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(module);
    symbol = dlsym(module, "C_GetFunctionList");
    assert_non_null(symbol);
    memcpy(&get, &symbol, sizeof(get)); /* a function pointer, as POSIX has it */
    assert_int_equal(get(&p11), CKR_OK);
}

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof(path), "%s/sock", folder);
    return setenv("KGR_AGENT", path, 1);
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void module_shows_only_the_standard(void **state)
{
    (void)state;
    load();
    assert_non_null(dlsym(module, "C_GetInterface"));
    assert_null(dlsym(module, "kgr_client_new"));
    assert_null(dlsym(module, "kgr_p11_enter"));
    assert_int_equal(dlclose(module), 0);
}

static void check_no_token(CK_RV why)
{
    CK_ULONG num = 9;
    CK_TOKEN_INFO token;
    CK_SLOT_INFO slot;
    CK_SESSION_HANDLE session = 0;

    assert_int_equal(p11->C_Initialize(NULL), CKR_OK);
    assert_int_equal(p11->C_GetSlotList(CK_TRUE, NULL, &num), CKR_OK);
    assert_int_equal(num, 0);
    assert_int_equal(p11->C_GetSlotList(CK_FALSE, NULL, &num), CKR_OK);
    assert_int_equal(num, 1);
    assert_int_equal(p11->C_GetSlotInfo(0, &slot), CKR_OK);
    assert_int_equal(slot.flags & CKF_TOKEN_PRESENT, 0);
    assert_int_equal(p11->C_GetTokenInfo(0, &token), why);
    assert_int_equal(p11->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), why);
    assert_int_equal(p11->C_Finalize(NULL), CKR_OK);
}

static void no_agent_is_an_empty_slot_in_silence(void **state)
{
    int saved = dup(STDERR_FILENO);
    int pipe_ends[2];
    struct pollfd poll_fd = {.events = POLLIN};

    (void)state;
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    assert_int_equal(dup2(pipe_ends[1], STDERR_FILENO), STDERR_FILENO);
    load();
    check_no_token(CKR_TOKEN_NOT_PRESENT);
    assert_int_equal(dlclose(module), 0);
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    poll_fd.fd = pipe_ends[0];
    assert_int_equal(poll(&poll_fd, 1, 0), 0); /* not a word */
    (void)close(saved);
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
}

/* Answers whatever comes with something that is no reply, until a connection says nothing. */
static void *talk_nonsense(void *arg)
{
    int listener = *(int *)arg;
    char packet[64];
    int fd;

    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        if (recv(fd, packet, sizeof(packet), 0) > 0) {
            (void)send(fd, "nonsense", 8, MSG_NOSIGNAL);
        }
        (void)close(fd);
    }
    return NULL;
}

static void agent_that_talks_nonsense_is_not_recognised(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    pthread_t thread;

    (void)state;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(pthread_create(&thread, NULL, talk_nonsense, &listener), 0);
    load();
    check_no_token(CKR_TOKEN_NOT_RECOGNIZED);
    assert_int_equal(dlclose(module), 0);
    (void)shutdown(listener, SHUT_RDWR);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)close(listener);
    assert_int_equal(unlink(path), 0);
}

static unsigned num_open_files(void)
{
    unsigned num = 0;

    for (int fd = 0; fd < 256; fd++) {
        num += fcntl(fd, F_GETFD) != -1;
    }
    return num;
}

static void module_loads_and_unloads_without_a_trace(void **state)
{
    unsigned before = num_open_files();

    (void)state;
    for (int i = 0; i < 50; i++) {
        load();
        check_no_token(CKR_TOKEN_NOT_PRESENT);
        assert_int_equal(dlclose(module), 0);
    }
    assert_int_equal(num_open_files(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(module_shows_only_the_standard),
        cmocka_unit_test(no_agent_is_an_empty_slot_in_silence),
        cmocka_unit_test(agent_that_talks_nonsense_is_not_recognised),
        cmocka_unit_test(module_loads_and_unloads_without_a_trace),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
