/* Every way to use advantages and dense rewards wrongly: status, field, index, value, outputs left alone. */
#include "../suite.h"

#include "reach.h"

#include <libalign/advantage.h>

#include <math.h>
#include <string.h>

enum { B = 2, T = 4, M = 3 };

struct call {
    align_advantage_args advantage;
    align_dense_args dense;
    align_dense_source sources[2];
    align_pipeline plan;
    align_pipeline_args pipeline;
    align_norm_params group, whiten;
    align_kl_controller controller;
    align_lagrange lagrange;
    double kl;
    int64_t n;
    float reward[B][T], value[B][T], mask[B][T], out[B][T], target[B][T];
    float logp[B][T], ref[B][T], score[B], fine[M], cost[B], bootstrap[B];
    double sequence_kl[B];
    int32_t end[M];
    uint8_t truncated[B], ended[B];
    int64_t offsets[B + 1], cut[B + 1];
    align_exec exec;
    align_error error;
};

static void make_advantage(struct call *c)
{
    align_advantage_args *a = &c->advantage;
    align_advantage_args_init(a, sizeof *a);
    a->reward = align_2d(c->reward, ALIGN_F32, B, T);
    a->value = align_2d(c->value, ALIGN_F32, B, T);
    a->mask = align_2d(c->mask, ALIGN_F32, B, T);
    a->truncated = align_1d(c->truncated, ALIGN_BOOL, B);
    a->bootstrap = align_1d(c->bootstrap, ALIGN_F32, B);
    a->advantage = align_2d(c->out, ALIGN_F32, B, T);
    a->target = align_2d(c->target, ALIGN_F32, B, T);
}

static void make_dense(struct call *c)
{
    align_dense_args *d = &c->dense;
    align_dense_args_init(d, sizeof *d);
    for (int k = 0; k < 2; k++)
        align_dense_source_init(&c->sources[k], sizeof c->sources[k]);
    c->sources[0].value = align_1d(c->score, ALIGN_F32, B);
    c->sources[1].value = align_1d(c->fine, ALIGN_F32, M);
    c->sources[1].end = align_1d(c->end, ALIGN_I32, M);
    c->sources[1].offsets = align_1d(c->cut, ALIGN_I64, B + 1);
    d->sources = c->sources;
    d->n_sources = 2;
    d->mask = align_2d(c->mask, ALIGN_F32, B, T);
    d->ended = align_1d(c->ended, ALIGN_BOOL, B);
    d->eos_kind = ALIGN_DENSE_EOS_SUBTRACT;
    d->kl_kind = ALIGN_KL_K1;
    d->logp = align_2d(c->logp, ALIGN_F32, B, T);
    d->ref = align_2d(c->ref, ALIGN_F32, B, T);
    d->cost = align_1d(c->cost, ALIGN_F32, B);
    d->reward = align_2d(c->out, ALIGN_F32, B, T);
    d->sequence_kl = align_1d(c->sequence_kl, ALIGN_F64, B);
}

static void make_pipeline(struct call *c)
{
    align_pipeline *p = &c->plan;
    align_pipeline_args *a = &c->pipeline;
    ck_assert_int_eq(align_norm_params_init(&c->group, sizeof c->group, ALIGN_NORM_ZSCORE), 0);
    ck_assert_int_eq(align_norm_params_init(&c->whiten, sizeof c->whiten, ALIGN_NORM_ZSCORE), 0);
    align_pipeline_init(p, sizeof *p);
    p->step[0] = ALIGN_PIPELINE_GROUP;
    p->step[1] = ALIGN_PIPELINE_DENSE;
    p->step[2] = ALIGN_PIPELINE_ADVANTAGE;
    p->step[3] = ALIGN_PIPELINE_WHITEN;
    p->group = &c->group;
    p->whiten = &c->whiten;
    p->kl_kind = ALIGN_KL_K1;
    p->advantage = ALIGN_ADVANTAGE_GAE;
    align_pipeline_args_init(a, sizeof *a);
    a->pipeline = p;
    a->score = align_1d(c->cost, ALIGN_F32, B);
    a->group_size = 2;
    a->mask = align_2d(c->mask, ALIGN_F32, B, T);
    a->logp = align_2d(c->logp, ALIGN_F32, B, T);
    a->ref = align_2d(c->ref, ALIGN_F32, B, T);
    a->value = align_2d(c->value, ALIGN_F32, B, T);
    a->truncated = align_1d(c->truncated, ALIGN_BOOL, B);
    a->bootstrap = align_1d(c->bootstrap, ALIGN_F32, B);
    a->shaped = align_1d(c->score, ALIGN_F32, B);
    a->sequence_kl = align_1d(c->sequence_kl, ALIGN_F64, B);
    a->reward = align_2d(c->reward, ALIGN_F32, B, T);
    a->advantage = align_2d(c->out, ALIGN_F32, B, T);
    a->target = align_2d(c->target, ALIGN_F32, B, T);
}

