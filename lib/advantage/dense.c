#include "advantage.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const char owner[] = "align_dense_args", source_owner[] = "align_dense_source";

struct work {
    align_dense_args args;
    struct align__sequences sequences;
    struct align__run mask, logp, ref, reward, kl;
    int64_t pieces;
};

void align_dense_source_init(align_dense_source *source, size_t size)
{
    const align_dense_source defaults = {.size = size, .deviation = 1, .scale = 1, .weight = 1};
    memset(source, 0, size);
    memcpy(source, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

void align_dense_args_init(align_dense_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

static double clip(double x, double low, double high)
{
    if (low == 0 && high == 0)
        return x;
    return x < low ? low : x > high ? high : x;
}

static double estimate(int32_t kind, double q)
{
    switch (kind) {
    case ALIGN_KL_K1:
        return q;
    case ALIGN_KL_ABS:
        return fabs(q);
    case ALIGN_KL_K2:
        return 0.5 * q * q;
    default:
        return expm1(-q) + q;
    }
}

static double kl_of(const align_dense_args *a, double q)
{
    double k = estimate(a->kl_kind, clip(q, -a->kl_clip_ratio, a->kl_clip_ratio));
    return clip(k, a->kl_clip_low, a->kl_clip_high);
}

/* Source k as this library knows it; it was checked when the call began. */
static align_dense_source source_at(const align_dense_args *a, int64_t k)
{
    align_dense_source source;
    size_t size = a->sources->size;
    memset(&source, 0, sizeof source);
    memcpy(&source, (const char *)a->sources + (size_t)k * size,
           size < sizeof source ? size : sizeof source);
    return source;
}

static double value_of(const align_dense_source *s, int64_t i)
{
    double x = align__load(s->value.dtype, align__at(&s->value, i, 0));
    x = clip(x, s->clip_low, s->clip_high);
    return s->weight * ((x - s->mean) / s->deviation * s->scale + s->bias);
}

static void segments_of(const align_dense_source *s, int64_t b, int64_t *begin, int64_t *end)
{
    memcpy(begin, align__at(&s->offsets, b, 0), sizeof *begin);
    memcpy(end, align__at(&s->offsets, b + 1, 0), sizeof *end);
}

static bool has_ended(const align_dense_args *a, int64_t b)
{
    return !align__present(&a->ended) ||
           align__load(a->ended.dtype, align__at(&a->ended, b, 0)) != 0;
}

static void add_to(const struct work *work, int64_t at, double x)
{
    double sum;
    align__run_read(&work->reward, at, 1, &sum);
    sum += x;
    align__run_write(&work->reward, at, 1, &sum);
}

/* -beta kl_t, and the sum of kl_t. */
static double write_kl(const struct work *work, int64_t first, int64_t n)
{
    const align_dense_args *a = &work->args;
    double logp[ALIGN__NORM_CHUNK], ref[ALIGN__NORM_CHUNK], w[ALIGN__NORM_CHUNK], total = 0;
    for (int64_t end = first + n, taken; first < end; first += taken) {
        taken = end - first < ALIGN__NORM_CHUNK ? end - first : ALIGN__NORM_CHUNK;
        memset(logp, 0, sizeof logp);
        if (a->kl_kind != ALIGN_KL_NONE) {
            align__run_read(&work->logp, first, taken, logp);
            align__run_read(&work->ref, first, taken, ref);
            align__run_weights(&work->mask, first, taken, w);
            for (int64_t i = 0; i < taken; i++) {
                double kl = w[i] != 0 ? kl_of(a, logp[i] - ref[i]) : 0;
                total += kl;
                logp[i] = w[i] != 0 ? -a->beta * kl : 0;
            }
        }
        if (work->reward.length > 0)
            align__run_write(&work->reward, first, taken, logp);
    }
    return total;
}

/* What is paid at the last counted token. */
static double end_term(const struct work *work, int64_t b)
{
    const align_dense_args *a = &work->args;
    double sum = 0;
    bool replaced = !has_ended(a, b) && a->eos_kind == ALIGN_DENSE_EOS_REPLACE;
    for (int64_t k = 0; k < a->n_sources && !replaced; k++) {
        align_dense_source s = source_at(a, k);
        if (!align__present(&s.end))
            sum += value_of(&s, b);
    }
    if (!has_ended(a, b))
        sum -= a->eos_penalty;
    if (align__present(&a->cost))
        sum -= a->multiplier * align__load(a->cost.dtype, align__at(&a->cost, b, 0));
    return sum;
}

static void run_sequence(const struct work *work, int64_t b)
{
    const align_dense_args *a = &work->args;
    int64_t first, n, begin, end;
    align__sequences_range(&work->sequences, b, &first, &n);
    double kl = write_kl(work, first, n);
    if (work->kl.length > 0)
        align__run_write(&work->kl, b, 1, &kl);
    int64_t last = align__last_counted(&work->mask, first, n);
    if (work->reward.length == 0 || last < 0)
        return;
    bool replaced = !has_ended(a, b) && a->eos_kind == ALIGN_DENSE_EOS_REPLACE;
    for (int64_t k = 0; k < a->n_sources && !replaced; k++) {
        align_dense_source s = source_at(a, k);
        if (!align__present(&s.end))
            continue;
        segments_of(&s, b, &begin, &end);
        for (int64_t j = begin; j < end; j++)
            add_to(work, first + (int64_t)align__load(s.end.dtype, align__at(&s.end, j, 0)),
                   value_of(&s, j));
    }
    add_to(work, first + last, end_term(work, b));
}

static void run_piece(void *ctx, int64_t task)
{
    const struct work *work = ctx;
    int64_t last = work->sequences.count * (task + 1) / work->pieces;
    for (int64_t b = work->sequences.count * task / work->pieces; b < last; b++)
        run_sequence(work, b);
}

/* ---- checks ----------------------------------------------------------------------------------- */

static align_status check_ends(const align_exec *exec, const struct work *work,
                               const align_dense_source *s)
{
    for (int64_t b = 0; b < work->sequences.count; b++) {
        int64_t first, n, begin, end;
        align__sequences_range(&work->sequences, b, &first, &n);
        segments_of(s, b, &begin, &end);
        for (int64_t j = begin; j < end; j++) {
            double at = align__load(s->end.dtype, align__at(&s->end, j, 0)), counted = 0;
            if (at >= 0 && at < (double)n)
                align__run_weights(&work->mask, first + (int64_t)at, 1, &counted);
            if (counted == 0)
                return ALIGN__FAIL(exec, ADVANTAGE_END, .owner = source_owner, .field = "end",
                                   .axes = 1, .index = {j}, .value = at, .high = (double)(n - 1));
        }
    }
    return ALIGN_E_NONE;
}

static align_status check_segments(const align_exec *exec, const struct work *work,
                                   const align_dense_source *s)
{
    int64_t count, largest;
    const struct align__named offsets = {source_owner, "offsets", &s->offsets};
    const struct align__named end = {source_owner, "end", &s->end};
    if (!align__present(&s->offsets))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = source_owner, .field = "offsets",
                           .word = "end");
    align_status status = align__check_tensor(exec, end, ALIGN__SET_INDEX);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(exec, end, 1, s->value.shape);
    const int64_t expected = work->sequences.count + 1;
    if (status == ALIGN_E_NONE)
        status = align__check_shape(exec, offsets, 1, &expected);
    if (status == ALIGN_E_NONE)
        status = align__check_offsets(exec, offsets, s->value.shape[0], &count, &largest);
    return status == ALIGN_E_NONE ? check_ends(exec, work, s) : status;
}

static align_status check_source(const align_exec *exec, const struct work *work, int64_t k)
{
    align_dense_source s;
    const size_t least = sizeof s;
    const char *at = (const char *)work->args.sources;
    align_status status = align__import(exec, source_owner, &s, sizeof s, least,
                                        at + (k == 0 ? 0 : (size_t)k * work->args.sources->size));
    if (status != ALIGN_E_NONE)
        return status;
    if (s.size != work->args.sources->size)
        return ALIGN__FAIL(exec, STRUCT_SIZE, .owner = source_owner, .field = "size",
                           .value = (double)s.size, .low = (double)work->args.sources->size);
    const struct align__number numbers[] = {
        {"mean", s.mean, -DBL_MAX, DBL_MAX, "a finite number"},
        {"deviation", s.deviation, DBL_MIN, DBL_MAX, "a finite number above 0"},
        {"scale", s.scale, -DBL_MAX, DBL_MAX, "a finite number"},
        {"bias", s.bias, -DBL_MAX, DBL_MAX, "a finite number"},
        {"weight", s.weight, -DBL_MAX, DBL_MAX, "a finite number"},
    };
    status = align__check_numbers(exec, source_owner, numbers, 5);
    if (status != ALIGN_E_NONE)
        return status;
    if (!(s.clip_low <= s.clip_high))
        return ALIGN__FAIL(exec, NORM_CLIP, .owner = source_owner, .field = "clip_low",
                           .value = s.clip_low, .high = s.clip_high);
    const struct align__named value = {source_owner, "value", &s.value};
    bool segments = align__present(&s.end);
    if (!align__present(&s.value))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = source_owner, .field = "value",
                           .word = "a source");
    if (!segments && align__present(&s.offsets))
        return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = source_owner, .field = "offsets",
                           .word = "a source without end");
    status = align__check_tensor(exec, value, ALIGN__SET_REAL);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(exec, value, 1,
                                    segments ? s.value.shape : &work->sequences.count);
    if (status == ALIGN_E_NONE && segments)
        status = check_segments(exec, work, &s);
    if (status == ALIGN_E_NONE)
        status = align__check_finite(exec, value);
    const struct align__named inputs[] = {
        value, {source_owner, "end", &s.end}, {source_owner, "offsets", &s.offsets}};
    if (status == ALIGN_E_NONE)
        status = align__check_output(
            exec, (struct align__named){owner, "reward", &work->args.reward}, inputs, 3);
    if (status == ALIGN_E_NONE)
        status = align__check_output(
            exec, (struct align__named){owner, "sequence_kl", &work->args.sequence_kl}, inputs, 3);
    return status;
}

