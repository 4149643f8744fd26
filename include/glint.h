/* Glint: language models on GPUs through headless OpenGL ES 3.1 and on CPUs, with proof. The public API.
 *
 * Errors   Fallible functions return a glint_status and, where `err` is not NULL, one line of words in it. Results go
 *          to out-parameters, which are left alone on error. The library never prints, exits or aborts.
 * Memory   Objects are opened and closed in pairs; *_close accepts NULL and a pointer to NULL, and clears the pointer.
 *          Returned strings and arrays belong to the object they were asked of and live as long as it does, unless
 *          their line says otherwise.
 * Threads  Different objects may be used on different threads. One model may serve several sessions at once; one
 *          session, sampler or detokenizer is used by one thread at a time.
 * Units    "rows" are tokens of a batch; sizes in bytes end in _bytes; everything else counts elements. */
#ifndef GLINT_H
#define GLINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GLINT_VERSION "0.1.0"

/* The values are the exit statuses of the command line. */
typedef enum glint_status {
    GLINT_OK = 0,
    GLINT_MISMATCH = 1,  /* a comparison failed */
    GLINT_USAGE = 2,     /* an argument is wrong */
    GLINT_BAD_INPUT = 3, /* a file cannot be read, written or believed; the text does not fit the context */
    GLINT_DEVICE = 4,    /* a device or its memory failed */
    GLINT_INTERNAL = 5,  /* out of host memory, or Glint's own mistake */
} glint_status;

typedef struct glint_error {
    char message[512]; /* one line, UTF-8, no newline */
} glint_error;

typedef enum glint_precision {
    GLINT_FAST,  /* 8-bit activations against quantised weights, OpenBLAS; bounds in docs/numerics.md */
    GLINT_EXACT, /* float32 activations, exact weights; the same bits however the prompt is fed */
} glint_precision;

/* ---- Devices ------------------------------------------------------------------------------------------------ */

typedef struct glint_device_info {
    char name[64];         /* what -d takes: "gles:0", "cpu", "cpu:ref", "null" */
    char description[192]; /* processor or driver, instruction sets, threads */
    uint64_t memory_bytes; /* 0: unknown */
    uint64_t free_bytes;   /* 0: unknown */
    bool software;         /* computes on the CPU; never chosen automatically, but for "cpu" */
} glint_device_info;

/* Returns how many devices there are, and fills at most `capacity` entries. Where one may be missing because its driver
 * failed, missing->message (NULL: not wanted) is the driver's words; else it is empty. */
int glint_devices(glint_device_info *out, int capacity, glint_error *missing);

/* What a driver says of its device, or what was measured on it. */
typedef struct glint_device_fact {
    const char *name; /* "version", "storage block", "read bandwidth", "self-test exact" */
    const char *text; /* words; NULL: a number */
    double number;
    const char *unit; /* "bytes", "bytes/s", "s", ""; NULL: words */
} glint_device_fact;
typedef void glint_device_report(const glint_device_fact *fact, void *user);
/* Opens a device, measures it in less than a second, and reports all that is known of it: nothing for devices that are
 * no driver's. "self-test fast" and "self-test exact" are what the last ones found ("not run yet": at the first use).
 */
glint_status glint_device_facts(const char *device, glint_device_report *report, void *user, glint_error *err);
/* Every op once on `device` against the oracle: GLINT_MISMATCH when one differs by more than its bound. `report` is
 * called for each op with its name, its error as a share of the bound (1 is the limit) and the user pointer. A driver's
 * device is tested so at its first use by a session, and the outcome is remembered; one that fails is GLINT_DEVICE,
 * unless GLINT_SELF_TEST=0 is in the environment. */
typedef void glint_self_test_report(const char *op, double share, void *user);
glint_status glint_self_test(const char *device, int threads, glint_self_test_report *report, void *user,
                             glint_error *err);
/* Read bandwidth of the host memory in bytes a second, measured now over `threads` threads (0: all) in about 0.2 s. */
double glint_measure_bandwidth(int threads);

