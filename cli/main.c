/* glint: finds the subcommand, parses its options, runs it, and turns a status into an exit status. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/print.h"

const cli_command cli_commands[] = {
    {"run", CLI_RUN, "[-m MODEL] [-p TEXT | -f FILE | --ids LIST] [-n N]", "generate text",
     "Continues a prompt and prints the new text as it comes. Interrupting (Ctrl-C) stops after the current token; a "
     "second interrupt, or one before the first token, ends at once. A summary with load time, tokens a second and the "
     "device follows on standard "
     "error.\n\n"
     "With --top or --watch a line for each token takes the place of the plain text. With --json each event is one "
     "line: \"start\", \"token\" for each token, \"end\".",
     cli_run},
    {"tokenize", CLI_TOKENIZE, "[-m MODEL] [-p TEXT | -f FILE] [--ids] [--no-special] [--decode]",
     "turn text into token ids, and back",
     "Prints the tokens that a text makes, one a line. With --decode the text is a list of ids, and the text that they "
     "make is printed without tokens such as the beginning of the text.",
     cli_tokenize},
    {"inspect", CLI_INSPECT, "[MODEL] [--card] [--tensors] [--digest]", "show what is in a model file",
     "Says what a model file holds and what Glint makes of it. Without --card, --tensors or --digest: an overview, "
     "what is suspicious in the weights (it reads all of them, about a second for a billion), and the card.",
     cli_inspect},
    {"devices", CLI_DEVICES, "[-d DEVICE] [--self-test]", "show what can run here, and how fast",
     "Lists the devices, and what drivers say of theirs: version, limits, extensions used, measured read bandwidth and "
     "cost of a dispatch, and what the self-test found. With --self-test every op runs on each device (or on -d "
     "DEVICE) "
     "and is compared with the oracle; the exit status is 1 when one differs by more than its bound.\n\n"
     "A driver's device is tested so, once, when it is first used, and a device that fails is not used. "
     "GLINT_SELF_TEST=0 in the environment uses it all the same, GLINT_SELF_TEST=1 tests it anew. The outcome is kept "
     "with the compiled programs in $GLINT_CACHE_DIR, $XDG_CACHE_HOME/glint or ~/.cache/glint; the folder may be "
     "removed at any time.",
     cli_devices},
    {"bench", CLI_BENCH, "[-m MODEL] [-p N] [-n N] [-r N]", "measure tokens a second",
     "Measures a prompt (pp) and decoding (tg), as a median with the smallest and the largest measurement, and the "
     "bytes that were read a second as a share of the read bandwidth measured in the same run.",
     cli_bench},
    {"perplexity", CLI_PERPLEXITY, "[-m MODEL] -f FILE [-c N] [--score half|all]", "score a text",
     "Prints the mean negative log-likelihood of a text's tokens and the perplexity, its exponential.", cli_perplexity},
    {"trace", CLI_TRACE, "[-m MODEL] [-p TEXT | -f FILE | --ids LIST] [-n N] [-o FILE] [--html FILE]",
     "write the values of a run",
     "Runs a prompt and N greedy steps, writes every observed value to a safetensors file, and prints statistics of "
     "each. Names and shapes are described in docs/trace-format.md. With --html the growth of the residual stream, the "
     "likeliest tokens, the statistics and the architecture card become a page that needs no network.",
     cli_trace},
    {"check", CLI_CHECK, "[-m MODEL] [-d DEVICE] [--against DEVICE|FILE] [-p TEXT | -f FILE | --ids LIST] [-n N]",
     "compare a device with the oracle, op by op",
     "Runs a prompt and N steps on a device and on the oracle (or on the device of --against), and compares every "
     "value. "
     "Each group of ops gets the reference's numbers as its inputs, so that an error does not travel; right is what "
     "lies "
     "within the bounds of docs/numerics.md. Each group runs twice, so that a race shows.\n\n"
     "Against a file, its own prompts are run, and the device gets the file's numbers wherever the file has some: this "
     "finds what is wrong in the model itself, where every device agrees.\n\n"
     "A split is compared op by op with a device: not with a file, nor with --free, --bisect or --paths.\n\n"
     "Values that are right are folded in the table (-v: all of them); the verdict comes last. The exit status is 1 "
     "when "
     "one differs by more than its bound.",
     cli_check},
    {"diff", CLI_DIFF, "A B [-m MODEL]", "compare two traces, or a trace and a reference, and name the fault",
     "Compares what is to be tested (A) with what is right (B). Both are traces of 'glint trace', or references that "
     "tools/hf_reference.py made with Hugging Face transformers, of the same prompts. Every value that both have is "
     "compared; the first that differs is looked at for what kind of fault makes such numbers. With -m each value that "
     "differs is computed from its own inputs with the model's weights: what only carries an earlier error on is told "
     "from what is wrong itself, and causes are tried until one makes the same numbers.\n\n"
     "The exit status is 1 when values differ, 3 when the files cannot be compared.",
     cli_diff},
};
const int cli_n_commands = sizeof cli_commands / sizeof *cli_commands;

const cli_command *cli_find_command(const char *name) {
    for (int i = 0; i < cli_n_commands; i++)
        if (strcmp(cli_commands[i].name, name) == 0) return &cli_commands[i];
    return NULL;
}

/* `glint help [COMMAND]`; `help man [COMMAND]` and `help completion SHELL` are for building and installing. */
static glint_status help(int argc, char **argv, glint_error *err) {
    bool man = argc > 1 && strcmp(argv[1], "man") == 0;
    if (argc == 3 && strcmp(argv[1], "completion") == 0) return cli_completion(stdout, argv[2], err);
    const char *name = argv[man ? 2 : 1]; /* argv ends with NULL */
    const cli_command *command = name ? cli_find_command(name) : NULL;
    if (name && !command) return cli_fail(err, GLINT_USAGE, "unknown command '%s'", name);
    (man ? cli_man : cli_help)(stdout, command);
    return GLINT_OK;
}

