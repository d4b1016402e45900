/* align-bench: runs the table of cases, each in turns with its limit and its peers. */
#define _GNU_SOURCE
#include "bench.h"
#include "report.h"

#include <argp.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PEERS_SCRIPT
#    define PEERS_SCRIPT "peers.py"
#endif

static const char *const peers[] = {"torch", "torch_selective", "torch_loop", "trl",
                                    "liger", "numpy",           "sklearn",    "sklearn_dense",
                                    "scipy", "choix",           "evalica"};

struct options {
    const char *json, *only, *python, *serve, *turns;
    int rounds;
    bool list, alone;
};

static const struct argp_option argp_options[] = {
    {"json", 'j', "FILE", 0, "write one object a case", 0},
    {"only", 'o', "TEXT", 0, "cases whose line holds TEXT", 0},
    {"rounds", 'r', "N", 0,
     "rounds of each case (7; 3 or more where they take long, more where they are short)", 0},
    {"python", 'p', "PROGRAM", 0, "Python that has the peers (python3)", 0},
    {"no-peers", 'n', NULL, 0, "libalign and the limits only", 0},
    {"list", 'l', NULL, 0, "print the cases", 0},
    {"turns", 't', "CASE", 0,
     "only the share of its limit, in turns within one process, in CPU time", 0},
    {"serve", 's', "CASE", OPTION_HIDDEN, NULL, 0},
    {0},
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'j':
        options->json = value;
        return 0;
    case 'o':
        options->only = value;
        return 0;
    case 'p':
        options->python = value;
        return 0;
    case 's':
        options->serve = value;
        return 0;
    case 't':
        options->turns = value;
        return 0;
    case 'n':
        options->alone = true;
        return 0;
    case 'l':
        options->list = true;
        return 0;
    case 'r':
        options->rounds = atoi(value);
        if (options->rounds < 1 || options->rounds > ROUNDS_MOST)
            argp_error(state, "--rounds %s, expected 1..%d", value, (int)ROUNDS_MOST);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    argp_options, parse_option, NULL, "Measures libalign against this machine and against peers.",
    NULL,         NULL,         NULL};

static _Noreturn void stop(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* ---- runners ---- */

/* In the child: the BLAS of libalign has the threads that the line says, or else the user or one; peers have as
 * many as libalign has workers, in their BLAS too. */
static void become(char *const *arguments, const char *line, bool peer, const int in[2],
                   const int out[2])
{
    char threads[16], workers[16];
    snprintf(workers, sizeof workers, "%d", (int)bench_number(line, "workers", 1));
    snprintf(threads, sizeof threads, "%d", (int)bench_number(line, "blas", 1));
    setenv("OPENBLAS_NUM_THREADS", peer ? workers : threads,
           peer || bench_number(line, "blas", 0) != 0);
    setenv("OMP_NUM_THREADS", workers, 1);
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execvp(arguments[0], arguments);
    _exit(127);
}

/* Starts a runner and waits until it is set up. */
static bool start(struct runner *runner, const char *name, char *const *arguments, const char *line,
                  bool peer)
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        stop("pipe");
    *runner = (struct runner){.name = name, .pid = fork()};
    if (runner->pid < 0)
        stop("fork");
    if (runner->pid == 0)
        become(arguments, line, peer, in, out);
    close(in[0]);
    close(out[1]);
    runner->to = fdopen(in[1], "w");
    runner->from = fdopen(out[0], "r");
    char answer[256] = "";
    runner->alive = fgets(answer, sizeof answer, runner->from) != NULL &&
                    sscanf(answer, "ready %zu %lf %lf %d", &runner->scratch, &runner->work,
                           &runner->repetition, &runner->blas) >= 3;
    return runner->alive;
}

static void ask(struct runner *runner)
{
    fputs("run\n", runner->to);
    fflush(runner->to);
}

static bool hear(struct runner *runner, double *seconds)
{
    char answer[64];
    runner->alive = fgets(answer, sizeof answer, runner->from) != NULL &&
                    sscanf(answer, "%lf", seconds) == 1;
    return runner->alive;
}

/* With a twin, half of what the two take, as they do twice the work. */
static bool run_once(struct runner *runner, double *seconds)
{
    struct runner *twin = runner->twin;
    double other = 0;
    ask(runner);
    if (twin != NULL)
        ask(twin);
    if (!hear(runner, seconds) || (twin != NULL && !hear(twin, &other)))
        return false;
    if (twin != NULL)
        *seconds = (*seconds + other) / 4;
    return true;
}

