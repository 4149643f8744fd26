/* A device that is kept awake while it rests: looking begins with the rest, and ends with the next call or by itself.
 */
#include <stdlib.h>

#include "backends/gles/device.h"
#include "tests/support/support.h"

/* NULL: there is no device that can be tried out. */
static backend_device *open_device(const char *mask) {
    glint_error err;
    backend_device *d = NULL;
    glint_device_info list[4];
    int n = support_gles(list, 4);
    setenv("GLINT_GLES_AWAKE", mask, 1);
    for (int i = 0; i < n && !d; i++) {
        SUPPORT_OK(backend_of_device(list[i].name)->open(list[i].name, &(backend_options){0}, &d, &err), &err);
        SUPPORT_OK(gles_use(d, &err), &err);
        SUPPORT_OK(gles_awake_open(d, &err), &err);
    }
    unsetenv("GLINT_GLES_AWAKE");
    return d;
}

static void close_device(backend_device *d) {
    backend_of_device("gles:0")->close(d);
}

static void test_looks(void) {
    glint_error err;
    backend_device *d = open_device("1");
    if (!d || !d->awake.works) {
        support_skip("nothing that stays mapped");
        if (d) close_device(d);
        return;
    }
    gles_awake *a = &d->awake;
    CU_ASSERT(a->looks > 0);
    CU_ASSERT_EQUAL(a->word[0], a->number);

    gles_rest(d); /* to its end */
    CU_ASSERT(a->resting);
    CU_ASSERT_EQUAL(a->word[0] + 1, a->number);
    d->c.gl.Finish();
    CU_ASSERT_EQUAL(a->word[1], a->looks);
    uint32_t number = a->number;
    gles_rest(d); /* it rests already */
    CU_ASSERT_EQUAL(a->number, number);

    SUPPORT_OK(gles_use(d, &err), &err);
    CU_ASSERT_FALSE(a->resting);
    CU_ASSERT_EQUAL(a->word[0], number);
    CU_ASSERT(a->rested > 0);

    a->word[0] = number + 1; /* the next rest is over before it begins */
    gles_rest(d);
    d->c.gl.Finish();
    CU_ASSERT_EQUAL(a->word[1], 0);
    SUPPORT_OK(gles_check(&d->c, "testing", &err), &err);
    close_device(d);
}

static void test_not_wanted(void) {
    backend_device *d = open_device("0");
    if (!d) return;
    gles_rest(d);
    CU_ASSERT(!d->awake.works && !d->awake.resting && !d->awake.buffer);
    close_device(d);
}

int main(void) {
    const support_case cases[] = {{"looking", test_looks}, {"not wanted", test_not_wanted}};
    return support_main("gles awake", cases, sizeof cases / sizeof *cases);
}
