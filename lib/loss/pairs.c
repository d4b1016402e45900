/* Pairs whose loss is a link of the margin z. */
#include "pair.h"

#define SMOOTH_FORM "t = prob (1 - eps) + (1 - prob) eps"

static void dpo(struct align__block *b)
{
    const double beta = b->params->beta;
    for (int i = 0; i < b->n; i++)
        align__logistic_link(b, i, beta, align__margin(b, i, beta), align__soft(b, i));
}

const struct align__loss_row align__loss_dpo = {
    .name = "dpo",
    .brief = "direct preference optimisation; with label_smoothing cDPO, with prob soft labels",
    .source = "Rafailov et al. 2023, arXiv 2305.18290, Eq. 7; smoothing: Mitchell 2023, "
              "A note on DPO with noisy preferences, Eq. 3",
    .formula = "t softplus(-z) + (1 - t) softplus(z), z = beta (u - v) - offset, " SMOOTH_FORM,
    .gradient = "du = beta ((1 - t) s(z) - t s(-z)), dv = -du",
    .arity = ALIGN_LOSS_PAIR,
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_READS_PROB | ALIGN_LOSS_READS_OFFSET |
             ALIGN_LOSS_WRITES_HSCORE,
    .params = {{ALIGN__PARAM_BETA, 0.1, ALIGN__ABOVE_0, ALIGN__ANY},
               {ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5}},
    .block = dpo,
};

/* max(0, m - z), and its slope; 0 at the kink. */
static void hinge_link(struct align__block *b, int i, double beta, double z)
{
    const double m = b->params->margin;
    const struct align__soft soft = align__soft(b, i);
    const double right = z < m, wrong = -z < m;
    align__link(b, i, beta,
                align__times(soft.t * right, m - z) + align__times(soft.f * wrong, m + z),
                soft.f * wrong - soft.t * right, 0);
}

static void hinge(struct align__block *b)
{
    const double beta = b->params->beta;
    for (int i = 0; i < b->n; i++)
        hinge_link(b, i, beta, align__margin(b, i, beta));
}

const struct align__loss_row align__loss_hinge = {
    .name = "hinge",
    .brief = "hinge on the scaled margin: RSO's hinge-norm, the SLiC-norm of LiPO",
    .source =
        "Liu et al. 2023 (RSO), arXiv 2309.06657, Eq. 9 with gamma = beta; LiPO Eq. 6 at K = 2",
    .formula = "t max(0, m - z) + (1 - t) max(0, m + z), z = beta (u - v) - offset, " SMOOTH_FORM,
    .gradient = "du = beta ((1 - t) [-z < m] - t [z < m]), dv = -du; 0 at a kink",
    .arity = ALIGN_LOSS_PAIR,
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_READS_PROB | ALIGN_LOSS_READS_OFFSET,
    .params = {{ALIGN__PARAM_BETA, 0.05, ALIGN__ABOVE_0, ALIGN__ANY},
               {ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5},
               {ALIGN__PARAM_MARGIN, 1, 0, ALIGN__ANY}},
    .block = hinge,
};

static void slic(struct align__block *b)
{
    for (int i = 0; i < b->n; i++)
        hinge_link(b, i, 1, align__margin(b, i, 1));
}

const struct align__loss_row align__loss_slic = {
    .name = "slic",
    .brief = "SLiC-HF's rank calibration on log-probabilities; add the row sft on the target's "
             "sequences for its regulariser",
    .source = "Zhao et al. 2023 (SLiC-HF), arXiv 2305.10425, Eq. 1, first term",
    .formula = "t max(0, m - z) + (1 - t) max(0, m + z), z = a - b - offset, " SMOOTH_FORM,
    .gradient = "da = (1 - t) [-z < m] - t [z < m], db = -da; 0 at a kink",
    .arity = ALIGN_LOSS_PAIR,
    .reads = ALIGN_LOSS_READS_PROB | ALIGN_LOSS_READS_OFFSET,
    .params = {{ALIGN__PARAM_MARGIN, 1, 0, ALIGN__ANY}, {ALIGN__PARAM_LABEL_SMOOTHING, 0, 0, 0.5}},
    .block = slic,
    .unless = {[ALIGN__PROP_REF] = "has no reference"},
};