/* ---- Models ------------------------------------------------------------------------------------------------- */

typedef struct glint_model glint_model;

/* Opens a GGUF file, the first file of a split GGUF, or a Hugging Face directory. The file stays mapped. */
glint_status glint_model_open(const char *path, glint_model **out, glint_error *err);
void glint_model_close(glint_model **model); /* after the sessions that use it */

const char *glint_model_path(const glint_model *model);
const char *glint_model_container(const glint_model *model); /* "GGUF v3", "Hugging Face" */
const char *glint_model_architecture(const glint_model *model);
int glint_model_vocabulary(const glint_model *model); /* number of tokens */
int glint_model_context(const glint_model *model);    /* longest context that the model was made for */
int glint_model_layers(const glint_model *model);

/* The architecture card: every choice that the metadata made, or that was made in its absence. */
typedef struct glint_card_entry {
    const char *key;    /* canonical: "rope_base" */
    const char *value;  /* as text */
    const char *source; /* "file", "default of the architecture", "derived" */
} glint_card_entry;
int glint_model_card(const glint_model *model, const glint_card_entry **out); /* returns how many */

typedef struct glint_tensor_info {
    const char *name;      /* in the file */
    const char *canonical; /* what Glint calls it: "layers.3.attn_q"; NULL: ignored, see `use` */
    const char *format;    /* "Q4_K" */
    const char *use;       /* "claimed", "tied: output", "ignored: reason" */
    int n_dims;
    uint64_t dims[4]; /* dims[0] runs fastest */
    uint64_t bytes;
} glint_tensor_info;
int glint_model_tensors(const glint_model *model, const glint_tensor_info **out); /* returns how many */
/* What a tensor holds, decoded to float32 in canonical meaning and row order. */
typedef struct glint_tensor_content {
    uint64_t digest; /* FNV-1a of the bits: the same weights in another container give the same */
    size_t numbers, zeros, not_finite;
} glint_tensor_content;
/* Fills an entry for each tensor, as `device` holds it (its own copy, decoded back; NULL: cpu:ref). Tensors that are no
 * weight of the model have 0 numbers. It takes about a second for each billion weights, and as long as taking them in
 * on devices that copy them. */
glint_status glint_model_contents(const glint_model *model, const char *device, glint_tensor_content *out,
                                  glint_error *err);

/* ---- Text and tokens ---------------------------------------------------------------------------------------- */

enum {
    GLINT_TOKENIZE_SPECIAL = 1,  /* read the text of special tokens as those tokens */
    GLINT_TOKENIZE_ADD_ENDS = 2, /* add what the model expects around a text: BOS, or CLS and SEP */
};

/* Text (UTF-8; GLINT_BAD_INPUT with the offset where it is not) to ids. *ids is malloc'ed; the caller frees it. */
glint_status glint_tokenize(const glint_model *model, const char *text, size_t bytes, unsigned flags, int32_t **ids,
                            size_t *count, glint_error *err);
/* A token's own text, special tokens by name, bytes as bytes (may be part of a character). NULL: no such id. */
const char *glint_token_text(const glint_model *model, int32_t id, size_t *bytes);
bool glint_token_ends(const glint_model *model, int32_t id); /* end of text or of a turn */
bool glint_has_tokenizer(const glint_model *model);

/* Ids to text, in a stream: only whole UTF-8 characters come out. */
typedef struct glint_detokenizer glint_detokenizer;
glint_status glint_detokenizer_open(const glint_model *model, bool show_special, glint_detokenizer **out,
                                    glint_error *err);
void glint_detokenizer_close(glint_detokenizer **d);
/* The text that became whole with this id; valid until the next call. May be empty. GLINT_BAD_INPUT: no such id.
 * Allocates nothing. */
glint_status glint_detokenizer_next(glint_detokenizer *d, int32_t id, const char **text, size_t *bytes,
                                    glint_error *err);
