#include "model.h"

#include "layers.h"
#include "util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int kv_dim(const model_config *c)
{
    return c->kv_heads * (c->dim / c->heads);
}

static real *carve(real *base, int64_t *used, int64_t count)
{
    real *part = base ? base + *used : NULL;

    *used += count;
    return part;
}

int64_t weights_map(weights *w, const model_config *c, real *base)
{
    const int64_t d = c->dim, l = c->layers, kv = kv_dim(c), hidden = c->hidden;
    int64_t used = 0;

    w->embedding = carve(base, &used, c->vocab * d);
    w->attention_norm = carve(base, &used, l * d);
    w->wq = carve(base, &used, l * d * d);
    w->wk = carve(base, &used, l * kv * d);
    w->wv = carve(base, &used, l * kv * d);
    w->wo = carve(base, &used, l * d * d);
    w->ffn_norm = carve(base, &used, l * d);
    w->w1 = carve(base, &used, l * hidden * d);
    w->w2 = carve(base, &used, l * d * hidden);
    w->w3 = carve(base, &used, l * hidden * d);
    w->final_norm = carve(base, &used, d);
    w->classifier = c->tied ? w->embedding : carve(base, &used, c->vocab * d);
    return used;
}

void model_create(model *m, const model_config *c)
{
    const int half = c->dim / c->heads / 2;
    weights sizes;

    m->config = *c;
    m->count = weights_map(&sizes, c, NULL);
    m->params = take(m->count, sizeof *m->params);
    weights_map(&m->w, c, m->params);
    m->rope = take((int64_t)c->context * half * 2, sizeof *m->rope);
    for (int t = 0; t < c->context; t++) {
        for (int i = 0; i < half; i++) {
            double angle = t * pow(10000.0, -(double)i / half);
            real *pair = m->rope + ((int64_t)t * half + i) * 2;

            pair[0] = (real)cos(angle);
            pair[1] = (real)sin(angle);
        }
    }
}

void model_randomize(model *m, uint64_t seed)
{
    const model_config *c = &m->config;
    const double spread = 0.8 / sqrt(c->dim), residual = 1 / sqrt(2.0 * c->layers);
    const int64_t square = (int64_t)c->layers * c->dim * c->dim;
    const int64_t tall = (int64_t)c->layers * c->dim * c->hidden;
    rng r = {seed};

    for (int64_t i = 0; i < m->count; i++)
        m->params[i] = (real)(spread * rng_normal(&r));
    for (int64_t i = 0; i < square; i++)
        m->w.wo[i] *= (real)residual;
    for (int64_t i = 0; i < tall; i++)
        m->w.w2[i] *= (real)residual;
    for (int64_t i = 0; i < (int64_t)c->layers * c->dim; i++)
        m->w.attention_norm[i] = m->w.ffn_norm[i] = 1;
    for (int i = 0; i < c->dim; i++)
        m->w.final_norm[i] = 1;
}

void model_copy(model *to, const model *from)
{
    model_create(to, &from->config);
    memcpy(to->params, from->params, (size_t)from->count * sizeof *from->params);
}

void model_free(model *m)
{
    free(m->params);
    free(m->rope);
    *m = (model){0};
}

