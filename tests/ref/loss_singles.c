#include "loss.h"

static real sft(struct ref_group *g)
{
    real n = g->p->length == ALIGN_LENGTH_MEAN ? g->count[0] : 1;
    return n == 0 ? 0 : ref_note(g, -g->score[0] / n);
}

static real reward(const struct ref_group *g)
{
    return g->p->beta * ref_worth(g, 0) - g->offset;
}

static real kto(struct ref_group *g)
{
    real y = g->label[0], r = reward(g);
    return ref_note(g, y * g->p->desirable * ref_sigmoid(-r)) +
           ref_note(g, (1 - y) * g->p->undesirable * ref_sigmoid(r));
}

static real apo_zero_single(struct ref_group *g)
{
    real y = g->label[0], r = g->p->beta * ref_worth(g, 0);
    return ref_note(g, y * ref_sigmoid(-r)) + ref_note(g, (1 - y) * ref_sigmoid(r));
}

static real cross(struct ref_group *g, real t, real f, real r)
{
    return ref_note(g, t * ref_nls(r)) + ref_note(g, f * ref_nls(-r));
}

static real bco(struct ref_group *g)
{
    return cross(g, g->label[0], 1 - g->label[0], reward(g));
}

static real npo(struct ref_group *g)
{
    return ref_note(g, 2 / (real)g->p->beta * ref_nls(-g->p->beta * ref_worth(g, 0)));
}

static real bce(struct ref_group *g)
{
    return cross(g, g->label[0] * g->p->desirable, (1 - g->label[0]) * g->p->undesirable,
                 g->p->beta * g->score[0] - g->offset);
}

static real mse(struct ref_group *g)
{
    real e = g->score[0] - g->label[0];
    return ref_note(g, e * e);
}

static real w2s_confidence(struct ref_group *g)
{
    real own = g->still->score[0] >= g->offset ? 1 : 0;
    real y = (1 - (real)g->p->alpha) * g->label[0] + g->p->alpha * own;
    return cross(g, y, 1 - y, g->score[0]);
}

static real w2s_product(struct ref_group *g)
{
    real y = g->label[0], weak = g->p->alpha == 0 ? 0 : g->p->alpha * (r_log(y) - r_log(1 - y));
    real odds = g->p->beta * g->still->score[0] + weak;
    real t = r_exp(-ref_nls(odds)), f = r_exp(-ref_nls(-odds));
    g->steepest = f + t * ref_sigmoid(-g->score[0]);
    return cross(g, t, f, g->score[0]);
}

static real nbpo(struct ref_group *g)
{
    real p = ref_sigmoid(g->score[0]), flip = ref_sigmoid(g->p->flip + g->aux[0]);
    real y = g->label[0], u = g->p->flip + g->aux[0], x = g->score[0];
    if (g->p->form == ALIGN_FORM_EXACT) {
        return ref_note(g, y * ref_nls(x)) + ref_note(g, y * ref_nls(-u)) -
               ref_note(g, (1 - y) * ref_log1p(flip * p - p));
    }
    real p0 = ref_sigmoid(g->still->score[0]),
         g0 = ref_sigmoid(g->still->p->flip + g->still->aux[0]);
    return ref_note(g, y * (1 - g0) * ref_nls(x)) + ref_note(g, y * p0 * ref_nls(-u)) +
           ref_note(g, (1 - y) * (ref_nls(-x) + g0 * ref_nls(x))) +
           ref_note(g, (1 - y) * p0 * ref_nls(u));
}

static real clip(real x, real low, real high)
{
    return x < low ? low : x > high ? high : x;
}

static real ppo_clip(struct ref_group *g)
{
    const align_loss_params *p = g->p;
    real rho = r_exp(g->score[0] - g->old[0]), gain = g->label[0] - g->offset;
    real low = 1 - (real)p->clip_low, high = 1 + (real)p->clip_high;
    real loss = ref_max(-gain * rho, -gain * clip(rho, low, high));
    if (gain < 0 && p->clip_dual > 0 && loss > -gain * p->clip_dual)
        loss = -gain * p->clip_dual;
    return ref_note(g, loss);
}

static real reinforce(struct ref_group *g)
{
    return ref_note(g, -(g->label[0] - g->offset) * g->score[0]);
}

static real value_clip(struct ref_group *g)
{
    real c = g->p->clip_high, v = g->score[0], r = g->label[0];
    real held = g->old[0] + clip(v - g->old[0], -c, c);
    return ref_note(g, ref_max((v - r) * (v - r), (held - r) * (held - r)) / 2);
}

static real grpo(struct ref_group *g)
{
    real q = ref_ratio(g, 0), k = q;
    if (g->p->estimator == ALIGN_KL_K2)
        k = q * q / 2;
    if (g->p->estimator == ALIGN_KL_K3)
        k = r_exp(-q) - 1 + q;
    ref_note(g, g->p->kl_coef * q);
    return ppo_clip(g) + ref_note(g, g->p->kl_coef * k);
}

#define ROW(name)                                                                                  \
    {                                                                                              \
#        name, name                                                                                \
    }
const struct ref_row ref_singles[] = {
    ROW(sft),
    ROW(kto),
    ROW(apo_zero_single),
    ROW(bco),
    ROW(npo),
    ROW(bce),
    ROW(mse),
    ROW(w2s_confidence),
    ROW(nbpo),
    ROW(ppo_clip),
    ROW(reinforce),
    ROW(value_clip),
    ROW(grpo),
    ROW(w2s_product),
    {0},
};
