/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/ctl/options.h"
#include "agent/ctl/terminal.h"

#define KS_SOCKET "/run/kgr/ks.sock"

static const char *socket_of(const struct kgr_ctl_options *options)
{
    const char *path = options->socket;

    if (path == NULL && options->ks) {
        path = secure_getenv("KGR_KS");
        if (path == NULL || path[0] == '\0')
            path = KS_SOCKET;
    }
    return path;
}

/* What is opened later must not take the place of a standard file that was closed; using it fails as before. */
static void keep_standard_files(void)
{
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", modes[fd]);
}

int main(int argc, char **argv)
{
    const struct kgr_ctl_command *command = NULL;
    struct kgr_ctl_options options;
    struct kgr_client_options client_options = {.name = "kgrctl"};
    struct kgr_ctl ctl = {.options = &options};
    enum kgr_error err;
    int code;

    /* A reader that left is an error of write, which is handled. */
    (void)signal(SIGPIPE, SIG_IGN);
    keep_standard_files();
    switch (kgr_ctl_parse(&options, &command, argc, argv)) {
    case KGR_CTL_DONE:
        return kgr_ctl_flush();
    case KGR_CTL_USAGE:
        return kgr_exit_code(KGR_ERR_INVALID);
    case KGR_CTL_RUN:
    default:
        break;
    }
    client_options.socket = socket_of(&options);
    err = kgr_client_new(&ctl.client, &client_options);
    if (err != KGR_OK)
        return kgr_ctl_fail(err, command->name);
    code = command->run(&ctl);
    kgr_client_free(ctl.client);
    return code;
}
