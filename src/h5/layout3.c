/* layout3: the layout of Keras 3's model.weights.h5 (alone, or inside a .keras archive).
 *
 *   /layers/dense/vars/0, 1, ...          each layer's variables under their numbers
 *   /layers/lstm/cell/vars/0, ...         layers inside layers as groups inside groups
 *   /optimizer/vars/0, ...
 *
 * The paths are of class names with numbers; newer versions keep the layer's own name as the attribute "name"
 * of vars. There are no lists: the tree itself says what is there, so it is walked, in the order of names,
 * with a stack of our own. Hard links can form circles: depth and number of groups are bounded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "h5/attribute.h"
#include "h5/error.h"
#include "h5/model.h"
#include "h5/object.h"

#define MAX_DEPTH    64
#define MAX_GROUPS   100000u
#define MAX_CHILDREN 65536u

struct child {
    struct child *next;
    const char *name;
};

/* The children of one group, by name; filled by HDF5's iteration. */
struct children {
    struct arena *arena;
    struct child *first, **last;
    size_t n;
};

/* A group that waits for its turn. */
struct todo {
    struct todo *next;
    const char *path; /* from the root, without a slash in front */
    int depth;
};

struct walk {
    struct h5_model *model;
    struct todo *todo;
    size_t n_groups;
    struct err *err;
};

static int no_memory(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory while listing the file's groups");
}

static herr_t add_child(hid_t group, const char *name, const H5L_info_t *info, void *data)
{
    struct children *children = data;
    struct child *child = arena_alloc(children->arena, sizeof(*child));
    if (!child || !(child->name = arena_strdup(children->arena, name)) || children->n == MAX_CHILDREN)
        return -1;
    *children->last = child;
    children->last = &child->next;
    children->n++;
    return 0;
}

static int list_children(struct walk *walk, hid_t group, const char *where, struct children *ret)
{
    *ret = (struct children){.arena = walk->model->arena};
    ret->last = &ret->first;
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, add_child, ret) < 0)
        return h5_fail(walk->err, KD_EFORMAT, "group '/%s' cannot be listed, or has more than %u members",
                       where, MAX_CHILDREN);
    return 0;
}

/* "2" before "10": numbers without leading zeros sort by length first. */
static int compare_names(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    size_t length_x = strlen(x), length_y = strlen(y);
    if (length_x != length_y)
        return length_x < length_y ? -1 : 1;
    return strcmp(x, y);
}

static const char **list_of(struct walk *walk, const struct children *children)
{
    const char **names = arena_calloc(walk->model->arena, children->n, sizeof(*names));
    size_t i = 0;
    for (const struct child *child = children->first; child && names; child = child->next)
        names[i++] = child->name;
    return names;
}

static bool is_optimizer(const char *path)
{
    return strcmp(path, "optimizer") == 0 || strncmp(path, "optimizer/", 10) == 0;
}

static int describe_layer(struct walk *walk, hid_t vars, const char *path)
{
    const char *saved_name;
    int code = h5_get_text(vars, "name", path, walk->model->arena, &saved_name, walk->err);
    if (!code)
        code = image_writer_layer(walk->model->writer, path, walk->err);
    if (!code && saved_name)
        code = image_writer_saved_name(walk->model->writer, saved_name, walk->err);
    return code;
}

static int describe_vars(struct walk *walk, hid_t group, const char *path)
{
    struct children children;
    hid_t vars;
    bool optimizer = is_optimizer(path);
    enum image_section section = optimizer ? IMAGE_SECTION_OPTIMIZER : IMAGE_SECTION_LAYERS;
    int code = h5_open(group, "vars", H5I_GROUP, path, &vars, walk->err);
    if (code)
        return code;
    code = list_children(walk, vars, path, &children);
    const char **names = code ? NULL : list_of(walk, &children);
    if (!code && !names)
        code = no_memory(walk->err);
    if (!code)
        qsort(names, children.n, sizeof(*names), compare_names);
    if (!code && children.n > 0 && !optimizer)
        code = describe_layer(walk, vars, path);
    for (size_t i = 0; i < children.n && !code; i++)
        code = h5_model_tensor(walk->model, section, vars, path, names[i],
                               optimizer ? H5_DATA_SCALARS : H5_DATA_ALL, walk->err);
    H5Oclose(vars);
    return code;
}

static int push(struct walk *walk, const char *parent, const char *name, int depth)
{
    struct todo *todo = arena_alloc(walk->model->arena, sizeof(*todo));
    if (!todo || !(todo->path = arena_printf(walk->model->arena, "%s%s%s", parent, *parent ? "/" : "", name)))
        return no_memory(walk->err);
    if (depth > MAX_DEPTH)
        return err_set(walk->err, KD_EFORMAT,
                       "'/%.200s...' is nested deeper than %d groups: the file's links form a "
                       "circle, or it is hostile",
                       todo->path, MAX_DEPTH);
    if (walk->n_groups++ == MAX_GROUPS)
        return err_set(walk->err, KD_ETOOBIG, "the file has more than %u groups", MAX_GROUPS);
    todo->depth = depth;
    todo->next = walk->todo;
    walk->todo = todo;
    return 0;
}

/* Pushed in reverse, so that they are taken in the order of names. */
static int push_children(struct walk *walk, hid_t group, const struct todo *at)
{
    struct children children;
    int code = list_children(walk, group, at->path, &children);
    if (code)
        return code;
    const char **names = list_of(walk, &children);
    if (!names)
        return no_memory(walk->err);
    for (size_t i = children.n; i-- > 0 && !code;)
        if (strcmp(names[i], "vars") != 0)
            code = push(walk, at->path, names[i], at->depth + 1);
    return code;
}

static int visit(struct walk *walk, const struct todo *at)
{
    hid_t group = walk->model->root;
    int code = *at->path ? h5_open(group, at->path, H5I_GROUP, "/", &group, walk->err) : 0;
    if (code)
        return code;
    if (H5Lexists(group, "vars", H5P_DEFAULT) > 0)
        code = describe_vars(walk, group, at->path);
    if (!code)
        code = push_children(walk, group, at);
    if (*at->path)
        H5Oclose(group);
    return code;
}

bool h5_layout3_found(hid_t root)
{
    return h5_has_group(root, "layers") || h5_has_group(root, "_layer_checkpoint_dependencies") ||
           h5_has_group(root, "vars");
}

int h5_layout3_describe(struct h5_model *model, struct err *err)
{
    struct walk walk = {.model = model, .err = err};
    int code = push(&walk, "", "", 0);
    while (!code && walk.todo) {
        const struct todo *at = walk.todo;
        walk.todo = at->next;
        code = visit(&walk, at);
    }
    return code;
}
