#include "progress.h"

#include "util.h"

#include <stdio.h>
#include <unistd.h>

enum { BAR_WIDTH = 24 };
static const double redraw_seconds = 0.1;

static bool on_terminal(void)
{
    return isatty(STDERR_FILENO) == 1;
}

void progress_begin(progress *p, const char *what)
{
    *p = (progress){.what = what, .begin = now_seconds()};
    if (on_terminal())
        fprintf(stderr, "%-22s ...", what);
}

void progress_show(progress *p, int64_t done, int64_t all, const char *note)
{
    const double now = now_seconds(), spent = now - p->begin;
    const int full = (int)(done * BAR_WIDTH / all);

    if (!on_terminal() || (now - p->drawn < redraw_seconds && done < all))
        return;
    p->drawn = now;
    fprintf(stderr, "\r\033[K%-22s [", p->what);
    for (int i = 0; i < BAR_WIDTH; i++)
        fputc(i < full ? '#' : '.', stderr);
    fprintf(stderr, "] %3d %%", (int)(done * 100 / all));
    if (done > 0)
        fprintf(stderr, "  %.0f s left", spent * (double)(all - done) / (double)done);
    fprintf(stderr, "  %s", note);
}

void progress_end(progress *p, const char *note)
{
    fprintf(stderr, "%s%-22s %5.1f s  %s\n", on_terminal() ? "\r\033[K" : "", p->what,
            now_seconds() - p->begin, note);
}
