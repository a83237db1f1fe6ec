/* replay: runs a fuzz target over a corpus without a fuzzer, and over simple mutations of each file: cut
 * short, one byte changed, one piece doubled. The mutations come from a fixed sequence, so a failure comes
 * back.
 *
 * usage: fuzz_x [-n MUTATIONS] FILE-OR-DIRECTORY ... ; "@" stands for $KERASD_SRCDIR */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"

#define MAX_FILE (1 << 20)

static uint64_t state = 1;
static size_t n_inputs;

static uint64_t next(uint64_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return below ? (state >> 33) % below : 0;
}

static void run(const uint8_t *data, size_t size)
{
    n_inputs++;
    LLVMFuzzerTestOneInput(data, size);
}

static void mutate(const uint8_t *data, size_t size)
{
    static const char interesting[] = "{}[],:\"0-9eNI\\\0\xff";
    uint8_t *copy = malloc(2 * size + 1);
    size_t at = next(size), length = next(size - at + 1), new_size = size;
    memcpy(copy, data, size);
    switch (next(4)) {
    case 0:
        new_size = at;
        break;
    case 1:
        copy[at] = (uint8_t)interesting[next(sizeof(interesting))];
        break;
    case 2: /* cut a piece out */
        memmove(copy + at, copy + at + length, size - at - length);
        new_size = size - length;
        break;
    default: /* double a piece */
        memcpy(copy + at + length, data + at, size - at);
        new_size = size + length;
    }
    run(copy, new_size);
    free(copy);
}

static int replay_file(const char *path, int mutations)
{
    static uint8_t data[MAX_FILE];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    size_t size = fread(data, 1, sizeof(data), file);
    fclose(file);
    run(data, size);
    for (int i = 0; i < mutations && size > 0; i++)
        mutate(data, size);
    return 0;
}

static int replay(const char *path, int mutations)
{
    struct stat status;
    struct dirent *entry;
    char full[2 * PATH_MAX];
    int failed = 0;
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode))
        return replay_file(path, mutations);
    DIR *folder = opendir(path);
    while (folder && (entry = readdir(folder)) != NULL) {
        snprintf(full, sizeof(full), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            failed |= replay_file(full, mutations);
    }
    if (folder)
        closedir(folder);
    return failed;
}

int main(int argc, char **argv)
{
    const char *source = getenv("KERASD_SRCDIR");
    char path[PATH_MAX];
    int mutations = 60, failed = 0, first = 1;
    if (argc > 2 && strcmp(argv[1], "-n") == 0) {
        mutations = atoi(argv[2]);
        first = 3;
    }
    for (int i = first; i < argc; i++) {
        snprintf(path, sizeof(path), "%s%s", argv[i][0] == '@' && source ? source : "",
                 argv[i] + (argv[i][0] == '@'));
        failed |= replay(path, mutations);
    }
    if (first == argc) {
        snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", source ? source : ".",
                 strrchr(argv[0], '/') ? strstr(strrchr(argv[0], '/'), "fuzz_") + strlen("fuzz_") : argv[0]);
        failed = replay(path, mutations);
    }
    printf("%zu inputs\n", n_inputs);
    return failed || n_inputs == 0;
}
