#include "loss.h"

/* The probability that the first item is the better one, after flips. */
static real target(const struct ref_group *g)
{
    real eps = g->p->label_smoothing;
    return g->prob * (1 - eps) + (1 - g->prob) * eps;
}

static real margin(const struct ref_group *g)
{
    return g->p->beta * (ref_worth(g, 0) - ref_worth(g, 1)) - g->offset;
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

static real mean(const struct ref_group *g, int i, real x)
{
    return g->count[i] > 0 ? x / g->count[i] : 0;
}

/* x, or x a token. */
static real by_length(const struct ref_group *g, int i, real x)
{
    return g->p->length == ALIGN_LENGTH_MEAN ? mean(g, i, x) : x;
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

static real unbiased(const struct ref_group *g)
{
    return (target(g) - g->p->noise) / (1 - 2 * (real)g->p->noise);
}

static real bradley_terry(struct ref_group *g)
{
    const align_loss_params *p = g->p;
    real a = g->score[0], b = g->score[1], z = p->beta * (a - b) - p->margin - g->offset;
    return both(g, unbiased(g), logistic, z) + ref_note(g, p->center * (a + b) * (a + b)) +
           ref_note(g, p->norm_penalty * (a * a + b * b));
}

static real robust(struct ref_group *g)
{
    return both(g, unbiased(g), logistic, margin(g));
}

static real discopop_phi(const struct ref_group *g, real z)
{
    real tau = g->p->tau;
    return ref_sigmoid(-z / tau) * ref_nls(z) + r_exp(-z - ref_nls(z / tau));
}

static real discopop(struct ref_group *g)
{
    return both(g, target(g), discopop_phi, margin(g));
}

static real ipo_phi(const struct ref_group *g, real z)
{
    real h = z - 1 / (2 * (real)g->p->beta);
    return h * h;
}

static real ipo(struct ref_group *g)
{
    real z = by_length(g, 0, ref_worth(g, 0)) - by_length(g, 1, ref_worth(g, 1)) - g->offset;
    return both(g, target(g), ipo_phi, z);
}

static real sigmoid_norm(struct ref_group *g)
{
    real z = g->p->beta * (mean(g, 0, ref_worth(g, 0)) - mean(g, 1, ref_worth(g, 1))) - g->offset;
    return both(g, target(g), logistic, z);
}

static real r_dpo(struct ref_group *g)
{
    return both(g, target(g), logistic, margin(g) + g->p->alpha * (g->count[0] - g->count[1]));
}

static real dpop(struct ref_group *g)
{
    real u = ref_worth(g, 0), fall = g->p->lambda * ref_max(0, -u);
    return both(g, target(g), logistic, g->p->beta * (u - ref_worth(g, 1) - fall) - g->offset);
}

static real tdpo(struct ref_group *g)
{
    real chosen = g->p->stop == ALIGN_STOP_CHOSEN ? g->still->aux[0] : g->aux[0];
    return both(g, target(g), logistic,
                margin(g) - g->p->beta * g->p->alpha * (g->aux[1] - chosen));
}

/* Smoothed label against the policy's preference, in either direction of KL. */
static real kl(struct ref_group *g, real log_p, real log_p_not, real log_q, real log_q_not)
{
    return ref_note(g, r_exp(log_p) * (log_p - log_q)) +
           ref_note(g, r_exp(log_p_not) * (log_p_not - log_q_not));
}

static real exo(struct ref_group *g)
{
    real z = margin(g), t = target(g);
    return kl(g, -ref_nls(z), -ref_nls(-z), r_log(t), r_log(1 - t));
}

static real wish(const struct ref_group *g)
{
    return g->p->eta * (g->label[0] - g->label[1]);
}

static real rpo_fwd(struct ref_group *g)
{
    real z = margin(g), x = wish(g);
    return kl(g, -ref_nls(z), -ref_nls(-z), -ref_nls(x), -ref_nls(-x));
}

static real rpo_bwd(struct ref_group *g)
{
    real z = margin(g), x = wish(g);
    return kl(g, -ref_nls(x), -ref_nls(-x), -ref_nls(z), -ref_nls(-z));
}

static real rpo_sq(struct ref_group *g)
{
    real e = margin(g) - wish(g);
    return ref_note(g, e * e);
}

static real reward(const struct ref_group *g, int i)
{
    return g->p->beta * ref_worth(g, i);
}

static real nca_pair(struct ref_group *g)
{
    return ref_note(g, ref_nls(reward(g, 0))) + ref_note(g, ref_nls(-reward(g, 0)) / 2) +
           ref_note(g, ref_nls(-reward(g, 1)) / 2);
}

static real bco_pair(struct ref_group *g)
{
    return ref_note(g, ref_nls(reward(g, 0) - g->offset)) +
           ref_note(g, ref_nls(-(reward(g, 1) - g->offset)));
}

static real sppo(struct ref_group *g)
{
    real sum = 0;
    for (int i = 0; i < 2; i++) {
        real e = ref_worth(g, i) - (g->label[i] - (real)0.5) / g->p->beta;
        sum += ref_note(g, e * e);
    }
    return sum;
}

static real apo_zero(struct ref_group *g)
{
    return ref_note(g, ref_sigmoid(-reward(g, 0))) + ref_note(g, ref_sigmoid(reward(g, 1)));
}

static real apo_down(struct ref_group *g)
{
    return ref_note(g, ref_sigmoid(reward(g, 0))) +
           ref_note(g, ref_sigmoid(reward(g, 1) - reward(g, 0)));
}

static real cal_dpo(struct ref_group *g)
{
    real u = ref_worth(g, 0), v = ref_worth(g, 1), c = 1 / (2 * (real)g->p->beta);
    return ref_note(g, ref_nls(u - v - g->offset)) +
           ref_note(g, g->p->lambda * ((u - c) * (u - c) + (v + c) * (v + c)));
}

static real slic_margin(struct ref_group *g)
{
    real z = by_length(g, 0, g->score[0]) - by_length(g, 1, g->score[1]) - g->offset;
    return ref_note(g, ref_max(0, g->p->beta * (g->label[0] - g->label[1]) - z));
}

static real simpo(struct ref_group *g)
{
    real gap = mean(g, 0, g->score[0]) - mean(g, 1, g->score[1]);
    return both(g, target(g), logistic, g->p->beta * gap - g->p->margin - g->offset);
}

static real alpha_reward(const struct ref_group *g, int i)
{
    real x = mean(g, i, g->score[i]), alpha = g->p->alpha;
    return alpha == 0 ? x : (1 - r_exp(-alpha * x)) / alpha;
}

static real alpha_po(struct ref_group *g)
{
    real z = g->p->beta * (alpha_reward(g, 0) - alpha_reward(g, 1)) - g->p->margin - g->offset;
    return both(g, target(g), logistic, z);
}

static real likelihood(struct ref_group *g)
{
    return ref_note(g, -g->p->lambda * by_length(g, 0, g->score[0]));
}

static real cpo(struct ref_group *g)
{
    real z = g->p->beta * (g->score[0] - g->score[1]) - g->offset;
    return both(g, target(g), logistic, z) + likelihood(g);
}

static real log_odds(real x)
{
    return x - r_log(1 - r_exp(x));
}

static real orpo(struct ref_group *g)
{
    real p = mean(g, 0, g->score[0]), q = mean(g, 1, g->score[1]);
    return ref_note(g, g->aux[0]) + ref_note(g, g->p->beta * ref_nls(log_odds(p) - log_odds(q)));
}

static real asft(struct ref_group *g)
{
    real p = mean(g, 0, g->score[0]), q = mean(g, 1, g->score[1]), beta = g->p->beta;
    return ref_note(g, -p) + ref_note(g, ref_nls(beta * log_odds(p))) +
           ref_note(g, ref_nls(-beta * log_odds(q)));
}

static real arpo(struct ref_group *g)
{
    real gap = mean(g, 0, g->score[0]) - mean(g, 1, g->score[1]);
    real w = g->p->alpha * r_exp(g->p->gamma * r_abs(gap)) - 1;
    w = w > 1 ? 1 : w;
    return ref_note(g, ref_nls(g->p->beta * (g->score[0] - w * g->score[1]) - g->offset));
}

static real rrhf(struct ref_group *g)
{
    return ref_note(g, ref_max(0, mean(g, 1, g->score[1]) - mean(g, 0, g->score[0]))) +
           likelihood(g);
}

static real tpo(struct ref_group *g)
{
    real z = g->p->beta * (by_length(g, 0, g->score[0]) - by_length(g, 1, g->score[1])) -
             g->p->margin - g->offset;
    return both(g, target(g), logistic, z) + ref_note(g, -g->p->lambda * g->aux[0]);
}

static real plain_margin(const struct ref_group *g)
{
    return g->p->beta * (g->score[0] - g->score[1]) - g->offset;
}

static real bt_ties_rk(struct ref_group *g)
{
    real z = plain_margin(g), eta = g->p->eta, won = ref_nls(z - eta), lost = ref_nls(-z - eta);
    if (g->label[0] > g->label[1])
        return ref_note(g, won);
    if (g->label[0] < g->label[1])
        return ref_note(g, lost);
    return ref_note(g, -r_log(r_exp(2 * eta) - 1)) + ref_note(g, won + lost);
}

static real bt_ties_davidson(struct ref_group *g)
{
    real z = plain_margin(g), far = r_abs(z) / 2;
    real sum = r_exp(z / 2 - far) + r_exp(-z / 2 - far) + g->p->nu * r_exp(-far);
    real own = g->label[0] > g->label[1]   ? z / 2
               : g->label[0] < g->label[1] ? -z / 2
                                           : r_log(g->p->nu);
    ref_note(g, own);
    return ref_note(g, r_log(sum) + far) - own;
}

static real ordinal(struct ref_group *g)
{
    const align_loss_params *p = g->p;
    real t[] = {p->threshold1, p->threshold2, p->threshold3, p->threshold4};
    real z = plain_margin(g), y = g->label[0] - g->label[1];
    int k = (int)(r_abs(y) > p->levels ? p->levels : r_abs(y));
    z = y < 0 ? -z : z;
    if (k == p->levels)
        return ref_note(g, ref_nls(z - t[k - 1]));
    real low = k == 0 ? -t[0] : t[k - 1];
    /* s(high - z) - s(low - z), with the common factors taken out. */
    real gap = 1 - r_exp(low - t[k]);
    return ref_note(g, ref_nls(t[k] - z)) + ref_note(g, ref_nls(z - low)) - ref_note(g, r_log(gap));
}

static real cost_model(struct ref_group *g)
{
    real sum = both(g, target(g), logistic, plain_margin(g));
    for (int i = 0; i < 2; i++)
        sum += ref_note(g, g->p->lambda * ref_nls(g->label[i] * g->score[i]));
    return sum;
}

static real focal(struct ref_group *g)
{
    real z = plain_margin(g), w = z > 0 ? 2 * ref_sigmoid(-z) : 1;
    return ref_note(g, r_pow(w, g->p->gamma) * ref_nls(z));
}

static real mse_pair(struct ref_group *g)
{
    real z = plain_margin(g) - g->p->margin;
    return ref_note(g, z * z);
}

/* With one group in the batch nothing is sorted: a pair meets its own reference. */
static real aot(struct ref_group *g)
{
    return both(g, target(g), logistic, margin(g));
}

#define ROW(name)                                                                                  \
    {                                                                                              \
#        name, name                                                                                \
    }
const struct ref_row ref_pairs[] = {
    ROW(dpo),          ROW(hinge),
    ROW(slic),         ROW(bradley_terry),
    ROW(robust),       ROW(discopop),
    ROW(ipo),          ROW(sigmoid_norm),
    ROW(r_dpo),        ROW(dpop),
    ROW(tdpo),         ROW(exo),
    ROW(rpo_fwd),      ROW(rpo_bwd),
    ROW(rpo_sq),       ROW(nca_pair),
    ROW(bco_pair),     ROW(sppo),
    ROW(apo_zero),     ROW(apo_down),
    ROW(cal_dpo),      ROW(slic_margin),
    ROW(simpo),        ROW(alpha_po),
    ROW(cpo),          ROW(orpo),
    ROW(asft),         ROW(arpo),
    ROW(rrhf),         ROW(tpo),
    ROW(bt_ties_rk),   ROW(bt_ties_davidson),
    ROW(ordinal),      ROW(cost_model),
    ROW(focal),        ROW(mse_pair),
    ROW(aot),          {"aot_unpaired", aot},
    {"beta_dpo", dpo}, {0},
};
