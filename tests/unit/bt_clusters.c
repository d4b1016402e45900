/* Clustered errors from the counts of each cluster: those of rows, to rounding, in every model. */
#include "../suite.h"

#include "../bt_games.h"

enum { N = 12, CLUSTERS = 20, FEATURES = 2 };

static struct games games;
static struct answer answer, second;
static int64_t cluster[GAMES_ROWS];
static double feature[N][FEATURES], coefficient_se[2][FEATURES];
static uint32_t state = 17;

static int64_t below(int64_t n)
{
    state = state * 1664525 + 1013904223;
    return (int64_t)((double)(state >> 8) / 0x1p24 * (double)n);
}

/* Cluster 3 holds nothing, and cluster 4 rows of weight 0 alone. With `apart`, items of the lower half never lost
 * to the others. */
static void draw(bool apart)
{
    games.n = N;
    games.rows = 0;
    for (int64_t i = 0; i < N; i++)
        games_add(&games, i, i % 6 == 5 ? i - 5 : i + 1, 1, 1);
    for (int64_t i = 0; i < N && !apart; i++)
        games_add(&games, i, (i + 5) % N, 1, 1);
    while (games.rows < 800) {
        int64_t a = below(N), b = (a + 1 + below(N - 1)) % N;
        double outcome = below(4) == 0 ? (double)below(9) / 8 : (double)below(3) / 2;
        if (apart && a / 6 != b / 6)
            outcome = a < b ? 1 : 0;
        games_add(&games, a, b, outcome, (double)(1 + below(3)) / (double)(1 + below(2)));
    }
    for (int64_t r = 0; r < games.rows; r++) {
        cluster[r] = below(CLUSTERS - 1);
        cluster[r] += cluster[r] >= 3;
        games.weight[r] = cluster[r] == 4 ? 0 : games.weight[r];
    }
    for (int64_t i = 0; i < 2 * N; i++)
        feature[i / 2][i % 2] = (double)below(100) / 50;
}

static align_bt_counts make_counts(int64_t items, int64_t pairs)
{
    align_bt_counts counts;
    size_t bytes = align_bt_counts_get_bytes(items, pairs);
    align_bt_counts_init(&counts, malloc(bytes), bytes, items);
    return counts;
}

static void add_row(align_bt_counts *counts, int64_t r)
{
    align_bt_rows row = games_rows(&games);
    align_tensor *all[] = {&row.first, &row.second, &row.outcome, &row.weight};
    for (int k = 0; k < 4; k++) {
        all[k]->data = (char *)all[k]->data + 8 * r;
        all[k]->shape[0] = 1;
    }
    ck_assert_int_eq(align_bt_counts_update(NULL, counts, &row), ALIGN_E_NONE);
}

static void set_up(struct answer *a, int trial, int side)
{
    games_begin(a);
    a->args.variance = ALIGN_BT_CLUSTER;
    a->args.n_clusters = CLUSTERS;
    a->args.ties = trial % 3;
    a->args.flags = trial / 3 % 2 == 1 ? ALIGN_BT_HOME : 0;
    if (trial / 6 % 3 == 1) {
        a->args.prior = ALIGN_BT_PRIOR_GAUSSIAN;
        a->args.prior_precision = 0.3;
    } else if (trial / 6 % 3 == 2) {
        a->args.item_feature = align_2d(feature, ALIGN_F64, N, FEATURES);
        a->args.coefficient_se = align_1d(coefficient_se[side], ALIGN_F64, FEATURES);
    }
}

/* Each kind of table; of the items alone, or of more than are fitted. */
START_TEST(counts_of_clusters_give_the_errors_of_rows)
{
    for (int trial = 0; trial < 36; trial++) {
        bool apart = trial >= 18;
        int64_t items = trial % 4 < 2 ? N : 100, pairs = trial % 2 == 0 ? items * items : 140;
        draw(apart);
        align_bt_counts parts[CLUSTERS], whole = make_counts(items, pairs);
        for (int c = 0; c < CLUSTERS; c++)
            parts[c] = make_counts(items, pairs);
        for (int64_t r = games.rows; r-- > 0;)
            add_row(&parts[cluster[r]], r);
        for (int c = 0; c < CLUSTERS; c++)
            ck_assert_int_eq(align_bt_counts_merge(NULL, &whole, &parts[c]), ALIGN_E_NONE);
        set_up(&answer, trial, 0);
        answer.args.counts = &whole;
        answer.args.cluster_counts = parts;
        games_finish(&games, &answer);
        set_up(&second, trial, 1);
        games.cluster = cluster;
        games_finish(&games, &second);
        games.cluster = NULL;
        ck_assert_int_eq(answer.status, second.status);
        ck_assert_msg(apart || answer.status == ALIGN_E_NONE, "%s", answer.error.text);
        if (apart && trial / 6 % 3 == 0 && trial / 3 % 2 == 0)
            ck_assert_int_eq(answer.args.existence, ALIGN_BT_SEPARATED);
        for (int64_t i = 0; answer.args.existence != ALIGN_BT_UNBOUNDED && i < N; i++) {
            ck_assert(answer.se[i] > 0);
            for (int64_t j = 0; j < N; j++)
                games_near(answer.covariance[i][j], second.covariance[i][j], 1e-11, "covariance",
                           i * N + j);
        }
        for (int p = 0; trial / 6 % 3 == 2 && p < FEATURES; p++)
            games_near(coefficient_se[0][p], coefficient_se[1][p], 1e-11, "coefficient_se", p);
        free(whole.memory);
        for (int c = 0; c < CLUSTERS; c++)
            free(parts[c].memory);
    }
}
END_TEST

SUITE_MAIN("clusters", counts_of_clusters_give_the_errors_of_rows)