/* Ends a runner and its twin; true when both ended well. */
static bool finish(struct runner *runner)
{
    const bool good = runner->twin == NULL || finish(runner->twin);
    fclose(runner->to);
    if (runner->alive &&
        fscanf(runner->from, "%zu %zu %lf", &runner->peak, &runner->extra, &runner->error) != 3)
        runner->alive = false;
    while (getc(runner->from) != EOF) /* what closes early breaks the other's pipe */
        continue;
    fclose(runner->from);
    int status = 0;
    waitpid(runner->pid, &status, 0);
    return runner->alive && status == 0 && good;
}

static bool start_this(struct runner *runner, const char *name, const char *line)
{
    char program[] = "/proc/self/exe", serve[] = "--serve", text[256];
    snprintf(text, sizeof text, "%s", line);
    char *const arguments[] = {program, serve, text, NULL};
    return start(runner, name, arguments, line, false);
}

static bool start_own(struct result *result, const char *name, const char *line)
{
    return start_this(&result->runners[result->n_runners++], name, line);
}

/* A peer that does not know a case, or is not installed, says so and leaves. */
static void start_peer(struct result *result, const char *peer, const char *python)
{
    char program[256], script[] = PEERS_SCRIPT, name[32], line[256];
    snprintf(program, sizeof program, "%s", python);
    snprintf(name, sizeof name, "%s", peer);
    snprintf(line, sizeof line, "%s", result->line);
    char *const arguments[] = {program, script, name, line, NULL};
    struct runner *runner = &result->runners[result->n_runners];
    if (start(runner, peer, arguments, line, true))
        result->n_runners++;
    else
        finish(runner);
}

static bool is_beside(const char *line)
{
    return bench_number(line, "beside", 0) == 1;
}

/* The same case with one worker, in repetitions as long; and two such processes at once, which wait for nothing of
 * each other: what the machine's second processor is worth for such work. */
static bool start_one_worker(struct result *result)
{
    char line[256];
    const char *workers = strstr(result->line, " workers=");
    if (workers == NULL)
        return false;
    snprintf(line, sizeof line, "%.*s workers=1 beside=1", (int)(workers - result->line),
             result->line);
    if (!start_own(result, "one_worker", line) || !start_own(result, "two_processes", line))
        return false;
    struct runner *twin = &result->twin;
    result->runners[result->n_runners - 1].twin = twin;
    return start_this(twin, "twin", line);
}

static bool start_all(const struct options *options, struct result *result)
{
    char limit[256];
    const bool beside = is_beside(result->line);
    bool good = start_own(result, "libalign", result->line);
    if (beside && result->limit != NULL && strncmp(result->limit, "limit.", 6) != 0)
        result->limit = NULL; /* of one worker */
    if (good && beside)
        good = start_one_worker(result);
    if (good && result->limit != NULL) {
        bench_limit_line(limit, result->line, result->limit, result->runners[0].work);
        good = start_own(result, "limit", limit);
    }
    bool alone = options->alone || beside || bench_number(result->line, "peers", 1) == 0;
    for (size_t i = 0; good && !alone && i < sizeof peers / sizeof peers[0]; i++)
        start_peer(result, peers[i], options->python);
    return good;
}

/* ---- rounds ---- */

/* What a runner said within a round. */
struct samples {
    double sum;
    int n;
};

/* Repetitions for as long as `seconds`, one at least. Threads of a BLAS go on looking for work for a while: then the
 * next one waits until they sleep. */
static bool sample(struct runner *runner, double seconds, struct samples *samples, bool threads)
{
    enum { ASLEEP = 40 * 1000 }; /* microseconds */
    const double begin = bench_now();
    double once = 0;
    do {
        if (!run_once(runner, &once))
            return false;
        samples->sum += once;
        samples->n++;
    } while (bench_now() - begin < seconds);
    if (threads)
        usleep(ASLEEP);
    return true;
}

/* The others of a round, on one side of the case. */
static bool run_others(struct result *result, bool before, bool backwards, struct samples *samples)
{
    const double own = result->runners[0].repetition, most = 0.3;
    const double longest = own / 4 < most ? own / 4 : most;
    const bool threads = bench_number(result->line, "workers", 1) > 1;
    const bool beside = is_beside(result->line);
    for (int k = 1; k < result->n_runners; k++) {
        const int i = before ? k : result->n_runners - k;
        struct runner *runner = &result->runners[i];
        const bool both = 2 * runner->repetition < own || beside ||
                          strcmp(runner->name, "limit") == 0;
        if ((both || before == backwards) &&
            !sample(runner, both ? longest : 0, &samples[i], threads))
            return false;
    }
    return true;
}