static int64_t map_tape(tape *t, const model_config *c, real *base, int threads)
{
    const int64_t n = t->max_rows, m = t->max_outputs, d = c->dim, kv = kv_dim(c),
                  hidden = c->hidden;
    int64_t used = 0;

    for (int l = 0; l < c->layers; l++) {
        layer_tape *y = &t->layer[l];

        y->input = carve(base, &used, n * d);
        y->input_scale = carve(base, &used, n);
        y->h1 = carve(base, &used, n * d);
        y->q = carve(base, &used, n * d);
        y->k = carve(base, &used, n * kv);
        y->v = carve(base, &used, n * kv);
        y->mixed = carve(base, &used, n * d);
        y->middle = carve(base, &used, n * d);
        y->middle_scale = carve(base, &used, n);
        y->h2 = carve(base, &used, n * d);
        y->gate = carve(base, &used, n * hidden);
        y->up = carve(base, &used, n * hidden);
        y->act = carve(base, &used, n * hidden);
    }
    t->x = carve(base, &used, n * d);
    t->last = carve(base, &used, m * d);
    t->last_scale = carve(base, &used, m);
    t->h = carve(base, &used, m * d);
    t->logits = carve(base, &used, m * c->vocab);
    t->dx = carve(base, &used, n * d);
    t->dh = carve(base, &used, n * d);
    t->dq = carve(base, &used, n * d);
    t->dk = carve(base, &used, n * kv);
    t->dv = carve(base, &used, n * kv);
    t->dgate = carve(base, &used, n * hidden);
    t->dup = carve(base, &used, n * hidden);
    t->dact = carve(base, &used, n * hidden);
    t->scores = carve(base, &used, (int64_t)threads * 2 * c->context * c->context);
    return used;
}

void tape_create(tape *t, const model_config *c, int max_rows, int max_outputs, int threads)
{
    *t = (tape){.max_rows = max_rows, .max_outputs = max_outputs};
    t->layer = take(c->layers, sizeof *t->layer);
    t->arena = take(map_tape(t, c, NULL, threads), sizeof *t->arena);
    map_tape(t, c, t->arena, threads);
}

void tape_free(tape *t)
{
    free(t->layer);
    free(t->arena);
    *t = (tape){0};
}

/* Where layer l's part of each matrix begins. */
static weights layer_weights(const weights *w, const model_config *c, int l)
{
    const int64_t d = c->dim, kv = kv_dim(c), hidden = c->hidden;
    weights at = *w;

    at.attention_norm += l * d;
    at.wq += l * d * d;
    at.wk += l * kv * d;
    at.wv += l * kv * d;
    at.wo += l * d * d;
    at.ffn_norm += l * d;
    at.w1 += l * hidden * d;
    at.w2 += l * d * hidden;
    at.w3 += l * hidden * d;
    return at;
}

static void layer_forward(const model *m, pool *p, const model_batch *b, tape *t, int l)
{
    const model_config *c = &m->config;
    const int n = b->rows, d = c->dim, kv = kv_dim(c), hidden = c->hidden;
    const weights w = layer_weights(&m->w, c, l);
    layer_tape *y = &t->layer[l];
    const attention a = {c, b, m->rope, t->scores, y->q, y->k, y->v};
    const size_t bytes = (size_t)n * (size_t)d * sizeof *t->x;

    memcpy(y->input, t->x, bytes);
    norm_forward(p, y->h1, y->input_scale, y->input, w.attention_norm, n, d);
    linear_forward(p, y->q, y->h1, w.wq, n, d, d, false);
    linear_forward(p, y->k, y->h1, w.wk, n, d, kv, false);
    linear_forward(p, y->v, y->h1, w.wv, n, d, kv, false);
    attention_forward(p, &a, y->mixed);
    linear_forward(p, t->x, y->mixed, w.wo, n, d, d, true);

    memcpy(y->middle, t->x, bytes);
    norm_forward(p, y->h2, y->middle_scale, y->middle, w.ffn_norm, n, d);
    linear_forward(p, y->gate, y->h2, w.w1, n, d, hidden, false);
    linear_forward(p, y->up, y->h2, w.w3, n, d, hidden, false);
    swiglu_forward(p, y->act, y->gate, y->up, n, hidden);
    linear_forward(p, t->x, y->act, w.w2, n, hidden, d, true);
}

