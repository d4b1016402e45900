/* The demo's picture, by gnuplot: what was learnt, and whether it helped. */
#include "demo.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const colours[LOSSES] = {"#c2571a", "#1f5fa8", "#3a8f3a"};

static void begin_data(FILE *to, const char *name, int number)
{
    fprintf(to, "$%s%d << EOD\n", name, number);
}

static void end_data(FILE *to)
{
    fputs("EOD\n", to);
}

/* Values as means of `every` steps. */
static void write_curve(FILE *to, const char *name, int number, const double *values, int steps,
                        int every)
{
    begin_data(to, name, number);
    for (int i = 0; i + every <= steps; i += every) {
        double sum = 0;

        for (int k = i; k < i + every; k++)
            sum += values[k];
        if (!isnan(sum))
            fprintf(to, "%d %.6g\n", i + every, sum / every);
    }
    end_data(to);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The share of answers with at most this score. */
static void write_scores(FILE *to, const char *name, int number, const collection *c)
{
    double *sorted = take(c->count, sizeof *sorted);

    memcpy(sorted, c->score, (size_t)c->count * sizeof *sorted);
    qsort(sorted, (size_t)c->count, sizeof *sorted, ascending);
    begin_data(to, name, number);
    for (int i = 0; i < c->count; i++)
        fprintf(to, "%.6g %.6g\n", sorted[i], (i + 1.0) / c->count);
    end_data(to);
    free(sorted);
}

static void write_data(FILE *to, const demo *d)
{
    write_curve(to, "pretraining", 0, d->pretraining.loss, d->pretraining.steps,
                d->pretraining.steps >= 200 ? d->pretraining.steps / 100 : 1);
    write_scores(to, "scores", LOSSES, &d->untuned);
    for (int i = 0; i < LOSSES; i++) {
        const outcome *o = &d->outcome[i];

        write_curve(to, "ranks", i, o->curve.accuracy, o->curve.steps,
                    o->curve.steps >= 20 ? 3 : 1);
        write_scores(to, "scores", i, &o->answers);
        begin_data(to, "wins", i);
        fprintf(to, "%d %.6g %.6g %.6g \"%s\"\n", i, o->wins.rate, o->wins.low, o->wins.high,
                o->course->loss);
        end_data(to);
    }
}

/* One curve a loss: "plot $name0 using ... title 'slic', $name1 ..." */
static void plot_losses(FILE *to, const demo *d, const char *name, const char *style)
{
    for (int i = 0; i < LOSSES; i++)
        fprintf(to, "%s$%s%d %s lc rgb '%s' title '%s'", i == 0 ? "plot " : ", ", name, i, style,
                colours[i], d->outcome[i].course->loss);
}

static void draw(FILE *to, const demo *d)
{
    fputs("set multiplot layout 2,2\nset grid\nset key noenhanced\nset xtics noenhanced\n"
          "set title 'language model from scratch'\nset xlabel 'step'\n"
          "set ylabel 'loss a token'\n"
          "plot $pretraining0 using 1:2 with lines lw 2 lc rgb '#444444' notitle\n"
          "set title 'tuning: pairs of a batch ranked as the judge does'\nset ylabel 'share'\n"
          "set key bottom right\n",
          to);
    plot_losses(to, d, "ranks", "using 1:2 with lines lw 2");
    fputs("\nset title 'answers to held-out prompts'\nset xlabel \"judge's score at most\"\n"
          "set ylabel 'share of answers'\nset key top left\n",
          to);
    plot_losses(to, d, "scores", "using 1:2 with steps lw 2");
    fprintf(to, ", $scores%d using 1:2 with steps lw 2 lc rgb '#888888' title 'untuned'\n", LOSSES);
    fprintf(to,
            "set title 'win rate against the untuned model, 95 %%'\nset xlabel ''\n"
            "set ylabel 'wins and half the ties'\nunset key\nset xrange [-0.5:%g]\n"
            "set yrange [0:1]\nset arrow 1 from graph 0, first 0.5 to graph 1, first 0.5 nohead "
            "lc rgb '#888888'\n",
            LOSSES - 0.5);
    plot_losses(to, d, "wins", "using 1:2:3:4:xtic(5) with yerrorbars pt 7 lw 2");
    fputs("\nunset multiplot\n", to);
}

bool show_picture(const demo *d, char *path, size_t room, problem *why)
{
    FILE *gnuplot = popen("gnuplot", "w");

    snprintf(path, room, "%s/demo.svg", d->settings.out);
    if (!gnuplot)
        return refuse(why, "%s: cannot start gnuplot: %s", path, strerror(errno));
    fputs("set terminal svg size 1000,760 dynamic background 'white'\nset output '", gnuplot);
    for (const char *at = path; *at; at++)
        fputs(*at == '\'' ? "''" : (char[]){*at, '\0'}, gnuplot);
    fputs("'\n", gnuplot);
    write_data(gnuplot, d);
    draw(gnuplot, d);
    if (pclose(gnuplot) != 0)
        return refuse(why, "%s: gnuplot could not draw it (is it installed?)", path);
    return true;
}
