#include "plot.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

const char *plot_terminal(const char *path)
{
    const char *suffix = strrchr(path, '.');
    if (suffix == NULL)
        return NULL;
    return strcmp(suffix, ".svg") == 0   ? "svg dynamic background rgb 'white'"
           : strcmp(suffix, ".png") == 0 ? "pngcairo"
                                         : NULL;
}

/* A text of gnuplot in single quotes, in which only they must be doubled. */
static void put_text(FILE *gnuplot, const char *text)
{
    fputc('\'', gnuplot);
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputc('\'', gnuplot);
        fputc(*text == '\n' || *text == '\r' ? ' ' : *text, gnuplot);
    }
    fputc('\'', gnuplot);
}

static void put_tics(FILE *gnuplot, const char *axis, const struct board *board, int64_t n)
{
    fprintf(gnuplot, "set %s (", axis);
    for (int64_t i = 0; i < n; i++) {
        put_text(gnuplot, board->lines[i].item);
        fprintf(gnuplot, " %lld%s", (long long)i, i + 1 < n ? ", " : ")\n");
    }
}

static void draw(FILE *gnuplot, const struct board *board, const char *path, int64_t n)
{
    int height = 160 + 24 * (int)n;
    fprintf(gnuplot, "set terminal %s size %d,%d noenhanced\nset output ", plot_terminal(path),
            2 * height > 900 ? 2 * height : 900, height > 400 ? height : 400);
    put_text(gnuplot, path);
    fprintf(gnuplot,
            "\nset encoding utf8\nset multiplot layout 1,2\nset yrange [%lld - .5:-.5]\n"
            "set grid x lc rgb '#dddddd'\nset border 3\nset tics nomirror\n"
            "set title 'Score, 95 %% intervals'\n",
            (long long)n);
    put_tics(gnuplot, "ytics", board, n);
    fprintf(gnuplot, "plot '-' using 1:2:3:4 with xerrorbars pt 7 lc rgb '#2060a0' notitle\n");
    for (int64_t i = 0; i < n; i++) {
        const struct line *line = &board->lines[i];
        fprintf(gnuplot, "%.9g %lld %.9g %.9g\n", line->score, (long long)i, line->lower,
                line->upper);
    }
    fprintf(gnuplot,
            "e\nset title 'Points that the row takes from the column'\nunset grid\nset border 0\n"
            "set xrange [-.5:%lld - .5]\nset cbrange [0:1]\nset tics scale 0\n"
            "set palette defined (0 '#c03020', .5 'white', 1 '#2060a0')\n",
            (long long)n);
    put_tics(gnuplot, "xtics rotate by -60", board, n);
    fprintf(gnuplot, "plot '-' using 1:2:3 with image notitle\n");
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            fprintf(gnuplot, "%lld %lld %.6f\n", (long long)j, (long long)i,
                    board_share(board, &board->lines[i], &board->lines[j]));
    fprintf(gnuplot, "e\nunset multiplot\nset output\n");
}

bool plot_board(const struct board *board, const char *path, int64_t most)
{
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    FILE *gnuplot = popen("gnuplot", "w");
    if (gnuplot != NULL)
        draw(gnuplot, board, path, board->count < most ? board->count : most);
    int status = gnuplot == NULL ? -1 : pclose(gnuplot);
    signal(SIGPIPE, before);
    if (status != 0)
        fprintf(stderr, "%s: gnuplot did not draw it%s%s\n", path, status < 0 ? ": " : "",
                status < 0 ? strerror(errno) : "");
    return status == 0;
}
