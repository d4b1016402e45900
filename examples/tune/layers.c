#include "layers.h"

#include <cblas.h>
#include <string.h>
#include <tgmath.h>

enum { ROWS = 64 };

static const real norm_epsilon = (real)1e-5;

/* One context for the row-wise operations; each task takes ROWS rows. */
typedef struct rowwise {
    int n, width;
    real *out, *out2;
    const real *a, *b, *c;
} rowwise;

static int64_t last_row(const rowwise *r, int64_t task)
{
    int64_t end = (task + 1) * ROWS;

    return end < r->n ? end : r->n;
}

static void run_rows(pool *p, pool_fn fn, rowwise r)
{
    pool_run(p, (r.n + ROWS - 1) / ROWS, fn, &r);
}

static void norm_rows(void *context, int64_t task, int worker)
{
    const rowwise *r = context;
    const int64_t d = r->width;

    (void)worker;
    for (int64_t i = task * ROWS; i < last_row(r, task); i++) {
        const real *x = r->a + i * d;
        real sum = 0, scale;

        for (int64_t k = 0; k < d; k++)
            sum += x[k] * x[k];
        scale = 1 / sqrt(sum / (real)d + norm_epsilon);
        for (int64_t k = 0; k < d; k++)
            r->out[i * d + k] = x[k] * scale * r->b[k];
        r->out2[i] = scale;
    }
}

void norm_forward(pool *p, real *y, real *scale, const real *x, const real *w, int n, int d)
{
    run_rows(p, norm_rows, (rowwise){.n = n, .width = d, .out = y, .out2 = scale, .a = x, .b = w});
}

void norm_backward(real *dx, real *dw, const real *dy, const real *x, const real *scale,
                   const real *w, int n, int d)
{
    for (int i = 0; i < n; i++) {
        const real s = scale[i];
        real dot = 0;

        for (int k = 0; k < d; k++)
            dot += w[k] * dy[k] * x[k];
        dot *= s * s / (real)d;
        for (int k = 0; k < d; k++) {
            dx[k] += s * (w[k] * dy[k] - x[k] * dot);
            dw[k] += dy[k] * x[k] * s;
        }
        dx += d;
        dy += d;
        x += d;
    }
}

static void swiglu_rows(void *context, int64_t task, int worker)
{
    const rowwise *r = context;
    const int64_t end = last_row(r, task) * r->width;

    (void)worker;
    for (int64_t i = task * ROWS * r->width; i < end; i++)
        r->out[i] = r->a[i] / (1 + exp(-r->a[i])) * r->b[i];
}

void swiglu_forward(pool *p, real *act, const real *gate, const real *up, int n, int hidden)
{
    run_rows(p, swiglu_rows, (rowwise){.n = n, .width = hidden, .out = act, .a = gate, .b = up});
}

static void swiglu_rows_backward(void *context, int64_t task, int worker)
{
    const rowwise *r = context;
    const int64_t end = last_row(r, task) * r->width;

    (void)worker;
    for (int64_t i = task * ROWS * r->width; i < end; i++) {
        const real sigmoid = 1 / (1 + exp(-r->a[i]));
        const real silu = r->a[i] * sigmoid;

        r->out[i] = r->c[i] * r->b[i] * (sigmoid + silu * (1 - sigmoid));
        r->out2[i] = r->c[i] * silu;
    }
}

void swiglu_backward(pool *p, real *dgate, real *dup, const real *dact, const real *gate,
                     const real *up, int n, int hidden)
{
    run_rows(
        p, swiglu_rows_backward,
        (rowwise){
            .n = n, .width = hidden, .out = dgate, .out2 = dup, .a = gate, .b = up, .c = dact});
}

void rope_turn(const real *rope, real *x, int heads, int head_size, int position, int direction)
{
    const real *pairs = rope + (int64_t)position * head_size;

    for (int h = 0; h < heads; h++, x += head_size) {
        for (int i = 0; i < head_size; i += 2) {
            const real cosine = pairs[i], sine = (real)direction * pairs[i + 1];
            const real x0 = x[i], x1 = x[i + 1];

            x[i] = x0 * cosine - x1 * sine;
            x[i + 1] = x0 * sine + x1 * cosine;
        }
    }
}

/* A task of attention is one key-value head of one sequence, with all query heads that share it. */
typedef struct attention_run {
    const attention *a;
    int size, group, dim, kv; /* head size; query heads a kv head; row strides of q and k */
    const real *dy;
    real *y, *dq, *dk, *dv;
} attention_run;

static attention_run plan(const attention *a)
{
    const model_config *c = a->config;
    attention_run r = {.a = a, .size = c->dim / c->heads, .group = c->heads / c->kv_heads};

    r.dim = c->dim;
    r.kv = c->kv_heads * r.size;
    return r;
}