static void make_good(struct call *c)
{
    memset(c, 0, sizeof *c);
    for (int i = 0; i < B * T; i++)
        c->mask[i / T][i % T] = 1;
    c->cut[1] = 2;
    c->cut[2] = M;
    c->end[1] = 3;
    c->offsets[1] = c->offsets[2] = T;
    make_advantage(c);
    make_dense(c);
    make_pipeline(c);
    align_kl_controller_init(&c->controller, sizeof c->controller);
    align_lagrange_init(&c->lagrange, sizeof c->lagrange);
    c->kl = 1;
    c->n = 8;
    align_exec_init(&c->exec, sizeof c->exec);
    align_error_init(&c->error, sizeof c->error);
    c->exec.error = &c->error;
}

static align_status call_advantage(struct call *c)
{
    return align_advantage_eval(&c->exec, &c->advantage);
}

static align_status call_dense(struct call *c)
{
    return align_dense_eval(&c->exec, &c->dense);
}

static align_status call_pipeline(struct call *c)
{
    return align_pipeline_eval(&c->exec, &c->pipeline);
}

static align_status call_controller(struct call *c)
{
    return align_kl_controller_update(&c->exec, &c->controller, c->kl, c->n);
}

static align_status call_lagrange(struct call *c)
{
    return align_lagrange_update(&c->exec, &c->lagrange, c->kl);
}

#define SPOIL(name, body)                                                                          \
    static void name(struct call *c)                                                               \
    {                                                                                              \
        body;                                                                                      \
    }

SPOIL(kind_0, c->advantage.kind = 0)
SPOIL(kind_return, c->advantage.kind = ALIGN_ADVANTAGE_RETURN)
SPOIL(n_unread, c->advantage.n = 2)
SPOIL(reserved, c->advantage.reserved = 1)
SPOIL(gamma_2, c->advantage.gamma = 2)
SPOIL(lambda_nan, c->advantage.lambda = NAN)
SPOIL(n_0, c->advantage.kind = ALIGN_ADVANTAGE_N_STEP; c->advantage.lambda = 0)
SPOIL(no_reward, c->advantage.reward.ndim = 0)
SPOIL(no_value, c->advantage.value.ndim = 0)
SPOIL(no_output, c->advantage.advantage.ndim = c->advantage.target.ndim = 0)
SPOIL(no_bootstrap, c->advantage.bootstrap.ndim = 0)
SPOIL(no_truncated, c->advantage.truncated.ndim = 0)
SPOIL(flat, c->advantage.reward.ndim = 1)
SPOIL(half_mask, c->mask[1][2] = .5f)
SPOIL(a_size, c->advantage.size = 8)
SPOIL(finite_reward, c->exec.flags = ALIGN_FLAG_FINITE; c->reward[1][3] = NAN)
SPOIL(finite_value, c->exec.flags = ALIGN_FLAG_FINITE; c->value[0][1] = INFINITY)
SPOIL(finite_boot, c->exec.flags = ALIGN_FLAG_FINITE; c->bootstrap[1] = NAN)
SPOIL(target_over_reward, c->advantage.target.data = c->reward)
SPOIL(bad_offsets, c->advantage.reward = align_1d(c->reward, ALIGN_F32, B *T);
      c->advantage.offsets = align_1d(c->offsets, ALIGN_I64, B + 1))
