/* Bradley-Terry with features, ties and rankings against answers from outside, with the data here. */
#include "../suite.h"

#include "../bt_games.h"

#include <math.h>

/* Contests of male Cape dwarf chameleons (Stuart-Fox et al. 2006; `chameleons` of R's BradleyTerry2): who won and
 * lost, the wins of the two in their last two contests, one less the other; of each male the residual of the
 * height of its casque and how much of it the main patch covers. */
static const int32_t winner[] = {
    21, 3,  23, 29, 16, 25, 3,  22, 23, 7,  15, 20, 21, 16, 25, 22, 23, 11, 30, 27, 32, 14,
    9,  17, 21, 19, 25, 27, 32, 4,  18, 7,  24, 11, 30, 14, 17, 7,  15, 8,  11, 9,  18, 10,
    17, 27, 4,  18, 7,  11, 27, 25, 33, 17, 30, 15, 11, 16, 33, 14, 15, 24, 30, 33, 14, 17,
    30, 11, 20, 25, 32, 7,  19, 33, 23, 24, 32, 15, 20, 14, 9,  11, 9,  17, 7,  12, 11, 32,
    27, 33, 25, 24, 8,  22, 21, 9,  9,  8,  32, 33, 25, 30, 22, 12, 24, 29};
static const int32_t loser[] = {
    1,  6,  22, 34, 28, 33, 5,  29, 34, 12, 24, 1,  19, 33, 28, 34, 29, 8,  26, 2,  0,  31,
    10, 10, 20, 1,  16, 0,  2,  9,  13, 15, 12, 26, 8,  10, 31, 24, 12, 26, 30, 13, 4,  31,
    14, 32, 13, 9,  26, 2,  19, 3,  5,  22, 7,  26, 27, 21, 6,  29, 8,  26, 2,  3,  13, 4,
    0,  19, 28, 14, 30, 1,  6,  34, 18, 2,  3,  28, 13, 16, 29, 20, 16, 23, 3,  26, 16, 19,
    29, 10, 18, 5,  6,  4,  4,  14, 11, 13, 27, 19, 23, 10, 14, 2,  28, 13};
static const int32_t previous_wins[] = {
    0,  0, 0,  0,  0, 0, 1, -1, 1, 0, 0, 0, 1, 1, 1, 1, 1,  0, 0, 0, 0, 0, 0, 0, 1, 0, 0,
    1,  1, -1, 0,  0, 0, 1, 1,  1, 1, 1, 1, 0, 0, 1, 0, 0,  0, 0, 1, 1, 2, 2, 1, 0, 0, 0,
    -1, 1, 0,  -1, 1, 1, 1, 1,  1, 1, 1, 1, 2, 1, 1, 0, -1, 1, 0, 2, 0, 1, 1, 2, 1, 0, 1,
    0,  0, 0,  1,  0, 2, 1, 1,  1, 1, 2, 1, 0, 1, 1, 0, 1,  1, 1, 1, 0, 0, 1, 2, 0};
static const double casque[] = {0.94, 0.85,  0.02, -1.76, 0.02,  -0.37, -0.87, -0.01, 0.63,
                                1.63, -0.58, 1.46, -0.54, -0.11, 0.11,  -0.21, 0.49,  0.24,
                                0.02, 0.18,  0.45, -0.59, 0.25,  0.24,  0.18,  0.39,  -1.11,
                                -0.4, -1.02, 1.63, -0.47, -0.3,  0.26,  -1.88, -1.08};
static const double patch[] = {
    35.66853756, 21.13429221, 25.84193276, 33.21091076, 25.10409025, 25.10409025, 27.97210113,
    24.3500636,  24.3500636,  31.30644625, 30.65729899, 31.94805943, 34.44990199, 31.30644625,
    33.21091076, 22.786498,   31.30644625, 33.21091076, 27.27472868, 27.97210113, 37.46496893,
    31.94805943, 27.97210113, 22.786498,   25.10409025, 45,          35.66853756, 33.21091076,
    21.13429221, 26.56505118, 27.27472868, 25.10409025, 32.58270626, 31.30644625, 31.30644625};

