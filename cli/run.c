/* glint run: generates text, as plain text, with a look at each step's candidates, or as JSON lines. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/print.h"
#include "cli/setup.h"

typedef struct generation {
    const cli_options *o;
    const glint_model *model;
    glint_detokenizer *detokenizer; /* NULL: the model has no tokenizer; ids are printed */
    glint_candidate *top;           /* room for o->top */
    int32_t watched[CLI_MAX_LIST];
    FILE *text; /* --json: all text so far */
    bool ended; /* by an end token */
    char last;  /* byte printed */
    int tokens;
    glint_status status; /* of the callback */
    glint_error *err;
} generation;

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1; /* the handler is gone after its first call, so a second interrupt ends the program */
}

/* From the first token on: while a prompt is read there is nothing to finish, and an interrupt ends the program. A
 * shell's background jobs ignore it, and go on doing so. */
static void catch_interrupt(void) {
    struct sigaction once = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND | SA_RESTART}, before;
    if (sigaction(SIGINT, NULL, &before) || before.sa_handler == SIG_IGN) return;
    sigaction(SIGINT, &once, NULL);
}

/* ---- Watched tokens ---- */

/* The token whose own text is `text`: -1 where there is none. A byte's token comes before the ordinary token of the
 * same character in a SentencePiece vocabulary, and the ordinary one is meant: so the last match. */
static int32_t find_token(const glint_model *model, const char *text) {
    size_t n = strlen(text);
    for (int32_t id = glint_model_vocabulary(model) - 1; id >= 0; id--) {
        size_t bytes = 0;
        const char *own = glint_token_text(model, id, &bytes);
        if (own && bytes == n && memcmp(own, text, n) == 0) return id;
    }
    return -1;
}

static glint_status not_one_token(const glint_model *model, const char *text, glint_error *err) {
    int32_t *ids = NULL;
    size_t n = 0;
    glint_status s = glint_tokenize(model, text, strlen(text), GLINT_TOKENIZE_SPECIAL, &ids, &n, err);
    if (s) return s;
    char list[400] = "";
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof list - 16; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, " #%d", ids[i]);
    free(ids);
    return cli_fail(err, GLINT_USAGE, "--watch: '%s' is not one token but %zu:%s", text, n, list);
}

static glint_status find_watched(const generation *g, const char *text, int32_t *id, glint_error *err) {
    size_t digits = strspn(text + 1, "0123456789");
    if (text[0] == '#' && digits && !text[1 + digits]) {
        long x = strtol(text + 1, NULL, 10);
        if (x >= glint_model_vocabulary(g->model))
            return cli_fail(err, GLINT_USAGE, "--watch: the vocabulary ends before %s", text);
        *id = (int32_t)x;
        return GLINT_OK;
    }
    *id = find_token(g->model, text);
    return *id >= 0 ? GLINT_OK : not_one_token(g->model, text, err);
}

/* ---- A token ---- */

static json_t *candidate_json(const generation *g, const glint_candidate *c) {
    size_t bytes = 0;
    const char *text = glint_token_text(g->model, c->id, &bytes);
    return json_pack("{s:i, s:o, s:o, s:i, s:o}", "id", c->id, "text", print_json_text(text ? text : "", bytes),
                     "logit", print_json_number(c->logit), "rank", c->rank, "probability",
                     print_json_number(c->probability));
}

static glint_status print_event(const generation *g, const glint_generated *t, const char *text, size_t bytes) {
    json_t *event = json_pack("{s:s, s:i, s:i, s:o}", "event", "token", "index", t->index, "id", t->id, "text",
                              print_json_text(text, bytes));
    if (event && t->last) json_object_set_new(event, "end", json_true());
    int vocabulary = glint_model_vocabulary(g->model);
    json_t *top = json_array(), *watch = json_array();
    for (int i = 0, n = g->o->top ? glint_top(t->logits, vocabulary, g->o->top, g->top) : 0; i < n; i++)
        json_array_append_new(top, candidate_json(g, &g->top[i]));
    for (int i = 0; i < g->o->watch.n; i++) {
        glint_candidate c = glint_standing(t->logits, vocabulary, g->watched[i]);
        json_array_append_new(watch, candidate_json(g, &c));
    }
    if (json_array_size(top)) json_object_set(event, "top", top);
    if (json_array_size(watch)) json_object_set(event, "watch", watch);
    json_decref(top);
    json_decref(watch);
    return print_json(event, true, g->err);
}

static void print_token(const generation *g, int32_t id) {
    size_t bytes = 0;
    const char *text = glint_token_text(g->model, id, &bytes);
    printf("%6d  ", id);
    print_quoted(stdout, text ? text : "", bytes);
}

static void print_candidate(const generation *g, const char *label, const glint_candidate *c) {
    printf("%8s %6d  %10.4g  %9.4f  ", label, c->rank, c->probability, (double)c->logit);
    print_token(g, c->id);
    putchar('\n');
}