/* A round of all runners. What is short beside the case has its turns before and after it, each for a quarter of the
 * time that the case takes, or for .3 s; what takes longer, after it and in the next round before it. */
static bool run_round(struct result *result, int round)
{
    const bool threads = bench_number(result->line, "workers", 1) > 1, backwards = round % 2 == 1;
    struct samples samples[RUNNERS_MOST] = {{0, 0}};
    const bool good = run_others(result, true, backwards, samples) &&
                      sample(&result->runners[0], 0, &samples[0], threads) &&
                      run_others(result, false, backwards, samples);
    for (int i = 0; good && i < result->n_runners; i++)
        result->runners[i].seconds[round] = samples[i].sum / samples[i].n;
    return good;
}

/* As many rounds as were asked for; three at least, but no more when a case takes long; more when it is short, as
 * all are for what a second worker is worth. */
static bool is_enough(int rounds, int asked, double seconds, bool beside)
{
    enum { LEAST = 3, LONG_CASE = 5 }; /* rounds; seconds */
    const double short_case = beside ? 3 : 0.5;
    if (seconds >= LONG_CASE)
        return rounds >= (asked < LEAST ? asked : LEAST);
    return rounds >= asked && (seconds >= short_case || rounds == ROUNDS_MOST);
}

/* A warm-up, which counts where it takes long, as runners have run once by then; and rounds. */
static bool run_case(const struct options *options, struct result *result)
{
    enum { LONG_WARM_UP = 1 }; /* seconds */
    const int asked = result->rounds;
    bool good = start_all(options, result);
    const double begin = bench_now();
    good = good && run_round(result, 0);
    result->rounds = bench_now() - begin > LONG_WARM_UP;
    while (good && !is_enough(result->rounds, asked, bench_now() - begin, is_beside(result->line)))
        good = run_round(result, result->rounds++);
    for (int i = 0; i < result->n_runners; i++)
        good = finish(&result->runners[i]) && good;
    return good;
}

static bool run_all(const struct options *options, FILE *json)
{
    bool good = true, first = true;
    struct result before = {.line = ""};
    report_heading(stdout);
    if (json != NULL)
        fprintf(json, "[\n");
    for (const char *const *line = bench_cases; *line != NULL; line++) {
        if (options->only != NULL && strstr(*line, options->only) == NULL)
            continue;
        const struct bench_kind *kind = bench_find_kind(*line);
        struct result result = {.line = *line, .rounds = options->rounds};
        if (kind != NULL) {
            result.unit = kind->unit;
            result.limit = kind->limit;
        }
        if (kind == NULL || !run_case(options, &result)) {
            fprintf(stderr, "align-bench: failed: %s\n", *line);
            good = false;
            continue;
        }
        report_row(stdout, &result);
        report_mix(stdout, &result, &before);
        before = result;
        if (json != NULL) {
            report_json(json, &result, first);
            fflush(json);
        }
        first = false;
    }
    if (json != NULL)
        fprintf(json, "\n]\n");
    return good && !first;
}

/* An OpenBLAS that is older than the processor takes the kernels of the oldest it knows, a fifth as fast, and so do
 * peers over it: then all are told what the processor can do, unless the user has, by starting again. */
__attribute__((weak)) char *openblas_get_corename(void);

static void name_processor(char **argv)
{
    if (openblas_get_corename == NULL)
        return;
    const char *name = openblas_get_corename(), *better = NULL;
#ifdef __x86_64__
    better = __builtin_cpu_supports("avx512vl") ? "SkylakeX"
             : __builtin_cpu_supports("avx2")   ? "Haswell"
                                                : NULL;
#endif
    if (strcmp(name, "Prescott") == 0 && better != NULL && getenv("OPENBLAS_CORETYPE") == NULL) {
        setenv("OPENBLAS_CORETYPE", better, 1);
        execv("/proc/self/exe", argv);
    }
    printf("OpenBLAS runs its kernels for %s\n", name);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct options options = {.rounds = 7, .python = "python3"};
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    if (options.serve != NULL)
        return bench_serve(options.serve);
    if (options.list) {
        for (const char *const *line = bench_cases; *line != NULL; line++)
            puts(*line);
        return EXIT_SUCCESS;
    }
    signal(SIGPIPE, SIG_IGN);
    name_processor(argv);
    if (options.turns != NULL)
        return bench_turns(options.turns);
    FILE *json = options.json == NULL ? NULL : fopen(options.json, "w");
    if (options.json != NULL && json == NULL)
        stop(options.json);
    bool good = run_all(&options, json);
    if (json != NULL && fclose(json) != 0)
        stop(options.json);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
