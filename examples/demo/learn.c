#include "learn.h"

#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WARM_UP = 20 };

/* An endless walk through the groups, in a new order each time round. */
typedef struct walk {
    rng random;
    int *order, *batch;
    int64_t count, at;
} walk;

static void walk_create(walk *w, int64_t groups, int batch, uint64_t seed)
{
    *w = (walk){.random = {seed}, .count = groups};
    w->order = take(groups, sizeof *w->order);
    w->batch = take(batch, sizeof *w->batch);
    for (int64_t i = 0; i < groups; i++)
        w->order[i] = (int)i;
}

static void walk_on(walk *w, int batch)
{
    for (int i = 0; i < batch; i++) {
        if (w->at == 0)
            rng_shuffle(&w->random, w->order, w->count);
        w->batch[i] = w->order[w->at];
        w->at = (w->at + 1) % w->count;
    }
}

static void walk_free(walk *w)
{
    free(w->order);
    free(w->batch);
}

static double rate_at(const course *c, int step, double done)
{
    const double warm = (step + 1) / (double)WARM_UP;

    return c->rate * (warm < 1 ? warm : 1) * (1 - 0.95 * done);
}

static bool take_step(trainer *t, const walk *w, const course *c, double done, curve *taken,
                      problem *why)
{
    const int step = taken->steps;
    tally sum = {0};
    double norm;

    if (!train_gradient(t, w->batch, c->batch, &sum, why))
        return false;
    norm = adamw_step(&t->optimizer, t->threads, t->model->params, t->gradient,
                      rate_at(c, step, done));
    if (!isfinite(norm))
        return refuse(why, "%s: the gradient of step %d is not finite", c->what, step + 1);
    taken->loss[step] = sum.loss / sum.groups;
    taken->accuracy[step] = sum.pairs > 0 ? sum.accuracy / sum.pairs : NAN;
    taken->steps++;
    return true;
}

static bool take_course(trainer *t, walk *w, const course *c, curve *taken, problem *why)
{
    progress bar;
    double done = 0;
    char note[80] = "";
    bool ok = true;

    progress_begin(&bar, c->what);
    while (ok && done < 1) {
        walk_on(w, c->batch);
        ok = take_step(t, w, c, done, taken, why);
        taken->seconds = now_seconds() - bar.begin;
        taken->cut = taken->seconds >= c->limit && taken->steps < c->steps;
        done = fmax((double)taken->steps / c->steps, taken->seconds / c->limit);
        snprintf(note, sizeof note, "loss %.3f", curve_end(taken->loss, taken->steps));
        progress_show(&bar, (int64_t)(1000 * fmin(done, 1)), 1000, note);
    }
    snprintf(note + strlen(note), sizeof note - strlen(note), " after %d steps%s", taken->steps,
             taken->cut ? ", cut short: slow machine" : "");
    progress_end(&bar, note);
    return ok;
}

bool learn(model *m, pool *threads, const dataset *d, const double *ref, const course *c,
           uint64_t seed, curve *taken, problem *why)
{
    preference loss;
    trainer t;
    walk w;
    bool ok = preference_open(&loss, c->loss, m->config.vocab, threads, why);

    *taken = (curve){.loss = take(c->steps, sizeof *taken->loss),
                     .accuracy = take(c->steps, sizeof *taken->accuracy)};
    for (int i = 0; i < 2 && c->set[i].name && ok; i++)
        ok = preference_set(&loss, c->set[i].name, c->set[i].value, why);
    trainer_create(&t, m, threads, d, &loss);
    t.optimizer.beta2 = 0.98; /* few steps: the mean square must follow quickly */
    if (ref) {
        t.ref = take(d->count, sizeof *t.ref);
        memcpy(t.ref, ref, (size_t)d->count * sizeof *t.ref);
    }
    walk_create(&w, d->groups, c->batch, seed);
    ok = ok && take_course(&t, &w, c, taken, why);
    walk_free(&w);
    trainer_free(&t);
    preference_close(&loss);
    return ok;
}

void curve_free(curve *c)
{
    free(c->loss);
    free(c->accuracy);
    *c = (curve){0};
}

double curve_end(const double *values, int steps)
{
    const int last = (steps + 9) / 10;
    double sum = 0;

    for (int i = steps - last; i < steps; i++)
        sum += values[i];
    return sum / last;
}
