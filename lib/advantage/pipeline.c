#include "advantage.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const char owner[] = "align_pipeline_args", plan_owner[] = "align_pipeline";

enum { MOST_STEPS = 12 };

struct work {
    align_pipeline_args args;
    align_pipeline plan;
    struct align__sequences sequences;
    bool has[ALIGN_PIPELINE_WHITEN + 1];
};

void align_pipeline_init(align_pipeline *pipeline, size_t size)
{
    memset(pipeline, 0, size);
    pipeline->size = size;
}

void align_pipeline_args_init(align_pipeline_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

/* ---- steps ------------------------------------------------------------------------------------ */

static double load_at(const align_tensor *t, int64_t b)
{
    return align__load(t->dtype, align__at(t, b, 0));
}

static void store_at(const align_tensor *t, int64_t b, double x)
{
    align__store(t->dtype, align__at(t, b, 0), x);
}

static double count_tokens(const struct work *work, int64_t b)
{
    struct align__run mask = align__run_of(&work->args.mask);
    double count = 0, w[ALIGN__NORM_CHUNK];
    int64_t first, n, taken;
    align__sequences_range(&work->sequences, b, &first, &n);
    for (int64_t end = first + n; first < end; first += taken) {
        taken = end - first < ALIGN__NORM_CHUNK ? end - first : ALIGN__NORM_CHUNK;
        align__run_weights(&mask, first, taken, w);
        for (int64_t i = 0; i < taken; i++)
            count += w[i];
    }
    return count;
}

/* Soft punishment of long answers: DAPO, arXiv 2503.14476, eq. 13. */
static align_status run_overlong(const align_exec *exec, struct work *work)
{
    const align_pipeline *p = &work->plan;
    (void)exec;
    for (int64_t b = 0; b < work->sequences.count; b++) {
        double over = count_tokens(work, b) - (p->overlong_limit - p->overlong_buffer);
        over = fmin(fmax(over, 0), p->overlong_buffer) / p->overlong_buffer;
        store_at(&work->args.shaped, b, load_at(&work->args.shaped, b) - p->overlong_factor * over);
    }
    return ALIGN_E_NONE;
}

static align_status run_clip(const align_exec *exec, struct work *work)
{
    const align_pipeline *p = &work->plan;
    (void)exec;
    for (int64_t b = 0; b < work->sequences.count && (p->clip_low != 0 || p->clip_high != 0); b++) {
        double x = load_at(&work->args.shaped, b);
        x = x < p->clip_low ? p->clip_low : x > p->clip_high ? p->clip_high : x;
        store_at(&work->args.shaped, b, x);
    }
    return ALIGN_E_NONE;
}

static align_dense_args dense_of(const struct work *work)
{
    align_dense_args dense;
    align_dense_args_init(&dense, sizeof dense);
    dense.mask = work->args.mask;
    dense.offsets = work->args.offsets;
    dense.kl_kind = work->plan.kl_kind;
    dense.logp = work->args.logp;
    dense.ref = work->args.ref;
    dense.sequence_kl = work->args.sequence_kl;
    return dense;
}

static align_status run_score_kl(const align_exec *exec, struct work *work)
{
    align_dense_args dense = dense_of(work);
    align_status status = align_dense_eval(exec, &dense);
    for (int64_t b = 0; b < work->sequences.count && status == ALIGN_E_NONE; b++)
        store_at(&work->args.shaped, b,
                 load_at(&work->args.shaped, b) -
                     work->plan.beta * load_at(&work->args.sequence_kl, b));
    return status;
}

static align_norm_groups_args groups_of(const struct work *work)
{
    align_norm_groups_args args;
    align_tensor scores = work->args.shaped;
    int64_t k = work->args.group_size;
    align_norm_groups_args_init(&args, sizeof args);
    args.params = work->plan.group;
    args.then = work->plan.group_then;
    args.offsets = work->args.group_offsets;
    if (k > 0) {
        scores.ndim = 2;
        scores.shape[0] /= k;
        scores.shape[1] = k;
        scores.stride[1] = scores.stride[0];
        scores.stride[0] *= k;
    }
    args.reward = args.out = scores;
    return args;
}

static align_status run_group(const align_exec *exec, struct work *work)
{
    align_norm_groups_args args = groups_of(work);
    return align_norm_groups(exec, &args);
}

static align_status run_dense(const align_exec *exec, struct work *work)
{
    align_dense_args dense = dense_of(work);
    align_dense_source source;
    align_dense_source_init(&source, sizeof source);
    source.value = work->args.shaped;
    dense.sources = &source;
    dense.n_sources = 1;
    dense.beta = work->plan.kl_kind != ALIGN_KL_NONE ? work->plan.beta : 0;
    dense.reward = work->args.reward;
    return align_dense_eval(exec, &dense);
}

static align_status whiten(const align_exec *exec, const struct work *work, align_tensor tokens,
                           const align_norm_params *params)
{
    align_norm_args args;
    align_norm_args_init(&args, sizeof args);
    args.params = params;
    args.reward = args.out = tokens;
    args.mask = work->args.mask;
    return align_norm_apply(exec, NULL, &args);
}

static align_status run_whiten_reward(const align_exec *exec, struct work *work)
{
    return whiten(exec, work, work->args.reward, work->plan.whiten_reward);
}

static align_status run_advantage(const align_exec *exec, struct work *work)
{
    align_advantage_args args;
    align_advantage_args_init(&args, sizeof args);
    args.kind = work->plan.advantage;
    args.gamma = work->plan.gamma;
    args.lambda = work->plan.lambda;
    args.n = work->plan.n;
    args.reward = work->args.reward;
    args.value = work->args.value;
    args.mask = work->args.mask;
    args.offsets = work->args.offsets;
    args.truncated = work->args.truncated;
    args.bootstrap = work->args.bootstrap;
    args.advantage = work->args.advantage;
    args.target = work->args.target;
    return align_advantage_eval(exec, &args);
}

static align_status run_broadcast(const align_exec *exec, struct work *work)
{
    struct align__run mask = align__run_of(&work->args.mask);
    struct align__run out = align__run_of(&work->args.advantage);
    double w[ALIGN__NORM_CHUNK];
    (void)exec;
    for (int64_t b = 0; b < work->sequences.count; b++) {
        double score = load_at(&work->args.shaped, b);
        int64_t first, n, taken;
        align__sequences_range(&work->sequences, b, &first, &n);
        for (int64_t end = first + n; first < end; first += taken) {
            taken = end - first < ALIGN__NORM_CHUNK ? end - first : ALIGN__NORM_CHUNK;
            align__run_weights(&mask, first, taken, w);
            for (int64_t i = 0; i < taken; i++)
                w[i] = w[i] != 0 ? score : 0;
            align__run_write(&out, first, taken, w);
        }
    }
    return ALIGN_E_NONE;
}

static align_status run_whiten(const align_exec *exec, struct work *work)
{
    return whiten(exec, work, work->args.advantage, work->plan.whiten);
}

/* What a step works on, and what it leaves. */
enum { SCORES, REWARDS, ADVANTAGES };

static const struct step_row {
    align_status (*run)(const align_exec *, struct work *);
    int needs, leaves;
} steps[] = {
    [ALIGN_PIPELINE_OVERLONG] = {run_overlong, SCORES, SCORES},
    [ALIGN_PIPELINE_CLIP] = {run_clip, SCORES, SCORES},
    [ALIGN_PIPELINE_SCORE_KL] = {run_score_kl, SCORES, SCORES},
    [ALIGN_PIPELINE_GROUP] = {run_group, SCORES, SCORES},
    [ALIGN_PIPELINE_DENSE] = {run_dense, SCORES, REWARDS},
    [ALIGN_PIPELINE_WHITEN_REWARD] = {run_whiten_reward, REWARDS, REWARDS},
    [ALIGN_PIPELINE_ADVANTAGE] = {run_advantage, REWARDS, ADVANTAGES},
    [ALIGN_PIPELINE_BROADCAST] = {run_broadcast, SCORES, ADVANTAGES},
    [ALIGN_PIPELINE_WHITEN] = {run_whiten, ADVANTAGES, ADVANTAGES},
};

/* ---- checks ----------------------------------------------------------------------------------- */

static align_status check_order(const align_exec *exec, struct work *work)
{
    static const char *const words[] = {"scores", "token rewards", "advantages"};
    int stage = SCORES, i = 0;
    for (; i < MOST_STEPS && work->plan.step[i] != 0; i++) {
        int32_t step = work->plan.step[i];
        if (step < 1 || step > ALIGN_PIPELINE_WHITEN || steps[step].needs != stage)
            return ALIGN__FAIL(exec, ADVANTAGE_ORDER, .owner = plan_owner, .field = "step",
                               .axes = 1, .index = {i}, .value = step, .word = words[stage]);
        stage = steps[step].leaves;
        work->has[step] = true;
    }
    if (stage != ADVANTAGES)
        return ALIGN__FAIL(exec, ADVANTAGE_ORDER, .owner = plan_owner, .field = "step", .axes = 1,
                           .index = {i}, .word = words[stage]);
    return ALIGN_E_NONE;
}

/* Fields that their step needs, and that are refused without it. */
static align_status check_read(const align_exec *exec, const struct work *work)
{
    const align_pipeline *p = &work->plan;
    const align_pipeline_args *a = &work->args;
    const bool *has = work->has;
    bool kl = p->kl_kind != ALIGN_KL_NONE, gae = p->advantage == ALIGN_ADVANTAGE_GAE;
    bool kl_step = has[ALIGN_PIPELINE_SCORE_KL] || has[ALIGN_PIPELINE_DENSE];
    bool group = has[ALIGN_PIPELINE_GROUP], advantage = has[ALIGN_PIPELINE_ADVANTAGE];
    bool overlong = has[ALIGN_PIPELINE_OVERLONG], dense = has[ALIGN_PIPELINE_DENSE];
    const struct {
        const char *owner, *field;
        bool set, needed, allowed;
    } fields[] = {
        {plan_owner, "overlong_limit", p->overlong_limit != 0, overlong, overlong},
        {plan_owner, "overlong_buffer", p->overlong_buffer != 0, overlong, overlong},
        {plan_owner, "overlong_factor", p->overlong_factor != 0, false, overlong},
        {plan_owner, "clip_low", p->clip_low != 0, false, has[ALIGN_PIPELINE_CLIP]},
        {plan_owner, "clip_high", p->clip_high != 0, false, has[ALIGN_PIPELINE_CLIP]},
        {plan_owner, "kl_kind", kl, has[ALIGN_PIPELINE_SCORE_KL], kl_step},
        {plan_owner, "beta", p->beta != 0, false, kl},
        {plan_owner, "advantage", p->advantage != 0, advantage, advantage},
        {plan_owner, "gamma", p->gamma != 0, false, advantage},
        {plan_owner, "lambda", p->lambda != 0, false, advantage && gae},
        {plan_owner, "n", p->n != 0, false, p->advantage == ALIGN_ADVANTAGE_N_STEP},
        {plan_owner, "group", p->group != NULL, group, group},
        {plan_owner, "group_then", p->group_then != NULL, false, group},
        {plan_owner, "whiten_reward", p->whiten_reward != NULL, has[ALIGN_PIPELINE_WHITEN_REWARD],
         has[ALIGN_PIPELINE_WHITEN_REWARD]},
        {plan_owner, "whiten", p->whiten != NULL, has[ALIGN_PIPELINE_WHITEN],
         has[ALIGN_PIPELINE_WHITEN]},
        {owner, "score", align__present(&a->score), true, true},
        {owner, "shaped", align__present(&a->shaped), true, true},
        {owner, "advantage", align__present(&a->advantage), true, true},
        {owner, "logp", align__present(&a->logp), kl, kl},
        {owner, "ref", align__present(&a->ref), kl, kl},
        {owner, "sequence_kl", align__present(&a->sequence_kl), has[ALIGN_PIPELINE_SCORE_KL], kl},
        {owner, "reward", align__present(&a->reward), dense, dense},
        {owner, "target", align__present(&a->target), false, advantage},
        {owner, "value", align__present(&a->value),
         advantage && p->advantage != ALIGN_ADVANTAGE_RETURN, advantage},
        {owner, "truncated", align__present(&a->truncated), align__present(&a->bootstrap),
         advantage},
        {owner, "bootstrap", align__present(&a->bootstrap), align__present(&a->truncated),
         advantage},
        {owner, "group_size", a->group_size != 0, group && !align__present(&a->group_offsets),
         group && !align__present(&a->group_offsets)},
        {owner, "group_offsets", align__present(&a->group_offsets), false, group},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i].needed && !fields[i].set)
            return ALIGN__FAIL(exec, FIELD_MISSING, .owner = fields[i].owner,
                               .field = fields[i].field, .word = "this pipeline");
        if (fields[i].set && !fields[i].allowed)
            return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = fields[i].owner,
                               .field = fields[i].field, .word = "this pipeline");
    }
    return ALIGN_E_NONE;
}

