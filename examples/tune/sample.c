#include "sample.h"

#include "layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Keys and values: [layer][position][row][kv], so that a product writes them where they stay. */
typedef struct decoder {
    const model *m;
    pool *p;
    int rows, span, kv, size; /* positions there is room for; kv_heads * head size; head size */
    real *keys, *values;
    real *x, *h, *scale, *q, *mixed, *gate, *up, *act, *logits, *scores;
} decoder;

static void decoder_create(decoder *d, const model *m, pool *p, int rows, int span)
{
    const model_config *c = &m->config;
    const int64_t n = rows, size = c->dim / c->heads, kv = c->kv_heads * size;
    const int64_t past = n * c->layers * span * kv;

    *d = (decoder){.m = m, .p = p, .rows = rows, .span = span, .kv = (int)kv, .size = (int)size};
    d->keys = take(past, sizeof(real));
    d->values = take(past, sizeof(real));
    d->x = take(n * c->dim, sizeof(real));
    d->h = take(n * c->dim, sizeof(real));
    d->scale = take(n, sizeof(real));
    d->q = take(n * c->dim, sizeof(real));
    d->mixed = take(n * c->dim, sizeof(real));
    d->gate = take(n * c->hidden, sizeof(real));
    d->up = take(n * c->hidden, sizeof(real));
    d->act = take(n * c->hidden, sizeof(real));
    d->logits = take(n * c->vocab, sizeof(real));
    d->scores = take(n * span, sizeof(real));
}

static void decoder_free(decoder *d)
{
    real *const parts[] = {d->keys,  d->values, d->x,  d->h,   d->scale,  d->q,
                           d->mixed, d->gate,   d->up, d->act, d->logits, d->scores};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
}

typedef struct look_back {
    decoder *d;
    int layer, position;
} look_back;

static void attend_past(void *context, int64_t row, int worker)
{
    const look_back *l = context;
    decoder *d = l->d;
    const model_config *c = &d->m->config;
    const int64_t stride = (int64_t)d->rows * d->kv,
                  past = l->layer * d->span * stride + row * d->kv;
    const int group = c->heads / c->kv_heads;
    real *p = d->scores + row * d->span;

    (void)worker;
    for (int head = 0; head < c->heads; head++) {
        const real *k = d->keys + past + head / group * d->size;
        const real *v = d->values + past + head / group * d->size;
        const real *q = d->q + row * c->dim + head * d->size;
        real *y = d->mixed + row * c->dim + head * d->size, most = -INFINITY, sum = 0;

        memset(y, 0, (size_t)d->size * sizeof *y);
        for (int t = 0; t <= l->position; t++, k += stride) {
            p[t] = 0;
            for (int i = 0; i < d->size; i++)
                p[t] += q[i] * k[i];
            p[t] /= (real)sqrt(d->size);
            most = p[t] > most ? p[t] : most;
        }
        for (int t = 0; t <= l->position; t++)
            sum += p[t] = (real)exp((double)(p[t] - most));
        for (int t = 0; t <= l->position; t++, v += stride)
            for (int i = 0; i < d->size; i++)
                y[i] += p[t] / sum * v[i];
    }
}

static void decode_layer(decoder *d, int l, int position)
{
    const model_config *c = &d->m->config;
    const weights *w = &d->m->w;
    const int n = d->rows;
    const int64_t square = (int64_t)l * c->dim * c->dim, tall = (int64_t)l * c->dim * c->hidden;
    const int64_t narrow = (int64_t)l * d->kv * c->dim, wide = (int64_t)l * c->dim;
    const int64_t here = ((int64_t)l * d->span + position) * n * d->kv;
    look_back look = {d, l, position};

    norm_forward(d->p, d->h, d->scale, d->x, w->attention_norm + wide, n, c->dim);
    linear_forward(d->p, d->q, d->h, w->wq + square, n, c->dim, c->dim, false);
    linear_forward(d->p, d->keys + here, d->h, w->wk + narrow, n, c->dim, d->kv, false);
    linear_forward(d->p, d->values + here, d->h, w->wv + narrow, n, c->dim, d->kv, false);
    rope_turn(d->m->rope, d->q, n * c->heads, d->size, position, 1);
    rope_turn(d->m->rope, d->keys + here, n * c->kv_heads, d->size, position, 1);
    pool_run(d->p, n, attend_past, &look);
    linear_forward(d->p, d->x, d->mixed, w->wo + square, n, c->dim, c->dim, true);
    norm_forward(d->p, d->h, d->scale, d->x, w->ffn_norm + wide, n, c->dim);
    linear_forward(d->p, d->gate, d->h, w->w1 + tall, n, c->dim, c->hidden, false);
    linear_forward(d->p, d->up, d->h, w->w3 + tall, n, c->dim, c->hidden, false);
    swiglu_forward(d->p, d->act, d->gate, d->up, n, c->hidden);
    linear_forward(d->p, d->x, d->act, w->w2 + tall, n, c->hidden, c->dim, true);
}

