/* Bradley-Terry against answers from outside. */
#include "../suite.h"

#include "../bt_games.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

static struct games games;
static struct answer answer;

static void finish_finite(void)
{
    games_finish(&games, &answer);
    ck_assert_msg(answer.status == ALIGN_E_NONE, "%s", answer.error.text);
    ck_assert_int_eq(answer.args.existence, ALIGN_BT_FINITE);
    ck_assert_double_le(answer.args.score_norm, 1e-12 * (double)games.n * (double)games.rows);
    ck_assert_double_le(answer.args.last_step, 1e-9);
}

static void fit_finite(void)
{
    games_begin(&answer);
    finish_finite();
}

static void expect_strengths(const double *expected, double tolerance)
{
    for (int64_t i = 0; i < games.n; i++)
        games_near(answer.strength[i], expected[i], tolerance, "strength", i);
}

/* choix tests/data/testcase-pairwise-1.json and -2.json, and the maximum of the second in 12 digits. */
START_TEST(choix_pairwise)
{
    games_read(&games, 3, "01 12 20");
    fit_finite();
    expect_strengths((const double[]){0, 0, 0}, 1e-15);
    games_read(&games, 3, "01 01 12 20");
    fit_finite();
    expect_strengths((const double[]){0.419617624991, -0.419617624991, 0}, 1e-12);
}
END_TEST

/* The example of Wikipedia's "Bradley-Terry model" and of arena-rank's tests/test_bradley_terry.py. */
START_TEST(wikipedia)
{
    static const double wins[4][4] = {{0, 2, 0, 1}, {3, 0, 5, 0}, {0, 3, 0, 1}, {4, 0, 3, 0}};
    static const double worth[4] = {0.639834815022, 1.043314403086, 0.659810195807, 2.270376628090};
    games.n = 4;
    games.rows = 0;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            if (wins[i][j] > 0)
                games_add(&games, i, j, 1, wins[i][j]);
    fit_finite();
    for (int i = 0; i < 4; i++)
        games_near(exp(answer.strength[i]), worth[i], 2e-12, "worth", i);
    games_near(answer.args.log_likelihood, -13.428450079962, 1e-11, "log_likelihood", 0);
}
END_TEST

/* Stigler 1994, citations between four journals; estimates and deviance by R's BradleyTerry2 1.1-2,
 * BTm(cbind(win1, win2), player1, player2), reference Biometrika. */
START_TEST(citations)
{
    static const double cited[4][4] = {
        {0, 730, 498, 221}, {33, 0, 68, 17}, {320, 813, 0, 142}, {284, 276, 325, 0}};
    static const double expected[4] = {0, -2.9490724968, -0.4795697698, 0.2689540558};
    games.n = 4;
    games.rows = 0;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            if (i != j)
                games_add(&games, i, j, 1, cited[i][j]);
    fit_finite();
    for (int i = 0; i < 4; i++)
        games_near(answer.strength[i] - answer.strength[0], expected[i], 1e-9, "strength", i);
    games_near(answer.args.deviance, 4.29338397, 1e-8, "deviance", 0);
    static const double se[4] = {0, 0.10254533537, 0.06058872924, 0.07082996511};
    games_begin(&answer);
    answer.args.flags = ALIGN_BT_ANCHOR;
    answer.args.scale = 2;
    answer.args.offset = 7;
    finish_finite();
    for (int i = 0; i < 4; i++) {
        games_near(answer.strength[i], 7 + 2 * expected[i], 2e-9, "strength", i);
        games_near(answer.se[i], 2 * se[i], 1e-9, "se", i);
    }
}
END_TEST

/* Agresti 2002, table 10.10, American League 1987: wins and losses of the home team against each
 * opponent; Milwaukee, Detroit, Toronto, New York, Boston, Cleveland, Baltimore. Estimates
 * and deviances by R's BradleyTerry2 (tests/testthat/test-baseball.R), reference Baltimore. */
