/* Sources: from paths to models, versions and files.
 *
 *   path = FILE                     version 1
 *   path = DIR   DIR/3/model.h5     version 3: directories with numbers as names, like TensorFlow Serving
 *                DIR/model.h5       version 1, if there are no numbers
 *   model_directory = DIR           DIR/NAME.h5, DIR/NAME/model.h5 and DIR/NAME/3/model.h5
 *
 * In a directory the model's file is model.h5 (or .keras, .hdf5), or else the only file with such a suffix.
 * Names that begin with a dot are never looked at: copy to ".tmp", then rename. Which of the versions are
 * wanted is the policy's choice. A symbolic link is followed, so a link that is moved is a changed file
 * (Kubernetes does that). */
#include "registry/source.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/arena.h"
#include "base/size.h"
#include "base/str.h"
#include "registry/beside.h"

#define MAX_ENTRIES 100000 /* of one directory */

static const char *const suffixes[] = {".h5", ".keras", ".hdf5"};

bool registry_file_identify(const char *path, struct registry_file *ret)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return false;
    if (!S_ISREG(status.st_mode)) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
        return false;
    }
    *ret = (struct registry_file){
        .device = status.st_dev,
        .inode = status.st_ino,
        .size = (uint64_t)status.st_size,
        .mtime_ns = status.st_mtim.tv_sec * INT64_C(1000000000) + status.st_mtim.tv_nsec,
    };
    ret->newest_ns = ret->mtime_ns;
    return true;
}

bool registry_file_same(const struct registry_file *a, const struct registry_file *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && a->mtime_ns == b->mtime_ns &&
           a->beside == b->beside;
}

bool registry_model_stem(const char *path, char *stem, size_t size)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < KD_COUNT(suffixes); i++) {
        if (str_ends(name, suffixes[i]) && strlen(name) > strlen(suffixes[i])) {
            snprintf(stem, size, "%.*s", (int)(strlen(name) - strlen(suffixes[i])), name);
            return true;
        }
    }
    return false;
}

/* ---- looking ---- */

