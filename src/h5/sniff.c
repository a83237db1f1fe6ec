/* sniff: people load what they find under the name model.h5, and that is often something else: a Git LFS
 * pointer, a login page, a pickle, the model of another framework. Each is told apart by its first bytes, in
 * one table, and answered with what it is and what to do. The order matters where one sign includes another.
 */
#include "h5/sniff.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "h5/source.h"
#include "h5/zip.h"

#define HEAD_BYTES 4096

#define SAVE_AGAIN      "load it in the program that made it and save it with model.save(\"model.h5\")"
#define OTHER_FRAMEWORK "only Keras models in .h5 or .keras files are served"

struct sign {
    size_t at;
    const char *bytes;
    size_t length;
    int code;
    const char *says;
};

#define SIGN(at, bytes, code, says)                                                                          \
    {                                                                                                        \
        at, bytes, sizeof(bytes) - 1, code, says                                                             \
    }
#define PICKLE                                                                                               \
    "a Python pickle (pickle or joblib dump): it holds Python objects, not a model file; " SAVE_AGAIN
#define COMPRESSED(name, tool) "a " name " archive: unpack it with '" tool "' and load the .h5 file inside"

static const struct sign signs[] = {
    SIGN(0, "\x80\x02", KD_EUNSUPPORTED, PICKLE),
    SIGN(0, "\x80\x03", KD_EUNSUPPORTED, PICKLE),
    SIGN(0, "\x80\x04", KD_EUNSUPPORTED, PICKLE),
    SIGN(0, "\x80\x05", KD_EUNSUPPORTED, PICKLE),
    SIGN(0, "ZF0x", KD_EUNSUPPORTED, PICKLE),
    SIGN(0, "x\x9c", KD_EUNSUPPORTED, "compressed by zlib: probably " PICKLE),
    SIGN(0, "x\x01", KD_EUNSUPPORTED, "compressed by zlib: probably " PICKLE),
    SIGN(0, "x\xda", KD_EUNSUPPORTED, "compressed by zlib: probably " PICKLE),
    SIGN(0, "\x1f\x8b", KD_EUNSUPPORTED, COMPRESSED("gzip", "gunzip' or 'tar xzf")),
    SIGN(0, "BZh", KD_EUNSUPPORTED, COMPRESSED("bzip2", "bunzip2")),
    SIGN(0, "\3757zXZ", KD_EUNSUPPORTED, COMPRESSED("xz", "unxz")),
    SIGN(0, "\x28\xb5\x2f\xfd", KD_EUNSUPPORTED, COMPRESSED("zstd", "unzstd")),
    SIGN(0, "7z\xbc\xaf\x27\x1c", KD_EUNSUPPORTED, COMPRESSED("7-Zip", "7z x")),
    SIGN(0, "Rar!", KD_EUNSUPPORTED, COMPRESSED("RAR", "unrar x")),
    SIGN(257, "ustar", KD_EUNSUPPORTED, COMPRESSED("tar", "tar xf")),
    SIGN(4, "TFL3", KD_EUNSUPPORTED,
         "a TensorFlow Lite model: " OTHER_FRAMEWORK "; take the Keras model that it was "
         "converted from"),
    SIGN(0, "GGUF", KD_EUNSUPPORTED, "a GGUF language model: " OTHER_FRAMEWORK),
    SIGN(0, "\x93NUMPY", KD_EUNSUPPORTED, "a NumPy array (.npy), not a model"),
    SIGN(0, "\x89PNG", KD_EFORMAT, "a PNG picture, not a model"),
    SIGN(0, "\xff\xd8\xff", KD_EFORMAT, "a JPEG picture, not a model"),
    SIGN(0, "%PDF", KD_EFORMAT, "a PDF document, not a model"),
    SIGN(0, "\177ELF", KD_EFORMAT, "a program (ELF), not a model"),
    SIGN(0, "\x0e\x03\x13\x01", KD_EFORMAT, "an HDF4 file; Keras models are HDF5"),
    SIGN(0, "CDF", KD_EFORMAT, "a classic NetCDF file; Keras models are HDF5"),
    SIGN(0, "\x08\x01\x12", KD_EUNSUPPORTED, "a TensorFlow SavedModel (saved_model.pb): " SAVE_AGAIN),
};

static const char html_says[] =
    "a web page, not a model: the address returned a page (a login, a notice or an "
    "error) instead of the file; use the address of the raw file";
static const char lfs_says[] =
    "a Git LFS pointer, not the model itself: run 'git lfs install' and 'git lfs pull' in "
    "its repository, or download the raw file";

/* The head of the file: its first bytes, NUL-terminated. */
struct head {
    char bytes[HEAD_BYTES + 1];
    size_t length;
};

static void read_head(const struct h5_source *source, struct head *head)
{
    head->length = source->size < HEAD_BYTES ? (size_t)source->size : HEAD_BYTES;
    if (h5_source_read(source, 0, head->bytes, head->length))
        head->length = 0;
    head->bytes[head->length] = '\0';
}

bool h5_is_hdf5(const struct h5_source *source)
{
    char bytes[8];
    for (uint64_t at = 0; h5_source_read(source, at, bytes, sizeof(bytes)) == 0; at = at ? at * 2 : 512)
        if (memcmp(bytes, "\x89HDF\r\n\x1a\n", sizeof(bytes)) == 0)
            return true;
    return false;
}

bool h5_is_zip(const struct h5_source *source)
{
    char bytes[4];
    return h5_source_read(source, 0, bytes, sizeof(bytes)) == 0 &&
           (memcmp(bytes, "PK\x03\x04", 4) == 0 || memcmp(bytes, "PK\x05\x06", 4) == 0);
}