START_TEST(baseball)
{
    static const int home[7][7][2] = {
        {{0, 0}, {4, 3}, {4, 2}, {4, 3}, {6, 1}, {4, 2}, {6, 0}},
        {{3, 3}, {0, 0}, {4, 2}, {4, 3}, {6, 0}, {6, 1}, {4, 3}},
        {{2, 5}, {4, 3}, {0, 0}, {2, 4}, {4, 3}, {4, 2}, {6, 0}},
        {{3, 3}, {5, 1}, {2, 5}, {0, 0}, {4, 3}, {4, 2}, {6, 1}},
        {{5, 1}, {2, 5}, {3, 3}, {4, 2}, {0, 0}, {5, 2}, {6, 0}},
        {{2, 5}, {3, 3}, {3, 4}, {4, 3}, {4, 2}, {0, 0}, {2, 4}},
        {{2, 5}, {1, 5}, {1, 6}, {2, 4}, {1, 6}, {3, 4}, {0, 0}},
    };
    static const double expected[7] = {
        1.5813558767, 1.4364084318, 1.2944851239, 1.2476178451, 1.1076977054, 0.6838527692, 0};
    games.n = 7;
    games.rows = 0;
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < 7; j++) {
            games_add(&games, i, j, 1, home[i][j][0]);
            games_add(&games, i, j, 0, home[i][j][1]);
            if (i == j)
                games.rows -= 2;
        }
    fit_finite();
    for (int i = 0; i < 7; i++)
        games_near(answer.strength[i] - answer.strength[6], expected[i], 1e-9, "strength", i);
    static const double with_home[7] = {
        1.6195549936, 1.4753572136, 1.3271103981, 1.2813404033, 1.1438026533, 0.7046944569, 0};
    double without = answer.args.log_likelihood;
    games_begin(&answer);
    answer.args.flags = ALIGN_BT_HOME;
    finish_finite();
    for (int i = 0; i < 7; i++)
        games_near(answer.strength[i] - answer.strength[6], with_home[i], 1e-9, "strength", i);
    games_near(answer.args.home, 0.3022606555, 1e-10, "home", 0);
    /* R prints .1309436425: its errors come from the weights one step before the last. */
    games_near(answer.args.home_se, 0.130943707456, 1e-12, "home_se", 0);
    games_near(answer.args.deviance, 38.64285214, 1e-8, "deviance", 0);
    games_near(2 * (answer.args.log_likelihood - without), 44.05346123 - 38.64285214, 2e-8,
               "deviance without home", 0);
}
END_TEST

/* Davidson 1970's pudding data (PlackettLuce's `pudding`): wins of i, wins of j, ties. Published:
 * .1388 .1729 .1617 .1653 .1586 .2023 and nu .7468; more digits, and Rao and Kupper's model, by Newton in
 * f64 to a score of 1e-13. */
START_TEST(pudding)
{
    static const int pairs[15][5] = {{1, 2, 19, 22, 16}, {1, 3, 16, 19, 12}, {2, 3, 19, 19, 10},
                                     {1, 4, 18, 23, 13}, {2, 4, 23, 19, 9},  {3, 4, 19, 20, 15},
                                     {1, 5, 13, 19, 18}, {2, 5, 16, 20, 12}, {3, 5, 16, 15, 17},
                                     {4, 5, 17, 14, 16}, {1, 6, 18, 21, 12}, {2, 6, 22, 20, 12},
                                     {3, 6, 13, 18, 10}, {4, 6, 14, 19, 18}, {5, 6, 11, 21, 12}};
    static const double worth[3][6] = {
        {0.146074710924, 0.171473207333, 0.163279202656, 0.165935398467, 0.161023222366,
         0.192214258253},
        {0.138803375181, 0.173001499983, 0.161747434037, 0.165372957763, 0.158685394575,
         0.202389338462},
        {0.144398966459, 0.171794359580, 0.162817390124, 0.166078195304, 0.160380509896,
         0.194530578637},
    };
    static const double tie[3] = {0, 0.746822987654, 1.748457254737};
    static const double likelihood[3] = {0, -809.709510090288, -809.697133488584};
    games.n = 6;
    games.rows = 0;
    for (int k = 0; k < 15; k++)
        for (int o = 0; o < 3; o++)
            games_add(&games, pairs[k][0] - 1, pairs[k][1] - 1, o == 2 ? 0.5 : 1 - o,
                      pairs[k][2 + o]);
    for (int ties = 0; ties < 3; ties++) {
        games_begin(&answer);
        answer.args.ties = ties;
        finish_finite();
        double sum = 0;
        for (int i = 0; i < 6; i++)
            sum += exp(answer.strength[i]);
        for (int i = 0; i < 6; i++)
            games_near(exp(answer.strength[i]) / sum, worth[ties][i], 1e-12, "worth", i);
        games_near(answer.args.tie, tie[ties], 2e-12, "tie", ties);
        if (ties > 0)
            games_near(answer.args.log_likelihood, likelihood[ties], 1e-9, "likelihood", ties);
    }
}
END_TEST

