/* Inside Bradley-Terry: the table of counts, the graph of comparisons, the Newton core. */
#ifndef ALIGN__BT_H
#define ALIGN__BT_H

#include "exec.h"
#include "tensor.h"

#include <libalign/bt.h>

/* ---- bt_table.c: rows summed by ordered pair and outcome ---------------------------------- */

/* An unsigned number with 96 bits before and 96 after the point, so that sums of rounded rows are
 * exact and do not depend on order. */
struct align__wide {
    uint64_t part[3];
};

enum { ALIGN__BT_WIN, ALIGN__BT_TIE, ALIGN__BT_LOSS, ALIGN__BT_OUTCOMES };
enum { ALIGN__BT_CROSS = ALIGN__BT_OUTCOMES, ALIGN__BT_SQUARES }; /* win times loss of soft rows */

/* What rows other than "weight 1, outcome 1, 0.5 or 0" add up to in one cell. */
struct align__bt_sums {
    struct align__wide sum[ALIGN__BT_OUTCOMES], square[ALIGN__BT_SQUARES];
};

/* Cells by (first, second): all n * n of them in order, or open addressing when that is smaller. */
struct align__bt_table {
    int64_t n_items, cells, used, most, rows;
    uint64_t *key; /* NULL when dense; else 1 + first * n_items + second, 0 in a free cell */
    uint64_t *unit[ALIGN__BT_OUTCOMES];
    struct align__bt_sums *sums; /* NULL: every row has weight 1 and outcome 1 */
};

size_t align__bt_table_bytes(int64_t n_items, int64_t pairs, bool weighted);

/* The table that lies in this memory; `clear` makes it an empty one. */
void align__bt_table_lay(struct align__bt_table *table, void *memory, size_t bytes, int64_t n_items,
                         bool weighted, bool clear);

/* All read the rows in blocks. The first finds what is wrong with them; the second adds them until the
 * table is full, and returns how many went in; the third does both in one pass, for a table that has room
 * and is lost when a row is wrong. */
align_status align__bt_check_rows(const align_exec *exec, const align_bt_rows *rows,
                                  int64_t n_items);
int64_t align__bt_add_rows(struct align__bt_table *table, const align_bt_rows *rows);
align_status align__bt_check_and_add(const align_exec *exec, struct align__bt_table *table,
                                     const align_bt_rows *rows);

/* Adds all of another weighted table. False when there is no room: what the table says is the same. */
bool align__bt_add_table(struct align__bt_table *table, const struct align__bt_table *other);

/* 1 more than the largest item that the table has met. */
int64_t align__bt_table_items(const struct align__bt_table *table);

/* What a cell holds, by outcome; without squares for NULL. */
void align__bt_read_cell(const struct align__bt_table *table, int64_t cell, double *sum,
                         double *square);

/* ---- bt_edges.c --------------------------------------------------------------------------- */

/* Everything between i and j, seen from i. */
struct align__bt_edge {
    int32_t i, j;
    double sum[ALIGN__BT_OUTCOMES];
};

/* What align__bt_edges works with: `order` holds two numbers for each pair and `begin` n_items + 1,
 * both unused by a dense table. */
struct align__bt_edge_list {
    int64_t n_items; /* those of the fit, of which the table may know more */
    bool ordered;    /* (i, j) and (j, i) are two edges; else i < j */
    struct align__bt_edge *edges;
    double (*squares)[ALIGN__BT_SQUARES]; /* of each edge, like sum; or NULL */
    uint32_t *order;
    int64_t *begin;
    int64_t count;
};

/* Fills the list from a table in order of i and j, without edges of weight 0. */
void align__bt_list_edges(struct align__bt_edge_list *list, const struct align__bt_table *table);

/* ---- bt_counts.c: structure of rows and counts --------------------------------------------- */

/* A copy of the caller's rows with all checked that can be without reading them. */
align_status align__bt_import_rows(const align_exec *exec, align_bt_rows *rows,
                                   const align_bt_rows *user, const char *reader);

/* Counts as init wrote them, and the table that they point to. */
align_status align__bt_import_counts(const align_exec *exec, struct align__bt_table *table,
                                     const align_bt_counts *counts);

/* Writes what the table now holds to the caller's struct. */
void align__bt_publish(align_bt_counts *counts, const struct align__bt_table *table);

