#include "call.h"
#include "line.h"

#include <string.h>

#define ARGS   "align_bt_elo_args"
#define READER "align_bt_elo_update"

void align_bt_elo_args_init(align_bt_elo_args *args, size_t size)
{
    memset(args, 0, size);
    args->size = size;
}

static align_status check(const align_exec *exec, const align_bt_elo_args *args,
                          const align_bt_rows *rows)
{
    const struct align__named all[] = {
        {ARGS, "rating", &args->rating},    {BT_ROWS, "first", &rows->first},
        {BT_ROWS, "second", &rows->second}, {BT_ROWS, "outcome", &rows->outcome},
        {BT_ROWS, "weight", &rows->weight},
    };
    if (!align__present(&args->rating))
        return ALIGN__FAIL(exec, FIELD_MISSING, .owner = ARGS, .field = "rating", .word = READER);
    align_status status = align__check_tensor(exec, all[0], ALIGN__SET_WIDE);
    if (status == ALIGN_E_NONE)
        status = align__check_shape(exec, all[0], 1, args->rating.shape);
    if (status == ALIGN_E_NONE)
        status = align__check_output(exec, all[0], all, 5);
    if (status == ALIGN_E_NONE && (args->rating.shape[0] < 2 || args->rating.shape[0] > INT32_MAX))
        status = ALIGN__FAIL(exec, FIELD_BOUNDS, .owner = ARGS, .field = "rating",
                             .value = (double)args->rating.shape[0], .low = 2, .high = INT32_MAX);
    if (status == ALIGN_E_NONE && !(args->k >= 0 && args->k < INFINITY))
        status = ALIGN__FAIL(exec, FIELD_VALUE, .owner = ARGS, .field = "k", .value = args->k,
                             .word = "finite and 0 or more");
    if (status == ALIGN_E_NONE && !(args->scale >= 0 && args->scale < INFINITY))
        status = ALIGN__FAIL(exec, FIELD_VALUE, .owner = ARGS, .field = "scale",
                             .value = args->scale, .word = "finite and 0 or more");
    if (status == ALIGN_E_NONE)
        status = align__bt_check_values(exec, &args->rating, ARGS, "rating");
    if (status == ALIGN_E_NONE)
        status = align__bt_check_rows(exec, rows, args->rating.shape[0]);
    return status;
}

align_status align_bt_elo_update(const align_exec *user_exec, const align_bt_elo_args *user_args)
{
    align_exec exec;
    align_bt_elo_args args;
    align_bt_rows rows;
    align_status status = align__enter(&exec, user_exec);
    if (status == ALIGN_E_NONE)
        status = align__import(&exec, ARGS, &args, sizeof args, sizeof args, user_args);
    if (status == ALIGN_E_NONE)
        status = align__bt_import_rows(&exec, &rows, args.rows, READER);
    if (status == ALIGN_E_NONE)
        status = align__bt_refuse_extras(&exec, &rows, READER);
    if (status == ALIGN_E_NONE)
        status = check(&exec, &args, &rows);
    if (status != ALIGN_E_NONE)
        return status;
    double k = args.k == 0 ? 4 : args.k, scale = args.scale == 0 ? 400 / log(10) : args.scale;
    const align_tensor *rating = &args.rating;
    for (int64_t row = 0; row < rows.first.shape[0]; row++) {
        struct align__bt_game game = align__bt_game_of(&rows, row);
        void *a = align__at(rating, game.first, 0), *b = align__at(rating, game.second, 0);
        double first = align__load(rating->dtype, a), second = align__load(rating->dtype, b);
        double move = k * game.weight * (game.outcome - 1 / (1 + exp((second - first) / scale)));
        align__store(rating->dtype, a, first + move);
        align__store(rating->dtype, b, second - move);
    }
    return ALIGN_E_NONE;
}
