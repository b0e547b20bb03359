/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/start.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include "tests/bench/lab.h"
#include "tests/bench/measure.h"
#include "tests/bench/p11.h"

/* From nothing to the first answer; each time a new process. */

#define PEER "seed-00500" /* one of 1,000 */

static const char *program;

void bench_start_program(const char *path)
{
    program = path;
}

static void provider_first(void)
{
    char uri[] = "kgr:peer=" PEER;
    const unsigned char iv[16] = {0}, in[16] = {0};
    unsigned char out[16];
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("key-uri", uri, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    EVP_CIPHER *cipher;
    int n = 0;

    bench_must(OSSL_PROVIDER_set_default_search_path(NULL, bench_env("BENCH_LIB")) == 1 &&
                   OSSL_PROVIDER_load(NULL, "kgr") != NULL,
               "kgr.so cannot be loaded");
    cipher = EVP_CIPHER_fetch(NULL, "KGR-AES-128-CBC", "provider=kgr");
    bench_must(cipher != NULL && EVP_EncryptInit_ex2(ctx, cipher, NULL, iv, params) == 1 &&
                   EVP_EncryptUpdate(ctx, out, &n, in, sizeof(in)) == 1,
               "kgr.so does not encrypt");
}

static void module_first(void)
{
    CK_BYTE iv[16] = {0}, in[16] = {0}, out[16];
    CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof(iv)};
    CK_ULONG len = sizeof(out);
    struct p11 p11;
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/libkgr-pkcs11.so", bench_env("BENCH_LIB"));
    p11_open(&p11, path, NULL, NULL);
    p11.aes = p11_find(&p11, PEER, CKK_AES);
    bench_must(p11.fn->C_EncryptInit(p11.session, &cbc, p11.aes) == CKR_OK &&
                   p11.fn->C_Encrypt(p11.session, in, sizeof(in), out, &len) == CKR_OK,
               "the module does not encrypt");
}

void bench_start_child(const char *what)
{
    uint64_t start = bench_now_ns();

    bench_must(setenv("KGR_AGENT", bench_env("BENCH_CROWD"), 1) == 0, "no memory");
    if (strcmp(what, "provider") == 0)
        provider_first();
    else
        module_first();
    printf("%.6f\n", (double)(bench_now_ns() - start) / 1e6);
}

/* What a process of our own prints. */
static double child(const char *what)
{
    char text[64] = "";
    int fds[2], status = 0;
    ssize_t len;
    pid_t pid;

    bench_must(pipe(fds) == 0, "no pipe");
    pid = fork();
    bench_must(pid >= 0, "no process");
    if (pid == 0) {
        (void)dup2(fds[1], STDOUT_FILENO);
        (void)execl(program, program, "--child", what, (char *)NULL);
        _exit(127);
    }
    (void)close(fds[1]);
    len = read(fds[0], text, sizeof(text) - 1);
    (void)close(fds[0]);
    bench_must(waitpid(pid, &status, 0) == pid && status == 0 && len > 0, "%s: it failed", what);
    return strtod(text, NULL);
}

static void children(struct bench_result *out, const char *what)
{
    double ms[BENCH_REPETITIONS_MAX];

    (void)child(what);
    for (size_t i = 0; i < bench_effort.num_rounds; i++)
        ms[i] = child(what);
    out->ours = bench_median(ms, bench_effort.num_rounds);
    out->theirs = NAN;
}

static void provider(struct bench_result *out)
{
    children(out, "provider");
}

static void module(struct bench_result *out)
{
    children(out, "module");
}

static pid_t start_agent(void)
{
    const char *path = bench_env("BENCH_AGENT_PROGRAM");
    const char *conf = bench_env("BENCH_CROWD_CONF");
    pid_t pid = fork();

    bench_must(pid >= 0, "no process");
    if (pid == 0) {
        if (freopen("/dev/null", "a", stderr) != NULL)
            (void)execl(path, path, "--config", conf, "run", (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* Until it answers what a client asks first, and has all its peers then. */
static double start_once(void)
{
    unsigned long peers = bench_env_number("BENCH_CROWD_PEERS");
    struct kgr_client *client = bench_client("BENCH_CROWD");
    uint64_t start = bench_now_ns(), end;
    struct kgr_status status;
    pid_t pid = start_agent();

    while (kgr_get_status(client, &status) != KGR_OK) {
        bench_must(waitpid(pid, NULL, WNOHANG) == 0, "the agent ended at once");
        bench_must(bench_now_ns() - start < 60000000000u, "the agent does not answer");
        bench_sleep_ms(1);
    }
    end = bench_now_ns();
    bench_must(status.num_peers >= peers, "%u peers instead of %lu", status.num_peers, peers);
    kgr_client_free(client);
    bench_must(kill(pid, SIGTERM) == 0 && waitpid(pid, NULL, 0) == pid, "the agent is lost");
    return (double)(end - start) / 1e6;
}

void bench_start_agent(struct bench_result *out)
{
    double ms[BENCH_REPETITIONS_MAX];
    size_t num = bench_effort.num_rounds;

    for (size_t i = 0; i < num; i++)
        ms[i] = start_once();
    out->ours = bench_median(ms, num);
    out->theirs = NAN;
}

#define ROW(row_name, need, text, function)                                                        \
    {                                                                                              \
        .name = (row_name), .needs = (need), .ours = (text), .unit = "ms", .sense = BENCH_MOST,    \
        .run = (function)                                                                          \
    }

const struct bench_row bench_rows_start[] = {
    ROW("start-provider-1000", "crowd-1000", "kgr.so: load to first ciphertext", provider),
    ROW("start-pkcs11-1000", "crowd-1000", "PKCS#11 module: load to first ciphertext", module),
    {.name = NULL},
};
