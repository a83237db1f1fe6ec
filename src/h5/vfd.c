/* vfd: HDF5's own drivers open files by name; this one has no names. A file is a source that travels to the
 * driver's open function inside the access properties. Writing is refused, reading past the end is an error
 * (HDF5's own driver would invent zeros there), and so are bytes that would make libhdf5 loop (heap.c). */
#include "h5/vfd.h"

#include <stdlib.h>

#if H5_VERSION_GE(1, 13, 2)
#include <H5FDdevelop.h>
#endif

#include "h5/heap.h"
#include "h5/source.h"

#define VFD_VALUE 511 /* from the range for drivers that are not registered */

struct vfd_file {
    H5FD_t base; /* HDF5 keeps its own facts here */
    const struct h5_source *source;
    haddr_t end_allocated;
};

struct vfd_info {
    const struct h5_source *source;
};

static H5FD_t *vfd_open(const char *name, unsigned flags, hid_t access, haddr_t max_address)
{
    const struct vfd_info *info = H5Pget_driver_info(access);
    if (!info || (flags & H5F_ACC_RDWR))
        return NULL;
    struct vfd_file *file = calloc(1, sizeof(*file));
    if (!file)
        return NULL;
    file->source = info->source;
    return &file->base;
}

static herr_t vfd_close(H5FD_t *file)
{
    free(file);
    return 0;
}

static int vfd_cmp(const H5FD_t *a, const H5FD_t *b)
{
    return a < b ? -1 : a > b;
}

static herr_t vfd_query(const H5FD_t *file, unsigned long *ret_flags)
{
    *ret_flags = H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE;
    return 0;
}

static haddr_t vfd_get_eoa(const H5FD_t *file, H5FD_mem_t type)
{
    return ((const struct vfd_file *)file)->end_allocated;
}

static herr_t vfd_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t address)
{
    ((struct vfd_file *)file)->end_allocated = address;
    return 0;
}

static haddr_t vfd_get_eof(const H5FD_t *file, H5FD_mem_t type)
{
    return ((const struct vfd_file *)file)->source->size;
}

static herr_t vfd_read(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t size, void *data)
{
    if (h5_source_read(((const struct vfd_file *)file)->source, at, data, size) != 0)
        return -1;
    if ((type != H5FD_MEM_GHEAP && type != H5FD_MEM_DRAW) || h5_heap_sound(data, size))
        return 0;
    /* HDF5 reads heaps as raw data too. */
    H5Epush2(H5E_DEFAULT, __FILE__, __func__, __LINE__, H5E_ERR_CLS, H5E_HEAP, H5E_BADVALUE,
             "the objects of a global heap do not fill it");
    return -1;
}

static herr_t vfd_write(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t size,
                        const void *data)
{
    return -1;
}

static const H5FD_class_t vfd_class = {
#ifdef H5FD_CLASS_VERSION
    .version = H5FD_CLASS_VERSION,
    .value = VFD_VALUE,
#endif
    .name = "kerasd",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(struct vfd_info),
    .open = vfd_open,
    .close = vfd_close,
    .cmp = vfd_cmp,
    .query = vfd_query,
    .get_eoa = vfd_get_eoa,
    .set_eoa = vfd_set_eoa,
    .get_eof = vfd_get_eof,
    .read = vfd_read,
    .write = vfd_write,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

hid_t h5_vfd_register(void)
{
    return H5FDregister(&vfd_class);
}

hid_t h5_vfd_access(hid_t driver, const struct h5_source *source)
{
    struct vfd_info info = {.source = source};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access >= 0 &&
        (H5Pset_driver(access, driver, &info) < 0 || H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0)) {
        H5Pclose(access);
        return H5I_INVALID_HID;
    }
    return access;
}