static align_status check_numbers(const align_exec *exec, const struct work *work)
{
    const align_pipeline *p = &work->plan;
    bool overlong = work->has[ALIGN_PIPELINE_OVERLONG];
    bool n_step = p->advantage == ALIGN_ADVANTAGE_N_STEP;
    const struct align__number numbers[] = {
        {"overlong_limit", p->overlong_limit, 0, DBL_MAX, "a finite number above 0"},
        {"overlong_buffer", p->overlong_buffer, 0, overlong ? p->overlong_limit : 0,
         "a number above 0, at most overlong_limit"},
        {"overlong_factor", p->overlong_factor, 0, DBL_MAX, "a finite number of 0 or more"},
        {"clip_high", p->clip_high, p->clip_low, INFINITY, "clip_low or more"},
        {"kl_kind", p->kl_kind, 0, ALIGN_KL_ABS, "one of ALIGN_KL"},
        {"beta", p->beta, 0, DBL_MAX, "a finite number of 0 or more"},
        {"advantage", p->advantage, 0, ALIGN_ADVANTAGE_N_STEP, "one of ALIGN_ADVANTAGE"},
        {"gamma", p->gamma, 0, 1, "a number in 0..1"},
        {"lambda", p->lambda, 0, 1, "a number in 0..1"},
        {"n", (double)p->n, n_step ? 1 : 0, n_step ? 0x1p63 : 0, "1 or more"},
    };
    return align__check_numbers(exec, plan_owner, numbers, sizeof numbers / sizeof numbers[0]);
}

