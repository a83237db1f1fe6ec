# src/image: row 2, the model image
noinst_HEADERS += src/image/image.h