/* What is left at the end: an unfinished character comes out as U+FFFD. The next id begins a new text. */
void glint_detokenizer_end(glint_detokenizer *d, const char **text, size_t *bytes);

/* ---- Sessions ----------------------------------------------------------------------------------------------- */

typedef struct glint_session glint_session;

typedef struct glint_session_options { /* zeros are the defaults */
    const char *device;                /* NULL or "auto": a hardware GPU where one works and
                                          the model fits, else "cpu"; see glint_session_reason */
    glint_precision precision;
    int threads;         /* 0: as many processors as there are, or as the process's control group may use */
    int context;         /* tokens of one sequence; 0: 4096 or the model's own length where shorter */
    int batch;           /* rows of a prefill chunk; 0: 512 */
    int sequences;       /* 0: 1 */
    int outputs;         /* rows of one step that may have logits; 0: the number of sequences */
    bool top;            /* steps also find the likeliest tokens: glint_session_top, sampling */
    bool cache_f32;      /* keep keys and values in float32; always so in GLINT_EXACT */
    const char *observe; /* "a,b": names or globs of values that glint_session_value may ask for; NULL: none */
    const int *layers;   /* with `observe`: only values of these layers, and of none; NULL: all */
    int n_layers;
    /* Instead of `device`: "gles:0=0-12,cpu=13-25", also with the items embed and head, which go with the layer beside
     * them where they are not named. A device may have several stretches. */
    const char *split;
    /* So many layers on the GPU that `device` names, or the first, counted from the last layer; more than there are is
     * the head too, and then everything. 0: wherever a token is fastest. */
    int gpu_layers;
    const char *memory; /* how much of devices may be used: "gles:0=8G,cpu=16G"; else what their drivers say is free */
    /* Called with one line for people when a device has failed and the session goes on without it, or tries to; NULL:
     * not wanted. */
    void (*notice)(const char *line, void *user);
    void *notice_user;
} glint_session_options;

glint_status glint_session_open(glint_model *model, const glint_session_options *options, glint_session **out,
                                glint_error *err);
void glint_session_close(glint_session **session);

const char *glint_session_device(const glint_session *session); /* the device's name, or the split */
const char *glint_session_reason(const glint_session *session); /* why that one */
int glint_session_context(const glint_session *session);
int glint_session_batch(const glint_session *session);

/* A device that fails is left out: the others, or the CPU, take its place, and what was asked is answered. Where they
 * cannot the failure is told, and steps and reading are GLINT_DEVICE from then on. */

/* One row of work. A row's position must be the length of its sequence so far (rows of one call count in order). */
typedef struct glint_row {
    int32_t token;
    int32_t sequence; /* 0 .. sequences - 1 */
    bool output;      /* logits wanted */
} glint_row;

/* Runs n rows (at most `batch`, of which at most `outputs` want logits). GLINT_BAD_INPUT: an id out of range, or a
 * sequence would outgrow the context; then nothing was run. */
glint_status glint_session_step(glint_session *session, const glint_row *rows, int n, glint_error *err);
/* Feeds ids to one sequence in chunks; logits of the last id are kept. */
glint_status glint_session_feed(glint_session *session, int sequence, const int32_t *ids, size_t n, glint_error *err);
/* Logits of the k-th output row of the last step: `vocabulary` floats, valid until the next call that reads logits. */
glint_status glint_session_logits(glint_session *session, int k, const float **out, glint_error *err);
/* The likeliest token of the k-th output row of the last step, chosen on the device. */
glint_status glint_session_argmax(glint_session *session, int k, int32_t *out, glint_error *err);

enum { GLINT_TOP = 64 };
typedef struct glint_token_logit {
    int32_t id;
    float logit;
} glint_token_logit;
/* The GLINT_TOP likeliest tokens (or all, where the vocabulary is smaller) of the k-th output row of the last step,
 * found on the device: best first, the smaller id first where equal, NaN as -infinity. `out` has room for GLINT_TOP; *n
 * is how many there are. GLINT_USAGE: the session was opened without `top`. */
