/* glint check: compares a device, op by op, with another or with a file. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/comparison.h"
#include "cli/paths.h"
#include "cli/setup.h"
#include "cli/steps.h"

/* What is fed where no text was given: any will do. */
static const char default_text[] = "The quick brown fox jumps over the lazy dog.";

/* Against a file the prompts are the file's, where none is given. */
static glint_status read_prompt(const cli_options *o, const glint_model *model, cli_ids *prompt, glint_error *err) {
    cli_options with_text = *o;
    if (!o->prompt && !o->file && !o->id_list) {
        if (o->against && access(o->against, R_OK) == 0) return GLINT_OK;
        with_text.prompt = default_text;
    }
    return cli_read_prompt(&with_text, model, prompt, err);
}

/* auto: a hardware GPU, else the CPU. */
static const char *choose_device(const cli_options *o, glint_device_info *first) {
    enum { MOST = 32 };
    glint_device_info list[MOST];
    glint_error missing;
    if (o->device && strcmp(o->device, "auto")) return o->device;
    int n = glint_devices(list, MOST, &missing);
    for (int i = 0; i < n && i < MOST; i++)
        if (!list[i].software) {
            *first = list[i];
            return first->name;
        }
    if (!o->quiet) cli_tell_missing(&missing);
    return "cpu";
}

/* Where comparisons go. */
typedef struct output {
    comparison_list list;
    glint_report *page; /* NULL: none is wanted */
    steps *log;         /* in place of the list; NULL: not wanted */
} output;

static void on_comparison(const glint_comparison *c, void *user) {
    output *o = user;
    if (o->log)
        steps_add(o->log, c);
    else
        comparison_add(c, &o->list);
    if (o->page) glint_report_comparison(o->page, c);
}

static glint_status open_page(const cli_options *o, const glint_check_options *check, const glint_model *model,
                              glint_report **out, glint_error *err) {
    if (!o->html) return GLINT_OK;
    glint_report_options options = {.path = o->html,
                                    .title = "glint check",
                                    .model = model,
                                    .device = check->split ? check->split : check->device,
                                    .reference = check->against ? check->against : "cpu:ref",
                                    .precision = check->precision};
    return glint_report_open(&options, out, err);
}

static glint_status finish_page(glint_report *page, const glint_verdict *verdict, glint_error *err) {
    if (!page) return GLINT_OK;
    glint_report_verdict(page, verdict);
    return glint_report_finish(page, err);
}

/* The verdict is part of the result where there is one, also of a check that failed. */
static glint_status run(glint_model *model, const glint_check_options *options, const cli_options *o,
                        const cli_ids *prompt, glint_error *err) {
    steps log = steps_open(model, prompt->text, prompt->bytes);
    output out = {.log = o->steps && !o->json ? &log : NULL};
    glint_verdict verdict;
    glint_check_options with_output = *options;
    with_output.compared = on_comparison;
    with_output.user = &out;
    glint_status s = open_page(o, options, model, &out.page, err);
    if (s) return s;
    comparison_open(&out.list, o->json, o->verbose);
    s = glint_check(model, &with_output, &verdict, err);
    bool judged = !s || s == GLINT_MISMATCH;
    glint_error writing;
    glint_status written = judged ? finish_page(out.page, &verdict, &writing) : GLINT_OK;
    glint_report_close(&out.page);
    if (!judged || written || out.log) {
        comparison_discard(&out.list);
        if (judged && !written) puts(verdict.line);
        if (written) *err = writing;
        return written ? written : s;
    }
    glint_status printed = comparison_end(&out.list, &verdict, &writing);
    if (printed) *err = writing;
    return printed ? printed : s;
}

/* Options that ask for something else than another one does. */
static glint_status check_together(const cli_options *o, glint_error *err) {
    const struct {
        const char *one, *other;
        bool both;
    } apart[] = {
        {"--paths", "--split", o->paths && o->split},     {"--paths", "--against", o->paths && o->against},
        {"--paths", "--free", o->paths && o->free_run},   {"--paths", "--bisect", o->paths && o->bisect},
        {"--paths", "--steps", o->paths && o->steps},     {"--paths", "--html", o->paths && o->html},
        {"--paths", "--layers", o->paths && o->layers},   {"--paths", "--unfused", o->paths && o->unfused},
        {"--bisect", "--free", o->bisect && o->free_run},
    };
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++)
        if (apart[i].both)
            return cli_fail(err, GLINT_USAGE, "%s and %s ask different things: only one of them can be given",
                            apart[i].one, apart[i].other);
    return cli_check_places(o, err);
}

glint_status cli_check(const cli_options *o, glint_error *err) {
    glint_model *model = NULL;
    glint_device_info first;
    cli_ids prompt = {0};
    int32_t *layers = NULL;
    size_t n_layers = 0;
    glint_status s = check_together(o, err);
    if (!s) s = cli_open_model(o, &model, err);
    if (!s && o->layers) s = cli_parse_ids(o->layers, "--layers", "layer", &layers, &n_layers, err);
    if (!s) s = read_prompt(o, model, &prompt, err);
    if (!s) {
        glint_check_options options = {.device = o->split ? NULL : choose_device(o, &first),
                                       .split = o->split,
                                       .against = o->against,
                                       .precision = (glint_precision)o->precision,
                                       .threads = o->threads,
                                       .prompt = prompt.ids,
                                       .n_prompt = prompt.n,
                                       .n = o->n,
                                       .batch = o->batch,
                                       .free_run = o->free_run,
                                       .unfused = o->unfused || o->steps,
                                       .bisect = o->bisect,
                                       .layers = layers,
                                       .n_layers = (int)n_layers};
        s = o->paths ? cli_check_paths(o, model, &options, err) : run(model, &options, o, &prompt, err);
    }
    free(layers);
    cli_free_ids(&prompt);
    glint_model_close(&model);
    return s;
}