SPOIL(kl_9, c->dense.kl_kind = 9)
SPOIL(eos_9, c->dense.eos_kind = 9)
SPOIL(beta_below, c->dense.beta = -1)
SPOIL(penalty_nan, c->dense.eos_penalty = NAN)
SPOIL(ratio_inf, c->dense.kl_clip_ratio = INFINITY)
SPOIL(multiplier_below, c->dense.multiplier = -1)
SPOIL(clip_kl, c->dense.kl_clip_low = 1)
SPOIL(sources_below, c->dense.n_sources = -1)
SPOIL(no_logp, c->dense.logp.ndim = 0)
SPOIL(no_ref, c->dense.ref.ndim = 0)
SPOIL(no_eos_kind, c->dense.eos_kind = 0)
SPOIL(no_ended, c->dense.ended.ndim = 0)
SPOIL(no_sources, c->dense.sources = NULL)
SPOIL(no_dense_output, c->dense.reward.ndim = c->dense.sequence_kl.ndim = 0)
SPOIL(no_kl, c->dense.kl_kind = 0; c->dense.logp.ndim = c->dense.ref.ndim = 0)
SPOIL(plain, no_kl(c); c->dense.sequence_kl.ndim = 0)
SPOIL(logp_unread, plain(c); c->dense.logp.ndim = 2)
SPOIL(ref_unread, plain(c); c->dense.ref.ndim = 2)
SPOIL(beta_unread, plain(c); c->dense.beta = 1)
SPOIL(ratio_unread, plain(c); c->dense.kl_clip_ratio = 1)
SPOIL(low_unread, plain(c); c->dense.kl_clip_low = -1)
SPOIL(high_unread, plain(c); c->dense.kl_clip_high = 1)
SPOIL(penalty_unread, c->dense.ended.ndim = 0; c->dense.eos_kind = 0; c->dense.eos_penalty = 1)
SPOIL(multiplier_unread, c->dense.cost.ndim = 0; c->dense.multiplier = 1)
SPOIL(end_masked, c->mask[0][3] = 0)
SPOIL(end_beyond, c->end[2] = T)
SPOIL(end_below, c->end[0] = -1)
SPOIL(cut_falls, c->cut[1] = 4)
SPOIL(no_cut, c->sources[1].offsets.ndim = 0)
SPOIL(cut_alone, c->sources[0].offsets = align_1d(c->cut, ALIGN_I64, B + 1))
SPOIL(no_score, c->sources[0].value.ndim = 0)
SPOIL(deviation_0, c->sources[1].deviation = 0)
SPOIL(mean_nan, c->sources[0].mean = NAN)
SPOIL(scale_inf, c->sources[0].scale = INFINITY)
SPOIL(bias_nan, c->sources[0].bias = NAN)
SPOIL(weight_nan, c->sources[1].weight = NAN)
SPOIL(source_clip, c->sources[0].clip_low = 1)
SPOIL(source_size, c->sources[0].size = 8)
SPOIL(score_nan, c->exec.flags = ALIGN_FLAG_FINITE; c->score[1] = NAN)
SPOIL(logp_nan, c->exec.flags = ALIGN_FLAG_FINITE; c->logp[1][2] = -INFINITY)
SPOIL(cost_nan, c->exec.flags = ALIGN_FLAG_FINITE; c->cost[0] = NAN)
SPOIL(d_size, c->dense.size = 8)
SPOIL(beta_nan, c->controller.beta = NAN)
SPOIL(target_0, c->controller.target = 0)
SPOIL(horizon_below, c->controller.horizon = -1)
SPOIL(both, c->controller.rate = 1)
SPOIL(limit_0, c->controller.limit = 0)
SPOIL(kl_nan, c->kl = NAN)
SPOIL(n_below, c->n = -1)
SPOIL(c_size, c->controller.size = 8)
SPOIL(log_of_0, c->lagrange.logarithmic = 1)
SPOIL(log_2, c->lagrange.logarithmic = 2; c->lagrange.multiplier = 1)
SPOIL(rate_nan, c->lagrange.rate = NAN)
SPOIL(bound_inf, c->lagrange.bound = INFINITY)
SPOIL(l_reserved, c->lagrange.reserved = 1)
SPOIL(l_size, c->lagrange.size = 8)
SPOIL(step_99, c->plan.step[1] = 99)
SPOIL(step_early, c->plan.step[0] = ALIGN_PIPELINE_WHITEN)
SPOIL(step_end, c->plan.step[2] = 0)
SPOIL(plan_null, c->pipeline.pipeline = NULL)
SPOIL(plan_size, c->plan.size = 8)
SPOIL(p_size, c->pipeline.size = 8)
SPOIL(plan_overlong, c->plan.overlong_limit = 5)
SPOIL(plan_no_limit, memmove(c->plan.step + 1, c->plan.step, 4 * sizeof(int32_t));
      c->plan.step[0] = ALIGN_PIPELINE_OVERLONG)
SPOIL(plan_buffer, plan_no_limit(c); c->plan.overlong_limit = 4; c->plan.overlong_buffer = 5)
SPOIL(plan_clip, memmove(c->plan.step + 1, c->plan.step, 4 * sizeof(int32_t));
      c->plan.step[0] = ALIGN_PIPELINE_CLIP; c->plan.clip_high = -1)
