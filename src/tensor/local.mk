# src/tensor: row 1, shapes and dtypes
libbase_a_SOURCES += \
	src/tensor/dtype.c src/tensor/dtype.h \
	src/tensor/shape.c src/tensor/shape.h \
	src/tensor/tensor.c src/tensor/tensor.h