/* Springall's flavour experiment (BradleyTerry2's `springall`); fits by Newton in f64 to a score of
 * 1e-13. */
START_TEST(springall)
{
    static const int win[36] = {2,  0,  5,  2, 0, 12, 13, 10, 6, 17, 9,  8,  24, 16, 15, 22, 14, 11,
                                24, 22, 17, 3, 2, 12, 10, 8,  5, 20, 15, 13, 27, 19, 18, 2,  2,  6};
    static const int loss[36] = {16, 21, 10, 15, 22, 3, 9, 12, 11, 2, 6, 12, 2, 3, 2, 2,  4,  4,
                                 1,  0,  2,  14, 18, 6, 6, 9,  11, 0, 2, 5,  1, 1, 2, 13, 21, 8};
    static const int tie[36] = {7, 1, 10, 7, 2, 9, 5, 3,  5, 7, 8, 6, 0, 5, 7, 4, 5, 7,
                                3, 3, 6,  9, 4, 5, 6, 11, 9, 2, 5, 9, 0, 5, 2, 8, 5, 8};
    static const double expected[3][9] = {
        {-0.754325710765, 0.785459132089, 1.469365298245, -0.484752243555, 0.530216390101,
         1.169453243218, -1.616584299236, -0.757074997855, -0.341756812242},
        {-1.113366719622, 1.159862825964, 2.177383219794, -0.715756255145, 0.78142271399,
         1.729480573662, -2.39483339657, -1.118264585883, -0.505928376189},
        {-0.828356395429, 0.845716241552, 1.597594560688, -0.509487738679, 0.559401415219,
         1.299817239284, -1.791459832216, -0.818893588501, -0.354331901918},
    };
    static const double parameter[3] = {0, 0.865548654158, 2.007907276675};
    static const double likelihood[3] = {-456.670277758844, -732.067255448221, -730.004361475};
    games.n = 9;
    games.rows = 0;
    for (int i = 0, k = 0; i < 9; i++)
        for (int j = i + 1; j < 9; j++, k++) {
            games_add(&games, i, j, 1, win[k]);
            games_add(&games, i, j, 0, loss[k]);
            games_add(&games, i, j, 0.5, tie[k]);
        }
    for (int ties = 0; ties < 3; ties++) {
        games_begin(&answer);
        answer.args.ties = ties;
        finish_finite();
        expect_strengths(expected[ties], 2e-12);
        games_near(answer.args.tie, parameter[ties], 2e-12, "tie", ties);
        games_near(answer.args.log_likelihood, likelihood[ties], 1e-9, "likelihood", ties);
    }
}
END_TEST

/* choix tests/test_opt.py: 8 items under the penalty 0.5 * sum theta^2, a Gaussian of precision 1. */
START_TEST(choix_gaussian)
{
    static const double expected[8] = {-0.519740386019, -0.462808779323, -0.313768622710,
                                       -0.068546938792, -0.318514603303, -0.003461067605,
                                       0.630327831413,  1.056512566340};
    games_read(&games, 8, "73 20 52 42 21 45 63 54 70 23 40 04 65 32 34 34 52 73 76 65");
    games_begin(&answer);
    answer.args.prior = ALIGN_BT_PRIOR_GAUSSIAN;
    answer.args.prior_precision = 1;
    finish_finite();
    expect_strengths(expected, 1e-12);
    games_near(answer.args.penalty - answer.args.log_likelihood, 11.981820721034, 1e-11,
               "objective", 0);
}
END_TEST

