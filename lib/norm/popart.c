#include "norm.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const char owner[] = "align_popart_args";

void align_popart_args_init(align_popart_args *args, size_t size)
{
    const align_popart_args defaults = {.size = size, .deviation = 1, .new_deviation = 1};
    memset(args, 0, size);
    memcpy(args, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

static align_status check_numbers(const align_exec *exec, const align_popart_args *a)
{
    const struct {
        const char *field, *word;
        double value, low;
    } numbers[] = {
        {"mean", "a finite number", a->mean, -DBL_MAX},
        {"deviation", "a finite number above 0", a->deviation, DBL_MIN},
        {"new_mean", "a finite number", a->new_mean, -DBL_MAX},
        {"new_deviation", "a finite number above 0", a->new_deviation, DBL_MIN},
    };
    for (int i = 0; i < 4; i++)
        if (!(numbers[i].value >= numbers[i].low && numbers[i].value <= DBL_MAX))
            return ALIGN__FAIL(exec, FIELD_VALUE, .owner = owner, .field = numbers[i].field,
                               .value = numbers[i].value, .word = numbers[i].word);
    return ALIGN_E_NONE;
}

static align_status check_tensors(const align_exec *exec, const align_popart_args *a)
{
    const struct align__named weight = {owner, "weight", &a->weight},
                              bias = {owner, "bias", &a->bias};
    if (!align__present(&a->weight) || !align__present(&a->bias))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = owner,
                           .field = align__present(&a->weight) ? "bias" : "weight",
                           .word = "align_popart_apply");
    align_status status = align__check_tensor(exec, weight, ALIGN__SET_WIDE);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(exec, weight, 2, a->weight.shape);
    if (status == ALIGN_E_NONE)
        status = align__check_tensor(exec, bias, ALIGN__SET_WIDE);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(exec, bias, 1, a->weight.shape);
    if (status == ALIGN_E_NONE)
        status = align__check_output(exec, weight, &bias, 1);
    return status == ALIGN_E_NONE ? align__check_output(exec, bias, &weight, 1) : status;
}

align_status align_popart_apply(const align_exec *user_exec, const align_popart_args *user_args)
{
    align_exec exec;
    align_popart_args a;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&exec, owner, &a, sizeof a, sizeof a, user_args);
    if (status == ALIGN_E_NONE)
        status = check_numbers(&exec, &a);
    if (status == ALIGN_E_NONE)
        status = check_tensors(&exec, &a);
    if (status != ALIGN_E_NONE)
        return status;
    struct align__run weight = align__run_of(&a.weight), bias = align__run_of(&a.bias);
    for (int64_t i = 0; i < weight.length; i++) {
        double w;
        align__run_read(&weight, i, 1, &w);
        w = a.deviation * w / a.new_deviation;
        align__run_write(&weight, i, 1, &w);
    }
    for (int64_t i = 0; i < bias.length; i++) {
        double b;
        align__run_read(&bias, i, 1, &b);
        b = (a.deviation * b + a.mean - a.new_mean) / a.new_deviation;
        align__run_write(&bias, i, 1, &b);
    }
    return ALIGN_E_NONE;
}