/* inspect takes its model as an operand too, diff its two files; nothing else takes operands. */
static glint_status take_operands(const cli_command *c, char **operands, cli_options *o, glint_error *err) {
    if (c->bit == CLI_INSPECT && !o->model && operands[0]) o->model = *operands++;
    for (int i = 0; i < 2 && c->bit == CLI_DIFF && operands[0]; i++) o->files[i] = *operands++;
    if (operands[0]) return cli_fail(err, GLINT_USAGE, "unexpected argument '%s'", operands[0]);
    return GLINT_OK;
}

static glint_status run_command(const cli_command *c, int argc, char **argv, glint_error *err) {
    cli_options options;
    int operands;
    glint_status s = cli_parse(c->bit, argc, argv, &options, &operands, err);
    if (s) return s;
    if (options.help) {
        cli_help(stdout, c);
        return GLINT_OK;
    }
    s = take_operands(c, argv + operands, &options, err);
    return s ? s : c->run(&options, err);
}

static glint_status dispatch(int argc, char **argv, const cli_command **command, glint_error *err) {
    const char *name = argc > 1 ? argv[1] : "";
    if (!*name) return cli_fail(err, GLINT_USAGE, "a command is needed");
    if (strcmp(name, "--version") == 0) return puts("glint " GLINT_VERSION), GLINT_OK;
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return cli_help(stdout, NULL), GLINT_OK;
    if (strcmp(name, "help") == 0) return help(argc - 1, argv + 1, err);
    *command = cli_find_command(name);
    if (!*command) return cli_fail(err, GLINT_USAGE, "unknown command '%s'", name);
    return run_command(*command, argc - 1, argv + 1, err);
}

int main(int argc, char **argv) {
    glint_error err = {""};
    const cli_command *command = NULL;
    glint_status status = dispatch(argc, argv, &command, &err);
    if (!status || status == GLINT_MISMATCH) { /* then there is a result, which must have been written */
        glint_error unwritten;
        glint_status written = print_flush(&unwritten);
        if (written) err = unwritten;
        if (written) status = written;
    }
    if (!status) return 0;
    fflush(stdout); /* what was printed comes before the message */
    fprintf(stderr, "glint: %s", err.message);
    if (status == GLINT_USAGE && command)
        fprintf(stderr, " (try 'glint %s --help')", command->name);
    else if (status == GLINT_USAGE)
        fputs(" (try 'glint --help')", stderr);
    fputc('\n', stderr);
    return (int)status;
}