SPOIL(plan_clip_unread, c->plan.clip_high = 1)
SPOIL(plan_kl, c->plan.kl_kind = 9)
SPOIL(plan_beta, c->plan.beta = -1)
SPOIL(plan_gamma, c->plan.gamma = 1.5)
SPOIL(plan_n, c->plan.n = 3)
SPOIL(plan_advantage, c->plan.advantage = 9; c->plan.lambda = 0)
SPOIL(plan_no_group, c->plan.group = NULL)
SPOIL(plan_no_whiten, c->plan.whiten = NULL)
SPOIL(plan_whiten_reward, c->plan.whiten_reward = &c->whiten)
SPOIL(plan_refuses, c->group.few = ALIGN_NORM_AS_REFUSE)
SPOIL(plan_lengths,
      ck_assert_int_eq(align_norm_params_init(&c->group, sizeof c->group, ALIGN_NORM_LENGTH_CENTER),
                       0))
SPOIL(plan_whiten_kind,
      ck_assert_int_eq(align_norm_params_init(&c->whiten, sizeof c->whiten, ALIGN_NORM_RANK), 0))
SPOIL(p_no_score, c->pipeline.score.ndim = 0)
SPOIL(p_no_shaped, c->pipeline.shaped.ndim = 0)
SPOIL(p_no_logp, c->pipeline.logp.ndim = 0)
SPOIL(p_no_reward, c->pipeline.reward.ndim = 0)
SPOIL(p_no_value, c->pipeline.value.ndim = 0)
SPOIL(p_no_bootstrap, c->pipeline.bootstrap.ndim = 0)
SPOIL(p_group_3, c->pipeline.group_size = 3)
SPOIL(p_group_below, c->pipeline.group_size = -2)
SPOIL(p_group_both, c->pipeline.group_offsets = align_1d(c->offsets, ALIGN_I64, B + 1))
SPOIL(p_group_offsets, p_group_both(c); c->pipeline.group_size = 0)
SPOIL(p_over, c->pipeline.target.data = c->value)
SPOIL(p_finite, c->exec.flags = ALIGN_FLAG_FINITE; c->value[1][1] = NAN)
SPOIL(p_mask, c->mask[0][0] = 2)

