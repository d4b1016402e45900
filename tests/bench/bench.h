/* The benchmark program. A case is one line of text, "kind key=value ...", and a runner is a process that
 * serves one: this program itself (`--serve LINE`), or a peer (peers.py) that does the same work on the
 * same shapes. Runners speak lines over a pipe:
 *
 *     runner  ready SCRATCH_BYTES WORK REPETITION_SECONDS [BLAS_THREADS] | none REASON
 *     parent  run                          runner  SECONDS of one repetition
 *     parent  (end of file)                runner  PEAK_BYTES EXTRA_BYTES ERROR
 *
 * so that repetitions of a case, of the machine limit that it is held against and of its peers can take
 * turns, and each has memory figures of its own. */
#ifndef BENCH_H
#define BENCH_H

#include <libalign/align.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A case while it is served. */
struct bench {
    const char *line;
    align_exec exec; /* with a pool where the line says workers=2 or more */
    uint32_t workers;
    void *state;
    void (*run)(struct bench *bench);
    double work; /* of one run, in units of the kind: bytes, flops, exponentials, rows */
    double (*error)(const struct bench *bench); /* of the answer, by the optimum; NULL: not known */
    double untimed; /* seconds that a run spent on what it does not want to be measured by */
    size_t scratch;
};

struct bench_kind {
    const char *name;
    const char
        *unit; /* of work per second, after division by 1e9 (or 1e6 where it begins with M) */
    const char *limit; /* the kind that bounds it, or NULL */
    void (*setup)(struct bench *bench);
};

extern const struct bench_kind bench_limit_kinds[], bench_head_kinds[], bench_fit_kinds[],
    bench_bt_kinds[], bench_norm_kinds[], bench_program_kinds[];
extern const char *const bench_cases[];

/* The kind of a line that begins with a row of the loss table, or NULL. */
const struct bench_kind *bench_loss_kind(const char *line);

/* The kind of a line, or NULL. */
const struct bench_kind *bench_find_kind(const char *line);

/* Value of `key=` in a line, or `otherwise`. */
int64_t bench_number(const char *line, const char *key, int64_t otherwise);
align_dtype bench_dtype(const char *line);

/* Zeroed memory, or the end of the program. */
void *bench_alloc(size_t count, size_t bytes);
align_tensor bench_tensor(align_dtype dtype, int64_t n0, int64_t n1);

/* Numbers between low and high, the same in every run. */
void bench_fill(align_tensor t, double low, double high);
uint32_t bench_random(uint32_t *state);

/* Scratch as best says, into bench->exec. */
void bench_scratch(struct bench *bench, size_t best);
void bench_must(struct bench *bench, align_status status);
double bench_now(void);

/* The largest distance of an answer from the optimum of its f64 problem. The rows lie one after another; each first
 * won. The rewards are of setup_reward: second is 0. */
double bench_strength_error(const align_bt_rows *rows, const double *strength, int64_t n_items);
double bench_reward_error(const align_reward_args *args);

/* Sets up the case of a line whose kind there is, with one worker. */
void bench_prepare(struct bench *bench, const char *line, align_error *error);

/* The limit on as many bytes and workers as a case, or another kind with its arguments. */
void bench_limit_line(char line[256], const char *of, const char *limit, double work);

int bench_serve(const char *line);
int bench_turns(const char *line);

#endif
