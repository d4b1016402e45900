/* The parts of the demo that its result rests on: the judge, the statistics, the vocabulary, and that
 * nothing is trained on what is held out. */
#include "bpe.h"
#include "demo.h"
#include "suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const words =
    "the\ncat\nsat\nupon\nmat\nand\nwent\nhome\nagain\nbefore\nevening\nbecause\nhungry\nits\n"
    "mistress\nmilk\ngave\nDavid\nb\nit\nI\na\n";

static const char *write_file(char *path, const char *content)
{
    FILE *file;

    strcpy(path, "demo-test-XXXXXX");
    file = fdopen(mkstemp(path), "w");
    ck_assert_ptr_nonnull(file);
    fputs(content, file);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

static void load_words(dictionary *d)
{
    char path[64];
    problem why;

    ck_assert_msg(dictionary_load(d, write_file(path, words), &why), "%s", why.text);
    remove(path);
}

static double score(const dictionary *d, const char *text)
{
    return judge(d, text).score;
}

static const char *const plain = "The cat sat upon the mat and went home again before evening, "
                                 "because it was hungry.";

START_TEST(judge_counts_letters)
{
    dictionary d;
    verdict v;

    load_words(&d);
    v = judge(&d, plain);
    /* Of 66 letters all but the three of "was" are known; no pair of words comes twice. */
    ck_assert_double_eq_tol(v.known, 63.0 / 66, 1e-12);
    ck_assert_double_eq(v.repeated, 0);
    /* The last word counts only when something ends it: "hungry" above, not here. */
    v = judge(&d,
              "The cat sat upon the mat and went home again before evening because it was hungry");
    ck_assert_double_eq_tol(v.known, 57.0 / 60, 1e-12);
    /* Small letters will do for large ones, not the other way round; 's may follow; b is no word. */
    v = judge(&d, "David's CAT b went; B. I gave it A david milk, cats' mat mistress home again ");
    ck_assert_double_eq_tol(v.known, 1 - (1 + 1 + 5 + 4) / 57.0, 1e-12);
    dictionary_free(&d);
}
END_TEST

START_TEST(judge_counts_repeats)
{
    dictionary d;
    verdict v;

    load_words(&d);
    v = judge(&d, "the cat sat upon the cat, the CAT went home before the evening milk.");
    /* 13 pairs: (the, cat) comes back twice. */
    ck_assert_double_eq_tol(v.repeated, 2.0 / 13, 1e-12);
    ck_assert_double_eq(v.score, v.known - v.repeated);
    dictionary_free(&d);
}
END_TEST

/* What a model might fall into instead of writing better must not pay. */
START_TEST(judge_is_not_gamed)
{
    static const char *const cheats[] = {
        "",
        " ",
        "the cat.",
        "the the the the the the the the the the the the the the the the the the the the the.",
        "the cat the cat the cat the cat the cat the cat the cat the cat the cat the cat the cat.",
        "the cat sat upon the mat the cat sat upon the mat the cat sat upon the mat the cat sat.",
        "thecatsatuponthematandwenthomeagainbeforeeveningbecauseitwashungry",
        ". , ; : ! ? ( ) . , ; : ! ? ( ) . , ; : ! ? ( ) . , ; : ! ? ( ) . , ; : ! ? ( )",
        "a I a b c d e f g h i j k l m n o p q r s t u v w x y z b c d e f g h i j k l m n o p.",
        "9 8 7 6 5 4 3 2 1 9 8 7 6 5 4 3 2 1 9 8 7 6 5 4 3 2 1 9 8 7 6 5 4 3 2 1 the cat sat.",
    };
    const char *half =
        "The cat sap upon tho mar end went home agair before evenind, becauze it was "
        "hunary.";
    dictionary d;

    load_words(&d);
    ck_assert_double_gt(score(&d, plain), score(&d, half));
    for (size_t i = 0; i < sizeof cheats / sizeof *cheats; i++)
        ck_assert_msg(score(&d, cheats[i]) < score(&d, half), "\"%s\": %g, the half right text %g",
                      cheats[i], score(&d, cheats[i]), score(&d, half));
    dictionary_free(&d);
}
END_TEST

START_TEST(dictionary_says_what_is_wrong)
{
    dictionary d;
    problem why;
    char path[64];

    ck_assert(!dictionary_load(&d, "/nonexistent/words", &why));
    ck_assert_ptr_nonnull(strstr(why.text, "/nonexistent/words"));
    ck_assert(!dictionary_load(&d, write_file(path, "\n\n"), &why));
    ck_assert_ptr_nonnull(strstr(why.text, "no words"));
    remove(path);
}
END_TEST

/* Newcombe 1998 (Statistics in Medicine 17:857), Table I, method 3, to its four digits. */
START_TEST(interval_is_wilsons)
{
    static const struct {
        int wins, count;
        double low, high;
    } published[] = {{81, 263, .2553, .3662}, {15, 148, .0624, .1605}, {1, 29, .0061, .1718}};
    double ours[263], theirs[263] = {0};

    for (size_t k = 0; k < sizeof published / sizeof *published; k++) {
        win_rate w;

        for (int i = 0; i < published[k].count; i++)
            ours[i] = i < published[k].wins ? 1 : -1;
        w = compare(ours, theirs, published[k].count);
        ck_assert_int_eq(w.wins, published[k].wins);
        ck_assert_int_eq(w.losses, published[k].count - published[k].wins);
        ck_assert_double_eq_tol(w.low, published[k].low, 5e-5);
        ck_assert_double_eq_tol(w.high, published[k].high, 5e-5);
    }
}
END_TEST

START_TEST(ties_count_half)
{
    const double ours[] = {1, 1, 0, 0.5, 0.5, 2}, theirs[] = {0, 1, 1, 0.5, 0, 2};
    const win_rate w = compare(ours, theirs, 6);
    const win_rate same = compare(ours, ours, 6);

    ck_assert_int_eq(w.ties, 3);
    ck_assert_double_eq_tol(w.rate, (2 + 1.5) / 6, 1e-15);
    ck_assert_double_eq(same.rate, 0.5);
    ck_assert_double_eq_tol(same.low + same.high, 1, 1e-15);
    ck_assert_double_lt(same.low, 0.5);
}
END_TEST

/* 64 chapters' worth of passages, each with a word of its own. */
static void write_passages(char *path, int count)
{
    char content[200000] = "";
    size_t used = 0;

    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(content + used, sizeof content - used,
                                 "and the number %c%c%c went home again; it sat upon the mat.\n",
                                 'a' + i / 676 % 26, 'a' + i / 26 % 26, 'a' + i % 26);
    write_file(path, content);
}

START_TEST(vocabulary_gives_the_text_back)
{
    char path[64], file[64], *text = NULL;
    int64_t count = 0, room = 0;
    token_list tokens = {0};
    tokenizer t;
    prose p;
    problem why;

    write_passages(path, 256);
    ck_assert_msg(prose_load(&p, path, &why), "%s", why.text);
    ck_assert_msg(bpe_learn(&p, 320, write_file(file, ""), &why), "%s", why.text);
    ck_assert_msg(tokenizer_load(&t, file, 320, &why), "%s", why.text);
    tokenizer_encode(&t, p.passage[37], &tokens);
    for (int64_t i = 0, last = TOKEN_BEGIN; i < tokens.count; last = tokens.id[i++])
        tokenizer_decode(&t, (int)last, tokens.id[i], &text, &count, &room);
    ck_assert_str_eq(text, p.passage[37]);
    /* 14 words with a space, of which the common ones are a piece each; no piece has two words. */
    ck_assert_int_lt(tokens.count, 24);
    for (int id = TOKEN_FIRST_BYTE + 256; id < t.vocab; id++)
        ck_assert_ptr_null(strchr(t.piece[id] + 1, ' '));
    ck_assert(!bpe_learn(&p, 2000, file, &why));
    ck_assert_ptr_nonnull(strstr(why.text, "expected 2000"));
    ck_assert(!bpe_learn(&p, 100000, file, &why));
    free(text);
    free(tokens.id);
    tokenizer_free(&t);
    prose_free(&p);
    remove(path);
    remove(file);
}
END_TEST

/* Every passage names itself by a word: no window may hold the name of a held-out one. */
START_TEST(held_out_stays_out)
{
    char path[64], file[64];
    pool *threads = pool_start(2);
    corpus c;
    corpus_plan plan = {path, file, 320, 48, 40, 60, 1};
    problem why;

    write_passages(path, 1600);
    write_file(file, "");
    ck_assert_msg(corpus_load(&c, &plan, threads, &why), "%s", why.text);
    ck_assert_int_eq(c.held_out.count, 60);
    for (int i = 0; i < c.held_out.count; i++) {
        const token_list *prompt = &c.held_out.tokens[i];

        for (int64_t g = 0; g < c.windows.groups; g++) {
            const sequence *s = &c.windows.sequences[g];

            ck_assert_int_eq(s->length, plan.context + 1);
            ck_assert_int_ne(memcmp(c.windows.tokens.id + s->first, prompt->id,
                                    (size_t)prompt->count * sizeof *prompt->id),
                             0);
        }
    }
    corpus_free(&c);
    plan.held_out = 100000;
    ck_assert(!corpus_load(&c, &plan, threads, &why));
    ck_assert_ptr_nonnull(strstr(why.text, "held-out"));
    corpus_free(&c);
    pool_stop(threads);
    remove(path);
    remove(file);
}
END_TEST

/* A loss that has not won says why, from what was measured. */
START_TEST(a_loser_says_why)
{
    static const struct {
        win_rate wins;
        verdict after;
        double accuracy, better;
        const char *said;
    } cases[] = {
        {{.rate = .53, .low = .48, .high = .58}, {.8, 0, .8}, .7, 1, "400 prompts are too few"},
        {{.rate = .40, .low = .35, .high = .45},
         {.9, .3, .6},
         .7,
         1,
         "pairs said before rose by 0.290"},
        {{.rate = .48, .low = .43, .high = .53}, {.8, 0, .8}, .51, 1, "orders only 0.510"},
        {{.rate = .48, .low = .43, .high = .53}, {.8, 0, .8}, .8, -4, "not to write better ones"},
        {{.rate = .48, .low = .43, .high = .53},
         {.8, 0, .8},
         .8,
         -4,
         "by -4.0, of the worse by -9.0: what"},
    };
    const verdict before = {.80, .01, .79};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        outcome o = {.wins = cases[i].wins, .accuracy = cases[i].accuracy, .worse = -9};
        char text[512];

        o.answers = (collection){.count = 400, .mean = cases[i].after};
        o.better = cases[i].better;
        ck_assert(!contest_won(&o));
        contest_reason(&o, &before, text, sizeof text);
        ck_assert_msg(strstr(text, cases[i].said) != NULL, "\"%s\": no \"%s\"", text,
                      cases[i].said);
    }
}
END_TEST

START_TEST(text_must_be_text)
{
    char path[64];
    FILE *file;
    prose p;
    problem why;

    file = fopen(write_file(path, "one\n"), "ab");
    ck_assert_ptr_nonnull(file);
    fwrite("two\0three", 1, 9, file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert(!prose_load(&p, path, &why));
    ck_assert_ptr_nonnull(strstr(why.text, "byte 7 is 0"));
    remove(path);
}
END_TEST

SUITE_MAIN("demo parts", judge_counts_letters, judge_counts_repeats, judge_is_not_gamed,
           dictionary_says_what_is_wrong, interval_is_wilsons, ties_count_half,
           vocabulary_gives_the_text_back, held_out_stays_out, a_loser_says_why, text_must_be_text)