static const struct row {
    void (*spoil)(struct call *);
    align_status (*run)(struct call *);
    align_status status;
    const char *field;
    uint32_t axes;
    int64_t index[2];
    double value;
} rows[] = {
    {kind_0, call_advantage, ALIGN_E_ARG, "align_advantage_args.kind", 0, {0}, 0},
    {kind_return, call_advantage, ALIGN_E_ARG, "align_advantage_args.lambda", 0, {0}, 0},
    {n_unread, call_advantage, ALIGN_E_ARG, "align_advantage_args.n", 0, {0}, 0},
    {reserved, call_advantage, ALIGN_E_ARG, "align_advantage_args.reserved", 0, {0}, 0},
    {gamma_2, call_advantage, ALIGN_E_RANGE, "align_advantage_args.gamma", 0, {0}, 2},
    {lambda_nan, call_advantage, ALIGN_E_RANGE, "align_advantage_args.lambda", 0, {0}, NAN},
    {n_0, call_advantage, ALIGN_E_RANGE, "align_advantage_args.n", 0, {0}, 0},
    {no_reward, call_advantage, ALIGN_E_ARG, "align_advantage_args.reward", 0, {0}, 0},
    {no_value, call_advantage, ALIGN_E_ARG, "align_advantage_args.value", 0, {0}, 0},
    {no_output, call_advantage, ALIGN_E_ARG, "align_advantage_args.advantage", 0, {0}, 0},
    {no_bootstrap, call_advantage, ALIGN_E_ARG, "align_advantage_args.bootstrap", 0, {0}, 0},
    {no_truncated, call_advantage, ALIGN_E_ARG, "align_advantage_args.truncated", 0, {0}, 0},
    {flat, call_advantage, ALIGN_E_SHAPE, "align_advantage_args.reward", 0, {0}, 1},
    {half_mask, call_advantage, ALIGN_E_RANGE, "align_advantage_args.mask", 2, {1, 2}, .5},
    {a_size, call_advantage, ALIGN_E_VERSION, "align_advantage_args.size", 0, {0}, 8},
    {finite_reward, call_advantage, ALIGN_E_RANGE, "align_advantage_args.reward", 2, {1, 3}, NAN},
    {finite_value,
     call_advantage,
     ALIGN_E_RANGE,
     "align_advantage_args.value",
     2,
     {0, 1},
     INFINITY},
    {finite_boot, call_advantage, ALIGN_E_RANGE, "align_advantage_args.bootstrap", 1, {1}, NAN},
    {target_over_reward, call_advantage, ALIGN_E_LAYOUT, "align_advantage_args.target", 0, {0}, 0},
    {bad_offsets, call_advantage, ALIGN_E_RANGE, "align_advantage_args.offsets", 1, {2}, T},
    {kl_9, call_dense, ALIGN_E_ARG, "align_dense_args.kl_kind", 0, {0}, 9},
    {eos_9, call_dense, ALIGN_E_ARG, "align_dense_args.eos_kind", 0, {0}, 9},
    {beta_below, call_dense, ALIGN_E_RANGE, "align_dense_args.beta", 0, {0}, -1},
    {penalty_nan, call_dense, ALIGN_E_RANGE, "align_dense_args.eos_penalty", 0, {0}, NAN},
    {ratio_inf, call_dense, ALIGN_E_RANGE, "align_dense_args.kl_clip_ratio", 0, {0}, INFINITY},
    {multiplier_below, call_dense, ALIGN_E_RANGE, "align_dense_args.multiplier", 0, {0}, -1},
    {clip_kl, call_dense, ALIGN_E_RANGE, "align_dense_args.kl_clip_low", 0, {0}, 1},
    {sources_below, call_dense, ALIGN_E_RANGE, "align_dense_args.n_sources", 0, {0}, -1},
    {no_logp, call_dense, ALIGN_E_ARG, "align_dense_args.logp", 0, {0}, 0},
    {no_ref, call_dense, ALIGN_E_ARG, "align_dense_args.ref", 0, {0}, 0},
    {no_eos_kind, call_dense, ALIGN_E_ARG, "align_dense_args.eos_kind", 0, {0}, 0},
    {no_ended, call_dense, ALIGN_E_ARG, "align_dense_args.ended", 0, {0}, 0},
    {no_sources, call_dense, ALIGN_E_ARG, "align_dense_args.sources", 0, {0}, 0},
    {no_dense_output, call_dense, ALIGN_E_ARG, "align_dense_args.reward", 0, {0}, 0},
    {no_kl, call_dense, ALIGN_E_ARG, "align_dense_args.kl_kind", 0, {0}, 0},
    {logp_unread, call_dense, ALIGN_E_ARG, "align_dense_args.logp", 0, {0}, 0},
    {ref_unread, call_dense, ALIGN_E_ARG, "align_dense_args.ref", 0, {0}, 0},
    {beta_unread, call_dense, ALIGN_E_ARG, "align_dense_args.beta", 0, {0}, 0},
    {ratio_unread, call_dense, ALIGN_E_ARG, "align_dense_args.kl_clip_ratio", 0, {0}, 0},
    {low_unread, call_dense, ALIGN_E_ARG, "align_dense_args.kl_clip_low", 0, {0}, 0},
    {high_unread, call_dense, ALIGN_E_ARG, "align_dense_args.kl_clip_high", 0, {0}, 0},
    {penalty_unread, call_dense, ALIGN_E_ARG, "align_dense_args.eos_penalty", 0, {0}, 0},
    {multiplier_unread, call_dense, ALIGN_E_ARG, "align_dense_args.multiplier", 0, {0}, 0},
    {end_masked, call_dense, ALIGN_E_RANGE, "align_dense_source.end", 1, {1}, 3},
    {end_beyond, call_dense, ALIGN_E_RANGE, "align_dense_source.end", 1, {2}, T},
    {end_below, call_dense, ALIGN_E_RANGE, "align_dense_source.end", 1, {0}, -1},
    {cut_falls, call_dense, ALIGN_E_RANGE, "align_dense_source.offsets", 1, {1}, 4},
    {no_cut, call_dense, ALIGN_E_ARG, "align_dense_source.offsets", 0, {0}, 0},
    {cut_alone, call_dense, ALIGN_E_ARG, "align_dense_source.offsets", 0, {0}, 0},
    {no_score, call_dense, ALIGN_E_ARG, "align_dense_source.value", 0, {0}, 0},
    {deviation_0, call_dense, ALIGN_E_RANGE, "align_dense_source.deviation", 0, {0}, 0},
    {mean_nan, call_dense, ALIGN_E_RANGE, "align_dense_source.mean", 0, {0}, NAN},
    {scale_inf, call_dense, ALIGN_E_RANGE, "align_dense_source.scale", 0, {0}, INFINITY},
    {bias_nan, call_dense, ALIGN_E_RANGE, "align_dense_source.bias", 0, {0}, NAN},
    {weight_nan, call_dense, ALIGN_E_RANGE, "align_dense_source.weight", 0, {0}, NAN},
    {source_clip, call_dense, ALIGN_E_RANGE, "align_dense_source.clip_low", 0, {0}, 1},
    {source_size, call_dense, ALIGN_E_VERSION, "align_dense_source.size", 0, {0}, 8},
    {score_nan, call_dense, ALIGN_E_RANGE, "align_dense_source.value", 1, {1}, NAN},
    {logp_nan, call_dense, ALIGN_E_RANGE, "align_dense_args.logp", 2, {1, 2}, -INFINITY},
    {cost_nan, call_dense, ALIGN_E_RANGE, "align_dense_args.cost", 1, {0}, NAN},
    {d_size, call_dense, ALIGN_E_VERSION, "align_dense_args.size", 0, {0}, 8},
    {step_99, call_pipeline, ALIGN_E_ARG, "align_pipeline.step", 1, {1}, 99},
    {step_early, call_pipeline, ALIGN_E_ARG, "align_pipeline.step", 1, {0}, 9},
    {step_end, call_pipeline, ALIGN_E_ARG, "align_pipeline.step", 1, {2}, 0},
    {plan_null, call_pipeline, ALIGN_E_ARG, "align_pipeline", 0, {0}, 0},
    {plan_size, call_pipeline, ALIGN_E_VERSION, "align_pipeline.size", 0, {0}, 8},
    {p_size, call_pipeline, ALIGN_E_VERSION, "align_pipeline_args.size", 0, {0}, 8},
    {plan_overlong, call_pipeline, ALIGN_E_ARG, "align_pipeline.overlong_limit", 0, {0}, 0},
    {plan_no_limit, call_pipeline, ALIGN_E_ARG, "align_pipeline.overlong_limit", 0, {0}, 0},
    {plan_buffer, call_pipeline, ALIGN_E_RANGE, "align_pipeline.overlong_buffer", 0, {0}, 5},
    {plan_clip, call_pipeline, ALIGN_E_RANGE, "align_pipeline.clip_high", 0, {0}, -1},
    {plan_clip_unread, call_pipeline, ALIGN_E_ARG, "align_pipeline.clip_high", 0, {0}, 0},
    {plan_kl, call_pipeline, ALIGN_E_RANGE, "align_pipeline.kl_kind", 0, {0}, 9},
    {plan_beta, call_pipeline, ALIGN_E_RANGE, "align_pipeline.beta", 0, {0}, -1},
    {plan_gamma, call_pipeline, ALIGN_E_RANGE, "align_pipeline.gamma", 0, {0}, 1.5},
    {plan_n, call_pipeline, ALIGN_E_ARG, "align_pipeline.n", 0, {0}, 0},
    {plan_advantage, call_pipeline, ALIGN_E_RANGE, "align_pipeline.advantage", 0, {0}, 9},
    {plan_no_group, call_pipeline, ALIGN_E_ARG, "align_pipeline.group", 0, {0}, 0},
    {plan_no_whiten, call_pipeline, ALIGN_E_ARG, "align_pipeline.whiten", 0, {0}, 0},
    {plan_whiten_reward, call_pipeline, ALIGN_E_ARG, "align_pipeline.whiten_reward", 0, {0}, 0},
    {plan_refuses, call_pipeline, ALIGN_E_ARG, "align_pipeline.group", 0, {0}, 1},
    {plan_lengths, call_pipeline, ALIGN_E_ARG, "align_pipeline.group", 0, {0}, 18},
    {plan_whiten_kind, call_pipeline, ALIGN_E_ARG, "align_norm_params.kind", 0, {0}, 10},
    {p_no_score, call_pipeline, ALIGN_E_ARG, "align_pipeline_args.score", 0, {0}, 0},
    {p_no_shaped, call_pipeline, ALIGN_E_ARG, "align_pipeline_args.shaped", 0, {0}, 0},
    {p_no_logp, call_pipeline, ALIGN_E_ARG, "align_pipeline_args.logp", 0, {0}, 0},
    {p_no_reward, call_pipeline, ALIGN_E_ARG, "align_pipeline_args.reward", 0, {0}, 0},
    {p_no_value, call_pipeline, ALIGN_E_ARG, "align_pipeline_args.value", 0, {0}, 0},
    {p_no_bootstrap, call_pipeline, ALIGN_E_ARG, "align_pipeline_args.bootstrap", 0, {0}, 0},
    {p_group_3, call_pipeline, ALIGN_E_RANGE, "align_pipeline_args.group_size", 0, {0}, 3},
    {p_group_below, call_pipeline, ALIGN_E_RANGE, "align_pipeline_args.group_size", 0, {0}, -2},
    {p_group_both, call_pipeline, ALIGN_E_ARG, "align_pipeline_args.group_size", 0, {0}, 0},
    {p_group_offsets, call_pipeline, ALIGN_E_RANGE, "align_pipeline_args.group_offsets", 1, {1}, T},
    {p_over, call_pipeline, ALIGN_E_LAYOUT, "align_pipeline_args.target", 0, {0}, 0},
    {p_finite, call_pipeline, ALIGN_E_RANGE, "align_pipeline_args.value", 2, {1, 1}, NAN},
    {p_mask, call_pipeline, ALIGN_E_RANGE, "align_pipeline_args.mask", 2, {0, 0}, 2},
    {beta_nan, call_controller, ALIGN_E_RANGE, "align_kl_controller.beta", 0, {0}, NAN},
    {target_0, call_controller, ALIGN_E_RANGE, "align_kl_controller.target", 0, {0}, 0},
    {horizon_below, call_controller, ALIGN_E_RANGE, "align_kl_controller.horizon", 0, {0}, -1},
    {both, call_controller, ALIGN_E_RANGE, "align_kl_controller.rate", 0, {0}, 1},
    {limit_0, call_controller, ALIGN_E_RANGE, "align_kl_controller.limit", 0, {0}, 0},
    {kl_nan, call_controller, ALIGN_E_RANGE, "kl", 0, {0}, NAN},
    {n_below, call_controller, ALIGN_E_RANGE, "n", 0, {0}, -1},
    {c_size, call_controller, ALIGN_E_VERSION, "align_kl_controller.size", 0, {0}, 8},
    {log_of_0, call_lagrange, ALIGN_E_RANGE, "align_lagrange.multiplier", 0, {0}, 0},
    {log_2, call_lagrange, ALIGN_E_RANGE, "align_lagrange.logarithmic", 0, {0}, 2},
    {rate_nan, call_lagrange, ALIGN_E_RANGE, "align_lagrange.rate", 0, {0}, NAN},
    {bound_inf, call_lagrange, ALIGN_E_RANGE, "align_lagrange.bound", 0, {0}, INFINITY},
    {l_reserved, call_lagrange, ALIGN_E_RANGE, "align_lagrange.reserved", 0, {0}, 1},
    {kl_nan, call_lagrange, ALIGN_E_RANGE, "cost", 0, {0}, NAN},
    {l_size, call_lagrange, ALIGN_E_VERSION, "align_lagrange.size", 0, {0}, 8},
};

