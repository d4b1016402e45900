/* The trainer's parts that meet files: tokenizer, checkpoint, rows, cache of references; and sampling
 * against the model it samples from. */
#include "../suite.h"
#include "checkpoint.h"
#include "labels.h"
#include "refcache.h"
#include "rows.h"
#include "sample.h"
#include "tiny.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[32];

static void make_path(void)
{
    strcpy(path, "tune_parts.XXXXXX");
    int file = mkstemp(path);

    ck_assert_int_ge(file, 0);
    close(file);
}

static void remove_path(void)
{
    unlink(path);
}

static void write_bytes(const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, count, file), count);
    ck_assert_int_eq(fclose(file), 0);
}

static void check_said(const problem *why, const char *words)
{
    ck_assert_msg(strstr(why->text, words) != NULL, "\"%s\" does not say \"%s\"", why->text, words);
}

/* ---- checkpoint ------------------------------------------------------------------------------ */

START_TEST(checkpoint_round_trip)
{
    model m, back;
    problem why;

    tiny_model(&m, 3, _i == 1);
    ck_assert_msg(checkpoint_save(&m, path, &why), "%s", why.text);
    ck_assert_msg(checkpoint_load(&back, path, &why), "%s", why.text);
    ck_assert_int_eq(back.config.tied, m.config.tied);
    ck_assert_int_eq(back.config.context, m.config.context);
    ck_assert_int_eq(back.count, m.count);
    ck_assert_mem_eq(back.params, m.params, (size_t)m.count * sizeof *m.params);
    model_free(&back);
    model_free(&m);
}
END_TEST

START_TEST(checkpoint_refused)
{
    static const struct {
        int32_t field[7];
        const char *words;
    } cases[] = {
        {{0, 24, 2, 4, 2, 20, 16}, "header field dim = 0"},
        {{16, 24, 2, 4, 2, 20, -5}, "header field context = -5"},
        {{16, 24, 2, 3, 3, 20, 16}, "header field heads = 3"},
        {{16, 24, 2, 4, 3, 20, 16}, "header field kv heads = 3"},
        {{16, 24, 2, 4, 2, 20, 16}, "truncated, 28 bytes"},
        {{0x4d4c4747, 3, 0, 0, 0, 0, 0}, "header field dim = 1296844615"},
    };
    model m;
    problem why;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_bytes(cases[i].field, sizeof cases[i].field);
        ck_assert(!checkpoint_load(&m, path, &why));
        check_said(&why, cases[i].words);
        check_said(&why, path);
    }
    write_bytes("short", 5);
    ck_assert(!checkpoint_load(&m, path, &why));
    check_said(&why, "shorter than the header");
    ck_assert(!checkpoint_load(&m, "/no/such/file", &why));
    check_said(&why, "No such file");
}
END_TEST

START_TEST(checkpoint_not_finite)
{
    model m, back;
    problem why;

    tiny_model(&m, 3, true);
    m.params[77] = (real)(0.0 / (m.params[77] - m.params[77]));
    ck_assert(checkpoint_save(&m, path, &why));
    ck_assert(!checkpoint_load(&back, path, &why));
    check_said(&why, "parameter 77 = ");
    model_free(&m);
}
END_TEST

/* ---- tokenizer ------------------------------------------------------------------------------- */

enum { VOCAB = TOKEN_FIRST_BYTE + 256 + 10 };

/* Bytes, then pieces of which later ones are joined from earlier ones; scores prefer "ab" to "bc". */
static void write_tokenizer(void)
{
    static const char *const pieces[10] = {" ",  "a",   "b",    "c",        "ab",
                                           "bc", "abc", " abc", "\xc3\xa9", "cc"};
    char bytes[VOCAB * 24];
    size_t count = sizeof(int32_t);

    memcpy(bytes, &(int32_t){7}, sizeof(int32_t));
    for (int id = 0; id < VOCAB; id++) {
        char name[16];
        const char *piece = id < TOKEN_FIRST_BYTE + 256 ? name
                                                        : pieces[id - TOKEN_FIRST_BYTE - 256];
        const float score = id < TOKEN_FIRST_BYTE + 256 ? 0.0F : (float)-id;

        snprintf(name, sizeof name, "<0x%02X>", (unsigned)(id - TOKEN_FIRST_BYTE) & 0xffU);
        memcpy(bytes + count, &score, sizeof score);
        memcpy(bytes + count + 4, &(int32_t){(int32_t)strlen(piece)}, sizeof(int32_t));
        memcpy(bytes + count + 8, piece, strlen(piece));
        count += 8 + strlen(piece);
    }
    write_bytes(bytes, count);
}