/* The token, then its step's likeliest and watched ones: rank, probability, logit, id, text. */
static void print_step(const generation *g, const glint_generated *t) {
    int vocabulary = glint_model_vocabulary(g->model);
    printf("%-5d", t->index);
    print_token(g, t->id);
    putchar('\n');
    for (int i = 0, n = g->o->top ? glint_top(t->logits, vocabulary, g->o->top, g->top) : 0; i < n; i++)
        print_candidate(g, "top", &g->top[i]);
    for (int i = 0; i < g->o->watch.n; i++) {
        glint_candidate c = glint_standing(t->logits, vocabulary, g->watched[i]);
        print_candidate(g, "watch", &c);
    }
}

static bool looks_inside(const cli_options *o) {
    return o->top > 0 || o->watch.n > 0;
}

static void print_text(generation *g, const char *text, size_t bytes) {
    fwrite(text, 1, bytes, g->o->json ? g->text : stdout);
    if (bytes) g->last = text[bytes - 1];
}

static bool on_token(const glint_generated *t, void *user) {
    generation *g = user;
    if (g->o->n == 0) return false;
    if (!g->tokens) catch_interrupt();
    char number[16] = "";
    const char *text = number;
    size_t bytes = 0;
    g->ended = t->last;
    g->tokens++;
    if (!g->detokenizer)
        bytes = (size_t)snprintf(number, sizeof number, "%d ", t->id);
    else if (!t->last)
        g->status = glint_detokenizer_next(g->detokenizer, t->id, &text, &bytes, g->err);
    if (g->status) return false;
    if (g->o->json) {
        print_text(g, text, bytes);
        g->status = print_event(g, t, text, bytes);
    } else {
        if (looks_inside(g->o))
            print_step(g, t);
        else
            print_text(g, text, bytes);
        g->status = print_flush(g->err);
    }
    return !g->status && !interrupted;
}

/* ---- Before and after ---- */

static bool is_greedy(const glint_sampling *r) {
    return r->temperature == 0 && r->repeat_penalty == 1 && r->presence_penalty == 0 && r->frequency_penalty == 0;
}

/* Are the likeliest tokens enough to choose from? */
static bool uses_top(const cli_options *o, const char **why) {
    if (is_greedy(&o->sampling)) return false; /* not even those are needed */
    return glint_sampling_uses_top(&o->sampling, why) && !looks_inside(o);
}

static void print_reading(const cli_options *o, int vocabulary) {
    const char *why = "";
    bool top = uses_top(o, &why);
    if (looks_inside(o))
        fprintf(stderr, "glint: each step reads all %d logits: --top and --watch look at them\n", vocabulary);
    else if (is_greedy(&o->sampling))
        fprintf(stderr, "glint: each step reads one token: the device takes the likeliest\n");
    else if (top)
        fprintf(stderr, "glint: each step reads the %d likeliest tokens: %s\n", GLINT_TOP, why);
    else
        fprintf(stderr, "glint: each step reads all %d logits: %s\n", vocabulary, why);
}

static glint_status open_sampler(const cli_options *o, const glint_model *model, uint64_t seed, glint_sampler **out,
                                 glint_error *err) {
    glint_sampling rules = o->sampling;
    rules.seed = seed;
    return is_greedy(&rules) ? GLINT_OK : glint_sampler_open(model, &rules, out, err);
}

static int64_t choose_seed(const cli_options *o) {
    uint32_t bits = 0; /* short enough to be typed again */
    if (o->seed >= 0) return o->seed;
    return getrandom(&bits, sizeof bits, 0) == sizeof bits ? bits : (int64_t)(cli_seconds() * 1e6) & 0xFFFFFFFF;
}

static glint_status print_start(const generation *g, const glint_session *session, const cli_ids *prompt,
                                int64_t seed) {
    json_t *ids = json_array();
    for (size_t i = 0; i < prompt->n; i++) json_array_append_new(ids, json_integer(prompt->ids[i]));
    json_t *event = json_pack("{s:s, s:o, s:s, s:s, s:s, s:I, s:i, s:o}", "event", "start", "model",
                              print_json_name(glint_model_path(g->model)), "device", glint_session_device(session),
                              "reason", glint_session_reason(session), "precision", cli_precisions[g->o->precision],
                              "seed", (json_int_t)seed, "context", glint_session_context(session), "prompt_ids", ids);
    return print_json(event, true, g->err);
}

static const char *end_reason(const generation *g) {
    if (interrupted) return "interrupt";
    if (g->ended) return "end of text";
    return g->o->n >= 0 && g->tokens >= g->o->n ? "length" : "context";
}

static double rate(int tokens, double seconds) {
    return seconds > 0 ? tokens / seconds : 0;
}

