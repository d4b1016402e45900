/* Programs as a whole, on files from the page cache. */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef LEADERBOARD
#    define LEADERBOARD "libalign-leaderboard"
#endif

struct state {
    int votes; /* the file */
};

/* Votes as Chatbot Arena publishes them, between 100 models. */
static double write_votes(int file, int64_t rows)
{
    static const char *const winners[] = {"model_a", "model_b", "model_a", "tie"};
    FILE *out = fdopen(dup(file), "w");
    uint32_t random = 1;
    fprintf(out, "question_id,model_a,model_b,winner,judge,turn,language,tstamp\n");
    for (int64_t i = 0; i < rows; i++) {
        uint32_t a = bench_random(&random) % 100;
        uint32_t b = (a + 1 + bench_random(&random) % 99) % 100;
        fprintf(out,
                "q%07lld,model-number-%u-chat,model-number-%u-chat,%s,judge_%u,1,English,%lld.25\n",
                (long long)i, a, b, winners[bench_random(&random) % 4], bench_random(&random) % 50,
                1680000000LL + (long long)i);
    }
    double bytes = (double)ftell(out);
    fclose(out);
    return bytes;
}

static void run_leaderboard(struct bench *bench)
{
    struct state *state = bench->state;
    pid_t pid = fork();
    if (pid == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        lseek(state->votes, 0, SEEK_SET);
        dup2(state->votes, STDIN_FILENO);
        dup2(nowhere, STDOUT_FILENO);
        execlp(LEADERBOARD, LEADERBOARD, "--format=csv", "-", (char *)NULL);
        _exit(127);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    if (status != 0) {
        fprintf(stderr, "align-bench: %s: status %d\n", bench->line, status);
        exit(EXIT_FAILURE);
    }
}

static void setup_leaderboard(struct bench *bench)
{
    struct state *state = bench_alloc(1, sizeof *state);
    FILE *votes = tmpfile();
    if (votes == NULL) {
        perror("align-bench");
        exit(EXIT_FAILURE);
    }
    state->votes = fileno(votes);
    bench->state = state;
    bench->run = run_leaderboard;
    bench->work = write_votes(state->votes, bench_number(bench->line, "rows", 1000000));
}

const struct bench_kind bench_program_kinds[] = {
    {"leaderboard", "GB/s", "limit.read", setup_leaderboard},
    {NULL, NULL, NULL, NULL},
};
