#include "adamw.h"

#include "util.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCK = 16384 };

void adamw_create(adamw *o, int64_t count)
{
    *o = (adamw){.count = count, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    o->mean = take(count, sizeof *o->mean);
    o->square = take(count, sizeof *o->square);
}

void adamw_free(adamw *o)
{
    free(o->mean);
    free(o->square);
    *o = (adamw){0};
}

typedef struct update {
    adamw *o;
    real *params, *gradient;
    double rate, scale, correct1, correct2;
} update;

static void update_block(void *context, int64_t task, int worker)
{
    const update *u = context;
    adamw *o = u->o;
    const int64_t end = (task + 1) * BLOCK < o->count ? (task + 1) * BLOCK : o->count;

    (void)worker;
    for (int64_t i = task * BLOCK; i < end; i++) {
        const double g = u->scale * (double)u->gradient[i];
        const double mean = o->beta1 * (double)o->mean[i] + (1 - o->beta1) * g;
        const double square = o->beta2 * (double)o->square[i] + (1 - o->beta2) * g * g;
        const double step = mean / u->correct1 / (sqrt(square / u->correct2) + o->epsilon);

        o->mean[i] = (real)mean;
        o->square[i] = (real)square;
        u->params[i] -= (real)(u->rate * (step + o->decay * (double)u->params[i]));
        u->gradient[i] = 0;
    }
}

double adamw_step(adamw *o, pool *p, real *params, real *gradient, double rate)
{
    update u = {.o = o, .rate = rate, .scale = 1};
    double norm = 0;

    for (int64_t i = 0; i < o->count; i++)
        norm += (double)gradient[i] * (double)gradient[i];
    norm = sqrt(norm);
    u.params = params;
    u.gradient = gradient;
    if (o->clip > 0 && norm > o->clip)
        u.scale = o->clip / norm;
    o->step++;
    u.correct1 = 1 - pow(o->beta1, (double)o->step);
    u.correct2 = 1 - pow(o->beta2, (double)o->step);
    pool_run(p, (o->count + BLOCK - 1) / BLOCK, update_block, &u);
    return norm;
}