/* With the device that it ended on: the one that it began on may have failed. */
static glint_status print_end(const generation *g, const glint_session *session, const char *text, size_t bytes,
                              double load, const glint_timings *t) {
    json_t *event = json_pack(
        "{s:s, s:s, s:o, s:s, s:f, s:i, s:f, s:f, s:i, s:f, s:f}", "event", "end", "reason", end_reason(g), "text",
        print_json_text(text, bytes), "device", glint_session_device(session), "load_seconds", load, "prefill_tokens",
        t->prefill_tokens, "prefill_seconds", t->prefill_seconds, "prefill_tokens_per_second",
        rate(t->prefill_tokens, t->prefill_seconds), "decode_tokens", t->decode_tokens, "decode_seconds",
        t->decode_seconds, "decode_tokens_per_second", rate(t->decode_tokens, t->decode_seconds));
    return print_json(event, true, g->err);
}

static void print_summary(const generation *g, const glint_session *session, int64_t seed, bool sampled, double load,
                          const glint_timings *t) {
    char count[2][48];
    if (g->o->quiet) return;
    fprintf(stderr, "glint: load %.3f s; prefill %s, %.1f tokens/s; decode %s, %.1f tokens/s; stopped by %s\n", load,
            print_count(count[0], (size_t)t->prefill_tokens, "token"), rate(t->prefill_tokens, t->prefill_seconds),
            print_count(count[1], (size_t)t->decode_tokens, "token"), rate(t->decode_tokens, t->decode_seconds),
            end_reason(g));
    fprintf(stderr, "glint: device %s (%s)", glint_session_device(session), glint_session_reason(session));
    if (sampled) fprintf(stderr, "; seed %lld", (long long)seed);
    fputc('\n', stderr);
}

/* What is left in the detokenizer, and a line's end on a terminal. */
static void finish_text(generation *g) {
    const char *rest = "";
    size_t bytes = 0;
    if (g->detokenizer) glint_detokenizer_end(g->detokenizer, &rest, &bytes);
    if (looks_inside(g->o) && !g->o->json) return;
    print_text(g, rest, bytes);
    if (!g->o->json && g->tokens && g->last != '\n' && isatty(STDOUT_FILENO)) putchar('\n');
}

static glint_status generate(generation *g, glint_session *session, glint_sampler *sampler, const cli_ids *prompt,
                             glint_timings *timings) {
    int n = g->o->n < 0 ? 0 : g->o->n; /* the library's 0 is no limit */
    glint_generate_options options = {.prompt = prompt->ids,
                                      .n_prompt = prompt->n,
                                      .n = g->o->n == 0 ? 1 : n, /* on_token stops before it */
                                      .need_logits = looks_inside(g->o),
                                      .token = on_token,
                                      .user = g};
    glint_status s = glint_generate(session, sampler, &options, timings, g->err);
    if (!s) s = g->status;
    if (!s) finish_text(g);
    return s;
}

static glint_status run_session(generation *g, glint_session *session, const cli_ids *prompt, double load) {
    int64_t seed = choose_seed(g->o);
    glint_sampler *sampler = NULL;
    glint_timings timings = {0};
    char *text = NULL;
    size_t bytes = 0;
    g->text = open_memstream(&text, &bytes);
    g->top = calloc((size_t)g->o->top + 1, sizeof *g->top);
    glint_status s = g->text && g->top ? GLINT_OK : cli_fail(g->err, GLINT_INTERNAL, "out of memory");
    if (!s) s = open_sampler(g->o, g->model, (uint64_t)seed, &sampler, g->err);
    if (!s && glint_has_tokenizer(g->model)) s = glint_detokenizer_open(g->model, false, &g->detokenizer, g->err);
    if (!s && g->o->json) s = print_start(g, session, prompt, seed);
    if (!s) s = generate(g, session, sampler, prompt, &timings);
    if (g->text) fclose(g->text);
    if (!s && g->o->json) s = print_end(g, session, text, bytes, load, &timings);
    if (!s) s = print_flush(g->err);
    if (!s) print_summary(g, session, seed, sampler != NULL, load, &timings);
    glint_detokenizer_close(&g->detokenizer);
    glint_sampler_close(&sampler);
    free(g->top);
    free(text);
    return s;
}

glint_status cli_run(const cli_options *o, glint_error *err) {
    glint_model *model = NULL;
    glint_session *session = NULL;
    cli_ids prompt = {0};
    glint_session_options options = cli_session_options(o);
    double begin = cli_seconds(), load; /* without reading the prompt, which may be typed */
    if (o->plan) return cli_print_plan(o, &options, err);
    glint_status s = cli_open_model(o, &model, err);
    load = cli_seconds() - begin;
    generation g = {.o = o, .model = model, .err = err};
    if (!s) s = cli_read_prompt(o, model, &prompt, err);
    for (int i = 0; !s && i < o->watch.n; i++) s = find_watched(&g, o->watch.items[i], &g.watched[i], err);
    begin = cli_seconds();
    options.top = uses_top(o, NULL);
    if (!s) s = cli_open_session(o, model, &options, &session, err);
    if (!s && o->verbose) print_reading(o, glint_model_vocabulary(model));
    load += cli_seconds() - begin;
    if (!s) s = run_session(&g, session, &prompt, load);
    cli_free_ids(&prompt);
    glint_session_close(&session);
    glint_model_close(&model);
    return s;
}
