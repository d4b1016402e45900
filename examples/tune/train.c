#include "train.h"

#include <stdlib.h>

void trainer_create(trainer *t, model *m, pool *threads, const dataset *data, preference *loss)
{
    *t = (trainer){.model = m, .threads = threads, .data = data, .loss = loss};
    adamw_create(&t->optimizer, m->count);
    t->gradient = take(m->count, sizeof *t->gradient);
    weights_map(&t->gradient_view, &m->config, t->gradient);
    if (preference_needs_reference_logits(loss))
        model_copy(&t->anchor, m);
}

void trainer_free(trainer *t)
{
    adamw_free(&t->optimizer);
    tape_free(&t->tape);
    tape_free(&t->anchor_tape);
    model_free(&t->anchor);
    pack_free(&t->pack);
    free(t->ref);
    free(t->gradient);
    free(t->logp);
    free(t->dlogp);
    *t = (trainer){0};
}

static void reserve_tape(trainer *t, tape *to)
{
    const model_batch *b = &t->pack.rows;

    if (b->rows > to->max_rows || b->outputs > to->max_outputs) {
        const int rows = b->rows > to->max_rows ? b->rows : to->max_rows;
        const int outputs = b->outputs > to->max_outputs ? b->outputs : to->max_outputs;

        tape_free(to);
        tape_create(to, &t->model->config, rows, outputs, pool_threads(t->threads));
    }
}

static void reserve(trainer *t)
{
    reserve_tape(t, &t->tape);
    if (t->anchor.params)
        reserve_tape(t, &t->anchor_tape);
    if (t->pack.sequences > t->room) {
        t->room = t->pack.sequences;
        free(t->logp);
        free(t->dlogp);
        t->logp = take(t->room, sizeof *t->logp);
        t->dlogp = take(t->room, sizeof *t->dlogp);
    }
}

/* The logits of the reference for the batch, or NULL where the loss does not need them. */
static real *anchor_logits(const trainer *t)
{
    return t->anchor.params ? t->anchor_tape.logits : NULL;
}

/* Packs the groups and fills t->logp in the order of the pack. */
static bool forward(trainer *t, const int *groups, int count, problem *why)
{
    pack_groups(&t->pack, t->data, groups, count);
    reserve(t);
    model_forward(t->model, t->threads, &t->pack.rows, &t->tape);
    if (t->anchor.params)
        model_forward(&t->anchor, t->threads, &t->pack.rows, &t->anchor_tape);
    return preference_forward(t->loss, &t->pack, t->tape.logits, anchor_logits(t), t->logp, why);
}

bool train_log_probabilities(trainer *t, const int *groups, int count, double *logp, problem *why)
{
    if (!forward(t, groups, count, why))
        return false;
    for (int64_t i = 0; i < t->pack.sequences; i++)
        logp[t->pack.sequence[i]] = t->logp[i];
    return true;
}

bool train_evaluate(trainer *t, const int *groups, int count, tally *sum, problem *why)
{
    return forward(t, groups, count, why) &&
           preference_loss(t->loss, t->data, &t->pack, t->logp, t->ref, sum, NULL, why);
}

bool train_gradient(trainer *t, const int *groups, int count, tally *sum, problem *why)
{
    if (!forward(t, groups, count, why) ||
        !preference_loss(t->loss, t->data, &t->pack, t->logp, t->ref, sum, t->dlogp, why) ||
        !preference_backward(t->loss, &t->pack, t->tape.logits, anchor_logits(t), t->dlogp, why))
        return false;
    model_backward(t->model, t->threads, &t->pack.rows, &t->tape, &t->gradient_view);
    return true;
}
