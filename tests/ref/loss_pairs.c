#include "loss.h"

/* The probability that the first item is the better one, after flips. */
static real target(const struct ref_group *g)
{
    real eps = g->p->label_smoothing;
    return g->prob * (1 - eps) + (1 - g->prob) * eps;
}

static real margin(const struct ref_group *g)
{
    return g->p->beta * (ref_ratio(g, 0) - ref_ratio(g, 1)) - g->offset;
}

static real both(struct ref_group *g, real t, real (*phi)(const struct ref_group *, real), real z)
{
    return ref_note(g, t * phi(g, z)) + ref_note(g, (1 - t) * phi(g, -z));
}

static real logistic(const struct ref_group *g, real z)
{
    (void)g;
    return ref_nls(z);
}

static real hinge_phi(const struct ref_group *g, real z)
{
    return ref_max(0, g->p->margin - z);
}

static real dpo(struct ref_group *g)
{
    return both(g, target(g), logistic, margin(g));
}

static real hinge(struct ref_group *g)
{
    return both(g, target(g), hinge_phi, margin(g));
}

static real slic(struct ref_group *g)
{
    return both(g, target(g), hinge_phi, g->score[0] - g->score[1] - g->offset);
}

static real bradley_terry(struct ref_group *g)
{
    const align_loss_params *p = g->p;
    real a = g->score[0], b = g->score[1], z = p->beta * (a - b) - p->margin - g->offset;
    real t = (target(g) - p->noise) / (1 - 2 * (real)p->noise);
    return both(g, t, logistic, z) + ref_note(g, p->center * (a + b) * (a + b)) +
           ref_note(g, p->norm_penalty * (a * a + b * b));
}

const struct ref_row ref_pairs[] = {
    {"dpo", dpo}, {"hinge", hinge}, {"slic", slic}, {"bradley_terry", bradley_terry}, {0},
};