/* Ability by covariates alone: BTm(winner, loser, ~ prev.wins.2 + ch.res[ID] + prop.main[ID]) of BradleyTerry2 1.1-2 with
 * glm.control(epsilon = 1e-15, maxit = 100). */
START_TEST(chameleons)
{
    enum { CONTESTS = 106, MALES = 35 };
    static const double expected[3] = {0.6093115209912, 0.0892796887015, 2.3812955946999};
    static double feature[MALES][2], covariate[CONTESTS], strength[MALES], coefficient[3];
    ck_assert_uint_eq(sizeof winner / sizeof winner[0], CONTESTS);
    ck_assert_uint_eq(sizeof patch / sizeof patch[0], MALES);
    for (int i = 0; i < MALES; i++) {
        feature[i][0] = casque[i];
        feature[i][1] = patch[i];
    }
    for (int r = 0; r < CONTESTS; r++)
        covariate[r] = previous_wins[r];
    align_bt_rows rows;
    align_bt_args args;
    align_error error;
    align_bt_rows_init(&rows, sizeof rows);
    align_bt_args_init(&args, sizeof args);
    rows.first = align_1d(winner, ALIGN_I32, CONTESTS);
    rows.second = align_1d(loser, ALIGN_I32, CONTESTS);
    rows.covariate = align_2d(covariate, ALIGN_F64, CONTESTS, 1);
    args.n_items = MALES;
    args.rows = &rows;
    args.item_feature = align_2d(feature, ALIGN_F64, MALES, 2);
    args.strength = align_1d(strength, ALIGN_F64, MALES);
    args.coefficient = align_1d(coefficient, ALIGN_F64, 3);
    ck_assert_msg(games_run(&args, &error) == ALIGN_E_NONE, "%s", error.text);
    for (int p = 0; p < 3; p++)
        games_near(coefficient[p], expected[p], 1e-12, "coefficient", p);
    games_near(args.log_likelihood, -85.395665318636 / 2, 1e-11, "log_likelihood", 0);
}
END_TEST

/* ---- rankings ------------------------------------------------------------------------------ */

static struct answer answer;
static double orders[2];

static void fit_rankings(const align_bt_rankings *rankings, int64_t items)
{
    answer.args.n_items = items;
    answer.args.rankings = rankings;
    answer.args.strength = align_1d(answer.strength, ALIGN_F64, items);
    answer.status = games_run(&answer.args, &answer.error);
    ck_assert_msg(answer.status == ALIGN_E_NONE, "%s", answer.error.text);
}

/* Apple, banana and orange in six rankings, two of them with a tie: tests/testthat/test-S3-methods.R of PlackettLuce
 * and its snapshot, in seven digits. Its default adds half a game won and lost by each against a ghost, in the model of
 * ties too: item 3 here, of fixed strength 0. ALIGN_BT_PRIOR_GHOST knows no ties, and is another prior. */
START_TEST(fruits)
{
    enum { ROWS = 12 };
    static const int64_t offsets[ROWS + 1] = {0, 2, 5, 8, 11, 14, 16, 18, 20, 22, 24, 26, 28};
    static const int32_t item[] = {0, 1, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2,
                                   0, 2, 0, 3, 3, 0, 1, 3, 3, 1, 2, 3, 3, 2};
    static const int32_t place[] = {1, 2, 3, 1, 2, 2, 1, 1, 1, 2, 3, 2, 1, 1,
                                    1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2};
    static const double weight[ROWS] = {1, 1, 1, 1, 1, 1, .5, .5, .5, .5, .5, .5},
                        fixed[4] = {NAN, NAN, NAN, 0};
    align_bt_rankings rankings;
    align_bt_rankings_init(&rankings, sizeof rankings);
    rankings.offsets = align_1d(offsets, ALIGN_I64, ROWS + 1);
    rankings.item = align_1d(item, ALIGN_I32, 28);
    rankings.place = align_1d(place, ALIGN_I32, 28);
    rankings.weight = align_1d(weight, ALIGN_F64, ROWS);
    games_begin(&answer);
    answer.args.ties = ALIGN_BT_TIES_DAVIDSON;
    answer.args.fixed = align_1d(fixed, ALIGN_F64, 4);
    answer.args.orders = align_1d(orders, ALIGN_F64, 1);
    fit_rankings(&rankings, 4);
    games_near(answer.strength[1] - answer.strength[0], 0.2867987, 2e-6, "banana", 0);
    games_near(answer.strength[2] - answer.strength[0], -0.4636687, 2e-6, "orange", 0);
    games_near(log(orders[0]), -1.0701129, 2e-6, "tie2", 0);
}
END_TEST

