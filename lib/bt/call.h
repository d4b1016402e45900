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
    struct align__bt_table table; /* that of the caller's counts; or: */
    align_bt_rankings rankings;   /* or: */
    align_bt_ballots ballots;
    int64_t pairs, edges;      /* at most */
    int64_t units, longest;    /* rows, or entries of rankings; entries of the longest */
    int64_t item_coefs, coefs; /* coefficients of item features; all */
    int64_t seen;              /* rows of positive weight, once they are read */
    bool weighted, errors, dense, squares, meat;
    bool rowwise;   /* each row an edge of its own */
    bool ranked;    /* rankings or ballots */
    int64_t widest; /* the largest of what clusters hold: places of pairs, or entries */
    bool pinned;    /* strengths have a prior of their own */
};

/* All that can be said without reading what the tensors hold, but for offsets of rankings. */
align_status align__bt_open(struct bt_call *call, const align_exec *user_exec,
                            const align_bt_args *user_args);

/* Writes args->draws. Takes from the arena a place to work for each worker, as far as it goes. */
size_t align__bt_draw_bytes(const struct bt_call *call, const struct align__bt_fit *shape);
int64_t align__bt_draw_slots(const struct bt_call *call);
align_status align__bt_draw(const struct bt_call *call, const struct align__bt_fit *found,
                            bool finite, const double (*squares)[ALIGN__BT_SQUARES],
                            struct align__arena *arena);

/* theta of an item at parameters x: its own number and what its features say. */
double align__bt_theta(const struct bt_call *call, const struct align__bt_fit *fit, const double *x,
                       int64_t item);

/* ---- rowwise.c ---------------------------------------------------------------------------- */

struct align__bt_game {
    int64_t first, second;
    double outcome, weight;
};

struct align__bt_game align__bt_game_of(const align_bt_rows *rows, int64_t row);

/* Covariates, annotators and clusters: finite, and in their ranges. */
align_status align__bt_check_extras(const struct bt_call *call);
align_status align__bt_check_values(const align_exec *exec, const align_tensor *t,
                                    const char *owner, const char *field);

/* Where nothing reads them. */
align_status align__bt_refuse_extras(const align_exec *exec, const align_bt_rows *rows,
                                     const char *reader);

/* Item features of i less those of j. */
void align__bt_features(const struct bt_call *call, int64_t i, int64_t j, double *z);

/* Each row of positive weight as an edge. */
void align__bt_list_rows(const struct bt_call *call, struct align__bt_edge_list *list,
                         int32_t *judge, double *z);

/* Add the score of an edge, or of one row, with its weight. */
void align__bt_add_edge_score(const struct bt_call *call, const struct align__bt_fit *fit,
                              const struct align__bt_edge *edge, int32_t judge, const double *z,
                              double *score);
void align__bt_add_row_score(const struct bt_call *call, const struct align__bt_fit *fit,
                             int64_t row, double *z, double *score);

/* ---- clusters.c --------------------------------------------------------------------------- */

/* Counts or ballots of clusters: of the same items, and as many rows as are fitted. */
align_status align__bt_open_clusters(struct bt_call *call);

/* The meat of a clustered sandwich. RANGE when clusters hold what the whole does not. */
size_t align__bt_clusters_bytes(const struct bt_call *call);
align_status align__bt_fill_clusters(const struct bt_call *call,
                                     struct align__bt_variance *variance, struct align__bt_fit *fit,
                                     struct align__arena *arena);

/* ---- result.c ----------------------------------------------------------------------------- */

struct align__bt_result {
    int32_t existence;
    int64_t superfluous; /* a parameter, when RANK_DEFICIENT */
    const struct align__bt_graph *graph;
    struct align__bt_fit *fit;
    const struct align__bt_variance *variance; /* NULL: no errors */
};

/* Writes every output of the call into the tensors and numbers of call->args. */
void align__bt_write(struct bt_call *call, const struct align__bt_result *result);

/* The status of the call, with its reason. */
align_status align__bt_say(const struct bt_call *call, const struct align__bt_result *result);

#endif