glint_status glint_session_top(glint_session *session, int k, glint_token_logit *out, int *n, glint_error *err);

int glint_session_length(const glint_session *session, int sequence); /* tokens in the cache */
/* Forgets all but the first `length` tokens. GLINT_USAGE when a sliding window has dropped what that would need. */
glint_status glint_session_cut(glint_session *session, int sequence, int length, glint_error *err);
/* Makes `to` a copy of the first `length` tokens of `from`; whole pages are shared, not copied. */
glint_status glint_session_fork(glint_session *session, int from, int to, int length, glint_error *err);

/* Observed values of the last step (see glint_session_options.observe). */
typedef struct glint_value_info {
    const char *name; /* "layers.5.out" */
    int width;        /* floats a row */
    int layer;        /* -1: of none */
    bool outputs;     /* has a row for each output row only, not for each row */
} glint_value_info;
int glint_session_values(const glint_session *session, const glint_value_info **out); /* returns how many */
glint_status glint_session_value(glint_session *session, int value, int first_row, int rows, float *out,
                                 glint_error *err);

/* ---- Plans -------------------------------------------------------------------------------------------------- */

/* Where a session of these options would run, and how fast: devices are measured while the plan is made. */
typedef struct glint_plan glint_plan;

typedef struct glint_plan_part {
    const char *device;
    const char *pieces;                              /* "embed, layers 0 to 12" */
    double weight_bytes, cache_bytes, scratch_bytes; /* estimates */
    double memory_bytes;                             /* that may be used; 0: unknown */
    double token_seconds;                            /* predicted, of a token */
    double prompt_seconds;                           /* of a chunk of the prompt */
} glint_plan_part;

/* GLINT_DEVICE: it cannot fit; the message says what would. */
glint_status glint_plan_open(const glint_model *model, const glint_session_options *options, glint_plan **out,
                             glint_error *err);
void glint_plan_close(glint_plan **plan);
int glint_plan_parts(const glint_plan *plan, const glint_plan_part **out); /* returns how many */
const char *glint_plan_split(const glint_plan *plan);                      /* as glint_session_device would say */
const char *glint_plan_reason(const glint_plan *plan);
double glint_plan_token_seconds(const glint_plan *plan);         /* of all parts, one after the other */
double glint_plan_prompt_seconds(const glint_plan *plan, int n); /* of a prompt of n tokens */
int glint_plan_batch(const glint_plan *plan);                    /* tokens of a chunk */

/* ---- Sampling ----------------------------------------------------------------------------------------------- */

typedef struct glint_sampling { /* as on the command line; glint_sampling_default() has its defaults */
    float temperature;          /* 0: greedy */
    int top_k;                  /* 0: off */
    float top_p, min_p;         /* 1 and 0: off */
    float repeat_penalty, presence_penalty, frequency_penalty; /* 1, 0, 0: off */
    int penalty_window;                                        /* last tokens that penalties look at; default 64 */
    uint64_t seed;
} glint_sampling;

typedef struct glint_sampler glint_sampler;

glint_sampling glint_sampling_default(void);
/* Do the likeliest tokens of a step (glint_session_top) decide under these rules? *why (NULL: not wanted) becomes a
 * phrase that says what it hangs on, or why not. */
bool glint_sampling_uses_top(const glint_sampling *sampling, const char **why);
glint_status glint_sampler_open(const glint_model *model, const glint_sampling *sampling, glint_sampler **out,
                                glint_error *err);
void glint_sampler_close(glint_sampler **sampler);
/* Tokens that penalties should know (the prompt); chosen ones are known already. */
void glint_sampler_accept(glint_sampler *sampler, int32_t id);
/* Chooses from `vocabulary` logits, NaN as -infinity; -1 where all are. Same seed, same logits, same choices.
 * Allocates nothing. */
