/* A league for tests: rows grow one by one, and one call fits them. */
#ifndef TESTS_BT_GAMES_H
#define TESTS_BT_GAMES_H

#include <libalign/bt.h>

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { GAMES_ROWS = 20000, GAMES_ITEMS = 128 };

struct games {
    int64_t n, rows;
    int64_t first[GAMES_ROWS], second[GAMES_ROWS];
    double outcome[GAMES_ROWS], weight[GAMES_ROWS];
    const int64_t *cluster; /* of each row; NULL: none */
};

struct answer {
    align_status status;
    align_error error;
    align_bt_args args;
    double strength[GAMES_ITEMS], se[GAMES_ITEMS], covariance[GAMES_ITEMS][GAMES_ITEMS];
    int32_t component[GAMES_ITEMS], part[GAMES_ITEMS];
};

static inline void games_add(struct games *games, int64_t first, int64_t second, double outcome,
                             double weight)
{
    ck_assert_int_lt((int)games->rows, GAMES_ROWS);
    games->first[games->rows] = first;
    games->second[games->rows] = second;
    games->outcome[games->rows] = outcome;
    games->weight[games->rows++] = weight;
}

/* Pairs of digits, winner first: "01 12" is 0 beats 1, 1 beats 2. */
static inline void games_read(struct games *games, int64_t n, const char *text)
{
    games->n = n;
    games->rows = 0;
    for (; *text != '\0'; text += text[2] == ' ' ? 3 : 2)
        games_add(games, text[0] - '0', text[1] - '0', 1, 1);
}

static inline align_bt_rows games_rows(const struct games *games)
{
    align_bt_rows rows;
    align_bt_rows_init(&rows, sizeof rows);
    rows.first = align_1d(games->first, ALIGN_I64, games->rows);
    rows.second = align_1d(games->second, ALIGN_I64, games->rows);
    rows.outcome = align_1d(games->outcome, ALIGN_F64, games->rows);
    rows.weight = align_1d(games->weight, ALIGN_F64, games->rows);
    if (games->cluster != NULL)
        rows.cluster = align_1d(games->cluster, ALIGN_I64, games->rows);
    return rows;
}

/* Scratch of exactly `least` bytes. */
static inline align_status games_run(align_bt_args *args, align_error *error)
{
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    align_error_init(error, sizeof *error);
    exec.error = error;
    size_t least = 0, best = 0;
    align_status status = align_bt_scratch(&exec, args, &least, &best);
    if (status != ALIGN_E_NONE)
        return status;
    exec.scratch = malloc(least);
    exec.scratch_size = least;
    status = align_bt_fit(&exec, args);
    free(exec.scratch);
    return status;
}

/* An empty answer whose args the caller may change before games_finish. */
static inline void games_begin(struct answer *answer)
{
    memset(answer, 0, sizeof *answer);
    align_bt_args_init(&answer->args, sizeof answer->args);
}

static inline void games_finish(const struct games *games, struct answer *answer)
{
    align_bt_rows rows = games_rows(games);
    int64_t n = games->n;
    bool errors = answer->args.solver != ALIGN_BT_SOLVER_CG;
    answer->args.n_items = n;
    answer->args.rows = answer->args.counts == NULL ? &rows : NULL;
    answer->args.strength = align_1d(answer->strength, ALIGN_F64, n);
    if (errors) {
        answer->args.se = align_1d(answer->se, ALIGN_F64, n);
        answer->args.covariance = align_2d(answer->covariance, ALIGN_F64, n, n);
        answer->args.covariance.stride[0] = GAMES_ITEMS;
    }
    answer->args.component = align_1d(answer->component, ALIGN_I32, n);
    answer->args.part = align_1d(answer->part, ALIGN_I32, n);
    answer->status = games_run(&answer->args, &answer->error);
    answer->args.rows = NULL;
}

static inline void games_fit(const struct games *games, struct answer *answer)
{
    games_begin(answer);
    games_finish(games, answer);
}

static inline void games_near(double found, double expected, double tolerance, const char *what,
                              int64_t i)
{
    double off = found - expected;
    ck_assert_msg((off < 0 ? -off : off) <= tolerance, "%s[%d] = %.15g, expected %.15g", what,
                  (int)i, found, expected);
}

#endif