/* choix tests/data/testcase-rankings-1.json and testcase-top1-1.json: cycles. */
START_TEST(cycles)
{
    static const int64_t offsets[] = {0, 3, 6, 9};
    static const int32_t item[] = {0, 1, 2, 1, 2, 0, 2, 0, 1},
                         place[] = {0, -1, -1, 0, -1, -1, 0, -1, -1};
    align_bt_rankings rankings;
    align_bt_rankings_init(&rankings, sizeof rankings);
    rankings.offsets = align_1d(offsets, ALIGN_I64, 4);
    rankings.item = align_1d(item, ALIGN_I32, 9);
    for (int top = 0; top < 2; top++) {
        if (top == 1)
            rankings.place = align_1d(place, ALIGN_I32, 9);
        games_begin(&answer);
        fit_rankings(&rankings, 3);
        for (int i = 0; i < 3; i++)
            games_near(answer.strength[i], 0, 1e-14, "strength", i);
    }
}
END_TEST

/* ---- ties ---------------------------------------------------------------------------------- */

/* evalica's simple.csv, whose golden file tests/golden/bt.c reads where the data are: both models of ties and half
 * ties, by Newton in f64 to the last digit. */
START_TEST(simple_votes)
{
    static const char *votes = "01t 02r 02t 04t 10l 12t 12t 13t 24t 30l 31l 32l 34t 34t 40l 43l";
    static const double half[5] = {0.05079967253, 0.131150691454, 0.131685680701, 0.336888680416,
                                   0.349475274899};
    static const double davidson[5] = {0.019337335058, 0.516678128153, 0.517946595002,
                                       13.777405175850, 14.025904811410};
    static const double kupper[5] = {-2.11214275909, -0.333516307512, -0.351206349081,
                                     1.458493706575, 1.338371709107};
    static const double likelihood[3] = {-9.348854627668, -11.005993117789, -11.085703330997};
    static const double tie[3] = {0, 6.921998228322, 8.339384142853};
    static struct games games;
    games.n = 5;
    for (const char *v = votes; *v != '\0'; v += v[3] == ' ' ? 4 : 3)
        games_add(&games, v[0] - '0', v[1] - '0', v[2] == 't' ? 0.5 : v[2] == 'l' ? 1 : 0, 1);
    for (int ties = 0; ties < 3; ties++) {
        games_begin(&answer);
        answer.args.ties = ties;
        games_finish(&games, &answer);
        ck_assert_msg(answer.status == ALIGN_E_NONE, "%s", answer.error.text);
        double sum = 0;
        for (int i = 0; i < 5; i++)
            sum += exp(answer.strength[i]);
        for (int i = 0; i < 5; i++) {
            double worth = exp(answer.strength[i]);
            if (ties == ALIGN_BT_TIES_HALF)
                games_near(worth / sum, half[i], 1e-11, "share", i);
            else if (ties == ALIGN_BT_TIES_DAVIDSON)
                games_near(worth, davidson[i], 1e-10, "worth", i);
            else
                games_near(answer.strength[i], kupper[i], 1e-10, "strength", i);
        }
        games_near(answer.args.tie, tie[ties], 1e-10, "tie", ties);
        games_near(answer.args.log_likelihood, likelihood[ties], 1e-10, "log_likelihood", ties);
    }
}
END_TEST

SUITE_MAIN("golden bt peers", chameleons, fruits, cycles, simple_votes)