int32_t glint_sampler_choose(glint_sampler *sampler, const float *logits);
/* Chooses from what glint_session_top gave the very id that glint_sampler_choose would take from all logits. False
 * where that is not certain, and then nothing has changed: the rules want more, penalties push most of them down, or no
 * logit is a number. */
bool glint_sampler_choose_top(glint_sampler *sampler, const glint_token_logit *top, int n, int32_t *id);

/* A token's standing among all logits, before any sampling rule. */
typedef struct glint_candidate {
    int32_t id;
    int rank; /* 1: the likeliest */
    float logit;
    double probability;
} glint_candidate;
/* The k likeliest, best first. `out` has room for k; returns how many were written. */
int glint_top(const float *logits, int vocabulary, int k, glint_candidate *out);
glint_candidate glint_standing(const float *logits, int vocabulary, int32_t id);

/* ---- Generating --------------------------------------------------------------------------------------------- */

typedef struct glint_generated {
    int32_t id;
    const float *logits; /* of this step; NULL where fewer were enough to choose (see need_logits) */
    int index;           /* 0, 1, ... */
    bool last;           /* an end token: its text is not part of the answer */
} glint_generated;

typedef struct glint_generate_options {
    const int32_t *prompt;
    size_t n_prompt;
    int n; /* new tokens at most; 0: until the end of text or of the context */
    bool ignore_end;
    bool need_logits; /* give logits with every token, even where fewer are enough to choose */
    /* Called for each new token; false stops. A device that works by itself has begun the step behind it by then, so
     * the session is not to be looked at here; where the answer is false, that step is taken back. */
    bool (*token)(const glint_generated *token, void *user);
    void *user;
} glint_generate_options;

typedef struct glint_timings {
    double prefill_seconds, decode_seconds;
    int prefill_tokens, decode_tokens; /* decode_tokens: steps of one token each */
} glint_timings;

/* Feeds the prompt to sequence 0 and generates. sampler NULL: greedy; else the sampler is told the prompt here
 * (glint_sampler_accept), and need not be before. Stops at an end token, at n, at the context's
 * end (GLINT_OK) or when the callback says so. A prompt longer than the context, or a step whose logits are all NaN:
 * GLINT_BAD_INPUT. Greedy, on a device that runs ahead, the latter is seen where the step after it has them too. */
glint_status glint_generate(glint_session *session, glint_sampler *sampler, const glint_generate_options *options,
                            glint_timings *timings, glint_error *err);

/* ---- Instruments -------------------------------------------------------------------------------------------- */

typedef struct glint_bench_options {
    int prompt, decode, repeats; /* tokens of the prompt, new tokens, measurements of each */
} glint_bench_options;

typedef struct glint_bench_row {
    char test[16];                   /* "pp512", "tg128" */
    double median, minimum, maximum; /* tokens a second */
    double bytes_per_token;          /* weights and cache that a token reads (decode), or its share (prompt) */
} glint_bench_row;

/* Rows for the prompt and for decoding (those with 0 tokens are left out); returns through *count how many. */
glint_status glint_bench(glint_session *session, const glint_bench_options *options, glint_bench_row out[2], int *count,
                         glint_error *err);

typedef enum glint_score { GLINT_SCORE_HALF, GLINT_SCORE_ALL } glint_score;

typedef struct glint_perplexity {
    double mean_nll, perplexity, standard_error; /* standard_error of mean_nll */
    size_t scored, windows;
} glint_perplexity;

typedef void glint_progress(size_t done, size_t total, void *user);

/* Mean negative log-likelihood of ids in windows of `window` tokens. GLINT_SCORE_ALL: windows are consecutive, the
 * last may be shorter (at least 2 tokens), every token but a window's first is scored. GLINT_SCORE_HALF: llama.cpp's
 * protocol: whole windows only, each starts with BOS where the tokenizer adds one, only positions window / 2 and up
 * predict. `session` must hold `window` tokens, 2 at least, 3 for halves; its sequence 0 is overwritten. */
glint_status glint_perplexity_run(glint_session *session, const int32_t *ids, size_t n, int window, glint_score score,
                                  glint_progress *progress, void *user, glint_perplexity *out, glint_error *err);

