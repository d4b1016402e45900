/* libalign-demo: trains a small language model on a text, lets it answer prompts, has the answers judged,
 * tunes the model with three losses of libalign and says which of them helped. Run by ./dev demo. */
#include "demo.h"

#include "checkpoint.h"
#include "progress.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONTEXT = 48, VOCABULARY = 768, MUST_WIN = 2 };

static void set_standard(settings *s)
{
    *s = (settings){
        .words = "/usr/share/dict/american-english",
        .out = "demo-out",
        .threads = (int)sysconf(_SC_NPROCESSORS_ONLN),
        .seed = 1,
        .model = {.dim = 96,
                  .hidden = 384,
                  .layers = 2,
                  .heads = 4,
                  .kv_heads = 4,
                  .vocab = VOCABULARY,
                  .context = CONTEXT,
                  .tied = true},
        .pretrain = {.what = "language model",
                     .loss = "sft",
                     .set = {{"length", ALIGN_LENGTH_MEAN}},
                     .steps = 2600,
                     .batch = 16,
                     .rate = 0.008,
                     .limit = 70},
        .tune = {{.what = "tune with slic", .loss = "slic"},
                 {.what = "tune with dpo", .loss = "dpo", .set = {{"beta", 0.1}}},
                 {.what = "tune with lipo_lambda", .loss = "lipo_lambda", .set = {{"beta", 0.1}}}},
        .practice = 640,
        .held_out = 400,
    };
    for (int i = 0; i < LOSSES; i++) {
        s->tune[i].steps = 80;
        s->tune[i].batch = 8;
        s->tune[i].rate = 0.001;
        s->tune[i].limit = 15;
    }
}

static void set_patient(settings *s)
{
    s->pretrain.limit = INFINITY;
    for (int i = 0; i < LOSSES; i++)
        s->tune[i].limit = INFINITY;
}

/* Small enough for a test on a busy machine; the model hardly learns words, the parts all run. */
static void set_quick(settings *s)
{
    set_patient(s);
    s->pretrain.steps = 300;
    s->practice = 120;
    s->held_out = 200;
    for (int i = 0; i < LOSSES; i++)
        s->tune[i].steps = 30;
}

static noreturn void help(void)
{
    puts("usage: libalign-demo --text FILE [option...]\n"
         "  --text FILE    what to learn from, a passage a line\n"
         "  --words FILE   the judge's dictionary, a word a line "
         "[/usr/share/dict/american-english]\n"
         "  --out FOLDER   where to write model, tokenizer, picture and results [demo-out]\n"
         "  --threads N    [all processors]\n"
         "  --seed N       [1]\n"
         "  --patient      take every step, however slow the machine is\n"
         "  --quick        a small run that shows that all parts work");
    exit(EXIT_SUCCESS);
}

static bool read_count(const char *name, const char *text, long least, long most, long *value,
                       problem *why)
{
    char *end;

    errno = 0;
    *value = strtol(text, &end, 10);
    return (errno == 0 && end != text && *end == '\0' && *value >= least && *value <= most) ||
           refuse(why, "--%s %s: expected a whole number of %ld..%ld", name, text, least, most);
}

static bool read_options(settings *s, int argc, char **argv, problem *why)
{
    static const struct option known[] = {{"text", required_argument, NULL, 't'},
                                          {"words", required_argument, NULL, 'w'},
                                          {"out", required_argument, NULL, 'o'},
                                          {"threads", required_argument, NULL, 'n'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"quick", no_argument, NULL, 'q'},
                                          {"patient", no_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    long number;
    int option;

    set_standard(s);
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 't')
            s->text = optarg;
        else if (option == 'w')
            s->words = optarg;
        else if (option == 'o')
            s->out = optarg;
        else if (option == 'q')
            set_quick(s);
        else if (option == 'p')
            set_patient(s);
        else if (option == 'n' && read_count("threads", optarg, 1, 1024, &number, why))
            s->threads = (int)number;
        else if (option == 's' && read_count("seed", optarg, 0, 1000000, &number, why))
            s->seed = (uint64_t)number;
        else if (option == 'h')
            help();
        else
            return why->text[0] ? false : refuse(why, "see --help");
    }
    if (optind < argc)
        return refuse(why, "\"%s\": expected options only; see --help", argv[optind]);
    return s->text || refuse(why, "--text is missing; see --help");
}

static bool make_folder(const char *path, problem *why)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST ||
           refuse(why, "%s: %s", path, strerror(errno));
}

static bool prepare(demo *d, problem *why)
{
    const settings *s = &d->settings;
    char vocabulary[1024], note[80];
    const corpus_plan plan = {.path = s->text,
                              .vocabulary = vocabulary,
                              .vocab = s->model.vocab,
                              .context = s->model.context,
                              .practice = s->practice,
                              .held_out = s->held_out,
                              .seed = s->seed};
    progress bar;

    snprintf(vocabulary, sizeof vocabulary, "%s/tokenizer.bin", s->out);
    progress_begin(&bar, "text and vocabulary");
    if (!make_folder(s->out, why) || !dictionary_load(&d->words, s->words, why) ||
        !corpus_load(&d->corpus, &plan, d->threads, why))
        return false;
    snprintf(note, sizeof note, "%lld passages, %d tokens to choose from",
             (long long)d->corpus.text.count, s->model.vocab);
    progress_end(&bar, note);
    return true;
}

static bool pretrain(demo *d, problem *why)
{
    const settings *s = &d->settings;
    char path[1024];

    model_create(&d->model, &s->model);
    model_randomize(&d->model, s->seed);
    snprintf(path, sizeof path, "%s/untuned.bin", s->out);
    return learn(&d->model, d->threads, &d->corpus.windows, NULL, &s->pretrain, s->seed,
                 &d->pretraining, why) &&
           checkpoint_save(&d->model, path, why);
}

static bool run(demo *d, problem *why)
{
    char picture[1024];

    if (!prepare(d, why) || !pretrain(d, why) || !contest_prepare(d, why))
        return false;
    for (int i = 0; i < LOSSES; i++)
        if (!contest_run(d, i, why))
            return false;
    if (!show_picture(d, picture, sizeof picture, why))
        return false;
    show_samples(d);
    show_table(d);
    printf("\nPicture: %s\n", picture);
    printf("Time: %.0f s with %d threads\n", now_seconds() - d->begin, d->settings.threads);
    return show_results(d, picture, why);
}

static void release(demo *d)
{
    for (int i = 0; i < LOSSES; i++) {
        collection_free(&d->outcome[i].answers);
        curve_free(&d->outcome[i].curve);
    }
    collection_free(&d->untuned);
    curve_free(&d->pretraining);
    free(d->ref);
    data_free(&d->lists);
    model_free(&d->model);
    corpus_free(&d->corpus);
    dictionary_free(&d->words);
    pool_stop(d->threads);
}

int main(int argc, char **argv)
{
    demo d = {.begin = now_seconds()};
    problem why = {""};
    bool ok = read_options(&d.settings, argc, argv, &why);
    int won = 0;

    if (ok) {
        linear_single_threaded_blas();
        d.threads = pool_start(d.settings.threads);
        ok = run(&d, &why);
    }
    for (int i = 0; i < LOSSES && ok; i++)
        won += contest_won(&d.outcome[i]);
    release(&d);
    if (!ok)
        fprintf(stderr, "libalign-demo: %s\n", why.text);
    return ok && won >= MUST_WIN ? EXIT_SUCCESS : EXIT_FAILURE;
}