/* Fields that come together or not at all. */
static align_status check_together(const align_exec *exec, const align_dense_args *a)
{
    bool kl = a->kl_kind != ALIGN_KL_NONE, ended = align__present(&a->ended);
    bool cost = align__present(&a->cost);
    const struct {
        const char *field, *word;
        bool wrong;
    } missing[] =
        {
            {"logp", "kl_kind", kl && !align__present(&a->logp)},
            {"ref", "kl_kind", kl && !align__present(&a->ref)},
            {"eos_kind", "ended", ended && a->eos_kind == 0},
            {"ended", "eos_kind", !ended && a->eos_kind != 0},
            {"sources", "n_sources", a->n_sources > 0 && a->sources == NULL},
            {"reward", "align_dense_eval without sequence_kl",
             !align__present(&a->reward) && !align__present(&a->sequence_kl)},
            {"kl_kind", "sequence_kl", !kl && align__present(&a->sequence_kl)},
        },
      unread[] = {
          {"logp", "a call without kl_kind", !kl && align__present(&a->logp)},
          {"ref", "a call without kl_kind", !kl && align__present(&a->ref)},
          {"beta", "a call without kl_kind", !kl && a->beta != 0},
          {"kl_clip_ratio", "a call without kl_kind", !kl && a->kl_clip_ratio != 0},
          {"kl_clip_low", "a call without kl_kind", !kl && a->kl_clip_low != 0},
          {"kl_clip_high", "a call without kl_kind", !kl && a->kl_clip_high != 0},
          {"eos_penalty", "a call without ended", !ended && a->eos_penalty != 0},
          {"multiplier", "a call without cost", !cost && a->multiplier != 0},
      };
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++)
        if (missing[i].wrong)
            return ALIGN__FAIL(exec, FIELD_MISSING, .owner = owner, .field = missing[i].field,
                               .word = missing[i].word);
    for (size_t i = 0; i < sizeof unread / sizeof unread[0]; i++)
        if (unread[i].wrong)
            return ALIGN__FAIL(exec, FIELD_UNREAD, .owner = owner, .field = unread[i].field,
                               .word = unread[i].word);
    return ALIGN_E_NONE;
}

