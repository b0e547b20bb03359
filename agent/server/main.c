/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/base/text.h"
#include "agent/daemon/journal.h"
#include "agent/daemon/lockfile.h"
#include "agent/daemon/options.h"
#include "agent/daemon/sandbox.h"
#include "agent/daemon/wipe.h"
#include "agent/server/store/identity.h"
#include "agent/server/orders/replace.h"
#include "agent/server/service.h"
#include "agent/server/settings.h"
#include "agent/server/store/store.h"
#include "agent/server/wipe.h"
#include "agent/tpm/template.h"
#include "agent/tpm/capability.h"
#include "agent/tpm/tpm.h"
#include "agent/wire/credential.h"

/* Authorisation values, one NTAG and its keys at a time, and two keys a registered node. */

enum { INIT, IDENTITY, REPLACE, RUN, WIPE };
enum { INIT_AC, INIT_OUT };

static const struct kgr_option init_options[] = {
    {"ac", 0, "FILE", "identity of the AC to obey (kgr-ac init makes it)"},
    {"output", 'o', "FILE", "where to write the identity of this KS"},
    {0},
};

static const struct kgr_option replace_options[] = {
    {"output", 'o', "FILE", "where to write the identity of this KS, with the grant for that AC"},
    {0},
};

static const struct kgr_option identity_options[] = {
    {"json", 0, NULL, "as JSON"},
    {0},
};

static const struct kgr_option wipe_options[] = {
    {"yes", 0, NULL, "do not ask"},
    {0},
};

static const struct kgr_command commands[] = {
    [INIT] = {.name = "init",
              .help = "make the keys of this KS in its TPM",
              .options = init_options},
    [IDENTITY] = {.name = "identity", .help = "show who this KS is", .options = identity_options},
    [REPLACE] = {.name = "ac replace",
                 .operands = "FILE",
                 .num_operands = 1,
                 .help = "obey another AC from now on: the one whose identity is in FILE",
                 .options = replace_options},
    [RUN] = {.name = "run", .help = "serve"},
    [WIPE] = {.name = "wipe",
              .help = "destroy every key and the state of this KS",
              .options = wipe_options},
    {0},
};

static const struct kgr_program program = {
    .name = "kgr-ks",
    .summary = "The key server: makes the keys of pairs of nodes and forgets them.",
    .default_config = "/etc/kgr/ks.conf",
    .commands = commands,
};

static enum kgr_error read_file(const char *path, uint8_t *out, size_t cap, size_t *out_len,
                                struct kgr_diag *diag)
{
    FILE *f = fopen(path, "rb");
    size_t len;

    if (f == NULL)
        return kgr_diag_set(diag, KGR_ERR_IO, "%s: %s", path, strerror(errno));
    len = fread(out, 1, cap, f);
    if (ferror(f) != 0 || (len == cap && fgetc(f) != EOF)) {
        (void)fclose(f); /* only read */
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "%s: unreadable or too long", path);
    }
    (void)fclose(f);
    *out_len = len;
    return KGR_OK;
}

/* The identity is public; the file must be new, so that none is lost. */
static enum kgr_error write_file(const char *path, const uint8_t *p, size_t len,
                                 struct kgr_diag *diag)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    bool ok;

    if (fd < 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "%s: %s", path, strerror(errno));
    ok = fchmod(fd, 0644) == 0 && write(fd, p, len) == (ssize_t)len && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    return ok ? KGR_OK : kgr_diag_set(diag, KGR_ERR_IO, "%s: cannot be written", path);
}

struct app {
    struct kgr_options options;
    struct kgr_ks_conf conf;
};

static enum kgr_error load_identity(const struct app *app, struct kgr_ks_identity *id,
                                    struct kgr_diag *diag)
{
    struct kgr_tpm *tpm = NULL;
    enum kgr_error err = kgr_tpm_open_as(&tpm, &app->conf.tpm, diag);

    if (err == KGR_OK)
        err = kgr_ks_identity_open(id, tpm, app->conf.state, diag);
    kgr_tpm_close(tpm);
    return err;
}

