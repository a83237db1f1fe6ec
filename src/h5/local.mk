# src/h5: the loader child, a program of its own: base, tensor, image writer, HDF5 and zlib. Nothing else links libh5.a
# but its own tests.
noinst_LIBRARIES += libh5.a
libh5_a_CPPFLAGS = $(AM_CPPFLAGS) $(HDF5_CFLAGS) $(ZLIB_CFLAGS)
libh5_a_SOURCES = \
	src/h5/archive.c src/h5/archive.h \
	src/h5/attribute.c src/h5/attribute.h \
	src/h5/dataset.c src/h5/dataset.h \
	src/h5/error.c src/h5/error.h \
	src/h5/heap.c src/h5/heap.h \
	src/h5/jail.c src/h5/jail_check.c src/h5/jail.h \
	src/h5/layout3.c src/h5/legacy.c \
	src/h5/model.c src/h5/model.h \
	src/h5/object.c src/h5/object.h \
	src/h5/read.c src/h5/read.h \
	src/h5/sniff.c src/h5/sniff.h \
	src/h5/source.c src/h5/source.h \
	src/h5/vfd.c src/h5/vfd.h \
	src/h5/zip.c src/h5/zip.h
H5_LIBS = libh5.a libbase.a $(HDF5_LIBS) $(ZLIB_LIBS)

pkglibexec_PROGRAMS += kerasd-load
kerasd_load_CPPFLAGS = $(libh5_a_CPPFLAGS)
kerasd_load_SOURCES = src/h5/kerasd_load.c
kerasd_load_LDADD = $(H5_LIBS)
dist_check_SCRIPTS += tests/ldd.sh
TESTS += tests/ldd.sh