static align_status check_norms(const align_exec *exec, const struct work *work)
{
    const struct {
        const char *field;
        const align_norm_params *params;
        int32_t where;
    } norms[] = {
        {"group", work->plan.group, ALIGN__NORM_IN_GROUP},
        {"group_then", work->plan.group_then, ALIGN__NORM_IN_STATE},
        {"whiten_reward", work->plan.whiten_reward, ALIGN__NORM_IN_STATE},
        {"whiten", work->plan.whiten, ALIGN__NORM_IN_STATE},
    };
    for (int i = 0; i < 4; i++) {
        align_norm_params p;
        if (norms[i].params == NULL)
            continue;
        align_status status = align__norm_params(exec, &p, norms[i].params, norms[i].where);
        if (status != ALIGN_E_NONE)
            return status;
        bool needs_more = p.kind == ALIGN_NORM_LENGTH_CENTER || p.kind == ALIGN_NORM_REFERENCE;
        if (needs_more || p.few == ALIGN_NORM_AS_REFUSE || p.equal == ALIGN_NORM_AS_REFUSE ||
            p.nan == ALIGN_NORM_NAN_REFUSE)
            return ALIGN__FAIL(exec, ADVANTAGE_NORM, .owner = plan_owner, .field = norms[i].field,
                               .value = p.kind);
    }
    return ALIGN_E_NONE;
}

