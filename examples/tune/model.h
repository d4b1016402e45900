/* A LLaMA-architecture language model, forward and backward written by hand: RMSNorm, rotary
 * positions over neighbouring pairs, grouped-query attention, SwiGLU, tied or separate classifier.
 *
 * A batch is packed: the rows of all sequences one after another, no padding. Logits are made only
 * for the rows asked for, because a preference loss never looks at a prompt's predictions.
 */
#ifndef TUNE_MODEL_H
#define TUNE_MODEL_H

#include "linear.h"
#include "pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct model_config {
    int dim, hidden, layers, heads, kv_heads, vocab, context;
    bool tied; /* the classifier is the embedding */
} model_config;

/* Views into one flat buffer, in the order of llama2.c's version-0 file. Parameters and gradients
 * have the same shape; [L] means one matrix a layer, one after another. */
typedef struct weights {
    real *embedding;      /* [vocab,dim] */
    real *attention_norm; /* [L][dim] */
    real *wq;             /* [L][dim,dim] */
    real *wk, *wv;        /* [L][kv,dim], kv = kv_heads * dim / heads */
    real *wo;             /* [L][dim,dim] */
    real *ffn_norm;       /* [L][dim] */
    real *w1, *w2, *w3;   /* [L][hidden,dim], [L][dim,hidden], [L][hidden,dim] */
    real *final_norm;     /* [dim] */
    real *classifier;     /* [vocab,dim]; embedding itself when tied */
} weights;

typedef struct model {
    model_config config;
    int64_t count; /* of parameters */
    real *params;
    weights w;
    real *rope; /* [context][head size / 2] pairs of cos, sin */
} model;

/* What to run: rows of sequence s are offset[s] .. offset[s+1]-1, positions count from 0 in each.
 * logits[i] belongs to row output_row[i]; each row at most once. */
typedef struct model_batch {
    int rows, sequences, outputs;
    const int *token;      /* [rows] */
    const int *offset;     /* [sequences+1] */
    const int *output_row; /* [outputs] */
} model_batch;

/* What one layer leaves behind for its backward pass, [rows,...] each. */
typedef struct layer_tape {
    real *input, *input_scale, *h1, *q, *k, *v, *mixed; /* attention: mixed is what wo multiplies */
    real *middle, *middle_scale, *h2, *gate, *up, *act;
} layer_tape;

/* Activations of one batch, and room for the backward pass; reused from batch to batch. */
typedef struct tape {
    int max_rows, max_outputs;
    real *arena;
    layer_tape *layer;
    real *x;                                           /* [rows,dim] */
    real *last, *last_scale, *h, *logits;              /* [outputs,...]: dlogits replace logits */
    real *dx, *dh, *dq, *dk, *dv, *dgate, *dup, *dact; /* backward */
    real *scores; /* [threads][2][context,context]: attention's own room */
} tape;

int64_t weights_map(weights *w, const model_config *c, real *base); /* returns the count */
void model_create(model *m, const model_config *c);                 /* zeroed parameters */
void model_randomize(model *m, uint64_t seed); /* a start for training from scratch */
void model_copy(model *to, const model *from);
void model_free(model *m);

void tape_create(tape *t, const model_config *c, int max_rows, int max_outputs, int threads);
void tape_free(tape *t);

/* Fills t->logits [outputs,vocab]. */
void model_forward(const model *m, pool *p, const model_batch *b, tape *t);
/* Reads t->logits as d(loss)/d(logits) of the batch last forwarded; adds into gradient. */
void model_backward(const model *m, pool *p, const model_batch *b, tape *t,
                    const weights *gradient);

#endif