static void expect(struct call *c, const struct row *row)
{
    static struct call before;
    before = *c;
    align_status status = row->run(c);
    ck_assert_msg(status == row->status, "%s: %d, %s", row->field, (int)status, c->error.text);
    ck_assert_msg(strcmp(c->error.field, row->field) == 0, "%s: %s", row->field, c->error.text);
    ck_assert_int_eq(c->error.status, row->status);
    ck_assert_msg(c->error.axes == row->axes, "%s", c->error.text);
    ck_assert_int_eq(c->error.index[0], row->index[0]);
    ck_assert_int_eq(c->error.index[1], row->index[1]);
    bool same = isnan(row->value) ? isnan(c->error.value) : c->error.value == row->value;
    ck_assert_msg(same, "%s: %g", c->error.text, c->error.value);
    reach_note(&c->error);
    c->error = before.error;
    ck_assert_mem_eq(c, &before, sizeof before);
}

START_TEST(every_row_of_the_area_is_reached)
{
    static const char *const area[] = {"ADVANTAGE_", NULL};
    static struct call c;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_good(&c);
        ck_assert_int_eq(align_advantage_eval(NULL, &c.advantage), 0);
        ck_assert_int_eq(align_dense_eval(NULL, &c.dense), 0);
        ck_assert_int_eq(align_pipeline_eval(NULL, &c.pipeline), 0);
        make_good(&c);
        rows[i].spoil(&c);
        expect(&c, &rows[i]);
    }
    reach_demand(area, false);
}
END_TEST

