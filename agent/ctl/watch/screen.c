/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/watch/screen.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <ncurses.h>

#include "agent/base/terminal.h"

static volatile sig_atomic_t ended;
static SCREEN *screen;

static void on_signal(int sig)
{
    (void)sig;
    ended = 1;
}

static void take_signals(void)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = on_signal};

    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        (void)sigaction(signals[i], &action, NULL);
}

bool kgr_screen_open(const char **out_reason)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        *out_reason = "it needs a terminal; kgrctl status --json and peers --json are for programs";
        return false;
    }
    (void)setlocale(LC_ALL, "");
    /* Not initscr: that would end the process where TERM is unknown. */
    screen = newterm(NULL, stdout, stdin);
    if (screen == NULL) {
        *out_reason = "this terminal cannot move its cursor: set TERM to what it is";
        return false;
    }
    take_signals();
    (void)cbreak();
    (void)noecho();
    (void)keypad(stdscr, TRUE);
    (void)curs_set(0);
    (void)set_escdelay(100);
    if (kgr_terminal_colours(stdout) && has_colors()) {
        (void)start_color();
        (void)use_default_colors();
        (void)init_pair(1, COLOR_GREEN, -1);
        (void)init_pair(2, COLOR_YELLOW, -1);
        (void)init_pair(3, COLOR_RED, -1);
    }
    return true;
}

void kgr_screen_close(void)
{
    if (screen == NULL)
        return;
    (void)endwin();
    delscreen(screen);
    screen = NULL;
}

static attr_t attributes(enum kgr_watch_style style)
{
    switch (style) {
    case KGR_WATCH_BAR:
        return A_REVERSE;
    case KGR_WATCH_TITLE:
        return A_BOLD;
    case KGR_WATCH_GOOD:
        return (attr_t)COLOR_PAIR(1);
    case KGR_WATCH_WARN:
        return (attr_t)COLOR_PAIR(2);
    case KGR_WATCH_BAD:
        return (attr_t)COLOR_PAIR(3) | A_BOLD;
    case KGR_WATCH_PLAIN:
    default:
        return A_NORMAL;
    }
}

void kgr_screen_show(struct kgr_watch *watch, const char *clock)
{
    int height = getmaxy(stdscr), width = getmaxx(stdscr);
    struct kgr_watch_line *lines = kgr_watch_picture(watch, (size_t)width, (size_t)height, clock);

    if (lines == NULL)
        return;
    (void)erase();
    for (int y = 0; y < height; y++) {
        (void)attrset((int)attributes(lines[y].style));
        (void)mvaddstr(y, 0, lines[y].text);
        /* Bars go from side to side. */
        if (lines[y].style == KGR_WATCH_BAR)
            for (int x = getcurx(stdscr); getcury(stdscr) == y && x < width; x++)
                (void)addch(' ');
    }
    (void)attrset(A_NORMAL);
    (void)refresh();
    kgr_watch_picture_free(lines, (size_t)height);
}

int kgr_screen_key(int timeout_ms)
{
    int key;

    timeout(timeout_ms);
    key = getch();
    switch (key) {
    case ERR:
    case KEY_RESIZE:
        return 0;
    case KEY_UP:
        return KGR_WATCH_KEY_UP;
    case KEY_DOWN:
        return KGR_WATCH_KEY_DOWN;
    case KEY_PPAGE:
        return KGR_WATCH_KEY_PAGE_UP;
    case KEY_NPAGE:
        return KGR_WATCH_KEY_PAGE_DOWN;
    case KEY_HOME:
        return KGR_WATCH_KEY_HOME;
    case KEY_END:
        return KGR_WATCH_KEY_END;
    case KEY_BACKSPACE:
    case 0x7f:
    case '\b':
        return KGR_WATCH_KEY_BACKSPACE;
    case KEY_ENTER:
    case '\n':
    case '\r':
        return KGR_WATCH_KEY_ENTER;
    case 0x1b:
        return KGR_WATCH_KEY_ESCAPE;
    default:
        return key < 0x100 ? key : 0;
    }
}

bool kgr_screen_ended(void)
{
    return ended != 0;
}