/* 0 beats 1 twice and 1 beats 2 once, with a ghost: the fixed point of Newman 2023's MAP iteration. */
START_TEST(newman_ghost)
{
    games_read(&games, 3, "01 01 12");
    games_begin(&answer);
    answer.args.prior = ALIGN_BT_PRIOR_GHOST;
    answer.args.prior_games = 1;
    finish_finite();
    expect_strengths((const double[]){1.00132322, -0.19955704, -0.76110828}, 1e-8);
}
END_TEST

/* choix tests/data/testcase-rankings-2.json and testcase-top1-2.json: best first, and one from a set.
 * The stored numbers have a slope of 2e-5 in the first case: choix stopped before the maximum. */
START_TEST(choix_rankings)
{
    static const int64_t offsets[4] = {0, 3, 6, 8}, item[8] = {0, 1, 2, 3, 2, 0, 1, 3};
    static const int64_t starts[4] = {0, 2, 4, 7}, set[7] = {0, 1, 1, 2, 2, 0, 1};
    static const int32_t chosen[7] = {0, -1, 0, -1, 0, -1, -1};
    static const double expected[4] = {-0.44328117, 0.69506219, -0.67061442, 0.41883340};
    static const double choices[3] = {0.16040395, -0.32080789, 0.16040394};
    align_bt_rankings rankings;
    align_bt_rankings_init(&rankings, sizeof rankings);
    games_begin(&answer);
    answer.args.n_items = 4;
    answer.args.rankings = &rankings;
    answer.args.strength = align_1d(answer.strength, ALIGN_F64, 4);
    rankings.offsets = align_1d(offsets, ALIGN_I64, 4);
    rankings.item = align_1d(item, ALIGN_I64, 8);
    ck_assert_int_eq(games_run(&answer.args, &answer.error), ALIGN_E_NONE);
    for (int i = 0; i < 4; i++)
        games_near(answer.strength[i], expected[i], 5e-5, "strength", i);
    answer.args.n_items = 3;
    answer.args.strength.shape[0] = 3;
    rankings.offsets = align_1d(starts, ALIGN_I64, 4);
    rankings.item = align_1d(set, ALIGN_I64, 7);
    rankings.place = align_1d(chosen, ALIGN_I32, 7);
    ck_assert_int_eq(games_run(&answer.args, &answer.error), ALIGN_E_NONE);
    for (int i = 0; i < 3; i++)
        games_near(answer.strength[i], choices[i], 5e-5, "strength", i);
}
END_TEST

/* Stigler 1994 again, by BTm(..., br = TRUE), which is Firth's bias reduction in R's brglm; published to
 * ten digits with the reference Biometrika. */
START_TEST(citations_by_jeffreys)
{
    static const double cited[4][4] = {
        {0, 730, 498, 221}, {33, 0, 68, 17}, {320, 813, 0, 142}, {284, 276, 325, 0}};
    static const double expected[4] = {0, -2.9443818218, -0.4790752610, 0.2685310228};
    games.n = 4;
    games.rows = 0;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            if (i != j)
                games_add(&games, i, j, 1, cited[i][j]);
    games_begin(&answer);
    answer.args.prior = ALIGN_BT_PRIOR_JEFFREYS;
    games_finish(&games, &answer);
    ck_assert_int_eq(answer.status, ALIGN_E_NONE);
    for (int i = 0; i < 4; i++)
        games_near(answer.strength[i] - answer.strength[0], expected[i], 2e-7, "strength", i);
}
END_TEST

/* Springall's experiment as a response surface in flavour and gel, with half ties: item k has flavour
 * {.6, 4.8, 9}[k mod 3] and gel {0, 2.4, 4.8}[k / 3]. Coefficients by Newton in f64, for strengths that win. */