START_TEST(sources_are_of_one_size)
{
    static struct {
        align_dense_source source;
        uint64_t later;
    } longer[2];
    static struct call c;
    make_good(&c);
    for (int k = 0; k < 2; k++) {
        longer[k].source = c.sources[k];
        longer[k].source.size = sizeof longer[k];
    }
    c.dense.sources = &longer[0].source;
    ck_assert_int_eq(align_dense_eval(&c.exec, &c.dense), 0);
    longer[1].source.size = sizeof longer[1].source;
    ck_assert_int_eq(align_dense_eval(&c.exec, &c.dense), ALIGN_E_VERSION);
    ck_assert_str_eq(c.error.field, "align_dense_source.size");
}
END_TEST

/* What holds for every tensor, tried on each of them. */
enum call_kind { IN_ADVANTAGE, IN_DENSE, IN_PIPELINE };

struct field {
    const char *name;
    size_t offset;
    enum call_kind kind;
    bool output;
};

#define ADVANTAGE(name, output)                                                                    \
    {                                                                                              \
        "align_advantage_args." #name, offsetof(align_advantage_args, name), IN_ADVANTAGE, output  \
    }
#define DENSE(name, output)                                                                        \
    {                                                                                              \
        "align_dense_args." #name, offsetof(align_dense_args, name), IN_DENSE, output              \
    }