static void check_tokens(const tokenizer *t, const char *text, const int *expected, int64_t count)
{
    token_list list = {0};

    tokenizer_encode(t, text, &list);
    ck_assert_int_eq(list.count, count);
    for (int64_t i = 0; i < count; i++)
        ck_assert_msg(list.id[i] == expected[i], "%s: token %lld is %d, expected %d", text,
                      (long long)i, list.id[i], expected[i]);
    free(list.id);
}

START_TEST(tokenizer_pieces)
{
    const int first = TOKEN_FIRST_BYTE + 256;
    tokenizer t;
    problem why;

    write_tokenizer();
    ck_assert_msg(tokenizer_load(&t, path, VOCAB, &why), "%s", why.text);
    check_tokens(&t, "", NULL, 0);
    check_tokens(&t, "abc", (int[]){first + 7}, 1);
    check_tokens(&t, "abab", (int[]){first, first + 4, first + 4}, 3);
    check_tokens(&t, "bcc", (int[]){first, first + 5, first + 3}, 3);
    check_tokens(&t, "\xc3\xa9z", (int[]){first, first + 8, TOKEN_FIRST_BYTE + 'z'}, 3);
    check_tokens(
        &t, "\xe2\x82\xac",
        (int[]){first, TOKEN_FIRST_BYTE + 0xe2, TOKEN_FIRST_BYTE + 0x82, TOKEN_FIRST_BYTE + 0xac},
        4);
    check_tokens(&t, "<0x41>",
                 (int[]){first, TOKEN_FIRST_BYTE + '<', TOKEN_FIRST_BYTE + '0',
                         TOKEN_FIRST_BYTE + 'x', TOKEN_FIRST_BYTE + '4', TOKEN_FIRST_BYTE + '1',
                         TOKEN_FIRST_BYTE + '>'},
                 7);
    tokenizer_free(&t);
    ck_assert(!tokenizer_load(&t, path, VOCAB + 1, &why));
    check_said(&why, "truncated at token 269");
    ck_assert(!tokenizer_load(&t, path, VOCAB - 1, &why));
    check_said(&why, "has more tokens than the model's vocabulary of 268");
    write_bytes("\xff\xff\xff\xff", 4);
    ck_assert(!tokenizer_load(&t, path, VOCAB, &why));
    check_said(&why, "not a tokenizer file");
}
END_TEST

START_TEST(tokenizer_round_trip)
{
    static const char text[] = "ab \n\xe2\x82\xac abcab <s>\xff\x01 cc  b";
    tokenizer t;
    problem why;
    token_list list = {0};
    char *back = NULL;
    int64_t count = 0, room = 0;

    write_tokenizer();
    ck_assert(tokenizer_load(&t, path, VOCAB, &why));
    token_push(&list, TOKEN_BEGIN);
    tokenizer_encode(&t, text, &list);
    for (int64_t i = 1; i < list.count; i++)
        tokenizer_decode(&t, list.id[i - 1], list.id[i], &back, &count, &room);
    ck_assert_str_eq(back, text);
    free(back);
    free(list.id);
    tokenizer_free(&t);
}
END_TEST

/* ---- rows ------------------------------------------------------------------------------------ */

START_TEST(conversations)
{
    ck_assert_uint_eq(shared_prompt("H: hi\n\nAssistant: I do", "H: hi\n\nAssistant: I am"), 17);
    ck_assert_uint_eq(shared_prompt("one two", "one three"), 4);
    ck_assert_uint_eq(shared_prompt("abc", "xyz"), 0);
    ck_assert_uint_eq(shared_prompt("same words", "same words"), 5);
}
END_TEST

