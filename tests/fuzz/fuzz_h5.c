/* Fuzz target: any bytes as a model file, read as the loader child reads them, without its jail. What the
 * child accepts, the daemon's verifier must accept too. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "fuzz/fuzz.h"
#include "h5/model.h"
#include "h5/read.h"
#include "h5/source.h"
#include "image/image.h"

const char *__lsan_default_suppressions(void);

#define MAX_IMAGE ((size_t)256 << 20)

/* libhdf5 loses memory over damaged files. The child that reads one ends with it; leaks of our own still count. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int ready;
    struct err err = {0};
    struct image *image;
    struct h5_source source = h5_source_memory(data, size);
    if (!ready && h5_init(&err))
        abort();
    ready = 1;
    int fd = memfd_create("image", MFD_CLOEXEC);
    if (fd < 0)
        abort();
    int code = h5_read_file(&source, fd, MAX_IMAGE, NULL, &err);
    if (code && !err.text[0])
        abort();
    if (!code) {
        if (image_open(fd, MAX_IMAGE, &image, &err)) {
            fprintf(stderr, "accepted by the child, refused by the verifier: %s\n", err.text);
            abort();
        }
        image_close(image);
    }
    close(fd);
    return 0;
}