/* Names in a directory, sorted; the hidden ones left out. */
struct listing {
    size_t n;
    const char **names;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool add_name(struct arena *arena, struct listing *listing, size_t *room, const char *name)
{
    if (listing->n == *room) {
        size_t more = *room ? 2 * *room : 16;
        const char **names = arena_calloc(arena, more, sizeof(*names));
        if (!names)
            return false;
        if (listing->n)
            memcpy(names, listing->names, listing->n * sizeof(*names));
        listing->names = names;
        *room = more;
    }
    return (listing->names[listing->n++] = arena_strdup(arena, name)) != NULL;
}

static bool is_remote(const char *path)
{
    struct statfs status;
    if (statfs(path, &status) < 0)
        return true;
    switch ((unsigned long)status.f_type) {
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case FUSE_SUPER_MAGIC:
    case V9FS_MAGIC:
    case CEPH_SUPER_MAGIC:
    case AFS_SUPER_MAGIC:
        return true;
    default:
        return false;
    }
}

static void note_directory(struct registry_sources *sources, const char *path)
{
    struct registry_directory *directory = arena_alloc(sources->arena, sizeof(*directory));
    if (!directory || !(directory->path = arena_strdup(sources->arena, path)))
        return;
    directory->next = sources->directories;
    sources->directories = directory;
    sources->remote = sources->remote || is_remote(path);
}

/* Returns NULL, or why the directory cannot be listed. */
static const char *list(struct registry_sources *sources, const char *path, struct listing *ret)
{
    struct arena *arena = sources->arena;
    size_t room = 0;
    bool ok = true;
    *ret = (struct listing){0};
    DIR *dir = opendir(path);
    if (!dir)
        return arena_printf(arena, "cannot read the directory: %s", strerror(errno));
    note_directory(sources, path);
    for (struct dirent *entry; ok && ret->n < MAX_ENTRIES && (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            ok = add_name(arena, ret, &room, entry->d_name);
    closedir(dir);
    if (!ok)
        return "out of memory";
    if (ret->n == MAX_ENTRIES)
        return arena_printf(arena, "the directory has more than %d entries", MAX_ENTRIES);
    if (ret->n)
        qsort(ret->names, ret->n, sizeof(*ret->names), compare_names);
    return NULL;
}

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* The model's file among the names of a directory. NULL with *ret_error if there is none or more than one;
 * *ret_error stays NULL if the directory simply holds no model file. */
static const char *model_file(struct arena *arena, const char *directory, const struct listing *names,
                              const char **ret_error)
{
    const char *only = NULL;
    char stem[256];
    *ret_error = NULL;
    for (size_t i = 0; i < names->n; i++) {
        const char *name = names->names[i];
        if (!registry_model_stem(name, stem, sizeof(stem)))
            continue;
        if (str_equal(stem, "model"))
            return arena_printf(arena, "%s/%s", directory, name);
        if (only)
            *ret_error = arena_printf(arena, "holds '%s' and '%s': name the right one model.h5", only, name);
        only = name;
    }
    return only && !*ret_error ? arena_printf(arena, "%s/%s", directory, only) : NULL;
}

enum registry_path_kind registry_path_kind(const char *path)
{
    enum registry_path_kind kind = REGISTRY_PATH_MODELS;
    char stem[256], child[4096];
    int64_t number;
    DIR *dir = opendir(path);
    if (!dir)
        return REGISTRY_PATH_FILE;
    for (struct dirent *entry; kind == REGISTRY_PATH_MODELS && (entry = readdir(dir));) {
        snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
        if ((registry_model_stem(entry->d_name, stem, sizeof(stem)) && str_equal(stem, "model")) ||
            (str_to_i64(entry->d_name, &number) && is_directory(child)))
            kind = REGISTRY_PATH_MODEL_DIRECTORY;
    }
    closedir(dir);
    return kind;
}

/* ---- one model ---- */

static void add_version(struct registry_sources *sources, struct registry_source *source, int64_t number,
                        const char *path, const char *error)
{
    struct registry_source_version *version = arena_alloc(sources->arena, sizeof(*version));
    struct registry_source_version **link = &source->versions;
    if (!version)
        return;
    *version = (struct registry_source_version){.number = number, .path = path, .error = error};
    if (path && !registry_file_identify(path, &version->file)) {
        version->error = arena_printf(sources->arena, "cannot be opened: %s", strerror(errno));
        version->path = NULL;
    } else if (path) {
        registry_beside_identify(path, source->conf, &version->file);
    }
    while (*link && (*link)->number > number)
        link = &(*link)->next;
    if (*link && (*link)->number == number)
        return; /* "7" and "007" */
    version->next = *link;
    *link = version;
}

static bool is_wanted(const struct conf_versions *policy, int64_t number)
{
    if (policy->policy != CONF_VERSIONS_SPECIFIC)
        return true;
    for (int64_t i = 0; i < policy->n; i++)
        if (policy->version[i] == number)
            return true;
    return false;
}

/* LATEST keeps the first n of the sorted list that have a file, so that a directory that is still empty takes nobody's
 * place; every policy is bounded by the slots of a model. */
static void cut_versions(struct registry_source *source)
{
    const struct conf_versions *policy = &source->conf->versions;
    int64_t room = REGISTRY_MAX_SLOTS - REGISTRY_KEEP_ENDED, keep = room;
    struct registry_source_version **link = &source->versions;
    if (policy->policy == CONF_VERSIONS_LATEST && policy->n < keep)
        keep = policy->n;
    while (*link && keep > 0 && room-- > 0) {
        keep -= !(*link)->error;
        link = &(*link)->next;
    }
    *link = NULL;
}

static void look_into_version(struct registry_sources *sources, struct registry_source *source,
                              int64_t number, const char *directory)
{
    struct listing names;
    const char *error = list(sources, directory, &names), *path = NULL;
    if (!error)
        path = model_file(sources->arena, directory, &names, &error);
    if (!path && !error)
        error = "holds no model file (model.h5)";
    add_version(sources, source, number, path, error);
}

/* False if the directory holds neither versions nor a model file. */
static bool look_into_model(struct registry_sources *sources, struct registry_source *source,
                            const char *directory)
{
    struct listing names;
    bool numbered = false;
    source->error = list(sources, directory, &names);
    for (size_t i = 0; i < names.n && !source->error; i++) {
        int64_t number;
        const char *child = arena_printf(sources->arena, "%s/%s", directory, names.names[i]);
        if (!child || !str_to_i64(names.names[i], &number) || number < 0 || !is_directory(child))
            continue;
        numbered = true;
        if (is_wanted(&source->conf->versions, number))
            look_into_version(sources, source, number, child);
    }
    if (!source->error && !numbered) {
        const char *path = model_file(sources->arena, directory, &names, &source->error);
        if (path)
            add_version(sources, source, 1, path, NULL);
    }
    cut_versions(source);
    return source->error || numbered || source->versions;
}

static struct registry_source *find_source(const struct registry_sources *sources, const char *name)
{
    for (struct registry_source *source = sources->models; source; source = source->next)
        if (str_equal(source->name, name))
            return source;
    return NULL;
}

static struct registry_source *new_source(struct registry_sources *sources, const char *name,
                                          struct conf_model *conf, bool found)
{
    struct registry_source *source = arena_alloc(sources->arena, sizeof(*source));
    if (!source || !(source->name = arena_strdup(sources->arena, name)))
        return NULL;
    source->conf = conf;
    source->found = found;
    return source;
}

static void add_source(struct registry_sources *sources, struct registry_source *source)
{
    source->next = sources->models;
    sources->models = source;
    sources->n_models++;
}

static void note_parent(struct registry_sources *sources, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *parent = "/";
    if (!slash)
        parent = ".";
    else if (slash > path)
        parent = arena_strndup(sources->arena, path, (size_t)(slash - path));
    if (parent)
        note_directory(sources, parent);
}

static int add_configured(struct registry_sources *sources, struct conf_model *conf, struct err *err)
{
    struct registry_source *source = new_source(sources, conf->name, conf, false);
    if (!source)
        return err_set(err, KD_ENOMEM, "out of memory");
    add_source(sources, source);
    note_parent(sources, conf->path);
    if (!is_directory(conf->path))
        add_version(sources, source, 1, conf->path, NULL);
    else if (!look_into_model(sources, source, conf->path))
        source->error = "the directory holds neither VERSION/model.h5 nor model.h5";
    return 0;
}

/* ---- directories of models ---- */

static bool add_found(struct registry_sources *sources, struct conf *conf, const char *path,
                      const char *entry)
{
    char stem[256];
    bool directory = is_directory(path);
    if (directory)
        snprintf(stem, sizeof(stem), "%s", entry);
    else if (!registry_model_stem(entry, stem, sizeof(stem)))
        return true;
    if (!conf_model_name_ok(stem) || find_source(sources, stem))
        return true;
    struct registry_source *source = new_source(sources, stem, &conf->defaults, true);
    if (!source)
        return false;
    if (directory) {
        if (look_into_model(sources, source, path))
            add_source(sources, source);
    } else {
        add_source(sources, source);
        add_version(sources, source, 1, path, NULL);
    }
    return true;
}

static void look_into_directory(struct registry_sources *sources, struct conf *conf, const char *directory)
{
    struct listing names;
    const char *error = list(sources, directory, &names);
    if (error)
        sources->error = arena_printf(sources->arena, "model_directory %s: %s", directory, error);
    for (size_t i = 0; i < names.n && !error; i++) {
        const char *path = arena_printf(sources->arena, "%s/%s", directory, names.names[i]);
        if ((int64_t)sources->n_models >= conf->max_models) {
            sources->error = arena_printf(sources->arena,
                                          "model_directory %s: more than max_models = %lld models",
                                          directory, (long long)conf->max_models);
            return;
        }
        if (!path || !add_found(sources, conf, path, names.names[i])) {
            sources->error = "out of memory";
            return;
        }
    }
}

int registry_sources_find(struct conf *conf, struct registry_sources **ret, struct err *err)
{
    struct arena *arena = arena_new();
    struct registry_sources *sources = arena ? arena_alloc(arena, sizeof(*sources)) : NULL;
    if (!sources) {
        arena_free(arena);
        return err_set(err, KD_ENOMEM, "out of memory");
    }
    sources->arena = arena;
    int code = 0;
    if ((int64_t)conf->n_models > conf->max_models)
        code = err_set(err, KD_ETOOBIG, "%zu models are configured, more than max_models = %lld",
                       conf->n_models, (long long)conf->max_models);
    for (size_t i = 0; i < conf->n_models && code == 0; i++)
        code = add_configured(sources, conf->models[i], err);
    for (size_t i = 0; i < conf->model_directory.n && code == 0; i++)
        look_into_directory(sources, conf, conf->model_directory.item[i]);
    if (code) {
        registry_sources_free(sources);
        return code;
    }
    *ret = sources;
    return 0;
}

void registry_sources_free(struct registry_sources *sources)
{
    if (sources)
        arena_free(sources->arena);
}