/* Reads one token a row; makes the logits of what comes next. */
static void decode(decoder *d, const int *token, int position)
{
    const model_config *c = &d->m->config;

    for (int row = 0; row < d->rows; row++)
        memcpy(d->x + (int64_t)row * c->dim, d->m->w.embedding + (int64_t)token[row] * c->dim,
               (size_t)c->dim * sizeof *d->x);
    for (int l = 0; l < c->layers; l++)
        decode_layer(d, l, position);
    norm_forward(d->p, d->h, d->scale, d->x, d->m->w.final_norm, d->rows, c->dim);
    linear_forward(d->p, d->logits, d->h, d->m->w.classifier, d->rows, c->dim, c->vocab, false);
}

/* The smallest logit among the top likeliest ones. */
static real top_limit(const real *logits, int vocab, int top)
{
    real limit = INFINITY;

    for (int seen = 0; seen < top;) {
        real best = -INFINITY;

        for (int i = 0; i < vocab; i++)
            if (logits[i] < limit && logits[i] > best)
                best = logits[i];
        if (best == -INFINITY)
            break;
        limit = best;
        for (int i = 0; i < vocab; i++)
            seen += logits[i] == limit;
    }
    return limit;
}

static int choose(const real *logits, int vocab, const sampling *how, rng *r)
{
    const int top = how->temperature > 0 ? how->top : 1;
    const real limit = top > 0 && top < vocab ? top_limit(logits, vocab, top) : -INFINITY;
    real most = -INFINITY;
    double sum = 0, left;
    int choice = 0;

    for (int i = 0; i < vocab; i++) {
        if (logits[i] > most) {
            most = logits[i];
            choice = i;
        }
    }
    if (how->temperature <= 0)
        return choice;
    for (int i = 0; i < vocab; i++)
        if (logits[i] >= limit)
            sum += exp((double)(logits[i] - most) / how->temperature);
    left = rng_uniform(r) * sum;
    for (int i = 0; i < vocab; i++) {
        if (logits[i] < limit)
            continue;
        choice = i;
        left -= exp((double)(logits[i] - most) / how->temperature);
        if (left < 0)
            break;
    }
    return choice;
}

typedef struct writer {
    const token_list *prompt;
    token_list *written;
    rng random;
    int token; /* last one read or written */
    bool ended;
} writer;

/* Takes the row past position: on in its prompt, or on with a token drawn from its logits. */
static void advance(writer *w, const real *logits, int position, int vocab, const sampling *how)
{
    const int64_t next = position + 1;

    if (next < w->prompt->count) {
        w->token = w->prompt->id[next];
        return;
    }
    if (w->ended || next >= w->prompt->count + how->most) {
        w->ended = true;
        return;
    }
    w->token = choose(logits, vocab, how, &w->random);
    w->ended = w->token == TOKEN_BEGIN || w->token == TOKEN_END;
    if (!w->ended)
        token_push(w->written, w->token);
}

static void write_tokens(decoder *d, const sampling *how, writer *writers)
{
    const int vocab = d->m->config.vocab;
    int *token = take(d->rows, sizeof *token);
    bool open = true;

    for (int position = 0; position < d->span && open; position++) {
        for (int row = 0; row < d->rows; row++)
            token[row] = writers[row].token;
        decode(d, token, position);
        open = false;
        for (int row = 0; row < d->rows; row++) {
            advance(&writers[row], d->logits + (int64_t)row * vocab, position, vocab, how);
            open = open || !writers[row].ended;
        }
    }
    free(token);
}

bool sample_tokens(const model *m, pool *p, const token_list *prompts, int rows,
                   const sampling *how, token_list *written, problem *why)
{
    const int context = m->config.context;
    writer *writers = take(rows, sizeof *writers);
    int64_t span = 0;
    decoder d;

    for (int row = 0; row < rows; row++) {
        const token_list *prompt = &prompts[row];
        const int64_t end = prompt->count + how->most - 1;

        if (prompt->count > context) {
            free(writers);
            return refuse(why, "prompt %d: %lld tokens, expected at most the context of %d", row,
                          (long long)prompt->count, context);
        }
        writers[row] = (writer){.prompt = prompt, .written = &written[row], .token = prompt->id[0]};
        writers[row].random.state = how->seed ^ (uint64_t)row * UINT64_C(0xd1342543de82ef95);
        span = span > end ? span : end;
    }
    decoder_create(&d, m, p, rows, (int)(span < context ? span : context));
    write_tokens(&d, how, writers);
    decoder_free(&d);
    free(writers);
    return true;
}

char *tokens_text(const tokenizer *t, const token_list *tokens, int previous)
{
    char *text = take(1, 1);
    int64_t count = 0, room = 1;

    for (int64_t i = 0; i < tokens->count; i++) {
        tokenizer_decode(t, previous, tokens->id[i], &text, &count, &room);
        previous = tokens->id[i];
    }
    return text;
}

bool sample_texts(const model *m, pool *p, const tokenizer *t, const char *const *prompts, int rows,
                  const sampling *how, char **texts, problem *why)
{
    token_list *lists = take(2 * rows, sizeof *lists), *written = lists + rows;
    bool ok;

    for (int row = 0; row < rows; row++) {
        token_push(&lists[row], TOKEN_BEGIN);
        tokenizer_encode(t, prompts[row], &lists[row]);
    }
    ok = sample_tokens(m, p, lists, rows, how, written, why);
    for (int row = 0; row < rows; row++) {
        if (ok)
            texts[row] = tokens_text(t, &written[row], lists[row].id[lists[row].count - 1]);
        free(lists[row].id);
        free(written[row].id);
    }
    free(lists);
    return ok;
}