/* init is repeatable up to its last step: keys that stand are not made again, only the file is written. */
static enum kgr_error export_identity(const struct app *app, const char *path,
                                      struct kgr_diag *diag)
{
    const struct kgr_broker *broker = &app->conf.ks.brokers.list[0];
    struct kgr_ks_identity *id = calloc(1, sizeof *id);
    uint8_t *file = malloc(KGR_KS_PUB_MAX);
    size_t len = 0;
    enum kgr_error err =
        id == NULL || file == NULL ? KGR_ERR_NO_MEMORY : load_identity(app, id, diag);

    if (err == KGR_OK)
        err = kgr_ks_identity_file(id, broker->host, kgr_broker_port(broker), file, &len, diag);
    if (err == KGR_OK)
        err = write_file(path, file, len, diag);
    if (id != NULL)
        kgr_ks_identity_close(id);
    free(id);
    free(file);
    return err;
}

static enum kgr_error create_identity(const struct app *app, struct kgr_tpm *tpm,
                                      struct kgr_slice ac, struct kgr_diag *diag)
{
    struct kgr_ks_custody custody;
    enum kgr_error err = kgr_ks_custody_choose(&custody, app->conf.ks.custody, app->conf.ks.suites,
                                               kgr_tpm_capability(tpm), NULL, diag);

    return err == KGR_OK
               ? kgr_ks_identity_create(tpm, app->conf.state, ac,
                                        (custody.suites & 2u) != 0 ? KGR_SUITE_AES256_SHA384
                                                                   : KGR_SUITE_AES128_SHA256,
                                        diag)
               : err;
}

static enum kgr_error do_init(const struct app *app, struct kgr_diag *diag)
{
    const char *ac = app->options.values[INIT_AC], *out = app->options.values[INIT_OUT];
    uint8_t bytes[KGR_IDENTITY_MAX];
    size_t len = 0;
    struct kgr_tpm *tpm = NULL;
    enum kgr_error err;

    if (ac == NULL || out == NULL)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "init wants --ac FILE and -o FILE");
    if (access(out, F_OK) == 0)
        return kgr_diag_set(diag, KGR_ERR_EXISTS, "%s: it is there already", out);
    err = read_file(ac, bytes, sizeof bytes, &len, diag);
    if (err == KGR_OK)
        err = kgr_tpm_open_as(&tpm, &app->conf.tpm, diag);
    if (err == KGR_OK)
        err = create_identity(app, tpm, kgr_slice(bytes, len), diag);
    kgr_tpm_close(tpm);
    if (err == KGR_OK)
        err = export_identity(app, out, diag);
    if (err == KGR_OK)
        kgr_info("init", "state=%s identity=%s", app->conf.state, out);
    return err;
}

static enum kgr_error do_replace(const struct app *app, struct kgr_diag *diag)
{
    const char *ac = app->options.operands[0], *out = app->options.values[0];
    uint8_t bytes[KGR_IDENTITY_MAX];
    size_t len = 0;
    struct kgr_tpm *tpm = NULL;
    enum kgr_error err;

    if (out == NULL)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "ac replace wants -o FILE");
    if (access(out, F_OK) == 0)
        return kgr_diag_set(diag, KGR_ERR_EXISTS, "%s: it is there already", out);
    err = read_file(ac, bytes, sizeof bytes, &len, diag);
    if (err == KGR_OK)
        err = kgr_tpm_open_as(&tpm, &app->conf.tpm, diag);
    if (err == KGR_OK)
        err = kgr_ks_replace_ac(tpm, app->conf.state, kgr_slice(bytes, len), diag);
    kgr_tpm_close(tpm);
    if (err == KGR_OK)
        err = export_identity(app, out, diag);
    if (err == KGR_OK)
        kgr_info("ac", "state=replaced identity=%s", out);
    return err;
}

static enum kgr_error do_identity(const struct app *app, struct kgr_diag *diag)
{
    struct kgr_ks_identity *id = calloc(1, sizeof *id);
    char ks[2 * KGR_TPM_HASH_LEN + 1], ek[2 * KGR_TPM_HASH_LEN + 1];
    uint8_t ek_hash[KGR_TPM_HASH_LEN];
    enum kgr_error err = id == NULL ? KGR_ERR_NO_MEMORY : load_identity(app, id, diag);