static bool all_zero(const struct head *head)
{
    for (size_t i = 0; i < head->length; i++)
        if (head->bytes[i])
            return false;
    return head->length > 0;
}

static const char *skip_space(const char *text)
{
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    return text + strspn(text, " \t\r\n");
}

static bool is_html(const char *text)
{
    static const char *const starts[] = {"<!doctype html", "<html", "<head", "<body", "<?xml", "<!--"};
    for (size_t i = 0; i < KD_COUNT(starts); i++)
        if (strncasecmp(text, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

static bool is_text(const struct head *head)
{
    size_t valid = str_utf8_valid(head->bytes, head->length);
    if (head->length == 0 || valid + 4 < head->length)
        return false;
    for (size_t i = 0; i < valid; i++)
        if (iscntrl((unsigned char)head->bytes[i]) && !isspace((unsigned char)head->bytes[i]))
            return false;
    return true;
}

static int refuse_json(const char *text, struct err *err)
{
    if (strstr(text, "layers-model") || strstr(text, "graph-model"))
        return err_set(err, KD_EUNSUPPORTED,
                       "this is a TensorFlow.js model (model.json): %s; take the Keras model "
                       "that it was converted from",
                       OTHER_FRAMEWORK);
    if (strstr(text, "class_name"))
        return err_set(err, KD_EUNSUPPORTED,
                       "this is a model's architecture alone (model.to_json()), without weights: "
                       "load the .h5 file with the weights, and keep this one beside it as model.json");
    return err_set(err, KD_EFORMAT, "this is a JSON text, not a model file");
}

static int refuse_text(const struct head *head, struct err *err)
{
    const char *text = skip_space(head->bytes);
    if (str_starts(text, "version https://git-lfs"))
        return err_set(err, KD_EFORMAT, "this is %s", lfs_says);
    if (is_html(text))
        return err_set(err, KD_EFORMAT, "this is %s", html_says);
    if (*text == '{' || str_starts(text, "\"{"))
        return refuse_json(text, err);
    char line[61];
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\r\n"), text);
    line[str_utf8_valid(line, strlen(line))] = '\0';
    return err_set(err, KD_EFORMAT, "this is a text file, not a model; it begins '%s'", line);
}

/* safetensors: the length of a JSON header, then the header. ONNX: a version, then the producer's name. */
static int refuse_binary(const struct head *head, struct err *err)
{
    const char *bytes = head->bytes;
    if (head->length > 9 && bytes[8] == '{' && bytes[6] == 0 && bytes[7] == 0)
        return err_set(err, KD_EUNSUPPORTED, "this is a safetensors file: %s", OTHER_FRAMEWORK);
    if (head->length > 16 && bytes[0] == 8 && bytes[1] > 1 && bytes[1] < 32 && bytes[2] == 0x12)
        return err_set(err, KD_EUNSUPPORTED, "this is an ONNX model: %s", OTHER_FRAMEWORK);
    return err_set(
        err, KD_EFORMAT,
        "this is not an HDF5 file (it begins %02x %02x %02x %02x): it is damaged or something else; fetch it "
        "again, or save the model with model.save(\"model.h5\")",
        (unsigned char)bytes[0], (unsigned char)bytes[1], (unsigned char)bytes[2], (unsigned char)bytes[3]);
}

int h5_refuse_file(const struct h5_source *source, struct err *err)
{
    struct head head;
    memset(&head, 0, sizeof(head));
    read_head(source, &head);
    if (source->size == 0)
        return err_set(err, KD_EFORMAT,
                       "the file is empty (0 bytes): the copy or download did not finish; fetch it again");
    if (all_zero(&head))
        return err_set(err, KD_EFORMAT,
                       "the file begins with nothing but zero bytes: a copy or download reserved the "
                       "space but did not fill it; fetch it again");
    for (size_t i = 0; i < KD_COUNT(signs); i++) {
        const struct sign *sign = &signs[i];
        if (sign->at + sign->length <= head.length &&
            memcmp(head.bytes + sign->at, sign->bytes, sign->length) == 0)
            return err_set(err, sign->code, "this is %s", sign->says);
    }
    return is_text(&head) ? refuse_text(&head, err) : refuse_binary(&head, err);
}

/* Zips without a Keras model, by the name of an entry. */
int h5_refuse_zip(const struct h5_zip *zip, struct err *err)
{
    static const struct {
        const char *ending, *says;
    } entries[] = {
        {".h5", "an .h5 file: unpack it with 'unzip' and load that file"},
        {".hdf5", "an .hdf5 file: unpack it with 'unzip' and load that file"},
        {".keras", "a .keras file: unpack it with 'unzip' and load that file"},
        {"saved_model.pb", "a TensorFlow SavedModel: " SAVE_AGAIN},
        {"data.pkl", "a PyTorch model: " OTHER_FRAMEWORK},
        {".npy", "NumPy arrays (.npz), not a model"},
        {"model.json", "a TensorFlow.js model: " OTHER_FRAMEWORK},
    };
    for (size_t k = 0; k < KD_COUNT(entries); k++)
        for (size_t i = 0; i < zip->n_entries; i++)
            if (str_ends(zip->entries[i].name, entries[k].ending) &&
                !str_starts(zip->entries[i].name, "__MACOSX/"))
                return err_set(err, KD_EUNSUPPORTED, "this is a zip archive with %s ('%.80s')",
                               entries[k].says, zip->entries[i].name);
    return err_set(err, KD_EUNSUPPORTED,
                   "this is a zip archive without a Keras model (no config.json and "
                   "model.weights.h5; %zu entries, first '%.80s')",
                   zip->n_entries, zip->n_entries ? zip->entries[0].name : "");
}