START_TEST(springall_features)
{
    static const int win[36] = {2,  0,  5,  2, 0, 12, 13, 10, 6, 17, 9,  8,  24, 16, 15, 22, 14, 11,
                                24, 22, 17, 3, 2, 12, 10, 8,  5, 20, 15, 13, 27, 19, 18, 2,  2,  6};
    static const int loss[36] = {16, 21, 10, 15, 22, 3, 9, 12, 11, 2, 6, 12, 2, 3, 2, 2,  4,  4,
                                 1,  0,  2,  14, 18, 6, 6, 9,  11, 0, 2, 5,  1, 1, 2, 13, 21, 8};
    static const int tie[36] = {7, 1, 10, 7, 2, 9, 5, 3,  5, 7, 8, 6, 0, 5, 7, 4, 5, 7,
                                3, 3, 6,  9, 4, 5, 6, 11, 9, 2, 5, 9, 0, 5, 2, 8, 5, 8};
    static const double flavour[3] = {0.6, 4.8, 9}, gel[3] = {0, 2.4, 4.8};
    static const double expected[5] = {0.41194407901, 0.32577633781, -0.01565003086, -0.10506162287,
                                       -0.02375881091};
    static double feature[9][5], coefficient[5];
    games.n = 9;
    games.rows = 0;
    for (int i = 0, k = 0; i < 9; i++) {
        double f = flavour[i % 3], g = gel[i / 3];
        memcpy(feature[i], (const double[]){f, g, f * f, g * g, f * g}, sizeof feature[i]);
        for (int j = i + 1; j < 9; j++, k++) {
            games_add(&games, i, j, 1, win[k]);
            games_add(&games, i, j, 0, loss[k]);
            games_add(&games, i, j, 0.5, tie[k]);
        }
    }
    games_begin(&answer);
    answer.args.item_feature = align_2d(feature, ALIGN_F64, 9, 5);
    answer.args.coefficient = align_1d(coefficient, ALIGN_F64, 5);
    games_finish(&games, &answer);
    ck_assert_int_eq(answer.status, ALIGN_E_NONE);
    for (int p = 0; p < 5; p++)
        games_near(coefficient[p], expected[p], 1e-10, "coefficient", p);
    games_near(answer.args.deviance, 15.46796492, 1e-8, "deviance", 0);
}
END_TEST

/* ---- evalica's votes and golden scores ----------------------------------------------------- */

enum { NAME = 64 };
static char names[GAMES_ITEMS][NAME];

static int64_t item_of(const char *name)
{
    int64_t i = 0;
    while (i < games.n && strcmp(names[i], name) != 0)
        i++;
    ck_assert_int_lt((int)i, GAMES_ITEMS);
    if (i == games.n)
        strncpy(names[games.n++], name, NAME - 1);
    return i;
}

static FILE *open_data(const char *stem, const char *end)
{
    const char *folder = getenv("ALIGN_DATA");
    char path[512];
    snprintf(path, sizeof path, "%s/bt/evalica_%s%s.csv",
             folder != NULL ? folder : SOURCE_ROOT "/../shared/data", stem, end);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fprintf(stderr, "SKIP: no %s; set ALIGN_DATA to the folder that holds bt/\n", path);
    return file;
}

/* Cells of a line without quotes, in place. */
static int split(char *line, char **cells, int most)
{
    int count = 0;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *at = line; at != NULL && count < most; count++) {
        cells[count] = at;
        at = strchr(at, ',');
        if (at != NULL)
            *at++ = '\0';
    }
    return count;
}

static int column(char **cells, int count, const char *name)
{
    int k = 0;
    while (k < count && strcmp(cells[k], name) != 0)
        k++;
    ck_assert_int_lt(k, count);
    return k;
}

static bool read_votes(const char *stem)
{
    FILE *file = open_data(stem, "");
    if (file == NULL)
        return false;
    char line[1024], *cells[16];
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    int count = split(line, cells, 16);
    int left = column(cells, count, "left"), right = column(cells, count, "right");
    int winner = column(cells, count, "winner");
    games.n = games.rows = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        ck_assert_int_eq(split(line, cells, 16), count);
        double outcome = cells[winner][0] == 'l' ? 1 : cells[winner][0] == 'r' ? 0 : 0.5;
        int64_t first = item_of(cells[left]);
        games_add(&games, first, item_of(cells[right]), outcome, 1);
    }
    fclose(file);
    return true;
}

