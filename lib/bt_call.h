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
    bool weighted, errors, sandwich, dense;
};

/* All that can be said without reading what the tensors hold. */
align_status align__bt_open(struct bt_call *call, const align_exec *user_exec,
                            const align_bt_args *user_args);

#endif