static align_status check_groups(const align_exec *exec, const struct work *work)
{
    const align_pipeline_args *a = &work->args;
    int64_t count, largest = a->group_size, b = work->sequences.count;
    if (!work->has[ALIGN_PIPELINE_GROUP])
        return ALIGN_E_NONE;
    if (!align__present(&a->group_offsets)) {
        if (a->group_size < 0 || b % a->group_size != 0)
            return ALIGN__FAIL(exec, ADVANTAGE_GROUPS, .owner = owner, .field = "group_size",
                               .value = (double)a->group_size, .high = (double)b);
    } else {
        const struct align__named named = {owner, "group_offsets", &a->group_offsets};
        align_status status = align__check_offsets(exec, named, b, &count, &largest);
        if (status != ALIGN_E_NONE)
            return status;
    }
    align_norm_groups_args args = groups_of(work);
    struct align__arena arena;
    size_t least, best;
    align_status status = align_norm_groups_scratch(exec, &args, &least, &best);
    return status == ALIGN_E_NONE ? align__arena_open(exec, &arena, least) : status;
}

static align_status check_tensors(const align_exec *exec, struct work *work)
{
    const align_pipeline_args *a = &work->args;
    const struct align__named tokens[] = {
        {owner, "advantage", &a->advantage}, {owner, "mask", &a->mask},
        {owner, "logp", &a->logp},           {owner, "ref", &a->ref},
        {owner, "value", &a->value},         {owner, "reward", &a->reward},
        {owner, "target", &a->target},
    };
    const struct {
        struct align__named named;
        int set;
    } rows[] = {
        {{owner, "score", &a->score}, ALIGN__SET_REAL},
        {{owner, "truncated", &a->truncated}, ALIGN__SET_MASK},
        {{owner, "bootstrap", &a->bootstrap}, ALIGN__SET_REAL},
        {{owner, "shaped", &a->shaped}, ALIGN__SET_WIDE},
        {{owner, "sequence_kl", &a->sequence_kl}, ALIGN__SET_WIDE},
    };
    align_status status = align__check_tensor(exec, tokens[0], ALIGN__SET_REAL);
    if (status == ALIGN_E_NONE)
        status = align__sequences_of(exec, &work->sequences, tokens[0], &a->offsets);
    for (int i = 1; i < 7 && status == ALIGN_E_NONE; i++)
        status = align__check_tokens(exec, &work->sequences, tokens[i],
                                     i == 1 ? ALIGN__SET_MASK : ALIGN__SET_REAL);
    for (int i = 0; i < 5 && status == ALIGN_E_NONE; i++)
        status = align__check_per_sequence(exec, &work->sequences, rows[i].named, rows[i].set);
    if (status == ALIGN_E_NONE)
        status = align__check_mask(exec, tokens[1]);
    for (int i = 2; i < 5 && status == ALIGN_E_NONE; i++)
        status = align__check_counted(exec, tokens[i], &a->mask);
    if (status == ALIGN_E_NONE)
        status = align__check_finite(exec, rows[0].named);
    return status == ALIGN_E_NONE ? align__check_finite(exec, rows[2].named) : status;
}