static align_status check_parameters(const align_exec *exec, const align_dense_args *a)
{
    const struct {
        const char *field;
        int32_t value, high;
    } choices[] = {{"kl_kind", a->kl_kind, ALIGN_KL_ABS},
                   {"eos_kind", a->eos_kind, ALIGN_DENSE_EOS_REPLACE}};
    for (int i = 0; i < 2; i++)
        if (choices[i].value < 0 || choices[i].value > choices[i].high)
            return ALIGN__FAIL(exec, NORM_CHOICE, .owner = owner, .field = choices[i].field,
                               .value = choices[i].value, .low = 0, .high = choices[i].high);
    const struct align__number numbers[] = {
        {"n_sources", (double)a->n_sources, 0, 0x1p31, "0 or more"},
        {"eos_penalty", a->eos_penalty, 0, DBL_MAX, "a finite number of 0 or more"},
        {"beta", a->beta, 0, DBL_MAX, "a finite number of 0 or more"},
        {"kl_clip_ratio", a->kl_clip_ratio, 0, DBL_MAX, "a finite number of 0 or more"},
        {"multiplier", a->multiplier, 0, DBL_MAX, "a finite number of 0 or more"},
    };
    align_status status = align__check_numbers(exec, owner, numbers, 5);
    if (status != ALIGN_E_NONE)
        return status;
    if (!(a->kl_clip_low <= a->kl_clip_high))
        return ALIGN__FAIL(exec, NORM_CLIP, .owner = owner, .field = "kl_clip_low",
                           .value = a->kl_clip_low, .high = a->kl_clip_high);
    return check_together(exec, a);
}

