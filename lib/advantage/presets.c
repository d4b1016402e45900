#include "advantage.h"

#include <string.h>

/* What trainers do by default, in their order. Read in their sources at the commits that tests/golden
 * names. GROUP and WHITEN take their parameters from the presets of norm.h. */
struct preset_row {
    const char *name;
    int32_t step[5];
    const char *trainer, *estimator; /* GROUP */
    double clip, beta;
    int32_t advantage;
    double lambda;
    int32_t whiten_form;
    double whiten_ddof;
};

enum {
    CLIP = ALIGN_PIPELINE_CLIP,
    SCORE_KL = ALIGN_PIPELINE_SCORE_KL,
    GROUP = ALIGN_PIPELINE_GROUP,
    DENSE = ALIGN_PIPELINE_DENSE,
    ADVANTAGE = ALIGN_PIPELINE_ADVANTAGE,
    BROADCAST = ALIGN_PIPELINE_BROADCAST,
    WHITEN = ALIGN_PIPELINE_WHITEN,
    GAE = ALIGN_ADVANTAGE_GAE,
    RETURN = ALIGN_ADVANTAGE_RETURN,
    ROOT = ALIGN_NORM_EPS_SQRT,
    FLOOR = ALIGN_NORM_EPS_MAX_SQRT
};

static const struct preset_row presets[] = {
    {"trl_ppo", {DENSE, ADVANTAGE, WHITEN}, NULL, NULL, 0, .05, GAE, .95, ROOT, 1},
    {"trl_grpo", {GROUP, BROADCAST}, "trl", "grpo", 0, 0, 0, 0, 0, 0},
    {"trl_rloo", {CLIP, SCORE_KL, GROUP, BROADCAST}, "trl", "rloo", 0, .05, 0, 0, 0, 0},
    {"verl_ppo", {DENSE, ADVANTAGE, WHITEN}, NULL, NULL, 0, 0, GAE, 1, ROOT, 1},
    {"verl_grpo", {GROUP, BROADCAST}, "verl", "grpo", 0, 0, 0, 0, 0, 0},
    {"verl_reinforce_plus_plus", {DENSE, ADVANTAGE, WHITEN}, NULL, NULL, 0, 0, RETURN, 0, ROOT, 1},
    {"openrlhf_ppo", {CLIP, DENSE, ADVANTAGE, WHITEN}, NULL, NULL, 10, .01, GAE, 1, FLOOR, 0},
    {"openrlhf_rloo",
     {GROUP, CLIP, DENSE, ADVANTAGE, WHITEN},
     "openrlhf",
     "rloo",
     10,
     .01,
     RETURN,
     0,
     FLOOR,
     0},
    {"openrlhf_reinforce_baseline",
     {GROUP, CLIP, DENSE, ADVANTAGE, WHITEN},
     "openrlhf",
     "dr_grpo",
     10,
     .01,
     RETURN,
     0,
     FLOOR,
     0},
    {"nemo_rl_grpo", {GROUP, BROADCAST}, "nemo_rl", "grpo", 0, 0, 0, 0, 0, 0},
    {"deepspeed_chat", {CLIP, DENSE, ADVANTAGE}, NULL, NULL, 5, .1, GAE, .95, 0, 0},
};

static align_status fill(const struct preset_row *row, align_pipeline *p,
                         align_norm_params params[3])
{
    uint32_t flags;
    align_status status = ALIGN_E_NONE;
    memcpy(p->step, row->step, sizeof row->step);
    p->clip_low = row->clip > 0 ? -row->clip : 0;
    p->clip_high = row->clip;
    p->beta = row->beta;
    p->kl_kind = row->beta > 0 ? ALIGN_KL_K1 : ALIGN_KL_NONE;
    p->advantage = row->advantage;
    p->gamma = row->advantage != 0 ? 1 : 0;
    p->lambda = row->lambda;
    if (row->trainer != NULL) {
        status = align_norm_preset_get(row->trainer, row->estimator, &params[0], &params[1],
                                       &flags);
        p->group = &params[0];
        p->group_then = params[1].kind != 0 ? &params[1] : NULL;
    }
    if (row->whiten_form != 0 && status == ALIGN_E_NONE) {
        status = align_norm_params_init(&params[2], params[2].size, ALIGN_NORM_ZSCORE);
        params[2].eps_form = row->whiten_form;
        params[2].ddof = row->whiten_ddof;
        p->whiten = &params[2];
    }
    return status;
}

align_status align_pipeline_preset_get(const char *name, align_pipeline *pipeline,
                                       align_norm_params params[3])
{
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
        if (name != NULL && strcmp(presets[i].name, name) == 0) {
            align_pipeline local;
            align_pipeline_init(&local, sizeof local);
            align_status status = fill(&presets[i], &local, params);
            size_t size = pipeline->size;
            memset(pipeline, 0, size);
            memcpy(pipeline, &local, size < sizeof local ? size : sizeof local);
            pipeline->size = size;
            return status;
        }
    return ALIGN_E_ARG;
}