    if (err == KGR_OK)
        err = kgr_tpm_public_hash(ek_hash, &id->ek_pub);
    if (err == KGR_OK) {
        (void)kgr_hex(ks, id->ks, sizeof id->ks);
        (void)kgr_hex(ek, ek_hash, sizeof ek_hash);
        if (app->options.values[0] != NULL)
            (void)printf("{\"version\": 1, \"ks\": \"%s\", \"ek_hash\": \"%s\"}\n", ks, ek);
        else
            (void)printf("KS       %s\nEK hash  %s\n", ks, ek);
    }
    if (id != NULL)
        kgr_ks_identity_close(id);
    free(id);
    return err;
}

static enum kgr_error do_wipe(const struct app *app, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_wipe_confirm(
        app->options.values[0] != NULL,
        "every key of this KS, in the TPM and on disk: no node can talk to it again", diag);

    if (err == KGR_OK)
        err = kgr_ks_wipe(app->conf.state, &app->conf.tpm, diag);
    if (err == KGR_OK)
        (void)printf("wiped: nothing of this KS is left in %s or in the TPM\n", app->conf.state);
    return err;
}

static enum kgr_error do_run(const struct app *app, struct kgr_diag *diag)
{
    return kgr_ks_service_run(app->conf.state, &app->conf.tpm, &app->conf.ks, diag);
}

static enum kgr_error run_command(struct app *app, struct kgr_diag *diag)
{
    struct kgr_lockfile lock = {.fd = -1};
    enum kgr_error err;

    kgr_log_set_level(app->conf.log_level);
    err = kgr_lockfile_take(&lock, app->conf.state, app->options.command_index == INIT, diag);
    if (err == KGR_ERR_STATE)
        return KGR_ERR_CONFIG; /* a KS that nobody initialised */
    if (err != KGR_OK)
        return err;
    switch (app->options.command_index) {
    case INIT:
        err = do_init(app, diag);
        break;
    case REPLACE:
        err = do_replace(app, diag);
        break;
    case IDENTITY:
        err = do_identity(app, diag);
        break;
    case WIPE:
        err = do_wipe(app, diag);
        break;
    default:
        err = do_run(app, diag);
        break;
    }
    kgr_lockfile_release(&lock);
    return err;
}

int main(int argc, char **argv)
{
    struct kgr_diag diag = {{0}};
    struct app app = {0};
    enum kgr_error err;

    kgr_harden_process();
    kgr_journal_attach("kgr-ks", KGR_JOURNAL_SOCKET);
    switch (kgr_options_parse(&app.options, &program, argc, argv)) {
    case KGR_OPTIONS_RUN:
        break;
    case KGR_OPTIONS_DONE:
        return 0;
    case KGR_OPTIONS_USAGE:
        return 2;
    case KGR_OPTIONS_CHECK:
        return kgr_exit_code(kgr_ks_settings_check(app.options.config));
    }
    err = kgr_arena_init(KGR_ARENA_SERVICE_BYTES);
    if (err == KGR_OK)
        err = kgr_ks_settings_load(&app.conf, app.options.config, &diag);
    if (err == KGR_OK && app.conf.sandbox)
        err = kgr_sandbox_enter(&diag);
    if (err == KGR_OK)
        err = run_command(&app, &diag);
    if (err == KGR_OK && (fflush(stdout) != 0 || ferror(stdout) != 0))
        err = kgr_diag_set(&diag, KGR_ERR_IO, "cannot write to the standard output");
    if (err != KGR_OK)
        (void)fprintf(stderr, "kgr-ks: %s\n", kgr_diag_text(&diag, err));
    kgr_ks_settings_deinit(&app.conf);
    kgr_arena_deinit();
    /* For a service a state of a newer version is a matter of its set-up. */
    return kgr_exit_code(err == KGR_ERR_VERSION ? KGR_ERR_CONFIG : err);
}
