/* read: a file is told by its content, never by its name: HDF5, a .keras archive (also when it is named .h5),
 * or something else that is refused by name. Then describe, map, fill, finish. */
#include "h5/read.h"

#include <stdbool.h>

#include "base/err.h"
#include "h5/archive.h"
#include "h5/model.h"
#include "h5/sniff.h"
#include "h5/source.h"
#include "image/image_write.h"

struct job {
    struct image_writer *writer;
    struct h5_archive *archive; /* NULL for a plain HDF5 file */
    int image_fd;
    struct buf *text;
};

static int fill(struct job *job, struct h5_model *model, struct err *err)
{
    int code = h5_model_describe(model, err);
    if (!code && job->text)
        image_writer_print(job->writer, job->text);
    if (!code)
        code = image_writer_map(job->writer, job->image_fd, err);
    if (!code)
        code = h5_model_read(model, err);
    if (!code && job->archive)
        code = h5_archive_read(job->archive, job->writer, err);
    return code ? code : image_writer_finish(job->writer, err);
}

static int read_hdf5(struct job *job, const struct h5_source *source, struct err *err)
{
    struct h5_model model;
    int code = h5_model_init(&model, source, job->writer, err);
    model.in_archive = job->archive != NULL;
    if (!code)
        code = fill(job, &model, err);
    h5_model_done(&model);
    return code;
}

static int read_archive(struct job *job, const struct h5_source *source, struct err *err)
{
    int code = h5_archive_open(source, job->writer, &job->archive, err);
    if (code)
        return code;
    const struct h5_source *weights = h5_archive_weights(job->archive);
    if (h5_is_hdf5(weights))
        code = read_hdf5(job, weights, err);
    else
        code = h5_refuse_file(weights, err);
    if (code)
        err_wrap(err, "model.weights.h5 in the archive");
    h5_archive_free(job->archive);
    return code;
}

int h5_read_file(const struct h5_source *source, int image_fd, size_t max_image_bytes, struct buf *ret_text,
                 struct err *err)
{
    struct job job = {.image_fd = image_fd, .text = ret_text, .writer = image_writer_new(max_image_bytes)};
    int code;
    if (!job.writer)
        return err_set(err, KD_ENOMEM, "out of memory");
    /* First the zip: the weights in it are not packed, and may begin where HDF5 looks for its signature too. */
    if (h5_is_zip(source))
        code = read_archive(&job, source, err);
    else if (h5_is_hdf5(source))
        code = read_hdf5(&job, source, err);
    else
        code = h5_refuse_file(source, err);
    image_writer_free(job.writer);
    return code;
}