static align_status check_outputs(const align_exec *exec, const align_pipeline_args *a)
{
    const struct align__named all[] = {
        {owner, "score", &a->score},         {owner, "group_offsets", &a->group_offsets},
        {owner, "mask", &a->mask},           {owner, "offsets", &a->offsets},
        {owner, "logp", &a->logp},           {owner, "ref", &a->ref},
        {owner, "value", &a->value},         {owner, "truncated", &a->truncated},
        {owner, "bootstrap", &a->bootstrap}, {owner, "shaped", &a->shaped},
        {owner, "reward", &a->reward},       {owner, "sequence_kl", &a->sequence_kl},
        {owner, "advantage", &a->advantage}, {owner, "target", &a->target},
    };
    for (int i = 9; i < 14; i++) {
        align_status status = align__check_output(exec, all[i], all, 14);
        if (status != ALIGN_E_NONE)
            return status;
    }
    return ALIGN_E_NONE;
}

static align_status enter(const align_exec *exec, struct work *work,
                          const align_pipeline_args *user_args)
{
    memset(work, 0, sizeof *work);
    align_status status = align__import(exec, owner, &work->args, sizeof work->args,
                                        sizeof work->args, user_args);
    if (status == ALIGN_E_NONE)
        status = align__import(exec, plan_owner, &work->plan, sizeof work->plan, sizeof work->plan,
                               work->args.pipeline);
    if (status == ALIGN_E_NONE)
        status = check_order(exec, work);
    if (status == ALIGN_E_NONE)
        status = check_read(exec, work);
    if (status == ALIGN_E_NONE)
        status = check_numbers(exec, work);
    if (status == ALIGN_E_NONE)
        status = check_norms(exec, work);
    if (status == ALIGN_E_NONE)
        status = check_tensors(exec, work);
    if (status == ALIGN_E_NONE)
        status = check_outputs(exec, &work->args);
    return status == ALIGN_E_NONE ? check_groups(exec, work) : status;
}

/* ALIGN_FLAG_FINITE is about the inputs, which were looked at; results between steps pass. */
align_status align_pipeline_eval(const align_exec *user_exec, const align_pipeline_args *user_args)
{
    align_exec exec;
    struct work work;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = enter(&exec, &work, user_args);
    if (status != ALIGN_E_NONE)
        return status;
    exec.flags &= ~(uint32_t)ALIGN_FLAG_FINITE;
    for (int64_t b = 0; b < work.sequences.count; b++)
        store_at(&work.args.shaped, b, load_at(&work.args.score, b));
    for (int i = 0; i < MOST_STEPS && work.plan.step[i] != 0 && status == ALIGN_E_NONE; i++)
        status = steps[work.plan.step[i]].run(&exec, &work);
    return status;
}
