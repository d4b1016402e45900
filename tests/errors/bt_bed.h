/* A call of align_bt_fit that would succeed, for cases to break. */
#ifndef TESTS_ERRORS_BT_BED_H
#define TESTS_ERRORS_BT_BED_H

#include "../bt_games.h"

#include "reach.h"

#define SITE_OF(name) ALIGN__SITE_##name

static const align_status statuses[ALIGN__SITE_COUNT] = {
    ALIGN_E_NONE,
#define SITE(name, status, text) ALIGN_E_##status,
#include "base/errors.def"
#undef SITE
};

enum { N = 3, M = 6 };

/* One call that would succeed, for a case to break. */
struct bed {
    align_exec exec;
    align_bt_args args;
    align_bt_rows rows;
    _Alignas(8) int32_t first[M];
    _Alignas(8) int32_t second[M];
    _Alignas(8) int32_t component[N];
    _Alignas(8) int32_t part[N];
    _Alignas(8) float outcome[M];
    double weight[M], strength[N], se[N], covariance[N][N], draws[2][N];
};

static inline int32_t stop(void *user)
{
    (void)user;
    return 1;
}

static inline void make_bed(struct bed *bed)
{
    static const int32_t first[M] = {0, 1, 2, 0, 1, 2}, second[M] = {1, 2, 0, 2, 0, 1};
    memset(bed, 0, sizeof *bed);
    align_exec_init(&bed->exec, sizeof bed->exec);
    align_bt_rows_init(&bed->rows, sizeof bed->rows);
    align_bt_args_init(&bed->args, sizeof bed->args);
    for (int r = 0; r < M; r++) {
        bed->first[r] = first[r];
        bed->second[r] = second[r];
        bed->outcome[r] = (float)(r % 3) / 2;
        bed->weight[r] = r + 1;
    }
    memset(bed->strength, 0xa5, sizeof bed->strength);
    memset(bed->component, 0xa5, sizeof bed->component);
    memset(bed->part, 0xa5, sizeof bed->part);
    memset(bed->se, 0xa5, sizeof bed->se);
    memset(bed->covariance, 0xa5, sizeof bed->covariance);
    memset(bed->draws, 0xa5, sizeof bed->draws);
    bed->rows.first = align_1d(bed->first, ALIGN_I32, M);
    bed->rows.second = align_1d(bed->second, ALIGN_I32, M);
    bed->rows.outcome = align_1d(bed->outcome, ALIGN_F32, M);
    bed->rows.weight = align_1d(bed->weight, ALIGN_F64, M);
    bed->args.n_items = N;
    bed->args.rows = &bed->rows;
    bed->args.strength = align_1d(bed->strength, ALIGN_F64, N);
    bed->args.se = align_1d(bed->se, ALIGN_F64, N);
    bed->args.covariance = align_2d(bed->covariance, ALIGN_F64, N, N);
    bed->args.draws = align_2d(bed->draws, ALIGN_F64, 2, N);
    bed->args.component = align_1d(bed->component, ALIGN_I32, N);
    bed->args.part = align_1d(bed->part, ALIGN_I32, N);
}

#endif