static align_status check_tensors(const align_exec *exec, struct work *work)
{
    const align_dense_args *a = &work->args;
    bool has_reward = align__present(&a->reward);
    const struct align__named lead = {owner, has_reward ? "reward" : "logp",
                                      has_reward ? &a->reward : &a->logp};
    align_status status = align__check_tensor(exec, lead, ALIGN__SET_REAL);
    if (status == ALIGN_E_NONE)
        status = align__sequences_of(exec, &work->sequences, lead, &a->offsets);
    const struct align__named tokens[] = {
        {owner, "logp", &a->logp}, {owner, "ref", &a->ref}, {owner, "mask", &a->mask}};
    for (int i = 0; i < 3 && status == ALIGN_E_NONE; i++)
        status = align__check_tokens(exec, &work->sequences, tokens[i],
                                     i < 2 ? ALIGN__SET_REAL : ALIGN__SET_MASK);
    const struct {
        struct align__named named;
        int set;
    } rows[] = {
        {{owner, "ended", &a->ended}, ALIGN__SET_MASK},
        {{owner, "cost", &a->cost}, ALIGN__SET_REAL},
        {{owner, "sequence_kl", &a->sequence_kl}, ALIGN__SET_WIDE},
    };
    for (int i = 0; i < 3 && status == ALIGN_E_NONE; i++)
        status = align__check_per_sequence(exec, &work->sequences, rows[i].named, rows[i].set);
    if (status == ALIGN_E_NONE)
        status = align__check_mask(exec, tokens[2]);
    for (int i = 0; i < 2 && status == ALIGN_E_NONE; i++)
        status = align__check_counted(exec, tokens[i], &a->mask);
    return status == ALIGN_E_NONE ? align__check_finite(exec, rows[1].named) : status;
}

static align_status check_outputs(const align_exec *exec, const align_dense_args *a)
{
    const struct align__named all[] = {
        {owner, "mask", &a->mask},     {owner, "offsets", &a->offsets},
        {owner, "ended", &a->ended},   {owner, "logp", &a->logp},
        {owner, "ref", &a->ref},       {owner, "cost", &a->cost},
        {owner, "reward", &a->reward}, {owner, "sequence_kl", &a->sequence_kl},
    };
    align_status status = align__check_output(exec, all[6], all, 8);
    return status == ALIGN_E_NONE ? align__check_output(exec, all[7], all, 8) : status;
}

align_status align_dense_eval(const align_exec *user_exec, const align_dense_args *user_args)
{
    align_exec exec;
    struct work work;
    memset(&work, 0, sizeof work);
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&exec, owner, &work.args, sizeof work.args, sizeof work.args,
                               user_args);
    if (status == ALIGN_E_NONE)
        status = check_parameters(&exec, &work.args);
    if (status == ALIGN_E_NONE)
        status = check_tensors(&exec, &work);
    if (status == ALIGN_E_NONE)
        status = check_outputs(&exec, &work.args);
    if (status != ALIGN_E_NONE)
        return status;
    work.mask = align__run_of(&work.args.mask);
    for (int64_t k = 0; k < work.args.n_sources && status == ALIGN_E_NONE; k++)
        status = check_source(&exec, &work, k);
    if (status != ALIGN_E_NONE)
        return status;
    work.logp = align__run_of(&work.args.logp);
    work.ref = align__run_of(&work.args.ref);
    work.reward = align__run_of(&work.args.reward);
    work.kl = align__run_of(&work.args.sequence_kl);
    work.pieces = align__sequence_pieces(&work.sequences);
    return align__parallel(&exec, work.pieces, run_piece, &work);
}
