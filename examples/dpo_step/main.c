/* The loop, twice: once with logits whose gradient libalign makes, once with log-probabilities and their gradient in the
 * loop's own hands. Both must take the loss down, agree with each other, and agree with differences of the loss. */
#include "dpo_step.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = SEQUENCES * LENGTH, PROMPT = 3, STEPS = 40 };

struct run {
    struct model model, grad;
    float logits[ROWS * PADDED], logp[SEQUENCES];
    double loss;
};

static uint32_t state = 1;

static float uniform(void)
{
    state = state * 1664525 + 1013904223;
    return (float)(state >> 8) / (1 << 24);
}

/* Answers that count upwards are preferred to answers at random. */
static void fill(struct batch *batch, struct model *model)
{
    memset(batch, 0, sizeof *batch);
    for (int s = 0; s < SEQUENCES; s++) {
        int32_t token = s % 2 == 0 ? (int32_t)(uniform() * VOCABULARY) : batch->token[s - 1][0];
        for (int t = 0; t < LENGTH; t++) {
            bool is_prompt = t + 1 < PROMPT, is_chosen = s % 2 == 0;
            batch->token[s][t] = token;
            token = is_prompt || is_chosen ? (token + 1) % VOCABULARY
                                           : (int32_t)(uniform() * VOCABULARY);
            batch->target[s][t] = token;
            batch->mask[s][t] = !is_prompt;
        }
    }
    float *x = &model->embedding[0][0];
    for (size_t i = 0; i < sizeof *model / sizeof *x; i++)
        x[i] = uniform() - 0.5f;
}

/* What stands behind the vocabulary of a row is nobody's: NaN there must stay, and go nowhere. */
static void poison(float *logits)
{
    for (int i = 0; i < ROWS; i++)
        for (int v = VOCABULARY; v < PADDED; v++)
            logits[i * PADDED + v] = NAN;
}

static int step_with_logits(struct run *run, const struct batch *batch, const float *ref)
{
    model_forward(&run->model, batch, run->logits);
    return dpo_step(batch, run->logits, ref, run->logp, &run->loss);
}

/* ---- a loop that has a log-softmax of its own ---- */

static void own_logp(const struct batch *batch, const float *logits, float *logp)
{
    for (int s = 0; s < SEQUENCES; s++) {
        double sum = 0;
        for (int t = 0; t < LENGTH; t++) {
            const float *row = logits + (s * LENGTH + t) * PADDED;
            double total = 0;
            for (int v = 0; v < VOCABULARY; v++)
                total += exp((double)row[v]);
            sum += batch->mask[s][t] ? (double)row[batch->target[s][t]] - log(total) : 0;
        }
        logp[s] = (float)sum;
    }
}

static void own_backward(const struct batch *batch, float *logits, const float *dlogp)
{
    for (int s = 0; s < SEQUENCES; s++)
        for (int t = 0; t < LENGTH; t++) {
            float *row = logits + (s * LENGTH + t) * PADDED;
            double total = 0;
            for (int v = 0; v < VOCABULARY; v++)
                total += exp((double)row[v]);
            for (int v = 0; v < VOCABULARY; v++) {
                double p = exp((double)row[v]) / total, hit = v == batch->target[s][t];
                row[v] = batch->mask[s][t] ? (float)((double)dlogp[s] * (hit - p)) : 0;
            }
        }
}

static int step_with_logp(struct run *run, const struct batch *batch, const float *ref)
{
    float dlogp[SEQUENCES];
    model_forward(&run->model, batch, run->logits);
    own_logp(batch, run->logits, run->logp);
    if (dpo_step_logp(SEQUENCES, run->logp, ref, dlogp, &run->loss))
        return 1;
    own_backward(batch, run->logits, dlogp);
    return 0;
}

/* ---- what must hold ---- */

typedef int (*step_fn)(struct run *run, const struct batch *batch, const float *ref);

static int train(struct run *run, const struct batch *batch, const float *ref, step_fn step)
{
    double first = 0;
    for (int i = 0; i <= STEPS; i++) {
        if (step(run, batch, ref))
            return 1;
        if (i == 0)
            first = run->loss;
        model_backward(&run->model, batch, run->logits, &run->grad);
        model_update(&run->model, &run->grad, 2);
    }
    printf("loss %.4f -> %.4f\n", first, run->loss);
    return !(fabs(first - log(2)) < 1e-6 && run->loss < 0.1);
}

/* Differences of the loss by some parameters, against the gradient. */
static int check_gradient(struct run *run, const struct batch *batch, const float *ref,
                          step_fn step)
{
    static struct model gradient;
    const float h = 0.01f;
    double worst = 0;
    if (step(run, batch, ref))
        return 1;
    model_backward(&run->model, batch, run->logits, &gradient);
    for (int i = 0; i < 60; i++) {
        float *x = &run->model.embedding[0][0] + i * 26, kept = *x;
        double slope = 0;
        for (int side = -1; side <= 1; side += 2) {
            *x = kept + (float)side * h;
            if (step(run, batch, ref))
                return 1;
            slope += side * run->loss / (2 * (double)h);
        }
        *x = kept;
        worst = fmax(worst, fabs(slope - (double)(&gradient.embedding[0][0])[i * 26]));
    }
    printf("gradient within %.1e of differences\n", worst);
    return !(worst < 5e-6);
}

int main(void)
{
    static struct run one, two;
    static struct batch batch;
    float ref[SEQUENCES];
    fill(&batch, &one.model);
    poison(one.logits);
    model_forward(&one.model, &batch, one.logits);
    int failed = dpo_step(&batch, one.logits, NULL, ref, NULL);
    two = one;
    failed |= train(&one, &batch, ref, step_with_logits);
    failed |= train(&two, &batch, ref, step_with_logp);
    failed |= !(fabs(one.loss - two.loss) < 1e-4);
    two.model = one.model;
    failed |= check_gradient(&one, &batch, ref, step_with_logits);
    failed |= check_gradient(&two, &batch, ref, step_with_logp);
    for (int i = 0; i < ROWS * PADDED; i++)
        failed |= isnan(one.logits[i]) != (i % PADDED >= VOCABULARY);
    printf(failed ? "failed\n" : "both shapes agree\n");
    return failed;
}