static const struct {
    data_kind kind;
    const char *text, *words;
} broken[] = {
    {DATA_PAIRS,
     "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n\n{\"prompt\": ", ":3:"},
    {DATA_PAIRS, "{\"prompt\": \"a\", \"chosen\": \"b\"}",
     ":1: field \"rejected\" is missing, expected a string"},
    {DATA_PAIRS, "[{\"prompt\": 7, \"chosen\": \"b\", \"rejected\": \"c\"}]",
     "[0]: field \"prompt\" is a number"},
    {DATA_PAIRS, "[{\"chosen\": \"b\", \"rejected\": null}]", "field \"rejected\" is null"},
    {DATA_PAIRS, "[1]", "[0] is a number, expected an object"},
    {DATA_PAIRS, "[\n{},\n{]\n", ":3:"},
    {DATA_PAIRS, "", "no rows"},
    {DATA_PAIRS, "[]", "no rows"},
    {DATA_LISTS, "{\"prompt\": \"a\"}", "field \"responses\" is missing, expected an array"},
    {DATA_LISTS, "{\"prompt\": \"a\", \"responses\": [{\"text\": \"b\", \"score\": \"high\"}]}",
     ":1: responses[0]: field \"score\" is a string, expected a number"},
    {DATA_LISTS, "{\"prompt\": \"a\", \"responses\": [\"b\"]}",
     "responses[0] is a string, expected an object"},
    {DATA_LISTS, "{\"source\": \"a\", \"system_output\": \"b\", \"scores\": {}}",
     ":1: scores: field \"overall\" is missing"},
};

START_TEST(rows_refused)
{
    row_list rows;
    problem why;

    write_bytes(broken[_i].text, strlen(broken[_i].text));
    ck_assert(
        !(broken[_i].kind == DATA_PAIRS ? rows_load_pairs : rows_load_lists)(&rows, path, &why));
    check_said(&why, path);
    check_said(&why, broken[_i].words);
    rows_free(&rows);
}
END_TEST

START_TEST(rows_counted)
{
    static const char pairs[] =
        "{\"prompt\": \"a b\", \"chosen\": \"c\", \"rejected\": \"b\"}\n"
        "{\"prompt\": \"a\", \"chosen\": \"c\", \"rejected\": \"c\"}\n"
        "{\"prompt\": \"a\", \"chosen\": \" \", \"rejected\": \"c\"}\n"
        "{\"instruction\": \"\", \"chosen\": \"b\", \"rejected\": \"c\"}\n"
        "{\"prompt\": \"a\", \"chosen\": \"zzzzzzzzzz\", \"rejected\": \"c\"}\n"
        "{\"chosen\": \"a a b\", \"rejected\": \"a a c c\"}\n";
    static const char lists[] =
        "[{\"prompt\": \"a\", \"responses\": [{\"text\": \"a\", \"score\": 1}, {\"text\": \"b\", "
        "\"score\": 3},"
        "  {\"text\": \"c\", \"score\": 1}, {\"text\": \"a\", \"score\": 2}]},"
        " {\"prompt\": \"a\", \"responses\": [{\"text\": \"a\", \"score\": 1}, {\"text\": \"b\", "
        "\"score\": 1}]},"
        " {\"prompt\": \"a\", \"responses\": [{\"text\": \"a\", \"score\": 1}]}]";
    tokenizer t;
    dataset d;
    problem why;

    write_tokenizer();
    ck_assert(tokenizer_load(&t, path, VOCAB, &why));
    write_bytes(pairs, sizeof pairs - 1);
    ck_assert_msg(data_load(&d, path, DATA_PAIRS, &t, 10, &why), "%s", why.text);
    ck_assert_int_eq(d.rows_read, 6);
    ck_assert_int_eq(d.groups, 2);
    ck_assert_int_eq(d.rows_skipped[SKIP_EQUAL], 1);
    ck_assert_int_eq(d.rows_skipped[SKIP_EMPTY], 2);
    ck_assert_int_eq(d.rows_skipped[SKIP_LONG], 1);
    ck_assert_int_eq(d.sequences[0].score > d.sequences[1].score, 1);
    ck_assert_double_eq(d.sequences[0].label, 0.75);
    data_free(&d);

    write_bytes(lists, sizeof lists - 1);
    ck_assert_msg(data_load(&d, path, DATA_LISTS, &t, 10, &why), "%s", why.text);
    ck_assert_int_eq(d.groups, 1);
    ck_assert_int_eq(d.answers_skipped[SKIP_EQUAL], 1);
    ck_assert_int_eq(d.rows_skipped[SKIP_TIED], 1);
    ck_assert_int_eq(d.rows_skipped[SKIP_FEW], 1);
    ck_assert_double_eq_tol(d.sequences[1].label, 2.5 / 3, 1e-15);
    ck_assert_double_eq_tol(d.sequences[0].label, 1.0 / 3, 1e-15);
    ck_assert_double_eq(d.sequences[0].label, d.sequences[2].label);
    data_free(&d);
    tokenizer_free(&t);
}
END_TEST

