/* Policy and value losses of one token at a time: a group is a token, a score its log-probability. */
#include "pair.h"

#define NO_REF [ALIGN__PROP_REF] = "has no reference"
#define ALONE                                                                                      \
    [ALIGN__PROP_SHIFT] = "a token's score has no other to be compared with",                      \
    [ALIGN__PROP_SUM_ZERO] = "a token"
#define CLIPS(high)                                                                                \
    {ALIGN__PARAM_CLIP_LOW, 0.2, 0, 1},                                                            \
    {                                                                                              \
        ALIGN__PARAM_CLIP_HIGH, high, 0, ALIGN__ANY                                                \
    }
#define TOKEN .arity = ALIGN_LOSS_SINGLE, .label_least = -ALIGN__ANY, .label_most = ALIGN__ANY

/* max(-A rho, -A clip(rho, 1 - low, 1 + high)) of rho = e^(score - old), by score, as value and slope of a block. Where
 * both are equal the ratio is inside and its gradient counts. */
static void clip(struct align__block *b, const double *rho)
{
    const align_loss_params *p = b->params;
    const double high = 1 + p->clip_high, low = 1 - p->clip_low;
    const double dual = p->clip_dual > 0 ? p->clip_dual : INFINITY;
    struct align__side *side = &b->side[0];
    for (int i = 0; i < b->n; i++) {
        const double gain = side->label[i] - b->offset[i];
        const double most = gain > 0 ? high : dual, least = gain > 0 ? 0 : low;
        const double below = rho[i] > most ? most : rho[i], kept = below < least ? least : below;
        b->value[i] = -align__times(gain, kept);
        side->d[i] = kept == rho[i] ? b->value[i] : 0;
    }
}

/* rho of all. */
static void move(const struct align__block *b, double *rho)
{
    b->f64->minus(rho, b->side[0].score, b->side[0].old, b->n);
    b->f64->exp(rho, rho, b->n);
}

static const char *check_clips(const align_loss_params *p)
{
    return p->clip_dual > 0 && p->clip_dual < 1 ? "a clip_dual of 0, or of 1 or more" : NULL;
}

static void ppo_clip(struct align__block *b)
{
    double rho[ALIGN__BLOCK];
    move(b, rho);
    clip(b, rho);
}

const struct align__loss_row ALIGN__ROW(ppo_clip) = {
    .name = "ppo_clip",
    .brief =
        "clipped policy loss of PPO; label is the advantage (less offset), old the sampling "
        "policy's log-probability. clip_high above clip_low is clip-higher; clip_dual of 1 or more "
        "is dual clipping, 0 none",
    .source =
        "Schulman et al. 2017, arXiv 1707.06347, Eq. 7; clip-higher: DAPO, arXiv 2503.14476, Eq. "
        "10; dual: arXiv 1912.09729, Eq. 5",
    .formula =
        "max(-A rho, -A clip(rho, 1 - clip_low, 1 + clip_high)), for A < 0 at most -A clip_dual; "
        "rho = e^(a - old), A = label - offset",
    .gradient = "da = -A rho where rho is not clipped, else 0",
    TOKEN,
    .needs = ALIGN_LOSS_READS_LABEL | ALIGN_LOSS_READS_OLD,
    .reads = ALIGN_LOSS_READS_OFFSET,
    .params = {CLIPS(0.2), {ALIGN__PARAM_CLIP_DUAL, 0, 0, ALIGN__ANY}},
    .check = check_clips,
    .block = ppo_clip,
    .unless = {ALONE, NO_REF},
};

static void reinforce(struct align__block *b)
{
    for (int i = 0; i < b->n; i++) {
        const double gain = b->side[0].label[i] - b->offset[i];
        b->value[i] = -align__times(gain, b->side[0].score[i]);
        b->side[0].d[i] = -gain;
    }
}

const struct align__loss_row ALIGN__ROW(reinforce) = {
    .name = "reinforce",
    .brief =
        "policy gradient; label is the return, offset its baseline. Of sequences as well as tokens",
    .source = "Williams 1992, Eq. 4; as in MusicRL, arXiv 2402.04229, Eq. 3",
    .formula = "-A a, A = label - offset",
    .gradient = "da = -A",
    TOKEN,
    .needs = ALIGN_LOSS_READS_LABEL,
    .reads = ALIGN_LOSS_READS_OFFSET,
    .block = reinforce,
    .unless = {ALONE, NO_REF},
};

