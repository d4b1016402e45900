#include "labels.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int32_t kind;
} kinds[] = {
    {"center", ALIGN_NORM_CENTER},
    {"zscore", ALIGN_NORM_ZSCORE},
    {"scale", ALIGN_NORM_SCALE},
    {"minmax", ALIGN_NORM_MINMAX},
    {"sigmoid", ALIGN_NORM_SIGMOID},
    {"log_sigmoid", ALIGN_NORM_LOG_SIGMOID},
    {"tanh", ALIGN_NORM_TANH},
    {"rank", ALIGN_NORM_RANK},
    {"rank_center", ALIGN_NORM_RANK_CENTER},
    {"rank_normal", ALIGN_NORM_RANK_NORMAL},
    {"leave_out", ALIGN_NORM_LEAVE_OUT},
    {"leave_out_zscore", ALIGN_NORM_LEAVE_OUT_ZSCORE},
    {"mean_ratio", ALIGN_NORM_MEAN_RATIO},
    {"best", ALIGN_NORM_BEST},
};

enum { KIND_COUNT = sizeof kinds / sizeof *kinds, TRAINER = 32, NAMES = 256 };

static bool refuse_unknown(const char *norm, problem *why)
{
    char names[NAMES] = "";
    size_t used = 0;

    for (int i = 0; i < KIND_COUNT && used < NAMES; i++)
        used += (size_t)snprintf(names + used, NAMES - used, ", %s", kinds[i].name);
    return refuse(why, "--reward-norm %s: expected TRAINER/ESTIMATOR or one of %s", norm,
                  names + 2);
}

static bool is_of_one_list(int32_t kind)
{
    for (int i = 0; i < KIND_COUNT; i++)
        if (kinds[i].kind == kind)
            return true;
    return false;
}

static bool find_preset(const char *norm, align_norm_params *group, problem *why)
{
    const char *slash = strchr(norm, '/');
    align_norm_params then = {.size = sizeof then};
    char trainer[TRAINER];
    uint32_t flags;

    if (!slash || slash - norm >= TRAINER)
        return refuse_unknown(norm, why);
    memcpy(trainer, norm, (size_t)(slash - norm));
    trainer[slash - norm] = '\0';
    group->size = sizeof *group;
    if (align_norm_preset_get(trainer, slash + 1, group, &then, &flags) != ALIGN_E_NONE)
        return refuse(why, "--reward-norm %s: libalign has no such trainer and estimator", norm);
    if (then.kind != 0 || !is_of_one_list(group->kind))
        return refuse(why, "--reward-norm %s: needs more than the scores of one list", norm);
    return true;
}

static bool find_norm(const char *norm, align_norm_params *params, problem *why)
{
    for (int i = 0; i < KIND_COUNT; i++)
        if (strcmp(norm, kinds[i].name) == 0)
            return align_norm_params_init(params, sizeof *params, kinds[i].kind) == ALIGN_E_NONE ||
                   refuse(why, "--reward-norm %s: not of this libalign", norm);
    return find_preset(norm, params, why);
}

/* A view of one field in all sequences. */
static align_tensor field_of(const dataset *d, const double *field)
{
    align_tensor t = align_1d(field, ALIGN_F64, d->count);

    _Static_assert(sizeof(sequence) % sizeof(double) == 0, "a stride counts elements");
    t.stride[0] = sizeof(sequence) / sizeof(double);
    return t;
}

bool labels_normalise(dataset *d, const char *norm, problem *why)
{
    align_norm_params params;
    align_norm_groups_args args;
    align_error error;
    align_exec exec;
    size_t least, best;
    align_status status;

    if (!find_norm(norm, &params, why))
        return false;
    align_error_init(&error, sizeof error);
    align_exec_init(&exec, sizeof exec);
    exec.error = &error;
    align_norm_groups_args_init(&args, sizeof args);
    args.params = &params;
    args.reward = field_of(d, &d->sequences->score);
    args.out = field_of(d, &d->sequences->label);
    args.offsets = align_1d(d->start, ALIGN_I64, d->groups + 1);
    status = align_norm_groups_scratch(&exec, &args, &least, &best);
    if (status == ALIGN_E_NONE) {
        exec.scratch = take((int64_t)best, 1);
        exec.scratch_size = best;
        status = align_norm_groups(&exec, &args);
        free(exec.scratch);
    }
    return status == ALIGN_E_NONE || refuse(why, "--reward-norm %s: %s", norm, error.text);
}