static int64_t attention_tasks(const attention *a)
{
    return (int64_t)a->rows->sequences * a->config->kv_heads;
}

/* p [t,t]: the causal softmax of q k^T / sqrt(size); above the diagonal 0. */
static void probabilities(const attention_run *r, real *p, const real *q, const real *k, int t)
{
    const real scale = 1 / sqrt((real)r->size);

    REAL_GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, t, t, r->size, scale, q, r->dim, k, r->kv, 0,
              p, t);
    for (int i = 0; i < t; i++, p += t) {
        real most = p[0], sum = 0, share;

        for (int j = 1; j <= i; j++)
            most = p[j] > most ? p[j] : most;
        for (int j = 0; j <= i; j++) {
            p[j] = exp(p[j] - most);
            sum += p[j];
        }
        share = 1 / sum;
        for (int j = 0; j <= i; j++)
            p[j] *= share;
        memset(p + i + 1, 0, (size_t)(t - 1 - i) * sizeof *p);
    }
}

static real *worker_scores(const attention *a, int worker)
{
    return a->scores + (int64_t)worker * 2 * a->config->context * a->config->context;
}

static void attend(void *context, int64_t task, int worker)
{
    const attention_run *r = context;
    const attention *a = r->a;
    const int64_t sequence = task / a->config->kv_heads, head = task % a->config->kv_heads;
    const int64_t row = a->rows->offset[sequence];
    const int t = a->rows->offset[sequence + 1] - (int)row;
    real *k = a->k + row * r->kv + head * r->size, *v = a->v + row * r->kv + head * r->size;
    real *p = worker_scores(a, worker);

    for (int i = 0; i < t; i++)
        rope_turn(a->rope, k + (int64_t)i * r->kv, 1, r->size, i, 1);
    for (int64_t h = head * r->group; h < (head + 1) * r->group; h++) {
        real *q = a->q + row * r->dim + h * r->size;

        for (int i = 0; i < t; i++)
            rope_turn(a->rope, q + (int64_t)i * r->dim, 1, r->size, i, 1);
        probabilities(r, p, q, k, t);
        REAL_GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, t, r->size, t, 1, p, t, v, r->kv, 0,
                  r->y + row * r->dim + h * r->size, r->dim);
    }
}

void attention_forward(pool *p, const attention *a, real *y)
{
    attention_run r = plan(a);

    r.y = y;
    pool_run(p, attention_tasks(a), attend, &r);
}

/* In: probabilities p and their gradient dp, [t,t]. Out: dp is the gradient of q k^T. */
static void softmax_backward(const real *p, real *dp, int t, real scale)
{
    for (int i = 0; i < t; i++, p += t, dp += t) {
        real dot = 0;

        for (int j = 0; j <= i; j++)
            dot += p[j] * dp[j];
        for (int j = 0; j < t; j++)
            dp[j] = p[j] * (dp[j] - dot) * scale;
    }
}

static void attend_backward(void *context, int64_t task, int worker)
{
    const attention_run *r = context;
    const attention *a = r->a;
    const int64_t sequence = task / a->config->kv_heads, head = task % a->config->kv_heads;
    const int64_t row = a->rows->offset[sequence], at = row * r->kv + head * r->size;
    const int t = a->rows->offset[sequence + 1] - (int)row;
    const real scale = 1 / sqrt((real)r->size);
    real *p = worker_scores(a, worker), *dp = p + (int64_t)t * t;

    for (int g = 0; g < r->group; g++) {
        const int64_t h = row * r->dim + (head * r->group + g) * r->size;
        const real add = g > 0 ? 1 : 0;

        probabilities(r, p, a->q + h, a->k + at, t);
        REAL_GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, t, r->size, t, 1, p, t, r->dy + h,
                  r->dim, add, r->dv + at, r->kv);
        REAL_GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, t, t, r->size, 1, r->dy + h, r->dim,
                  a->v + at, r->kv, 0, dp, t);
        softmax_backward(p, dp, t, scale);
        REAL_GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, t, r->size, t, 1, dp, t, a->k + at,
                  r->kv, 0, r->dq + h, r->dim);
        REAL_GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, t, r->size, t, 1, dp, t, a->q + h,
                  r->dim, add, r->dk + at, r->kv);
        for (int i = 0; i < t; i++)
            rope_turn(a->rope, r->dq + h + (int64_t)i * r->dim, 1, r->size, i, -1);
    }
    for (int i = 0; i < t; i++)
        rope_turn(a->rope, r->dk + at + (int64_t)i * r->kv, 1, r->size, i, -1);
}

void attention_backward(pool *p, const attention *a, const real *dy, real *dq, real *dk, real *dv)
{
    attention_run r = plan(a);

    r.dy = dy;
    r.dq = dq;
    r.dk = dk;
    r.dv = dv;
    pool_run(p, attention_tasks(a), attend_backward, &r);
}
