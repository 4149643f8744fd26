/* --help, from the tables of commands and options. */
#include <string.h>

#include "cli/command.h"

enum { WIDTH = 100, COLUMN = 30 };

/* Words of `text` filled into lines of WIDTH, each begun with `indent` spaces; the first line begins at `column`.
 * An empty line in the text stays one. */
static void print_filled(FILE *out, const char *text, int indent, int column) {
    while (*text) {
        int n = (int)strcspn(text, " \n");
        if (column > indent && column + 1 + n > WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        if (column < indent)
            column += fprintf(out, "%*s", indent - column, "");
        else if (column > indent)
            column += fprintf(out, " ");
        column += fprintf(out, "%.*s", n, text);
        text += n;
        if (strncmp(text, "\n\n", 2) == 0) {
            fputs("\n\n", out);
            column = 0;
        }
        text += strspn(text, " \n");
    }
    fputc('\n', out);
}

static void print_option(FILE *out, const cli_option *o) {
    char letter[8] = "    ";
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    int n = fprintf(out, "  %s--%s%s%s", letter, o->name, o->argument ? " " : "", o->argument ? o->argument : "");
    if (n >= COLUMN) {
        fputc('\n', out);
        n = 0;
    }
    n += fprintf(out, "%*s", COLUMN - n, "");
    print_filled(out, o->help, COLUMN, n);
}

static void print_overview(FILE *out) {
    fputs("Usage: glint COMMAND [options]\n\nGlint runs language models, and can show that every device computed the "
          "right thing.\n\nCommands:\n",
          out);
    for (int i = 0; i < cli_n_commands; i++) fprintf(out, "  %-12s%s\n", cli_commands[i].name, cli_commands[i].summary);
    fputs("\n'glint COMMAND --help' shows a command's options; 'glint --version' the version.\n\n"
          "Exit status: 0 success; 1 a comparison failed; 2 wrong usage; 3 bad input or unwritable output;\n"
          "4 device or memory; 5 internal error.\n",
          out);
}

void cli_help(FILE *out, const cli_command *command) {
    if (!command) {
        print_overview(out);
        return;
    }
    fprintf(out, "Usage: glint %s %s [options]\n\n", command->name, command->arguments);
    print_filled(out, command->details, 0, 0);
    fputs("\nOptions:\n", out);
    for (int i = 0; i < cli_n_options; i++)
        if (cli_option_table[i].commands & command->bit) print_option(out, &cli_option_table[i]);
}