/* Golden scores are worths up to a factor: of "bradley_terry", with half ties, and of "newman", whose tie
 * parameter is half of Davidson's nu. */
static void expect_golden(const char *stem, const char *algorithm)
{
    FILE *file = open_data(stem, "-golden");
    ck_assert_ptr_nonnull(file);
    char line[1024], *cells[16];
    double factor = 0;
    int64_t seen = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (split(line, cells, 16) != 3 || strcmp(cells[0], algorithm) != 0)
            continue;
        int64_t item = item_of(cells[1]);
        double golden = strtod(cells[2], NULL);
        if (seen++ == 0)
            factor = golden / exp(answer.strength[item]);
        games_near(exp(answer.strength[item]) * factor, golden, 1e-9 * golden, "worth", item);
    }
    fclose(file);
    ck_assert_int_eq((int)seen, (int)games.n);
}

/* Elo by evalica 0.4.2 on its "simple" votes: k 4, scale 400 to base 10, from 1000; the rest of the library
 * takes votes in any order, and this one does not. */
START_TEST(evalica_elo)
{
    static const int votes[16][3] = {
        {0, 1, 1}, {0, 2, 0}, {0, 2, 1}, {0, 4, 1}, {1, 0, 2}, {1, 2, 1}, {1, 2, 1}, {1, 3, 1},
        {2, 4, 1}, {3, 0, 2}, {3, 1, 2}, {3, 2, 2}, {3, 4, 1}, {3, 4, 1}, {4, 0, 2}, {4, 3, 2}};
    static const double expected[5] = {992.1030823399, 999.9771705955, 999.9773072285,
                                       1003.8861974412, 1004.0562423949};
    double rating[5] = {1000, 1000, 1000, 1000, 1000};
    games.n = 5;
    games.rows = 0;
    for (int r = 0; r < 16; r++)
        games_add(&games, votes[r][0], votes[r][1], (double)votes[r][2] / 2, 1);
    align_bt_rows rows = games_rows(&games);
    align_bt_elo_args args;
    align_bt_elo_args_init(&args, sizeof args);
    args.rows = &rows;
    args.rating = align_1d(rating, ALIGN_F64, 5);
    ck_assert_int_eq(align_bt_elo_update(NULL, &args), ALIGN_E_NONE);
    for (int i = 0; i < 5; i++)
        games_near(rating[i], expected[i], 1e-9, "rating", i);
}
END_TEST

START_TEST(evalica_golden)
{
    static const char *const stems[] = {"simple", "food", "llmfao"};
    static const double v[] = {3.460999114161, 0.07864191234851797, 0.7398537938892271};
    if (!read_votes(stems[_i]))
        return;
    fit_finite();
    expect_golden(stems[_i], "bradley_terry");
    games_begin(&answer);
    answer.args.ties = ALIGN_BT_TIES_DAVIDSON;
    finish_finite();
    expect_golden(stems[_i], "newman");
    games_near(answer.args.tie / 2, v[_i], 1e-9, "tie", _i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden bt");
    TCase *tcase = tcase_create("golden bt");
    tcase_add_test(tcase, choix_pairwise);
    tcase_add_test(tcase, wikipedia);
    tcase_add_test(tcase, citations);
    tcase_add_test(tcase, baseball);
    tcase_add_test(tcase, pudding);
    tcase_add_test(tcase, springall);
    tcase_add_test(tcase, choix_gaussian);
    tcase_add_test(tcase, newman_ghost);
    tcase_add_test(tcase, choix_rankings);
    tcase_add_test(tcase, citations_by_jeffreys);
    tcase_add_test(tcase, springall_features);
    tcase_add_test(tcase, evalica_elo);
    tcase_add_loop_test(tcase, evalica_golden, 0, 3);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
