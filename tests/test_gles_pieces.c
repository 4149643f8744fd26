/* Steps cut into pieces of 100 ms: where the cuts are, and what is learnt from steps that were waited for. */
#include <math.h>
#include <time.h>

#include "backends/gles/pieces.h"
#include "tests/support/support.h"

static double shares[] = {0.1, 0.2, 0.4, 0.05, 0.05, 0.2};
enum { GROUPS = sizeof shares / sizeof *shares };

static backend_program make_program(double row_seconds) {
    return (backend_program){.share = shares, .n_groups = GROUPS, .row_seconds = row_seconds};
}

static void test_cuts(void) {
    backend_program short_step = make_program(0.01), long_step = make_program(0.05), unknown = make_program(INFINITY);
    CU_ASSERT_EQUAL(gles_piece_end(&short_step, 10, 0, GROUPS), GROUPS); /* 100 ms in all */
    CU_ASSERT_EQUAL(gles_piece_end(&short_step, 10, 2, 4), 4);
    /* 250 ms: 25, 50 | 100 | 12.5, 12.5, 50 */
    CU_ASSERT_EQUAL(gles_piece_end(&long_step, 5, 0, GROUPS), 2);
    CU_ASSERT_EQUAL(gles_piece_end(&long_step, 5, 2, GROUPS), 3);
    CU_ASSERT_EQUAL(gles_piece_end(&long_step, 5, 3, GROUPS), GROUPS);
    CU_ASSERT_EQUAL(gles_piece_end(&long_step, 5, 3, 5), 5);
    CU_ASSERT_EQUAL(gles_piece_end(&long_step, 50, 2, GROUPS), 3); /* longer than a piece may be, but one group */
    for (int g = 0; g < GROUPS; g++) CU_ASSERT_EQUAL(gles_piece_end(&unknown, 1, g, GROUPS), g + 1);
}

static void rest(long milliseconds) {
    nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL);
}

static void test_learns(void) {
    backend_program p = make_program(INFINITY);
    gles_pieces_begin(&p, 0); /* some groups alone: nothing about a step */
    p.steps++;
    gles_pieces_waited(&p, 0);
    CU_ASSERT(isinf(p.row_seconds));
    CU_ASSERT_EQUAL(p.waited, 1);
    gles_pieces_begin(&p, 4);
    p.steps++;
    rest(20);
    gles_pieces_waited(&p, 1);
    CU_ASSERT(p.row_seconds >= 0.005 && p.row_seconds < 1);
    double known = p.row_seconds;
    gles_pieces_waited(&p, 1); /* what is over is over */
    CU_ASSERT_EQUAL(p.row_seconds, known);
    for (int i = 0; i < BACKEND_IN_FLIGHT + 1; i++, p.steps++) gles_pieces_begin(&p, 1);
    gles_pieces_waited(&p, 2); /* when it began is forgotten */
    CU_ASSERT_EQUAL(p.row_seconds, known);
    rest(10);
    gles_pieces_waited(&p, p.steps - 2);
    known = p.row_seconds;
    CU_ASSERT(known >= 0.01);
    gles_pieces_waited(&p, p.steps - 1); /* it cannot have begun before the one before it ended */
    CU_ASSERT(p.row_seconds < known);
}

int main(void) {
    static const support_case cases[] = {{"cuts", test_cuts}, {"learns", test_learns}};
    return support_main("gles pieces", cases, sizeof cases / sizeof *cases);
}
