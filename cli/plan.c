/* --plan: where the model would run, what it needs there, and how fast it will be. */
#include "cli/command.h"
#include "cli/print.h"
#include "cli/setup.h"

static glint_status print_table_of(const glint_plan *plan, glint_error *err) {
    const glint_plan_part *parts;
    char text[32];
    print_table t;
    print_table_open(&t, "llrrrrr",
                     (const char *[]){"device", "pieces", "weights", "cache", "scratch", "may use", "a token"});
    for (int i = 0, n = glint_plan_parts(plan, &parts); i < n; i++) {
        const glint_plan_part *p = &parts[i];
        print_table_cell(&t, "%s", p->device);
        print_table_cell(&t, "%s", p->pieces);
        print_table_cell(&t, "%s", print_bytes(text, p->weight_bytes));
        print_table_cell(&t, "%s", print_bytes(text, p->cache_bytes));
        print_table_cell(&t, "%s", print_bytes(text, p->scratch_bytes));
        print_table_cell(&t, "%s", p->memory_bytes > 0 ? print_bytes(text, p->memory_bytes) : "unknown");
        print_table_cell(&t, "%.3f ms", 1e3 * p->token_seconds);
    }
    return print_table_end(&t, err);
}

static double rate(double tokens, double seconds) {
    return seconds > 0 ? tokens / seconds : 0;
}

/* Of the prompt that bench measures, where the context holds one; else of a chunk. */
static int prompt_tokens(const cli_options *o, const glint_plan *plan) {
    bool held = o->bench_prompt > 0 && (!o->context || o->bench_prompt <= o->context);
    return held ? o->bench_prompt : glint_plan_batch(plan);
}

static glint_status print_words(const cli_options *o, const glint_plan *plan, glint_error *err) {
    int prompt = prompt_tokens(o, plan);
    glint_status s = print_table_of(plan, err);
    if (s) return s;
    printf("\ndecode  %.1f tokens/s predicted\n", rate(1, glint_plan_token_seconds(plan)));
    printf("prompt  %.1f tokens/s predicted for %d tokens, in chunks of %d\n",
           rate(prompt, glint_plan_prompt_seconds(plan, prompt)), prompt, glint_plan_batch(plan));
    printf("why     %s\n", glint_plan_reason(plan));
    return GLINT_OK;
}

static glint_status print_plan_json(const cli_options *o, const glint_plan *plan, glint_error *err) {
    int prompt = prompt_tokens(o, plan);
    const glint_plan_part *parts;
    json_t *list = json_array();
    for (int i = 0, n = glint_plan_parts(plan, &parts); i < n; i++) {
        const glint_plan_part *p = &parts[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f}", "device", p->device, "pieces",
                                              p->pieces, "weight_bytes", p->weight_bytes, "cache_bytes", p->cache_bytes,
                                              "scratch_bytes", p->scratch_bytes, "memory_bytes", p->memory_bytes,
                                              "token_seconds", p->token_seconds, "prompt_seconds", p->prompt_seconds));
    }
    return print_json(json_pack("{s:s, s:s, s:f, s:f, s:o}", "split", glint_plan_split(plan), "reason",
                                glint_plan_reason(plan), "decode_tokens_per_second",
                                rate(1, glint_plan_token_seconds(plan)), "prompt_tokens_per_second",
                                rate(prompt, glint_plan_prompt_seconds(plan, prompt)), "parts", list),
                      false, err);
}

glint_status cli_print_plan(const cli_options *o, const glint_session_options *options, glint_error *err) {
    glint_model *model = NULL;
    glint_plan *plan = NULL;
    glint_status s = cli_check_places(o, err);
    if (!s) s = cli_open_model(o, &model, err);
    if (!s) s = glint_plan_open(model, options, &plan, err);
    if (!s) s = (o->json ? print_plan_json : print_words)(o, plan, err);
    glint_plan_close(&plan);
    glint_model_close(&model);
    return s;
}