static void value_clip(struct align__block *b)
{
    const double clip = b->params->clip_high;
    for (int i = 0; i < b->n; i++) {
        const double v = b->side[0].score[i], old = b->side[0].old[i];
        const double moved = align__minus(v, old);
        const bool held = moved > clip || moved < -clip;
        const double near = !held ? v : old + (moved > 0 ? clip : -clip);
        const double e = v - b->side[0].label[i], c = near - b->side[0].label[i];
        const bool flat = held && c * c > e * e;
        b->value[i] = 0.5 * (flat ? c * c : e * e);
        b->side[0].d[i] = flat ? 0 : e;
    }
}

const struct align__loss_row ALIGN__ROW(value_clip) = {
    .name = "value_clip",
    .brief = "clipped value loss of PPO; score is the value, old the value when sampled, label the "
             "return",
    .source = "as in OpenAI baselines' PPO2; FineGrainedRLHF, arXiv 2306.01693",
    .formula = "max((a - R)^2, (clip(a, old - clip_high, old + clip_high) - R)^2) / 2, R = label",
    .gradient = "da = a - R, or 0 where the clipped square is larger",
    TOKEN,
    .needs = ALIGN_LOSS_READS_LABEL | ALIGN_LOSS_READS_OLD,
    .params = {{ALIGN__PARAM_CLIP_HIGH, 0.2, 0, ALIGN__ANY}},
    .block = value_clip,
    .unless = {ALONE, NO_REF},
};

/* Adds an estimate of KL(policy || ref) from q = log policy - log ref. */
static void add_kl(struct align__block *b)
{
    const double coef = b->params->kl_coef;
    const int32_t kind = b->params->estimator;
    double *d = b->side[0].d, *q = b->side[0].ratio, less[ALIGN__BLOCK];
    for (int i = 0; i < b->n; i++)
        less[i] = -q[i];
    b->f64->expm1(less, less, b->n);
    for (int i = 0; i < b->n; i++) {
        const double k2 = 0.5 * q[i] * q[i], k3 = align__plus(less[i], q[i]);
        const double value = kind == ALIGN_KL_K1 ? q[i] : kind == ALIGN_KL_K2 ? k2 : k3;
        const double slope = kind == ALIGN_KL_K1 ? 1 : kind == ALIGN_KL_K2 ? q[i] : -less[i];
        b->value[i] = align__plus(b->value[i], align__times(coef, value));
        d[i] = align__plus(d[i], align__times(coef, slope));
    }
}

static void grpo(struct align__block *b)
{
    double rho[ALIGN__BLOCK];
    move(b, rho);
    clip(b, rho);
    add_kl(b);
}

static const struct align__preset grpo_presets[] = {
    {"trl-1.10", {{ALIGN__PARAM_KL_COEF, 0}}},
    {NULL, {{0}}},
};

const struct align__loss_row ALIGN__ROW(grpo) = {
    .name = "grpo",
    .brief = "group-relative policy optimisation: ppo_clip and an estimate of KL to the reference; "
             "label "
             "is the advantage. Token or sequence means are a matter of weight and denom",
    .source =
        "Shao et al. 2024 (DeepSeekMath), arXiv 2402.03300, Eq. 3 and 4; estimators: Schulman "
        "2020, Approximating KL divergence",
    .formula =
        "max(-A rho, -A clip(rho, 1 - clip_low, 1 + clip_high)) + kl_coef k, q = a - ref; k1 = q, "
        "k2 = q^2 / 2, k3 = e^-q - 1 + q",
    .gradient = "da = -A rho where rho is not clipped, + kl_coef (1, q, or 1 - e^-q)",
    TOKEN,
    .needs = ALIGN_LOSS_READS_LABEL | ALIGN_LOSS_READS_OLD,
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_READS_OFFSET,
    .params = {CLIPS(0.2),
               {ALIGN__PARAM_CLIP_DUAL, 0, 0, ALIGN__ANY},
               {ALIGN__PARAM_KL_COEF, 0.04, 0, ALIGN__ANY},
               {ALIGN__PARAM_ESTIMATOR, ALIGN_KL_K3, ALIGN_KL_K1, ALIGN_KL_K3}},
    .presets = grpo_presets,
    .check = check_clips,
    .block = grpo,
    .unless = {ALONE, [ALIGN__PROP_REF] = "the ratio to old moves with the score",
               [ALIGN__PROP_WORTH] = "grpo reads log-ratios to estimate KL, not as rewards"},
};