void model_forward(const model *m, pool *p, const model_batch *b, tape *t)
{
    const model_config *c = &m->config;
    const int64_t d = c->dim;
    const size_t bytes = (size_t)d * sizeof *t->x;

    for (int i = 0; i < b->rows; i++)
        memcpy(t->x + i * d, m->w.embedding + b->token[i] * d, bytes);
    for (int l = 0; l < c->layers; l++)
        layer_forward(m, p, b, t, l);
    for (int i = 0; i < b->outputs; i++)
        memcpy(t->last + i * d, t->x + b->output_row[i] * d, bytes);
    norm_forward(p, t->h, t->last_scale, t->last, m->w.final_norm, b->outputs, c->dim);
    linear_forward(p, t->logits, t->h, m->w.classifier, b->outputs, c->dim, c->vocab, false);
}

static void layer_backward(const model *m, pool *p, const model_batch *b, tape *t,
                           const weights *gradient, int l)
{
    const model_config *c = &m->config;
    const int n = b->rows, d = c->dim, kv = kv_dim(c), hidden = c->hidden;
    const weights w = layer_weights(&m->w, c, l), g = layer_weights(gradient, c, l);
    layer_tape *y = &t->layer[l];
    const attention a = {c, b, m->rope, t->scores, y->q, y->k, y->v};

    linear_dweight(p, g.w2, t->dx, y->act, n, hidden, d);
    linear_dinput(p, t->dact, t->dx, w.w2, n, hidden, d, false);
    swiglu_backward(p, t->dgate, t->dup, t->dact, y->gate, y->up, n, hidden);
    linear_dweight(p, g.w1, t->dgate, y->h2, n, d, hidden);
    linear_dweight(p, g.w3, t->dup, y->h2, n, d, hidden);
    linear_dinput(p, t->dh, t->dgate, w.w1, n, d, hidden, false);
    linear_dinput(p, t->dh, t->dup, w.w3, n, d, hidden, true);
    norm_backward(t->dx, g.ffn_norm, t->dh, y->middle, y->middle_scale, w.ffn_norm, n, d);

    linear_dweight(p, g.wo, t->dx, y->mixed, n, d, d);
    linear_dinput(p, t->dh, t->dx, w.wo, n, d, d, false);
    attention_backward(p, &a, t->dh, t->dq, t->dk, t->dv);
    linear_dweight(p, g.wq, t->dq, y->h1, n, d, d);
    linear_dweight(p, g.wk, t->dk, y->h1, n, d, kv);
    linear_dweight(p, g.wv, t->dv, y->h1, n, d, kv);
    linear_dinput(p, t->dh, t->dq, w.wq, n, d, d, false);
    linear_dinput(p, t->dh, t->dk, w.wk, n, d, kv, true);
    linear_dinput(p, t->dh, t->dv, w.wv, n, d, kv, true);
    norm_backward(t->dx, g.attention_norm, t->dh, y->input, y->input_scale, w.attention_norm, n, d);
}

void model_backward(const model *m, pool *p, const model_batch *b, tape *t, const weights *gradient)
{
    const model_config *c = &m->config;
    const int64_t d = c->dim;
    const size_t row = (size_t)d * sizeof *t->dx;

    linear_dweight(p, gradient->classifier, t->logits, t->h, b->outputs, c->dim, c->vocab);
    linear_dinput(p, t->dh, t->logits, m->w.classifier, b->outputs, c->dim, c->vocab, false);
    memset(t->x, 0, (size_t)b->outputs * row);
    norm_backward(t->x, gradient->final_norm, t->dh, t->last, t->last_scale, m->w.final_norm,
                  b->outputs, c->dim);
    memset(t->dx, 0, (size_t)b->rows * row);
    for (int i = 0; i < b->outputs; i++)
        memcpy(t->dx + b->output_row[i] * d, t->x + i * d, row);
    for (int l = c->layers - 1; l >= 0; l--)
        layer_backward(m, p, b, t, gradient, l);
    for (int i = 0; i < b->rows; i++) {
        real *to = gradient->embedding + b->token[i] * d;

        for (int64_t k = 0; k < d; k++)
            to[k] += t->dx[i * d + k];
    }
}