/* ---- bt_graph.c --------------------------------------------------------------------------- */

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

/* With `both`, each edge counts as points in both directions. */
void align__bt_graph_find(struct align__bt_graph *graph, const struct align__bt_edge *edges,
                          int64_t count, bool both);

/* ---- bt_exist.c --------------------------------------------------------------------------- */

struct align__bt_exist {
    int64_t n, count;
    const struct align__bt_edge *edges;
    bool both, pinned; /* points in both directions on each edge; strengths that cannot move */
    bool home, tie;    /* which parameters there are */
    int64_t *height, *parent, *seen; /* [n], inside */
};

size_t align__bt_exist_bytes(int64_t n);
void align__bt_exist_take(struct align__bt_exist *exist, struct align__arena *arena, int64_t n);
bool align__bt_is_bounded(const struct align__bt_exist *exist);

/* ---- bt_model.c --------------------------------------------------------------------------- */

struct align__bt_terms {
    double value, d, u, dd, du, uu;
};
typedef struct align__bt_terms (*align__bt_kernel)(double d, double u, const double *sum);

struct align__bt_model {
    align__bt_kernel kernel;
    double (*start)(double share); /* of the tie parameter; NULL: there is none */
};
extern const struct align__bt_model align__bt_models[]; /* by ALIGN_BT_TIES_... */

struct align__bt_prior {
    int32_t kind;
    double mean, precision, shape, rate, games;
};
typedef struct align__bt_terms (*align__bt_prior_fn)(const struct align__bt_prior *prior,
                                                     double theta);
extern const align__bt_prior_fn align__bt_priors[]; /* by ALIGN_BT_PRIOR_...; NULL: not on items */

/* ---- bt_newton.c -------------------------------------------------------------------------- */

struct align__bt_fit {
    int64_t n, size;   /* items; parameters: strengths, tie, home */
    int64_t tie, home; /* places of those two; -1: absent */
    int32_t ties;
    struct align__bt_prior prior;
    int64_t edge_count;
    const struct align__bt_edge *edges; /* both ends in one part */
    const struct align__bt_graph *graph;
    bool dense;
    double tolerance;
    int64_t max_iterations;

    double *x, *trial, *score, *step; /* [size] */
    double *curvature[3];             /* [edges]: by d twice, by d and u, by u twice */
    double *matrix;                   /* [size, size], dense */
    double *work[4], *triple;         /* [size], [3 * size] */

    int64_t iterations;
    double value, score_norm, decrement, last_step, norm, condition;
    bool converged;
};

/* Both look at n, size and dense. */
size_t align__bt_fit_bytes(const struct align__bt_fit *fit, int64_t edges);
void align__bt_fit_take(struct align__bt_fit *fit, struct align__arena *arena, int64_t edges);

/* Writes x. The run goes from there to convergence, to max_iterations, or until no step helps: NONE.
 * CANCELLED by the hook. */
void align__bt_start(struct align__bt_fit *fit);
align_status align__bt_fit_run(const align_exec *exec, struct align__bt_fit *fit);

double align__bt_difference(const struct align__bt_fit *fit, const struct align__bt_edge *edge,
                            const double *x);
double align__bt_log_likelihood(const struct align__bt_fit *fit);
void align__bt_assemble(const struct align__bt_fit *fit, double *const coefficient[3],
                        double *matrix);
double align__bt_gauge(const struct align__bt_fit *fit);
bool align__bt_factor(struct align__bt_fit *fit);

/* ---- bt_variance.c ------------------------------------------------------------------------ */

struct align__bt_variance {
    int32_t kind;
    int64_t rows;                               /* for centring */
    const double (*squares)[ALIGN__BT_SQUARES]; /* of the edges, for SANDWICH */
    int64_t anchor;                             /* -1: none */
    double *covariance, *meat;                  /* [size, size]; meat for SANDWICH */
};

size_t align__bt_variance_bytes(const struct align__bt_fit *fit, bool sandwich);
void align__bt_variance_take(struct align__bt_variance *variance, struct align__arena *arena,
                             const struct align__bt_fit *fit, bool sandwich);

/* Of a dense fit that has run: the whole covariance, symmetric; the fit's matrix is lost. False when the information has no
 * inverse in f64. */
bool align__bt_variance_find(struct align__bt_variance *variance, struct align__bt_fit *fit);

#endif
