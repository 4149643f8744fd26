/* Man pages in roff, from the tables of commands and options. */
#include <ctype.h>

#include "cli/command.h"

/* Text as roff shows it: backslashes and hyphens escaped, no line that begins like a request. */
static void put(FILE *out, const char *text) {
    bool begins = true;
    for (; *text; text++) {
        if (begins && (*text == '.' || *text == '\'')) fputs("\\&", out);
        begins = *text == '\n';
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\n' && text[1] == '\n')
            fputs("\n.PP", out);
        else
            fputc(*text, out);
    }
}

static void put_title(FILE *out, const char *suffix) {
    fputs(".TH GLINT", out);
    if (*suffix) fputs("\\-", out);
    for (const char *p = suffix; *p; p++) fputc(toupper((unsigned char)*p), out);
    fprintf(out, " 1 \"\" \"Glint %s\" \"Glint\"\n.SH NAME\nglint%s%s \\- ", GLINT_VERSION, *suffix ? "\\-" : "",
            suffix);
}

static void put_option(FILE *out, const cli_option *o) {
    fputs(".TP\n", out);
    if (o->letter) fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", out);
    put(out, o->name);
    fputs("\\fR", out);
    if (o->argument) {
        fputs(" \\fI", out);
        put(out, o->argument);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    put(out, o->help);
    fputc('\n', out);
}

static void put_exit_status(FILE *out) {
    static const char *const meanings[] = {"success",          "a comparison failed",
                                           "wrong usage",      "bad input or unwritable output",
                                           "device or memory", "internal error"};
    fputs(".SH EXIT STATUS\n", out);
    for (int i = 0; i < 6; i++) fprintf(out, ".TP\n.B %d\n%s\n", i, meanings[i]);
}

static void put_overview(FILE *out) {
    put_title(out, "");
    fputs("run language models, and show that every device computed the right thing\n.SH SYNOPSIS\n.B glint\n"
          ".I COMMAND\n[\\fIoptions\\fR]\n.SH COMMANDS\n",
          out);
    for (int i = 0; i < cli_n_commands; i++)
        fprintf(out, ".TP\n.BR glint\\-%s (1)\n%s\n", cli_commands[i].name, cli_commands[i].summary);
    fputs(".SH ENVIRONMENT\n.TP\n.B GLINT_CPU\nref, portable, avx2 or avx512: the best instruction set that the CPU "
          "device may use\n",
          out);
    put_exit_status(out);
}

void cli_man(FILE *out, const cli_command *command) {
    if (!command) {
        put_overview(out);
        return;
    }
    put_title(out, command->name);
    put(out, command->summary);
    fprintf(out, "\n.SH SYNOPSIS\n.B glint %s\n", command->name);
    put(out, command->arguments);
    fputs(" [options]\n.SH DESCRIPTION\n", out);
    put(out, command->details);
    fputs("\n.SH OPTIONS\n", out);
    for (int i = 0; i < cli_n_options; i++)
        if (cli_option_table[i].commands & command->bit) put_option(out, &cli_option_table[i]);
    put_exit_status(out);
    fputs(".SH SEE ALSO\n.BR glint (1)\n", out);
}