/* Two lists with scores of different scales: each is normalised by itself. */
START_TEST(labels_of_normalised_scores)
{
    static const double scores[] = {1, 3, 2, 100, 500};
    const double spread = sqrt(2.0) * 200;
    const struct {
        const char *norm;
        double first, last;
    } cases[] = {
        {"minmax", 0, 1},
        {"center", -1, 200},
        {"zscore", -1, 200 / spread},
        {"rank", 0.5 / 3, 0.75},
        {"leave_out", -1.5, 400},
        {"mean_ratio", -0.5, 200.0 / 300},
        {"trl/dr_grpo", -1, 200},
        {"trl/grpo", -1 / (1 + 1e-4), 200 / (spread + 1e-4)},
    };
    static const char *const refused[] = {"nonsense", "trl/nonsense", "trl/grpo_batch", "verl/gpg",
                                          "verl/opo", "verl/remax",   "affine",         ""};
    token_list tokens = {0};
    dataset d = {0};
    problem why;

    token_push(&tokens, TOKEN_BEGIN);
    const token_list answers[] = {tokens, tokens, tokens};
    data_append(&d, &tokens, answers, scores, 3);
    data_append(&d, &tokens, answers, scores + 3, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(labels_normalise(&d, cases[i].norm, &why), "%s", why.text);
        ck_assert_msg(fabs(d.sequences[0].label - cases[i].first) < 1e-7 &&
                          fabs(d.sequences[4].label - cases[i].last) < 1e-7,
                      "%s: %g %g", cases[i].norm, d.sequences[0].label, d.sequences[4].label);
        ck_assert_double_eq(d.sequences[4].score, 500);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const double before = d.sequences[0].label;
        ck_assert_msg(!labels_normalise(&d, refused[i], &why), "%s is taken", refused[i]);
        ck_assert_ptr_nonnull(strstr(why.text, "--reward-norm"));
        ck_assert_double_eq(d.sequences[0].label, before);
    }
    free(tokens.id);
    data_free(&d);
}
END_TEST

START_TEST(scored_outputs_join)
{
    static const char text[] =
        "[{\"source\": \"x\", \"system_output\": \"1\", \"scores\": {\"overall\": 2}},"
        " {\"source\": \"y\", \"system_output\": \"2\", \"scores\": {\"overall\": 3}},"
        " {\"source\": \"x\", \"system_output\": \"3\", \"scores\": {\"overall\": 4.5}}]";
    row_list rows;
    problem why;

    write_bytes(text, sizeof text - 1);
    ck_assert_msg(rows_load_lists(&rows, path, &why), "%s", why.text);
    ck_assert_int_eq(rows.count, 2);
    ck_assert_int_eq(rows.rows[0].count, 2);
    ck_assert_str_eq(rows.rows[0].prompt, "x\n");
    ck_assert_str_eq(rows.rows[0].answers[1].text, "3");
    ck_assert_double_eq(rows.rows[0].answers[1].score, 4.5);
    rows_free(&rows);
}
END_TEST

/* ---- references ------------------------------------------------------------------------------ */