/* Rows of one value of a run. Pointers live while the function that they are given to runs. */
typedef struct glint_value_rows {
    const char *name;
    int layer; /* -1: of none */
    int width;
    int first_row, rows;    /* positions [first_row, first_row + rows) of the run */
    const int32_t *ids;     /* the token of each; NULL: not known */
    const float *tested;    /* rows * width numbers */
    const float *reference; /* as many beside them; NULL: none */
} glint_value_rows;

typedef struct glint_trace_options {
    const int32_t *prompt;
    size_t n_prompt;
    const char *prompt_text; /* recorded in the file; NULL: none */
    int n;                   /* greedy steps after the prompt */
    const char *path;        /* safetensors file, docs/trace-format.md; NULL: none */
    /* Called for every observed value as its rows come; NULL: not wanted. */
    void (*rows)(const glint_value_rows *rows, void *user);
} glint_trace_options;

typedef struct glint_value_stats { /* over every element of the value, all rows */
    const char *name;
    size_t n, nan, inf, zero;
    int rows, width;
    double minimum, maximum, mean, rms, share_negative, largest; /* of finite elements: NaN where there are none */
    int largest_row, largest_index;                              /* of the largest absolute; row -1: there is none */
} glint_value_stats;

/* Runs the prompt and n greedy steps on a session opened with `observe`, and writes every observed value.
 * `stats` is called for each value when the run is over and the file complete; NULL: not wanted. */
glint_status glint_trace(glint_session *session, const glint_trace_options *options,
                         void (*stats)(const glint_value_stats *value, void *user), void *user, glint_error *err);

/* ---- Checking ----------------------------------------------------------------------------------------------- */

/* One value of one step, of the side under test beside the reference. Pointers live while the callback runs. */
typedef struct glint_comparison {
    const char *value; /* "layers.3.attn.q"; of a cache write: "layers.3.attn.cache" */
    const char *op;    /* kind of the op that makes it: "matmul" */
    const char *group; /* the ops that ran as one piece, "norm+matmul"; the same as `op` where it ran alone */
    const char *since; /* against a file: the first value made since numbers of the file went in; "": this one */
    const char *device;
    int layer;           /* -1: of none */
    int step;            /* 0: the prompt; k: the k-th decode step */
    int rows, width;     /* compared */
    int first_row;       /* the prompt's position of the first of them */
    double nmse, cosine; /* sum((a - b)^2) / sum(b^2) and the cosine of the angle, over the whole tensor, in float64 */
    double largest;      /* absolute error */
    int row, index;      /* where that is */
    float there, reference; /* both numbers at that place */
    uint64_t ulp;           /* largest distance in units of the last place */
    int ulp_row, ulp_index;
    size_t sign_flips, nan, inf; /* of the side under test; sign flips where both exceed their bounds */
    size_t unwritten;            /* elements that still hold the pattern they were poisoned with */
    double share;                /* largest error as a share of its bound: 1 is the limit */
    bool differs_from_itself;    /* the same group on the same inputs gave other bits the second time */
    bool pass;
    int prompt;                                /* which prompt of a file; else 0 */
    const int32_t *ids;                        /* the token of each row; NULL: not known */
    const float *tested_rows, *reference_rows; /* rows * width numbers each, for the report; NULL: not at hand */
    const char *kind;   /* of a failure: what kind of fault, one of the words of docs/diagnose.md; "": not named */
    const char *cause;  /* the value whose op is at fault, where that is one made before this; else "" */
    const char *reason; /* one line: what fits, how well, and the runner-up; "" where there is none */
} glint_comparison;

typedef struct glint_verdict {
    int compared, failed;
    char line[512]; /* one line for people: what was compared, what failed first, of which kind */
} glint_verdict;

