/* Fuzz target: any bytes as a configuration file. What is taken must print as a file that means the same. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"
#include "fuzz/fuzz.h"

/* NULL if the text is refused; then there is a sentence. */
static struct conf *read_text(const void *data, size_t size)
{
    char path[64];
    struct err err = {0};
    struct conf *conf = conf_new();
    int fd = memfd_create("conf", MFD_CLOEXEC);
    if (!conf || fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int code = conf_read(conf, path, &err);
    if (code == 0)
        code = conf_finish(conf, &err);
    close(fd);
    if (code == 0)
        return conf;
    if (!err.text[0] || code != err.code)
        abort();
    conf_free(conf);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (memmem(data, size, "include", 7)) /* would read files of this machine */
        return 0;
    struct conf *conf = read_text(data, size);
    if (!conf)
        return 0;
    struct buf first, second;
    buf_init(&first, 1 << 24);
    buf_init(&second, 1 << 24);
    conf_print(conf, &first);
    conf_free(conf);
    conf = read_text(first.data, first.length);
    if (!conf)
        abort();
    conf_print(conf, &second);
    conf_free(conf);
    if (first.length != second.length || memcmp(first.data, second.data, first.length) != 0)
        abort();
    buf_done(&first);
    buf_done(&second);
    return 0;
}