START_TEST(reference_cache)
{
    const double logp[3] = {-1.5, -2.25, -1e-12};
    double back[3] = {0};
    char bytes[256];
    FILE *file;
    size_t count;
    problem why;

    ck_assert_int_eq(refcache_read("/no/such/file", 7, back, 3, &why), REFCACHE_ABSENT);
    ck_assert(refcache_write(path, 7, logp, 3, &why));
    ck_assert_int_eq(refcache_read(path, 7, back, 3, &why), REFCACHE_READ);
    ck_assert_mem_eq(back, logp, sizeof logp);
    ck_assert_int_eq(refcache_read(path, 8, back, 3, &why), REFCACHE_ABSENT);
    check_said(&why, "another model or other data");

    file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    count = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    write_bytes(bytes, count - 1);
    ck_assert_int_eq(refcache_read(path, 7, back, 3, &why), REFCACHE_BROKEN);
    check_said(&why, "truncated or damaged");
    bytes[count - 3] ^= 1;
    write_bytes(bytes, count);
    ck_assert_int_eq(refcache_read(path, 7, back, 3, &why), REFCACHE_BROKEN);
    write_bytes("something else altogether, and long enough", 42);
    ck_assert_int_eq(refcache_read(path, 7, back, 3, &why), REFCACHE_BROKEN);
    check_said(&why, "not a file of reference log-probabilities");
}
END_TEST

/* ---- sampling -------------------------------------------------------------------------------- */

/* The likeliest token after each beginning of `token`, by the training forward pass. */
static int likeliest(const model *m, pool *p, tape *t, const int *token, int count)
{
    const int offset[2] = {0, count}, last = count - 1;
    const model_batch b = {count, 1, 1, token, offset, &last};
    int best = 0;

    model_forward(m, p, &b, t);
    for (int i = 1; i < m->config.vocab; i++)
        best = t->logits[i] > t->logits[best] ? i : best;
    return best;
}

START_TEST(greedy_sampling)
{
    const model_config c = {16, 24, 2, 4, 2, VOCAB, 16, true};
    const char *const prompts[3] = {"abc", "a", "cab ab"};
    const sampling how = {.most = 8};
    model m;
    tokenizer t;
    tape past;
    pool *p = pool_start(2);
    problem why;
    char *texts[3];

    write_tokenizer();
    ck_assert(tokenizer_load(&t, path, VOCAB, &why));
    model_create(&m, &c);
    model_randomize(&m, 9);
    for (int64_t i = 0; i < m.count; i++)
        m.params[i] *= 10;
    tape_create(&past, &c, 16, 1, 2);
    ck_assert_msg(sample_texts(&m, p, &t, prompts, 3, &how, texts, &why), "%s", why.text);
    for (int i = 0; i < 3; i++) {
        token_list list = {0};
        char *text = take(1, 1);
        int64_t count = 0, room = 1;

        token_push(&list, TOKEN_BEGIN);
        tokenizer_encode(&t, prompts[i], &list);
        for (int k = 0; k < how.most && list.count <= c.context; k++) {
            int next = likeliest(&m, p, &past, list.id, (int)list.count);

            tokenizer_decode(&t, list.id[list.count - 1], next, &text, &count, &room);
            if (next == TOKEN_BEGIN || next == TOKEN_END)
                break;
            token_push(&list, next);
        }
        ck_assert_str_eq(texts[i], text);
        free(text);
        free(texts[i]);
        free(list.id);
    }
    tape_free(&past);
    model_free(&m);
    tokenizer_free(&t);
    pool_stop(p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tune_parts");
    TCase *tcase = tcase_create("parts");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, make_path, remove_path);
    tcase_add_loop_test(tcase, checkpoint_round_trip, 0, 2);
    tcase_add_test(tcase, checkpoint_refused);
    tcase_add_test(tcase, checkpoint_not_finite);
    tcase_add_test(tcase, tokenizer_pieces);
    tcase_add_test(tcase, tokenizer_round_trip);
    tcase_add_test(tcase, conversations);
    tcase_add_loop_test(tcase, rows_refused, 0, (int)(sizeof broken / sizeof *broken));
    tcase_add_test(tcase, rows_counted);
    tcase_add_test(tcase, labels_of_normalised_scores);
    tcase_add_test(tcase, scored_outputs_join);
    tcase_add_test(tcase, reference_cache);
    tcase_add_test(tcase, greedy_sampling);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
