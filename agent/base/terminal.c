/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

size_t kgr_terminal_width(FILE *file)
{
    struct winsize size = {0};
    int fd = fileno(file);

    if (fd < 0 || !isatty(fd))
        return 0;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

bool kgr_terminal_colours(FILE *file)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    int fd = fileno(file);

    if (no_color != NULL && no_color[0] != '\0')
        return false;
    return fd >= 0 && isatty(fd) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}
