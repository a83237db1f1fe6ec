# src/image: row 2, the model image. The writer is for the loader child and knows base and tensor alone.
libkerasd_a_SOURCES += src/image/image.c src/image/image.h
libbase_a_SOURCES += src/image/image_write.c src/image/image_write.h
noinst_HEADERS += src/image/protocol.h
