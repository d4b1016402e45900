/* One call of align_bt_fit, checked. */
#ifndef ALIGN__BT_CALL_H
#define ALIGN__BT_CALL_H

#include "bt.h"

#define BT_ARGS "align_bt_args"
#define BT_ROWS "align_bt_rows"

struct bt_call {
    align_exec exec;
    align_bt_args args;
    align_bt_rows rows;           /* or: */
    struct align__bt_table table; /* that of the caller's counts */
    int64_t pairs, edges;         /* at most */
    bool weighted, errors, sandwich, dense, squares;
};

/* All that can be said without reading what the tensors hold. */
align_status align__bt_open(struct bt_call *call, const align_exec *user_exec,
                            const align_bt_args *user_args);

/* Writes args->draws. Takes from the arena a place to work for each worker, as far as it goes. */
size_t align__bt_draw_bytes(const struct align__bt_fit *shape, int64_t edges);
int64_t align__bt_draw_slots(const struct bt_call *call);
align_status align__bt_draw(const struct bt_call *call, const struct align__bt_fit *found,
                            bool finite, const double (*squares)[ALIGN__BT_SQUARES],
                            struct align__arena *arena);

#endif
