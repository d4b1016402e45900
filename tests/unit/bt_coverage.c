/* Intervals of 95 % hold the truth in 94 to 96 % of 2,000 simulated leagues, in each of four designs. */
#include "../suite.h"

#include "../bt_games.h"

#include <math.h>

enum { LEAGUES = 2000, N = 8, ANNOTATORS = 600 };

static struct games games;
static struct answer answer;
static int64_t annotator[GAMES_ROWS];
static const double truth[N] = {1.2, 0.8, 0.4, 0.1, -0.1, -0.4, -0.8, -1.2};
static uint64_t state;

static double uniform(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return ((double)(state >> 11) + 0.5) * 0x1p-53;
}

/* By Davidson's model; nu = 0 without ties. */
static double play(int64_t a, int64_t b, double nu)
{
    double d = truth[a] - truth[b], total = exp(d / 2) + exp(-d / 2) + nu;
    double u = uniform() * total;
    return u < exp(d / 2) ? 1 : u < exp(d / 2) + nu ? 0.5 : 0;
}

/* Everyone meets everyone 20 times. */
static void round_robin(void)
{
    for (int64_t a = 0; a < N; a++)
        for (int64_t b = a + 1; b < N; b++)
            for (int k = 0; k < 20; k++)
                games_add(&games, a, b, play(a, b, 0), 1);
    answer.args.variance = ALIGN_BT_FISHER;
}

/* Some play often and some rarely, and rows weigh 0.2 to 3: only the sandwich knows what that is worth. */
static void weighted(void)
{
    for (int k = 0; k < 900; k++) {
        int64_t a = (int64_t)(uniform() * uniform() * N),
                b = (a + 1 + (int64_t)(uniform() * (N - 1))) % N;
        games_add(&games, a, b, play(a, b, 0), uniform() < 0.5 ? 0.2 : 3 * uniform());
    }
    answer.args.variance = ALIGN_BT_SANDWICH;
}

/* A third of the games are ties. */
static void with_ties(void)
{
    for (int64_t a = 0; a < N; a++)
        for (int64_t b = a + 1; b < N; b++)
            for (int k = 0; k < 20; k++)
                games_add(&games, a, b, play(a, b, 1), 1);
    answer.args.ties = ALIGN_BT_TIES_DAVIDSON;
    answer.args.variance = ALIGN_BT_SANDWICH;
}

/* Who is shown a pair again mostly repeats what they said: the four votes of one annotator are not worth four. */
static void repeated(void)
{
    for (int64_t k = 0; k < ANNOTATORS; k++) {
        int64_t a = (int64_t)(uniform() * N), b = (a + 1 + (int64_t)(uniform() * (N - 1))) % N;
        double said = play(a, b, 0);
        for (int again = 0; again < 4; again++) {
            annotator[games.rows] = k;
            games_add(&games, a, b, again == 0 || uniform() < 0.6 ? said : play(a, b, 0), 1);
        }
    }
}

static void repeated_and_told(void)
{
    repeated();
    games.cluster = annotator;
    answer.args.variance = ALIGN_BT_CLUSTER;
    answer.args.n_clusters = ANNOTATORS;
}

static void repeated_untold(void)
{
    repeated();
    answer.args.variance = ALIGN_BT_SANDWICH;
}

static double coverage_of(void (*design)(void), uint64_t seed)
{
    int64_t inside = 0, all = 0;
    state = seed;
    for (int league = 0; league < LEAGUES; league++) {
        games.n = N;
        games.rows = 0;
        games.cluster = NULL;
        games_begin(&answer);
        design();
        games_finish(&games, &answer);
        ck_assert_msg(answer.status == ALIGN_E_NONE, "league %d: %s", league, answer.error.text);
        for (int a = 0; a < N; a++)
            for (int b = a + 1; b < N; b++) {
                double off = answer.strength[a] - answer.strength[b] - truth[a] + truth[b];
                double variance = answer.covariance[a][a] + answer.covariance[b][b] -
                                  2 * answer.covariance[a][b];
                inside += fabs(off) <= 1.959963984540054 * sqrt(variance);
                all++;
            }
    }
    return (double)inside / (double)all;
}

static void expect_coverage(void (*design)(void), uint64_t seed)
{
    double coverage = coverage_of(design, seed);
    ck_assert_msg(coverage >= 0.94 && coverage <= 0.96, "coverage %g", coverage);
}

START_TEST(fisher_in_a_round_robin)
{
    expect_coverage(round_robin, 1);
}
END_TEST

START_TEST(sandwich_under_weights)
{
    expect_coverage(weighted, 2);
}
END_TEST

START_TEST(sandwich_with_ties)
{
    expect_coverage(with_ties, 3);
}
END_TEST

START_TEST(sandwich_of_clusters)
{
    expect_coverage(repeated_and_told, 4);
    ck_assert_double_lt(coverage_of(repeated_untold, 4), 0.85);
}
END_TEST

SUITE_MAIN("bt coverage", fisher_in_a_round_robin, sandwich_under_weights, sandwich_with_ties,
           sandwich_of_clusters)
