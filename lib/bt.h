/* Inside Bradley-Terry: the table of counts, the graph of comparisons, the Newton core. */
#ifndef ALIGN__BT_H
#define ALIGN__BT_H

#include "exec.h"
#include "tensor.h"

#include <libalign/bt.h>

/* ---- bt_counts.c: rows summed by ordered pair and outcome --------------------------------- */

/* An unsigned number with 96 bits before and 96 after the point, so that sums of rounded rows are
 * exact and do not depend on order. */
struct align__wide {
    uint64_t part[3];
};

enum { ALIGN__BT_WIN, ALIGN__BT_TIE, ALIGN__BT_LOSS, ALIGN__BT_OUTCOMES };

/* What rows other than "weight 1, outcome 1, 0.5 or 0" add up to in one cell. */
struct align__bt_sums {
    struct align__wide sum[ALIGN__BT_OUTCOMES];
};

/* Cells by (first, second): all n * n of them in order, or open addressing when that is smaller. */
struct align__bt_table {
    int64_t n_items, cells, used, most;
    uint64_t *key; /* NULL when dense; else 1 + first * n_items + second, 0 in a free cell */
    uint64_t *unit[ALIGN__BT_OUTCOMES];
    struct align__bt_sums *sums; /* NULL: every row has weight 1 and outcome 1 */
};

size_t align__bt_table_bytes(int64_t n_items, int64_t pairs, bool weighted);
void align__bt_table_init(struct align__bt_table *table, void *memory, size_t bytes,
                          int64_t n_items, bool weighted);

/* Both read the rows in blocks. The first finds what is wrong with them; the second adds them and
 * cannot fail, as long as the table has room for every new pair. */
align_status align__bt_check_rows(const align_exec *exec, const align_bt_rows *rows,
                                  int64_t n_items);
void align__bt_add_rows(struct align__bt_table *table, const align_bt_rows *rows);

/* ---- bt_graph.c --------------------------------------------------------------------------- */

/* Everything between i and j, i < j, seen from i. */
struct align__bt_edge {
    int32_t i, j;
    double sum[ALIGN__BT_OUTCOMES];
};

/* Writes the edges of a table in order of (i, j), without those of weight 0, and returns how many.
 * `order` holds two numbers for each cell in use and `begin` n_items + 1; a dense table needs neither. */
int64_t align__bt_edges(const struct align__bt_table *table, struct align__bt_edge *edges,
                        uint32_t *order, int64_t *begin);

/* Items by component and by strongly connected part, as align_bt_args describes them. */
struct align__bt_graph {
    int64_t n, components, parts;
    int32_t *component, *part; /* [n] */
    int32_t *size;             /* [parts] */
    int64_t *begin;            /* [n + 1], inside */
    int32_t *target;           /* [2 * edges], inside */
    int64_t *next;             /* [n], inside */
    int32_t *work[4];          /* [n], inside */
};

size_t align__bt_graph_bytes(int64_t n, int64_t edges);
void align__bt_graph_take(struct align__bt_graph *graph, struct align__arena *arena, int64_t n,
                          int64_t edges);
void align__bt_graph_find(struct align__bt_graph *graph, const struct align__bt_edge *edges,
                          int64_t count);

/* ---- bt_newton.c -------------------------------------------------------------------------- */

struct align__bt_fit {
    int64_t n, edge_count;
    const struct align__bt_edge *edges; /* both ends in one part */
    const struct align__bt_graph *graph;
    double tolerance;
    int64_t max_iterations;

    double *strength, *trial, *score, *step; /* [n] */
    double *curvature;                       /* [edges] */
    double *matrix;                          /* [n, n], or NULL to use conjugate gradients */
    double *work[4];                         /* [n] each, for them */

    int64_t iterations;
    double value, score_norm, decrement, last_step;
    bool converged;
};

bool align__bt_is_dense(int64_t n);
size_t align__bt_fit_bytes(int64_t n, int64_t edges);
void align__bt_fit_take(struct align__bt_fit *fit, struct align__arena *arena, int64_t n,
                        int64_t edges);

/* Runs to convergence, to max_iterations, or until no step helps: NONE. CANCELLED by the hook. */
align_status align__bt_fit_run(const align_exec *exec, struct align__bt_fit *fit);

#endif
