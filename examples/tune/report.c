#include "report.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAR_WIDTH = 20, SPARSE_LINES = 10 };

static report_point point_of(int step, const tally *t)
{
    return (report_point){
        .step = step,
        .loss = t->groups > 0 ? t->loss / t->groups : NAN,
        .accuracy = t->pairs > 0 ? t->accuracy / t->pairs : NAN,
        .margin = t->pairs > 0 ? t->margin / t->pairs : NAN,
    };
}

bool report_open(report *r, const char *loss, int steps, const char *log_path, problem *why)
{
    *r = (report){.loss = loss,
                  .steps = steps,
                  .bar = isatty(STDERR_FILENO) == 1,
                  .log_path = log_path,
                  .start = now_seconds()};
    if (log_path && !(r->log = fopen(log_path, "w")))
        return refuse(why, "%s: cannot write: %s", log_path, strerror(errno));
    return true;
}

bool report_close(report *r, problem *why)
{
    bool ok = true;

    if (r->log) {
        ok = !ferror(r->log);
        ok = fclose(r->log) == 0 && ok;
    }
    if (!ok)
        refuse(why, "%s: cannot write: %s", r->log_path, strerror(errno));
    free(r->train);
    free(r->held_out);
    *r = (report){0};
    return ok;
}

/* A number, or null where JSON has no way to write it. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void write_line(report *r, json_t *line)
{
    if (r->log) {
        json_dumpf(line, r->log, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
        fputc('\n', r->log);
        fflush(r->log);
    }
    json_decref(line);
}

static void draw_bar(const char *what, int64_t done, int64_t all)
{
    const int full = (int)(all > 0 ? done * BAR_WIDTH / all : BAR_WIDTH);

    fprintf(stderr, "\r\033[K%s [", what);
    for (int i = 0; i < BAR_WIDTH; i++)
        fputc(i < full ? '#' : '.', stderr);
    fprintf(stderr, "] %lld/%lld", (long long)done, (long long)all);
}

void report_phase(const report *r, const char *what, int64_t done, int64_t all)
{
    if (r->bar) {
        draw_bar(what, done, all);
        if (done == all)
            fputc('\n', stderr);
    } else if (done == all) {
        fprintf(stderr, "%s: %lld done in %.1f s\n", what, (long long)all,
                now_seconds() - r->start);
    }
}

static void write_figures(const report_point *p)
{
    fprintf(stderr, " loss %.4f", p->loss);
    if (!isnan(p->margin))
        fprintf(stderr, " margin %.3f", p->margin);
    if (!isnan(p->accuracy))
        fprintf(stderr, " accuracy %.3f", p->accuracy);
}

static double mean_seconds(const report *r)
{
    return (now_seconds() - r->start) / (double)(r->trained > 0 ? r->trained : 1);
}

static void show_step(const report *r, const report_step *s, const report_point *p)
{
    const int every = r->steps / SPARSE_LINES > 0 ? r->steps / SPARSE_LINES : 1;
    const double left = mean_seconds(r) * (r->steps - s->step);

    if (!r->bar && s->step % every != 0 && s->step != r->steps)
        return;
    if (r->bar)
        draw_bar("train", s->step, r->steps);
    else
        fprintf(stderr, "step %d/%d", s->step, r->steps);
    write_figures(p);
    fprintf(stderr, "  %.0f tokens/s  %.0f s left", (double)s->tokens / s->seconds, left);
    if (!r->bar || s->step == r->steps)
        fputc('\n', stderr);
}

void report_trained(report *r, const report_step *s)
{
    const report_point p = point_of(s->step, &s->tally);

    grow(&r->train, &r->trained_room, r->trained + 1, sizeof *r->train);
    r->train[r->trained++] = p;
    write_line(r, json_pack("{s:i,s:o,s:o,s:o,s:o,s:o,s:I,s:o,s:o}", "step", s->step, "loss",
                            number(p.loss), "margin", number(p.margin), "accuracy",
                            number(p.accuracy), "learning_rate", number(s->rate), "gradient_norm",
                            number(s->gradient_norm), "tokens", (json_int_t)s->tokens,
                            "tokens_per_second", number((double)s->tokens / s->seconds), "seconds",
                            number(now_seconds() - r->start)));
    show_step(r, s, &p);
}

void report_held_out(report *r, int step, const tally *sum)
{
    const report_point p = point_of(step, sum);

    grow(&r->held_out, &r->evaluated_room, r->evaluated + 1, sizeof *r->held_out);
    r->held_out[r->evaluated++] = p;
    write_line(r, json_pack("{s:i,s:o,s:o,s:o}", "step", step, "held_out_loss", number(p.loss),
                            "held_out_accuracy", number(p.accuracy), "held_out_margin",
                            number(p.margin)));
    fprintf(stderr, "%sheld out after step %d:", r->bar ? "\r\033[K" : "", step);
    write_figures(&p);
    fputc('\n', stderr);
}

static void write_data(FILE *to, const char *name, const report_point *points, int64_t count)
{
    fprintf(to, "$%s << EOD\n", name);
    for (int64_t i = 0; i < count; i++)
        fprintf(to, "%d %.9g %.9g %.9g\n", points[i].step, points[i].loss, points[i].accuracy,
                points[i].margin);
    fputs("EOD\n", to);
}

static void write_quoted(FILE *to, const char *text)
{
    fputc('\'', to);
    for (; *text; text++)
        fputs(*text == '\'' ? "''" : (char[]){*text, '\0'}, to);
    fputc('\'', to);
}

/* One figure over the steps. */
static void draw_panel(const report *r, FILE *gnuplot, const char *figure, int column,
                       const char *settings)
{
    fprintf(gnuplot, "%s\nset ylabel '%s'\nplot ", settings, figure);
    if (r->trained > 0)
        fprintf(gnuplot, "$train using 1:%d with lines lc rgb '#b0b0b0' title 'batch'", column);
    if (r->evaluated > 0)
        fprintf(gnuplot,
                "%s$held using 1:%d with linespoints lw 2 pt 7 lc rgb '#1f5fa8' title 'held out'",
                r->trained > 0 ? ", " : "", column);
    fputc('\n', gnuplot);
}

bool report_plot(const report *r, const char *path, problem *why)
{
    FILE *gnuplot;

    if (r->trained + r->evaluated == 0)
        return refuse(why, "%s: nothing to draw, as no step was taken and no row held out", path);
    gnuplot = popen("gnuplot", "w");
    if (!gnuplot)
        return refuse(why, "%s: cannot start gnuplot: %s", path, strerror(errno));
    fputs("set terminal svg size 800,840 noenhanced dynamic background 'white'\nset output ",
          gnuplot);
    write_quoted(gnuplot, path);
    fputc('\n', gnuplot);
    write_data(gnuplot, "train", r->train, r->trained);
    write_data(gnuplot, "held", r->held_out, r->evaluated);
    fprintf(gnuplot,
            "set multiplot layout 3,1 title 'loss %s'\n"
            "set grid\nset datafile missing 'nan'\nset xrange [0:%d]\n",
            r->loss, r->steps > 0 ? r->steps : 1);
    draw_panel(r, gnuplot, "loss", 2, "set key top right");
    draw_panel(r, gnuplot, "accuracy", 3, "set key bottom right; set yrange [0:1]");
    draw_panel(r, gnuplot, "margin", 4, "set autoscale y; set xlabel 'step'");
    fputs("unset multiplot\n", gnuplot);
    if (pclose(gnuplot) != 0)
        return refuse(why,
                      "%s: gnuplot could not draw it (is gnuplot installed, the folder writable?)",
                      path);
    return true;
}