#define PIPELINE(name, output)                                                                     \
    {                                                                                              \
        "align_pipeline_args." #name, offsetof(align_pipeline_args, name), IN_PIPELINE, output     \
    }

static const struct field fields[] = {
    ADVANTAGE(reward, false),    ADVANTAGE(value, false),     ADVANTAGE(mask, false),
    ADVANTAGE(truncated, false), ADVANTAGE(bootstrap, false), ADVANTAGE(advantage, true),
    ADVANTAGE(target, true),     DENSE(mask, false),          DENSE(ended, false),
    DENSE(logp, false),          DENSE(ref, false),           DENSE(cost, false),
    DENSE(reward, true),         DENSE(sequence_kl, true),    PIPELINE(score, false),
    PIPELINE(mask, false),       PIPELINE(logp, false),       PIPELINE(ref, false),
    PIPELINE(value, false),      PIPELINE(truncated, false),  PIPELINE(bootstrap, false),
    PIPELINE(shaped, true),      PIPELINE(reward, true),      PIPELINE(sequence_kl, true),
    PIPELINE(advantage, true),   PIPELINE(target, true),
};

#define RULE(name, body)                                                                           \
    static void name(align_tensor *t, struct call *c)                                              \
    {                                                                                              \
        (void)c;                                                                                   \
        body;                                                                                      \
    }

RULE(ndim_4, t->ndim = 4)
RULE(dtype_i32, t->dtype = ALIGN_I32)
RULE(size_below, t->shape[0] = -2)
RULE(size_other, t->shape[t->ndim - 1]--)
RULE(too_far, t->stride[0] = INT64_C(1) << 62)
RULE(no_data, t->data = NULL)
RULE(crooked, t->data = (char *)t->data + 1)
RULE(folded, t->stride[t->ndim - 1] = 0)
RULE(over_mask, t->data = c->mask)

static const struct {
    align_status status;
    void (*spoil)(align_tensor *t, struct call *c);
    bool outputs_only;
} rules[] = {
    {ALIGN_E_SHAPE, ndim_4, false},     {ALIGN_E_DTYPE, dtype_i32, false},
    {ALIGN_E_SHAPE, size_below, false}, {ALIGN_E_SHAPE, size_other, false},
    {ALIGN_E_RANGE, too_far, false},    {ALIGN_E_ARG, no_data, false},
    {ALIGN_E_LAYOUT, crooked, false},   {ALIGN_E_LAYOUT, folded, true},
    {ALIGN_E_LAYOUT, over_mask, true},
};

START_TEST(every_tensor_obeys_every_rule)
{
    static struct call c, before;
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++)
        for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++) {
            make_good(&c);
            char *const bases[] = {(char *)&c.advantage, (char *)&c.dense, (char *)&c.pipeline};
            char *base = bases[fields[f].kind];
            align_tensor *t = (align_tensor *)(void *)(base + fields[f].offset);
            bool lead = fields[f].kind == IN_PIPELINE ? strstr(fields[f].name, ".advantage") != NULL
                                                      : strstr(fields[f].name, ".reward") != NULL,
                 byte = t->dtype == ALIGN_BOOL;
            if ((rules[r].outputs_only && !fields[f].output) ||
                (rules[r].spoil == size_other && lead) || (rules[r].spoil == crooked && byte))
                continue;
            rules[r].spoil(t, &c);
            before = c;
            align_status status = fields[f].kind == IN_DENSE      ? call_dense(&c)
                                  : fields[f].kind == IN_PIPELINE ? call_pipeline(&c)
                                                                  : call_advantage(&c);
            ck_assert_msg(status == rules[r].status, "%s, rule %d: %d, %s", fields[f].name, (int)r,
                          (int)status, c.error.text);
            ck_assert_str_eq(c.error.field, fields[f].name);
            c.error = before.error;
            ck_assert_mem_eq(&c, &before, sizeof c);
        }
}
END_TEST

SUITE_MAIN("advantage errors", every_row_of_the_area_is_reached, sources_are_of_one_size,
           every_tensor_obeys_every_rule)
