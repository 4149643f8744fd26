/* What several subcommands begin with: the model, the text or ids, the session. */
#ifndef CLI_SETUP_H
#define CLI_SETUP_H

#include "cli/options.h"

double cli_seconds(void); /* monotonic */

/* Opens -m, or the model installed with Glint. */
glint_status cli_open_model(const cli_options *o, glint_model **out, glint_error *err);

/* The text of -p (with -e: escapes read) or -f, malloc'ed, with a NUL after it that is not counted. GLINT_USAGE where
 * neither is given. */
glint_status cli_read_text(const cli_options *o, char **text, size_t *bytes, glint_error *err);

typedef struct cli_ids {
    char *text; /* NULL where the ids were given themselves */
    size_t bytes;
    int32_t *ids;
    size_t n;
} cli_ids;

/* --ids, or -p or -f through the model's tokenizer. */
glint_status cli_read_ids(const cli_options *o, const glint_model *model, cli_ids *out, glint_error *err);
/* The same, where there must be at least one id and every id must be of the vocabulary. */
glint_status cli_read_prompt(const cli_options *o, const glint_model *model, cli_ids *out, glint_error *err);
void cli_free_ids(cli_ids *ids);

/* Rows of logits that a step keeps where every position's are wanted: bounds memory, not the result. */
enum { CLI_OUTPUTS = 64 };

/* The options that all sessions take. */
glint_session_options cli_session_options(const cli_options *o);
/* GLINT_USAGE where the options say twice where the model goes. */
glint_status cli_check_places(const cli_options *o, glint_error *err);
/* --plan: prints where a session of these options would run, and how fast. */
glint_status cli_print_plan(const cli_options *o, const glint_session_options *options, glint_error *err);
/* Opens the session, and says on standard error what it is where -v asks for that, and where the context is longer than
 * the model's own. */
glint_status cli_open_session(const cli_options *o, glint_model *model, const glint_session_options *options,
                              glint_session **out, glint_error *err);

/* A line on standard error: where it ran, and why there. */
void cli_tell_device(const glint_session *session);
/* A line on standard error where glint_devices missed one: its driver's words. */
void cli_tell_missing(const glint_error *missing);

extern const char *const cli_precisions[]; /* by glint_precision */

#endif