typedef struct glint_check_options { /* zeros are the defaults */
    const char *device;              /* under test; NULL: "cpu" */
    const char *split;               /* not NULL: instead of one device several, as glint_session_options.split says;
                                        op by op against a device only */
    const char *against; /* NULL: "cpu:ref"; another device, or the path of a trace or of a Hugging Face reference */
    glint_precision precision;
    int threads;
    const int32_t *prompt; /* NULL with a file: its own prompts */
    size_t n_prompt;
    int n;             /* decode steps after the prompt, on the reference's tokens; with a file 0: all that it has */
    int batch;         /* rows of a prefill chunk; 0: 512, with a file 64 */
    bool free_run;     /* both sides run on by themselves, judged by the bounds for a whole model; else every group gets
                          the reference's inputs */
    bool unfused;      /* op by op */
    bool bisect;       /* only where the logits of a step are wrong: narrows that down to the op that makes them so */
    const int *layers; /* only values of these layers, and of none; NULL: all */
    int n_layers;
    void (*compared)(const glint_comparison *value, void *user); /* in the tape's order; NULL: not wanted */
    void *user;
} glint_check_options;

/* GLINT_MISMATCH when something failed; then the verdict is filled too. */
glint_status glint_check(glint_model *model, const glint_check_options *options, glint_verdict *verdict,
                         glint_error *err);

/* The logits of some tokens on one way through the engine, beside those of the plainest: the prompt in one piece, in a
 * session of its own. */
typedef struct glint_path {
    const char *name;   /* "a token at a time" */
    bool bits_promised; /* else only bounds for a whole model (docs/numerics.md) */
    bool same_bits;
    double nmse;      /* the largest of any row's */
    int position;     /* of that row */
    int other_tokens; /* rows whose likeliest token is another, though there was a margin */
    bool pass;
} glint_path;

/* Sessions on options->device feed the prompt (2 to 512 tokens) and n greedy steps in other ways: piece by piece, among
 * other sequences, forked, with every value watched, with other kernels, and so on. GLINT_MISMATCH when one differs by
 * more than it may; then the verdict is filled too. `path` NULL: not wanted. */
glint_status glint_check_paths(glint_model *model, const glint_check_options *options,
                               void (*path)(const glint_path *path, void *user), void *user, glint_verdict *verdict,
                               glint_error *err);

typedef struct glint_diff_options {
    const char *tested, *reference; /* traces or Hugging Face references, of the same prompts */
    const glint_model *model;       /* not NULL: causes are tried on its weights (docs/diagnose.md) */
    void (*compared)(const glint_comparison *value, void *user);
    void *user;
} glint_diff_options;

/* Values that both files have, in the order in which a model computes them. GLINT_MISMATCH as above. */
glint_status glint_diff(const glint_diff_options *options, glint_verdict *verdict, glint_error *err);

/* ---- The report: one page of HTML that needs nothing beside itself ------------------------------------------- */

typedef struct glint_report glint_report;

typedef struct glint_report_options {
    const char *path;         /* of the page */
    const char *title;        /* "glint check" */
    const glint_model *model; /* outlives the report */
    const char *device;       /* what ran; in a comparison, the side under test */
    const char *reference;    /* the other side; NULL: none */
    glint_precision precision;
} glint_report_options;

/* Opens the output file, so that one that cannot be written is refused before the work. Strings are copied. */
glint_status glint_report_open(const glint_report_options *options, glint_report **out, glint_error *err);
/* What came out; the page has a section for whatever was told. Want of memory is reported by glint_report_finish. */
void glint_report_rows(glint_report *report, const glint_value_rows *rows);
void glint_report_stats(glint_report *report, const glint_value_stats *value);
void glint_report_comparison(glint_report *report, const glint_comparison *value); /* and its rows, where it has them */
void glint_report_verdict(glint_report *report, const glint_verdict *verdict);
/* Writes the page, which appears under its name when it is complete. */
glint_status glint_report_finish(glint_report *report, glint_error *err);
void glint_report_close(glint_report **report); /* not finished: no page */

#ifdef __cplusplus
}
#endif

#endif
